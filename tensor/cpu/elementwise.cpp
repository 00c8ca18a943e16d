// Pointwise kernels on the CPU: everything but the loops over the functors themselves.
#include "tensor/cpu/elementwise.h"

#include <cstring>

#include "tensor/cpu/loops.h"

namespace hippograd {
namespace kernels {
constinit decltype(unary) unary{"unary"};
constinit decltype(binary) binary{"binary"};
constinit decltype(ternary) ternary{"ternary"};
}  // namespace kernels

namespace cpu {
template <> UnaryRow unary_row<float>(int);
template <> BinaryRow binary_row<float>(int);
template <> TernaryRow ternary_row<float>(int);
template <> UnaryRow unary_row<double>(int);
template <> BinaryRow binary_row<double>(int);
template <> TernaryRow ternary_row<double>(int);
template <> UnaryRow unary_row<complex64>(int);
template <> BinaryRow binary_row<complex64>(int);
template <> TernaryRow ternary_row<complex64>(int);
template <> UnaryRow unary_row<complex128>(int);
template <> BinaryRow binary_row<complex128>(int);
template <> TernaryRow ternary_row<complex128>(int);
template <> UnaryRow unary_row<int64_t>(int);
template <> BinaryRow binary_row<int64_t>(int);
template <> TernaryRow ternary_row<int64_t>(int);
template <> UnaryRow unary_row<int32_t>(int);
template <> BinaryRow binary_row<int32_t>(int);
template <> TernaryRow ternary_row<int32_t>(int);
template <> UnaryRow unary_row<uint8_t>(int);
template <> BinaryRow binary_row<uint8_t>(int);
template <> TernaryRow ternary_row<uint8_t>(int);
template <> UnaryRow unary_row<bool>(int);
template <> BinaryRow binary_row<bool>(int);
template <> TernaryRow ternary_row<bool>(int);
}  // namespace cpu

namespace {

constexpr int64_t kChunk = 512;       // elements of a buffer: inputs and output together stay in L1
constexpr int64_t kPiece = 8192;      // elements of one task
constexpr int kLargest = 16;          // bytes of an element at most

// n elements of `Bytes` bytes between dense memory and memory with a stride (in elements).
template <int Bytes> void gather_bytes(char* to, const char* from, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * Bytes, from + i * stride * Bytes, Bytes);
}
template <int Bytes> void scatter_bytes(char* to, int64_t stride, const char* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * stride * Bytes, from + i * Bytes, Bytes);
}
template <class F> void with_size(int bytes, F f) {
  switch (bytes) {
    case 1: return f.template operator()<1>();
    case 4: return f.template operator()<4>();
    case 8: return f.template operator()<8>();
    default: return f.template operator()<16>();
  }
}

// Calls f(y, n, inputs) on dense rows that cover y; inputs: array of N pointers. Where an input has stride 0 along the rows,
// `single` may take the row instead: single(k, y, n, inputs) is true if it computed it from the one element of input k.
template <int N, class F, class Single>
void for_dense_rows(double ns, MArray y, const std::array<const Array*, N>& in, F f, Single single) {
  using Inputs = std::array<const char*, N>;
  char* const out = static_cast<char*>(y.raw());
  const int y_size = itemsize(y.dtype());
  Inputs base;
  std::array<int, N> size;
  bool dense = y.is_contiguous();
  for (int k = 0; k < N; ++k) {
    base[k] = static_cast<const char*>(in[k]->raw());
    size[k] = itemsize(in[k]->dtype());
    dense = dense && in[k]->is_contiguous();
  }
  if (dense) {
    const int64_t n = y.numel();
    parallel_for((n + kPiece - 1) / kPiece, double(n) * ns, [&](int64_t t) {
      Inputs x = base;
      for (int k = 0; k < N; ++k) x[k] += t * kPiece * size[k];
      f(out + t * kPiece * y_size, std::min(kPiece, n - t * kPiece), x);
    });
    return;
  }
  std::array<const Array*, N + 1> all{&y};
  std::copy(in.begin(), in.end(), all.begin() + 1);
  const cpu::StridedLoop<N + 1> loop(all);
  const auto strides = loop.row_strides();
  const int singles = int(std::count(strides.begin() + 1, strides.end(), 0)), others = int(std::count(strides.begin() + 1, strides.end(), 1));
  loop.for_rows(ns, [&](const auto& at, int64_t length) {
    Inputs x = base;
    for (int k = 0; k < N; ++k) x[k] += at[k + 1] * size[k];
    char* const to = out + at[0] * y_size;
    if (strides[0] == 1 && others == N) return f(to, length, x);
    if (strides[0] == 1 && singles == 1 && others == N - 1)
      for (int k = 0; k < N; ++k)
        if (strides[k + 1] == 0 && single(k, to, length, x)) return;
    alignas(64) char buffers[N + 1][kChunk * kLargest];
    for (int64_t i = 0; i < length; i += kChunk) {
      const int64_t n = std::min(kChunk, length - i);
      Inputs chunk;
      for (int k = 0; k < N; ++k) {
        const char* from = x[k] + i * strides[k + 1] * size[k];
        chunk[k] = strides[k + 1] == 1 ? from : buffers[k];
        if (strides[k + 1] == 1 || (strides[k + 1] == 0 && i > 0)) continue;   // a repeated element fills its buffer once
        with_size(size[k], [&]<int B>() { gather_bytes<B>(buffers[k], from, strides[k + 1], std::min(kChunk, length)); });
      }
      char* const target = to + i * strides[0] * y_size;
      if (strides[0] == 1) { f(target, n, chunk); continue; }
      f(buffers[N], n, chunk);
      with_size(y_size, [&]<int B>() { scatter_bytes<B>(target, strides[0], buffers[N], n); });
    }
  });
}

