#pragma once
// heed run on texts: embeddings, classes, or how a text goes on.

#include <string>
#include <vector>

#include "models/decode/sampler.h"
#include "platforms/cli/commands.h"
#include "platforms/cli/open_model.h"

namespace heed::cli {

struct TextArguments {
  size_t tokens = 256;  // generation: at most so many
  SamplerOptions sampling;
  void add_to(CLI::App* command);
};

/// What the user gave: each is the name of a text file, "-" (standard input), or the text itself.
struct TextRun {
  std::vector<std::string> texts;
  RunOptions run;
  TextArguments text;
  std::string save;
  size_t top = 5;
  bool json = false;
};

/// Throws CommandError.
void run_texts(const TextRun& given, const Model& model);

}  // namespace heed::cli
