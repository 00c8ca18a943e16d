// The engine: backward in birth order (architecture 5).
//
//   seed the outputs' nodes with their cotangents
//   while nodes are pending: take the youngest; its gradient is complete, since everything that used it was born later;
//     run hooks; collect it if it was asked for; call its backward; add the results to its inputs' slots.
#include <algorithm>
#include <map>
#include <utility>

#include "autograd/autocast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

struct Slots {                       // the gradients that have arrived at one node's outputs
  NodePtr node;
  Tensors dy;
  std::vector<char> owned;           // dy[k] is a sum that the engine made: later terms may be added in place
};

class Engine {
 public:
  explicit Engine(GradOptions options) : options_(options) {}

  void seed(const Edge& edge, const Tensor& dy) { add_to(edge, dy); }

  // Gradients at `wanted` edges, in their order.
  Tensors collect(const std::vector<Edge>& wanted) {
    wanted_ = &wanted;
    result_.assign(wanted.size(), {});
    oldest_ = UINT64_MAX;
    for (const Edge& e : wanted) oldest_ = std::min(oldest_, e.node->id);
    run();
    return std::move(result_);
  }
  // Adds to .grad of leaves; of those in `only` if it is not null.
  void accumulate(const std::vector<Edge>* only) {
    accumulate_ = true;
    only_ = only;
    run();
  }

 private:
  void run() {
    const bool before = set_grad_enabled(options_.create_graph);
    struct Restore { bool value; ~Restore() { set_grad_enabled(value); } } restore{before};
    const AutocastAs off;                                     // the types were chosen in forward
    while (!pending_.empty()) {
      auto first = pending_.begin();
      Slots slots = std::move(first->second);
      pending_.erase(first);
      step(slots);
    }
  }

  void step(Slots& slots) {
    Node& node = *slots.node;
    if (!accumulate_ && node.id < oldest_) return;            // nothing wanted lies below
    run_hooks(slots);
    if (!accumulate_) {
      for (size_t i = 0; i < wanted_->size(); ++i)
        if ((*wanted_)[i].node == slots.node) result_[i] = slots.dy[(*wanted_)[i].output];
      if (node.id == oldest_) return;
    }
    if (node.is_leaf()) {
      if (accumulate_) deliver(static_cast<Leaf&>(node), slots);
      return;
    }
    const Tensors gradients = backward(node, slots.dy);
    if (anomaly_mode()) check_anomaly(node, gradients);
    for (size_t i = 0; i < gradients.size() && i < node.inputs.size(); ++i)
      if (node.inputs[i] && gradients[i].defined()) {
        check(node, int(i), gradients[i]);
        add_to(node.inputs[i], gradients[i]);
      }
    for (auto& [edge, dy] : node.continuation()) add_to(edge, dy);
    if (!options_.create_graph && !options_.retain_graph) node.release();
  }

  static Tensors backward(Node& node, const Tensors& dy) {
    try {
      return node.backward(dy);
    } catch (const OutOfMemory& e) {
      detail::out_of_memory(node.name() + ".backward", e);
    }
  }

  void add_to(const Edge& edge, const Tensor& dy) {
    Slots& s = pending_[edge.node->id];
    if (!s.node) {
      s.node = edge.node;
      s.dy.resize(std::max<size_t>(edge.node->output_meta.size(), size_t(edge.output) + 1));
      s.owned.resize(s.dy.size());
    }
    Tensor& slot = s.dy[edge.output];
    if (!slot.defined()) slot = dy;
    else if (s.owned[edge.output] && !options_.create_graph) add_in_place(slot, dy);
    else {
      slot = add(slot, dy);
      s.owned[edge.output] = true;
    }
  }
  static void add_in_place(Tensor& sum, const Tensor& term) {
    Array into = sum.array();
    add_into(into, term.array());
  }

