// Matrix products at the shapes of the models: our kernel beside Eigen, on the same operands.
//
//   bench_gemm --benchmark_filter=f32 --benchmark_enable_random_interleaving --benchmark_repetitions=9
//
// Row "f32/NT/2048x288x96/Tiled": C (2048,288) = A (2048,96) B (96,288). The letters say how A and B lie in memory,
// N as written and T transposed: NT is a linear layer (weights are stored (out, in)), NN its gradient with respect
// to the input, TN the gradient with respect to the weights. Counter: floating point operations per second.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tensor/cpu/gemm.h"

namespace {

using namespace hippograd::cpu;

struct Shape {
  int64_t m, n, k, batch = 1;
};

int threads() {
  if (const char* text = std::getenv("HIPPOGRAD_NUM_THREADS")) return std::max(1, std::atoi(text));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

template <class T>
std::vector<T> random_values(int64_t count) {
  static std::mt19937 rng(1);
  std::uniform_real_distribution<T> uniform(-1, 1);
  std::vector<T> x(static_cast<size_t>(count));
  for (T& v : x) v = uniform(rng);
  return x;
}

template <class T>
void product(benchmark::State& state, Shape s, bool a_transposed, bool b_transposed, GemmKernel kernel) {
  const auto a = random_values<T>(s.batch * s.m * s.k), b = random_values<T>(s.batch * s.k * s.n);
  std::vector<T> c(static_cast<size_t>(s.batch * s.m * s.n));
  GemmArgs<T> args{s.m, s.n, s.k, a.data(), s.k, 1, b.data(), s.n, 1, c.data(), s.n};
  if (a_transposed) args.a_row = 1, args.a_col = s.m;
  if (b_transposed) args.b_row = 1, args.b_col = s.k;
  const int count = threads();
  for (auto _ : state) {
    gemm_batched(args, s.batch, s.m * s.k, s.k * s.n, s.m * s.n, count, kernel);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(s.batch * s.m * s.n * s.k),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

template <class T>
void add(const std::string& dtype, Shape s, const char* layout, GemmKernel kernel) {
  std::string name = dtype + "/" + layout + "/" + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" +
                     std::to_string(s.k);
  if (s.batch > 1) name += "/batch:" + std::to_string(s.batch);
  name += kernel == GemmKernel::Tiled ? "/Tiled" : "/Eigen";
  const bool at = layout[0] == 'T', bt = layout[1] == 'T';
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& st) { product<T>(st, s, at, bt, kernel); })
      ->UseRealTime();
}

template <class T>
void add_all(const std::string& dtype) {
  const Shape layers[] = {{512, 512, 512}, {1536, 1536, 1536}, {8192, 768, 768}, {4096, 384, 96}, {2048, 288, 96},
                          {1024, 96, 96},  {6144, 64, 32},     {128, 96, 96}};
  const Shape batched[] = {{64, 64, 24, 512}, {16, 16, 16, 1024}, {197, 197, 64, 96}};
  for (GemmKernel kernel : {GemmKernel::Tiled, GemmKernel::Eigen}) {
    for (const Shape& s : layers) {
      add<T>(dtype, s, "NT", kernel);                  // Y = X W^T
      add<T>(dtype, {s.m, s.k, s.n}, "NN", kernel);    // dX = dY W
      add<T>(dtype, {s.n, s.k, s.m}, "TN", kernel);    // dW = dY^T X
    }
    for (const Shape& s : batched) {
      add<T>(dtype, s, "NT", kernel);                          // scores Q K^T
      add<T>(dtype, {s.m, s.k, s.n, s.batch}, "NN", kernel);   // weights times V
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  add_all<float>("f32");
  add_all<double>("f64");
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  benchmark::RunSpecifiedBenchmarks();
}
