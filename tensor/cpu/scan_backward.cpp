// Backward pass of the selective scan: equations in scan_raw.h.
//
// Per chunk of 32 steps, from the last to the first, and per block of channels: (1) sweep forward from the saved state
// and keep a_t and p_t = a_t h_{t-1}; (2) walk back with g in registers. dB and dC are sums over the channels of a
// group: over the lanes by a fixed tree of shuffles, over blocks in index order, over slices from partial arrays in
// index order. dA, dD, dbias are kept per batch entry and added in index order.
#include <numeric>

#include "tensor/cpu/scan_plan.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {
namespace {

template <class T>
struct Tile {
  static constexpr int64_t kSize = int64_t{kTileSteps} * kLanes<T>;
  // raw: delta before softplus; input: delta u; dy: dout SiLU(z), doubled for complex states;
  // y, s, w: sums over the states of Re(C h), Re(conj(B) g), Re(conj(A) w)
  Scratch<T> raw{kSize}, delta{kSize}, u{kSize}, input{kSize}, z{kSize}, dout{kSize}, dy{kSize}, y{kSize}, s{kSize},
      w{kSize};
  alignas(64) T bias[kLanes<T>], skip[kLanes<T>];
};

template <class T>
struct Pointers {
  const T *delta, *input, *dy, *rates, *A, *Bt, *Ct;
  T *y, *s, *w;        // [step][lane]
  T *h, *g, *dA;       // [n][plane][lane]
  T *a, *p;            // [step][state of the block][plane][lane]
  T *sums;             // shared B, C: [step][block of states][lane]; per lane: unused
  T *dB, *dC;          // per lane: [step][n][plane][lane]; shared: unused
  int64_t b_step, c_step, sum_step, lane_step;
};

// (1): steps [begin, end) of kStates states from h on.
template <class T, bool C, bool kPerLane, int kStates>
__attribute__((noinline)) void sweep_forward(const Pointers<T>& q, int64_t n0, int begin, int end) {
  constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;
  constexpr int64_t kState = kPlanes * W, kCoefficient = kPerLane ? kState : kPlanes;
  Num<T, C> rate[kStates], h[kStates];
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) {
    rate[n] = load_num<T, C>(q.rates + (n0 + n) * kState);
    h[n] = load_num<T, C>(q.h + (n0 + n) * kState);
  }
  for (int t = begin; t < end; ++t) {
    const Vec<T> delta = load(q.delta + t * W), input = load(q.input + t * W);
    const T* Bt = q.Bt + t * q.b_step + n0 * kCoefficient;
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) {
      Num<T, C> a = decay<T, C>(delta, rate[n]), p = mul(a, h[n]);
      store_num<T, C>(q.a + (t * kStates + n) * kState, a);
      store_num<T, C>(q.p + (t * kStates + n) * kState, p);
      h[n] = add_scaled(p, input, coefficient<T, C, kPerLane>(Bt + n * kCoefficient));
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) store_num<T, C>(q.h + (n0 + n) * kState, h[n]);
}

