#include "tests/support/npz.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fstream>
#include <iterator>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#include <stb/stb_image.h>

namespace {

size_t number(const std::vector<char>& bytes, size_t at, size_t width) {
  size_t value = 0;
  for (size_t i = 0; i < width; ++i)
    value |= static_cast<size_t>(static_cast<uint8_t>(bytes.at(at + i))) << (8 * i);
  return value;
}

}  // namespace

heed::Npy read_npz(const std::string& path, const std::string& name) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  INFO(path << " " << name);
  REQUIRE(bytes.size() > 22);
  // The directory at the end is the truth: sizes in the members' own headers may be left out.
  size_t end = bytes.size() - 22;
  while (end > 0 && std::memcmp(bytes.data() + end, "PK\5\6", 4) != 0) --end;
  const size_t members = number(bytes, end + 10, 2);
  size_t at = number(bytes, end + 16, 4);
  for (size_t i = 0; i < members; ++i) {
    const size_t method = number(bytes, at + 10, 2), packed = number(bytes, at + 20, 4),
                 size = number(bytes, at + 24, 4);
    const size_t name_bytes = number(bytes, at + 28, 2), local = number(bytes, at + 42, 4);
    const std::string member(bytes.data() + at + 46, name_bytes);
    if (member == name + ".npy") {
      const size_t data = local + 30 + number(bytes, local + 26, 2) + number(bytes, local + 28, 2);
      std::vector<char> plain(size);
      if (method == 0) {
        plain.assign(bytes.begin() + static_cast<ptrdiff_t>(data),
                     bytes.begin() + static_cast<ptrdiff_t>(data + size));
      } else {
        // stb wants bytes after the last block; the archive's directory is there to give them.
        constexpr size_t kAfter = 8;
        REQUIRE(stbi_zlib_decode_noheader_buffer(
                    plain.data(), static_cast<int>(size), bytes.data() + data,
                    static_cast<int>(packed + kAfter)) == static_cast<int>(size));
      }
      heed::Npy npy;
      std::string error;
      const bool read = heed::decode_npy(reinterpret_cast<const uint8_t*>(plain.data()),
                                         plain.size(), &npy, &error);
      INFO(error);
      REQUIRE(read);
      return npy;
    }
    at += 46 + name_bytes + number(bytes, at + 30, 2) + number(bytes, at + 32, 2);
  }
  FAIL("no member " << name);
  return {};
}

std::vector<uint8_t> read_gzip(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  INFO(path);
  REQUIRE(bytes.size() > 18);
  REQUIRE(std::memcmp(bytes.data(), "\x1f\x8b\x08", 3) == 0);
  constexpr size_t kHeader = 10;
  size_t at = kHeader;
  constexpr size_t kHasName = 8;
  if ((number(bytes, 3, 1) & kHasName) != 0) {
    while (bytes.at(at) != 0) ++at;
    ++at;
  }
  std::vector<uint8_t> plain(number(bytes, bytes.size() - 4, 4));
  REQUIRE(stbi_zlib_decode_noheader_buffer(
              reinterpret_cast<char*>(plain.data()), static_cast<int>(plain.size()),
              bytes.data() + at, static_cast<int>(bytes.size() - at - 8)) ==
          static_cast<int>(plain.size()));
  return plain;
}
