#include "ssm/ops/segments.h"

#include <algorithm>

namespace hippograd {

Tensor to_segments(std::string_view op, const Tensor& seq_idx) {
  if (!seq_idx.defined()) return seq_idx;
  if (!is_integer(seq_idx.dtype())) fail<DtypeError>(op, ": seq_idx must be an integer type, got ", seq_idx.dtype());
  return to(seq_idx, DType::i64);
}

Segments::Segments(const Tensor& seq_idx, int64_t B, int64_t L, bool reverse) : B_(B), L_(L) {
  if (!seq_idx.defined() || B * L == 0) return;
  device_ = seq_idx.device();
  const std::vector<int64_t> index = to_vector<int64_t>(seq_idx.array());
  starts_.assign(size_t(B * L), 0);
  padding_.assign(size_t(B * L), 0);
  for (int64_t b = 0; b < B; ++b) {
    int64_t last = -1;
    for (int64_t i = 0; i < L; ++i) {
      const int64_t at = b * L + (reverse ? L - 1 - i : i);
      padding_[at] = index[at] < 0;
      if (index[at] < 0) continue;
      starts_[at] = last >= 0 && index[at] != last;
      last = index[at];
    }
  }
}

Tensor Segments::mask(const std::vector<char>& flags, int64_t t, int rank) const {
  if (flags.empty()) return {};
  std::vector<uint8_t> column;
  for (int64_t b = 0; b < B_; ++b) column.push_back(uint8_t(flags[b * L_ + t]));
  if (std::count(column.begin(), column.end(), 0) == B_) return {};
  Array m = from_vector(column, {B_}).to(DType::b8).to(device_);
  while (m.dim() < rank) m = m.unsqueeze(-1);
  return Tensor(m);
}

Tensor Segments::cut(const Tensor& h, int64_t t) const {
  const Tensor m = mask(starts_, t, h.dim());
  return m.defined() ? masked_fill(h, m, 0.0) : h;
}
Tensor Segments::keep(const Tensor& next, const Tensor& h, int64_t t) const {
  const Tensor m = mask(padding_, t, h.dim());
  return m.defined() ? where(m, h, next) : next;
}
Tensor Segments::blank(const Tensor& y, int64_t t) const {
  const Tensor m = mask(padding_, t, y.dim());
  return m.defined() ? masked_fill(y, m, 0.0) : y;
}
Tensor Segments::blank_all(const Tensor& x) const {
  if (padding_.empty()) return x;
  Array m = from_vector(std::vector<uint8_t>(padding_.begin(), padding_.end()), {B_, L_}).to(DType::b8).to(device_);
  while (m.dim() < x.dim()) m = m.unsqueeze(-1);
  return masked_fill(x, Tensor(m), 0.0);
}

}  // namespace hippograd
