#include "models/decode/transcript.h"

#include <cmath>
#include <cstdio>

namespace heed {
namespace {

std::string clock(double seconds, char point) {
  const auto ms = static_cast<int64_t>(std::llround(seconds * 1000));
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d%c%03d", static_cast<int>(ms / 3600000),
                static_cast<int>(ms / 60000 % 60), static_cast<int>(ms / 1000 % 60), point,
                static_cast<int>(ms % 1000));
  return text;
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin);
}

std::string cues(const std::vector<SpokenSegment>& segments, char point, bool numbered) {
  std::string out;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (numbered) out += std::to_string(i + 1) + "\n";
    out += clock(segments[i].begin_s, point) + " --> " + clock(segments[i].end_s, point) + "\n" +
           trimmed(segments[i].text) + "\n\n";
  }
  return out;
}

}  // namespace

std::string subtitles_srt(const std::vector<SpokenSegment>& segments) {
  return cues(segments, ',', true);
}

std::string subtitles_vtt(const std::vector<SpokenSegment>& segments) {
  return "WEBVTT\n\n" + cues(segments, '.', false);
}

}  // namespace heed
