// First-order linear recurrence (tensor/kernels/scan.h), equations in tensor/cpu/linear_scan_raw.h.
//
// One thread per (batch entry, channel), neighbours on neighbouring channels, so that a step is one coalesced row. Where B D
// is too small to fill the device, L is cut into chunks: (1) every chunk finds its end from 0 and the product of its a,
// (2) one thread per channel carries over the chunks in order, (3) every chunk runs from its carry. Reads twice, then.
#include "cuda/scan_steps.cuh"
#include "tensor/kernels/scan.h"

namespace hippograd::cuda {
namespace {

// S: storage (f32, f64, bf16); T: arithmetic; C: complex.
template <class S> struct Stream {
  Axes axes;
  S* data = nullptr;
};
template <class S, class A> Stream<S> stream_of(A& x, std::string_view axes) {
  const auto v = view_of<Input<double>>(x, axes);
  return {v, const_cast<S*>(static_cast<const S*>(v.data))};
}
template <class S, bool C> struct Recurrence {
  using T = compute_t<S>;
  using N = Num<T, C>;
  int64_t B, L, D, chunk, chunks;
  bool reverse;
  HIPPOGRAD_DEVICE int64_t time(int64_t step) const { return reverse ? L - 1 - step : step; }
  static HIPPOGRAD_DEVICE N get(const Stream<S>& x, int64_t i) {
    if constexpr (C) return {load(x.data[i]), load(x.data[i + 1])};
    else return {load(x.data[i])};
  }
  static HIPPOGRAD_DEVICE void put(const Stream<S>& y, int64_t i, N v) {
    store(y.data[i], v.re);
    if constexpr (C) store(y.data[i + 1], v.im);
  }
  HIPPOGRAD_DEVICE N at(const Stream<S>& x, int64_t b, int64_t step, int64_t d) const {
    return get(x, b * x.axes.b + time(step) * x.axes.t + d * x.axes.d);
  }
  // Thread -> (chunk, b, d), d innermost.
  HIPPOGRAD_DEVICE void place(int64_t i, int64_t& c, int64_t& b, int64_t& d) const { d = i % D, b = i / D % B, c = i / D / B; }
};

// How chunks of a first-order recurrence join:  state_end = product * state_begin + sum.
template <class N> struct Link { N product, sum; };

// (2), forward: links (chunks, B, D) -> the state before each chunk. Backward: from the last chunk, the g behind each.
template <class S, bool C> struct Carry {
  using N = typename Recurrence<S, C>::N;
  Recurrence<S, C> r;
  Stream<S> h0;
  const Link<N>* links;
  N* carries;
  bool backward;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {   // i over (B, D)
    N state{};
    if (h0.data) state = r.get(h0, i / r.D * h0.axes.b + i % r.D * h0.axes.d);
    for (int64_t k = 0; k < r.chunks; ++k) {
      const int64_t at = (backward ? r.chunks - 1 - k : k) * r.B * r.D + i;
      carries[at] = state;
      state = links[at].product * state + links[at].sum;
    }
  }
};

template <class S, bool C> struct ForwardLink {
  using N = typename Recurrence<S, C>::N;
  Recurrence<S, C> r;
  Stream<S> a, b;
  Link<N>* links;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t c, batch, d;
    r.place(i, c, batch, d);
    N product{}, sum{};
    product.re = 1;
    const int64_t first = c * r.chunk, end = min(first + r.chunk, r.L);
#pragma unroll 8
    for (int64_t t = first; t < end; ++t) {
      const N at = r.at(a, batch, t, d);
      product = at * product;
      sum = at * sum + r.at(b, batch, t, d);
    }
    links[i] = {product, sum};
  }
};
template <class S, bool C> struct ForwardChunk {
  using N = typename Recurrence<S, C>::N;
  Recurrence<S, C> r;
  Stream<S> a, b, h0, h;
  const N* carries;   // null: one chunk
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t c, batch, d;
    r.place(i, c, batch, d);
    N state{};
    if (carries) state = carries[i];
    else if (h0.data) state = r.get(h0, batch * h0.axes.b + d * h0.axes.d);
    const int64_t first = c * r.chunk, end = min(first + r.chunk, r.L);
#pragma unroll 8
    for (int64_t t = first; t < end; ++t) {
      state = r.at(a, batch, t, d) * state + r.at(b, batch, t, d);
      r.put(h, batch * h.axes.b + r.time(t) * h.axes.t + d * h.axes.d, state);
    }
  }
};

