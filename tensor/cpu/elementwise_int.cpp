#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<int64_t>(int id) { return find_unary<int64_t>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<int64_t>(int id) { return find_binary<int64_t>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<int64_t>(int id) { return find_ternary<int64_t>(TernaryFunctors{}, id); }
template <> UnaryRow unary_row<int32_t>(int id) { return find_unary<int32_t>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<int32_t>(int id) { return find_binary<int32_t>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<int32_t>(int id) { return find_ternary<int32_t>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
