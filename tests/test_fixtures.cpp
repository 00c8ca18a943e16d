// The tests are tested: ops with a planted fault each; the check that exists for that fault must find it, and the sound twin
// must pass. These ops are described by hand, so that they never enter the op table.
#include <gtest/gtest.h>

#include <atomic>

#include "autograd/check.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/backend.h"
#include "tensor/kernels/copy.h"

using namespace hippograd;

namespace {

// Square, y = x * x elementwise in f64; each fixture changes one thing.
Array squared(const Array& x) {
  const Array c = x.to(Device{}).contiguous();   // computed on the host, returned where x is
  Array y = empty_like(c);
  for (int64_t i = 0; i < c.numel(); ++i) y.data<double>()[i] = c.data<double>()[i] * c.data<double>()[i];
  return y.to(x.device());
}
Array times(const Array& a, const Array& b, double factor = 1) {
  const Array x = a.to(Device{}).contiguous(), z = b.to(Device{}).contiguous();
  Array y = empty_like(x);
  for (int64_t i = 0; i < x.numel(); ++i) y.data<double>()[i] = factor * x.data<double>()[i] * z.data<double>()[i];
  return y.to(a.device());
}

struct Fixture {   // what all have in common
  static constexpr auto doc = "fixture";
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  static std::vector<DType> dtypes() { return {DType::f64}; }
  static ErrorSamples errors() { return {}; }
};
template <class Op> OpEntry entry() { return describe<Op>(); }

struct Sound : Fixture {
  static constexpr auto name = "fixture_sound";
  Array forward(Saved& s, ArrayIn x) const { s.input(0); return squared(x[0]); }
  Tensor backward(Saved& s, Tensor dy) const { return Tensor(times(s.x(0).array(), dy.array(), 2)); }
  static Samples samples() { return {sample(Sound{}, {{2, 3}}), sample(Sound{}, {{1}}), sample(Sound{}, {{0, 2}})}; }
};
struct WrongShapeRule : Sound {
  static constexpr auto name = "fixture_wrong_shape_rule";
  Outs infer(ArrayIn x) const { return {out({x[0].numel()}, x[0].dtype())}; }
  static Samples samples() { return {sample(WrongShapeRule{}, {{2, 3}})}; }
};
struct ZeroGradient : Sound {
  static constexpr auto name = "fixture_zero_gradient";
  Tensor backward(Saved& s, Tensor dy) const { return Tensor(times(s.x(0).array(), dy.array(), 0)); }
  static Samples samples() { return {sample(ZeroGradient{}, {{2, 3}})}; }
};
struct WrongSign : Sound {
  static constexpr auto name = "fixture_wrong_sign";
  Tensor backward(Saved& s, Tensor dy) const { return Tensor(times(s.x(0).array(), dy.array(), -2)); }
  static Samples samples() { return {sample(WrongSign{}, {{2, 3}})}; }
};
struct NaNGradient : Sound {
  static constexpr auto name = "fixture_nan_gradient";
  Tensor backward(Saved& s, Tensor dy) const { return Tensor(times(s.x(0).array(), dy.array(), std::nan(""))); }
  static Samples samples() { return {sample(NaNGradient{}, {{2, 3}})}; }
};
struct DeadSamples : Sound {   // right, but its only sample is at zero where the gradient vanishes
  static constexpr auto name = "fixture_dead_samples";
  static Samples samples() { return {sample(DeadSamples{}, {values({2}, {0, 0})})}; }
};
struct DetachedBackward : Sound {   // claims a differentiable backward, but computes on raw arrays
  static constexpr auto name = "fixture_detached_backward";
  static constexpr bool differentiable_backward = true;
  static Samples samples() { return {sample(DetachedBackward{}, {{2, 3}})}; }
};
struct BannedKernel : Sound {       // the same through a kernel: the engine refuses by name
  static constexpr auto name = "fixture_banned_kernel";
  static constexpr bool differentiable_backward = true;
  Tensor backward(Saved& s, Tensor dy) const {
    Array y = empty_like(dy.array());
    kernels::copy(s.x(0).array(), y);
    return Tensor(times(y, dy.array(), 2));
  }
  static Samples samples() { return {sample(BannedKernel{}, {{2, 3}})}; }
};
struct DriftedTwin : Sound {        // forward and backward agree with each other, not with the reference
  static constexpr auto name = "fixture_drifted_twin";
  Tensor reference(const Tensors& x) const { return add(x[0], x[0]); }
  static Samples samples() { return {sample(DriftedTwin{}, {{2, 3}})}; }
};
struct WrongDevice : Sound {
  static constexpr auto name = "fixture_wrong_device";
  Array forward(Saved& s, ArrayIn x) const { s.input(0); return squared(x[0].to(Device{})); }
  static Samples samples() { return {sample(WrongDevice{}, {{2, 3}})}; }
};
struct ContiguousOnly : Sound {     // reads its input as if it were contiguous
  static constexpr auto name = "fixture_contiguous_only";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = empty(x[0].shape(), DType::f64);
    for (int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] = x[0].data<double>()[i] * x[0].data<double>()[i];
    return y;
  }
  static Samples samples() { return {sample(ContiguousOnly{}, {{2, 3}})}; }
};
struct WrongWords : Sound {
  static constexpr auto name = "fixture_wrong_words";
  static Samples samples() { return {sample(WrongWords{}, {{2, 3}})}; }
  Array forward(Saved&, ArrayIn) const { fail<ValueError>("something went wrong"); }
  static ErrorSamples errors() { return {error(WrongWords{}, {{2}}, "input must be (2, 3)")}; }
};
struct NoError : Sound {
  static constexpr auto name = "fixture_no_error";
  static Samples samples() { return {sample(NoError{}, {{2, 3}})}; }
  static ErrorSamples errors() { return {error(NoError{}, {{2}}, "input must be (2, 3)")}; }
};
struct StrayWrite : Sound {         // writes one element past its output
  static constexpr auto name = "fixture_stray_write";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = squared(x[0]);
    double* end = y.data<double>() + std::max<int64_t>(y.numel(), 8);
    asm volatile("" : "+r"(end));
    *end = 7;
    return y;
  }
  static Samples samples() { return {sample(StrayWrite{}, {{2, 4}})}; }
};
struct ChangedInput : Sound {
  static constexpr auto name = "fixture_changed_input";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = squared(x[0]), in = x[0];
    if (in.numel()) in.data<double>()[0] += 1;
    return y;
  }
  static Samples samples() { return {sample(ChangedInput{}, {{2, 3}})}; }
};
struct RandomOrderSum : Sound {
  static constexpr auto name = "fixture_random_order_sum";
  Array forward(Saved& s, ArrayIn x) const {
    static std::atomic<int> calls{0};
    s.input(0);
    Array y = squared(x[0]);
    for (int64_t i = 0; i < y.numel(); ++i) y.data<double>()[i] *= 1 + 1e-15 * double(++calls % 7);
    return y;
  }
  static Samples samples() { return {sample(RandomOrderSum{}, {{2, 3}})}; }
};
struct BenchThrows : Sound {
  static constexpr auto name = "fixture_bench_throws";
  Array forward(Saved& s, ArrayIn x) const {
    if (x[0].numel() > 100) fail<ValueError>("too large");
    s.input(0);
    return squared(x[0]);
  }
  static Samples samples() { return {sample(BenchThrows{}, {{2, 3}}).bench({{20, 30}})}; }
};
// y = a * b whose backward gives the whole derivative of a * a to both slots when they are one tensor.
struct DoubleCountsAliases : Fixture {
  static constexpr auto name = "fixture_double_counts_aliases";
  Array forward(Saved& s, ArrayIn x) const { s.inputs(0, 1); return times(x[0], x[1]); }
  Tensors backward(Saved& s, Tensor dy) const {
    const bool alias = s.x(0).array().storage() == s.x(1).array().storage();
    return {Tensor(times(s.x(1).array(), dy.array(), alias ? 2 : 1)), Tensor(times(s.x(0).array(), dy.array(), alias ? 2 : 1))};
  }
  static Samples samples() { return {sample(DoubleCountsAliases{}, {{2, 3}, {2, 3}})}; }
};

