// The fuzz targets under libFuzzer, all in one program: HEED_FUZZ_TARGET names the one to run. With
// HEED_FUZZ_SEEDS, a folder, its seeds are written there and nothing else happens.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tests/fuzz/fuzz_target.h"

namespace {

const heed::test::FuzzTarget* chosen = nullptr;

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* bytes, size_t size, size_t size_max);

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("HEED_FUZZ_TARGET");
  if (name != nullptr) chosen = heed::test::find_fuzz_target(name);
  if (chosen == nullptr) {
    std::fputs("HEED_FUZZ_TARGET names none of the targets:", stderr);
    for (const auto* target : heed::test::fuzz_targets()) std::fprintf(stderr, " %s", target->name);
    std::fputs("\n", stderr);
    std::exit(2);
  }
  if (const char* folder = std::getenv("HEED_FUZZ_SEEDS")) {
    int number = 0;
    for (const auto& seed : chosen->seeds()) {
      const std::string path = std::string(folder) + "/seed" + std::to_string(number++);
      std::ofstream file(path, std::ios::binary);
      file.write(reinterpret_cast<const char*>(seed.data()),
                 static_cast<std::streamsize>(seed.size()));
      if (!file.flush()) std::exit(1);
    }
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (heed::test::run_timed(*chosen, {bytes, size}) > heed::test::kFuzzSecondsMax) {
    std::fputs("an input took too long\n", stderr);
    std::abort();
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* bytes, size_t size, size_t size_max,
                                          unsigned int seed) {
  heed::test::SeededRandom random(seed);
  if (chosen->mutate != nullptr && random.integer(0, 7) != 0) {
    heed::test::FuzzBytes changed(bytes, bytes + size);
    if (chosen->mutate(changed, random) && changed.size() <= size_max) {
      if (!changed.empty()) std::memcpy(bytes, changed.data(), changed.size());
      return changed.size();
    }
  }
  return LLVMFuzzerMutate(bytes, size, size_max);
}
