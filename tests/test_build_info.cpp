// The facts of the build: version, and instruction sets that this processor has.
#include <gtest/gtest.h>

#include "tensor/build_info.h"

namespace hippograd {
namespace {

TEST(BuildInfo, NamesVersionCompilerAndType) {
  const BuildInfo info = build_info();
  EXPECT_EQ(info.version, "0.1.0");
  EXPECT_NE(info.compiler.find_first_of("0123456789"), std::string::npos) << info.compiler;
  EXPECT_FALSE(info.build_type.empty());
}

TEST(BuildInfo, ProcessorHasWhatWasCompiledIn) { EXPECT_EQ(missing_isa(), ""); }

#ifdef __AVX2__
TEST(BuildInfo, RecordsTheInstructionSetsOfThisBuild) {
  EXPECT_NE(build_info().isa.find("avx2"), std::string::npos) << build_info().isa;
}
#endif

}  // namespace
}  // namespace hippograd
