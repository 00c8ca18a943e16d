#pragma once
// Copying, casting, filling. Any strides; shapes equal (expand first).
#include "tensor/kernel.h"

namespace hippograd::kernels {

// y = x, converted to y's dtype (PyTorch's rules: float -> integer truncates, any -> bool is x != 0, complex -> real drops
// the imaginary part). Both on one device.
extern constinit Kernel<void(CArray x, MArray y)> copy;
// y = value (re + i im), converted to y's dtype.
extern constinit Kernel<void(double re, double im, MArray y)> fill;
// y_i = start + i * step, contiguous y; integers in integer arithmetic.
extern constinit Kernel<void(double start, double step, MArray y)> arange;
// y += x, where y may overlap itself (expanded or windowed views): every element of x is added, in order.
extern constinit Kernel<void(CArray x, MArray y)> accumulate;
// count (i64, 0-dim) = number of NaN in x (floating or complex).
extern constinit Kernel<void(CArray x, MArray count)> count_nan;

}  // namespace hippograd::kernels
