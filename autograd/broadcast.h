#pragma once
// What elementwise functions do before their op: promote to one dtype and stretch to one shape, both recorded, so that a
// gradient returns in its input's dtype and shape. The ops themselves take equal shapes and dtypes.
#include <string_view>

#include "autograd/ops.h"

namespace hippograd {

// PyTorch's promotion in three ranks: tensors with dimensions, 0-dim tensors, Python numbers (Tensor::number). A lower rank
// counts only where its category (bool < integer < real < complex) is higher. Undefined tensors are ignored.
DType result_type(const Tensors& inputs);

// The inputs in their result type and in the shape they broadcast to, on one device. Undefined tensors stay undefined.
Tensors broadcast(std::string_view op, Tensors inputs);
// The same with the dtype given; numbers become 0-dim tensors that are then stretched without a copy.
Tensors broadcast_as(std::string_view op, Tensors inputs, DType dtype);
// Shapes only.
Tensors broadcast_tensors(std::string_view op, Tensors inputs);

// dy summed down to `shape`, which broadcasts to dy's: the adjoint of `expand`.
Tensor sum_to(const Tensor& dy, const Shape& shape);

}  // namespace hippograd
