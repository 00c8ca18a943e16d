// Writes parameters and outputs of every C++ layer that has a twin in hippograd.nn, made from one seed: twins FILE.
// tests/python/test_twins.py makes the same layers in Python and compares bits.
#include <cstdio>
#include <exception>

#include "autograd/operators.h"
#include "nn/layers.h"
#include "tensor/safetensors.h"

using namespace hippograd;

namespace {

constexpr uint64_t kSeed = 7;
std::map<std::string, Array> g_file;

// 0, 1, 2 ... spread over [-1, 1)
Tensor ramp(const Shape& shape, DType dtype) {
  const Array n = arange(shape.numel(), DType::f64).reshape(shape);
  return to(Tensor(n) * (2.0 / double(shape.numel())) - 1.0, dtype);
}

template <class Make> void layer(const std::string& name, DType dtype, Make&& make) {
  default_generator().set(kSeed, 0);
  Model root(dtype);
  const Tensor y = make(root / name, dtype);
  const std::string prefix = std::string(hippograd::name(dtype)) + ".";
  for (const Parameter& p : root.named()) g_file[prefix + p.path] = p.tensor.array().contiguous();
  g_file[prefix + name + ":output"] = y.array().contiguous();
}

void all(DType t) {
  layer("linear", t, [](Scope s, DType d) { return Linear(s, 6, 5)(ramp({3, 6}, d)); });
  layer("linear_no_bias", t, [](Scope s, DType d) { return Linear(s, 33, 17, false)(ramp({2, 4, 33}, d)); });
  layer("embedding", t, [](Scope s, DType) { return Embedding(s, 11, 4)(Tensor(arange(10).reshape({2, 5}))); });
  layer("layer_norm", t, [](Scope s, DType d) { return LayerNorm(s, 9)(ramp({4, 9}, d)); });
  layer("rms_norm", t, [](Scope s, DType d) { return RMSNorm(s, 9, 1e-6)(ramp({4, 9}, d)); });
  layer("dropout", t, [](Scope s, DType d) { return Dropout(s, 0.25)(ramp({5, 8}, d)); });
  layer("conv2d", t, [](Scope s, DType d) { return Conv2d(s, 3, 4, 3, 2, 1)(ramp({2, 3, 7, 6}, d)); });
  layer("two", t, [](Scope s, DType d) {
    const Linear first(s / "0", 6, 8), second(s / "2", 8, 2);
    return second(relu(first(ramp({3, 6}, d))));
  });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) fail<ValueError>("usage: twins FILE");
    all(DType::f32);
    all(DType::f64);
    save_safetensors(argv[1], g_file);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "twins: %s\n", e.what());
    return 1;
  }
}
