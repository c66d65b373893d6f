// The real models end as the fused ops that they are known to consist of, and compute what they
// did.

#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"
#include "tests/converter/passes_case.h"
#include "tests/support/test_models.h"

using namespace heed;
using namespace heed::test;

namespace {

/// Imports, folds, runs all passes, and compares with what was imported.
PassedGraph pass_model(const std::string& path, const onnx::ImportOptions& options = {}) {
  graph::Graph before = onnx::import_onnx_file(test_model(path), options).graph;
  graph::fold_constants(before);
  PassedGraph passed{before, {}};
  passes::run_passes(passed.graph, passed.report);
  INFO(graph::print_graph(passed.graph));
  CHECK(output_difference(before, passed.graph, random_inputs(before, 1, 10)) < 1e-4);
  CHECK(passed.general("MatMul") == 0);
  CHECK(passed.general("Erf") == 0);
  return passed;
}

/// How many Attention nodes compute one query alone: the class token's, in the last block.
int single_queries(const PassedGraph& passed) {
  int count = 0;
  for (graph::NodeId id : passed.graph.order()) {
    const graph::Node& node = passed.graph.node(id);
    if (!node.is("Attention", "heed")) continue;
    count +=
        (*passed.graph.value(node.outputs[0]).shape)[1] == 1 && node.int_or("first_query", -1) == 0;
  }
  return count;
}

/// How many Attention nodes read q, k and v from one merged Linear.
int merged_attentions(const PassedGraph& passed) {
  int count = 0;
  for (graph::NodeId id : passed.graph.order()) {
    const graph::Node& node = passed.graph.node(id);
    if (!node.is("Attention", "heed")) continue;
    const bool one_source = node.inputs[0] == node.inputs[1] && node.inputs[0] == node.inputs[2];
    count += one_source && passed.graph.producer(node.inputs[0], "Linear", "heed") != nullptr;
  }
  return count;
}

}  // namespace

TEST_CASE(
    "the keyword transformer becomes twelve blocks of four Linears, an Attention, two Norms, the "
    "last for the class token alone") {
  const PassedGraph passed = pass_model("kwt1/kwt1.onnx");
  CHECK(passed.fused("Attention") == 12);
  CHECK(merged_attentions(passed) == 11);
  CHECK(single_queries(passed) == 1);
  CHECK(passed.fused("Linear") == 12 * 4 + 2);
  CHECK(passed.fused("Norm") == 24 + 1);
  CHECK(passed.fused("Activation") == 0);
  CHECK(passed.general("Transpose") + passed.general("Softmax") == 0);
  CHECK(passed.general("Add") == 1);  // positions, after the class token
  CHECK(passed.nodes() == 91);
}

TEST_CASE("the picture transformer begins with Patches and has no transpose") {
  const PassedGraph passed = pass_model("vit_tiny/vit_tiny.onnx");
  CHECK(passed.fused("Attention") == 12);
  CHECK(merged_attentions(passed) == 11);
  CHECK(single_queries(passed) == 1);
  CHECK(passed.fused("Patches") == 1);
  CHECK(passed.fused("Linear") == 12 * 4 + 2);
  CHECK(passed.fused("Norm") == 25 + 1);
  CHECK(passed.general("Transpose") + passed.general("Softmax") == 0);
}

TEST_CASE("the digit transformer reads q, k and v from the one projection that it has") {
  const PassedGraph passed = pass_model("mnist_vit/mnist_vit.onnx");
  CHECK(passed.fused("Attention") == 6);
  CHECK(merged_attentions(passed) == 5);
  CHECK(single_queries(passed) == 1);
  CHECK(passed.fused("Linear") == 6 * 4 + 1 + 3);
  CHECK(passed.general("Softmax") == 0);
  CHECK(passed.general("Slice") <= 2);
}

TEST_CASE("the speech encoder transposes its spectrogram once and nothing else") {
  const PassedGraph passed = pass_model("whisper_tiny_en/encoder.onnx");
  CHECK(passed.fused("Attention") == 4);
  CHECK(merged_attentions(passed) == 4);
  CHECK(passed.fused("FramesLinear") == 2);
  CHECK(passed.fused("Linear") == 4 * 4);
  CHECK(passed.fused("Norm") == 9);
  CHECK(passed.general("Transpose") == 1);
  CHECK(passed.nodes() == 32);
}

TEST_CASE("the speech detector runs without a transpose, from its filter bank to its answer") {
  onnx::ImportOptions options;
  options.shapes["input"] = {1, 4000};
  const PassedGraph passed = pass_model("silero_vad/model_mini.onnx", options);
  CHECK(passed.fused("Attention") == 4);
  CHECK(merged_attentions(passed) == 4);
  CHECK(passed.fused("SignalLinear") == 1);
  CHECK(passed.fused("Norm") == 8);
  CHECK(passed.general("Transpose") + passed.general("Softmax") == 0);
}

TEST_CASE("the date translator's decoder has a causal and a cross attention") {
  const PassedGraph encoder = pass_model("date_transformer/encoder.onnx");
  CHECK(encoder.fused("Attention") == 1);
  CHECK(merged_attentions(encoder) == 1);
  CHECK(encoder.fused("Embedding") == 1);
  const PassedGraph decoder = pass_model("date_transformer/decoder.onnx");
  CHECK(decoder.fused("Attention") == 2);
  CHECK(merged_attentions(decoder) == 1);
  CHECK(decoder.first("Attention").int_or("causal", 0) == 1);
  CHECK(decoder.fused("Linear") == 9);
  CHECK(decoder.general("Softmax") == 1);  // the probabilities
}
