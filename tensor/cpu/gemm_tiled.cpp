// Third rung of the product ladder: C = A B by register tiles, after Goto & van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication" (ACM TOMS 34(3), 2008) and the BLIS papers, with A and B read in place
// where that is as fast, packed by the task that uses them elsewhere, and no shared state between tasks.
//
//   task    a block of rows x columns of one C (or several whole products of a batch); tasks are independent
//   block   kBlockK values of p times kBlockN columns: the piece of B that lies in the L2 cache
//   panel   kPanel = 2 registers of columns of a block, stored [p][column]
//   tile    at most kGemmRows rows x one panel: all of it in registers while p runs over the block
//
// Per p a full tile costs 2 loads of B, kGemmRows broadcasts of A and 2 kGemmRows fused multiply-adds, so
// the multiply-add units are the bound: 24 of them against 14 loads with AVX-512.
//
// Each element of C is accumulated in one register lane by fused multiply-adds in the order of p, whatever tile
// it falls in, and blocks of p are cut by k alone. So neither threads nor m, n, batch change a bit of it.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/gemm_vec.h"
#include "tensor/cpu/transpose.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {
namespace {

constexpr int kTileVecs = 2;                               // registers across a tile
constexpr int64_t kBlockBytes = 384 * 1024;                // packed B of one task, meant for L2
constexpr int64_t kStripBytes = 24 * 1024;                 // rows of A of one tile, meant for L1
constexpr int64_t kStrips = 4;                             // strips of A packed at a time
constexpr int64_t kPanelsInPlace = 8;                      // A is not packed for at most so many panels ...
constexpr int64_t kTilesInPlace = 16;                      // ... nor B for at most so many tiles above each other
constexpr double kForkFlops = 2e6;                         // about 20 us on one core: below it, no fork
constexpr double kTaskFlops = 2e7;                         // long products are cut into tasks of this size ...
constexpr int64_t kTasksPerThread = 4;                     // ... so that a busy core delays one task only

template <class T>
constexpr int64_t kPanel = kTileVecs * Vec<T>::lanes;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Block of p: as long as a strip of A fits into L1, all blocks of (nearly) equal length. Depends on k only.
template <class T>
int64_t block_k(int64_t k) {
  constexpr int64_t longest = kStripBytes / (kGemmRows * static_cast<int64_t>(sizeof(T)));
  return ceil_div(k, ceil_div(k, longest));
}

// What happens to a finished tile: C = (load_c ? C : 0) + alpha * acc + bias.
template <class T>
struct Epilogue {
  T alpha;
  const T* bias;  // at the tile's first column, or null
  bool load_c;
  int last;  // lanes in use of the tile's last register
};

template <class T>
using TileKernel = void (*)(int64_t k, const T* a, int64_t a_step, const T* b, int64_t b_row, T* c, int64_t c_row,
                            const Epilogue<T>& out);

// How a tile reads A: the elements of one row together (rows `a_step` apart), or those of one column (columns `a_step` apart:
// packed as [p][kGemmRows], or a transposed matrix in place).
enum LayoutOfA { kRows, kColumns };

// One tile: MR rows x NV registers.
template <class T, int MR, int NV, LayoutOfA kLayout>
void tile(int64_t k, const T* a, int64_t a_step, const T* b, int64_t b_row, T* c, int64_t c_row,
          const Epilogue<T>& out) {
  using V = Vec<T>;
  V acc[MR][NV];
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[i][v] = V::zero();
  }
  // Rows are addressed as one of four bases plus 0, 1 or 2 row strides: few enough integer registers.
  const T* base[4] = {a, a + 3 * a_step, a + 6 * a_step, a + 9 * a_step};
  for (int64_t p = 0; p < k; ++p) {
    V bv[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) bv[v] = V::load(b + v * V::lanes);
#pragma GCC unroll 12
    for (int i = 0; i < MR; ++i) {
      const V x = V::broadcast(kLayout == kColumns ? a[i] : base[i / 3][(i % 3) * a_step]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) acc[i][v] = V::fma(x, bv[v], acc[i][v]);
    }
    b += b_row;
    if constexpr (kLayout == kColumns) {
      a += a_step;
    } else {
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) ++base[g];
    }
  }

  const V alpha = V::broadcast(out.alpha);
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
      const bool full = v + 1 < NV || out.last == V::lanes;
      T* dst = c + i * c_row + v * V::lanes;
      V x;
      if (out.load_c) {
        x = V::fma(alpha, acc[i][v], full ? V::load(dst) : V::load(dst, out.last));
      } else {
        x = V::mul(alpha, acc[i][v]);
      }
      if (out.bias) {
        const T* bias = out.bias + v * V::lanes;
        x = V::add(x, full ? V::load(bias) : V::load(bias, out.last));
      }
      full ? V::store(dst, x) : V::store(dst, x, out.last);
    }
  }
}

