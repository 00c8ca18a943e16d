#include "autograd/check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/backend.h"
#include "tensor/kernels/copy.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace {

using F = std::function<Tensors(const Tensors&)>;
constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<complex128> host(const Array& x) { return to_vector<complex128>(x); }

bool takes_gradient(const Tensors& inputs, const std::vector<bool>& mask, size_t i) {
  return inputs[i].defined() && is_floating(inputs[i].dtype()) && (i >= mask.size() || mask[i]);
}

// Fresh leaves over copies of the values, so that nothing is shared with the caller.
Tensors leaves(const Tensors& inputs, const std::vector<bool>& mask) {
  Tensors out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor t = inputs[i].defined() ? Tensor(inputs[i].array().clone()) : Tensor();
    if (takes_gradient(inputs, mask, i)) t.set_requires_grad();
    out.push_back(t);
  }
  return out;
}

Tensors random_like(const Tensors& ys, Generator& g) {
  Tensors out;
  for (const Tensor& y : ys)
    out.push_back(y.defined() && is_floating(y.dtype()) ? Tensor(rand_normal(y.shape(), 0, 1, y.dtype(), g).to(y.device())) : Tensor());
  return out;
}

Tensors moved(const Tensors& xs, Device d) {
  Tensors out;
  for (const Tensor& x : xs) out.push_back(x.defined() ? Tensor(x.array().to(d)) : x);
  return out;
}
Tensors widened(const Tensors& xs) {   // floating tensors in double precision
  Tensors out;
  for (const Tensor& x : xs)
    out.push_back(!x.defined() || !is_floating(x.dtype()) ? x : Tensor(x.array().to(is_complex(x.dtype()) ? DType::c128 : DType::f64)));
  return out;
}

// <c, y> = sum Re(conj(c) y), in f64 whatever the dtype
double inner(const Tensors& cs, const Tensors& ys) {
  double total = 0;
  for (size_t k = 0; k < ys.size(); ++k) {
    if (!cs[k].defined() || !ys[k].defined()) continue;
    const auto c = host(cs[k].array()), y = host(ys[k].array());
    for (size_t i = 0; i < c.size(); ++i) total += c[i].real() * y[i].real() + c[i].imag() * y[i].imag();
  }
  return total;
}

// Gradients of <cs, f(x)> for every input that takes one (undefined elsewhere; zeros where the engine found no path).
Tensors analytic(const F& f, const Tensors& inputs, const Tensors& cs, const std::vector<bool>& mask) {
  const Tensors x = leaves(inputs, mask);
  const Tensors ys = f(x);
  Tensors roots, dys, wanted;
  for (size_t k = 0; k < ys.size(); ++k)
    if (ys[k].defined() && ys[k].requires_grad() && cs[k].defined()) roots.push_back(ys[k]), dys.push_back(cs[k]);
  for (const Tensor& t : x) if (t.defined() && t.requires_grad()) wanted.push_back(t);
  Tensors out(inputs.size());
  Tensors g(wanted.size());
  if (!roots.empty() && !wanted.empty()) g = grad(roots, wanted, dys, {false, false, true});
  for (size_t i = 0, k = 0; i < x.size(); ++i)
    if (x[i].defined() && x[i].requires_grad()) {
      out[i] = g[k].defined() ? g[k] : Tensor(zeros_like(x[i].array()));
      ++k;
    }
  return out;
}

// d/dt L(x + t v) at 0: Richardson-extrapolated central differences, the step halved until two estimates agree.
double directional(const std::function<double(double)>& line, double scale) {
  double h = 1e-3 * std::max(1.0, scale), best = 0, last = kInf, gap = kInf;
  for (int round = 0; round < 6; ++round, h /= 2) {
    const double wide = (line(h) - line(-h)) / (2 * h), narrow = (line(h / 2) - line(-h / 2)) / h;
    const double estimate = (4 * narrow - wide) / 3;
    if (std::abs(estimate - last) < gap) gap = std::abs(estimate - last), best = estimate;
    if (gap <= 1e-10 * std::max(1.0, std::abs(estimate))) break;
    last = estimate;
  }
  return best;
}

