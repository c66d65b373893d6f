#include "models/image/jpeg_check.h"

#include <catch2/catch_test_macros.hpp>
#include <iterator>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

/// A segment of one Huffman table with so many codes of 16 bits and none shorter.
Bytes table(uint8_t last_count, uint8_t other_count) {
  Bytes bytes = {0xff, 0xc4, 1, 200, 0x10};
  bytes.insert(bytes.end(), 14, 0);
  bytes.push_back(other_count);
  bytes.push_back(last_count);
  bytes.insert(bytes.end(), 300, 7);
  return bytes;
}

bool fits(std::initializer_list<Bytes> pieces) {
  Bytes all = {0xff, 0xd8};
  for (const Bytes& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  const Bytes exact(all.begin(), all.end());
  return heed::jpeg_tables_fit(exact.data(), exact.size());
}

}  // namespace

TEST_CASE("a JPEG with more Huffman codes than there can be is found, wherever its table stands") {
  const Bytes good = table(254, 1), bad = table(255, 1);
  const Bytes scan = {0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0xff, 0x00, 0x34};
  Bytes comment = {0xff, 0xfe, 2, 0};
  comment.insert(comment.end(), bad.begin(), bad.end());
  comment.resize(2 + 512, 0);
  CHECK_FALSE(fits({bad}));
  CHECK_FALSE(fits({{0xff, 0xff, 0xff}, bad}));
  CHECK_FALSE(fits({comment, bad}));
  CHECK_FALSE(fits({scan, bad}));
  CHECK_FALSE(fits({scan, {0xff, 0xd9}, bad}));
  CHECK(fits({comment}));  // what is skipped is no table
  CHECK(fits({scan}));
  CHECK(fits({{0xff, 0xc4}}));
  CHECK(fits({{0xff}}));
  CHECK(heed::jpeg_tables_fit(nullptr, 0));
  const Bytes png = {0x89, 'P', 'N', 'G', 0xff, 0xc4, 0, 200, 0x10};
  CHECK(heed::jpeg_tables_fit(png.data(), png.size()));
  // 255 codes and then a second table: 1 + 16 + 255 bytes further on.
  Bytes two = good;
  two.resize(4 + 17 + 255);
  const Bytes second(bad.begin() + 4, bad.end());
  two.insert(two.end(), second.begin(), second.end());
  CHECK_FALSE(fits({two}));
}
