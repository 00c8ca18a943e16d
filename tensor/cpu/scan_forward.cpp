// Forward pass of the selective scan: see scan_raw.h.
//
// Per (channel, step, state): one multiply and one 2^x, one FMA for the state, one for the output. B and C are staged
// once per tile of 32 steps and reused by all the channel blocks of a task.
#include "tensor/cpu/scan_plan.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {

int64_t scan_checkpoint_size(const ScanShape& s) {
  return s.B * chunk_count(s.L) * s.N * (s.complex ? 2 : 1) * s.D;
}

namespace {

// The streams of one tile, [step][lane].
template <class T>
struct Tile {
  static constexpr int64_t kSize = int64_t{kTileSteps} * kLanes<T>;
  Scratch<T> delta{kSize}, u{kSize}, input{kSize}, y{kSize}, z{kSize};
  alignas(64) T bias[kLanes<T>], skip[kLanes<T>];
};

template <class T>
struct Pointers {
  const T *delta, *input, *rates, *Bt, *Ct;
  T *y, *h;
  int64_t b_step, c_step;  // distance of two steps in Bt, Ct
};

// kStates states, steps [begin, end):  h = a h + (delta u) B,  y += Re(C h).
template <class T, bool C, bool kPerLane, int kStates>
__attribute__((noinline)) void run_states(const Pointers<T>& p, int64_t n0, int begin, int end) {
  constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;
  constexpr int64_t kState = kPlanes * W, kCoefficient = kPerLane ? kState : kPlanes;
  Num<T, C> rate[kStates], h[kStates];
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) {
    rate[n] = load_num<T, C>(p.rates + (n0 + n) * kState);
    h[n] = load_num<T, C>(p.h + (n0 + n) * kState);
  }
  for (int t = begin; t < end; ++t) {
    const Vec<T> delta = load(p.delta + t * W), input = load(p.input + t * W);
    const T *Bt = p.Bt + t * p.b_step + n0 * kCoefficient, *Ct = p.Ct + t * p.c_step + n0 * kCoefficient;
    Vec<T> y = load(p.y + t * W);
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) {
      Num<T, C> b = scaled(input, coefficient<T, C, kPerLane>(Bt + n * kCoefficient));
      Num<T, C> ah = mul(decay<T, C>(delta, rate[n]), h[n]);
      h[n].re = ah.re + b.re;
      if constexpr (C) h[n].im = ah.im + b.im;
      y = add_real_of_product(y, coefficient<T, C, kPerLane>(Ct + n * kCoefficient), h[n]);
    }
    store(p.y + t * W, y);
  }
#pragma GCC unroll 8
  for (int n = 0; n < kStates; ++n) store_num<T, C>(p.h + (n0 + n) * kState, h[n]);
}

template <class T, bool C, bool kPerLane>
void run_all_states(const Pointers<T>& p, int64_t N, int begin, int end) {
  constexpr int kMany = C ? 4 : 8, kSome = C ? 2 : 4;
  int64_t n = 0;
  for (; n + kMany <= N; n += kMany) run_states<T, C, kPerLane, kMany>(p, n, begin, end);
  for (; n + kSome <= N; n += kSome) run_states<T, C, kPerLane, kSome>(p, n, begin, end);
  for (; n < N; ++n) run_states<T, C, kPerLane, 1>(p, n, begin, end);
}

