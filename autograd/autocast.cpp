#include "autograd/autocast.h"

#include <algorithm>
#include <unordered_map>

#include "autograd/ops.h"
#include "tensor/accelerator.h"

namespace hippograd {
namespace {

struct Cast {                 // of a leaf, as it was
  Tensor source, result;
  uint64_t version;
  bool recorded;
  const Capture* capture;
};
struct State {
  std::array<AutocastSetting, kDeviceKinds> settings;
  std::unordered_map<const TensorImpl*, Cast> casts;
};
State& state() {
  thread_local State s;
  return s;
}

bool narrow(DType t) { return t == DType::f32 || is_half(t); }

Tensor cast(const Tensor& x, DType wanted, bool cache) {
  const bool keep = cache && x.is_leaf() && x.requires_grad();
  if (!keep) return to(x, wanted);
  auto& casts = state().casts;
  const auto it = casts.find(x.impl().get());
  if (it != casts.end()) {
    const Cast& c = it->second;
    if (c.version == x.array().storage()->version() && c.result.dtype() == wanted && c.recorded == grad_enabled() &&
        c.capture == Capture::current())
      return c.result;
  }
  const Tensor y = to(x, wanted);
  casts[x.impl().get()] = {x, y, x.array().storage()->version(), grad_enabled(), Capture::current()};
  return y;
}

}  // namespace

AutocastSetting autocast_setting(DeviceKind kind) { return state().settings[size_t(kind)]; }

AutocastMode::AutocastMode(DeviceKind kind, AutocastSetting setting) : kind_(kind), before_(autocast_setting(kind)) {
  if (!narrow(setting.dtype)) fail<DtypeError>("autocast: dtype must be bfloat16, float16 or float32, got ", setting.dtype);
  state().settings[size_t(kind)] = setting;
  ++detail::autocast_regions;
}
AutocastMode::~AutocastMode() {
  state().settings[size_t(kind_)] = before_;
  if (--detail::autocast_regions == 0) state().casts.clear();
}

std::optional<Tensors> detail::autocast_inputs(Autocast policy, const Tensors& inputs) {
  AutocastSetting setting;
  for (const Tensor& x : inputs)
    if (x.defined()) {
      setting = autocast_setting(x.device().kind);
      break;
    }
  if (!setting.enabled) return {};
  const DType wanted = policy == Autocast::Low ? setting.dtype : DType::f32;
  const auto differs = [&](const Tensor& x) { return x.defined() && narrow(x.dtype()) && x.dtype() != wanted; };
  if (std::none_of(inputs.begin(), inputs.end(), differs)) return {};
  for (const Tensor& x : inputs)
    if (x.defined() && (x.dtype() == DType::f64 || is_complex(x.dtype()))) return {};   // double precision is asked for: nothing is narrowed
  Tensors out;
  for (const Tensor& x : inputs) out.push_back(differs(x) ? cast(x, wanted, setting.cache) : x);
  return out;
}

AutocastSnapshot autocast_snapshot() { return {state().settings, detail::autocast_regions}; }
AutocastAs::AutocastAs(const AutocastSnapshot& s) : before_(autocast_snapshot()) {
  state().settings = s.settings;
  detail::autocast_regions = s.regions;
}
AutocastAs::~AutocastAs() {
  state().settings = before_.settings;
  detail::autocast_regions = before_.regions;
}

}  // namespace hippograd