struct Entry { size_t input; int64_t index; bool imaginary; };

template <class T> void shift(Array& a, int64_t i, double t, bool imaginary) {
  if constexpr (std::is_floating_point_v<T>) a.data<T>()[i] += T(t);
  else a.data<T>()[i] += imaginary ? T(0, t) : T(t, 0);
}

double numeric_entry(const F& f, const Tensors& inputs, const Tensors& cs, const Entry& e) {
  const auto line = [&](double t) {
    NoGrad quiet;
    Tensors x;
    for (const Tensor& in : inputs) x.push_back(in.defined() ? Tensor(in.array().clone()) : Tensor());
    Array a = x[e.input].array();
    if (is_complex(a.dtype())) shift<complex128>(a, e.index, t, e.imaginary);
    else shift<double>(a, e.index, t, false);
    return inner(cs, f(x));
  };
  return directional(line, std::abs(host(inputs[e.input].array())[e.index]));
}

double part(const Array& a, int64_t i, bool imaginary) {
  const complex128 z = host(a)[i];
  return imaginary ? z.imag() : z.real();
}

std::string label(const OpEntry& op, const Sample& s, DType t) {
  std::string text = op.name + (s.label.empty() ? "" : " [" + s.label + "]") + " " + std::string(name(t)) + " inputs";
  for (const Input& i : s.inputs) text += i.kind == Input::Absent ? " None" : " " + i.shape.str();
  return text;
}

Tensors draw(const Sample& s, DType t, Device d = {}) {
  Generator g(1);
  Tensors x;
  for (const Input& i : s.inputs) x.push_back(i.kind == Input::Absent ? Tensor() : Tensor(i.make(t, g).to(d)));
  return x;
}

std::vector<DType> exact_dtypes(const OpEntry& op) {   // f64 and c128, where the op takes them
  std::vector<DType> out;
  for (DType t : op.dtypes) if (t == DType::f64 || t == DType::c128) out.push_back(t);
  return out;
}

bool any_gradient(const OpEntry& op, const Tensors& x) {
  for (size_t i = 0; i < x.size(); ++i) if (takes_gradient(x, op.differentiable, i)) return true;
  return false;
}

int64_t entries(const Tensors& x) {
  int64_t n = 0;
  for (const Tensor& t : x) if (t.defined() && is_floating(t.dtype())) n += t.numel();
  return n;
}

// Forward and gradients together; the cotangent depends only on the output shapes and the seed.
struct Pass { Tensors ys, gs; };
Pass forward_backward(const OpEntry& op, const F& f, const Tensors& inputs, uint64_t seed = 3) {
  Generator g(seed);
  Pass p;
  {
    NoGrad quiet;
    p.ys = f(inputs);
  }
  p.gs = analytic(f, inputs, random_like(p.ys, g), op.differentiable);
  return p;
}

bool same_bits(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Array x = a.to(Device{}).contiguous(), y = b.to(Device{}).contiguous();
  return std::memcmp(x.raw(), y.raw(), size_t(x.numel()) * itemsize(x.dtype())) == 0;
}

std::string compare(const Tensors& a, const Tensors& b, double tol, const std::string& what) {
  if (a.size() != b.size()) return cat(what, ": ", a.size(), " against ", b.size(), " tensors");
  for (size_t k = 0; k < a.size(); ++k) {
    if (!a[k].defined() && !b[k].defined()) continue;
    if (!a[k].defined() || !b[k].defined()) return cat(what, " ", k, ": one is undefined");
    const double e = max_error(a[k].array(), b[k].array());
    if (!(e <= tol)) return cat(what, " ", k, ": relative error ", e, " (allowed ", tol, ")");
  }
  return "";
}
std::string compare(const Pass& a, const Pass& b, double tol) {
  std::string why = compare(a.ys, b.ys, tol, "output");
  return why.empty() ? compare(a.gs, b.gs, tol, "gradient") : why;
}

// ---- the checks ----

