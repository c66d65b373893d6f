#pragma once
// A guard before stb_image, which takes memory for what a PNG's chunk or a BMP's or PNM's header
// claims before it looks whether the file holds as much.

#include <stddef.h>
#include <stdint.h>

namespace heed {

/// False where a chunk of a PNG, or the rows of a BMP or PNM, are longer than the file. Never reads
/// beyond `size`; true for other formats.
bool picture_is_whole(const uint8_t* bytes, size_t size);

}  // namespace heed
