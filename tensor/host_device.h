#pragma once
// HD marks functions that run on both sides, host and device. A shared header needs no other test of the compiler but for its device library.
#ifdef __CUDACC__
#define HD __host__ __device__
#else
#define HD
#endif
