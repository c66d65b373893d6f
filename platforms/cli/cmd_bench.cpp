// heed bench: how long a model takes on this machine, where the time goes, and how near to the
// machine's own limits that is. Several models are run in turn, so that they share the weather.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "ops/peak/peak.h"
#include "platforms/cli/commands.h"
#include "platforms/cli/open_model.h"

namespace heed::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchArguments {
  std::vector<std::string> models;
  RunOptions run;
  double seconds = 2;
  int32_t runs_min = 10, loads = 5;
  bool json = false, brief = false;
};

struct Subject {
  std::string path;
  Model model;
  Session session;
  Entry entry;
  std::vector<double> load_us, run_us;
  std::vector<heed_profile_row> profile;
  int64_t multiply_adds = 0;
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(q * static_cast<double>(values.size())))];
}

// Numbers like those of real features, from a fixed seed; ids are 0, which every table has.
void fill_inputs(const Subject& subject) {
  uint32_t seed = 12345;
  for (const heed_tensor& described : subject.entry.inputs) {
    heed_tensor input;
    if (heed_session_input(subject.session.get(), subject.entry.info.name, described.name,
                           &input) != HEED_OK)
      continue;
    std::memset(input.data, 0, input.bytes);
    if (input.type != HEED_F32) continue;
    for (size_t i = 0; i < input.bytes / sizeof(float); ++i) {
      float sum = -6;
      for (int k = 0; k < 12; ++k) {
        seed = seed * 1664525u + 1013904223u;
        sum += static_cast<float>(seed >> 8) * (1.0f / 16777216.0f);
      }
      static_cast<float*>(input.data)[i] = sum;
    }
  }
}

// Opens, verifies and creates a session several times; keeps the last.
void load(const BenchArguments& arguments, Subject* subject) {
  const heed_options options = arguments.run.engine();
  for (int32_t i = 0; i < arguments.loads; ++i) {
    subject->session = Session();
    subject->model = Model();
    const double begin = now_us();
    subject->model = open_model(subject->path);
    Diagnostic diagnostic;
    if (subject->session.create(subject->model, options, &diagnostic) != Status::ok)
      throw CommandError("'" + subject->path + "': " + diagnostic.text());
    subject->load_us.push_back(now_us() - begin);
  }
  subject->entry = find_entry(subject->model, arguments.run.entry_point);
  for (int32_t i = 0; i < subject->entry.info.ops; ++i) {
    heed_op op;
    if (heed_model_op(subject->model.get(), subject->entry.info.name, i, &op) == HEED_OK)
      subject->multiply_adds += op.multiply_adds;
  }
}

void run_once(const Subject& subject) {
  Diagnostic diagnostic;
  if (heed_session_run(subject.session.get(), subject.entry.info.name, &diagnostic) != HEED_OK)
    throw CommandError("'" + subject.path + "': " + diagnostic.text());
}

// Rounds in which every model runs once; inputs are filled anew since a run may overwrite them.
void measure(const BenchArguments& arguments, std::vector<Subject>* subjects) {
  for (const Subject& subject : *subjects)
    for (int i = 0; i < 3; ++i) fill_inputs(subject), run_once(subject);
  const double end = now_us() + arguments.seconds * 1e6 * static_cast<double>(subjects->size());
  while (now_us() < end || static_cast<int32_t>((*subjects)[0].run_us.size()) < arguments.runs_min)
    for (Subject& subject : *subjects) {
      fill_inputs(subject);
      const double begin = now_us();
      run_once(subject);
      subject.run_us.push_back(now_us() - begin);
    }
  for (Subject& subject : *subjects) {
    subject.profile.resize(static_cast<size_t>(subject.entry.info.ops));
    if (heed_profile(subject.session.get(), subject.entry.info.name, subject.profile.data(),
                     subject.entry.info.ops) != HEED_OK)
      continue;
    const double stop = now_us() + arguments.seconds * 0.25e6;
    do fill_inputs(subject), run_once(subject);
    while (now_us() < stop);
    heed_profile(subject.session.get(), subject.entry.info.name, nullptr, 0);
  }
}

struct Limits {
  const char* kernel = "";
  double multiply_adds_per_us = 0;  // of one core
  double bytes_per_us = 0;          // of one core, from memory
};

