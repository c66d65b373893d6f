// Ops that exist in other words only: their values are those of ONNX Runtime 1.32.

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"
#include "tests/support/graph_builder.h"
#include "tests/support/onnx_builder.h"

namespace {

using Catch::Matchers::ContainsSubstring;
using heed::graph::Constant;
using heed::graph::float_constant;
using heed::graph::Graph;
using heed::graph::int_constant;
using heed::graph::Shape;
using namespace heed::test;

Graph folded(const OnnxModel& model) {
  Graph graph = heed::onnx::import_onnx_bytes(model.bytes()).graph;
  heed::graph::fold_constants(graph);
  return graph;
}

/// Every output must be what the runtime gave.
void check(const Graph& graph, const Constant& x, const std::vector<std::vector<float>>& expected) {
  const auto outputs = heed::graph::Evaluator(graph).run(std::vector<Constant>{x});
  REQUIRE(outputs.size() == expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    REQUIRE(outputs[i].f32.size() == expected[i].size());
    for (size_t j = 0; j < expected[i].size(); ++j) {
      INFO("output " << i << " element " << j);
      CHECK(outputs[i].f32[j] == Catch::Approx(expected[i][j]).margin(2e-6));
    }
  }
}

std::string refusal(const OnnxModel& model) {
  try {
    folded(model);
  } catch (const heed::ConvertError& error) {
    return error.what();
  }
  return "";
}

/// [1, 5, 2, 8] resized along its last dimension.
OnnxModel resize(float scale, std::vector<OnnxAttribute> attributes, Shape shape = {1, 1, 4},
                 int64_t opset = 13) {
  OnnxModel model;
  model.opset = opset;
  std::vector<OnnxDim> dims(shape.begin(), shape.end());
  std::vector<float> scales(shape.size(), 1.0f);
  scales.back() = scale;
  model.graph.input("x", dims);
  model.graph.weight("scales", {static_cast<int64_t>(shape.size())}, scales);
  model.graph.node("Resize", {"x", "", "scales"}, "y", std::move(attributes));
  model.graph.output("y");
  return model;
}

void check_resize(const OnnxModel& model, const std::vector<float>& expected,
                  Shape shape = {1, 1, 4}) {
  const Graph graph = folded(model);
  CHECK(count_ops(graph, "Resize", "") == 0);
  check(graph, float_constant(std::move(shape), {1, 5, 2, 8}), {expected});
}

}  // namespace

TEST_CASE("Resize takes the nearest place by each rule") {
  check_resize(resize(1.5f, {{"mode", "nearest"}}), {1, 1, 5, 2, 2, 8});
  check_resize(resize(2, {{"mode", "nearest"},
                          {"coordinate_transformation_mode", "asymmetric"},
                          {"nearest_mode", "floor"}}),
               {1, 1, 5, 5, 2, 2, 8, 8});
  check_resize(resize(0.5f, {{"mode", "nearest"},
                             {"coordinate_transformation_mode", "asymmetric"},
                             {"nearest_mode", "ceil"}}),
               {1, 2});
}

TEST_CASE("Resize interpolates between places by each rule of coordinates") {
  const auto linear = [](float scale, const char* coordinates) {
    return resize(scale, {{"mode", "linear"}, {"coordinate_transformation_mode", coordinates}});
  };
  check_resize(linear(2, "half_pixel"), {1, 2, 4, 4.25f, 2.75f, 3.5f, 6.5f, 8});
  check_resize(linear(1.5f, "pytorch_half_pixel"), {1, 3, 4.5f, 2.5f, 5, 8});
  check_resize(linear(1.75f, "align_corners"), {1, 3, 5, 3.5f, 2, 5, 8});
  check_resize(linear(0.6f, "half_pixel_symmetric"), {3.666667f, 4});
  CHECK_THAT(refusal(linear(2, "tf_crop_and_resize")),
             ContainsSubstring("the coordinates 'tf_crop_and_resize' are not supported"));
}

