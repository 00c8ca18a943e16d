#include "nn/optim.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "tensor/accelerator.h"
#include "tensor/kernels/elementwise.h"

namespace hippograd {

std::vector<ParamGroup> decay_matrices_only(const Model& model, double weight_decay) {
  std::vector<ParamGroup> groups(2);
  groups[0].weight_decay = weight_decay;
  for (const Parameter& p : model.named())
    if (!p.buffer && p.tensor.requires_grad()) groups[p.tensor.dim() >= 2 && !p.path.ends_with("A_log") ? 0 : 1].params.push_back(p.tensor);
  return groups;
}

Optimizer::Optimizer(std::vector<ParamGroup> groups, std::vector<std::string> slots)
    : groups_(std::move(groups)), slot_names_(std::move(slots)), norm_(zeros({}, DType::f64)) {
  for (const ParamGroup& g : groups_)
    for (const Tensor& p : g.params) {
      if (!p.is_leaf()) fail<ValueError>("Optimizer: can't optimize a non-leaf Tensor");
      Arrays& list = slots_[p.impl().get()];
      if (!list.empty()) fail<ValueError>("Optimizer: a parameter appears in more than one group", p.impl()->name.empty() ? "" : ": ", p.impl()->name);
      for (size_t k = 0; k < slot_names_.size(); ++k) list.push_back(zeros_like(p.array()));
    }
}

// While a step is captured, learning rate and step count are read from here again before each replay.
Array Optimizer::scalars_on(Device device) {
  const Array scalars = fresh_array<double, 4>([this] { return std::array<double, 4>{lr_, double(++steps_), 1, 0}; }, device);
  return Capture::current() ? scalars.clone() : scalars;   // the step writes into its scalars; what a replay sends stays
}

void Optimizer::step(double lr, double max_norm) {
  lr_ = lr;
  step(max_norm);
}

void Optimizer::step(double max_norm) {
  const NoGrad quiet;
  Arrays gradients;
  Device device;
  for (const ParamGroup& g : groups_)
    for (const Tensor& p : g.params)
      if (p.grad().defined()) gradients.push_back(p.grad().array()), device = p.device();
  if (gradients.empty()) return;
  Array scalars = scalars_on(device);
  if (!(norm_.device() == device)) norm_ = zeros({}, DType::f64, device);
  kernels::clip_factor(gradients, max_norm, scalars, norm_);
  for (const ParamGroup& g : groups_) {
    Array own = scalars;
    if (g.lr_scale != 1) {
      own = scalars.clone();
      Array own_lr = own.select(0, kLr);
      kernels::unary(unary_id<pointwise::MulNumber>, own_lr, g.lr_scale, 0, own_lr);
    }
    update(g, {own});
    for (const Tensor& p : g.params) if (p.grad().defined()) p.array().storage()->bump_version();
  }
}

void Optimizer::zero_grad() {
  for (const ParamGroup& g : groups_)
    for (const Tensor& p : g.params) p.impl()->grad = {};
}

std::vector<std::pair<std::string, Array>> Optimizer::state() const {
  std::vector<std::pair<std::string, Array>> out{{"step", from_vector<int64_t>({steps_}, {})}};
  for (const ParamGroup& g : groups_)
    for (const Tensor& p : g.params)
      for (size_t k = 0; k < slot_names_.size(); ++k) out.emplace_back(slot_names_[k] + "." + p.impl()->name, slots_.at(p.impl().get())[k]);
  return out;
}

void Optimizer::load_state(const std::map<std::string, Array>& state) {
  std::string wrong;
  const auto own = this->state();
  for (const auto& [name, a] : own) {
    const auto it = state.find(name);
    if (it == state.end()) wrong += "\n  missing " + name;
    else if (!(it->second.shape() == a.shape())) wrong += cat("\n  ", name, " is ", it->second.shape(), ", expected ", a.shape());
  }
  if (!wrong.empty()) fail<ValueError>("Optimizer: the state does not fit:", wrong);
  steps_ = state.at("step").item<int64_t>();
  for (const ParamGroup& g : groups_)
    for (const Tensor& p : g.params)
      for (size_t k = 0; k < slot_names_.size(); ++k)
        slots_.at(p.impl().get())[k] = state.at(slot_names_[k] + "." + p.impl()->name).to(p.device()).to(p.dtype()).clone();
}

AdamW::AdamW(std::vector<ParamGroup> groups, double beta1, double beta2, double eps, bool decoupled)
    : Optimizer(std::move(groups), {"exp_avg", "exp_avg_sq"}), config_{beta1, beta2, eps, 0, decoupled} {
  for (double beta : {beta1, beta2}) if (!(beta >= 0 && beta < 1)) fail<ValueError>("AdamW: Invalid beta parameter: ", beta);
  if (!(eps >= 0)) fail<ValueError>("AdamW: Invalid epsilon value: ", eps);
}
void AdamW::update(const ParamGroup& group, const Arrays& scalars) {
  std::vector<AdamTensors> list;
  for (const Tensor& p : group.params)
    if (p.grad().defined()) list.push_back({p.array(), p.grad().array().contiguous(), slot(0, p), slot(1, p)});
  AdamConfig c = config_;
  c.weight_decay = group.weight_decay;
  kernels::adam_step(scalars[0], list, c);
}

SGD::SGD(std::vector<ParamGroup> groups, double momentum, double dampening, bool nesterov)
    : Optimizer(std::move(groups), momentum != 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{}),
      config_{momentum, dampening, 0, nesterov} {
  if (momentum < 0) fail<ValueError>("SGD: Invalid momentum value: ", momentum);
  if (nesterov && (momentum <= 0 || dampening != 0)) fail<ValueError>("SGD: Nesterov momentum requires a momentum and zero dampening");
}
void SGD::update(const ParamGroup& group, const Arrays& scalars) {
  std::vector<SgdTensors> list;
  for (const Tensor& p : group.params)
    if (p.grad().defined()) list.push_back({p.array(), p.grad().array().contiguous(), config_.momentum != 0 ? slot(0, p) : Array()});
  SgdConfig c = config_;
  c.weight_decay = group.weight_decay;
  kernels::sgd_step(scalars[0], list, c);
}

double warmup_cosine(int64_t step, int64_t total, int64_t warmup, double peak, double floor) {
  if (step < warmup) return peak * double(step + 1) / double(warmup);
  const double progress = std::min(1.0, double(step - warmup) / double(std::max<int64_t>(1, total - warmup)));
  return peak * (floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace hippograd
