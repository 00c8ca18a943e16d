#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryLoop find_unary<complex128>(int id) { return unary_table<complex128>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<complex128>(int id) { return binary_table<complex128>(BinaryFunctors{}, id); }
}  // namespace hippograd::cpu
