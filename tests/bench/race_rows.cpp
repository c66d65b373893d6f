// The families that work on rows of floats, on the activations of real models. Their measure is
// memory: what the rows hold is read and written once.

#include <xnnpack.h>

#include <cmath>

#include "ops/activation/activation.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/norm.h"
#include "ops/quantize/quantize.h"
#include "ops/softmax/softmax.h"
#include "tests/bench/race.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

struct Shape {
  int32_t rows;
  int32_t n;
};
constexpr Shape kShapes[] = {{99, 64}, {197, 192}, {197, 768}, {128, 384}, {1500, 384}, {1, 1536}};
constexpr Shape kSoftmaxShapes[] = {{99, 99}, {197 * 3, 197}, {1500, 1500}, {1, 51865}};

std::string text(const Shape& s) { return std::to_string(s.rows) + "x" + std::to_string(s.n); }

using Operator = std::unique_ptr<xnn_operator, decltype(&xnn_delete_operator)>;

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "XNNPACK: %s failed with status %d\n", what, static_cast<int>(status));
  std::exit(1);
}

// Rows in and out, and whatever a family wants beside them.
struct Panel {
  explicit Panel(const Shape& s)
      : shape(s),
        count(static_cast<size_t>(s.rows) * static_cast<size_t>(s.n)),
        x(count),
        y(count),
        r(count),
        gamma(static_cast<size_t>(s.n)),
        beta(static_cast<size_t>(s.n)),
        absmax(static_cast<size_t>(s.rows)),
        scale(static_cast<size_t>(s.rows)),
        q(static_cast<size_t>(s.rows) * (static_cast<size_t>(s.n) + 15)),
        args{x.data(), s.n, y.data(), s.n, s.rows, s.n, absmax.data()} {
    test::SeededRandom random(1);
    for (float& v : x.span()) v = 2 * random.normal();
    random.fill(r.span());
    random.fill(gamma.span());
    random.fill(beta.span());
  }

  Work work(const char* family, const char* detail, double read, double written) const {
    const double values = static_cast<double>(count);
    return {family, text(shape) + (*detail != 0 ? " " : "") + detail, 0, read * values,
            written * values};
  }

  Shape shape;
  size_t count;
  Buffer<float> x, y, r, gamma, beta, absmax, scale;
  Buffer<int8_t> q;
  RowsArgs args;
};

// All variants of a list, each doing `run(kernel)`.
template <typename List, typename Run>
std::vector<Contender> contenders_of(const List& list, const Work& work, const Race& race,
                                     Run run) {
  std::vector<Contender> contenders;
  for (size_t i = 0; i < list.count; ++i) {
    const auto* kernel = list.items[i];
    if (race.enters(work, kernel->name, kernel->isa))
      contenders.push_back({kernel->name, [=] { run(*kernel); }});
  }
  return contenders;
}

void activation(const Shape& s, Race* race) {
  Panel panel(s);
  const std::pair<ActivationKind, const char*> kinds[] = {
      {ActivationKind::gelu_erf, "gelu_erf"},
      {ActivationKind::gelu_erf_short, "gelu_erf_short"},
      {ActivationKind::gelu_tanh, "gelu_tanh"},
      {ActivationKind::gelu_sigmoid, "gelu_sigmoid"},
      {ActivationKind::silu, "silu"},
      {ActivationKind::silu_short, "silu_short"},
      {ActivationKind::sigmoid, "sigmoid"},
      {ActivationKind::tanh, "tanh"},
      {ActivationKind::relu, "relu"}};
  for (const auto& [kind, name] : kinds) {
    const Work work = panel.work("activation", name, 4, 4);
    race->run(work, contenders_of(activation_kernels(), work, *race,
                                  [&panel, kind = kind](const ActivationKernel& kernel) {
                                    kernel.run(panel.args, kind);
                                  }));
  }
}

void norm(const Shape& s, Race* race) {
  Panel panel(s);
  const NormArgs args = {panel.args, panel.gamma.data(), panel.beta.data(), 1e-5f};
  const Work layer = panel.work("norm", "layer", 4, 4), rms = panel.work("norm", "rms", 4, 4);
  race->run(layer, contenders_of(norm_kernels(), layer, *race,
                                 [&](const NormKernel& kernel) { kernel.layer(args); }));
  race->run(rms, contenders_of(norm_kernels(), rms, *race,
                               [&](const NormKernel& kernel) { kernel.rms(args); }));
}

