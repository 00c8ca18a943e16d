// Sorting rows (tensor/kernels/sort.h). Values become unsigned keys of the same order, as on the CPU. What is sorted is the
// list of places, by (row, key), stably: so ties go to the lowest index.
//   short rows   a bitonic network in shared memory, one block per row, on (key, index)
//   long rows    one radix sort of all rows at once. Keys of up to 32 bits carry the row above them; 64-bit keys are sorted
//                first and then, stably, the rows.
#include "tensor/kernels/sort.h"

#include "cuda/radix_sort.h"
#include "cuda/words.cuh"

namespace hippograd::cuda {
namespace {

// a <= b  exactly when  key(a) <= key(b); all NaN have the greatest key; -0 and 0 the same.
using Sortable = Types<float, double, int64_t, int32_t, uint8_t, bool, bfloat16>;
template <class T> using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T> HIPPOGRAD_DEVICE Key<T> key_of(T x) {
  if constexpr (std::is_same_v<T, float>) {
    if (x != x) return UINT32_MAX;
    const uint32_t b = __float_as_uint(x == 0 ? 0.0f : x), sign = 0x80000000u;
    return b & sign ? ~b : b | sign;
  } else if constexpr (std::is_same_v<T, double>) {
    if (x != x) return UINT64_MAX;
    const uint64_t b = uint64_t(__double_as_longlong(x == 0 ? 0.0 : x)), sign = uint64_t(1) << 63;
    return b & sign ? ~b : b | sign;
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    const float v = load(x);
    if (v != v) return UINT16_MAX;
    const uint32_t b = v == 0 ? 0u : x.bits, sign = 0x8000u;
    return b & sign ? ~b & UINT16_MAX : b | sign;
  } else if constexpr (std::is_signed_v<T>) {
    return Key<T>(x) ^ (Key<T>(1) << (8 * sizeof(T) - 1));
  } else {
    return Key<T>(x);
  }
}
template <class T> inline constexpr int kKeyBits = 8 * int(sizeof(T));
template <class T> HIPPOGRAD_DEVICE Key<T> ordered_key(T x, bool flip) {   // flip: the other way round
  const Key<T> mask = Key<T>(~Key<T>(0)) >> (8 * sizeof(Key<T>) - kKeyBits<T>), key = key_of(x);
  return flip ? ~key & mask : key;
}

// ---- short rows ----

constexpr int64_t kShort = 2048;
using Place = uint32_t;                               // of an element in x: of fewer than 2^31
constexpr int64_t kMost = (int64_t(1) << 31) - 1;

template <class K> struct Item {
  K key;
  uint32_t index;
  HIPPOGRAD_DEVICE bool operator<(const Item& o) const { return key < o.key || (key == o.key && index < o.index); }
};
// places (rows, n): position in x of the elements in order. `size`: n rounded up to a power of two.
template <class T> __global__ void sort_short_rows(const T* x, int64_t rows, int n, int size, bool flip, Place* places) {
  using K = Key<T>;
  extern __shared__ unsigned char memory[];
  auto* items = reinterpret_cast<Item<K>*>(memory);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    for (int i = threadIdx.x; i < size; i += blockDim.x)
      items[i] = i < n ? Item<K>{ordered_key(x[r * n + i], flip), uint32_t(i)} : Item<K>{K(~K(0)), UINT32_MAX};   // padding sorts last
    for (int run = 2; run <= size; run *= 2)          // runs of this length become sorted, every other one backwards
      for (int step = run / 2; step > 0; step /= 2) {
        __syncthreads();
        for (int p = threadIdx.x; p < size / 2; p += blockDim.x) {
          const int i = 2 * p - (p & (step - 1)), j = i + step;
          const bool backwards = (i & run) != 0;
          if ((items[j] < items[i]) != backwards) {
            const Item<K> other = items[i];
            items[i] = items[j];
            items[j] = other;
          }
        }
      }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) places[r * n + i] = Place(r * n + items[i].index);
    __syncthreads();
  }
}

