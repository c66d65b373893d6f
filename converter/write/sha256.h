#pragma once
// SHA-256 (FIPS 180-4), to say in a file which source it came from.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace heed {

class Sha256 {
 public:
  void update(const void* data, size_t size);
  /// The digest as 64 lower-case hexadecimal digits. Ends the computation.
  std::string hex();

 private:
  void block(const unsigned char* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_ = {};
  size_t pending_size_ = 0;
  uint64_t total_ = 0;
};

}  // namespace heed
