#pragma once
// safetensors files: 8 bytes of header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {...}}, data.
// Files from outside are hostile: everything is validated before anything of that size is allocated, and every rejection is a
// FileError that names file, field and value. Writing is atomic: a temporary file in the same folder, fsync, rename, fsync of
// the folder; the old file is untouched until the new one is durable.
//
// Complex: C64 natively; complex128 is stored as F64 with a trailing dimension of 2 and listed in the metadata ("complex128").
// Our files carry checksums (CRC-32C): "crc.NAME" per tensor and "crc" over the header without that field and all data.
#include <map>
#include <string>
#include <vector>

#include "tensor/array.h"

namespace hippograd {

struct TensorFile {
  std::vector<std::pair<std::string, Array>> tensors;     // in file order
  std::map<std::string, std::string> metadata;            // as found, without our checksums
  const Array* find(const std::string& name) const;
  std::map<std::string, Array> dict() const { return {tensors.begin(), tensors.end()}; }
};

struct ReadLimits {
  uint64_t header = 100'000'000;    // bytes
  size_t tensors = 100'000, name = 1024;
};

TensorFile load_safetensors(const std::string& path, const ReadLimits& limits = {});
TensorFile parse_safetensors(const void* bytes, size_t size, const std::string& path, const ReadLimits& limits = {});
void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Array>>& tensors,
                      const std::map<std::string, std::string>& metadata = {});
inline void save_safetensors(const std::string& path, const std::map<std::string, Array>& tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  save_safetensors(path, std::vector<std::pair<std::string, Array>>(tensors.begin(), tensors.end()), metadata);
}

// Writes bytes so that either the old or the whole new file is there after a crash. FileError if any step fails.
void write_atomically(const std::string& path, const std::vector<std::pair<const void*, size_t>>& parts);

uint32_t crc32c(const void* bytes, size_t size, uint32_t previous = 0);

// A folder of checkpoints NAME-00001234.safetensors: saving keeps the newest `keep`; loading takes the newest one that is
// sound and reports the others it had to skip.
struct CheckpointFolder {
  std::string folder, name = "checkpoint";
  int keep = 3;
  void save(int64_t step, const std::vector<std::pair<std::string, Array>>& tensors, const std::map<std::string, std::string>& metadata) const;
  struct Found { TensorFile file; int64_t step; std::vector<std::string> skipped; };   // skipped: "file: why"
  Found load_newest() const;            // FileError if there is no sound one (listing why)
  std::vector<int64_t> steps() const;   // rising
};

}  // namespace hippograd
