#include <cstdio>
#include <hippograd/autograd/ops.h>
#include <hippograd/nn/layers.h>
#include <hippograd/nn/optim.h>

using namespace hippograd;

struct Regression : Model {
  Linear hidden{*this / "hidden", 1, 32}, out{*this / "out", 32, 1};
  Tensor operator()(const Tensor& x) const { return out(tanh(hidden(x))); }
};

int main() {
  manual_seed(0);
  Regression model;
  AdamW optimizer(decay_matrices_only(model, 0.0));
  const Tensor x(rand_uniform({256, 1}, -3, 3, DType::f32)), y = sin(x);
  for (int step = 0; step < 500; ++step) {
    const Tensor loss = mean(square(sub(model(x), y)));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step(1e-2, 1.0);
    if (step % 100 == 0) std::printf("step %3d  loss %.5f\n", step, loss.item<double>());
  }
  std::printf("%s", model.summary().c_str());
}
