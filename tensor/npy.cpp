#include "tensor/npy.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <set>

#include "tensor/safetensors.h"

namespace hippograd {
namespace {

// ---- where bytes come from ----

class Source {                                // a sequence of known length
 public:
  virtual ~Source() = default;
  virtual void read(void* to, uint64_t n) = 0;
  uint64_t left = 0;
};

// A file or a piece of memory that can be read anywhere.
class Bytes {
 public:
  virtual ~Bytes() = default;
  virtual void read(uint64_t at, void* to, uint64_t n) = 0;
  uint64_t size = 0;
  std::string path;
};
class MemoryBytes final : public Bytes {
 public:
  MemoryBytes(const void* p, uint64_t n, const std::string& name) : p_(static_cast<const char*>(p)) { size = n, path = name; }
  void read(uint64_t at, void* to, uint64_t n) override { if (n > 0) std::memcpy(to, p_ + at, n); }
 private:
  const char* p_;
};
class FileBytes final : public Bytes {
 public:
  explicit FileBytes(const std::string& name) : in_(name, std::ios::binary | std::ios::ate) {
    path = name;
    std::error_code error;
    if (!in_ || std::filesystem::is_directory(name, error)) fail<FileError>("npy: cannot open ", name);
    size = uint64_t(std::max<std::streamoff>(in_.tellg(), 0));
  }
  void read(uint64_t at, void* to, uint64_t n) override {
    in_.seekg(std::streamoff(at));
    in_.read(static_cast<char*>(to), std::streamsize(n));
    if (!in_) fail<FileError>("npy: cannot read ", n, " bytes at ", at, " of ", path);
  }
 private:
  std::ifstream in_;
};
class Plain final : public Source {           // a range of Bytes as it stands
 public:
  Plain(Bytes& bytes, uint64_t at, uint64_t n) : bytes_(bytes), at_(at) { left = n; }
  void read(void* to, uint64_t n) override {
    bytes_.read(at_, to, n);
    at_ += n, left -= n;
  }
 private:
  Bytes& bytes_;
  uint64_t at_;
};

// ---- npy ----

struct DtypeName { const char* descr; DType dtype; };
constexpr DtypeName kNames[] = {{"<f4", DType::f32}, {"<f8", DType::f64}, {"<c8", DType::c64}, {"<c16", DType::c128}, {"<i8", DType::i64},
                                {"<i4", DType::i32}, {"|b1", DType::b8},  {"|u1", DType::u8},  {"<f2", DType::f16}};

struct Header { DType dtype = DType::f32; bool fortran = false; Shape shape; };

// The header's dict: three keys, each once; strings, True or False, a tuple of integers. Nothing else is Python here.
class HeaderParser {
 public:
  HeaderParser(const std::string& text, const std::string& path) : text_(text), path_(path) {}
  Header run() {
    Header h;
    std::set<std::string> seen;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted("a key");
      if (!seen.insert(key).second) wrong("the key '" + key + "' twice");
      expect(':');
      if (key == "descr") h.dtype = dtype();
      else if (key == "fortran_order") h.fortran = boolean();
      else if (key == "shape") h.shape = tuple();
      else wrong("the key '" + key + "'");
      if (!take(',') && !peek('}')) wrong("no ',' or '}' after the value of '" + key + "'");
    }
    for (const char* key : {"descr", "fortran_order", "shape"}) if (!seen.count(key)) wrong(std::string("no key '") + key + "'");
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ + 1 != text_.size() || text_[at_] != '\n') wrong("something else than spaces and a newline after the dict");
    return h;
  }

