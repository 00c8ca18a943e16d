// Safetensors files, and the optimizers' kernels.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"
#include "tensor/kernels/optim.h"
#include "tensor/safetensors.h"

namespace hippograd::python {
namespace {

py::object file_contents(const TensorFile& file) {
  py::list items;
  for (const auto& [name, array] : file.tensors) items.append(py::make_tuple(name, py::reinterpret_steal<py::object>(wrap(Tensor(array)))));
  py::dict metadata;
  for (const auto& [key, value] : file.metadata) metadata[py::str(key)] = value;
  return py::make_tuple(items, metadata);
}
void save(std::string path, py::object items, py::object metadata) {
  std::vector<std::pair<std::string, Array>> tensors;
  for (const py::handle item : items) {
    const py::tuple pair = py::reinterpret_borrow<py::tuple>(item);
    if (!is_tensor(py::object(pair[1]).ptr())) raise(PyExc_TypeError, "save: expected pairs of name and Tensor");
    tensors.emplace_back(pair[0].cast<std::string>(), as_tensor(py::object(pair[1]).ptr()).array());
  }
  std::map<std::string, std::string> texts;
  for (const auto& [key, value] : py::cast<py::dict>(metadata)) texts[key.cast<std::string>()] = value.cast<std::string>();
  py::gil_scoped_release unlocked;
  save_safetensors(path, tensors, texts);
}
}  // namespace

void bind_files() {
  def_function("_save_safetensors(path, tensors, metadata)", save);
  def_function("_load_safetensors(path)", [](std::string path) -> py::object { return file_contents(load_safetensors(path)); });
  def_function("_parse_safetensors(data, path)", [](py::object data, std::string path) -> py::object {
    char* bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data.ptr(), &bytes, &size) < 0) throw py::error_already_set();
    return file_contents(parse_safetensors(bytes, size_t(size), path));
  });
}

}  // namespace hippograd::python
