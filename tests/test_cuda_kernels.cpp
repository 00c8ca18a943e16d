// Every kernel of the CUDA backend once, on tiny shapes and nothing else: short enough for compute-sanitizer.
//
//   HIPPOGRAD_ALLOC=plain compute-sanitizer --tool memcheck build/tests/test_cuda_kernels
//
// `plain`: one cudaMalloc per tensor, else the pool hides errors. Values are compared elsewhere (test_cuda_ops). First every op
// once per sample and dtype, then the kernels that its samples do not select: slots called on the dtypes, layouts and row
// lengths that choose each instantiation. tools/check_kernels_ran.py compares with the list of the library and fails on a new
// kernel that is not reached here.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "autograd/check.h"
#include "tensor/backend.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/copy.h"
#include "tensor/kernels/cumulative.h"
#include "tensor/kernels/dropout.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/index.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/optim.h"
#include "tensor/kernels/pool.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/scan.h"
#include "tensor/kernels/softmax.h"
#include "tensor/kernels/sort.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

// ---- every op of the table, forward and backward ----

Tensors drawn(const Sample& s, DType t, Device d, Generator& g) {
  Tensors x;
  for (const Input& i : s.inputs) {
    if (i.kind == Input::Absent) {
      x.push_back({});
      continue;
    }
    Tensor in(i.make(t, g).to(d));
    if (is_floating(in.dtype())) in.set_requires_grad();
    x.push_back(in);
  }
  return x;
}

void run(const OpEntry& op, const Sample& s, DType t, Device d) {
  Generator g(1);
  Tensors x = drawn(s, t, d, g);
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i].defined() && i < op.differentiable.size() && !op.differentiable[i]) x[i] = x[i].detach();
  Tensors roots, dys;
  for (const Tensor& y : s.run(x))
    if (y.defined() && y.requires_grad()) {
      roots.push_back(y);
      dys.push_back(Tensor(rand_normal(y.shape(), 0, 1, y.dtype(), g).to(d)));
    }
  if (!roots.empty()) backward(roots, dys);
}

class CudaKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_unavailable(DeviceKind::CUDA); !why.empty()) GTEST_SKIP() << why;
  }
  void TearDown() override {   // errors of the device surface in the test that caused them
    if (IsSkipped()) return;
    EXPECT_NO_THROW(runtime(DeviceKind::CUDA).synchronize(Device{DeviceKind::CUDA}));
  }
};

TEST_F(CudaKernels, EveryOpRuns) {
  for (const OpEntry& op : op_table())
    for (const Sample& s : op.samples())
      for (DType t : op.dtypes) EXPECT_NO_THROW(run(op, s, t, {DeviceKind::CUDA})) << op.name << " " << name(t);
}

// ---- slots ----

constexpr Device kCuda{DeviceKind::CUDA};
constexpr DType kEvery[] = {DType::f32, DType::f64, DType::c64, DType::c128, DType::i64, DType::i32, DType::b8, DType::u8, DType::bf16, DType::f16};
constexpr DType kFused[] = {DType::f32, DType::f64, DType::bf16};   // what most fused kernels take themselves

// Whole numbers from 1 to 4: no kernel divides by zero or leaves its domain.
Array numbers(const Shape& shape, DType t) {
  static Generator g(7);
  return rand_int(shape, 1, 5, g).to(t).to(kCuda);
}
Array rows_of_index(const Shape& shape, int64_t n) {
  static Generator g(8);
  return rand_int(shape, 0, n, g).to(kCuda);
}
// Elements two places apart, so that nothing can be read in packs.
Array apart(Shape shape, DType t) {
  shape[shape.size() - 1] *= 2;
  return numbers(shape, t).slice(shape.size() - 1, 0, shape.back(), 2);
}
Array room(const Shape& shape, DType t) { return zeros(shape, t, kCuda); }
Array random_state() { return from_vector<int64_t>({1, 0}, {2}).to(kCuda); }

// Whether the slot takes these dtypes; it refuses others before it launches anything.
bool takes(const std::function<void()>& call) {
  try {
    call();
    return true;
  } catch (const DtypeError&) {
    return false;
  }
}

// ---- copies, casts, fills ----

TEST_F(CudaKernels, Copy) {
  for (DType from : kEvery)
    for (DType to : kEvery) {
      Array dense = room({67}, to), gaps = apart({67}, to);
      kernels::copy(numbers({67}, from), dense);
      kernels::copy(apart({67}, from), gaps);
    }
}
TEST_F(CudaKernels, Fill) {
  for (DType t : kEvery) {
    Array y = room({67}, t), count = room({}, DType::i64);
    kernels::fill(2, 1, y);
    kernels::arange(1, 2, y);
    kernels::accumulate(numbers({67}, t), y);
    if (is_floating(t)) kernels::count_nan(y, count);
  }
}

