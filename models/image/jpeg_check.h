#pragma once
// A guard before stb_image, whose older versions (Debian 12's among them) write beyond a Huffman
// table of a JPEG that claims more than the 255 codes that can be told apart.

#include <stddef.h>
#include <stdint.h>

namespace heed {

/// False where a JPEG holds such a table. Never reads beyond `size`; true for other formats.
bool jpeg_tables_fit(const uint8_t* bytes, size_t size);

}  // namespace heed
