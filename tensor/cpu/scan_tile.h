// What the time-sequential CPU kernels (selective scan, linear scan, causal convolution) share: the order in
// which time steps are visited, tiles of kTileSteps steps x kLanes channels, and aligned scratch memory.
//
// A tile is the only thing that the inner loops see. Gathering it handles any strides (channel-last,
// channel-first, broadcast), reversed time, skipped padding and a last block with fewer channels than lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "tensor/cpu/simd.h"

namespace hippograd::cpu {

inline constexpr int kTileSteps = 32;  // also the distance of the saved states

// A (B, L, D) stream: element (b, t, d) is data[b * stride_b + t * stride_t + d * stride_d]. Strides are counted
// in T; of a complex element the imaginary part is the next T. A null pointer means "not given" or "not wanted".
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t stride_b = 0, stride_t = 0, stride_d = 0;
};

// An optional integer (B, L) array of segment numbers. A change of number starts a new segment; a negative number
// is padding, and numbers are compared with that of the last real token.
struct Segments {
  const int64_t* data = nullptr;
  int64_t stride_b = 0, stride_t = 0;
};

// The real tokens of one sequence in the order of the scan: step i visits time position(i).
class TimeOrder {
 public:
  TimeOrder() = default;
  TimeOrder(const Segments& segments, int64_t batch, int64_t length, bool reverse);

  int64_t steps() const { return steps_; }

  // Times of steps [first, first + count).
  void positions(int64_t first, int count, int64_t* out) const;

  // Whether step i starts a new segment. The first step never does: the initial state belongs to its segment.
  bool resets(int64_t i) const { return !reset_.empty() && reset_[i]; }

  // The end of the run of steps that starts at i: the next reset, at most `limit`.
  int64_t run_end(int64_t i, int64_t limit) const;

  // The first step of the run that ends before `end`, at least `limit`.
  int64_t run_begin(int64_t end, int64_t limit) const;

  const std::vector<int64_t>& padding() const { return padding_; }

 private:
  int64_t length_ = 0, steps_ = 0;
  bool reverse_ = false;
  std::vector<int64_t> position_, padding_;  // both empty without segments
  std::vector<char> reset_;
};

std::vector<TimeOrder> time_orders(const Segments& segments, int64_t batches, int64_t length, bool reverse);

// Memory aligned to 64 bytes, zeroed.
template <class T>
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(int64_t count) {
    const size_t bytes = (static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(T) + 63) / 64 * 64;
    memory_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (!memory_) throw std::bad_alloc();
    std::memset(static_cast<void*>(memory_.get()), 0, bytes);
  }
  T* data() { return memory_.get(); }
  const T* data() const { return memory_.get(); }
  T& operator[](int64_t i) { return memory_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> memory_;
};

// Rows of channels lie far apart in memory, beyond what the processor prefetches by itself, so each row asks for the
// one of the next tile. The address may lie outside the array: a prefetch never faults.
template <class T>
HG_INLINE void prefetch(const T* row, int64_t offset) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(row) + offset * sizeof(T)), 0, 2);
}

// tile[i][lane] = rows[positions[i]][lane]; lanes past `lanes` are zero. The next tile is `ahead` time steps away.
template <class T>
void gather_tile(const T* rows, int64_t stride_t, int64_t stride_d, const int64_t* positions, int steps, int lanes,
                 T* tile, int64_t ahead) {
  constexpr int W = kLanes<T>;
  if (stride_d == 1 && lanes == W) {
    for (int i = 0; i < steps; ++i) {
      const T* row = rows + positions[i] * stride_t;
      prefetch(row, ahead * stride_t);
      std::memcpy(tile + i * W, row, W * sizeof(T));
    }
    return;
  }
  if (lanes < W) std::fill_n(tile, static_cast<int64_t>(steps) * W, T(0));
  if (stride_d == 1) {
    for (int i = 0; i < steps; ++i) {
      std::memcpy(tile + i * W, rows + positions[i] * stride_t, lanes * sizeof(T));
    }
    return;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    const T* column = rows + lane * stride_d;
    for (int i = 0; i < steps; ++i) tile[i * W + lane] = column[positions[i] * stride_t];
  }
}

template <class T>
void scatter_tile(const T* tile, T* rows, int64_t stride_t, int64_t stride_d, const int64_t* positions, int steps,
                  int lanes, int64_t ahead) {
  constexpr int W = kLanes<T>;
  if (stride_d == 1 && lanes == kLanes<T>) {
    for (int i = 0; i < steps; ++i) {
      T* row = rows + positions[i] * stride_t;
      prefetch(row, ahead * stride_t);
      std::memcpy(row, tile + i * kLanes<T>, kLanes<T> * sizeof(T));
    }
    return;
  }
  if (stride_d == 1) {
    for (int i = 0; i < steps; ++i) {
      std::memcpy(rows + positions[i] * stride_t, tile + i * W, lanes * sizeof(T));
    }
    return;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    T* column = rows + lane * stride_d;
    for (int i = 0; i < steps; ++i) column[positions[i] * stride_t] = tile[i * W + lane];
  }
}

// The same for a block of channels d0 ... d0 + lanes - 1 of one batch entry.
template <class T>
void gather_tile(const Rows<const T>& rows, int64_t batch, int64_t d0, const int64_t* positions, int steps,
                 int lanes, T* tile, int64_t ahead) {
  gather_tile(rows.data + batch * rows.stride_b + d0 * rows.stride_d, rows.stride_t, rows.stride_d, positions, steps,
              lanes, tile, ahead);
}
template <class T>
void scatter_tile(const T* tile, const Rows<T>& rows, int64_t batch, int64_t d0, const int64_t* positions, int steps,
                  int lanes, int64_t ahead) {
  scatter_tile(tile, rows.data + batch * rows.stride_b + d0 * rows.stride_d, rows.stride_t, rows.stride_d, positions,
               steps, lanes, ahead);
}

// Padding has output 0 and gradient 0.
template <class T>
void zero_padding(const TimeOrder& order, const Rows<T>& rows, int64_t batch, int64_t d0, int lanes) {
  if (rows.data == nullptr) return;
  for (int64_t t : order.padding()) {
    for (int lane = 0; lane < lanes; ++lane) {
      rows.data[batch * rows.stride_b + t * rows.stride_t + (d0 + lane) * rows.stride_d] = T(0);
    }
  }
}

}  // namespace hippograd::cpu
