#pragma once
// Tensors in classes bound by pybind11: a Tensor argument or result is the same object that Python holds; None is undefined.
#include "bindings/python.h"

namespace pybind11::detail {
template <> struct type_caster<hippograd::Tensor> {
  PYBIND11_TYPE_CASTER(hippograd::Tensor, const_name("hippograd.Tensor"));
  bool load(handle source, bool) {
    if (source.is_none()) return true;
    if (!hippograd::python::is_tensor(source.ptr())) return false;
    value = hippograd::python::as_tensor(source.ptr());
    return true;
  }
  static handle cast(const hippograd::Tensor& t, return_value_policy, handle) { return hippograd::python::wrap(t); }
};
}  // namespace pybind11::detail
