#pragma once
// Dims: shape letters as code. One line is contract, check, message and documentation:
//   Dims d("selective_scan");
//   d("u", u, "B L E")("dt", dt, "B L E");
//   -> ShapeError: selective_scan: dt must be (B, L, E), got (2, 127, 8); L is 128 in u
// A token is a letter or word (bound at first sight, equal afterwards), a number (exact size), or "..." (any leading
// dimensions, the same in every argument that says "...").
#include <string>
#include <string_view>

#include "tensor/array.h"

namespace hippograd {

class Dims {
 public:
  explicit Dims(std::string_view op) : op_(op) {}
  Dims& operator()(std::string_view argument, const Array& x, std::string_view pattern);
  int64_t operator[](std::string_view letter) const;          // the size bound to a letter
  const Shape& leading() const { return leading_; }           // what "..." stood for
  void dtype(std::string_view argument, const Array& x, bool ok, std::string_view expected) const;  // DtypeError unless ok
  void same_dtype(std::string_view a_name, const Array& a, std::string_view b_name, const Array& b) const;

 private:
  struct Bound { std::string_view letter, argument; int64_t size; };
  [[noreturn]] void wrong(std::string_view argument, const Array& x, std::string_view pattern, const std::string& why) const;
  std::string_view op_, leading_argument_;
  Shape leading_;
  bool has_leading_ = false;
  Bound bound_[16];
  int count_ = 0;
};

}  // namespace hippograd