// kernels[layout of A][registers - 1][rows - 1]
template <class T>
struct TileTable {
  TileKernel<T> kernels[2][kTileVecs][kGemmRows];

  template <int MR = kGemmRows>
  constexpr void fill() {
    kernels[kRows][0][MR - 1] = tile<T, MR, 1, kRows>;
    kernels[kRows][1][MR - 1] = tile<T, MR, 2, kRows>;
    kernels[kColumns][0][MR - 1] = tile<T, MR, 1, kColumns>;
    kernels[kColumns][1][MR - 1] = tile<T, MR, 2, kColumns>;
    if constexpr (MR > 1) fill<MR - 1>();
  }
  constexpr TileTable() : kernels{} { fill(); }
};

template <class T>
constexpr TileTable<T> kTiles;

// Packs a strided matrix X (k, count), X[p, w] = src[p * step + w * across], into panels of `width` columns,
// each stored [p][w] in `room` >= width elements per p; columns that a last panel lacks become zero.
template <class T>
void pack(T* dst, int64_t room, int64_t width, const T* src, int64_t step, int64_t across, int64_t count,
          int64_t k) {
  using V = Vec<T>;
  const int64_t panels = ceil_div(count, width);
  if (across == 1) {  // rows of X lie in memory: copy, in the order of memory
    for (int64_t p = 0; p < k; ++p, src += step) {
      for (int64_t q = 0; q < panels; ++q) {
        T* to = dst + (q * k + p) * room;
        const T* from = src + q * width;
        const int64_t have = std::min(width, count - q * width);
        int64_t w = 0;
        for (; w + V::lanes <= have; w += V::lanes) V::store(to + w, V::load(from + w));
        if (w < have) V::store(to + w, V::load(from + w, int(have - w)), int(have - w));
        std::fill(to + have, to + width, T(0));
      }
    }
    return;
  }
  for (int64_t q = 0; q < panels; ++q, dst += k * room, src += width * across) {
    const int64_t have = std::min(width, count - q * width);
    int64_t w = 0;
    if (step == 1) {  // columns of X lie in memory: transpose
      for (; w + 4 <= have; w += 4) {
        const T* from = src + w * across;
        int64_t p = 0;
        for (; p + 4 <= k; p += 4) transpose4(dst + p * room + w, room, from + p, across);
        for (; p < k; ++p) {
          for (int64_t i = 0; i < 4; ++i) dst[p * room + w + i] = from[p + i * across];
        }
      }
    }
    for (; w < width; ++w) {
      for (int64_t p = 0; p < k; ++p) dst[p * room + w] = w < have ? src[p * step + w * across] : T(0);
    }
  }
}

// How the work of a call is cut: each of `batches` ranges of products, or each product into rows x cols tasks.
struct Grid {
  int64_t batches = 1, rows = 1, cols = 1;
  int64_t tasks() const { return batches * rows * cols; }
};

