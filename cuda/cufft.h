#pragma once
// cuFFT, opened when the first transform on CUDA is asked for: the backend does not link it, and a program that needs no
// transform needs no cuFFT (287 MB). Only what is used is declared, so no header of cuFFT is needed to build either.
#include <cuda_runtime_api.h>

#include <cstdint>

namespace hippograd::cuda {

enum class FftType : int { R2C = 0x2a, C2R = 0x2c, C2C = 0x29, D2Z = 0x6a, Z2D = 0x6c, Z2Z = 0x69 };

// `rows` transforms of length n, one after the other in memory: y_k = sum_j exp(sign 2 pi i j k / n) x_j, not scaled. Real
// input or output (R2C with sign -1, C2R with sign +1): n / 2 + 1 coefficients on the complex side; C2R destroys its input.
// Pointers aligned to a complex element. On the current stream; the plan is made at the first call with (n, rows, type).
void fft_rows(FftType type, int sign, int64_t n, int64_t rows, void* x, void* y);

}  // namespace hippograd::cuda
