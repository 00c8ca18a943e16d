#pragma once
// Tensor: an Array that knows how it was made (architecture 3, 5).
//
// A Tensor is a shared handle to one TensorImpl; copies share it, so identity holds (`p is q`, `x.grad is x.grad`).
// Every recorded op makes a Node with a rising id. Inputs are always born before outputs, so differentiating is: take the
// youngest pending node, call its backward, add the results to its inputs' slots (engine.cpp). No recursion anywhere.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/array.h"

namespace hippograd {

class Tensor;
struct Node;
struct TensorImpl;
using Tensors = std::vector<Tensor>;
using NodePtr = std::shared_ptr<Node>;

struct Edge {                      // one output of a node; empty: no gradient flows here
  NodePtr node;
  int output = 0;
  explicit operator bool() const { return node != nullptr; }
};

class Tensor {
 public:
  Tensor() = default;                                        // undefined
  Tensor(Array array);                                       // a constant (no gradient)  NOLINT: implicit on purpose
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}
  static Tensor number(double x);                            // a Python number: takes part in promotion with the lowest rank
  static Tensor number(int64_t x);
  static Tensor number(bool x);
  static Tensor number(complex128 x);

  bool defined() const { return impl_ != nullptr; }
  const std::shared_ptr<TensorImpl>& impl() const { return impl_; }
  const Array& array() const;
  const Shape& shape() const { return array().shape(); }
  int64_t size(int64_t d) const { return array().size(d); }
  int dim() const { return array().dim(); }
  int64_t numel() const { return array().numel(); }
  DType dtype() const { return array().dtype(); }
  Device device() const { return array().device(); }
  bool is_number() const;                                    // made by `number`
  template <class T> T item() const { return array().item<T>(); }

  Edge edge() const;                                         // a view whose base changed in place is re-attached first
  bool requires_grad() const { return bool(edge()); }
  Tensor& set_requires_grad(bool on = true);                 // leaves only; GradError on integers and non-leaves
  bool is_leaf() const;
  Tensor grad() const;                                       // undefined until a backward reached this leaf
  void set_grad(const Tensor& g);                            // undefined clears it
  Tensor detach() const;                                     // same storage, no history
  void retain_grad();                                        // keep the gradient of a non-leaf too
  // fn(gradient) runs once the gradient of this tensor is complete; a defined result replaces it. Returns a removal token.
  int64_t register_hook(std::function<Tensor(const Tensor&)> fn);
  void remove_hook(int64_t token);
  // dy: cotangent; may be left out for a single element.
  void backward(const Tensor& dy = {}, bool retain_graph = false, bool create_graph = false) const;

  Tensor at(int64_t dim, int64_t index) const;               // select
  bool same(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  std::shared_ptr<TensorImpl> impl_;
};

struct TensorImpl {
  Array array;
  Edge edge;                                   // a leaf that requires grad owns a Leaf node
  Tensor grad;
  Tensor base;                                 // of a view: the tensor (never itself a view) that owns the history
  uint64_t history = 0;                        // of a base: rises when an in-place op changes its node
  uint64_t seen = 0;                           // of a view: base.history when `edge` was made
  bool is_number = false, is_parameter = false, retains_grad = false, multi_output_view = false;
  std::string name;                            // parameters: their path
  std::shared_ptr<void> python;                // attributes that Python put on the tensor, while no Python object stands for it
  void* wrapper = nullptr;                     // the living Python object of this tensor, if any (not owned)

  explicit TensorImpl(Array a) : array(std::move(a)) {}
};

struct Meta { Shape shape; DType dtype; Device device; };

// What a node keeps for its backward. `forward` fills it, `backward` reads it; reading checks that nothing was changed in
// place meanwhile and re-attaches the tensor to the graph (so that backward can be differentiated again).
class Saved {
 public:
  // --- forward ---
  void input(int i);                           // keep input i
  template <class... I> void inputs(I... i) { (input(i), ...); }
  void output(const Array& y, int k = 0);      // keep output k
  void extra(Array a);                         // keep an intermediate (never differentiated); read with extra(k)
  bool active() const { return node_ != nullptr; }   // false: nobody will differentiate, savings are dropped
  bool needs(int i) const;                     // does input i want a gradient?
  // --- backward ---
  Tensor x(int i) const;                       // saved input i
  Tensor y(int k = 0) const;                   // saved output k
  const Array& extra_at(int k) const;
  const Meta& in(int i) const;                 // shape, dtype, device of input i (always known)
  bool has(int i) const;                       // was optional input i given?
  bool has_saved_x(int i) const;
  int input_count() const;
  const Meta& out(int k = 0) const;
  void release();                              // frees what is kept; a later read throws
  bool released() const { return released_; }

