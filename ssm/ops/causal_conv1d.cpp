// Causal depthwise convolution along time.                                    Kernels: tensor/kernels/scan.h
//
//   s_t = bias + sum_k weight[k] x_{t-K+1+k}     y_t = s_t or silu(s_t)         x, y: (B, L, D)   weight: (D, K)
//
// Before the first step stand the initial states (B, D, K-1), oldest first, or zeros. seq_idx as in the selective scan.
#include <algorithm>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "ssm/ops/segments.h"
#include "ssm/ops.h"
#include "tensor/kernels/scan.h"

namespace hippograd {
namespace {

enum : size_t { kX, kWeight, kBias, kInitial, kSegments, kInputs };

struct CausalConv1d {
  static constexpr auto name = "causal_conv1d", doc = "depthwise convolution over the K last steps, with optional SiLU";
  bool silu_after = false;

  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("x", x[kX], "B L D")("weight", x[kWeight], "D K");
    const int64_t K = d["K"];
    if (K < 1) fail<ShapeError>(name, ": weight must have at least one tap, got ", x[kWeight].shape());
    if (x.has(kBias)) d("bias", x[kBias], "D");
    const Shape states{d["B"], d["D"], K - 1};
    if (x.has(kInitial) && !(x[kInitial].shape() == states))
      fail<ShapeError>(name, ": initial_states must be (B, D, K-1) = ", states, ", got ", x[kInitial].shape());
    if (x.has(kSegments)) d("seq_idx", x[kSegments], "B L").dtype("seq_idx", x[kSegments], x[kSegments].dtype() == DType::i64, "int64");
    constexpr const char* names[] = {"x", "weight", "bias", "initial_states"};
    for (size_t i = 0; i < kSegments; ++i) {
      if (!x.has(i)) continue;
      const DType t = x[i].dtype();
      d.dtype(names[i], x[i], is_real(t) && compute_dtype(t) == compute_dtype(x[kX].dtype()), "real, in the precision of x");
    }
    return {like(x[kX]), out(states, x[kX].dtype())};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Outs o = infer(x);
    Array y = empty(o[0].shape, o[0].dtype, x[kX].device()), last = empty(o[1].shape, o[1].dtype, x[kX].device());
    kernels::causal_conv1d_fwd(x[kX], x[kWeight], x[kBias], x[kInitial], x[kSegments], silu_after, y, last);
    if (s.active()) for (size_t i = 0; i < kInputs; ++i) if (x.has(i)) s.input(int(i));
    return {y, last};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    const auto cotangent = [](const Tensor& t) { return t.defined() ? t.array() : Array(); };
    Arrays x(kInputs), g(kInputs);
    for (size_t i = 0; i < kInputs; ++i) {
      if (!s.has(int(i))) continue;
      x[i] = s.x(int(i)).array();
      if (i != kSegments) g[i] = empty(x[i].shape(), x[i].dtype(), x[i].device());
    }
    kernels::causal_conv1d_bwd(x[kX], x[kWeight], x[kBias], x[kInitial], x[kSegments], silu_after, cotangent(dys[0]),
                               cotangent(dys[1]), g[kX], g[kWeight], g[kBias], g[kInitial]);
    Tensors out;
    for (Array& a : g) out.push_back(a.defined() ? Tensor(a) : Tensor());
    return out;
  }
  // The state is the window of the last K-1 inputs.
  Tensors reference(const Tensors& x) const {
    const int64_t B = x[kX].size(0), L = x[kX].size(1), D = x[kX].size(2), K = x[kWeight].size(1);
    const DType t = compute_dtype(x[kX].dtype());
    Tensor past = x[kInitial].defined() ? to(x[kInitial], t) : Tensor(zeros({B, D, K - 1}, t, x[kX].device()));   // (B, D, K-1)
    const Tensor weight = to(x[kWeight], t);
    const Segments segments(x[kSegments], B, L, false);
    Tensors y;
    for (int64_t i = 0; i < L; ++i) {
      const Tensor window = cat({segments.cut(past, i), unsqueeze(to(x[kX].at(1, i), t), -1)}, -1);               // (B, D, K)
      Tensor s = squeeze(sum_to(mul(window, weight), {B, D, 1}), {2});                                           // (B, D)
      if (x[kBias].defined()) s = add(s, to(x[kBias], t));
      y.push_back(segments.blank(silu_after ? silu(s) : s, i));
      past = segments.keep(narrow(window, -1, 1, K - 1), past, i);
    }
    const Tensor out = L > 0 ? stack(y, 1) : Tensor(zeros({B, L, D}, t, x[kX].device()));                         // (B, L, D)
    return {to(out, x[kX].dtype()), to(past, x[kX].dtype())};
  }
  static std::vector<bool> differentiable() { return {true, true, true, true, false}; }
  static Samples samples() {
    const auto none = absent();
    return {sample(CausalConv1d{}, {{2, 5, 3}, {3, 4}, none, none, none}),
            sample(CausalConv1d{true}, {{2, 5, 3}, {3, 3}, {3}, {2, 3, 2}, none}, "bias, SiLU, initial states"),
            sample(CausalConv1d{true}, {{1, 2, 2}, {2, 5}, {2}, {1, 2, 4}, none}, "wider than the sequence"),
            sample(CausalConv1d{}, {{1, 4, 2}, {2, 1}, {2}, none, none}, "one tap"),
            sample(CausalConv1d{true}, {{1, 7, 2}, {2, 3}, {2}, {1, 2, 2}, values({1, 7}, {0, 0, -1, 0, 2, 2, 1}).dtype(DType::i64)},
                   "segments and padding"),
            sample(CausalConv1d{}, {{1, 0, 2}, {2, 3}, none, {1, 2, 2}, none}, "empty sequence"),
            sample(CausalConv1d{true}, {{1, 33, 1}, {1, 4}, {1}, none, none}, "one step past a tile")
                .bench({{2, 512, 768}, {768, 4}, {768}, none, none})};
  }
  static ErrorSamples errors() {
    const auto none = absent();
    return {error(CausalConv1d{}, {{2, 5, 3}, {4, 4}, none, none, none}, "weight must be (D, K), got (4, 4)"),
            error(CausalConv1d{}, {{2, 5, 3}, {3, 4}, {4}, none, none}, "bias must be (D,), got (4,)"),
            error(CausalConv1d{}, {{2, 5, 3}, {3, 4}, none, {2, 3, 4}, none}, "initial_states must be (B, D, K-1)"),
            error(CausalConv1d{}, {{2, 5, 3}, {3, 0}, none, none, none}, "at least one tap"),
            error(CausalConv1d{}, {{2, 5, 3}, Input({3, 4}).dtype(DType::f64), none, none, none}, "weight must be real")};
  }
};

bool is_silu(std::string_view activation) {
  if (activation == "silu" || activation == "swish") return true;
  if (!activation.empty()) fail<ValueError>("causal_conv1d: activation must be None, \"silu\" or \"swish\", got \"", activation, "\"");
  return false;
}

}  // namespace

