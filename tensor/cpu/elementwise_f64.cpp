#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryLoop find_unary<double>(int id) { return unary_table<double>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<double>(int id) { return binary_table<double>(BinaryFunctors{}, id); }
}  // namespace hippograd::cpu
