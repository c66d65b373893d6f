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
  CHECK(model.kinds() == "Rows Linear Copy Rows Rows Linear");
  CHECK(model.output_snr_db() > kInt8Snr - 3);
}

TEST_CASE("Rows are read through a transpose that they alone need, where it moves runs of floats") {
  struct Case {
    const char* what;
    heed::graph::Shape from;
    Ints order;
    heed::graph::Shape rows;
    bool floats_wanted;
    const char* kinds;
  };
  const Case cases[] = {
      {"patches", {1, 3, 4, 8, 5, 8}, {0, 2, 4, 1, 3, 5}, {20, 192}, false, "Rows Linear"},
      {"its transposed floats are an output, too",
       {1, 3, 4, 8, 5, 8},
       {0, 2, 4, 1, 3, 5},
       {20, 192},
       true,
       "Transpose Rows Linear"},
      {"runs of two", {1, 12, 4, 8, 5, 2}, {0, 2, 4, 1, 3, 5}, {20, 192}, false, "Rows Linear"},
      {"single floats", {1, 24, 4, 8, 5, 1}, {0, 2, 4, 1, 3, 5}, {20, 192}, false,
       "Transpose Rows Linear"},
      {"grey patches", {1, 1, 4, 8, 5, 8}, {0, 2, 4, 3, 5, 1}, {20, 64}, false, "Rows Linear"},
      {"windows", {1, 3, 4, 5, 4, 64}, {0, 1, 3, 2, 4, 5}, {240, 64}, false, "Rows Linear"},
      {"the innermost dimension moves", {3, 64, 20}, {0, 2, 1}, {60, 64}, false,
       "Transpose Rows Linear"},
      {"rows that begin within a dimension", {6, 4, 32}, {1, 0, 2}, {8, 96}, false,
       "Transpose Rows Linear"},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    GraphMaker make;
    const ValueId turned = make.node("Transpose", {make.input("x", c.from)}, {{"perm", c.order}});
    const ValueId rows = make.node("Reshape", {turned, make.integers("to", {2}, c.rows)});
    std::vector<ValueId> outputs = {make.linear(rows, 48)};
    if (c.floats_wanted) outputs.push_back(turned);
    const LoweredModel model(make.done(outputs));
    CHECK(model.kinds() == c.kinds);
    CHECK(model.output_snr_db() > kInt8Snr - 3);
  }
}

TEST_CASE("A norm reads its rows through a transpose, two readers do not") {
  for (const bool twice : {false, true}) {
    GraphMaker make;
    const ValueId x = make.input("x", {6, 4, 48});
    const ValueId turned = make.node("Transpose", {x}, {{"perm", Ints{1, 0, 2}}});
    std::vector<ValueId> outputs = {make.norm(turned)};
    if (twice) outputs.push_back(make.norm(turned, "rms"));
    const LoweredModel model(make.done(outputs));
    CHECK(model.kinds() == (twice ? "Transpose Rows Rows" : "Rows"));
    CHECK(model.output_snr_db() > kFloatSnr);
  }
}

TEST_CASE("A depthwise convolution's norm keeps its operands when other tensors are dropped") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 1, 4, 8, 5, 16});
  const ValueId turned = make.node("Transpose", {x}, {{"perm", Ints{0, 2, 4, 1, 3, 5}}});
  const ValueId patches = make.node("Reshape", {turned, make.integers("to", {4}, {1, 4, 5, 128})});
  const ValueId embedded = make.linear(patches, 48);
  const ValueId deep = make.fused("Depthwise", {embedded, make.weight("w", {48, 3, 3, 1})},
                                  {{"strides", Ints{1, 1}},
                                   {"dilations", Ints{1, 1}},
                                   {"pads", Ints{1, 1, 1, 1}},
                                   {"group", int64_t{48}}});
  const LoweredModel model(make.done({make.norm(deep)}));
  CHECK(model.kinds() == "Rows Linear Depthwise");
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
  const auto& graph = make.done({seen});
  const LoweredModel model(graph);
  CHECK(model.kinds() == "Rows Linear Rows Linear Linear Attention");
  CHECK(model.output_snr_db() > 25);
  // Kept in float32 it becomes the products and the softmax that it is made of.
  CHECK(LoweredModel(graph, kAllFloat).output_snr_db() > kFloatSnr);
}

