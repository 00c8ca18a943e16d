#include "vlm/easy_vqa.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tensor/parallel.h"
#include "vlm/image.h"

namespace hippograd {

// ---- words ----

std::vector<std::string> Vocabulary::split(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (std::isspace(c)) { ++i; continue; }
    size_t j = i + 1;
    if (std::isalnum(c))
      while (j < text.size() && std::isalnum(static_cast<unsigned char>(text[j]))) ++j;
    std::string word = text.substr(i, j - i);
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char x) { return char(std::tolower(x)); });
    words.push_back(std::move(word));
    i = j;
  }
  return words;
}

Vocabulary::Vocabulary(const std::vector<std::string>& texts) {
  std::set<std::string> all;
  for (const std::string& t : texts)
    for (std::string& w : split(t)) all.insert(std::move(w));
  words_.insert(words_.end(), all.begin(), all.end());
  for (size_t i = 0; i < words_.size(); ++i) ids_[words_[i]] = int64_t(i);
}
int64_t Vocabulary::id(const std::string& word) const {
  const auto it = ids_.find(word);
  if (it == ids_.end()) fail<ValueError>("Vocabulary: unknown word '", word, "'");
  return it->second;
}
const std::string& Vocabulary::word(int64_t id) const {
  if (id < 0 || id >= size()) fail<IndexError>("Vocabulary: no word has number ", id, "; there are ", size());
  return words_[size_t(id)];
}
std::vector<int64_t> Vocabulary::encode(const std::string& text) const {
  std::vector<int64_t> ids;
  for (const std::string& w : split(text)) ids.push_back(id(w));
  return ids;
}
std::string Vocabulary::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  for (int64_t i : ids) {
    if (i == kEos) break;
    if (i == kPad || i == kBos) continue;
    text += (text.empty() ? "" : " ") + (i > 0 && i < size() ? word(i) : "[" + std::to_string(i) + "]");   // a model may have spare numbers
  }
  return text;
}

// ---- one split ----

namespace {

nlohmann::json read_questions(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail<FileError>("EasyVqa: cannot open ", path, ". Install the data with: pip install easy-vqa (or give its data folder)");
  try {
    return nlohmann::json::parse(file);
  } catch (const nlohmann::json::exception& e) {
    fail<FileError>("EasyVqa: ", path, " is not valid JSON: ", e.what());
  }
}

}  // namespace

EasyVqa::EasyVqa(const std::string& folder, const std::string& split, const EasyVqa* train) {
  if (split != "train" && split != "test") fail<ValueError>("EasyVqa: split must be 'train' or 'test', got '", split, "'");
  if (split == "test" && !train) fail<ValueError>("EasyVqa: the test split needs the training split (vocabulary, pixel statistics)");
  const std::string base = folder + "/" + split, path = base + "/questions.json";
  const nlohmann::json list = read_questions(path);
  if (!list.is_array() || list.empty()) fail<FileError>("EasyVqa: ", path, " must be a list of [question, answer, picture]");
  int64_t pictures = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto& q = list[i];
    if (!q.is_array() || q.size() != 3 || !q[0].is_string() || !q[1].is_string() || !q[2].is_number_unsigned())
      fail<FileError>("EasyVqa: ", path, ": entry ", i, " must be [question, answer, picture]");
    const auto picture = q[2].get<uint64_t>();
    if (picture > 1000000) fail<FileError>("EasyVqa: ", path, ": entry ", i, " names picture ", picture);
    questions_.push_back(q[0]);
    answers_.push_back(q[1]);
    picture_of_.push_back(int64_t(picture));
    pictures = std::max(pictures, int64_t(picture) + 1);
  }
  questions_of_.resize(size_t(pictures));
  for (size_t i = 0; i < picture_of_.size(); ++i) questions_of_[size_t(picture_of_[i])].push_back(int64_t(i));

  const Array first = read_png(base + "/images/0.png");
  const int64_t H = first.size(1), W = first.size(2);
  pictures_ = empty({pictures, 3, H, W}, DType::u8);
  for (int64_t i = 0; i < pictures; ++i) {
    const std::string name = base + "/images/" + std::to_string(i) + ".png";
    const Array rgb = read_png(name);
    if (!(rgb.shape() == first.shape())) fail<FileError>("EasyVqa: ", name, " is ", rgb.shape(), ", the first picture ", first.shape());
    std::copy_n(rgb.data<uint8_t>(), rgb.numel(), pictures_.data<uint8_t>() + i * rgb.numel());
  }

  if (train) {
    vocabulary_ = train->vocabulary_;
    std::copy_n(train->mean_, 3, mean_);
    std::copy_n(train->scale_, 3, scale_);
  } else {
    std::vector<std::string> texts = questions_;
    texts.insert(texts.end(), answers_.begin(), answers_.end());
    vocabulary_ = Vocabulary(texts);
    for (int64_t c = 0; c < 3; ++c) {   // exact integer sums
      uint64_t sum = 0, squares = 0;
      for (int64_t i = 0; i < pictures; ++i) {
        const uint8_t* p = pictures_.data<uint8_t>() + (i * 3 + c) * H * W;
        for (int64_t k = 0; k < H * W; ++k) sum += p[k], squares += uint64_t(p[k]) * p[k];
      }
      const double n = double(pictures * H * W), mean = double(sum) / n, variance = double(squares) / n - mean * mean;
      mean_[c] = mean / 255;
      scale_[c] = variance > 0 ? 255 / std::sqrt(variance) : 1;
    }
  }
  for (int64_t i = 0; i < question_count(); ++i) encoded_.push_back(vocabulary_.encode(questions_[size_t(i)]));
}

