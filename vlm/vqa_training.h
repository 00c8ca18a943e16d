#pragma once
// What training and judging EnhancedVLM on easy-VQA needs beside the model; the C++ program apps/train_vqa.cpp and the Python
// demo are both a short loop over these, and give the same losses bit for bit.
#include <map>

#include "vlm/easy_vqa.h"
#include "vlm/enhanced_vlm.h"

namespace hippograd {

struct VqaScore {
  struct Count { int64_t right = 0, asked = 0; double accuracy() const { return asked ? double(right) / double(asked) : 0; } };
  Count total;
  std::map<std::string, Count> by_kind;           // "yes/no", "shape", "colour"
  std::vector<std::string> answers;               // what the model said, per question
};

// Asks every question of a split and generates each answer greedily up to [EOS]. Right: exactly the answer's words.
VqaScore evaluate(const EnhancedVLM& model, const EasyVqa& data, int64_t batch = 256);

// The share of supervised positions (targets other than -100) at which the largest logit is the target.
double batch_accuracy(const Tensor& logits, const Array& targets);

// Called when the loss of a step is not finite: repeats the step in anomaly mode and throws a GradError that names the step and
// the op where the first NaN arose.
[[noreturn]] void explain_bad_loss(const EnhancedVLM& model, const VqaBatch& batch, int64_t step, double loss);

// Weights with the vocabulary and configuration in the metadata.
void save_model(const std::string& path, const EnhancedVLM& model, const Vocabulary& words, int64_t step);

}  // namespace hippograd
