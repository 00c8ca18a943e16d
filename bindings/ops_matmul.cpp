// Products of matrices, convolutions.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

Tensor tensordot_any(const Tensor& a, const Tensor& b, py::object dims) {
  static Definition named;
  if (named.name.empty()) named.name = "tensordot", named.parameters = {{"dims"}};
  const Where w{named, 0};
  if (is_integer(dims.ptr())) return tensordot(a, b, integer(dims.ptr(), w));
  const py::tuple both = py::reinterpret_steal<py::tuple>(PySequence_Tuple(dims.ptr()));
  if (!both || both.size() != 2) wrong_type(w, "int or a pair of lists of ints", dims.ptr());
  return tensordot(a, b, sizes(both[0].ptr(), w), sizes(both[1].ptr(), w));
}
// einsum(equation, a, b, ...) or einsum(equation, [a, b, ...])
Tensor einsum_any(std::string_view equation, py::object operands) {
  static Definition named;
  if (named.name.empty()) named.name = "einsum", named.parameters = {{"operands"}};
  return einsum(equation, tensor_list(operands.ptr(), {named, 0}));
}
template <auto f, int rank>
Tensor convolve(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, py::object padding, const Shape& dilation, int64_t groups) {
  static Definition named;
  if (named.name.empty()) named.name = "conv" + std::to_string(rank) + "d", named.parameters = {{"padding"}};
  if (PyUnicode_Check(padding.ptr())) return convolution(input, weight, bias, stride, From<std::string_view>::get(padding.ptr(), {named, 0}), dilation, groups);
  return f(input, weight, bias, stride, sizes(padding.ptr(), {named, 0}), dilation, groups);
}
template <auto f>
Tensor convolve_transposed(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding,
                           const Shape& output_padding, int64_t groups, const Shape& dilation) {
  return f(input, weight, bias, stride, padding, output_padding, groups, dilation);
}
}  // namespace

void bind_matmul() {
  def("matmul(input, other)", matmul);
  def("mm(input, mat2)", mm);
  def("bmm(input, mat2)", bmm);
  def("mv(input, vec)", mv);
  def("dot(input, tensor)", dot);
  def("vdot(input, other)", vdot);
  def("inner(input, other)", inner);
  def("outer(input, vec2)", outer);
  another_name("outer", {"ger"});
  def_function("linear(input, weight, bias=None)", linear);
  def("addmm(input, mat1, mat2, *, beta=1, alpha=1)", addmm);
  def("addmv(input, mat, vec, *, beta=1, alpha=1)", addmv);
  def("addr(input, vec1, vec2, *, beta=1, alpha=1)", addr);
  def("addbmm(input, batch1, batch2, *, beta=1, alpha=1)", addbmm);
  def("baddbmm(input, batch1, batch2, *, beta=1, alpha=1)", baddbmm);
  in_place_twins({"addmm", "addmv", "addr", "addbmm", "baddbmm"});
  def_function("_einsum(equation, operands)", einsum_any);
  def_function("tensordot(a, b, dims=2)", tensordot_any);
  def("kron(input, other)", kron);
  def_function("_multi_dot(tensors)", multi_dot);

  def_function("conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", convolve<conv1d, 1>);
  def_function("conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", convolve<conv2d, 2>);
  def_function("conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", convolve<conv3d, 3>);
  def_function("conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)",
               convolve_transposed<conv_transpose1d>);
  def_function("conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)",
               convolve_transposed<conv_transpose2d>);
  def_function("im2col(input, kernel_size, dilation=1, padding=0, stride=1)", im2col);
  def_function("col2im(input, output_size, kernel_size, dilation=1, padding=0, stride=1)", col2im);
}

}  // namespace hippograd::python
