#pragma once
// Array: memory with a shape, a dtype and a device. Knows nothing of gradients. Views (permute, slice, expand, ...) share
// storage; all indices and offsets are 64-bit; strides are in elements and may be 0 (expanded) or negative never.
#include <memory>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace hippograd {

class Array {
 public:
  Array() = default;                                                 // undefined
  Array(std::shared_ptr<Storage> storage, Shape shape, Shape strides, int64_t offset, DType dtype)
      : storage_(std::move(storage)), shape_(shape), strides_(strides), offset_(offset), dtype_(dtype) {}

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int64_t offset() const { return offset_; }                         // in elements
  int dim() const { return shape_.size(); }
  int64_t size(int64_t d) const { return shape_[normalize_dim(d, dim(), "size")]; }
  int64_t numel() const { return shape_.numel(); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  bool is_contiguous() const;

  // Pointer to the first element. A const Array gives a pointer for reading, another one for writing.
  template <class T> const T* data() const { return static_cast<const T*>(storage_->data()) + offset_; }
  template <class T> T* data() { return static_cast<T*>(storage_->data()) + offset_; }
  const void* raw() const { return static_cast<const char*>(storage_->data()) + offset_ * itemsize(dtype_); }
  void* raw() { return static_cast<char*>(storage_->data()) + offset_ * itemsize(dtype_); }

  // Views.
  Array as_strided(const Shape& shape, const Shape& strides, int64_t offset) const;  // offset from the storage's start
  Array permute(const Shape& dims) const;
  Array transpose(int64_t a, int64_t b) const;
  Array slice(int64_t dim, int64_t start, int64_t stop, int64_t step = 1) const;      // Python's clamping; step > 0
  Array select(int64_t dim, int64_t index) const;                                     // drops the dimension
  Array expand(const Shape& shape) const;                                             // -1 keeps a size
  Array unsqueeze(int64_t dim) const;
  Array squeeze(int64_t dim) const;                                                   // unchanged if the size is not 1
  Array diagonal(int64_t offset, int64_t dim1, int64_t dim2) const;                   // the diagonal becomes the last dim
  Array unfold(int64_t dim, int64_t size, int64_t step) const;                        // windows as a new last dim
  bool can_view(const Shape& shape, Shape* strides = nullptr) const;                  // without a copy?
  Array view(const Shape& shape) const;                                               // throws where a copy is needed

  // Copies.
  Array contiguous() const;                                          // itself if it is already
  Array clone() const;                                               // contiguous
  Array reshape(const Shape& shape) const;                           // view if possible
  Array to(DType dtype) const;
  Array to(Device device) const;
  template <class T> T item() const;                                 // the single element, converted; synchronises

 private:
  std::shared_ptr<Storage> storage_;
  Shape shape_, strides_;
  int64_t offset_ = 0;
  DType dtype_ = DType::f32;
};

using CArray = const Array&;    // a kernel's input
using MArray = Array&;          // a kernel's output
using Arrays = std::vector<Array>;

Array empty(const Shape& shape, DType dtype, Device device = {});
Array zeros(const Shape& shape, DType dtype, Device device = {});
Array full(const Shape& shape, double value, DType dtype, Device device = {});
Array empty_like(const Array& x);                                    // contiguous, same shape, dtype, device
Array zeros_like(const Array& x);
Array scalar(double value, DType dtype, Device device = {});         // 0-dim
Array scalar(Complex<double> value, DType dtype, Device device = {});
Array arange(int64_t n, DType dtype = DType::i64);
Shape infer_shape(const Shape& requested, int64_t numel, std::string_view op);   // resolves one -1

template <class T> Array from_vector(const std::vector<T>& values, const Shape& shape) {
  if (int64_t(values.size()) != shape.numel()) fail<ShapeError>("from_vector: ", int64_t(values.size()), " values for shape ", shape);
  Array a = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), a.data<T>());
  return a;
}
template <class T> std::vector<T> to_vector(const Array& x) {         // converts; synchronises
  const Array c = x.to(Device{}).to(dtype_of<T>).contiguous();
  return std::vector<T>(c.data<T>(), c.data<T>() + c.numel());
}
template <class T> T Array::item() const {
  if (numel() != 1) fail<ShapeError>("item: a Tensor with ", numel(), " elements cannot be converted to Scalar");
  return to_vector<T>(*this)[0];
}

}  // namespace hippograd
