#pragma once
// An op is one struct (architecture 4):
//
//   struct Softmax {
//     static constexpr auto name = "softmax", doc = "exp(x) / sum(exp(x)) over the last dimension";
//     Outs infer(ArrayIn x) const;                       // shape rule: checks, error messages, shapes and dtypes out
//     Array forward(Saved& s, ArrayIn x) const;          // calls kernels; `s` keeps what backward needs
//     Tensor or Tensors backward(Saved& s, Tensor dy) const;
//     Tensor reference(const Tensors& x) const;          // optional: the readable form, in differentiable ops
//     static Samples samples();                          // without them the file does not compile
//     static ErrorSamples errors();
//   };
//   Tensor softmax(const Tensor& input, int64_t dim) { return apply(Softmax{}, {input}); }
//
// Several outputs: `Arrays forward`, `Tensors backward(Saved&, Tensors dys)`, `Tensors reference`.
// Optional members: `dtypes` (std::vector<DType>; default f32 f64 bf16), `differentiable` (std::vector<bool> per input),
// `differentiable_backward = true` (backward is written in differentiable ops), `is_view = true` (output shares storage),
// `autocast` (what mixed precision gives it: autograd/autocast.h).
// Second order: while the backward is recorded, an op is differentiated through its `reference`, or through its
// `differentiable_backward`; with neither, an error says so.
#include <concepts>
#include <initializer_list>

#include "autograd/autocast.h"
#include "autograd/sample.h"
#include "autograd/tensor.h"
#include "tensor/dims.h"
#include "tensor/kernel.h"

