// Matrix products by cuBLASLt.
//
// cuBLAS is column-major, so our row-major d = a b is its d^T = b^T a^T: the operands change places and no memory moves.
// What a call needs beyond pointers - descriptors and the algorithm that cuBLASLt's heuristic ranks first - depends on sizes,
// types, strides, alignments and the epilogue, and is found once for each (50 us; later calls look it up in 0.1 us). The
// choice is never timed, so the same shapes give the same bits in every run. Algorithms that split the sum over k must add
// the parts up in the compute type and in a step of its own (REDUCTION_SCHEME_COMPUTE_TYPE): no rounding to bf16 on the
// way, no order that depends on which block comes first. Their scratch comes from the stream's pool, so it may be captured.
#include "cuda/gemm.h"

#include <cublasLt.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "cuda/runtime.h"
#include "tensor/kernels/matmul.h"

namespace hippograd::cuda {
namespace {

constexpr size_t kWorkspace = size_t(32) << 20;   // what NVIDIA advises for this generation
constexpr int64_t kMaxBatch = 65535;              // of one launch
constexpr uint32_t kMaxAlignment = 256;

void check_blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail<CudaError>(what, ": ", cublasLtGetStatusString(status), " (", cublasLtGetStatusName(status), ")");
}

cublasLtHandle_t handle() {
  static std::array<cublasLtHandle_t, 64> handles{};
  static std::array<std::once_flag, 64> once;
  const size_t device = size_t(current_device());
  std::call_once(once[device], [&] { check_blas(cublasLtCreate(&handles[device]), "cublasLtCreate"); });
  return handles[device];
}

bool blas_type(DType t, cudaDataType_t& type) {
  switch (t) {
    case DType::f32: type = CUDA_R_32F; return true;
    case DType::f64: type = CUDA_R_64F; return true;
    case DType::c64: type = CUDA_C_32F; return true;
    case DType::c128: type = CUDA_C_64F; return true;
    case DType::bf16: type = CUDA_R_16BF; return true;
    case DType::f16: type = CUDA_R_16F; return true;
    default: return false;
  }
}
cudaDataType_t scale_type(DType t) {
  return t == DType::f64 ? CUDA_R_64F : t == DType::c64 ? CUDA_C_32F : t == DType::c128 ? CUDA_C_64F : CUDA_R_32F;
}
cublasComputeType_t compute_type(DType t) {
  if (t == DType::f64 || t == DType::c128) return CUBLAS_COMPUTE_64F;
  return t == DType::f32 && tf32_allowed() ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}
const void* one(DType t) {   // also the real 1.0 of each precision, which the complex one begins with
  static const float single[2] = {1, 0};
  static const double twice[2] = {1, 0};
  return t == DType::f64 || t == DType::c128 ? static_cast<const void*>(twice) : single;
}
const void* zero() {
  static const double z[2] = {0, 0};   // the bits of 0 in every type
  return z;
}
uint32_t alignment(const void* p) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  return address == 0 ? kMaxAlignment : uint32_t(std::min<uintptr_t>(address & (~address + 1), kMaxAlignment));
}

// Everything an algorithm depends on, in words without gaps.
struct Key {
  int64_t m, n, k, batch, lda, ldb, ldd, a_step, b_step, d_step;
  uint32_t align_a, align_b, align_d, align_bias;   // align_bias: 0 without bias
  uint8_t device, type, result, compute, op_a, op_b, accumulate, pad;
  bool operator==(const Key& other) const { return std::memcmp(this, &other, sizeof(Key)) == 0; }
};
static_assert(sizeof(Key) == 104 && std::has_unique_object_representations_v<Key>);
struct KeyHash {
  size_t operator()(const Key& key) const {
    const auto words = std::bit_cast<std::array<uint64_t, sizeof(Key) / 8>>(key);
    uint64_t h = 0;
    for (uint64_t w : words) h = (std::rotl(h, 29) ^ w) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
  }
};

struct Recipe {
  bool found = false;
  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t a, b, d;
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace = 0;
};

