// Selective scan (Gu & Dao 2023, "Mamba", section 3 and algorithm 2).        Kernels: tensor/kernels/scan.h
//
//   dt_t = softplus(delta_t + delta_bias)                          u, delta, z, out: (B, L, D)      A: (D, N)
//   h_t  = exp(dt_t A) h_{t-1} + dt_t B_t u_t                      h: (B, D, N)
//   y_t  = sum_n C_t[n] h_t[n] + D u_t                             B, C: (D, N), (B, L, N) or (B, L, G, N)
//   out  = y silu(z)                                               complex A, B, C: 2 Re(sum_n C_t[n] h_t[n])
//
// Differs from the paper: B_bar = dt B (Euler), as in the authors' code, not the ZOH formula of its equation 4. Softplus has
// no threshold. Where B is constant the state is still h as defined here, so last_state does not depend on its form.
#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "ssm/ops/segments.h"
#include "ssm/ops.h"
#include "tensor/kernels/scan.h"

namespace hippograd {
namespace {

enum : size_t { kU, kDelta, kA, kB, kC, kD, kZ, kBias, kInitial, kSegments, kInputs };

struct SelectiveScan {
  static constexpr auto name = "selective_scan",
                        doc = "h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t, y_t = C_t . h_t + D u_t, gated by silu(z)";
  bool delta_softplus = false, reverse = false;
  std::optional<DType> out_dtype = {};

  static bool is_constant(const Array& coefficient) { return coefficient.dim() == 2; }
  DType state_dtype(ArrayIn x) const {
    const DType real = compute_dtype(x[kU].dtype());
    return is_complex(x[kA].dtype()) ? complex_of(real) : real;
  }

  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("u", x[kU], "B L D")("delta", x[kDelta], "B L D")("A", x[kA], "D N");
    coefficient(d, "B", x[kB]);
    coefficient(d, "C", x[kC]);
    if (x.has(kD)) d("D", x[kD], "D");
    if (x.has(kZ)) d("z", x[kZ], "B L D");
    if (x.has(kBias)) d("delta_bias", x[kBias], "D");
    if (x.has(kInitial)) d("initial_state", x[kInitial], "B D N");
    if (x.has(kSegments)) d("seq_idx", x[kSegments], "B L").dtype("seq_idx", x[kSegments], x[kSegments].dtype() == DType::i64, "int64");
    check_groups(d, x);
    check_dtypes(d, x);
    return {out(x[kU].shape(), out_dtype.value_or(x[kU].dtype())), out({d["B"], d["D"], d["N"]}, state_dtype(x))};
  }

  static void coefficient(Dims& d, std::string_view argument, const Array& c) {
    if (c.defined() && is_constant(c)) d(argument, c, "D N");
    else d(argument, c, "B L G N");
  }
  static void check_groups(const Dims& d, ArrayIn x) {
    if (is_constant(x[kB]) && is_constant(x[kC])) return;
    const int64_t D = d["D"], G = d["G"];
    if (G < 1 || D % G != 0) fail<ShapeError>(name, ": D must be a multiple of G, got D = ", D, " channels and G = ", G, " groups");
  }
  static void check_dtypes(const Dims& d, ArrayIn x) {
    constexpr const char* names[] = {"u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state"};
    const DType real = compute_dtype(x[kU].dtype());
    const bool complex = x[kA].defined() && is_complex(x[kA].dtype());
    d.dtype("u", x[kU], is_real(x[kU].dtype()), "a real floating type");
    for (size_t i = kDelta; i < kSegments; ++i) {
      if (!x.has(i)) continue;
      const bool of_state = i == kA || i == kB || i == kC || i == kInitial;
      const DType t = x[i].dtype();
      const bool same_precision = is_floating(t) && compute_dtype(real_of(t)) == real;
      d.dtype(names[i], x[i], same_precision && is_complex(t) == (of_state && complex),
              of_state && complex ? "complex like A, in the precision of u" : "real, in the precision of u");
    }
  }

