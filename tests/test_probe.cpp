// Loading a backend, transfers, dispatch: on the probe plugin, whose memory the host may not touch.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "autograd/ops.h"
#include "tensor/backend.h"
#include "tensor/kernels/copy.h"

using namespace hippograd;

namespace {
const Device kProbe{DeviceKind::Probe};
}

TEST(Probe, LoadsAndMovesThereAndBack) {
  ASSERT_EQ(why_unavailable(DeviceKind::Probe), "");
  const Array x = from_vector<float>({1, 2, 3}, {3}), y = x.to(kProbe);
  EXPECT_EQ(y.device(), kProbe);
  EXPECT_EQ(to_vector<float>(y), (std::vector<float>{1, 2, 3}));
}
TEST(Probe, BothSidesSeeOneSlot) {
  load_backend(DeviceKind::Probe);
  Dl_info core;
  ASSERT_TRUE(dladdr(reinterpret_cast<void*>(&load_backend), &core));
  const auto path = std::filesystem::path(core.dli_fname).parent_path() / "libhippograd_probe.so";
  void* plugin = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(plugin, nullptr) << dlerror();
  const auto slot = reinterpret_cast<const void* (*)()>(dlsym(plugin, "hippograd_probe_slot"));
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slot(), static_cast<const void*>(&kernels::copy));
}
TEST(Probe, OpsRunAndDifferentiateThere) {
  Tensor x = Tensor(from_vector<double>({1, 2, 3}, {3}).to(kProbe)).set_requires_grad();
  const Tensor y = sum(mul(x, exp(x)));
  EXPECT_EQ(y.device(), kProbe);
  y.backward();
  EXPECT_EQ(x.grad().device(), kProbe);
  EXPECT_NEAR(to_vector<double>(x.grad().array())[1], 3 * std::exp(2.0), 1e-12);
}
TEST(Probe, MixedDevicesAreRefusedByName) {
  const Tensor here(from_vector<double>({1, 2}, {2})), there(here.array().to(kProbe));
  try {
    add(here, there);
    FAIL();
  } catch (const DeviceError& e) {
    EXPECT_NE(std::string(e.what()).find("Expected all tensors to be on the same device"), std::string::npos) << e.what();
  }
}
TEST(Probe, AbsentBackendsSayWhatToDo) {
  if (why_unavailable(DeviceKind::CUDA).empty()) GTEST_SKIP() << "there is a GPU here";
  try {
    from_vector<float>({1}, {1}).to(Device{DeviceKind::CUDA});
    FAIL();
  } catch (const DeviceError& e) {
    EXPECT_NE(std::string(e.what()).find("cuda:0 is not available: "), std::string::npos) << e.what();
  }
}
TEST(Slots, EveryOneHasACpuKernel) {
  EXPECT_GE(kernel_slots().size(), 60u);
  for (const SlotInfo& s : kernel_slots()) EXPECT_TRUE(s.bound[int(DeviceKind::CPU)]) << s.name;
}