// ---- long rows ----

template <class T> struct NarrowKeys {   // row above the value's key
  const T* x;
  uint64_t* keys;
  Place* places;
  FastDivision by_n;
  bool flip;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    keys[i] = uint64_t(by_n.quotient(i)) << kKeyBits<T> | ordered_key(x[i], flip);
    places[i] = Place(i);
  }
};
template <class T> struct WideKeys {
  const T* x;
  uint64_t* keys;
  Place* places;
  bool flip;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    keys[i] = ordered_key(x[i], flip);
    places[i] = Place(i);
  }
};
struct RowOfPlace {
  const Place* places;
  uint64_t* keys;
  FastDivision by_n;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { keys[i] = uint64_t(by_n.quotient(int64_t(places[i]))); }
};
template <class T> void sort_long_rows(const T* x, int64_t rows, int64_t n, bool flip, Place* (&places)[2]) {
  const int64_t total = rows * n;
  const Workspace memory(size_t(2 * total) * sizeof(uint64_t));
  uint64_t* keys[2] = {memory.as<uint64_t>(), memory.as<uint64_t>() + total};
  const FastDivision by_n(n, total);
  const int row_bits = rows > 1 ? bits_for(uint64_t(rows - 1)) : 0;
  if constexpr (sizeof(T) <= 4) {
    for_each("sort", total, NarrowKeys<T>{x, keys[0], places[0], by_n, flip});
    radix_sort_pairs(keys, places, total, 0, kKeyBits<T> + row_bits);
  } else {
    for_each("sort", total, WideKeys<T>{x, keys[0], places[0], flip});
    radix_sort_pairs(keys, places, total, 0, 64);
    if (row_bits == 0) return;
    for_each("sort", total, RowOfPlace{places[0], keys[0], by_n});
    radix_sort_pairs(keys, places, total, 0, row_bits);
  }
}

// use(first row, rows, x of those rows, places) for batches of rows; places counts from the batch's first element.
template <class T, class Use> void sort_batch(const T* x, int64_t first, int64_t rows, int64_t n, bool flip, Use&& use) {
  const Workspace memory(size_t(2 * rows * n) * sizeof(Place));
  Place* places[2] = {memory.as<Place>(), memory.as<Place>() + rows * n};
  if (n <= kShort) {
    int size = 2;
    while (size < n) size *= 2;
    const int threads = size / 2 < 32 ? 32 : size / 2;
    launch("sort", sort_short_rows<T>, blocks_for(rows, 1), threads, size_t(size) * sizeof(Item<Key<T>>), x + first * n, rows, int(n), size, flip, places[0]);
  } else {
    sort_long_rows(x + first * n, rows, n, flip, places);
  }
  use(first, rows, x + first * n, static_cast<const Place*>(places[0]));
}
template <class T, class Use> void sorted_rows(CArray x, bool flip, Use&& use) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  if (x.numel() == 0) return;
  if (n > kMost) fail<ValueError>("sort: a row of ", n, " elements; on CUDA at most ", kMost, " can be sorted");
  const int64_t batch = kMost / n;
  for (int64_t r = 0; r < rows; r += batch) sort_batch<T>(x.data<T>(), r, r + batch < rows ? batch : rows - r, n, flip, use);
}

// ---- the slots: what is read off the sorted places ----

// values, index (rows, k): the first k of each row.
template <class T> struct TakeFirst {
  const T* x;
  const Place* places;
  T* values;
  int64_t* index;
  int64_t n;
  FastDivision by_k;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t j = i;
    const int64_t r = by_k.split(j), place = int64_t(places[r * n + j]);
    values[i] = x[place];
    index[i] = place - r * n;
  }
};
void take_first(CArray x, bool flip, MArray values, MArray index) {
  const int64_t n = x.shape()[1], k = values.shape()[1];
  if (values.numel() == 0) return;
  visit(Sortable{}, x.dtype(), "sort", [&]<class T>() {
    T* v = values.data<T>();
    int64_t* at = index.data<int64_t>();
    sorted_rows<T>(x, flip, [&](int64_t first, int64_t rows, const T* from, const Place* places) {
      for_each("sort", rows * k, TakeFirst<T>{from, places, v + first * k, at + first * k, n, {k, rows * k}});
    });
  });
}
void sort(CArray x, bool descending, MArray values, MArray index) { take_first(x, descending, values, index); }
void topk(CArray x, bool least, MArray values, MArray index) { take_first(x, !least, values, index); }

