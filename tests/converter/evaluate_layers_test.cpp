// Products, convolutions, norms, attention and the fused ops, against values worked out by hand.

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "tests/support/op_case.h"
#include "tests/support/seeded_random.h"

namespace {

using heed::ConvertError;
using namespace heed::test;

void check(const Constant& y, const Shape& shape, const std::vector<float>& expected,
           float tolerance = 1e-5f) {
  CHECK(y.shape == shape);
  REQUIRE(y.f32.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": " << y.f32[i] << ", expected " << expected[i]);
    CHECK(std::fabs(y.f32[i] - expected[i]) <= tolerance);
  }
}

Constant random(Shape shape, uint64_t seed) {
  std::vector<float> elements(static_cast<size_t>(floats(shape, {}).elements()));
  SeededRandom(seed).fill(elements, -1.0f, 1.0f);
  return floats(std::move(shape), std::move(elements));
}

}  // namespace

TEST_CASE("MatMul multiplies matrices, stacks of them and vectors") {
  const Constant a = floats({2, 2}, {1, 2, 3, 4}), b = floats({2, 2}, {5, 6, 7, 8});
  check(apply({"MatMul", {a, b}})[0], {2, 2}, {19, 22, 43, 50});
  check(apply({"MatMul", {floats({2}, {1, 2}), b}})[0], {2}, {19, 22});
  check(apply({"MatMul", {a, floats({2}, {1, 2})}})[0], {2}, {5, 11});
  check(apply({"MatMul", {floats({2}, {1, 2}), floats({2}, {3, 4})}})[0], {}, {11});
  check(apply({"MatMul", {floats({2, 1, 1}, {1, 2}), floats({1, 2}, {3, 4})}})[0], {2, 1, 2},
        {3, 4, 6, 8});
  check(apply({"MatMul", {floats({1, 2}, {1, 2}), floats({2, 2, 1}, {1, 2, 3, 4})}})[0], {2, 1, 1},
        {5, 11});
  CHECK_THROWS_AS(apply({"MatMul", {a, floats({3, 1}, {1, 2, 3})}}), ConvertError);
  check(apply({"com.microsoft:FusedMatMul", {a, b}, {{"transB", int64_t{1}}, {"alpha", 0.5f}}})[0],
        {2, 2}, {8.5f, 11.5f, 19.5f, 26.5f});
}

TEST_CASE("Gemm transposes, scales and adds") {
  const Constant a = floats({2, 1}, {1, 2}), b = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const Attributes both = {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 2.0f},
                           {"beta", 0.5f}};
  check(apply({"Gemm", {a, b, floats({3}, {2, 4, 6})}, both})[0], {1, 3}, {11, 24, 37});
}

TEST_CASE("Einsum covers the products that attention is written with") {
  const Constant a = floats({1, 2, 2}, {1, 2, 3, 4}), b = floats({1, 2, 2}, {5, 6, 7, 8});
  auto einsum = [](const std::string& equation, std::vector<Constant> inputs) {
    return apply({"Einsum", std::move(inputs), {{"equation", equation}}})[0];
  };
  check(einsum("bij,bkj->bik", {a, b}), {1, 2, 2}, {17, 23, 39, 53});
  check(einsum("bij,bjk->bik", {a, b}), {1, 2, 2}, {19, 22, 43, 50});
  check(einsum("bij, bjk -> bki", {a, b}), {1, 2, 2}, {19, 43, 22, 50});
  check(einsum("...ij,...jk->...ik", {a, b}), {1, 2, 2}, {19, 22, 43, 50});
  check(einsum("bij->bji", {a}), {1, 2, 2}, {1, 3, 2, 4});
  check(einsum("bij->b", {a}), {1}, {10});
  check(einsum("ij,jk", {floats({2, 2}, {1, 2, 3, 4}), floats({2, 1}, {1, 1})}), {2, 1}, {3, 7});
  check(einsum("i,j->ij", {floats({2}, {1, 2}), floats({2}, {3, 4})}), {2, 2}, {3, 4, 6, 8});
  check(einsum("ii->i", {floats({2, 2}, {1, 2, 3, 4})}), {2}, {1, 4});
  CHECK_THROWS_AS(einsum("bij,bkj->bix", {a, b}), ConvertError);
  CHECK_THROWS_AS(einsum("ij,bkj->bik", {a, b}), ConvertError);
}

