// expect: T::errors
// An op that does not say which inputs it refuses, and in which words, is refused too.
#include "autograd/op.h"

namespace hippograd {

struct Doubled {
  static constexpr auto name = "doubled", doc = "2 * x, without its error samples";
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved&, ArrayIn x) const { return x[0]; }
  Tensor backward(Saved&, Tensor dy) const { return dy; }
  static Samples samples() { return {sample(Doubled{}, {{2, 3}})}; }
};

Tensor doubled(const Tensor& input) { return apply(Doubled{}, {input}); }

}  // namespace hippograd
