#pragma once
// The tokenizer of a text checkpoint, from whichever files it was published with: tokenizer.json,
// vocab.txt (WordPiece), vocab.json and merges.txt (byte-level BPE), or a llama2.c tokenizer.

#include "models/families/family.h"

namespace heed::families {

/// Puts the tokenizer into recipe.task. Where the folder has none, or one of a kind that has no
/// counterpart here, a note says so: the model then takes tokens. Throws ConvertError where a file
/// is damaged.
void add_tokenizer(Recipe& recipe);

}  // namespace heed::families
