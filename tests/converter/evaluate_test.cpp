// Every op of the converter's table, against values worked out by hand.

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_rules.h"
#include "tests/support/op_case.h"

namespace {

using heed::ConvertError;
using heed::graph::DType;
using namespace heed::test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check_floats(const Constant& y, const Shape& shape, const std::vector<float>& expected,
                  float tolerance = 1e-5f) {
  CHECK(y.dtype == DType::f32);
  CHECK(y.shape == shape);
  REQUIRE(y.f32.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": " << y.f32[i] << ", expected " << expected[i]);
    CHECK((y.f32[i] == expected[i] || std::fabs(y.f32[i] - expected[i]) <= tolerance));
  }
}

void check_ints(const Constant& y, const Shape& shape, const std::vector<int64_t>& expected) {
  CHECK(y.dtype != DType::f32);
  CHECK(y.shape == shape);
  CHECK(y.i64 == expected);
}

/// The op on one vector of floats.
void check_unary(const std::string& op, std::vector<float> x, const std::vector<float>& expected,
                 const Attributes& attributes = {}) {
  INFO(op);
  const Shape shape = {static_cast<int64_t>(x.size())};
  check_floats(apply({op, {floats(shape, std::move(x))}, attributes})[0], shape, expected);
}

}  // namespace

TEST_CASE("No op stands twice in the table, and every op can be found by its name") {
  std::set<std::pair<std::string, std::string>> seen;
  for (const auto& family : heed::graph::op_rules()) {
    for (const heed::graph::OpRule& rule : family) {
      INFO(rule.domain << " " << rule.op);
      CHECK(seen.emplace(rule.domain, rule.op).second);
      CHECK(heed::graph::find_rule(rule.domain, rule.op) == &rule);
    }
  }
  CHECK(seen.size() > 120);
  CHECK(heed::graph::find_rule("", "NoSuchOp") == nullptr);
}

TEST_CASE("Unary ops compute their formulas, at zero, at the kinks and beyond") {
  check_unary("Abs", {-2, 0, 3}, {2, 0, 3});
  check_unary("Atan", {0, 1}, {0, 0.7853982f});
  check_unary("Ceil", {-1.5f, 1.2f}, {-1, 2});
  check_unary("Celu", {-1, 2}, {-0.6321206f, 2});
  check_unary("Cos", {0, 3.1415927f}, {1, -1});
  check_unary("Elu", {-1, 2}, {-1.2642411f, 2}, {{"alpha", 2.0f}});
  check_unary("Erf", {0, 1, -1}, {0, 0.8427008f, -0.8427008f});
  check_unary("Exp", {0, 1}, {1, 2.7182818f});
  check_unary("Floor", {-1.5f, 1.7f}, {-2, 1});
  check_unary("Gelu", {1, -1}, {0.8413447f, -0.1586553f});
  check_unary("Gelu", {1, -1}, {0.8411920f, -0.1588080f}, {{"approximate", std::string("tanh")}});
  check_unary("HardSigmoid", {-3, 0, 3}, {0, 0.5f, 1});
  check_unary("HardSwish", {-4, 0, 1, 4}, {0, 0, 0.6666667f, 4});
  check_unary("LeakyRelu", {-1, 2}, {-0.1f, 2}, {{"alpha", 0.1f}});
  check_unary("Log", {1, 2.7182818f}, {0, 1});
  check_unary("Mish", {0, 1}, {0, 0.8650984f});
  check_unary("Neg", {1, -2}, {-1, 2});
  check_unary("Reciprocal", {2, -4}, {0.5f, -0.25f});
  check_unary("Relu", {-1, 0, 2}, {0, 0, 2});
  check_unary("Round", {0.5f, 1.5f, -2.5f, 2.6f}, {0, 2, -2, 3});
  check_unary("Selu", {-1, 1}, {-1.1113307f, 1.0507010f});
  check_unary("Sigmoid", {0, 2}, {0.5f, 0.8807971f});
  check_unary("Sign", {-3, 0, 5}, {-1, 0, 1});
  check_unary("Sin", {0, 1.5707963f}, {0, 1});
  check_unary("Softplus", {0, -100, 100}, {0.6931472f, 0, 100});
  check_unary("Softsign", {-1, 3}, {-0.5f, 0.75f});
  check_unary("Sqrt", {4, 9}, {2, 3});
  check_unary("Swish", {1, 0}, {0.7310586f, 0});
  check_unary("Tan", {0, 0.7853982f}, {0, 1});
  check_unary("Tanh", {0, 1}, {0, 0.7615942f});
  check_unary("Identity", {1, 2}, {1, 2});
}

