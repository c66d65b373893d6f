#pragma once
// The entry of each pass. What each does, and when, stands in pass_order.cpp.

#include "converter/passes/pass.h"

namespace heed::passes {

bool expand_contrib(graph::Graph& graph, PassReport& report);
bool spell_alike(graph::Graph& graph, PassReport& report);
bool fuse_activations(graph::Graph& graph, PassReport& report);
bool fuse_norms(graph::Graph& graph, PassReport& report);
bool fuse_attention(graph::Graph& graph, PassReport& report);
bool fuse_positions(graph::Graph& graph, PassReport& report);
bool fuse_linear(graph::Graph& graph, PassReport& report);
bool fuse_conv(graph::Graph& graph, PassReport& report);
bool fuse_frames(graph::Graph& graph, PassReport& report);
bool fuse_embedding(graph::Graph& graph, PassReport& report);
bool sink_transposes(graph::Graph& graph, PassReport& report);
bool absorb_epilogues(graph::Graph& graph, PassReport& report);
bool narrow_rows(graph::Graph& graph, PassReport& report);
bool fold_keys(graph::Graph& graph, PassReport& report);
bool merge_projections(graph::Graph& graph, PassReport& report);
bool fuse_residuals(graph::Graph& graph, PassReport& report);

}  // namespace heed::passes
