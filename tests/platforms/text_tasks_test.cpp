// heed_text_reader and heed_text_generator: transformers' values, nothing allocated in a run, and a
// status for what does not fit.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/heed_tasks.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::test::AllocTrap;

/// A tiny checkpoint in float32, opened.
struct Checkpoint {
  heed::test::TemporaryFolder folder;
  heed::Model model;

  explicit Checkpoint(const std::string& name) {
    const heed::test::FamilyGolden golden = heed::test::read_family_golden(name);
    golden.write_folder(folder.file("checkpoint"));
    heed::ConvertOptions options;
    options.output = folder.file("model.heed");
    options.dims = golden.dims;
    options.keep_float = {"*"};
    options.random_samples = 0;
    heed::convert(folder.file("checkpoint"), options);
    heed::Diagnostic diagnostic;
    REQUIRE(model.open(options.output.c_str(), &diagnostic) == heed::Status::ok);
  }
};

}  // namespace

TEST_CASE("a text reader gives one embedding a text and allocates nothing meanwhile") {
  const Checkpoint checkpoint("sentence");
  heed_text_reader* reader = nullptr;
  heed_diagnostic diagnostic;
  REQUIRE(heed_text_reader_create(checkpoint.model.get(), nullptr, &reader, &diagnostic) ==
          HEED_OK);
  int32_t width = 0;
  std::vector<std::vector<float>> all;
  for (const char* text : {"the quick fox", "hello world, hello again", "", "the quick fox"}) {
    REQUIRE(AllocTrap::works());
    int64_t allocations = 0;
    {
      const AllocTrap trap;
      CHECK(heed_text_reader_run(reader, text, std::strlen(text), &diagnostic) == HEED_OK);
      allocations = trap.count();
    }
    CHECK(allocations == 0);
    const float* values = heed_text_reader_values(reader, &width);
    all.emplace_back(values, values + width);
  }
  CHECK(width == 32);
  CHECK(all[0] == all[3]);
  CHECK(all[0] != all[1]);
  float length = 0;
  for (const float value : all[1]) length += value * value;
  CHECK(std::abs(length - 1.0f) < 1e-5f);
  CHECK(heed_text_reader_run(reader, nullptr, 3, &diagnostic) == HEED_INVALID_ARGUMENT);
  heed_answer answers[2];
  CHECK(heed_text_reader_answers(reader, answers, 2) == 2);
  CHECK(heed_text_reader_session(reader) != nullptr);
  heed_text_reader_destroy(reader);
}

TEST_CASE("a text generator goes on to the context's end and allocates nothing meanwhile") {
  const Checkpoint checkpoint("llama");
  heed_text_generator* generator = nullptr;
  heed_diagnostic diagnostic;
  heed_sampling sampling{};
  sampling.temperature = 0.8f;
  sampling.top_k = 40;
  REQUIRE(heed_text_generator_create(checkpoint.model.get(), nullptr, &sampling, &generator,
                                     &diagnostic) == HEED_OK);
  const char* text = nullptr;
  size_t bytes = 0, tokens = 0;
  REQUIRE(AllocTrap::works());
  int64_t allocations = 0;
  {
    const AllocTrap trap;
    CHECK(heed_text_generator_start(generator, "the fox", 7, &diagnostic) == HEED_OK);
    do {
      CHECK(heed_text_generator_next(generator, &text, &bytes, &diagnostic) == HEED_OK);
      ++tokens;
    } while (text != nullptr && tokens < 100);
    allocations = trap.count();
  }
  CHECK(allocations == 0);
  CHECK(tokens > 3);
  CHECK(tokens < 30);  // the context is 24 tokens
  const std::string large(500, 'x');
  CHECK(heed_text_generator_start(generator, large.c_str(), large.size(), &diagnostic) ==
        HEED_LIMIT_EXCEEDED);
  heed_text_generator_destroy(generator);
}

TEST_CASE("a model that is not one for a text task is refused") {
  const Checkpoint embedder("sentence"), pictures("vit");
  heed_text_reader* reader = nullptr;
  heed_text_generator* generator = nullptr;
  heed_diagnostic diagnostic;
  CHECK(heed_text_reader_create(nullptr, nullptr, &reader, &diagnostic) == HEED_INVALID_ARGUMENT);
  CHECK(heed_text_reader_create(pictures.model.get(), nullptr, &reader, &diagnostic) ==
        HEED_NOT_FOUND);
  CHECK(heed_text_generator_create(embedder.model.get(), nullptr, nullptr, &generator,
                                   &diagnostic) == HEED_BAD_MODEL);
  CHECK(std::string(diagnostic.where).find("decode_step") != std::string::npos);
  CHECK(reader == nullptr);
  CHECK(generator == nullptr);
}
