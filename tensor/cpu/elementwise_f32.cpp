#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<float>(int id) { return find_unary<float>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<float>(int id) { return find_binary<float>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<float>(int id) { return find_ternary<float>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