namespace hippograd {

// The arrays of an op's inputs. x[i] is undefined where an optional input is absent.
class ArrayIn {
 public:
  explicit ArrayIn(const Tensors& t) : tensors_(&t) {}
  const Array& operator[](size_t i) const {
    static const Array none{};
    return i < tensors_->size() && (*tensors_)[i].defined() ? (*tensors_)[i].array() : none;
  }
  bool has(size_t i) const { return i < tensors_->size() && (*tensors_)[i].defined(); }
  size_t size() const { return tensors_->size(); }
 private:
  const Tensors* tensors_;
};

inline Out like(const Array& x) { return {x.shape(), x.dtype()}; }
inline Out out(const Shape& shape, DType dtype) { return {shape, dtype}; }

template <class T> concept Described = requires {
  { T::name } -> std::convertible_to<const char*>;
  { T::doc } -> std::convertible_to<const char*>;
};
template <class T> concept HasSamples = requires {
  { T::samples() } -> std::same_as<Samples>;
  { T::errors() } -> std::same_as<ErrorSamples>;
};
template <class T> concept OneOutput = requires(const T t, Saved& s, ArrayIn x, Tensor dy) {
  { t.forward(s, x) } -> std::same_as<Array>;
  t.backward(s, dy);
};
template <class T> concept ManyOutputs = requires(const T t, Saved& s, ArrayIn x, Tensors dys) {
  { t.forward(s, x) } -> std::same_as<Arrays>;
  { t.backward(s, dys) } -> std::same_as<Tensors>;
};
template <class T> concept Operation = Described<T> && HasSamples<T> && (OneOutput<T> || ManyOutputs<T>) &&
    requires(const T t, ArrayIn x) { { t.infer(x) } -> std::same_as<Outs>; };

template <class T> concept HasReference = requires(const T t, const Tensors& x) { t.reference(x); };
template <class T> inline constexpr bool differentiable_backward = [] {
  if constexpr (requires { T::differentiable_backward; }) return T::differentiable_backward; else return false;
}();
template <class T> inline constexpr bool is_view_op = [] {
  if constexpr (requires { T::is_view; }) return T::is_view; else return false;
}();

template <class T> inline constexpr Autocast autocast_policy = [] {
  if constexpr (requires { T::autocast; }) return T::autocast; else return Autocast::Keep;
}();

namespace detail {
inline Tensors as_list(Tensor t) { Tensors v; v.push_back(std::move(t)); return v; }
inline Tensors as_list(Tensors t) { return t; }

// The parts of `apply` that do not depend on the op's type (op.cpp).
bool should_record(const Tensors& inputs, const std::vector<bool>* differentiable);
void begin_record(Node& node, const Tensors& inputs, const std::vector<bool>* differentiable);
Tensors finish(const char* name, const NodePtr& node, Arrays outputs, const Tensors& inputs, bool is_view);
Tensors through_reference(Node& node, const std::function<Tensors(const Tensors&)>& reference, const Tensors& dys);
[[noreturn]] void no_second_order(const char* name);
bool missing_kernel_falls_back(const char* name, const DeviceError& e);
[[noreturn]] void out_of_memory(const std::string& op, const OutOfMemory& e);   // the same error, with the op's name in front
}  // namespace detail

// Saved's hooks into a running forward.
class Recorder {
 public:
  static void attach(Saved& s, Node* node, const Tensors& arguments) { s.node_ = node; s.arguments_ = &arguments; }
  static void detach(Saved& s) { s.arguments_ = nullptr; }
};

template <Operation Op> OpEntry describe() {
  OpEntry e;
  e.name = Op::name;
  e.doc = Op::doc;
  if constexpr (requires { Op::dtypes(); }) e.dtypes = Op::dtypes(); else e.dtypes = {DType::f32, DType::f64, DType::bf16};
  if constexpr (requires { Op::differentiable(); }) e.differentiable = Op::differentiable();
  e.has_reference = HasReference<Op>;
  e.differentiable_backward = differentiable_backward<Op>;
  e.is_view = is_view_op<Op>;
  e.autocast = autocast_policy<Op>;
  e.samples = [] { return Op::samples(); };
  e.errors = [] { return Op::errors(); };
  return e;
}
template <Operation Op> struct Registered {
  static inline const bool done = (register_op(describe<Op>()), true);
};

template <Operation Op> struct OpNode final : Node {
  Op op;
  explicit OpNode(Op o) : op(std::move(o)) {}
  std::string name() const override { return Op::name; }

  Tensors backward(const Tensors& dys) override {
    if (!grad_enabled()) return call(dys);
    if constexpr (differentiable_backward<Op>) {
      KernelBan ban(Op::name);
      return call(dys);
    } else if constexpr (HasReference<Op>) {
      return detail::through_reference(*this, [this](const Tensors& x) { return detail::as_list(op.reference(x)); }, dys);
    } else {
      detail::no_second_order(Op::name);
    }
  }
  Tensors call(const Tensors& dys) {
    if constexpr (ManyOutputs<Op>) return op.backward(saved, dys);
    else return detail::as_list(op.backward(saved, dys[0]));
  }
};

template <Operation Op> Tensors apply_list(const Op& op, const Tensors& inputs) {
  (void)Registered<Op>::done;
  if constexpr (autocast_policy<Op> != Autocast::Keep)
    if (detail::autocast_regions)
      if (const auto cast = detail::autocast_inputs(autocast_policy<Op>, inputs)) return apply_list(op, *cast);
  if constexpr (HasReference<Op>)
    if (reference_mode()) return detail::as_list(op.reference(inputs));
  const ArrayIn x(inputs);
  (void)op.infer(x);                                       // every check, before memory is touched
  static const std::vector<bool> mask = [] {
    if constexpr (requires { Op::differentiable(); }) return Op::differentiable(); else return std::vector<bool>{};
  }();
  std::shared_ptr<OpNode<Op>> node;
  Saved unused;
  if (detail::should_record(inputs, &mask)) {
    node = std::make_shared<OpNode<Op>>(op);
    detail::begin_record(*node, inputs, &mask);
  }
  Saved& saved = node ? node->saved : unused;
  Recorder::attach(saved, node.get(), inputs);
  Arrays ys;
  {
    KernelBan lift(nullptr);
    try {
      if constexpr (ManyOutputs<Op>) ys = op.forward(saved, x);
      else ys.push_back(op.forward(saved, x));
    } catch (const DeviceError& e) {
      if constexpr (HasReference<Op>) {
        if (detail::missing_kernel_falls_back(Op::name, e)) return detail::as_list(op.reference(inputs));
      }
      throw;
    } catch (const OutOfMemory& e) {
      detail::out_of_memory(Op::name, e);
    }
  }
  Recorder::detach(saved);
  return detail::finish(Op::name, node, std::move(ys), inputs, is_view_op<Op>);
}

// One output gives a Tensor, several give Tensors.
template <Operation Op> auto apply(const Op& op, const Tensors& inputs) {
  if constexpr (ManyOutputs<Op>) return apply_list(op, inputs);
  else return std::move(apply_list(op, inputs)[0]);
}

template <class Op> Sample sample(Op op, std::vector<Input> inputs, std::string label = "") {
  Sample s;
  s.inputs = std::move(inputs);
  s.label = std::move(label);
  s.run = [op](const Tensors& x) { return apply_list(op, x); };
  if constexpr (HasReference<Op>) s.reference = [op](const Tensors& x) { return detail::as_list(op.reference(x)); };
  s.infer = [op](const Tensors& x) { return op.infer(ArrayIn(x)); };
  return s;
}
template <class Op> ErrorSample error(Op op, std::vector<Input> inputs, std::string text) {
  return {std::move(inputs), std::move(text), [op](const Tensors& x) { return apply_list(op, x); }};
}

// Is this the backward that is being recorded (create_graph)? Ops with `differentiable_backward` may take a fused kernel
// when it is not.
inline bool recording() { return grad_enabled(); }

}  // namespace hippograd
