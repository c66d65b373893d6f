#include "models/families/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"
#include "models/families/canonical_table.h"
#include "models/families/normalizer_rules.h"
#include "models/families/tokenizer_steps.h"

namespace heed::families {
namespace {

constexpr int64_t kPiecesMax = int64_t{1} << 22;
constexpr size_t kWordStepsMax = 8;  // of models/text/word_split.h
constexpr const char* kSpaceMark = "\xe2\x96\x81";

[[noreturn]] void damaged(const std::string& file, const std::string& what) {
  throw ConvertError(what, "file '" + file + "'");
}

/// Byte-level BPE writes the 256 bytes as printable characters: these stand for themselves, the
/// others for 256, 257, .. in their order.
bool prints_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

std::string utf8(int code) {  // below 0x800
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

void add_specials(const Settings& whole, PieceList* pieces, std::vector<int32_t>* special) {
  const JsonTree* added = whole.find("added_tokens");
  if (added == nullptr || added->list() == nullptr) return;
  for (const JsonTree& token : *added->list()) {
    const JsonTree* id = token.member("id");
    const std::string* content = text_member(&token, "content");
    if (id == nullptr || id->integer() == nullptr || content == nullptr)
      damaged(whole.place(), "has an added token without id or content");
    pieces->put(*id->integer(), *content);
    special->push_back(static_cast<int32_t>(*id->integer()));
  }
}

/// Puts an id that a post-processor gives into `list`; `name` says whose it is.
void put_around(const JsonTree* id, const std::string& name, const Settings& whole,
                const PieceList& pieces, std::vector<int32_t>* list) {
  const int64_t* number = id == nullptr ? nullptr : id->integer();
  if (number == nullptr || *number < 0 || *number >= pieces.count())
    throw ConvertError("puts '" + name + "' around texts, a token that its vocabulary lacks",
                       "file '" + whole.place() + "'",
                       "Add it, or take it out of the file's post_processor");
  list->push_back(static_cast<int32_t>(*number));
}

/// "single" of a TemplateProcessing: its special tokens have their ids beside it, not in the
/// vocabulary.
void read_template(const JsonTree& step, const Settings& whole, const PieceList& pieces,
                   fb::TokenizerT* made) {
  const JsonTree* single = step.member("single");
  const JsonTree* tokens = step.member("special_tokens");
  std::vector<int32_t>* list = &made->before;
  if (single == nullptr || single->list() == nullptr) return;
  for (const JsonTree& part : *single->list()) {
    if (part.member("Sequence") != nullptr) list = &made->after;
    const std::string* name = text_member(part.member("SpecialToken"), "id");
    if (name == nullptr) continue;
    const JsonTree* token = tokens == nullptr ? nullptr : tokens->member(*name);
    const JsonTree* ids = token == nullptr ? nullptr : token->member("ids");
    if (ids == nullptr || ids->list() == nullptr || ids->list()->empty())
      put_around(nullptr, *name, whole, pieces, list);
    else
      for (const JsonTree& id : *ids->list()) put_around(&id, *name, whole, pieces, list);
  }
}

/// The tokens around a single text.
void add_template(const Settings& whole, const PieceList& pieces, fb::TokenizerT* made) {
  const std::vector<const JsonTree*> steps = steps_of(whole.find("post_processor"));
  if (const JsonTree* step = step_named(steps, "TemplateProcessing"))
    read_template(*step, whole, pieces, made);
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    const JsonTree* step = step_named(steps, type);
    if (step == nullptr) continue;
    const auto around = [&](const char* key) {
      const JsonTree* pair = step->member(key);
      if (pair == nullptr || pair->list() == nullptr || pair->list()->size() != 2 ||
          (*pair->list())[0].text() == nullptr)
        damaged(whole.place(), "has a post_processor whose '" + std::string(key) + "' is no pair");
      std::vector<int32_t> ids;
      put_around(&(*pair->list())[1], *(*pair->list())[0].text(), whole, pieces, &ids);
      return ids;
    };
    made->before = around("cls");
    made->after = around("sep");
  }
}

std::vector<std::string> merge_lines(const JsonTree* merges, const std::string& place) {
  std::vector<std::string> lines;
  if (merges == nullptr || merges->list() == nullptr) damaged(place, "has no merges");
  for (const JsonTree& merge : *merges->list()) {
    if (merge.text() != nullptr) {
      lines.push_back(*merge.text());
      continue;
    }
    const JsonTree::List* pair = merge.list();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].text() || !(*pair)[1].text())
      damaged(place, "has a merge that is no pair");
    lines.push_back(*(*pair)[0].text() + " " + *(*pair)[1].text());
  }
  return lines;
}

