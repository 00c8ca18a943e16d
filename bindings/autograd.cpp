// The engine from Python: grad, backward, hooks, nodes, and nodes whose backward is a Python function.
#include <map>
#include <set>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "bindings/node.h"

namespace hippograd::python {
namespace {

// Holds the GIL while the engine, which runs without it, calls into Python.
struct Gil {
  PyGILState_STATE state = PyGILState_Ensure();
  ~Gil() { PyGILState_Release(state); }
};
Tensor tensor_or_none(PyObject* o, const char* who) {
  if (o == Py_None) return {};
  if (!is_tensor(o)) raise(PyExc_TypeError, std::string(who) + ": expected a Tensor or None, got " + Py_TYPE(o)->tp_name);
  return as_tensor(o);
}
py::object object(PyObject* stolen) {
  if (!stolen) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(stolen);
}

// ---- nodes as objects ----
struct NodeObject { NodePtr node; };

// Where PyTorch shows another word than the op's own name.
const std::map<std::string_view, const char*> kOpWords = {
    {"matmul", "Mm"}, {"sum_dims", "Sum"}, {"to", "ToCopy"}, {"reshape", "View"}, {"concat", "Cat"}, {"max_all", "Max"}, {"min_all", "Min"},
    {"layer_norm", "NativeLayerNorm"}, {"group_norm", "NativeGroupNorm"}, {"batch_norm", "NativeBatchNorm"}, {"conv1d", "Convolution"},
    {"conv2d", "Convolution"}, {"square", "Pow"}, {"log1p", "Log1P"}, {"cross_entropy", "NllLoss"}, {"vector_norm", "LinalgVectorNorm"},
    {"max_pool2d", "MaxPool2DWithIndices"}, {"avg_pool2d", "AvgPool2D"}};
// Functions whose name PyTorch shows and behind which other ops stand here.
const std::map<std::string_view, const char*> kFunctionWords = {
    {"sub", "Sub"}, {"subtract", "Sub"}, {"rsub", "Rsub"}, {"mv", "Mv"}, {"dot", "Dot"}, {"bmm", "Bmm"}, {"addmm", "Addmm"}, {"baddbmm", "Baddbmm"},
    {"addmv", "Addmv"}, {"t", "T"}, {"transpose", "Transpose"}, {"swapaxes", "Transpose"}, {"swapdims", "Transpose"}, {"max", "Max"}, {"min", "Min"},
    {"unsqueeze", "Unsqueeze"}, {"squeeze", "Squeeze"}, {"stack", "Stack"}, {"var", "Var"}, {"std", "Std"}, {"repeat", "Repeat"}, {"roll", "Roll"},
    {"masked_fill", "MaskedFill"}, {"tril", "Tril"}, {"triu", "Triu"}, {"index", "Index"}, {"mse_loss", "MseLoss"}, {"nll_loss", "NllLoss"},
    {"smooth_l1_loss", "SmoothL1Loss"}, {"huber_loss", "HuberLoss"}, {"binary_cross_entropy", "BinaryCrossEntropy"},
    {"binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogits"}};

std::string camel_case(std::string_view name) {                     // "log_softmax" -> "LogSoftmax"
  std::string text;
  bool upper = true;
  for (char c : name) {
    if (c == '_' || c == ' ') upper = true;
    else text += upper ? char(std::toupper(c)) : c, upper = false;
  }
  return text;
}
// PyTorch numbers the overloads of a function.
int overload(const Node& node, std::string_view word, std::string_view own) {
  const int in = node.input_meta.empty() ? 0 : node.input_meta[0].shape.size(), out = node.output_meta.empty() ? 0 : node.output_meta[0].shape.size();
  if (word == "Sum" || word == "Mean" || word == "Prod") return out > 0;          // over chosen dimensions
  if (word == "Max" || word == "Min") return out == 0 && own.starts_with("am");   // of all elements
  if (word == "Squeeze") return in - out == 1;                                    // a chosen dimension
  if (word == "Pow") return own == "pow";                                         // by a tensor
  return word == "Rsub" || word == "Clamp";
}
// What a matrix product ends with in PyTorch: more than two dimensions are folded and unfolded.
const char* product_word(const Node& node, bool linear) {
  const int rank = node.output_meta.empty() ? 2 : node.output_meta[0].shape.size();
  const bool bias = linear && node.inputs.size() > 2 && node.input_meta[2].device.index >= 0;
  if (rank == 2) return bias ? "Addmm" : "Mm";
  if (rank > 2) return bias ? "View" : "UnsafeView";
  return linear ? (bias ? "Add" : "Squeeze") : rank == 1 ? "Mv" : "Dot";
}

// The name of a grad_fn, in the form that PyTorch prints: "LogSoftmaxBackward0".
std::string class_name(const Node& node) {
  if (node.is_leaf()) return "AccumulateGrad";
  std::string own = node.name();
  if (!own.empty() && own[0] >= 'A' && own[0] <= 'Z') return own;   // a Python Function names itself
  if (own.ends_with("_number")) own.erase(own.size() - 7);          // x * 2 is a MulBackward0 too
  std::string_view function = node.called ? node.called : "";
  if (function.ends_with('_')) function.remove_suffix(1);           // x.sub_(1)
  std::string word;
  if (function == "matmul" || own == "linear") word = product_word(node, own == "linear");
  else if (const auto f = kFunctionWords.find(function); f != kFunctionWords.end()) word = f->second;
  else if (const auto o = kOpWords.find(own); o != kOpWords.end()) word = o->second;
  else word = camel_case(own);
  return cat(word, "Backward", overload(node, word, node.name()));
}
py::object node_object(const NodePtr& node) {
  static auto* types = new std::map<std::string, py::object>;
  const std::string name = class_name(*node);
  py::object& type = (*types)[name];
  if (!type) {
    const py::object metaclass = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(Py_TYPE(py::type::of<NodeObject>().ptr())));
    type = metaclass(name, py::make_tuple(py::type::of<NodeObject>()), py::dict(py::arg("__module__") = "hippograd.autograd.graph"));
  }
  return type(py::cast(NodeObject{node}));
}
py::tuple next_functions(const NodeObject& self) {
  py::list list;
  for (const Edge& e : self.node->inputs) list.append(py::make_tuple(e ? node_object(e.node) : py::object(py::none()), e.output));
  return py::tuple(list);
}
py::object variable(const NodeObject& self) {
  if (!self.node->is_leaf()) raise(PyExc_AttributeError, "only AccumulateGrad has a variable");
  const auto impl = static_cast<Leaf&>(*self.node).owner.lock();
  return impl ? object(wrap(Tensor(impl))) : py::object(py::none());
}

// ---- hooks ----
struct HookHandle {
  std::function<void()> undo;
  void remove() {
    if (undo) std::exchange(undo, nullptr)();
  }
};
HookHandle register_hook(const Tensor& t, PyObject* function) {
  auto held = std::make_shared<PyHandle>(function);
  const int64_t token = Tensor(t).register_hook([held](const Tensor& g) {
    Gil gil;
    const py::object argument = object(wrap(g));
    return tensor_or_none(object(PyObject_CallOneArg(held->get(), argument.ptr())).ptr(), "hook");
  });
  const NodePtr node = t.edge().node;
  return {[node, token] { std::erase_if(node->hooks, [token](const Hook& h) { return h.token == token; }); }};
}
HookHandle register_after(const Tensor& t, PyObject* function) {
  if (!t.requires_grad() || !t.is_leaf())
    raise(PyExc_RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors, or on tensors that don't require gradient");
  static int64_t next = 0;
  const int64_t token = ++next;
  auto leaf = std::static_pointer_cast<Leaf>(t.edge().node);
  auto held = std::make_shared<PyHandle>(function);
  leaf->after.emplace_back(token, [held](const Tensor& x) {
    Gil gil;
    const py::object argument = object(wrap(x));
    (void)object(PyObject_CallOneArg(held->get(), argument.ptr()));
  });
  return {[leaf, token] { std::erase_if(leaf->after, [token](const auto& h) { return h.first == token; }); }};
}

// ---- grad and backward ----
Tensors run_grad(const Tensors& outputs, const Tensors& inputs, const Tensors& grad_outputs, bool retain_graph, bool create_graph, bool allow_unused) {
  return grad(outputs, inputs, grad_outputs, {create_graph, retain_graph || create_graph, allow_unused});
}
void run_backward(const Tensors& tensors, const Tensors& grads, bool retain_graph, bool create_graph, const Tensors& inputs) {
  backward(tensors, grads, {create_graph, retain_graph || create_graph, false}, inputs);
}
template <class F> auto unlocked(F&& f) {
  py::gil_scoped_release release;
  return f();
}

// ---- a node whose backward is Python's ----
struct FunctionNode final : Node {
  struct Kept { Tensor tensor; int input = -1, output = -1; uint64_t version = 0; };   // one saved tensor
  std::string label;
  PyHandle function;                             // backward(saved, grads) -> one gradient or None per input
  std::vector<Kept> kept;
  bool materialize = true, freed = false;

  FunctionNode(std::string name, PyObject* backward) : label(std::move(name)), function(backward) {}
  std::string name() const override { return label; }
  void release() override {
    freed = freed || !kept.empty();
    kept.clear();
  }

  Tensor restore(const Kept& k, size_t index) {
    if (!k.tensor.defined()) return {};
    if (k.tensor.array().storage()->version() != k.version)
      fail<GradError>(label, ".backward: saved tensor ", int64_t(index), " of shape ", k.tensor.shape(),
                      " was changed in place after forward: one of the variables needed for gradient computation has been modified by an inplace operation");
    if (k.input < 0 && k.output < 0) return k.tensor;
    Tensor t = k.tensor.detach();
    t.impl()->edge = k.input >= 0 ? inputs[k.input] : Edge{shared_from_this(), k.output};
    return t;
  }
  Tensors saved_tensors() {
    if (freed)
      fail<GradError>(label, ".backward: Trying to backward through the graph a second time (or directly access saved tensors after they have "
                      "already been freed). Specify retain_graph=True if you need to backward through the graph a second time.");
    Tensors list;
    for (size_t i = 0; i < kept.size(); ++i) list.push_back(restore(kept[i], i));
    return list;
  }

  Tensors backward(const Tensors& dys) override {
    const Tensors saved_values = saved_tensors();
    Tensors grads;
    for (size_t k = 0; k < output_meta.size(); ++k) {
      const bool given = k < dys.size() && dys[k].defined();
      const Meta& m = output_meta[k];
      grads.push_back(given || !materialize ? (given ? dys[k] : Tensor()) : Tensor(zeros(m.shape, m.dtype, m.device)));
    }
    return call(saved_values, grads);
  }
  Tensors call(const Tensors& saved_values, const Tensors& grads) {
    Gil gil;
    const py::object a = object(tuple_of(saved_values)), b = object(tuple_of(grads));
    const py::object result = object(PyObject_CallFunctionObjArgs(function.get(), a.ptr(), b.ptr(), nullptr));
    const py::object list = object(is_tensor(result.ptr()) || result.is_none() ? PyTuple_Pack(1, result.ptr())
                                                                               : PySequence_Tuple(result.ptr()));
    const Py_ssize_t n = PyTuple_GET_SIZE(list.ptr());
    if (n != Py_ssize_t(inputs.size()))
      raise(PyExc_RuntimeError, cat("function ", label, " returned an incorrect number of gradients (expected ", int64_t(inputs.size()), ", got ", int64_t(n), ")"));
    Tensors gradients;
    for (Py_ssize_t i = 0; i < n; ++i) {
      Tensor g = tensor_or_none(PyTuple_GET_ITEM(list.ptr(), i), label.c_str());
      if (g.defined() && inputs[i] && g.dtype() != input_meta[i].dtype) g = to(g, input_meta[i].dtype);
      gradients.push_back(g);
    }
    return gradients;
  }
};

Tensors apply_function(const std::string& name, const Tensors& inputs, const Tensors& outputs, const Tensors& saved,
                       const std::vector<int64_t>& non_differentiable, const Tensors& dirty, py::object backward, bool materialize_grads) {
  bool wanted = false;
  for (const Tensor& x : inputs) wanted = wanted || (x.defined() && x.requires_grad());
  if (!grad_enabled() || !wanted) return outputs;
  auto node = std::make_shared<FunctionNode>(name, backward.ptr());
  node->materialize = materialize_grads;
  for (const Tensor& x : inputs) {
    node->inputs.push_back(x.edge());
    node->input_meta.push_back({x.shape(), x.dtype(), x.device()});
  }
  const auto position = [](const Tensors& list, const Tensor& t) {
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].same(t)) return int(i);
    return -1;
  };
  Tensors results;
  for (size_t k = 0; k < outputs.size(); ++k) {
    Tensor y = outputs[k];
    node->output_meta.push_back(y.defined() ? Meta{y.shape(), y.dtype(), y.device()} : Meta{});
    const bool constant = k < non_differentiable.size() && non_differentiable[k];
    if (y.defined() && !constant && is_floating(y.dtype())) {
      const bool changed = position(dirty, y) >= 0;
      if (changed) check_in_place(y, name);
      else if (y.impl()->edge || position(inputs, y) >= 0) y = y.detach();
      y.impl()->edge = {node, int(k)};
      if (changed) ++y.impl()->history;
    }
    results.push_back(y);
  }
  for (const Tensor& t : saved) {
    FunctionNode::Kept k;
    if (t.defined()) {
      k.input = position(inputs, t);
      k.output = k.input < 0 ? position(outputs, t) : -1;
      k.tensor = k.input < 0 && k.output < 0 ? t : t.detach();   // attached again when read: no cycle
      k.version = t.array().storage()->version();
    }
    node->kept.push_back(std::move(k));
  }
  return results;
}