void quantize(const Shape& s, Race* race) {
  Panel panel(s);
  const ptrdiff_t q_step = (ptrdiff_t{s.n} + 15) / 16 * 16;
  QuantizeArgs args = {panel.x.data(), s.n, nullptr, panel.q.data(), q_step, panel.scale.data(), 1,
                       s.rows,         s.n, 0};
  const Work work = panel.work("quantize", "", 4, 1);
  std::vector<Contender> contenders =
      contenders_of(quantize_kernels(), work, *race,
                    [&](const QuantizeKernel& kernel) { kernel.quantize(args); });
  xnn_operator_t op = nullptr;
  must(xnn_create_convert_nc_f32_qd8(0, &op), "create");
  const Operator keep(op, xnn_delete_operator);
  Buffer<xnn_quantization_params> params(static_cast<size_t>(s.rows));
  const size_t n = static_cast<size_t>(s.n);
  must(xnn_reshape_convert_nc_f32_qd8(op, static_cast<size_t>(s.rows), n, n, n, nullptr),
       "reshape");
  must(xnn_setup_convert_nc_f32_qd8(op, panel.x.data(), panel.q.data(), params.data()), "setup");
  if (race->wanted(work, "XNNPACK qd8"))
    contenders.push_back({"XNNPACK qd8", [op] { must(xnn_run_operator(op, nullptr), "run"); }});
  race->run(work, contenders);

  const Work back = panel.work("quantize", "back", 1, 4);
  const DequantizeArgs back_args = {
      panel.q.data(), q_step, panel.scale.data(), 1, panel.y.data(), s.n, s.rows, s.n, 0};
  race->run(back, contenders_of(quantize_kernels(), back, *race, [&](const QuantizeKernel& kernel) {
              kernel.dequantize(back_args);
            }));
}

void add_rows(const Shape& s, Race* race) {
  Panel panel(s);
  const AddRowsArgs args = {panel.args, panel.r.data(), s.n, 0, s.rows};
  const Work work = panel.work("elementwise", "add_rows", 8, 4);
  race->run(work, contenders_of(elementwise_kernels(), work, *race,
                                [&](const ElementwiseKernel& kernel) { kernel.add_rows(args); }));
}

void softmax(const Shape& s, Race* race) {
  Panel panel(s);
  const Work work = panel.work("softmax", "", 4, 4), log = panel.work("softmax", "log", 4, 4);
  std::vector<Contender> contenders =
      contenders_of(softmax_kernels(), work, *race,
                    [&](const SoftmaxKernel& kernel) { kernel.softmax(panel.args); });
  xnn_operator_t op = nullptr;
  must(xnn_create_softmax_nc_f32(0, &op), "create");
  const Operator keep(op, xnn_delete_operator);
  const size_t n = static_cast<size_t>(s.n);
  must(xnn_reshape_softmax_nc_f32(op, n, n, n, static_cast<size_t>(s.rows), nullptr), "reshape");
  must(xnn_setup_softmax_nc_f32(op, panel.x.data(), panel.y.data()), "setup");
  if (race->wanted(work, "XNNPACK f32"))
    contenders.push_back({"XNNPACK f32", [op] { must(xnn_run_operator(op, nullptr), "run"); }});
  race->run(work, contenders);
  race->run(log, contenders_of(softmax_kernels(), log, *race, [&](const SoftmaxKernel& kernel) {
              kernel.log_softmax(panel.args);
            }));
}

}  // namespace

void race_rows(Race* race) {
  for (const Shape& shape : kShapes) activation(shape, race);
  for (const Shape& shape : kShapes) norm(shape, race);
  for (const Shape& shape : kShapes) quantize(shape, race);
  for (const Shape& shape : kShapes) add_rows(shape, race);
  for (const Shape& shape : kSoftmaxShapes) softmax(shape, race);
}

}  // namespace heed::bench
