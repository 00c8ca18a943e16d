// How the selective scan cuts its work, and the small arithmetic that its forward and backward passes share.
#pragma once

#include "tensor/cpu/scan_raw.h"

namespace hippograd::cpu {

// A vector of real or complex numbers, one per lane.
template <class T, bool kComplex>
struct Num;
template <class T>
struct Num<T, false> {
  Vec<T> re;
};
template <class T>
struct Num<T, true> {
  Vec<T> re, im;
};

template <class T, bool C>
HG_INLINE Num<T, C> load_num(const T* p) {  // planes of kLanes each
  if constexpr (C) return {load(p), load(p + kLanes<T>)};
  else return {load(p)};
}
template <class T, bool C>
HG_INLINE void store_num(T* p, Num<T, C> x) {
  store(p, x.re);
  if constexpr (C) store(p + kLanes<T>, x.im);
}
template <class T, bool C>
HG_INLINE Num<T, C> mul(Num<T, C> a, Num<T, C> b) {
  if constexpr (C) return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  else return {a.re * b.re};
}
template <class T, bool C>
HG_INLINE Num<T, C> mul_conj(Num<T, C> a, Num<T, C> b) {  // a conj(b)
  if constexpr (C) return {a.re * b.re + a.im * b.im, a.im * b.re - a.re * b.im};
  else return {a.re * b.re};
}
template <class T, bool C>
HG_INLINE Num<T, C> scaled(Vec<T> s, Num<T, C> x) {
  if constexpr (C) return {s * x.re, s * x.im};
  else return {s * x.re};
}
template <class T, bool C>
HG_INLINE Num<T, C> add_scaled(Num<T, C> sum, Vec<T> s, Num<T, C> x) {
  if constexpr (C) return {sum.re + s * x.re, sum.im + s * x.im};
  else return {sum.re + s * x.re};
}
template <class T, bool C>
HG_INLINE Num<T, C> conj(Num<T, C> x) {
  if constexpr (C) return {x.re, -x.im};
  else return x;
}
template <class T, bool C>
HG_INLINE Vec<T> add_real_of_product(Vec<T> sum, Num<T, C> a, Num<T, C> b) {  // sum + Re(a b)
  if constexpr (C) return sum + a.re * b.re - a.im * b.im;
  else return sum + a.re * b.re;
}
template <class T, bool C>
HG_INLINE Vec<T> add_inner(Vec<T> sum, Num<T, C> a, Num<T, C> b) {  // sum + Re(conj(a) b)
  if constexpr (C) return sum + a.re * b.re + a.im * b.im;
  else return sum + a.re * b.re;
}

// exp(delta A), given (Re A / ln 2, Im A).
template <class T, bool C>
HG_INLINE Num<T, C> decay(Vec<T> delta, Num<T, C> rate) {
  Vec<T> magnitude = exp2v<T>(delta * rate.re);
  if constexpr (C) {
    Vec<T> sine, cosine;
    sincosv<T>(delta * rate.im, sine, cosine);
    return {magnitude * cosine, magnitude * sine};
  } else {
    return {magnitude};
  }
}

// One coefficient at `p`: per lane (planes of kLanes), or one number for all lanes (re, im).
template <class T, bool C, bool kPerLane>
HG_INLINE Num<T, C> coefficient(const T* p) {
  if constexpr (kPerLane) return load_num<T, C>(p);
  else if constexpr (C) return {splat<T>(p[0]), splat<T>(p[1])};
  else return {splat<T>(p[0])};
}

// kLanes neighbouring channels (fewer at an end), and the groups of B and C that they use.
struct ChannelBlock {
  int64_t d0 = 0;
  int lanes = 0;
  int64_t g0 = 0;
  int groups = 1;
};

// A unit is a group of channels that share B and C; groups smaller than a vector are taken together as one unit of
// blocks that hold whole groups. The blocks of a unit are dealt to `slices` tasks. All of it depends on shape alone.
struct ScanPlan {
  int64_t group_size = 1, units = 1, blocks_per_unit = 0, slices = 1, tasks = 0, most_blocks = 0;
  bool small_groups = false;
  int groups_per_block = 1, width = 1;
  ScanShape shape;

  ScanPlan(const ScanShape& s, int lanes) : width(lanes), shape(s) {
    group_size = std::max<int64_t>(s.D / s.G, 1);
    small_groups = s.G > 1 && group_size < lanes;
    if (small_groups) {
      groups_per_block = static_cast<int>(lanes / group_size);
      blocks_per_unit = (s.G + groups_per_block - 1) / groups_per_block;
    } else {
      units = s.G;
      blocks_per_unit = (group_size + lanes - 1) / lanes;
    }
    constexpr int64_t kTasks = 32;
    const int64_t pairs = std::max<int64_t>(s.B * units, 1);
    slices = std::clamp<int64_t>((kTasks + pairs - 1) / pairs, 1, std::max<int64_t>(blocks_per_unit, 1));
    tasks = s.D == 0 ? 0 : s.B * units * slices;
    most_blocks = (blocks_per_unit + slices - 1) / slices;
  }