template <class T> HIPPOGRAD_DEVICE bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<compute_t<T>>) return load(x) != load(x);
  else return false;
}
template <class T> struct TakeRank {
  const T* x;
  const Place* places;
  T* values;
  int64_t* index;
  int64_t n, k;
  HIPPOGRAD_DEVICE void operator()(int64_t r) const {
    const Place* row = places + r * n;
    int64_t low = 0, high = n;   // where the NaN begin, if that is asked
    while (k < 0 && low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (is_nan(x[row[middle]])) high = middle;
      else low = middle + 1;
    }
    const int64_t numbers = k < 0 ? low : n;
    int64_t rank = k >= 0 ? k : (n - 1) / 2;
    if (k == -1 && numbers < n) rank = numbers;                    // the first NaN
    if (k < -1 && numbers > 0) rank = (numbers - 1) / 2;
    values[r] = x[row[rank]];
    index[r] = int64_t(row[rank]) - r * n;
  }
};
void order_statistic(CArray x, int64_t k, MArray values, MArray index) {
  const int64_t n = x.shape()[1];
  if (values.numel() == 0) return;
  visit(Sortable{}, x.dtype(), "kthvalue", [&]<class T>() {
    T* v = values.data<T>();
    int64_t* at = index.data<int64_t>();
    sorted_rows<T>(x, false, [&](int64_t first, int64_t rows, const T* from, const Place* places) {
      for_each("kthvalue", rows, TakeRank<T>{from, places, v + first, at + first, n, k});
    });
  });
}

struct Run { int64_t length, end; };
struct LongerRun {   // of equally long ones the first
  HIPPOGRAD_DEVICE Run operator()(const Run& a, const Run& b) const {
    return a.length > b.length || (a.length == b.length && a.end < b.end) ? a : b;
  }
};
// A block per row. At each place: how many equal elements stand up to here (by bisection for the first of them).
template <class T> __global__ void mode_kernel(const T* x, const Place* places, int64_t rows, int64_t n, T* values, int64_t* index) {
  __shared__ Run scratch[32];
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const Place* row = places + r * n;
    Run best{0, n};
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      const Key<T> key = key_of(x[row[i]]);
      int64_t low = 0, high = i;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (key_of(x[row[middle]]) < key) low = middle + 1;
        else high = middle;
      }
      best = LongerRun()(best, Run{i - low + 1, i});
    }
    best = block_join(best, Run{0, n}, scratch, LongerRun());
    if (threadIdx.x == 0) {
      values[r] = x[row[best.end]];
      index[r] = int64_t(row[best.end]) - r * n;
    }
  }
}
void mode(CArray x, MArray values, MArray index) {
  const int64_t n = x.shape()[1];
  if (values.numel() == 0) return;
  visit(Sortable{}, x.dtype(), "mode", [&]<class T>() {
    T* v = values.data<T>();
    int64_t* at = index.data<int64_t>();
    sorted_rows<T>(x, false, [&](int64_t first, int64_t rows, const T* from, const Place* places) {
      launch("mode", mode_kernel<T>, blocks_for(rows, 1), 256, 0, from, places, rows, n, v + first, at + first);
    });
  });
}

const Bind b0(kernels::sort, DeviceKind::CUDA, sort, kTakesBf16);
const Bind b1(kernels::topk, DeviceKind::CUDA, topk, kTakesBf16);
const Bind b2(kernels::order_statistic, DeviceKind::CUDA, order_statistic, kTakesBf16);
const Bind b3(kernels::mode, DeviceKind::CUDA, mode, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