std::string shape_rule(const OpEntry& op, const Sample& s, DType t, Device d) {
  const Tensors x = draw(s, t, d);
  NoGrad quiet;
  const Outs want = s.infer(x);
  const Tensors got = s.run(x);
  if (want.size() != got.size()) return cat("predicts ", want.size(), " outputs, gives ", got.size());
  for (size_t k = 0; k < want.size(); ++k) {
    if (!got[k].defined()) continue;
    const bool rank = want[k].shape.size() == got[k].dim();
    if (want[k].unknown ? !rank : !(want[k].shape == got[k].shape()))
      return cat("output ", k, " is predicted ", want[k].shape, " and comes ", got[k].shape());
    if (want[k].dtype != got[k].dtype()) return cat("output ", k, " is predicted ", want[k].dtype, " and comes ", got[k].dtype());
  }
  (void)op;
  return "";
}

std::string gradient(const OpEntry& op, const Sample& s, DType t) {
  const Tensors x = draw(s, t);
  if (!s.smooth || !any_gradient(op, x)) return "";
  return gradcheck(s.run, x, s.tol, op.differentiable).message;
}

std::string second_order(const OpEntry& op, const Sample& s, DType t) {
  const Tensors x = draw(s, t);
  if (!s.smooth || !any_gradient(op, x) || entries(x) > 400) return "";
  if (!op.has_reference && !op.differentiable_backward) {   // then it must say so
    try {
      gradgradcheck(s.run, x, 1, op.differentiable);
    } catch (const GradError& e) {
      return std::string(e.what()).find(op.name) != std::string::npos ? "" : cat("the error does not name the op: ", e.what());
    }
    return "";
  }
  return gradgradcheck(s.run, x, s.tol * 10, op.differentiable).message;
}

double reference_tolerance(DType t) {
  switch (t) {
    case DType::f64: case DType::c128: return 1e-11;
    case DType::f32: case DType::c64: return 2e-5;
    default: return 4e-2;   // bf16, f16: inputs are rounded to 8 (11) bits before a sum of a few hundred terms
  }
}

std::string reference(const OpEntry& op, const Sample& s, DType t) {
  const Tensors x = draw(s, t);
  Pass want;
  if (s.reference && (t == DType::f64 || t == DType::c128)) {
    want = forward_backward(op, s.reference, x);
  } else {   // other types: the same values widened, through the exact form
    const DType wide = is_complex(t) ? DType::c128 : DType::f64;
    if (t == wide || std::find(op.dtypes.begin(), op.dtypes.end(), wide) == op.dtypes.end()) return "";
    const Tensors w = widened(x);
    Generator g(3);
    NoGrad quiet;
    // cotangents are drawn in the narrow type and widened, so that both backwards see the same numbers
    const Tensors ys = s.run(x);
    const Tensors cs = random_like(ys, g), wide_cs = widened(cs);
    EnableGrad record;
    const Tensors narrow_g = analytic(s.run, x, cs, op.differentiable), wide_g = analytic(s.run, w, wide_cs, op.differentiable);
    Tensors wide_y;
    {
      NoGrad again;
      wide_y = s.run(w);
    }
    std::string why;
    for (size_t k = 0; k < ys.size() && why.empty(); ++k)
      if (ys[k].defined() && is_floating(ys[k].dtype())) why = compare({ys[k]}, {wide_y[k]}, reference_tolerance(t), "output");
    if (why.empty()) why = compare(narrow_g, wide_g, reference_tolerance(t), "gradient");
    return why;
  }
  return compare(forward_backward(op, s.run, x), want, reference_tolerance(t));
}

