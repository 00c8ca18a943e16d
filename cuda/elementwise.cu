// Pointwise slots (tensor/kernels/elementwise.h): checks, and the choice of kernel and geometry. The kernels are in
// elementwise_*.cu.
#include "cuda/elementwise.cuh"
#include "cuda/errors.h"

namespace hippograd::cuda {
namespace {

template <size_t R, size_t N> PointwiseEntry find_in(const int (&ranges)[R], PointwiseFind* const (&files)[N], int id, DType t) {
  for (size_t i = 0; i + 1 < R; ++i)
    if (id < ranges[i + 1]) return files[i](id, t);
  return {};
}
PointwiseEntry unary_entry(int id, DType t) {
  return find_in(kUnaryRanges, {unary_entries_0, unary_entries_1, unary_entries_2, unary_entries_3}, id, t);
}
PointwiseEntry binary_entry(int id, DType t) { return find_in(kBinaryRanges, {binary_entries_0, binary_entries_1, binary_entries_2}, id, t); }

Width width_of(DType t) { return t == DType::bf16 ? Width::bf16 : t == DType::f16 ? Width::f16 : Width::full; }

// Turns a walk over elements into one over packs of V: false if the innermost dimension is neither dense nor repeated in
// some operand, not whole packs, or not aligned. A single dimension may leave a tail.
template <int N> bool as_packs(Walk<N>& walk, int V, const std::array<const Array*, N>& arrays, PointwiseArguments& a) {
  if (walk.rank == 0 || walk.numel < V) return false;
  const int last = walk.rank - 1;
  const bool tail = walk.rank == 1;
  if (!tail && walk.size[last] % V != 0) return false;
  for (int k = 0; k < N; ++k) {
    const int64_t inner = walk.stride[last][k];
    if (inner != 1 && (inner != 0 || k == 0)) return false;
    if (inner == 0) {
      a.single |= uint8_t(1 << (k - 1));
      continue;
    }
    if (reinterpret_cast<uintptr_t>(arrays[size_t(k)]->raw()) % size_t(V * itemsize(arrays[size_t(k)]->dtype())) != 0) return false;
    for (int d = 0; d < last; ++d)
      if (walk.stride[d][k] % V != 0) return false;
  }
  a.dense = walk.rank == 1;
  a.tail = tail ? int(walk.size[last] % V) : 0;
  walk.size[last] /= V;
  for (int k = 0; k < N; ++k) walk.stride[last][k] *= V;
  walk.numel = tail ? walk.size[last] : walk.numel / V;
  walk.small = walk.numel < (int64_t(1) << 31);
  if (walk.small)
    for (int d = 0; d < walk.rank; ++d) walk.divider[d] = Divider(uint32_t(walk.size[d]));
  return true;
}

void launch_kernel(const char* name, const void* kernel, unsigned blocks, void** arguments) {
  note_launch(kernel);
  check(cudaLaunchKernel(kernel, blocks, kPointwiseThreads, arguments, 0, stream()), name);
}

// `plain`: the kernels for the type of the computation; `packed`: those for the type in which everything is stored.
template <int N>
void run(const char* name, const PointwiseEntry& plain, const PointwiseEntry& packed, double p, double q, MArray y, const std::array<const Array*, N>& x) {
  if (y.numel() == 0) return;
  PointwiseArguments a{};
  std::array<const Array*, N + 1> arrays{&y};
  a.y = y.raw();
  a.y_width = width_of(y.dtype());
  for (int k = 0; k < N; ++k) {
    arrays[size_t(k + 1)] = x[size_t(k)];
    a.x[k] = x[size_t(k)]->raw();
    a.x_width[k] = width_of(x[size_t(k)]->dtype());
  }
  a.p = p;
  a.q = q;
  Walk<N + 1> walk(arrays);
  if (packed.packs && packed.result == y.dtype()) {
    Walk<N + 1> packs = walk;
    PointwiseArguments b = a;
    if (as_packs<N + 1>(packs, packed.pack, arrays, b)) {
      void* arguments[] = {&packs.numel, &b, &packs};
      return launch_kernel(name, packed.packs, blocks_for(packs.numel, kPointwiseThreads * packed.unrolled), arguments);
    }
  }
  void* arguments[] = {&walk, &a};
  launch_kernel(name, plain.elements, blocks_for(walk.numel, kPointwiseThreads, 1 << 20), arguments);
}

// The two rows of the table for inputs of dtype t (all of them, or else `uniform` is false).
struct Entries { PointwiseEntry plain, packed; };
template <class Find> Entries entries(const char* slot, Find find, int id, DType t, bool uniform) {
  const DType computed = compute_dtype(t);
  Entries e{find(id, computed), {}};
  if (!e.plain.elements) unsupported_dtype(slot, computed);
  if (uniform && t != DType::f16) e.packed = t == computed ? e.plain : find(id, t);
  return e;
}
void check_result(const char* slot, DType expected, CArray x, MArray y) {
  if (compute_dtype(y.dtype()) != expected) fail<DtypeError>(slot, ": the output must be ", expected, ", got ", compute_dtype(y.dtype()));
  if (!(x.shape() == y.shape())) fail<ShapeError>(slot, ": input of shape ", x.shape(), ", output of shape ", y.shape());
}

void unary(int id, CArray x, double p, double q, MArray y) {
  const Entries e = entries("unary", unary_entry, id, x.dtype(), true);
  check_result("unary", e.plain.result, x, y);
  run<1>("unary", e.plain, e.packed, p, q, y, {&x});
}

// ---- division of integers ----

__global__ void find_zero(Walk<1> walk, const void* b, int bytes, FaultSite site) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < walk.numel; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t at = walk.at(i).of[0];
    const bool zero = bytes == 8 ? static_cast<const int64_t*>(b)[at] == 0
                    : bytes == 4 ? static_cast<const int32_t*>(b)[at] == 0 : static_cast<const uint8_t*>(b)[at] == 0;
    if (zero) site.report(i, 0);
  }
}
[[noreturn]] void raise_zero(const Fault&) { fail<Error>("ZeroDivisionError: integer division or modulo by zero", kFoundLate); }
// A divisor of 0 is an error that only the data show. A device divides by it without stopping; the quotient is not used.
void check_divisor(CArray b) {
  const Walk<1> walk({&b});
  launch("binary", find_zero, blocks_for(walk.numel, 256, 1 << 20), 256, 0, walk, b.raw(), itemsize(b.dtype()), fault_site(raise_zero, "binary"));
}
bool divides(int id) {
  using namespace pointwise;
  return id == binary_id<FloorDivide> || id == binary_id<TruncDivide> || id == binary_id<Remainder> || id == binary_id<Fmod>;
}

