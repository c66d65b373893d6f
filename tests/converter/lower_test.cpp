#include "converter/lower.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "converter/graph/convert_error.h"
#include "tests/converter/graph_maker.h"
#include "tests/converter/lowered_model.h"

using heed::graph::ValueId;
using heed::graph::kNoValue;
using heed::test::GraphMaker;
using heed::test::LoweredModel;

namespace {

using Ints = std::vector<int64_t>;

constexpr double kFloatSnr = 90;  // float32 sums in another order
constexpr double kInt8Snr = 32;   // one int8 layer of random weights and inputs

const heed::PrecisionRules kAllFloat{{"*"}, {}, 0};

}  // namespace

TEST_CASE("A linear layer runs in int8 by default and in float when a pattern keeps it") {
  GraphMaker make;
  const ValueId x = make.input("x", {2, 5, 48});
  const ValueId y = make.linear(x, 37, {{"activation", "GeluErf"}});
  const auto& graph = make.done({y});
  const LoweredModel int8(graph);
  CHECK(int8.kinds() == "Rows Linear");
  CHECK(int8.output_snr_db() > kInt8Snr);
  const LoweredModel kept(graph, kAllFloat);
  CHECK(kept.kinds() == "Linear");
  CHECK(kept.output_snr_db() > kFloatSnr);
}

TEST_CASE("Rows in groups keep more of a row with outliers") {
  GraphMaker make;
  const ValueId x = make.input("x", {6, 256});
  std::vector<float> sizes(256, 1.0f);
  sizes[3] = 60;
  const ValueId scaled = make.node("Mul", {x, make.floats("sizes", {256}, sizes)});
  const auto& graph = make.done({make.linear(scaled, 32)});
  const double whole = LoweredModel(graph).output_snr_db();
  const double grouped = LoweredModel(graph, {{}, {}, 64}).output_snr_db();
  CHECK(grouped > whole + 3);
}

TEST_CASE("A pre-norm block is made of linears and attention alone") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 9, 64});
  const ValueId normed = make.norm(x);
  const ValueId qkv = make.linear(normed, 192);
  const ValueId seen = make.fused("Attention", {qkv, qkv, qkv},
                                  {{"heads", int64_t{2}},
                                   {"kv_heads", int64_t{2}},
                                   {"head_width", int64_t{32}},
                                   {"value_width", int64_t{32}},
                                   {"scale", 0.176f},
                                   {"q_column", int64_t{0}},
                                   {"k_column", int64_t{64}},
                                   {"v_column", int64_t{128}}});
  const ValueId mixed = make.linear(seen, 64, {}, x);
  const ValueId inner = make.linear(make.norm(mixed), 128, {{"activation", "GeluTanh"}});
  const ValueId out = make.norm(make.linear(inner, 64, {}, mixed));
  const auto& graph = make.done({out});
  const LoweredModel model(graph);
  CHECK(model.kinds() == "Rows Linear Attention Linear Linear Linear");
  CHECK(model.output_snr_db() > 25);
  // The norm's rows go to the next linear as int8 only; the sum before it is stored for later.
  const auto& mixing = *model.ops()[3];
  CHECK(mixing.outputs[0] >= 0);
  CHECK(mixing.outputs[1] < 0);
  CHECK(mixing.outputs[2] >= 0);
}

TEST_CASE("Post-norm rows are stored as floats for the residual and as int8 for the linear") {
  GraphMaker make;
  const ValueId x = make.input("x", {4, 64});
  const ValueId first = make.norm(make.linear(x, 64, {}, x));
  const ValueId out = make.norm(make.linear(first, 64, {}, first), "rms");
  const LoweredModel model(make.done({out}));
  CHECK(model.kinds() == "Rows Linear Linear");
  CHECK(model.ops()[1]->outputs[0] < 0);
  CHECK(model.ops()[1]->outputs[1] >= 0);
  CHECK(model.ops()[1]->outputs[2] >= 0);
  CHECK(model.output_snr_db() > 28);
}