// (2): the same steps from the last to the first.
template <class T, bool C, bool kPerLane, int kStates>
__attribute__((noinline)) void walk_back(const Pointers<T>& q, int64_t n0, int64_t state_block, int begin, int end) {
  constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;
  constexpr int64_t kState = kPlanes * W, kCoefficient = kPerLane ? kState : kPlanes;
  Num<T, C> g[kStates], dA[kStates];
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) {
    g[n] = load_num<T, C>(q.g + (n0 + n) * kState);
    dA[n] = load_num<T, C>(q.dA + (n0 + n) * kState);
  }
  for (int t = end - 1; t >= begin; --t) {
    const Vec<T> delta = load(q.delta + t * W), input = load(q.input + t * W), dy = load(q.dy + t * W);
    const T *Bt = q.Bt + t * q.b_step + n0 * kCoefficient, *Ct = q.Ct + t * q.c_step + n0 * kCoefficient;
    Vec<T> y = load(q.y + t * W), s = load(q.s + t * W), ws = load(q.w + t * W);
    Vec<T> sums[2 * kPlanes * kStates];
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) {
      const Num<T, C> b = coefficient<T, C, kPerLane>(Bt + n * kCoefficient);
      const Num<T, C> c = coefficient<T, C, kPerLane>(Ct + n * kCoefficient);
      const Num<T, C> p = load_num<T, C>(q.p + (t * kStates + n) * kState);
      const Num<T, C> h = add_scaled(p, input, b);
      g[n] = add_scaled(g[n], dy, conj(c));
      const Num<T, C> dB = scaled(input, g[n]), dC = scaled(dy, conj(h)), w = mul_conj(g[n], p);
      y = add_real_of_product(y, c, h);
      s = add_inner(s, b, g[n]);
      ws = add_inner(ws, load_num<T, C>(q.A + (n0 + n) * kState), w);
      dA[n] = add_scaled(dA[n], delta, w);
      g[n] = mul_conj(g[n], load_num<T, C>(q.a + (t * kStates + n) * kState));
      if constexpr (kPerLane) {
        store_num<T, C>(q.dB + t * q.lane_step + (n0 + n) * kState, dB);
        store_num<T, C>(q.dC + t * q.lane_step + (n0 + n) * kState, dC);
      } else {
        sums[2 * kPlanes * n] = dB.re;
        sums[2 * kPlanes * n + 1] = dC.re;
        if constexpr (C) sums[4 * n + 2] = dB.im, sums[4 * n + 3] = dC.im;
      }
    }
    store(q.y + t * W, y);
    store(q.s + t * W, s);
    store(q.w + t * W, ws);
    if constexpr (!kPerLane) {
      T* to = q.sums + t * q.sum_step + state_block * W;
      store<T>(to, load(to) + lane_sums<T, 2 * kPlanes * kStates>(sums));
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) {
    store_num<T, C>(q.g + (n0 + n) * kState, g[n]);
    store_num<T, C>(q.dA + (n0 + n) * kState, dA[n]);
  }
}

