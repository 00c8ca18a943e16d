// Files from outside: every damaged safetensors file is refused with an error that names file, field and value; our own files
// come back bit for bit; a failed save leaves the old file as it was.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "tensor/safetensors.h"

using namespace hippograd;
namespace fs = std::filesystem;

namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string f(8, '\0');
  for (int i = 0; i < 8; ++i) f[size_t(i)] = char(length >> 8 * i & 255);
  return f + rest;
}
std::string file_of(const std::string& header, size_t data_bytes = 0) {
  return with_length(header.size(), header + std::string(data_bytes, '\1'));
}
std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}
TensorFile parse(const std::string& bytes) { return parse_safetensors(bytes.data(), bytes.size(), "bad.safetensors"); }

// The message of the FileError; "" if the file was accepted. Any other exception fails the test.
std::string refusal(const std::string& bytes) {
  try {
    parse(bytes);
    return "";
  } catch (const FileError& e) {
    return e.what();
  }
}
std::string refusal_of_file(const std::string& path) {
  try {
    load_safetensors(path);
    return "";
  } catch (const FileError& e) {
    return e.what();
  }
}
std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

using List = std::vector<std::pair<std::string, Array>>;

struct Folder {   // a temporary folder, removed at the end
  std::string path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "hippograd-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& file) const { return path + "/" + file; }
};

struct Bad { const char* label; std::string bytes, text; };

