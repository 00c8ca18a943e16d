// Scans and the causal convolution (ssm/ops.h), and the Mamba layer.
#include <pybind11/stl.h>

#include "bindings/caster.h"
#include "bindings/ops.h"
#include "ssm/mamba.h"
#include "ssm/ops.h"

namespace hippograd::python {
namespace {

py::object result(const ScanResult& r, bool return_last_state) {
  if (!return_last_state) return py::reinterpret_steal<py::object>(wrap(r.out));
  return py::make_tuple(r.out, r.last_state);
}
SelectiveScanOptions options(const Tensor& D, const Tensor& z, const Tensor& delta_bias, bool softplus, const Tensor& initial, bool reverse,
                             const Tensor& seq_idx, std::optional<DType> out_dtype) {
  return {D, z, delta_bias, softplus, initial, reverse, seq_idx, out_dtype};
}
template <ScanResult (*scan)(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const SelectiveScanOptions&)>
py::object scan_any(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C, const Tensor& D, const Tensor& z,
                    const Tensor& delta_bias, bool delta_softplus, const Tensor& initial_state, bool return_last_state, bool reverse,
                    const Tensor& seq_idx, std::optional<DType> out_dtype) {
  ScanResult r;
  {
    py::gil_scoped_release unlocked;
    r = scan(u, delta, A, B, C, options(D, z, delta_bias, delta_softplus, initial_state, reverse, seq_idx, out_dtype));
  }
  return result(r, return_last_state);
}
// Upstream's argument order has return_last_state where ours has initial_state.
py::object scan_fn(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C, const Tensor& D, const Tensor& z,
                   const Tensor& delta_bias, bool delta_softplus, bool return_last_state, const Tensor& initial_state, bool reverse,
                   const Tensor& seq_idx, std::optional<DType> out_dtype) {
  return scan_any<selective_scan_fn>(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state, return_last_state, reverse, seq_idx, out_dtype);
}
std::pair<Tensor, Tensor> scan_step(const Tensor& u, const Tensor& delta, const Tensor& A, const Tensor& B, const Tensor& C, const Tensor& D,
                                    const Tensor& z, const Tensor& delta_bias, bool delta_softplus, const Tensor& state) {
  const ScanResult r = selective_scan_step(u, delta, A, B, C, D, z, delta_bias, delta_softplus, state);
  return {r.out, r.last_state};
}
std::string_view activation_name(const std::optional<std::string_view>& a) { return a ? *a : ""; }
py::object conv(const Tensor& x, const Tensor& weight, const Tensor& bias, std::optional<std::string_view> activation, const Tensor& seq_idx,
                const Tensor& initial_states, bool return_final_states) {
  const ConvResult r = causal_conv1d(x, weight, bias, activation_name(activation), seq_idx, initial_states);
  return result({r.out, r.final_states}, return_final_states);
}
py::object conv_fn(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& seq_idx, const Tensor& initial_states,
                   bool return_final_states, std::optional<std::string_view> activation) {
  const ConvResult r = causal_conv1d_fn(x, weight, bias, seq_idx, initial_states, activation_name(activation));
  return result({r.out, r.final_states}, return_final_states);
}
std::pair<Tensor, Tensor> conv_update(const Tensor& x, const Tensor& state, const Tensor& weight, const Tensor& bias,
                                      std::optional<std::string_view> activation) {
  const ConvResult r = causal_conv1d_update(x, state, weight, bias, activation_name(activation));
  return {r.out, r.final_states};
}
Tensor conv_update_fn(const Tensor& x, const Tensor& conv_state, const Tensor& weight, const Tensor& bias, std::optional<std::string_view> activation) {
  return causal_conv1d_update_fn(x, conv_state, weight, bias, activation_name(activation));
}

// A C++ layer with the model tree that owns its parameters.
template <class Layer> struct Owned : Model {
  Layer layer;
  Owned(const MambaConfig& c, DType t, Device d) : Model(t, d), layer(scope(), c) {}
};
py::object pair(const Tensor& y, const MambaState& s) { return py::make_tuple(y, py::make_tuple(s.conv, s.ssm)); }
MambaState state_of(const py::object& o) {
  if (o.is_none()) return {};
  const auto t = o.cast<std::pair<Tensor, Tensor>>();
  return {t.first, t.second};
}
template <class Layer> void bind_layer(py::module_& m, const char* name) {
  using Own = Owned<Layer>;
  py::class_<Own>(m, name)
      .def(py::init([](int64_t d_model, int64_t d_state, int64_t d_conv, int64_t expand, int64_t dt_rank, double dt_min, double dt_max,
                       double dt_init_floor, bool conv_bias, bool bias, const std::string& dtype, const std::string& device) {
             if (dtype != "float32" && dtype != "float64" && dtype != "bfloat16") throw py::value_error("dtype must be float32, float64 or bfloat16, got " + dtype);
             const DType t = dtype == "float32" ? DType::f32 : dtype == "float64" ? DType::f64 : DType::bf16;
             return std::make_unique<Own>(MambaConfig{d_model, d_state, d_conv, expand, dt_rank, dt_min, dt_max, dt_init_floor, conv_bias, bias}, t, Device::parse(device));
           }),
           py::arg("d_model"), py::arg("d_state"), py::arg("d_conv"), py::arg("expand"), py::arg("dt_rank"), py::arg("dt_min"), py::arg("dt_max"),
           py::arg("dt_init_floor"), py::arg("conv_bias"), py::arg("bias"), py::arg("dtype"), py::arg("device"))
      .def("named", [](const Own& o) {
        py::list list;
        for (const auto& p : o.named()) list.append(py::make_tuple(p.path, p.tensor, p.buffer));
        return list;
      })
      .def("forward", [](const Own& o, const Tensor& x, const py::object& state, bool return_state, const Tensor& lengths) -> py::object {
             const MambaState s = state_of(state);
             MambaResult r;
             {
               py::gil_scoped_release unlocked;
               r = o.layer.forward(x, s, return_state, lengths);
             }
             if (return_state) return pair(r.y, r.state);
             return py::cast(r.y);
           }, py::arg("x"), py::arg("state"), py::arg("return_state"), py::arg("lengths"))
      .def("step", [](const Own& o, const Tensor& x, const py::object& state) {
             const MambaResult r = o.layer.step(x, state_of(state));
             return pair(r.y, r.state);
           }, py::arg("x"), py::arg("state"))
      .def("init_state", [](const Own& o, int64_t batch) {
        const MambaState s = o.layer.init_state(batch);
        return py::make_tuple(s.conv, s.ssm);
      }, py::arg("batch"));
}

}  // namespace

void bind_scans() {
  def_function("selective_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None, "
               "return_last_state=False, reverse=False, seq_idx=None, out_dtype=None)", scan_any<selective_scan>);
  def_function("selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False, "
               "initial_state=None, reverse=False, seq_idx=None, out_dtype=None)", scan_fn);
  def_function("selective_scan_step(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, state=None)", scan_step);
  def_function("linear_scan(a, b, h0=None, dim=1, reverse=False)", linear_scan);
  def_function("causal_conv1d(x, weight, bias=None, activation=None, seq_idx=None, initial_states=None, return_final_states=False)", conv);
  def_function("causal_conv1d_fn(x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, activation=None)", conv_fn);
  def_function("causal_conv1d_update(x, state, weight, bias=None, activation=None)", conv_update);
  def_function("causal_conv1d_update_fn(x, conv_state, weight, bias=None, activation=None)", conv_update_fn);
}

void bind_ssm(py::module_& m) {
  py::module_ s = m.def_submodule("_ssm");
  bind_layer<MambaLayer>(s, "MambaLayer");
  bind_layer<MambaBlock>(s, "MambaBlock");
}

}  // namespace hippograd::python
