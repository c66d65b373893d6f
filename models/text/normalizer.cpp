#include "models/text/normalizer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "models/text/table_word.h"
#include "models/text/unicode.h"

namespace heed {
namespace {

constexpr uint32_t kStaged = 1;  // no charsmap begins so: the bytes of its trie are fours
constexpr uint32_t kTrimsBegin = 1, kTrimsEnd = 2;
constexpr uint32_t kToMark = 1, kWhiteSpace = 2;
constexpr const char* kMark = "\xe2\x96\x81";

bool is_line_end(uint32_t code) { return code == '\n' || code == '\r' || code == '\t'; }

}  // namespace

bool Normalizer::read(std::span<const uint8_t> table) {
  count_ = trims_ = 0;
  white_space_parts_ = true;
  if (table.empty()) return true;
  if (table.size() < 8 || table_word(table.data()) != kStaged)
    return read_stage(static_cast<uint32_t>(Kind::charsmap), table);
  white_space_parts_ = table_word(table.data(), 1) != 0;
  table = table.subspan(8);
  while (!table.empty()) {
    if (table.size() < 8) return false;
    const size_t bytes = table_word(table.data(), 1);
    if (bytes > table.size() - 8) return false;
    if (!read_stage(table_word(table.data()), table.subspan(8, bytes))) return false;
    table = table.subspan(8 + bytes);
  }
  return true;
}

bool Normalizer::read_stage(uint32_t kind, std::span<const uint8_t> table) {
  if (count_ == kStagesMax) return false;
  Stage& stage = stages_[count_];
  stage.kind = static_cast<Kind>(kind & 0xFF);
  stage.option = kind >> 8;
  if (count_ > 0) stage.window.resize(kWindow);
  ++count_;
  switch (stage.kind) {
    case Kind::trim:
      return ++trims_ <= kTrimsMax;
    case Kind::collapse:
      return true;
    case Kind::replace:
      return stage.replacer.read(table);
    case Kind::compose:
      return stage.composer.read(table);
    case Kind::charsmap:
      return stage.charsmap.read(table);
  }
  return false;
}

void Normalizer::rewind(size_t stages) {
  text_read_ = false;
  for (Stage& stage : std::span(stages_).first(stages)) {
    stage.at = stage.held = stage.passed = 0;
    stage.rest = {};
    stage.whole = stage.within = false;
    stage.loose = Charsmap::Loose::none;
  }
}

/// Only what has gone through the stages before tells where the text ends: it goes once for this.
void Normalizer::begin(std::string_view text) {
  text_ = text;
  steps_left_ = kStepsMin + kStepsOfByte * text.size();
  for (size_t i = 0; i < count_; ++i) {
    Stage& stage = stages_[i];
    stage.end = SIZE_MAX;
    if (stage.kind == Kind::trim && (stage.option & kTrimsEnd) != 0)
      stage.end = bytes_before_trailing_space(i);
  }
  rewind(count_);
}

size_t Normalizer::bytes_before_trailing_space(size_t stages) {
  rewind(stages);
  size_t bytes = 0, end = 0;
  for (std::string_view part; pull(stages, &part);) {
    for (size_t at = 0; at < part.size();) {
      const uint32_t code = next_code(part, &at);
      if (!is_space(code)) end = bytes + at;
    }
    bytes += part.size();
  }
  return end;
}

/// The next part of what `stages` stages leave.
bool Normalizer::pull(size_t stages, std::string_view* part) {
  if (stages == 0) {
    *part = text_;
    return !std::exchange(text_read_, true);
  }
  Stage& stage = stages_[stages - 1];
  if (stages > 1) top_up(stages - 1);
  const std::string_view text =
      stages > 1 ? std::string_view(stage.window.data(), stage.held) : text_;
  if (stage.at == text.size() || stage.passed >= stage.end || steps_left_ == 0) return false;
  --steps_left_;
  *part = step(&stage, text);
  return true;
}

void Normalizer::top_up(size_t i) {
  Stage& stage = stages_[i];
  if (stage.whole || stage.held - stage.at >= kAhead) return;
  std::memmove(stage.window.data(), stage.window.data() + stage.at, stage.held - stage.at);
  stage.held -= stage.at;
  stage.at = 0;
  while (!stage.whole && stage.held < kWindow) {
    if (stage.rest.empty() && !pull(i, &stage.rest)) stage.whole = true;
    const size_t bytes = std::min(stage.rest.size(), kWindow - stage.held);
    std::copy_n(stage.rest.data(), bytes, stage.window.data() + stage.held);
    stage.rest.remove_prefix(bytes);
    stage.held += bytes;
  }
}

std::string_view Normalizer::step(Stage* stage, std::string_view text) {
  switch (stage->kind) {
    case Kind::trim:
      return trimmed(stage, text);
    case Kind::collapse:
      return collapsed(stage, text);
    case Kind::replace:
      return stage->replacer.next(text, &stage->at, stage->made);
    case Kind::compose: {
      const size_t bytes = stage->composer.next(text, &stage->at, stage->made);
      return {stage->made, bytes};
    }
    case Kind::charsmap:
      break;
  }
  return stage->charsmap.next(text, &stage->at, &stage->loose);
}

std::string_view Normalizer::trimmed(Stage* stage, std::string_view text) {
  const size_t first = stage->at;
  const uint32_t code = next_code(text, &stage->at);
  stage->passed += stage->at - first;
  if ((stage->option & kTrimsBegin) != 0 && !stage->within && is_space(code)) return {};
  stage->within = true;
  return text.substr(first, stage->at - first);
}

std::string_view Normalizer::collapsed(Stage* stage, std::string_view text) {
  const bool all = stage->option == kWhiteSpace;
  const auto counts = [&](uint32_t code) { return all ? is_space(code) : code == ' '; };
  const size_t first = stage->at;
  const uint32_t code = next_code(text, &stage->at);
  const std::string_view character = text.substr(first, stage->at - first);
  if (!counts(code)) {
    stage->within = false;
    return character;
  }
  if (stage->within) return {};
  size_t after = stage->at;
  stage->within = stage->at < text.size() && counts(next_code(text, &after));
  if (stage->within) return stage->option == kToMark ? kMark : " ";
  return all && is_line_end(code) ? " " : character;
}

}  // namespace heed
