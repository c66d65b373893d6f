// ONNX bytes to graphs: encodings, older opsets, functions, branches, dynamic shapes.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/dim_names.h"
#include "converter/onnx/onnx_import.h"
#include "tests/support/onnx_builder.h"

namespace {

using Catch::Matchers::ContainsSubstring;
using heed::ConvertError;
using heed::graph::Constant;
using heed::graph::DType;
using heed::graph::float_constant;
using heed::graph::Graph;
using heed::graph::int_constant;
using heed::graph::Shape;
using heed::onnx::ImportOptions;
using namespace heed::test;

Graph imported(const OnnxModel& model, const ImportOptions& options = {}) {
  return heed::onnx::import_onnx_bytes(model.bytes(), "", options).graph;
}

Graph folded(const OnnxModel& model, const ImportOptions& options = {}) {
  Graph graph = imported(model, options);
  heed::graph::fold_constants(graph);
  return graph;
}

std::string error_of(const OnnxModel& model, const ImportOptions& options = {}) {
  try {
    folded(model, options);
  } catch (const ConvertError& error) {
    return error.what();
  }
  return "";
}

std::vector<float> run(const Graph& graph, std::vector<Constant> inputs) {
  return heed::graph::Evaluator(graph).run(inputs)[0].f32;
}

/// y = x plus a tensor of two elements.
OnnxModel adds(OnnxTensor tensor) {
  OnnxModel model;
  model.graph.input("x", {2});
  tensor.name = "t";
  tensor.dims = {2};
  model.graph.initializers.push_back(tensor);
  model.graph.node("Cast", {"t"}, "c", {{"to", 1}});
  model.graph.node("Add", {"x", "c"}, "y");
  model.graph.output("y");
  return model;
}

std::vector<float> added(const OnnxTensor& tensor) {
  return run(folded(adds(tensor)), {float_constant({2}, {0, 0})});
}

OnnxTensor raw_tensor(OnnxType type, std::string raw) {
  OnnxTensor tensor;
  tensor.type = type;
  tensor.raw = std::move(raw);
  return tensor;
}

size_t live_nodes(const Graph& graph) { return graph.order().size(); }

}  // namespace

TEST_CASE("A perceptron in ONNX bytes computes what it says") {
  OnnxModel model;
  model.graph.input("x", {1, 2});
  model.graph.weight("w", {2, 2}, {1, 2, 3, 4});
  model.graph.weight("b", {2}, {-10, 1});
  model.graph.node("MatMul", {"x", "w"}, "h");
  model.graph.node("Add", {"h", "b"}, "a");
  model.graph.node("Relu", {"a"}, "y");
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(run(graph, {float_constant({1, 2}, {1, 1})}) == std::vector<float>{0, 7});
  CHECK(graph.value(graph.outputs[0]).name == "y");
  CHECK(graph.value(graph.outputs[0]).shape == Shape{1, 2});
  CHECK_THAT(heed::graph::print_graph(graph), ContainsSubstring("%h f32[1,2] = MatMul(%x, %w)"));
}