TEST_CASE("An embedding takes the position table and the norm along") {
  GraphMaker make;
  const ValueId ids = make.input("ids", {2, 7}, heed::graph::DType::i64);
  const ValueId table = make.weight("table", {1500, 64});
  const ValueId tokens = make.fused("Embedding", {table, ids});
  const ValueId placed = make.node("Add", {tokens, make.weight("positions", {7, 64})});
  const ValueId out = make.linear(make.norm(placed), 80);
  const LoweredModel model(make.done({out}));
  CHECK(model.kinds() == "Embedding Linear");
  CHECK(model.tensor(model.ops()[0]->inputs[0]).dtype == heed::DataType::i8);
  CHECK(model.output_snr_db() > kInt8Snr - 2);
}

TEST_CASE("A class token and patches meet in one tensor without a copy of the patches") {
  GraphMaker make;
  const ValueId picture = make.input("picture", {1, 3, 16, 24});
  const ValueId patches = make.fused(
      "Patches", {picture}, {{"patch_h", int64_t{8}}, {"patch_w", int64_t{8}}});
  const ValueId tokens = make.linear(patches, 48);
  const ValueId all =
      make.node("Concat", {make.weight("class", {1, 1, 48}), tokens}, {{"axis", int64_t{1}}});
  const ValueId placed = make.node("Add", {all, make.weight("positions", {1, 7, 48})});
  const ValueId normed = make.norm(placed);
  const ValueId answer =
      make.node("Gather", {normed, make.integers("zero", {}, {0})}, {{"axis", int64_t{1}}});
  const LoweredModel model(make.done({make.linear(answer, 40)}));
  CHECK(model.kinds() == "Transpose Rows Linear Copy Rows Rows Linear");
  CHECK(model.output_snr_db() > kInt8Snr - 3);
}

TEST_CASE("A convolution over frames reads int8 rows with their padding in place") {
  for (const int64_t batch : {1, 2}) {
    GraphMaker make;
    const ValueId x = make.input("x", {batch, 11, 20});
    const ValueId w = make.weight("w", {48, 60}, 0.13f);
    const ValueId first =
        make.fused("FramesLinear", {x, w, make.weight("b", {48})},
                   {{"window", int64_t{3}}, {"hop", int64_t{1}}, {"pad", int64_t{1}},
                    {"activation", "GeluErf"}});
    const ValueId second = make.fused(
        "FramesLinear", {first, make.weight("w2", {32, 144}, 0.1f), make.weight("b2", {32})},
        {{"window", int64_t{3}}, {"hop", int64_t{2}}, {"pad", int64_t{1}}});
    const auto& graph = make.done({second});
    const LoweredModel model(graph);
    if (batch == 1) CHECK(model.kinds() == "Rows Linear Linear");
    CHECK(model.output_snr_db() > kInt8Snr - 3);
    CHECK(LoweredModel(graph, kAllFloat).output_snr_db() > kFloatSnr);
  }
}

TEST_CASE("Frames of a signal stay float") {
  for (const int64_t batch : {1, 3}) {
    GraphMaker make;
    const ValueId x = make.input("x", {batch, 400});
    const ValueId w = make.weight("w", {40, 100}, 0.1f);
    const ValueId y = make.fused("SignalLinear", {x, w}, {{"hop", int64_t{50}}});
    const LoweredModel model(make.done({y}));
    CHECK(model.output_snr_db() > kFloatSnr);
  }
}

TEST_CASE("Cross-attention with a mask, fewer key heads and values of another width") {
  GraphMaker make;
  const ValueId x = make.input("x", {2, 5, 64});
  const ValueId memory = make.input("memory", {2, 8, 48});
  const ValueId q = make.linear(x, 4 * 16), k = make.linear(memory, 2 * 16);
  const ValueId v = make.linear(memory, 2 * 24);
  const ValueId seen = make.fused("Attention",
                                  {q, k, v, make.weight("mask", {2, 1, 5, 8})},
                                  {{"heads", int64_t{4}},
                                   {"kv_heads", int64_t{2}},
                                   {"head_width", int64_t{16}},
                                   {"value_width", int64_t{24}},
                                   {"scale", 0.25f}});
  const LoweredModel model(make.done({seen}));
  CHECK(model.kinds() == "Rows Linear Rows Linear Linear Attention");
  CHECK(model.output_snr_db() > 25);
}

