#pragma once
// Threads of the CPU kernels. Work is split by shape, never by thread count, so results have the same bits for any number
// of threads. Our own count is passed to OpenMP, since other libraries in the process may change libgomp's.
#include <cstdint>

namespace hippograd {

int num_threads();             // HIPPOGRAD_NUM_THREADS, else the cores this process may use
void set_num_threads(int n);   // ValueError unless n >= 1
bool in_parallel();            // inside a parallel region already (then loops stay serial)

// f(i) for i in [0, tasks), spread over threads if `cost` (roughly nanoseconds of total work) pays for waking them.
// f must not throw.
template <class F> void parallel_for(int64_t tasks, double cost, F&& f) {
  const int n = int(tasks < num_threads() ? tasks : num_threads());
  if (n <= 1 || cost < 20000 || in_parallel()) {
    for (int64_t i = 0; i < tasks; ++i) f(i);
    return;
  }
#pragma omp parallel for num_threads(n) schedule(static)
  for (int64_t i = 0; i < tasks; ++i) f(i);
}

}  // namespace hippograd