TEST_CASE("Resize follows a cubic, and widens its filter where it smooths") {
  const Shape image = {1, 1, 1, 4};
  check_resize(
      resize(2, {{"mode", "cubic"}}, image),
      {0.578125f, 2.011719f, 4.410156f, 4.53125f, 2.1875f, 3.042969f, 6.535156f, 8.632812f}, image);
  check_resize(resize(1.5f, {{"mode", "cubic"}, {"exclude_outside", 1}}, image),
               {0.594594f, 3.085714f, 4.812501f, 1.979168f, 5, 8.608106f}, image);
  const Shape wide = {1, 1, 1, 8};
  const Constant x = float_constant(wide, {1, 5, 2, 8, 3, 1, 4, 7});
  check(folded(resize(0.5f, {{"mode", "linear"}, {"antialias", 1}}, wide, 18)), x,
        {{2.625f, 4.75f, 3, 5.125f}});
  check(folded(resize(0.5f, {{"mode", "cubic"}, {"antialias", 1}}, wide, 18)), x,
        {{2.484375f, 5.248047f, 2.642578f, 5.089844f}});
}

TEST_CASE("Resize takes sizes of some axes, and asks for sizes that are known") {
  OnnxModel model;
  model.opset = 18;
  model.graph.input("x", {1, 2, 2});
  model.graph.integers("sizes", {1}, {4});
  model.graph.node("Resize", {"x", "", "", "sizes"}, "y",
                   {{"axes", std::vector<int64_t>{-1}}, {"mode", "nearest"}});
  model.graph.output("y");
  check(folded(model), float_constant({1, 2, 2}, {1, 5, 2, 8}), {{1, 1, 5, 5, 2, 2, 8, 8}});
  model.graph.initializers.clear();
  model.graph.input("sizes", {1}, OnnxType::i64);
  CHECK_THAT(refusal(model), ContainsSubstring("its sizes depend on the model's input"));
  CHECK_THAT(refusal(resize(-1, {})), ContainsSubstring("a size is out of range"));
  CHECK_THAT(refusal(resize(1e30f, {})), ContainsSubstring("a size is out of range"));
}

namespace {

void check_transposed(std::vector<OnnxAttribute> attributes, const std::vector<float>& expected,
                      int convs) {
  OnnxModel model;
  model.graph.input("x", {1, 2, 3});
  model.graph.weight("w", {2, 2, 2}, {1, -2, 3, 4, 0.5f, 1, -1, 2});
  model.graph.node("ConvTranspose", {"x", "w"}, "y", std::move(attributes));
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(count_ops(graph, "Conv", "") == convs);
  check(graph, float_constant({1, 2, 3}, {1, 2, 3, 4, 5, 6}), {expected});
}

}  // namespace

TEST_CASE("A transposed convolution is a product where blocks lie apart, else a convolution") {
  using Ints = std::vector<int64_t>;
  check_transposed({{"strides", Ints{2}}}, {3, 2, 4.5f, 1, 6, 0, -1, 12, 1, 18, 3, 24}, 0);
  check_transposed({}, {3, 6.5f, 7, 0, -1, 13, 21, 24}, 1);
  check_transposed({{"strides", Ints{2}}, {"pads", Ints{1, 0}}, {"output_padding", Ints{1}}},
                   {2, 4.5f, 1, 6, 0, 0, 12, 1, 18, 3, 24, 0}, 1);
  check_transposed({{"strides", Ints{3}}, {"dilations", Ints{2}}, {"pads", Ints{1, 1}}},
                   {0, 2, 4.5f, 0, 1, 6, 0, 0, 12, 1, 0, 18, 3, 0}, 1);
  check_transposed({{"strides", Ints{2}}, {"auto_pad", "SAME_UPPER"}},
                   {3, 2, 4.5f, 1, 6, 0, -1, 12, 1, 18, 3, 24}, 0);
  check_transposed({{"strides", Ints{2}}, {"group", 2}, {"pads", Ints{0, 1}}},
                   {1, -2, 2, -4, 3, 3, 4, 6, 8, 9, 2, 4, 2.5f, 5, 3, -4, 8, -5, 10, -6}, 1);
}

namespace {

std::vector<float> ramp(int64_t count, float size) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(i * 7 % 11 - 5) / 10 * size);
  return values;
}

