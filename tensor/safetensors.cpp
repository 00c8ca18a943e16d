#include "tensor/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

using json = nlohmann::json;

struct DtypeName { const char* name; DType dtype; };
constexpr DtypeName kNames[] = {{"F32", DType::f32}, {"F64", DType::f64}, {"C64", DType::c64}, {"I64", DType::i64}, {"I32", DType::i32},
                                {"BOOL", DType::b8}, {"U8", DType::u8},   {"BF16", DType::bf16}, {"F16", DType::f16}};

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

std::string shown(const std::string& s) { return s.size() > 80 ? s.substr(0, 80) + "..." : s; }

// What is wrong with the name of a tensor; "" for a good one.
std::string name_fault(const std::string& n, size_t longest) {
  if (n.size() > longest) return cat("a name of ", n.size(), " bytes");
  for (unsigned char c : n) if (c < 0x20 || c == 0x7f) return "a name with a control character";
  if (n.find("../") != std::string::npos || n.find("..\\") != std::string::npos || n.starts_with("/")) return "the path-like name '" + shown(n) + "'";
  return "";
}

// Reads the header event by event, so that duplicate names, number forms and depth are seen as they stand in the file.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& path, const ReadLimits& limits) : path_(path), limits_(limits) {}
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { wrong("null"); }
  bool boolean(bool) override { wrong("a boolean"); }
  bool number_integer(number_integer_t v) override { wrong(cat("the number ", v)); }              // negative, or "-0"
  bool number_float(number_float_t, const string_t& text) override { wrong("the number " + text); }  // fraction, exponent, >= 2^64
  bool binary(binary_t&) override { wrong("binary data"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (state_ != In::Shape && state_ != In::Offsets) wrong(cat("the number ", uint64_t(v)));
    if (state_ == In::Shape) {
      if (v > uint64_t(INT64_MAX)) wrong(cat("the dimension ", uint64_t(v)));
      if (entry_.shape.size() == Shape::kMaxRank) wrong(cat("more than ", Shape::kMaxRank, " dimensions"));
      entry_.shape.push_back(int64_t(v));
    } else {
      if (offsets_ == 2) wrong("more than two data_offsets");
      (offsets_++ == 0 ? entry_.begin : entry_.end) = v;
    }
    return true;
  }
  bool string(string_t& v) override {
    if (state_ == In::Metadata) {
      if (!metadata.emplace(key_, v).second) wrong("the metadata key '" + shown(key_) + "' twice");
      return true;
    }
    if (state_ != In::Dtype) wrong("the string '" + shown(v) + "'");
    for (const DtypeName& n : kNames)
      if (v == n.name) {
        entry_.dtype = n.dtype;
        state_ = In::Tensor;
        return true;
      }
    wrong("the unsupported dtype '" + shown(v) + "'");
  }
  bool start_object(std::size_t) override {
    if (state_ == In::Start) state_ = In::Top;
    else if (state_ == In::TopValue && key_ == "__metadata__") state_ = In::Metadata;
    else if (state_ == In::TopValue) {
      state_ = In::Tensor;
      entry_ = {};
      entry_.name = key_;
      have_ = {};
      offsets_ = 0;
    } else wrong("a nested object");
    return true;
  }
  bool key(string_t& k) override {
    if (state_ == In::Top) {
      check_name(k);
      if (!names_.insert(k).second) wrong("the name '" + shown(k) + "' twice");
      if (names_.size() > limits_.tensors + 1) wrong(cat("more than ", uint64_t(limits_.tensors), " tensors"));
      state_ = In::TopValue;
    } else if (state_ == In::Tensor) {
      static constexpr std::array<const char*, 3> keys{"dtype", "shape", "data_offsets"};
      const auto at = std::find(keys.begin(), keys.end(), k);
      if (at == keys.end()) wrong("the extra key '" + shown(k) + "' in tensor '" + shown(entry_.name) + "'");
      const size_t i = size_t(at - keys.begin());
      if (have_[i]) wrong("the key '" + k + "' twice in tensor '" + shown(entry_.name) + "'");
      have_[i] = true;
      state_ = i == 0 ? In::Dtype : i == 1 ? In::ShapeStart : In::OffsetsStart;
    }
    key_ = k;
    return true;
  }
  bool end_object() override {
    if (state_ == In::Tensor) {
      for (size_t i = 0; i < 3; ++i)
        if (!have_[i]) wrong(std::string("no ") + (i == 0 ? "dtype" : i == 1 ? "shape" : "data_offsets") + " in tensor '" + shown(entry_.name) + "'");
      entries.push_back(entry_);
      state_ = In::Top;
    } else if (state_ == In::Metadata) state_ = In::Top;
    else if (state_ == In::Top) state_ = In::Done;
    else wrong("a missing value");
    return true;
  }
  bool start_array(std::size_t) override {
    if (state_ == In::ShapeStart) state_ = In::Shape;
    else if (state_ == In::OffsetsStart) state_ = In::Offsets;
    else wrong("an array");
    return true;
  }
  bool end_array() override {
    if (state_ == In::Offsets && offsets_ != 2) wrong("fewer than two data_offsets in tensor '" + shown(entry_.name) + "'");
    state_ = In::Tensor;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception& e) override {
    fail<FileError>("safetensors: ", path_, ": the header is not valid JSON at byte ", uint64_t(at), ": ", std::string(e.what()).substr(0, 200));
  }

 private:
  enum class In { Start, Top, TopValue, Metadata, Tensor, Dtype, ShapeStart, Shape, OffsetsStart, Offsets, Done };
  [[noreturn]] void wrong(const std::string& what) const { fail<FileError>("safetensors: ", path_, ": the header holds ", what, where()); }
  std::string where() const {
    if (state_ == In::Metadata) return " at key '" + shown(key_) + "' of __metadata__";
    if (state_ == In::Start || state_ == In::Top || state_ == In::TopValue) return key_.empty() ? "" : " at or after the name '" + shown(key_) + "'";
    return " at key '" + shown(key_) + "' of tensor '" + shown(entry_.name) + "'";
  }
  void check_name(const std::string& n) const {
    if (const std::string why = name_fault(n, limits_.name); !why.empty()) wrong(why);
  }
  const std::string& path_;
  const ReadLimits& limits_;
  In state_ = In::Start;
  std::string key_;
  Entry entry_;
  std::array<bool, 3> have_{};
  int offsets_ = 0;
  std::set<std::string> names_;
};

