#include "models/image/length_check.h"

#include <algorithm>
#include <cstring>

namespace heed {
namespace {

constexpr size_t kPngSignature = 8, kPngBefore = 8, kPngAfter = 4;  // length and name, checksum
constexpr size_t kBmpHeader = 30;                                   // as far as the bits of a pixel
constexpr uint32_t kBmpOldHeader = 12;                              // whose sides have 16 bits

uint64_t png_number(const uint8_t* at) {
  return uint64_t{at[0]} << 24 | uint64_t{at[1]} << 16 | uint64_t{at[2]} << 8 | at[3];
}

bool png_is_whole(const uint8_t* bytes, size_t size) {
  for (size_t at = kPngSignature; size - at >= kPngBefore;) {
    const uint64_t length = png_number(bytes + at);
    if (length > size - at - kPngBefore) return false;
    if (std::memcmp(bytes + at + 4, "IEND", 4) == 0) break;
    at += static_cast<size_t>(length) + kPngBefore;
    at = std::min(at + kPngAfter, size);
  }
  return true;
}

template <class T>
int64_t bmp_number(const uint8_t* at) {
  T number = 0;
  for (size_t i = 0; i < sizeof number; ++i) number = static_cast<T>(number | T{at[i]} << 8 * i);
  return static_cast<int64_t>(number);
}

bool bmp_is_whole(const uint8_t* bytes, size_t size) {
  const bool old = bmp_number<uint32_t>(bytes + 14) == kBmpOldHeader;
  const int64_t width = old ? bmp_number<uint16_t>(bytes + 18) : bmp_number<uint32_t>(bytes + 18);
  const int64_t rows = old ? bmp_number<uint16_t>(bytes + 20) : bmp_number<uint32_t>(bytes + 22);
  const int64_t bits = bmp_number<uint16_t>(bytes + (old ? 24 : 28));
  const int64_t height = std::min(rows, (int64_t{1} << 32) - rows);  // negative: from the top
  const int64_t row = (width * bits + 7) / 8;
  return row == 0 || height <= static_cast<int64_t>(size) / row;
}

/// The next number of the header, behind spaces and comments.
int64_t pnm_number(const uint8_t* bytes, size_t size, size_t* at) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const auto is_space = [](uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  bool comment = false;
  for (; *at < size; ++*at) {
    const uint8_t c = bytes[*at];
    if (c == '#') comment = true;
    if (!comment && !is_space(c)) break;
    if (c == '\n' || c == '\r') comment = false;
  }
  int64_t number = 0;
  for (; *at < size && bytes[*at] >= '0' && bytes[*at] <= '9'; ++*at)
    number = std::min(number * 10 + (bytes[*at] - '0'), kMost);
  return number;
}

bool pnm_is_whole(const uint8_t* bytes, size_t size) {
  size_t at = 2;
  const int64_t row = pnm_number(bytes, size, &at) * (bytes[1] == '6' ? 3 : 1);
  const int64_t height = pnm_number(bytes, size, &at);
  (void)pnm_number(bytes, size, &at);  // what white is
  const auto left = static_cast<int64_t>(size - std::min(size, at + 1));
  return row == 0 || height <= left / row;
}

}  // namespace

bool picture_is_whole(const uint8_t* bytes, size_t size) {
  if (size >= kPngSignature && std::memcmp(bytes, "\x89PNG", 4) == 0)
    return png_is_whole(bytes, size);
  if (size >= kBmpHeader && bytes[0] == 'B' && bytes[1] == 'M') return bmp_is_whole(bytes, size);
  if (size >= 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6'))
    return pnm_is_whole(bytes, size);
  return true;
}

}  // namespace heed