template <class T>
Grid cut(int64_t m, int64_t n, int64_t k, int64_t batch, int threads) {
  Grid grid;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
                       static_cast<double>(batch);
  if (threads <= 1 || flops < kForkFlops) return grid;
  int64_t pieces = static_cast<int64_t>(std::min<double>(threads, flops / (kForkFlops / 2)));
  if (flops > kTaskFlops * static_cast<double>(pieces * kTasksPerThread)) pieces *= kTasksPerThread;
  if (batch >= pieces) {
    grid.batches = pieces;
    return grid;
  }
  // Rows x columns of one product: a task packs its own B, which pays when it has many rows (weights: cost of
  // packing an element in units of a multiply-add of a register).
  grid.batches = batch;
  const int64_t want = ceil_div(pieces, batch), panels = ceil_div(n, kPanel<T>);
  double best = 0;
  for (int64_t r = 1; r <= std::min(want, m); ++r) {
    const int64_t c = std::min(ceil_div(want, r), panels);
    const double height = static_cast<double>(ceil_div(m, r));
    const double width = static_cast<double>(ceil_div(panels, c) * kPanel<T>);
    const double rounds = static_cast<double>(ceil_div(batch * r * c, threads));
    const double cost = rounds * (height * width + 8 * width + 4 * height);
    if (r == 1 || cost < best) {
      best = cost;
      grid.rows = r;
      grid.cols = c;
    }
  }
  return grid;
}

// Packing space of one thread, in elements.
template <class T>
struct Workspace {
  int64_t b = 0, a = 0;
  explicit Workspace(int64_t n, int64_t k) {
    const int64_t kb = block_k<T>(k);
    b = kb * std::min(ceil_div(n, kPanel<T>) * kPanel<T>, block_n(kb));
    a = kb * kGemmRows * kStrips;
  }
  // Columns of a block: a whole number of panels.
  static int64_t block_n(int64_t kb) {
    const int64_t fit = kBlockBytes / (kb * static_cast<int64_t>(sizeof(T)));
    return std::max<int64_t>(fit / kPanel<T>, 1) * kPanel<T>;
  }
  int64_t total() const { return ceil_div(a + b, 1024) * 1024 + 64; }  // no two threads in one cache set, line
};

// Buffer that a calling thread keeps between products; it grows and never shrinks.
template <class T>
T* scratch(int64_t count) {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<T, Free> data;
  thread_local int64_t size = 0;
  if (size < count) {
    data.reset();
    size = 0;
    void* p = std::aligned_alloc(64, static_cast<size_t>(ceil_div(count * int64_t(sizeof(T)), 64) * 64));
    if (!p) throw std::bad_alloc();
    data.reset(static_cast<T*>(p));
    size = count;
  }
  return data.get();
}

// Vectors a multiple of 1 KB apart fall into few cache sets.
template <class T>
bool far_apart(int64_t stride) {
  return stride * static_cast<int64_t>(sizeof(T)) % 1024 == 0;
}
// Reading A in place, by rows or by columns, saves a copy. With many panels the copy is nothing.
template <class T>
bool a_in_place(const GemmArgs<T>& g) {
  if (g.a_row != 1 && g.a_col != 1) return false;
  return g.n <= (far_apart<T>(g.a_row == 1 ? g.a_col : g.a_row) ? 1 : kPanelsInPlace) * kPanel<T>;
}

// Reading B in place pays where a task has few rows to spread the copy over, or where B is laid out like a panel.
template <class T>
bool b_in_place(const GemmArgs<T>& g) {
  const bool like_a_panel = g.b_row * static_cast<int64_t>(sizeof(T)) <= 256;
  return g.b_col == 1 && g.n % Vec<T>::lanes == 0 && (like_a_panel || g.m <= (far_apart<T>(g.b_row) ? 2 : kTilesInPlace) * kGemmRows);
}