 private:
  void space() { while (at_ < text_.size() && text_[at_] == ' ') ++at_; }
  bool peek(char c) { space(); return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return peek(c) && (++at_, true); }
  void expect(char c) { if (!take(c)) wrong(std::string("no '") + c + "'"); }
  std::string quoted(const char* what) {
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) wrong(std::string("something else than text for ") + what);
    const size_t end = text_.find_first_of("\\\n'\"", at_);
    if (end == std::string::npos || text_[end] != quote) wrong("text without an end");
    const std::string s = text_.substr(at_, end - at_);
    if (s.size() > 80) wrong("text of " + std::to_string(s.size()) + " characters");
    at_ = end + 1;
    return s;
  }
  DType dtype() {
    if (peek('[')) wrong("a structured descr, which is not supported");
    const std::string s = quoted("descr");
    for (const DtypeName& n : kNames) if (s == n.descr) return n.dtype;
    if (s.starts_with(">")) wrong("the big-endian descr '" + s + "', which is not supported");
    wrong("the unsupported descr '" + s + "'");
  }
  bool boolean() {
    space();
    for (const bool b : {false, true}) {
      const std::string_view word = b ? "True" : "False";
      if (std::string_view(text_).substr(at_, word.size()) == word) return at_ += word.size(), b;
    }
    wrong("a fortran_order that is neither True nor False");
  }
  Shape tuple() {
    Shape s;
    if (!take('(')) wrong("a shape that is no tuple");
    bool comma = true;
    while (!take(')')) {
      if (!comma) wrong("a shape without ',' between sizes");
      if (s.size() == Shape::kMaxRank) wrong(cat("a shape of more than ", Shape::kMaxRank, " dimensions"));
      s.push_back(integer());
      comma = take(',');
    }
    if (s.size() == 1 && !comma) wrong("a shape that is no tuple: (n)");
    return s;
  }
  int64_t integer() {
    space();
    const size_t start = at_;
    int64_t n = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(n, int64_t(10), &n) || __builtin_add_overflow(n, int64_t(text_[at_] - '0'), &n))
        wrong("a size of 2^63 or more in shape");
    if (at_ == start) wrong("a size in shape that is no non-negative integer");
    return n;
  }
  [[noreturn]] void wrong(const std::string& what) const { fail<FileError>("npy: ", path_, ": the header has ", what, ", at character ", at_); }
  const std::string& text_;
  const std::string& path_;
  size_t at_ = 0;
};

uint64_t checked_bytes(const Header& h, const std::string& path) {
  uint64_t bytes = uint64_t(itemsize(h.dtype));
  bool zero = false;
  for (int64_t d : h.shape) {                                        // zero times huge is refused as well
    zero |= d == 0;
    if (d != 0 && (__builtin_mul_overflow(bytes, uint64_t(d), &bytes) || bytes > uint64_t(INT64_MAX)))
      fail<FileError>("npy: ", path, ": shape ", h.shape, " of ", h.dtype, " overflows");
  }
  return zero ? 0 : bytes;
}

Array read_array(Source& in, const std::string& path, const NpyLimits& limits) {
  unsigned char start[12];
  if (in.left < 10) fail<FileError>("npy: ", path, ": ", in.left, " bytes are too few for a header");
  in.read(start, 8);
  if (std::memcmp(start, "\x93NUMPY", 6) != 0) fail<FileError>("npy: ", path, ": does not start with \\x93NUMPY");
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0) fail<FileError>("npy: ", path, ": version ", major, ".", minor, " is not supported");
  const uint64_t width = major == 1 ? 2 : 4;
  if (in.left < width) fail<FileError>("npy: ", path, ": the file ends inside the header length");
  in.read(start, width);
  uint64_t length = 0;
  for (int i = int(width) - 1; i >= 0; --i) length = length << 8 | start[i];
  if (length > in.left || length > limits.header)
    fail<FileError>("npy: ", path, ": header length ", length, " does not fit (", in.left, " bytes left, at most ", limits.header, ")");
  std::string text(length, '\0');
  in.read(text.data(), length);
  const Header h = HeaderParser(text, path).run();
  const uint64_t bytes = checked_bytes(h, path);
  if (bytes != in.left) fail<FileError>("npy: ", path, ": ", h.dtype, " ", h.shape, " needs ", bytes, " bytes of data, there are ", in.left);
  Shape stored = h.shape;
  if (h.fortran) std::reverse(stored.begin(), stored.end());
  Array a = empty(stored, h.dtype);
  if (bytes > 0) in.read(a.raw(), bytes);
  if (h.dtype == DType::b8) {
    const auto* b = static_cast<const unsigned char*>(a.raw());
    for (uint64_t i = 0; i < bytes; ++i) if (b[i] > 1) fail<FileError>("npy: ", path, ": holds the boolean ", int(b[i]));
  }
  if (!h.fortran) return a;
  Shape reversed = h.shape;
  std::iota(reversed.begin(), reversed.end(), 0);
  std::reverse(reversed.begin(), reversed.end());
  return a.permute(reversed);
}