TEST_CASE("Unary ops keep integers exact") {
  check_ints(apply({"Abs", {list({-3, 4})}})[0], {2}, {3, 4});
  check_ints(apply({"Neg", {list({-3, 4})}})[0], {2}, {3, -4});
  check_ints(apply({"Relu", {list({-3, 4})}})[0], {2}, {0, 4});
  check_ints(apply({"Sign", {list({-3, 0, 4})}})[0], {3}, {-1, 0, 1});
  check_ints(apply({"Not", {booleans({2}, {1, 0})}})[0], {2}, {0, 1});
}

TEST_CASE("Clip takes its bounds as operands, either of which may be missing") {
  const Constant x = floats({3}, {-2, 0.5f, 7});
  check_floats(apply({"Clip", {x, floats({}, {-1}), floats({}, {6})}})[0], {3}, {-1, 0.5f, 6});
  check_floats(apply({"Clip", {x, absent(), floats({}, {6})}})[0], {3}, {-2, 0.5f, 6});
  check_floats(apply({"Clip", {x}, {{"min", 0.0f}}, 1, 10})[0], {3}, {0, 0.5f, 7});
  check_ints(apply({"Clip", {list({-5, 5}), ints({}, {0})}})[0], {2}, {0, 5});
}

TEST_CASE("Casts truncate towards zero, wrap narrow integers and test against zero") {
  const Constant x = floats({4}, {-1.9f, 0, 2.7f, 300});
  check_ints(apply({"Cast", {x}, {{"to", int64_t{7}}}})[0], {4}, {-1, 0, 2, 300});
  check_ints(apply({"Cast", {x}, {{"to", int64_t{2}}}})[0], {4}, {255, 0, 2, 44});
  check_ints(apply({"Cast", {x}, {{"to", int64_t{9}}}})[0], {4}, {1, 0, 1, 1});
  check_floats(apply({"Cast", {list({1, -2})}, {{"to", int64_t{10}}}})[0], {2}, {1, -2});
  const Constant odd = floats({3}, {std::nanf(""), kInfinity, -kInfinity});
  check_ints(apply({"Cast", {odd}, {{"to", int64_t{7}}}})[0], {3}, {0, INT64_MAX, INT64_MIN});
  check_ints(apply({"CastLike", {x, list({0})}})[0], {4}, {-1, 0, 2, 300});
  CHECK_THROWS_AS(apply({"Cast", {x}, {{"to", int64_t{8}}}}), ConvertError);
}

TEST_CASE("IsNaN and IsInf see what they name") {
  const Constant x = floats({4}, {1, std::nanf(""), kInfinity, -kInfinity});
  check_ints(apply({"IsNaN", {x}})[0], {4}, {0, 1, 0, 0});
  check_ints(apply({"IsInf", {x}})[0], {4}, {0, 0, 1, 1});
  check_ints(apply({"IsInf", {x}, {{"detect_negative", int64_t{0}}}})[0], {4}, {0, 0, 1, 0});
}

TEST_CASE("Binary ops broadcast from the last dimension") {
  const Constant a = floats({2, 1}, {1, 2}), b = floats({3}, {10, 20, 30});
  check_floats(apply({"Add", {a, b}})[0], {2, 3}, {11, 21, 31, 12, 22, 32});
  check_floats(apply({"Sub", {b, a}})[0], {2, 3}, {9, 19, 29, 8, 18, 28});
  check_floats(apply({"Mul", {a, floats({}, {3})}})[0], {2, 1}, {3, 6});
  check_floats(apply({"Div", {b, a}})[0], {2, 3}, {10, 20, 30, 5, 10, 15});
  check_floats(apply({"PRelu", {floats({3}, {-2, 0, 2}), floats({1}, {0.5f})}})[0], {3},
               {-1, 0, 2});
  CHECK_THROWS_AS(apply({"Add", {floats({2}, {1, 2}), b}}), ConvertError);
  CHECK_THROWS_AS(apply({"Add", {floats({2}, {1, 2}), list({1, 2})}}), ConvertError);
}

