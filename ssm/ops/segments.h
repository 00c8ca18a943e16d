#pragma once
// seq_idx (B, L) for the readable references of the recurrences: which rows start a new segment at step t, which are padding.
// The kernels have their own, compacted form (tensor/cpu/scan_tile.h); tests hold the two against each other.
#include <vector>

#include "autograd/ops.h"

namespace hippograd {

// int64, or an error that names the op; undefined stays undefined.
Tensor to_segments(std::string_view op, const Tensor& seq_idx);

class Segments {
 public:
  Segments(const Tensor& seq_idx, int64_t B, int64_t L, bool reverse);
  Tensor cut(const Tensor& h, int64_t t) const;                          // h (B, ...), zero in rows that start a segment at t
  Tensor keep(const Tensor& next, const Tensor& h, int64_t t) const;     // `next`, but the old h in rows of padding
  Tensor blank(const Tensor& y, int64_t t) const;                        // zero in rows of padding
  Tensor blank_all(const Tensor& x) const;                               // (B, L, ...): zero wherever there is padding
  bool given() const { return !starts_.empty(); }
  bool starts(int64_t b, int64_t t) const { return given() && starts_[b * L_ + t]; }
  bool padding(int64_t b, int64_t t) const { return given() && padding_[b * L_ + t]; }

 private:
  Tensor mask(const std::vector<char>& flags, int64_t t, int rank) const;      // bool (B, 1, ...), undefined if none is set
  int64_t B_, L_;
  Device device_;
  std::vector<char> starts_, padding_;                                   // (B, L)
};

}  // namespace hippograd
