#include "tensor/kernels/optim.h"

#include <algorithm>
#include <cmath>

#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(adam_step) adam_step{"adam_step"};
constinit decltype(sgd_step) sgd_step{"sgd_step"};
constinit decltype(clip_factor) clip_factor{"clip_factor"};
}  // namespace kernels

namespace {

constexpr int64_t kBlock = 4096;   // elements per task and per partial sum

// Blocks of all tensors in one list, so that many small tensors make few tasks.
struct Block { size_t tensor; int64_t begin, end; };
template <class List, class Size> std::vector<Block> blocks_of(const List& list, Size size) {
  std::vector<Block> blocks;
  for (size_t i = 0; i < list.size(); ++i)
    for (int64_t b = 0, n = size(list[i]); b < n; b += kBlock) blocks.push_back({i, b, std::min(n, b + kBlock)});
  return blocks;
}

template <class T> void adam_block(const AdamTensors& t, const Block& b, const AdamConfig& c, T lr, double step, T clip) {
  Array pa = t.param, ma = t.m, va = t.v;
  T* __restrict p = pa.data<T>();
  T* __restrict m = ma.data<T>();
  T* __restrict v = va.data<T>();
  const T* __restrict g = t.grad.data<T>();
  const T b1 = T(c.beta1), b2 = T(c.beta2), one_b1 = T(1 - c.beta1), one_b2 = T(1 - c.beta2), eps = T(c.eps);
  const T shrink = c.decoupled ? T(1 - double(lr) * c.weight_decay) : T(1), l2 = c.decoupled ? T(0) : T(c.weight_decay);
  const T size = T(double(lr) / (1 - std::pow(c.beta1, step))), root = T(std::sqrt(1 - std::pow(c.beta2, step)));
#pragma omp simd
  for (int64_t i = b.begin; i < b.end; ++i) {
    const T gi = clip * g[i] + l2 * p[i];
    m[i] = b1 * m[i] + one_b1 * gi;
    v[i] = b2 * v[i] + one_b2 * gi * gi;
    p[i] = p[i] * shrink - size * m[i] / (std::sqrt(v[i]) / root + eps);
  }
}

void adam_cpu(CArray scalars, const std::vector<AdamTensors>& list, const AdamConfig& config) {
  const double* s = scalars.data<double>();
  if (s[kNonFinite] > 0) return;
  const auto blocks = blocks_of(list, [](const AdamTensors& t) { return t.param.numel(); });
  for (const AdamTensors& t : list)
    if (!is_real(t.param.dtype()) || is_half(t.param.dtype())) unsupported_dtype("adam_step", t.param.dtype());
  parallel_for(int64_t(blocks.size()), double(blocks.size()) * kBlock * 0.5, [&](int64_t i) {
    const AdamTensors& t = list[blocks[size_t(i)].tensor];
    if (t.param.dtype() == DType::f32) adam_block<float>(t, blocks[size_t(i)], config, float(s[kLr]), s[kStep], float(s[kClip]));
    else adam_block<double>(t, blocks[size_t(i)], config, s[kLr], s[kStep], s[kClip]);
  });
}

template <class T> void sgd_block(const SgdTensors& t, const Block& b, const SgdConfig& c, T lr, bool first, T clip) {
  Array pa = t.param, ba = t.buffer;
  T* p = pa.data<T>();
  T* buffer = ba.defined() ? ba.data<T>() : nullptr;
  const T* g = t.grad.data<T>();
  const T momentum = T(c.momentum), keep = T(1 - c.dampening), l2 = T(c.weight_decay);
  for (int64_t i = b.begin; i < b.end; ++i) {
    T gi = clip * g[i] + l2 * p[i];
    if (buffer) {
      buffer[i] = first ? gi : momentum * buffer[i] + keep * gi;
      gi = c.nesterov ? gi + momentum * buffer[i] : buffer[i];
    }
    p[i] -= lr * gi;
  }
}

void sgd_cpu(CArray scalars, const std::vector<SgdTensors>& list, const SgdConfig& config) {
  const double* s = scalars.data<double>();
  if (s[kNonFinite] > 0) return;
  const auto blocks = blocks_of(list, [](const SgdTensors& t) { return t.param.numel(); });
  for (const SgdTensors& t : list)
    if (!is_real(t.param.dtype()) || is_half(t.param.dtype())) unsupported_dtype("sgd_step", t.param.dtype());
  parallel_for(int64_t(blocks.size()), double(blocks.size()) * kBlock * 0.5, [&](int64_t i) {
    const SgdTensors& t = list[blocks[size_t(i)].tensor];
    const bool first = s[kStep] <= 1;
    if (t.param.dtype() == DType::f32) sgd_block<float>(t, blocks[size_t(i)], config, float(s[kLr]), first, float(s[kClip]));
    else sgd_block<double>(t, blocks[size_t(i)], config, s[kLr], first, s[kClip]);
  });
}

template <class T> double sum_of_squares(const T* x, int64_t n) {
  double lanes[8] = {};   // eight running sums: a fixed order that vectorises
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += double(x[i + k]) * double(x[i + k]);
  for (; i < n; ++i) lanes[0] += double(x[i]) * double(x[i]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

void clip_cpu(const std::vector<Array>& gradients, double max_norm, MArray scalars, MArray norm) {
  std::vector<Array> dense;
  for (const Array& g : gradients) dense.push_back((is_half(g.dtype()) ? g.to(DType::f32) : g).contiguous());
  const auto blocks = blocks_of(dense, [](const Array& g) { return g.numel(); });
  for (const Array& g : dense) if (!is_real(g.dtype())) unsupported_dtype("clip_factor", g.dtype());
  std::vector<double> partial(blocks.size());
  parallel_for(int64_t(blocks.size()), double(blocks.size()) * kBlock * 0.2, [&](int64_t i) {
    const Block& b = blocks[size_t(i)];
    const Array& g = dense[b.tensor];
    partial[size_t(i)] = g.dtype() == DType::f32 ? sum_of_squares(g.data<float>() + b.begin, b.end - b.begin)
                                                 : sum_of_squares(g.data<double>() + b.begin, b.end - b.begin);
  });
  double total = 0;
  for (double p : partial) total += p;   // in index order
  const double n = std::sqrt(total);
  *norm.data<double>() = n;
  double* s = scalars.data<double>();
  s[kNonFinite] = std::isfinite(n) ? 0 : 1;
  s[kClip] = std::isfinite(n) ? std::min(1.0, max_norm / (n + 1e-6)) : 1;
}

const Bind b0(kernels::adam_step, DeviceKind::CPU, adam_cpu);
const Bind b1(kernels::sgd_step, DeviceKind::CPU, sgd_cpu);
const Bind b2(kernels::clip_factor, DeviceKind::CPU, clip_cpu);

}  // namespace
}  // namespace hippograd
