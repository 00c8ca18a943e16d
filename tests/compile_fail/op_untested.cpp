// expect: T::samples
// An op that shows the tests no inputs is refused by the compiler, and its message says what is missing.
#include "autograd/op.h"

namespace hippograd {

struct Doubled {
  static constexpr auto name = "doubled", doc = "2 * x, without a list of inputs to test it with";
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved&, ArrayIn x) const { return x[0]; }
  Tensor backward(Saved&, Tensor dy) const { return dy; }
  static ErrorSamples errors() { return {}; }
};

Tensor doubled(const Tensor& input) { return apply(Doubled{}, {input}); }

}  // namespace hippograd