Limits machine_limits(const BenchArguments& arguments) {
  Limits limits;
  IsaSet set = detect_isa();
  parse_isa(arguments.run.isa.c_str(), &set);
  const PeakKernelList list = peak_kernels();
  for (size_t i = 0; i < list.count && limits.multiply_adds_per_us == 0; ++i) {
    if (!set.contains(list.items[i]->isa)) continue;
    limits.kernel = list.items[i]->name;
    for (int round = 0; round < 20; ++round) {
      const double begin = now_us();
      const int64_t done = list.items[i]->int8_multiply_adds(200000);
      limits.multiply_adds_per_us =
          std::max(limits.multiply_adds_per_us, static_cast<double>(done) / (now_us() - begin));
    }
  }
  const size_t bytes = size_t{64} << 20;
  const std::unique_ptr<void, void (*)(void*)> buffer(std::aligned_alloc(64, bytes), std::free);
  if (!buffer) return limits;
  std::memset(buffer.get(), 1, bytes);
  for (int round = 0; round < 5; ++round) {
    const double begin = now_us();
    volatile uint64_t sum = read_all(buffer.get(), bytes);
    (void)sum;
    limits.bytes_per_us =
        std::max(limits.bytes_per_us, static_cast<double>(bytes) / (now_us() - begin));
  }
  return limits;
}

// Rows of one kind and variant added up, the costliest first.
struct KindTime {
  std::string kind, variant;
  int32_t ops = 0;
  double us = 0, multiply_adds = 0, bytes = 0;
};

std::vector<KindTime> by_kind(const Subject& subject) {
  std::vector<KindTime> kinds;
  for (const heed_profile_row& row : subject.profile) {
    if (row.calls == 0) continue;
    auto at = std::find_if(kinds.begin(), kinds.end(), [&](const KindTime& k) {
      return k.kind == row.kind && k.variant == row.variant;
    });
    if (at == kinds.end()) at = kinds.insert(at, {row.kind, row.variant, 0, 0, 0, 0});
    ++at->ops;
    at->us += static_cast<double>(row.total_ns) / static_cast<double>(row.calls) * 1e-3;
    at->multiply_adds += static_cast<double>(row.multiply_adds);
    at->bytes += static_cast<double>(row.bytes);
  }
  std::sort(kinds.begin(), kinds.end(),
            [](const KindTime& a, const KindTime& b) { return a.us > b.us; });
  return kinds;
}

// Of this program alone, where the system tells (Linux); getrusage() starts from the size that the
// caller had before it became this program.
double peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

Json subject_json(const Subject& subject, const Limits& limits) {
  const double median = quantile(subject.run_us, 0.5);
  const int32_t threads = heed_session_threads(subject.session.get());
  Json ops = Json::array();
  for (const heed_profile_row& row : subject.profile)
    ops.push_back({{"name", row.name},
                   {"kind", row.kind},
                   {"variant", row.variant},
                   {"calls", row.calls},
                   {"mean_us", row.calls == 0 ? 0.0
                                              : static_cast<double>(row.total_ns) /
                                                    static_cast<double>(row.calls) * 1e-3},
                   {"min_us", static_cast<double>(row.min_ns) * 1e-3},
                   {"multiply_adds", row.multiply_adds},
                   {"bytes", row.bytes}});
  return {{"model", subject.path},
          {"isa", heed_session_isa(subject.session.get())},
          {"threads", threads},
          {"load_us", quantile(subject.load_us, 0.5)},
          {"runs", subject.run_us.size()},
          {"latency_us_median", median},
          {"latency_us_min", quantile(subject.run_us, 0)},
          {"latency_us_p99", quantile(subject.run_us, 0.99)},
          {"multiply_adds", subject.multiply_adds},
          {"share_of_int8_peak", static_cast<double>(subject.multiply_adds) / median /
                                     limits.multiply_adds_per_us / threads},
          {"session_bytes", heed_session_bytes(subject.session.get())},
          {"file_bytes", subject.model.info().file_bytes},
          {"ops", ops}};
}