// Outputs and gradients on a device against the CPU's in double precision (integer and boolean outputs: the CPU's own).
std::string agrees_with_cpu(const OpEntry& op, const Sample& s, DType t, Device d) {
  const Tensors here = draw(s, t), there = moved(here, d);
  const bool exact = t == DType::f64 || t == DType::c128;
  const DType wide_type = is_complex(t) ? DType::c128 : DType::f64;
  const bool widens = !exact && is_floating(t) && std::find(op.dtypes.begin(), op.dtypes.end(), wide_type) != op.dtypes.end();
  const Tensors judge = widens ? widened(here) : here;
  NoGrad quiet;
  const Tensors far = s.run(there), near = s.run(here), wide = s.run(judge);
  if (far.size() != near.size()) return cat(far.size(), " outputs instead of ", near.size());
  for (size_t k = 0; k < far.size(); ++k) {
    if (far[k].defined() != near[k].defined()) return cat("output ", k, " is defined on one device only");
    if (!far[k].defined()) continue;
    if (!(far[k].device() == d) && op.name != "to_device") return cat("an output of inputs on ", d, " is on ", far[k].device());
    if (far[k].dtype() != near[k].dtype()) return cat("output ", k, " is ", far[k].dtype(), " instead of ", near[k].dtype());
    const bool floating = is_floating(far[k].dtype());
    const std::string why = compare({far[k]}, {floating ? wide[k] : near[k]}, floating ? reference_tolerance(t) : 0, cat("output ", k));
    if (!why.empty()) return why;
  }
  Generator g(3);
  const Tensors cs = random_like(near, g);
  EnableGrad record;
  return compare(analytic(s.run, there, moved(cs, d), op.differentiable),
                 analytic(s.run, judge, widens ? widened(cs) : cs, op.differentiable), reference_tolerance(t), "gradient");
}

std::string devices(const OpEntry& op, const Sample& s, DType t) {
  for (DeviceKind kind : {DeviceKind::CUDA, DeviceKind::Probe}) {
    if (!why_unavailable(kind).empty()) continue;
    const Device d{kind};
    const Tensors x = draw(s, t);
    Tensors there;
    for (const Tensor& in : x) there.push_back(in.defined() ? Tensor(in.array().to(d)) : in);
    NoGrad quiet;
    Tensors far = s.run(there), back;
    for (const Tensor& y : far) {
      if (y.defined() && !(y.device() == d) && op.name != "to_device") return cat("an output of inputs on ", d, " is on ", y.device());
      back.push_back(y.defined() ? Tensor(y.array().to(Device{})) : y);
    }
    const std::string why = compare(back, s.run(x), reference_tolerance(t), cat("output on ", d));
    if (!why.empty()) return why;
  }
  return "";
}

// The same values behind other strides: transposed storage, a slice with an offset, every second element.
Tensor relaid(const Tensor& x, int variant) {
  const Array& a = x.array();
  if (a.dim() == 0) return x;
  if (variant == 0 && a.dim() >= 2) return Tensor(a.transpose(-1, -2).clone().transpose(-1, -2));
  Shape big = a.shape();
  big.back() = big.back() * 2 + 3;
  Array room = zeros(big, a.dtype(), a.device());
  Array window = room.slice(-1, 2, 2 + 2 * a.shape().back(), 2);
  kernels::copy(a, window);
  return Tensor(window);
}

std::string layouts(const OpEntry& op, const Sample& s, DType t, Device d) {
  const Tensors x = draw(s, t, d);
  if (op.name.starts_with("as_strided")) return "";   // addresses storage by design
  const double tol = reference_tolerance(t) * (is_half(t) ? 1 : 0.1);   // one rounding of a half is most of its tolerance
  const Pass want = forward_backward(op, s.run, x);
  for (int variant = 0; variant < 2; ++variant) {
    // leaves() would make the copies contiguous again: the change of layout happens inside the function
    const F f = [&](const Tensors& in) {
      Tensors other;
      for (const Tensor& i : in) {
        if (!i.defined()) { other.push_back(i); continue; }
        Tensor r = relaid(i, variant);
        r.impl()->edge = i.edge();
        other.push_back(r);
      }
      return s.run(other);
    };
    const std::string why = compare(forward_backward(op, f, x), want, tol);
    if (!why.empty()) return cat(variant ? "strided slice: " : "transposed: ", why);
  }
  // a cotangent that is not contiguous
  const Tensors leaf_x = leaves(x, op.differentiable);
  const Tensors ys = s.run(leaf_x);
  Generator g(3);
  const Tensors cs = random_like(ys, g);
  Tensors roots, dys, wanted, expected;
  for (size_t k = 0; k < ys.size(); ++k)
    if (ys[k].defined() && ys[k].requires_grad() && cs[k].defined()) roots.push_back(ys[k]), dys.push_back(relaid(cs[k], 1));
  for (size_t i = 0; i < leaf_x.size(); ++i)
    if (leaf_x[i].defined() && leaf_x[i].requires_grad()) wanted.push_back(leaf_x[i]), expected.push_back(want.gs[i]);
  if (roots.empty() || wanted.empty()) return "";
  Tensors got = grad(roots, wanted, dys, {false, false, true});
  for (size_t i = 0; i < got.size(); ++i) if (!got[i].defined()) got[i] = Tensor(zeros_like(wanted[i].array()));
  return compare(got, expected, tol, "strided cotangent: gradient");
}

