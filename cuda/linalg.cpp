// Decompositions (tensor/kernels/linalg.h) on the host: inputs are copied there, the CPU's kernel runs, outputs are copied back.
// These calls wait for the device, and a step that contains one cannot be captured. They stand on no training path: the models
// factorise when they are made (HiPPO's eigenvalues) or for small systems whose elimination is serial anyway.
#include "tensor/kernels/linalg.h"

#include "cuda/runtime.h"

namespace hippograd::cuda {
namespace {

// An argument of the CPU's call.
template <class A> struct OnHost {
  A value;
  explicit OnHost(A a) : value(a) {}
  A get() { return value; }
  void finish() {}
};
template <> struct OnHost<const Array&> {
  Array value;
  explicit OnHost(const Array& a) : value(a.defined() ? a.to(Device{}) : a) {}
  const Array& get() { return value; }
  void finish() {}
};
template <> struct OnHost<Array&> {
  Array& original;
  Array value;
  explicit OnHost(Array& a) : original(a), value(empty(a.shape(), a.dtype())) {}
  Array& get() { return value; }
  void finish() {   // pageable memory is read before the call returns
    const size_t bytes = size_t(value.numel() * itemsize(value.dtype()));
    if (bytes) check(cudaMemcpyAsync(original.raw(), value.raw(), bytes, cudaMemcpyHostToDevice, stream()), "linalg");
  }
};

template <auto& slot, class Signature = std::remove_cvref_t<decltype(slot)>> struct Borrow;
template <auto& slot, class... Args> struct Borrow<slot, Kernel<void(Args...)>> {
  static void run(Args... args) {
    std::tuple<OnHost<Args>...> host{OnHost<Args>(args)...};
    std::apply([](auto&... h) { slot(h.get()...); (h.finish(), ...); }, host);
  }
};

const Bind b0(kernels::lu_factor, DeviceKind::CUDA, Borrow<kernels::lu_factor>::run);
const Bind b1(kernels::lu_solve, DeviceKind::CUDA, Borrow<kernels::lu_solve>::run);
const Bind b2(kernels::cholesky, DeviceKind::CUDA, Borrow<kernels::cholesky>::run);
const Bind b3(kernels::solve_triangular, DeviceKind::CUDA, Borrow<kernels::solve_triangular>::run);
const Bind b4(kernels::qr, DeviceKind::CUDA, Borrow<kernels::qr>::run);
const Bind b5(kernels::eigh, DeviceKind::CUDA, Borrow<kernels::eigh>::run);
const Bind b6(kernels::eig, DeviceKind::CUDA, Borrow<kernels::eig>::run);
const Bind b7(kernels::svd, DeviceKind::CUDA, Borrow<kernels::svd>::run);

}  // namespace
}  // namespace hippograd::cuda
