// Linear and matmul kernels on the shapes of real models, every variant of this machine, next to
// XNNPACK's operators on the same shapes (rows quantised beforehand for both). Prints microseconds,
// GMAC/s, the speed relative to XNNPACK, and for linear layers the share of the peak that the same
// process measured with the variant's own dot product. One thread.
//
//   bench_ops [TEXT]    only rows whose family, shape and kernel contain TEXT

#include <xnnpack.h>

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

#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/bench/int8_peak.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

using Clock = std::chrono::steady_clock;

// 64-byte aligned, room for what XNNPACK reads past the end.
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + 16 * sizeof(xnn_quantization_params) + 63) / 64 * 64;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  T* data() { return data_.get(); }
  std::span<T> span() { return {data_.get(), count_}; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  size_t count_;
};

struct Contender {
  std::string name;
  std::function<void()> run;
  double peak = 0;  // multiply-adds per second, where known
  double best_s = 1e30;
};

double seconds(const std::function<void()>& run, int times) {
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(Clock::now() - start).count() / times;
}

// All contenders in turn, several rounds, so that a drift of the clock hits all alike; the best run
// of each counts.
void race(std::vector<Contender>& contenders) {
  for (Contender& c : contenders) c.run();
  for (int round = 0; round < 5; ++round) {
    for (Contender& c : contenders) {
      const int times = std::max(1, static_cast<int>(0.002 / std::max(1e-7, seconds(c.run, 1))));
      for (int i = 0; i < 8; ++i) c.best_s = std::min(c.best_s, seconds(c.run, times));
    }
  }
}

struct Shape {
  int32_t m;
  int32_t k;
  int32_t n;
};
constexpr Shape kShapes[] = {
    {98, 64, 256},   {98, 192, 768},    {197, 192, 576},   {197, 192, 768},
    {197, 768, 192}, {1500, 384, 1536}, {1500, 1536, 384}, {1, 384, 1536},
    {1, 384, 51865}, {128, 768, 3072},  {4, 384, 1536},
};

void print(const char* family, const Shape& shape, const std::vector<Contender>& contenders) {
  const double macs = 1.0 * shape.m * shape.k * shape.n;
  const bool has_xnnpack = !contenders.empty() && contenders.back().name == "XNNPACK";
  for (const Contender& c : contenders) {
    std::printf("%-7s %5d x %4d x %5d  %-15s %10.1f us %7.1f GMAC/s", family, shape.m, shape.k,
                shape.n, c.name.c_str(), 1e6 * c.best_s, 1e-9 * macs / c.best_s);
    if (has_xnnpack) std::printf("  %5.2f x XNNPACK", contenders.back().best_s / c.best_s);
    if (c.peak > 0) std::printf("  %5.1f %% of peak", 100 * macs / c.best_s / c.peak);
    std::printf("\n");
  }
}

bool wanted(const std::string& filter, const char* family, const Shape& s, const char* name) {
  const std::string row = std::string(family) + " " + std::to_string(s.m) + "x" +
                          std::to_string(s.k) + "x" + std::to_string(s.n) + " " + name;
  return row.find(filter) != std::string::npos;
}

// Deletes an operator of XNNPACK when the bench of a shape ends.
using Operator = std::unique_ptr<xnn_operator, decltype(&xnn_delete_operator)>;

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "XNNPACK: %s failed with status %d\n", what, static_cast<int>(status));
  std::exit(1);
}

