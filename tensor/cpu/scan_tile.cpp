#include "tensor/cpu/scan_tile.h"

namespace hippograd::cpu {

TimeOrder::TimeOrder(const Segments& segments, int64_t batch, int64_t length, bool reverse)
    : length_(length), steps_(length), reverse_(reverse) {
  if (segments.data == nullptr) return;
  const int64_t* row = segments.data + batch * segments.stride_b;
  position_.reserve(length);
  reset_.reserve(length);
  int64_t last = 0;
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = reverse ? length - 1 - i : i;
    const int64_t segment = row[t * segments.stride_t];
    if (segment < 0) {
      padding_.push_back(t);
      continue;
    }
    reset_.push_back(!position_.empty() && segment != last);
    position_.push_back(t);
    last = segment;
  }
  steps_ = static_cast<int64_t>(position_.size());
}

void TimeOrder::positions(int64_t first, int count, int64_t* out) const {
  for (int i = 0; i < count; ++i) {
    const int64_t step = first + i;
    out[i] = !position_.empty() ? position_[step] : reverse_ ? length_ - 1 - step : step;
  }
}

int64_t TimeOrder::run_end(int64_t i, int64_t limit) const {
  if (reset_.empty()) return limit;
  for (++i; i < limit && !reset_[i]; ++i) {
  }
  return i;
}

int64_t TimeOrder::run_begin(int64_t end, int64_t limit) const {
  if (reset_.empty()) return limit;
  for (--end; end > limit && !reset_[end]; --end) {
  }
  return end;
}

std::vector<TimeOrder> time_orders(const Segments& segments, int64_t batches, int64_t length, bool reverse) {
  std::vector<TimeOrder> orders;
  orders.reserve(segments.data ? batches : 1);
  for (int64_t b = 0; b < (segments.data ? batches : 1); ++b) orders.emplace_back(segments, b, length, reverse);
  return orders;
}

}  // namespace hippograd::cpu