TEST_CASE("Tensors of every type arrive widened, from raw bytes and from typed fields") {
  const std::vector<float> expected = {1.5f, -2};
  const std::vector<float> whole = {3, 200};
  CHECK(added(raw_tensor(OnnxType::f32, raw_bytes(expected))) == expected);
  CHECK(added(raw_tensor(OnnxType::f64, raw_bytes(std::vector<double>{1.5, -2}))) == expected);
  CHECK(added(raw_tensor(OnnxType::f16, raw_bytes(std::vector<uint16_t>{0x3e00, 0xc000}))) ==
        expected);
  CHECK(added(raw_tensor(OnnxType::bf16, raw_bytes(std::vector<uint16_t>{0x3fc0, 0xc000}))) ==
        expected);
  CHECK(added(raw_tensor(OnnxType::u8, raw_bytes(std::vector<uint8_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::i8, raw_bytes(std::vector<int8_t>{3, -56}))) ==
        std::vector<float>{3, -56});
  CHECK(added(raw_tensor(OnnxType::u16, raw_bytes(std::vector<uint16_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::i16, raw_bytes(std::vector<int16_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::i32, raw_bytes(std::vector<int32_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::u32, raw_bytes(std::vector<uint32_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::i64, raw_bytes(std::vector<int64_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::u64, raw_bytes(std::vector<uint64_t>{3, 200}))) == whole);
  CHECK(added(raw_tensor(OnnxType::boolean, std::string("\1\0", 2))) == std::vector<float>{1, 0});
  for (OnnxType type : {OnnxType::u8, OnnxType::i16, OnnxType::i32, OnnxType::u32, OnnxType::i64,
                        OnnxType::u64}) {
    OnnxTensor typed = raw_tensor(type, "");
    typed.encoding = OnnxEncoding::typed;
    typed.integers = {3, 200};
    CHECK(added(typed) == whole);
  }
  OnnxTensor typed = raw_tensor(OnnxType::f32, "");
  typed.encoding = OnnxEncoding::typed;
  typed.floats = expected;
  CHECK(added(typed) == expected);
  typed.type = OnnxType::f64;
  typed.doubles = {1.5, -2};
  CHECK(added(typed) == expected);
  typed.type = OnnxType::f16;
  typed.integers = {0x3e00, 0xc000};
  CHECK(added(typed) == expected);
}

TEST_CASE("Half floats widen exactly at their edges") {
  const OnnxTensor tensor =
      raw_tensor(OnnxType::f16, raw_bytes(std::vector<uint16_t>{0x0001, 0xfbff}));
  CHECK(added(tensor) == std::vector<float>{5.9604645e-8f, -65504});
}

TEST_CASE("A tensor whose bytes do not fit its dimensions, or that holds NaN, is refused") {
  CHECK_THAT(error_of(adds(raw_tensor(OnnxType::f32, "1234567"))),
             ContainsSubstring("tensor 't'") && ContainsSubstring("need 8 bytes, but it has 7"));
  CHECK_THAT(error_of(adds(raw_tensor(OnnxType::string, ""))),
             ContainsSubstring("type string is not supported"));
  const std::vector<float> bad = {1, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THAT(error_of(adds(raw_tensor(OnnxType::f32, raw_bytes(bad)))), ContainsSubstring("NaN"));
}

TEST_CASE("What old opsets write as attributes arrives as operands") {
  OnnxModel model;
  model.opset = 11;
  model.graph.input("x", {2, 3});
  const std::vector<int64_t> first = {0}, last = {1};
  model.graph.node("Unsqueeze", {"x"}, "u", {{"axes", first}});
  model.graph.node("ReduceMean", {"u"}, "m", {{"axes", std::vector<int64_t>{2}}, {"keepdims", 0}});
  model.graph.node("Squeeze", {"m"}, "s", {{"axes", first}});
  model.graph.node("Split", {"s"}, "a", {{"split", std::vector<int64_t>{1, 1}}, {"axis", 0}});
  model.graph.nodes.back().outputs.push_back("b");
  model.graph.node("Clip", {"b"}, "y", {{"max", 4.0f}});
  model.graph.output("y");
  const Graph graph = folded(model);
  for (heed::graph::NodeId id : graph.order()) {
    const heed::graph::Node& node = graph.node(id);
    CHECK((!node.has("axes") && !node.has("split") && !node.has("max")));
  }
  CHECK(run(graph, {float_constant({2, 3}, {1, 2, 3, 4, 5, 6})}) == std::vector<float>{4});
}

TEST_CASE("A joint softmax of opset 11 becomes a softmax over one dimension between reshapes") {
  OnnxModel model;
  model.opset = 11;
  model.graph.input("x", {2, 2, 2});
  model.graph.node("Softmax", {"x"}, "y");  // dimensions 1 and 2 together
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(live_nodes(graph) == 3);
  CHECK(graph.value(graph.outputs[0]).name == "y");
  const auto y = run(graph, {float_constant({2, 2, 2}, std::vector<float>(8, 1))});
  CHECK(y == std::vector<float>(8, 0.25f));
}

TEST_CASE("Arithmetic on static shapes folds away") {
  OnnxModel model;
  model.graph.input("x", {2, 3, 4});
  model.graph.integers("zero", {1}, {0});
  model.graph.integers("one", {1}, {1});
  model.graph.integers("two", {}, {2});
  model.graph.node("Shape", {"x"}, "shape");
  model.graph.node("Gather", {"shape", "zero"}, "batch");
  model.graph.node("Gather", {"shape", "one"}, "rows");
  model.graph.node("Div", {"rows", "two"}, "half");
  model.graph.node("Sub", {"rows", "half"}, "rest");
  model.graph.node("Concat", {"batch", "half", "rest"}, "joined", {{"axis", 0}});
  model.graph.node("ReduceProd", {"joined"}, "size", {{"keepdims", 1}});
  model.graph.integers("minus", {1}, {-1});
  model.graph.node("Concat", {"size", "minus"}, "target", {{"axis", 0}});
  model.graph.node("Reshape", {"x", "target"}, "y");
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(live_nodes(graph) == 1);
  CHECK(graph.value(graph.outputs[0]).shape == Shape{4, 6});
}

TEST_CASE("Nodes that change nothing disappear, and names of outputs survive") {
  OnnxModel model;
  model.graph.input("x", {2, 3});
  model.graph.integers("same", {2}, {2, 3});
  model.graph.node("Identity", {"x"}, "a");
  model.graph.node("Dropout", {"a"}, "b");
  model.graph.node("Reshape", {"b", "same"}, "c");
  model.graph.node("Cast", {"c"}, "d", {{"to", 1}});
  model.graph.node("Relu", {"d"}, "e");
  model.graph.node("Identity", {"e"}, "y");
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(live_nodes(graph) == 1);
  CHECK(graph.value(graph.outputs[0]).name == "y");
  CHECK(run(graph, {float_constant({2, 3}, {1, -1, 2, -2, 3, -3})}) ==
        std::vector<float>{1, 0, 2, 0, 3, 0});
}

TEST_CASE("A slice that turns a dimension round and a pad that shifts are no no-ops") {
  OnnxModel model;
  model.graph.input("x", {3});
  model.graph.integers("start", {1}, {-1});
  model.graph.integers("end", {1}, {INT64_MIN});
  model.graph.integers("axis", {1}, {0});
  model.graph.integers("step", {1}, {-1});
  model.graph.integers("pads", {2}, {1, -1});
  model.graph.node("Slice", {"x", "start", "end", "axis", "step"}, "r");
  model.graph.node("Pad", {"r", "pads"}, "y");
  model.graph.output("y");
  CHECK(run(folded(model), {float_constant({3}, {1, 2, 3})}) == std::vector<float>{0, 3, 2});
}

TEST_CASE("An If whose condition is a matter of shapes becomes its branch, captures and all") {
  for (int64_t rank : {2, 1}) {
    OnnxGraph yes, no;
    yes.node("Mul", {"x", "factor"}, "inner");
    yes.node("Relu", {"inner"}, "taken");
    yes.output("taken");
    no.node("Neg", {"x"}, "other");
    no.output("other");
    OnnxModel model;
    model.graph.input("x", {2, 2});
    model.graph.weight("factor", {}, {3});
    model.graph.integers("rank", {}, {rank});
    model.graph.node("Shape", {"x"}, "shape");
    model.graph.node("Size", {"shape"}, "size");
    model.graph.node("Equal", {"size", "rank"}, "condition");
    model.graph.node("If", {"condition"}, "chosen", {{"then_branch", yes}, {"else_branch", no}});
    model.graph.node("Exp", {"chosen"}, "e");
    model.graph.node("Log", {"e"}, "y");
    model.graph.output("y");
    const auto y = run(folded(model), {float_constant({2, 2}, {1, -1, 2, -2})});
    const std::vector<float> expected =
        rank == 2 ? std::vector<float>{3, 0, 6, 0} : std::vector<float>{-1, 1, -2, 2};
    for (size_t i = 0; i < 4; ++i) CHECK(std::abs(y[i] - expected[i]) < 1e-5f);
  }
}

TEST_CASE("An input that is given a value is a constant, and chooses an If's branch") {
  OnnxGraph yes, no;
  yes.node("Relu", {"x"}, "taken");
  yes.output("taken");
  no.node("Neg", {"x"}, "other");
  no.output("other");
  OnnxModel model;
  model.graph.input("x", {2});
  model.graph.input("use_cache", {1}, OnnxType::boolean);
  model.graph.node("If", {"use_cache"}, "y", {{"then_branch", yes}, {"else_branch", no}});
  model.graph.output("y");
  CHECK_THAT(error_of(model), ContainsSubstring("--constant"));
  ImportOptions options;
  options.constants["use_cache"] = 0;
  const Graph graph = folded(model, options);
  CHECK(graph.inputs.size() == 1);
  CHECK(run(graph, {float_constant({2}, {1, -1})}) == std::vector<float>{-1, 1});
  options.constants = {{"use_cash", 1}};
  CHECK_THAT(error_of(model, options), ContainsSubstring("a value was given for 'use_cash'"));
}

TEST_CASE("An If that depends on the input is reported, with the other faults") {
  OnnxGraph branch;
  branch.node("Neg", {"x"}, "n");
  branch.output("n");
  OnnxModel model;
  model.graph.input("x", {1});
  model.graph.weight("zero", {}, {0});
  model.graph.node("Greater", {"x", "zero"}, "c");
  model.graph.node("If", {"c"}, "i", {{"then_branch", branch}, {"else_branch", branch}});
  model.graph.node("NonMaxSuppression", {"x"}, "n1", {{"center_point_box", 1}});
  model.graph.node("Relu", {"n1"}, "after");
  model.graph.node("Frobnicate", {"x"}, "n2", {{"depth", 3}}, "my.domain");
  model.graph.node("Sum", {"i", "after", "n2"}, "y");
  model.graph.output("y");
  const std::string error = error_of(model);
  CHECK_THAT(error, ContainsSubstring("3 nodes cannot be converted"));
  CHECK_THAT(error, ContainsSubstring("node 'i' (If)"));
  CHECK_THAT(error, ContainsSubstring("node 'n1' (NonMaxSuppression) {center_point_box=1}"));
  CHECK_THAT(error, ContainsSubstring("node 'n2' (my.domain.Frobnicate) {depth=3}"));
  CHECK_THAT(error, !ContainsSubstring("'after'") && !ContainsSubstring("'y'"));
}

TEST_CASE("Local functions are inlined with the attributes of their call") {
  OnnxFunction leaky{"pkg.local", "Leaky", {"v", "unused"}, {"w"}, {"slope"}, {}, {}};
  leaky.nodes.push_back({"LeakyRelu", {"v"}, {"t"}, {OnnxAttribute::reference("alpha", "slope")},
                         "", ""});
  leaky.nodes.push_back({"Neg", {"t"}, {"w"}, {}, "", ""});
  OnnxFunction twice{"pkg.local", "Twice", {"v"}, {"w"}, {}, {{"slope", 0.5f}}, {}};
  twice.nodes.push_back({"Leaky", {"v"}, {"t"}, {OnnxAttribute::reference("slope", "slope")},
                         "pkg.local", "inner"});
  twice.nodes.push_back({"Leaky", {"t"}, {"w"}, {{"slope", 0.25f}}, "pkg.local", "outer"});
  OnnxModel model;
  model.functions = {leaky, twice};
  model.other_domains = {{"pkg.local", 1}};
  model.graph.input("x", {2});
  model.graph.node("Twice", {"x"}, "y", {}, "pkg.local");
  model.graph.output("y");
  const Graph graph = folded(model);
  CHECK(live_nodes(graph) == 4);
  // 4 -> 4 -> -4 -> -1 -> 1; -4 -> -2 -> 2 -> 2 -> -2
  CHECK(run(graph, {float_constant({2}, {4, -4})}) == std::vector<float>{1, -2});
}

TEST_CASE("Functions that call themselves are refused") {
  OnnxFunction loop{"f", "Loop", {"v"}, {"w"}, {}, {}, {}};
  loop.nodes.push_back({"Loop", {"v"}, {"t"}, {}, "f", ""});
  loop.nodes.push_back({"Loop", {"t"}, {"w"}, {}, "f", ""});
  OnnxModel model;
  model.functions = {loop};
  model.graph.input("x", {2});
  model.graph.node("Loop", {"x"}, "y", {}, "f");
  model.graph.output("y");
  CHECK_THAT(error_of(model), ContainsSubstring("too deeply"));
}

namespace {

ImportOptions given(const std::string& input, Shape shape) {
  ImportOptions options;
  options.shapes[input] = std::move(shape);
  return options;
}

}  // namespace

TEST_CASE("A batch that is left open becomes 1; other open dimensions are asked for") {
  OnnxModel model;
  model.graph.input("ids", {"batch_size", "sequence"}, OnnxType::i64);
  model.graph.input("mask", {"batch_size", "sequence"}, OnnxType::i64);
  model.graph.input("speaker", {"N", 4});
  model.graph.node("Add", {"ids", "mask"}, "sum");
  model.graph.node("Cast", {"sum"}, "y", {{"to", 1}});
  model.graph.output("y");
  const std::string error = error_of(model);
  CHECK_THAT(error, ContainsSubstring("input 'ids' is [batch_size,sequence]"));
  CHECK_THAT(error, ContainsSubstring("input 'mask'") && !ContainsSubstring("speaker"));
  CHECK_THAT(error, ContainsSubstring("--dim sequence=N") && !ContainsSubstring("N --dim"));
  ImportOptions options;
  options.shapes["ids"] = {1, 7};  // fixes `sequence` for the mask as well
  const auto model_read = heed::onnx::import_onnx_bytes(model.bytes(), "", options);
  CHECK(model_read.graph.value(model_read.graph.inputs[1]).shape == Shape{1, 7});
  CHECK(model_read.graph.value(model_read.graph.inputs[2]).shape == Shape{1, 4});
  REQUIRE(model_read.notes.size() == 1);
  CHECK_THAT(model_read.notes[0], ContainsSubstring("'speaker'") && ContainsSubstring("becomes 1"));
  options.shapes["mask"] = {1, 8};
  CHECK_THAT(error_of(model, options), ContainsSubstring("disagree about 'sequence'"));
  CHECK_THAT(error_of(model, given("ids", {1, 7, 2})), ContainsSubstring("does not fit"));
  CHECK_THAT(error_of(model, given("speaker", {1, 5})), ContainsSubstring("does not fit"));
  CHECK_THAT(error_of(model, given("idz", {1, 7})), ContainsSubstring("but the inputs are 'ids'"));
}

TEST_CASE("Dimensions are fixed by their names, and sums over names follow") {
  OnnxModel model;
  model.graph.input("ids", {"batch", "step"}, OnnxType::i64);
  model.graph.input("mask", {"batch", "past + step"}, OnnxType::i64);
  model.graph.input("cache", {"batch * heads", "past", "floor(step)"});
  model.graph.input("frames", {"batch", "(past - 1) // 2*step"});
  model.graph.input("nameless", {3, -1});
  model.graph.node("Cast", {"ids"}, "y", {{"to", 1}});
  model.graph.output("y");
  const std::string error = error_of(model);
  CHECK_THAT(error, ContainsSubstring("--dim step=N --dim past=N --dim heads=N "
                                      "--dim floor(step)=N --shape nameless=3xN"));
  ImportOptions options;
  options.shapes["nameless"] = {3, 5};
  options.dims = {{"step", 2}, {"past", 7}, {"heads", 4}, {"floor(step)", 6}};
  const auto read = heed::onnx::import_onnx_bytes(model.bytes(), "", options);
  const auto shape = [&](size_t i) { return read.graph.value(read.graph.inputs[i]).shape; };
  CHECK(shape(0) == Shape{1, 2});
  CHECK(shape(1) == Shape{1, 9});
  CHECK(shape(2) == Shape{4, 7, 6});
  CHECK(shape(3) == Shape{1, 6});
  options.dims["past"] = 0;
  CHECK_THAT(error_of(model, options), ContainsSubstring("'past' is out of range"));
  options.dims["past"] = 1;  // (1 - 1) // 2 is no size
  CHECK_THAT(error_of(model, options), ContainsSubstring("input 'frames'"));
  options.dims = {{"sequence", 2}};
  CHECK_THAT(error_of(model, options),
             ContainsSubstring("'sequence'") && ContainsSubstring("are 'batch' 'step' 'past'"));
}

TEST_CASE("Sizes that no machine holds and texts without end are no sums") {
  heed::onnx::DimNames names;
  names.learn("n", 1 << 30);
  CHECK(names.size_of("n * n") == std::nullopt);
  CHECK(names.size_of("n * n / n") == std::nullopt);
  CHECK(names.size_of("n / 0") == std::nullopt);
  CHECK(names.size_of("n - n") == std::nullopt);
  CHECK(names.size_of("n +") == std::nullopt);
  CHECK(names.size_of(std::string(100000, '(')) == std::nullopt);
  CHECK(names.size_of("99999999999999999999") == std::nullopt);
  CHECK(names.size_of("7 / 2 - 1") == 2);
  CHECK(names.unknown_in("m + 1 * k") == std::vector<std::string>{"m", "k"});
  CHECK(names.unknown_in("3 +") == std::vector<std::string>{"3 +"});
}

TEST_CASE("Initialisers listed as inputs, as before IR 4, are no inputs") {
  OnnxModel model;
  model.ir_version = 3;
  model.graph.input("x", {1});
  model.graph.input("w", {1});
  model.graph.weight("w", {1}, {2});
  model.graph.node("Mul", {"x", "w"}, "y");
  model.graph.output("y");
  CHECK(imported(model).inputs.size() == 1);
}

TEST_CASE("Nodes out of order are put in order; cycles are refused") {
  OnnxModel model;
  model.graph.input("x", {1});
  model.graph.node("Neg", {"a"}, "y");
  model.graph.node("Exp", {"x"}, "a");
  model.graph.output("y");
  CHECK(run(folded(model), {float_constant({1}, {0})}) == std::vector<float>{-1});
  model.graph.nodes[1].inputs = {"y"};
  CHECK_THAT(error_of(model), ContainsSubstring("cycle"));
}