// Sizes match shapes, and the tensors cover the data exactly: no overlap, no hole, nothing outside.
void check_layout(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& path) {
  for (const Entry& e : entries) {
    uint64_t bytes = uint64_t(itemsize(e.dtype));
    bool zero = false, overflow = false;
    for (int64_t d : e.shape) {                                      // zero times huge is refused as well
      zero |= d == 0;
      overflow |= d != 0 && (__builtin_mul_overflow(bytes, uint64_t(d), &bytes) || bytes > uint64_t(INT64_MAX));
      if (overflow) break;
    }
    if (overflow) fail<FileError>("safetensors: ", path, ": tensor '", e.name, "' of shape ", e.shape, " overflows");
    if (zero) bytes = 0;
    if (e.begin > e.end || e.end > data_bytes)
      fail<FileError>("safetensors: ", path, ": tensor '", e.name, "' has data_offsets [", e.begin, ", ", e.end, "] outside the data of ", data_bytes, " bytes");
    if (e.end - e.begin != bytes)
      fail<FileError>("safetensors: ", path, ": tensor '", e.name, "' needs ", bytes, " bytes for ", e.dtype, " ", e.shape, ", its data_offsets give ", e.end - e.begin);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  uint64_t at = 0;
  for (const Entry& e : entries) {
    if (e.begin != at)
      fail<FileError>("safetensors: ", path, ": tensor '", e.name, "' starts at byte ", e.begin, " of the data where ", at, " was expected (overlap or hole)");
    at = e.end;
  }
  if (at != data_bytes) fail<FileError>("safetensors: ", path, ": ", data_bytes - at, " bytes follow the last tensor");
}

uint64_t header_length(const unsigned char* first8, uint64_t file_bytes, const std::string& path, const ReadLimits& limits) {
  uint64_t n = 0;
  for (int i = 7; i >= 0; --i) n = n << 8 | first8[i];
  if (n == 0 || n > file_bytes - 8 || n > limits.header)
    fail<FileError>("safetensors: ", path, ": header length ", n, " does not fit (file of ", file_bytes, " bytes, at most ", limits.header, ")");
  return n;
}

std::vector<Entry> parse_header(const char* text, size_t size, uint64_t data_bytes, const std::string& path, const ReadLimits& limits,
                                std::map<std::string, std::string>& metadata) {
  if (text[0] != '{') fail<FileError>("safetensors: ", path, ": the header must start with '{'");
  size_t end = size;
  while (end > 0 && text[end - 1] == ' ') --end;                     // padding
  if (text[end - 1] != '}') fail<FileError>("safetensors: ", path, ": the header must end with '}' and spaces");
  HeaderReader reader(path, limits);
  json::sax_parse(text, text + end, &reader, json::input_format_t::json, true);
  check_layout(reader.entries, data_bytes, path);
  metadata = std::move(reader.metadata);
  return std::move(reader.entries);
}

// A bool with another bit pattern is undefined behaviour.
void check_booleans(const Array& a, const std::string& name, const std::string& path) {
  if (a.dtype() != DType::b8) return;
  const auto* b = static_cast<const unsigned char*>(a.raw());
  for (int64_t i = 0; i < a.numel(); ++i)
    if (b[i] > 1) fail<FileError>("safetensors: ", path, ": tensor '", name, "' holds the boolean ", int(b[i]));
}

std::string hex(uint32_t x) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", x);
  return text;
}

