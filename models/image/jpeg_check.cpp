#include "models/image/jpeg_check.h"

#include <algorithm>

namespace heed {
namespace {

constexpr uint8_t kHuffmanTables = 0xc4, kScan = 0xda, kQuantisers = 0xdb, kRestart = 0xdd,
                  kComment = 0xfe;
// stb_image has room for 256, but takes the number of the last for "not among the short ones", and
// then looks it up before the table. No picture needs more than 162.
constexpr int64_t kCodesMax = 255;

struct JpegBytes {
  const uint8_t* data;
  size_t size;

  int64_t at(size_t i) const { return i < size ? data[i] : 0; }
  int64_t length_at(size_t i) const { return at(i) << 8 | at(i + 1); }
};

/// The tables of one segment, whose length stands at `at`, as stb_image walks them.
bool tables_fit(const JpegBytes& bytes, size_t at) {
  int64_t left = bytes.length_at(at) - 2;
  at += 2;
  while (left > 0 && at < bytes.size) {
    const int64_t kind = bytes.at(at);
    if (kind >> 4 > 1 || (kind & 15) > 3) return true;  // refused by stb_image before it is read
    int64_t codes = 0;
    for (size_t i = 1; i <= 16; ++i) codes += bytes.at(at + i);
    if (codes > kCodesMax) return false;
    left -= 17 + codes;
    at += static_cast<size_t>(17 + codes);
  }
  return true;
}

bool has_length(uint8_t marker) {
  const bool frame = marker >= 0xc0 && marker <= 0xc2;
  const bool application = marker >= 0xe0 && marker <= 0xef;
  return frame || application || marker == kHuffmanTables || marker == kQuantisers ||
         marker == kRestart || marker == kComment;
}

}  // namespace

bool jpeg_tables_fit(const uint8_t* data, size_t size) {
  const JpegBytes bytes{data, size};
  if (bytes.at(0) != 0xff) return true;
  // Up to the first scan a segment is skipped whole, with whatever it holds. Behind it there are
  // coded bits, where a marker is a marker wherever it stands.
  bool scanned = false;
  for (size_t at = 0; at + 1 < size;) {
    const uint8_t marker = data[at + 1];
    if (data[at] != 0xff || marker == 0xff) {
      ++at;
      continue;
    }
    at += 2;
    if (marker == kHuffmanTables && !tables_fit(bytes, at)) return false;
    scanned = scanned || marker == kScan;
    if (!scanned && has_length(marker))
      at += static_cast<size_t>(std::max<int64_t>(bytes.length_at(at), 2));
  }
  return true;
}

}  // namespace heed
