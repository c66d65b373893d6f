#include "models/audio/compressed_sound.h"

#include <string.h>

#include <algorithm>
#include <memory>

// The decoders alone, without what miniaudio is otherwise for; static, so that what is not called
// is not built.
#define MINIAUDIO_IMPLEMENTATION
#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_THREADING
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_NODE_GRAPH
#define MA_NO_ENGINE
#define MA_NO_GENERATION
#define MA_NO_ENCODING
#define MA_NO_WAV
#define MA_NO_AVX2
#define MA_NO_NEON
#define MA_NO_RUNTIME_LINKING
#define MA_DR_FLAC_NO_SIMD
#define MA_DR_FLAC_NO_OGG
#define MA_DR_MP3_NO_SIMD
#define MA_DR_MP3_ONLY_MP3
#define MA_DR_MP3_FLOAT_OUTPUT
// Its inner loops lie once in the program, not in every caller: 22 kB less.
#define always_inline unused
#include <miniaudio.h>
#undef always_inline

namespace heed {
namespace {

uint32_t big_endian(const uint8_t* p, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

bool too_long(std::string* error) {
  *error = "is longer than what is read at once: cut it into pieces";
  return false;
}

/// Adds frames of several channels, averaged; `scale` is what one is.
template <class T>
void add_mixed(const T* values, size_t frames, size_t channels, float scale,
               std::vector<float>* out) {
  for (size_t i = 0; i < frames; ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c)
      sum += static_cast<float>(values[i * channels + c]) / scale;
    out->push_back(sum / static_cast<float>(channels));
  }
}

// --- flac ------------------------------------------------------------------------------------

constexpr size_t kStreamInfo = 34, kFlacHead = 8 + kStreamInfo;
// The shortest frame holds 65535 equal samples of one channel.
constexpr size_t kFlacFrameBytesMin = 10, kFlacFrameSamplesMax = 65535;

/// The sound with its STREAMINFO as the only block: the decoder never meets pictures, tables for
/// seeking and whatever else a file may carry. Empty where the blocks do not hold together.
std::vector<uint8_t> without_blocks(const uint8_t* bytes, size_t size) {
  std::vector<uint8_t> plain;
  if (size < kFlacHead || (bytes[4] & 0x7f) != 0 || big_endian(bytes + 5, 3) != kStreamInfo)
    return plain;
  for (size_t at = 4; size - at >= 4;) {
    const bool last = (bytes[at] & 0x80) != 0;
    const size_t length = big_endian(bytes + at + 1, 3);
    if (length > size - at - 4) return plain;
    at += 4 + length;
    if (!last) continue;
    plain.reserve(kFlacHead + size - at);
    plain.assign(bytes, bytes + kFlacHead);
    plain[4] = 0x80;
    plain.insert(plain.end(), bytes + at, bytes + size);
    return plain;
  }
  return plain;
}

struct CloseFlac {
  void operator()(ma_dr_flac* flac) const { ma_dr_flac_close(flac); }
};

// --- mp3 -------------------------------------------------------------------------------------

constexpr size_t kMp3Chunk = 1 << 16;       // holds the frames by which the decoder knows another
constexpr size_t kMp3JunkMax = 4 << 16;     // bytes without a frame after which a file is left
constexpr uint32_t kMp3DecoderDelay = 529;  // samples, of every layer 3 decoder

uint32_t mp3_rate_hz(const uint8_t* header) {
  static constexpr uint32_t kRates[] = {44100, 48000, 32000, 1};
  const bool first = (header[1] & 8) != 0, half = (header[1] & 16) == 0;
  return kRates[header[2] >> 2 & 3] >> (first ? 0 : 1) >> (half ? 1 : 0);
}

/// How many of the bytes are left when the tags at their end are cut off: ID3v1 and APE. They would
/// keep the decoder from knowing the last frames for what they are.
size_t without_end_tags(const uint8_t* bytes, size_t size) {
  for (;;) {
    if (size >= 128 && memcmp(bytes + size - 128, "TAG", 3) == 0) {
      size -= 128;
    } else if (size >= 32 && memcmp(bytes + size - 32, "APETAGEX", 8) == 0) {
      const uint8_t* foot = bytes + size - 32;
      const size_t length = size_t{foot[12]} | size_t{foot[13]} << 8 | size_t{foot[14]} << 16;
      const size_t head = (foot[23] & 0x80) != 0 ? 32 : 0;
      if (length < 32 || length + head > size) return size;
      size -= length + head;
    } else {
      return size;
    }
  }
}

/// What the frame before the sound tells of it, where there is one.
struct Mp3Tag {
  bool there = false;
  uint32_t frames = 0;              // 0: not told
  uint32_t delay = 0, padding = 0;  // samples before and after the sound
  bool gapless = false;
};

Mp3Tag mp3_tag(const uint8_t* frame, size_t size) {
  Mp3Tag tag;
  if (!mp3_header(frame, size)) return tag;
  const bool first = (frame[1] & 8) != 0, mono = frame[3] >> 6 == 3;
  size_t at = 4 + (first ? (mono ? 17u : 32u) : (mono ? 9u : 17u));
  if (size >= 40 && memcmp(frame + 36, "VBRI", 4) == 0) tag.there = true;
  if (size < at + 12 || (memcmp(frame + at, "Xing", 4) != 0 && memcmp(frame + at, "Info", 4) != 0))
    return tag;
  tag.there = true;
  const uint32_t holds = big_endian(frame + at + 4, 4);
  at += 8;
  if ((holds & 1) != 0) tag.frames = big_endian(frame + at, 4), at += 4;
  if ((holds & 2) != 0) at += 4;    // how many bytes
  if ((holds & 4) != 0) at += 100;  // where to seek
  if ((holds & 8) != 0) at += 4;    // how good
  if (size < at + 24 || frame[at] == 0) return tag;
  const uint32_t both = big_endian(frame + at + 21, 3);
  tag.delay = both >> 12;
  tag.padding = both & 0xfff;
  tag.gapless = true;
  return tag;
}

/// Cuts off what the encoder added. Streams that were cut, and tags that are wrong, count more
/// frames than there are: then all is sound to the end, as players have it.
void cut_to_sound(const Mp3Tag& tag, size_t frames, std::vector<float>* samples) {
  if (!tag.gapless) return;
  const size_t begin = std::min<size_t>(tag.delay + kMp3DecoderDelay, samples->size());
  const bool whole = frames + 1 >= tag.frames;  // some count the tag's own frame
  const size_t after = whole && tag.padding > kMp3DecoderDelay ? tag.padding - kMp3DecoderDelay : 0;
  samples->erase(samples->begin(), samples->begin() + static_cast<ptrdiff_t>(begin));
  samples->resize(samples->size() - std::min(after, samples->size()));
}

}  // namespace

size_t id3_bytes(const uint8_t* bytes, size_t size) {
  size_t at = 0;
  while (size - at >= 10 && memcmp(bytes + at, "ID3", 3) == 0) {
    size_t length = 0;
    for (size_t i = 6; i < 10; ++i) length = length << 7 | (bytes[at + i] & 0x7fu);
    length += (bytes[at + 5] & 0x10) != 0 ? 20 : 10;  // the tag's head, and its foot
    if (length > size - at) return size;
    at += length;
  }
  return at;
}

bool mp3_header(const uint8_t* bytes, size_t size) {
  return size >= 4 && bytes[0] == 0xff && (bytes[1] & 0xe0) == 0xe0 && (bytes[1] & 0x18) != 0x08 &&
         (bytes[1] & 0x06) == 0x02 && bytes[2] >> 4 != 15 && (bytes[2] >> 2 & 3) != 3;
}

bool decode_flac(const uint8_t* bytes, size_t size, uint64_t samples_max, Sound* out,
                 std::string* error) {
  const std::vector<uint8_t> plain = without_blocks(bytes, size);
  std::unique_ptr<ma_dr_flac, CloseFlac> flac;
  if (!plain.empty()) flac.reset(ma_dr_flac_open_memory(plain.data(), plain.size(), nullptr));
  if (flac == nullptr || flac->channels == 0 || flac->sampleRate == 0) {
    *error = "is a flac file whose beginning is damaged";
    return false;
  }
  const uint64_t claimed = flac->totalPCMFrameCount;  // 0: not told
  if (claimed > samples_max) return too_long(error);
  const uint64_t most = uint64_t{plain.size() / kFlacFrameBytesMin + 1} * kFlacFrameSamplesMax;
  std::vector<float>& samples = out->samples;
  samples.clear();
  samples.reserve(static_cast<size_t>(std::min(claimed, most)));
  constexpr size_t kBlock = 4096;
  std::vector<int32_t> block(kBlock * flac->channels);
  while (const auto got = static_cast<size_t>(
             ma_dr_flac_read_pcm_frames_s32(flac.get(), kBlock, block.data()))) {
    if (samples.size() + got > samples_max) return too_long(error);
    add_mixed(block.data(), got, flac->channels, 2147483648.0f, &samples);
  }
  out->sample_rate_hz = flac->sampleRate;
  if (samples.size() < claimed) {
    *error = "is damaged or ends early: " + std::to_string(samples.size()) + " of " +
             std::to_string(claimed) + " samples are there";
    return false;
  }
  if (samples.empty()) *error = "holds no samples";
  return !samples.empty();
}

bool decode_mp3(const uint8_t* bytes, size_t size, uint64_t samples_max, Sound* out,
                std::string* error) {
  size = without_end_tags(bytes, size);
  size_t at = 0, junk = 0, frames = 0;
  while (at < size && bytes[at] == 0) ++at;  // after a tag there may be room for its growth
  const Mp3Tag tag = mp3_tag(bytes + at, size - at);
  std::vector<float>& samples = out->samples;
  samples.clear();
  out->sample_rate_hz = 0;
  ma_dr_mp3dec decoder;
  ma_dr_mp3dec_init(&decoder);
  float block[MA_DR_MP3_MAX_SAMPLES_PER_FRAME];
  for (bool first = true; at < size && junk < kMp3JunkMax;) {
    ma_dr_mp3dec_frame_info info = {};
    const int got = ma_dr_mp3dec_decode_frame(
        &decoder, bytes + at, static_cast<int>(std::min(size - at, kMp3Chunk)), block, &info);
    if (info.frame_bytes <= 0) break;
    at += static_cast<size_t>(info.frame_bytes);
    junk = info.channels > 0 ? 0 : junk + static_cast<size_t>(info.frame_bytes);
    if (info.channels == 0) continue;
    const bool sound = !first || !tag.there;  // the tag's own frame is silence
    first = false;
    if (!sound) continue;
    ++frames;
    // A frame whose bits lie in one that was cut off is silent.
    if (got <= 0) continue;
    const uint32_t rate = mp3_rate_hz(decoder.header);
    if (out->sample_rate_hz != 0 && rate != out->sample_rate_hz) {
      *error = "changes from " + std::to_string(out->sample_rate_hz) + " to " +
               std::to_string(rate) + " Hz";
      return false;
    }
    out->sample_rate_hz = rate;
    if (samples.size() + static_cast<size_t>(got) > samples_max) return too_long(error);
    add_mixed(block, static_cast<size_t>(got), static_cast<size_t>(info.channels), 1.0f, &samples);
  }
  if (frames == 0) {
    *error = "is not a wav, flac or mp3 file";
    return false;
  }
  cut_to_sound(tag, frames, &samples);
  if (samples.empty()) *error = "holds no samples";
  return !samples.empty();
}

}  // namespace heed
