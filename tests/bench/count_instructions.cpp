// What linear and attention execute on the shapes of real models, for count_instructions.sh: runs
// every variant of this machine once between two marks that its counter sees, next to XNNPACK's
// fully connected operator. A linear layer counts with its rows' quantisation, on both sides from
// float rows to float rows.
//
//   count_instructions [TEXT]    only rows whose family, shape and kernel contain TEXT

#include <unistd.h>
#include <xnnpack.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "ops/attention/attention.h"
#include "ops/linear/linear.h"
#include "ops/quantize/quantize.h"
#include "tests/support/seeded_random.h"

// The counter starts at the one and writes its count at the other.
extern "C" [[gnu::noinline]] void heed_count_begin() { asm volatile("" ::: "memory"); }
extern "C" [[gnu::noinline]] void heed_count_end() { asm volatile("" ::: "memory"); }

namespace heed::bench {
namespace {

std::string wanted;

void count(const std::string& name, double multiply_adds, const std::function<void()>& run) {
  if (name.find(wanted) == std::string::npos) return;
  std::printf("%s, %.0f multiply-adds:", name.c_str(), multiply_adds);
  std::fflush(stdout);
  heed_count_begin();
  run();
  heed_count_end();
}

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "XNNPACK: %s failed with status %d\n", what, static_cast<int>(status));
  std::exit(1);
}

struct Free {
  void operator()(void* p) const { std::free(p); }
};

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
  std::unique_ptr<T, Free> data_;
  size_t count_;
};

/// The best variant of a list that this machine runs and that has nothing to do with the reference.
template <typename List>
auto best(const List& list) {
  size_t i = 0;
  while (!detect_isa().contains(list.items[i]->isa)) ++i;
  return list.items[i];
}

struct Shape {
  int32_t m;
  int32_t k;
  int32_t n;
};
constexpr Shape kShapes[] = {{98, 64, 256},   {98, 192, 768},    {197, 192, 576},   {197, 192, 768},
                             {197, 768, 192}, {1500, 384, 1536}, {1500, 1536, 384}, {1, 384, 1536},
                             {1, 384, 51865}, {128, 768, 3072},  {4, 384, 1536}};

void count_linear(const Shape& s) {
  const size_t m = static_cast<size_t>(s.m);
  const size_t k = static_cast<size_t>(s.k);
  const size_t n = static_cast<size_t>(s.n);
  const size_t n_padded = (n + 15) / 16 * 16;
  const double macs = 1.0 * s.m * s.k * s.n;
  const std::string shape =
      "linear " + std::to_string(s.m) + "x" + std::to_string(s.k) + "x" + std::to_string(s.n) + " ";
  test::SeededRandom random(1);
  Buffer<float> x(m * k);
  Buffer<int8_t> x8(m * k);
  Buffer<float> x_scale(m);
  Buffer<int8_t> w(n * k);
  Buffer<int8_t> packed(linear_packed_bytes(s.n, s.k));
  Buffer<int32_t> w_sum(n_padded);
  Buffer<float> w_scale(n_padded);
  Buffer<float> bias(n_padded);
  Buffer<float> y(m * n);
  Buffer<uint8_t> scratch(linear_scratch_bytes(s.k));
  random.fill(x.span());
  random.fill(w.span());
  random.fill(w_scale.span(), 0.001f, 0.01f);
  random.fill(bias.span());
  pack_linear(w.data(), s.n, 1, s.k, packed.data(), w_sum.data());

  const QuantizeKernel* const rows = best(quantize_kernels());
  const LinearKernelList list = linear_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const LinearKernel* const kernel = list.items[i];
    if (kernel->isa == IsaSet() || !detect_isa().contains(kernel->isa)) continue;
    count(shape + kernel->name, macs, [&] {
      for (int32_t row = 0; row < s.m; row += kLinearRowsMax) {
        const int32_t now = std::min(s.m - row, kLinearRowsMax);
        rows->quantize({x.data() + ptrdiff_t{row} * s.k, s.k, nullptr,
                        x8.data() + ptrdiff_t{row} * s.k, s.k, x_scale.data() + row, 1, now, s.k,
                        0});
        kernel->run({x8.data() + ptrdiff_t{row} * s.k, s.k, x_scale.data() + row, 1, now, 1, s.k,
                     packed.data(), w_scale.data(), w_sum.data(), static_cast<ptrdiff_t>(n_padded),
                     bias.data(), y.data() + ptrdiff_t{row} * s.n, s.n},
                    0, s.n, scratch.data());
      }
    });
  }

  xnn_operator_t convert = nullptr;
  xnn_operator_t connect = nullptr;
  Buffer<xnn_quantization_params> params(m);
  must(xnn_create_convert_nc_f32_qd8(0, &convert), "create");
  must(xnn_create_fully_connected_nc_qd8_f32_qc8w(k, n, k, n, w_scale.data(), w.data(), bias.data(),
                                                  -INFINITY, INFINITY, 0, nullptr, nullptr,
                                                  &connect),
       "create");
  must(xnn_reshape_convert_nc_f32_qd8(convert, m, k, k, k, nullptr), "reshape");
  must(xnn_setup_convert_nc_f32_qd8(convert, x.data(), x8.data(), params.data()), "setup");
  must(xnn_reshape_fully_connected_nc_qd8_f32_qc8w(connect, m, nullptr), "reshape");
  must(xnn_setup_fully_connected_nc_qd8_f32_qc8w(connect, x8.data(), y.data(), params.data()),
       "setup");
  count(shape + "XNNPACK", macs, [&] {
    must(xnn_run_operator(convert, nullptr), "run");
    must(xnn_run_operator(connect, nullptr), "run");
  });
  xnn_delete_operator(convert);
  xnn_delete_operator(connect);
}