// Sound on the CPU, wrong on any other device: what a faulty backend would be.
double sign_on(const Array& x) { return x.device().is_cpu() ? 2 : -2; }
struct DeviceWrongSign : Sound {
  static constexpr auto name = "fixture_device_wrong_sign";
  Tensor backward(Saved& s, Tensor dy) const { return Tensor(times(s.x(0).array(), dy.array(), sign_on(dy.array()))); }
  static Samples samples() { return {sample(DeviceWrongSign{}, {{2, 3}})}; }
};
struct DeviceNaN : Sound {
  static constexpr auto name = "fixture_device_nan";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = squared(x[0]);
    if (!y.device().is_cpu()) {
      Array first = y.view({y.numel()}).slice(0, 0, 1);
      kernels::fill(std::nan(""), 0, first);
    }
    return y;
  }
  static Samples samples() { return {sample(DeviceNaN{}, {{2, 3}})}; }
};
struct DeviceContiguousOnly : Sound {   // reads its input as if it were contiguous
  static constexpr auto name = "fixture_device_contiguous_only";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    if (x[0].device().is_cpu()) return squared(x[0]);
    return squared(x[0].as_strided(x[0].shape(), contiguous_strides(x[0].shape()), x[0].offset()));
  }
  static Samples samples() { return {sample(DeviceContiguousOnly{}, {{2, 3}})}; }
};
struct DeviceChangedInput : Sound {
  static constexpr auto name = "fixture_device_changed_input";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = squared(x[0]), input = x[0];
    if (!input.device().is_cpu()) kernels::fill(7, 0, input);
    return y;
  }
  static Samples samples() { return {sample(DeviceChangedInput{}, {{2, 3}})}; }
};
struct DeviceOtherBits : Sound {        // as a sum by float atomics would be
  static constexpr auto name = "fixture_device_other_bits";
  Array forward(Saved& s, ArrayIn x) const {
    static int calls = 0;
    s.input(0);
    const Array y = squared(x[0]);
    return y.device().is_cpu() ? y : times(y, full(y.shape(), 1, DType::f64, y.device()), 1 + 1e-15 * (++calls % 7));
  }
  static Samples samples() { return {sample(DeviceOtherBits{}, {{2, 3}})}; }
};
struct DeviceMeeker : Sound {           // forgets its error
  static constexpr auto name = "fixture_device_no_error";
  Array forward(Saved& s, ArrayIn x) const {
    if (x[0].device().is_cpu() && x[0].dim() == 1) fail<ShapeError>("input must be (2, 3)");
    s.input(0);
    return squared(x[0]);
  }
  static Samples samples() { return {sample(DeviceMeeker{}, {{2, 3}})}; }
  static ErrorSamples errors() { return {error(DeviceMeeker{}, {{2}}, "input must be (2, 3)")}; }
};

