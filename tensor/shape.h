#pragma once
// Shape: a short list of 64-bit sizes (or strides), stored in place: no allocation for a tensor's geometry.
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "tensor/error.h"

namespace hippograd {

class Shape {
 public:
  static constexpr int kMaxRank = 12;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims) { for (int64_t d : dims) push_back(d); }
  Shape(int count, int64_t value) { for (int i = 0; i < count; ++i) push_back(value); }
  Shape(const Shape& other) { *this = other; }
  Shape& operator=(const Shape& other) {  // copies the used part only
    rank_ = other.rank_;
    std::copy_n(other.dims_.data(), rank_, dims_.data());
    return *this;
  }

  int size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t operator[](int i) const { return dims_[i]; }
  int64_t& operator[](int i) { return dims_[i]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  int64_t& back() { return dims_[rank_ - 1]; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  int64_t* begin() { return dims_.data(); }
  int64_t* end() { return dims_.data() + rank_; }
  operator std::span<const int64_t>() const { return {begin(), size_t(rank_)}; }

  void push_back(int64_t d) {
    if (rank_ == kMaxRank) fail<ShapeError>("tensors have at most ", kMaxRank, " dimensions");
    dims_[rank_++] = d;
  }
  void insert(int at, int64_t d) {
    push_back(d);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(int at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --rank_;
  }
  void resize(int rank) {
    while (rank_ < rank) push_back(1);
    rank_ = rank;
  }

  int64_t numel() const {  // product of the sizes; 1 for a scalar; throws past 2^63
    int64_t n = 1;
    for (int64_t d : *this)
      if (__builtin_mul_overflow(n, d, &n)) fail<ShapeError>("a tensor of shape ", str(), " has more than 2^63 elements");
    return n;
  }
  std::string str() const;  // "(2, 3)", "(4,)", "()"

  friend bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

 private:
  std::array<int64_t, kMaxRank> dims_;
  int rank_ = 0;
};

inline void append(std::string& s, const Shape& x) { s += x.str(); }

Shape contiguous_strides(const Shape& shape);                    // row-major, in elements
int normalize_dim(int64_t dim, int rank, std::string_view op);   // -1 -> rank - 1; IndexError outside [-rank, rank)
// NumPy/PyTorch broadcasting: sizes align at the right; 1 stretches.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);

}  // namespace hippograd
