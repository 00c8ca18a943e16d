// expect: t\.forward\(s, x\)
// forward works on arrays: one that returns a Tensor could record a graph by accident.
#include "autograd/op.h"

namespace hippograd {

struct Doubled {
  static constexpr auto name = "doubled", doc = "2 * x";
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Tensor forward(Saved&, ArrayIn) const { return Tensor(); }
  Tensor backward(Saved&, Tensor dy) const { return dy; }
  static Samples samples() { return {sample(Doubled{}, {{2, 3}})}; }
  static ErrorSamples errors() { return {}; }
};

Tensor doubled(const Tensor& input) { return apply(Doubled{}, {input}); }

}  // namespace hippograd
