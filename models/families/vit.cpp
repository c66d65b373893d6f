// ViT and DeiT: patches of a picture, a class token (DeiT: and a distillation token), pre-norm
// layers, a class head.
//
//   x = [tokens; W patch + b] + positions
//   per layer: x = x + attention(LayerNorm(x));  x = x + W2 gelu(W1 LayerNorm(x))

#include <algorithm>

#include "engine/schema/model_generated.h"
#include "models/families/family.h"
#include "models/families/image_task.h"
#include "models/families/vit_layers.h"

namespace heed::families {

VitSizes read_vit_sizes(const Settings& config) {
  VitSizes s{config.size("hidden_size"),
             config.size("intermediate_size"),
             config.size("num_hidden_layers"),
             config.size("num_attention_heads"),
             config.size_or("num_channels", 3),
             config.sizes("image_size", 2),
             config.sizes("patch_size", 2),
             config.number_or("layer_norm_eps", 1e-12),
             activation_named(config.text_or("hidden_act", "gelu"))};
  if (s.width % s.heads != 0) config.refuse("num_attention_heads", "does not divide the width");
  for (size_t i = 0; i < 2; ++i)
    if (s.patch[i] > s.image[i]) config.refuse("patch_size", "is larger than the picture");
  return s;
}

ValueId vit_layer(Net& net, const std::string& name, const VitSizes& s, ValueId x) {
  const ValueId before = net.layer_norm(x, name + "layernorm_before", s.epsilon);
  const ValueId q = net.linear(before, name + "attention.attention.query", s.width);
  const ValueId k = net.linear(before, name + "attention.attention.key", s.width);
  const ValueId v = net.linear(before, name + "attention.attention.value", s.width);
  const ValueId heads = net.attention(q, k, v, {s.heads, s.width / s.heads}, name + "attention");
  x = net.add(net.linear(heads, name + "attention.output.dense", s.width), x);
  const ValueId after = net.layer_norm(x, name + "layernorm_after", s.epsilon);
  const ValueId wide = net.linear(after, name + "intermediate.dense", s.inner, s.activation);
  return net.add(net.linear(wide, name + "output.dense", s.width), x);
}

namespace {

/// [1,C,H,W] -> [1, tokens + patches, width], positions added.
ValueId embed(Net& net, const std::string& prefix, const VitSizes& s, ValueId pixels) {
  const int64_t patches = (s.image[0] / s.patch[0]) * (s.image[1] / s.patch[1]);
  const ValueId grid = net.conv(pixels, prefix + "embeddings.patch_embeddings.projection", s.width,
                                s.patch, {s.patch});
  const ValueId rows = net.transpose(net.reshape(grid, {1, s.width, patches}), {0, 2, 1});
  std::vector<ValueId> parts = {net.weight(prefix + "embeddings.cls_token", {1, 1, s.width})};
  const std::string distillation = prefix + "embeddings.distillation_token";
  if (net.checkpoint().has(distillation))
    parts.push_back(net.weight(distillation, {1, 1, s.width}));
  const auto tokens = static_cast<int64_t>(parts.size());
  parts.push_back(rows);
  return net.add(net.concat(parts, 1), net.weight(prefix + "embeddings.position_embeddings",
                                                  {1, tokens + patches, s.width}));
}

ValueId class_head(Net& net, const std::string& name, ValueId row) {
  const ValueId weight = net.weight(name + ".weight", {-1, net.size(row, -1)});
  return net.linear(row, name, net.shape(weight)[0]);
}

}  // namespace

void build_vit(Recipe& recipe) {
  const VitSizes s = read_vit_sizes(recipe.config);
  Net& net = recipe.entry();
  const std::string prefix =
      recipe.checkpoint.prefix_of("embeddings.cls_token", {"vit.", "deit.", ""});
  const ValueId pixels = net.input("pixel_values", {1, s.channels, s.image[0], s.image[1]});
  ValueId x = embed(net, prefix, s, pixels);
  for (int64_t i = 0; i < s.layers; ++i)
    x = vit_layer(net, prefix + "encoder.layer." + std::to_string(i) + ".", s, x);
  x = net.layer_norm(x, prefix + "layernorm", s.epsilon);
  const auto row = [&](int64_t i) { return net.reshape(net.slice(x, 1, i, i + 1), {1, s.width}); };
  if (recipe.checkpoint.has("classifier.weight")) {
    net.output("logits", class_head(net, "classifier", row(0)));
  } else if (recipe.checkpoint.has("cls_classifier.weight")) {
    const ValueId both = net.add(class_head(net, "cls_classifier", row(0)),
                                 class_head(net, "distillation_classifier", row(1)));
    net.output("logits", net.mul(both, net.scalar(0.5f)));
  } else {
    net.output("last_hidden_state", x);
    return;
  }
  recipe.task = image_task_of(recipe, s.channels, s.image[0], s.image[1]);
  recipe.task->kind = "image_classification";
  recipe.task->labels = recipe.config.numbered_texts("id2label");
}

}  // namespace heed::families
