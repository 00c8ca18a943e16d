#pragma once
// Arrays made ready for the fast selective scan, and what joins the pieces of a split sequence (forward and backward).
#include "cuda/selective_scan_fast.cuh"
#include "tensor/kernels/copy.h"

namespace hippograd::cuda {

// Unit stride along the channels and rows that 16-byte accesses may read.
inline bool has_channel_rows(const Array& x) {
  const int64_t per = 16 / itemsize(x.dtype());
  return aligned16(x.raw()) && (x.strides()[2] == 1 || x.shape()[2] == 1) && x.strides()[0] % per == 0 && x.strides()[1] % per == 0;
}

// Whether the fast kernels take the call, and their arguments. Streams that lie otherwise (channel first, mixed dtypes) and B, C
// that are not f32 in aligned rows are copied first: they are owned here until the kernels are launched.
struct Prepared {
  bool taken = false;
  DType dtype = DType::f32;   // of the streams
  FastScan scan{};
  Array u, delta, z, dout, B, C;

  Prepared(CArray u_, CArray delta_, CArray A, CArray Bt, CArray Ct, CArray D, CArray z_, CArray delta_bias, const kernels::ScanOptions& options, CArray dout_) {
    const int64_t batch = u_.shape()[0], length = u_.shape()[1], channels = u_.shape()[2], N = A.shape()[1];
    if (compute_dtype(u_.dtype()) != DType::f32 || is_complex(A.dtype()) || Bt.dim() != 4 || Ct.dim() != 4) return;
    if (N != 4 && N != 8 && N != 16 && N != 32 && N != 64) return;
    const int64_t G = Bt.shape()[2], block = N == 64 ? 32 : 64;
    if (length == 0 || length >= (int64_t(1) << 30) || batch == 0 || batch > 65535 || channels == 0 || channels % 8 != 0 || (G > 1 && channels / G % block != 0)) return;
    taken = true;
    dtype = u_.dtype();
    for (const Array* x : {&delta_, &z_, &dout_})
      if (x->defined() && x->dtype() != dtype) dtype = DType::f32;
    u = rows(u_), delta = rows(delta_), z = rows(z_), dout = rows(dout_);
    B = coefficient_rows(Bt), C = coefficient_rows(Ct);
    scan.B = batch, scan.L = length, scan.D = channels, scan.G = G, scan.N = N;
    scan.softplus = options.delta_softplus, scan.reverse = options.reverse;
    scan.u = stream_of(u), scan.delta = stream_of(delta), scan.z = stream_of(z), scan.dout = stream_of(dout);
    scan.Bt = coefficients_of(B), scan.Ct = coefficients_of(C);
    scan.A = input<float>(A, "dn"), scan.skip = input<float>(D, "d"), scan.bias = input<float>(delta_bias, "d");
    split(block);
  }

 private:
  Array rows(const Array& x) const {
    if (!x.defined()) return {};
    const Array y = x.to(dtype);
    return has_channel_rows(y) ? y : y.clone();
  }
  static Array coefficient_rows(const Array& x) {
    const Array y = x.to(DType::f32);
    const bool good = aligned16(y.raw()) && y.strides()[3] == 1 && y.strides()[0] % 4 == 0 && y.strides()[1] % 4 == 0 && y.strides()[2] % 4 == 0;
    return good ? y : y.clone();
  }
  static FastScan::Stream stream_of(const Array& x) {
    if (!x.defined()) return {};
    return {x.raw(), x.strides()[0], x.strides()[1]};
  }
  static FastScan::Coefficients coefficients_of(const Array& x) { return {x.data<float>(), x.strides()[0], x.strides()[1], x.strides()[2]}; }
  // Pieces of at least four tiles, if less than half the multiprocessors of a large device had a block.
  void split(int64_t block) {
    constexpr int64_t kBlocks = 132, kLeast = 4 * kTileSteps;
    const int64_t blocks = scan.B * ((scan.D + block - 1) / block);
    int64_t pieces = 1;
    if (2 * blocks <= kBlocks) pieces = std::max<int64_t>(1, std::min(3 * kBlocks / blocks, scan.L / kLeast));
    const int64_t tiles = (scan.L + kTileSteps - 1) / kTileSteps;
    scan.steps = (tiles + pieces - 1) / pieces * kTileSteps;
    scan.splits = (scan.L + scan.steps - 1) / scan.steps;
  }
};

// One thread per (b, n, d): the state at the start of every piece from the pieces' ends (each from 0) and sums of dt. Backward the
// pieces are visited from the last to the first; `first` then is dL/d(last state).
struct JoinPieces {
  int64_t D, N, splits;
  Input<float> A, first;
  const float *ends, *dt_sums;
  float* start;
  bool backward;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % D, n = i / D % N, b = i / D / N;
    const float rate = A.at(d * A.d + n * A.n) * kLog2e;
    float state = first.data ? first.at(b * first.b + d * first.d + n * first.n) : 0.f;
    for (int64_t k = 0; k < splits; ++k) {
      const int64_t piece = b * splits + (backward ? splits - 1 - k : k), at = (piece * N + n) * D + d;
      start[at] = state;
      state = fmaf(power_of_2(dt_sums[piece * D + d] * rate), state, ends[at]);
    }
  }
};

template <class F> void by_stream_and_states(DType stream, int64_t N, F&& f) {
  visit(Types<float, bfloat16>{}, stream, "selective_scan", [&]<class S>() {
    switch (N) {
      case 4: return f.template operator()<S, 4>();
      case 8: return f.template operator()<S, 8>();
      case 16: return f.template operator()<S, 16>();
      case 32: return f.template operator()<S, 32>();
      default: return f.template operator()<S, 64>();
    }
  });
}

}  // namespace hippograd::cuda
