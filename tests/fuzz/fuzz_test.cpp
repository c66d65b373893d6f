// Every target of tests/fuzz on its seeds, on every input that ever broke it (corpus/<target>/),
// and on some changes of both. HEED_FUZZ_ROUNDS sets how many; platforms/linux/run_fuzz.sh lets
// libFuzzer search.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>

#include "engine/heed.hpp"
#include "tests/fuzz/exact_bytes.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/tiny_models.h"

using namespace heed::test;

namespace {

int64_t rounds() {
  const char* given = std::getenv("HEED_FUZZ_ROUNDS");
  return given != nullptr ? std::atoll(given) : 1500;
}

bool opens(std::span<const std::byte> bytes, heed::Diagnostic* diagnostic = nullptr) {
  heed::Model model;
  return model.open(bytes, diagnostic) == heed::Status::ok;
}

void turn_back(FuzzBytes& bytes, size_t bit) {
  bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
}
/// Turns any bit. Returns which.
size_t turn_bit(FuzzBytes& bytes, SeededRandom& random) {
  const auto bits = static_cast<int64_t>(bytes.size()) * 8;
  const auto bit = static_cast<size_t>(random.integer(0, bits - 1));
  turn_back(bytes, bit);
  return bit;
}

/// Opened and run once, whatever it costs, in memory of exactly the size that it asks for. False
/// where it was refused.
bool runs(std::span<const uint8_t> bytes) {
  const ExactBytes file(bytes.size());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(file.span().data()));
  heed::Model model;
  size_t needed = 0;
  heed_options options{};
  options.threads = 1;
  if (model.open(file.span()) != heed::Status::ok ||
      model.memory_needed(options, &needed) != heed::Status::ok)
    return false;
  const ExactBytes memory(needed);
  heed::Session session;
  if (session.create(model, options, memory.span()) != heed::Status::ok) return false;
  for (int32_t e = 0; e < model.info().entry_points; ++e) {
    heed_entry_point entry;
    REQUIRE(heed_model_entry_point(model.get(), e, &entry) == HEED_OK);
    const heed::Status status = session.run(entry.name);
    if (status != heed::Status::ok && status != heed::Status::bad_input)
      FAIL("a run ended with status " << static_cast<int>(status));
  }
  return true;
}

}  // namespace

TEST_CASE("every fuzz target takes its seeds, its corpus and changes of them") {
  REQUIRE(!fuzz_targets().empty());
  for (const FuzzTarget* target : fuzz_targets()) {
    INFO("target " << target->name);
    const std::vector<FuzzBytes> all = known_inputs(*target);
    REQUIRE(!all.empty());
    for (const FuzzBytes& bytes : all) target->run(bytes);
    double slowest = 0;
    SeededRandom random(static_cast<uint64_t>(rounds()));
    for (int64_t round = 0; round < rounds(); ++round) {
      FuzzBytes bytes = all[static_cast<size_t>(round) % all.size()];
      mutate(*target, bytes, random);
      slowest = std::max(slowest, run_timed(*target, bytes));
    }
    CHECK(slowest <= kFuzzSecondsMax);
  }
}

TEST_CASE("a .heed file cut short anywhere is refused, and with a bit turned it stays in bounds") {
  const FuzzTarget& target = *find_fuzz_target("heed");
  std::vector<FuzzBytes> files = target.seeds();
  SeededRandom random(3);
  const auto share = rounds() / static_cast<int64_t>(files.size()) + 1;
  for (size_t i = 0; i < files.size(); ++i) {
    INFO("file " << i);
    FuzzBytes& bytes = files[i];
    heed::Diagnostic diagnostic;
    ShrinkingBytes shrinking(bytes);
    const bool opened_whole = opens(shrinking.cut(bytes.size()), &diagnostic);
    INFO(diagnostic.text());
    CHECK(opened_whole);
    const size_t size = bytes.size(), step = std::max<size_t>(size / static_cast<size_t>(share), 1);
    for (size_t cut = size - 1; cut < size; cut -= step) {  // to below 0, which wraps
      const bool opened = opens(shrinking.cut(cut));
      if (opened) FAIL("opened when cut to " << cut << " of " << size << " bytes");
    }
    for (int64_t turn = share; turn > 0; --turn) {
      const size_t bit = turn_bit(bytes, random);
      target.run(bytes);
      turn_back(bytes, bit);
    }
  }
}

// HEED_FUZZ_FILE names a larger one, with as many turned bits as HEED_FUZZ_ROUNDS says.
TEST_CASE(
    "a written .heed file cut at every byte is refused; with a bit turned it runs or is not") {
  const char* given = std::getenv("HEED_FUZZ_FILE");
  FuzzBytes bytes = read_bytes(given ? given : HEED_SOURCE_DIR "/tests/golden/v1/attention.heed");
  REQUIRE(runs(bytes));
  ShrinkingBytes shrinking(bytes);
  for (size_t cut = bytes.size(); cut-- > 0;) {
    const bool opened = opens(shrinking.cut(cut));
    if (opened) FAIL("opened when cut to " << cut << " bytes");
  }
  SeededRandom random(3);
  int64_t ran = 0;
  for (int64_t turn = rounds(); turn > 0; --turn) {
    const size_t bit = turn_bit(bytes, random);
    ran += runs(bytes);
    turn_back(bytes, bit);
  }
  if (given)
    WARN(bytes.size() << " cuts refused; of " << rounds() << " files with a bit turned " << ran
                      << " ran");
  CHECK(ran > 0);
}

TEST_CASE("every folder of the corpus belongs to a fuzz target") {
  const std::filesystem::path corpus = std::filesystem::path(HEED_SOURCE_DIR) / "tests/fuzz/corpus";
  for (const auto& folder : std::filesystem::directory_iterator(corpus)) {
    const std::string name = folder.path().filename().string();
    INFO(name);
    if (name.rfind("import_", 0) != 0) CHECK(find_fuzz_target(name) != nullptr);
  }
}