TEST_CASE("Convolutions pad, stride, dilate and group") {
  const Constant x = floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Constant ones = floats({1, 1, 2, 2}, {1, 1, 1, 1});
  check(apply({"Conv", {x, ones, floats({1}, {10})}})[0], {1, 1, 2, 2}, {22, 26, 34, 38});
  check(apply({"Conv", {x, ones}, {{"strides", std::vector<int64_t>{2, 2}},
                                   {"pads", std::vector<int64_t>{1, 1, 0, 0}}}})[0],
        {1, 1, 2, 2}, {1, 5, 11, 28});
  check(apply({"Conv", {x, ones}, {{"dilations", std::vector<int64_t>{2, 2}}}})[0], {1, 1, 1, 1},
        {20});
  check(apply({"Conv", {x, ones}, {{"auto_pad", std::string("SAME_UPPER")}}})[0], {1, 1, 3, 3},
        {12, 16, 9, 24, 28, 15, 15, 17, 9});
  const Constant two = floats({1, 2, 2}, {1, 2, 3, 4}), depthwise = floats({2, 1, 1}, {10, 100});
  check(apply({"Conv", {two, depthwise}, {{"group", int64_t{2}}}})[0], {1, 2, 2},
        {10, 20, 300, 400});
  CHECK_THROWS_AS(apply({"Conv", {two, floats({1, 1, 1}, {1})}}), ConvertError);
  CHECK_THROWS_AS(apply({"Conv", {x, ones}, {{"strides", std::vector<int64_t>{0, 1}}}}),
                  ConvertError);
}

TEST_CASE("Pools take the best or the mean of what lies inside") {
  const Constant x = floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const std::vector<int64_t> two = {2, 2}, around = {1, 1, 1, 1};
  check(apply({"MaxPool", {x}, {{"kernel_shape", two}}})[0], {1, 1, 2, 2}, {5, 6, 8, 9});
  check(apply({"MaxPool", {x}, {{"kernel_shape", two}, {"strides", two},
                                {"ceil_mode", int64_t{1}}}})[0],
        {1, 1, 2, 2}, {5, 6, 8, 9});
  check(apply({"AveragePool", {x}, {{"kernel_shape", two}, {"strides", two}, {"pads", around}}})[0],
        {1, 1, 2, 2}, {1, 2.5f, 5.5f, 7});
  check(apply({"AveragePool", {x}, {{"kernel_shape", two}, {"strides", two}, {"pads", around},
                                    {"count_include_pad", int64_t{1}}}})[0],
        {1, 1, 2, 2}, {0.25f, 1.25f, 2.75f, 7});
  check(apply({"GlobalAveragePool", {x}})[0], {1, 1, 1, 1}, {5});
  check(apply({"GlobalMaxPool", {x}})[0], {1, 1, 1, 1}, {9});
}

TEST_CASE("Norms centre, scale and shift") {
  const Constant x = floats({2, 2}, {1, 3, 2, 6}), gamma = floats({2}, {2, 1});
  const Constant beta = floats({2}, {0, 1});
  const auto layer = apply({"LayerNormalization", {x, gamma, beta}, {{"epsilon", 0.0f}}, 3});
  check(layer[0], {2, 2}, {-2, 2, -2, 2});
  check(layer[1], {2, 1}, {2, 4});
  check(layer[2], {2, 1}, {1, 0.5f});
  check(apply({"RMSNormalization", {floats({1, 2}, {3, 4}), gamma}, {{"epsilon", 0.0f}}})[0],
        {1, 2}, {1.6970563f, 1.1313709f});
  check(apply({"heed:Norm", {x, gamma, beta}, {{"epsilon", 0.0f}}})[0], {2, 2}, {-2, 2, -2, 2});
  check(apply({"heed:Norm", {floats({1, 2}, {3, 4}), gamma},
               {{"epsilon", 0.0f}, {"kind", std::string("rms")}}})[0],
        {1, 2}, {1.6970563f, 1.1313709f});
  const Constant image = floats({1, 2, 2}, {1, 3, 2, 6});
  const Attributes exact = {{"epsilon", 0.0f}};
  check(apply({"InstanceNormalization", {image, gamma, beta}, exact})[0], {1, 2, 2}, {-2, 2, 0, 2});
  check(apply({"GroupNormalization", {image, gamma, beta},
               {{"epsilon", 0.0f}, {"num_groups", int64_t{2}}}})[0],
        {1, 2, 2}, {-2, 2, 0, 2});
  check(apply({"BatchNormalization",
               {image, gamma, beta, floats({2}, {2, 4}), floats({2}, {1, 4})}, exact})[0],
        {1, 2, 2}, {-2, 2, 0, 2});
  check(apply({"LpNormalization", {floats({1, 2}, {3, 4})}})[0], {1, 2}, {0.6f, 0.8f});
}

