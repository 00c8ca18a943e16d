#pragma once
// Scaled dot-product attention, one head group at a time.
//
//   s = clamp(scale q k^T) + mask      p = softmax(s) over the visible keys      out = dropout(p) v
//   q (..., H, L, P)   k (..., G, M, P)   v (..., G, M, Q)   out (..., H, L, Q)   H = n G: query heads n g .. n g + n - 1 share
//   key head g and are never repeated in memory. Leading dimensions are equal (expand first); any strides, but the last
//   dimension of q, k, v and dout has stride 1. f32 or f64.
// mask: (..., H, L, M), any strides (expanded where it broadcasts): bool, true = visible, or a number to add; -inf hides the key.
// causal: query l sees key m only if m <= l + offset (offset: keys of a cache that lie before the first query).
// A hidden key counts nothing, whatever it holds: NaN in it reaches neither output nor gradient. A query that sees no key gives
// output 0 and gradient 0. A weight that rounds to zero counts as hidden.
#include <limits>

#include "tensor/kernel.h"

namespace hippograd {

struct AttentionConfig {
  double scale = 1;
  bool causal = false;
  int64_t offset = 0;
  double clamp = 0;          // > 0: scores are clamped to +-clamp before the mask; beyond it their gradient is 0
  double dropout = 0;        // probability of dropping a weight; element (..., h, l, m) of the uniform draw at `state`
};

namespace kernels {

// out contiguous; lse (..., H, L) contiguous: log sum_m exp(s_m), +inf where no key is visible. state: i64[2], undefined without dropout.
extern constinit Kernel<void(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, MArray out,
                             MArray lse)> attention_fwd;
// p = exp(s - lse),  dp = dout v^T (dropped alike),  ds = p (dp - sum_q dout out):
//   dv = dropout(p)^T dout     dq = scale ds k     dk = scale ds^T q     dmask = ds  (..., H, L, M)
// All outputs contiguous; undefined ones are not computed.
extern constinit Kernel<void(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, CArray out,
                             CArray lse, CArray dout, MArray dq, MArray dk, MArray dv, MArray dmask)> attention_bwd;

}  // namespace kernels
}  // namespace hippograd
