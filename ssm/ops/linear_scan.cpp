// First-order linear recurrence.                                              Kernels: tensor/kernels/scan.h
//
//   h_t = a_t h_{t-1} + b_t                                        a, b, h: (B, L, D), real or complex; h0: (B, D)
//   g_t = dh_t + conj(a_{t+1}) g_{t+1}     da_t = g_t conj(h_{t-1})     db = g     dh0 = conj(a_1) g_1
#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "ssm/ops.h"
#include "tensor/kernels/scan.h"

namespace hippograd {
namespace {

struct LinearScan {
  static constexpr auto name = "linear_scan", doc = "h_t = a_t h_{t-1} + b_t along dimension 1";
  static constexpr bool differentiable_backward = true;
  bool reverse = false;

  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("a", x[0], "B L D")("b", x[1], "B L D");
    d.same_dtype("a", x[0], "b", x[1]);
    d.dtype("a", x[0], is_floating(x[0].dtype()), "a floating or complex type");
    if (x.has(2)) {
      d("h0", x[2], "B D");
      d.same_dtype("a", x[0], "h0", x[2]);
    }
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    Array h = empty_like(x[0]);
    kernels::linear_scan_fwd(x[0], x[1], x[2], reverse, h);
    s.input(0);
    if (x.has(2)) s.input(2);
    s.output(h);
    return h;
  }
  Tensors backward(Saved& s, Tensor dh) const {
    if (recording()) return recorded_backward(s, dh);
    const Array a = s.x(0).array(), h0 = s.has(2) ? s.x(2).array() : Array();
    Array da = empty_like(a), db = empty_like(a), dh0 = h0.defined() ? empty_like(h0) : Array();
    kernels::linear_scan_bwd(a, h0, s.y().array(), dh.array(), reverse, da, db, dh0);
    return {Tensor(da), Tensor(db), dh0.defined() ? Tensor(dh0) : Tensor()};
  }
  // The gradient is a scan the other way.
  Tensors recorded_backward(Saved& s, const Tensor& dh) const {
    const Tensor a = s.x(0), h = s.y();
    const int64_t B = a.size(0), L = a.size(1), D = a.size(2), first = reverse ? L - 1 : 0;
    const Tensor none(zeros({B, 1, D}, a.dtype(), a.device())), h0 = s.has(2) ? unsqueeze(s.x(2), 1) : none;        // (B, 1, D)
    if (L == 0) return {zeros_like(a.array()), zeros_like(a.array()), s.has(2) ? Tensor(zeros_like(s.x(2).array())) : Tensor()};
    const Tensor next = reverse ? cat({none, slice(a, 1, 0, L - 1)}, 1) : cat({slice(a, 1, 1, L), none}, 1);        // a_{t+1}
    const Tensor past = reverse ? cat({slice(h, 1, 1, L), h0}, 1) : cat({h0, slice(h, 1, 0, L - 1)}, 1);            // h_{t-1}
    const Tensor g = hippograd::apply(LinearScan{!reverse}, {conj(next), dh, Tensor()});
    return {mul_conj(g, past), g, s.has(2) ? mul_conj(g.at(1, first), a.at(1, first)) : Tensor()};
  }
  Tensor reference(const Tensors& x) const {
    const int64_t B = x[0].size(0), L = x[0].size(1), D = x[0].size(2);
    const DType t = compute_dtype(x[0].dtype());
    Tensor h = x.size() > 2 && x[2].defined() ? to(x[2], t) : Tensor(zeros({B, D}, t, x[0].device()));   // (B, D)
    Tensors hs(static_cast<size_t>(L));
    for (int64_t i = 0; i < L; ++i) {
      const int64_t at = reverse ? L - 1 - i : i;
      h = add(mul(to(x[0].at(1, at), t), h), to(x[1].at(1, at), t));
      hs[at] = h;
    }
    return L > 0 ? to(stack(hs, 1), x[0].dtype()) : mul(x[0], 0.0);                 // (B, L, D)
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() {
    const Input a = uniform({2, 5, 3}, -0.9, 0.9);
    return {sample(LinearScan{}, {a, {2, 5, 3}, {2, 3}}), sample(LinearScan{true}, {{1, 4, 2}, {1, 4, 2}, {1, 2}}, "reverse"),
            sample(LinearScan{}, {{1, 3, 2}, {1, 3, 2}, absent()}, "no initial state"),
            sample(LinearScan{}, {{2, 0, 3}, {2, 0, 3}, {2, 3}}, "empty sequence"),
            sample(LinearScan{}, {uniform({1, 33, 1}, -0.9, 0.9), {1, 33, 1}, {1, 1}}, "one step past a tile")
                .bench({uniform({4, 1024, 256}, -0.9, 0.9), {4, 1024, 256}, {4, 256}})};
  }
  static ErrorSamples errors() {
    return {error(LinearScan{}, {{2, 5, 3}, {2, 4, 3}, absent()}, "b must be (B, L, D), got (2, 4, 3)"),
            error(LinearScan{}, {{2, 5, 3}, {2, 5, 3}, {3, 2}}, "h0 must be (B, D), got (3, 2)"),
            error(LinearScan{}, {{2, 5, 3}, Input({2, 5, 3}).dtype(DType::c64), absent()}, "linear_scan")};
  }
};

int64_t product(const Shape& s, int from, int to) {
  int64_t n = 1;
  for (int d = from; d < to; ++d) n *= s[d];
  return n;
}

}  // namespace

Tensor linear_scan(const Tensor& a, const Tensor& b, const Tensor& h0, int64_t dim, bool reverse) {
  if (!(a.shape() == b.shape())) fail<ShapeError>("linear_scan: b must have the shape of a, ", a.shape(), ", got ", b.shape());
  if (a.dim() == 0) fail<ShapeError>("linear_scan: a must have at least one dimension");
  const int at = normalize_dim(dim, a.dim(), "linear_scan");
  const Shape& s = a.shape();
  const int64_t before = product(s, 0, at), after = product(s, at + 1, s.size());
  if (h0.defined()) {
    Shape want;
    for (int d = 0; d < s.size(); ++d) if (d != at) want.push_back(s[d]);
    if (!(h0.shape() == want)) fail<ShapeError>("linear_scan: h0 must be ", want, " (a without dimension ", at, "), got ", h0.shape());
  }
  const DType t = result_type({a, b, h0});
  const Shape flat{before, s[at], after};
  Tensors x{reshape(to(a, t), flat), reshape(to(b, t), flat), Tensor()};           // (B, L, D)
  if (h0.defined()) x[2] = reshape(to(h0, t), {before, after});
  return reshape(hippograd::apply(LinearScan{reverse}, x), s);
}

}  // namespace hippograd
