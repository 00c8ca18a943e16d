// First-order linear recurrence: see linear_scan_raw.h. Lanes are channels, or batch entries if there are more of them.
#include "tensor/cpu/linear_scan_raw.h"

#include "tensor/cpu/scan_plan.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {
namespace {

template <class T>
struct Tiles {
  static constexpr int64_t kSize = int64_t{kTileSteps} * kLanes<T> * 2;  // [plane][step][lane]
  Scratch<T> a{kSize}, b{kSize}, h{kSize};
  alignas(64) T state[2 * kLanes<T>];
};

// One block of lanes of one batch entry.
template <class T, bool C>
class Block {
 public:
  Block(const LinearScanShape& shape, const TimeOrder& order, int64_t batch, int64_t d0, Tiles<T>& tiles)
      : shape_(shape), order_(order), batch_(batch), d0_(d0), lanes_(std::min<int64_t>(W, shape.D - d0)),
        ahead_(shape.reverse ? -kTileSteps : kTileSteps), t_(tiles) {}

  void forward(const Rows<const T>& a, const Rows<const T>& b, const Rows<const T>& h0, const Rows<T>& h) {
    Num<T, C> state = initial(h0);
    int64_t positions[kTileSteps];
    for (int64_t first = 0; first < shape_.L; first += kTileSteps) {
      const int steps = place(first, positions);
      gather(a, positions, steps, t_.a);
      gather(b, positions, steps, t_.b);
      for (int i = 0; i < steps; ++i) {
        state = add(mul(at(t_.a, i), state), at(t_.b, i));
        put(t_.h, i, state);
      }
      scatter(t_.h, h, positions, steps);
    }
  }

  void backward(const Rows<const T>& a, const Rows<const T>& h0, const Rows<const T>& h, const Rows<const T>& dh,
                const Rows<T>& da, const Rows<T>& db, const Rows<T>& dh0) {
    ahead_ = -ahead_;
    Num<T, C> g{};
    int64_t positions[kTileSteps];
    for (int64_t tile = chunk_count(shape_.L) - 1; tile >= 0; --tile) {
      const int64_t first = tile * kTileSteps;
      previous_states(h0, h, first);
      const int steps = place(first, positions);
      gather(a, positions, steps, t_.a);
      gather(dh, positions, steps, t_.b);
      for (int i = steps - 1; i >= 0; --i) {
        g = add(g, at(t_.b, i));
        put(t_.h, i, mul_conj(g, at(t_.h, i)));
        put(t_.b, i, g);
        g = mul_conj(g, at(t_.a, i));
      }
      if (da.data) scatter(t_.h, da, positions, steps);
      if (db.data) scatter(t_.b, db, positions, steps);
    }
    if (dh0.data == nullptr) return;
    store_num<T, C>(t_.state, g);
    for (int p = 0; p < kPlanes; ++p) {
      for (int lane = 0; lane < lanes_; ++lane) {
        dh0.data[batch_ * dh0.stride_b + (d0_ + lane) * dh0.stride_d + p] = t_.state[p * W + lane];
      }
    }
  }

 private:
  static constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;
  static constexpr int64_t kPlane = int64_t{kTileSteps} * W;

  static Num<T, C> at(Scratch<T>& tile, int i) {
    if constexpr (C) return {load(tile.data() + i * W), load(tile.data() + kPlane + i * W)};
    else return {load(tile.data() + i * W)};
  }
  static void put(Scratch<T>& tile, int i, Num<T, C> x) {
    store(tile.data() + i * W, x.re);
    if constexpr (C) store(tile.data() + kPlane + i * W, x.im);
  }
  static Num<T, C> add(Num<T, C> a, Num<T, C> b) { return add_scaled(a, splat<T>(1), b); }

