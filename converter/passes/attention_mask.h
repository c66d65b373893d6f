#pragma once
// Masks of an attention: what is added to the scores, or put in their place, before the softmax.

#include <string>
#include <vector>

#include "converter/passes/rewrite.h"

namespace heed::passes {

/// Scores this low get no weight: their exponential is zero beside any other.
inline constexpr float kMaskedScore = -1000.0f;

/// One addition to the scores.
struct MaskTerm {
  ValueId value;  // f32
  float factor;   // it is multiplied by this
  Shape scores;   // the shape of the scores where it is added
};

/// What the terms come to, for scores [batch, heads, queries, keys].
struct AttentionMask {
  bool causal = false;      // query t sees keys 0 .. t + keys - queries
  int64_t window = 0;       // and of those the last `window`; 0: all
  ValueId bias = kNoValue;  // f32, broadcastable; kNoValue: nothing is added
};

struct AttentionShape {
  int64_t batch, heads, queries, keys;
};

/// Joins the terms; constant ones that only hide later keys become `causal`.
AttentionMask join_masks(Graph& graph, const std::vector<MaskTerm>& terms,
                         const AttentionShape& shape, const std::string& name);

/// The term that Where(condition, scores, value) (or with its operands the other way round) adds:
/// zeros where the scores are kept, `hidden` elsewhere.
ValueId mask_from_condition(Graph& graph, ValueId condition, bool keep_where_true, float hidden,
                            const std::string& name);

}  // namespace heed::passes
