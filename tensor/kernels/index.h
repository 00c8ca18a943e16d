#pragma once
// Indexing, and rearrangements that no view can express. `index` arrays are i64. Slots that read an index check it against
// the size it points into. On the CPU a bad index throws IndexError before anything is written. A device that does not make
// the host wait reports it at the next synchronisation instead; until then reading there gives 0 and writing does nothing.
#include <string_view>

#include "tensor/kernels/copy.h"

namespace hippograd::kernels {

// y = x with each dimension of `dims` (bit d: dimension d) reversed. Any strides.
extern constinit Kernel<void(CArray x, uint32_t dims, MArray y)> flip;
// y[.., i, j] = x[.., i, j] where j - i >= diagonal (upper) or j - i <= diagonal (lower), else 0. y contiguous.
extern constinit Kernel<void(CArray x, int64_t diagonal, bool upper, MArray y)> tri;

// ---- indices ----
// Who indexes, for the message: the op (a literal; null: the x[...] of the language) and the dimension.
struct IndexSite { const char* op; int64_t dim; };
[[noreturn]] void bad_index(IndexSite site, int64_t value, int64_t size, std::string_view note = {});   // throws IndexError

// y += stride * i for every i of index (i + n where i is negative; -n <= i < n). A bad i makes y negative for good, a row that
// does not exist. Any strides of index; y contiguous, equal shapes.
extern constinit Kernel<void(CArray index, IndexSite site, int64_t n, int64_t stride, MArray y)> add_index;
// count (i64, 0-dim): the elements of x that are not 0. Any strides.
extern constinit Kernel<void(CArray x, MArray count)> count_true;
// y (count, x.dim()) i64: the coordinates of the elements that are not 0, in row-major order. Both contiguous.
extern constinit Kernel<void(CArray x, MArray y)> nonzero;

// ---- rows: x (O, N, I)  index (K,)  src, y (O, K, I); all contiguous ----
// y[o, k, i] = x[o, index[k], i]
extern constinit Kernel<void(CArray x, CArray index, IndexSite site, MArray y)> take_rows;
// y[o, index[k], i] = src[o, k, i]; of several writers the last wins.
extern constinit Kernel<void(CArray src, CArray index, IndexSite site, MArray y)> put_rows;
// y[o, index[k], i] += src[o, k, i], in the order of k; rows whose index is `skip` are left out (-1: none).
extern constinit Kernel<void(CArray src, CArray index, IndexSite site, int64_t skip, MArray y)> add_rows;

// ---- elements along dimension `dim`; index and src or y of one shape, which reaches no further than x in other dims ----
// y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1. Any strides.
extern constinit Kernel<void(CArray x, int dim, CArray index, const char* op, MArray y)> gather;
enum class Scatter { Set, Add, Mul, Max, Min };
// y[i][index[i][j][k]][k] op= src[i][j][k] for dim = 1, in the order of j. Any strides.
extern constinit Kernel<void(Scatter how, CArray src, int dim, CArray index, const char* op, MArray y)> scatter;

// ---- search ----
// y[r, j] = first position in row r of `sorted` (R or 1, N) whose element is >= x[r, j] (right: > x[r, j]); i64. Contiguous.
extern constinit Kernel<void(CArray sorted, CArray x, bool right, MArray y)> search_sorted;
// y (bins,) += the number of elements of x in each of equal bins of [low, high]; others are left out. x contiguous.
extern constinit Kernel<void(CArray x, double low, double high, MArray y)> histogram;

}  // namespace hippograd::kernels
