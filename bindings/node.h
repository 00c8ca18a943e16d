#pragma once
// Nodes of the graph as Python sees them, and the slots of Tensor that other files fill.
#include "bindings/python.h"

namespace hippograd::python {

py::object grad_fn(const Tensor& t);                        // None for a leaf
PyObject* get_item(PyObject* self, PyObject* index);
int set_item(PyObject* self, PyObject* index, PyObject* value);
Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype, Device device);   // torch.tensor's rules
Tensor from_numpy(PyObject* array, bool copy);              // undefined if it is no NumPy array
bool is_numpy_array(PyObject* o);
bool is_cuda_array(PyObject* o);                            // has __cuda_array_interface__
Tensor from_cuda_array(py::object source);                  // shares its memory
bool is_numpy_scalar(PyObject* o);

}  // namespace hippograd::python
