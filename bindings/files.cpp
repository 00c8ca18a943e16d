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

// One Adam step over many parameters of one dtype, in place.
void adam_step(const Tensors& params, const Tensors& grads, const Tensors& m, const Tensors& v, double lr, int64_t step, double beta1,
               double beta2, double eps, double weight_decay, bool decoupled) {
  if (grads.size() != params.size() || m.size() != params.size() || v.size() != params.size())
    fail<ValueError>("_adam_step: got ", params.size(), " parameters, ", grads.size(), " gradients, ", m.size(), " and ", v.size(), " moments");
  std::vector<AdamTensors> list;
  for (size_t i = 0; i < params.size(); ++i)
    list.push_back({params[i].array(), grads[i].array().contiguous(), m[i].array(), v[i].array()});
  if (list.empty()) return;
  kernels::adam_step(from_vector<double>({lr, double(step), 1, 0}, {4}), list, AdamConfig{beta1, beta2, eps, weight_decay, decoupled});
  for (const Tensors* changed : {&params, &m, &v})
    for (const Tensor& t : *changed) t.array().storage()->bump_version();
}
}  // namespace

void bind_files() {
  def_function("_adam_step(params, grads, exp_avgs, exp_avg_sqs, lr, step, beta1, beta2, eps, weight_decay, decoupled)", adam_step);
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
