// Whole encoders in XNNPACK, the library from which heed takes convolutions: what one gets who
// builds the graph by hand, without an engine around it. Weights int8 per channel, rows quantised
// at run time (qd8), attention in float32, which is all that XNNPACK has for it. Layer norms are
// spelled in its own operators. In its favour: convolutions are fully connected layers on patches
// and frames laid out beforehand, tables are looked up beforehand. Random weights: only time counts
// here.
//
//   bench_xnnpack MODEL [THREADS [SECONDS [RUNS]]]     prints one JSON object

#include <pthreadpool.h>
#include <xnnpack.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <fstream>
#include <initializer_list>

#include "tests/bench/race.h"
#include "tests/support/seeded_random.h"

namespace heed::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Dims = std::vector<size_t>;

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "XNNPACK: %s failed with status %d\n", what, static_cast<int>(status));
  std::exit(1);
}

struct Architecture {
  const char* name;
  size_t tokens, width, heads, layers, classes;
  bool first_token, post_norm;
  std::vector<Dims> stem;  // rows, inputs, outputs of the layers before the blocks
};
const Architecture kArchitectures[] = {
    {"deit_tiny", 197, 192, 3, 12, 1000, true, false, {{196, 768, 192}}},
    {"kwt1", 99, 64, 1, 12, 35, true, true, {{98, 40, 64}}},
    {"kwt3", 99, 192, 3, 12, 35, true, true, {{98, 40, 192}}},
    {"whisper_tiny_encoder",
     1500,
     384,
     6,
     4,
     0,
     false,
     false,
     {{3000, 240, 384}, {1500, 1152, 384}}},
    {"minilm_l6", 128, 384, 12, 6, 0, false, true, {}},
};

class Graph {
 public:
  Graph() { must(xnn_create_subgraph(2, 0, &graph_), "graph"); }
  ~Graph() { xnn_delete_subgraph(graph_); }
  Graph(const Graph&) = delete;
  xnn_subgraph_t get() const { return graph_; }

  struct Value {
    uint32_t id;
    Dims dims;
  };

  Value external(uint32_t id, const Dims& dims, uint32_t flag) {
    uint32_t out;
    must(xnn_define_tensor_value(graph_, xnn_datatype_fp32, dims.size(), dims.data(), nullptr, id,
                                 flag, &out),
         "external value");
    return {out, dims};
  }

  Value constant(const Dims& dims, float low, float high) {
    size_t count = 1;
    for (const size_t d : dims) count *= d;
    Buffer<float>& data = floats_.emplace_back(count);
    random_.fill(data.span(), low, high);
    return {tensor(dims, data.data()), dims};
  }

  Value linear(const Value& x, size_t outputs) {
    const size_t inputs = x.dims.back();
    Buffer<int8_t>& weights = bytes_.emplace_back(inputs * outputs);
    random_.fill(weights.span());
    Buffer<float>& scales = floats_.emplace_back(outputs);
    const float scale = 1.0f / (70.0f * std::sqrt(static_cast<float>(inputs)));
    random_.fill(scales.span(), 0.9f * scale, 1.1f * scale);
    const size_t filter_dims[] = {outputs, inputs};
    uint32_t filter;
    must(xnn_define_channelwise_quantized_tensor_value(graph_, xnn_datatype_qcint8, scales.data(),
                                                       2, 0, filter_dims, weights.data(),
                                                       XNN_INVALID_VALUE_ID, 0, &filter),
         "weights");
    const Value bias = constant({outputs}, -0.1f, 0.1f);
    Value y = fresh({x.dims[0], outputs});
    must(xnn_define_fully_connected(graph_, -INFINITY, INFINITY, quantised(x), filter, bias.id,
                                    y.id, 0),
         "fully connected");
    return y;
  }

  Value binary(xnn_binary_operator kind, const Value& a, const Value& b) {
    Value y = fresh(a.dims);
    must(xnn_define_binary(graph_, kind, nullptr, a.id, b.id, y.id, 0), "binary");
    return y;
  }
  Value unary(xnn_unary_operator kind, const Value& x) {
    Value y = fresh(x.dims);
    must(xnn_define_unary(graph_, kind, nullptr, x.id, y.id, 0), "unary");
    return y;
  }

  Value norm(const Value& x) {
    const Value mean = row_mean(x);
    const Value squares = binary(xnn_binary_squared_difference, x, mean);
    const Value variance = binary(xnn_binary_add, row_mean(squares), constant({1}, 1e-6f, 1e-6f));
    const Value scale = unary(xnn_unary_reciprocal_square_root, variance);
    const Value normed = binary(xnn_binary_multiply, binary(xnn_binary_subtract, x, mean), scale);
    const size_t n = x.dims.back();
    return binary(xnn_binary_add, binary(xnn_binary_multiply, normed, constant({n}, 0.9f, 1.1f)),
                  constant({n}, -0.1f, 0.1f));
  }

