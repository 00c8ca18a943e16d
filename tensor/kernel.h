#pragma once
// Kernel slots: one typed function pointer per device (architecture 3).
//
//   tensor/kernels/softmax.h   extern constinit Kernel<void(CArray x, MArray y)> softmax_fwd;     the contract
//   tensor/cpu/softmax.cpp     constinit decltype(softmax_fwd) softmax_fwd{"softmax_fwd"};        defined once, in the core
//                              const Bind b0(softmax_fwd, DeviceKind::CPU, fwd);
//   cuda/softmax.cu            const Bind b0(softmax_fwd, DeviceKind::CUDA, fwd);                 a plugin only binds
//
// Calling a slot picks the function by the device of its arrays (all must agree; undefined arrays are optional inputs).
// Half-precision arguments are widened to f32 before the call and outputs rounded once after it, so CPU kernels hold no
// half-precision code. Slots declared with `kNativeHalf` (copy) see them as they are; so does a kernel that was bound with
// the half types it takes itself:  const Bind b0(softmax_fwd, DeviceKind::CUDA, fwd, kTakesBf16);
#include <tuple>
#include <type_traits>
#include <vector>

#include "tensor/array.h"

namespace hippograd {

enum HalfMode { kWidenHalf, kWidenHalfAndKeep, kNativeHalf };   // Keep: outputs have contents that count (y += ...)
enum HalfTypes : uint8_t { kTakesNoHalf = 0, kTakesBf16 = 1, kTakesF16 = 2, kTakesHalves = 3 };   // of one bound kernel

struct SlotInfo {                       // untyped face of a slot: for the support matrix and the tests
  const char* name;
  bool bound[kDeviceKinds];
  const void* address;
};
std::vector<SlotInfo> kernel_slots();   // every slot, sorted by name

// While this flag is set a kernel call throws: the engine sets it around a backward that is being recorded, where a raw
// kernel would silently cut the second derivative (autograd/op.h).
class KernelBan {
 public:
  explicit KernelBan(const char* op) : saved_(current()) { current() = op; }   // nullptr lifts the ban
  ~KernelBan() { current() = saved_; }
  static const char*& current();
 private:
  const char* saved_;
};

// A backend may borrow the CPU's kernels for every slot that it does not bind: `enter` before the call makes its memory
// readable and writable here, `leave` after it takes that back (the probe plugin of tests/probe).
struct Borrowed { void (*enter)() = nullptr; void (*leave)() = nullptr; };
Borrowed& borrowed(DeviceKind kind);

namespace detail {
class SlotBase {
 public:
  constexpr explicit SlotBase(const char* name, HalfMode half) : name_(name), half_(half) {}
  const char* name() const { return name_; }
  void enlist(DeviceKind kind);         // called by Bind
 protected:
  [[noreturn]] void missing(Device device) const;
  [[noreturn]] void mixed(Device a, Device b) const;
  [[noreturn]] void banned() const;
  const char* name_;
  HalfMode half_;
  bool bound_[kDeviceKinds] = {};
  friend std::vector<SlotInfo> hippograd::kernel_slots();
};

template <class A> inline constexpr bool is_input = std::is_same_v<A, const Array&>;
template <class A> inline constexpr bool is_output = std::is_same_v<A, Array&>;

// An argument during a widened call: an f32 stand-in for a half array, rounded back at the end if it is an output.
template <class A> struct Widened {
  A value;
  Widened(A a, bool) : value(a) {}
  A get() { return value; }
};
template <> struct Widened<const Array&> {
  Array value;
  Widened(const Array& a, bool) : value(a.defined() && is_half(a.dtype()) ? a.to(DType::f32) : a) {}
  const Array& get() { return value; }
};
void round_into(const Array& from, Array& to);
template <> struct Widened<Array&> {
  Array& original;
  Array value;
  bool half;
  Widened(Array& a, bool keep) : original(a), half(a.defined() && is_half(a.dtype())) {
    value = !half ? a : keep ? a.to(DType::f32) : empty(a.shape(), DType::f32, a.device());
  }
  Array& get() { return value; }
  ~Widened() noexcept(false) { if (half) round_into(value, original); }
};
}  // namespace detail

template <class Signature> class Kernel;
template <class... Args> class Kernel<void(Args...)> : public detail::SlotBase {
 public:
  using Function = void (*)(Args...);
  constexpr explicit Kernel(const char* name, HalfMode half = kWidenHalf) : SlotBase(name, half) {}

  void operator()(Args... args) const {
    if ((detail::is_input<Args> || ...) && KernelBan::current()) banned();   // makers of constants are harmless
    Device device;
    bool seen = false;
    unsigned halves = kTakesNoHalf;
    (look(args, device, seen, halves), ...);
    if (halves && half_ != kNativeHalf && (halves & ~unsigned(native_[int(device.kind)]))) return widened(device, args...);
    call(device, args...);
  }
  bool available(DeviceKind kind) const { return functions_[int(kind)] != nullptr; }
  void bind(DeviceKind kind, Function f, HalfTypes halves = kTakesNoHalf) {
    functions_[int(kind)] = f;
    native_[int(kind)] = halves;
    enlist(kind);
  }

 private:
  template <class A> void look(const A& a, Device& device, bool& seen, unsigned& halves) const {
    if constexpr (std::is_same_v<A, Array>) {
      if (!a.defined()) return;
      if (seen && !(a.device() == device)) mixed(device, a.device());
      device = a.device();
      seen = true;
      halves |= a.dtype() == DType::bf16 ? kTakesBf16 : a.dtype() == DType::f16 ? kTakesF16 : kTakesNoHalf;
    }
  }
  void call(Device device, Args... args) const {
    if (Function f = functions_[int(device.kind)]) {
      if (device.is_cpu()) return f(args...);
      const Runtime& r = runtime(device.kind);
      if (r.enter) r.enter(device);
      f(args...);
      if (r.leave) r.leave(device, name_);
      return;
    }
    const Borrowed& b = borrowed(device.kind);
    Function f = functions_[int(DeviceKind::CPU)];
    if (!b.enter || !f) missing(device);
    struct Visit { const Borrowed& b; explicit Visit(const Borrowed& x) : b(x) { b.enter(); } ~Visit() { b.leave(); } } visit(b);
    f(args...);
  }
  void widened(Device device, Args... args) const {
    std::tuple<detail::Widened<Args>...> wide{detail::Widened<Args>(args, half_ == kWidenHalfAndKeep)...};
    std::apply([&](auto&... w) { call(device, w.get()...); }, wide);
  }
  Function functions_[kDeviceKinds] = {};
  HalfTypes native_[kDeviceKinds] = {};
};

template <class Signature> struct Bind {
  Bind(Kernel<Signature>& slot, DeviceKind kind, typename Kernel<Signature>::Function f, HalfTypes halves = kTakesNoHalf) {
    slot.bind(kind, f, halves);
  }
};

}  // namespace hippograd