 private:
  struct Kept { int index; Array array; uint64_t version; };
  const Kept& find(const std::vector<Kept>& list, int index, const char* what) const;
  void check(const Kept& k, const char* what) const;
  std::vector<Kept> inputs_, outputs_;
  Arrays extras_;
  const Tensors* arguments_ = nullptr;         // during forward
  Node* node_ = nullptr;
  bool released_ = false;
  friend struct Node;
  friend class Recorder;
};

struct Hook { int64_t token; int output; std::function<Tensor(const Tensor&)> fn; };

struct Node : std::enable_shared_from_this<Node> {
  Node();
  virtual ~Node();                             // unlinks in a loop: a chain of millions of nodes is freed without recursion
  Node(const Node&) = delete;
  virtual std::string name() const = 0;
  // One gradient (or an undefined Tensor) per input. Undefined dy: no gradient arrived at that output (zero).
  virtual Tensors backward(const Tensors& dys) = 0;
  virtual bool is_leaf() const { return false; }
  virtual void release() { saved.release(); }
  // Further gradients for the engine to carry on with (checkpoint: at the recomputed graph).
  virtual std::vector<std::pair<Edge, Tensor>> continuation() { return {}; }

  uint64_t id;
  std::vector<Edge> inputs;
  std::vector<Meta> input_meta, output_meta;
  Saved saved;
  std::vector<Hook> hooks;
  const char* called = nullptr;                // the function that the user called; several ops may stand behind it
};

struct Leaf final : Node {
  explicit Leaf(const std::shared_ptr<TensorImpl>& impl) : owner(impl) {}
  std::string name() const override { return "leaf"; }
  Tensors backward(const Tensors&) override { return {}; }
  bool is_leaf() const override { return true; }
  std::weak_ptr<TensorImpl> owner;
  std::vector<std::pair<int64_t, std::function<void(const Tensor&)>>> after;   // post-accumulate hooks
};

// ---- modes (per thread) ----
bool grad_enabled();
bool set_grad_enabled(bool on);                // returns the previous value
struct NoGrad { bool saved = set_grad_enabled(false); ~NoGrad() { set_grad_enabled(saved); } };
struct EnableGrad { bool saved = set_grad_enabled(true); ~EnableGrad() { set_grad_enabled(saved); } };
bool anomaly_mode();
void set_anomaly_mode(bool on);                // every op is checked for NaN; the error names op and shapes
bool reference_mode();
void set_reference_mode(bool on);              // ops that have a readable reference run it instead of their kernels

// ---- differentiation ----
struct GradOptions {
  bool create_graph = false;                   // record the backward itself, for higher derivatives
  bool retain_graph = false;                   // keep what nodes saved (create_graph implies it)
  bool allow_unused = false;                   // else GradError if some x does not reach y
};
// dL/dx for every x, where L = sum_i <dy_i, y_i>. An unused x gives an undefined Tensor.
Tensors grad(const Tensors& ys, const Tensors& xs, const Tensors& dys = {}, GradOptions options = {});
// Adds dL/dx to .grad of every leaf (of `inputs` only, if given).
void backward(const Tensors& ys, const Tensors& dys = {}, GradOptions options = {}, const Tensors& inputs = {});

// ys = f(xs) computed without keeping f's intermediates; backward runs f again (Chen et al. 2016, "Training deep nets with
// sublinear memory cost"). Random numbers are replayed. Gradients reach tensors captured by f as well.
Tensors checkpoint(std::function<Tensors(const Tensors&)> f, const Tensors& xs);

// ---- changing tensors in place, with PyTorch's rules ----
// self <- value (same shape and dtype): writes the storage, bumps its version, gives self (and its base, if self is a view)
// the history of `value`. GradError on a leaf that requires grad while recording, and on views PyTorch refuses.
void assign_in_place(const Tensor& self, const Tensor& value, std::string_view op);
// Throws the error that assign_in_place would throw, before any work is done.
void check_in_place(const Tensor& self, std::string_view op);

}  // namespace hippograd