TEST_CASE("Integer division goes towards zero and survives zero and overflow") {
  const Constant a = list({7, -7, 5, INT64_MIN});
  check_ints(apply({"Div", {a, list({2, 2, 0, -1})}})[0], {4}, {3, -3, 0, INT64_MIN});
  check_ints(apply({"Add", {list({INT64_MAX}), list({1})}})[0], {1}, {INT64_MIN});
  check_ints(apply({"Mod", {list({7, -7, 7, -7}), list({3, 3, -3, -3})}})[0], {4}, {1, 2, -2, -1});
  check_ints(apply({"Mod", {list({7, -7}), list({3, 3})}, {{"fmod", int64_t{1}}}})[0], {2},
             {1, -1});
  check_floats(apply({"Mod", {floats({2}, {-5.5f, 5.5f}), floats({1}, {3})}})[0], {2},
               {0.5f, 2.5f});
}

TEST_CASE("Pow mixes types as ONNX allows") {
  check_floats(apply({"Pow", {floats({3}, {1, 2, 3}), floats({}, {2})}})[0], {3}, {1, 4, 9});
  check_floats(apply({"Pow", {floats({2}, {4, 9}), floats({}, {0.5f})}})[0], {2}, {2, 3});
  check_floats(apply({"Pow", {floats({1}, {2}), list({3})}})[0], {1}, {8});
  check_ints(apply({"Pow", {list({2, -3}), list({10, 3})}})[0], {2}, {1024, -27});
}

TEST_CASE("Comparisons and logic give booleans") {
  const Constant a = floats({3}, {1, 2, 3}), b = floats({1}, {2});
  check_ints(apply({"Equal", {a, b}})[0], {3}, {0, 1, 0});
  check_ints(apply({"Less", {a, b}})[0], {3}, {1, 0, 0});
  check_ints(apply({"LessOrEqual", {a, b}})[0], {3}, {1, 1, 0});
  check_ints(apply({"Greater", {a, b}})[0], {3}, {0, 0, 1});
  check_ints(apply({"GreaterOrEqual", {a, b}})[0], {3}, {0, 1, 1});
  const Constant p = booleans({2, 1}, {0, 1}), q = booleans({2}, {0, 1});
  check_ints(apply({"And", {p, q}})[0], {2, 2}, {0, 0, 0, 1});
  check_ints(apply({"Or", {p, q}})[0], {2, 2}, {0, 1, 1, 1});
  check_ints(apply({"Xor", {p, q}})[0], {2, 2}, {0, 1, 1, 0});
  check_floats(apply({"Where", {p, a, floats({}, {9})}})[0], {2, 3}, {9, 9, 9, 1, 2, 3});
  check_ints(apply({"Where", {q, list({1, 2}), list({3, 4})}})[0], {2}, {3, 2});
}

TEST_CASE("Sum, Mean, Max and Min take any number of operands") {
  const Constant a = floats({2}, {1, 5}), b = floats({2}, {3, 3}), c = floats({1}, {2});
  check_floats(apply({"Sum", {a, b, c}})[0], {2}, {6, 10});
  check_floats(apply({"Mean", {a, b, c}})[0], {2}, {2, 10.0f / 3});
  check_floats(apply({"Max", {a, b, c}})[0], {2}, {3, 5});
  check_floats(apply({"Min", {a, b, c}})[0], {2}, {1, 2});
  check_floats(apply({"Max", {a}})[0], {2}, {1, 5});
  check_ints(apply({"Min", {list({4, 1}), list({2, 3})}})[0], {2}, {2, 1});
}

