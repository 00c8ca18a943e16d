#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<double>(int id) { return find_unary<double>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<double>(int id) { return find_binary<double>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<double>(int id) { return find_ternary<double>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
