#pragma once
// Parameters by path (architecture 8). A layer is a plain struct whose constructor takes a Scope, a handle to one node of the
// model's tree; a parameter can only be made through it:
//
//   struct Linear final {
//     Tensor weight, bias;
//     Linear(Scope s, int64_t in, int64_t out)
//         : weight(s.param("weight", {out, in}, init::kaiming_uniform())), bias(s.param("bias", {out}, init::fan_in_uniform(in))) {}
//   };
//   Model root;  Linear layer(root / "head", 96, 32);        // paths head.weight, head.bias
//
// So every parameter has one path, is always found, and cannot be declared twice. The Scope also carries dtype, device,
// generator and the train flag. Random tensors are drawn in construction order, so one seed gives the same bits from C++ and
// from the Python twins of these layers.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autograd/tensor.h"
#include "tensor/random.h"

namespace hippograd {

using Init = std::function<Array(const Shape&, DType, Generator&)>;

namespace init {
Init constant(double value);
inline Init zeros() { return constant(0); }
inline Init ones() { return constant(1); }
Init normal(double mean = 0, double std = 1);
Init uniform(double low, double high);
Init kaiming_uniform(double a = 2.23606797749979);   // a = sqrt(5): PyTorch's Linear and Conv default, U(+-1/sqrt(fan_in))
Init kaiming_normal();                               // N(0, sqrt(2 / fan_in)), "He"
Init fan_in_uniform(int64_t fan_in);                 // U(+-1/sqrt(fan_in)): the bias of the same layers
Init xavier_uniform();                               // U(+-sqrt(6 / (fan_in + fan_out)))
Init trunc_normal(double std);                       // N(0, std) redrawn outside of +-2 (absolute), as in timm
Init log_arange();                                   // (D, N): every row ln(1), ..., ln(N): Mamba's A_log
}  // namespace init

// While one lives on this thread, parameters are made without values: they are about to be loaded, or only counted.
class SkipInit {
 public:
  SkipInit() : before_(active()) { active() = true; }
  ~SkipInit() { active() = before_; }
  static bool& active();
 private:
  bool before_;
};

struct Parameter { std::string path; Tensor tensor; bool buffer; };

// What the scopes of one model share.
struct ModelState {
  std::vector<Parameter> parameters;                 // in construction order; buffers too
  DType dtype = DType::f32;
  Device device;
  Generator* generator = &default_generator();
  std::shared_ptr<bool> training = std::make_shared<bool>(true);
  // Where the model is now: its parameters may have been moved since it was made.
  Device where() const { return parameters.empty() ? device : parameters.front().tensor.device(); }
};

class Scope {
 public:
  explicit Scope(std::shared_ptr<ModelState> state, std::string path = "") : state_(std::move(state)), path_(std::move(path)) {}
  Scope operator/(const std::string& child) const;   // "layers" / "0" -> path layers.0
  Scope operator/(int64_t index) const { return *this / std::to_string(index); }
  // keep_f32: stays f32 (or f64) when the model is half precision: states, A_log, dt bias, norm statistics.
  Tensor param(const std::string& name, const Shape& shape, const Init& init, bool keep_f32 = false) const;
  Tensor buffer(const std::string& name, const Array& value) const;
  const std::string& path() const { return path_; }
  std::shared_ptr<const bool> training() const { return state_->training; }
  DType dtype() const { return state_->dtype; }
  Device device() const { return state_->where(); }

 private:
  std::string full(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }
  std::shared_ptr<ModelState> state_;
  std::string path_;
};

// The result of loading: what did not fit, by path.
struct LoadReport { std::vector<std::string> missing, unexpected, misshaped; bool clean() const; std::string str() const; };

// The root of a model's tree. Models derive from it.
class Model {
 public:
  explicit Model(DType dtype = DType::f32, Device device = {}, Generator* generator = nullptr);
  Scope scope() const { return Scope(state_); }
  Scope operator/(const std::string& child) const { return scope() / child; }

  const std::vector<Parameter>& named() const { return state_->parameters; }   // parameters and buffers
  Tensors parameters() const;                                                  // those that can be trained
  std::map<std::string, Array> state_dict() const;
  // Copies values in. strict: throws one error that lists every missing, unexpected and mis-shaped name, before any change.
  LoadReport load_state_dict(const std::map<std::string, Array>& values, bool strict = true);
  void train(bool on = true) const { *state_->training = on; }                 // the flag lives in the shared state
  void eval() const { train(false); }
  Device device() const { return state_->where(); }
  DType dtype() const { return state_->dtype; }
  bool training() const { return *state_->training; }
  void requires_grad(bool on);                                                 // freeze or thaw everything
  void freeze(const std::string& prefix);                                      // every parameter whose path starts so
  int64_t parameter_count(const std::string& prefix = "") const;
  std::string summary() const;                                                 // table: path, shape, count
  void zero_grad();

 private:
  std::shared_ptr<ModelState> state_;
};

// Evaluation mode for a scope; the flag is restored afterwards.
class EvalMode {
 public:
  explicit EvalMode(const Model& m) : model_(m), before_(m.training()) { m.eval(); }
  ~EvalMode() { model_.train(before_); }
 private:
  const Model& model_;
  bool before_;
};

}  // namespace hippograd
