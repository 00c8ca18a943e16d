#include "tensor/dims.h"

#include <cctype>

namespace hippograd {
namespace {
struct Tokens {
  std::string_view token[Shape::kMaxRank + 1];
  int count = 0;
  explicit Tokens(std::string_view pattern) {
    size_t i = 0;
    while (i < pattern.size()) {
      if (pattern[i] == ' ') { ++i; continue; }
      size_t j = i;
      while (j < pattern.size() && pattern[j] != ' ') ++j;
      token[count++] = pattern.substr(i, j - i);
      i = j;
    }
  }
};
bool is_number(std::string_view t) { return std::isdigit(static_cast<unsigned char>(t[0])); }
}  // namespace

Dims& Dims::operator()(std::string_view argument, const Array& x, std::string_view pattern) {
  if (!x.defined()) fail<ValueError>(op_, ": ", argument, " is required");
  const Tokens t(pattern);
  const bool dots = t.count > 0 && t.token[0] == "...";
  const int named = t.count - dots, lead = x.dim() - named;
  if (lead < 0 || (!dots && lead != 0)) wrong(argument, x, pattern, "");
  if (dots) {
    Shape leading(std::span<const int64_t>(x.shape().begin(), size_t(lead)));
    if (has_leading_ && !(leading == leading_)) wrong(argument, x, pattern, cat("; ... is ", leading_, " in ", leading_argument_));
    leading_ = leading;
    leading_argument_ = argument;
    has_leading_ = true;
  }
  for (int i = 0; i < named; ++i) {
    const std::string_view letter = t.token[i + dots];
    const int64_t size = x.shape()[lead + i];
    if (is_number(letter)) {
      if (std::to_string(size) != letter) wrong(argument, x, pattern, "");
      continue;
    }
    const Bound* b = nullptr;
    for (int k = 0; k < count_; ++k) if (bound_[k].letter == letter) b = &bound_[k];
    if (!b) bound_[count_++] = {letter, argument, size};
    else if (b->size != size) wrong(argument, x, pattern, cat("; ", letter, " is ", b->size, " in ", b->argument));
  }
  return *this;
}

int64_t Dims::operator[](std::string_view letter) const {
  for (int k = 0; k < count_; ++k) if (bound_[k].letter == letter) return bound_[k].size;
  fail(op_, ": no dimension is called ", letter);
}

void Dims::wrong(std::string_view argument, const Array& x, std::string_view pattern, const std::string& why) const {
  const Tokens t(pattern);
  std::string want = "(";
  for (int i = 0; i < t.count; ++i) want += (i ? ", " : "") + std::string(t.token[i]);
  want += t.count == 1 && t.token[0] != "..." ? ",)" : ")";
  fail<ShapeError>(op_, ": ", argument, " must be ", want, ", got ", x.shape(), why);
}

void Dims::dtype(std::string_view argument, const Array& x, bool ok, std::string_view expected) const {
  if (!ok) fail<DtypeError>(op_, ": ", argument, " must be ", expected, ", got ", x.dtype());
}
void Dims::same_dtype(std::string_view a_name, const Array& a, std::string_view b_name, const Array& b) const {
  if (a.dtype() != b.dtype())
    fail<DtypeError>(op_, ": expected ", a_name, " and ", b_name, " to have the same dtype, got ", a.dtype(), " and ", b.dtype());
}

}  // namespace hippograd
