#include "vlm/image.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace hippograd {
namespace {
struct PngImage : png_image {   // released on every way out
  PngImage() { std::memset(static_cast<png_image*>(this), 0, sizeof(png_image)); version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
};
std::vector<unsigned char> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail<FileError>("read_png: cannot open ", path, ": ", std::strerror(errno));
  std::vector<unsigned char> bytes(size_t(std::max<std::streamoff>(file.tellg(), 0)));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(bytes.size()));
  if (!file) fail<FileError>("read_png: cannot read ", path);
  return bytes;
}
}  // namespace

Array read_png(const std::string& path, int64_t max_pixels) {
  const auto bytes = read_all(path);
  PngImage image;
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()))
    fail<FileError>("read_png: ", path, " is not a sound PNG: ", image.message);
  const int64_t H = image.height, W = image.width;
  if (H <= 0 || W <= 0 || H > max_pixels / W)
    fail<FileError>("read_png: ", path, " has ", W, " x ", H, " pixels, more than the allowed ", max_pixels);
  image.format = PNG_FORMAT_RGB;
  std::vector<unsigned char> rows(size_t(H * W * 3));
  const png_color black{0, 0, 0};
  if (!png_image_finish_read(&image, &black, rows.data(), 0, nullptr)) fail<FileError>("read_png: ", path, ": ", image.message);
  if (PNG_IMAGE_FAILED(image)) fail<FileError>("read_png: ", path, ": ", image.message);
  Array y = empty({3, H, W}, DType::u8);
  for (int64_t i = 0; i < H * W; ++i)                       // interleaved -> planes
    for (int64_t c = 0; c < 3; ++c) y.data<uint8_t>()[c * H * W + i] = rows[size_t(3 * i + c)];
  return y;
}

void write_png(const std::string& path, const Array& rgb) {
  const bool grey = rgb.dim() == 2;
  if (rgb.dtype() != DType::u8 || (!grey && (rgb.dim() != 3 || rgb.size(0) != 3)))
    fail<ShapeError>("write_png: expected uint8 of shape (3, H, W) or (H, W), got ", rgb.dtype(), " ", rgb.shape());
  const int64_t H = rgb.size(-2), W = rgb.size(-1);
  const Array pixels = (grey ? rgb : rgb.permute({1, 2, 0})).contiguous();
  PngImage image;
  image.width = png_uint_32(W);
  image.height = png_uint_32(H);
  image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&image, path.c_str(), 0, pixels.data<uint8_t>(), 0, nullptr))
    fail<FileError>("write_png: ", path, ": ", image.message);
}

}  // namespace hippograd
