#include "models/audio/sound_file.h"

#include <string.h>

#include "models/audio/compressed_sound.h"
#include "models/audio/wav.h"
#include "models/whole_file.h"

namespace heed {

bool decode_sound(const uint8_t* bytes, size_t size, Sound* out, std::string* error,
                  uint64_t samples_max) {
  if (size >= 4 && memcmp(bytes, "RIFF", 4) == 0) return decode_wav(bytes, size, out, error);
  const size_t tag = id3_bytes(bytes, size);
  if (size - tag >= 4 && memcmp(bytes + tag, "fLaC", 4) == 0)
    return decode_flac(bytes + tag, size - tag, samples_max, out, error);
  if (tag > 0 || mp3_header(bytes, size))
    return decode_mp3(bytes + tag, size - tag, samples_max, out, error);
  *error = "is not a wav, flac or mp3 file";
  return false;
}

bool read_sound(const std::string& path, Sound* out, std::string* error) {
  std::vector<uint8_t> bytes;
  if (!read_whole_file(path, &bytes, error)) return false;
  std::string why;
  if (decode_sound(bytes.data(), bytes.size(), out, &why)) return true;
  *error = "'" + path + "' " + why;
  return false;
}

}  // namespace heed
