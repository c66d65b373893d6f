// An ONNX file: imported, folded, fused, lowered, planned and written, all in memory, and
// opened by the engine, which may refuse what makes no sense.

#include "converter/graph/convert_error.h"
#include "converter/graph/fold_constants.h"
#include "converter/lower.h"
#include "converter/onnx/onnx_import.h"
#include "converter/passes/pass.h"
#include "converter/write/write_model.h"
#include "engine/heed.hpp"
#include "converter/plan/plan.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/wire_mutator.h"
#include "tests/support/onnx_builder.h"
#include "tests/support/tiny_models.h"

namespace heed::test {
namespace {

void convert_graph(graph::Graph& graph) {
  graph::fold_constants(graph);
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

std::vector<FuzzBytes> seeds() {
  return {to_bytes(block().bytes()), to_bytes(general().bytes()), to_bytes(gated().bytes())};
}

const FuzzTarget kTarget = {"import_onnx", run, seeds, mutate_wire};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