// Backward carries f = conj(a_{t+1}) g_{t+1}:  g = dh_t + f;  f <- conj(a_t) g.
template <class S, bool C> struct BackwardLink {
  using N = typename Recurrence<S, C>::N;
  Recurrence<S, C> r;
  Stream<S> a, dh;
  Link<N>* links;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t c, batch, d;
    r.place(i, c, batch, d);
    N product{}, sum{};
    product.re = 1;
    const int64_t first = c * r.chunk, end = min(first + r.chunk, r.L);
#pragma unroll 8
    for (int64_t t = end - 1; t >= first; --t) {
      const N at = conj(r.at(a, batch, t, d));
      product = at * product;
      sum = at * (sum + r.at(dh, batch, t, d));
    }
    links[i] = {product, sum};
  }
};
template <class S, bool C> struct BackwardChunk {
  using N = typename Recurrence<S, C>::N;
  Recurrence<S, C> r;
  Stream<S> a, h0, h, dh, da, db, dh0;
  const N* carries;   // null: one chunk
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t c, batch, d;
    r.place(i, c, batch, d);
    N f{};
    if (carries) f = carries[i];
    const int64_t first = c * r.chunk, end = min(first + r.chunk, r.L);
#pragma unroll 4
    for (int64_t t = end - 1; t >= first; --t) {
      const N g = r.at(dh, batch, t, d) + f;
      N before{};
      if (t > 0) before = r.at(h, batch, t - 1, d);
      else if (h0.data) before = r.get(h0, batch * h0.axes.b + d * h0.axes.d);
      if (da.data) r.put(da, batch * da.axes.b + r.time(t) * da.axes.t + d * da.axes.d, g * conj(before));
      if (db.data) r.put(db, batch * db.axes.b + r.time(t) * db.axes.t + d * db.axes.d, g);
      f = conj(r.at(a, batch, t, d)) * g;
    }
    if (c == 0 && dh0.data) r.put(dh0, batch * dh0.axes.b + d * dh0.axes.d, f);
  }
};

// Chunks of at least 64 steps, until 2048 threads per multiprocessor of a large device have work.
template <class S, bool C> Recurrence<S, C> recurrence(CArray a, bool reverse) {
  const int64_t B = a.shape()[0], L = a.shape()[1], D = a.shape()[2];
  constexpr int64_t kThreads = 132 * 2048, kLeast = 64;
  int64_t chunks = 1;
  if (B * D > 0 && B * D < kThreads / 8) chunks = std::max<int64_t>(1, std::min(kThreads / (B * D), L / kLeast));
  const int64_t chunk = std::max<int64_t>(1, (L + chunks - 1) / chunks);
  return {B, L, D, chunk, std::max<int64_t>(1, (L + chunk - 1) / chunk), reverse};
}
template <class F> void by_type(DType t, F&& f) {
  visit(Types<float, double, bfloat16>{}, real_of(t), "linear_scan", [&]<class S>() {
    if constexpr (std::is_same_v<S, bfloat16>) f.template operator()<S, false>();
    else if (is_complex(t)) f.template operator()<S, true>();
    else f.template operator()<S, false>();
  });
}

void forward(CArray a, CArray b, CArray h0, bool reverse, MArray h) {
  by_type(a.dtype(), [&]<class S, bool C>() {
    const auto r = recurrence<S, C>(a, reverse);
    using N = typename Recurrence<S, C>::N;
    const int64_t threads = r.chunks * r.B * r.D;
    const Workspace memory(r.chunks > 1 ? size_t(threads) * 3 * sizeof(N) : 0);
    const auto sa = stream_of<S>(a, "btd"), sb = stream_of<S>(b, "btd"), s0 = stream_of<S>(h0, "bd");
    Link<N>* links = memory.as<Link<N>>();
    N* carries = nullptr;
    if (r.chunks > 1) {
      carries = reinterpret_cast<N*>(links + threads);
      for_each("linear_scan_links", threads, ForwardLink<S, C>{r, sa, sb, links});
      for_each("linear_scan_carry", r.B * r.D, Carry<S, C>{r, s0, links, carries, false});
    }
    for_each("linear_scan", threads, ForwardChunk<S, C>{r, sa, sb, s0, stream_of<S>(h, "btd"), carries});
  });
}

void backward(CArray a, CArray h0, CArray h, CArray dh, bool reverse, MArray da, MArray db, MArray dh0) {
  by_type(a.dtype(), [&]<class S, bool C>() {
    const auto r = recurrence<S, C>(a, reverse);
    using N = typename Recurrence<S, C>::N;
    const int64_t threads = r.chunks * r.B * r.D;
    const Workspace memory(r.chunks > 1 ? size_t(threads) * 3 * sizeof(N) : 0);
    const auto sa = stream_of<S>(a, "btd"), sg = stream_of<S>(dh, "btd");
    Link<N>* links = memory.as<Link<N>>();
    N* carries = nullptr;
    if (r.chunks > 1) {
      carries = reinterpret_cast<N*>(links + threads);
      for_each("linear_scan_bwd_links", threads, BackwardLink<S, C>{r, sa, sg, links});
      for_each("linear_scan_bwd_carry", r.B * r.D, Carry<S, C>{r, {}, links, carries, true});
    }
    for_each("linear_scan_bwd", threads,
             BackwardChunk<S, C>{r, sa, stream_of<S>(h0, "bd"), stream_of<S>(h, "btd"), sg, stream_of<S>(da, "btd"), stream_of<S>(db, "btd"),
                                 stream_of<S>(dh0, "bd"), carries});
  });
}

const Bind b0(kernels::linear_scan_fwd, DeviceKind::CUDA, forward, kTakesBf16);
const Bind b1(kernels::linear_scan_bwd, DeviceKind::CUDA, backward, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
