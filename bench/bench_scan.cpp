// The CPU scan family on random data, one thread and all: state-steps per second of the selective scan (goals of the
// specification: forward 2.5e9, backward 0.9e9 per core), bytes per second of the causal convolution (goal 15e9).
#include <benchmark/benchmark.h>

#include <random>
#include <thread>
#include <vector>

#include "tensor/cpu/conv1d_raw.h"
#include "tensor/cpu/scan_raw.h"

namespace {

using namespace hippograd::cpu;

template <class T>
Scratch<T> normal(int64_t count, double scale = 1, double shift = 0) {
  std::mt19937 random(1);
  std::normal_distribution<double> draw;
  Scratch<T> v(count);
  for (int64_t i = 0; i < count; ++i) v[i] = static_cast<T>(shift + scale * draw(random));
  return v;
}

// B, L, D, N, threads. Mamba's arguments: softplus, z, D, bias; A = -1 ... -N, softplus of about -3.5.
template <class T>
struct Scan {
  int64_t B, L, D, N;
  int threads;
  Scratch<T> u, delta, z, A, Bt, Ct, skip, bias, out, dout, du, ddelta, dz, dA, dB, dC, dskip, dbias, checkpoints;
  ScanInputs<T> in;
  ScanGradients<T> grad;

  explicit Scan(const benchmark::State& s)
      : B(s.range(0)), L(s.range(1)), D(s.range(2)), N(s.range(3)), threads(static_cast<int>(s.range(4))),
        u(normal<T>(B * L * D)), delta(normal<T>(B * L * D, 1, -3)), z(normal<T>(B * L * D)), A(D * N),
        Bt(normal<T>(B * L * N)), Ct(normal<T>(B * L * N)), skip(normal<T>(D)), bias(normal<T>(D, 0.1, -0.5)),
        out(B * L * D), dout(normal<T>(B * L * D)), du(B * L * D), ddelta(B * L * D), dz(B * L * D), dA(D * N),
        dB(B * L * N), dC(B * L * N), dskip(D), dbias(D) {
    for (int64_t i = 0; i < D * N; ++i) A[i] = static_cast<T>(-1 - i % N);
    in.shape = {B, L, D, 1, N, false, true, false};
    in.u = rows<const T>(u), in.delta = rows<const T>(delta), in.z = rows<const T>(z);
    in.A = {A.data(), 0, N, 1};
    in.Bt = {Bt.data(), false, L * N, N, 0, 0, 1}, in.Ct = {Ct.data(), false, L * N, N, 0, 0, 1};
    in.D = {skip.data(), 1}, in.delta_bias = {bias.data(), 1};
    grad.u = rows<T>(du), grad.delta = rows<T>(ddelta), grad.z = rows<T>(dz);
    grad.A = {dA.data(), 0, N, 1};
    grad.Bt = {dB.data(), false, L * N, N, 0, 0, 1}, grad.Ct = {dC.data(), false, L * N, N, 0, 0, 1};
    grad.D = {dskip.data(), 1}, grad.delta_bias = {dbias.data(), 1};
    checkpoints = Scratch<T>(scan_checkpoint_size(in.shape));
  }
  template <class E>
  Rows<E> rows(Scratch<T>& v) {
    return {v.data(), L * D, D, 1};
  }
  void count(benchmark::State& s) const {
    s.counters["state-steps/s"] = benchmark::Counter(static_cast<double>(B * L * D * N),
                                                     benchmark::Counter::kIsIterationInvariantRate);
  }
};

template <class T>
void scan_forward(benchmark::State& s) {
  Scan<T> scan(s);
  for (auto _ : s) {
    selective_scan_forward<T>(scan.in, scan.template rows<T>(scan.out), {}, scan.checkpoints.data(), scan.threads);
  }
  scan.count(s);
}

template <class T>
void scan_backward(benchmark::State& s) {
  Scan<T> scan(s);
  selective_scan_forward<T>(scan.in, scan.template rows<T>(scan.out), {}, scan.checkpoints.data(), scan.threads);
  for (auto _ : s) {
    selective_scan_backward<T>(scan.in, scan.checkpoints.data(), scan.template rows<const T>(scan.dout), {}, scan.grad,
                               scan.threads);
  }
  scan.count(s);
}

// B, L, D, K, threads.
void conv_forward(benchmark::State& s) {
  const int64_t B = s.range(0), L = s.range(1), D = s.range(2), K = s.range(3);
  Scratch<float> x = normal<float>(B * L * D), weight = normal<float>(D * K), bias = normal<float>(D), y(B * L * D);
  ConvInputs<float> in;
  in.B = B, in.L = L, in.D = D, in.K = K, in.silu = true;
  in.x = {x.data(), L * D, D, 1}, in.weight = {weight.data(), 0, K, 1}, in.bias = bias.data(), in.bias_stride = 1;
  for (auto _ : s) causal_conv1d_forward<float>(in, {y.data(), L * D, D, 1}, {}, static_cast<int>(s.range(4)));
  s.SetBytesProcessed(s.iterations() * 2 * B * L * D * sizeof(float));
}

void shapes(benchmark::internal::Benchmark* b) {
  for (int threads : {1, static_cast<int>(std::thread::hardware_concurrency())}) {
    b->Args({2, 512, 768, 16, threads})->Args({1, 2048, 1536, 16, threads})->Args({4, 196, 192, 1, threads});
  }
  b->Unit(benchmark::kMillisecond)->UseRealTime();
}
void conv_shapes(benchmark::internal::Benchmark* b) {
  for (int threads : {1, static_cast<int>(std::thread::hardware_concurrency())}) b->Args({2, 512, 768, 4, threads});
  b->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK(scan_forward<float>)->Apply(shapes);
BENCHMARK(scan_backward<float>)->Apply(shapes);
BENCHMARK(scan_forward<double>)->Args({2, 512, 768, 16, 1})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(scan_backward<double>)->Args({2, 512, 768, 16, 1})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(conv_forward)->Apply(conv_shapes);

}  // namespace

BENCHMARK_MAIN();
