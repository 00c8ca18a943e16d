// Softmax, norms, losses, attention.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, double dropout_p, bool is_causal,
                 std::optional<double> scale, bool enable_gqa) {
  AttentionOptions o;
  o.dropout_p = dropout_p;
  o.is_causal = is_causal;
  o.scale = scale;
  o.enable_gqa = enable_gqa;
  return scaled_dot_product_attention(query, key, value, mask, o);
}
}  // namespace

void bind_nn() {
  def("softmax(input, dim, dtype=None)", softmax);
  def("log_softmax(input, dim, dtype=None)", log_softmax);
  def_function("layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5)", layer_norm);
  def_function("rms_norm(input, normalized_shape, weight=None, eps=None)", rms_norm);
  def_function("rms_norm_gated(input, z, weight, eps=1e-5, group_size=0, norm_before_gate=False)", rms_norm_gated);
  def_function("cross_entropy(input, target, weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0)", cross_entropy);
  def_function("nll_loss(input, target, weight=None, ignore_index=-100, reduction='mean')", nll_loss);
  def_function("scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)", attention);
}

}  // namespace hippograd::python