// Header of version 1.0, padded so that the data starts at a multiple of 64.
std::string npy_header(const Array& a) {
  const auto* known = std::find_if(std::begin(kNames), std::end(kNames), [&](const DtypeName& n) { return n.dtype == a.dtype(); });
  if (known == std::end(kNames)) fail<DtypeError>("save_npy: NumPy has no type for ", a.dtype(), "; save it as float32 or as safetensors");
  std::string s = std::string("{'descr': '") + known->descr + "', 'fortran_order': False, 'shape': " + a.shape().str() + ", }";
  s.append(63 - (10 + s.size()) % 64, ' ');
  s += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + char(s.size() & 255) + char(s.size() >> 8) + s;
}

// ---- zip ----

// Little-endian fields of a ZIP structure.
class Fields {
 public:
  Fields(Bytes& bytes, uint64_t at, uint64_t n) : data_(n) { bytes.read(at, data_.data(), n); }
  uint64_t get(size_t at, int width) const {
    uint64_t v = 0;
    for (int i = width - 1; i >= 0; --i) v = v << 8 | data_[at + size_t(i)];
    return v;
  }
  std::string text(size_t at, size_t n) const { return {data_.begin() + int64_t(at), data_.begin() + int64_t(at + n)}; }
  size_t size() const { return data_.size(); }
 private:
  std::vector<unsigned char> data_;
};

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50, kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr uint64_t kIn64 = 0xffffffff;   // "look in the zip64 field"

struct Member {
  std::string name;
  int flags = 0, method = 0;
  uint32_t crc = 0;
  uint64_t packed = 0, unpacked = 0, header = 0, begin = 0;   // header: of the local header; begin: of its data
};
struct Directory { uint64_t entries, bytes, at; };

