#pragma once
// Tensors as .npy files (NumPy format 1.0 to 3.0): how raw inputs and outputs travel.

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

namespace heed {

/// Element types that are read and written, little-endian, C order.
enum class NpyType : uint8_t { f32, f64, f16, i64, i32, i8, u8, boolean };

struct Npy {
  NpyType type = NpyType::f32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t elements() const;
  /// All elements converted to float (f64 and f16 too).
  std::vector<float> floats() const;
  /// All elements of an integer or boolean array; floats are truncated.
  std::vector<int64_t> integers() const;
};

size_t npy_element_bytes(NpyType type);

/// Parses the bytes of an .npy file. On failure returns false with a clause in `error`.
bool decode_npy(const uint8_t* bytes, size_t size, Npy* out, std::string* error);

/// Reads a file; `error` then is a whole sentence that names it.
bool read_npy(const std::string& path, Npy* out, std::string* error);

/// Writes beside `path` and renames into place. Returns false with a sentence in `error`.
bool write_npy(const std::string& path, NpyType type, const std::vector<int64_t>& shape,
               const void* data, std::string* error);

}  // namespace heed