template <class T, bool C>
class Backward {
 public:
  Backward(const ScanInputs<T>& in, const T* checkpoints, const Rows<const T>& dout, const States<const T>& dlast,
           const ScanGradients<T>& grad, int threads)
      : in_(in), s_(in.shape), checkpoints_(checkpoints), dout_(dout), dlast_(dlast), grad_(grad), plan_(s_, W),
        per_lane_(in.Bt.constant || in.Ct.constant || plan_.small_groups),
        orders_(time_orders(in.segments, s_.B, s_.L, s_.reverse)) {
    const int64_t parameters = s_.B * s_.D * s_.N * kPlanes;
    dA_ = Scratch<T>(parameters);
    if (in.Bt.constant) dBt_ = Scratch<T>(parameters);
    if (in.Ct.constant) dCt_ = Scratch<T>(parameters);
    dD_ = Scratch<T>(s_.B * s_.D);
    dbias_ = Scratch<T>(s_.B * s_.D);
    sliced_ = plan_.slices > 1 && !plan_.small_groups;
    const int64_t coefficients = s_.B * s_.G * plan_.slices * s_.L * s_.N * kPlanes;
    if (sliced_ && !in.Bt.constant) slices_B_ = Scratch<T>(coefficients);
    if (sliced_ && !in.Ct.constant) slices_C_ = Scratch<T>(coefficients);

    const int count = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(plan_.tasks, 1)));
    std::vector<Workspace> workspaces;  // allocated here: nothing may throw in the parallel region
    for (int i = 0; i < count; ++i) workspaces.emplace_back(s_.N, plan_.most_blocks, per_lane_);
    parallel_tasks(plan_.tasks, count, [&](int64_t i, int slot) { run(plan_.task(i), workspaces[slot]); });
    add_slices(slices_B_, grad_.Bt, count);
    add_slices(slices_C_, grad_.Ct, count);
    add_batches();
  }

 private:
  static constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;
  static constexpr int kMany = C ? 2 : 4;  // states walked together: 2 kPlanes kMany = 8 sums over lanes at once

  static int64_t state_blocks(int64_t N) { return N / kMany + N % kMany; }

  struct Workspace {
    Tile<T> tile;
    Scratch<T> g, dA, rates, A, dD, dbias;      // per block of channels
    Scratch<T> h, a, p, Bt, Ct, sums, dB, dC;   // per chunk
    Scratch<T> total_B, total_C;                // [step][n][plane], over the channels of the task
    Scratch<T> lanes_B, lanes_C;                // constant B, C: per block, [n][plane][lane]
    Workspace(int64_t N, int64_t blocks, bool per_lane)
        : g(blocks * N * kPlanes * W), dA(blocks * N * kPlanes * W), rates(N * kPlanes * W), A(N * kPlanes * W),
          dD(blocks * W), dbias(blocks * W), h(N * kPlanes * W), a(int64_t{kTileSteps} * kMany * kPlanes * W),
          p(int64_t{kTileSteps} * kMany * kPlanes * W), Bt(kTileSteps * N * kPlanes * (per_lane ? W : 1)),
          Ct(kTileSteps * N * kPlanes * (per_lane ? W : 1)), sums(kTileSteps * state_blocks(N) * W),
          dB(per_lane ? kTileSteps * N * kPlanes * W : 0), dC(per_lane ? kTileSteps * N * kPlanes * W : 0),
          total_B(kTileSteps * N * kPlanes), total_C(kTileSteps * N * kPlanes),
          lanes_B(per_lane ? blocks * N * kPlanes * W : 0), lanes_C(per_lane ? blocks * N * kPlanes * W : 0) {}
  };

  void run(const ScanPlan::Task& task, Workspace& w) {
    const TimeOrder& order = orders_.size() > 1 ? orders_[task.batch] : orders_.front();
    begin(task, order, w);
    int64_t positions[kTileSteps];
    for (int64_t chunk = chunk_count(order.steps()) - 1; chunk >= 0; --chunk) {
      const int64_t first = chunk * kTileSteps;
      const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, order.steps() - first));
      order.positions(first, steps, positions);
      if (!per_lane_) {
        stage_shared(in_.Bt, task.batch, task.unit, positions, steps, s_.N, kPlanes, w.Bt.data());
        stage_shared(in_.Ct, task.batch, task.unit, positions, steps, s_.N, kPlanes, w.Ct.data());
      }
      std::fill_n(w.sums.data(), kTileSteps * state_blocks(s_.N) * W, T(0));
      std::fill_n(w.total_B.data(), kTileSteps * s_.N * kPlanes, T(0));
      std::fill_n(w.total_C.data(), kTileSteps * s_.N * kPlanes, T(0));
      for (int64_t j = task.first_block; j < task.end_block; ++j) {
        run_tile(task, j - task.first_block, plan_.block(task.unit, j), order, first, steps, positions, w);
      }
      if (!per_lane_) fold_sums(steps, w);
      if (!plan_.small_groups) {
        if (!in_.Bt.constant) store_totals(task, positions, steps, w.total_B, grad_.Bt, slices_B_);
        if (!in_.Ct.constant) store_totals(task, positions, steps, w.total_C, grad_.Ct, slices_C_);
      }
    }
    end(task, w);
  }

  void begin(const ScanPlan::Task& task, const TimeOrder& order, Workspace& w) {
    const int64_t state = s_.N * kPlanes * W, blocks = task.end_block - task.first_block;
    std::fill_n(w.dA.data(), blocks * state, T(0));
    std::fill_n(w.dD.data(), blocks * W, T(0));
    std::fill_n(w.dbias.data(), blocks * W, T(0));
    if (per_lane_) {
      std::fill_n(w.lanes_B.data(), blocks * state, T(0));
      std::fill_n(w.lanes_C.data(), blocks * state, T(0));
    }
    for (int64_t j = 0; j < blocks; ++j) {
      const ChannelBlock block = plan_.block(task.unit, task.first_block + j);
      stage_states(dlast_, task.batch, block, s_.N, kPlanes, w.g.data() + j * state);
      zero_padding(order, grad_.u, task.batch, block.d0, block.lanes);
      zero_padding(order, grad_.delta, task.batch, block.d0, block.lanes);
      zero_padding(order, grad_.z, task.batch, block.d0, block.lanes);
      if (plan_.small_groups || (task.slice == 0 && j == 0)) {
        zero_padding_groups(order, grad_.Bt, task.batch, block);
        zero_padding_groups(order, grad_.Ct, task.batch, block);
      }
    }
  }

  // The first slice of a group writes its zeros; where slices are added later, they are written again there.
  void zero_padding_groups(const TimeOrder& order, const Coefficients<T>& c, int64_t batch,
                           const ChannelBlock& block) {
    if (c.data == nullptr || c.constant) return;
    for (int64_t t : order.padding()) {
      for (int64_t g = block.g0; g < block.g0 + block.groups; ++g) {
        T* row = c.data + batch * c.stride_b + t * c.stride_t + g * c.stride_g;
        for (int64_t n = 0; n < s_.N; ++n) {
          for (int p = 0; p < kPlanes; ++p) row[n * c.stride_n + p] = T(0);
        }
      }
    }
  }

  void run_tile(const ScanPlan::Task& task, int64_t j, const ChannelBlock& block, const TimeOrder& order,
                int64_t first, int steps, const int64_t* positions, Workspace& w) {
    const int64_t state = s_.N * kPlanes * W, batch = task.batch;
    stage_tile(batch, block, steps, positions, w.tile);
    stage_rates(in_.A, block, s_.N, kPlanes, w.rates.data());
    stage_states(in_.A, 0, block, s_.N, kPlanes, w.A.data());
    load_checkpoint(batch, block, first / kTileSteps, w.h.data());
    Tile<T>& tile = w.tile;
    Pointers<T> q{tile.delta.data(), tile.input.data(), tile.dy.data(), w.rates.data(), w.A.data(), w.Bt.data(),
                  w.Ct.data(), tile.y.data(), tile.s.data(), tile.w.data(), w.h.data(), w.g.data() + j * state,
                  w.dA.data() + j * state, w.a.data(), w.p.data(), w.sums.data(), w.dB.data(), w.dC.data(),
                  s_.N * kPlanes, s_.N * kPlanes, state_blocks(s_.N) * W, state};
    if (per_lane_) {
      stage_per_lane(in_.Bt, batch, block, plan_.group_size, positions, steps, s_.N, kPlanes, w.Bt.data());
      stage_per_lane(in_.Ct, batch, block, plan_.group_size, positions, steps, s_.N, kPlanes, w.Ct.data());
      q.b_step = in_.Bt.constant ? 0 : state;
      q.c_step = in_.Ct.constant ? 0 : state;
      run_states<true>(q, order, first, steps);
      if (in_.Bt.constant) sum_over_steps(w.dB, steps, w.lanes_B.data() + j * state);
      else sum_over_lanes(w.dB, batch, block, positions, steps, w.total_B, grad_.Bt);
      if (in_.Ct.constant) sum_over_steps(w.dC, steps, w.lanes_C.data() + j * state);
      else sum_over_lanes(w.dC, batch, block, positions, steps, w.total_C, grad_.Ct);
    } else {
      run_states<false>(q, order, first, steps);
    }
    finish_tile(batch, block, steps, positions, tile, w.dD.data() + j * W, w.dbias.data() + j * W);
  }

  template <bool kPerLane>
  void run_states(const Pointers<T>& q, const TimeOrder& order, int64_t first, int steps) {
    int64_t n = 0, state_block = 0;
    for (; n + kMany <= s_.N; n += kMany, ++state_block) {
      run_state_block<kPerLane, kMany>(q, order, first, steps, n, state_block);
    }
    for (; n < s_.N; ++n, ++state_block) run_state_block<kPerLane, 1>(q, order, first, steps, n, state_block);
  }

  // A reset cuts h on the way forward and g on the way back.
  template <bool kPerLane, int kStates>
  void run_state_block(const Pointers<T>& q, const TimeOrder& order, int64_t first, int steps, int64_t n,
                       int64_t state_block) {
    const int64_t last = first + steps, planes = int64_t{kStates} * kPlanes * W;
    for (int64_t i = first; i < last;) {
      if (order.resets(i)) std::fill_n(q.h + n * kPlanes * W, planes, T(0));
      const int64_t end = order.run_end(i, last);
      sweep_forward<T, C, kPerLane, kStates>(q, n, static_cast<int>(i - first), static_cast<int>(end - first));
      i = end;
    }
    for (int64_t end = last; end > first;) {
      const int64_t i = order.run_begin(end, first);
      walk_back<T, C, kPerLane, kStates>(q, n, state_block, static_cast<int>(i - first),
                                         static_cast<int>(end - first));
      if (order.resets(i)) std::fill_n(q.g + n * kPlanes * W, planes, T(0));
      end = i;
    }
  }

  void load_checkpoint(int64_t batch, const ChannelBlock& block, int64_t chunk, T* h) {
    const T* from = checkpoints_ + (batch * chunk_count(s_.L) + chunk) * s_.N * kPlanes * s_.D + block.d0;
    for (int64_t n = 0; n < s_.N * kPlanes; ++n) {
      if (block.lanes < W) std::fill_n(h + n * W, W, T(0));
      std::memcpy(h + n * W, from + n * s_.D, block.lanes * sizeof(T));
    }
  }

  void stage_tile(int64_t batch, const ChannelBlock& block, int steps, const int64_t* positions, Tile<T>& tile) {
    gather_tile(in_.u, batch, block.d0, positions, steps, block.lanes, tile.u.data(), ahead_);
    gather_tile(in_.delta, batch, block.d0, positions, steps, block.lanes, tile.raw.data(), ahead_);
    if (dout_.data) gather_tile(dout_, batch, block.d0, positions, steps, block.lanes, tile.dout.data(), ahead_);
    if (in_.z.data) gather_tile(in_.z, batch, block.d0, positions, steps, block.lanes, tile.z.data(), ahead_);
    stage_channels(in_.delta_bias, block, tile.bias);
    stage_channels(in_.D, block, tile.skip);
    const Vec<T> bias = load(tile.bias);
    for (int i = 0; i < steps; ++i) {
      Vec<T> raw = load(tile.raw.data() + i * W), dy = load(tile.dout.data() + i * W);
      if (in_.delta_bias.data) raw += bias;
      const Vec<T> delta = s_.delta_softplus ? softplusv<T>(raw) : raw;
      if (in_.z.data) {
        const Vec<T> z = load(tile.z.data() + i * W);
        dy *= z * sigmoidv<T>(z);
      }
      if constexpr (C) dy += dy;
      store(tile.raw.data() + i * W, raw);
      store(tile.delta.data() + i * W, delta);
      store<T>(tile.input.data() + i * W, delta * load(tile.u.data() + i * W));
      store(tile.dy.data() + i * W, dy);
      for (T* sum : {tile.y.data(), tile.s.data(), tile.w.data()}) store(sum + i * W, Vec<T>{});
    }
  }

  // From the sums over states to du, ddelta, dz, dD and dbias. Overwrites y, s and w with the three streams.
  void finish_tile(int64_t batch, const ChannelBlock& block, int steps, const int64_t* positions, Tile<T>& tile,
                   T* dD, T* dbias) {
    const Vec<T> skip = load(tile.skip);
    Vec<T> sum_D{}, sum_bias{};
    for (int i = 0; i < steps; ++i) {
      const Vec<T> u = load(tile.u.data() + i * W), delta = load(tile.delta.data() + i * W);
      const Vec<T> s = load(tile.s.data() + i * W);
      Vec<T> y = load(tile.y.data() + i * W), dy = load(tile.dy.data() + i * W);
      if constexpr (C) y += y, dy *= T(0.5);
      Vec<T> du = delta * s, ddelta = load(tile.w.data() + i * W) + u * s;
      if (in_.D.data) {
        y += skip * u;
        du += skip * dy;
        sum_D += u * dy;
      }
      if (s_.delta_softplus) ddelta *= sigmoidv<T>(load(tile.raw.data() + i * W));
      sum_bias += ddelta;
      if (in_.z.data) {
        const Vec<T> z = load(tile.z.data() + i * W), sigmoid = sigmoidv<T>(z);
        y *= load(tile.dout.data() + i * W) * (sigmoid + z * sigmoid * (T(1) - sigmoid));
      }
      store(tile.s.data() + i * W, du);
      store(tile.w.data() + i * W, ddelta);
      store(tile.y.data() + i * W, y);
    }
    store<T>(dD, load(dD) + sum_D);
    store<T>(dbias, load(dbias) + sum_bias);
    const auto write = [&](const T* from, const Rows<T>& to) {
      if (to.data) scatter_tile(from, to, batch, block.d0, positions, steps, block.lanes, ahead_);
    };
    write(tile.s.data(), grad_.u);
    write(tile.w.data(), grad_.delta);
    if (in_.z.data) write(tile.y.data(), grad_.z);
  }

  // Shared B, C: the lane sums of a chunk, [step][block of states][lane], to totals [step][n][plane].
  void fold_sums(int steps, Workspace& w) {
    for (int t = 0; t < steps; ++t) {
      const T* from = w.sums.data() + t * state_blocks(s_.N) * W;
      for (int64_t n = 0; n < s_.N;) {
        const int states = n + kMany <= s_.N ? kMany : 1, count = 2 * kPlanes * states;
        for (int k = 0; k < count; ++k) {
          T sum = 0;
          for (int lane = k; lane < W; lane += count) sum += from[lane];
          Scratch<T>& total = k % 2 == 0 ? w.total_B : w.total_C;  // order: state, plane, B or C
          total[(t * s_.N + n) * kPlanes + k / 2] = sum;
        }
        n += states;
        from += W;
      }
    }
  }

  void sum_over_steps(Scratch<T>& d, int steps, T* to) {
    const int64_t state = s_.N * kPlanes * W;
    for (int64_t i = 0; i < state; i += W) {
      Vec<T> sum{};
      for (int t = 0; t < steps; ++t) sum += load(d.data() + t * state + i);
      store<T>(to + i, load(to + i) + sum);
    }
  }

  // Varying B or C beside a constant one, or groups smaller than a vector: per group, over its lanes. Small groups
  // lie within one block and are final; a large group goes on to the totals of the task.
  void sum_over_lanes(Scratch<T>& d, int64_t batch, const ChannelBlock& block, const int64_t* positions, int steps,
                      Scratch<T>& total, const Coefficients<T>& to) {
    const int64_t rows = s_.N * kPlanes, size = plan_.small_groups ? plan_.group_size : block.lanes;
    for (int t = 0; t < steps; ++t) {
      for (int64_t i = 0; i < rows; ++i) {
        const T* lanes = d.data() + (t * rows + i) * W;
        for (int g = 0; g < block.groups; ++g) {
          const T sum = std::accumulate(lanes + g * size, lanes + (g + 1) * size, T(0));
          if (!plan_.small_groups) {
            total[t * rows + i] += sum;
          } else if (to.data) {
            to.data[batch * to.stride_b + positions[t] * to.stride_t + (block.g0 + g) * to.stride_g +
                    i / kPlanes * to.stride_n + i % kPlanes] = sum;
          }
        }
      }
    }
  }

  void store_totals(const ScanPlan::Task& task, const int64_t* positions, int steps, Scratch<T>& total,
                    const Coefficients<T>& to, Scratch<T>& slices) {
    if (to.data == nullptr) return;
    const int64_t row = s_.N * kPlanes;
    for (int t = 0; t < steps; ++t) {
      const T* from = total.data() + t * row;
      if (sliced_) {
        const int64_t slice = (task.batch * plan_.units + task.unit) * plan_.slices + task.slice;
        std::memcpy(slices.data() + (slice * s_.L + positions[t]) * row, from, row * sizeof(T));
        continue;
      }
      T* out = to.data + task.batch * to.stride_b + positions[t] * to.stride_t + task.unit * to.stride_g;
      for (int64_t i = 0; i < row; ++i) out[i / kPlanes * to.stride_n + i % kPlanes] = from[i];
    }
  }

  void end(const ScanPlan::Task& task, Workspace& w) {
    const int64_t state = s_.N * kPlanes * W, row = s_.N * kPlanes;
    for (int64_t j = task.first_block; j < task.end_block; ++j) {
      const ChannelBlock block = plan_.block(task.unit, j);
      const int64_t local = j - task.first_block, at = task.batch * s_.D + block.d0;
      store_states(w.g.data() + local * state, grad_.initial_state, task.batch, block, s_.N, kPlanes);
      const auto keep = [&](Scratch<T>& from, Scratch<T>& to) {
        const States<T> states{to.data() + at * row, 0, row, kPlanes};
        store_states(from.data() + local * state, states, 0, {0, block.lanes, 0, 1}, s_.N, kPlanes);
      };
      keep(w.dA, dA_);
      if (in_.Bt.constant) keep(w.lanes_B, dBt_);
      if (in_.Ct.constant) keep(w.lanes_C, dCt_);
      std::memcpy(dD_.data() + at, w.dD.data() + local * W, block.lanes * sizeof(T));
      std::memcpy(dbias_.data() + at, w.dbias.data() + local * W, block.lanes * sizeof(T));
    }
  }

  // Partial sums of the slices of a group, in the order of the slices. Rows that no slice wrote (padding) are zero.
  void add_slices(Scratch<T>& slices, const Coefficients<T>& to, int threads) {
    if (!sliced_ || to.data == nullptr || to.constant) return;
    const int64_t row = s_.N * kPlanes, pairs = s_.B * plan_.units;
    parallel_tasks(pairs * s_.L, threads, [&](int64_t pair_time, int) {
      const int64_t pair = pair_time / s_.L, t = pair_time % s_.L;
      T* out = to.data + pair / plan_.units * to.stride_b + t * to.stride_t + pair % plan_.units * to.stride_g;
      for (int64_t i = 0; i < row; ++i) {
        T sum = 0;
        for (int64_t k = 0; k < plan_.slices; ++k) sum += slices[((pair * plan_.slices + k) * s_.L + t) * row + i];
        out[i / kPlanes * to.stride_n + i % kPlanes] = sum;
      }
    });
  }

  // Sums over the batch, in index order.
  void add_batches() {
    const int64_t row = s_.N * kPlanes;
    const auto states = [&](Scratch<T>& from, T* to, int64_t stride_d, int64_t stride_n) {
      if (to == nullptr) return;
      for (int64_t d = 0; d < s_.D; ++d) {
        for (int64_t i = 0; i < row; ++i) {
          T sum = 0;
          for (int64_t b = 0; b < s_.B; ++b) sum += from[(b * s_.D + d) * row + i];
          to[d * stride_d + i / kPlanes * stride_n + i % kPlanes] = sum;
        }
      }
    };
    const auto channels = [&](Scratch<T>& from, const Channels<T>& to) {
      if (to.data == nullptr) return;
      for (int64_t d = 0; d < s_.D; ++d) {
        T sum = 0;
        for (int64_t b = 0; b < s_.B; ++b) sum += from[b * s_.D + d];
        to.data[d * to.stride] = sum;
      }
    };
    states(dA_, grad_.A.data, grad_.A.stride_d, grad_.A.stride_n);
    if (in_.Bt.constant) states(dBt_, grad_.Bt.data, grad_.Bt.stride_d, grad_.Bt.stride_n);
    if (in_.Ct.constant) states(dCt_, grad_.Ct.data, grad_.Ct.stride_d, grad_.Ct.stride_n);
    channels(dD_, grad_.D);
    channels(dbias_, grad_.delta_bias);
  }

  const ScanInputs<T>& in_;
  const ScanShape s_;
  const T* checkpoints_;
  const Rows<const T> dout_;
  const States<const T> dlast_;
  const ScanGradients<T> grad_;
  ScanPlan plan_;
  bool per_lane_, sliced_ = false;
  int64_t ahead_ = s_.reverse ? kTileSteps : -kTileSteps;
  std::vector<TimeOrder> orders_;
  Scratch<T> dA_, dBt_, dCt_, dD_, dbias_;  // per batch entry
  Scratch<T> slices_B_, slices_C_;          // (B, G, slice, L, N)
};

}  // namespace

template <class T>
void selective_scan_backward(const ScanInputs<T>& in, const T* checkpoints, const Rows<const T>& dout,
                             const States<const T>& dlast_state, const ScanGradients<T>& grad, int threads) {
  if (in.shape.complex) Backward<T, true>(in, checkpoints, dout, dlast_state, grad, threads);
  else Backward<T, false>(in, checkpoints, dout, dlast_state, grad, threads);
}

template void selective_scan_backward(const ScanInputs<float>&, const float*, const Rows<const float>&,
                                      const States<const float>&, const ScanGradients<float>&, int);
template void selective_scan_backward(const ScanInputs<double>&, const double*, const Rows<const double>&,
                                      const States<const double>&, const ScanGradients<double>&, int);

}  // namespace hippograd::cpu