template <class T, bool C>
class Forward {
 public:
  Forward(const ScanInputs<T>& in, const Rows<T>& out, const States<T>& last, T* checkpoints, int threads)
      : in_(in), s_(in.shape), out_(out), last_(last), checkpoints_(checkpoints), plan_(s_, W),
        per_lane_(in.Bt.constant || in.Ct.constant || plan_.small_groups),
        orders_(time_orders(in.segments, s_.B, s_.L, s_.reverse)) {
    const int count = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(plan_.tasks, 1)));
    std::vector<Workspace> workspaces;  // allocated here: nothing may throw in the parallel region
    for (int i = 0; i < count; ++i) workspaces.emplace_back(s_.N, plan_.most_blocks, per_lane_);
    parallel_tasks(plan_.tasks, count, [&](int64_t i, int slot) { run(plan_.task(i), workspaces[slot]); });
  }

 private:
  static constexpr int W = kLanes<T>, kPlanes = C ? 2 : 1;

  struct Workspace {
    Tile<T> tile;
    Scratch<T> h, rates, Bt, Ct;
    Workspace(int64_t N, int64_t blocks, bool per_lane)
        : h(blocks * N * kPlanes * W), rates(blocks * N * kPlanes * W),
          Bt(kTileSteps * N * kPlanes * (per_lane ? W : 1)), Ct(kTileSteps * N * kPlanes * (per_lane ? W : 1)) {}
  };

  void run(const ScanPlan::Task& task, Workspace& w) {
    const TimeOrder& order = orders_.size() > 1 ? orders_[task.batch] : orders_.front();
    const int64_t state = s_.N * kPlanes * W;
    for (int64_t j = task.first_block; j < task.end_block; ++j) {
      const ChannelBlock block = plan_.block(task.unit, j);
      stage_states(in_.initial_state, task.batch, block, s_.N, kPlanes, w.h.data() + (j - task.first_block) * state);
      stage_rates(in_.A, block, s_.N, kPlanes, w.rates.data() + (j - task.first_block) * state);
      zero_padding(order, out_, task.batch, block.d0, block.lanes);
    }
    int64_t positions[kTileSteps];
    for (int64_t first = 0; first < order.steps(); first += kTileSteps) {
      const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, order.steps() - first));
      order.positions(first, steps, positions);
      if (!per_lane_) {
        stage_shared(in_.Bt, task.batch, task.unit, positions, steps, s_.N, kPlanes, w.Bt.data());
        stage_shared(in_.Ct, task.batch, task.unit, positions, steps, s_.N, kPlanes, w.Ct.data());
      }
      for (int64_t j = task.first_block; j < task.end_block; ++j) {
        const int64_t local = (j - task.first_block) * state;
        run_tile(task.batch, plan_.block(task.unit, j), order, first, steps, positions, w, w.h.data() + local,
                 w.rates.data() + local);
      }
    }
    for (int64_t j = task.first_block; j < task.end_block; ++j) {
      store_states(w.h.data() + (j - task.first_block) * state, last_, task.batch, plan_.block(task.unit, j), s_.N,
                   kPlanes);
    }
  }

  void run_tile(int64_t batch, const ChannelBlock& block, const TimeOrder& order, int64_t first, int steps,
                const int64_t* positions, Workspace& w, T* h, const T* rates) {
    save_checkpoint(batch, block, first / kTileSteps, h);
    stage_tile(batch, block, steps, positions, w.tile);
    Pointers<T> p{w.tile.delta.data(), w.tile.input.data(), rates, w.Bt.data(), w.Ct.data(), w.tile.y.data(), h,
                  s_.N * kPlanes, s_.N * kPlanes};
    if (per_lane_) {
      stage_per_lane(in_.Bt, batch, block, plan_.group_size, positions, steps, s_.N, kPlanes, w.Bt.data());
      stage_per_lane(in_.Ct, batch, block, plan_.group_size, positions, steps, s_.N, kPlanes, w.Ct.data());
      p.b_step = in_.Bt.constant ? 0 : s_.N * kPlanes * W;
      p.c_step = in_.Ct.constant ? 0 : s_.N * kPlanes * W;
    }
    for (int64_t i = first; i < first + steps;) {
      if (order.resets(i)) std::fill_n(h, s_.N * kPlanes * W, T(0));
      const int64_t end = order.run_end(i, first + steps);
      const int from = static_cast<int>(i - first), to = static_cast<int>(end - first);
      if (per_lane_) run_all_states<T, C, true>(p, s_.N, from, to);
      else run_all_states<T, C, false>(p, s_.N, from, to);
      i = end;
    }
    finish_tile(batch, block, steps, positions, w.tile);
  }

  // (B, chunk, N, plane, D)
  void save_checkpoint(int64_t batch, const ChannelBlock& block, int64_t chunk, const T* h) {
    if (checkpoints_ == nullptr) return;
    T* to = checkpoints_ + (batch * chunk_count(s_.L) + chunk) * s_.N * kPlanes * s_.D + block.d0;
    for (int64_t n = 0; n < s_.N * kPlanes; ++n) std::memcpy(to + n * s_.D, h + n * W, block.lanes * sizeof(T));
  }

  void stage_tile(int64_t batch, const ChannelBlock& block, int steps, const int64_t* positions, Tile<T>& tile) {
    gather_tile(in_.u, batch, block.d0, positions, steps, block.lanes, tile.u.data(), ahead_);
    gather_tile(in_.delta, batch, block.d0, positions, steps, block.lanes, tile.delta.data(), ahead_);
    if (in_.z.data) gather_tile(in_.z, batch, block.d0, positions, steps, block.lanes, tile.z.data(), ahead_);
    stage_channels(in_.delta_bias, block, tile.bias);
    stage_channels(in_.D, block, tile.skip);
    const Vec<T> bias = load(tile.bias);
    for (int i = 0; i < steps; ++i) {
      Vec<T> delta = load(tile.delta.data() + i * W);
      if (in_.delta_bias.data) delta += bias;
      if (s_.delta_softplus) delta = softplusv<T>(delta);
      store(tile.delta.data() + i * W, delta);
      store<T>(tile.input.data() + i * W, delta * load(tile.u.data() + i * W));
      store(tile.y.data() + i * W, Vec<T>{});
    }
  }

  void finish_tile(int64_t batch, const ChannelBlock& block, int steps, const int64_t* positions, Tile<T>& tile) {
    const Vec<T> skip = load(tile.skip);
    for (int i = 0; i < steps; ++i) {
      Vec<T> y = load(tile.y.data() + i * W);
      if constexpr (C) y += y;
      if (in_.D.data) y += skip * load(tile.u.data() + i * W);
      if (in_.z.data) {
        const Vec<T> z = load(tile.z.data() + i * W);
        y *= z * sigmoidv<T>(z);
      }
      store(tile.y.data() + i * W, y);
    }
    scatter_tile(tile.y.data(), out_, batch, block.d0, positions, steps, block.lanes, ahead_);
  }

  const ScanInputs<T>& in_;
  const ScanShape s_;
  const Rows<T> out_;
  const States<T> last_;
  T* checkpoints_;
  ScanPlan plan_;
  bool per_lane_;
  int64_t ahead_ = s_.reverse ? -kTileSteps : kTileSteps;
  std::vector<TimeOrder> orders_;
};

}  // namespace

template <class T>
void selective_scan_forward(const ScanInputs<T>& in, const Rows<T>& out, const States<T>& last_state, T* checkpoints,
                            int threads) {
  if (in.shape.complex) Forward<T, true>(in, out, last_state, checkpoints, threads);
  else Forward<T, false>(in, out, last_state, checkpoints, threads);
}

template void selective_scan_forward(const ScanInputs<float>&, const Rows<float>&, const States<float>&, float*, int);
template void selective_scan_forward(const ScanInputs<double>&, const Rows<double>&, const States<double>&, double*,
                                     int);

}  // namespace hippograd::cpu