template <class T> void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t what, const T& value) {
  check_blas(cublasLtMatmulDescSetAttribute(desc, what, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
}
template <class T> void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t what, const T& value) {
  check_blas(cublasLtMatmulPreferenceSetAttribute(preference, what, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
}
void make_layout(cublasLtMatrixLayoutOpaque_t* layout, cudaDataType_t type, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t step) {
  check_blas(cublasLtMatrixLayoutInit(layout, type, uint64_t(rows), uint64_t(cols), ld), "cublasLtMatrixLayoutInit");
  if (batch == 1) return;
  const int32_t count = int32_t(batch);
  check_blas(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), "batch count");
  check_blas(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step), "batch step");
}

// HIPPOGRAD_BLAS_RANK=i takes the i-th algorithm of the heuristic's list (where it is that long): for measurements. -1 takes none,
// so that our own kernels make every product: for their tests.
int wanted_rank() {
  static const int rank = [] {
    const char* text = std::getenv("HIPPOGRAD_BLAS_RANK");
    return text ? std::atoi(text) : 0;
  }();
  return rank;
}

// `key` is in cuBLAS's terms: d (m, n) = op(a) op(b), column-major.
Recipe make_recipe(const Key& key) {
  Recipe r;
  const DType type = DType(key.type), result = DType(key.result);
  cudaDataType_t in{}, out{};
  if (!blas_type(type, in) || !blas_type(result, out)) return r;
  const auto op_a = cublasOperation_t(key.op_a), op_b = cublasOperation_t(key.op_b);
  check_blas(cublasLtMatmulDescInit(&r.operation, cublasComputeType_t(key.compute), scale_type(type)), "cublasLtMatmulDescInit");
  set(&r.operation, CUBLASLT_MATMUL_DESC_TRANSA, op_a);
  set(&r.operation, CUBLASLT_MATMUL_DESC_TRANSB, op_b);
  if (key.align_bias) {
    set(&r.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(&r.operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, in);
  }
  const bool plain_a = op_a == CUBLAS_OP_N, plain_b = op_b == CUBLAS_OP_N;
  make_layout(&r.a, in, plain_a ? key.m : key.k, plain_a ? key.k : key.m, key.lda, key.batch, key.a_step);
  make_layout(&r.b, in, plain_b ? key.k : key.n, plain_b ? key.n : key.k, key.ldb, key.batch, key.b_step);
  make_layout(&r.d, out, key.m, key.n, key.ldd, key.batch, key.d_step);

  cublasLtMatmulPreferenceOpaque_t preference;
  check_blas(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  set(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(kWorkspace));
  set(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.align_a);
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.align_b);
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.align_d);
  set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.align_d);
  constexpr int kRanked = 8;
  cublasLtMatmulHeuristicResult_t ranked[kRanked];
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle(), &r.operation, &r.a, &r.b, &r.d, &r.d, &preference, kRanked, ranked, &count);
  if (status != CUBLAS_STATUS_SUCCESS) return r;   // NOT_SUPPORTED, INVALID_VALUE: no kernel for it
  for (int i = 0, rank = 0; i < count && rank <= wanted_rank(); ++i) {
    if (ranked[i].state != CUBLAS_STATUS_SUCCESS || ranked[i].workspaceSize > kWorkspace) continue;
    ++rank;
    r.found = true;
    r.algorithm = ranked[i].algo;
    r.workspace = ranked[i].workspaceSize;
  }
  return r;
}

const Recipe& recipe_for(const Key& key) {
  static std::mutex mutex;
  static std::unordered_map<Key, std::unique_ptr<const Recipe>, KeyHash> recipes;   // values stay where they are
  thread_local Key last{};
  thread_local const Recipe* last_recipe = nullptr;
  if (last_recipe && last == key) return *last_recipe;
  const std::lock_guard lock(mutex);
  std::unique_ptr<const Recipe>& entry = recipes[key];
  if (!entry) entry = std::make_unique<const Recipe>(make_recipe(key));
  last = key, last_recipe = entry.get();
  return *entry;
}

