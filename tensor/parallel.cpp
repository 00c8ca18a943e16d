#include "tensor/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "tensor/error.h"

namespace hippograd {
namespace {

constexpr int kMaxThreads = 256;
constexpr int64_t kUnitsPerThread = 64;                 // pieces of a loop, at most: what one thread can take from another
constexpr std::chrono::microseconds kLookOut{50};       // before a thread without work goes to sleep

thread_local bool t_inside = false;                     // this thread is at work in a parallel loop

void pause_core() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits until word != old: awake at first, then asleep.
void await_change(std::atomic<uint32_t>& word, uint32_t old) {
  const auto end = std::chrono::steady_clock::now() + kLookOut;
  do {
    for (int i = 0; i < 32; ++i) {
      if (word.load(std::memory_order_acquire) != old) return;
      pause_core();
    }
  } while (std::chrono::steady_clock::now() < end);
  word.wait(old, std::memory_order_acquire);
}

class Pool {
 public:
  // False if another thread has the pool.
  bool run(int64_t tasks, int threads, detail::TaskRange body, void* context) {
    const std::unique_lock lock(caller_, std::try_to_lock);
    if (!lock) return false;
    threads = hire(threads);
    tasks_ = tasks, body_ = body, context_ = context, threads_ = threads, error_ = nullptr;
    units_ = std::min(tasks, kUnitsPerThread * threads);
    for (int s = 0; s < threads; ++s) seats_[s].units = pack(uint32_t(units_ * s / threads), uint32_t(units_ * (s + 1) / threads));
    door_.store(kOpen);
    for (int s = 1; s < threads; ++s) {
      seats_[s].calls.fetch_add(1);
      seats_[s].calls.notify_one();
    }
    work(0);
    uint32_t inside = door_.fetch_and(~kOpen) & ~kOpen;  // nobody enters any more; wait for those who have
    while (inside != 0) {
      await_change(door_, inside);
      inside = door_.load();
    }
    if (error_) std::rethrow_exception(error_);
    return true;
  }

 private:
  // Units [first, last) of a loop that nobody has begun, in one word.
  static uint64_t pack(uint32_t first, uint32_t last) { return uint64_t(last) << 32 | first; }
  struct alignas(64) Seat {
    std::atomic<uint64_t> units{0};
    std::atomic<uint32_t> calls{0};                      // grows whenever this seat's thread is wanted

    // One unit from the front (its owner) or from the back (others), if any is left.
    bool take(bool front, uint32_t& unit) {
      uint64_t now = units.load();
      while (uint32_t(now) < uint32_t(now >> 32)) {
        const uint64_t next = front ? now + 1 : now - (uint64_t(1) << 32);
        if (!units.compare_exchange_weak(now, next)) continue;
        unit = front ? uint32_t(now) : uint32_t(next >> 32);
        return true;
      }
      return false;
    }
  };
  static constexpr uint32_t kOpen = uint32_t(1) << 31;

  void work(int slot) {
    t_inside = true;
    const int64_t share = tasks_ / units_, rest = tasks_ % units_;   // the first `rest` units have one task more
    uint32_t u;
    for (int k = 0; k < threads_; ++k)
      while (seats_[(slot + k) % threads_].take(k == 0, u)) {
        const int64_t begin = u * share + std::min<int64_t>(u, rest);
        try {
          body_(context_, begin, begin + share + (u < rest), slot);
        } catch (...) {
          give_up(std::current_exception());
        }
      }
    t_inside = false;
  }
  void give_up(std::exception_ptr error) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
    for (int s = 0; s < threads_; ++s) seats_[s].units = 0;
  }

  // The life of a thread: called, it enters if the door is (still, or again) open.
  void serve(int slot) {
    for (uint32_t seen = 0;;) {
      await_change(seats_[slot].calls, seen);
      seen = seats_[slot].calls.load();
      uint32_t inside = door_.load();
      while ((inside & kOpen) && !door_.compare_exchange_weak(inside, inside + 1)) {}
      if (!(inside & kOpen)) continue;
      if (slot < threads_) work(slot);                   // a late call may meet a loop of fewer threads
      if (door_.fetch_sub(1) == 1) door_.notify_one();   // the last to leave a closed room
    }
  }

  // As many threads as wanted, or as the system gives. They take no signals, and end with the process.
  int hire(int wanted) {
    wanted = std::min(wanted, kMaxThreads);
    sigset_t all, before;
    sigfillset(&all);
    if (hired_ < wanted) pthread_sigmask(SIG_SETMASK, &all, &before);
    else return wanted;
    try {
      for (; hired_ < wanted; ++hired_) std::thread([this, slot = hired_] { serve(slot); }).detach();
    } catch (const std::system_error&) {}
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return hired_;
  }

  std::mutex caller_, error_mutex_;
  std::unique_ptr<Seat[]> seats_{new Seat[kMaxThreads]};
  alignas(64) std::atomic<uint32_t> door_{0};            // kOpen + the number of threads inside, the caller not counted
  int hired_ = 1;                                        // the caller has seat 0

  // The running loop; written by the caller while the door is shut and the room empty.
  int64_t tasks_ = 0, units_ = 0;
  int threads_ = 0;
  detail::TaskRange body_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
};

// Never destroyed: its threads may outlive static objects. A forked child has none of the threads and starts a pool of its own.
std::atomic<Pool*> g_pool{nullptr};
[[maybe_unused]] const int g_fork_guard = pthread_atfork(nullptr, nullptr, [] { g_pool = nullptr; });

Pool& pool() {
  Pool* p = g_pool;
  if (!p) {
    auto fresh = std::make_unique<Pool>();
    if (g_pool.compare_exchange_strong(p, fresh.get())) p = fresh.release();
  }
  return *p;
}

int initial_threads() {
  if (const char* text = std::getenv("HIPPOGRAD_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1) return n;
  }
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return int(std::max(1u, std::thread::hardware_concurrency()));
}
std::atomic<int> g_threads{0};

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
bool in_parallel() { return t_inside; }

void detail::run_parallel(int64_t tasks, int threads, TaskRange body, void* context) {
  const int team = int(std::min<int64_t>(tasks, threads));
  if (t_inside || !pool().run(tasks, team, body, context)) body(context, 0, tasks, 0);
}

}  // namespace hippograd