ConvResult causal_conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, std::string_view activation,
                         const Tensor& seq_idx, const Tensor& initial_states) {
  const Tensors y = hippograd::apply(CausalConv1d{is_silu(activation)}, {x, weight, bias, initial_states, to_segments("causal_conv1d", seq_idx)});
  return {y[0], y[1]};
}

ConvResult causal_conv1d_update(const Tensor& x, const Tensor& state, const Tensor& weight, const Tensor& bias,
                                std::string_view activation) {
  if (!state.defined()) fail<ValueError>("causal_conv1d_update: state is required");
  const bool one = x.defined() && x.dim() == 2;
  ConvResult r = causal_conv1d(one ? unsqueeze(x, 1) : x, weight, bias, activation, {}, state);
  if (one) r.out = r.out.at(1, 0);
  return r;
}

ConvResult causal_conv1d_fn(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& seq_idx,
                            const Tensor& initial_states, std::string_view activation) {
  ConvResult r = causal_conv1d(x.defined() && x.dim() == 3 ? transpose(x, 1, 2) : x, weight, bias, activation, seq_idx, initial_states);
  r.out = transpose(r.out, 1, 2);
  return r;
}

Tensor causal_conv1d_update_fn(const Tensor& x, const Tensor& conv_state, const Tensor& weight, const Tensor& bias,
                               std::string_view activation) {
  constexpr auto name = "causal_conv1d_update_fn";
  check_in_place(conv_state, name);
  const bool one = x.dim() == 2;
  const Tensor tokens = one ? unsqueeze(x, -1) : x;                                // (B, D, T)
  const int64_t S = conv_state.size(-1), K = weight.size(-1);
  if (S < K - 1) fail<ShapeError>(name, ": conv_state must hold at least K-1 = ", K - 1, " inputs, got ", conv_state.shape());
  const Tensor initial = narrow(conv_state, -1, S - (K - 1), K - 1);
  const Tensor out = causal_conv1d_fn(tokens, weight, bias, {}, initial, activation).out;
  const Tensor shifted = cat({conv_state, to(tokens, conv_state.dtype())}, -1);    // (B, D, S + T)
  assign_in_place(conv_state, clone(narrow(shifted, -1, shifted.size(-1) - S, S)), name);
  return one ? out.at(-1, 0) : out;
}

}  // namespace hippograd
