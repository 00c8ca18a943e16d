#pragma once
// Discrete Fourier transforms along the last dimension. All arrays contiguous; f32 with c64, f64 with c128.
//
//   sign -1: F_kj = exp(-2 pi i j k / n)     sign +1: its conjugate
#include "tensor/kernel.h"

namespace hippograd::kernels {

// x, y (rows, n) complex:   y_k = scale sum_j F_kj x_j
extern constinit Kernel<void(int sign, double scale, CArray x, MArray y)> fft;
// x (rows, n) real, y (rows, n / 2 + 1) complex:   y_k = scale w_k sum_j F_kj x_j
// with w_k = 1, or, if `doubled`, w_k = 2 for every k but 0 and n / 2 (which stands for itself and for n - k).
extern constinit Kernel<void(int sign, double scale, bool doubled, CArray x, MArray y)> rfft;
// x (rows, n / 2 + 1) complex, y (rows, n) real:   y_j = scale Re sum_{k <= n / 2} F_jk w_k x_k.   The adjoint of rfft with -sign.
extern constinit Kernel<void(int sign, double scale, bool doubled, CArray x, MArray y)> irfft;

}  // namespace hippograd::kernels
