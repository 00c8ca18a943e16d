#include "tensor/kernel.h"

#include <algorithm>
#include <string>

#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {
std::vector<const detail::SlotBase*>& slots() {
  static std::vector<const detail::SlotBase*> all;   // built before the first Bind of any translation unit
  return all;
}
}  // namespace

const char*& KernelBan::current() {
  thread_local const char* op = nullptr;
  return op;
}

Borrowed& borrowed(DeviceKind kind) {
  static Borrowed table[kDeviceKinds];
  return table[int(kind)];
}

void detail::SlotBase::enlist(DeviceKind kind) {
  bound_[int(kind)] = true;
  auto& all = slots();
  if (std::find(all.begin(), all.end(), this) == all.end()) all.push_back(this);
}

void detail::SlotBase::missing(Device device) const {
  require_backend(device);   // a clearer error when the whole backend is absent
  fail<DeviceError>(name_, ": no kernel for device ", device);
}
void detail::SlotBase::mixed(Device a, Device b) const {
  fail<DeviceError>(name_, ": Expected all tensors to be on the same device, but found at least two devices, ", a, " and ", b);
}
void detail::SlotBase::banned() const {
  fail<GradError>(KernelBan::current(), ": backward called the kernel ", name_,
                  " while it was being recorded; its second derivative would be lost. Give the op a `reference`, or write "
                  "its backward with differentiable ops");
}

void detail::round_into(const Array& from, Array& to) {
  KernelBan lift(nullptr);
  kernels::copy(from, to);
}

std::vector<SlotInfo> kernel_slots() {
  std::vector<SlotInfo> out;
  for (const detail::SlotBase* s : slots()) {
    SlotInfo info{s->name_, {}, s};
    std::copy(std::begin(s->bound_), std::end(s->bound_), info.bound);
    out.push_back(info);
  }
  std::sort(out.begin(), out.end(), [](const SlotInfo& a, const SlotInfo& b) { return std::string(a.name) < b.name; });
  return out;
}

}  // namespace hippograd
