// Linear layers on int8 rows and products of float matrices, next to XNNPACK's fully connected
// operators. XNNPACK gets rows that are quantised already, as ours does.

#include <xnnpack.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/bench/int8_peak.h"
#include "tests/bench/race.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

struct Shape {
  int32_t m;
  int32_t k;
  int32_t n;
  /// So many layers in turn, as in a decoder's step: a second cache then holds none for the next
  /// step.
  int32_t layers = 1;
};
constexpr Shape kShapes[] = {
    {98, 64, 64},     {98, 64, 256},    {98, 256, 64},     {98, 192, 768},     {197, 192, 576},
    {197, 192, 768},  {197, 768, 192},  {1500, 384, 384},  {1500, 384, 1536},  {1500, 1536, 384},
    {128, 768, 3072}, {128, 384, 1536}, {1, 384, 384},     {1, 384, 1536},     {1, 1536, 384},
    {1, 384, 51865},  {4, 384, 1536},   {1, 384, 384, 96}, {1, 384, 1536, 24}, {1, 1536, 384, 24},
};

std::string text(const Shape& s) {
  return std::to_string(s.m) + "x" + std::to_string(s.k) + "x" + std::to_string(s.n) +
         (s.layers > 1 ? " of " + std::to_string(s.layers) : "");
}

// Deletes an operator of XNNPACK when the bench of a shape ends.
using Operator = std::unique_ptr<xnn_operator, decltype(&xnn_delete_operator)>;

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "XNNPACK: %s failed with status %d\n", what, static_cast<int>(status));
  std::exit(1);
}

// A layer with all operands; kernels run it as the engine does, kLinearRowsMax rows at a time.
struct LinearLayer {
  explicit LinearLayer(const Shape& s)
      : shape(s),
        n_padded((static_cast<size_t>(s.n) + 15) / 16 * 16),
        x(static_cast<size_t>(s.m * s.k)),
        w(static_cast<size_t>(s.n) * static_cast<size_t>(s.k)),
        packed(linear_packed_bytes(s.n, s.k)),
        w_sum(n_padded),
        w_scale(n_padded),
        bias(n_padded),
        x_scale(static_cast<size_t>(s.m)),
        y(static_cast<size_t>(s.m) * static_cast<size_t>(s.n)),
        scratch(linear_scratch_bytes(s.k)),
        params(static_cast<size_t>(s.m)) {
    test::SeededRandom random(1);
    random.fill(x.span());
    random.fill(w.span());
    random.fill(w_scale.span(), 0.001f, 0.01f);
    random.fill(x_scale.span(), 0.001f, 0.01f);
    random.fill(bias.span());
    pack_linear(w.data(), s.n, 1, s.k, packed.data(), w_sum.data());
    for (size_t i = 0; i < params.span().size(); ++i) params.data()[i] = {1, x_scale.data()[i]};
  }

  void run(const LinearKernel& kernel) {
    for (int32_t row = 0; row < shape.m; row += kLinearRowsMax) {
      LinearArgs args = {};
      args.x = x.data() + ptrdiff_t{row} * shape.k;
      args.x_step = shape.k;
      args.x_scale = x_scale.data() + row;
      args.x_scale_step = 1;
      args.rows = std::min(shape.m - row, kLinearRowsMax);
      args.groups = 1;
      args.group_width = shape.k;
      args.w = packed.data();
      args.w_scale = w_scale.data();
      args.w_sum = w_sum.data();
      args.w_sum_step = static_cast<ptrdiff_t>(n_padded);
      args.bias = bias.data();
      args.y = y.data() + ptrdiff_t{row} * shape.n;
      args.y_step = shape.n;
      kernel.run(args, 0, shape.n, scratch.data());
    }
  }

