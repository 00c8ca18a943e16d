#include "autograd/tensor.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {
thread_local bool t_grad = true;
thread_local bool t_anomaly = false;
thread_local bool t_reference = false;
std::atomic<int64_t> g_token{0};

Tensor make_number(Array a) {
  Tensor t(std::move(a));
  t.impl()->is_number = true;
  return t;
}
}  // namespace

bool grad_enabled() { return t_grad; }
bool set_grad_enabled(bool on) { return std::exchange(t_grad, on); }
bool anomaly_mode() { return t_anomaly; }
void set_anomaly_mode(bool on) { t_anomaly = on; }
bool reference_mode() { return t_reference; }
void set_reference_mode(bool on) { t_reference = on; }

Tensor::Tensor(Array array) : impl_(array.defined() ? std::make_shared<TensorImpl>(std::move(array)) : nullptr) {}
Tensor Tensor::number(double x) { return make_number(from_vector<double>({x}, {})); }
Tensor Tensor::number(int64_t x) { return make_number(from_vector<int64_t>({x}, {})); }
Tensor Tensor::number(complex128 x) { return make_number(from_vector<complex128>({x}, {})); }
Tensor Tensor::number(bool x) {
  Array a = empty({}, DType::b8);
  *a.data<bool>() = x;
  return make_number(std::move(a));
}

const Array& Tensor::array() const {
  if (!impl_) fail<ValueError>("an undefined tensor has no array");
  return impl_->array;
}
bool Tensor::is_number() const { return impl_ && impl_->is_number; }

Edge Tensor::edge() const {
  if (!impl_) return {};
  if (impl_->base.defined()) {                       // an in-place op gave the base a new history: replay the view on it
    TensorImpl& base = *impl_->base.impl_;
    if (impl_->seen != base.history) {
      const Array& a = impl_->array;
      if (a.dtype() != base.array.dtype())
        fail<GradError>("a ", a.dtype(), " view of a ", base.array.dtype(), " tensor is used after that tensor was changed in place while "
                        "recording; take the view again (view_as_real, real, imag)");
      EnableGrad record;
      impl_->edge = as_strided(impl_->base, a.shape(), a.strides(), a.offset()).impl_->edge;
      impl_->seen = base.history;
    }
  }
  return impl_->edge;
}

bool Tensor::is_leaf() const {
  const Edge e = edge();
  return !e || e.node->is_leaf();
}

Tensor& Tensor::set_requires_grad(bool on) {
  if (!is_floating(dtype()) && on)
    fail<GradError>("requires_grad: only Tensors of floating point and complex dtype can require gradients, got ", dtype());
  if (!is_leaf()) {
    if (!on) fail<GradError>("requires_grad: you can only change requires_grad flags of leaf variables. If you want to use a computed "
                             "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().");
    return *this;
  }
  if (on && !impl_->edge) impl_->edge = {std::make_shared<Leaf>(impl_), 0};
  if (on && impl_->edge.node->output_meta.empty()) impl_->edge.node->output_meta.push_back({shape(), dtype(), device()});
  if (!on) impl_->edge = {};
  return *this;
}

Tensor Tensor::grad() const { return impl_ ? impl_->grad : Tensor(); }
void Tensor::set_grad(const Tensor& g) {
  if (g.defined()) {
    if (!(g.shape() == shape())) fail<ShapeError>("grad: assigned grad has data of a different size: expected ", shape(), ", got ", g.shape());
    if (g.dtype() != dtype()) fail<DtypeError>("grad: assigned grad has data of a different type: expected ", dtype(), ", got ", g.dtype());
    if (!(g.device() == device())) fail<DeviceError>("grad: assigned grad is on ", g.device(), ", the tensor on ", device());
  }
  impl_->grad = g;
}

Tensor Tensor::detach() const { return Tensor(array()); }

void Tensor::retain_grad() {
  if (is_leaf() || impl_->retains_grad) {
    if (!requires_grad()) fail<GradError>("retain_grad: can't retain_grad on Tensor that has requires_grad=False");
    return;
  }
  impl_->retains_grad = true;
  register_hook([weak = std::weak_ptr<TensorImpl>(impl_)](const Tensor& g) {
    if (auto impl = weak.lock()) impl->grad = impl->grad.defined() ? add(impl->grad, g) : g;
    return Tensor();
  });
}