/// Both directions over three steps of two values, two hidden ones.
OnnxModel recurrent(const std::string& op, int64_t gates, std::vector<OnnxAttribute> more = {}) {
  OnnxModel model;
  model.opset = 14;
  auto& g = model.graph;
  g.input("x", {3, 1, 2});
  g.weight("w", {2, gates * 2, 2}, ramp(gates * 8, 1));
  g.weight("r", {2, gates * 2, 2}, ramp(gates * 8, 0.7f));
  g.weight("b", {2, gates * 4}, ramp(gates * 8, 0.5f));
  g.weight("h0", {2, 1, 2}, ramp(4, 1));
  std::vector<std::string> inputs = {"x", "w", "r", "b", "", "h0"}, outputs = {"y", "yh"};
  if (op == "LSTM") {
    g.weight("c0", {2, 1, 2}, ramp(4, -1));
    inputs.push_back("c0");
    outputs.push_back("yc");
  }
  more.emplace_back("hidden_size", 2);
  more.emplace_back("direction", "bidirectional");
  g.nodes.push_back({op, inputs, outputs, std::move(more), "", ""});
  for (const std::string& output : outputs) g.output(output);
  return model;
}

const Constant kSteps = float_constant({3, 1, 2}, {-1, -0.5f, 0, 0.5f, 1, 1.5f});

}  // namespace

TEST_CASE("Recurrent layers run step by step in both directions") {
  check(folded(recurrent("LSTM", 4)), kSteps,
        {{0.193670f, -0.152760f, -0.174099f, 0.207974f, 0.165698f, -0.039385f, -0.070090f,
          0.088104f, 0.122794f, 0.240024f, 0.048301f, -0.000844f},
         {0.122794f, 0.240024f, -0.174099f, 0.207974f},
         {0.333056f, 0.416079f, -0.413255f, 0.422037f}});
  check(folded(recurrent("GRU", 3)), kSteps,
        {{-0.201697f, 0.078789f, -0.491517f, 0.598051f, -0.023718f, -0.184214f, -0.355618f,
          0.409895f, 0.004271f, -0.416543f, -0.243565f, 0.360959f},
         {0.004271f, -0.416543f, -0.491517f, 0.598051f}});
  check(folded(recurrent("GRU", 3, {{"linear_before_reset", 1}})), kSteps,
        {{-0.192867f, 0.139960f, -0.435902f, 0.548724f, -0.005446f, -0.118131f, -0.306673f,
          0.352319f, 0.039685f, -0.363787f, -0.214281f, 0.321693f},
         {0.039685f, -0.363787f, -0.435902f, 0.548724f}});
  check(folded(recurrent("RNN", 1)), kSteps,
        {{0.247737f, 0.413644f, 0.333410f, -0.491093f, -0.271792f, 0.610735f, 0.044644f, -0.207309f,
          -0.353440f, 0.818352f, -0.215565f, 0.191602f},
         {-0.353440f, 0.818352f, 0.333410f, -0.491093f}});
}

TEST_CASE("What recurrent layers cannot do is said with its reason") {
  CHECK_THAT(refusal(recurrent("LSTM", 4, {{"layout", 1}})), ContainsSubstring("batch first"));
  CHECK_THAT(refusal(recurrent("GRU", 3, {{"clip", 3.0f}})), ContainsSubstring("clips"));
  OnnxModel model = recurrent("LSTM", 4);
  model.graph.integers("lengths", {1}, {2});
  model.graph.nodes[0].inputs[4] = "lengths";
  CHECK_THAT(refusal(model), ContainsSubstring("lengths of their own"));
}

TEST_CASE("An op after one without other words is not blamed") {
  OnnxModel model = resize(2, {{"mode", "spline"}});
  model.graph.node("Resize", {"y", "", "scales"}, "z");
  model.graph.output("z");
  const std::string error = refusal(model);
  CHECK_THAT(error, ContainsSubstring("1 node cannot be converted"));
  CHECK_THAT(error, ContainsSubstring("'spline'"));
}

TEST_CASE("Single elements are scattered along an axis") {
  OnnxModel model;
  model.graph.input("x", {2, 3});
  model.graph.integers("ids", {1, 2}, {1, -2});
  model.graph.weight("updates", {1, 2}, {7, 8});
  model.graph.node("ScatterElements", {"x", "ids", "updates"}, "y", {{"axis", 0}});
  model.graph.output("y");
  check(folded(model), float_constant({2, 3}, {1, 2, 3, 4, 5, 6}), {{1, 8, 3, 7, 5, 6}});
  model.graph.initializers[0] = int_tensor("ids", {1, 2}, {1, 2});
  CHECK_THAT(refusal(model), ContainsSubstring("an index is out of range"));
}