void check_result(const char* slot, DType expected, CArray x, MArray y) {
  if (y.dtype() != expected) fail<DtypeError>(slot, ": the output must be ", expected, ", got ", y.dtype());
  if (!(x.shape() == y.shape())) fail<ShapeError>(slot, ": input of shape ", x.shape(), ", output of shape ", y.shape());
}

template <class Find> auto find_row(const char* slot, DType dtype, Find find) {
  decltype(find.template operator()<float>()) row;
  visit(NumericTypes{}, dtype, slot, [&]<class T>() { row = find.template operator()<T>(); });
  if (!row.row) unsupported_dtype(slot, dtype);
  return row;
}

void unary_cpu(int id, CArray x, double p, double q, MArray y) {
  const cpu::UnaryRow r = find_row("unary", x.dtype(), [&]<class T>() { return cpu::unary_row<T>(id); });
  check_result("unary", r.result, x, y);
  const double ns = 0.2 * itemsize(x.dtype());
  for_dense_rows<1>(ns, y, {&x}, [&](char* to, int64_t n, const auto& in) { r.row(p, q, to, n, in[0]); },
                    [](int, char*, int64_t, const auto&) { return false; });
}

// An integer divisor of 0 would stop the program: look before dividing.
void check_divisor(CArray b) {
  Array zero = empty(b.shape(), DType::b8);
  unary_cpu(unary_id<pointwise::LogicalNot>, b, 0, 0, zero);
  const bool* p = zero.data<bool>();
  if (std::find(p, p + zero.numel(), true) != p + zero.numel()) fail<Error>("ZeroDivisionError: integer division or modulo by zero");
}
bool divides(int id) {
  using namespace pointwise;
  return id == binary_id<FloorDivide> || id == binary_id<TruncDivide> || id == binary_id<Remainder> || id == binary_id<Fmod>;
}

void binary_cpu(int id, CArray a, CArray b, double p, MArray y) {
  if (a.dtype() != b.dtype()) fail<DtypeError>("binary: operands of dtypes ", a.dtype(), " and ", b.dtype());
  if (!(a.shape() == b.shape())) fail<ShapeError>("binary: operands of shapes ", a.shape(), " and ", b.shape());
  const cpu::BinaryRow r = find_row("binary", a.dtype(), [&]<class T>() { return cpu::binary_row<T>(id); });
  check_result("binary", r.result, a, y);
  if (y.numel() == 0) return;
  if (is_integer(b.dtype()) && divides(id)) check_divisor(b);
  const double ns = 0.12 * itemsize(a.dtype());
  for_dense_rows<2>(ns, y, {&a, &b}, [&](char* to, int64_t n, const auto& in) { r.row(p, to, n, in[0], in[1]); },
                    [&](int k, char* to, int64_t n, const auto& in) {
                      const auto row = k == 0 ? r.left : r.right;
                      if (row) row(p, to, n, in[0], in[1]);
                      return row != nullptr;
                    });
}

void ternary_cpu(int id, CArray a, CArray b, CArray c, double p, MArray y) {
  const bool condition = id == ternary_id<pointwise::Where>;
  if (b.dtype() != c.dtype() || a.dtype() != (condition ? DType::b8 : b.dtype()))
    fail<DtypeError>("ternary: operands of dtypes ", a.dtype(), ", ", b.dtype(), " and ", c.dtype());
  if (!(a.shape() == b.shape()) || !(b.shape() == c.shape()))
    fail<ShapeError>("ternary: operands of shapes ", a.shape(), ", ", b.shape(), " and ", c.shape());
  const cpu::TernaryRow r = find_row("ternary", b.dtype(), [&]<class T>() { return cpu::ternary_row<T>(id); });
  check_result("ternary", r.result, b, y);
  const double ns = 0.15 * itemsize(b.dtype());
  for_dense_rows<3>(ns, y, {&a, &b, &c}, [&](char* to, int64_t n, const auto& in) { r.row(p, to, n, in[0], in[1], in[2]); },
                    [](int, char*, int64_t, const auto&) { return false; });
}

const Bind b0(kernels::unary, DeviceKind::CPU, unary_cpu);
const Bind b1(kernels::binary, DeviceKind::CPU, binary_cpu);
const Bind b2(kernels::ternary, DeviceKind::CPU, ternary_cpu);

}  // namespace
}  // namespace hippograd