// ---- pointwise: every functor on every dtype, in packs and one by one ----

using Apply = std::function<void(const Array&, Array&)>;   // input (the others are of its kind), output
// How many dtypes a functor takes; its result is of the input's dtype, a bool, real or complex.
int apply_to_every_dtype(const Apply& apply) {
  int taken = 0;
  for (DType t : kEvery)
    for (DType result : std::set<DType>{t, DType::b8, real_of(t), complex_of(t)}) {
      Array dense = room({67}, result), gaps = apart({67}, result);
      const Array x = numbers({67}, t), y = apart({67}, t);
      if (!takes([&] { apply(x, dense); })) continue;
      apply(y, gaps);
      ++taken;
    }
  return taken;
}
TEST_F(CudaKernels, Unary) {
  for (int id = 0; id < UnaryFunctors::size; ++id)
    EXPECT_GT(apply_to_every_dtype([&](const Array& x, Array& y) { kernels::unary(id, x, 2, 3, y); }), 0) << id;
}
TEST_F(CudaKernels, Binary) {
  for (int id = 0; id < BinaryFunctors::size; ++id)
    EXPECT_GT(apply_to_every_dtype([&](const Array& x, Array& y) { kernels::binary(id, x, x, 2, y); }), 0) << id;
}
TEST_F(CudaKernels, Ternary) {
  for (int id = 0; id < TernaryFunctors::size; ++id) {
    const bool condition = id == ternary_id<pointwise::Where>;
    const auto first = [&](const Array& x) { return !condition ? x : x.strides()[0] == 1 ? numbers({67}, DType::b8) : apart({67}, DType::b8); };
    EXPECT_GT(apply_to_every_dtype([&](const Array& x, Array& y) { kernels::ternary(id, first(x), x, x, 2, y); }), 0) << id;
  }
}

// ---- reductions: rows in packs, rows of single elements, columns, an output in pieces ----

void reduce_every_form(const std::function<void(const Array& x, int dim, const Shape& y)>& reduce) {
  for (DType t : kEvery) {
    const Array rows = numbers({3, 64}, t);
    if (!takes([&] { reduce(rows, 1, {3, 1}); })) continue;
    reduce(apart({3, 64}, t), 1, {3, 1});
    reduce(numbers({64, 3}, t), 0, {1, 3});
    reduce(apart({1, 17000}, t), 1, {1, 1});
  }
}
TEST_F(CudaKernels, Sums) {
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, x.dtype()); kernels::sum(x, y); });
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, x.dtype()); kernels::prod(x, y); });
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, x.dtype()); kernels::logsumexp(x, y); });
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, DType::b8); kernels::any(x, false, y); });
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, DType::i64); kernels::count_nonzero(x, y); });
}
TEST_F(CudaKernels, Extremes) {
  reduce_every_form([](const Array& x, int, const Shape& s) { Array y = room(s, x.dtype()); kernels::extreme(x, true, y); });
  reduce_every_form([](const Array& x, int dim, const Shape& s) {
    Array y = room(s, x.dtype()), index = room(s, DType::i64);
    kernels::arg_extreme(x, dim, true, y, index);
  });
}
TEST_F(CudaKernels, MomentsAndNorms) {
  reduce_every_form([](const Array& x, int, const Shape& s) {
    Array mean = room(s, x.dtype()), m2 = room(s, real_of(x.dtype()));
    kernels::moments(x, mean, m2);
  });
  for (double p : {0., 1., 2., 3., math::kInf<double>})
    reduce_every_form([&](const Array& x, int, const Shape& s) { Array y = room(s, real_of(x.dtype())); kernels::norm(x, p, y); });
}

TEST_F(CudaKernels, RunningReductions) {
  for (DType t : kEvery)
    for (const Shape& shape : {Shape{2, 40}, Shape{40, 8}}) {   // a block per line; a thread per line
      const Array x = numbers(shape, t);
      Array y = room(shape, t), index = room(shape, DType::i64);
      takes([&] { kernels::cumsum(x, 1, true, y); });
      takes([&] { kernels::cumprod(x, 1, y); });
      takes([&] { kernels::cum_extreme(x, 1, true, y, index); });
      takes([&] { kernels::logcumsumexp(x, 1, y); });
      if (is_real(t)) kernels::logcumsumexp_bwd(x, x, x, 1, y);
    }
}