  Value reshape(const Value& x, const Dims& dims) {
    Value y = fresh(dims);
    must(xnn_define_static_reshape(graph_, dims.size(), dims.data(), x.id, y.id, 0), "reshape");
    return y;
  }
  Value swap_first(const Value& x) {
    const size_t order[] = {1, 0, 2};
    Value y = fresh({x.dims[1], x.dims[0], x.dims[2]});
    must(xnn_define_static_transpose(graph_, 3, order, x.id, y.id, 0), "transpose");
    return y;
  }

  Value attention(const Value& x, size_t heads) {
    const size_t tokens = x.dims[0], width = x.dims[1];
    const auto split = [&](const Value& rows) {
      return swap_first(reshape(rows, {tokens, heads, width / heads}));
    };
    const Value q = split(linear(x, width)), k = split(linear(x, width)),
                v = split(linear(x, width));
    const Value scores = fresh({heads, tokens, tokens}), weights = fresh(scores.dims);
    must(xnn_define_batch_matrix_multiply(graph_, q.id, k.id, scores.id, XNN_FLAG_TRANSPOSE_B),
         "scores");
    must(xnn_define_softmax(graph_, scores.id, weights.id, 0), "softmax");
    const Value mixed = fresh(q.dims);
    must(xnn_define_batch_matrix_multiply(graph_, weights.id, v.id, mixed.id, 0), "mix");
    return linear(reshape(swap_first(mixed), {tokens, width}), width);
  }

  Value mlp(const Value& x) {
    const size_t width = x.dims.back();
    return linear(unary(xnn_unary_gelu, linear(x, 4 * width)), width);
  }

  Value rows(const Value& x, size_t count) {
    const size_t from[] = {0, 0}, sizes[] = {count, x.dims[1]};
    Value y = fresh({count, x.dims[1]});
    must(xnn_define_static_slice(graph_, 2, from, sizes, x.id, y.id, 0), "slice");
    return y;
  }
  Value below(const Value& a, const Value& b) {
    Value y = fresh({a.dims[0] + b.dims[0], a.dims[1]});
    must(xnn_define_concatenate2(graph_, 0, a.id, b.id, y.id, 0), "concatenate");
    return y;
  }
  Value beside(const Value& a, const Value& b) {
    Value y = fresh({a.dims[0], a.dims[1] + b.dims[1]});
    must(xnn_define_concatenate2(graph_, 1, a.id, b.id, y.id, 0), "concatenate");
    return y;
  }
  void copy(const Value& x, const Value& y) {
    must(xnn_define_static_reshape(graph_, x.dims.size(), x.dims.data(), x.id, y.id, 0), "output");
  }

 private:
  uint32_t tensor(const Dims& dims, const void* data) {
    uint32_t id;
    must(xnn_define_tensor_value(graph_, xnn_datatype_fp32, dims.size(), dims.data(), data,
                                 XNN_INVALID_VALUE_ID, 0, &id),
         "value");
    return id;
  }
  Value fresh(const Dims& dims) { return {tensor(dims, nullptr), dims}; }

  // Rows are quantised once for all layers that read them.
  uint32_t quantised(const Value& x) {
    if (x.id == quantised_from_) return quantised_;
    must(
        xnn_define_dynamically_quantized_tensor_value(
            graph_, xnn_datatype_qdint8, 2, 1, x.dims.data(), XNN_INVALID_VALUE_ID, 0, &quantised_),
        "quantised value");
    must(xnn_define_unary(graph_, xnn_unary_convert, nullptr, x.id, quantised_, 0), "convert");
    quantised_from_ = x.id;
    return quantised_;
  }

  Value row_mean(const Value& x) {
    const size_t axis = 1;
    Value y = fresh({x.dims[0], 1});
    must(
        xnn_define_static_reduce(graph_, xnn_reduce_mean, 1, &axis, x.id, y.id, XNN_FLAG_KEEP_DIMS),
        "mean");
    return y;
  }

  xnn_subgraph_t graph_ = nullptr;
  uint32_t quantised_from_ = XNN_INVALID_VALUE_ID, quantised_ = 0;
  std::deque<Buffer<float>> floats_;  // XNNPACK reads constants where they lie
  std::deque<Buffer<int8_t>> bytes_;
  test::SeededRandom random_{1};
};