// Our checksums, if the file has them; they leave the metadata. c128 is put together again.
void finish(TensorFile& file, const std::string& path, const std::string& header) {
  std::set<std::string> wide;
  if (const auto it = file.metadata.find("complex128"); it != file.metadata.end()) {
    const json list = json::parse(it->second, nullptr, false);
    if (!list.is_array()) fail<FileError>("safetensors: ", path, ": metadata 'complex128' must be a list of names");
    for (const auto& n : list) if (n.is_string()) wide.insert(n.get<std::string>());
    file.metadata.erase(it);
  }
  if (const auto it = file.metadata.find("crc"); it != file.metadata.end()) {
    std::string zeroed = header;
    const std::string field = "\"crc\":\"" + it->second + "\"";
    if (const size_t at = zeroed.find(field); at != std::string::npos) zeroed.replace(at, field.size(), "\"crc\":\"00000000\"");
    uint32_t total = crc32c(zeroed.data(), zeroed.size());
    for (const auto& [name, a] : file.tensors) {
      const size_t bytes = size_t(a.numel()) * itemsize(a.dtype());
      const auto own = file.metadata.find("crc." + name);
      if (own == file.metadata.end() || own->second != hex(crc32c(a.raw(), bytes)))
        fail<FileError>("safetensors: ", path, ": the data of tensor '", name, "' does not match its checksum");
      total = crc32c(a.raw(), bytes, total);
    }
    if (hex(total) != it->second) fail<FileError>("safetensors: ", path, ": the file does not match its checksum");
    file.metadata.erase(it);
    std::erase_if(file.metadata, [](const auto& m) { return m.first.starts_with("crc."); });
  } else if (std::any_of(file.metadata.begin(), file.metadata.end(), [](const auto& m) { return m.first.starts_with("crc."); })) {
    fail<FileError>("safetensors: ", path, ": metadata has checksums of tensors but no 'crc'");
  }
  for (auto& [name, a] : file.tensors) {
    if (!wide.count(name)) continue;
    if (a.dtype() != DType::f64 || a.dim() == 0 || a.shape().back() != 2)
      fail<FileError>("safetensors: ", path, ": tensor '", name, "' is listed as complex128 but is ", a.dtype(), " ", a.shape());
    Shape s = a.shape();
    s.resize(s.size() - 1);
    a = Array(a.storage(), s, contiguous_strides(s), 0, DType::c128);
  }
}

}  // namespace

const Array* TensorFile::find(const std::string& name) const {
  for (const auto& [n, a] : tensors) if (n == name) return &a;
  return nullptr;
}

