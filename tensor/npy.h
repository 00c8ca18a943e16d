#pragma once
// NumPy's files. .npy: "\x93NUMPY", version, header length, a Python dict {'descr', 'fortran_order', 'shape'}, data.
// .npz: a ZIP archive of .npy files, stored or deflated (PKWARE APPNOTE 6.3). https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
// Files from outside are hostile, as in safetensors.h: sizes are checked before memory is taken, the dict is read by a parser
// of its own that knows no code, and every rejection is a FileError that names file, field and value.
// dtypes: f4 f8 c8 c16 i4 i8 u1 b1 f2, little endian. Others are refused by name; bfloat16 has no NumPy type and is not saved.
#include <string>
#include <vector>

#include "tensor/array.h"

namespace hippograd {

struct NpyLimits {
  uint64_t header = 65'536;                 // bytes of one header
  uint64_t decoded = uint64_t(1) << 36;     // bytes of all arrays of an archive after inflating (64 GiB)
  size_t entries = 100'000, name = 1024;    // of an archive
};

Array load_npy(const std::string& path, const NpyLimits& limits = {});
Array parse_npy(const void* bytes, size_t size, const std::string& path, const NpyLimits& limits = {});
void save_npy(const std::string& path, const Array& array);                    // atomically

using NamedArrays = std::vector<std::pair<std::string, Array>>;
NamedArrays load_npz(const std::string& path, const NpyLimits& limits = {});   // names without ".npy", in archive order
NamedArrays parse_npz(const void* bytes, size_t size, const std::string& path, const NpyLimits& limits = {});
void save_npz(const std::string& path, const NamedArrays& arrays, bool compressed = false);

}  // namespace hippograd
