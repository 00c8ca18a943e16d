// hippograd._C: the extension. Order matters: the types first, then the functions, which go onto Tensor at the end.
#include "bindings/ops.h"
#include "bindings/python.h"

namespace {
// Classes bound by pybind11 raise the same Python errors as our own functions.
void translate(std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const hippograd::Error&) {
    hippograd::python::translate_exception();
  }
}
}  // namespace

PYBIND11_MODULE(_C, m) {
  using namespace hippograd::python;
  py::register_exception_translator(translate);
  m.doc() = "The compiled part of hippograd; use `import hippograd`.";
  init_functions(m);
  init_errors(m);
  init_types(m);
  init_tensor(m);
  bind_create(m);
  bind_convert(m);
  bind_autograd(m);
  bind_inspect(m);
  bind_ops();
  bind_ssm(m);
  bind_train(m);
  bind_vlm(m);
  bind_accelerator(m);
  finish_functions(m);
}
