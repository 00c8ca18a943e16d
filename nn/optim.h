#pragma once
// Optimizers and schedules of C++ programs. Python's hg.optim classes have PyTorch's interface; these do a whole training step
// (gradient norm, clipping, update) in a few kernels, without synchronising.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nn/scope.h"
#include "tensor/kernels/optim.h"

namespace hippograd {

struct ParamGroup { Tensors params; double weight_decay = 0; double lr_scale = 1; };

// Matrices decay, vectors and scalars (biases, norms, A_log, D ...) do not; frozen parameters are left out.
std::vector<ParamGroup> decay_matrices_only(const Model& model, double weight_decay);

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One update with this learning rate; parameters without a gradient are skipped. Gradients are clipped to `max_norm` (infinity:
  // not at all). A gradient that is not finite leaves everything unchanged, which the next `norm()` shows.
  void step(double lr, double max_norm);
  // The same with the learning rate of `set_lr`, or of the last step: a captured step reads it anew at each replay.
  void step(double max_norm);
  void set_lr(double lr) { lr_ = lr; }
  double lr() const { return lr_; }
  double norm() const { return norm_.item<double>(); }               // of the last step's gradients, before clipping; synchronises
  int64_t steps() const { return steps_; }
  void zero_grad();
  // m, v, momentum ... and the step count, by the parameter's name (its path), for checkpoints.
  std::vector<std::pair<std::string, Array>> state() const;
  void load_state(const std::map<std::string, Array>& state);         // ValueError listing everything that does not fit

 protected:
  explicit Optimizer(std::vector<ParamGroup> groups, std::vector<std::string> slots);
  virtual void update(const ParamGroup& group, const Arrays& scalars_of_group) = 0;
  Array slot(size_t k, const Tensor& p) { return slots_.at(p.impl().get())[k]; }
  std::vector<ParamGroup> groups_;

 private:
  Array scalars_on(Device device);                                     // (lr, step number, 1, 0), see tensor/kernels/optim.h

  double lr_ = 0;
  std::vector<std::string> slot_names_;
  std::map<const TensorImpl*, Arrays> slots_;
  Array norm_;
  int64_t steps_ = 0;
};

// AdamW (decoupled weight decay) or Adam (L2), as PyTorch computes them.
class AdamW final : public Optimizer {
 public:
  AdamW(std::vector<ParamGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, bool decoupled = true);
 private:
  void update(const ParamGroup& group, const Arrays& scalars) override;
  AdamConfig config_;
};
class SGD final : public Optimizer {
 public:
  explicit SGD(std::vector<ParamGroup> groups, double momentum = 0, double dampening = 0, bool nesterov = false);
 private:
  void update(const ParamGroup& group, const Arrays& scalars) override;
  SgdConfig config_;
};

// Linear warm-up over `warmup` steps, then a cosine from `peak` to `floor * peak` at step `total`. `step` counts from 0.
double warmup_cosine(int64_t step, int64_t total, int64_t warmup, double peak, double floor = 0);

}  // namespace hippograd