void binary(int id, CArray a, CArray b, double p, MArray y) {
  const DType da = compute_dtype(a.dtype()), db = compute_dtype(b.dtype());
  if (da != db) fail<DtypeError>("binary: operands of dtypes ", da, " and ", db);
  if (!(a.shape() == b.shape())) fail<ShapeError>("binary: operands of shapes ", a.shape(), " and ", b.shape());
  const Entries e = entries("binary", binary_entry, id, a.dtype(), a.dtype() == b.dtype());
  check_result("binary", e.plain.result, a, y);
  if (y.numel() == 0) return;
  if (is_integer(b.dtype()) && divides(id)) check_divisor(b);
  run<2>("binary", e.plain, e.packed, p, 0, y, {&a, &b});
}

void ternary(int id, CArray a, CArray b, CArray c, double p, MArray y) {
  const bool condition = id == ternary_id<pointwise::Where>;
  const DType da = compute_dtype(a.dtype()), db = compute_dtype(b.dtype()), dc = compute_dtype(c.dtype());
  if (db != dc || da != (condition ? DType::b8 : db)) fail<DtypeError>("ternary: operands of dtypes ", da, ", ", db, " and ", dc);
  if (!(a.shape() == b.shape()) || !(b.shape() == c.shape()))
    fail<ShapeError>("ternary: operands of shapes ", a.shape(), ", ", b.shape(), " and ", c.shape());
  const bool uniform = b.dtype() == c.dtype() && (condition || a.dtype() == b.dtype());
  const Entries e = entries("ternary", ternary_entries, id, b.dtype(), uniform);
  check_result("ternary", e.plain.result, b, y);
  run<3>("ternary", e.plain, e.packed, p, 0, y, {&a, &b, &c});
}

const Bind b0(kernels::unary, DeviceKind::CUDA, unary, kTakesHalves);
const Bind b1(kernels::binary, DeviceKind::CUDA, binary, kTakesHalves);
const Bind b2(kernels::ternary, DeviceKind::CUDA, ternary, kTakesHalves);

}  // namespace
}  // namespace hippograd::cuda
