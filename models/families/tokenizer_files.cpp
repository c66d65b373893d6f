#include "models/families/tokenizer_files.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "converter/graph/convert_error.h"
#include "engine/schema/model_generated.h"
#include "models/families/tokenizer_json.h"

namespace heed::families {
namespace {

using Object = JsonTree::Object;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

/// vocab.txt: a piece a line.
void read_vocab_text(Recipe& recipe, const std::string& text, fb::TokenizerT* made) {
  const Settings config = recipe.checkpoint.settings("tokenizer_config.json");
  PieceList pieces;
  for (const std::string& line : lines_of(text)) pieces.add(line);
  made->kind = "wordpiece";
  made->continuation = "##";
  made->lower_case = config.flag_or("do_lower_case", true);
  const auto id = [&](const char* piece) { return pieces.id_of(piece); };
  made->unknown = id("[UNK]");
  made->pad = std::max(0, id("[PAD]"));
  for (const char* piece : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (id(piece) >= 0) made->special.push_back(id(piece));
  if (id("[CLS]") >= 0) made->before = {id("[CLS]")};
  if (id("[SEP]") >= 0) made->after = {id("[SEP]")};
  pieces.store(made);
}

/// llama2.c: int32 longest token; for each token float32 score, int32 length, bytes.
void read_llama2c(const std::string& file, const std::string& bytes, int64_t vocabulary,
                  fb::TokenizerT* made) {
  size_t at = 4;
  const auto take = [&](void* to, size_t size) {
    if (size > bytes.size() || at > bytes.size() - size)
      throw ConvertError("is cut short", "file '" + file + "'");
    std::memcpy(to, bytes.data() + at, size);
    at += size;
  };
  PieceList pieces;
  for (int64_t i = 0; i < vocabulary; ++i) {
    float score = 0;
    int32_t length = 0;
    take(&score, sizeof score);
    take(&length, sizeof length);
    if (length < 0 || static_cast<size_t>(length) > bytes.size())
      throw ConvertError("has a token of no length", "file '" + file + "'");
    std::string piece(static_cast<size_t>(length), 0);
    take(piece.data(), piece.size());
    pieces.add(piece);
    made->scores.push_back(score);
  }
  made->kind = "bpe";
  made->space_before = true;
  made->byte_first = pieces.set_bytes();
  made->unknown = 0;
  made->special = {0, 1, 2};
  pieces.store(made);
}

/// vocab.json and merges.txt, as GPT-2 was published.
void read_merges_text(const Settings& vocabulary, const std::string& merges, fb::TokenizerT* made) {
  const JsonTree* whole = vocabulary.whole();
  PieceList pieces = pieces_of(*whole->object(), "vocab.json");
  std::vector<std::string> lines = lines_of(merges);
  if (!lines.empty() && lines[0].rfind("#version", 0) == 0) lines.erase(lines.begin());
  made->kind = "byte_bpe";
  made->merges = merges_of(lines, pieces, "merges.txt");
  pieces.unmap_bytes();
  pieces.store(made);
}

/// Ids that may be one number, or a list of them.
std::vector<int32_t> id_list(const Settings& settings, const char* key) {
  std::vector<int32_t> ids;
  const JsonTree* found = settings.find(key);
  if (found == nullptr) return ids;
  if (const int64_t* one = found->integer()) ids.push_back(static_cast<int32_t>(*one));
  if (found->list() != nullptr)
    for (const int64_t id : settings.whole_numbers(key)) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

/// Decoders begin with one token and end with others.
void add_generation_ends(Recipe& recipe, fb::TokenizerT* made) {
  const Settings generation = recipe.checkpoint.settings("generation_config.json");
  const Settings tokenizer = recipe.checkpoint.settings("tokenizer_config.json");
  made->stop = id_list(generation, "eos_token_id");
  if (made->stop.empty()) made->stop = id_list(recipe.config, "eos_token_id");
  made->after.clear();
  const std::vector<int32_t> begin = id_list(recipe.config, "bos_token_id");
  const bool spaced = made->kind == "bpe";
  if (made->before.empty() && !begin.empty() && tokenizer.flag_or("add_bos_token", spaced))
    made->before = begin;
}

bool read_any(Recipe& recipe, fb::TokenizerT* made) {
  Checkpoint& folder = recipe.checkpoint;
  const Settings whole = folder.settings("tokenizer.json");
  if (whole.has("model")) {
    std::string why;
    if (read_tokenizer_json(whole, made, &why)) return true;
    recipe.notes.push_back("tokenizer.json " + why + ": the model takes tokens, not texts");
    return false;
  }
  if (const auto text = folder.file("vocab.txt")) {
    read_vocab_text(recipe, *text, made);
    return true;
  }
  const int64_t vocabulary = recipe.config.size_or("vocab_size", 0);
  for (const std::string& name :
       {"tok" + std::to_string(vocabulary) + ".bin", std::string("tokenizer.bin")}) {
    if (const auto bytes = folder.file(name)) {
      read_llama2c(name, *bytes, vocabulary, made);
      return true;
    }
  }
  const auto merges = folder.file("merges.txt");
  const Settings vocab = folder.settings("vocab.json");
  if (merges && vocab.whole() != nullptr) {
    read_merges_text(vocab, *merges, made);
    return true;
  }
  recipe.notes.push_back("the folder holds no tokenizer: the model takes tokens, not texts");
  return false;
}

}  // namespace

void add_tokenizer(Recipe& recipe) {
  auto made = std::make_unique<fb::TokenizerT>();
  if (!read_any(recipe, made.get())) return;
  if (recipe.task->kind == "text_generation") add_generation_ends(recipe, made.get());
  const auto count = static_cast<int64_t>(made->piece_ends.size());
  const int64_t vocabulary = recipe.config.size_or("vocab_size", count);
  if (count > vocabulary)
    throw ConvertError("its tokenizer has " + std::to_string(count) +
                           " tokens, more than the model's " + std::to_string(vocabulary),
                       "checkpoint");
  recipe.task->tokenizer = std::move(made);
}

}  // namespace heed::families
