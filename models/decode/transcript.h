#pragma once
// What was said and when, and its two usual written forms.

#include <cstdint>
#include <string>
#include <vector>

namespace heed {

struct SpokenWord {
  std::string text;  // with the space before it, where there is one
  double begin_s = 0, end_s = 0;
  /// Where cross-attention looked while it was written, by frames of 20 ms from heard_s on; filled
  /// where that is asked for.
  std::vector<float> attention;
  double heard_s = 0;
};

struct SpokenSegment {
  double begin_s = 0, end_s = 0;
  std::vector<int32_t> tokens;  // with their timestamps
  std::string text;             // "" where the model has no tokenizer
  float mean_log_probability = 0, no_speech = 0, temperature = 0, compression_ratio = 0;
  std::vector<SpokenWord> words;  // only where they were asked for
};

/// Subtitles as SubRip (00:00:01,500) and as WebVTT (00:00:01.500) have them.
std::string subtitles_srt(const std::vector<SpokenSegment>& segments);
std::string subtitles_vtt(const std::vector<SpokenSegment>& segments);

}  // namespace heed