TEST_CASE("Causal attention over a window, out of merged columns, in int8 and in float") {
  GraphMaker make;
  const ValueId qkv = make.input("qkv", {2, 12, 3 * 2 * 16});
  const ValueId seen = make.fused("Attention", {qkv, qkv, qkv},
                                  {{"heads", int64_t{2}},
                                   {"kv_heads", int64_t{2}},
                                   {"head_width", int64_t{16}},
                                   {"value_width", int64_t{16}},
                                   {"scale", 0.25f},
                                   {"causal", int64_t{1}},
                                   {"window", int64_t{4}},
                                   {"k_column", int64_t{32}},
                                   {"v_column", int64_t{64}}});
  const auto& graph = make.done({make.norm(seen)});
  CHECK(LoweredModel(graph).kinds() == "Attention");
  CHECK(LoweredModel(graph).output_snr_db() > 25);
  CHECK(LoweredModel(graph, kAllFloat).output_snr_db() > kFloatSnr);
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

TEST_CASE("A convolution over pixels takes activation, residual and int8 rows with it") {
  GraphMaker make;
  const ValueId picture = make.input("picture", {1, 8, 10, 16});
  const auto conv = [&](ValueId x, const std::string& name) {
    return make.fused("PixelsLinear",
                      {x, make.weight("w" + name, {16, 3, 3, 16}, 0.1f),
                       make.weight("b" + name, {16})},
                      {{"strides", Ints{1, 1}},
                       {"dilations", Ints{1, 1}},
                       {"pads", Ints{1, 1, 1, 1}},
                       {"group", int64_t{1}},
                       {"activation", "Silu"}});
  };
  const ValueId deep = make.fused("Depthwise", {picture, make.weight("wd", {16, 3, 3, 1})},
                                  {{"strides", Ints{1, 1}},
                                   {"dilations", Ints{1, 1}},
                                   {"pads", Ints{1, 1, 1, 1}},
                                   {"group", int64_t{16}},
                                   {"activation", "Silu"}});
  const ValueId first = conv(deep, "1");
  const ValueId y = make.node("Add", {conv(first, "2"), picture});
  const LoweredModel model(make.done({y}));
  CHECK(model.kinds() == "Depthwise Linear Linear");
  CHECK(model.output_snr_db() > 30);
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
    const ValueId out = graph.add_value(std::string(op) + "_out");
    graph.value(out).shape = heed::graph::Shape{4, 8};
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

TEST_CASE("General ops give what the float evaluator gives") {
  GraphMaker make;
  const ValueId x = make.input("x", {2, 3, 4});
  const ValueId row = make.input("row", {4});
  const auto ints = [&](const std::string& name, Ints values) {
    const auto size = static_cast<int64_t>(values.size());
    return make.integers(name, {size}, std::move(values));
  };
  std::vector<ValueId> outputs;
  const auto keep = [&](ValueId value) { outputs.push_back(value); };
  keep(make.node("Clip", {x, make.floats("low", {}, {-0.5f}), make.floats("high", {}, {0.4f})}));
  keep(make.node("Clip", {x, make.floats("floor", {}, {-0.5f})}));
  keep(make.node("Max", {x, row, make.floats("point", {}, {0.1f})}));
  keep(make.node("Mean", {x, row}));
  keep(make.node("PRelu", {x, make.weight("slope", {4})}));
  keep(make.node("Where", {make.node("Greater", {x, row}), x, row}));
  keep(make.node("Not", {make.node("Less", {x, row})}));
  keep(make.node("Softmax", {x}, {{"axis", int64_t{1}}}));
  keep(make.node("LogSoftmax", {x}, {{"axis", int64_t{-1}}}));
  keep(make.node("ReduceMean", {x, ints("axes", {0, 2})}, {{"keepdims", int64_t{0}}}));
  keep(make.node("ArgMax", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{1}}}));
  keep(make.node("Tile", {x, ints("repeats", {1, 2, 3})}));
  keep(make.node("Expand", {row, ints("wide", {2, 3, 4})}));
  keep(make.node("Slice", {x, ints("s", {2}), ints("e", {-5}), ints("a", {1}), ints("t", {-2})}));
  for (const ValueId part :
       make.nodes("Split", {x, ints("split", {1, 3})}, 2, {{"axis", int64_t{2}}}))
    keep(part);
  keep(make.node("Gather", {x, ints("which", {2, 0, -1})}, {{"axis", int64_t{1}}}));
  keep(make.node("Gather", {x, make.integers("last", {}, {-1})}, {{"axis", int64_t{2}}}));
  keep(make.node("Pad", {x, ints("pads", {0, 1, 2, 0, 0, 1}), make.floats("fill", {}, {7})}));
  keep(make.node("Concat", {x, x}, {{"axis", int64_t{2}}}));
  keep(make.node("MatMul", {x, make.weight("m", {4})}));
  keep(make.node("MatMul", {row, make.node("Transpose", {x}, {{"perm", Ints{0, 2, 1}}})}));
  keep(make.node("CumSum", {x, make.integers("axis", {}, {1})}, {{"exclusive", int64_t{1}}}));
  keep(make.node("Cast", {make.node("Greater", {x, row})}, {{"to", int64_t{1}}}));
  keep(make.node("LeakyRelu", {x}));
  keep(make.node("HardSigmoid", {x}));
  const LoweredModel model(make.done(outputs));
  const heed::Measurement measured = model.measured();
  REQUIRE(measured.outputs.size() == outputs.size());
  for (const heed::OutputError& output : measured.outputs) {
    INFO(output.tensor);
    CHECK(output.snr_db > kFloatSnr);
  }
}

