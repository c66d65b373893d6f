// Attention kernels on the shapes of real models, every variant of this machine: microseconds and
// the share of the peak that the same process measured. One thread. "whole" packs keys and values
// and runs all query rows of all heads; "run" is the same without packing.
//
//   bench_attention [TEXT]    only rows whose shape and kernel contain TEXT

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/attention/attention.h"
#include "tests/bench/int8_peak.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

Memory aligned(size_t bytes) {
  Memory memory(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  std::memset(memory.get(), 0, bytes);
  return memory;
}

struct Shape {
  int32_t queries;
  int32_t keys;
  int32_t heads;
  int32_t width;
  bool causal;
};
constexpr Shape kShapes[] = {{99, 99, 1, 64, false},    {197, 197, 3, 64, false},
                             {128, 128, 12, 32, false}, {1500, 1500, 6, 64, false},
                             {448, 448, 6, 64, true},   {1, 1500, 6, 64, false},
                             {1, 448, 6, 64, false}};

std::string text(const Shape& s) {
  return std::to_string(s.queries) + "x" + std::to_string(s.keys) + "/" + std::to_string(s.heads) +
         " D=" + std::to_string(s.width) + (s.causal ? " causal" : "");
}

/// The best of many runs: what the kernel takes when nothing else does.
double best_seconds(const std::function<void()>& run) {
  double best = 1e30;
  const Clock::time_point until = Clock::now() + std::chrono::milliseconds(300);
  for (int i = 0; i < 5 || Clock::now() < until; ++i) {
    const Clock::time_point start = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

// Rows as a merged QKV layer leaves them: [queries or keys][3 * heads * width].
class Layer {
 public:
  explicit Layer(const Shape& s)
      : shape_(s),
        step_(ptrdiff_t{3} * s.heads * s.width),
        rows_(static_cast<size_t>(std::max(s.queries, s.keys) * step_)),
        y_(static_cast<size_t>(s.queries * s.heads * s.width)),
        keys_bytes_(attention_keys_bytes(s.keys, s.width)),
        values_bytes_(attention_values_bytes(s.keys, s.width)),
        keys_(aligned(keys_bytes_ * static_cast<size_t>(s.heads))),
        values_(aligned(values_bytes_ * static_cast<size_t>(s.heads))),
        scratch_(aligned(attention_scratch_bytes(s.keys, s.width))) {
    test::SeededRandom random(1);
    for (float& x : rows_) x = 1.4f * random.normal();
  }

  void pack(const AttentionKernel& kernel) {
    for (int32_t h = 0; h < shape_.heads; ++h) {
      kernel.pack_keys({column(1, h), step_, shape_.keys, shape_.width}, true, keys(h));
      kernel.pack_values({column(2, h), step_, shape_.keys, shape_.width}, values(h));
    }
  }

  void run(const AttentionKernel& kernel) {
    AttentionArgs args = {};
    args.q_step = step_;
    args.rows = shape_.queries;
    args.keys = shape_.keys;
    args.head_width = args.value_width = shape_.width;
    args.scale = 1.0f / std::sqrt(static_cast<float>(shape_.width));
    args.causal = shape_.causal;
    args.y_step = shape_.heads * shape_.width;
    for (int32_t h = 0; h < shape_.heads; ++h) {
      args.q = column(0, h);
      args.packed_keys = keys(h);
      args.packed_values = values(h);
      args.y = y_.data() + h * shape_.width;
      kernel.run(args, scratch_.get());
    }
  }

 private:
  const float* column(int32_t part, int32_t head) const {
    return rows_.data() + (part * shape_.heads + head) * shape_.width;
  }
  char* keys(int32_t h) const { return static_cast<char*>(keys_.get()) + keys_bytes_ * h; }
  char* values(int32_t h) const { return static_cast<char*>(values_.get()) + values_bytes_ * h; }

  Shape shape_;
  ptrdiff_t step_;
  std::vector<float> rows_, y_;
  size_t keys_bytes_, values_bytes_;
  Memory keys_, values_, scratch_;
};

void bench(const Shape& s, const std::string& filter, double peak) {
  Layer layer(s);
  // A causal square skips the half above its diagonal.
  const double macs = 2.0 * s.queries * s.keys * s.heads * s.width * (s.causal ? 0.5 : 1.0);
  const AttentionKernelList list = attention_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const AttentionKernel& kernel = *list.items[i];
    const bool slow = kernel.isa == IsaSet() && macs > 2e7;
    const std::string name = text(s) + " " + kernel.name;
    if (!detect_isa().contains(kernel.isa) || slow || name.find(filter) == std::string::npos)
      continue;
    const double whole = best_seconds([&] { layer.pack(kernel), layer.run(kernel); });
    const double run = best_seconds([&] { layer.run(kernel); });
    std::printf("%-22s %-12s whole %9.1f us %6.1f GMAC/s", text(s).c_str(), kernel.name,
                1e6 * whole, 1e-9 * macs / whole);
    if (peak > 0) std::printf(" %5.1f %%", 1e-7 * macs / whole / peak);
    std::printf("   run %9.1f us", 1e6 * run);
    if (peak > 0) std::printf(" %5.1f %%", 1e-7 * macs / run / peak);
    std::printf("\n");
  }
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  using namespace heed::bench;
  const std::string filter = argc > 1 ? argv[1] : "";
  const double peak = 1e-9 * int8_peak(int8_peak_feature());
  std::printf("int8 peak: %s, %.1f GMAC/s\n", int8_peak_feature(), peak);
  for (const Shape& shape : kShapes) bench(shape, filter, peak);
  return 0;
}
