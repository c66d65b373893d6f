#include "models/families/character_maps.h"

#include "models/families/canonical_table.h"

namespace heed::families {
namespace {

using Text = CharacterMap::Text;
using Changes = CharacterMap::Changes;

/// What characters are made of, by one step; the parts may have parts.
Changes parts_of_characters(bool compatible) {
  Changes parts;
  for (size_t i = 0; i < kCanonicalPairsCount; ++i) {
    const CanonicalPair& pair = kCanonicalPairs[i];
    Text& made = parts[pair.code] = Text(1, pair.first);
    if (pair.second != 0) made += static_cast<char32_t>(pair.second);
  }
  if (!compatible) return parts;
  for (size_t i = 0; i < kCompatibleRunsCount; ++i) {
    const PartRun& run = kCompatibleRuns[i];
    for (uint32_t code = run.first; code <= run.last; ++code)
      parts[code] = Text(1, run.part + (code - run.first));
  }
  for (size_t i = 0; i < kCompatiblePartsCount;) {
    const uint32_t head = kCompatibleParts[i++];
    Text& made = parts[head & 0xFFFFFF];
    for (uint32_t count = head >> 24; count > 0; --count)
      made += static_cast<char32_t>(kCompatibleParts[i++]);
  }
  return parts;
}

void add_parts(const Changes& parts, char32_t code, Text* made) {
  const auto found = parts.find(code);
  if (found == parts.end())
    *made += code;
  else
    for (const char32_t part : found->second) add_parts(parts, part, made);
}

}  // namespace

void CharacterMap::then(const Changes& step) {
  const auto mapped = [&](const Text& text) {
    Text made;
    for (const char32_t code : text) {
      const auto found = step.find(code);
      made += found == step.end() ? Text(1, code) : found->second;
    }
    return made;
  };
  for (auto& [code, to] : changes_) to = mapped(to);
  changes_.insert(step.begin(), step.end());
}

void CharacterMap::take_apart(bool compatible) {
  const Changes parts = parts_of_characters(compatible);
  Changes whole;
  for (const auto& [code, first] : parts) add_parts(parts, code, &whole[code]);
  then(whole);
  hangul_apart_ = true;
}

void CharacterMap::strip_accents() {
  Changes step;
  for (size_t i = 0; i < kAccentsCount; ++i)
    for (uint32_t more = 0; more <= kAccents[i].more; ++more) step[kAccents[i].first + more] = {};
  then(step);
}

void CharacterMap::lower() {
  Changes step = {{0x130, {'i', 0x307}}};
  for (size_t i = 0; i < kLowerCasesCount; ++i) {
    const CaseRun& run = kLowerCases[i];
    for (uint32_t code = run.first; code <= run.last; code += run.stride)
      step[code] = Text(1, static_cast<char32_t>(static_cast<int64_t>(code) + run.difference));
  }
  then(step);
}

void CharacterMap::nmt() {
  Changes step;
  for (char32_t code = 1; code < 0xA0; ++code) {
    const bool space = code == 9 || code == 10 || code == 12 || code == 13;
    if (space)
      step[code] = U" ";
    else if (code < 0x20 || code == 0x7F || code == 0x8F || code == 0x9F)
      step[code] = {};
  }
  for (const char32_t code :
       {0x1680, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD})
    step[code] = U" ";
  then(step);
}

void CharacterMap::replace(char32_t from, const Text& to) { then({{from, to}}); }

Text CharacterMap::of(const Text& text) const {
  Text made;
  for (const char32_t code : text) {
    const auto found = changes_.find(code);
    made += found == changes_.end() ? Text(1, code) : found->second;
  }
  return made;
}

std::u32string code_points(const std::string& text) {
  std::u32string codes;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at++]);
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    char32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (int i = 0; i < more && at < text.size(); ++i)
      code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3F);
    codes += code;
  }
  return codes;
}

std::string utf8_of(const std::u32string& text) {
  std::string bytes;
  const auto put = [&](uint32_t value) { bytes += static_cast<char>(value); };
  for (const char32_t code : text) {
    if (code < 0x80) {
      put(code);
      continue;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr uint32_t kLeads[] = {0, 0xC0, 0xE0, 0xF0};
    put(kLeads[more] | code >> 6 * more);
    for (int i = more - 1; i >= 0; --i) put(0x80 | (code >> 6 * i & 0x3F));
  }
  return bytes;
}

}  // namespace heed::families
