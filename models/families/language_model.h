#pragma once
// What all recipes of language models share: how they are entered, and how they end.

#include <functional>
#include <string>

#include "models/families/family.h"

namespace heed::families {

/// Entry points "decode_step", of one token, and "prefill", of --dim prompt_chunk tokens, each made
/// by `build(entry point, tokens)`; the task; the tokenizer. context: tokens that the caches hold.
void build_language_model(Recipe& recipe, int64_t context,
                          const std::function<void(const std::string&, int64_t)>& build);

/// The row of x [1,rows,width] whose logits are wanted, [1,width]: where there are several, the
/// input `row` chooses.
ValueId wanted_row(Net& net, ValueId x, int64_t rows);

/// The output `logits` of x [1,width], by "lm_head.weight" or, where a checkpoint has none, by the
/// table of its tokens.
void output_logits(Net& net, ValueId x, const std::string& token_table, int64_t vocabulary);

}  // namespace heed::families
