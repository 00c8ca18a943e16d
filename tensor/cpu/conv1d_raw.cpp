// Causal depthwise convolution: see conv1d_raw.h.
//
// A window holds the K-1 inputs before a tile and the tile's 32, one cache line of channels per step. The forward pass
// slides it along the sequence; the backward pass goes from the last tile to the first, and slides the gradient's
// window the other way: its first K-1 rows are not complete until the tile before has been visited.
#include "tensor/cpu/conv1d_raw.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {
namespace {

template <class T>
class Convolution {
 public:
  explicit Convolution(const ConvInputs<T>& in)
      : in_(in), history_(in.K - 1), blocks_((in.D + W - 1) / W),
        orders_(time_orders(in.segments, in.B, in.L, false)) {
    for (const TimeOrder& order : orders_) {
      std::vector<int64_t>& starts = starts_.emplace_back();
      if (in.segments.data == nullptr) continue;
      for (int64_t i = 0, start = -history_; i < order.steps(); ++i) {
        if (order.resets(i)) start = i;
        starts.push_back(start);
      }
    }
  }

  void forward(const Rows<T>& y, const Taps<T>& final_states, int threads) {
    for_each_block(threads, [&](int64_t b, int64_t block, Window& w) { forward_block(b, block, w, y, final_states); });
  }

  void backward(const Rows<const T>& dy, const Taps<const T>& dfinal, const ConvGradients<T>& grad, int threads) {
    Scratch<T> dweight(in_.B * blocks_ * in_.K * W), dbias(in_.B * blocks_ * W);  // (B, block, K, lane), (B, block, lane)
    for_each_block(threads, [&](int64_t b, int64_t block, Window& w) {
      const int64_t at = b * blocks_ + block;
      backward_block(b, block, w, dy, dfinal, grad, dweight.data() + at * in_.K * W, dbias.data() + at * W);
    });
    add_batches(dweight, dbias, grad);
  }

 private:
  static constexpr int W = kLanes<T>;

  struct Window {
    Scratch<T> weight, bias, initial, x, y, dx;
    explicit Window(int64_t K)
        : weight(K * W), bias(W), initial((K - 1) * W), x((K - 1 + kTileSteps) * W), y(kTileSteps * W),
          dx((K - 1 + kTileSteps) * W) {}
  };

