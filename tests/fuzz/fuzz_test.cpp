// Every target of tests/fuzz on its seeds, on every input that ever broke it (corpus/<target>/),
// and on some changes of both. HEED_FUZZ_ROUNDS sets how many; platforms/linux/run_fuzz.sh lets
// libFuzzer search.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>

#include "engine/heed.hpp"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/tiny_models.h"

using namespace heed::test;

namespace {

int64_t rounds() {
  const char* given = std::getenv("HEED_FUZZ_ROUNDS");
  return given != nullptr ? std::atoll(given) : 1500;
}

bool opens(std::span<const uint8_t> bytes, heed::Diagnostic* diagnostic = nullptr) {
  const AlignedBytes aligned(std::as_bytes(bytes));
  heed::Model model;
  return model.open(aligned.span(), diagnostic) == heed::Status::ok;
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
  const size_t tiny = files.size();
  if (const char* path = std::getenv("HEED_FUZZ_FILE")) files.push_back(read_bytes(path));
  SeededRandom random(3);
  const auto share = rounds() / static_cast<int64_t>(files.size()) + 1;
  for (size_t i = 0; i < files.size(); ++i) {
    INFO("file " << i);
    FuzzBytes& bytes = files[i];
    heed::Diagnostic diagnostic;
    const bool opened_whole = opens(bytes, &diagnostic);
    INFO(diagnostic.text());
    CHECK(opened_whole);
    const bool given = i >= tiny;
    const size_t size = bytes.size(), least = static_cast<size_t>(given ? rounds() * 10 : share);
    const size_t step = std::max<size_t>(size / std::max<size_t>(least, 1), 1);
    for (size_t cut = 0; cut < size; cut += step) {
      const bool opened = opens({bytes.data(), cut});
      if (opened) FAIL("opened when cut to " << cut << " of " << size << " bytes");
    }
    for (int64_t turn = given ? rounds() : share; turn > 0; --turn) {
      const auto bit = static_cast<size_t>(random.integer(0, static_cast<int64_t>(size) * 8 - 1));
      const auto mask = static_cast<uint8_t>(1u << bit % 8);
      bytes[bit / 8] ^= mask;
      target.run(bytes);
      bytes[bit / 8] ^= mask;
    }
  }
}

TEST_CASE("every folder of the corpus belongs to a fuzz target") {
  const std::filesystem::path corpus = std::filesystem::path(HEED_SOURCE_DIR) / "tests/fuzz/corpus";
  for (const auto& folder : std::filesystem::directory_iterator(corpus)) {
    const std::string name = folder.path().filename().string();
    INFO(name);
    if (name.rfind("import_", 0) != 0) CHECK(find_fuzz_target(name) != nullptr);
  }
}
