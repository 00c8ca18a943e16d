#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryRow unary_row<complex128>(int id) { return find_unary<complex128>(UnaryFunctors{}, id); }
template <> BinaryRow binary_row<complex128>(int id) { return find_binary<complex128>(BinaryFunctors{}, id); }
template <> TernaryRow ternary_row<complex128>(int id) { return find_ternary<complex128>(TernaryFunctors{}, id); }
}  // namespace hippograd::cpu
