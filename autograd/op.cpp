#include "autograd/op.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>

#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

std::map<std::string, OpEntry>& table() {
  static std::map<std::string, OpEntry> t;
  return t;
}
bool flag(const char* variable) {
  const char* text = std::getenv(variable);
  return text && std::string_view(text) != "0" && *text;
}
bool sync_mode() {   // HIPPOGRAD_SYNC=1: wait after each op, so that a device error names the op that caused it
  static const bool on = flag("HIPPOGRAD_SYNC");
  return on;
}

bool has_nan(const Array& x) {
  if (!is_floating(x.dtype())) return false;
  Array count = empty({}, DType::i64, x.device());
  kernels::count_nan(x, count);
  return count.item<int64_t>() > 0;
}

std::string describe(const Tensors& inputs) {
  std::string s;
  for (const Tensor& t : inputs) s += (s.empty() ? "" : ", ") + (t.defined() ? cat(t.dtype(), t.shape()) : std::string("None"));
  return s;
}

void check_for_nan(const char* name, const Arrays& outputs, const Tensors& inputs) {
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].defined() || !has_nan(outputs[k])) continue;
    const bool came_in = std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.defined() && has_nan(t.array()); });
    fail<GradError>("anomaly: ", name, " returned NaN in output ", k, " of shape ", outputs[k].shape(),
                    came_in ? "; an input held NaN already" : "; no input held NaN", "; inputs: ", describe(inputs));
  }
}

struct Alias final : Node {   // identity; ends the graph of a reference, so that f(x, x) counts each use once
  std::string name() const override { return "alias"; }
  Tensors backward(const Tensors& dys) override { return dys; }
};

}  // namespace

const std::vector<OpEntry>& op_table() {
  static std::vector<OpEntry> list;
  if (list.size() != table().size()) {
    list.clear();
    for (const auto& [name, entry] : table()) list.push_back(entry);
  }
  return list;
}
void register_op(OpEntry entry) { table().try_emplace(entry.name, entry); }

namespace detail {

bool should_record(const Tensors& inputs, const std::vector<bool>* differentiable) {
  if (!grad_enabled()) return false;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].defined() && (i >= differentiable->size() || (*differentiable)[i]) && inputs[i].requires_grad()) return true;
  return false;
}

void begin_record(Node& node, const Tensors& inputs, const std::vector<bool>* differentiable) {
  node.inputs.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = inputs[i];
    if (!t.defined()) {
      node.input_meta.push_back({{}, DType::f32, {DeviceKind::CPU, -1}});   // index -1: absent
      continue;
    }
    node.input_meta.push_back({t.shape(), t.dtype(), t.device()});
    if (i >= differentiable->size() || (*differentiable)[i]) node.inputs[i] = t.edge();
  }
}

Tensors finish(const char* name, const NodePtr& node, Arrays outputs, const Tensors& inputs, bool is_view) {
  if (sync_mode() && !outputs.empty() && outputs[0].defined()) runtime(outputs[0].device().kind).synchronize(outputs[0].device());
  if (anomaly_mode()) check_for_nan(name, outputs, inputs);
  Tensors result;
  result.reserve(outputs.size());
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (node) {
      const Array& y = outputs[k];
      node->output_meta.push_back(y.defined() ? Meta{y.shape(), y.dtype(), y.device()} : Meta{});
    }
    Tensor t(std::move(outputs[k]));
    if (node && t.defined() && is_floating(t.dtype())) t.impl()->edge = {node, int(k)};
    if (is_view) {
      const Tensor& base = inputs[0].impl()->base;
      t.impl()->base = base.defined() ? base : inputs[0];
      t.impl()->seen = t.impl()->base.impl()->history;
    }
    result.push_back(std::move(t));
  }
  return result;
}

Tensors through_reference(Node& node, const std::function<Tensors(const Tensors&)>& reference, const Tensors& dys) {
  Tensors aliases(node.inputs.size()), wanted;
  std::vector<size_t> index;
  for (size_t i = 0; i < aliases.size(); ++i) {
    if (!node.saved.has(int(i))) continue;
    Tensor x = node.saved.x(int(i)).detach();
    if (node.inputs[i]) {
      auto alias = std::make_shared<Alias>();
      alias->inputs = {node.inputs[i]};
      alias->input_meta = alias->output_meta = {node.input_meta[i]};
      x.impl()->edge = {alias, 0};
      wanted.push_back(x);
      index.push_back(i);
    }
    aliases[i] = x;
  }
  const Tensors ys = reference(aliases);
  Tensors roots, cotangents;
  for (size_t k = 0; k < ys.size(); ++k) {
    if (!dys[k].defined() || !ys[k].defined() || !ys[k].requires_grad()) continue;
    roots.push_back(ys[k]);
    cotangents.push_back(dys[k]);
  }
  Tensors result(node.inputs.size());
  if (roots.empty()) return result;
  const Tensors gradients = grad(roots, wanted, cotangents, {true, true, true});
  for (size_t k = 0; k < index.size(); ++k) result[index[k]] = gradients[k];
  return result;
}

void no_second_order(const char* name) {
  fail<GradError>(name, ": the second derivative is not implemented (the op has neither a reference nor a differentiable backward)");
}

bool missing_kernel_falls_back(const char* name, const DeviceError& e) {
  if (std::string_view(e.what()).find("no kernel for device") == std::string_view::npos) return false;
  static const bool verbose = flag("HIPPOGRAD_VERBOSE");
  if (verbose) std::fprintf(stderr, "hippograd: %s runs its reference (%s)\n", name, e.what());
  return true;
}

void out_of_memory(const std::string& op, const OutOfMemory& e) { fail<OutOfMemory>(op, ": ", e.what()); }

}  // namespace detail
}  // namespace hippograd
