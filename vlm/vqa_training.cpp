#include "vlm/vqa_training.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tensor/safetensors.h"

namespace hippograd {

VqaScore evaluate(const EnhancedVLM& model, const EasyVqa& data, int64_t batch) {
  const NoGrad quiet;
  const EvalMode eval(model);
  std::vector<Tensor> seen;                        // every picture is looked at once
  for (int64_t i = 0; i < data.picture_count(); i += batch) {
    std::vector<int64_t> which(size_t(std::min(batch, data.picture_count() - i)));
    std::iota(which.begin(), which.end(), i);
    seen.push_back(model.encode(Tensor(data.images(which).to(model.device()))));
  }
  const Tensor vision = cat(seen, 0);              // (pictures, P, D)

  std::map<size_t, std::vector<int64_t>> by_length;   // prompts of one length can be decoded together
  for (int64_t q = 0; q < data.question_count(); ++q) by_length[data.prompt(q).size()].push_back(q);
  VqaScore score;
  score.answers.resize(size_t(data.question_count()));
  for (const auto& [length, questions] : by_length)
    for (size_t start = 0; start < questions.size(); start += size_t(batch)) {
      const int64_t B = int64_t(std::min<size_t>(size_t(batch), questions.size() - start)), T = int64_t(length);
      Array prompts = empty({B, T}, DType::i64), pictures = empty({B}, DType::i64);
      for (int64_t b = 0; b < B; ++b) {
        const int64_t q = questions[start + size_t(b)];
        const auto prompt = data.prompt(q);
        std::copy(prompt.begin(), prompt.end(), prompts.data<int64_t>() + b * T);
        pictures.data<int64_t>()[b] = data.picture_of(q);
      }
      GenerateOptions o;
      o.temperature = 0;
      o.max_length = std::min(T + 3, model.config().max_seq_length);
      o.bos = Vocabulary::kBos;
      o.eos = Vocabulary::kEos;
      const Generated g = model.generate_from(index_select(vision, 0, Tensor(pictures.to(model.device()))), Tensor(prompts.to(model.device())), o);
      const int64_t width = g.tokens.size(1);
      for (int64_t b = 0; b < B; ++b) {
        const int64_t* row = g.tokens.data<int64_t>() + b * width;
        score.answers[size_t(questions[start + size_t(b)])] = data.vocabulary().decode({row + T, row + width});
      }
    }
  for (int64_t q = 0; q < data.question_count(); ++q) {
    const bool right = score.answers[size_t(q)] == data.answer(q);
    auto& kind = score.by_kind[EasyVqa::kind(data.answer(q))];
    ++kind.asked, ++score.total.asked;
    kind.right += right, score.total.right += right;
  }
  return score;
}

double batch_accuracy(const Tensor& logits, const Array& targets) {
  const int64_t V = logits.size(-1), n = targets.numel();
  const Array x = logits.array().to(Device{}).to(DType::f32).contiguous(), t = targets.to(Device{}).contiguous();
  int64_t right = 0, asked = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (t.data<int64_t>()[i] < 0) continue;
    const float* row = x.data<float>() + i * V;
    right += std::max_element(row, row + V) - row == t.data<int64_t>()[i];
    ++asked;
  }
  return asked ? double(right) / double(asked) : 0;
}

void explain_bad_loss(const EnhancedVLM& model, const VqaBatch& batch, int64_t step, double loss) {
  std::string why = "no op of the repeated step gave NaN";
  struct Anomaly { bool before = anomaly_mode(); Anomaly() { set_anomaly_mode(true); } ~Anomaly() { set_anomaly_mode(before); } } on;
  try {
    EnableGrad record;
    const Device d = model.device();
    model.forward(Tensor(batch.images.to(d)), Tensor(batch.tokens.to(d)), Tensor(batch.targets.to(d))).loss.backward();
  } catch (const Error& e) {
    why = e.what();
  }
  fail<GradError>("training stopped at step ", step, ": the loss is ", loss, ": ", why);
}

void save_model(const std::string& path, const EnhancedVLM& model, const Vocabulary& words, int64_t step) {
  std::vector<std::pair<std::string, Array>> tensors;
  for (const Parameter& p : model.named()) tensors.emplace_back(p.path, p.tensor.array());
  save_safetensors(path, tensors, {{"model", "EnhancedVLM easy_vqa"}, {"words", nlohmann::json(words.words()).dump()}, {"step", std::to_string(step)}});
}

}  // namespace hippograd
