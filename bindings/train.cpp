// hippograd._C._train: optimizers that do a whole step in C++, and the schedule.
#include <pybind11/stl.h>

#include "bindings/caster.h"
#include "nn/optim.h"

namespace hippograd::python {
namespace {

// [{"params": [...], "weight_decay": x, "lr_scale": y}, ...]
std::vector<ParamGroup> groups_of(const py::list& list) {
  std::vector<ParamGroup> groups;
  for (const py::handle& h : list) {
    const py::dict d = py::reinterpret_borrow<py::dict>(h);
    ParamGroup g;
    for (const py::handle& p : d["params"]) g.params.push_back(p.cast<Tensor>());
    if (d.contains("weight_decay")) g.weight_decay = d["weight_decay"].cast<double>();
    if (d.contains("lr_scale")) g.lr_scale = d["lr_scale"].cast<double>();
    groups.push_back(std::move(g));
  }
  return groups;
}

}  // namespace

void bind_train(py::module_& m) {
  py::module_ t = m.def_submodule("_train");
  py::class_<Optimizer>(t, "Optimizer")
      .def("step", [](Optimizer& o, double lr, double max_norm) { o.step(lr, max_norm); }, py::arg("lr"),
           py::arg("max_norm") = std::numeric_limits<double>::infinity(), py::call_guard<py::gil_scoped_release>(),
           "One update with this learning rate; gradients are clipped to a global norm of max_norm first.")
      .def("step", py::overload_cast<double>(&Optimizer::step), py::kw_only(), py::arg("max_norm") = std::numeric_limits<double>::infinity(),
           py::call_guard<py::gil_scoped_release>(), "The same with the rate that `lr` was set to; a captured step reads it at each replay.")
      .def_property("lr", &Optimizer::lr, &Optimizer::set_lr, "Learning rate of the next step().")
      .def("zero_grad", &Optimizer::zero_grad)
      .def_property_readonly("norm", &Optimizer::norm, "Norm of the last step's gradients before clipping.")
      .def_property_readonly("steps", &Optimizer::steps)
      .def("state", [](const Optimizer& o) {
        py::dict d;
        for (const auto& [name, a] : o.state()) d[py::str(name)] = Tensor(a.clone());
        return d;
      })
      .def("load_state", [](Optimizer& o, const std::map<std::string, Tensor>& state) {
        std::map<std::string, Array> arrays;
        for (const auto& [name, x] : state) arrays[name] = x.array();
        o.load_state(arrays);
      });
  py::class_<AdamW, Optimizer>(t, "AdamW")
      .def(py::init([](const py::list& groups, std::pair<double, double> betas, double eps, bool decoupled) {
             return AdamW(groups_of(groups), betas.first, betas.second, eps, decoupled);
           }),
           py::arg("groups"), py::arg("betas") = std::pair(0.9, 0.999), py::arg("eps") = 1e-8, py::arg("decoupled") = true);
  py::class_<SGD, Optimizer>(t, "SGD")
      .def(py::init([](const py::list& groups, double momentum, double dampening, bool nesterov) {
             return SGD(groups_of(groups), momentum, dampening, nesterov);
           }),
           py::arg("groups"), py::arg("momentum") = 0.0, py::arg("dampening") = 0.0, py::arg("nesterov") = false);
  t.def("warmup_cosine", &warmup_cosine, py::arg("step"), py::arg("total"), py::arg("warmup"), py::arg("peak"), py::arg("floor") = 0.0);
}

}  // namespace hippograd::python