std::string canaries(const OpEntry& op, const Sample& s, DType t, Device d) {
  struct Poison { Poison() { set_poison(true); } ~Poison() { set_poison(false); } };
  const uint64_t before = allocator_damage();
  {
    Poison on;
    const Tensors x = draw(s, t, d);
    Tensors kept;
    for (const Tensor& i : x) kept.push_back(i.defined() ? Tensor(i.array().clone()) : i);
    const Tensors in = leaves(x, op.differentiable);
    const Tensors ys = s.run(in);
    Generator g(5);
    const Tensors cs = random_like(ys, g);
    Tensors roots, dys;
    for (size_t k = 0; k < ys.size(); ++k)
      if (ys[k].defined() && ys[k].requires_grad() && cs[k].defined()) roots.push_back(ys[k]), dys.push_back(cs[k]);
    const Tensors cs_before = [&] { Tensors c; for (const Tensor& dy : dys) c.push_back(Tensor(dy.array().clone())); return c; }();
    if (!roots.empty()) backward(roots, dys);
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].defined() && !same_bits(in[i].array(), kept[i].array())) return cat("input ", i, " was changed");
    for (size_t i = 0; i < dys.size(); ++i)
      if (!same_bits(dys[i].array(), cs_before[i].array())) return cat("the cotangent ", i, " was changed");
  }
  if (allocator_damage() != before) return "wrote outside of a buffer (red zone damaged)";
  return "";
}

std::string deterministic(const OpEntry& op, const Sample& s, DType t, Device d) {
  struct Threads { int n = num_threads(); ~Threads() { set_num_threads(n); } } restore;
  const Tensors x = draw(s, t, d);
  set_num_threads(1);
  const Pass first = forward_backward(op, s.run, x);
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const Pass again = forward_backward(op, s.run, x);
    for (size_t k = 0; k < first.ys.size(); ++k)
      if (first.ys[k].defined() && !same_bits(first.ys[k].array(), again.ys[k].array())) return cat("output ", k, " has other bits on ", threads, " threads");
    for (size_t k = 0; k < first.gs.size(); ++k)
      if (first.gs[k].defined() && !same_bits(first.gs[k].array(), again.gs[k].array())) return cat("gradient ", k, " has other bits on ", threads, " threads");
  }
  return "";
}

std::string bench(const OpEntry&, const Sample& s, DType t, Device d) {
  for (const auto& inputs : s.bench_inputs) {
    Sample big = s;
    big.inputs = inputs;
    NoGrad quiet;
    if (s.run(draw(big, t, d)).empty()) return "no output";
  }
  return "";
}

Tensor made_from(const Tensor& x) {   // another tensor over the same storage, derived by a recorded op
  const Array& a = x.array();
  return as_strided(x, a.shape(), a.strides(), a.offset());
}

bool may_alias(const OpEntry& op, const Sample& s, const Tensors& x, size_t i, size_t j) {
  if (!takes_gradient(x, op.differentiable, i) || !takes_gradient(x, op.differentiable, j)) return false;
  const Input &a = s.inputs[i], &b = s.inputs[j];
  return x[i].shape() == x[j].shape() && x[i].dtype() == x[j].dtype() && a.kind == b.kind && a.low == b.low && a.high == b.high;
}