// The end of the central directory, found from the back (a comment of up to 65,535 bytes may follow it).
Directory find_directory(Bytes& f) {
  if (f.size < 22) fail<FileError>("npz: ", f.path, ": ", f.size, " bytes are too few for a ZIP archive");
  const uint64_t n = std::min<uint64_t>(f.size, 22 + 65'535), start = f.size - n;
  const Fields tail(f, start, n);
  size_t at = n - 22;
  while (tail.get(at, 4) != kEnd || tail.get(at + 20, 2) != n - 22 - at)
    if (at-- == 0) fail<FileError>("npz: ", f.path, ": no end of a ZIP directory (not an archive, or cut)");
  Directory d{tail.get(at + 10, 2), tail.get(at + 12, 4), tail.get(at + 16, 4)};
  uint64_t end = start + at;
  if (tail.get(at + 4, 2) != 0 || tail.get(at + 6, 2) != 0 || tail.get(at + 8, 2) != d.entries)
    fail<FileError>("npz: ", f.path, ": archives in several parts are not supported");
  if (end >= 20) {
    const Fields locator(f, end - 20, 20);
    if (locator.get(0, 4) == kLocator64) {
      const uint64_t at64 = locator.get(8, 8);
      if (end - 20 < 56 || at64 > end - 20 - 56) fail<FileError>("npz: ", f.path, ": the zip64 locator points to ", at64, ", outside the file");
      const Fields e(f, at64, 56);
      if (e.get(0, 4) != kEnd64) fail<FileError>("npz: ", f.path, ": no zip64 directory end at byte ", at64);
      if (e.get(24, 8) != e.get(32, 8)) fail<FileError>("npz: ", f.path, ": archives in several parts are not supported");
      const Directory wide{e.get(32, 8), e.get(40, 8), e.get(48, 8)};
      const bool agrees = (d.entries == 0xffff || d.entries == wide.entries) && (d.bytes == kIn64 || d.bytes == wide.bytes) &&
                          (d.at == kIn64 || d.at == wide.at);
      if (!agrees) fail<FileError>("npz: ", f.path, ": the zip64 directory end contradicts the plain one");
      d = wide;
      end = at64;
    }
  }
  if (d.at > end || d.bytes != end - d.at)
    fail<FileError>("npz: ", f.path, ": a directory of ", d.bytes, " bytes at ", d.at, " does not end at byte ", end);
  return d;
}

// Replaces the sizes that are 0xffffffff by those of the zip64 field (id 1) in `extra`.
void widen(const Fields& f, size_t extra, size_t length, std::initializer_list<uint64_t*> sizes, const std::string& what) {
  const auto wants = [](const uint64_t* v) { return *v == kIn64; };
  if (std::none_of(sizes.begin(), sizes.end(), wants)) return;
  for (size_t at = extra; at + 4 <= extra + length;) {
    const size_t id = f.get(at, 2), n = f.get(at + 2, 2);
    if (at + 4 + n > extra + length) break;
    if (id == 1) {
      size_t from = at + 4;
      for (uint64_t* v : sizes) {
        if (!wants(v)) continue;
        if (from + 8 > at + 4 + n) fail<FileError>(what, ": the zip64 field is too short");
        *v = f.get(from, 8);
        from += 8;
      }
      return;
    }
    at += 4 + n;
  }
  fail<FileError>(what, ": a size of 2^32 - 1 without a zip64 field");
}

void check_name(const std::string& n, const std::string& path, const NpyLimits& limits) {
  const auto wrong = [&](const auto&... what) { fail<FileError>("npz: ", path, ": ", what...); };
  if (n.size() > limits.name) wrong("a name of ", n.size(), " bytes");
  for (unsigned char c : n) if (c < 0x20 || c == 0x7f) wrong("a name with a control character");
  if (n.find("../") != std::string::npos || n.find('\\') != std::string::npos || n.starts_with("/")) wrong("the path-like name '", n, "'");
  if (!n.ends_with(".npy") || n.size() == 4) wrong("the member '", n, "' is no .npy file");
}

// The local header repeats name and sizes; it must say the same.
void check_local_header(Bytes& f, Member& m, uint64_t limit) {
  const std::string what = cat("npz: ", f.path, ": member '", m.name, "'");
  if (limit < 30 || m.header > limit - 30) fail<FileError>(what, " starts at byte ", m.header, ", outside the file");
  const Fields fixed(f, m.header, 30);
  const uint64_t name = fixed.get(26, 2), extra = fixed.get(28, 2);
  if (fixed.get(0, 4) != kLocal) fail<FileError>(what, ": no local header at byte ", m.header);
  if (name + extra > limit - 30 - m.header) fail<FileError>(what, ": its local header ends outside the file");
  const Fields h(f, m.header, 30 + name + extra);
  if (h.text(30, name) != m.name || int(h.get(8, 2)) != m.method || int(h.get(6, 2)) != m.flags) fail<FileError>(what, ": local header and directory differ");
  if (!(m.flags & 8)) {                                              // 8: sizes follow the data
    uint64_t packed = h.get(18, 4), unpacked = h.get(22, 4);
    widen(h, 30 + name, extra, {&unpacked, &packed}, what);
    if (packed != m.packed || unpacked != m.unpacked || h.get(14, 4) != m.crc) fail<FileError>(what, ": sizes in local header and directory differ");
  }
  m.begin = m.header + 30 + name + extra;
  if (m.packed > limit - m.begin) fail<FileError>(what, ": ", m.packed, " bytes at ", m.begin, " reach into the directory at ", limit);
}

std::vector<Member> read_directory(Bytes& f, const NpyLimits& limits) {
  const Directory d = find_directory(f);
  if (d.entries > limits.entries) fail<FileError>("npz: ", f.path, ": ", d.entries, " members, at most ", limits.entries);
  if (d.entries * 46 > d.bytes) fail<FileError>("npz: ", f.path, ": ", d.entries, " members do not fit in a directory of ", d.bytes, " bytes");
  const Fields c(f, d.at, d.bytes);
  std::vector<Member> members;
  std::set<std::string> names;
  uint64_t total = 0;
  size_t at = 0;
  for (uint64_t i = 0; i < d.entries; ++i) {
    if (c.size() - at < 46 || c.get(at, 4) != kCentral) fail<FileError>("npz: ", f.path, ": member ", i, " of the directory is damaged");
    const size_t name = c.get(at + 28, 2), extra = c.get(at + 30, 2), comment = c.get(at + 32, 2);
    if (name + extra + comment > c.size() - at - 46) fail<FileError>("npz: ", f.path, ": member ", i, " reaches past the directory");
    Member m{c.text(at + 46, name), int(c.get(at + 8, 2)), int(c.get(at + 10, 2)), uint32_t(c.get(at + 16, 4)), c.get(at + 20, 4), c.get(at + 24, 4), c.get(at + 42, 4)};
    check_name(m.name, f.path, limits);
    const std::string what = cat("npz: ", f.path, ": member '", m.name, "'");
    if (!names.insert(m.name).second) fail<FileError>(what, " is there twice");
    widen(c, at + 46 + name, extra, {&m.unpacked, &m.packed, &m.header}, what);
    if (m.flags & 1) fail<FileError>(what, " is encrypted");
    if (m.method != 0 && m.method != 8) fail<FileError>(what, ": compression method ", m.method, " is not supported (stored and deflate are)");
    if (m.method == 0 && m.packed != m.unpacked) fail<FileError>(what, ": is stored, but ", m.packed, " and ", m.unpacked, " bytes long");
    // Deflate gains at most 1032 : 1, so a larger promise is a lie.
    if (m.method == 8 && m.unpacked / 1032 > m.packed) fail<FileError>(what, ": ", m.packed, " bytes cannot inflate to ", m.unpacked);
    if (__builtin_add_overflow(total, m.unpacked, &total) || total > limits.decoded)
      fail<FileError>(what, ": the archive inflates to more than ", limits.decoded, " bytes");
    check_local_header(f, m, d.at);
    members.push_back(std::move(m));
    at += 46 + name + extra + comment;
  }
  if (at != c.size()) fail<FileError>("npz: ", f.path, ": ", c.size() - at, " bytes follow the last member of the directory");
  return members;
}

void check_overlap(std::vector<Member> members, const std::string& path) {
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.header < b.header; });
  for (size_t i = 1; i < members.size(); ++i)
    if (members[i].header < members[i - 1].begin + members[i - 1].packed)
      fail<FileError>("npz: ", path, ": members '", members[i - 1].name, "' and '", members[i].name, "' overlap");
}