std::vector<int64_t> EasyVqa::prompt(int64_t i) const {
  std::vector<int64_t> ids{Vocabulary::kBos};
  const auto& q = encoded_.at(size_t(i));
  ids.insert(ids.end(), q.begin(), q.end());
  return ids;
}

std::string EasyVqa::kind(const std::string& answer) {
  if (answer == "yes" || answer == "no") return "yes/no";
  return answer == "circle" || answer == "rectangle" || answer == "triangle" ? "shape" : "colour";
}

Array EasyVqa::images(const std::vector<int64_t>& which) const {
  const int64_t S = pictures_.size(2) * pictures_.size(3), n = int64_t(which.size());
  Array y = empty({n, 3, pictures_.size(2), pictures_.size(3)}, DType::f32);
  for (int64_t i : which)
    if (i < 0 || i >= picture_count()) fail<IndexError>("EasyVqa: no picture ", i, "; there are ", picture_count());
  parallel_for(n * 3, double(n * 3 * S), [&](int64_t t) {
    const int64_t c = t % 3;
    const uint8_t* from = pictures_.data<uint8_t>() + (which[size_t(t / 3)] * 3 + c) * S;
    float* to = y.data<float>() + t * S;
    const float scale = float(scale_[c] / 255), shift = float(-mean_[c] * scale_[c]);
    for (int64_t k = 0; k < S; ++k) to[k] = float(from[k]) * scale + shift;
  });
  return y;
}

VqaBatch EasyVqa::batch(const std::vector<int64_t>& pictures, const std::vector<int64_t>& questions) const {
  const int64_t N = int64_t(questions.size());
  size_t longest = 0;
  for (int64_t q : questions) longest = std::max(longest, encoded_.at(size_t(q)).size());
  const int64_t T = int64_t(longest) + 2;                       // [BOS] question answer
  VqaBatch b{images(pictures), full({N, T}, Vocabulary::kPad, DType::i64), full({N, T}, -100, DType::i64)};
  for (int64_t i = 0; i < N; ++i) {
    const auto& words = encoded_[size_t(questions[size_t(i)])];
    const int64_t end = int64_t(words.size()) + 1, answer = vocabulary_.id(answers_[size_t(questions[size_t(i)])]);
    int64_t* tokens = b.tokens.data<int64_t>() + i * T;
    int64_t* targets = b.targets.data<int64_t>() + i * T;
    tokens[0] = Vocabulary::kBos;
    std::copy(words.begin(), words.end(), tokens + 1);
    tokens[end] = answer;
    targets[end - 1] = answer;                                  // only the answer and [EOS] are learned
    targets[end] = Vocabulary::kEos;
  }
  return b;
}

// ---- batches ----

VqaBatches::VqaBatches(const EasyVqa& data, int64_t pictures, int64_t questions, uint64_t seed)
    : data_(data), pictures_(pictures), questions_(questions), generator_(seed) {
  if (pictures < 1 || pictures > data.picture_count()) fail<ValueError>("VqaBatches: pictures must be in [1, ", data.picture_count(), "], got ", pictures);
  if (questions < 1) fail<ValueError>("VqaBatches: questions must be at least 1, got ", questions);
}

VqaBatch VqaBatches::next() {
  std::vector<int64_t> pictures, questions;
  while (int64_t(pictures.size()) < pictures_) {
    if (position_ == order_.size()) {
      order_ = to_vector<int64_t>(rand_perm(data_.picture_count(), generator_));
      position_ = 0;
    }
    const int64_t picture = order_[position_++];
    const auto& own = data_.questions_of(picture);
    if (own.empty()) continue;
    pictures.push_back(picture);
    const auto shuffled = to_vector<int64_t>(rand_perm(int64_t(own.size()), generator_));
    for (int64_t k = 0; k < questions_; ++k) questions.push_back(own[size_t(shuffled[size_t(k) % own.size()])]);
  }
  return data_.batch(pictures, questions);
}

}  // namespace hippograd
