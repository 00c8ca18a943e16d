// A stranger's program: tensors, a gradient, an error caught by its type. Both ways to write the include must work.
#include <hippograd/autograd/ops.h>

#include <cstdio>

#include "tensor/build_info.h"

int main() {
  using namespace hippograd;
  Tensor x(from_vector<double>({1, 2}, {2}));
  x.set_requires_grad();
  add(x, x).backward(from_vector<double>({3, 5}, {2}));
  const bool right = to_vector<double>(x.grad().array()) == std::vector<double>{6, 10};

  bool refused = false;
  try {
    add(x, from_vector<double>({1, 2, 3}, {3}));
  } catch (const ShapeError& error) {
    std::printf("refused as it should be: %s\n", error.what());
    refused = true;
  }
  std::printf("hippograd %s: gradient %s\n", build_info().version.c_str(), right ? "right" : "wrong");
  return right && refused && missing_isa().empty() ? 0 : 1;
}
