#include "models/families/language_model.h"

#include <algorithm>
#include <memory>

#include "engine/schema/model_generated.h"
#include "models/families/tokenizer_files.h"

namespace heed::families {
namespace {

constexpr int64_t kUsualChunk = 16;  // tokens of a prompt that are read at a time

}  // namespace

void build_language_model(Recipe& recipe, int64_t context,
                          const std::function<void(const std::string&, int64_t)>& build) {
  const int64_t most = std::max<int64_t>(context - 1, 1);  // a chunk and what it makes
  const int64_t chunk = recipe.dim("prompt_chunk", std::min(kUsualChunk, most), most);
  build("decode_step", 1);
  if (chunk > 1) build("prefill", chunk);
  recipe.task = std::make_shared<fb::TaskT>();
  recipe.task->kind = "text_generation";
  add_tokenizer(recipe);
}

ValueId wanted_row(Net& net, ValueId x, int64_t rows) {
  const int64_t width = net.size(x, -1);
  if (rows > 1)
    x = net.op("Gather", {x, net.input("row", {1}, DType::i64)}, {{"axis", int64_t{1}}}, "last");
  return net.reshape(x, {1, width});
}

void output_logits(Net& net, ValueId x, const std::string& token_table, int64_t vocabulary) {
  const bool tied = !net.checkpoint().has("lm_head.weight");
  const ValueId head =
      net.weight(tied ? token_table : "lm_head.weight", {vocabulary, net.size(x, -1)});
  net.output("logits", net.linear(x, head, kNoValue, "lm_head"));
}

}  // namespace heed::families
