// Segments of packed sequences (cuda/scan_steps.cuh).
#include "cuda/scan_steps.cuh"

namespace hippograd::cuda {
namespace {

struct ClassifyStep {   // i = b * L + step
  const int64_t* segments;
  int64_t stride_b, stride_t, L;
  bool reverse;
  uint8_t* kinds;
  HIPPOGRAD_DEVICE int64_t segment(int64_t b, int64_t step) const {
    return segments[b * stride_b + (reverse ? L - 1 - step : step) * stride_t];
  }
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t b = i / L, step = i % L, own = segment(b, step);
    int64_t before = step - 1;
    while (own >= 0 && before >= 0 && segment(b, before) < 0) --before;
    kinds[i] = own < 0 ? kPadding : before >= 0 && segment(b, before) != own ? kReset : kContinue;
  }
};

}  // namespace

StepKinds::StepKinds(CArray seq_idx, int64_t B, int64_t L, bool reverse) : memory_(seq_idx.defined() ? size_t(B * L) : 0) {
  if (!seq_idx.defined()) return;
  for_each("segments", B * L,
           ClassifyStep{seq_idx.data<int64_t>(), seq_idx.strides()[0], seq_idx.strides()[1], L, reverse, memory_.as<uint8_t>()});
  kinds_ = memory_.as<uint8_t>();
}

}  // namespace hippograd::cuda
