// Values become unsigned keys of the same order, so that one integer sort serves all types: long rows by a stable radix sort
// (least significant byte first; bytes that are equal everywhere are skipped), short ones by comparison.
#include "tensor/kernels/sort.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>

#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(sort) sort{"sort"};
constinit decltype(topk) topk{"topk"};
constinit decltype(order_statistic) order_statistic{"order_statistic"};
constinit decltype(mode) mode{"mode"};
}  // namespace kernels

namespace {

template <class T> bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return x != x;
  else return false;
}

// a <= b  exactly when  key(a) <= key(b); all NaN have the greatest key; -0 and 0 the same.
template <class K, class T> K key_of(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    if (x != x) return std::numeric_limits<K>::max();
    const Bits b = std::bit_cast<Bits>(x == 0 ? T(0) : x), sign = Bits(1) << (8 * sizeof(T) - 1);
    return K(b & sign ? Bits(~b) : b | sign);
  } else if constexpr (std::is_signed_v<T>) {
    using Bits = std::make_unsigned_t<T>;
    return K(Bits(x) ^ Bits(Bits(1) << (8 * sizeof(T) - 1)));
  } else {
    return K(x);
  }
}

template <class K> struct Item {
  K key, index;
  bool operator<(const Item& o) const { return key < o.key || (key == o.key && index < o.index); }
};

template <class K> void radix_sort(Item<K>* items, Item<K>* other, int64_t n) {
  Item<K>* home = items;
  for (unsigned shift = 0; shift < 8 * sizeof(K); shift += 8) {
    int64_t start[257] = {};
    for (int64_t i = 0; i < n; ++i) ++start[(items[i].key >> shift & 255) + 1];
    if (start[(items[0].key >> shift & 255) + 1] == n) continue;
    for (int b = 0; b < 256; ++b) start[b + 1] += start[b];
    for (int64_t i = 0; i < n; ++i) other[start[items[i].key >> shift & 255]++] = items[i];
    std::swap(items, other);
  }
  if (items != home) std::copy_n(items, n, home);
}

// f(row, items, spare) for each row of x as items; `flip` turns the order of the values round.
template <class T, class F> void for_rows(CArray x, bool flip, double ns, F&& f) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  const auto go = [&]<class K>() {
    const int64_t block = std::max<int64_t>(1, 2048 / std::max<int64_t>(n, 1));
    parallel_for((rows + block - 1) / block, double(rows) * double(n) * ns, [&](int64_t task) {
      const std::unique_ptr<Item<K>[]> memory(new Item<K>[size_t(2 * n)]);
      for (int64_t r = task * block; r < std::min(rows, (task + 1) * block); ++r) {
        const T* row = x.data<T>() + r * n;
        for (int64_t i = 0; i < n; ++i) {
          const K key = key_of<K>(row[i]);
          memory[size_t(i)] = {flip ? K(~key) : key, K(i)};
        }
        f(r, memory.get(), memory.get() + n);
      }
    });
  };
  if (sizeof(T) <= 4 && n < (int64_t(1) << 32)) go.template operator()<uint32_t>();
  else go.template operator()<uint64_t>();
}

template <class K> void sort_items(Item<K>* items, Item<K>* spare, int64_t n) {
  if (n < 128) std::sort(items, items + n);   // the index is part of the order, so this is stable
  else radix_sort(items, spare, n);
}

void sort_cpu(CArray x, bool descending, MArray values, MArray index) {
  const int64_t n = x.shape()[1];
  if (x.numel() == 0) return;
  visit(RealTypes{}, x.dtype(), "sort", [&]<class T>() {
    for_rows<T>(x, descending, 20, [&](int64_t r, auto* items, auto* spare) {
      sort_items(items, spare, n);
      for (int64_t i = 0; i < n; ++i) {
        index.data<int64_t>()[r * n + i] = int64_t(items[i].index);
        values.data<T>()[r * n + i] = x.data<T>()[r * n + int64_t(items[i].index)];
      }
    });
  });
}

