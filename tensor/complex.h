#pragma once
// Complex<R>: std::complex, except under the CUDA compiler. There the operators of std::complex are host code whose device
// version loses the imaginary part; the toolkit's own type has the same layout and the same interface.
#ifdef __CUDACC__
#include <cuda/std/complex>
#else
#include <complex>
#endif

namespace hippograd {
#ifdef __CUDACC__
template <class R> using Complex = ::cuda::std::complex<R>;
#else
template <class R> using Complex = std::complex<R>;
#endif
}  // namespace hippograd