uint32_t crc32c(const void* bytes, size_t size, uint32_t previous) {   // reflected polynomial 0x82F63B78, eight bytes a step
  static const auto table = [] {
    std::array<std::array<uint32_t, 256>, 8> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
      t[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; ++i)
      for (size_t k = 1; k < 8; ++k) t[k][i] = t[0][t[k - 1][i] & 255] ^ t[k - 1][i] >> 8;
    return t;
  }();
  const auto* p = static_cast<const unsigned char*>(bytes);
  uint32_t c = ~previous;
  for (; size >= 8; size -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= c;
    c = 0;
    for (int k = 0; k < 8; ++k) c ^= table[size_t(7 - k)][word >> 8 * k & 255];
  }
  while (size--) c = table[0][(c ^ *p++) & 255] ^ c >> 8;
  return ~c;
}

TensorFile parse_safetensors(const void* bytes, size_t size, const std::string& path, const ReadLimits& limits) {
  if (size < 8) fail<FileError>("safetensors: ", path, ": a file of ", uint64_t(size), " bytes has no header length");
  const auto* p = static_cast<const unsigned char*>(bytes);
  const uint64_t n = header_length(p, size, path, limits), data = size - 8 - n;
  TensorFile file;
  const std::string header(reinterpret_cast<const char*>(p) + 8, n);
  for (const Entry& e : parse_header(header.data(), n, data, path, limits, file.metadata)) {
    Array a = empty(e.shape, e.dtype);
    if (e.end > e.begin) std::memcpy(a.raw(), p + 8 + n + e.begin, e.end - e.begin);
    check_booleans(a, e.name, path);
    file.tensors.emplace_back(e.name, std::move(a));
  }
  finish(file, path, header);
  return file;
}

TensorFile load_safetensors(const std::string& path, const ReadLimits& limits) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in || std::filesystem::is_directory(path)) fail<FileError>("safetensors: cannot open ", path, ": ", std::strerror(errno ? errno : EISDIR));
  const uint64_t size = uint64_t(std::max<std::streamoff>(in.tellg(), 0));
  if (size < 8) fail<FileError>("safetensors: ", path, ": a file of ", size, " bytes has no header length");
  in.seekg(0);
  unsigned char first8[8];
  in.read(reinterpret_cast<char*>(first8), 8);
  const uint64_t n = header_length(first8, size, path, limits);
  std::string header(n, '\0');
  in.read(header.data(), std::streamsize(n));
  if (!in) fail<FileError>("safetensors: cannot read ", path);
  TensorFile file;
  for (const Entry& e : parse_header(header.data(), n, size - 8 - n, path, limits, file.metadata)) {
    Array a = empty(e.shape, e.dtype);                               // read in file order into owned memory
    in.read(static_cast<char*>(a.raw()), std::streamsize(e.end - e.begin));
    if (!in) fail<FileError>("safetensors: cannot read tensor '", e.name, "' of ", path);
    check_booleans(a, e.name, path);
    file.tensors.emplace_back(e.name, std::move(a));
  }
  finish(file, path, header);
  return file;
}

void write_atomically(const std::string& path, const std::vector<std::pair<const void*, size_t>>& parts) {
  const std::string temporary = path + ".tmp." + std::to_string(getpid());
  const auto give_up = [&](const char* what) {
    const int code = errno;
    unlink(temporary.c_str());
    fail<FileError>("cannot write ", path, ": ", what, ": ", std::strerror(code));
  };
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) give_up("open");
  for (const auto& [bytes, size] : parts) {
    const char* p = static_cast<const char*>(bytes);
    for (size_t left = size; left > 0;) {
      const ssize_t wrote = write(fd, p, left);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        const int code = wrote == 0 ? EIO : errno;
        close(fd);
        errno = code;
        give_up("write");
      }
      p += wrote;
      left -= size_t(wrote);
    }
  }
  if (fsync(fd) != 0) {
    const int code = errno;
    close(fd);
    errno = code;
    give_up("fsync");
  }
  if (close(fd) != 0) give_up("close");
  if (rename(temporary.c_str(), path.c_str()) != 0) give_up("rename");
  const auto parent = std::filesystem::path(path).parent_path();
  const int folder = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail<FileError>("cannot write ", path, ": open its folder: ", std::strerror(errno));
  const int synced = fsync(folder), code = errno;
  close(folder);
  if (synced != 0 && code != EINVAL) fail<FileError>("cannot write ", path, ": fsync of its folder: ", std::strerror(code));
}