// One member's bytes, inflated as they are asked for; the checksum runs along.
class MemberSource final : public Source {
 public:
  MemberSource(Bytes& f, const Member& m) : f_(f), m_(m), at_(m.begin), packed_left_(m.packed) {
    left = m.unpacked;
    if (m.method == 8 && inflateInit2(&z_, -MAX_WBITS) != Z_OK) fail<OutOfMemory>("npz: no memory to inflate ", f.path);
  }
  ~MemberSource() override { if (m_.method == 8) inflateEnd(&z_); }
  void read(void* to, uint64_t n) override {
    if (m_.method == 0) {
      f_.read(at_, to, n);
      at_ += n, packed_left_ -= n;
    } else {
      inflate_into(static_cast<unsigned char*>(to), n);
    }
    auto* p = static_cast<const unsigned char*>(to);
    for (uint64_t done = 0; done < n; done += kBlock) crc_ = uint32_t(crc32(crc_, p + done, uInt(std::min(kBlock, n - done))));
    left -= n;
  }
  // Nothing may be left over, and the checksum must be right.
  void finish() {
    if (m_.method == 8) {
      unsigned char more;
      z_.next_out = &more, z_.avail_out = 1;
      int code = Z_OK;
      while (!ended_ && z_.avail_out == 1 && code == Z_OK) code = step();
      if (!ended_ || z_.avail_out == 0 || packed_left_ + z_.avail_in > 0) wrong("inflates to more than its size, or is followed by other bytes");
    }
    if (crc_ != m_.crc) wrong("does not match its CRC");
  }

