#pragma once
// Mixed precision by region (Micikevicius et al., "Mixed precision training", ICLR 2018): while autocast is on for a device, an op
// gets its f32, bf16 and f16 inputs in the type that suits it. An op declares what that is:
//
//   static constexpr Autocast autocast = Autocast::Low;      matmul, linear, convolution, attention: bf16 on tensor cores
//   static constexpr Autocast autocast = Autocast::Full;     norms, softmax, losses, exp, log, pow: f32
//   (nothing)                                                the inputs' own types (additions, scans, copies)
//
// The casts are ordinary recorded ops, so gradients return in each input's own type. f64, complex and integers stay. A cast of a
// leaf that requires a gradient is kept until the region ends, the leaf is written (an optimizer's step), or capture begins or
// ends. bf16 has f32's range: no scaling of the loss. The list of ops stands in docs/ops.md.
#include <array>
#include <optional>

#include "autograd/tensor.h"

namespace hippograd {

enum class Autocast : uint8_t { Keep, Low, Full };

struct AutocastSetting { bool enabled = false; DType dtype = DType::bf16; bool cache = true; };

// A region: the setting of one kind of device on this thread, until the guard goes out of scope.
class AutocastMode {
 public:
  AutocastMode(DeviceKind kind, AutocastSetting setting);   // DtypeError: dtype must be bfloat16, float16 or float32
  ~AutocastMode();
  AutocastMode(const AutocastMode&) = delete;
  AutocastMode& operator=(const AutocastMode&) = delete;
 private:
  DeviceKind kind_;
  AutocastSetting before_;
};
AutocastSetting autocast_setting(DeviceKind kind);

namespace detail {
inline thread_local int autocast_regions = 0;               // how many are open: 0 for almost everybody
// The inputs in the types of the policy, or nothing if they are right already.
std::optional<Tensors> autocast_inputs(Autocast policy, const Tensors& inputs);
}  // namespace detail

// Autocast of this thread, all devices together: a checkpoint computes again as it did first; the backward pass casts nothing.
struct AutocastSnapshot { std::array<AutocastSetting, kDeviceKinds> settings; int regions = 0; };
AutocastSnapshot autocast_snapshot();
class AutocastAs {                                          // until the end of the scope; a fresh one: off
 public:
  explicit AutocastAs(const AutocastSnapshot& s = {});
  ~AutocastAs();
  AutocastAs(const AutocastAs&) = delete;
  AutocastAs& operator=(const AutocastAs&) = delete;
 private:
  AutocastSnapshot before_;
};

}  // namespace hippograd
