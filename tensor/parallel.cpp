#include "tensor/parallel.h"

#include <omp.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>

#include "tensor/error.h"

namespace hippograd {
namespace {
int initial_threads() {
  if (const char* text = std::getenv("HIPPOGRAD_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1) return n;
  }
  return omp_get_num_procs();
}
std::atomic<int> g_threads{0};

// A forked child inherits libgomp's idea of a pool whose threads do not exist and would hang in the next region: give the
// pool back before every fork.
[[maybe_unused]] const int g_fork_guard =
    pthread_atfork([] { if (!omp_in_parallel()) omp_pause_resource_all(omp_pause_hard); }, nullptr, nullptr);
}  // namespace

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) g_threads = n = initial_threads();
  return n;
}
void set_num_threads(int n) {
  if (n < 1) fail<ValueError>("set_num_threads: expected a positive integer, got ", n);
  g_threads = n;
}
bool in_parallel() { return omp_in_parallel(); }

}  // namespace hippograd