  void run_hooks(Slots& slots) {
    const auto hooks = slots.node->hooks;                     // a hook may remove itself
    for (const Hook& h : hooks) {
      Tensor& dy = slots.dy[h.output];
      if (!dy.defined()) continue;
      Tensor changed = h.fn(dy);
      if (!changed.defined()) continue;
      if (!(changed.shape() == dy.shape()))
        fail<ShapeError>("hook: the gradient returned by a hook must have shape ", dy.shape(), ", got ", changed.shape());
      dy = changed;
      slots.owned[h.output] = false;
    }
  }

  void deliver(Leaf& leaf, Slots& slots) {
    const auto impl = leaf.owner.lock();
    if (!impl || !slots.dy[0].defined()) return;
    if (only_ && std::none_of(only_->begin(), only_->end(), [&](const Edge& e) { return e.node.get() == &leaf; })) return;
    Tensor g = std::move(slots.dy[0]);
    if (!impl->grad.defined()) {
      if (!options_.create_graph) {
        // ours alone: keep it; shared with others (an expanded view, the user's cotangent): copy
        const bool unique = g.impl().use_count() == 1 && g.array().storage().use_count() == 1 && g.array().is_contiguous();
        g = unique ? g.detach() : Tensor(g.array().clone());
      }
      impl->grad = g;
    } else if (options_.create_graph) {
      impl->grad = add(impl->grad, g);
    } else {
      add_in_place(impl->grad, g);
      impl->grad.array().storage()->bump_version();
    }
    const auto after = leaf.after;
    for (const auto& [token, fn] : after) fn(Tensor(impl));
  }

  static void check(const Node& node, int i, const Tensor& g) {
    const Meta& m = node.input_meta[i];
    if (!(g.shape() == m.shape))
      fail<GradError>(node.name(), ".backward: returned a gradient of shape ", g.shape(), " for input ", i, " of shape ", m.shape);
    if (g.dtype() != m.dtype)
      fail<GradError>(node.name(), ".backward: returned a gradient of dtype ", g.dtype(), " for input ", i, " of dtype ", m.dtype);
  }
  static void check_anomaly(const Node& node, const Tensors& gradients) {
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined() || !is_floating(gradients[i].dtype())) continue;
      Array count = empty({}, DType::i64, gradients[i].device());
      kernels::count_nan(gradients[i].array(), count);
      if (count.item<int64_t>() == 0) continue;
      std::string shapes;
      for (const Meta& m : node.input_meta) shapes += cat(" ", m.shape);
      fail<GradError>("anomaly: Function '", node.name(), "' returned nan values in output ", i, " of its backward; the forward op was ",
                      node.name(), " with input shapes", shapes);
    }
  }

  GradOptions options_;
  std::map<uint64_t, Slots, std::greater<>> pending_;         // youngest first
  const std::vector<Edge>* wanted_ = nullptr;
  const std::vector<Edge>* only_ = nullptr;
  Tensors result_;
  uint64_t oldest_ = 0;
  bool accumulate_ = false;
};

Tensor cotangent(const Tensor& y, const Tensors& dys, size_t i) {
  if (i < dys.size() && dys[i].defined()) {
    if (!(dys[i].shape() == y.shape()))
      fail<ShapeError>("backward: Mismatch in shape: grad_output[", i, "] has a shape of ", dys[i].shape(), " and output[", i,
                       "] has a shape of ", y.shape());
    if (is_complex(dys[i].dtype()) != is_complex(y.dtype()))
      fail<DtypeError>("backward: grad_output[", i, "] is ", dys[i].dtype(), " but the output is ", y.dtype());
    return dys[i].dtype() == y.dtype() ? dys[i] : Tensor(dys[i].array().to(y.dtype()));
  }
  if (y.numel() != 1) fail<GradError>("backward: grad can be implicitly created only for scalar outputs, got shape ", y.shape());
  if (is_complex(y.dtype())) fail<GradError>("backward: grad can be implicitly created only for real scalar outputs but got ", y.dtype());
  return Tensor(full(y.shape(), 1, y.dtype(), y.device()));
}

