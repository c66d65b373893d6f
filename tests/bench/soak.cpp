// soak MODEL [SECONDS [RUNS [THREADS]]]: runs a model for so long or so often, whichever ends
// first, and fails unless the process stays as it was: resident memory, open files, outputs bit for
// bit, no allocation in any run. Model and session are opened anew every so often, which must leave
// nothing behind either.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "tests/support/alloc_trap.h"
#include "tests/support/seeded_random.h"

namespace {

using namespace heed;
using Clock = std::chrono::steady_clock;

constexpr int64_t kRunsPerSession = 500;  // or a fortieth of the time
constexpr int64_t kRunsPerLook = 250;
constexpr int64_t kWarmSessions = 12;          // then the heap has the shape that it keeps
constexpr int64_t kRssSlackBytes = 512 << 10;  // pages of the file come and go as the system likes

/// Latencies in buckets 1 % apart: a day of runs in a few kilobytes.
class Latencies {
 public:
  void add(int64_t ns) {
    const double step = std::log(static_cast<double>(std::max<int64_t>(ns, 1))) / kLogStep;
    ++counts_[std::min(static_cast<size_t>(step), kBuckets - 1)];
    ++total_;
    most_ = std::max(most_, ns);
  }
  double quantile_us(double share) const {
    const auto rank = static_cast<int64_t>(share * static_cast<double>(total_));
    int64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i)
      if ((seen += counts_[i]) > rank)
        return std::exp((static_cast<double>(i) + 0.5) * kLogStep) / 1e3;
    return most_us();
  }
  double most_us() const { return static_cast<double>(most_) / 1e3; }
  int64_t total() const { return total_; }

 private:
  static constexpr size_t kBuckets = 3000;
  static constexpr double kLogStep = 0.00995;
  int64_t counts_[kBuckets] = {};
  int64_t total_ = 0, most_ = 0;
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "soak: %s\n", why.c_str());
  std::exit(1);
}

int64_t resident_bytes() {
  long long pages = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%lld %lld", &pages, &resident) != 2)
    give_up("/proc/self/statm cannot be read");
  std::fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

int64_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

/// A model with a session of it; each run begins from the same state and the same inputs.
class Subject {
 public:
  Subject(const char* path, int32_t threads) {
    Diagnostic diagnostic;
    heed_options options{};
    options.threads = threads;
    if (model_.open(path, &diagnostic) != Status::ok ||
        session_.create(model_, options, &diagnostic) != Status::ok)
      give_up(diagnostic.text());
    heed_entry_point entry;
    if (heed_model_entry_point(model_.get(), 0, &entry) != HEED_OK) give_up("no entry point");
    for (int32_t i = 0; i < entry.inputs; ++i) {
      heed_tensor tensor;
      (void)heed_model_input(model_.get(), nullptr, i, &tensor);
      (void)heed_session_tensor(session_.get(), tensor.index, &tensor);
      inputs_.push_back(tensor);
    }
    for (int32_t i = 0; i < entry.outputs; ++i) {
      heed_tensor tensor;
      (void)heed_model_output(model_.get(), nullptr, i, &tensor);
      (void)heed_session_tensor(session_.get(), tensor.index, &tensor);
      outputs_.push_back(tensor);
    }
  }

  void prepare() {
    test::SeededRandom random(1);
    for (const heed_tensor& input : inputs_) {
      if (input.type == HEED_F32)
        random.fill({static_cast<float*>(input.data), input.bytes / sizeof(float)});
      else
        std::memset(input.data, 0, input.bytes);
    }
    session_.reset();
  }
  bool run() { return session_.run() == Status::ok; }
  uint64_t hash() const {
    uint64_t hash = 1469598103934665603u;
    for (const heed_tensor& output : outputs_)
      for (size_t i = 0; i < output.bytes; ++i)
        hash = (hash ^ static_cast<const uint8_t*>(output.data)[i]) * 1099511628211u;
    return hash;
  }

 private:
  Model model_;
  Session session_;
  std::vector<heed_tensor> inputs_, outputs_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2 || count > 5) {
    std::fputs("usage: soak MODEL [SECONDS [RUNS [THREADS]]]\n", stderr);
    return 2;
  }
  const double seconds = count > 2 ? std::atof(arguments[2]) : 10;
  const int64_t runs = count > 3 ? std::atoll(arguments[3]) : INT64_MAX;
  const int32_t threads = count > 4 ? std::atoi(arguments[4]) : 1;
  if (!test::AllocTrap::works()) give_up("this program cannot count allocations");
  static Latencies latencies;
  int64_t allocations = 0, rss_first = 0, rss_most = 0, files_first = 0, sessions = 0;
  uint64_t bits = 0;
  const auto begin = Clock::now();
  const auto over = [&] {
    return latencies.total() >= runs ||
           std::chrono::duration<double>(Clock::now() - begin).count() >= seconds;
  };
  while (!over()) {
    Subject subject(arguments[1], threads);
    const auto opened = Clock::now();
    const auto old = [&] {
      return std::chrono::duration<double>(Clock::now() - opened).count() > seconds / 40;
    };
    for (int64_t i = 0; i < kRunsPerSession && !old() && !over(); ++i) {
      const test::AllocTrap trap;
      subject.prepare();
      const auto before = Clock::now();
      if (!subject.run()) give_up("a run failed");
      latencies.add(std::chrono::nanoseconds(Clock::now() - before).count());
      allocations += trap.count();
      if (i % kRunsPerLook != 0 && !over()) continue;
      if (bits == 0) bits = subject.hash();
      if (subject.hash() != bits) give_up("the outputs are other bits than at first");
      const int64_t rss = resident_bytes();
      rss_most = std::max(rss_most, rss);
      if (sessions == kWarmSessions && i == 0) {
        rss_first = rss;
        files_first = open_files();
      }
      if (sessions >= kWarmSessions && open_files() != files_first) give_up("files stay open");
      if (sessions >= kWarmSessions && rss > rss_first + kRssSlackBytes)
        give_up("resident memory grew from " + std::to_string(rss_first >> 10) + " to " +
                std::to_string(rss >> 10) + " kB");
    }
    ++sessions;
  }
  std::printf(
      "%lld runs in %lld sessions: median %.1f us, p99 %.1f, p99.9 %.1f (%.2f of the median), most "
      "%.1f; %lld allocations; resident %lld kB, then %lld, at most %lld; %lld open files; "
      "the same bits\n",
      static_cast<long long>(latencies.total()), static_cast<long long>(sessions),
      latencies.quantile_us(0.5), latencies.quantile_us(0.99), latencies.quantile_us(0.999),
      latencies.quantile_us(0.999) / latencies.quantile_us(0.5), latencies.most_us(),
      static_cast<long long>(allocations), static_cast<long long>(rss_first / 1024),
      static_cast<long long>(resident_bytes() / 1024), static_cast<long long>(rss_most / 1024),
      static_cast<long long>(open_files()));
  if (allocations != 0) give_up("a run allocated");
  if (sessions < kWarmSessions + 2) give_up("too short to tell: too few sessions");
  return 0;
}
