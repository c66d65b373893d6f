#include "models/families/normalizer_rules.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "converter/graph/convert_error.h"
#include "models/families/canonical_table.h"
#include "models/families/character_maps.h"
#include "models/families/tokenizer_steps.h"

namespace heed::families {
namespace {

// As models/text/normalizer.h has them.
constexpr size_t kStagesMax = 8, kTrimsMax = 2;
constexpr size_t kWordBytesMax = 64;
constexpr uint32_t kTrim = 1, kCollapse = 2, kReplace = 3, kCompose = 4, kCharsmap = 5;

std::string from_base64(const std::string& text, const std::string& place) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const size_t digit = kDigits.find(c);
    if (digit == std::string::npos)
      throw ConvertError("has a table that is no base64", "file '" + place + "'");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

void put_word(std::string* bytes, size_t word) {
  for (int shift = 0; shift < 32; shift += 8) *bytes += static_cast<char>(word >> shift & 0xFF);
}

/// The stages in the making. What acts on characters one by one is summed up until something comes
/// that looks at more.
class Stages {
 public:
  std::string why;  // a step has no counterpart

  void add(const JsonTree& step, const std::string& place);
  /// As the file has them.
  std::string finish(bool white_space_parts);

 private:
  struct Stage {
    uint32_t kind, option;
    std::string table;
  };

  void put(uint32_t kind, uint32_t option = 0, const std::string& table = "");
  void end_map();
  void add_replace(const JsonTree& step);
  void replace_text(const std::string& from, const std::string& to);
  bool joins_words(const std::string& from) const;
  void compose(bool compatible);

  std::vector<Stage> stages_;
  std::vector<std::pair<std::string, std::string>> words_;  // replaced before map_ acts
  CharacterMap map_;
  bool disordered_ = false;  // accents are not in the order that NFD gives them
};

void Stages::put(uint32_t kind, uint32_t option, const std::string& table) {
  end_map();
  stages_.push_back({kind, option, table});
}

void Stages::end_map() {
  if (disordered_ && why.empty())
    why = "takes characters apart (NFD, NFKD) and keeps the accents, which has no counterpart here";
  if (words_.empty() && map_.empty()) return;
  std::string numbers, texts;
  std::unordered_map<std::string, size_t> places;
  const auto place_of = [&](const std::string& text) {
    const auto [found, added] = places.emplace(text, texts.size());
    if (added) texts += text + '\0';
    return found->second;
  };
  for (const size_t number : {size_t{map_.hangul_apart()}, words_.size(), map_.changes().size()})
    put_word(&numbers, number);
  for (const auto& [from, to] : words_) {
    put_word(&numbers, place_of(from));
    put_word(&numbers, place_of(utf8_of(map_.of(code_points(to)))));
  }
  for (const auto& [code, to] : map_.changes()) {
    put_word(&numbers, code);
    put_word(&numbers, place_of(utf8_of(to)));
  }
  if (texts.empty()) texts += '\0';
  stages_.push_back({kReplace, 0, numbers + texts});
  words_.clear();
  map_ = {};
}

/// Whether a word can be replaced at the same time as those before: none of its characters is one
/// of theirs, or of what takes their place.
bool Stages::joins_words(const std::string& from) const {
  if (!map_.empty()) return false;
  for (const auto& [other, to] : words_)
    if (to.empty() || (other + to).find_first_of(from) != std::string::npos) return false;
  return true;
}

void Stages::replace_text(const std::string& from, const std::string& to) {
  const std::u32string codes = code_points(from);
  if (codes.size() == 1) {
    if (map_.hangul_apart()) end_map();
    return map_.replace(codes[0], code_points(to));
  }
  if (codes.empty() || from.size() > kWordBytesMax || (from + to).find('\0') != std::string::npos)
    return void(why = "replaces '" + from + "' in texts, which has no counterpart here");
  if (!joins_words(from)) end_map();
  words_.emplace_back(from, to);
  for (const char c : to)
    if (static_cast<uint8_t>(c) >= 0x80) return end_map();
}

void Stages::add_replace(const JsonTree& step) {
  const std::string* text = text_member(step.member("pattern"), "String");
  const std::string* regex = text_member(step.member("pattern"), "Regex");
  const std::string* to = text_member(&step, "content");
  if (text != nullptr && to != nullptr) return replace_text(*text, *to);
  const bool space = to != nullptr && *to == " ", mark = to != nullptr && *to == "\xe2\x96\x81";
  if (regex != nullptr && *regex == " {2,}" && (space || mark)) return put(kCollapse, mark ? 1 : 0);
  if (regex != nullptr && *regex == "\\s{2,}|[\\n\\r\\t]" && space) return put(kCollapse, 2);
  if (regex != nullptr && *regex == "\\n" && space) return replace_text("\n", " ");
  why = "replaces '" + (regex == nullptr ? std::string() : *regex) +
        "' in texts, which has no counterpart here";
}

void Stages::compose(bool compatible) {
  if (compatible) map_.take_apart(true);
  disordered_ = false;
  put(kCompose, 0, canonical_table());
}

void Stages::add(const JsonTree& step, const std::string& place) {
  const std::string type = type_of(&step);
  if (type == "NFC" || type == "NFKC") return compose(type == "NFKC");
  if (type == "Replace") return add_replace(step);
  if (type == "Lowercase") return map_.lower();
  if (type == "Nmt") return map_.nmt();
  if (type == "NFD" || type == "NFKD") {
    map_.take_apart(type == "NFKD");
    disordered_ = true;
  } else if (type == "StripAccents") {
    map_.strip_accents();
    disordered_ = false;
  } else if (type == "Strip") {
    const bool left = flag_of(&step, "strip_left", true),
               right = flag_of(&step, "strip_right", true);
    if (left || right) put(kTrim, (left ? 1u : 0u) + (right ? 2u : 0u));
  } else if (type == "Precompiled") {
    const std::string* map = text_member(&step, "precompiled_charsmap");
    if (map != nullptr && !map->empty()) put(kCharsmap, 0, from_base64(*map, place));
  } else {
    why = "normalises texts by '" + type + "', which has no counterpart here";
  }
}

std::string Stages::finish(bool white_space_parts) {
  end_map();
  size_t trims = 0;
  for (const Stage& stage : stages_) trims += stage.kind == kTrim ? 1 : 0;
  if (why.empty() && (stages_.size() > kStagesMax || trims > kTrimsMax))
    why = "normalises texts in more steps than have a counterpart here";
  if (stages_.empty() && white_space_parts) return "";
  if (stages_.size() == 1 && stages_[0].kind == kCharsmap && white_space_parts)
    return stages_[0].table;
  std::string bytes;
  put_word(&bytes, 1);
  put_word(&bytes, white_space_parts ? 1 : 0);
  for (const Stage& stage : stages_) {
    put_word(&bytes, stage.kind + (stage.option << 8));
    put_word(&bytes, stage.table.size());
    bytes += stage.table;
  }
  return bytes;
}

}  // namespace

bool compile_normalizer(const Settings& tokenizer, bool white_space_parts, std::string* table,
                        std::string* why) {
  Stages stages;
  for (const JsonTree* step : steps_of(tokenizer.find("normalizer"))) {
    stages.add(*step, tokenizer.place());
    if (!stages.why.empty()) break;
  }
  *table = stages.finish(white_space_parts);
  *why = stages.why;
  return why->empty();
}

}  // namespace heed::families