void seed_all(Engine& engine, const Tensors& ys, const Tensors& dys) {
  if (!dys.empty() && dys.size() != ys.size())
    fail<ValueError>("backward: got ", ys.size(), " tensors and ", dys.size(), " gradients");
  for (size_t i = 0; i < ys.size(); ++i) {
    const Edge e = ys[i].edge();
    if (!e) fail<GradError>("backward: element ", i, " of tensors does not require grad and does not have a grad_fn");
    engine.seed(e, cotangent(ys[i], dys, i));
  }
}

}  // namespace

Tensors grad(const Tensors& ys, const Tensors& xs, const Tensors& dys, GradOptions options) {
  std::vector<Edge> wanted;
  for (size_t i = 0; i < xs.size(); ++i) {
    wanted.push_back(xs[i].edge());
    if (!wanted.back()) fail<GradError>("grad: One of the differentiated Tensors does not require grad (input ", i, ")");
  }
  if (wanted.empty()) fail<ValueError>("grad: grad requires non-empty inputs.");
  Engine engine(options);
  seed_all(engine, ys, dys);
  Tensors result = engine.collect(wanted);
  for (size_t i = 0; i < result.size(); ++i)
    if (!result[i].defined() && !options.allow_unused)
      fail<GradError>("grad: One of the differentiated Tensors appears to not have been used in the graph (input ", i,
                      "). Set allow_unused=True if this is the desired behavior.");
  return result;
}

void backward(const Tensors& ys, const Tensors& dys, GradOptions options, const Tensors& inputs) {
  std::vector<Edge> only;
  for (const Tensor& x : inputs) {
    only.push_back(x.edge());
    if (!only.back()) fail<GradError>("backward: One of the differentiated Tensors does not require grad");
  }
  Engine engine(options);
  seed_all(engine, ys, dys);
  engine.accumulate(inputs.empty() ? nullptr : &only);
}

// ---- checkpoint ----

namespace {
struct CheckpointNode final : Node {
  std::function<Tensors(const Tensors&)> f;
  Tensors xs;                                    // detached
  std::vector<uint64_t> versions;
  uint64_t seed, offset;
  AutocastSnapshot autocast = autocast_snapshot();
  std::vector<std::pair<Edge, Tensor>> more;

  std::string name() const override { return "checkpoint"; }
  void release() override {
    f = nullptr;
    xs.clear();
  }

  // Runs f again, recorded, on aliases of the inputs. The engine goes on at the fresh outputs (they are the youngest nodes
  // now), and through the aliases and captured tensors back into the old graph.
  Tensors backward(const Tensors& dys) override {
    if (!f) fail<GradError>("checkpoint.backward: Trying to backward through the graph a second time; specify retain_graph=True");
    Tensors again(xs.size());
    for (size_t i = 0; i < xs.size(); ++i) {
      if (!xs[i].defined()) continue;
      if (xs[i].array().storage()->version() != versions[i])
        fail<GradError>("checkpoint.backward: input ", i, " was changed in place after forward");
      again[i] = xs[i].detach();
      if (!inputs[i]) continue;
      auto link = std::make_shared<Link>();
      link->inputs = {inputs[i]};
      link->input_meta = link->output_meta = {input_meta[i]};
      again[i].impl()->edge = {link, 0};
    }
    Generator& g = default_generator();
    const Generator now = g;
    g.set(seed, offset);                         // the same dropout masks
    Tensors ys;
    {
      EnableGrad record;
      const AutocastAs first(autocast);
      ys = f(again);
    }
    g = now;
    if (ys.size() != dys.size()) fail<GradError>("checkpoint: the function gave ", dys.size(), " tensors first and ", ys.size(), " now");
    for (size_t k = 0; k < ys.size(); ++k)
      if (const Edge e = ys[k].edge(); e && dys[k].defined()) more.push_back({e, dys[k]});
    return {};
  }
  std::vector<std::pair<Edge, Tensor>> continuation() override { return std::exchange(more, {}); }