bool read_wordpiece(const Settings& whole, const JsonTree& model, fb::TokenizerT* made,
                    const PieceList& pieces, std::string* why) {
  made->kind = "wordpiece";
  const std::string* continuation = text_member(&model, "continuing_subword_prefix");
  made->continuation = continuation == nullptr ? "##" : *continuation;
  const std::string* unknown = text_member(&model, "unk_token");
  made->unknown = pieces.id_of(unknown == nullptr ? "[UNK]" : *unknown);
  const JsonTree* normalizer = step_named(steps_of(whole.find("normalizer")), "BertNormalizer");
  if (normalizer == nullptr) {
    *why = "normalises texts in a way that is not BERT's";
    return false;
  }
  made->lower_case = flag_of(normalizer, "lowercase", true);
  if (flag_of(normalizer, "strip_accents", made->lower_case) != made->lower_case) {
    *why = "keeps accents in lower case, or drops them in upper";
    return false;
  }
  return true;
}

/// The regular expressions by which published tokenizers part words, and what words_ calls them.
std::string rule_of(const std::string& regex) {
  static const std::string kEnds = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  static const std::string kLetters = R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})";
  static const std::string kRest = R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  static const std::string kCased =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)";
  static const std::string kCapitals =
      R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)";
  static const std::string kCasedRest = R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  static const std::pair<std::string, const char*> kKnown[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt2"},
      {kEnds + kLetters + "{1,3}|" + kRest, "llama3"},
      // As tiktoken spells it.
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*)"
       R"(|\s*[\r\n]|\s+(?!\S)|\s+)",
       "llama3"},
      {kEnds + kLetters + "|" + kRest, "qwen2"},
      {kCased + kEnds + "?" + kCapitals + kEnds + R"(?|\p{N}{1,3})" + kCasedRest, "o200k"},
      {kCased + kCapitals + R"(|\p{N})" + kCasedRest, "tekken"}};
  for (const auto& [known, name] : kKnown)
    if (regex == known) return name;
  return "";
}

/// A step that parts words as models/text/word_split.h names it; "" where it has no such.
std::string word_step(const JsonTree* step) {
  static const std::pair<const char*, const char*> kParted[] = {
      {"Removed", " removed"},
      {"Isolated", " isolated"},
      {"Contiguous", " contiguous"},
      {"MergedWithPrevious", " merged_with_previous"},
      {"MergedWithNext", " merged_with_next"}};
  const std::string type = type_of(step);
  if (type == "Digits")
    return flag_of(step, "individual_digits", false) ? "numbers isolated" : "numbers contiguous";
  const std::string* behavior = text_member(step, "behavior");
  const std::string asked = behavior == nullptr ? "Isolated" : *behavior;
  std::string parted;
  for (const auto& [name, ours] : kParted)
    if (asked == name) parted = ours;
  if (parted.empty()) return "";
  if (type == "Punctuation") return "punctuation" + parted;
  if (type != "Split") return "";
  const bool inverted = flag_of(step, "invert", false);
  const std::string* text = text_member(step->member("pattern"), "String");
  const std::string* regex = text_member(step->member("pattern"), "Regex");
  if (regex != nullptr) {
    // A rule leaves nothing between its words.
    const bool words = asked == "Isolated" || (asked == "Removed" && inverted);
    if (!rule_of(*regex).empty()) return words ? rule_of(*regex) : "";
    return *regex == "\\p{N}" && !inverted ? "numbers" + parted : "";
  }
  const bool good = text != nullptr && !text->empty() && text->find('\0') == std::string::npos;
  return good && !inverted ? "text" + parted + " " + *text : "";
}

