// NumPy's files: what NumPy writes is read, damage is refused with an error that names file, field and value.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tensor/npy.h"

using namespace hippograd;
namespace fs = std::filesystem;
using namespace std::string_literals;

namespace {

std::string little(uint64_t v, int width) {
  std::string s;
  for (int i = 0; i < width; ++i) s += i < 8 ? char(v >> 8 * i & 255) : '\0';
  return s;
}
std::string npy(const std::string& dict, const std::string& data = "", int major = 1) {
  const std::string header = dict + "\n";
  return "\x93NUMPY" + std::string{char(major), '\0'} + little(header.size(), major == 1 ? 2 : 4) + header + data;
}
std::string dict(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}
const std::string kEight(8, '\1');

template <class F> std::string refusal(const F& read) {
  try {
    read();
    return "";
  } catch (const FileError& e) {
    return e.what();
  }
}
std::string npy_refusal(const std::string& bytes) { return refusal([&] { parse_npy(bytes.data(), bytes.size(), "bad.npy"); }); }
std::string npz_refusal(const std::string& bytes, const NpyLimits& limits = {}) {
  return refusal([&] { parse_npz(bytes.data(), bytes.size(), "bad.npz", limits); });
}

struct Folder {
  std::string path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "hippograd-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& file) const { return path + "/" + file; }
};
std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

bool same_bits(const Array& a, const Array& b) {
  const Array x = a.contiguous(), y = b.contiguous();
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.numel() == 0 || std::memcmp(x.raw(), y.raw(), size_t(a.numel() * itemsize(a.dtype()))) == 0);
}

// ---- npy ----

