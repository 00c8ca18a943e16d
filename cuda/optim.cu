// Optimizer steps (tensor/kernels/optim.h): all tensors of a dtype in one launch. The table of pointers and sizes is a kernel
// argument (up to 32 KB, CUDA 12.1), so nothing is copied and a captured graph owns it; a model with more tensors than a
// table holds takes a launch per table.
//
// AdamW in f32 moves 28 bytes per parameter (p, g, m, v read; p, m, v written), 16 bytes at a time: 100 M parameters need
// 0.65 ms at 4.28 TB/s. The arithmetic is the CPU's in the same order; a * b + c may be fused at other places, so the two
// agree to a few units of the last place.
#include "tensor/kernels/optim.h"

#include <cmath>

#include "cuda/launch.cuh"

namespace hippograd::cuda {
namespace {

constexpr int kThreads = 256, kResident = 5;   // blocks that fit on a multiprocessor: a persistent grid in one wave
constexpr int kChunk = 2048;          // elements of one unit of work: 8 per thread
constexpr int kSquareChunk = 16384;   // elements of one partial sum of squares

// The tensors of one launch. Chunks are numbered through; tensor i owns first[i] ... first[i + 1] - 1.
struct TensorAddress { void* pointer[4]; int64_t n; };
template <int kCapacity> struct Table {
  int count = 0;
  bool wide[kCapacity];               // all pointers aligned to 16 bytes
  TensorAddress tensor[kCapacity];
  uint32_t first[kCapacity + 1] = {};
  HIPPOGRAD_DEVICE int owner(uint32_t chunk) const {   // the last i with first[i] <= chunk
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first[middle] <= chunk) low = middle; else high = middle - 1;
    }
    return low;
  }
};
constexpr int kSmall = 64, kLarge = 640;
static_assert(sizeof(Table<kLarge>) < 32000, "the table must fit into the arguments of a kernel");

using List = std::vector<TensorAddress>;
// f(table, number of chunks) for as many tables as it takes.
template <int kCapacity, class F> void for_tables(const List& list, int64_t chunk, F f) {
  for (size_t start = 0; start < list.size();) {
    Table<kCapacity> table;
    int64_t chunks = 0;
    for (; start < list.size() && table.count < kCapacity; ++start) {
      const TensorAddress& t = list[start];
      const int64_t more = (t.n + chunk - 1) / chunk;
      if (chunks + more > 0x7fffffff) break;
      table.tensor[table.count] = t;
      table.wide[table.count] = true;
      for (const void* p : t.pointer) table.wide[table.count] &= reinterpret_cast<uintptr_t>(p) % 16 == 0;
      table.first[table.count++] = uint32_t(chunks);
      chunks += more;
    }
    table.first[table.count] = uint32_t(chunks);
    f(table, chunks);
  }
}
template <class F> void with_tables(const List& list, int64_t chunk, F f) {
  if (list.size() <= size_t(kSmall)) for_tables<kSmall>(list, chunk, [&](const auto& t, int64_t n) { f(t, n); });
  else for_tables<kLarge>(list, chunk, [&](const auto& t, int64_t n) { f(t, n); });
}

// ---- steps ----

// What stays the same for all elements, from the configuration and the scalars on the device.
template <class T> struct AdamStep {
  T clip, b1, b2, one_b1, one_b2, eps, shrink, l2, size, root;
  HIPPOGRAD_DEVICE AdamStep(const double* s, const AdamConfig& c) {
    const T lr = T(s[kLr]);
    clip = T(s[kClip]);
    b1 = T(c.beta1), b2 = T(c.beta2), one_b1 = T(1 - c.beta1), one_b2 = T(1 - c.beta2), eps = T(c.eps);
    shrink = c.decoupled ? T(1 - double(lr) * c.weight_decay) : T(1);
    l2 = c.decoupled ? T(0) : T(c.weight_decay);
    size = T(double(lr) / (1 - pow(c.beta1, s[kStep])));
    root = T(sqrt(1 - pow(c.beta2, s[kStep])));
  }
  HIPPOGRAD_DEVICE void operator()(T& p, T g, T& m, T& v) const {
    const T gi = clip * g + l2 * p;
    m = b1 * m + one_b1 * gi;
    v = b2 * v + one_b2 * gi * gi;
    p = p * shrink - size * m / (sqrt(v) / root + eps);
  }
};
template <class T> struct SgdStep {
  T lr, clip, momentum, keep, l2;
  bool first, nesterov;
  HIPPOGRAD_DEVICE SgdStep(const double* s, const SgdConfig& c)
      : lr(T(s[kLr])), clip(T(s[kClip])), momentum(T(c.momentum)), keep(T(1 - c.dampening)), l2(T(c.weight_decay)),
        first(s[kStep] <= 1), nesterov(c.nesterov) {}
  HIPPOGRAD_DEVICE void operator()(T& p, T g, T& buffer, bool buffered) const {
    T gi = clip * g + l2 * p;
    if (buffered) {
      buffer = first ? gi : momentum * buffer + keep * gi;
      gi = nesterov ? gi + momentum * buffer : buffer;
    }
    p -= lr * gi;
  }
};