/// How a byte-level tokenizer parts words; false, with the reason in `why`, where that is not
/// known.
bool read_words(const std::vector<const JsonTree*>& steps, bool whole_words, fb::TokenizerT* made,
                std::string* table, std::string* why) {
  std::vector<std::string> words;
  for (const JsonTree* step : steps) {
    const bool bytes = type_of(step) == "ByteLevel";
    const bool own = bytes && flag_of(step, "use_regex", true);
    if (bytes && (step != steps.back() || flag_of(step, "add_prefix_space", false))) {
      *why = "parts texts into words behind 'ByteLevel', or puts a space before each";
      return false;
    }
    if (bytes && !own) continue;
    words.push_back(own ? "gpt2" : word_step(step));
    if (!words.back().empty()) continue;
    const std::string* regex = text_member(step->member("pattern"), "Regex");
    *why = "parts texts into words by '" + (regex != nullptr ? *regex : type_of(step)) +
           "', which has no counterpart here";
    return false;
  }
  if (words.size() > kWordStepsMax) {
    *why = "parts texts into words in more than " + std::to_string(kWordStepsMax) + " steps";
    return false;
  }
  const auto only = [&](const char* rule) { return words == std::vector<std::string>{rule}; };
  made->kind = only("gpt2") && !whole_words    ? "byte_bpe"
               : only("llama3") && whole_words ? "llama3_bpe"
               : only("qwen2") && !whole_words ? "qwen2_bpe"
                                               : "split_bpe";
  if (made->kind != "split_bpe") return true;
  table->push_back(whole_words ? '\1' : '\0');
  for (const std::string& step : words) *table += step + '\0';
  table->push_back('\0');
  return true;
}

/// How "\u2581" takes the place of spaces.
struct Metaspace {
  bool known = false, splits = true;
  std::string prepend;  // "always", "first" or "never"
};

Metaspace metaspace_of(const JsonTree* step) {
  const std::string* mark = text_member(step, "replacement");
  const std::string* scheme = text_member(step, "prepend_scheme");
  Metaspace meta;
  meta.known = type_of(step) == "Metaspace" && mark != nullptr && *mark == kSpaceMark;
  meta.splits = flag_of(step, "split", true);
  const bool spaced = flag_of(step, "add_prefix_space", true);
  meta.prepend = scheme != nullptr ? *scheme : spaced ? "always" : "never";
  return meta;
}

/// Llama's and Gemma's way with spaces: U+2581 takes their place, and one comes before the text.
bool read_spaces(const std::vector<const JsonTree*>& normal,
                 const std::vector<const JsonTree*>& before, fb::TokenizerT* made,
                 std::string* why) {
  bool replaced = false, good = true, leads = false;
  for (const JsonTree* step : normal) {
    const std::string* prepended = text_member(step, "prepend");
    const std::string* from = text_member(step->member("pattern"), "String");
    const std::string* to = text_member(step, "content");
    if (type_of(step) == "Prepend" && prepended != nullptr && *prepended == kSpaceMark)
      good = good && !std::exchange(leads, true);
    else if (type_of(step) == "Replace" && from && *from == " " && to && *to == kSpaceMark)
      replaced = true;
    else
      return *why = "normalises texts by '" + type_of(step) + "', which has no counterpart here",
             false;
  }
  made->kind = "bpe";
  made->space_before = leads;
  for (const JsonTree* step : before) {
    const Metaspace meta = metaspace_of(step);
    const std::string* behavior = text_member(step, "behavior");
    const std::string* at = text_member(step->member("pattern"), "String");
    if (meta.known && before.size() == 1) {
      good = good && !meta.splits;
      // It puts no space where the text, or Prepend, has one.
      if (meta.prepend != "never" && !leads) made->kind = "metaspace_bpe";
      made->space_before = leads || meta.prepend != "never";
      replaced = true;
    } else {
      // After the replacement no space is left to part words at.
      good = good && replaced && type_of(step) == "Split" && at && *at == " " && behavior;
    }
  }
  if (!good || !replaced)
    *why = "joins pairs of characters in a way that is neither GPT-2's nor Llama's";
  return good && replaced;
}

