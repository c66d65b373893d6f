#pragma once
// Decoders are exported with their past: the keys and values of all tokens so far go in, and come
// out again with those of the new tokens behind them. In an engine they are state.
//
//   past [1,H,P,D] -> Concat(past, new) over the tokens -> attention, present
//
// becomes a state of C = P + T tokens, "past_key_values.0.key" [1,C,H*D]: the new rows join it at
// the input `position`, and the graph reads all of it. What the graph computes from the length of
// the past (the positions of the new tokens, and so what its mask hides) follows `position`. A past
// that is read and never extended, an encoder's keys and values, is state as well: the graph that
// has it as "present.0.encoder.key" fills it.

#include <cstdint>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::onnx {

/// Whether an input is a past, by its name: past_key_values.0.key, past.0.value, ...
bool is_past(const std::string& input);

/// Turns a graph's past into states of `capacity` tokens, and drops what comes out of them. The
/// graph is as import leaves it: inputs have shapes, nothing is inferred. Throws ConvertError where
/// a past is used in a way that has no counterpart.
void turn_past_into_state(graph::Graph& graph, int64_t capacity);

/// Outputs that are the past of another graph ("present.0.key" of a decoder's first run) fill its
/// states from their beginning. The graph is folded: all shapes are known.
void keep_presents(graph::Graph& graph, int64_t capacity);

/// After fusing: attention over such a state looks at the tokens that are there, and at no more.
void limit_to_present(graph::Graph& graph);

}  // namespace heed::onnx