// One launch: at most kMaxBatch products.
bool multiply(const Gemm& g, const BlasMatrix& first, const BlasMatrix& second, uint8_t op_first, uint8_t op_second) {
  const bool bias = g.bias != nullptr;
  const Key key{g.n, g.m, g.k, g.batch, first.ld, second.ld, std::max<int64_t>(g.m == 1 ? g.n : g.d_row, 1),
                g.batch == 1 ? 0 : g.b_step, g.batch == 1 ? 0 : g.a_step, g.batch == 1 ? 0 : g.d_step,
                alignment(g.b), alignment(g.a), alignment(g.d), bias ? alignment(g.bias) : 0,
                uint8_t(current_device()), uint8_t(g.type), uint8_t(g.result), uint8_t(compute_type(g.type)), op_first, op_second,
                uint8_t(g.accumulate), 0};
  const Recipe& r = recipe_for(key);
  if (!r.found) return false;
  cublasLtMatmulDescOpaque_t with_bias;
  const cublasLtMatmulDescOpaque_t* operation = &r.operation;
  if (bias) {   // the pointer is an attribute of the descriptor: a copy of it, since other threads may use it too
    with_bias = r.operation;
    set(&with_bias, CUBLASLT_MATMUL_DESC_BIAS_POINTER, g.bias);
    operation = &with_bias;
  }
  const Workspace scratch(r.workspace);
  check_blas(cublasLtMatmul(handle(), const_cast<cublasLtMatmulDescOpaque_t*>(operation), one(g.type), g.b,
                            const_cast<cublasLtMatrixLayoutOpaque_t*>(&r.a), g.a, const_cast<cublasLtMatrixLayoutOpaque_t*>(&r.b),
                            g.accumulate ? one(g.type) : zero(), g.d, const_cast<cublasLtMatrixLayoutOpaque_t*>(&r.d), g.d,
                            const_cast<cublasLtMatrixLayoutOpaque_t*>(&r.d), &r.algorithm, scratch.as<void>(), r.workspace, stream()),
             "cublasLtMatmul");
  return true;
}

}  // namespace

BlasMatrix blas_matrix(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  if (rows == 1 && col_stride == 1) return {true, true, std::max<int64_t>(cols, 1)};   // a run: its own length is the better ld
  if ((row_stride == 1 || rows == 1) && (cols == 1 || col_stride >= std::max<int64_t>(rows, 1)))
    return {true, false, cols == 1 ? std::max<int64_t>(rows, 1) : col_stride};
  if ((col_stride == 1 || cols == 1) && (rows == 1 || row_stride >= std::max<int64_t>(cols, 1)))
    return {true, true, rows == 1 ? std::max<int64_t>(cols, 1) : row_stride};
  return {false, false, 0};
}

bool gemm_cublas(const Gemm& g) {
  cudaDataType_t ignored;
  if (!blas_type(g.type, ignored) || g.k == 0) return false;
  if (g.bias && (g.accumulate || alignment(g.bias) < 16 || (g.type != DType::f32 && !is_half(g.type)))) return false;
  // d^T (n, m) = b^T (n, k) a^T (k, m)
  const BlasMatrix first = blas_matrix(g.n, g.k, g.b_col, g.b_row), second = blas_matrix(g.k, g.m, g.a_col, g.a_row);
  if (!first.valid || !second.valid || (g.m > 1 && g.d_row < g.n)) return false;
  const bool conj_first = g.conj_b && is_complex(g.type), conj_second = g.conj_a && is_complex(g.type);
  if ((conj_first && !first.transposed) || (conj_second && !second.transposed)) return false;   // cuBLAS conjugates what it transposes
  const auto op = [](bool transposed, bool conj) { return uint8_t(conj ? CUBLAS_OP_C : transposed ? CUBLAS_OP_T : CUBLAS_OP_N); };
  Gemm part = g;
  const int64_t size = itemsize(g.type), result_size = itemsize(g.result);
  for (int64_t begin = 0; begin < g.batch; begin += kMaxBatch) {
    part.batch = std::min(kMaxBatch, g.batch - begin);
    part.a = static_cast<const char*>(g.a) + begin * g.a_step * size;
    part.b = static_cast<const char*>(g.b) + begin * g.b_step * size;
    part.d = static_cast<char*>(g.d) + begin * g.d_step * result_size;
    if (multiply(part, first, second, op(first.transposed, conj_first), op(second.transposed, conj_second))) continue;
    if (begin == 0) return false;
    gemm_tiled(part);
  }
  return true;
}

void gemm(const Gemm& g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0 || gemm_small(g) || gemm_cublas(g)) return;
  if (g.bias && (g.type == DType::f64 || is_complex(g.type))) {   // the types whose bias cuBLAS does not add
    Gemm product = g;
    product.bias = nullptr;
    if (gemm_cublas(product)) return add_bias(g);
  }
  gemm_tiled(g);
}

}  // namespace hippograd::cuda