/// `table`: what composes characters, where texts are to be composed.
bool read_pairs(const Settings& whole, const JsonTree& model, fb::TokenizerT* made,
                PieceList* pieces, std::string* table, std::string* why) {
  const std::vector<const JsonTree*> before = steps_of(whole.find("pre_tokenizer"));
  const std::vector<const JsonTree*> normal = steps_of(whole.find("normalizer"));
  made->merges =
      merges_of(merge_lines(model.member("merges"), whole.place()), *pieces, whole.place());
  if (step_named(before, "ByteLevel") != nullptr) {
    const bool composes = normal.size() == 1 && type_of(normal[0]) == "NFC";
    if (!normal.empty() && !composes) {
      *why = "normalises texts by '" + type_of(normal[0]) + "', which has no counterpart here";
      return false;
    }
    if (!read_words(before, flag_of(&model, "ignore_merges", false), made, table, why))
      return false;
    if (composes) *table += canonical_table();
    pieces->unmap_bytes(made->special);
    return true;
  }
  if (!read_spaces(normal, before, made, why)) return false;
  if (flag_of(&model, "ignore_merges", false)) {
    *why = "keeps words that are pieces whole";
    return false;
  }
  if (pieces->any_over_spaces(made->special)) {
    *why = "has pieces that reach from one word into the next";
    return false;
  }
  const std::string* unknown = text_member(&model, "unk_token");
  made->unknown = unknown == nullptr ? -1 : pieces->id_of(*unknown);
  made->byte_first = flag_of(&model, "byte_fallback", false) ? pieces->set_bytes() : -1;
  if (made->byte_first < 0 && flag_of(&model, "fuse_unk", false)) {
    *why = "makes one unknown token of several characters";
    return false;
  }
  pieces->unmap_spaces();
  return true;
}

/// [["piece", score], ..]
PieceList scored_pieces(const JsonTree& model, const std::string& place, fb::TokenizerT* made) {
  const JsonTree* list = model.member("vocab");
  if (list == nullptr || list->list() == nullptr) damaged(place, "has no vocabulary");
  PieceList pieces;
  for (const JsonTree& entry : *list->list()) {
    const JsonTree::List* pair = entry.list();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].text())
      damaged(place, "has a piece without a score");
    const double* score = std::get_if<double>(&(*pair)[1].value);
    const int64_t* whole = (*pair)[1].integer();
    if (score == nullptr && whole == nullptr) damaged(place, "has a piece without a score");
    pieces.add(*(*pair)[0].text());
    made->scores.push_back(score != nullptr ? static_cast<float>(*score)
                                            : static_cast<float>(*whole));
  }
  return pieces;
}

