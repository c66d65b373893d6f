// An ONNX file: imported, folded, fused, lowered, planned and written, all in memory, and
// opened by the engine, which may refuse what makes no sense.

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/respell.h"
#include "converter/lower.h"
#include "converter/onnx/onnx_import.h"
#include "converter/passes/pass.h"
#include "converter/plan/plan.h"
#include "converter/write/write_model.h"
#include "engine/heed.hpp"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/wire_mutator.h"
#include "tests/support/onnx_builder.h"
#include "tests/support/tiny_models.h"

namespace heed::test {
namespace {

// A sound model may be large: such are only read.
constexpr int64_t kConstantsMax = 1 << 22;
constexpr size_t kNodesMax = 1000;

void convert_graph(graph::Graph& graph) {
  graph::fold_constants(graph);
  int64_t elements = 0;
  for (size_t i = 0; i < graph.value_count(); ++i)
    if (const graph::Constant* known = graph.constant(static_cast<graph::ValueId>(i)))
      elements += known->elements();
  if (elements > kConstantsMax || graph.node_count() > kNodesMax) return;
  passes::PassReport report;
  passes::run_passes(graph, report);
  FileModel file;
  file.model.version = kFormatVersion;
  const PrecisionPlan precision = choose_precision(graph, {});
  lower(graph, "main", precision, file);
  drop_unused_tensors(file);
  std::vector<PlanResult> results;
  Diagnostic diagnostic;
  if (plan_model(file.model, &results, &diagnostic) != Status::ok) return;
  const std::vector<std::byte> bytes = serialize(file);
  const AlignedBytes aligned(bytes);
  Model model;
  (void)model.open(aligned.span(), &diagnostic);
}

void run(std::span<const uint8_t> bytes) {
  const std::string exact(bytes.begin(), bytes.end());  // of its own: a step beyond is seen
  try {
    onnx::ImportedModel imported = onnx::import_onnx_bytes(exact);
    convert_graph(imported.graph);
  } catch (const ConvertError&) {
  }
}

/// One transformer block's worth of ops, a branch, a function, odd types and encodings.
OnnxModel block() {
  OnnxModel model;
  OnnxGraph& g = model.graph;
  g.input("x", {1, 4, 8});
  g.weight("w", {8, 24}, std::vector<float>(192, 0.1f));
  g.weight("gamma", {8}, std::vector<float>(8, 1.0f));
  g.weight("beta", {8}, std::vector<float>(8, 0.5f));
  g.integers("split", {3}, {8, 8, 8});
  g.integers("heads", {4}, {1, 4, 2, 4});
  g.weight("scale", {}, {0.5f});
  g.node("LayerNormalization", {"x", "gamma", "beta"}, "n", {{"axis", -1}, {"epsilon", 1e-5f}});
  g.node("MatMul", {"n", "w"}, "qkv");
  g.nodes.push_back({"Split", {"qkv", "split"}, {"q", "k", "v"}, {{"axis", 2}}, "", ""});
  for (const char* name : {"q", "k", "v"}) {
    g.node("Reshape", {name, "heads"}, std::string(name) + "r");
    g.node("Transpose", {std::string(name) + "r"}, std::string(name) + "t",
           {{"perm", std::vector<int64_t>{0, 2, *name == 'k' ? 3 : 1, *name == 'k' ? 1 : 3}}});
  }
  g.node("MatMul", {"qt", "kt"}, "scores");
  g.node("Mul", {"scores", "scale"}, "scaled");
  g.node("Softmax", {"scaled"}, "p", {{"axis", -1}});
  g.node("MatMul", {"p", "vt"}, "mixed");
  g.node("Transpose", {"mixed"}, "back", {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  g.integers("flat", {3}, {1, 4, 8});
  g.node("Reshape", {"back", "flat"}, "merged");
  g.node("Add", {"merged", "x"}, "sum");
  g.node("Gelu", {"sum"}, "y", {}, "com.microsoft");
  model.other_domains = {{"com.microsoft", 1}};
  g.output("y");
  return model;
}

OnnxModel general() {
  OnnxModel model;
  OnnxGraph& g = model.graph;
  OnnxGraph branch;
  branch.node("Neg", {"h"}, "n");
  branch.output("n");
  g.input("x", {1, 3, 6, 6});
  g.input("ids", {2}, OnnxType::i64);
  g.weight("w", {4, 3, 3, 3}, std::vector<float>(108, 0.2f));
  g.node("Conv", {"x", "w"}, "c", {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  g.node("Relu", {"c"}, "h");
  g.initializers.push_back(int_tensor("true", {}, {1}));
  g.node("Cast", {"true"}, "yes", {{"to", 9}});
  g.node("If", {"yes"}, "i", {{"then_branch", branch}, {"else_branch", branch}});
  g.node("MaxPool", {"i"}, "m",
         {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  g.node("Shape", {"m"}, "shape");
  g.node("ConstantOfShape", {"shape"}, "zeros");
  g.node("Add", {"m", "zeros"}, "a");
  g.node("Gather", {"a", "ids"}, "g", {{"axis", 1}});
  g.integers("axes", {2}, {2, 3});
  g.node("ReduceMean", {"g"}, "r", {{"axes", std::vector<int64_t>{2, 3}}, {"keepdims", 0}});
  g.node("Concat", {"r", "r"}, "y", {{"axis", 1}});
  g.output("y");
  return model;
}

OnnxModel gated() {
  OnnxModel model;
  OnnxGraph& g = model.graph;
  g.input("x", {3, 1, 4});
  g.weight("w", {1, 12, 4}, std::vector<float>(48, 0.1f));
  g.weight("r", {1, 12, 4}, std::vector<float>(48, 0.2f));
  g.nodes.push_back({"GRU", {"x", "w", "r"}, {"all", "last"}, {{"hidden_size", 4}}, "", ""});
  g.node("Squeeze", {"last"}, "s");
  g.integers("starts", {1}, {1});
  g.integers("ends", {1}, {9});
  g.node("Slice", {"s", "starts", "ends"}, "y");
  g.output("y");
  return model;
}

/// Ops that become others before anything else sees them.
OnnxModel rare() {
  OnnxModel model;
  OnnxGraph& g = model.graph;
  g.input("x", {1, 2, 4, 4});
  g.weight("w", {2, 3, 2, 2}, std::vector<float>(24, 0.2f));
  g.node("ConvTranspose", {"x", "w"}, "up", {{"strides", std::vector<int64_t>{2, 2}}});
  g.weight("scales", {4}, {1, 1, 0.5f, 0.5f});
  g.node("Resize", {"up", "", "scales"}, "down", {{"mode", "linear"}});
  g.node("Einsum", {"down", "down"}, "e", {{"equation", "bchw,bkhw->bck"}});
  g.node("Trilu", {"e"}, "t");
  g.integers("at", {2, 2}, {0, 1, 0, 2});
  g.node("GatherND", {"t", "at"}, "g");
  g.weight("new", {2, 3}, std::vector<float>(6, 0.5f));
  g.node("ScatterND", {"t", "at", "new"}, "s");
  g.integers("places", {1, 1, 3}, {2, 0, 1});
  g.weight("put", {1, 1, 3}, {1, 2, 3});
  g.node("ScatterElements", {"s", "places", "put"}, "se", {{"axis", 2}});
  g.weight("one", {3}, std::vector<float>(3, 1.0f));
  g.node("GroupNormalization", {"se", "one", "one"}, "n", {{"num_groups", 1}});
  g.weight("lw", {1, 16, 3}, std::vector<float>(48, 0.1f));
  g.weight("lr", {1, 16, 4}, std::vector<float>(64, 0.1f));
  g.nodes.push_back({"LSTM", {"n", "lw", "lr"}, {"l"}, {{"hidden_size", 4}}, "", ""});
  g.node("LpNormalization", {"l"}, "y");
  g.output("y");
  g.output("g");
  return model;
}

std::vector<FuzzBytes> seeds() {
  return {to_bytes(block().bytes()), to_bytes(general().bytes()), to_bytes(gated().bytes()),
          to_bytes(rare().bytes())};
}

bool mutate_onnx(FuzzBytes& bytes, SeededRandom& random) {
  static const std::vector<std::string> ops = [] {
    std::vector<std::string> names = graph::respelled_ops();
    for (const auto family : graph::op_rules())
      for (const graph::OpRule& rule : family) names.emplace_back(rule.op);
    return names;
  }();
  return mutate_wire(bytes, random, ops);
}

const FuzzTarget kTarget = {"import_onnx", run, seeds, mutate_onnx};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
