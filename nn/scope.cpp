#include "nn/scope.h"

#include <fmt/format.h>

#include <cmath>

#include "tensor/kernels/copy.h"

namespace hippograd {

namespace init {
namespace {
// fan_in and fan_out of a weight (out, in, receptive field...), as PyTorch counts them
std::pair<double, double> fans(const Shape& s) {
  if (s.size() < 2) fail<ShapeError>("init: fan in and fan out can not be computed for a tensor of shape ", s, " (fewer than 2 dimensions)");
  double field = 1;
  for (int i = 2; i < s.size(); ++i) field *= double(s[i]);
  return {double(s[1]) * field, double(s[0]) * field};
}
}  // namespace

Init constant(double value) {
  return [=](const Shape& s, DType t, Generator&) { return full(s, value, t); };
}
Init normal(double mean, double std) {
  return [=](const Shape& s, DType t, Generator& g) { return rand_normal(s, mean, std, t, g); };
}
Init uniform(double low, double high) {
  return [=](const Shape& s, DType t, Generator& g) { return rand_uniform(s, low, high, t, g); };
}
Init kaiming_uniform(double a) {
  return [=](const Shape& s, DType t, Generator& g) {
    const double bound = std::sqrt(6 / ((1 + a * a) * fans(s).first));
    return rand_uniform(s, -bound, bound, t, g);
  };
}
Init kaiming_normal() {
  return [](const Shape& s, DType t, Generator& g) { return rand_normal(s, 0, std::sqrt(2 / fans(s).first), t, g); };
}
Init fan_in_uniform(int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(double(fan_in)) : 0;
  return uniform(-bound, bound);
}
Init xavier_uniform() {
  return [](const Shape& s, DType t, Generator& g) {
    const auto [in, out] = fans(s);
    const double bound = std::sqrt(6 / (in + out));
    return rand_uniform(s, -bound, bound, t, g);
  };
}
Init trunc_normal(double std) {   // by the inverse of the normal distribution: one uniform draw per element
  return [=](const Shape& s, DType t, Generator& g) {
    const double p = 0.5 * std::erfc(2 / std / std::sqrt(2.0));   // probability below -2
    Array u = rand_uniform(s, p, 1 - p, DType::f64, g);
    double* x = u.data<double>();
    for (int64_t i = 0, n = u.numel(); i < n; ++i) {              // bisection: exact to rounding, runs once
      double low = -40, high = 40;
      for (int k = 0; k < 70; ++k) {
        const double mid = (low + high) / 2;
        (0.5 * std::erfc(-mid / std::sqrt(2.0)) < x[i] ? low : high) = mid;
      }
      x[i] = std::clamp(std * low, -2.0, 2.0);
    }
    return u.to(t);
  };
}
Init log_arange() {
  return [](const Shape& s, DType t, Generator&) {
    if (s.size() != 2) fail<ShapeError>("init: log_arange needs a shape (D, N), got ", s);
    Array a = empty(s, DType::f64);
    for (int64_t i = 0; i < s[0]; ++i)
      for (int64_t n = 0; n < s[1]; ++n) a.data<double>()[i * s[1] + n] = std::log(double(n + 1));
    return a.to(t);
  };
}
}  // namespace init

bool& SkipInit::active() {
  thread_local bool on = false;
  return on;
}

Scope Scope::operator/(const std::string& child) const {
  if (child.empty()) fail<ValueError>("Scope: a child needs a name, under ", path_);
  return Scope(state_, full(child));
}

Tensor Scope::param(const std::string& name, const Shape& shape, const Init& init, bool keep_f32) const {
  const std::string path = full(name);
  for (const Parameter& p : state_->parameters)
    if (p.path == path) fail<ValueError>("Scope: the parameter ", path, " is declared twice");
  const DType dtype = keep_f32 && is_half(state_->dtype) ? DType::f32 : state_->dtype;
  Tensor t(SkipInit::active() ? empty(shape, dtype, state_->device) : init(shape, dtype, *state_->generator).to(state_->device));
  t.set_requires_grad();
  t.impl()->is_parameter = true;
  t.impl()->name = path;
  state_->parameters.push_back({path, t, false});
  return t;
}

Tensor Scope::buffer(const std::string& name, const Array& value) const {
  const std::string path = full(name);
  for (const Parameter& p : state_->parameters)
    if (p.path == path) fail<ValueError>("Scope: the buffer ", path, " is declared twice");
  Tensor t(value.to(state_->device));
  state_->parameters.push_back({path, t, true});
  return t;
}

Model::Model(DType dtype, Device device, Generator* generator) : state_(std::make_shared<ModelState>()) {
  state_->dtype = dtype;
  state_->device = device;
  if (generator) state_->generator = generator;
}

Tensors Model::parameters() const {
  Tensors list;
  for (const Parameter& p : named()) if (!p.buffer) list.push_back(p.tensor);
  return list;
}

std::map<std::string, Array> Model::state_dict() const {
  std::map<std::string, Array> values;
  for (const Parameter& p : named()) values[p.path] = p.tensor.array();
  return values;
}

bool LoadReport::clean() const { return missing.empty() && unexpected.empty() && misshaped.empty(); }
std::string LoadReport::str() const {
  std::string s;
  const auto list = [&s](const char* title, const std::vector<std::string>& names) {
    if (!names.empty()) s += fmt::format("\n  {}: {}", title, fmt::join(names, ", "));
  };
  list("missing", missing);
  list("unexpected", unexpected);
  list("size mismatch", misshaped);
  return s;
}

LoadReport Model::load_state_dict(const std::map<std::string, Array>& values, bool strict) {
  LoadReport report;
  std::vector<std::pair<const Parameter*, const Array*>> fits;
  for (const Parameter& p : named()) {
    const auto it = values.find(p.path);
    if (it == values.end()) report.missing.push_back(p.path);
    else if (!(it->second.shape() == p.tensor.shape()))
      report.misshaped.push_back(cat(p.path, " is ", it->second.shape(), " in the file, ", p.tensor.shape(), " in the model"));
    else fits.push_back({&p, &it->second});
  }
  for (const auto& [path, value] : values)
    if (std::none_of(named().begin(), named().end(), [&, &path = path](const Parameter& p) { return p.path == path; })) report.unexpected.push_back(path);
  if (strict && !report.clean()) fail<ValueError>("load_state_dict: the values do not fit the model:", report.str());
  for (const auto& [p, value] : fits) {
    Array into = p->tensor.array();
    kernels::copy(value->to(into.device()), into);
    into.storage()->bump_version();
  }
  return report;
}

void Model::requires_grad(bool on) {
  for (const Parameter& p : named()) if (!p.buffer) Tensor(p.tensor).set_requires_grad(on);
}
void Model::freeze(const std::string& prefix) {
  bool any = false;
  for (const Parameter& p : named())
    if (!p.buffer && p.path.starts_with(prefix)) {
      Tensor(p.tensor).set_requires_grad(false);
      any = true;
    }
  if (!any) fail<ValueError>("freeze: no parameter path starts with '", prefix, "'");
}
int64_t Model::parameter_count(const std::string& prefix) const {
  int64_t n = 0;
  for (const Parameter& p : named()) if (!p.buffer && p.path.starts_with(prefix)) n += p.tensor.numel();
  return n;
}
std::string Model::summary() const {
  size_t width = 10;
  for (const Parameter& p : named()) width = std::max(width, p.path.size());
  std::string s = fmt::format("{:<{}}  {:<20} {:>12}\n", "path", width, "shape", "parameters");
  for (const Parameter& p : named())
    s += fmt::format("{:<{}}  {:<20} {:>12}{}\n", p.path, width, p.tensor.shape().str(), p.tensor.numel(), p.buffer ? "  (buffer)" : "");
  return s + fmt::format("{:<{}}  {:<20} {:>12}\n", "total", width, "", parameter_count());
}
void Model::zero_grad() {
  for (const Parameter& p : named()) p.tensor.impl()->grad = {};
}

}  // namespace hippograd