// On a device: one tensor in two slots, and a tensor saved beside its own view, give the CPU's gradients.
std::string aliases_agree(const OpEntry& op, const Sample& s, DType t, Device d) {
  const Tensors x = draw(s, t);
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = i + 1; j < x.size(); ++j) {
      if (!may_alias(op, s, x, i, j)) continue;
      const F f = [&](const Tensors& in) {
        Tensors args = in;
        args[j] = in[i];
        return s.run(args);
      };
      Generator g(3);
      Tensors ys;
      {
        NoGrad quiet;
        ys = f(x);
      }
      const Tensors cs = random_like(ys, g);
      const std::string why = compare(analytic(f, moved(x, d), moved(cs, d), op.differentiable), analytic(f, x, cs, op.differentiable),
                                      reference_tolerance(t), cat("inputs ", i, " and ", j, " are one tensor: gradient"));
      if (!why.empty()) return why;
    }
  return "";
}

// One tensor in every pair of slots whose inputs agree, and one input made from another.
std::string aliases(const OpEntry& op, const Sample& s, DType t) {
  const Tensors x = draw(s, t);
  if (!s.smooth || entries(x) > 300) return "";
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = i + 1; j < x.size(); ++j) {
      if (!may_alias(op, s, x, i, j)) continue;
      for (const bool derived : {false, true}) {
        const F f = [&](const Tensors& in) {
          Tensors args = in;
          args[j] = derived ? made_from(in[i]) : in[i];
          return s.run(args);
        };
        std::vector<bool> mask(x.size(), true);
        for (size_t k = 0; k < mask.size(); ++k) mask[k] = takes_gradient(x, op.differentiable, k) && k != j;
        GradCheck c = gradcheck(f, x, s.tol * 10, mask);
        if (c.ok && (op.has_reference || op.differentiable_backward)) c = gradgradcheck(f, x, s.tol * 100, mask);
        if (!c.ok) return cat("inputs ", i, " and ", j, derived ? " made from each other: " : " are one tensor: ", c.message);
      }
    }
  return "";
}

}  // namespace

double max_error(const Array& a, const Array& b, double floor) {
  if (!a.defined() || !b.defined() || !(a.shape() == b.shape())) return kInf;
  const auto x = host(a), y = host(b);
  double scale = floor, worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i]) { if (std::isfinite(std::abs(y[i]))) scale = std::max(scale, std::abs(y[i])); continue; }
    const double d = std::abs(x[i] - y[i]);
    if (!(d < kInf)) return kInf;
    worst = std::max(worst, d);
    scale = std::max(scale, std::abs(y[i]));
  }
  return worst / scale;
}

GradCheck gradcheck(const F& f, const Tensors& inputs, double tol, const std::vector<bool>& mask, uint64_t seed) {
  Generator g(seed);
  Tensors ys;
  {
    NoGrad quiet;
    ys = f(inputs);
  }
  const Tensors cs = random_like(ys, g);
  const Tensors gs = analytic(f, inputs, cs, mask);
  GradCheck result;
  result.largest.assign(inputs.size(), 0);
  std::vector<Entry> all;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!gs[i].defined()) continue;
    for (const complex128& z : host(gs[i].array())) {
      const double m = std::abs(z);
      result.largest[i] = m > result.largest[i] || std::isnan(m) ? m : result.largest[i];
    }
    for (int64_t k = 0; k < inputs[i].numel(); ++k) {
      all.push_back({i, k, false});
      if (is_complex(inputs[i].dtype())) all.push_back({i, k, true});
    }
  }
  if (all.size() > 300) {   // a random subset; exhaustive on small samples
    const auto order = to_vector<int64_t>(rand_perm(int64_t(all.size()), g));
    std::vector<Entry> some;
    for (int k = 0; k < 60; ++k) some.push_back(all[order[k]]);
    all = some;
  }
  double scale = 1e-3, worst = -1;
  std::vector<double> numeric;
  for (const Entry& e : all) {
    numeric.push_back(numeric_entry(f, inputs, cs, e));
    scale = std::max(scale, std::abs(numeric.back()));
  }
  for (size_t k = 0; k < all.size(); ++k) {
    const Entry& e = all[k];
    const double a = part(gs[e.input].array(), e.index, e.imaginary), d = std::abs(a - numeric[k]);
    if (!(d <= worst)) {
      worst = std::isnan(d) ? kInf : d;
      if (!(worst <= tol * scale)) {
        result.ok = false;
        result.message = cat("gradient of input ", e.input, " at element ", e.index, e.imaginary ? " (imaginary part)" : "", ": backward says ", a,
                             ", finite differences say ", numeric[k], " (relative error ", worst / scale, ", allowed ", tol, ")");
      }
    }
  }
  result.error = worst < 0 ? 0 : worst / scale;
  return result;
}

