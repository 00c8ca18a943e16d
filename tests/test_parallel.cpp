// The pool behind every parallel loop (tensor/parallel.h).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace {

TEST(Parallel, EveryTaskRunsOnce) {
  for (int64_t tasks : {0, 1, 2, 3, 63, 64, 65, 1000, 100003})
    for (int threads : {1, 2, 3, 7}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::atomic<bool> slots_fit{true};
      parallel_tasks(tasks, threads, [&](int64_t i, int slot) {
        ++runs[static_cast<size_t>(i)];
        if (slot < 0 || slot >= threads) slots_fit = false;
      });
      for (const auto& count : runs) ASSERT_EQ(count, 1) << tasks << " tasks, " << threads << " threads";
      EXPECT_TRUE(slots_fit);
    }
}

TEST(Parallel, ASlotIsOneThreadAtATime) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> sums(kThreads * 16);   // not atomic: a race would lose counts (and thread sanitizer would tell)
    parallel_tasks(5000, kThreads, [&](int64_t, int slot) { ++sums[static_cast<size_t>(slot) * 16]; });
    int64_t total = 0;
    for (int64_t s : sums) total += s;
    ASSERT_EQ(total, 5000);
  }
}

TEST(Parallel, ManySmallLoopsOfChangingSize) {
  int64_t total = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<int64_t> parts(static_cast<size_t>(2 + round % 5));
    parallel_tasks(static_cast<int64_t>(parts.size()), 2 + round % 3, [&](int64_t i, int) { parts[static_cast<size_t>(i)] = i + 1; });
    for (int64_t p : parts) total += p;
  }
  EXPECT_EQ(total, 4000 * (3 + 6 + 10 + 15 + 21));
}

TEST(Parallel, InnerLoopsStayOnTheirThread) {
  std::atomic<int64_t> inner{0};
  std::atomic<bool> quiet{true};
  EXPECT_FALSE(in_parallel());
  parallel_tasks(8, 4, [&](int64_t, int) {
    const auto me = std::this_thread::get_id();
    if (!in_parallel()) quiet = false;
    parallel_tasks(10, 4, [&](int64_t, int slot) {
      ++inner;
      if (slot != 0 || std::this_thread::get_id() != me) quiet = false;
    });
    if (!in_parallel()) quiet = false;
  });
  EXPECT_FALSE(in_parallel());
  EXPECT_EQ(inner, 80);
  EXPECT_TRUE(quiet);
}

TEST(Parallel, SeveralCallersAtOnce) {
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) parallel_tasks(37, 3, [&](int64_t i, int) { total += i; });
    });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(total, 4 * 500 * (36 * 37 / 2));
}

TEST(Parallel, TheFirstExceptionReachesTheCaller) {
  for (int threads : {1, 2, 4}) {
    EXPECT_THROW(parallel_tasks(1000, threads, [](int64_t i, int) { if (i % 100 == 99) throw std::runtime_error("task"); }), std::runtime_error);
    EXPECT_FALSE(in_parallel());
    std::atomic<int> after{0};
    parallel_tasks(100, threads, [&](int64_t, int) { ++after; });
    EXPECT_EQ(after, 100);
  }
}

TEST(Parallel, AForkedChildHasItsOwnThreads) {
  parallel_tasks(100, 4, [](int64_t, int) {});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::atomic<int> runs{0};
    parallel_tasks(1000, 4, [&](int64_t, int) { ++runs; });
    _exit(runs == 1000 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Parallel, ThreadCount) {
  const int before = num_threads();
  set_num_threads(3);
  EXPECT_EQ(num_threads(), 3);
  EXPECT_THROW(set_num_threads(0), ValueError);
  set_num_threads(before);
}

}  // namespace
}  // namespace hippograd