// ---- rows: lengths that are held by a warp, a block, a cluster; that are not whole packs; that are read again ----

constexpr int64_t kRowLengths[] = {63, 64, 511, 512, 1023, 1024, 1027, 2048, 20000, 65600};

TEST_F(CudaKernels, Softmax) {
  for (DType t : kFused)
    for (int64_t n : kRowLengths) {
      const Array x = numbers({2, n}, t);
      Array y = room({2, n}, t);
      kernels::softmax_fwd(true, x, y);
      kernels::softmax_bwd(false, x, x, y);
    }
}
TEST_F(CudaKernels, LayerNorm) {
  for (DType t : kFused)
    for (int64_t n : kRowLengths) {
      const Array x = numbers({2, n}, t), w = numbers({n}, t);
      Array y = room({2, n}, t), dw = room({n}, t), db = room({n}, t), stats = room({2, 2}, compute_dtype(t));
      kernels::layer_norm_fwd(x, w, w, 1e-5, y, stats);
      kernels::layer_norm_bwd(x, w, stats, x, y, dw, db);
    }
}
void rms_norm(DType t, int64_t groups, int64_t n, kernels::Gate gate) {
  const Shape shape{2, groups, n};
  const Array x = numbers(shape, t), z = gate == kernels::Gate::None ? Array() : x, w = numbers({groups, n}, t);
  Array y = room(shape, t), dz = z.defined() ? room(shape, t) : Array(), dw = room({groups, n}, t), stats = room({2, groups}, compute_dtype(t));
  kernels::rms_norm_fwd(x, z, w, gate, 1e-5, y, stats);
  kernels::rms_norm_bwd(x, z, w, gate, stats, x, y, dz, dw);
}
TEST_F(CudaKernels, RmsNorm) {
  for (DType t : kFused) {
    for (int64_t n : kRowLengths) rms_norm(t, 1, n, kernels::Gate::None);
    for (kernels::Gate gate : {kernels::Gate::None, kernels::Gate::After, kernels::Gate::Before})
      for (int64_t n : {63, 64}) rms_norm(t, 2, n, gate);
  }
}

// ---- indexing, sorting ----

constexpr kernels::IndexSite kSite{"kernels", 0};

TEST_F(CudaKernels, Index) {
  for (DType t : kEvery) {
    const Array x = numbers({2, 5, 3}, t), index = rows_of_index({4}, 5);
    Array y = room({2, 4, 3}, t), picked = room({2, 4, 3}, t), triangle = room({2, 5, 3}, t);
    kernels::take_rows(x, index, kSite, y);
    Array target = numbers({2, 5, 3}, t);
    kernels::put_rows(y, index, kSite, target);
    kernels::gather(x, 1, rows_of_index({2, 4, 3}, 5), "kernels", picked);
    kernels::tri(x, 0, true, triangle);
    Array count = room({}, DType::i64), places = room({30, 3}, DType::i64), bins = room({4}, t);
    takes([&] { kernels::count_true(x, count); });
    takes([&] { kernels::nonzero(x, places); });
    takes([&] { kernels::histogram(x, 0, 5, bins); });
    Array found = room({2, 4}, DType::i64);
    takes([&] { kernels::search_sorted(full({1, 8}, 1, t, kCuda), numbers({2, 4}, t), true, found); });
  }
}
TEST_F(CudaKernels, SumsAtIndices) {
  for (DType t : kEvery) {
    for (int64_t count : {10, 100})             // a thread per column; sorted
      for (int64_t inner : {1, 16}) {           // single elements; packs
        Array y = room({1, 7, inner}, t);
        kernels::add_rows(numbers({1, count, inner}, t), rows_of_index({count}, 7), kSite, -1, y);
      }
    for (int64_t length : {4, 100}) {           // a thread per line; sorted
      Array y = room({2, 6}, t);
      kernels::scatter(kernels::Scatter::Add, numbers({2, length}, t), 1, rows_of_index({2, length}, 6), "kernels", y);
    }
  }
}
// So many rows that their numbers take 64 bits. Only the first few are there, and only those are written.
TEST_F(CudaKernels, SumsInBillionsOfRows) {
  for (DType t : kEvery) {
    if (t == DType::f16) continue;              // widened: all of it would be
    const Array few = room({1, 7, 1}, t);
    const int64_t rows = int64_t(1) << 32;
    Array many(few.storage(), {1, rows, 1}, {rows, 1, 1}, 0, t);
    kernels::add_rows(numbers({1, 100, 1}, t), rows_of_index({100}, 7), kSite, -1, many);
  }
}
TEST_F(CudaKernels, Sort) {
  for (DType t : kEvery)
    for (int64_t n : {40, 2100}) {              // in shared memory; by radix
      const Array x = numbers({2, n}, t);
      Array values = room({2, n}, t), index = room({2, n}, DType::i64), one = room({2, 1}, t), at = room({2, 1}, DType::i64);
      if (!takes([&] { kernels::sort(x, true, values, index); })) continue;
      kernels::order_statistic(x, -1, one, at);
      kernels::mode(x, one, at);
    }
}

