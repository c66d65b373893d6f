#pragma once
// Words in pictures, in a small fixed font of ASCII; any other character is shown as "?".

#include <string>

#include "models/image/annotate.h"

namespace heed {

inline constexpr int32_t kLetterHeight = 12;  // times the zoom, from line to line

int32_t text_width(const std::string& text, int32_t zoom);

/// Writes into an RGB picture from its pixel (x, y) on; what lies outside is cut off.
void draw_text(Image* picture, int32_t x, int32_t y, int32_t zoom, const std::string& text,
               Color color);

/// Paints [x0, x1) x [y0, y1) of an RGB picture.
void fill_rectangle(Image* picture, int32_t x0, int32_t y0, int32_t x1, int32_t y1, Color color);

}  // namespace heed
