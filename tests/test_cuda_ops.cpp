// The table test on a CUDA device: every op, sample, dtype and layout against the CPU (autograd/check.h). Without a device the
// cases are skipped, never passed; HIPPOGRAD_TEST_DEVICE=probe runs them over the probe backend instead.
#include <gtest/gtest.h>

#include <cstdlib>

#include "autograd/check.h"
#include "tensor/backend.h"

using namespace hippograd;

namespace {

Device device_under_test() {
  const char* name = std::getenv("HIPPOGRAD_TEST_DEVICE");
  return Device::parse(name && *name ? name : "cuda");
}

struct Case { size_t op; Check check; };
class OpTableOnDevice : public testing::TestWithParam<Case> {};

TEST_P(OpTableOnDevice, Holds) {
  const Device d = device_under_test();
  if (const std::string why = why_unavailable(d.kind); !why.empty()) GTEST_SKIP() << d.str() << ": " << why;
  const std::string why = run_check(op_table()[GetParam().op], GetParam().check, d);
  EXPECT_TRUE(why.empty()) << why;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (size_t i = 0; i < op_table().size(); ++i)
    for (Check c : {Check::ShapeRule, Check::SecondOrder, Check::Reference, Check::Layouts, Check::Errors, Check::Canaries,
                    Check::Deterministic, Check::Bench, Check::Aliases})
      cases.push_back({i, c});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Ops, OpTableOnDevice, testing::ValuesIn(all_cases()), [](const auto& info) {
  return op_table()[info.param.op].name + "_" + name(info.param.check);
});

}  // namespace