// ---- products, convolutions, pools ----

TEST_F(CudaKernels, Products) {
  const Array a = numbers({32, 32}, DType::f32), turned = a.transpose(0, 1);
  Array y = room({32, 32}, DType::f32);
  for (const Array& left : {a, turned})
    for (const Array& right : {a, turned}) kernels::matmul(left, false, right, false, {}, y);
  for (DType t : kEvery) {
    if (t == DType::b8) continue;
    Array product = room({5, 7}, t);
    kernels::matmul(numbers({5, 6}, t), true, numbers({6, 7}, t), false, numbers({7}, t), product);
    kernels::matmul(numbers({5, 0}, t), false, numbers({0, 7}, t), false, numbers({7}, t), product);
  }
}
TEST_F(CudaKernels, LinearGradient) {
  for (DType t : kFused) {
    const Array dy = numbers({32, 32}, t), x = numbers({32, 64}, t);
    Array dw = room({32, 64}, t), db = room({32}, t);
    kernels::linear_grad_weight(dy, x, dw, db);
  }
}
TEST_F(CudaKernels, Convolutions) {
  for (DType t : kFused)
    for (int64_t groups : {1, 2}) {             // of f32 in one launch; through patches
      ConvGeometry g;
      g.groups = groups;
      const Array x = numbers({2, 4, 5, 5}, t), w = numbers({4, 4 / groups, 3, 3}, t), b = numbers({4}, t), dy = numbers({2, 4, 3, 3}, t);
      Array y = room({2, 4, 3, 3}, t), dx = room({2, 4, 5, 5}, t), dw = room({4, 4 / groups, 3, 3}, t);
      kernels::conv2d(g, x, w, b, y);
      kernels::conv2d_input(g, dy, w, dx);
      kernels::conv2d_weight(g, x, dy, dw);
    }
}
TEST_F(CudaKernels, Patches) {
  const ConvGeometry g;
  for (DType t : kEvery) {
    const Array x = numbers({2, 2, 5, 5}, t);
    Array cols = room({2, 2, 3, 3, 3, 3}, t), back = room({2, 2, 5, 5}, t);
    kernels::im2col(g, x, cols);
    kernels::col2im(g, cols, back);
  }
}
// Patches of one image fill more than a chunk: the gradient is summed in fp32 over the chunks and rounded at the end.
TEST_F(CudaKernels, WeightGradientInChunks) {
  const Array x = numbers({2, 1, 300, 300}, DType::bf16), dy = numbers({2, 1, 286, 286}, DType::bf16);
  Array dw = room({1, 1, 15, 15}, DType::bf16);
  kernels::conv2d_weight(ConvGeometry(), x, dy, dw);
}
TEST_F(CudaKernels, ManyWindows) {
  constexpr int64_t n = 400;                    // more than the arguments of a kernel hold
  PoolWindows w;
  for (PoolAxis& axis : w.axis)
    for (int64_t i = 0; i < (&axis == &w.axis[2] ? n : 1); ++i) axis.begin.push_back(i), axis.end.push_back(i + 1), axis.count.push_back(1);
  for (DType t : kFused) {
    const Array x = numbers({1, 1, 1, n}, t);
    Array y = room({1, 1, 1, n}, t), index = room({1, 1, 1, n}, DType::i64);
    kernels::max_pool(w, x, y, index);
    kernels::avg_pool(w, 0, x, y);
    kernels::avg_pool_input(w, 0, x, y);
  }
}

// ---- random numbers, optimizers ----