TEST_CASE("Softmax over the last dimension, another one, and jointly before opset 13") {
  const float e = std::exp(1.0f), low = 1 / (1 + e), high = e / (1 + e);
  const Constant x = floats({2, 2}, {0, 1, 1, 0});
  check(apply({"Softmax", {x}})[0], {2, 2}, {low, high, high, low});
  check(apply({"Softmax", {x}, {{"axis", int64_t{0}}}})[0], {2, 2}, {low, high, high, low});
  check(apply({"Softmax", {x}, {{"axis", int64_t{0}}}, 1, 11})[0], {2, 2},
        {low / 2, high / 2, high / 2, low / 2});
  check(apply({"LogSoftmax", {x}})[0], {2, 2},
        {std::log(low), std::log(high), std::log(high), std::log(low)});
  const float far = -std::numeric_limits<float>::infinity();
  check(apply({"Softmax", {floats({1, 2}, {far, 7})}})[0], {1, 2}, {0, 1});
}

TEST_CASE("A fused linear multiplies, biases, activates and only then adds the residual") {
  const Constant x = floats({1, 2, 2}, {1, 2, -3, 1}), w = floats({1, 2}, {1, 1});
  const Constant bias = floats({1}, {-1}), residual = floats({2, 1}, {10, 20});
  check(apply({"heed:Linear", {x, w}})[0], {1, 2, 1}, {3, -2});
  check(apply({"heed:Linear", {x, w, bias, residual}, {{"activation", std::string("Relu")}}})[0],
        {1, 2, 1}, {12, 20});
  CHECK_THROWS_AS(apply({"heed:Linear", {x, w}, {{"activation", std::string("Wrong")}}}),
                  ConvertError);
  check(apply({"heed:Activation", {floats({2}, {1, -1})},
               {{"activation", std::string("GeluSigmoid")}}})[0],
        {2}, {0.8457958f, -0.1542042f});
}

TEST_CASE("Frames join neighbouring rows, zeros before the first and after the last") {
  const Constant x = floats({1, 3, 1}, {1, 2, 3}), w = floats({1, 3}, {100, 10, 1});
  check(apply({"heed:FramesLinear", {x, w}, {{"window", int64_t{3}}, {"pad", int64_t{1}}}})[0],
        {1, 3, 1}, {12, 123, 230});
  check(apply({"heed:FramesLinear", {x, w},
               {{"window", int64_t{3}}, {"pad", int64_t{1}}, {"hop", int64_t{2}}}})[0],
        {1, 2, 1}, {12, 230});
  check(apply({"heed:SignalLinear", {floats({1, 4}, {1, 2, 3, 4}), floats({1, 2}, {10, 1})},
               {{"hop", int64_t{2}}}})[0],
        {1, 2, 1}, {12, 34});
}

TEST_CASE("Patches are rows of channel, row and column, and embeddings rows of the table") {
  const Constant x = floats({1, 2, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18});
  check(apply({"heed:Patches", {x}, {{"patch_h", int64_t{2}}, {"patch_w", int64_t{2}}}})[0],
        {1, 2, 8}, {1, 2, 5, 6, 11, 12, 15, 16, 3, 4, 7, 8, 13, 14, 17, 18});
  check(apply({"heed:Embedding", {floats({2, 2}, {1, 2, 3, 4}), ints({1, 2}, {1, -2})}})[0],
        {1, 2, 2}, {3, 4, 1, 2});
}

TEST_CASE("Fused attention is softmax(scale q k + mask) v for every head") {
  // One head of width 1; keys 0 and 1 score 0 and ln 3, so that the weights are 1/4 and 3/4.
  const float ln3 = std::log(3.0f);
  const Constant q = floats({1, 1, 1}, {2}), k = floats({1, 2, 1}, {0, ln3});
  const Constant v = floats({1, 2, 1}, {4, 8});
  const Attributes half = {{"head_width", int64_t{1}}, {"scale", 0.5f}};
  check(apply({"heed:Attention", {q, k, v}, half})[0], {1, 1, 1}, {7});
  check(apply({"heed:Attention", {q, k, v, floats({1, 2}, {ln3, 0})}, half})[0], {1, 1, 1}, {6});
}