  Operator xnnpack() {
    const size_t k = static_cast<size_t>(shape.k), n = static_cast<size_t>(shape.n);
    xnn_operator_t op = nullptr;
    must(xnn_create_fully_connected_nc_qd8_f32_qc8w(k, n, k, n, w_scale.data(), w.data(),
                                                    bias.data(), -INFINITY, INFINITY, 0, nullptr,
                                                    nullptr, &op),
         "create");
    must(xnn_reshape_fully_connected_nc_qd8_f32_qc8w(op, static_cast<size_t>(shape.m), nullptr),
         "reshape");
    must(xnn_setup_fully_connected_nc_qd8_f32_qc8w(op, x.data(), y.data(), params.data()), "setup");
    return Operator(op, xnn_delete_operator);
  }

  Shape shape;
  size_t n_padded;
  Buffer<int8_t> x, w, packed;
  Buffer<int32_t> w_sum;
  Buffer<float> w_scale, bias, x_scale, y;
  Buffer<uint8_t> scratch;
  Buffer<xnn_quantization_params> params;
};

void linear(const Shape& s, Race* race) {
  std::vector<std::unique_ptr<LinearLayer>> layers;
  std::vector<Operator> ops;
  for (int32_t i = 0; i < s.layers; ++i) {
    layers.push_back(std::make_unique<LinearLayer>(s));
    ops.push_back(layers.back()->xnnpack());
  }
  const double m = s.m, k = s.k, n = s.n, all = s.layers;
  const Work work = {"linear",        text(s), all * m * k * n, all * (m * k + n * k),
                     all * 4 * m * n, true};
  std::vector<Contender> contenders;
  const LinearKernelList list = linear_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const LinearKernel* kernel = list.items[i];
    if (!race->enters(work, kernel->name, kernel->isa)) continue;
    contenders.push_back({kernel->name,
                          [&layers, kernel] {
                            for (const auto& layer : layers) layer->run(*kernel);
                          },
                          int8_peak(kernel->name)});
  }
  if (race->wanted(work, "XNNPACK qd8"))
    contenders.push_back({"XNNPACK qd8",
                          [&ops] {
                            for (const Operator& op : ops)
                              must(xnn_run_operator(op.get(), nullptr), "run");
                          },
                          int8_peak(int8_peak_feature())});
  race->run(work, contenders);
}

void matmul(const Shape& s, Race* race) {
  const size_t m = static_cast<size_t>(s.m), k = static_cast<size_t>(s.k);
  const size_t n = static_cast<size_t>(s.n);
  test::SeededRandom random(1);
  Buffer<float> a(m * k), b(k * n), bias(n), c(m * n), packed(matmul_packed_floats(s.n, s.k));
  random.fill(a.span());
  random.fill(b.span());
  random.fill(bias.span());
  pack_matmul(b.data(), s.n, s.k, packed.data());
  const MatmulArgs layer = {
      a.data(), s.k, packed.data(), ptrdiff_t{16} * s.k, 16, bias.data(), c.data(), s.n, s.m, s.k};
  const MatmulArgs plain = {a.data(), s.k, b.data(), 16, s.n, nullptr, c.data(), s.n, s.m, s.k};
  const double macs = 1.0 * s.m * s.k * s.n;
  const Work work = {"matmul", text(s), macs, 4.0 * (s.m * s.k + 1.0 * s.k * s.n), 4.0 * s.m * s.n};
  std::vector<Contender> contenders;
  const MatmulKernelList list = matmul_kernels();
  for (size_t i = 0; i < list.count; ++i) {
    const MatmulKernel* kernel = list.items[i];
    if (!race->enters(work, kernel->name, kernel->isa)) continue;
    contenders.push_back({kernel->name, [=] { kernel->run(layer, 0, s.n); }});
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
  if (race->wanted(work, "XNNPACK f32"))
    contenders.push_back({"XNNPACK f32", [op] { must(xnn_run_operator(op, nullptr), "run"); }});
  race->run(work, contenders);
}

}  // namespace

void race_linear(Race* race) {
  for (const Shape& shape : kShapes) linear(shape, race);
}

void race_matmul(Race* race) {
  for (const Shape& shape : kShapes)
    if (shape.n < 10000 && shape.layers == 1) matmul(shape, race);
}

}  // namespace heed::bench
