// TensorFlow Lite files that are cut short, lie or attack: one clear error each, never a crash.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/tflite/tflite_import.h"
#include "tests/support/tflite_builder.h"

namespace {

using namespace heed;
using namespace heed::test;
using Catch::Matchers::ContainsSubstring;
using Op = TfliteModel::Op;
using Type = TfliteModel::Type;

/// The error that importing and folding gives; empty where both succeed.
std::string error_of(const std::string& bytes) {
  try {
    graph::Graph graph = tflite::import_tflite_bytes(bytes).graph;
    graph::fold_constants(graph);
  } catch (const ConvertError& error) {
    CHECK(std::string(error.what()) != "");
    return error.what();
  }
  return "";
}

/// A convolution with int8 weights, a slice, a reshape and a mirror.
struct Small : TfliteModel {
  int32_t x, w, y, cut, to, flat, pads, out;

  Small() {
    x = input("x", {1, 4, 4, 2});
    w = constant("w", {3, 2, 2, 2}, Type::int8, std::vector<int8_t>(24, 5));
    quantise(w, {0.5f, 0.25f, 1.0f}, {0, 0, 0});
    y = result("y", {1, 2, 2, 3});
    tfl::Conv2DOptionsT conv;
    conv.stride_w = conv.stride_h = 2;
    op(Op::CONV_2D, {x, w, -1}, {y}, conv);
    cut = result("cut", {1, 2, 1, 3});
    tfl::StridedSliceOptionsT slice;
    slice.end_mask = 11;
    op(Op::STRIDED_SLICE,
       {y, ints("begin", {0, 0, 0, 0}), ints("end", {0, 0, 1, 0}), ints("step", {1, 1, 1, 1})},
       {cut}, slice);
    to = ints("to", {3, -1});
    flat = result("flat", {3, 2});
    op(Op::RESHAPE, {cut, to}, {flat});
    pads = constant("pads", {2, 2}, Type::int32, std::vector<int32_t>{1, 1, 0, 1});
    out = result("out", {5, 3});
    op(Op::MIRROR_PAD, {flat, pads}, {out}, tfl::MirrorPadOptionsT());
    outputs({out});
  }
};

}  // namespace

TEST_CASE("Every cut of a good TensorFlow Lite file is an error") {
  const std::string bytes = Small().bytes();
  REQUIRE(error_of(bytes) == "");
  for (size_t size = 0; size < bytes.size(); ++size) {
    INFO("cut after " << size << " of " << bytes.size() << " bytes");
    const std::string cut = error_of(bytes.substr(0, size));
    if (cut.empty()) {
      // Only padding after the last vector may be missing.
      CHECK(bytes.find_first_not_of('\0', size) == std::string::npos);
    }
  }
}

TEST_CASE("No change of one byte brings the TensorFlow Lite importer down") {
  const std::string bytes = Small().bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int change : {0x01, 0x7f, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      error_of(changed);  // an error or a model: both are fine
    }
  }
  SUCCEED();
}

TEST_CASE("Bytes that lie at an odd address are read all the same") {
  const std::string bytes = "?" + Small().bytes();
  CHECK_NOTHROW(tflite::import_tflite_bytes(std::string_view(bytes).substr(1)));
}

TEST_CASE("TensorFlow Lite files whose indices lie are told what is wrong with them") {
  Small m;
  std::string wanted;
  SECTION("no model") {
    CHECK_THAT(error_of("TFL3TFL2TFL3"), ContainsSubstring("no TensorFlow Lite model"));
    return;
  }
  SECTION("another version") {
    m.model.version = 2;
    wanted = "version 2 of the format";
  }
  SECTION("no graph") {
    m.model.subgraphs.clear();
    wanted = "the model has no graph";
  }
  SECTION("no outputs") {
    m.outputs({});
    wanted = "the model has no outputs";
  }
  SECTION("an operand that does not exist") {
    m.graph().operators[0]->inputs[1] = 99;
    wanted = "op 0: tensor 99 of 12 does not exist";
  }
  SECTION("an operand below zero") {
    m.graph().operators[0]->inputs[1] = -2;
    wanted = "op 0: tensor -2 of 12 does not exist";
  }
  SECTION("an output that does not exist") {
    m.outputs({12});
    wanted = "the model's outputs: tensor 12 of 12 does not exist";
  }
  SECTION("a kind of op that does not exist") {
    m.last_op().opcode_index = 4;
    wanted = "op 3: its kind 4 does not exist";
  }
  SECTION("an op that nobody knows") {
    m.model.operator_codes[3]->builtin_code = tfl::BuiltinOperator{100000};
    wanted = "op 3 'out' (op kind 100000)";
  }
  REQUIRE_FALSE(wanted.empty());
  CHECK_THAT(error_of(m.bytes()), ContainsSubstring(wanted));
}