void print_subject(const BenchArguments& arguments, const Subject& subject, const Limits& limits) {
  const double median = quantile(subject.run_us, 0.5);
  const int32_t threads = heed_session_threads(subject.session.get());
  const double share =
      static_cast<double>(subject.multiply_adds) / median / limits.multiply_adds_per_us / threads;
  std::printf("%s: median %.3f ms, min %.3f, p99 %.3f (%zu runs, %s, %d thread%s)\n",
              subject.path.c_str(), median * 1e-3, quantile(subject.run_us, 0) * 1e-3,
              quantile(subject.run_us, 0.99) * 1e-3, subject.run_us.size(),
              heed_session_isa(subject.session.get()), threads, threads == 1 ? "" : "s");
  std::printf(
      "  loads in %.2f ms; session %s, file %s; %.1f M multiply-adds, %.0f %% of the int8 peak\n",
      quantile(subject.load_us, 0.5) * 1e-3,
      size_text(static_cast<double>(heed_session_bytes(subject.session.get()))).c_str(),
      size_text(static_cast<double>(subject.model.info().file_bytes)).c_str(),
      static_cast<double>(subject.multiply_adds) * 1e-6, share * 100);
  if (arguments.brief) return;
  double total = 0;
  for (const KindTime& kind : by_kind(subject)) total += kind.us;
  std::printf("\n  %-14s %-12s %5s %10s %7s %9s %7s %8s\n", "op", "kernel", "ops", "us", "share",
              "GMAC/s", "peak", "GB/s");
  for (const KindTime& kind : by_kind(subject)) {
    std::printf("  %-14s %-12s %5d %10.1f %6.1f%%", kind.kind.c_str(), kind.variant.c_str(),
                kind.ops, kind.us, 100 * kind.us / total);
    if (kind.multiply_adds > 0)
      std::printf(" %9.1f %6.0f%%", kind.multiply_adds / kind.us * 1e-3,
                  100 * kind.multiply_adds / kind.us / limits.multiply_adds_per_us / threads);
    else
      std::printf(" %9s %7s", "", "");
    std::printf(" %8.1f\n", kind.bytes / kind.us * 1e-3);
  }
  std::printf("\n");
}

void bench_command(const BenchArguments& arguments) {
  const double start_memory = peak_memory_bytes();
  std::vector<Subject> subjects(arguments.models.size());
  for (size_t i = 0; i < subjects.size(); ++i) {
    subjects[i].path = arguments.models[i];
    load(arguments, &subjects[i]);
  }
  measure(arguments, &subjects);
  const double memory = peak_memory_bytes();
  const Limits limits = machine_limits(arguments);
  if (arguments.json) {
    Json object = {{"int8_peak_gmacs", limits.multiply_adds_per_us * 1e-3},
                   {"int8_peak_kernel", limits.kernel},
                   {"memory_read_gbs", limits.bytes_per_us * 1e-3},
                   {"peak_memory_bytes", memory},
                   {"start_memory_bytes", start_memory},
                   {"models", Json::array()}};
    for (const Subject& subject : subjects)
      object["models"].push_back(subject_json(subject, limits));
    std::printf("%s\n", object.dump(2).c_str());
    return;
  }
  for (const Subject& subject : subjects) print_subject(arguments, subject, limits);
  for (size_t i = 1; i < subjects.size(); ++i)
    std::printf("%s takes %.2f times the time of %s\n", subjects[i].path.c_str(),
                quantile(subjects[i].run_us, 0.5) / quantile(subjects[0].run_us, 0.5),
                subjects[0].path.c_str());
  if (!arguments.brief)
    std::printf(
        "One core of this machine: %.0f GMAC/s int8 (%s), reads memory at %.1f GB/s. Peak memory "
        "of this process %s, %s of it before it loaded a model.\n",
        limits.multiply_adds_per_us * 1e-3, limits.kernel, limits.bytes_per_us * 1e-3,
        size_text(memory).c_str(), size_text(start_memory).c_str());
}

}  // namespace

void add_bench(CLI::App& program) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command =
      program.add_subcommand("bench", "Measure load time, latency, time per op and memory");
  command->add_option("models", arguments->models, "One .heed file, or several to compare in turn")
      ->required();
  command->add_option("--seconds", arguments->seconds, "How long to measure each model")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_option("--runs", arguments->runs_min, "Run at least so often")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_flag("--brief", arguments->brief, "Two lines per model, no table");
  command->add_flag("--json", arguments->json, "Print one JSON object");
  arguments->run.add_to(command);
  command->callback([arguments] { bench_command(*arguments); });
}

}  // namespace heed::cli