TEST_CASE("Reductions keep, drop and choose dimensions") {
  const Constant x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check_floats(apply({"ReduceSum", {x, list({1})}})[0], {2, 1}, {6, 15});
  check_floats(apply({"ReduceSum", {x, list({0})}, {{"keepdims", int64_t{0}}}})[0], {3}, {5, 7, 9});
  check_floats(apply({"ReduceSum", {x}})[0], {1, 1}, {21});
  check_floats(apply({"ReduceSum", {x, list({})}, {{"noop_with_empty_axes", int64_t{1}}}})[0],
               {2, 3}, {1, 2, 3, 4, 5, 6});
  check_floats(apply({"ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}}})[0], {2, 1}, {2, 5});
  check_floats(apply({"ReduceMax", {x, list({0})}})[0], {1, 3}, {4, 5, 6});
  check_floats(apply({"ReduceMin", {x, list({1})}})[0], {2, 1}, {1, 4});
  check_floats(apply({"ReduceProd", {x, list({1})}})[0], {2, 1}, {6, 120});
  check_floats(apply({"ReduceL1", {floats({2}, {-1, 2}), list({0})}})[0], {1}, {3});
  check_floats(apply({"ReduceL2", {floats({2}, {3, 4}), list({0})}})[0], {1}, {5});
  check_floats(apply({"ReduceSumSquare", {x, list({1})}})[0], {2, 1}, {14, 77});
  check_floats(apply({"ReduceLogSum", {x, list({1})}})[0], {2, 1}, {1.7917595f, 2.7080502f});
  check_floats(apply({"ReduceLogSumExp", {floats({2}, {1000, 1000}), list({0})}})[0], {1},
               {1000.6931f}, 1e-3f);
  check_ints(apply({"ReduceProd", {list({2, 3, 4}), list({0})}})[0], {1}, {24});
  CHECK_THROWS_AS(apply({"ReduceSum", {x, list({2})}}), ConvertError);
}

TEST_CASE("ArgMax takes the first of equals unless told the last") {
  const Constant x = floats({2, 3}, {1, 3, 3, 5, 4, 5});
  check_ints(apply({"ArgMax", {x}, {{"axis", int64_t{1}}}})[0], {2, 1}, {1, 0});
  check_ints(apply({"ArgMax", {x}, {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}}})[0],
             {2, 1}, {2, 2});
  check_ints(apply({"ArgMin", {x}, {{"axis", int64_t{0}}, {"keepdims", int64_t{0}}}})[0], {3},
             {0, 0, 0});
}

TEST_CASE("CumSum runs both ways, with and without the element itself") {
  const Constant x = floats({3}, {1, 2, 3}), axis = ints({}, {0});
  check_floats(apply({"CumSum", {x, axis}})[0], {3}, {1, 3, 6});
  check_floats(apply({"CumSum", {x, axis}, {{"exclusive", int64_t{1}}}})[0], {3}, {0, 1, 3});
  check_floats(apply({"CumSum", {x, axis}, {{"reverse", int64_t{1}}}})[0], {3}, {6, 5, 3});
}

TEST_CASE("Shapes of reshaped tensors follow ONNX's rules for 0 and -1") {
  const Constant x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(apply({"Reshape", {x, list({0, -1})}})[0].shape == Shape{2, 3});
  CHECK(apply({"Reshape", {x, list({3, -1})}})[0].shape == Shape{3, 2});
  CHECK_THROWS_AS(apply({"Reshape", {x, list({4, -1})}}), ConvertError);
  CHECK_THROWS_AS(apply({"Reshape", {x, list({-1, -1})}}), ConvertError);
  CHECK_THROWS_AS(apply({"Reshape", {x, list({INT64_MAX, 2})}}), ConvertError);
  CHECK(apply({"Flatten", {x}, {{"axis", int64_t{0}}}})[0].shape == Shape{1, 6});
  CHECK(apply({"Unsqueeze", {x, list({0, -1})}})[0].shape == Shape{1, 2, 3, 1});
  CHECK(apply({"Squeeze", {floats({1, 2, 1}, {1, 2})}})[0].shape == Shape{2});
  CHECK(apply({"Squeeze", {floats({1, 2, 1}, {1, 2}), list({-1})}})[0].shape == Shape{1, 2});
  CHECK_THROWS_AS(apply({"Squeeze", {x, list({0})}}), ConvertError);
}

TEST_CASE("Transposes, joins, cuts and repeats move every element to its place") {
  const Constant x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check_floats(apply({"Transpose", {x}})[0], {3, 2}, {1, 4, 2, 5, 3, 6});
  const Constant cube = floats({2, 1, 2}, {1, 2, 3, 4});
  check_floats(apply({"Transpose", {cube}, {{"perm", std::vector<int64_t>{2, 0, 1}}}})[0],
               {2, 2, 1}, {1, 3, 2, 4});
  check_floats(apply({"Concat", {x, floats({2, 1}, {7, 8})}, {{"axis", int64_t{-1}}}})[0], {2, 4},
               {1, 2, 3, 7, 4, 5, 6, 8});
  const auto parts = apply({"Split", {x, list({1, 2})}, {{"axis", int64_t{1}}}, 2});
  check_floats(parts[0], {2, 1}, {1, 4});
  check_floats(parts[1], {2, 2}, {2, 3, 5, 6});
  CHECK(apply({"Split", {floats({5}, {1, 2, 3, 4, 5})}, {}, 2})[1].shape == Shape{2});
  check_floats(apply({"Expand", {floats({2, 1}, {1, 2}), list({1, 3})}})[0], {2, 3},
               {1, 1, 1, 2, 2, 2});
  check_floats(apply({"Tile", {floats({1, 2}, {1, 2}), list({2, 2})}})[0], {2, 4},
               {1, 2, 1, 2, 1, 2, 1, 2});
  CHECK_THROWS_AS(apply({"Transpose", {x}, {{"perm", std::vector<int64_t>{0, 0}}}}), ConvertError);
  CHECK_THROWS_AS(apply({"Expand", {x, list({INT64_MAX, INT64_MAX, 2, 3})}}), ConvertError);
}

TEST_CASE("Depth goes to space and back") {
  const Constant x = floats({1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Attributes two = {{"blocksize", int64_t{2}}};
  const Constant y = apply({"DepthToSpace", {x}, two})[0];
  check_floats(y, {1, 1, 2, 4}, {1, 3, 2, 4, 5, 7, 6, 8});
  check_floats(apply({"SpaceToDepth", {y}, two})[0], {1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("Slices clamp, step and turn round") {
  const Constant x = floats({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  check_floats(apply({"Slice", {x, list({1}), list({INT64_MAX}), list({1})}})[0], {2, 3},
               {2, 3, 4, 6, 7, 8});
  check_floats(apply({"Slice", {x, list({-1}), list({INT64_MIN}), list({1}), list({-2})}})[0],
               {2, 2}, {4, 2, 8, 6});
  check_floats(apply({"Slice", {x, list({0, 1}), list({1, -1})}})[0], {1, 2}, {2, 3});
  check_floats(apply({"Slice", {x, list({3}), list({1}), list({1})}})[0], {2, 0}, {});
  check_floats(apply({"Slice", {x, list({0}), list({9}), list({1}), list({INT64_MAX})}})[0],
               {2, 1}, {1, 5});
  CHECK_THROWS_AS(apply({"Slice", {x, list({0}), list({1}), list({1}), list({0})}}), ConvertError);
}

TEST_CASE("Gathers pick by index, negative ones from the end, and refuse those outside") {
  const Constant x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  check_floats(apply({"Gather", {x, ints({2}, {2, -3})}})[0], {2, 2}, {5, 6, 1, 2});
  check_floats(apply({"Gather", {x, ints({}, {1})}, {{"axis", int64_t{1}}}})[0], {3}, {2, 4, 6});
  CHECK_THROWS_AS(apply({"Gather", {x, ints({}, {3})}}), ConvertError);
  check_floats(apply({"GatherElements", {x, ints({1, 2}, {2, -2})}})[0], {1, 2}, {5, 4});
  check_floats(apply({"GatherElements", {x, ints({3, 1}, {1, 0, 1})}, {{"axis", int64_t{1}}}})[0],
               {3, 1}, {2, 3, 6});
  check_floats(apply({"GatherND", {x, ints({2, 2}, {0, 1, 2, 0})}})[0], {2}, {2, 5});
  check_floats(apply({"GatherND", {x, ints({2, 1}, {1, 0})}})[0], {2, 2}, {3, 4, 1, 2});
  check_floats(apply({"GatherND", {x, ints({3, 1}, {1, 0, 1})}, {{"batch_dims", int64_t{1}}}})[0],
               {3}, {2, 3, 6});
  check_floats(apply({"ScatterND", {x, ints({1, 1}, {1}), floats({1, 2}, {8, 9})}})[0], {3, 2},
               {1, 2, 8, 9, 5, 6});
}

TEST_CASE("Pads fill with a value, the edge or the mirrored inside, and cut where negative") {
  const Constant x = floats({1, 3}, {1, 2, 3});
  check_floats(apply({"Pad", {x, list({0, 1, 0, 2}), floats({}, {9})}})[0], {1, 6},
               {9, 1, 2, 3, 9, 9});
  check_floats(apply({"Pad", {x, list({0, 2, 0, 2})}, {{"mode", std::string("reflect")}}})[0],
               {1, 7}, {3, 2, 1, 2, 3, 2, 1});
  check_floats(apply({"Pad", {x, list({0, 1, 1, 1})}, {{"mode", std::string("edge")}}})[0], {2, 5},
               {1, 1, 2, 3, 3, 1, 1, 2, 3, 3});
  check_floats(apply({"Pad", {x, list({0, -1, 0, 0})}})[0], {1, 2}, {2, 3});
  check_floats(apply({"Pad", {x, list({1, 0}), absent(), list({1})}})[0], {1, 4}, {0, 1, 2, 3});
  CHECK_THROWS_AS(apply({"Pad", {x, list({0, 3, 0, 0})}, {{"mode", std::string("reflect")}}}),
                  ConvertError);
}

TEST_CASE("A dropout passes everything on, with a mask of ones, unless it is training") {
  const Constant x = floats({2}, {1, 2});
  const auto y = apply({"Dropout", {x, floats({}, {0.5f})}, {}, 2});
  check_floats(y[0], {2}, {1, 2});
  check_ints(y[1], {2}, {1, 1});
  CHECK_THROWS_AS(apply({"Dropout", {x, floats({}, {0.5f}), booleans({}, {1})}}), ConvertError);
}

TEST_CASE("Triangles keep one side of any diagonal") {
  const Constant x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check_floats(apply({"Trilu", {x}})[0], {2, 3}, {1, 2, 3, 0, 5, 6});
  check_floats(apply({"Trilu", {x, ints({}, {0})}, {{"upper", int64_t{0}}}})[0], {2, 3},
               {1, 0, 0, 4, 5, 0});
  check_floats(apply({"Trilu", {x, ints({}, {1})}})[0], {2, 3}, {0, 2, 3, 0, 0, 6});
}

TEST_CASE("Tensors come out of attributes, shapes and numbers") {
  const Constant x = floats({2, 3, 4}, std::vector<float>(24, 0));
  check_ints(apply({"Shape", {x}})[0], {3}, {2, 3, 4});
  check_ints(apply({"Shape", {x}, {{"start", int64_t{-2}}, {"end", int64_t{-1}}}})[0], {1}, {3});
  check_ints(apply({"Size", {x}})[0], {}, {24});
  check_floats(apply({"ConstantOfShape", {list({2})}})[0], {2}, {0, 0});
  check_ints(apply({"Range", {ints({}, {5}), ints({}, {0}), ints({}, {-2})}})[0], {3}, {5, 3, 1});
  check_floats(apply({"Range", {floats({}, {0}), floats({}, {1}), floats({}, {0.25f})}})[0], {4},
               {0, 0.25f, 0.5f, 0.75f});
  CHECK_THROWS_AS(apply({"Range", {ints({}, {0}), ints({}, {9}), ints({}, {0})}}), ConvertError);
  check_floats(apply({"EyeLike", {floats({2, 3}, {0, 0, 0, 0, 0, 0})}, {{"k", int64_t{1}}}})[0],
               {2, 3}, {0, 1, 0, 0, 0, 1});
  check_floats(apply({"OneHot", {list({1, -1}), ints({}, {3}), floats({2}, {0, 1})}})[0], {2, 3},
               {0, 1, 0, 0, 0, 1});
  check_ints(apply({"NonZero", {floats({2, 2}, {0, 1, 2, 0})}})[0], {2, 2}, {0, 1, 1, 0});
  CHECK_THROWS_AS(apply({"ConstantOfShape", {list({1 << 20, 1 << 20})}}), ConvertError);
}