  int place(int64_t first, int64_t* positions) const {
    const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, shape_.L - first));
    order_.positions(first, steps, positions);
    return steps;
  }
  void gather(const Rows<const T>& from, const int64_t* positions, int steps, Scratch<T>& tile, int row = 0) const {
    for (int p = 0; p < kPlanes; ++p) {
      const Rows<const T> plane{from.data + p, from.stride_b, from.stride_t, from.stride_d};
      gather_tile(plane, batch_, d0_, positions, steps, lanes_, tile.data() + p * kPlane + row * W, ahead_);
    }
  }
  void scatter(const Scratch<T>& tile, const Rows<T>& to, const int64_t* positions, int steps) const {
    for (int p = 0; p < kPlanes; ++p) {
      const Rows<T> plane{to.data + p, to.stride_b, to.stride_t, to.stride_d};
      scatter_tile(tile.data() + p * kPlane, plane, batch_, d0_, positions, steps, lanes_, ahead_);
    }
  }

  Num<T, C> initial(const Rows<const T>& h0) {
    std::fill_n(t_.state, 2 * W, T(0));
    if (h0.data) {
      for (int p = 0; p < kPlanes; ++p) {
        for (int lane = 0; lane < lanes_; ++lane) {
          t_.state[p * W + lane] = h0.data[batch_ * h0.stride_b + (d0_ + lane) * h0.stride_d + p];
        }
      }
    }
    return load_num<T, C>(t_.state);
  }

  // The tile of h_{t-1}.
  void previous_states(const Rows<const T>& h0, const Rows<const T>& h, int64_t first) {
    int64_t positions[kTileSteps];
    const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, shape_.L - first));
    if (first > 0) {
      order_.positions(first - 1, steps, positions);
      gather(h, positions, steps, t_.h);
      return;
    }
    order_.positions(0, steps - 1, positions);
    gather(h, positions, steps - 1, t_.h, 1);
    put(t_.h, 0, initial(h0));
  }

  const LinearScanShape& shape_;
  const TimeOrder& order_;
  const int64_t batch_, d0_;
  const int lanes_;
  int64_t ahead_;
  Tiles<T>& t_;
};

// A stream with the roles of batch and channel exchanged, so that the longer axis fills the lanes.
template <class T>
Rows<T> exchanged(const Rows<T>& r, bool yes) {
  return yes ? Rows<T>{r.data, r.stride_d, r.stride_t, r.stride_b} : r;
}

template <class T, class F>
void for_each_block(const LinearScanShape& shape, int threads, const F& f) {
  constexpr int W = kLanes<T>;
  const TimeOrder order({}, 0, shape.L, shape.reverse);
  const int64_t blocks = (shape.D + W - 1) / W, tasks = shape.B * blocks;
  const int count = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(tasks, 1)));
  std::vector<Tiles<T>> tiles(count);  // allocated here: nothing may throw in the parallel region
  parallel_tasks(tasks, count, [&](int64_t i, int slot) {
    const int64_t batch = i / blocks, d0 = i % blocks * W;
    if (shape.complex) f(Block<T, true>(shape, order, batch, d0, tiles[slot]));
    else f(Block<T, false>(shape, order, batch, d0, tiles[slot]));
  });
}

}  // namespace

template <class T>
void linear_scan_forward(const LinearScanShape& shape, const Rows<const T>& a, const Rows<const T>& b,
                         const Rows<const T>& h0, const Rows<T>& h, int threads) {
  const bool swap = shape.B > shape.D && shape.D < kLanes<T>;
  const LinearScanShape s{swap ? shape.D : shape.B, shape.L, swap ? shape.B : shape.D, shape.complex, shape.reverse};
  for_each_block<T>(s, threads, [&](auto block) {
    block.forward(exchanged(a, swap), exchanged(b, swap), exchanged(h0, swap), exchanged(h, swap));
  });
}

template <class T>
void linear_scan_backward(const LinearScanShape& shape, const Rows<const T>& a, const Rows<const T>& h0,
                          const Rows<const T>& h, const Rows<const T>& dh, const Rows<T>& da, const Rows<T>& db,
                          const Rows<T>& dh0, int threads) {
  const bool swap = shape.B > shape.D && shape.D < kLanes<T>;
  const LinearScanShape s{swap ? shape.D : shape.B, shape.L, swap ? shape.B : shape.D, shape.complex, shape.reverse};
  for_each_block<T>(s, threads, [&](auto block) {
    block.backward(exchanged(a, swap), exchanged(h0, swap), exchanged(h, swap), exchanged(dh, swap),
                   exchanged(da, swap), exchanged(db, swap), exchanged(dh0, swap));
  });
}

template void linear_scan_forward(const LinearScanShape&, const Rows<const float>&, const Rows<const float>&,
                                  const Rows<const float>&, const Rows<float>&, int);
template void linear_scan_forward(const LinearScanShape&, const Rows<const double>&, const Rows<const double>&,
                                  const Rows<const double>&, const Rows<double>&, int);
template void linear_scan_backward(const LinearScanShape&, const Rows<const float>&, const Rows<const float>&,
                                   const Rows<const float>&, const Rows<const float>&, const Rows<float>&,
                                   const Rows<float>&, const Rows<float>&, int);
template void linear_scan_backward(const LinearScanShape&, const Rows<const double>&, const Rows<const double>&,
                                   const Rows<const double>&, const Rows<const double>&, const Rows<double>&,
                                   const Rows<double>&, const Rows<double>&, int);

}  // namespace hippograd::cpu