TEST_CASE("A mask of one key column, computed at run time, is spread over the keys") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 6, 32});
  const ValueId mask = make.input("bias", {6, 1});
  const ValueId seen = make.fused("Attention", {x, x, x, mask},
                                  {{"heads", int64_t{2}},
                                   {"kv_heads", int64_t{2}},
                                   {"head_width", int64_t{16}},
                                   {"value_width", int64_t{16}},
                                   {"scale", 0.25f},
                                   {"causal", int64_t{1}}});
  const LoweredModel model(make.done({seen}));
  CHECK(model.kinds() == "Expand Attention");
  CHECK(model.output_snr_db() > 25);
}

TEST_CASE("Channels-last convolution and pooling, over pictures and over time") {
  GraphMaker make;
  const ValueId picture = make.input("picture", {1, 9, 11, 8});
  const ValueId conv = make.fused("Conv", {picture, make.weight("w", {12, 3, 3, 8}, 0.1f),
                                           make.weight("b", {12})},
                                  {{"strides", Ints{2, 1}},
                                   {"dilations", Ints{1, 2}},
                                   {"pads", Ints{1, 2, 0, 1}},
                                   {"group", int64_t{1}},
                                   {"activation", "Relu"}});
  const ValueId pooled = make.fused("Pool", {conv}, {{"kind", "max"},
                                                     {"kernel", Ints{2, 2}},
                                                     {"strides", Ints{2, 2}},
                                                     {"pads", Ints{0, 0, 0, 0}}});
  const ValueId wave = make.input("wave", {1, 30, 6});
  const ValueId deep = make.fused("Conv", {wave, make.weight("wd", {6, 5, 1})},
                                  {{"strides", Ints{1}},
                                   {"dilations", Ints{1}},
                                   {"pads", Ints{2, 2}},
                                   {"group", int64_t{6}}});
  const LoweredModel model(make.done({pooled, deep}));
  CHECK(model.output_snr_db() > kFloatSnr);
}

TEST_CASE("Slices that are one piece of memory, and reshapes, cost nothing") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 6, 8});
  const ValueId doubled = make.node("Mul", {x, make.floats("two", {}, {2})});
  const ValueId rows =
      make.node("Slice", {doubled, make.integers("from", {1}, {2}), make.integers("to", {1}, {5}),
                          make.integers("axis", {1}, {1})});
  const ValueId flat = make.node("Reshape", {rows, make.integers("shape", {2}, {3, 8})});
  const ValueId turned = make.node("Transpose", {flat}, {{"perm", Ints{1, 0}}});
  const LoweredModel model(make.done({turned}));
  CHECK(model.kinds() == "Binary Transpose");
  CHECK(model.output_snr_db() == heed::kExactSnr);
}

TEST_CASE("Inputs and constants that are outputs are copied out") {
  GraphMaker make;
  const ValueId x = make.input("x", {2, 3});
  const ValueId same = make.node("Reshape", {x, make.integers("shape", {1}, {6})});
  const LoweredModel model(make.done({same, make.weight("c", {4})}));
  CHECK(model.kinds() == "Copy Copy");
  CHECK(model.output_snr_db() == heed::kExactSnr);
}

TEST_CASE("All nodes without a counterpart are reported at once, with name, type and attributes") {
  GraphMaker make;
  const ValueId x = make.input("x", {4, 8});
  heed::graph::Graph& graph = make.graph();
  std::vector<ValueId> outputs;
  for (const char* op : {"Unheard", "NeverSeen"}) {
    const ValueId out = graph.add_value(std::string(op) + "_out", heed::graph::DType::f32, {{4, 8}});
    heed::graph::Node node;
    node.op = op;
    node.name = std::string("the/") + op;
    node.inputs = {x};
    node.outputs = {out};
    node.attributes["depth"] = int64_t{3};
    graph.add_node(std::move(node));
    outputs.push_back(out);
  }
  make.done(outputs);
  heed::FileModel file;
  try {
    heed::lower(graph, "main", {}, file);
    FAIL("lowered");
  } catch (const heed::ConvertError& error) {
    const std::string text = error.what();
    for (const char* part : {"the/Unheard", "the/NeverSeen", "Unheard", "depth=3", "2 nodes"}) {
      INFO(part);
      CHECK(text.find(part) != std::string::npos);
    }
  }
}
