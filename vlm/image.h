#pragma once
// Pictures from files. PNG through libpng; sizes are checked before anything is allocated.
#include <string>

#include "tensor/array.h"

namespace hippograd {

// (3, H, W) u8, RGB; grey, palette and 16-bit pictures are converted, an alpha channel is composed onto black.
// FileError (naming the file and what is wrong) on anything that is not a sound PNG of at most `max_pixels`.
Array read_png(const std::string& path, int64_t max_pixels = int64_t(1) << 26);
// rgb: (3, H, W) or (H, W) u8.
void write_png(const std::string& path, const Array& rgb);

}  // namespace hippograd