  Arrays forward(Saved& s, ArrayIn x) const {
    const Outs o = infer(x);
    Array y = empty(o[0].shape, o[0].dtype, x[kU].device()), last = empty(o[1].shape, o[1].dtype, x[kU].device()), checkpoints;
    if (s.active()) {
      const Shape &u = x[kU].shape(), &A = x[kA].shape();
      checkpoints = empty({kernels::scan_checkpoints(u[0], u[1], u[2], A[1], is_complex(x[kA].dtype()))},
                          compute_dtype(x[kU].dtype()), x[kU].device());
    }
    kernels::selective_scan_fwd(x[kU], x[kDelta], x[kA], x[kB], x[kC], x[kD], x[kZ], x[kBias], x[kInitial], x[kSegments],
                                {delta_softplus, reverse}, y, last, checkpoints);
    if (s.active()) {
      for (size_t i = 0; i < kInputs; ++i) if (x.has(i)) s.input(int(i));
      s.extra(checkpoints);
    }
    return {y, last};
  }

  Tensors backward(Saved& s, Tensors dys) const {
    const auto saved = [&](size_t i) { return s.has(int(i)) ? s.x(int(i)).array() : Array(); };
    const auto cotangent = [](const Tensor& t) { return t.defined() ? t.array() : Array(); };
    Arrays x(kInputs), g(kInputs);
    for (size_t i = 0; i < kInputs; ++i) {
      x[i] = saved(i);
      if (x[i].defined() && i != kSegments) g[i] = empty(x[i].shape(), x[i].dtype(), x[i].device());
    }
    kernels::selective_scan_bwd(x[kU], x[kDelta], x[kA], x[kB], x[kC], x[kD], x[kZ], x[kBias], x[kInitial], x[kSegments],
                                {delta_softplus, reverse}, s.extra_at(0), cotangent(dys[0]), cotangent(dys[1]), g[kU],
                                g[kDelta], g[kA], g[kB], g[kC], g[kD], g[kZ], g[kBias], g[kInitial]);
    Tensors out;
    for (Array& a : g) out.push_back(a.defined() ? Tensor(a) : Tensor());
    return out;
  }

  // Read this first.
  Tensors reference(const Tensors& x) const {
    const int64_t B = x[kU].size(0), L = x[kU].size(1), D = x[kU].size(2), N = x[kA].size(1);
    const bool complex = is_complex(x[kA].dtype());
    const DType real = compute_dtype(x[kU].dtype()), state = complex ? complex_of(real) : real;
    const Tensor u = to(x[kU], real);
    Tensor dt = to(x[kDelta], real);                                               // (B, L, D)
    if (x[kBias].defined()) dt = add(dt, to(x[kBias], real));
    if (delta_softplus) dt = softplus(dt);
    const Tensor A = to(x[kA], state);                                             // (D, N)
    Tensor h = x[kInitial].defined() ? to(x[kInitial], state) : Tensor(zeros({B, D, N}, state, x[kU].device()));
    const Segments segments(x[kSegments], B, L, reverse);
    Tensors y(static_cast<size_t>(L));
    for (int64_t i = 0; i < L; ++i) {
      const int64_t t = reverse ? L - 1 - i : i;
      const Tensor dt_t = unsqueeze(dt.at(1, t), -1), u_t = unsqueeze(u.at(1, t), -1);      // (B, D, 1)
      const Tensor a = exp(mul(dt_t, A));                                          // (B, D, N)
      const Tensor next = add(mul(a, segments.cut(h, t)), mul(mul(dt_t, u_t), per_channel(x[kB], state, t, D)));
      h = segments.keep(next, h, t);
      const Tensor y_t = squeeze(sum_to(mul(h, per_channel(x[kC], state, t, D)), {B, D, 1}), {2});   // (B, D)
      y[t] = segments.blank(complex ? mul(hippograd::real(y_t), 2.0) : y_t, t);
    }
    Tensor out = L > 0 ? stack(y, 1) : Tensor(zeros({B, L, D}, real, x[kU].device()));      // (B, L, D)
    if (x[kD].defined()) out = add(out, mul(segments.blank_all(u), to(x[kD], real)));
    if (x[kZ].defined()) out = mul(out, silu(segments.blank_all(to(x[kZ], real))));
    return {to(out, out_dtype.value_or(x[kU].dtype())), h};
  }

