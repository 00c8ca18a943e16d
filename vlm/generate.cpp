// Decoding of EnhancedVLM: the images are encoded once; keys and values of the prefix, the prompt and the cross-attention are
// kept, so that a new token costs one position (spec: models 1.5). Without the cache the whole sequence is computed again for
// every token; both give the same tokens.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "vlm/enhanced_vlm.h"

namespace hippograd {

// The state of one batch being decoded.
class Decoder {
 public:
  Decoder(const EnhancedVLM& m, const Tensor& vision, int64_t capacity) : m_(m), vision_(vision) {
    const int64_t B = vision.size(0);
    for (const auto& layer : m.cross_attn_layers_) cross_.push_back(layer.remember(vision));
    const int64_t prefix = m.c_.decoder_prefix == "vision" ? vision.size(1) : 0;
    for (const auto& block : m.text_blocks_) self_.push_back(block.attn.empty_cache(B, prefix + capacity, vision.dtype(), vision.device()));
  }
  // Logits (B, vocab) after the new tokens (B, T).
  Tensor step(const Tensor& tokens) {
    const NoGrad quiet;
    const int64_t T = tokens.size(1);
    Tensor e = m_.text(tokens, position_);
    for (size_t i = 0; i < cross_.size(); ++i) {
      const auto& layer = m_.cross_attn_layers_[i];
      e = m_.c_.as_published ? layer.recall(e, cross_[i]) : add(e, layer.recall(m_.cross_norms_[i](e), cross_[i]));
    }
    Tensor x = e, mask;
    if (position_ == 0 && m_.c_.decoder_prefix == "vision") {
      x = cat({m_.vision_pos_.defined() ? add(vision_, m_.vision_pos_) : vision_, e}, 1);
      mask = m_.prefix_mask(vision_.size(1), x.size(1));
    }
    for (size_t i = 0; i < self_.size(); ++i) x = m_.text_blocks_[i].decode(x, self_[i], mask);
    position_ += T;
    return m_.head_(m_.ln_(select(x, 1, x.size(1) - 1)));
  }

 private:
  const EnhancedVLM& m_;
  Tensor vision_;
  std::vector<KVCache> cross_, self_;
  int64_t position_ = 0;
};

namespace {

// One token from a row of logits: temperature 0 is the argmax (ties to the lowest index); else logits / T, then top-k, then
// top-p (the smallest set whose probability reaches p), then a draw with u in [0, 1).
int64_t sample_row(std::vector<double> x, const GenerateOptions& o, double u) {
  const int64_t V = int64_t(x.size());
  for (int64_t i = 0; i < V; ++i)
    if (std::isnan(x[i])) fail<ValueError>("generate: the logit of token ", i, " is NaN");
  if (o.temperature == 0) return std::max_element(x.begin(), x.end()) - x.begin();
  std::vector<int64_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return x[a] > x[b]; });
  if (o.top_k > 0 && o.top_k < V) order.resize(size_t(o.top_k));
  const double top = x[order[0]];
  std::vector<double> p;
  double total = 0;
  for (int64_t i : order) {
    p.push_back(x[i] == top ? 1.0 : std::exp((x[i] - top) / o.temperature));   // equal infinities included
    total += p.back();
  }
  if (o.top_p < 1) {
    double kept = 0;
    size_t n = 0;
    while (n < p.size() && (n == 0 || kept < o.top_p * total)) kept += p[n++];
    p.resize(n);
    total = kept;
  }
  double rest = u * total;
  for (size_t i = 0; i < p.size(); ++i) {
    rest -= p[i];
    if (rest < 0) return order[i];
  }
  return order[p.size() - 1];
}

