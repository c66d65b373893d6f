// Language models: recipes of decoders, their caches, prompts read in chunks, and texts as tokens.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "converter/compare.h"
#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/text_generator.h"
#include "models/text_reader.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"

namespace {

using heed::Model;
using heed::TextGenerator;
using heed::test::FamilyGolden;
using heed::test::TemporaryFolder;

Model converted(const std::string& folder, const std::string& file,
                const std::map<std::string, int64_t>& dims, bool floats) {
  heed::ConvertOptions options;
  options.output = file;
  options.dims = dims;
  if (floats) options.keep_float = {"*"};
  options.random_samples = 0;
  heed::convert(folder, options);
  Model model;
  heed::Diagnostic diagnostic;
  REQUIRE(model.open(file.c_str(), &diagnostic) == heed::Status::ok);
  return model;
}

void check_row(const TextGenerator& generator, const FamilyGolden& golden, size_t row) {
  const auto& logits = golden.outputs[0];
  const auto width = static_cast<size_t>(logits.shape[1]);
  double largest = 0;
  for (size_t i = 0; i < width; ++i)
    largest = std::max(
        largest, std::abs(double{generator.logits()[i]} - double{logits.floats[row * width + i]}));
  INFO("row " << row);
  CHECK(largest < 1e-4);
}

void check_decoder(const std::string& name, int64_t prompt_chunk = 0) {
  FamilyGolden golden = heed::test::read_family_golden(name);
  if (prompt_chunk > 0) golden.dims["prompt_chunk"] = prompt_chunk;
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const Model model =
      converted(folder.path().string(), folder.file("float.heed"), golden.dims, true);
  TextGenerator generator;
  std::string error;
  const heed_options options{};
  INFO(error);
  REQUIRE(generator.create(model.get(), options, {}, &error));
  CHECK(generator.context() == static_cast<size_t>(golden.dims.at("context_length")));
  const size_t count = golden.steps.size();
  // Token by token, then the beginning in chunks of which the last is not full.
  for (const size_t prompt : {size_t{1}, count - 6}) {
    REQUIRE(generator.start_tokens(golden.steps.data(), prompt, &error));
    check_row(generator, golden, prompt - 1);
    for (size_t row = prompt; row < count; ++row) {
      REQUIRE(generator.feed(golden.steps[row], &error));
      check_row(generator, golden, row);
    }
  }
  int32_t token = 0;
  std::string_view text;
  {
    heed::test::AllocTrap trap;
    generator.start("the fox", &error);
    while (generator.next(&token, &text, &error)) continue;
    CHECK(trap.count() == 0);
  }
  CHECK(error.empty());  // it ended with the context, or with a stop token
  const std::vector<int32_t> long_prompt(generator.context() + 1, 5);
  CHECK_FALSE(generator.start_tokens(long_prompt.data(), long_prompt.size(), &error));
  CHECK(error.find("more tokens than the model's context, 24") != std::string::npos);
  REQUIRE(generator.start_tokens(long_prompt.data(), generator.context(), &error));
  CHECK_FALSE(generator.feed(5, &error));
}

/// A golden's model in float32, and its tokenizer.
struct GoldenTokenizer {
  FamilyGolden golden;
  TemporaryFolder folder;
  Model model;
  heed::Tokenizer tokenizer;

  explicit GoldenTokenizer(const std::string& name) : golden(heed::test::read_family_golden(name)) {
    golden.write_folder(folder.path().string());
    model = converted(folder.path().string(), folder.file("a.heed"), golden.dims, true);
    std::string error;
    REQUIRE(tokenizer.create(*model.get(), &error));
  }
};

}  // namespace

TEST_CASE("a Llama folder decodes as transformers does") { check_decoder("llama"); }
TEST_CASE("a Llama folder whose prompts are read token by token decodes just so") {
  check_decoder("llama", 1);
}
TEST_CASE("a Mistral folder, whose tokens see a window of the last, decodes as transformers does") {
  check_decoder("mistral");
}
TEST_CASE("a Llama folder with Llama 3's tokenizer decodes as transformers does") {
  check_decoder("llama3");
}
TEST_CASE("a Llama folder that writes its spaces as newer ones do decodes as transformers does") {
  check_decoder("spaces");
}
TEST_CASE("a Qwen2 folder, whose projections have biases, decodes as transformers does") {
  check_decoder("qwen2");
}
TEST_CASE("a GPT-2 folder decodes as transformers does") { check_decoder("gpt2"); }