std::vector<Device> other_devices() {
  std::vector<Device> list;
  for (DeviceKind k : {DeviceKind::Probe, DeviceKind::CUDA}) if (why_unavailable(k).empty()) list.push_back({k});
  return list;
}
template <class Op> void caught_on_devices(Check c) {
  for (const Device d : other_devices()) EXPECT_NE(run_check(entry<Op>(), c, d), "") << Op::name << " passes " << name(c) << " on " << d.str();
  EXPECT_EQ(run_check(entry<Op>(), c), "") << "sound on the CPU";
}

template <class Op> void caught_by(Check c) {
  const std::string why = run_check(entry<Op>(), c);
  EXPECT_FALSE(why.empty()) << Op::name << " passes " << name(c);
}

}  // namespace

TEST(Fixtures, TheSoundOnePasses) {
  for (Check c : kChecks) EXPECT_EQ(run_check(entry<Sound>(), c), "") << name(c);
}
TEST(Fixtures, WrongShapeRule) { caught_by<WrongShapeRule>(Check::ShapeRule); }
TEST(Fixtures, ZeroGradient) { caught_by<ZeroGradient>(Check::Gradient); caught_by<ZeroGradient>(Check::NotVacuous); }
TEST(Fixtures, WrongSign) { caught_by<WrongSign>(Check::Gradient); }
TEST(Fixtures, NaNGradient) { caught_by<NaNGradient>(Check::Gradient); }
TEST(Fixtures, DeadSamples) { caught_by<DeadSamples>(Check::NotVacuous); }
TEST(Fixtures, DetachedBackward) { caught_by<DetachedBackward>(Check::SecondOrder); caught_by<BannedKernel>(Check::SecondOrder); }
TEST(Fixtures, DriftedTwin) { caught_by<DriftedTwin>(Check::Reference); }
TEST(Fixtures, WrongDevice) { caught_by<WrongDevice>(Check::Devices); }
TEST(Fixtures, ContiguousOnly) { caught_by<ContiguousOnly>(Check::Layouts); }
TEST(Fixtures, WrongWords) { caught_by<WrongWords>(Check::Errors); caught_by<NoError>(Check::Errors); }
#ifndef __SANITIZE_ADDRESS__   // the planted write is a real one: the sanitizer would end the process
TEST(Fixtures, StrayWrite) { caught_by<StrayWrite>(Check::Canaries); }
#endif
TEST(Fixtures, ChangedInput) { caught_by<ChangedInput>(Check::Canaries); }
TEST(Fixtures, RandomOrderSum) { caught_by<RandomOrderSum>(Check::Deterministic); }
TEST(Fixtures, BenchThrows) { caught_by<BenchThrows>(Check::Bench); }
TEST(Fixtures, DoubleCountsAliases) { caught_by<DoubleCountsAliases>(Check::Aliases); }

TEST(DeviceFixtures, TheSoundOnePasses) {
  ASSERT_FALSE(other_devices().empty()) << "the probe backend is always built";
  for (const Device d : other_devices())
    for (Check c : kChecks) EXPECT_EQ(run_check(entry<Sound>(), c, d), "") << name(c) << " on " << d.str();
}
TEST(DeviceFixtures, WrongSign) { caught_on_devices<DeviceWrongSign>(Check::Reference); }
TEST(DeviceFixtures, NaN) { caught_on_devices<DeviceNaN>(Check::Reference); }
TEST(DeviceFixtures, ContiguousOnly) { caught_on_devices<DeviceContiguousOnly>(Check::Layouts); }
TEST(DeviceFixtures, ChangedInput) { caught_on_devices<DeviceChangedInput>(Check::Canaries); }
TEST(DeviceFixtures, OtherBits) { caught_on_devices<DeviceOtherBits>(Check::Deterministic); }
TEST(DeviceFixtures, NoError) { caught_on_devices<DeviceMeeker>(Check::Errors); }
TEST(DeviceFixtures, WrongDevice) {
  for (const Device d : other_devices()) EXPECT_NE(run_check(entry<WrongDevice>(), Check::Reference, d), "") << d.str();
}
