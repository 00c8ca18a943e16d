#include "tensor/dtype.h"

#include <atomic>

namespace hippograd {

std::string_view name(DType t) {
  constexpr std::string_view names[kDTypes] = {"float32", "float64", "complex64", "complex128", "int64",
                                               "int32",   "bool",    "uint8",     "bfloat16",   "float16"};
  return names[int(t)];
}

namespace {
std::atomic<DType> g_default{DType::f32};

int float_rank(DType t) {  // width order within the real and complex categories
  switch (real_of(t)) {
    case DType::bf16: case DType::f16: return 0;
    case DType::f64: return 2;
    default: return 1;
  }
}
}  // namespace

DType default_dtype() { return g_default; }
void set_default_dtype(DType t) {
  if (!is_real(t)) fail<DtypeError>("set_default_dtype: only floating-point types are supported as the default type, got ", t);
  g_default = t;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (category(a) < category(b)) std::swap(a, b);  // a has the higher category
  if (category(a) <= 1) {                          // integers: u8 < i32 < i64
    if (category(b) == 0) return a;
    return a == DType::i64 || b == DType::i64 ? DType::i64 : DType::i32;
  }
  if (category(b) <= 1) return a;                  // a float or complex meets an integer
  const int rank = std::max(float_rank(a), float_rank(b));
  if (category(a) == 3) return rank == 2 ? DType::c128 : DType::c64;
  if (rank == 0) return DType::f32;                // bf16 with f16
  return rank == 2 ? DType::f64 : DType::f32;
}

void unsupported_dtype(std::string_view op, DType t) { fail<DtypeError>(op, ": not implemented for dtype ", t); }

}  // namespace hippograd