/// A text's tokens, parted by '|', of a folder whose list of merges is empty.
std::string unmerged(const std::string& name, const std::string& text) {
  FamilyGolden golden = heed::test::read_family_golden(name);
  auto json = nlohmann::ordered_json::parse(golden.files.at("tokenizer.json"));
  json["model"]["merges"] = nlohmann::ordered_json::array();
  golden.files["tokenizer.json"] = json.dump();
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const Model model = converted(folder.path().string(), folder.file("a.heed"), golden.dims, true);
  heed::Tokenizer tokenizer;
  std::string error;
  const bool created = tokenizer.create(*model.get(), &error);
  INFO(error);
  REQUIRE(created);
  std::vector<int32_t> ids(100);
  ids.resize(tokenizer.encode(text, ids.data(), ids.size()));
  std::string parted;
  for (const int32_t id : ids)
    parted += (parted.empty() ? "" : "|") + std::string(tokenizer.text_of(id, false));
  return parted;
}

// Both vocabularies have "the", "he" and "ll", Llama 3's " fox" too.
TEST_CASE("without merges no letters are joined, as the tokenizers library has it") {
  CHECK(unmerged("gpt2", "the hell fox") == "t|h|e| |h|e|l|l| |f|o|x");
  CHECK(unmerged("llama3", "the hell fox") == "the| |h|e|l|l| fox");  // words that are tokens
}

TEST_CASE("texts become the tokens that the tokenizers library makes of them") {
  const std::set<std::string> whole_goldens = {"sentence", "unigram", "albert", "xlnet_texts",
                                               "deberta_texts"};
  for (const std::string name : {"sentence", "llama", "spaces", "llama3", "qwen2", "gpt2",
                                 "unigram", "albert", "xlnet_texts", "deberta_texts"}) {
    GoldenTokenizer made(name);
    const FamilyGolden& golden = made.golden;
    heed::Tokenizer& tokenizer = made.tokenizer;
    const bool whole = whole_goldens.count(name) > 0;
    const size_t around = whole ? 0 : tokenizer.before().size();
    std::vector<int32_t> ids(2000);
    REQUIRE(golden.texts.size() > 10);
    for (const auto& [text, expected] : golden.texts) {
      INFO(name << ": " << text);
      const size_t count = tokenizer.encode_whole(text, ids.data(), ids.size());
      REQUIRE(count >= around);
      CHECK(std::vector<int32_t>(ids.begin() + static_cast<ptrdiff_t>(around),
                                 ids.begin() + static_cast<ptrdiff_t>(count)) == expected);
      if (whole) continue;
      std::string back;
      for (size_t i = around; i < count; ++i) back += tokenizer.text_of(ids[i], i == around);
      // Composed characters come back as they are composed, which is the same text. A space that
      // begins a text is not told from one that is put before it.
      const size_t again = tokenizer.encode_whole(back, ids.data(), ids.size());
      CHECK((back == text || name == "qwen2" || (name == "spaces" && " " + back == text)));
      if (back.empty()) continue;
      CHECK(std::vector<int32_t>(ids.begin() + static_cast<ptrdiff_t>(around),
                                 ids.begin() + static_cast<ptrdiff_t>(again)) == expected);
    }
    // Room for fewer tokens: the first ones, and what belongs around them.
    const size_t all = tokenizer.encode_whole("the quick brown fox", ids.data(), 200);
    const int32_t last = ids[all - 1];
    const size_t few = tokenizer.encode_whole("the quick brown fox", ids.data(), 4);
    CHECK(few == 4);
    if (name == "sentence") CHECK(ids[3] == last);
  }
}

TEST_CASE("texts are parted into words as published tokenizers part them, and by any behaviour") {
  FamilyGolden golden = heed::test::read_family_golden("words");
  REQUIRE(golden.words.size() > 30);
  const auto published = nlohmann::ordered_json::parse(golden.files.at("tokenizer.json"));
  for (const auto& words : golden.words) {
    auto json = published;
    json["pre_tokenizer"] = nlohmann::ordered_json::parse(words.pre_tokenizer);
    json["model"]["ignore_merges"] = words.whole_words;
    golden.files["tokenizer.json"] = json.dump();
    TemporaryFolder folder;
    golden.write_folder(folder.path().string());
    const Model model = converted(folder.path().string(), folder.file("a.heed"), golden.dims, true);
    heed::Tokenizer tokenizer;
    std::string error;
    INFO(words.pre_tokenizer);
    const bool created = tokenizer.create(*model.get(), &error);
    INFO(error);
    REQUIRE(created);
    REQUIRE(words.hashes.size() <= golden.texts.size());
    std::vector<int32_t> ids(200);
    for (size_t i = 0; i < words.hashes.size(); ++i) {
      INFO(golden.texts[i].first);
      const size_t count = tokenizer.encode(golden.texts[i].first, ids.data(), ids.size());
      CHECK(heed::test::hash_tokens({ids.data(), count}) == words.hashes[i]);
    }
  }
}

