// Both ways to write the include must work from an installed copy.
#include <hippograd/tensor/build_info.h>

#include <cstdio>

#include "tensor/build_info.h"

int main() {
  const hippograd::BuildInfo info = hippograd::build_info();
  std::printf("hippograd %s, %s, missing: '%s'\n", info.version.c_str(), info.compiler.c_str(),
              hippograd::missing_isa().c_str());
  return info.version == "0.1.0" && hippograd::missing_isa().empty() ? 0 : 1;
}