void count_attention(int32_t queries, int32_t keys, int32_t width) {
  const auto size = [](int32_t rows, int32_t columns) {
    return static_cast<size_t>(rows) * static_cast<size_t>(columns);
  };
  Buffer<float> q(size(queries, width));
  Buffer<float> k(size(keys, width));
  Buffer<float> v(size(keys, width));
  Buffer<float> y(size(queries, width));
  Buffer<char> packed_keys(attention_keys_bytes(keys, width));
  Buffer<char> packed_values(attention_values_bytes(keys, width));
  Buffer<char> scratch(attention_scratch_bytes(keys, width));
  test::SeededRandom random(1);
  for (Buffer<float>* rows : {&q, &k, &v}) {
    for (float& x : rows->span()) x = 1.4f * random.normal();
  }
  const std::string shape = "attention " + std::to_string(queries) + "x" + std::to_string(keys) +
                            "x" + std::to_string(width) + " ";
  const double macs = 2.0 * queries * keys * width;
  const AttentionKernelList list = attention_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const AttentionKernel& kernel = *list.items[i];
    if (kernel.isa == IsaSet() || !detect_isa().contains(kernel.isa)) continue;
    count(shape + kernel.name + " packing", macs, [&] {
      kernel.pack_keys({k.data(), width, keys, width}, true, packed_keys.data());
      kernel.pack_values({v.data(), width, keys, width}, packed_values.data());
    });
    AttentionArgs args = {};
    args.q = q.data();
    args.q_step = args.y_step = args.head_width = args.value_width = width;
    args.rows = queries;
    args.keys = keys;
    args.packed_keys = packed_keys.data();
    args.packed_values = packed_values.data();
    args.scale = 1.0f / std::sqrt(static_cast<float>(width));
    args.y = y.data();
    count(shape + kernel.name, macs, [&] { kernel.run(args, scratch.data()); });
  }
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  using namespace heed::bench;
  if (argc > 1) wanted = argv[1];
  must(xnn_initialize(nullptr), "initialize");
  for (const Shape& shape : kShapes) count_linear(shape);
  count_attention(99, 99, 64);
  count_attention(197, 197, 64);
  count_attention(1500, 1500, 64);
  count_attention(128, 128, 32);
  count_attention(1, 1500, 64);
  return 0;
}