/// Spaces as sentencepiece has them: each word has one before it. `table`: the normaliser's.
bool read_unigram(const Settings& whole, const JsonTree& model, fb::TokenizerT* made,
                  PieceList* pieces, std::string* table, std::string* why) {
  std::vector<const JsonTree*> before = steps_of(whole.find("pre_tokenizer"));
  const bool parted = !before.empty() && type_of(before[0]) == "WhitespaceSplit";
  const Metaspace meta = metaspace_of(before.empty() ? nullptr : before.back());
  if (!meta.known || before.size() != (parted ? 2u : 1u) || (parted && meta.prepend == "first") ||
      (!meta.splits && pieces->any_over_spaces(made->special))) {
    *why = "parts texts into words by another rule than sentencepiece's";
    return false;
  }
  if (!compile_normalizer(whole, parted, table, why)) return false;
  const JsonTree* unknown = model.member("unk_id");
  made->kind = "unigram";
  made->space_before = meta.prepend != "never";
  made->unknown = unknown == nullptr || unknown->integer() == nullptr
                      ? -1
                      : static_cast<int32_t>(*unknown->integer());
  made->byte_first = flag_of(&model, "byte_fallback", false) ? pieces->set_bytes() : -1;
  pieces->unmap_spaces();
  return true;
}

}  // namespace

void PieceList::put(int64_t id, const std::string& piece) {
  if (id < 0 || id >= kPiecesMax) throw ConvertError("a token's id is out of range", "tokenizer");
  const auto index = static_cast<size_t>(id);
  if (pieces_.size() <= index) pieces_.resize(index + 1);
  pieces_[index] = piece;
  ids_.emplace(piece, static_cast<int32_t>(id));
}

int32_t PieceList::id_of(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

int32_t PieceList::set_bytes() {
  const int32_t first = id_of("<0x00>");
  char name[8];
  for (int byte = 0; byte < 256 && first >= 0; ++byte) {
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    if (id_of(name) != first + byte) return -1;
  }
  for (int byte = 0; byte < 256 && first >= 0; ++byte)
    pieces_[static_cast<size_t>(first + byte)] = std::string(1, static_cast<char>(byte));
  return first;
}

bool PieceList::any_over_spaces(const std::vector<int32_t>& special) const {
  const auto is_special = [&](size_t i) {
    return std::find(special.begin(), special.end(), static_cast<int32_t>(i)) != special.end();
  };
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const std::string& piece = pieces_[i];
    size_t at = 0;
    while (piece.compare(at, 3, kSpaceMark) == 0) at += 3;
    if (piece.find(kSpaceMark, at) != std::string::npos && !is_special(i)) return true;
  }
  return false;
}

void PieceList::unmap_spaces() {
  for (std::string& piece : pieces_)
    for (size_t at; (at = piece.find(kSpaceMark)) != std::string::npos;) piece.replace(at, 3, " ");
}

void PieceList::unmap_bytes(const std::vector<int32_t>& special) {
  std::unordered_map<std::string, char> bytes;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte)
    bytes[utf8(prints_itself(byte) ? byte : next++)] = static_cast<char>(byte);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (std::find(special.begin(), special.end(), static_cast<int32_t>(i)) != special.end())
      continue;
    std::string made;
    for (size_t at = 0; at < pieces_[i].size();) {
      const size_t length = static_cast<uint8_t>(pieces_[i][at]) < 0x80 ? 1 : 2;
      const auto found = bytes.find(pieces_[i].substr(at, length));
      if (found == bytes.end()) damaged("tokenizer", "has a piece that stands for no bytes");
      made += found->second;
      at += length;
    }
    pieces_[i] = made;
  }
}

void PieceList::store(fb::TokenizerT* made) const {
  for (const std::string& piece : pieces_) {
    made->pieces.insert(made->pieces.end(), piece.begin(), piece.end());
    made->piece_ends.push_back(static_cast<uint32_t>(made->pieces.size()));
  }
}

PieceList pieces_of(const JsonTree::Object& vocabulary, const std::string& file) {
  PieceList pieces;
  for (const auto& [piece, id] : vocabulary) {
    if (id.integer() == nullptr) damaged(file, "gives a piece an id that is no number");
    pieces.put(*id.integer(), piece);
  }
  return pieces;
}