TEST_CASE("Pictures: batch norm, instance norm, blocks of pixels, global pooling") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 8, 4, 6});
  std::vector<ValueId> outputs;
  const auto keep = [&](ValueId value) { outputs.push_back(value); };
  keep(make.node("BatchNormalization",
                 {x, make.weight("scale", {8}), make.weight("bias", {8}), make.weight("mean", {8}),
                  make.floats("variance", {8}, std::vector<float>(8, 0.7f))}));
  keep(make.node("InstanceNormalization", {x, make.weight("s", {8}), make.weight("b", {8})}));
  keep(make.node("GlobalAveragePool", {x}));
  keep(make.node("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", "DCR"}}));
  keep(make.node("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", "CRD"}}));
  keep(make.node("SpaceToDepth", {x}, {{"blocksize", int64_t{2}}}));
  keep(make.node("LayerNormalization",
                 {x, make.weight("g", {4, 6}), make.weight("be", {4, 6})}, {{"axis", int64_t{2}}}));
  const LoweredModel model(make.done(outputs));
  for (const heed::OutputError& output : model.measured().outputs) {
    INFO(output.tensor);
    CHECK(output.snr_db > kFloatSnr);
  }
}

TEST_CASE("Nodes that the engine has no op for are named, all of them, and not those behind them") {
  GraphMaker make;
  const ValueId x = make.input("x", {1, 8});
  const ValueId behind = make.linear(make.norm(make.node("Atan", {x})), 8);
  const ValueId other = make.node("Atan", {make.node("Exp", {x})});
  const auto& graph = make.done({make.node("Exp", {behind}), other});
  std::string refusal;
  try {
    const LoweredModel model(graph);
  } catch (const heed::ConvertError& error) {
    refusal = error.what();
  }
  INFO(refusal);
  CHECK(refusal.find("2 nodes have no counterpart in the engine") != std::string::npos);
  const size_t first = refusal.find("(Atan): no op of the engine computes it");
  REQUIRE(first != std::string::npos);
  CHECK(refusal.find("(Atan): no op of the engine computes it", first + 1) != std::string::npos);
}