  template <class F>
  void for_each_block(int threads, const F& f) {
    const int64_t tasks = in_.B * blocks_;
    const int count = static_cast<int>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(tasks, 1)));
    std::vector<Window> windows;  // allocated here: nothing may throw in the parallel region
    for (int i = 0; i < count; ++i) windows.emplace_back(in_.K);
    parallel_tasks(tasks, count, [&](int64_t i, int slot) { f(i / blocks_, i % blocks_, windows[slot]); });
  }

  const TimeOrder& order(int64_t b) const { return orders_.size() > 1 ? orders_[b] : orders_.front(); }

  // The first step that a tap of step i may reach: its segment's start, or the oldest initial state.
  int64_t start(int64_t b, int64_t i) const {
    const std::vector<int64_t>& starts = starts_[orders_.size() > 1 ? b : 0];
    return starts.empty() ? -history_ : starts[i];
  }

  int lanes(int64_t block) const { return static_cast<int>(std::min<int64_t>(W, in_.D - block * W)); }

  void stage_weights(int64_t block, Window& w) const {
    for (int lane = 0; lane < W; ++lane) {
      const bool real = lane < lanes(block);
      const int64_t d = block * W + lane;
      for (int64_t k = 0; k < in_.K; ++k) {
        w.weight[k * W + lane] = real ? in_.weight.data[d * in_.weight.stride_d + k * in_.weight.stride_k] : T(0);
      }
      w.bias[lane] = real && in_.bias ? in_.bias[d * in_.bias_stride] : T(0);
    }
  }

  // (B, D, K-1) states to rows [k][lane]; zeros if there are none.
  void stage_taps(const Taps<const T>& from, int64_t b, int64_t block, T* rows) const {
    std::fill_n(rows, history_ * W, T(0));
    if (from.data == nullptr) return;
    for (int lane = 0; lane < lanes(block); ++lane) {
      for (int64_t k = 0; k < history_; ++k) {
        rows[k * W + lane] = from.data[b * from.stride_b + (block * W + lane) * from.stride_d + k * from.stride_k];
      }
    }
  }

  void store_taps(const T* rows, const Taps<T>& to, int64_t b, int64_t block) const {
    if (to.data == nullptr) return;
    for (int lane = 0; lane < lanes(block); ++lane) {
      for (int64_t k = 0; k < history_; ++k) {
        to.data[b * to.stride_b + (block * W + lane) * to.stride_d + k * to.stride_k] = rows[k * W + lane];
      }
    }
  }

  // Of the rows for steps end - (K-1) ... end - 1, those before `first` become zero.
  void zero_rows_before(int64_t first, int64_t end, T* rows) const {
    const int64_t behind = std::clamp<int64_t>(first - (end - history_), 0, history_);
    std::fill_n(rows, behind * W, T(0));
  }

  // s of step i of a tile; window row j holds step first - (K-1) + j. kTaps: K if known at compile time, else 0.
  template <int kTaps>
  HG_INLINE Vec<T> sum_taps(const T* weight, Vec<T> bias, const T* row, int64_t skipped) const {
    const int64_t K = kTaps > 0 ? kTaps : in_.K;
    Vec<T> s = bias;
    if (kTaps > 0 && skipped == 0) {
#pragma GCC unroll 4
      for (int64_t k = 0; k < kTaps; ++k) s += load(weight + k * W) * load(row + k * W);
      return s;
    }
    for (int64_t k = skipped; k < K; ++k) s += load(weight + k * W) * load(row + k * W);
    return s;
  }

  // Taps of step i that would reach behind the start of its segment.
  int64_t skipped_taps(int64_t b, int64_t i) const { return std::max<int64_t>(start(b, i) - (i - history_), 0); }

  template <int kTaps>
  void forward_tile(int64_t b, int64_t first, int steps, Window& w) const {
    const Vec<T> bias = load(w.bias.data());
    const bool plain = in_.segments.data == nullptr;
    for (int i = 0; i < steps; ++i) {
      const int64_t skipped = plain ? 0 : skipped_taps(b, first + i);
      Vec<T> s = sum_taps<kTaps>(w.weight.data(), bias, w.x.data() + i * W, skipped);
      if (in_.silu) s *= sigmoidv<T>(s);
      store(w.y.data() + i * W, s);
    }
  }

  void forward_block(int64_t b, int64_t block, Window& w, const Rows<T>& y, const Taps<T>& final_states) const {
    const TimeOrder& steps_of = order(b);
    const int64_t d0 = block * W;
    stage_weights(block, w);
    stage_taps(in_.initial_states, b, block, w.x.data());
    zero_padding(steps_of, y, b, d0, lanes(block));
    int64_t positions[kTileSteps];
    for (int64_t first = 0; first < steps_of.steps(); first += kTileSteps) {
      const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, steps_of.steps() - first));
      steps_of.positions(first, steps, positions);
      gather_tile(in_.x, b, d0, positions, steps, lanes(block), w.x.data() + history_ * W, kTileSteps);
      switch (in_.K) {
        case 2: forward_tile<2>(b, first, steps, w); break;
        case 3: forward_tile<3>(b, first, steps, w); break;
        case 4: forward_tile<4>(b, first, steps, w); break;
        default: forward_tile<0>(b, first, steps, w);
      }
      scatter_tile(w.y.data(), y, b, d0, positions, steps, lanes(block), kTileSteps);
      std::memmove(w.x.data(), w.x.data() + steps * W, history_ * W * sizeof(T));
    }
    // What a step after the last would see: rows before its segment are zero.
    const int64_t total = steps_of.steps();
    if (total > 0) zero_rows_before(start(b, total - 1), total, w.x.data());
    store_taps(w.x.data(), final_states, b, block);
  }

  // Window rows of a tile for the backward pass, which has no sliding history.
  void stage_window(int64_t b, int64_t block, int64_t first, int steps, const int64_t* positions, Window& w) const {
    for (int64_t j = 0; j < history_; ++j) {
      const int64_t step = first - history_ + j;
      T* row = w.x.data() + j * W;
      if (step < 0) {
        std::memcpy(row, w.initial.data() + (history_ + step) * W, W * sizeof(T));
      } else {
        int64_t position;
        order(b).positions(step, 1, &position);
        gather_tile(in_.x, b, block * W, &position, 1, lanes(block), row, -kTileSteps);
      }
    }
    gather_tile(in_.x, b, block * W, positions, steps, lanes(block), w.x.data() + history_ * W, -kTileSteps);
  }

  template <int kTaps>
  void backward_tile(int64_t b, int64_t first, int steps, Window& w, T* dweight, T* dbias) const {
    const int64_t K = kTaps > 0 ? kTaps : in_.K;
    const Vec<T> bias = load(w.bias.data());
    const bool plain = in_.segments.data == nullptr;
    Vec<T> sum_bias{};
    for (int i = 0; i < steps; ++i) {
      const int64_t skipped = plain ? 0 : skipped_taps(b, first + i);
      const T* x = w.x.data() + i * W;
      T* dx = w.dx.data() + i * W;
      Vec<T> ds = load(w.y.data() + i * W);  // dy on entry
      if (in_.silu) {
        const Vec<T> s = sum_taps<kTaps>(w.weight.data(), bias, x, skipped), sigmoid = sigmoidv<T>(s);
        ds *= sigmoid + s * sigmoid * (T(1) - sigmoid);
      }
      sum_bias += ds;
      for (int64_t k = skipped; k < K; ++k) {
        store<T>(dweight + k * W, load(dweight + k * W) + ds * load(x + k * W));
        store<T>(dx + k * W, load(dx + k * W) + ds * load(w.weight.data() + k * W));
      }
    }
    store<T>(dbias, load(dbias) + sum_bias);
  }

  void backward_block(int64_t b, int64_t block, Window& w, const Rows<const T>& dy, const Taps<const T>& dfinal,
                      const ConvGradients<T>& grad, T* dweight, T* dbias) const {
    const TimeOrder& steps_of = order(b);
    const int64_t d0 = block * W, total = steps_of.steps();
    stage_weights(block, w);
    stage_taps(in_.initial_states, b, block, w.initial.data());
    zero_padding(steps_of, grad.x, b, d0, lanes(block));
    // dfinal belongs to the last K-1 steps, as far as they are in the last segment.
    stage_taps(dfinal, b, block, w.dx.data());
    if (total > 0) zero_rows_before(start(b, total - 1), total, w.dx.data());
    int64_t positions[kTileSteps];
    for (int64_t tile = (total + kTileSteps - 1) / kTileSteps - 1; tile >= 0; --tile) {
      const int64_t first = tile * kTileSteps;
      const int steps = static_cast<int>(std::min<int64_t>(kTileSteps, total - first));
      steps_of.positions(first, steps, positions);
      stage_window(b, block, first, steps, positions, w);
      if (dy.data) gather_tile(dy, b, d0, positions, steps, lanes(block), w.y.data(), -kTileSteps);
      else std::fill_n(w.y.data(), steps * W, T(0));
      std::memmove(w.dx.data() + steps * W, w.dx.data(), history_ * W * sizeof(T));
      std::fill_n(w.dx.data(), steps * W, T(0));
      switch (in_.K) {
        case 2: backward_tile<2>(b, first, steps, w, dweight, dbias); break;
        case 3: backward_tile<3>(b, first, steps, w, dweight, dbias); break;
        case 4: backward_tile<4>(b, first, steps, w, dweight, dbias); break;
        default: backward_tile<0>(b, first, steps, w, dweight, dbias);
      }
      if (grad.x.data) {
        scatter_tile(w.dx.data() + history_ * W, grad.x, b, d0, positions, steps, lanes(block), -kTileSteps);
      }
    }
    store_taps(w.dx.data(), grad.initial_states, b, block);
  }

  // dweight (D, K) and dbias (D,), summed over the batch in index order.
  void add_batches(Scratch<T>& dweight, Scratch<T>& dbias, const ConvGradients<T>& grad) const {
    for (int64_t d = 0; d < in_.D; ++d) {
      const auto sum = [&](Scratch<T>& from, int64_t rows, int64_t k) {
        T total = 0;
        for (int64_t b = 0; b < in_.B; ++b) total += from[((b * blocks_ + d / W) * rows + k) * W + d % W];
        return total;
      };
      if (grad.weight.data) {
        for (int64_t k = 0; k < in_.K; ++k) {
          grad.weight.data[d * grad.weight.stride_d + k * grad.weight.stride_k] = sum(dweight, in_.K, k);
        }
      }
      if (grad.bias) grad.bias[d * grad.bias_stride] = sum(dbias, 1, 0);
    }
  }

  const ConvInputs<T>& in_;
  const int64_t history_, blocks_;
  std::vector<TimeOrder> orders_;
  std::vector<std::vector<int64_t>> starts_;  // per sequence, of each step; empty without segments
};

}  // namespace

template <class T>
void causal_conv1d_forward(const ConvInputs<T>& in, const Rows<T>& y, const Taps<T>& final_states, int threads) {
  Convolution<T>(in).forward(y, final_states, threads);
}

template <class T>
void causal_conv1d_backward(const ConvInputs<T>& in, const Rows<const T>& dy, const Taps<const T>& dfinal_states,
                            const ConvGradients<T>& grad, int threads) {
  Convolution<T>(in).backward(dy, dfinal_states, grad, threads);
}

template void causal_conv1d_forward(const ConvInputs<float>&, const Rows<float>&, const Taps<float>&, int);
template void causal_conv1d_forward(const ConvInputs<double>&, const Rows<double>&, const Taps<double>&, int);
template void causal_conv1d_backward(const ConvInputs<float>&, const Rows<const float>&, const Taps<const float>&,
                                     const ConvGradients<float>&, int);
template void causal_conv1d_backward(const ConvInputs<double>&, const Rows<const double>&, const Taps<const double>&,
                                     const ConvGradients<double>&, int);

}  // namespace hippograd::cpu
