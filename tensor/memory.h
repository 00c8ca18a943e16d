#pragma once
// Which tensors fill the memory: every live storage of at least 1 MiB that a device's allocator gave us, with the shape and
// dtype it was made for. Only the message of an OutOfMemory reads it; small tensors cost nothing.
#include <string>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace hippograd {

inline constexpr size_t kLargeStorage = size_t(1) << 20;

void enlist_storage(const Storage& s) noexcept;                                        // by Storage itself, if it is large
void delist_storage(const Storage& s) noexcept;
void describe_storage(const Storage& s, const Shape& shape, DType dtype) noexcept;     // by whoever knows what it holds

std::string readable_bytes(size_t bytes);                                              // "512 bytes", "1.50 GiB"
std::string largest_tensors(Device device, size_t count = 5);   // "float32 (1024, 1024) 4.00 MiB, ..."; empty if there is none

}  // namespace hippograd
