#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryLoop find_unary<float>(int id) { return unary_table<float>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<float>(int id) { return binary_table<float>(BinaryFunctors{}, id); }
}  // namespace hippograd::cpu