TEST_F(CudaKernels, Random) {
  const Array state = random_state();
  Array whole = room({67}, DType::i64);
  kernels::randint(state, 0, 9, whole);
  for (DType t : kFused) {
    Array y = room({67}, t);
    kernels::uniform(state, 0, 1, y);
    kernels::normal(state, 0, 1, y);
    kernels::dropout(state, numbers({67}, t), 0.5, y);
    kernels::bernoulli(state, full({67}, 0.5, t, kCuda), y);
  }
}
TEST_F(CudaKernels, Optimizers) {
  Array scalars = from_vector<double>({1e-3, 1, 1, 0}, {4}).to(kCuda), norm = room({}, DType::f64);
  for (DType t : kFused)
    for (int count : {2, 70}) {                 // a small and a large table of tensors
      std::vector<AdamTensors> adam;
      std::vector<SgdTensors> sgd;
      Arrays gradients;
      for (int i = 0; i < count; ++i) {
        gradients.push_back(numbers({37}, t));
        adam.push_back({numbers({37}, t), gradients.back(), room({37}, t), room({37}, t)});
        sgd.push_back({numbers({37}, t), gradients.back(), room({37}, t)});
      }
      kernels::clip_factor(gradients, 1, scalars, norm);
      if (is_half(t)) continue;                 // stepped in f32 (nn/optim)
      kernels::adam_step(scalars, adam, {});
      kernels::sgd_step(scalars, sgd, {});
    }
}

// ---- recurrences, attention ----

// One call of the scan and its backward. t: of the streams; L = 256 is cut into pieces, L = 40 is not.
void selective_scan(DType t, int64_t L, int64_t N) {
  const int64_t B = 1, D = 8;
  const Array u = numbers({B, L, D}, t), A = full({D, N}, -1, DType::f32, kCuda), coefficients = numbers({B, L, 1, N}, DType::f32),
              skip = numbers({D}, DType::f32);
  Array out = room({B, L, D}, t), last = room({B, D, N}, DType::f32), states = room({kernels::scan_checkpoints(B, L, D, N, false)}, DType::f32);
  const kernels::ScanOptions options{true, false};
  kernels::selective_scan_fwd(u, u, A, coefficients, coefficients, skip, u, skip, {}, {}, options, out, last, states);
  Array du = room({B, L, D}, t), ddelta = room({B, L, D}, t), dz = room({B, L, D}, t), dA = room({D, N}, DType::f32),
        dB = room({B, L, 1, N}, DType::f32), dC = room({B, L, 1, N}, DType::f32), dD = room({D}, DType::f32), dbias = room({D}, DType::f32), none;
  kernels::selective_scan_bwd(u, u, A, coefficients, coefficients, skip, u, skip, {}, {}, options, states, u, {}, du, ddelta, dA, dB, dC, dD, dz, dbias, none);
}
TEST_F(CudaKernels, SelectiveScan) {
  for (DType t : {DType::f32, DType::bf16})
    for (int64_t N : {4, 8, 16, 32, 64})
      for (int64_t L : {40, 256}) selective_scan(t, L, N);
}
TEST_F(CudaKernels, LinearScan) {
  for (DType t : {DType::f32, DType::f64, DType::bf16, DType::c64, DType::c128}) {
    const Shape shape{1, 130, 3};               // two pieces of the sequence
    const Array a = full(shape, 0.5, t, kCuda), h0 = numbers({1, 3}, t);
    Array h = room(shape, t), da = room(shape, t), db = room(shape, t), dh0 = room({1, 3}, t);
    kernels::linear_scan_fwd(a, a, h0, false, h);
    kernels::linear_scan_bwd(a, h0, h, a, false, da, db, dh0);
  }
}
TEST_F(CudaKernels, CausalConv1d) {
  for (DType t : kFused)
    for (int64_t K : {2, 3, 4}) {
      const Array x = numbers({1, 20, 8}, t), w = numbers({8, K}, t), bias = numbers({8}, t);
      Array y = room({1, 20, 8}, t), dw = room({8, K}, t), db = room({8}, t), none;
      kernels::causal_conv1d_fwd(x, w, bias, {}, {}, true, y, none);
      kernels::causal_conv1d_bwd(x, w, bias, {}, {}, true, x, {}, y, dw, db, none);
    }
}
TEST_F(CudaKernels, Attention) {
  for (DType t : kFused)
    for (int64_t P : {32, 64, 128})
      for (int64_t L : {40, 1024}) {            // blocks of 64 and of 128 queries
        if (L > 40 && t != DType::bf16) continue;
        const Array q = numbers({1, 1, L, P}, t), k = numbers({1, 1, 40, P}, t);
        Array out = room({1, 1, L, P}, t), lse = room({1, 1, L}, compute_dtype(t)), dq = room({1, 1, L, P}, t), dk = room({1, 1, 40, P}, t),
              dv = room({1, 1, 40, P}, t), none;
        AttentionConfig config;
        config.scale = 0.1;
        kernels::attention_fwd(q, k, k, {}, {}, config, out, lse);
        kernels::attention_bwd(q, k, k, {}, {}, config, out, lse, q, dq, dk, dv, none);
      }
}

}  // namespace