  // B_t or C_t for every channel: (D, N), or (B, D, N) from the G groups.
  static Tensor per_channel(const Tensor& c, DType state, int64_t t, int64_t D) {
    if (c.dim() == 2) return to(c, state);
    const int64_t B = c.size(0), G = c.size(2), N = c.size(3);
    const Tensor groups = unsqueeze(to(c.at(1, t), state), 2);                     // (B, G, 1, N)
    return reshape(expand(groups, {B, G, D / G, N}), {B, D, N});
  }

  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static std::vector<bool> differentiable() { return {true, true, true, true, true, true, true, true, true, false}; }
  static Samples samples() {
    const auto stream = [](Shape s) { return normal(s).real(); };
    const auto steps = [](Shape s) { return uniform(s, -1, 0.5).real(); };   // not drawn like u: alias tests are slow
    const auto gates = [](Shape s) { return uniform(s, -1, 1).real(); };
    const auto none = absent();
    const Input segments = values({1, 5}, {0, -1, 0, 2, 2}).dtype(DType::i64);
    return {
        sample(SelectiveScan{}, {stream({1, 3, 2}), stream({1, 3, 2}), uniform({2, 2}, -1.5, -0.2), {1, 3, 1, 2}, {1, 3, 1, 2}, none,
                                 none, none, none, none}),
        sample(SelectiveScan{true}, {stream({1, 2, 4}), stream({1, 2, 4}), uniform({4, 1}, -1.5, -0.2), {1, 2, 2, 1}, {1, 2, 2, 1},
                                     stream({4}), stream({1, 2, 4}), stream({4}), {1, 4, 1}, none}, "everything, two groups"),
        sample(SelectiveScan{true, true}, {stream({1, 4, 2}), steps({1, 4, 2}), uniform({2, 3}, -1, 0), {2, 3}, {1, 4, 2, 3}, none,
                                           gates({1, 4, 2}), none, {1, 2, 3}, none}, "reverse, constant B"),
        sample(SelectiveScan{true}, {stream({1, 3, 2}), steps({1, 3, 2}), uniform({2, 1}, -1, 0), {1, 3, 1, 1}, {2, 1}, stream({2}), none, none, none,
                                     none}, "constant C"),
        sample(SelectiveScan{true}, {stream({1, 5, 2}), steps({1, 5, 2}), uniform({2, 2}, -1.5, -0.2), {1, 5, 1, 2}, uniform({1, 5, 1, 2}, -1, 1),
                                     stream({2}), gates({1, 5, 2}), none, {1, 2, 2}, segments}, "segments and padding"),
        sample(SelectiveScan{}, {stream({1, 0, 2}), stream({1, 0, 2}), {2, 2}, {1, 0, 1, 2}, {1, 0, 1, 2}, none, none, none, {1, 2, 2},
                                 none}, "empty sequence"),
        sample(SelectiveScan{true}, {stream({1, 33, 1}), stream({1, 33, 1}), uniform({1, 1}, -1, -0.2), {1, 33, 1, 1}, {1, 33, 1, 1}, none,
                                     none, none, {1, 1, 1}, none}, "one step past a chunk")
            .not_smooth()   // compared with the reference only: differences of its 33 steps take a minute
            .bench({stream({2, 256, 256}), stream({2, 256, 256}), uniform({256, 16}, -16, -1), {2, 256, 1, 16}, {2, 256, 1, 16},
                    stream({256}), stream({2, 256, 256}), stream({256}), none, none})};
  }
  static ErrorSamples errors() {
    const auto none = absent();
    return {
        error(SelectiveScan{}, {{2, 5, 4}, {2, 6, 4}, {4, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}}, "delta must be (B, L, D), got (2, 6, 4)"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {3, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}}, "A must be (D, N), got (3, 2)"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, {2, 5, 1, 3}, {2, 5, 1, 2}}, "B must be (B, L, G, N), got (2, 5, 1, 3)"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, {2, 5, 3, 2}, {2, 5, 3, 2}}, "D must be a multiple of G"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}, {5}}, "D must be (D,), got (5,)"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, Input({2, 5, 1, 2}).dtype(DType::c64), {2, 5, 1, 2}},
              "B must be real, in the precision of u"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, Input({4, 2}).dtype(DType::f64), {2, 5, 1, 2}, {2, 5, 1, 2}}, "A must be"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}, none, none, none, {2, 4, 3}},
              "initial_state must be (B, D, N), got (2, 4, 3)"),
        error(SelectiveScan{}, {{2, 5, 4}, {2, 5, 4}, {4, 2}, {2, 5, 1, 2}, {2, 5, 1, 2}, none, none, none, none, {2, 5}},
              "seq_idx must be int64")};
  }
};

// (B, L, N) stands for one group.
Tensor with_groups(const Tensor& c) { return c.defined() && c.dim() == 3 ? unsqueeze(c, 2) : c; }