namespace {

// The backward of f as a function of its inputs and of the cotangents of its floating outputs, which are drawn here.
struct SecondPass { F f; Tensors arguments; std::vector<bool> differentiable; };
SecondPass second_pass(const F& f, const Tensors& inputs, const std::vector<bool>& mask, Generator& g) {
  Tensors ys;
  {
    NoGrad quiet;
    ys = f(inputs);
  }
  SecondPass second{{}, inputs, mask};
  std::vector<size_t> outputs;
  const Tensors cs = random_like(ys, g);
  for (size_t k = 0; k < ys.size(); ++k)
    if (cs[k].defined()) {
      outputs.push_back(k);
      second.arguments.push_back(cs[k]);
    }
  second.differentiable.resize(inputs.size(), true);
  second.differentiable.resize(second.arguments.size(), true);
  second.f = [f, mask, outputs, n = inputs.size()](const Tensors& args) {
    EnableGrad record;
    Tensors x(args.begin(), args.begin() + int64_t(n)), wanted;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!takes_gradient(x, mask, i)) continue;
      if (!x[i].requires_grad()) x[i] = Tensor(x[i].array()).set_requires_grad();
      wanted.push_back(x[i]);
    }
    const Tensors out = f(x);
    Tensors roots, dys;
    for (size_t k = 0; k < outputs.size(); ++k)
      if (out[outputs[k]].requires_grad()) roots.push_back(out[outputs[k]]), dys.push_back(args[n + k]);
    Tensors gs = grad(roots, wanted, dys, {true, true, true});
    for (size_t i = 0; i < gs.size(); ++i) if (!gs[i].defined()) gs[i] = Tensor(zeros_like(wanted[i].array()));
    return gs;
  };
  return second;
}

std::string second_order_agrees(const OpEntry& op, const Sample& s, DType t, Device d) {
  const Tensors x = draw(s, t);
  if (!s.smooth || !any_gradient(op, x) || entries(x) > 400 || (!op.has_reference && !op.differentiable_backward)) return "";
  Generator g(102);
  const SecondPass here = second_pass(s.run, x, op.differentiable, g);
  Tensors ys;
  {
    NoGrad quiet;
    ys = here.f(here.arguments);
  }
  const Tensors cs = random_like(ys, g);
  return compare(analytic(here.f, moved(here.arguments, d), moved(cs, d), here.differentiable),
                 analytic(here.f, here.arguments, cs, here.differentiable), reference_tolerance(t) * 10, "second order: gradient");
}

}  // namespace

GradCheck gradgradcheck(const F& f, const Tensors& inputs, double tol, const std::vector<bool>& mask, uint64_t seed) {
  Generator g(seed);
  const SecondPass second = second_pass(f, inputs, mask, g);
  GradCheck c = gradcheck(second.f, second.arguments, tol, second.differentiable, seed + 1);
  if (!c.ok) c.message = "second order: " + c.message;
  return c;
}