Tensors run_checkpoint(py::object function, const Tensors& inputs) {
  auto held = std::make_shared<PyHandle>(function.ptr());
  const auto f = [held](const Tensors& xs) {
    Gil gil;
    const py::object arguments = object(tuple_of(xs));
    const py::object result = object(PyObject_Call(held->get(), arguments.ptr(), nullptr));
    Tensors ys;
    if (is_tensor(result.ptr())) return Tensors{as_tensor(result.ptr())};
    const py::object list = object(PySequence_Tuple(result.ptr()));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list.ptr()); ++i) ys.push_back(tensor_or_none(PyTuple_GET_ITEM(list.ptr(), i), "checkpoint"));
    return ys;
  };
  return unlocked([&] { return checkpoint(f, inputs); });
}
}  // namespace

py::object grad_fn(const Tensor& t) {
  const Edge e = t.edge();
  if (!e || e.node->is_leaf()) return py::none();
  return node_object(e.node);
}

void bind_autograd(py::module_& m) {
  py::class_<NodeObject>(m, "Node")
      .def(py::init<const NodeObject&>())
      .def("name", [](const NodeObject& n) { return class_name(*n.node); })
      .def_property_readonly("next_functions", next_functions)
      .def_property_readonly("variable", variable)
      .def("__eq__", [](const NodeObject& a, const py::object& b) { return py::isinstance<NodeObject>(b) && a.node == b.cast<NodeObject>().node; })
      .def("__hash__", [](const NodeObject& n) { return std::hash<const void*>()(n.node.get()); })
      .def("__repr__", [](const NodeObject& n) { return "<" + class_name(*n.node) + " object>"; });
  py::class_<HookHandle>(m, "RemovableHandle")
      .def("remove", &HookHandle::remove)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](HookHandle& h, py::args) { h.remove(); });

  def_method("register_hook(input, hook)", [](const Tensor& t, py::object hook) { return py::cast(register_hook(t, hook.ptr())); });
  def_method("register_post_accumulate_grad_hook(input, hook)", [](const Tensor& t, py::object hook) { return py::cast(register_after(t, hook.ptr())); });
  def_method("retain_grad(input)", [](const Tensor& t) { Tensor(t).retain_grad(); });
  def_method("requires_grad_(input, requires_grad=True)", [](const Tensor& t, bool on) { return Tensor(t).set_requires_grad(on); });
  def_method("detach(input)", [](const Tensor& t) { return t.detach(); });
  def_method("detach_(input)", [](const Tensor& t) {
    if (t.impl()->base.defined()) raise(PyExc_RuntimeError, "Can't detach views in-place. Use detach() instead");
    t.impl()->edge = {};
    return t;
  });
  def_method("backward(input, gradient=None, retain_graph=None, create_graph=False, inputs=None)",
             [](const Tensor& t, const Tensor& gradient, bool retain_graph, bool create_graph, py::object inputs) {
               static Definition named;
               if (named.name.empty()) named.name = "backward", named.parameters.resize(5, Parameter{"inputs"});
               const Tensors only = inputs.is_none() ? Tensors{} : is_tensor(inputs.ptr()) ? Tensors{as_tensor(inputs.ptr())} : tensor_list(inputs.ptr(), {named, 4});
               if (!inputs.is_none() && only.empty()) raise(PyExc_RuntimeError, "'inputs' argument to backward cannot be empty.");
               unlocked([&] { run_backward({t}, gradient.defined() ? Tensors{gradient} : Tensors{}, retain_graph, create_graph, only); });
             });
  // The name that PyTorch shows for what a function of the Python layer composes of several ops.
  def_function("_called(tensor, function)", [](const Tensor& t, std::string function) {
    static auto* names = new std::set<std::string>;
    if (const NodePtr& node = t.impl()->edge.node) node->called = names->insert(std::move(function)).first->c_str();
    return t;
  });
  // x.t_() and its kin: the tensor takes on the geometry and the history of a view of it.
  def_function("_become(input, view, name)", [](const Tensor& x, const Tensor& view, std::string name) {
    check_in_place(x, name);
    x.impl()->array = view.array();
    x.impl()->edge = view.edge();
    return x;
  });
  def_function("grad(outputs, inputs, grad_outputs, retain_graph=False, create_graph=False, allow_unused=False)",
               [](const Tensors& outputs, const Tensors& inputs, const Tensors& dys, bool retain_graph, bool create_graph, bool allow_unused) {
                 return py::list(object(tuple_of(unlocked([&] { return run_grad(outputs, inputs, dys, retain_graph, create_graph, allow_unused); }))));
               });
  def_function("backward(tensors, grad_tensors, retain_graph=False, create_graph=False, inputs=None)",
               [](const Tensors& tensors, const Tensors& dys, bool retain_graph, bool create_graph, std::optional<Tensors> inputs) -> py::object {
                 unlocked([&] { run_backward(tensors, dys, retain_graph, create_graph, inputs.value_or(Tensors{})); });
                 return py::none();
               });
  def_function("apply_function(name, inputs, outputs, saved, non_differentiable, dirty, backward, materialize_grads=True)",
               [](std::string name, const Tensors& inputs, const Tensors& outputs, const Tensors& saved, const std::vector<int64_t>& constant,
                  const Tensors& dirty, py::object backward, bool materialize) {
                 return py::list(object(tuple_of(apply_function(name, inputs, outputs, saved, constant, dirty, backward, materialize))));
               });
  def_function("checkpoint(function, inputs)", [](py::object f, const Tensors& inputs) { return py::list(object(tuple_of(run_checkpoint(f, inputs)))); });

  def_function("is_grad_enabled()", [] { return grad_enabled(); });
  def_function("_set_grad_enabled(mode)", [](bool on) { (void)set_grad_enabled(on); });
  def_function("is_anomaly_enabled()", [] { return anomaly_mode(); });
  def_function("set_anomaly_enabled(mode)", [](bool on) { set_anomaly_mode(on); });
  def_function("is_reference_mode()", [] { return reference_mode(); });
  def_function("_set_reference_mode(mode)", [](bool on) { set_reference_mode(on); });
}

}  // namespace hippograd::python
