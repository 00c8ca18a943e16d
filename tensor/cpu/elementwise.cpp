#include "tensor/kernels/elementwise.h"

#include "tensor/cpu/elementwise.h"

namespace hippograd {
namespace kernels {
constinit decltype(unary) unary{"unary"};
constinit decltype(binary) binary{"binary"};
}  // namespace kernels

namespace cpu {
template <> UnaryLoop find_unary<float>(int);
template <> UnaryLoop find_unary<double>(int);
template <> UnaryLoop find_unary<complex64>(int);
template <> UnaryLoop find_unary<complex128>(int);
template <> UnaryLoop find_unary<int64_t>(int);
template <> UnaryLoop find_unary<int32_t>(int);
template <> UnaryLoop find_unary<uint8_t>(int);
template <> UnaryLoop find_unary<bool>(int);
template <> BinaryLoop find_binary<float>(int);
template <> BinaryLoop find_binary<double>(int);
template <> BinaryLoop find_binary<complex64>(int);
template <> BinaryLoop find_binary<complex128>(int);
template <> BinaryLoop find_binary<int64_t>(int);
template <> BinaryLoop find_binary<int32_t>(int);
template <> BinaryLoop find_binary<uint8_t>(int);
template <> BinaryLoop find_binary<bool>(int);
}  // namespace cpu

namespace {

void unary_cpu(int id, CArray x, double p, double q, MArray y) {
  visit(NumericTypes{}, x.dtype(), "unary", [&]<class T>() {
    const cpu::UnaryLoop loop = cpu::find_unary<T>(id);
    if (!loop) unsupported_dtype("unary", x.dtype());
    loop(x, p, q, y);
  });
}
void binary_cpu(int id, CArray a, CArray b, double p, MArray y) {
  visit(NumericTypes{}, a.dtype(), "binary", [&]<class T>() {
    const cpu::BinaryLoop loop = cpu::find_binary<T>(id);
    if (!loop) unsupported_dtype("binary", a.dtype());
    loop(a, b, p, y);
  });
}

const Bind b0(kernels::unary, DeviceKind::CPU, unary_cpu);
const Bind b1(kernels::binary, DeviceKind::CPU, binary_cpu);

}  // namespace
}  // namespace hippograd
