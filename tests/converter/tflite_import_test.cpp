// What TensorFlow Lite files say beyond single ops: names, open dimensions, quantised tensors,
// graphs within graphs, and what is not supported.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/graph/print_graph.h"
#include "converter/passes/pass.h"
#include "converter/tflite/tflite_import.h"
#include "tests/converter/lowered_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tflite_builder.h"

namespace {

using namespace heed;
using namespace heed::test;
using Catch::Matchers::ContainsSubstring;
using graph::float_constant;
using graph::Graph;
using Op = TfliteModel::Op;
using Type = TfliteModel::Type;

Graph imported(const TfliteModel& model, const onnx::ImportOptions& options = {}) {
  Graph graph = tflite::import_tflite_bytes(model.bytes(), options).graph;
  graph::fold_constants(graph);
  return graph;
}

std::vector<float> computed(const Graph& graph, const std::vector<graph::Constant>& inputs) {
  return graph::Evaluator(graph).run(inputs).at(0).f32;
}

std::string error_of(const TfliteModel& model, const onnx::ImportOptions& options = {}) {
  try {
    imported(model, options);
  } catch (const ConvertError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("A fully connected layer flattens its input unless it keeps the dimensions") {
  TfliteModel model;
  const int32_t x = model.input("x", {1, 2, 2});
  const int32_t w = model.floats("w", {1, 2}, {1, 10});
  const int32_t b = model.floats("b", {1}, {-30});
  const int32_t y = model.result("y", {2, 1});
  tfl::FullyConnectedOptionsT options;
  options.fused_activation_function = tfl::FusedActivation::relu;
  SECTION("flattened") {}
  SECTION("kept") { options.keep_num_dims = true; }
  model.op(Op::FULLY_CONNECTED, {x, w, b}, {y}, options);
  model.outputs({y});
  const Graph graph = imported(model);
  const auto result = graph::Evaluator(graph).run({{float_constant({1, 2, 2}, {1, 2, 3, 4})}})[0];
  CHECK(result.f32 == std::vector<float>{0, 13});
  CHECK(result.shape == (options.keep_num_dims ? graph::Shape{1, 2, 1} : graph::Shape{2, 1}));
}

TEST_CASE("The exact GELU is told from the tanh form") {
  TfliteModel model;
  const int32_t x = model.input("x", {1});
  const int32_t y = model.result("y", {1});
  tfl::GeluOptionsT options;
  SECTION("exact") {}
  SECTION("tanh") { options.approximate = true; }
  model.op(Op::GELU, {x}, {y}, options);
  model.outputs({y});
  const std::vector<float> result = computed(imported(model), {float_constant({1}, {2})});
  const double wanted = options.approximate ? 1.954597694 : 1.954499736;
  CHECK(std::fabs(result[0] - wanted) < 1e-6);
}

TEST_CASE("Inputs and outputs bear the names of the signature") {
  TfliteModel model;
  const int32_t x = model.input("serving_default_x:0", {2});
  const int32_t y = model.result("StatefulPartitionedCall:0", {2});
  model.op(Op::NEG, {x}, {y});
  model.outputs({y});
  auto signature = std::make_unique<tfl::SignatureDefT>();
  const auto named = [](const char* name, int32_t index) {
    auto map = std::make_unique<tfl::TensorMapT>();
    map->name = name;
    map->tensor_index = static_cast<uint32_t>(index);
    return map;
  };
  signature->inputs.push_back(named("pixels", x));
  signature->outputs.push_back(named("logits", y));
  model.model.signature_defs.push_back(std::move(signature));
  const Graph graph = imported(model);
  CHECK(graph.value(graph.inputs[0]).name == "pixels");
  CHECK(graph.value(graph.outputs[0]).name == "logits");
}

TEST_CASE("A batch that the file leaves open becomes 1, and sizes computed from it are known") {
  TfliteModel model;
  const int32_t x = model.input("x", {1, 2, 3});
  model.tensor(x).shape_signature = {-1, 2, 3};
  const int32_t sizes = model.result("sizes", {3}, Type::int32);
  model.op(Op::SHAPE, {x}, {sizes});
  const int32_t batch = model.result("batch", {}, Type::int32);
  tfl::StridedSliceOptionsT first;
  first.shrink_axis_mask = 1;
  const int32_t zero = model.ints("zero", {0}), one = model.ints("one", {1});
  model.op(Op::STRIDED_SLICE, {sizes, zero, one, one}, {batch}, first);
  const int32_t six = model.constant("six", {}, Type::int32, std::vector<int32_t>{6});
  const int32_t to = model.result("to", {2}, Type::int32);
  tfl::PackOptionsT pack;
  pack.values_count = 2;
  model.op(Op::PACK, {batch, six}, {to}, pack);
  const int32_t y = model.result("y", {1, 6});
  model.op(Op::RESHAPE, {x, to}, {y});
  model.outputs({y});
  CHECK(imported(model).order().size() == 1);
  const auto notes = tflite::import_tflite_bytes(model.bytes()).notes;
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], ContainsSubstring("the batch dimension of [?,2,3] becomes 1"));

  onnx::ImportOptions options;
  options.shapes["x"] = {4, 2, 3};
  const Graph four = imported(model, options);
  CHECK(*four.value(four.outputs[0]).shape == graph::Shape{4, 6});
  model.tensor(x).shape_signature = {-1, -1, 3};
  CHECK_THAT(error_of(model), ContainsSubstring("--shape x=1xNx3"));
}

TEST_CASE("int8 weights come through as they are, whatever was quantised around them") {
  const bool hybrid = GENERATE(true, false);
  CAPTURE(hybrid);
  constexpr int32_t kOutputs = 48, kInputs = 64;
  TfliteModel model;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> bias;
  for (int32_t n = 0; n < kOutputs; ++n) {
    scales.push_back(0.001f * static_cast<float>(n + 1));
    bias.push_back(100 * n - 700);
    for (int32_t k = 0; k < kInputs; ++k)
      codes.push_back(static_cast<int8_t>(k == 0 ? 127 : (n * 31 + k * 17) % 253 - 126));
  }
  int32_t x = model.input("x", {1, kInputs});
  if (!hybrid) {  // a float edge, int8 inside
    const int32_t q = model.result("x_q", {1, kInputs}, Type::int8);
    model.quantise(q, {0.02f}, {3});
    model.op(Op::QUANTIZE, {x}, {q});
    x = q;
  }
  const int32_t w = model.constant("w", {kOutputs, kInputs}, Type::int8, codes);
  model.quantise(w, scales, std::vector<int64_t>(kOutputs, 0));
  std::vector<int32_t> operands = {x, w};
  if (!hybrid) {
    const int32_t b = model.constant("b", {kOutputs}, Type::int32, bias);
    std::vector<float> steps = scales;
    for (float& step : steps) step *= 0.02f;
    model.quantise(b, steps, std::vector<int64_t>(kOutputs, 0));
    operands.push_back(b);
  }
  int32_t y = model.result("y", {1, kOutputs}, hybrid ? Type::float32 : Type::int8);
  model.op(Op::FULLY_CONNECTED, operands, {y}, tfl::FullyConnectedOptionsT());
  if (!hybrid) {
    model.quantise(y, {0.1f}, {-5});
    const int32_t real = model.result("real", {1, kOutputs});
    model.op(Op::DEQUANTIZE, {y}, {real});
    y = real;
  }
  model.outputs({y});
  Graph graph = imported(model);
  passes::PassReport report;
  passes::run_passes(graph, report);
  INFO(graph::print_graph(graph));
  REQUIRE(graph.order().size() == 1);  // QUANTIZE and DEQUANTIZE are gone

  const LoweredModel lowered(graph);
  const fb::OpT& linear = *lowered.ops().back();
  REQUIRE(linear.options.AsLinearOptions() != nullptr);
  const auto* packed = reinterpret_cast<const int8_t*>(lowered.constant(linear.inputs[1]));
  const auto* steps = reinterpret_cast<const float*>(lowered.constant(linear.inputs[2]));
  for (int32_t n = 0; n < kOutputs; ++n) {
    CHECK(std::fabs(steps[n] - scales[static_cast<size_t>(n)]) <=
          1.2e-7f * scales[static_cast<size_t>(n)]);
    for (int32_t k = 0; k < kInputs; ++k) {  // [N/16][K/4][16][4]
      const int32_t at = ((n / 16 * (kInputs / 4) + k / 4) * 16 + n % 16) * 4 + k % 4;
      REQUIRE(packed[at] == codes[static_cast<size_t>(n * kInputs + k)]);
    }
  }
}

TEST_CASE("Quantised inputs and outputs are float32, and a note says what they were") {
  TfliteModel model;
  const int32_t x = model.input("x", {2}, Type::int8);
  model.quantise(x, {0.5f}, {3});
  const int32_t c = model.constant("c", {2}, Type::int8, std::vector<int8_t>{-1, 5});
  model.quantise(c, {0.25f}, {1});
  const int32_t y = model.result("y", {2}, Type::int8);
  model.quantise(y, {0.5f}, {0});
  model.op(Op::ADD, {x, c}, {y}, tfl::AddOptionsT());
  model.outputs({y});
  const Graph graph = imported(model);
  CHECK(graph.value(graph.inputs[0]).dtype == graph::DType::f32);
  CHECK(computed(graph, {float_constant({2}, {1, 2})}) == std::vector<float>{0.5f, 3});
  const auto notes = tflite::import_tflite_bytes(model.bytes()).notes;
  REQUIRE(notes.size() == 2);
  CHECK_THAT(notes[0], ContainsSubstring("input 'x': int8 with scale 0.5") &&
                           ContainsSubstring("zero point 3"));
}

TEST_CASE("float16 constants are widened, int4 weights unpacked") {
  TfliteModel model;
  const int32_t x = model.input("x", {1, 3});
  const int32_t half =
      model.constant("half", {3}, Type::float16, std::vector<uint16_t>{0x3c00, 0xc100, 0x0001});
  const int32_t wide = model.result("wide", {3});
  model.op(Op::DEQUANTIZE, {half}, {wide});
  const int32_t sum = model.result("sum", {1, 3});
  model.op(Op::ADD, {x, wide}, {sum}, tfl::AddOptionsT());
  const int32_t w = model.constant("w", {1, 3}, Type::int4, std::vector<uint8_t>{0xe3, 0x07});
  model.quantise(w, {2.0f});
  const int32_t y = model.result("y", {1, 1});
  model.op(Op::FULLY_CONNECTED, {sum, w}, {y}, tfl::FullyConnectedOptionsT());
  model.outputs({y});
  // 1 and -2.5 and the smallest number; 3, -2 and 7 times 2.
  const std::vector<float> result = computed(imported(model), {float_constant({1, 3}, {1, 1, 1})});
  CHECK(result == std::vector<float>{2 * 6 + -1.5f * -4 + 14 * (1 + 0x1p-24f)});
}

TEST_CASE("Data may lie behind the FlatBuffer") {
  TfliteModel model;
  const int32_t x = model.input("x", {2});
  const int32_t c = model.floats("c", {2}, {});
  const int32_t y = model.result("y", {2});
  model.op(Op::ADD, {x, c}, {y}, tfl::AddOptionsT());
  model.outputs({y});
  model.buffer_of(c).size = 8;
  model.buffer_of(c).offset = 1024;
  std::string bytes = model.bytes();
  REQUIRE(bytes.size() < 1024);
  bytes.resize(1024);
  const float behind[2] = {10, 20};
  bytes.append(reinterpret_cast<const char*>(behind), 8);
  Graph graph = tflite::import_tflite_bytes(bytes).graph;
  graph::fold_constants(graph);
  CHECK(computed(graph, {float_constant({2}, {1, 2})}) == std::vector<float>{11, 22});
}

TEST_CASE("A composite op is what its graph says") {
  TfliteModel model;
  const int32_t x = model.input("x", {2});
  const int32_t once = model.result("once", {2}), twice = model.result("twice", {2});
  for (const auto& [from, to] : {std::pair{x, once}, std::pair{once, twice}}) {
    model.op(Op::STABLEHLO_COMPOSITE, {from}, {to});
    tfl::StableHLOCompositeOptionsT options;
    options.decomposition_subgraph_index = 1;
    model.last_op().builtin_options_2.Set(std::move(options));
  }
  model.outputs({twice});
  model.model.subgraphs.push_back(std::make_unique<tfl::SubGraphT>());
  auto inner = std::make_unique<TfliteModel>();
  const int32_t a = inner->input("a", {2}), b = inner->result("b", {2});
  const int32_t kind = static_cast<int32_t>(model.model.operator_codes.size());
  inner->op(Op::SQUARE, {a}, {b});
  inner->outputs({b});
  inner->last_op().opcode_index = static_cast<uint32_t>(kind);
  model.model.operator_codes.push_back(std::move(inner->model.operator_codes[0]));
  model.model.subgraphs[1] = std::move(inner->model.subgraphs[0]);
  CHECK(computed(imported(model), {float_constant({2}, {2, 3})}) == std::vector<float>{16, 81});

  SECTION("one that calls itself is refused") {
    model.graph(1).operators[0]->opcode_index = 0;
    tfl::StableHLOCompositeOptionsT options;
    options.decomposition_subgraph_index = 1;
    model.graph(1).operators[0]->builtin_options_2.Set(std::move(options));
    CHECK_THAT(error_of(model), ContainsSubstring("too deeply"));
  }
}

TEST_CASE("Everything that cannot be converted is reported at once") {
  TfliteModel model;
  const int32_t x = model.input("x", {2, 3});
  const int32_t a = model.result("a", {2}), b = model.result("b", {2}), c = model.result("c", {2});
  const int32_t d = model.result("d", {2, 3}), e = model.result("e", {2, 3});
  model.op(Op::UNIQUE, {x}, {a});
  model.op(Op::CUSTOM, {a}, {b});
  model.model.operator_codes.back()->custom_code = "FlexErf";
  model.op(Op::NEG, {a}, {c});  // only repeats the first fault
  const int32_t axis = model.ints("axis", {1});
  tfl::GatherOptionsT batched;
  batched.batch_dims = 1;
  model.op(Op::GATHER, {x, axis}, {d}, batched);
  model.op(Op::TOPK_V2, {x, axis}, {e});
  model.outputs({b, c, d, e});
  const std::string error = error_of(model);
  CHECK_THAT(error, ContainsSubstring("4 ops cannot be converted:"));
  CHECK_THAT(error,
             ContainsSubstring("op 0 'a' (UNIQUE) of float32 [2,3]: this op is not supported"));
  CHECK_THAT(error, ContainsSubstring("op 1 'b' (custom 'FlexErf')"));
  CHECK_THAT(error, ContainsSubstring("op 3 'd' (GATHER) of float32 [2,3], int32 [1]: batch"));
  CHECK_THAT(error, ContainsSubstring("op 4 'e' (TOPK_V2)"));
}

TEST_CASE("Weights that are not int8 around zero are refused by name") {
  TfliteModel model;
  const int32_t x = model.input("x", {1, 2});
  int32_t w = -1;
  std::string wanted;
  SECTION("a zero point") {
    w = model.constant("w", {1, 2}, Type::int8, std::vector<int8_t>{1, 2});
    model.quantise(w, {0.5f}, {4});
    wanted = "zero point other than 0";
  }
  SECTION("uint8") {
    w = model.constant("w", {1, 2}, Type::uint8, std::vector<uint8_t>{1, 2});
    model.quantise(w, {0.5f}, {0});
    wanted = "weights of type uint8";
  }
  SECTION("int16") {
    w = model.constant("w", {1, 2}, Type::int16, std::vector<int16_t>{1, 2});
    model.quantise(w, {0.5f}, {0});
    wanted = "weights of type int16";
  }
  SECTION("scales that fit no dimension") {
    w = model.constant("w", {1, 2}, Type::int8, std::vector<int8_t>{1, 2});
    model.quantise(w, {0.5f, 1.0f, 1.0f}, {0}, 1);
    wanted = "its 3 scales fit none of its dimensions";
  }
  const int32_t y = model.result("y", {1, 1});
  model.op(Op::FULLY_CONNECTED, {x, w}, {y}, tfl::FullyConnectedOptionsT());
  model.outputs({y});
  CHECK_THAT(error_of(model), ContainsSubstring("tensor 'w'") && ContainsSubstring(wanted));
}

TEST_CASE("Zero points that lie where no 64-bit number may are refused by name") {
  TfliteModel model;
  const int32_t x = model.input("x", {1, 2});
  const int32_t w = model.constant("w", {1, 2}, Type::int8, std::vector<int8_t>{1, 2});
  model.quantise(w, {0.5f}, {1});
  const int32_t y = model.result("y", {1, 1});
  model.op(Op::FULLY_CONNECTED, {x, w}, {y}, tfl::FullyConnectedOptionsT());
  model.outputs({y});
  std::string bytes = model.bytes();
  CHECK_THROWS_WITH(heed::tflite::import_tflite_bytes(bytes),
                    ContainsSubstring("zero point other than 0"));
  // The list now begins at its first number, whose lower half becomes its length: one.
  const auto* tensors = tfl::GetModel(bytes.data())->subgraphs()->Get(0)->tensors();
  const auto* how = tensors->Get(static_cast<flatbuffers::uoffset_t>(w))->quantization();
  const auto* table = reinterpret_cast<const flatbuffers::Table*>(how);
  const auto* field = table->GetAddressOf(tfl::QuantizationParameters::VT_ZERO_POINT);
  char& low = bytes[static_cast<size_t>(reinterpret_cast<const char*>(field) - bytes.data())];
  low = static_cast<char>(low + 4);
  CHECK_THROWS_WITH(heed::tflite::import_tflite_bytes(bytes),
                    ContainsSubstring("tensor 'w'") && ContainsSubstring("misaligned"));
}

TEST_CASE("A file is known by its content, and the result names its source") {
  TfliteModel model;
  const int32_t x = model.input("x", {4});
  const int32_t y = model.result("y", {4});
  model.op(Op::TANH, {x}, {y});
  model.outputs({y});
  const TemporaryFolder folder;
  const std::string path = folder.file("renamed.onnx");
  const std::string bytes = model.bytes();
  std::ofstream(path, std::ios::binary) << bytes;
  ConvertOptions options;
  options.output = folder.file("model.heed");
  const ConvertReport report = convert(path, options);
  CHECK(report.entries[0].source_nodes == 1);
  CHECK(report.source_bytes == bytes.size());
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  CHECK_THROWS_WITH(convert(path, options), ContainsSubstring("file '" + path + "'") &&
                                                ContainsSubstring("cut short or damaged"));
}
