#pragma once
// Threads of the CPU kernels. Work is split by shape, never by thread count, so results have the same bits for any number
// of threads.
//
// All parallel loops run on one small pool of our own. The tasks of a loop are dealt out as one range per thread; who has
// finished his own takes from the end of the others'. The caller works too, and waits only for tasks that somebody has
// begun: on a busy machine a thread that does not get a core costs nothing, where a barrier would wait for it. Threads look
// out for the next loop for some microseconds (a training step has one every few dozen), then sleep.
#include <cstdint>
#include <type_traits>

namespace hippograd {

int num_threads();             // HIPPOGRAD_NUM_THREADS, else the cores this process may use
void set_num_threads(int n);   // ValueError unless n >= 1
bool in_parallel();            // inside a parallel loop already (then inner loops stay serial)

namespace detail {
using TaskRange = void (*)(void* context, int64_t begin, int64_t end, int slot);
void run_parallel(int64_t tasks, int threads, TaskRange body, void* context);
}  // namespace detail

// f(i, slot) for i in [0, tasks) by at most `threads` threads; 0 <= slot < threads tells the threads of one loop apart (for
// workspaces). Within a parallel loop, or while another thread of the program has the pool: on this thread, with slot 0.
// If f throws, the tasks not yet begun are dropped, and the first exception is thrown here once all threads have left.
template <class F> void parallel_tasks(int64_t tasks, int threads, F&& f) {
  if (tasks <= 1 || threads <= 1) {
    for (int64_t i = 0; i < tasks; ++i) f(i, 0);
    return;
  }
  using Function = std::remove_reference_t<F>;
  detail::run_parallel(tasks, threads, [](void* context, int64_t begin, int64_t end, int slot) {
    Function& g = *static_cast<Function*>(context);
    for (int64_t i = begin; i < end; ++i) g(i, slot);
  }, const_cast<void*>(static_cast<const void*>(&f)));
}

// f(i) for i in [0, tasks), spread over threads if `cost` (roughly nanoseconds of total work) pays for waking them.
template <class F> void parallel_for(int64_t tasks, double cost, F&& f) {
  parallel_tasks(tasks, cost < 20000 ? 1 : num_threads(), [&](int64_t i, int) { f(i); });
}

}  // namespace hippograd
