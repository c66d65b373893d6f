// YOLOS: a ViT with tokens that ask for objects behind the patches; each answers with class scores
// and a box.

#include <string>

#include "models/families/family.h"
#include "models/families/image_task.h"
#include "models/families/vit_layers.h"

namespace heed::families {
void build_yolos(Recipe& recipe) {
  const VitSizes s = read_vit_sizes(recipe.config);
  Net& net = recipe.entry();
  const std::string prefix =
      recipe.checkpoint.prefix_of("embeddings.detection_tokens", {"vit.", ""});
  const ValueId queries = net.weight(prefix + "embeddings.detection_tokens", {1, -1, s.width});
  const int64_t patches = (s.image[0] / s.patch[0]) * (s.image[1] / s.patch[1]);
  const int64_t asked = net.size(queries, 1), tokens = 1 + patches + asked;
  const ValueId pixels = net.input("pixel_values", {1, s.channels, s.image[0], s.image[1]});
  ConvPlan plan;
  plan.strides = s.patch;
  const ValueId grid =
      net.conv(pixels, prefix + "embeddings.patch_embeddings.projection", s.width, s.patch, plan);
  const ValueId rows = net.transpose(net.reshape(grid, {1, s.width, patches}), {0, 2, 1});
  ValueId x =
      net.concat({net.weight(prefix + "embeddings.cls_token", {1, 1, s.width}), rows, queries}, 1);
  x = net.add(x, net.weight(prefix + "embeddings.position_embeddings", {1, tokens, s.width}));
  const bool again = recipe.config.flag_or("use_mid_position_embeddings", true);
  for (int64_t i = 0; i < s.layers; ++i) {
    x = vit_layer(net, prefix + "encoder.layer." + std::to_string(i) + ".", s, x);
    if (!again || i + 1 == s.layers) continue;
    const ValueId all =
        net.weight(prefix + "encoder.mid_position_embeddings", {s.layers - 1, 1, tokens, s.width});
    x = net.add(x, net.reshape(net.slice(all, 0, i, i + 1), {1, tokens, s.width}));
  }
  x = net.layer_norm(x, prefix + "layernorm", s.epsilon);
  if (!recipe.checkpoint.has("class_labels_classifier.layers.2.weight")) {
    net.output("last_hidden_state", x);
    return;
  }
  x = net.slice(x, 1, tokens - asked, tokens);
  net.output("logits", net.perceptron(x, "class_labels_classifier", s.width));
  net.output("pred_boxes", net.op("Sigmoid", {net.perceptron(x, "bbox_predictor", s.width)}));
  recipe.task = object_task_of(recipe, s.channels, s.image[0], s.image[1]);
}

}  // namespace heed::families