 private:
  static constexpr uint64_t kBlock = 1 << 16;
  [[noreturn]] void wrong(const char* what) const { fail<FileError>("npz: ", f_.path, ": member '", m_.name, "' ", what); }
  int step() {
    if (z_.avail_in == 0 && packed_left_ > 0) {
      const uint64_t n = std::min(kBlock, packed_left_);
      buffer_.resize(kBlock);
      f_.read(at_, buffer_.data(), n);
      at_ += n, packed_left_ -= n;
      z_.next_in = buffer_.data(), z_.avail_in = uInt(n);
    }
    const int code = inflate(&z_, Z_NO_FLUSH);
    ended_ = code == Z_STREAM_END;
    return code;
  }
  void inflate_into(unsigned char* to, uint64_t n) {
    while (n > 0) {
      const uInt part = uInt(std::min<uint64_t>(n, 1u << 30));
      z_.next_out = to, z_.avail_out = part;
      while (z_.avail_out > 0) {
        if (ended_) wrong("inflates to less than its size");
        const int code = step();
        if (code != Z_OK && code != Z_STREAM_END) wrong("holds damaged deflate data, or less than its size");
      }
      to += part, n -= part;
    }
  }
  Bytes& f_;
  const Member& m_;
  uint64_t at_, packed_left_;
  uint32_t crc_ = 0;
  z_stream z_{};
  bool ended_ = false;
  std::vector<unsigned char> buffer_;
};

NamedArrays read_archive(Bytes& f, const NpyLimits& limits) {
  const std::vector<Member> members = read_directory(f, limits);
  check_overlap(members, f.path);
  NamedArrays arrays;
  for (const Member& m : members) {
    MemberSource in(f, m);
    Array a = read_array(in, f.path + "/" + m.name, limits);
    in.finish();
    arrays.emplace_back(m.name.substr(0, m.name.size() - 4), std::move(a));
  }
  return arrays;
}

// ---- writing ----

void put(std::string& s, uint64_t v, int width) { for (int i = 0; i < width; ++i) s += char(v >> 8 * i & 255); }

std::string deflated(const std::string& header, const Array& a) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) fail<OutOfMemory>("save_npz: no memory to deflate");
  std::string out;
  std::vector<unsigned char> block(1 << 16);
  const auto feed = [&](const void* bytes, uint64_t n, bool last) {
    auto* p = static_cast<const unsigned char*>(bytes);
    do {
      const uInt part = uInt(std::min<uint64_t>(n, 1u << 30));
      z.next_in = const_cast<unsigned char*>(p), z.avail_in = part;
      p += part, n -= part;
      do {
        z.next_out = block.data(), z.avail_out = uInt(block.size());
        deflate(&z, last && n == 0 ? Z_FINISH : Z_NO_FLUSH);
        out.append(reinterpret_cast<char*>(block.data()), block.size() - z.avail_out);
      } while (z.avail_out == 0);
    } while (n > 0);
  };
  feed(header.data(), header.size(), false);
  feed(a.raw(), uint64_t(a.numel()) * uint64_t(itemsize(a.dtype())), true);
  deflateEnd(&z);
  return out;
}

uint32_t crc_of(const std::string& header, const Array& a) {
  uLong c = crc32_z(0, reinterpret_cast<const unsigned char*>(header.data()), header.size());
  const size_t bytes = size_t(a.numel()) * size_t(itemsize(a.dtype()));
  return uint32_t(bytes > 0 ? crc32_z(c, static_cast<const unsigned char*>(a.raw()), bytes) : c);
}

// Fields that the local header and the directory share; sizes always stand in a zip64 field.
std::string member_fields(const Member& m) {
  std::string s;
  put(s, 45, 2), put(s, uint64_t(m.flags), 2), put(s, uint64_t(m.method), 2);
  put(s, 0x00210000, 4);                                             // 1 January 1980, 0:00: the same bits at any time
  put(s, m.crc, 4), put(s, kIn64, 4), put(s, kIn64, 4), put(s, m.name.size(), 2);
  return s;
}

}  // namespace