// One precision throughout: f64 if any input is; A, B, C and the state complex if any of them is.
void unify(Tensors& x) {
  constexpr size_t kStates[] = {kA, kB, kC, kInitial};
  bool wide = false, complex = false;
  for (const Tensor& t : x) wide |= t.defined() && real_of(t.dtype()) == DType::f64;
  for (size_t i : kStates) complex |= x[i].defined() && is_complex(x[i].dtype());
  for (size_t i = 0; i < kSegments; ++i) {
    if (!x[i].defined() || !is_floating(x[i].dtype())) continue;   // infer names the offender
    const bool of_state = std::find(std::begin(kStates), std::end(kStates), i) != std::end(kStates);
    DType t = x[i].dtype();
    if (wide) t = is_complex(t) ? DType::c128 : DType::f64;
    if (of_state && complex) t = complex_of(compute_dtype(t));
    x[i] = to(x[i], t);
  }
}

void check_parameter(std::string_view argument, const Tensor& p) {
  if (p.defined() && is_half(p.dtype()))
    fail<DtypeError>("selective_scan: ", argument, " must be float32 or float64 (a recurrence does not forgive rounded parameters), got ",
                     p.dtype());
}

// Channel-first B or C to (B, L, G, N); interleaved (re, im) pairs along L become complex numbers.
Tensor coefficient_from_upstream(const Tensor& c, bool complex) {
  if (!c.defined() || c.dim() == 2) return c;
  Tensor x = c.dim() == 3 ? unsqueeze(c, 1) : c;                                   // (B, G, N, L)
  if (x.dim() == 4 && complex && !is_complex(x.dtype())) {
    x = view_as_complex(unflatten(contiguous(x), -1, {-1, 2}));                    // (B, G, N, 2L) -> (B, G, N, L)
  }
  return x.dim() == 4 ? permute(x, {0, 3, 1, 2}) : x;                              // (B, L, G, N)
}

}  // namespace

ScanResult selective_scan(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                          const SelectiveScanOptions& o) {
  check_parameter("A", A);
  check_parameter("D", o.D);
  check_parameter("delta_bias", o.delta_bias);
  Tensors x{u, delta, A, with_groups(B), with_groups(C), o.D, o.z, o.delta_bias, o.initial_state, to_segments("selective_scan", o.seq_idx)};
  for (const size_t i : {kB, kC}) {   // one group beside several: shared by all of them
    const Tensor& other = x[i == kB ? kC : kB];
    if (x[i].defined() && other.defined() && x[i].dim() == 4 && other.dim() == 4 && x[i].size(2) == 1 && other.size(2) != 1)
      x[i] = expand(x[i], {-1, -1, other.size(2), -1});
  }
  unify(x);
  const DType io = x[kU].defined() ? x[kU].dtype() : DType::f32;
  if (o.out_dtype && *o.out_dtype != io && !(is_half(io) && *o.out_dtype == DType::f32))
    fail<DtypeError>("selective_scan: out_dtype must be that of u, or float32 for half-precision u; got ", *o.out_dtype, " for ", io);
  const Tensors y = hippograd::apply(SelectiveScan{o.delta_softplus, o.reverse, o.out_dtype}, x);
  return {y[0], y[1]};
}

ScanResult selective_scan_step(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                               const Tensor& D, const Tensor& z, const Tensor& delta_bias, bool delta_softplus,
                               const Tensor& state) {
  const bool one = u.defined() && u.dim() == 2;
  const auto timed = [&](const Tensor& t) { return one && t.defined() ? unsqueeze(t, 1) : t; };
  SelectiveScanOptions o;
  o.D = D, o.z = timed(z), o.delta_bias = delta_bias, o.delta_softplus = delta_softplus, o.initial_state = state;
  ScanResult r = selective_scan(timed(u), timed(delta), A, timed(B), timed(C), o);
  if (one) r.out = r.out.at(1, 0);
  return r;
}

ScanResult selective_scan_fn(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C,
                             const SelectiveScanOptions& options) {
  const auto channel_last = [](const Tensor& t) { return t.defined() && t.dim() == 3 ? transpose(t, 1, 2) : t; };
  const bool complex = A.defined() && is_complex(A.dtype());
  SelectiveScanOptions o = options;
  o.z = channel_last(o.z);
  ScanResult r = selective_scan(channel_last(u), channel_last(delta), A, coefficient_from_upstream(B, complex),
                                coefficient_from_upstream(C, complex), o);
  r.out = transpose(r.out, 1, 2);
  return r;
}

}  // namespace hippograd
