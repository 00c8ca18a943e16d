// Compiled for the oldest processor of its kind (cmake/HippogradLayers.cmake): it must run where the rest cannot.
#include "tensor/build_info.h"

#include <stdexcept>

namespace hippograd {
namespace {

#if defined(__x86_64__)
// __builtin_cpu_supports takes string literals only, hence a table.
struct Feature {
  const char* name;
  bool present;
};

bool is_compiled_in(const std::string& name) {
  return (" " + std::string(HIPPOGRAD_ISA) + " ").find(" " + name + " ") != std::string::npos;
}

std::string find_missing() {
  __builtin_cpu_init();
#define HIPPOGRAD_FEATURE(name) Feature{name, __builtin_cpu_supports(name) != 0}
  const Feature features[] = {
      HIPPOGRAD_FEATURE("sse4.2"),     HIPPOGRAD_FEATURE("avx"),        HIPPOGRAD_FEATURE("avx2"),
      HIPPOGRAD_FEATURE("fma"),        HIPPOGRAD_FEATURE("bmi"),        HIPPOGRAD_FEATURE("bmi2"),
      HIPPOGRAD_FEATURE("avx512f"),    HIPPOGRAD_FEATURE("avx512cd"),   HIPPOGRAD_FEATURE("avx512dq"),
      HIPPOGRAD_FEATURE("avx512bw"),   HIPPOGRAD_FEATURE("avx512vl"),   HIPPOGRAD_FEATURE("avx512ifma"),
      HIPPOGRAD_FEATURE("avx512vbmi"), HIPPOGRAD_FEATURE("avx512vnni"), HIPPOGRAD_FEATURE("avx512bf16"),
  };
#undef HIPPOGRAD_FEATURE
  std::string missing;
  for (const Feature& feature : features)
    if (!feature.present && is_compiled_in(feature.name)) missing += (missing.empty() ? "" : " ") + std::string(feature.name);
  return missing;
}
#else
std::string find_missing() { return ""; }
#endif

// Runs before every other constructor of the library, whose instructions the processor may not know. Without it a
// C++ program would die of "Illegal instruction"; Python asks first (hippograd/__init__.py) and raises ImportError.
[[gnu::constructor(101)]] void check_isa_on_load() {
  const std::string missing = find_missing();
  if (!missing.empty())
    throw std::runtime_error("hippograd was built for another processor: this one lacks " + missing +
                             "; rebuild here, or with -DHIPPOGRAD_NATIVE=OFF");
}

}  // namespace

BuildInfo build_info() {
  return {HIPPOGRAD_VERSION, HIPPOGRAD_COMPILER, HIPPOGRAD_BUILD_TYPE, HIPPOGRAD_SANITIZERS, HIPPOGRAD_ISA};
}

std::string missing_isa() { return find_missing(); }

}  // namespace hippograd

extern "C" void hippograd_abi_0_1_0() {}