std::vector<Bad> damaged() {
  const std::string f32 = tensor("x", "F32", "[2]", "[0,8]"), deep(1'000'000, '['), deep_objects = [] {
    std::string s;
    for (int i = 0; i < 200'000; ++i) s += "{\"a\":";
    return s;
  }();
  std::string many = "{";
  for (int i = 0; i < 100'002; ++i) many += (i ? "," : "") + tensor(std::to_string(i), "U8", "[0]", "[0,0]");
  const auto one = [](const std::string& shape, const std::string& offsets, size_t data = 8, const std::string& dtype = "F32") {
    return file_of("{" + tensor("x", dtype, shape, offsets) + "}", data);
  };
  const auto raw = [](const std::string& body, size_t data = 8) { return file_of("{\"x\":{" + body + "}}", data); };
  using namespace std::string_literals;
  return {
      {"header length 0", with_length(0, "{}"), "header length 0"},
      {"header length 2^63", with_length(1ull << 63, "{}"), "header length 9223372036854775808"},
      {"header length 2^64 - 1", with_length(~0ull, "{}"), "header length 18446744073709551615"},
      {"header longer than the file", with_length(3, "{}"), "header length 3"},
      {"header above 100,000,000", with_length(100'000'001, "{}" + std::string(100'000'000, ' ')), "at most 100000000"},
      {"header is a list", file_of("[1]"), "start with '{'"},
      {"header is text", file_of("hello"), "start with '{'"},
      {"byte order mark", file_of("\xEF\xBB\xBF{}"), "start with '{'"},
      {"leading space", file_of(" {}"), "start with '{'"},
      {"not JSON", file_of("{x}"), "not valid JSON"},
      {"header cut", file_of("{\"x\":{}"), "no dtype in tensor 'x'"},
      {"trailing comma", file_of("{" + f32 + ",}", 8), "not valid JSON"},
      {"two objects", file_of("{}{}"), "not valid JSON"},
      {"comment", file_of("{/**/}"), "not valid JSON"},
      {"overlong UTF-8", file_of("{" + tensor("\xC0\xAF", "F32", "[2]", "[0,8]") + "}", 8), "not valid JSON"},
      {"surrogate in UTF-8", file_of("{" + tensor("\xED\xA0\x80", "F32", "[2]", "[0,8]") + "}", 8), "not valid JSON"},
      {"lone surrogate escape", file_of("{" + tensor("\\ud800", "F32", "[2]", "[0,8]") + "}", 8), "not valid JSON"},
      {"cut UTF-8", file_of("{" + tensor("\xE2\x82", "F32", "[2]", "[0,8]") + "}", 8), "not valid JSON"},
      {"lists 10^6 deep", file_of("{\"x\":" + deep + "}"), "an array"},
      {"lists 10^6 deep in shape", file_of("{\"x\":{\"shape\":" + deep + "}"), "an array"},
      {"objects 200,000 deep", file_of("{\"x\":" + deep_objects + "}"), "the extra key 'a' in tensor 'x'"},
      {"too many tensors", file_of(many + "}"), "more than 100000 tensors"},
      {"dimension 1e3", one("[1e3]", "[0,8]"), "the number 1e3 at key 'shape' of tensor 'x'"},
      {"dimension -0", one("[-0]", "[0,8]"), "at key 'shape' of tensor 'x'"},
      {"dimension 0.5", one("[0.5]", "[0,8]"), "the number 0.5"},
      {"dimension 2^64", one("[18446744073709551616]", "[0,8]"), "18446744073709551616"},
      {"dimension 2^63", one("[9223372036854775808]", "[0,8]"), "the dimension 9223372036854775808"},
      {"negative dimension", one("[-2]", "[0,8]"), "the number -2"},
      {"leading zero", one("[02]", "[0,8]"), "not valid JSON"},
      {"dimension is text", one("[\"2\"]", "[0,8]"), "the string '2'"},
      {"dimension is null", one("[null]", "[0,8]"), "null at key 'shape' of tensor 'x'"},
      {"dimension is true", one("[true]", "[0,8]"), "a boolean"},
      {"shape is a number", one("2", "[0,8]"), "the number 2"},
      {"shape is an object", one("{}", "[0,8]"), "a nested object"},
      {"overflowing product", one("[4294967296,4294967296]", "[0,8]"), "overflows"},
      {"product overflows by the dtype", one("[4611686018427387904]", "[0,8]"), "overflows"},
      {"zero times huge", one("[0,9223372036854775807,2]", "[0,0]", 0), "overflows"},
      {"huge times zero", one("[9223372036854775807,2,0]", "[0,0]", 0), "overflows"},
      {"rank above the maximum", one("[1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]", 4), "more than 12 dimensions"},
      {"a terabyte", one("[274877906944]", "[0,1099511627776]"), "outside the data of 8 bytes"},
      {"name twice", file_of("{" + f32 + "," + f32 + "}", 8), "the name 'x' twice"},
      {"metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "the name '__metadata__' twice"},
      {"metadata key twice", file_of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}"), "the metadata key 'a' twice"},
      {"missing dtype", raw("\"shape\":[2],\"data_offsets\":[0,8]"), "no dtype in tensor 'x'"},
      {"missing shape", raw("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), "no shape in tensor 'x'"},
      {"missing data_offsets", raw("\"dtype\":\"F32\",\"shape\":[2]"), "no data_offsets in tensor 'x'"},
      {"extra key", raw("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]"), "the extra key 'strides'"},
      {"key twice", raw("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), "the key 'dtype' twice"},
      {"key in upper case", raw("\"Dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"), "the extra key 'Dtype'"},
      {"tensor is a number", file_of("{\"x\":3}"), "the number 3"},
      {"tensor is null", file_of("{\"x\":null}"), "null"},
      {"unknown dtype", one("[2]", "[0,8]", 8, "F8_E4M3"), "the unsupported dtype 'F8_E4M3'"},
      {"dtype in lower case", one("[2]", "[0,8]", 8, "f32"), "the unsupported dtype 'f32'"},
      {"empty dtype", one("[2]", "[0,8]", 8, ""), "the unsupported dtype ''"},
      {"dtype is a number", raw("\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]"), "the number 32"},
      {"offsets swapped", one("[2]", "[8,0]"), "data_offsets [8, 0]"},
      {"offsets negative", one("[2]", "[-8,0]"), "the number -8"},
      {"offsets 2^63", one("[2]", "[9223372036854775808,9223372036854775816]"), "outside the data"},
      {"offsets wrap around", one("[2]", "[18446744073709551608,0]"), "outside the data"},
      {"three offsets", one("[2]", "[0,8,8]"), "more than two data_offsets"},
      {"one offset", one("[2]", "[0]"), "fewer than two data_offsets"},
      {"offsets fractional", one("[2]", "[0,8.0]"), "the number 8.0"},
      {"overlap", file_of("{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[2]", "[4,12]") + "}", 12), "tensor 'b' starts at byte 4"},
      {"same place", file_of("{" + tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[2]", "[0,8]") + "}", 8), "overlap or hole"},
      {"hole", file_of("{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("b", "F32", "[1]", "[8,12]") + "}", 12), "where 4 was expected"},
      {"hole at the start", one("[1]", "[4,8]"), "where 0 was expected"},
      {"short of the end", one("[1]", "[0,4]"), "4 bytes follow the last tensor"},
      {"past the end", one("[3]", "[0,12]"), "outside the data of 8 bytes"},
      {"off by one", one("[2]", "[0,7]"), "its data_offsets give 7"},
      {"size is not shape x dtype", one("[3]", "[0,8]"), "needs 12 bytes"},
      {"size of another dtype", one("[2]", "[0,8]", 8, "F64"), "needs 16 bytes"},
      {"metadata value is a number", file_of("{\"__metadata__\":{\"step\":3}}"), "the number 3 at key 'step' of __metadata__"},
      {"metadata value is null", file_of("{\"__metadata__\":{\"step\":null}}"), "null at key 'step'"},
      {"metadata value is a list", file_of("{\"__metadata__\":{\"step\":[]}}"), "an array at key 'step'"},
      {"metadata value is an object", file_of("{\"__metadata__\":{\"step\":{}}}"), "a nested object at key 'step'"},
      {"metadata is text", file_of("{\"__metadata__\":\"x\"}"), "the string 'x'"},
      {"name with NUL", file_of("{" + tensor("a\\u0000b", "F32", "[2]", "[0,8]") + "}", 8), "control character"},
      {"name with a raw NUL", file_of("{" + tensor("a\0b"s, "F32", "[2]", "[0,8]") + "}", 8), "not valid JSON"},
      {"name leads out", file_of("{" + tensor("../x", "F32", "[2]", "[0,8]") + "}", 8), "path-like name '../x'"},
      {"name of 1 MiB", file_of("{" + tensor(std::string(1 << 20, 'n'), "F32", "[2]", "[0,8]") + "}", 8), "a name of 1048576 bytes"},
      {"padded with a tab", file_of("{" + f32 + "}\t", 8), "end with '}' and spaces"},
      {"padded with a newline", file_of("{" + f32 + "}\n", 8), "end with '}' and spaces"},
      {"padded with NUL", file_of("{" + f32 + "}\0"s, 8), "end with '}' and spaces"},
      {"trailing bytes", file_of("{" + f32 + "}", 9), "1 bytes follow the last tensor"},
      {"data without tensors", file_of("{}", 1), "1 bytes follow the last tensor"},
      {"boolean 2", with_length(60, "{" + tensor("x", "BOOL", "[1]", "[0,1]") + "}" + std::string(60 - 2 - tensor("x", "BOOL", "[1]", "[0,1]").size(), ' ') + "\2"),
       "holds the boolean 2"},
      {"complex128 list is not a list", file_of("{\"__metadata__\":{\"complex128\":\"x\"}}"), "'complex128' must be a list"},
      {"complex128 of odd shape", file_of("{\"__metadata__\":{\"complex128\":\"[\\\"x\\\"]\"}," + tensor("x", "F64", "[1]", "[0,8]") + "}", 8), "listed as complex128"},
      {"checksum of tensors only", file_of("{\"__metadata__\":{\"crc.x\":\"00000000\"}," + f32 + "}", 8), "no 'crc'"},
      {"wrong checksum", file_of("{\"__metadata__\":{\"crc\":\"00000000\"}}"), "does not match its checksum"},
  };
}

TEST(Safetensors, DamagedFilesAreRefused) {
  for (const Bad& b : damaged()) {
    const std::string why = refusal(b.bytes);
    EXPECT_NE(why.find(b.text), std::string::npos) << b.label << ": " << (why.empty() ? "accepted" : why.substr(0, 300));
    EXPECT_NE(why.find("bad.safetensors"), std::string::npos) << b.label << " does not name the file";
    EXPECT_LT(why.size(), 1000u) << b.label;
  }
}

// Reading from disk refuses the same files for the same reasons.
TEST(Safetensors, DamagedFilesOnDiskAreRefused) {
  const Folder folder;
  for (const Bad& b : damaged()) {
    put(folder / "bad.safetensors", b.bytes);
    const std::string why = refusal_of_file(folder / "bad.safetensors");
    EXPECT_NE(why.find(b.text), std::string::npos) << b.label << ": " << (why.empty() ? "accepted" : why.substr(0, 300));
  }
  EXPECT_NE(refusal_of_file(folder / "none").find("No such file"), std::string::npos);
  EXPECT_NE(refusal_of_file(folder.path).find("cannot open"), std::string::npos);
}

TEST(Safetensors, FilesOfZeroToSevenBytes) {
  const Folder folder;
  for (size_t n = 0; n < 8; ++n) {
    EXPECT_NE(refusal(std::string(n, '{')).find(cat("a file of ", n, " bytes")), std::string::npos);
    put(folder / "short", std::string(n, '{'));
    EXPECT_NE(refusal_of_file(folder / "short").find(cat("a file of ", n, " bytes")), std::string::npos);
  }
}

TEST(Safetensors, TruncationAtEveryByteIsRefused) {
  const Folder folder;
  save_safetensors(folder / "a", List{{"w", full({3, 2}, 1.5, DType::f32)}, {"z", full({2}, 2, DType::c128)}}, {{"step", "7"}});
  const std::string ours = contents(folder / "a");
  const std::string plain = file_of("{" + tensor("x", "F32", "[2]", "[0,8]") + "}   ", 8);
  for (const std::string& whole : {ours, plain}) {
    ASSERT_EQ(refusal(whole), "");
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_NE(refusal(whole.substr(0, n)), "") << n << " of " << whole.size();
      put(folder / "cut", whole.substr(0, n));
      EXPECT_NE(refusal_of_file(folder / "cut"), "") << n << " of " << whole.size();
    }
  }
}

// The checksums catch every single wrong bit, in the header and in the data.
TEST(Safetensors, EveryFlippedBitIsRefused) {
  const Folder folder;
  save_safetensors(folder / "a", List{{"w", full({3}, 1.5, DType::f32)}, {"z", full({1}, 2, DType::c128)}}, {{"step", "7"}});
  const std::string whole = contents(folder / "a");
  for (size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = char(flipped[i] ^ 1 << bit);
      EXPECT_NE(refusal(flipped), "") << "byte " << i << " bit " << bit;
    }
}

TEST(Safetensors, SoundFilesAreAccepted) {
  const TensorFile none = parse(file_of("{}"));
  EXPECT_TRUE(none.tensors.empty());
  const TensorFile f = parse(file_of("{" + tensor("scalar", "U8", "[]", "[0,1]") + "," + tensor("empty", "F32", "[0,5]", "[1,1]") + "," +
                                     tensor("last", "I32", "[1,1]", "[1,5]") + "}   ", 5));
  EXPECT_EQ(f.find("scalar")->shape(), Shape{});
  EXPECT_EQ(f.find("scalar")->item<int64_t>(), 1);
  EXPECT_EQ(f.find("empty")->shape(), (Shape{0, 5}));
  EXPECT_EQ(f.find("last")->item<int64_t>(), 0x01010101);
  EXPECT_EQ(f.find("other"), nullptr);
  // Order in the header is free; an empty tensor may stand anywhere.
  const TensorFile g = parse(file_of("{" + tensor("b", "U8", "[1]", "[1,2]") + "," + tensor("a", "U8", "[1]", "[0,1]") + "}", 2));
  EXPECT_EQ(g.tensors[0].first, "a");
  // Names are any text that is no path: dots, spaces, escapes, other scripts.
  EXPECT_NE(parse(file_of("{" + tensor("a.b c\\\"\\u00e9\xE2\x82\xAC", "U8", "[1]", "[0,1]") + "}", 1)).find("a.b c\"\xC3\xA9\xE2\x82\xAC"), nullptr);
}

TEST(Safetensors, EveryDtypeComesBackBitForBit) {
  const Folder folder;
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  List saved;
  for (DType t : {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16, DType::f16})
    saved.emplace_back(std::string(name(t)), from_vector<double>({0, -0.0, 1.25, nan, inf, -inf}, {2, 3}).to(t));
  for (DType t : {DType::i64, DType::i32, DType::u8, DType::b8}) saved.emplace_back(std::string(name(t)), from_vector<int64_t>({0, 1, 2, 100}, {4}).to(t));
  saved.emplace_back("rank 0", scalar(3.5, DType::f64));
  saved.emplace_back("complex rank 0", scalar(complex128(1, -2), DType::c128));
  saved.emplace_back("empty", zeros({3, 0}, DType::f32));
  saved.emplace_back("empty complex", zeros({0}, DType::c128));
  saved.emplace_back("transposed", from_vector<float>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1));
  const std::map<std::string, std::string> metadata{{"step", "12"}, {"note", "\"quoted\" \xE2\x82\xAC"}, {"tricky", "\"crc\":\"00000000\""}};
  save_safetensors(folder / "all", saved, metadata);
  const TensorFile f = load_safetensors(folder / "all");
  EXPECT_EQ(f.metadata, metadata);
  ASSERT_EQ(f.tensors.size(), saved.size());
  for (const auto& [name, a] : saved) {
    const Array* b = f.find(name);
    ASSERT_NE(b, nullptr) << name;
    EXPECT_EQ(b->dtype(), a.dtype()) << name;
    ASSERT_EQ(b->shape(), a.shape()) << name;
    const Array c = a.contiguous();
    EXPECT_TRUE(a.numel() == 0 || std::memcmp(b->raw(), c.raw(), size_t(a.numel() * itemsize(a.dtype()))) == 0) << name;
  }
  EXPECT_EQ((8 + uint64_t(contents(folder / "all")[0] & 255)) % 8, 0u) << "data is aligned to 8 bytes";
}

TEST(Safetensors, NothingLargeIsAllocatedBeforeTheCheck) {
  allocator_empty_cache();
  allocator_reset_peak();
  const size_t before = allocator_stats().in_use;
  for (const Bad& b : damaged()) (void)refusal(b.bytes);
  EXPECT_LE(allocator_stats().peak, before + (1u << 20));
  EXPECT_EQ(allocator_stats().in_use, before) << "a refused file keeps no memory";
}

TEST(Safetensors, NamesThatCannotBeSaved) {
  const Folder folder;
  const Array x = zeros({1}, DType::f32);
  EXPECT_THROW(save_safetensors(folder / "a", List{{"", x}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", List{{"__metadata__", x}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", List{{"x", x}, {"x", x}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", List{{"\xC0\xAF", x}}), ValueError);
  EXPECT_THROW(save_safetensors(folder / "a", List{{"x", x}}, {{"crc", "1"}}), ValueError);
  for (const char* name : {"../x", "/x", "a\nb"}) EXPECT_THROW(save_safetensors(folder / "a", List{{name, x}}), ValueError) << "could not be read back: " << name;
  EXPECT_THROW(save_safetensors(folder / "a", List{{std::string(2000, 'n'), x}}), ValueError);
  EXPECT_FALSE(fs::exists(folder / "a"));
}

TEST(Safetensors, Crc32c) {   // RFC 3720, appendix B.4
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF').data(), 32), 0x62A8AB43u);
  const std::string s = "hippograd writes checkpoints";
  for (size_t n = 0; n <= s.size(); ++n) EXPECT_EQ(crc32c(s.data() + n, s.size() - n, crc32c(s.data(), n)), crc32c(s.data(), s.size()));
}

// ---- writing atomically ----

struct FileSizeLimit {   // a full disk, as far as this process can tell
  rlimit before;
  void (*handler)(int);
  explicit FileSizeLimit(rlim_t bytes) {
    handler = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
};

std::string write_failure(const std::string& path, const std::string& bytes) {
  try {
    write_atomically(path, {{bytes.data(), bytes.size()}});
    return "";
  } catch (const FileError& e) {
    return e.what();
  }
}
size_t files_in(const std::string& folder) { return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator())); }

TEST(WriteAtomically, ReplacesTheWholeFile) {
  const Folder folder;
  EXPECT_EQ(write_failure(folder / "a", "first, and long"), "");
  EXPECT_EQ(write_failure(folder / "a", "second"), "");
  EXPECT_EQ(contents(folder / "a"), "second");
  EXPECT_EQ(write_failure(folder / "empty", ""), "");
  EXPECT_EQ(fs::file_size(folder / "empty"), 0u);
  EXPECT_EQ(files_in(folder.path), 2u) << "no temporary file stays";
}

TEST(WriteAtomically, DiskFullLeavesTheOldFile) {
  const Folder folder;
  ASSERT_EQ(write_failure(folder / "a", "old"), "");
  const std::string large(100'000, 'x');
  for (rlim_t limit : {0, 1, 4096, 99'999}) {
    const FileSizeLimit full(limit);
    EXPECT_NE(write_failure(folder / "a", large).find("write"), std::string::npos) << limit;
    EXPECT_EQ(contents(folder / "a"), "old") << limit;
    EXPECT_EQ(files_in(folder.path), 1u) << limit;
  }
  EXPECT_EQ(write_failure(folder / "a", large), "");
}

TEST(WriteAtomically, PlacesThatCannotBeWritten) {
  const Folder folder;
  EXPECT_NE(write_failure(folder / "none/a", "x").find("No such file"), std::string::npos);
  fs::create_directory(folder / "taken");
  put(folder / "taken/inside", "x");
  EXPECT_NE(write_failure(folder / "taken", "x").find("rename"), std::string::npos);   // a folder stands there
  EXPECT_EQ(files_in(folder.path), 1u) << "the temporary file is removed";
  EXPECT_NE(write_failure("/proc/hippograd", "x"), "");
  EXPECT_NE(write_failure(folder / std::string(300, 'n'), "x").find("too long"), std::string::npos);
  if (geteuid() == 0) return;                                                         // root may write anywhere
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_NE(write_failure(folder / "a", "x").find("Permission denied"), std::string::npos);
  fs::permissions(folder.path, fs::perms::owner_all);
}

// ---- checkpoints ----

List weights(int64_t step) { return {{"w", full({4}, double(step), DType::f32)}}; }

TEST(CheckpointFolder, KeepsTheLastThree) {
  const Folder folder;
  const CheckpointFolder c{folder / "run/checkpoints"};
  EXPECT_TRUE(c.steps().empty());
  for (int64_t step : {10, 20, 30, 40, 50}) c.save(step, weights(step), {{"step", std::to_string(step)}});
  EXPECT_EQ(c.steps(), (std::vector<int64_t>{30, 40, 50}));
  const auto found = c.load_newest();
  EXPECT_EQ(found.step, 50);
  EXPECT_EQ(found.file.metadata.at("step"), "50");
  EXPECT_EQ(found.file.find("w")->select(0, 3).item<double>(), 50);
  EXPECT_TRUE(found.skipped.empty());
  c.save(5, weights(5), {});                                            // an earlier step, after going back: is not removed at once
  EXPECT_EQ(c.steps(), (std::vector<int64_t>{5, 30, 40, 50}));
  EXPECT_THROW(c.save(-1, weights(1), {}), ValueError);
  EXPECT_THROW((CheckpointFolder{folder.path, "c", 0}.save(1, weights(1), {})), ValueError);
}

TEST(CheckpointFolder, NewestSoundOneAndWhyOthersWereSkipped) {
  const Folder folder;
  const CheckpointFolder c{folder.path};
  for (int64_t step : {1, 2, 3}) c.save(step, weights(step), {});
  const std::string newest = folder / "checkpoint-00000003.safetensors", middle = folder / "checkpoint-00000002.safetensors";
  std::string damaged_bytes = contents(newest);
  damaged_bytes.back() = char(damaged_bytes.back() ^ 1);
  put(newest, damaged_bytes);
  put(middle, contents(middle).substr(0, 40));
  put(folder / "checkpoint-00000009.safetensors.tmp.77", "left by a crash");
  put(folder / "checkpoint-best.safetensors", "of others");
  auto found = c.load_newest();
  EXPECT_EQ(found.step, 1);
  ASSERT_EQ(found.skipped.size(), 2u);
  EXPECT_NE(found.skipped[0].find("checkpoint-00000003"), std::string::npos);
  EXPECT_NE(found.skipped[0].find("checksum"), std::string::npos);
  EXPECT_NE(found.skipped[1].find("checkpoint-00000002"), std::string::npos);
  put(folder / "checkpoint-00000001.safetensors", "");
  try {
    c.load_newest();
    FAIL() << "no sound checkpoint is left";
  } catch (const FileError& e) {
    for (const char* text : {"00000001", "00000002", "00000003"}) EXPECT_NE(std::string(e.what()).find(text), std::string::npos);
  }
}

TEST(CheckpointFolder, FailedSaveTouchesNoOlderFile) {
  const Folder folder;
  const CheckpointFolder c{folder.path, "checkpoint", 1};
  c.save(1, weights(1), {});
  {
    const FileSizeLimit full(20);
    EXPECT_THROW(c.save(2, weights(2), {}), FileError);
  }
  EXPECT_EQ(c.steps(), std::vector<int64_t>{1});
  EXPECT_EQ(c.load_newest().step, 1);
  EXPECT_EQ(files_in(folder.path), 1u);
}

}  // namespace