template <class T, int kCapacity>
__global__ void __launch_bounds__(kThreads, kResident) adam_kernel(const __grid_constant__ Table<kCapacity> table, uint32_t chunks, const double* scalars, AdamConfig config) {
  if (scalars[kNonFinite] > 0) return;
  __shared__ AdamStep<T>* shared_step;
  __shared__ alignas(16) char memory[sizeof(AdamStep<T>)];
  if (threadIdx.x == 0) shared_step = new (memory) AdamStep<T>(scalars, config);   // two powers: once per block
  __syncthreads();
  const AdamStep<T> step = *shared_step;
  constexpr int V = kPack<T>;
  for (uint32_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int owner = table.owner(chunk);
    const TensorAddress& t = table.tensor[owner];
    const int64_t begin = int64_t(chunk - table.first[owner]) * kChunk, end = min(begin + kChunk, t.n);
    T *p = static_cast<T*>(t.pointer[0]), *m = static_cast<T*>(t.pointer[2]), *v = static_cast<T*>(t.pointer[3]);
    const T* g = static_cast<const T*>(t.pointer[1]);
    int64_t i = begin + threadIdx.x * V;
    if (table.wide[owner]) {
#pragma unroll 2
      for (; i + V <= end; i += kThreads * V) {
        Pack<T, V> pp = *reinterpret_cast<Pack<T, V>*>(p + i), mm = *reinterpret_cast<Pack<T, V>*>(m + i), vv = *reinterpret_cast<Pack<T, V>*>(v + i);
        const Pack<T, V> gg = *reinterpret_cast<const Pack<T, V>*>(g + i);
#pragma unroll
        for (int j = 0; j < V; ++j) step(pp.v[j], gg.v[j], mm.v[j], vv.v[j]);
        *reinterpret_cast<Pack<T, V>*>(p + i) = pp;
        *reinterpret_cast<Pack<T, V>*>(m + i) = mm;
        *reinterpret_cast<Pack<T, V>*>(v + i) = vv;
      }
    }
    for (; i < end; i += kThreads * V)   // unaligned tensors, and the end of each
      for (int j = 0; j < V && i + j < end; ++j) step(p[i + j], g[i + j], m[i + j], v[i + j]);
  }
}

template <class T, int kCapacity>
__global__ void __launch_bounds__(kThreads, kResident) sgd_kernel(const __grid_constant__ Table<kCapacity> table, uint32_t chunks, const double* scalars, SgdConfig config) {
  if (scalars[kNonFinite] > 0) return;
  const SgdStep<T> step(scalars, config);
  constexpr int V = kPack<T>;
  for (uint32_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int owner = table.owner(chunk);
    const TensorAddress& t = table.tensor[owner];
    const int64_t begin = int64_t(chunk - table.first[owner]) * kChunk, end = min(begin + kChunk, t.n);
    T *p = static_cast<T*>(t.pointer[0]), *buffer = static_cast<T*>(t.pointer[2]);
    const T* g = static_cast<const T*>(t.pointer[1]);
    const bool buffered = buffer != nullptr;
    int64_t i = begin + threadIdx.x * V;
    if (table.wide[owner]) {
#pragma unroll 2
      for (; i + V <= end; i += kThreads * V) {
        Pack<T, V> pp = *reinterpret_cast<Pack<T, V>*>(p + i), bb{};
        if (buffered) bb = *reinterpret_cast<Pack<T, V>*>(buffer + i);
        const Pack<T, V> gg = *reinterpret_cast<const Pack<T, V>*>(g + i);
#pragma unroll
        for (int j = 0; j < V; ++j) step(pp.v[j], gg.v[j], bb.v[j], buffered);
        *reinterpret_cast<Pack<T, V>*>(p + i) = pp;
        if (buffered) *reinterpret_cast<Pack<T, V>*>(buffer + i) = bb;
      }
    }
    T none{};
    for (; i < end; i += kThreads * V)
      for (int j = 0; j < V && i + j < end; ++j) step(p[i + j], g[i + j], buffered ? buffer[i + j] : none, buffered);
  }
}

// Pointers of the tensors of one dtype.
template <class T, class Tensors, class Pointers> List list_of(const std::vector<Tensors>& tensors, Pointers pointers) {
  List list;
  for (const Tensors& t : tensors)
    if (t.param.dtype() == dtype_of<T> && t.param.numel() > 0) list.push_back(pointers(t));
  return list;
}
template <class Tensors> void check_dtypes(const char* slot, const std::vector<Tensors>& tensors) {
  for (const Tensors& t : tensors)
    if (!is_real(t.param.dtype()) || is_half(t.param.dtype())) unsupported_dtype(slot, t.param.dtype());
}
template <class F> void visit_floats(F f) {
  f.template operator()<float>();
  f.template operator()<double>();
}
void* address(Array a) { return a.defined() ? a.raw() : nullptr; }