TEST_CASE("words of any length become the tokens that the tokenizers library makes of them") {
  for (const std::string name : {"llama", "spaces", "llama3", "qwen2", "gpt2"}) {
    GoldenTokenizer made(name);
    const FamilyGolden& golden = made.golden;
    heed::Tokenizer& tokenizer = made.tokenizer;
    std::vector<int32_t> ids(40000);
    REQUIRE(golden.long_texts.size() >= 8);
    for (const auto& known : golden.long_texts) {
      INFO(name << ": " << known.text.size() << " bytes from " << known.text.substr(0, 8));
      size_t count = 0;
      {
        heed::test::AllocTrap trap;
        count = tokenizer.encode(known.text, ids.data(), ids.size());
        CHECK(trap.count() == 0);
      }
      CHECK(count == known.tokens);
      CHECK(heed::test::hash_tokens({ids.data(), count}) == known.hash);
      // Room for fewer: the first of them.
      std::vector<int32_t> few(count / 2);
      CHECK(tokenizer.encode(known.text, few.data(), few.size()) == few.size());
      CHECK(std::equal(few.begin(), few.end(), ids.begin()));
    }
  }
}

TEST_CASE("a sentence embedder reads texts without an allocation, cuts long ones, and compares") {
  const FamilyGolden golden = heed::test::read_family_golden("sentence");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const std::string file = folder.file("int8.heed");
  const Model model = converted(folder.path().string(), file, golden.dims, false);
  heed::TextReader reader;
  std::string error;
  REQUIRE(reader.create(model.get(), heed_options{}, "", &error));
  const std::string long_text(3000, 'a'), words =
                                              "we don't know what they'll say, hello world "
                                              "again and again and again";
  {
    heed::test::AllocTrap trap;
    for (const std::string* text : {&words, &long_text}) CHECK(reader.read(*text, &error));
    CHECK(trap.count() == 0);
  }
  REQUIRE(reader.read(words, &error));
  CHECK(reader.tokens() == static_cast<size_t>(golden.dims.at("sequence_length")));
  const std::vector<float> first(reader.values(), reader.values() + reader.width());
  REQUIRE(reader.read("hello", &error));
  CHECK(reader.tokens() == 3);
  double squares = 0;
  for (size_t i = 0; i < reader.width(); ++i)
    squares += double{reader.values()[i]} * double{reader.values()[i]};
  CHECK(std::abs(squares - 1) < 1e-5);
  CHECK(std::vector<float>(reader.values(), reader.values() + reader.width()) != first);
  const heed::CompareReport report = heed::compare({{folder.path().string(), "main"}}, file, {});
  REQUIRE(report.outputs.size() == 1);
  CHECK(report.outputs[0].snr_db > 15);
}

TEST_CASE("stories260k: greedy tokens in float32, and int8 beside them") {
  const std::string folder = test_model("stories260k");
  TemporaryFolder out;
  nlohmann::json golden;
  std::ifstream(folder + "/golden_greedy.json") >> golden;
  const auto prompt = golden["prompt_tokens"].get<std::vector<int32_t>>();
  const auto expected = golden["greedy_tokens"].get<std::vector<int32_t>>();
  std::string error;
  for (const bool floats : {true, false}) {
    const Model model = converted(folder, out.file("stories.heed"), {}, floats);
    TextGenerator generator;
    REQUIRE(generator.create(model.get(), heed_options{}, {}, &error));
    REQUIRE(generator.start("", &error));
    size_t kept = 0;
    if (floats) {
      std::string text;
      std::string_view piece;
      int32_t token = 0;
      for (size_t i = 0; i < expected.size() && generator.next(&token, &piece, &error); ++i) {
        kept += token == expected[i];
        text += piece;
      }
      CHECK(kept == expected.size());
      // The recorded text is that of the pieces: a space first, line feeds by their names.
      std::string recorded = golden["text"].get<std::string>().substr(1);
      for (size_t at; (at = recorded.find("<0x0A>")) != std::string::npos;)
        recorded.replace(at, 6, "\n");
      CHECK(text == recorded);
      continue;
    }
    REQUIRE(generator.start_tokens(prompt.data(), prompt.size(), &error));
    for (const int32_t token : expected) {
      const float* logits = generator.logits();
      kept += std::max_element(logits, logits + generator.vocabulary()) - logits == token;
      REQUIRE(generator.feed(token, &error));
    }
    INFO(kept << " of " << expected.size());
    CHECK(kept * 100 >= expected.size() * 97);
  }
}
