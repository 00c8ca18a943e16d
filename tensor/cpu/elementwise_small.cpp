#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<uint8_t>(int id) { return find_unary<uint8_t>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<uint8_t>(int id) { return find_binary<uint8_t>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<uint8_t>(int id) { return find_ternary<uint8_t>(TernaryFunctors{}, id); }
template <> UnaryRow unary_row<bool>(int id) { return find_unary<bool>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<bool>(int id) { return find_binary<bool>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<bool>(int id) { return find_ternary<bool>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
