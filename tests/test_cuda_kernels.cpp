// Every op of the table once per sample and dtype on a CUDA device, forward and backward, on tiny shapes and nothing else: short
// enough for compute-sanitizer.
//
//   HIPPOGRAD_ALLOC=plain compute-sanitizer --tool memcheck build/tests/test_cuda_kernels
//
// `plain`: one cudaMalloc per tensor, else the pool hides errors. Values are compared elsewhere (test_cuda_ops).
#include <gtest/gtest.h>

#include "autograd/check.h"
#include "tensor/backend.h"

using namespace hippograd;

namespace {

Tensors drawn(const Sample& s, DType t, Device d, Generator& g) {
  Tensors x;
  for (const Input& i : s.inputs) {
    if (i.kind == Input::Absent) {
      x.push_back({});
      continue;
    }
    Tensor in(i.make(t, g).to(d));
    if (is_floating(in.dtype())) in.set_requires_grad();
    x.push_back(in);
  }
  return x;
}

void run(const OpEntry& op, const Sample& s, DType t, Device d) {
  Generator g(1);
  Tensors x = drawn(s, t, d, g);
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i].defined() && i < op.differentiable.size() && !op.differentiable[i]) x[i] = x[i].detach();
  Tensors roots, dys;
  for (const Tensor& y : s.run(x))
    if (y.defined() && y.requires_grad()) {
      roots.push_back(y);
      dys.push_back(Tensor(rand_normal(y.shape(), 0, 1, y.dtype(), g).to(d)));
    }
  if (!roots.empty()) backward(roots, dys);
}

TEST(CudaKernels, EveryOpRuns) {
  const Device d{DeviceKind::CUDA};
  if (const std::string why = why_unavailable(d.kind); !why.empty()) GTEST_SKIP() << why;
  for (const OpEntry& op : op_table())
    for (const Sample& s : op.samples())
      for (DType t : op.dtypes) EXPECT_NO_THROW(run(op, s, t, d)) << op.name << " " << name(t);
  runtime(d.kind).synchronize(d);
}

}  // namespace
