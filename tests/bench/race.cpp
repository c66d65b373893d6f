#include "tests/bench/race.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "ops/peak/peak.h"
#include "tests/bench/int8_peak.h"

namespace heed::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(const std::function<void()>& run, int times) {
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(Clock::now() - start).count() / times;
}

// The best of rounds that last about 200 us each; one run where there is no time.
double best_seconds(const std::function<void()>& run, double budget_s) {
  if (budget_s <= 0) return seconds(run, 1);
  run();
  const int times = std::max(1, static_cast<int>(0.0002 / std::max(1e-7, seconds(run, 1))));
  double best = 1e30;
  const Clock::time_point start = Clock::now();
  do best = std::min(best, seconds(run, times));
  while (std::chrono::duration<double>(Clock::now() - start).count() < budget_s);
  return best;
}

double share(const Work& work, const Contender& contender) {
  return work.multiply_adds / contender.best_s / contender.peak;
}

}  // namespace

double memory_seconds(double bytes_read, double bytes_written, double budget_s) {
  static std::map<std::pair<size_t, size_t>, double> known;
  const size_t written = (static_cast<size_t>(bytes_written) + 63) / 64 * 64;
  const size_t read = (static_cast<size_t>(bytes_read) + 63) / 64 * 64;
  double& best = known[{read, written}];
  if (best > 0) return best;
  Buffer<char> from(std::max(read, written)), to(written);
  const size_t copied = std::min(read, written);
  const auto copy_and = [&](auto&& read_rest) {
    return [&, read_rest] {
      if (copied > 0) std::memcpy(to.data(), from.data(), copied);
      if (read > copied) read_rest(from.data() + copied, read - copied);
      if (written > copied) std::memset(to.data() + copied, 1, written - copied);
    };
  };
  // Two ways to read, since the system's own search for a byte is wider on some machines.
  best = std::min(best_seconds(copy_and([](const char* data, size_t bytes) {
                                 volatile uint64_t sum = read_all(data, bytes);
                                 (void)sum;
                               }),
                               budget_s),
                  best_seconds(copy_and([](const char* data, size_t bytes) {
                                 const void* volatile found = std::memchr(data, 1, bytes);
                                 (void)found;
                               }),
                               budget_s));
  return best;
}

bool Race::wanted(const Work& work, const std::string& contender) const {
  return (work.family + " " + work.shape + " " + contender).find(filter_) != std::string::npos;
}

bool Race::enters(const Work& work, const char* variant, IsaSet isa) const {
  const bool slow =
      isa == IsaSet() && (work.multiply_adds > 2e6 || work.bytes_read + work.bytes_written > 2e6);
  return detect_isa().contains(isa) && !slow && wanted(work, variant);
}

void Race::run(const Work& work, std::vector<Contender> contenders) {
  const int rounds = seconds_ > 0 ? 5 : 1;
  for (int round = 0; round < rounds; ++round)
    for (Contender& c : contenders)
      c.best_s = std::min(c.best_s, best_seconds(c.run, seconds_ / rounds));
  double xnnpack_s = 0;
  for (const Contender& c : contenders)
    if (c.name.rfind("XNNPACK", 0) == 0) xnnpack_s = c.best_s;
  const double yardstick_s =
      contenders.empty()
          ? 0
          : memory_seconds(work.bytes_read, work.bytes_written, std::min(seconds_, 0.01));
  for (Contender& c : contenders) {
    rows_.push_back({work, c, xnnpack_s, yardstick_s});
    if (!quiet_) print(rows_.back());
  }
}

void Race::print(const Row& row) const {
  const double s = row.contender.best_s;
  std::printf("%-12s %-20s %-16s %10.2f us", row.work.family.c_str(), row.work.shape.c_str(),
              row.contender.name.c_str(), 1e6 * s);
  if (row.work.multiply_adds > 0)
    std::printf(" %7.1f GMAC/s", 1e-9 * row.work.multiply_adds / s);
  else
    std::printf(" %7.1f GB/s  ", 1e-9 * (row.work.bytes_read + row.work.bytes_written) / s);
  if (row.contender.peak > 0)
    std::printf("  %5.1f %% of int8 peak", 100 * share(row.work, row.contender));
  std::printf("  %5.1f %% of memory", 100 * row.yardstick_s / s);
  if (row.xnnpack_s > 0) std::printf("  %5.2f x XNNPACK", row.xnnpack_s / s);
  std::printf("\n");
  std::fflush(stdout);
}

bool Race::write_json(const char* path) const {
  FILE* file = std::fopen(path, "w");
  if (file == nullptr) return false;
  std::fprintf(file, "{\"isa\": \"%s\", \"int8_peak\": \"%s\", \"int8_peak_gmacs\": %.1f,\n",
               isa_name(detect_isa()), int8_peak_feature(), 1e-9 * int8_peak(int8_peak_feature()));
  std::fprintf(file, " \"rows\": [");
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    const double s = row.contender.best_s;
    std::fprintf(file,
                 "%s\n  {\"family\": \"%s\", \"shape\": \"%s\", \"variant\": \"%s\", \"us\": %.4f, "
                 "\"multiply_adds\": %.0f, \"bytes_read\": %.0f, \"bytes_written\": %.0f, "
                 "\"share_of_memory\": %.4f",
                 i > 0 ? "," : "", row.work.family.c_str(), row.work.shape.c_str(),
                 row.contender.name.c_str(), 1e6 * s, row.work.multiply_adds, row.work.bytes_read,
                 row.work.bytes_written, row.yardstick_s / s);
    if (row.contender.peak > 0)
      std::fprintf(file, ", \"share_of_int8_peak\": %.4f", share(row.work, row.contender));
    if (row.xnnpack_s > 0) std::fprintf(file, ", \"times_xnnpack\": %.4f", row.xnnpack_s / s);
    std::fprintf(file, "}");
  }
  std::fprintf(file, "\n ]}\n");
  return std::fclose(file) == 0;
}

}  // namespace heed::bench
