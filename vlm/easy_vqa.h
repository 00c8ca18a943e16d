#pragma once
// easy-VQA (V. Zhou, 2019; the PyPI package easy-vqa): pictures of one coloured shape, questions about it, 13 answers.
// A folder holds, per split, SPLIT/questions.json ([[question, answer, picture], ...]) and SPLIT/images/N.png (64 x 64).
//
// The question enters as words and the answer leaves as a word, like any text:   [BOS] what color is it ? blue [EOS]
#include <map>
#include <string>
#include <vector>

#include "tensor/array.h"
#include "tensor/random.h"

namespace hippograd {

// Words by number. 0, 1, 2 are [PAD], [BOS], [EOS]; the rest is sorted.
class Vocabulary {
 public:
  static constexpr int64_t kPad = 0, kBos = 1, kEos = 2;
  Vocabulary() = default;
  explicit Vocabulary(const std::vector<std::string>& texts);
  int64_t size() const { return int64_t(words_.size()); }
  int64_t id(const std::string& word) const;                  // ValueError if it is unknown
  const std::string& word(int64_t id) const;
  std::vector<int64_t> encode(const std::string& text) const; // without [BOS] and [EOS]
  std::string decode(const std::vector<int64_t>& ids) const;  // stops at [EOS], skips [PAD] and [BOS]; "[31]" for a number without word
  const std::vector<std::string>& words() const { return words_; }
  static std::vector<std::string> split(const std::string& text);   // lower case; words and punctuation marks
 private:
  std::vector<std::string> words_{"[PAD]", "[BOS]", "[EOS]"};
  std::map<std::string, int64_t> ids_;
};

struct VqaBatch { Array images, tokens, targets; };   // (P, 3, S, S) f32; (P * Q, T) i64; the same, -100 where nothing is asked

class EasyVqa {
 public:
  // split: "train" or "test". The test split takes vocabulary and pixel statistics from the training split.
  EasyVqa(const std::string& folder, const std::string& split, const EasyVqa* train = nullptr);

  int64_t picture_count() const { return pictures_.size(0); }
  int64_t question_count() const { return int64_t(answers_.size()); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const Array& pictures() const { return pictures_; }                     // (n, 3, S, S) u8
  const std::string& question(int64_t i) const { return questions_.at(size_t(i)); }
  const std::string& answer(int64_t i) const { return answers_.at(size_t(i)); }
  int64_t picture_of(int64_t i) const { return picture_of_.at(size_t(i)); }
  const std::vector<int64_t>& questions_of(int64_t picture) const { return questions_of_.at(size_t(picture)); }
  std::vector<int64_t> prompt(int64_t i) const;                           // [BOS] question
  static std::string kind(const std::string& answer);                     // "yes/no", "shape" or "colour"
  // (n, 3, S, S) f32 with the training pictures' mean 0 and standard deviation 1 per channel
  Array images(const std::vector<int64_t>& which) const;
  // questions: the same number for each picture, in the order of `pictures`.
  VqaBatch batch(const std::vector<int64_t>& pictures, const std::vector<int64_t>& questions) const;

 private:
  Array pictures_;
  std::vector<std::string> questions_, answers_;
  std::vector<int64_t> picture_of_;
  std::vector<std::vector<int64_t>> questions_of_, encoded_;
  Vocabulary vocabulary_;
  double mean_[3], scale_[3];
};

// Endless training batches: pictures in a new random order each epoch, and of each picture `questions` of its own, all of them
// before any comes again within a draw. Its own generator: the same batches for one seed whatever else draws numbers.
class VqaBatches {
 public:
  VqaBatches(const EasyVqa& data, int64_t pictures, int64_t questions, uint64_t seed);
  VqaBatch next();
 private:
  const EasyVqa& data_;
  int64_t pictures_, questions_;
  Generator generator_;
  std::vector<int64_t> order_;
  size_t position_ = 0;
};

}  // namespace hippograd