Array parse_npy(const void* bytes, size_t size, const std::string& path, const NpyLimits& limits) {
  MemoryBytes f(bytes, size, path);
  Plain in(f, 0, size);
  return read_array(in, path, limits);
}
Array load_npy(const std::string& path, const NpyLimits& limits) {
  FileBytes f(path);
  Plain in(f, 0, f.size);
  return read_array(in, path, limits);
}
void save_npy(const std::string& path, const Array& array) {
  const Array a = array.to(Device{}).contiguous();
  const std::string header = npy_header(a);
  write_atomically(path, {{header.data(), header.size()}, {a.raw(), size_t(a.numel()) * size_t(itemsize(a.dtype()))}});
}

NamedArrays parse_npz(const void* bytes, size_t size, const std::string& path, const NpyLimits& limits) {
  MemoryBytes f(bytes, size, path);
  return read_archive(f, limits);
}
NamedArrays load_npz(const std::string& path, const NpyLimits& limits) {
  FileBytes f(path);
  return read_archive(f, limits);
}

void save_npz(const std::string& path, const NamedArrays& arrays, bool compressed) {
  const NpyLimits limits;
  std::vector<Member> members;
  std::vector<std::string> heads, packed;                            // local header with npy header; deflated bytes
  Arrays data;
  std::set<std::string> names;
  uint64_t at = 0;
  for (const auto& [name, array] : arrays) {
    try {
      check_name(name + ".npy", path, limits);
    } catch (const FileError& e) {
      fail<ValueError>("save_npz: the name '", name.substr(0, 80), "' could not be read back: ", e.what());
    }
    if (!names.insert(name).second) fail<ValueError>("save_npz: the name '", name, "' is given twice");
    const Array a = array.to(Device{}).contiguous();
    const std::string header = npy_header(a);
    Member m{name + ".npy", 0x800, compressed ? 8 : 0, crc_of(header, a)};   // 0x800: the name is UTF-8
    m.unpacked = header.size() + uint64_t(a.numel()) * uint64_t(itemsize(a.dtype()));
    packed.push_back(compressed ? deflated(header, a) : std::string());
    m.packed = compressed ? packed.back().size() : m.unpacked;
    m.header = at;
    std::string head;
    put(head, kLocal, 4);
    head += member_fields(m);
    put(head, 20, 2);
    head += m.name;
    put(head, 1, 2), put(head, 16, 2), put(head, m.unpacked, 8), put(head, m.packed, 8);
    at += head.size() + m.packed;
    if (!compressed) head += header;
    heads.push_back(std::move(head));
    data.push_back(a);
    members.push_back(std::move(m));
  }
  std::string directory;
  for (const Member& m : members) {
    put(directory, kCentral, 4), put(directory, 3 << 8 | 45, 2);
    directory += member_fields(m);
    put(directory, 28, 2), put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 2), put(directory, 0x81a40000, 4), put(directory, kIn64, 4);
    directory += m.name;
    put(directory, 1, 2), put(directory, 24, 2), put(directory, m.unpacked, 8), put(directory, m.packed, 8), put(directory, m.header, 8);
  }
  const uint64_t bytes = directory.size(), count = members.size();
  put(directory, kEnd64, 4), put(directory, 44, 8), put(directory, 45, 2), put(directory, 45, 2), put(directory, 0, 4), put(directory, 0, 4);
  put(directory, count, 8), put(directory, count, 8), put(directory, bytes, 8), put(directory, at, 8);
  put(directory, kLocator64, 4), put(directory, 0, 4), put(directory, at + bytes, 8), put(directory, 1, 4);
  put(directory, kEnd, 4), put(directory, 0, 4);
  put(directory, std::min<uint64_t>(count, 0xffff), 2), put(directory, std::min<uint64_t>(count, 0xffff), 2);
  put(directory, std::min(bytes, kIn64), 4), put(directory, std::min(at, kIn64), 4), put(directory, 0, 2);

  std::vector<std::pair<const void*, size_t>> parts;
  for (size_t i = 0; i < members.size(); ++i) {
    parts.emplace_back(heads[i].data(), heads[i].size());
    if (compressed) parts.emplace_back(packed[i].data(), packed[i].size());
    else parts.emplace_back(data[i].raw(), size_t(data[i].numel()) * size_t(itemsize(data[i].dtype())));
  }
  parts.emplace_back(directory.data(), directory.size());
  write_atomically(path, parts);
}

}  // namespace hippograd
