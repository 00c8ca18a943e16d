// The table test: every op, every check, every sample, every dtype. There is no test code per op.
#include <gtest/gtest.h>

#include "autograd/check.h"

using namespace hippograd;

namespace {
struct Case { size_t op; Check check; };

class OpTable : public testing::TestWithParam<Case> {};

TEST_P(OpTable, Holds) {
  const std::string why = run_check(op_table()[GetParam().op], GetParam().check);
  EXPECT_TRUE(why.empty()) << why;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (size_t i = 0; i < op_table().size(); ++i)
    for (Check c : kChecks) cases.push_back({i, c});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Ops, OpTable, testing::ValuesIn(all_cases()), [](const auto& info) {
  return op_table()[info.param.op].name + "_" + name(info.param.check);
});

TEST(OpTableItself, NothingWasDroppedByTheLinker) {
  EXPECT_GE(op_table().size(), 5u);
  for (const char* name : {"add", "as_strided", "select"})
    EXPECT_TRUE(std::any_of(op_table().begin(), op_table().end(), [&](const OpEntry& e) { return e.name == name; })) << name;
}
}  // namespace
