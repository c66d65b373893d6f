#pragma once
// Families: how a published checkpoint (config.json and weights) maps to a graph. One file per
// family holds its recipe; family_list.cpp is the only list of them. README.md says how to add one.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/families/checkpoint.h"
#include "models/families/net.h"

namespace heed::fb {
struct TaskT;
}

namespace heed::families {

/// What the user fixed of what a checkpoint leaves open.
struct RecipeOptions {
  std::map<std::string, int64_t> dims;         // --dim sequence_length=128
  std::map<std::string, graph::Shape> shapes;  // --shape input_ids=1x128
};

/// One entry point of the model in the making.
struct RecipeEntry {
  std::string name;
  Net net;
  uint32_t shared_arena = 0;  // as in the file
};

/// The entry point of a network that is entered in one way: the user may call it otherwise.
inline constexpr const char* kOnlyEntry = "main";

/// What a recipe reads and what it makes.
class Recipe {
 public:
  Recipe(Checkpoint& checkpoint, RecipeOptions options);

  Checkpoint& checkpoint;
  const Settings config;  // config.json

  /// A size the user may choose, at most `most`: from --dim `name`, else from dimension `axis` of
  /// --shape `input`, else `otherwise`. Throws ConvertError where it is too large.
  int64_t dim(const std::string& name, int64_t otherwise, int64_t most,
              const std::string& input = "", size_t axis = 0);

  /// A new entry point. The reference stays valid.
  Net& entry(const std::string& name = kOnlyEntry, uint32_t shared_arena = 0);

  std::list<RecipeEntry> entries;
  std::shared_ptr<fb::TaskT> task;  // what the model is for; may stay null
  std::vector<std::string> notes;   // for the report: what was assumed
  std::vector<std::string> dims;    // names that dim() was asked for

 private:
  RecipeOptions options_;
};

struct Family {
  const char* model_type;         // as in config.json
  void (*build)(Recipe& recipe);  // throws ConvertError
};

std::span<const Family> families();

/// Builds the family that config.json names. Throws ConvertError; for an unknown one it lists the
/// known.
void build_family(Recipe& recipe);

// The recipes, each in a file of its own.
void build_bert(Recipe& recipe);   // BERT, MiniLM, DistilBERT, RoBERTa, ALBERT
void build_gpt2(Recipe& recipe);   // GPT-2 and DistilGPT-2
void build_llama(Recipe& recipe);  // Llama, Mistral, Qwen2: decoders with caches
void build_vit(Recipe& recipe);    // ViT, DeiT
void build_whisper(Recipe& recipe);
void build_detr(Recipe& recipe);
void build_mobilevit(Recipe& recipe);
void build_parakeet(Recipe& recipe);
void build_segformer(Recipe& recipe);
void build_wav2vec2(Recipe& recipe);
void build_wav2vec2_conformer(Recipe& recipe);
void build_yolos(Recipe& recipe);

}  // namespace heed::families