TEST_CASE("TensorFlow Lite files whose tensors lie are told what is wrong with them") {
  Small m;
  std::string wanted;
  SECTION("a buffer that does not exist") {
    m.tensor(m.w).buffer = 77;
    wanted = "tensor 'w': its buffer 77";
  }
  SECTION("a buffer that is missing") {
    m.tensor(m.w).buffer = 0;
    wanted = "tensor 'w' is read before any op has written it";
  }
  SECTION("a buffer that is too short") {
    m.buffer_of(m.w).data.resize(23);
    wanted = "tensor 'w': its 24 elements do not fit 23 bytes";
  }
  SECTION("data beyond the end of the file") {
    m.buffer_of(m.w).offset = 1 << 20;
    m.buffer_of(m.w).size = 24;
    wanted = "tensor 'w': its data lies beyond the end of the file";
  }
  SECTION("data whose size wraps around") {
    m.buffer_of(m.w).offset = 64;
    m.buffer_of(m.w).size = UINT64_MAX - 32;
    wanted = "tensor 'w': its data lies beyond the end of the file";
  }
  SECTION("dimensions below zero") {
    m.tensor(m.w).shape = {3, 2, -2, 2};
    wanted = "tensor 'w': its dimensions are out of range";
  }
  SECTION("dimensions whose product overflows") {
    m.tensor(m.w).shape = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    wanted = "tensor 'w': its dimensions are out of range";
  }
  SECTION("an input without end") {
    m.tensor(m.x).shape = {INT32_MAX, INT32_MAX, INT32_MAX, 2};
    wanted = "out of range";
  }
  REQUIRE_FALSE(wanted.empty());
  CHECK_THAT(error_of(m.bytes()), ContainsSubstring(wanted));
}

TEST_CASE("TensorFlow Lite files whose ops lie are told what is wrong with them") {
  Small m;
  std::string wanted;
  SECTION("an op that reads what comes later") {
    m.graph().operators[0]->inputs[0] = m.out;
    wanted = "tensor 'out' is read before any op has written it";
  }
  SECTION("a tensor written twice") {
    m.graph().operators[1]->outputs[0] = m.y;
    wanted = "tensor 'y' is written twice";
  }
  SECTION("an op that writes an input") {
    m.graph().operators[1]->outputs[0] = m.x;
    wanted = "tensor 'x' is written twice, or is a constant or an input";
  }
  SECTION("strides of zero") {
    m.graph().operators[0]->builtin_options.AsConv2DOptions()->stride_w = 0;
    wanted = "its kernel, strides or dilations are out of range";
  }
  SECTION("options of another op") {
    m.graph().operators[0]->builtin_options.Set(tfl::SoftmaxOptionsT());
    wanted = "its kernel, strides or dilations are out of range";
  }
  SECTION("an activation that nobody knows") {
    m.graph().operators[0]->builtin_options.AsConv2DOptions()->fused_activation_function =
        tfl::FusedActivation{77};
    wanted = "its fused activation is not supported";
  }
  SECTION("a reshape to another number of elements") {
    m.tensor(m.to).buffer = m.tensor(m.ints("seven", {7, -1})).buffer;
    wanted = "its sizes do not fit its operand";
  }
  SECTION("a mirror larger than what it mirrors") {
    m.tensor(m.pads).buffer =
        m.tensor(m.constant("big", {2, 2}, Type::int32, std::vector<int32_t>{3, 0, 0, 0})).buffer;
    wanted = "it mirrors more than its operand has";
  }
  SECTION("a scale that is not a number") {
    m.quantise(m.w, {0.5f, std::numeric_limits<float>::quiet_NaN(), 1.0f});
    wanted = "tensor 'w': a scale is out of range";
  }
  SECTION("state between runs") {
    m.tensor(m.w).is_variable = true;
    wanted = "tensor 'w' keeps state between runs";
  }
  SECTION("two inputs of one name") {
    m.input("x", {1});
    wanted = "two inputs are called 'x'";
  }
  REQUIRE_FALSE(wanted.empty());
  CHECK_THAT(error_of(m.bytes()), ContainsSubstring(wanted));
}
