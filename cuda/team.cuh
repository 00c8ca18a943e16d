#pragma once
// Rows that stay in registers. A team of threads shares a row (R, C): each thread holds K of its elements, in packs of V that
// are read with one access, at columns V (p size + rank). So every element crosses the memory bus once in and once out, however
// often the kernel goes over the row; the team's next row is loaded while this one is worked on.
//
//   C <= 1024   a warp; joins are shuffles
//   longer      a block of up to 1024 threads (512 where more registers are needed) that hold 64 bytes each
//   longest     a cluster of 2 or 4 such blocks on neighbouring SMs, which join through each other's shared memory (device 9.0)
// Other rows (longer ones, or not made of whole packs) are left to kernels that read them again from the caches.
#include <cooperative_groups.h>
#include <cuda_pipeline_primitives.h>

#include <optional>

#include "cuda/rows.cuh"

namespace hippograd::cuda {

template <bool kWarp, bool kCluster> struct Team {
  static constexpr int kMaxBlocks = 4;
  int rank, size;              // of this thread, within the team
  int64_t id, count;           // of this team
  unsigned phase = 0;

  HIPPOGRAD_DEVICE Team() {
    if constexpr (kWarp) {
      const int per_block = int(blockDim.x) / 32;
      rank = int(threadIdx.x) % 32, size = 32;
      id = int64_t(blockIdx.x) * per_block + int(threadIdx.x) / 32, count = int64_t(gridDim.x) * per_block;
    } else if constexpr (!kCluster) {
      rank = int(threadIdx.x), size = int(blockDim.x);
      id = blockIdx.x, count = gridDim.x;
    } else {
#if __CUDA_ARCH__ >= 900
      const auto cluster = cooperative_groups::this_cluster();
      const int blocks = int(cluster.num_blocks());
      rank = int(cluster.block_rank() * blockDim.x + threadIdx.x), size = blocks * int(blockDim.x);
      id = blockIdx.x / blocks, count = gridDim.x / blocks;
      cluster.sync();   // the others' shared memory exists from here on
#endif
    }
  }

  // Every thread of the team gets the joined value; the tree is fixed. All threads call it equally often. Two buffers: who
  // writes one for the second time knows that everybody has passed the join between.
  template <class X, class Join> HIPPOGRAD_DEVICE X join(X x, X neutral, Join op) { return join_warps(warp_join(x, op), neutral, op); }
  // x is already the same in a whole warp.
  template <class X, class Join> HIPPOGRAD_DEVICE X join_warps(X x, X neutral, Join op) {
    if constexpr (!kWarp) {
      static_assert(sizeof(X) <= 16);
      __shared__ alignas(16) unsigned char scratch[2][32 * (kCluster ? kMaxBlocks : 1)][16];
      X* slots = reinterpret_cast<X*>(scratch[phase]);
      phase ^= 1;
      const int lane = int(threadIdx.x) & 31, warp = int(threadIdx.x) >> 5, warps = int(blockDim.x) >> 5;
      int total = warps;
      if constexpr (kCluster) {
#if __CUDA_ARCH__ >= 900
        const auto cluster = cooperative_groups::this_cluster();
        const int blocks = int(cluster.num_blocks());
        total = warps * blocks;
        if (lane < blocks) cluster.map_shared_rank(slots, lane)[int(cluster.block_rank()) * warps + warp] = x;
        cluster.sync();
#endif
      } else {
        if (lane == 0) slots[warp] = x;
        __syncthreads();
      }
      x = neutral;
      for (int i = lane; i < total; i += 32) x = op(x, slots[i]);
      x = warp_join(x, op);
    }
    return x;
  }
};

// The K elements of one row that a thread holds, in packs of V.
template <class T, int K, int V = kPack<T>> struct Held {
  using A = compute_t<T>;
  static constexpr int kV = V, P = K / V;
  Pack<T, V> pack[P];

  template <class AnyTeam> static HIPPOGRAD_DEVICE int column(const AnyTeam& team, int p) { return (p * team.size + team.rank) * V; }
  HIPPOGRAD_DEVICE void clear() {
#pragma unroll
    for (int p = 0; p < P; ++p)
#pragma unroll
      for (int j = 0; j < V; ++j) pack[p].v[j] = T{};
  }
  // Packs beyond the row keep what they have.
  template <class AnyTeam> HIPPOGRAD_DEVICE void read(const T* row, int n, const AnyTeam& team) {
#pragma unroll
    for (int p = 0; p < P; ++p)
      if (column(team, p) < n) pack[p] = *reinterpret_cast<const Pack<T, V>*>(row + column(team, p));
  }
  HIPPOGRAD_DEVICE A value(int p, int j) const { return load(pack[p].v[j]); }
  // The compiler shall convert the packs anew from here on, not keep their values in as many registers again.
  HIPPOGRAD_DEVICE void forget() {
    if constexpr (!std::is_same_v<T, A>) {
#pragma unroll
      for (int p = 0; p < P; ++p) {
        if constexpr (sizeof(T) * V == 16) {
          uint4& w = *reinterpret_cast<uint4*>(&pack[p]);
          asm volatile("" : "+r"(w.x), "+r"(w.y), "+r"(w.z), "+r"(w.w));
        }
      }
    }
  }
};

// Waits for this thread's asynchronous copies but the `newest` groups; what they brought is read after it.
template <int newest> HIPPOGRAD_DEVICE void wait_for_copies() {
  __pipeline_wait_prior(newest);
  asm volatile("" ::: "memory");
}

// The row after this one. Warps have it loaded into registers; in blocks it comes to shared memory by asynchronous copies, each
// thread to its own place, so that nobody waits for anybody else.
template <class T, int K, int V, bool kWarp> struct NextRow {
  using Row = Held<T, K, V>;
  static constexpr size_t kBytesPerThread = kWarp ? 0 : Row::P * 16;
  Row row;
  Pack<T, V>* mine;

  HIPPOGRAD_DEVICE explicit NextRow(unsigned char* memory) : mine(reinterpret_cast<Pack<T, V>*>(memory) + threadIdx.x) {
    row.clear();
    if constexpr (!kWarp)
#pragma unroll
      for (int p = 0; p < Row::P; ++p) mine[p * blockDim.x] = Pack<T, V>{};   // 0 beyond the row
  }
  template <class AnyTeam> HIPPOGRAD_DEVICE void fetch(const T* from, int n, const AnyTeam& team) {
    if constexpr (kWarp) {
      row.read(from, n, team);
    } else {
#pragma unroll
      for (int p = 0; p < Row::P; ++p)
        if (Row::column(team, p) < n) __pipeline_memcpy_async(&mine[p * blockDim.x], from + Row::column(team, p), 16);
      __pipeline_commit();
    }
  }
  HIPPOGRAD_DEVICE void get(Row& now) {
    if constexpr (kWarp) {
      now = row;
    } else {
      wait_for_copies<0>();
#pragma unroll
      for (int p = 0; p < Row::P; ++p) now.pack[p] = mine[p * blockDim.x];
    }
  }
};

// ---- launching ----

struct TeamPlan {
  int held;          // K
  bool packed;       // packs of 16 bytes; else of one element
  bool warp;
  int threads;       // of a block
  int cluster;       // blocks of a team; 1: no cluster
  unsigned blocks;
  int64_t teams() const { return warp ? int64_t(blocks) * (threads / 32) : blocks / cluster; }
};

// What a thread of a block holds of a row.
template <class T> inline constexpr int kBlockHeld = 64 / int(sizeof(T));

// How to hold rows of n elements, if they can be held: `most` threads per block. Rows that are not made
// of whole packs are held by warps only.
template <class T> std::optional<TeamPlan> team_plan(int64_t n, int most, bool aligned, int64_t longest_of_warp = 1024) {
  const bool packed = aligned && n % kPack<T> == 0;
  if (n == 0 || (!packed && n > longest_of_warp)) return {};
  if (n <= longest_of_warp) return TeamPlan{n <= 256 ? 8 : n <= 768 ? 24 : 32, packed, true, 128, 1, 0};
  constexpr int held = kBlockHeld<T>;
  int cluster = 1;
  while (cluster < 8 && int64_t(most) * held * cluster < n) cluster *= 2;
  if (cluster > 4 || (cluster > 1 && properties().major < 9)) return {};
  const int64_t each = (n + held * cluster - 1) / (held * cluster);
  const int threads = int((each + 31) / 32 * 32);
  return TeamPlan{held, true, false, threads < 64 ? 64 : threads, cluster, 0};
}

// Blocks for kernels whose results do not depend on their number: as many as run at once, each going through several rows.
// `threads`: how many threads of the kernel an SM can hold. Clusters of 4 leave a tenth of the SMs over.
inline void spread(TeamPlan& plan, int64_t rows, int threads = 1024) {
  if (plan.warp) {
    plan.blocks = blocks_for(rows, plan.threads / 32);
    return;
  }
  int64_t at_once = int64_t(sm_count()) * (plan.threads < threads ? threads / plan.threads : 1) / plan.cluster;
  if (plan.cluster == 4) at_once = at_once * 10 / 11;
  plan.blocks = unsigned(rows < at_once ? rows : at_once) * unsigned(plan.cluster);
}

// f<K, V, kWarp, kCluster>() for the plan. kAnyRow: also rows that are not made of whole packs. kMost: the greatest K.
template <class T, bool kAnyRow = true, int kMost = 32, class F> void by_plan(const TeamPlan& plan, F&& f) {
  constexpr int V = kPack<T>, held = kBlockHeld<T>;
  if (!plan.warp) return plan.cluster > 1 ? f.template operator()<held, V, false, true>() : f.template operator()<held, V, false, false>();
  if (plan.packed) {
    if (plan.held == 8) return f.template operator()<8, V, true, false>();
    if (plan.held == 24) return f.template operator()<24, V, true, false>();
    if constexpr (kMost == 32) return f.template operator()<32, V, true, false>();
  }
  if constexpr (kAnyRow) {
    if (plan.held == 8) return f.template operator()<8, 1, true, false>();
    if (plan.held == 24) return f.template operator()<24, 1, true, false>();
    f.template operator()<32, 1, true, false>();
  }
}

template <class... P, class... A>
void launch_teams(const char* name, const TeamPlan& plan, void (*kernel)(P...), size_t shared, A&&... arguments) {
  note_launch(reinterpret_cast<const void*>(kernel));
  // 48 KiB are free to all, static memory included.
  if (shared > 32 * 1024) check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)), name);
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {unsigned(plan.cluster), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = plan.blocks;
  config.blockDim = unsigned(plan.threads);
  config.dynamicSmemBytes = shared;
  config.stream = stream();
  config.attrs = &cluster;
  config.numAttrs = plan.cluster > 1 ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...), name);
}

}  // namespace hippograd::cuda
