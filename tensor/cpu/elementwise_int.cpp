#include "tensor/cpu/elementwise.h"

namespace hippograd::cpu {
template <> UnaryLoop find_unary<int64_t>(int id) { return unary_table<int64_t>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<int64_t>(int id) { return binary_table<int64_t>(BinaryFunctors{}, id); }
template <> UnaryLoop find_unary<int32_t>(int id) { return unary_table<int32_t>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<int32_t>(int id) { return binary_table<int32_t>(BinaryFunctors{}, id); }
template <> UnaryLoop find_unary<uint8_t>(int id) { return unary_table<uint8_t>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<uint8_t>(int id) { return binary_table<uint8_t>(BinaryFunctors{}, id); }
template <> UnaryLoop find_unary<bool>(int id) { return unary_table<bool>(UnaryFunctors{}, id); }
template <> BinaryLoop find_binary<bool>(int id) { return binary_table<bool>(BinaryFunctors{}, id); }
}  // namespace hippograd::cpu