  struct Task {
    int64_t batch, unit, slice, first_block, end_block;
  };
  Task task(int64_t i) const {
    const int64_t slice = i % slices, unit = i / slices % units, batch = i / slices / units;
    return {batch, unit, slice, slice * blocks_per_unit / slices, (slice + 1) * blocks_per_unit / slices};
  }

  ChannelBlock block(int64_t unit, int64_t j) const {
    if (small_groups) {
      const int64_t g0 = j * groups_per_block;
      const int groups = static_cast<int>(std::min<int64_t>(groups_per_block, shape.G - g0));
      return {g0 * group_size, static_cast<int>(groups * group_size), g0, groups};
    }
    const int64_t offset = j * width;
    return {unit * group_size + offset, static_cast<int>(std::min<int64_t>(width, group_size - offset)), unit, 1};
  }
};

// B or C of one tile. One number per (step, state) for all lanes: tile[t][n][plane]; per lane: tile[t][n][plane][lane],
// with t running only if the coefficient varies.
template <class T>
void stage_shared(const Coefficients<const T>& c, int64_t batch, int64_t group, const int64_t* positions, int steps,
                  int64_t N, int planes, T* tile) {
  if (N == 0) return;  // there may be no array behind c.data
  const T* from = c.data + batch * c.stride_b + group * c.stride_g;
  for (int i = 0; i < steps; ++i, tile += N * planes) {
    const T* row = from + positions[i] * c.stride_t;
    if (c.stride_n == planes) {
      std::memcpy(tile, row, N * planes * sizeof(T));
    } else {
      for (int64_t n = 0; n < N; ++n) {
        for (int p = 0; p < planes; ++p) tile[n * planes + p] = row[n * c.stride_n + p];
      }
    }
  }
}

template <class T>
void stage_per_lane(const Coefficients<const T>& c, int64_t batch, const ChannelBlock& block, int64_t group_size,
                    const int64_t* positions, int steps, int64_t N, int planes, T* tile) {
  constexpr int W = kLanes<T>;
  for (int i = 0; i < (c.constant ? 1 : steps); ++i) {
    for (int64_t n = 0; n < N; ++n) {
      for (int p = 0; p < planes; ++p, tile += W) {
        for (int lane = 0; lane < W; ++lane) {
          const int64_t d = block.d0 + lane;
          if (lane >= block.lanes) tile[lane] = T(0);
          else if (c.constant) tile[lane] = c.data[d * c.stride_d + n * c.stride_n + p];
          else tile[lane] = c.data[batch * c.stride_b + positions[i] * c.stride_t + d / group_size * c.stride_g +
                                   n * c.stride_n + p];
        }
      }
    }
  }
}

// states[n][plane][lane] of a block.
template <class T>
void stage_states(const States<const T>& s, int64_t batch, const ChannelBlock& block, int64_t N, int planes, T* to) {
  constexpr int W = kLanes<T>;
  for (int64_t n = 0; n < N; ++n) {
    for (int p = 0; p < planes; ++p, to += W) {
      for (int lane = 0; lane < W; ++lane) {
        to[lane] = s.data == nullptr || lane >= block.lanes
                       ? T(0)
                       : s.data[batch * s.stride_b + (block.d0 + lane) * s.stride_d + n * s.stride_n + p];
      }
    }
  }
}

template <class T>
void store_states(const T* from, const States<T>& s, int64_t batch, const ChannelBlock& block, int64_t N,
                  int planes) {
  constexpr int W = kLanes<T>;
  if (s.data == nullptr) return;
  for (int64_t n = 0; n < N; ++n) {
    for (int p = 0; p < planes; ++p, from += W) {
      for (int lane = 0; lane < block.lanes; ++lane) {
        s.data[batch * s.stride_b + (block.d0 + lane) * s.stride_d + n * s.stride_n + p] = from[lane];
      }
    }
  }
}

// A as the decay wants it: (Re A / ln 2, Im A).
template <class T>
void stage_rates(const States<const T>& A, const ChannelBlock& block, int64_t N, int planes, T* to) {
  constexpr int W = kLanes<T>;
  stage_states(A, 0, block, N, planes, to);
  for (int64_t n = 0; n < N; ++n) {
    for (int lane = 0; lane < W; ++lane) to[n * planes * W + lane] *= T(kLog2E);
  }
}

template <class T>
HG_INLINE void stage_channels(const Channels<const T>& c, const ChannelBlock& block, T* to) {
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    to[lane] = c.data == nullptr || lane >= block.lanes ? T(0) : c.data[(block.d0 + lane) * c.stride];
  }
}

inline int64_t chunk_count(int64_t steps) { return (steps + kTileSteps - 1) / kTileSteps; }

}  // namespace hippograd::cpu
