#include "models/families/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"

namespace heed::families {
namespace {

constexpr int64_t kPiecesMax = int64_t{1} << 22;
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

const std::string* text_member(const JsonTree* tree, const char* key) {
  const JsonTree* found = tree == nullptr ? nullptr : tree->member(key);
  return found == nullptr ? nullptr : found->text();
}

std::string type_of(const JsonTree* tree) {
  const std::string* type = text_member(tree, "type");
  return type == nullptr ? "" : *type;
}

bool flag_of(const JsonTree* tree, const char* key, bool otherwise) {
  const JsonTree* found = tree == nullptr ? nullptr : tree->member(key);
  const bool* flag = found == nullptr ? nullptr : std::get_if<bool>(&found->value);
  return flag == nullptr ? otherwise : *flag;
}

/// A step, or the steps of a Sequence under any of its names.
std::vector<const JsonTree*> steps_of(const JsonTree* tree) {
  std::vector<const JsonTree*> steps;
  if (tree == nullptr || tree->is_null()) return steps;
  for (const char* key : {"normalizers", "pretokenizers", "processors"}) {
    const JsonTree* list = tree->member(key);
    if (list == nullptr || list->list() == nullptr) continue;
    for (const JsonTree& step : *list->list()) steps.push_back(&step);
    return steps;
  }
  return {tree};
}

const JsonTree* step_named(const std::vector<const JsonTree*>& steps, const char* type) {
  const auto found = std::find_if(steps.begin(), steps.end(),
                                  [&](const JsonTree* step) { return type_of(step) == type; });
  return found == steps.end() ? nullptr : *found;
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

/// The tokens around a single text.
void add_template(const Settings& whole, const PieceList& pieces, fb::TokenizerT* made) {
  const std::vector<const JsonTree*> steps = steps_of(whole.find("post_processor"));
  if (const JsonTree* step = step_named(steps, "TemplateProcessing")) {
    const JsonTree* single = step->member("single");
    bool after = false;
    if (single == nullptr || single->list() == nullptr) return;
    for (const JsonTree& part : *single->list()) {
      if (part.member("Sequence") != nullptr) after = true;
      const std::string* id = text_member(part.member("SpecialToken"), "id");
      if (id != nullptr && pieces.id_of(*id) >= 0)
        (after ? made->after : made->before).push_back(pieces.id_of(*id));
    }
  }
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    const JsonTree* step = step_named(steps, type);
    if (step == nullptr) continue;
    const auto id = [&](const char* key) {
      const JsonTree* pair = step->member(key);
      const bool good = pair != nullptr && pair->list() != nullptr && pair->list()->size() == 2 &&
                        (*pair->list())[0].text() != nullptr;
      return good ? pieces.id_of(*(*pair->list())[0].text()) : -1;
    };
    if (id("cls") >= 0) made->before = {id("cls")};
    if (id("sep") >= 0) made->after = {id("sep")};
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

bool read_pairs(const Settings& whole, const JsonTree& model, fb::TokenizerT* made,
                PieceList* pieces, std::string* why) {
  const std::vector<const JsonTree*> before = steps_of(whole.find("pre_tokenizer"));
  const std::vector<const JsonTree*> normal = steps_of(whole.find("normalizer"));
  made->merges =
      merges_of(merge_lines(model.member("merges"), whole.place()), *pieces, whole.place());
  if (const JsonTree* bytes = step_named(before, "ByteLevel")) {
    if (before.size() != 1 || !flag_of(bytes, "use_regex", true) ||
        flag_of(bytes, "add_prefix_space", false) || !normal.empty()) {
      *why = "parts texts into words by another rule than GPT-2's";
      return false;
    }
    made->kind = "byte_bpe";
    pieces->unmap_bytes(made->special);
    return true;
  }
  const JsonTree* meta = step_named(before, "Metaspace");
  const JsonTree* prepend = step_named(normal, "Prepend");
  if (meta == nullptr && step_named(normal, "Replace") == nullptr) {
    *why = "joins pairs of characters in a way that is neither GPT-2's nor Llama's";
    return false;
  }
  const std::string* scheme = text_member(meta, "prepend_scheme");
  made->kind = "bpe";
  made->space_before =
      prepend != nullptr ||
      (meta != nullptr &&
       (scheme != nullptr ? *scheme != "never" : flag_of(meta, "add_prefix_space", true)));
  const std::string* unknown = text_member(&model, "unk_token");
  made->unknown = unknown == nullptr ? -1 : pieces->id_of(*unknown);
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

bool read_tokenizer_json(const Settings& whole, fb::TokenizerT* made, std::string* why) {
  const JsonTree* model = whole.find("model");
  const std::string type = type_of(model);
  const JsonTree* vocabulary = model->member("vocab");
  if (type != "WordPiece" && type != "BPE") {
    *why = "is of kind '" + type + "', which has no counterpart here";
    return false;
  }
  if (vocabulary == nullptr || vocabulary->object() == nullptr)
    damaged(whole.place(), "has no vocabulary");
  PieceList pieces = pieces_of(*vocabulary->object(), whole.place());
  add_specials(whole, &pieces, &made->special);
  add_template(whole, pieces, made);
  const int32_t pad = std::max(pieces.id_of("[PAD]"), pieces.id_of("<pad>"));
  made->pad = std::max(pad, 0);
  const bool known = type == "WordPiece" ? read_wordpiece(whole, *model, made, pieces, why)
                                         : read_pairs(whole, *model, made, &pieces, why);
  if (known) pieces.store(made);
  return known;
}

}  // namespace heed::families