const char* name(Check c) {
  constexpr const char* names[] = {"ShapeRule", "Gradient", "NotVacuous", "SecondOrder", "Reference", "Devices", "Layouts", "Errors", "Canaries",
                                   "Deterministic", "Bench", "Aliases"};
  return names[int(c)];
}

namespace {

std::string not_vacuous(const OpEntry& op) {
  std::vector<double> largest;
  bool smooth = false;
  for (const Sample& s : op.samples()) {
    for (DType t : exact_dtypes(op)) {
      const Tensors x = draw(s, t);
      if (!s.smooth || !any_gradient(op, x)) continue;
      smooth = true;
      Generator g(4);
      Tensors ys;
      {
        NoGrad quiet;
        ys = s.run(x);
      }
      const Tensors gs = analytic(s.run, x, random_like(ys, g), op.differentiable);
      largest.resize(std::max(largest.size(), gs.size()), -1);
      for (size_t i = 0; i < gs.size(); ++i) {
        if (!gs[i].defined()) continue;
        largest[i] = std::max(largest[i], 0.0);
        for (const complex128& z : host(gs[i].array())) largest[i] = std::max(largest[i], std::abs(z));
      }
    }
  }
  if (!smooth) return "";
  for (size_t i = 0; i < largest.size(); ++i)
    if (largest[i] >= 0 && !(largest[i] > 1e-3)) return cat("no sample has a gradient of input ", i, " above 1e-3: the gradient check would be vacuous");
  return "";
}

std::string errors(const OpEntry& op, Device d) {
  const ErrorSamples list = op.errors();
  for (const ErrorSample& e : list) {
    Sample s;
    s.inputs = e.inputs;
    try {
      e.run(draw(s, DType::f32, d));
      if (!d.is_cpu()) runtime(d.kind).synchronize(d);   // errors that depend on data are found at a synchronisation
    } catch (const Error& err) {
      const std::string said = err.what();
      if (said.find(e.text) == std::string::npos) return cat("expected an error with \"", e.text, "\", got \"", said, "\"");
      continue;
    } catch (const std::exception& err) {
      return cat("threw something that is not a hippograd::Error: ", err.what());
    }
    return cat("no error where \"", e.text, "\" was expected");
  }
  return "";
}

}  // namespace

std::string run_check(const OpEntry& op, Check check, Device d) {
  const bool cpu = d.is_cpu();
  if (!cpu && (check == Check::Gradient || check == Check::NotVacuous || check == Check::Devices)) return "";
  if (check == Check::NotVacuous) return not_vacuous(op);
  if (check == Check::Errors) return errors(op, d);
  const Samples samples = op.samples();
  if (samples.empty()) return "the op has no samples";
  for (const Sample& s : samples) {
    for (DType t : op.dtypes) {
      const bool exact = t == DType::f64 || t == DType::c128;
      std::string why;
      try {
        switch (check) {
          case Check::ShapeRule: why = shape_rule(op, s, t, d); break;
          case Check::Gradient: if (exact) why = gradient(op, s, t); break;
          case Check::SecondOrder: if (exact) why = cpu ? second_order(op, s, t) : second_order_agrees(op, s, t, d); break;
          case Check::Reference: why = cpu ? reference(op, s, t) : agrees_with_cpu(op, s, t, d); break;
          case Check::Devices: why = devices(op, s, t); break;
          case Check::Layouts: if (exact || t == DType::f32 || !cpu) why = layouts(op, s, t, d); break;
          case Check::Canaries: why = canaries(op, s, t, d); break;
          case Check::Deterministic: why = deterministic(op, s, t, d); break;
          case Check::Bench: if (t == DType::f32 || op.dtypes.size() == 1) why = bench(op, s, t, d); break;
          case Check::Aliases: if (exact) why = cpu ? aliases(op, s, t) : aliases_agree(op, s, t, d); break;
          default: break;
        }
      } catch (const std::exception& e) {
        why = cat("threw: ", e.what());
      }
      if (!why.empty()) return label(op, s, t) + (cpu ? "" : " on " + d.str()) + ": " + why;
    }
  }
  return "";
}

}  // namespace hippograd
