// fuzz_changes TARGET COUNT [SEED [FOLDER]]: runs a fuzz target on so many changes of its seeds, of
// its corpus and of the files of FOLDER, the same for the same SEED, and tells how many there were.
// An input that breaks it, or takes a second of processor time, is left beside: TARGET-SEED-NUMBER.

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tests/fuzz/fuzz_target.h"

// Where there is a sanitizer: called before it ends the process.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using namespace heed::test;

constexpr unsigned kSecondsStuck = 300;  // of the clock on the wall: an endless loop, or a wait
constexpr int64_t kChangesMax = 4;       // of one input, one upon the other
constexpr int64_t kTellEvery = 20'000;

FuzzBytes current;
std::string kept_as;

void keep() {
  std::FILE* file = std::fopen(kept_as.c_str(), "wb");
  if (file == nullptr) return;
  std::fwrite(current.data(), 1, current.size(), file);
  std::fclose(file);
  std::fprintf(stderr, "what broke it is in %s\n", kept_as.c_str());
}

void broken(int signal) {
  std::fprintf(stderr, "signal %d\n", signal);
  keep();
  _exit(1);
}

/// Returns the seconds it took; ends the process where that are too many.
double run_kept(const FuzzTarget& target) {
  alarm(kSecondsStuck);
  const double took = run_timed(target, current);
  alarm(0);
  if (took <= kFuzzSecondsMax) return took;
  std::fprintf(stderr, "%.2f s of processor time\n", took);
  keep();
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  const FuzzTarget* target = count > 1 ? find_fuzz_target(arguments[1]) : nullptr;
  if (target == nullptr || count < 3 || count > 5) {
    std::fputs("usage: fuzz_changes TARGET COUNT [SEED [FOLDER]]; targets:", stderr);
    for (const FuzzTarget* one : fuzz_targets()) std::fprintf(stderr, " %s", one->name);
    std::fputs("\n", stderr);
    return 2;
  }
  const int64_t changes = std::atoll(arguments[2]);
  const std::string seed = count > 3 ? arguments[3] : "1";
  std::vector<FuzzBytes> all = known_inputs(*target);
  if (count > 4)
    for (FuzzBytes& bytes : read_folder(arguments[4])) all.push_back(std::move(bytes));
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep);
  for (const int signal : {SIGABRT, SIGALRM, SIGINT, SIGTERM}) std::signal(signal, broken);

  SeededRandom random(std::strtoull(seed.c_str(), nullptr, 10));
  double slowest = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    kept_as = std::string(target->name) + "-known-" + std::to_string(i);
    current = all[i];
    slowest = std::max(slowest, run_kept(*target));
  }
  for (int64_t i = 0; i < changes; ++i) {
    kept_as = std::string(target->name) + "-" + seed + "-" + std::to_string(i);
    current = all[static_cast<size_t>(random.integer(0, static_cast<int64_t>(all.size()) - 1))];
    for (int64_t n = random.integer(1, random.integer(1, kChangesMax)); n > 0; --n)
      mutate(*target, current, random);
    slowest = std::max(slowest, run_kept(*target));
    if ((i + 1) % kTellEvery != 0 && i + 1 != changes) continue;
    std::printf("%s: %lld changes of %zu inputs, the slowest %.3f s, all %.0f s\n", target->name,
                static_cast<long long>(i + 1), all.size(), slowest,
                static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC));
    std::fflush(stdout);
  }
  return 0;
}
