#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<complex64>(int id) { return find_unary<complex64>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<complex64>(int id) { return find_binary<complex64>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<complex64>(int id) { return find_ternary<complex64>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