TEST(Npy, DamagedFilesAreRefused) {
  struct Bad { const char* label; std::string bytes, text; };
  const std::string good = dict("'<f4'", "(2,)");
  const Bad cases[] = {
      {"no magic", "\x92NUMPY\x01\0"s + std::string(20, ' '), "does not start"},
      {"text", "hello world, this is text", "does not start"},
      {"version 0", npy(good, kEight, 0), "version 0.0"},
      {"version 4", npy(good, kEight, 4), "version 4.0"},
      {"version 255", npy(good, kEight, 255), "version 255.0"},
      {"version 1.1", "\x93NUMPY\x01\x01\x04\0{}  "s, "version 1.1"},
      {"header longer than the file", "\x93NUMPY\x01\0\xff\x00{}\n"s, "header length 255"},
      {"header longer than 64 KiB", npy(good + std::string(70'000, ' '), kEight, 2), "header length"},
      {"header of 4 GiB", "\x93NUMPY\x02\0\xff\xff\xff\xff{}\n"s, "header length 4294967295"},
      {"empty header", "\x93NUMPY\x01\0\0\0"s, "no '{'"},
      {"code", npy("__import__('os').system('true')"), "no '{'"},
      {"code as a value", npy("{'descr': str(1), 'fortran_order': False, 'shape': (2,), }", kEight), "something else than text for descr"},
      {"code as a size", npy(dict("'<f4'", "(1+1,)"), kEight), "without ',' between sizes"},
      {"code behind", npy(good + "; import os", kEight), "after the dict"},
      {"no newline", "\x93NUMPY\x01\0\x3f\0"s + dict("'<f4'", "(2,)") + "    " + kEight, "newline"},
      {"missing descr", npy("{'fortran_order': False, 'shape': (2,), }", kEight), "no key 'descr'"},
      {"missing fortran_order", npy("{'descr': '<f4', 'shape': (2,), }", kEight), "no key 'fortran_order'"},
      {"missing shape", npy("{'descr': '<f4', 'fortran_order': False, }", kEight), "no key 'shape'"},
      {"key twice", npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", kEight), "the key 'descr' twice"},
      {"extra key", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", kEight), "the key 'x'"},
      {"objects", npy(dict("'|O'", "(1,)"), kEight), "unsupported descr '|O'"},
      {"structured", npy(dict("[('a', '<f4')]", "(2,)"), kEight), "structured"},
      {"big-endian", npy(dict("'>f4'", "(2,)"), kEight), "big-endian descr '>f4'"},
      {"f0", npy(dict("'<f0'", "(2,)"), kEight), "unsupported descr '<f0'"},
      {"i999", npy(dict("'<i999'", "(2,)"), kEight), "unsupported descr '<i999'"},
      {"text dtype", npy(dict("'<U4'", "(2,)"), kEight), "unsupported descr '<U4'"},
      {"empty descr", npy(dict("''", "(2,)"), kEight), "unsupported descr ''"},
      {"long descr", npy(dict("'" + std::string(1000, 'f') + "'", "(2,)"), kEight), "text of 1000 characters"},
      {"escape in text", npy(dict("'\\x3cf4'", "(2,)"), kEight), "text without an end"},
      {"order 1", npy(dict("'<f4'", "(2,)", "1"), kEight), "neither True nor False"},
      {"negative size", npy(dict("'<f4'", "(-2,)"), kEight), "no non-negative integer"},
      {"size 2.0", npy(dict("'<f4'", "(2.0,)"), kEight), "without ',' between sizes"},
      {"size 2^63", npy(dict("'<f4'", "(9223372036854775808,)"), kEight), "2^63 or more"},
      {"size of 60 digits", npy(dict("'<f4'", "(" + std::string(60, '9') + ",)"), kEight), "2^63 or more"},
      {"overflow", npy(dict("'<f4'", "(4294967296, 4294967296)"), kEight), "overflows"},
      {"zero times huge", npy(dict("'<f4'", "(0, 9223372036854775807, 4)"), ""), "overflows"},
      {"no tuple", npy(dict("'<f4'", "(2)"), kEight), "no tuple: (n)"},
      {"list", npy(dict("'<f4'", "[2]"), kEight), "a shape that is no tuple"},
      {"only a comma", npy(dict("'<f4'", "(,)"), kEight), "no non-negative integer"},
      {"rank 13", npy(dict("'|u1'", "(1,1,1,1,1,1,1,1,1,1,1,1,1)"), "1"), "more than 12 dimensions"},
      {"short data", npy(dict("'<f4'", "(3,)"), kEight), "needs 12 bytes of data, there are 8"},
      {"4 GiB promised", npy(dict("'<f4'", "(1073741824,)"), "1234"), "needs 4294967296 bytes of data, there are 4"},
      {"trailing data", npy(good, kEight + "x"), "needs 8 bytes of data, there are 9"},
      {"boolean 2", npy(dict("'|b1'", "(1,)"), "\2"), "the boolean 2"},
  };
  const Folder folder;
  allocator_empty_cache();
  allocator_reset_peak();
  const size_t before = allocator_stats().in_use;
  for (const Bad& b : cases) {
    const std::string why = npy_refusal(b.bytes);
    EXPECT_NE(why.find(b.text), std::string::npos) << b.label << ": " << (why.empty() ? "accepted" : why);
    EXPECT_NE(why.find("bad.npy"), std::string::npos) << b.label;
    put(folder / "bad.npy", b.bytes);
    EXPECT_NE(refusal([&] { load_npy(folder / "bad.npy"); }).find(b.text), std::string::npos) << b.label;
  }
  EXPECT_LE(allocator_stats().peak, before + (1u << 20));
}

TEST(Npy, TruncationAtEveryByteIsRefused) {
  const Folder folder;
  save_npy(folder / "a.npy", full({3, 2}, 1.5, DType::f32));
  const std::string whole = contents(folder / "a.npy");
  ASSERT_EQ(npy_refusal(whole), "");
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(npy_refusal(whole.substr(0, n)), "") << n;
}

TEST(Npy, SoundFiles) {
  const auto read = [](const std::string& bytes) { return parse_npy(bytes.data(), bytes.size(), "x.npy"); };
  const std::string six = "\1\2\3\4\5\6";
  EXPECT_TRUE(same_bits(read(npy(dict("'|u1'", "(2, 3)"), six)), from_vector<uint8_t>({1, 2, 3, 4, 5, 6}, {2, 3})));
  EXPECT_TRUE(same_bits(read(npy(dict("'|u1'", "(2, 3)", "True"), six)), from_vector<uint8_t>({1, 3, 5, 2, 4, 6}, {2, 3}))) << "Fortran order";
  EXPECT_TRUE(same_bits(read(npy(dict("'|u1'", "(1, 2, 3)", "True"), six)), from_vector<uint8_t>({1, 3, 5, 2, 4, 6}, {1, 2, 3})));
  EXPECT_EQ(read(npy(dict("'<f4'", "()"), "\0\0\x80\x3f"s)).item<double>(), 1);
  EXPECT_EQ(read(npy(dict("'<f4'", "(3, 0)"))).shape(), (Shape{3, 0}));
  EXPECT_EQ(read(npy("{\"shape\":(1,),\"descr\":\"|u1\",\"fortran_order\":False}   ", "\7", 3)).item<double>(), 7);   // any order, version 3
}

TEST(Npy, EveryDtypeComesBackBitForBit) {
  const Folder folder;
  const Array x = from_vector<double>({0, -0.0, 1, NAN, INFINITY, -INFINITY}, {3, 2});
  for (DType t : {DType::f32, DType::f64, DType::c64, DType::c128, DType::f16}) {
    save_npy(folder / "x.npy", x.to(t));
    EXPECT_TRUE(same_bits(load_npy(folder / "x.npy"), x.to(t))) << name(t);
    EXPECT_EQ((fs::file_size(folder / "x.npy") - size_t(6 * itemsize(t))) % 64, 0u) << "data is aligned";
  }
  for (DType t : {DType::i64, DType::i32, DType::u8, DType::b8}) {
    const Array y = from_vector<int64_t>({0, 1, 2, 100}, {4}).to(t);
    save_npy(folder / "x.npy", y);
    EXPECT_TRUE(same_bits(load_npy(folder / "x.npy"), y)) << name(t);
  }
  for (const Array& y : {scalar(2.5, DType::f32), zeros({0, 3}, DType::f64), x.transpose(0, 1)}) {
    save_npy(folder / "x.npy", y);
    EXPECT_TRUE(same_bits(load_npy(folder / "x.npy"), y)) << y.shape().str();
  }
  EXPECT_THROW(save_npy(folder / "x.npy", x.to(DType::bf16)), DtypeError);
}

// ---- npz ----

struct Piece {   // one member of an archive, with every field open to lies
  std::string name = "a.npy", data = {};
  int method = 0, flags = 0;
  std::string local_name = {};                // if it differs
  int64_t unpacked = -1, packed = -1, local_packed = -1, crc = -1, header = -1;
};
std::string archive(const std::vector<Piece>& pieces, const std::string& behind = "", int64_t entries = -1, const std::string& comment = "") {
  std::string f, d;
  for (const Piece& p : pieces) {
    std::string packed = p.data;
    if (p.method == 8) {
      z_stream z{};
      deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
      packed.resize(deflateBound(&z, p.data.size()));
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(p.data.data())), z.avail_in = uInt(p.data.size());
      z.next_out = reinterpret_cast<Bytef*>(packed.data()), z.avail_out = uInt(packed.size());
      deflate(&z, Z_FINISH);
      packed.resize(z.total_out);
      deflateEnd(&z);
    }
    const uint64_t at = p.header >= 0 ? uint64_t(p.header) : f.size();
    const uint64_t crc = p.crc >= 0 ? uint64_t(p.crc) : crc32_z(0, reinterpret_cast<const Bytef*>(p.data.data()), p.data.size());
    const uint64_t size = p.packed >= 0 ? uint64_t(p.packed) : packed.size(), unpacked = p.unpacked >= 0 ? uint64_t(p.unpacked) : p.data.size();
    const auto shared = [&](uint64_t n) {
      return little(20, 2) + little(uint64_t(p.flags), 2) + little(uint64_t(p.method), 2) + little(0, 4) + little(crc, 4) + little(n, 4) + little(unpacked, 4);
    };
    const std::string& local = p.local_name.empty() ? p.name : p.local_name;
    f += "PK\3\4" + shared(p.local_packed >= 0 ? uint64_t(p.local_packed) : size) + little(local.size(), 2) + little(0, 2) + local + packed;
    d += "PK\1\2" + little(20, 2) + shared(size) + little(p.name.size(), 2) + little(0, 2) + little(0, 2) + little(0, 4) + little(0, 4) + little(at, 4) + p.name;
  }
  const uint64_t count = entries >= 0 ? uint64_t(entries) : pieces.size();
  return f + d + behind + "PK\5\6" + little(0, 4) + little(count, 2) + little(count, 2) + little(d.size(), 4) + little(f.size(), 4) +
         little(comment.size(), 2) + comment;
}
std::string small_npy() { return npy(dict("'<f4'", "(2,)"), kEight); }

TEST(Npz, SoundArchives) {
  const auto read = [](const std::string& bytes) { return parse_npz(bytes.data(), bytes.size(), "x.npz"); };
  EXPECT_TRUE(read(archive({})).empty());
  const NamedArrays two = read(archive({{"a.npy", small_npy()}, {"dir/b.npy", small_npy(), 8}}, "", -1, "a comment"));
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].first, "dir/b");
  EXPECT_TRUE(same_bits(two[0].second, two[1].second));
}

// Written by NumPy 2 (numpy.savez and numpy.savez_compressed).
TEST(Npz, ArchivesOfNumPy) {
  for (const char* file : {"stored", "deflated"}) {
    const NamedArrays a = load_npz(std::string(HIPPOGRAD_SOURCE_DIR "/tests/golden/numpy/") + file + ".npz");
    ASSERT_EQ(a.size(), 5u);
    std::vector<double> want(12);
    for (size_t i = 0; i < 12; ++i) want[i] = double(i) / 4;
    const Array w = from_vector(want, {3, 4}).to(DType::f32);
    EXPECT_TRUE(a[0].first == "w" && same_bits(a[0].second, w)) << file;
    EXPECT_TRUE(a[1].first == "fortran" && same_bits(a[1].second, w)) << file;
    EXPECT_TRUE(a[2].first == "c" && same_bits(a[2].second, scalar(complex128(1, -2), DType::c128))) << file;
    EXPECT_TRUE(a[3].first == "mask" && same_bits(a[3].second, from_vector<uint8_t>({1, 0}, {2}).to(DType::b8))) << file;
    EXPECT_TRUE(a[4].first == "empty" && same_bits(a[4].second, zeros({0, 3}, DType::f64))) << file;
  }
}

TEST(Npz, ComesBackBitForBit) {
  const Folder folder;
  NamedArrays saved{{"weights", full({300, 70}, 0.25, DType::f64)}, {"empty", zeros({0, 2}, DType::i64)}, {"scalar", scalar(complex128(1, 2), DType::c128)},
                    {"h\xC3\xA9", arange(5000)}, {"mask", full({3}, 1, DType::b8)}};
  for (bool compressed : {false, true}) {
    save_npz(folder / "a.npz", saved, compressed);
    const NamedArrays loaded = load_npz(folder / "a.npz");
    ASSERT_EQ(loaded.size(), saved.size());
    for (size_t i = 0; i < saved.size(); ++i) {
      EXPECT_EQ(loaded[i].first, saved[i].first);
      EXPECT_TRUE(same_bits(loaded[i].second, saved[i].second)) << saved[i].first;
    }
    EXPECT_LT(fs::file_size(folder / "a.npz"), compressed ? 20'000u : 220'000u);
  }
  save_npz(folder / "none.npz", {});
  EXPECT_TRUE(load_npz(folder / "none.npz").empty());
  EXPECT_THROW(save_npz(folder / "b.npz", {{"../x", arange(1)}}), ValueError);
  EXPECT_THROW(save_npz(folder / "b.npz", {{"x", arange(1)}, {"x", arange(1)}}), ValueError);
  EXPECT_FALSE(fs::exists(folder / "b.npz"));
}

TEST(Npz, DamagedArchivesAreRefused) {
  struct Bad { const char* label; std::string bytes, text; };
  const std::string good = small_npy(), zeros_npy = npy(dict("'|u1'", "(1000000,)"), std::string(1'000'000, '\0'));
  std::string damaged_deflate = archive({{"a.npy", good, 8}});
  damaged_deflate[35] = char(damaged_deflate[35] ^ 0x76);
  const Piece plain{"a.npy", good};
  const auto with = [&](auto change) { Piece p = plain; change(p); return archive({p}); };
  const Bad cases[] = {
      {"empty", "", "too few for a ZIP archive"},
      {"text", std::string(100, 'x'), "no end of a ZIP directory"},
      {"npy", good + std::string(30, ' '), "no end of a ZIP directory"},
      {"wrong CRC", with([](Piece& p) { p.crc = 12345; }), "does not match its CRC"},
      {"wrong CRC, deflated", with([](Piece& p) { p.crc = 12345, p.method = 8; }), "does not match its CRC"},
      {"name leads out", with([](Piece& p) { p.name = "../a.npy"; }), "path-like name '../a.npy'"},
      {"absolute name", with([](Piece& p) { p.name = "/etc/a.npy"; }), "path-like name"},
      {"backslash", with([](Piece& p) { p.name = "..\\a.npy"; }), "path-like name"},
      {"NUL in the name", with([](Piece& p) { p.name = "a\0b.npy"s; }), "control character"},
      {"long name", with([](Piece& p) { p.name = std::string(2000, 'n') + ".npy"; }), "a name of 2004 bytes"},
      {"other member", with([](Piece& p) { p.name = "run.py"; }), "'run.py' is no .npy file"},
      {"member without a name", with([](Piece& p) { p.name = ".npy"; }), "is no .npy file"},
      {"twice", archive({plain, plain}), "is there twice"},
      {"encrypted", with([](Piece& p) { p.flags = 1; }), "is encrypted"},
      {"method 14", with([](Piece& p) { p.method = 14; }), "compression method 14"},
      {"local name differs", with([](Piece& p) { p.local_name = "b.npy"; }), "differ"},
      {"local size differs", with([](Piece& p) { p.local_packed = 3; }), "differ"},
      {"stored, two sizes", with([](Piece& p) { p.unpacked = 4000; }), "is stored, but"},
      {"past the end", with([](Piece& p) { p.packed = 4000, p.unpacked = 4000; }), "reach into the directory"},
      {"zip64 without a field", with([](Piece& p) { p.packed = 0xffffffff, p.unpacked = 0xffffffff; }), "without a zip64 field"},
      {"starts outside", with([](Piece& p) { p.header = 1 << 30; }), "outside the file"},
      {"starts in the middle", with([](Piece& p) { p.header = 3; }), "no local header"},
      {"overlap", archive({{"a.npy", good}, {"a.npy", good, 0, 0, "", -1, -1, -1, -1, 0}}), "is there twice"},
      {"bomb", with([](Piece& p) { p.method = 8, p.unpacked = 0xfffffff0; }), "cannot inflate to"},
      {"inflates to less", with([](Piece& p) { p.method = 8, p.unpacked = 200; }), "bytes"},
      {"inflates to more", archive({{"a.npy", good + "xxxx", 8, 0, "", int64_t(good.size())}}), "inflates to more"},
      {"damaged deflate", damaged_deflate, "bad.npz"},
      {"too many members promised", archive({plain}, "", 60'000), "do not fit in a directory"},
      {"one member more", archive({plain}, "", 2), "do not fit in a directory"},
      {"one member less", archive({plain, {"b.npy", good}}, "", 1), "bytes follow the last member"},
      {"bytes between directory and end", archive({plain}, "xxxx"), "does not end at byte"},
      {"zip64 locator to nowhere", archive({plain}, "PK\6\7" + little(0, 4) + little(1ull << 60, 8) + little(1, 4)), "outside the file"},
      {"zip64 locator to the wrong place", archive({plain, {"b.npy", good}}, "PK\6\7" + little(0, 4) + little(2, 8) + little(1, 4)), "no zip64 directory end"},
      {"zip64 contradicts", archive({plain}, "PK\6\6" + little(44, 8) + little(0, 12) + little(7, 8) + little(7, 8) + little(0, 16) + "PK\6\7" + little(0, 4) +
                                                 little(30 + 5 + good.size() + 46 + 5, 8) + little(1, 4)), "contradicts"},
      {"damaged npy inside", archive({{"a.npy", good.substr(0, good.size() - 1)}}), "bad.npz/a.npy"},
      {"empty member", archive({{"a.npy", ""}}), "too few for a header"},
  };
  allocator_empty_cache();
  allocator_reset_peak();
  const size_t before = allocator_stats().in_use;
  for (const Bad& b : cases) {
    const std::string why = npz_refusal(b.bytes);
    EXPECT_NE(why.find(b.text), std::string::npos) << b.label << ": " << (why.empty() ? "accepted" : why);
    EXPECT_NE(why.find("bad.np"), std::string::npos) << b.label;
  }
  EXPECT_LE(allocator_stats().peak, before + (1u << 20));
  EXPECT_EQ(npz_refusal(archive({{"a.npy", zeros_npy, 8}})), "") << "a million zeros are sound";
  NpyLimits cap;
  cap.decoded = 100'000;
  EXPECT_NE(npz_refusal(archive({{"a.npy", zeros_npy, 8}}), cap).find("inflates to more than 100000 bytes"), std::string::npos);
}

// Two names for one place: a small archive would hold many large arrays.
TEST(Npz, OverlappingMembersAreRefused) {
  const std::string data = small_npy();
  std::string inner = archive({{"a.npy", data}, {"b.npy", data}});
  // The second directory entry names member a's place; its local header there must say b, so a's header is planted inside a's data.
  const std::string planted = archive({{"b.npy", data}});
  const std::string local = planted.substr(0, 30 + 5 + data.size());
  const std::string all = archive({{"a.npy", local}, {"b.npy", data, 0, 0, "", -1, -1, -1, -1, 35}});
  EXPECT_NE(npz_refusal(all).find("overlap"), std::string::npos) << npz_refusal(all);
}

TEST(Npz, TruncationAtEveryByteAndEveryFlippedBit) {
  const Folder folder;
  for (bool compressed : {false, true}) {
    save_npz(folder / "a.npz", {{"x", full({3}, 1.5, DType::f32)}, {"y", arange(2)}}, compressed);
    const std::string whole = contents(folder / "a.npz");
    ASSERT_EQ(npz_refusal(whole), "");
    for (size_t n = 0; n < whole.size(); ++n) EXPECT_NE(npz_refusal(whole.substr(0, n)), "") << n;
    const NamedArrays good = parse_npz(whole.data(), whole.size(), "good");
    for (size_t i = 0; i < whole.size(); ++i)
      for (int bit = 0; bit < 8; ++bit) {                            // refused, or a field that means nothing (time, version, attributes)
        std::string flipped = whole;
        flipped[i] = char(flipped[i] ^ 1 << bit);
        NamedArrays loaded;
        const std::string why = refusal([&] { loaded = parse_npz(flipped.data(), flipped.size(), "flipped"); });
        if (!why.empty()) continue;
        ASSERT_EQ(loaded.size(), good.size());
        for (size_t k = 0; k < good.size(); ++k) EXPECT_TRUE(same_bits(loaded[k].second, good[k].second)) << "byte " << i << " bit " << bit;
      }
  }
}

}  // namespace
