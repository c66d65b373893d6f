#include "converter/graph/convert_error.h"
#include "converter/graph/infer_shapes.h"
#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {
namespace {

constexpr Pass kOrder[] = {
    // Ops that stand for several others come apart first, so that one recogniser serves every
    // exporter.
    {"expand_contrib", "writes out ops that combine several, such as com.microsoft's",
     expand_contrib},
    // Every later pass knows one spelling of a thing: this makes it the only one.
    {"spell_alike", "gives each thing one spelling and drops what does nothing", spell_alike},
    // Activations and norms are islands of elementwise ops: they are fused while those still stand
    // as the exporter wrote them.
    {"fuse_activations", "GELU, SiLU, ReLU, sigmoid and tanh in their spellings -> Activation",
     fuse_activations},
    {"fuse_norms", "layer and RMS norms, whole or decomposed -> Norm", fuse_norms},
    {"spell_alike", "joins the moves around norms that were over columns", spell_alike},
    {"fuse_embedding", "lookups of rows in a constant table -> Embedding", fuse_embedding},
    // Before MatMuls are looked at one by one: these come with what follows them.
    {"fuse_positions", "scores by distance, shifted row by row -> a Linear for each head",
     fuse_positions},
    {"fuse_linear", "MatMul and Gemm with constant weights -> Linear", fuse_linear},
    // Biases and activations that follow a MatMul directly: so there is less to move things past.
    {"absorb_epilogues", "factors, biases and activations -> the layer before them",
     absorb_epilogues},
    // Convolutions come with a transpose on either side; the next pass removes most of them.
    {"fuse_conv", "convolutions -> linear layers over pixels, patches, frames, signals; or Conv",
     fuse_conv},
    // Beside convolutions: frames gathered before a layer say what a Conv with strides says.
    {"fuse_frames", "layers over frames gathered from a signal -> SignalLinear", fuse_frames},
    {"sink_transposes", "moves transposes towards the outputs until they cancel", sink_transposes},
    // Attention reads its heads from the rows that projections write: those are Linears by now.
    {"fuse_attention", "scaled dot-product attention -> Attention", fuse_attention},
    // What attention had transposed and reads as rows now has no reason to be transposed.
    {"spell_alike", "tidies up after it", spell_alike},
    {"sink_transposes", "the same, around attention", sink_transposes},
    // Norms over channels that came first are over the last dimension only now.
    {"fuse_norms", "the same, for norms whose dimension was moved to the end", fuse_norms},
    {"spell_alike", "tidies up after them", spell_alike},
    // With the transposes gone, a layer and what follows it are neighbours.
    {"absorb_epilogues", "factors, biases and activations -> the layer before them",
     absorb_epilogues},
    // While queries, keys and values have a layer each, and a residual is still a sum.
    {"narrow_rows", "rows that nothing reads are not computed", narrow_rows},
    // Once it is known whose queries are few.
    {"fold_keys", "attention of one query reads the rows themselves, not keys and values of them",
     fold_keys},
    // After biases are in: a merged layer has one bias. Before residuals: a projection has none.
    {"merge_projections", "query, key and value projections of one input -> one Linear",
     merge_projections},
    {"fuse_residuals", "sums with a layer's output -> its residual", fuse_residuals},
};

/// The graph is in order, and every live node's outputs have the shapes that inference gives.
void check(Graph& graph, const char* pass) {
  if (!graph.sort()) {
    throw ConvertError(std::string("the graph has a cycle after the pass ") + pass, graph.name,
                       "This is a fault of the converter: please report it with the model");
  }
  for (NodeId id : graph.order()) {
    for (ValueId output : graph.node(id).outputs) {
      if (output == kNoValue) continue;
      const std::optional<Shape> before = graph.value(output).shape;
      graph::infer_node(graph, id);
      if (before && graph.value(output).shape != before) {
        throw ConvertError(std::string("its shape changed in the pass ") + pass,
                           "node '" + graph.node(id).name + "' (" + graph.node(id).op + ")",
                           "This is a fault of the converter: please report it with the model");
      }
    }
  }
}

}  // namespace

std::span<const Pass> pass_order() { return kOrder; }

void run_passes(Graph& graph, PassReport& report) {
  for (const Pass& pass : kOrder) {
    report.begin(pass.name);
    if (pass.run(graph, report)) check(graph, pass.name);
  }
  graph.remove_dead();
  graph.sort();
  report.finish(graph);
}

}  // namespace heed::passes