// Few of many: the k best so far in a heap, its worst on top, and few of the rest ever enter.
template <class T> void topk_few(CArray x, bool least, MArray values, MArray index) {
  using K = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;
  const int64_t rows = x.shape()[0], n = x.shape()[1], k = values.shape()[1];
  parallel_for(rows, double(rows) * double(n), [&](int64_t r) {
    const T* row = x.data<T>() + r * n;
    const auto item = [&](int64_t i) {
      const K key = key_of<K>(row[i]);
      return Item<uint64_t>{least ? key : K(~key), uint64_t(i)};
    };
    Item<uint64_t> heap[64];
    for (int64_t i = 0; i < k; ++i) heap[i] = item(i);
    std::make_heap(heap, heap + k);
    for (int64_t i = k; i < n; ++i) {
      const auto next = item(i);
      if (next.key >= heap[0].key) continue;         // of equal ones the first stays
      std::pop_heap(heap, heap + k);
      heap[k - 1] = next;
      std::push_heap(heap, heap + k);
    }
    std::sort_heap(heap, heap + k);
    for (int64_t i = 0; i < k; ++i) {
      index.data<int64_t>()[r * k + i] = int64_t(heap[i].index);
      values.data<T>()[r * k + i] = row[int64_t(heap[i].index)];
    }
  });
}

void topk_cpu(CArray x, bool least, MArray values, MArray index) {
  const int64_t n = x.shape()[1], k = values.shape()[1];
  if (values.numel() == 0) return;
  visit(RealTypes{}, x.dtype(), "topk", [&]<class T>() {
    if (k <= 64 && 8 * k <= n) return topk_few<T>(x, least, values, index);
    for_rows<T>(x, !least, 6, [&](int64_t r, auto* items, auto* spare) {
      if (k < n) std::nth_element(items, items + k, items + n);
      sort_items(items, spare, k);
      for (int64_t i = 0; i < k; ++i) {
        index.data<int64_t>()[r * k + i] = int64_t(items[i].index);
        values.data<T>()[r * k + i] = x.data<T>()[r * n + int64_t(items[i].index)];
      }
    });
  });
}

void order_statistic_cpu(CArray x, int64_t k, MArray values, MArray index) {
  const int64_t n = x.shape()[1];
  if (values.numel() == 0) return;
  visit(RealTypes{}, x.dtype(), "kthvalue", [&]<class T>() {
    for_rows<T>(x, false, 6, [&](int64_t r, auto* items, auto*) {
      const T* row = x.data<T>() + r * n;
      const int64_t nans = k < 0 ? std::count_if(row, row + n, is_nan<T>) : 0;
      int64_t place = k >= 0 ? k : (n - 1) / 2;
      if (k == -1 && nans > 0) place = n - nans;               // the first NaN
      if (k < -1 && nans < n) place = (n - nans - 1) / 2;
      std::nth_element(items, items + place, items + n);
      index.data<int64_t>()[r] = int64_t(items[place].index);
      values.data<T>()[r] = row[int64_t(items[place].index)];
    });
  });
}

void mode_cpu(CArray x, MArray values, MArray index) {
  const int64_t n = x.shape()[1];
  if (values.numel() == 0) return;
  visit(RealTypes{}, x.dtype(), "mode", [&]<class T>() {
    for_rows<T>(x, false, 20, [&](int64_t r, auto* items, auto* spare) {
      sort_items(items, spare, n);
      int64_t best = 0, most = 0;
      for (int64_t i = 0, run = 0; i < n; ++i) {
        run = i > 0 && items[i].key == items[i - 1].key ? run + 1 : 1;
        if (run > most) most = run, best = i;                  // the end of the longest run, the first of equals
      }
      index.data<int64_t>()[r] = int64_t(items[best].index);
      values.data<T>()[r] = x.data<T>()[r * n + int64_t(items[best].index)];
    });
  });
}

const Bind b0(kernels::sort, DeviceKind::CPU, sort_cpu);
const Bind b1(kernels::topk, DeviceKind::CPU, topk_cpu);
const Bind b2(kernels::order_statistic, DeviceKind::CPU, order_statistic_cpu);
const Bind b3(kernels::mode, DeviceKind::CPU, mode_cpu);

}  // namespace
}  // namespace hippograd
