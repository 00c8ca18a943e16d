// A stranger's tests: a gradient, an error caught by its type across the library's border, the build's facts, and an op of
// his own (the block of README.md) that passes every check. Both ways to write the include must work.
#include <hippograd/autograd/check.h>
#include <hippograd/autograd/op.h>

#include <cstdio>

#include "autograd/ops.h"
#include "tensor/build_info.h"

using namespace hippograd;

//   y = x^3        dx = 3 x^2 dy
struct Cube {
  static constexpr auto name = "cube", doc = "input * input * input";
  static constexpr bool differentiable_backward = true;      // backward is written in differentiable ops
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved& s, ArrayIn x) const { s.input(0); return mul(mul(Tensor(x[0]), Tensor(x[0])), Tensor(x[0])).array(); }
  Tensor backward(Saved& s, Tensor dy) const { return mul(mul(square(s.x(0)), 3), dy); }
  static Samples samples() { return {sample(Cube{}, {{2, 3}}), sample(Cube{}, {{0, 4}}, "empty")}; }
  static ErrorSamples errors() { return {}; }
};
Tensor cube(const Tensor& input) { return apply(Cube{}, {input}); }

namespace {

bool gradient_is_right() {
  Tensor x(from_vector<double>({1, 2}, {2}));
  x.set_requires_grad();
  add(x, x).backward(from_vector<double>({3, 5}, {2}));
  return to_vector<double>(x.grad().array()) == std::vector<double>{6, 10};
}

bool mistake_is_refused() {
  try {
    add(Tensor(from_vector<double>({1, 2}, {2})), Tensor(from_vector<double>({1, 2, 3}, {3})));
  } catch (const ShapeError& error) {
    std::printf("refused as it should be: %s\n", error.what());
    return true;
  }
  return false;
}

bool own_op_passes() {
  if (to_vector<double>(cube(Tensor(from_vector<double>({2, -3}, {2}))).array()) != std::vector<double>{8, -27}) return false;
  for (const OpEntry& op : op_table()) {
    if (op.name != "cube") continue;
    bool sound = true;
    for (const Check check : kChecks) {
      const std::string why = run_check(op, check);
      if (!why.empty()) std::printf("cube: %s: %s\n", name(check), why.c_str());
      sound &= why.empty();
    }
    return sound;
  }
  std::printf("cube is not in the op table\n");
  return false;
}

}  // namespace

int main() {
  const bool right = gradient_is_right(), refused = mistake_is_refused(), own = own_op_passes();
  std::printf("hippograd %s: gradient %s, own op %s\n", build_info().version.c_str(), right ? "right" : "wrong", own ? "right" : "wrong");
  return right && refused && own && missing_isa().empty() ? 0 : 1;
}