// One task, one thread: C = A B for the sizes in g.
template <class T>
void run_task(const GemmArgs<T>& g, T* space) {
  constexpr int64_t panel = kPanel<T>;
  const int64_t kb = block_k<T>(g.k), nb = Workspace<T>::block_n(kb);
  const bool a_here = a_in_place(g), b_here = b_in_place(g);
  const LayoutOfA layout = a_here && g.a_row != 1 ? kRows : kColumns;
  T* const a_space = space;
  T* const b_space = space + kb * kGemmRows * kStrips;
  const int64_t height = ceil_div(g.m, ceil_div(g.m, kGemmRows));  // rows of a tile, the last has what is left

  for (int64_t p0 = 0; p0 < g.k; p0 += kb) {
    const int64_t kp = std::min(kb, g.k - p0);
    const bool first = p0 == 0, final = p0 + kp == g.k;
    for (int64_t j0 = 0; j0 < g.n; j0 += nb) {
      const int64_t jn = std::min(nb, g.n - j0);
      const T* b_block = g.b + p0 * g.b_row + j0 * g.b_col;
      if (!b_here) pack(b_space, panel, panel, b_block, g.b_row, g.b_col, jn, kp);
      for (int64_t i0 = 0; i0 < g.m; i0 += height) {
        const int64_t rows = std::min(height, g.m - i0), strip = i0 / height % kStrips;
        const T* a = g.a + i0 * g.a_row + p0 * g.a_col;
        int64_t a_step = g.a_row == 1 ? g.a_col : g.a_row;
        if (!a_here) {
          if (strip == 0) {
            const int64_t ahead = std::min(height * kStrips, g.m - i0);
            pack(a_space, int64_t{kGemmRows}, height, a, g.a_col, g.a_row, ahead, kp);
          }
          a = a_space + strip * kp * kGemmRows;
          a_step = kGemmRows;
        }
        for (int64_t j = 0; j < jn; j += panel) {
          const int64_t cols = std::min(panel, jn - j), vecs = ceil_div(cols, Vec<T>::lanes);
          const Epilogue<T> out{g.alpha, g.bias && final ? g.bias + j0 + j : nullptr, g.accumulate || !first,
                                static_cast<int>(cols - (vecs - 1) * Vec<T>::lanes)};
          const T* b = b_here ? b_block + j : b_space + j * kp;
          kTiles<T>.kernels[layout][vecs - 1][rows - 1](kp, a, a_step, b, b_here ? g.b_row : panel,
                                                         g.c + i0 * g.c_row + j0 + j, g.c_row, out);
        }
      }
    }
  }
}

// k = 0: no product, only what remains of the formula.
template <class T>
void fill_without_product(const GemmArgs<T>& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      T& c = g.c[i * g.c_row + j];
      c = (g.accumulate ? c : T(0)) + (g.bias ? g.bias[j] : T(0));
    }
  }
}

}  // namespace

template <class T>
void gemm_tiled(const GemmArgs<T>& args, int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                int threads) {
  GemmArgs<T> g = args;
  if (g.m == 0 || g.n == 0 || batch == 0) return;
  if (batch > 1 && b_batch == 0 && a_batch == g.m * g.a_row && c_batch == g.m * g.c_row) {
    g.m *= batch;  // products that share B and follow one another are one tall product
    batch = 1;
  }
  if (g.k == 0) {
    for (int64_t s = 0; s < batch; ++s, g.c += c_batch) fill_without_product(g);
    return;
  }

  const Grid grid = cut<T>(g.m, g.n, g.k, batch, threads);
  const int64_t panels = ceil_div(g.n, kPanel<T>);
  const int team = static_cast<int>(std::min<int64_t>(std::max(threads, 1), grid.tasks()));
  const int64_t space = Workspace<T>(g.n, g.k).total();
  T* const spaces = scratch<T>(space * team);  // taken here: nothing may throw inside the parallel region

  parallel_tasks(grid.tasks(), team, [&](int64_t task, int slot) {
    T* own = spaces + space * slot;
    const int64_t col = task % grid.cols, row = task / grid.cols % grid.rows, part = task / (grid.cols * grid.rows);
    GemmArgs<T> piece = g;
    const int64_t i0 = g.m * row / grid.rows, j0 = panels * col / grid.cols * kPanel<T>;
    piece.m = g.m * (row + 1) / grid.rows - i0;
    piece.n = std::min(panels * (col + 1) / grid.cols * kPanel<T>, g.n) - j0;
    if (piece.m == 0 || piece.n <= 0) return;
    if (g.bias) piece.bias = g.bias + j0;
    const int64_t end = batch * (part + 1) / grid.batches;
    for (int64_t s = batch * part / grid.batches; s < end; ++s) {
      piece.a = g.a + s * a_batch + i0 * g.a_row;
      piece.b = g.b + s * b_batch + j0 * g.b_col;
      piece.c = g.c + s * c_batch + i0 * g.c_row + j0;
      run_task(piece, own);
    }
  });
}

template void gemm_tiled(const GemmArgs<float>&, int64_t, int64_t, int64_t, int64_t, int);
template void gemm_tiled(const GemmArgs<double>&, int64_t, int64_t, int64_t, int64_t, int);

}  // namespace hippograd::cpu