void adam_step(CArray scalars, const std::vector<AdamTensors>& tensors, const AdamConfig& config) {
  check_dtypes("adam_step", tensors);
  visit_floats([&]<class T>() {
    const List list = list_of<T>(tensors, [](const AdamTensors& t) {
      return TensorAddress{{address(t.param), address(t.grad), address(t.m), address(t.v)}, t.param.numel()};
    });
    with_tables(list, kChunk, [&]<int kCapacity>(const Table<kCapacity>& table, int64_t chunks) {
      launch("adam_step", adam_kernel<T, kCapacity>, persistent_blocks(chunks, 1, kResident), kThreads, 0, table, uint32_t(chunks), scalars.data<double>(), config);
    });
  });
}

void sgd_step(CArray scalars, const std::vector<SgdTensors>& tensors, const SgdConfig& config) {
  check_dtypes("sgd_step", tensors);
  visit_floats([&]<class T>() {
    const List list = list_of<T>(tensors, [](const SgdTensors& t) {
      return TensorAddress{{address(t.param), address(t.grad), address(t.buffer), nullptr}, t.param.numel()};
    });
    with_tables(list, kChunk, [&]<int kCapacity>(const Table<kCapacity>& table, int64_t chunks) {
      launch("sgd_step", sgd_kernel<T, kCapacity>, persistent_blocks(chunks, 1, kResident), kThreads, 0, table, uint32_t(chunks), scalars.data<double>(), config);
    });
  });
}

// ---- clipping ----

// partial[c] = sum of squares of chunk c, in double: every thread takes every 256th pack, then the tree of the block.
template <class T, int kCapacity>
__global__ void __launch_bounds__(kThreads) squares_kernel(const __grid_constant__ Table<kCapacity> table, double* partial) {
  const int owner = table.owner(blockIdx.x);
  const TensorAddress& t = table.tensor[owner];
  const int64_t begin = int64_t(blockIdx.x - table.first[owner]) * kSquareChunk, end = min(begin + kSquareChunk, t.n);
  const T* g = static_cast<const T*>(t.pointer[0]);
  constexpr int V = kPack<T>;
  double sum = 0;
  const bool wide = table.wide[owner];
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x * V; i < end; i += kThreads * V) {
    if (wide && i + V <= end) {
      const Pack<T, V> x = *reinterpret_cast<const Pack<T, V>*>(g + i);
#pragma unroll
      for (int j = 0; j < V; ++j) sum += double(load(x.v[j])) * double(load(x.v[j]));
    } else {
      for (int j = 0; j < V && i + j < end; ++j) sum += double(load(g[i + j])) * double(load(g[i + j]));
    }
  }
  __shared__ double scratch[kThreads / 32];
  sum = block_join(sum, 0.0, scratch, Plus{});
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void clip_kernel(const double* partial, int64_t count, double max_norm, double* scalars, double* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
  __shared__ double scratch[32];
  sum = block_join(sum, 0.0, scratch, Plus{});
  if (threadIdx.x != 0) return;
  const double n = sqrt(sum);
  const bool finite = n - n == 0;
  *norm = n;
  scalars[kNonFinite] = finite ? 0 : 1;
  scalars[kClip] = finite ? fmin(1.0, max_norm / (n + 1e-6)) : 1;
}

void clip_factor(const std::vector<Array>& gradients, double max_norm, MArray scalars, MArray norm) {
  std::vector<Array> dense;   // kept until the launches are queued; memory is given back in stream order
  for (const Array& g : gradients) {
    if (!is_real(g.dtype())) unsupported_dtype("clip_factor", g.dtype());
    if (g.numel() > 0) dense.push_back((g.dtype() == DType::f16 ? g.to(DType::f32) : g).contiguous());
  }
  int64_t partials = 0;
  for (const Array& g : dense) partials += (g.numel() + kSquareChunk - 1) / kSquareChunk;
  const Workspace partial(size_t(partials) * sizeof(double));
  int64_t done = 0;
  const auto sum_squares = [&]<class T>() {
    List list;
    for (const Array& g : dense)
      if (g.dtype() == dtype_of<T>) list.push_back({{address(g)}, g.numel()});
    with_tables(list, kSquareChunk, [&]<int kCapacity>(const Table<kCapacity>& table, int64_t chunks) {
      launch("clip_factor", squares_kernel<T, kCapacity>, unsigned(chunks), kThreads, 0, table, partial.as<double>() + done);
      done += chunks;
    });
  };
  sum_squares.operator()<float>();
  sum_squares.operator()<double>();
  sum_squares.operator()<bfloat16>();
  launch("clip_factor", clip_kernel, 1, 1024, 0, partial.as<double>(), partials, max_norm, scalars.data<double>(), norm.data<double>());
}

const Bind b0(kernels::adam_step, DeviceKind::CUDA, adam_step);
const Bind b1(kernels::sgd_step, DeviceKind::CUDA, sgd_step);
const Bind b2(kernels::clip_factor, DeviceKind::CUDA, clip_factor);

}  // namespace
}  // namespace hippograd::cuda