// The network with external values 0 (input rows) and 1 (output rows); their shapes.
std::pair<Dims, Dims> build(const Architecture& a, Graph* g) {
  const Dims in = a.stem.empty() ? Dims{a.tokens, a.width} : Dims{a.stem[0][0], a.stem[0][1]};
  Graph::Value x = g->external(0, in, XNN_VALUE_FLAG_EXTERNAL_INPUT);
  for (const Dims& layer : a.stem) {
    if (x.dims[0] != layer[0]) {  // three frames of which one is shared: here a copy of the first
      const Graph::Value pairs = g->reshape(x, {layer[0], 2 * x.dims[1]});
      x = g->beside(pairs, g->rows(x, layer[0]));
    }
    x = g->linear(x, layer[2]);
    if (a.stem.size() > 1) x = g->unary(xnn_unary_gelu, x);
  }
  if (a.first_token) x = g->below(g->constant({1, a.width}, -1, 1), x);
  x = g->binary(xnn_binary_add, x, g->constant({a.tokens, a.width}, -1, 1));
  if (a.stem.empty()) x = g->norm(x);
  for (size_t i = 0; i < a.layers; ++i) {
    if (a.post_norm) {
      x = g->norm(g->binary(xnn_binary_add, x, g->attention(x, a.heads)));
      x = g->norm(g->binary(xnn_binary_add, x, g->mlp(x)));
    } else {
      x = g->binary(xnn_binary_add, x, g->attention(g->norm(x), a.heads));
      x = g->binary(xnn_binary_add, x, g->mlp(g->norm(x)));
    }
  }
  if (!a.post_norm || a.first_token) x = g->norm(a.first_token ? g->rows(x, 1) : x);
  if (a.classes > 0) x = g->linear(x, a.classes);
  g->copy(x, g->external(1, x.dims, XNN_VALUE_FLAG_EXTERNAL_OUTPUT));
  return {in, x.dims};
}

double peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024;
  return 0;
}

int run(const Architecture& a, size_t threads, double seconds, size_t runs_min) {
  const double start_memory = peak_memory_bytes();
  must(xnn_initialize(nullptr), "initialize");
  const Clock::time_point begin = Clock::now();
  Graph graph;
  const auto [in, out] = build(a, &graph);
  pthreadpool_t pool = threads > 1 ? pthreadpool_create(threads) : nullptr;
  xnn_runtime_t runtime = nullptr;
  must(xnn_create_runtime_v3(graph.get(), nullptr, pool, 0, &runtime), "runtime");
  Buffer<float> input(in[0] * in[1]), output(out[0] * out[1]);
  test::SeededRandom random(2);
  random.fill(input.span());
  const xnn_external_value values[] = {{0, input.data()}, {1, output.data()}};
  must(xnn_reshape_runtime(runtime), "reshape");
  must(xnn_setup_runtime_v2(runtime, 2, values), "setup");
  const double load_ms = 1e3 * std::chrono::duration<double>(Clock::now() - begin).count();
  for (int i = 0; i < 3; ++i) must(xnn_invoke_runtime(runtime), "run");
  std::vector<double> us;
  const Clock::time_point start = Clock::now();
  while (us.size() < runs_min ||
         std::chrono::duration<double>(Clock::now() - start).count() < seconds) {
    const Clock::time_point one = Clock::now();
    must(xnn_invoke_runtime(runtime), "run");
    us.push_back(1e6 * std::chrono::duration<double>(Clock::now() - one).count());
  }
  std::sort(us.begin(), us.end());
  const bool sane = std::isfinite(output.data()[0]) && output.data()[0] != 0;
  std::printf(
      "{\"latency_us_median\": %.3f, \"latency_us_min\": %.3f, \"runs\": %zu, "
      "\"load_ms\": %.3f, \"peak_memory_bytes\": %.0f, \"start_memory_bytes\": %.0f, "
      "\"finite\": %s}\n",
      us[us.size() / 2], us[0], us.size(), load_ms, peak_memory_bytes(), start_memory,
      sane ? "true" : "false");
  xnn_delete_runtime(runtime);
  if (pool != nullptr) pthreadpool_destroy(pool);
  return sane ? 0 : 1;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  using namespace heed::bench;
  for (const Architecture& a : kArchitectures)
    if (argc > 1 && a.name == std::string(argv[1]))
      return run(a, argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1,
                 argc > 3 ? std::strtod(argv[3], nullptr) : 0.8,
                 argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 10);
  std::fprintf(stderr, "usage: bench_xnnpack MODEL [THREADS [SECONDS [RUNS]]]; models:");
  for (const Architecture& a : kArchitectures) std::fprintf(stderr, " %s", a.name);
  std::fprintf(stderr, "\n");
  return 2;
}