std::vector<int32_t> merges_of(const std::vector<std::string>& lines, const PieceList& pieces,
                               const std::string& file) {
  std::vector<int32_t> merges;
  for (const std::string& line : lines) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) continue;  // an empty line at the end
    const std::string left = line.substr(0, space), right = line.substr(space + 1);
    const std::array<int32_t, 3> ids = {pieces.id_of(left), pieces.id_of(right),
                                        pieces.id_of(left + right)};
    if (*std::min_element(ids.begin(), ids.end()) < 0)
      damaged(file, "joins '" + line + "', which is not in its vocabulary");
    merges.insert(merges.end(), ids.begin(), ids.end());
  }
  return merges;
}

std::vector<std::string> spoken_pieces(const Settings& whole, int64_t count, int64_t blank) {
  const JsonTree* model = whole.find("model");
  const JsonTree* vocabulary = model == nullptr ? nullptr : model->member("vocab");
  if (vocabulary == nullptr)
    throw ConvertError("holds no tokenizer.json, which says what its numbers spell", "checkpoint");
  std::vector<std::string> labels(static_cast<size_t>(count), "<unused>");
  const auto put = [&](int64_t id, const std::string& piece) {
    if (id < 0 || id >= count) damaged(whole.place(), "has pieces beyond the model's vocabulary");
    std::string& label = labels[static_cast<size_t>(id)] = piece;
    for (size_t at; (at = label.find(kSpaceMark)) != std::string::npos;) label.replace(at, 3, " ");
  };
  if (vocabulary->object() != nullptr)
    for (const auto& [piece, id] : *vocabulary->object())
      put(id.integer() ? *id.integer() : -1, piece);
  for (size_t i = 0; vocabulary->list() != nullptr && i < vocabulary->list()->size(); ++i) {
    const JsonTree::List* scored = (*vocabulary->list())[i].list();
    if (scored == nullptr || scored->empty() || (*scored)[0].text() == nullptr)
      damaged(whole.place(), "has a piece without its text");
    put(static_cast<int64_t>(i), *(*scored)[0].text());
  }
  PieceList added;
  std::vector<int32_t> special;
  add_specials(whole, &added, &special);
  for (const auto& [piece, id] : added.ids()) put(id, piece);
  if (blank < 0 || blank >= count) damaged(whole.place(), "has no piece for the blank");
  labels[static_cast<size_t>(blank)] = "";
  return labels;
}

bool read_tokenizer_json(const Settings& whole, fb::TokenizerT* made, std::string* why) {
  const JsonTree* model = whole.find("model");
  const JsonTree* vocabulary = model->member("vocab");
  // Files of old name no kind: theirs are pairs, or pieces with scores.
  const bool scored = vocabulary != nullptr && vocabulary->list() != nullptr;
  const std::string type = type_of(model).empty() && scored ? "Unigram" : type_of(model);
  if (type != "WordPiece" && type != "BPE" && type != "Unigram") {
    *why = "is of kind '" + type + "', which has no counterpart here";
    return false;
  }
  if (type != "Unigram" && (vocabulary == nullptr || vocabulary->object() == nullptr))
    damaged(whole.place(), "has no vocabulary");
  PieceList pieces = type == "Unigram" ? scored_pieces(*model, whole.place(), made)
                                       : pieces_of(*vocabulary->object(), whole.place());
  add_specials(whole, &pieces, &made->special);
  add_template(whole, pieces, made);
  const int32_t pad = std::max(pieces.id_of("[PAD]"), pieces.id_of("<pad>"));
  made->pad = std::max(pad, 0);
  std::string table;
  const bool known = type == "WordPiece" ? read_wordpiece(whole, *model, made, pieces, why)
                     : type == "BPE"     ? read_pairs(whole, *model, made, &pieces, &table, why)
                                         : read_unigram(whole, *model, made, &pieces, &table, why);
  if (!known) return false;
  pieces.store(made);
  if (type == "Unigram") made->scores.resize(made->piece_ends.size(), 0.0f);
  made->pieces.insert(made->pieces.end(), table.begin(), table.end());
  return true;
}

}  // namespace heed::families
