#pragma once
// The bytes of a file that a person names: a regular one, or what comes out of a pipe or a device,
// as /dev/stdin and a shell's <(..) are.

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

namespace heed {

/// A device may have no end: refused beyond that. Regular files tell their size.
inline constexpr size_t kStreamBytesMax =
    SIZE_MAX / 16 < (size_t{1} << 30) ? SIZE_MAX / 16 : size_t{1} << 30;

/// Returns false with a sentence in `error` that names the file: it cannot be opened, is a folder,
/// has no end, or is a pipe that nobody writes to. For a first writer it waits some moments, for
/// what one writes as long as that takes.
bool read_whole_file(const std::string& path, std::vector<uint8_t>* bytes, std::string* error,
                     size_t stream_bytes_max = kStreamBytesMax);

}  // namespace heed
