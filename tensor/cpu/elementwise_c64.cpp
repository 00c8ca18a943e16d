#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryLoop find_unary<complex64>(int id) { return unary_table<complex64>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<complex64>(int id) { return binary_table<complex64>(BinaryFunctors{}, id); }
}  // namespace hippograd::cpu