TEST_CASE("Causal attention and its window hide keys after the query and long before it") {
  const Constant qk = floats({1, 3, 1}, {0, 0, 0}), v = floats({1, 3, 1}, {3, 6, 12});
  Attributes attributes = {{"head_width", int64_t{1}}, {"scale", 1.0f}, {"causal", int64_t{1}}};
  check(apply({"heed:Attention", {qk, qk, v}, attributes})[0], {1, 3, 1}, {3, 4.5f, 7});
  attributes["window"] = int64_t{2};
  check(apply({"heed:Attention", {qk, qk, v}, attributes})[0], {1, 3, 1}, {3, 4.5f, 9});
}

TEST_CASE("Attention out of one merged tensor equals attention out of three") {
  const Constant q = random({1, 4, 6}, 1), k = random({1, 4, 6}, 2), v = random({1, 4, 6}, 3);
  const Constant merged = apply({"Concat", {q, k, v}, {{"axis", int64_t{2}}}})[0];
  Attributes attributes = {{"heads", int64_t{2}}, {"head_width", int64_t{3}}, {"scale", 0.7f}};
  const Constant apart = apply({"heed:Attention", {q, k, v}, attributes})[0];
  attributes["k_column"] = int64_t{6};
  attributes["v_column"] = int64_t{12};
  CHECK(apply({"heed:Attention", {merged, merged, merged}, attributes})[0].f32 == apart.f32);
  const Attributes windowed = {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}},
                               {"left_window_size", int64_t{2}}};
  CHECK_THROWS_AS(apply({"Attention", {q, k, v}, windowed, 1, 25}), ConvertError);
  // The ops of ONNX and of com.microsoft say the same.
  const Attributes onnx = {{"q_num_heads", int64_t{2}}, {"kv_num_heads", int64_t{2}},
                           {"scale", 0.7f}};
  CHECK(apply({"Attention", {q, k, v}, onnx, 1, 23})[0].f32 == apart.f32);
  const Attributes contrib = {{"num_heads", int64_t{2}}, {"scale", 0.7f}};
  CHECK(apply({"com.microsoft:MultiHeadAttention", {q, k, v}, contrib})[0].f32 == apart.f32);
  const Constant identity = apply({"EyeLike", {floats({18, 18}, std::vector<float>(324, 0))}})[0];
  check(apply({"com.microsoft:Attention", {merged, identity}, contrib})[0], apart.shape, apart.f32);
}

TEST_CASE("Skip norms add first and can hand out the sum; biased activations add theirs") {
  const Constant x = floats({1, 2}, {1, 2}), skip = floats({1, 2}, {0, 1});
  const Constant gamma = floats({2}, {2, 2}), beta = floats({2}, {1, 1});
  const auto y = apply({"com.microsoft:SkipLayerNormalization", {x, skip, gamma, beta},
                        {{"epsilon", 0.0f}}, 4, 17, {1, 2}});
  check(y[0], {1, 2}, {-1, 3});
  check(y[3], {1, 2}, {1, 3});
  check(apply({"com.microsoft:SkipSimplifiedLayerNormalization",
               {floats({1, 2}, {3, 4}), floats({1, 2}, {0, 0}), gamma}, {{"epsilon", 0.0f}}})[0],
        {1, 2}, {1.6970563f, 2.2627417f});
  const Constant two = floats({2}, {0.5f, -1.5f}), half = floats({2}, {0.5f, 0.5f});
  check(apply({"com.microsoft:BiasGelu", {two, half}})[0], {2}, {0.8413447f, -0.1586553f});
  check(apply({"com.microsoft:FastGelu", {two, half}})[0], {2}, {0.8411920f, -0.1588080f});
  check(apply({"com.microsoft:Gelu", {floats({1}, {1})}})[0], {1}, {0.8413447f});
  check(apply({"com.microsoft:QuickGelu", {floats({1}, {1})}})[0], {1}, {0.8457958f});
}

TEST_CASE("Rotary embeddings turn pairs of values by the angle of their position") {
  const Constant x = floats({1, 2, 2}, {1, 0, 1, 0});
  const Constant cosine = floats({2, 1}, {1, 0}), sine = floats({2, 1}, {0, 1});
  const Attributes one_head = {{"num_heads", int64_t{1}}};
  check(apply({"com.microsoft:RotaryEmbedding", {x, ints({1, 2}, {0, 1}), cosine, sine},
               one_head})[0],
        {1, 2, 2}, {1, 0, 0, 1});
  check(apply({"RotaryEmbedding", {x, cosine, sine, ints({1, 2}, {1, 0})}, one_head})[0],
        {1, 2, 2}, {0, 1, 1, 0});
}