void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Array>>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  json header = json::object(), meta = json::object(), wide = json::array();
  Arrays data;
  uint64_t at = 0;
  for (const auto& [key, value] : metadata) {
    if (key == "crc" || key == "complex128" || key.starts_with("crc.")) fail<ValueError>("save: the metadata key '", key, "' is ours");
    meta[key] = value;
  }
  for (const auto& [name, array] : tensors) {
    if (name.empty() || name == "__metadata__" || header.contains(name)) fail<ValueError>("save: the tensor name '", name, "' is empty, reserved or given twice");
    if (const std::string why = name_fault(name, ReadLimits{}.name); !why.empty()) fail<ValueError>("save: ", why, " could not be read back");
    Array a = array.to(Device{}).contiguous();
    Shape shape = a.shape();
    DType dtype = a.dtype();
    if (dtype == DType::c128) {
      wide.push_back(name);
      shape.push_back(2);
      dtype = DType::f64;
    }
    const uint64_t bytes = uint64_t(a.numel()) * uint64_t(itemsize(a.dtype()));
    const auto* known = std::find_if(std::begin(kNames), std::end(kNames), [&](const DtypeName& n) { return n.dtype == dtype; });
    header[name] = {{"dtype", known->name}, {"shape", std::vector<int64_t>(shape.begin(), shape.end())}, {"data_offsets", {at, at + bytes}}};
    meta["crc." + name] = hex(crc32c(a.raw(), bytes));
    at += bytes;
    data.push_back(std::move(a));
  }
  if (!wide.empty()) meta["complex128"] = wide.dump();
  meta["crc"] = "00000000";
  header["__metadata__"] = meta;
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& e) {
    fail<ValueError>("save: a name or metadata value is not valid UTF-8: ", e.what());
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  uint32_t total = crc32c(text.data(), text.size());
  for (const Array& a : data) total = crc32c(a.raw(), size_t(a.numel()) * itemsize(a.dtype()), total);
  const std::string zero = "\"crc\":\"00000000\"";
  text.replace(text.find(zero), zero.size(), "\"crc\":\"" + hex(total) + "\"");
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(uint64_t(text.size()) >> 8 * i);
  std::vector<std::pair<const void*, size_t>> parts{{length, 8}, {text.data(), text.size()}};
  for (const Array& a : data) parts.emplace_back(a.raw(), size_t(a.numel()) * itemsize(a.dtype()));
  write_atomically(path, parts);
}

// ---- checkpoints ----

namespace {
std::string file_name(const CheckpointFolder& c, int64_t step) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%08lld", static_cast<long long>(step));
  return (std::filesystem::path(c.folder) / (c.name + "-" + digits + ".safetensors")).string();
}
}  // namespace

std::vector<int64_t> CheckpointFolder::steps() const {
  std::vector<int64_t> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string f = entry.path().filename().string(), head = name + "-", tail = ".safetensors";
    if (!f.starts_with(head) || !f.ends_with(tail) || f.size() <= head.size() + tail.size()) continue;
    const std::string digits = f.substr(head.size(), f.size() - head.size() - tail.size());
    if (digits.size() <= 18 && std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); })) found.push_back(std::stoll(digits));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void CheckpointFolder::save(int64_t step, const std::vector<std::pair<std::string, Array>>& tensors, const std::map<std::string, std::string>& metadata) const {
  if (step < 0) fail<ValueError>("checkpoint: step must be >= 0, got ", step);
  if (keep < 1) fail<ValueError>("checkpoint: keep must be >= 1, got ", keep);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail<FileError>("checkpoint: cannot make the folder ", folder, ": ", error.message());
  save_safetensors(file_name(*this, step), tensors, metadata);
  auto all = steps();                                                // older files go only now that the new one is durable
  for (size_t i = 0; i + size_t(keep) < all.size(); ++i)
    if (all[i] != step) std::filesystem::remove(file_name(*this, all[i]), error);
}

CheckpointFolder::Found CheckpointFolder::load_newest() const {
  std::vector<std::string> skipped;
  auto all = steps();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    try {
      return {load_safetensors(file_name(*this, *it)), *it, skipped};
    } catch (const Error& e) {
      skipped.push_back(e.what());
    }
  }
  std::string why;
  for (const std::string& s : skipped) why += "\n  " + s;
  fail<FileError>("checkpoint: no sound ", name, "-*.safetensors in ", folder, why);
}

}  // namespace hippograd