  struct Link final : Node {
    std::string name() const override { return "checkpoint input"; }
    Tensors backward(const Tensors& dys) override { return dys; }
  };
};
}  // namespace

Tensors checkpoint(std::function<Tensors(const Tensors&)> f, const Tensors& xs) {
  if (!grad_enabled()) return f(xs);
  auto node = std::make_shared<CheckpointNode>();
  node->seed = default_generator().seed();
  node->offset = default_generator().offset();
  for (const Tensor& x : xs) {
    node->xs.push_back(x.defined() ? x.detach() : x);
    node->versions.push_back(x.defined() ? x.array().storage()->version() : 0);
    node->inputs.push_back(x.edge());
    node->input_meta.push_back(x.defined() ? Meta{x.shape(), x.dtype(), x.device()} : Meta{{}, DType::f32, {DeviceKind::CPU, -1}});
  }
  // Recorded and dropped at once: this is how we know whether a tensor captured by f wants a gradient.
  const Tensors ys = f(xs);
  Tensors result;
  for (const Tensor& y : ys) {
    if (!y.requires_grad()) {
      node->output_meta.push_back(y.defined() ? Meta{y.shape(), y.dtype(), y.device()} : Meta{});
      result.push_back(y.defined() ? y.detach() : y);
      continue;
    }
    Tensor t = y.detach();
    t.impl()->edge = {node, int(result.size())};
    node->output_meta.push_back({y.shape(), y.dtype(), y.device()});
    result.push_back(t);
  }
  node->f = std::move(f);
  return result;
}

// ---- in place ----

void check_in_place(const Tensor& self, std::string_view op) {
  const Array& a = self.array();
  for (int d = 0; d < a.dim(); ++d)
    if (a.strides()[d] == 0 && a.shape()[d] > 1)
      fail<GradError>(op, ": unsupported operation: more than one element of the written-to tensor refers to a single memory location "
                      "(an expanded tensor of shape ", a.shape(), "). Please clone() the tensor before performing the operation.");
  if (!grad_enabled()) return;
  if (self.requires_grad() && self.is_leaf())
    fail<GradError>(op, ": a leaf Variable that requires grad is being used in an in-place operation.");
  const Tensor& base = self.impl()->base;
  if (base.defined() && base.requires_grad() && base.is_leaf())
    fail<GradError>(op, ": a view of a leaf Variable that requires grad is being used in an in-place operation.");
  if (self.impl()->multi_output_view && self.requires_grad())
    fail<GradError>(op, ": Output of a function that returns multiple views is being modified inplace. This is not allowed.");
}

void assign_in_place(const Tensor& self, const Tensor& value, std::string_view op) {
  check_in_place(self, op);
  if (!(value.shape() == self.shape()))
    fail<ShapeError>(op, ": the result has shape ", value.shape(), ", which does not fit the tensor of shape ", self.shape(), " in place");
  Array into = self.array();
  const Tensor base = self.impl()->base;
  if (grad_enabled() && base.defined() && base.dtype() != self.dtype() && (value.requires_grad() || base.requires_grad()))
    fail<GradError>(op, ": writing in place through a ", self.dtype(), " view of a ", base.dtype(), " tensor (view_as_real, real, imag) is not "
                    "recorded; build the tensor with hg.complex instead");
  Tensor new_base;
  if (grad_enabled() && base.defined() && (value.requires_grad() || base.requires_grad()))
    new_base = as_strided_scatter_history(base, value, into);
  kernels::copy(value.array(), into);
  into.storage()->bump_version();
  if (!grad_enabled()) return;
  if (!base.defined()) {
    const Edge edge = value.edge();                // a leaf's node belongs to that leaf: go through a copy
    self.impl()->edge = edge && edge.node->is_leaf() ? clone(value).edge() : edge;
    ++self.impl()->history;
  } else if (new_base.defined()) {
    base.impl()->edge = new_base.edge();
    ++base.impl()->history;                      // self and every other view re-attach at their next use
  }
}

}  // namespace hippograd
