// The list of families, and what every recipe is given.

#include <utility>

#include "converter/graph/convert_error.h"
#include "models/families/family.h"

namespace heed::families {
namespace {

// clang-format off: a line each
constexpr Family kFamilies[] = {
    {"albert", build_bert},
    {"bert", build_bert},
    {"deit", build_vit},
    {"detr", build_detr},
    {"distilbert", build_bert},
    {"gpt2", build_gpt2},
    {"hubert", build_wav2vec2},
    {"llama", build_llama},
    {"mistral", build_llama},
    {"mobilevit", build_mobilevit},
    {"parakeet_ctc", build_parakeet},
    {"qwen2", build_llama},
    {"roberta", build_bert},
    {"segformer", build_segformer},
    {"vit", build_vit},
    {"wav2vec2", build_wav2vec2},
    {"wav2vec2-conformer", build_wav2vec2_conformer},
    {"whisper", build_whisper},
    {"yolos", build_yolos},
};
// clang-format on

}  // namespace

std::span<const Family> families() { return kFamilies; }

Recipe::Recipe(Checkpoint& given, RecipeOptions options)
    : checkpoint(given), config(given.settings("config.json")), options_(std::move(options)) {}

int64_t Recipe::dim(const std::string& name, int64_t otherwise, int64_t most,
                    const std::string& input, size_t axis) {
  dims.push_back(name);
  int64_t size = otherwise;
  const auto by_name = options_.dims.find(name);
  const auto by_input = options_.shapes.find(input);
  if (by_name != options_.dims.end())
    size = by_name->second;
  else if (by_input != options_.shapes.end() && axis < by_input->second.size())
    size = by_input->second[axis];
  if (size < 1 || size > most) {
    throw ConvertError("its " + name + " must be between 1 and " + std::to_string(most) + ", not " +
                           std::to_string(size),
                       "checkpoint",
                       "Choose another with --dim " + name + "=" + std::to_string(most));
  }
  return size;
}

Net& Recipe::entry(const std::string& name, uint32_t shared_arena) {
  entries.push_back({name, Net(checkpoint), shared_arena});
  return entries.back().net;
}

void build_family(Recipe& recipe) {
  const std::string type = recipe.config.text("model_type");
  std::string known;
  for (const Family& family : families()) {
    if (type == family.model_type) return family.build(recipe);
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  recipe.config.refuse("model_type", "is '" + type + "', which has no recipe; known are " + known);
}

}  // namespace heed::families