void bench_linear(const Shape& s, const std::string& filter) {
  const size_t n_padded = (static_cast<size_t>(s.n) + 15) / 16 * 16;
  const size_t m = static_cast<size_t>(s.m);
  const size_t k = static_cast<size_t>(s.k);
  const size_t n = static_cast<size_t>(s.n);
  test::SeededRandom random(1);
  Buffer<int8_t> x(m * k);
  Buffer<int8_t> w(n * k);
  Buffer<int8_t> packed(linear_packed_bytes(s.n, s.k));
  Buffer<int32_t> w_sum(n_padded);
  Buffer<float> w_scale(n_padded);
  Buffer<float> bias(n_padded);
  Buffer<float> x_scale(m);
  Buffer<float> y(m * n);
  Buffer<uint8_t> scratch(linear_scratch_bytes(s.k));
  random.fill(x.span());
  random.fill(w.span());
  random.fill(w_scale.span(), 0.001f, 0.01f);
  random.fill(x_scale.span(), 0.001f, 0.01f);
  random.fill(bias.span());
  pack_linear(w.data(), s.n, 1, s.k, packed.data(), w_sum.data());

  std::vector<Contender> contenders;
  const IsaSet have = detect_isa();
  const LinearKernelList list = linear_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const LinearKernel* kernel = list.items[i];
    const bool slow = kernel->isa == IsaSet() && m * k * n > 2'000'000;
    if (!have.contains(kernel->isa) || slow || !wanted(filter, "linear", s, kernel->name)) continue;
    contenders.push_back({kernel->name,
                          [&, kernel] {
                            for (int32_t row = 0; row < s.m; row += kLinearRowsMax) {
                              const LinearArgs args = {x.data() + row * s.k,
                                                       s.k,
                                                       x_scale.data() + row,
                                                       1,
                                                       std::min(s.m - row, kLinearRowsMax),
                                                       1,
                                                       s.k,
                                                       packed.data(),
                                                       w_scale.data(),
                                                       w_sum.data(),
                                                       static_cast<ptrdiff_t>(n_padded),
                                                       bias.data(),
                                                       y.data() + ptrdiff_t{row} * s.n,
                                                       s.n};
                              kernel->run(args, 0, s.n, scratch.data());
                            }
                          },
                          int8_peak(kernel->name)});
  }

  xnn_operator_t op = nullptr;
  must(xnn_create_fully_connected_nc_qd8_f32_qc8w(k, n, k, n, w_scale.data(), w.data(), bias.data(),
                                                  -INFINITY, INFINITY, 0, nullptr, nullptr, &op),
       "create");
  const Operator keep(op, xnn_delete_operator);
  Buffer<xnn_quantization_params> params(m);
  for (size_t i = 0; i < m; ++i) params.data()[i] = {1, x_scale.data()[i]};
  must(xnn_reshape_fully_connected_nc_qd8_f32_qc8w(op, m, nullptr), "reshape");
  must(xnn_setup_fully_connected_nc_qd8_f32_qc8w(op, x.data(), y.data(), params.data()), "setup");
  if (wanted(filter, "linear", s, "XNNPACK")) {
    contenders.push_back({"XNNPACK", [op] { must(xnn_run_operator(op, nullptr), "run"); }});
  }
  race(contenders);
  print("linear", s, contenders);
}

void bench_matmul(const Shape& s, const std::string& filter) {
  const size_t m = static_cast<size_t>(s.m);
  const size_t k = static_cast<size_t>(s.k);
  const size_t n = static_cast<size_t>(s.n);
  test::SeededRandom random(1);
  Buffer<float> a(m * k);
  Buffer<float> b(k * n);
  Buffer<float> packed(matmul_packed_floats(s.n, s.k));
  Buffer<float> bias(n);
  Buffer<float> c(m * n);
  random.fill(a.span());
  random.fill(b.span());
  random.fill(bias.span());
  pack_matmul(b.data(), s.n, s.k, packed.data());

  std::vector<Contender> contenders;
  const IsaSet have = detect_isa();
  const MatmulKernelList list = matmul_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const MatmulKernel* kernel = list.items[i];
    const bool slow = kernel->isa == IsaSet() && m * k * n > 2'000'000;
    if (!have.contains(kernel->isa) || slow || !wanted(filter, "matmul", s, kernel->name)) continue;
    const MatmulArgs layer = {a.data(), s.k,         packed.data(), ptrdiff_t{16} * s.k,
                              16,       bias.data(), c.data(),      s.n,
                              s.m,      s.k};
    contenders.push_back({kernel->name, [=] { kernel->run(layer, 0, s.n); }});
    const MatmulArgs plain = {a.data(), s.k, b.data(), 16, s.n, nullptr, c.data(), s.n, s.m, s.k};
    contenders.push_back(
        {std::string(kernel->name) + " plain", [=] { kernel->run(plain, 0, s.n); }});
  }

  xnn_operator_t op = nullptr;
  must(xnn_create_fully_connected_nc_f32(k, n, k, n, b.data(), bias.data(), -INFINITY, INFINITY, 0,
                                         nullptr, nullptr, &op),
       "create");
  const Operator keep(op, xnn_delete_operator);
  must(xnn_reshape_fully_connected_nc_f32(op, m, nullptr), "reshape");
  must(xnn_setup_fully_connected_nc_f32(op, a.data(), c.data()), "setup");
  if (wanted(filter, "matmul", s, "XNNPACK")) {
    contenders.push_back({"XNNPACK", [op] { must(xnn_run_operator(op, nullptr), "run"); }});
  }
  race(contenders);
  print("matmul", s, contenders);
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  using namespace heed::bench;
  const std::string filter = argc > 1 ? argv[1] : "";
  must(xnn_initialize(nullptr), "initialize");
  for (const Shape& shape : kShapes) bench_linear(shape, filter);
  for (const Shape& shape : kShapes) {
    if (shape.n < 10000) bench_matmul(shape, filter);
  }
  return 0;
}
