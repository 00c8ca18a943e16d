#include "nn/layers.h"

namespace hippograd {

Linear::Linear(Scope s, int64_t in, int64_t out, bool with_bias, Init init, std::optional<Init> bias_init)
    : weight(s.param("weight", {out, in}, init)) {
  if (with_bias) bias = s.param("bias", {out}, bias_init ? *bias_init : init::fan_in_uniform(in));
}

Embedding::Embedding(Scope s, int64_t count, int64_t dim, Init init) : weight(s.param("weight", {count, dim}, init)) {}

LayerNorm::LayerNorm(Scope s, int64_t dim, double eps_)
    : weight(s.param("weight", {dim}, init::ones())), bias(s.param("bias", {dim}, init::zeros())), eps(eps_) {}

RMSNorm::RMSNorm(Scope s, int64_t dim, double eps_) : weight(s.param("weight", {dim}, init::ones())), eps(eps_) {}

Conv2d::Conv2d(Scope s, int64_t in, int64_t out, int64_t kernel, int64_t stride_, int64_t padding_, bool with_bias, Init init,
               std::optional<Init> bias_init)
    : weight(s.param("weight", {out, in, kernel, kernel}, init)), stride(stride_), padding(padding_) {
  if (with_bias) bias = s.param("bias", {out}, bias_init ? *bias_init : init::fan_in_uniform(in * kernel * kernel));
}
Tensor Conv2d::operator()(const Tensor& x) const { return conv2d(x, weight, bias, {stride, stride}, {padding, padding}); }

}  // namespace hippograd
