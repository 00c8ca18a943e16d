// hippograd._C._vlm: vision-language models, easy-VQA, and what their training loop needs.
#include <pybind11/stl.h>

#include "bindings/caster.h"
#include "tensor/safetensors.h"
#include "vlm/image.h"
#include "vlm/vqa_training.h"

namespace hippograd::python {
namespace {

using Released = py::call_guard<py::gil_scoped_release>;

py::tuple parts(const VqaBatch& b) { return py::make_tuple(Tensor(b.images), Tensor(b.tokens), Tensor(b.targets)); }

void bind_config(py::module_& v) {
  py::class_<VLMConfig> c(v, "VLMConfig");
  const auto field = [&c](const char* name, auto member) { c.def_readwrite(name, member); };
  field("img_size", &VLMConfig::img_size);
  field("patch_size", &VLMConfig::patch_size);
  field("vision_embed_dim", &VLMConfig::vision_embed_dim);
  field("vision_num_layers", &VLMConfig::vision_num_layers);
  field("vision_num_heads", &VLMConfig::vision_num_heads);
  field("vocab_size", &VLMConfig::vocab_size);
  field("text_embed_dim", &VLMConfig::text_embed_dim);
  field("text_num_layers", &VLMConfig::text_num_layers);
  field("text_num_heads", &VLMConfig::text_num_heads);
  field("text_kv_heads", &VLMConfig::text_kv_heads);
  field("max_seq_length", &VLMConfig::max_seq_length);
  field("ssm_state_dim", &VLMConfig::ssm_state_dim);
  field("ssm_hidden_dim", &VLMConfig::ssm_hidden_dim);
  field("ssm_num_layers", &VLMConfig::ssm_num_layers);
  field("ssm_dropout", &VLMConfig::ssm_dropout);
  field("cross_attn_layers", &VLMConfig::cross_attn_layers);
  field("cross_attn_heads", &VLMConfig::cross_attn_heads);
  field("dropout", &VLMConfig::dropout);
  field("layer_norm_eps", &VLMConfig::layer_norm_eps);
  field("as_published", &VLMConfig::as_published);
  field("vision_stem", &VLMConfig::vision_stem);
  field("vision_cls", &VLMConfig::vision_cls);
  field("bridge_in_proj", &VLMConfig::bridge_in_proj);
  field("cross_kv_heads", &VLMConfig::cross_kv_heads);
  field("decoder_prefix", &VLMConfig::decoder_prefix);
  field("bridge_ssm", &VLMConfig::bridge_ssm);
  field("bridge_method", &VLMConfig::bridge_method);
  field("vision_bidirectional", &VLMConfig::vision_bidirectional);
  field("decoder_vision_pos", &VLMConfig::decoder_vision_pos);
  field("vision_kv_heads", &VLMConfig::vision_kv_heads);
  field("vision_ffn_dim", &VLMConfig::vision_ffn_dim);
  field("text_ffn_dim", &VLMConfig::text_ffn_dim);
  field("token_init_std", &VLMConfig::token_init_std);
  c.def(py::init([c](const py::kwargs& fields) {
     py::object made = py::cast(VLMConfig{});
     for (const auto& [key, value] : fields) {
       if (!py::hasattr(made, key)) throw py::type_error("VLMConfig() got an unexpected keyword argument '" + py::str(key).cast<std::string>() + "'");
       py::setattr(made, key, value);
     }
     return made.cast<VLMConfig>();
   }))
      .def("validate", &VLMConfig::validate)
      .def_property_readonly("vision_tokens", &VLMConfig::vision_tokens)
      .def_static("easy_vqa", &VLMConfig::easy_vqa, "The demo's preset: 423,232 parameters.");
}

void bind_model(py::module_& v) {
  py::class_<EnhancedVLM>(v, "EnhancedVLM")
      .def(py::init([](const VLMConfig& c, const std::string& dtype, const std::string& device) {
             const DType t = dtype == "float32" ? DType::f32 : dtype == "float64" ? DType::f64 : throw py::value_error("EnhancedVLM: dtype must be float32 or float64, got " + dtype);
             return std::make_unique<EnhancedVLM>(c, t, Device::parse(device));
           }),
           py::arg("config"), py::arg("dtype") = "float32", py::arg("device") = "cpu")
      .def("named", [](const EnhancedVLM& m) {
        py::list list;
        for (const auto& p : m.named()) list.append(py::make_tuple(p.path, p.tensor, p.buffer));
        return list;
      })
      .def("forward", [](const EnhancedVLM& m, const Tensor& images, const Tensor& tokens, const Tensor& targets) {
             const auto out = m.forward(images, tokens, targets);
             return std::pair(out.logits, out.loss);
           }, py::arg("images"), py::arg("tokens"), py::arg("targets") = Tensor(), Released())
      .def("encode", &EnhancedVLM::encode, py::arg("images"), Released())
      .def("logits", &EnhancedVLM::logits, py::arg("vision"), py::arg("tokens"), Released())
      .def("generate", [](const EnhancedVLM& m, const Tensor& images, const Tensor& vision, const Tensor& prompt, int64_t max_length,
                          std::optional<int64_t> max_new_tokens, double temperature, std::optional<int64_t> top_k, double top_p, int64_t bos, int64_t eos,
                          bool use_cache, std::optional<uint64_t> seed) {
             Generator own(seed.value_or(0));
             GenerateOptions o{max_length, max_new_tokens, temperature, top_k.value_or(0), top_p, bos, eos, use_cache, seed ? &own : nullptr};
             const Generated g = images.defined() ? m.generate(images, prompt, o) : m.generate_from(vision, prompt, o);
             return std::pair(Tensor(g.tokens), g.lengths);
           }, py::arg("images"), py::arg("vision"), py::arg("prompt"), py::arg("max_length"), py::arg("max_new_tokens"), py::arg("temperature"),
           py::arg("top_k"), py::arg("top_p"), py::arg("bos"), py::arg("eos"), py::arg("use_cache"), py::arg("seed"), Released())
      .def("train", &EnhancedVLM::train, py::arg("mode") = true)
      .def("summary", &EnhancedVLM::summary)
      .def("parameter_count", &EnhancedVLM::parameter_count, py::arg("prefix") = "")
      .def_property_readonly("config", &EnhancedVLM::config);
  v.def("next_token_targets", &next_token_targets, py::arg("tokens"), py::arg("ignore") = -100);
}

void bind_data(py::module_& v) {
  py::class_<Vocabulary>(v, "Vocabulary")
      .def("__len__", &Vocabulary::size)
      .def("encode", &Vocabulary::encode, py::arg("text"))
      .def("decode", &Vocabulary::decode, py::arg("ids"))
      .def("id", &Vocabulary::id, py::arg("word"))
      .def_property_readonly("words", &Vocabulary::words);
  py::class_<EasyVqa>(v, "EasyVqa")
      .def(py::init<const std::string&, const std::string&, const EasyVqa*>(), py::arg("folder"), py::arg("split"), py::arg("train") = nullptr, Released())
      .def_property_readonly("vocabulary", &EasyVqa::vocabulary)
      .def_property_readonly("picture_count", &EasyVqa::picture_count)
      .def("__len__", &EasyVqa::question_count)
      .def_property_readonly("pictures", [](const EasyVqa& d) { return Tensor(d.pictures()); }, "(n, 3, S, S) uint8")
      .def("question", &EasyVqa::question, py::arg("i"))
      .def("answer", &EasyVqa::answer, py::arg("i"))
      .def("picture_of", &EasyVqa::picture_of, py::arg("i"))
      .def("questions_of", &EasyVqa::questions_of, py::arg("picture"))
      .def("prompt", &EasyVqa::prompt, py::arg("i"))
      .def_static("kind", &EasyVqa::kind, py::arg("answer"))
      .def("images", [](const EasyVqa& d, const std::vector<int64_t>& which) { return Tensor(d.images(which)); }, py::arg("which"))
      .def("batch", [](const EasyVqa& d, const std::vector<int64_t>& p, const std::vector<int64_t>& q) { return parts(d.batch(p, q)); },
           py::arg("pictures"), py::arg("questions"));
  py::class_<VqaBatches>(v, "VqaBatches")
      .def(py::init<const EasyVqa&, int64_t, int64_t, uint64_t>(), py::arg("data"), py::arg("pictures"), py::arg("questions"), py::arg("seed"), py::keep_alive<1, 2>())
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", [](VqaBatches& b) { return parts(b.next()); });
  v.def("evaluate", [](const EnhancedVLM& model, const EasyVqa& data) {
    VqaScore s;
    {
      py::gil_scoped_release unlocked;
      s = evaluate(model, data);
    }
    py::dict kinds;
    for (const auto& [kind, count] : s.by_kind) kinds[py::str(kind)] = py::make_tuple(count.right, count.asked);
    return py::make_tuple(py::make_tuple(s.total.right, s.total.asked), kinds, s.answers);
  }, py::arg("model"), py::arg("data"));
  v.def("batch_accuracy", [](const Tensor& logits, const Tensor& targets) { return batch_accuracy(logits, targets.array()); }, py::arg("logits"), py::arg("targets"));
  v.def("explain_bad_loss", [](const EnhancedVLM& m, const std::tuple<Tensor, Tensor, Tensor>& b, int64_t step, double loss) {
    explain_bad_loss(m, {std::get<0>(b).array(), std::get<1>(b).array(), std::get<2>(b).array()}, step, loss);
  }, py::arg("model"), py::arg("batch"), py::arg("step"), py::arg("loss"));
  v.def("save_checkpoint", [](const std::string& folder, const EnhancedVLM& model, int64_t step) {
    std::vector<std::pair<std::string, Array>> tensors;
    for (const auto& p : model.named()) tensors.emplace_back(p.path, p.tensor.array());
    CheckpointFolder{folder}.save(step, tensors, {{"step", std::to_string(step)}});
  }, py::arg("folder"), py::arg("model"), py::arg("step"), Released());
  v.def("save_model", &save_model, py::arg("path"), py::arg("model"), py::arg("words"), py::arg("step"), Released());
  v.def("read_png", [](const std::string& path) { return Tensor(read_png(path)); }, py::arg("path"), Released());
}

}  // namespace

void bind_vlm(py::module_& m) {
  py::module_ v = m.def_submodule("_vlm");
  bind_config(v);
  bind_model(v);
  bind_data(v);
}

}  // namespace hippograd::python