int64_t Tensor::register_hook(std::function<Tensor(const Tensor&)> fn) {
  const Edge e = edge();
  if (!e) fail<GradError>("register_hook: cannot register a hook on a tensor that doesn't require gradient");
  const int64_t token = ++g_token;
  e.node->hooks.push_back({token, e.output, std::move(fn)});
  return token;
}
void Tensor::remove_hook(int64_t token) {
  if (const Edge e = edge()) std::erase_if(e.node->hooks, [token](const Hook& h) { return h.token == token; });
}

void Tensor::backward(const Tensor& dy, bool retain_graph, bool create_graph) const {
  Tensors dys;
  if (dy.defined()) dys.push_back(dy);
  hippograd::backward({*this}, dys, {create_graph, retain_graph, false});
}

Tensor Tensor::at(int64_t dim, int64_t index) const { return select(*this, dim, index); }

// ---- Node and Saved ----

Node::Node() {
  static std::atomic<uint64_t> next{0};
  id = next.fetch_add(1, std::memory_order_relaxed);
}

Node::~Node() {
  // Nodes that only this one holds are moved to a list and freed one after the other, each adding its own inputs.
  thread_local std::vector<NodePtr>* doomed = nullptr;
  std::vector<NodePtr> list;
  const bool outermost = doomed == nullptr;
  if (outermost) doomed = &list;
  for (Edge& e : inputs)
    if (e.node) doomed->push_back(std::move(e.node));
  inputs.clear();
  if (!outermost) return;
  while (!list.empty()) {
    NodePtr next = std::move(list.back());
    list.pop_back();
    next.reset();                                    // may append to `list`
  }
  doomed = nullptr;
}

void Saved::input(int i) {
  if (!node_ || has_saved_x(i)) return;
  const Tensor& t = (*arguments_)[i];
  if (t.defined()) inputs_.push_back({i, t.array(), t.array().storage()->version()});
}
void Saved::output(const Array& y, int k) {
  if (node_) outputs_.push_back({k, y, y.storage()->version()});
}
void Saved::extra(Array a) {
  if (node_) extras_.push_back(std::move(a));
}
bool Saved::needs(int i) const { return node_ && size_t(i) < node_->inputs.size() && bool(node_->inputs[i]); }
bool Saved::has(int i) const {
  if (!node_ && arguments_) return size_t(i) < arguments_->size() && (*arguments_)[i].defined();
  return size_t(i) < node_->input_meta.size() && node_->input_meta[i].device.index >= 0;
}
bool Saved::has_saved_x(int i) const {
  return std::any_of(inputs_.begin(), inputs_.end(), [i](const Kept& k) { return k.index == i; });
}
int Saved::input_count() const { return int(node_->input_meta.size()); }
const Meta& Saved::in(int i) const { return node_->input_meta.at(i); }
const Meta& Saved::out(int k) const { return node_->output_meta.at(k); }

const Saved::Kept& Saved::find(const std::vector<Kept>& list, int index, const char* what) const {
  if (released_)
    fail<GradError>(node_->name(), ".backward: Trying to backward through the graph a second time (or directly access saved tensors after "
                    "they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
                    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need "
                    "to access saved tensors after calling backward.");
  for (const Kept& k : list)
    if (k.index == index) {
      check(k, what);
      return k;
    }
  fail<GradError>(node_->name(), ".backward: ", what, " ", index, " was not saved by forward");
}
void Saved::check(const Kept& k, const char* what) const {
  if (k.array.storage()->version() != k.version)
    fail<GradError>(node_->name(), ".backward: ", what, " ", k.index, ", a ", k.array.dtype(), " tensor of shape ", k.array.shape(),
                    ", was changed in place after forward: one of the variables needed for gradient computation has been modified by an "
                    "inplace operation (it is at version ", k.array.storage()->version(), "; expected version ", k.version, " instead)");
}

Tensor Saved::x(int i) const {
  Tensor t(find(inputs_, i, "input").array);
  if (grad_enabled()) t.impl()->edge = node_->inputs[i];
  return t;
}
Tensor Saved::y(int k) const {
  Tensor t(find(outputs_, k, "output").array);
  if (grad_enabled()) t.impl()->edge = {node_->shared_from_this(), k};
  return t;
}
const Array& Saved::extra_at(int k) const {
  if (released_) (void)find(inputs_, k, "extra");    // throws the message above
  return extras_.at(k);
}
void Saved::release() {
  if (inputs_.empty() && outputs_.empty() && extras_.empty()) return;   // nothing was kept: a second backward is harmless
  inputs_.clear();
  outputs_.clear();
  extras_.clear();
  released_ = true;
}

}  // namespace hippograd