void check(const GenerateOptions& o, const VLMConfig& c, int64_t prompt, int64_t total) {
  if (!(o.temperature >= 0)) fail<ValueError>("generate: temperature must be >= 0, got ", o.temperature);
  if (o.top_k < 0) fail<ValueError>("generate: top_k must be >= 0 (0: off), got ", o.top_k);
  if (!(o.top_p > 0 && o.top_p <= 1)) fail<ValueError>("generate: top_p must be in (0, 1], got ", o.top_p);
  if (o.max_new_tokens && *o.max_new_tokens < 0) fail<ValueError>("generate: max_new_tokens must be >= 0, got ", *o.max_new_tokens);
  if (total < prompt) fail<ValueError>("generate: max_length ", total, " is shorter than the prompt of ", prompt, " tokens");
  if (total > c.max_seq_length)
    fail<ValueError>("generate: ", total, " tokens were asked for, more than max_seq_length ", c.max_seq_length);
  for (const auto& [field, id] : {std::pair{"bos", o.bos}, {"eos", o.eos}})
    if (id < 0 || id >= c.vocab_size) fail<ValueError>("generate: ", field, " must be a token of the vocabulary of ", c.vocab_size, ", got ", id);
}

}  // namespace

Generated EnhancedVLM::generate_from(const Tensor& vision, const Tensor& prompt, const GenerateOptions& o) const {
  const int64_t B = vision.size(0);
  const Tensor start = prompt.defined() ? to(prompt, DType::i64) : Tensor(full({B, 1}, double(o.bos), DType::i64, device()));
  check_tokens(start, "prompt");
  if (start.size(0) != B) fail<ShapeError>("generate: the prompt must have ", B, " rows, one per image, got ", start.shape());
  const int64_t T0 = start.size(1), total = o.max_new_tokens ? T0 + *o.max_new_tokens : o.max_length;
  check(o, c_, T0, total);

  const NoGrad quiet;
  const EvalMode eval(*this);   // no dropout
  std::vector<int64_t> out(size_t(B * total), o.eos), lengths(size_t(B), -1);
  const auto given = to_vector<int64_t>(start.array());
  for (int64_t b = 0; b < B; ++b) std::copy_n(given.begin() + b * T0, T0, out.begin() + b * total);
  Generator& g = o.generator ? *o.generator : default_generator();
  Decoder decoder(*this, vision, o.use_cache ? total : 0);
  Tensor fresh = start;
  int64_t t = T0;
  for (; t < total; ++t) {
    Tensor next;   // (B, vocab)
    if (o.use_cache) next = decoder.step(fresh);
    else {
      Array all = empty({B, t}, DType::i64);
      for (int64_t b = 0; b < B; ++b) std::copy_n(out.begin() + b * total, t, all.data<int64_t>() + b * t);
      next = select(logits(vision, Tensor(all.to(device()))), 1, t - 1);
    }
    const auto values = to_vector<double>(next.array());
    const auto u = o.temperature == 0 ? std::vector<double>(size_t(B)) : to_vector<double>(rand_uniform({B}, 0, 1, DType::f64, g));
    Array chosen = empty({B, 1}, DType::i64);
    bool running = false;
    for (int64_t b = 0; b < B; ++b) {
      int64_t token = o.eos;
      if (lengths[b] < 0) {
        token = sample_row({values.begin() + b * c_.vocab_size, values.begin() + (b + 1) * c_.vocab_size}, o, u[b]);
        if (token == o.eos) lengths[b] = t + 1;
      }
      out[b * total + t] = chosen.data<int64_t>()[b] = token;
      running |= lengths[b] < 0;
    }
    fresh = Tensor(chosen.to(device()));
    if (!running) { ++t; break; }
  }
  for (int64_t& n : lengths) if (n < 0) n = t;
  Array tokens = empty({B, t}, DType::i64);
  for (int64_t b = 0; b < B; ++b) std::copy_n(out.begin() + b * total, t, tokens.data<int64_t>() + b * t);
  return {tokens, lengths};
}

Generated EnhancedVLM::generate(const Tensor& images, const Tensor& prompt, const GenerateOptions& o) const {
  const NoGrad quiet;
  const EvalMode eval(*this);
  return generate_from(encode(images), prompt, o);
}

}  // namespace hippograd
