// What this library was built from and for. Printed by `python -m hippograd doctor`.
#pragma once

#include <string>

namespace hippograd {

struct BuildInfo {
  std::string version;      // "0.1.0"
  std::string compiler;     // "GNU 12.2.0"
  std::string build_type;   // "Release", "Debug" ...
  std::string sanitizers;   // "address,undefined", or ""
  std::string isa;          // instruction sets compiled in: "avx avx2 fma ..."
};
BuildInfo build_info();

// The instruction sets compiled in that this processor lacks, separated by blanks; "" when it has them all.
std::string missing_isa();

}  // namespace hippograd

// Plugins refer to this symbol, so that one built for another version of the core fails when it is opened, not later.
extern "C" void hippograd_abi_0_1_0();
