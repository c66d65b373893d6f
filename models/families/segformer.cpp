// SegFormer for semantic segmentation: four stages of overlapping patches and transformer layers
// whose keys and values are convolved to a smaller picture, then a decode head that brings all
// stages to the size of the first.
//
//   per layer: x = x + attention(n, reduce(n)), n = LayerNorm(x)
//              x = x + W2 gelu(depthwise(W1 LayerNorm(x)))

#include <string>

#include "engine/schema/model_generated.h"
#include "models/families/family.h"
#include "models/families/image_task.h"

namespace heed::families {
namespace {

constexpr double kSegformerNormEpsilon =
    1e-5;  // the layer's own default: the config's is for nothing
constexpr double kSegformerBatchEpsilon = 1e-5;
constexpr int64_t kSegformerSide = 512, kSegformerSideMax = 8192;

/// Rows [1, H*W, C] and the picture they make.
struct Rows {
  ValueId value;
  int64_t height, width, channels;
};

struct Stage {
  int64_t patch, stride, channels, heads, reduction, inner;
  std::string activation;
};

ValueId picture_of(Net& net, const Rows& x) {
  return net.reshape(net.transpose(x.value, {0, 2, 1}), {1, x.channels, x.height, x.width});
}

Rows rows_of(Net& net, ValueId picture) {
  const int64_t c = net.size(picture, 1), h = net.size(picture, 2), w = net.size(picture, 3);
  return {net.transpose(net.reshape(picture, {1, c, h * w}), {0, 2, 1}), h, w, c};
}

ValueId attention(Net& net, const std::string& name, const Stage& s, const Rows& x) {
  ValueId seen = x.value;
  if (s.reduction > 1) {
    ConvPlan plan;
    plan.strides = {s.reduction, s.reduction};
    const ValueId small = net.conv(picture_of(net, x), name + "self.sr", s.channels,
                                   {s.reduction, s.reduction}, plan);
    seen =
        net.layer_norm(rows_of(net, small).value, name + "self.layer_norm", kSegformerNormEpsilon);
  }
  const ValueId q = net.linear(x.value, name + "self.query", s.channels);
  const ValueId k = net.linear(seen, name + "self.key", s.channels);
  const ValueId v = net.linear(seen, name + "self.value", s.channels);
  AttentionPlan plan;
  plan.heads = s.heads;
  plan.head_width = s.channels / s.heads;
  return net.linear(net.attention(q, k, v, plan, name + "self"), name + "output.dense", s.channels);
}

ValueId mix(Net& net, const std::string& name, const Stage& s, const Rows& x) {
  const ValueId wide = net.linear(x.value, name + "dense1", s.inner);
  ConvPlan plan;
  plan.pads = {1, 1, 1, 1};
  plan.group = s.inner;
  const ValueId mixed = net.conv(picture_of(net, {wide, x.height, x.width, s.inner}),
                                 name + "dwconv.dwconv", s.inner, {3, 3}, plan);
  return net.linear(net.activation(rows_of(net, mixed).value, s.activation), name + "dense2",
                    s.channels);
}

/// A stage's picture, from the one before.
ValueId stage(Net& net, const std::string& prefix, const std::string& index, const Stage& s,
              int64_t depth, ValueId picture) {
  ConvPlan plan;
  plan.strides = {s.stride, s.stride};
  plan.pads = {s.patch / 2, s.patch / 2, s.patch / 2, s.patch / 2};
  const std::string patches = prefix + "patch_embeddings." + index;
  Rows x = rows_of(net, net.conv(picture, patches + ".proj", s.channels, {s.patch, s.patch}, plan));
  x.value = net.layer_norm(x.value, patches + ".layer_norm", kSegformerNormEpsilon);
  for (int64_t i = 0; i < depth; ++i) {
    const std::string name = prefix + "block." + index + "." + std::to_string(i) + ".";
    Rows normed = x;
    normed.value = net.layer_norm(x.value, name + "layer_norm_1", kSegformerNormEpsilon);
    x.value = net.add(attention(net, name + "attention.", s, normed), x.value);
    normed.value = net.layer_norm(x.value, name + "layer_norm_2", kSegformerNormEpsilon);
    x.value = net.add(mix(net, name + "mlp.", s, normed), x.value);
  }
  x.value = net.layer_norm(x.value, prefix + "layer_norm." + index, kSegformerNormEpsilon);
  return picture_of(net, x);
}

ValueId resized(Net& net, ValueId picture, int64_t height, int64_t width) {
  if (net.size(picture, 2) == height && net.size(picture, 3) == width) return picture;
  return net.resize(picture, height, width, "decode_head/resize");
}

ValueId decode(Net& net, const std::vector<ValueId>& stages, int64_t width, int64_t labels) {
  const int64_t h = net.size(stages[0], 2), w = net.size(stages[0], 3);
  std::vector<ValueId> parts;
  for (size_t i = stages.size(); i-- > 0;) {
    Rows x = rows_of(net, stages[i]);
    const std::string name = "decode_head.linear_c." + std::to_string(i) + ".proj";
    x.value = net.linear(x.value, name, width);
    x.channels = width;
    parts.push_back(resized(net, picture_of(net, x), h, w));
  }
  ConvPlan plan;
  plan.bias = false;
  ValueId x = net.conv(net.concat(parts, 1), "decode_head.linear_fuse", width, {1, 1}, plan);
  x = net.batch_norm(x, "decode_head.batch_norm", kSegformerBatchEpsilon);
  return net.conv(net.activation(x, "Relu"), "decode_head.classifier", labels, {1, 1});
}

}  // namespace

void build_segformer(Recipe& recipe) {
  const Settings& config = recipe.config;
  const auto blocks = static_cast<size_t>(config.size_or("num_encoder_blocks", 4));
  const auto list = [&](const char* key) { return config.sizes(key, blocks); };
  const std::vector<int64_t> depths = list("depths"), reductions = list("sr_ratios"),
                             channels = list("hidden_sizes"), patches = list("patch_sizes"),
                             strides = list("strides"), heads = list("num_attention_heads"),
                             ratios = list("mlp_ratios");
  const Settings settings = recipe.checkpoint.settings("preprocessor_config.json");
  const JsonTree* size = settings.find("size");
  const auto side = [&](const char* key) {
    if (size != nullptr && size->integer() != nullptr) return settings.size("size");
    return size == nullptr ? kSegformerSide : settings.within("size").size_or(key, kSegformerSide);
  };
  const int64_t height = recipe.dim("height", side("height"), kSegformerSideMax, "pixel_values", 2);
  const int64_t width = recipe.dim("width", side("width"), kSegformerSideMax, "pixel_values", 3);
  Net& net = recipe.entry();
  const std::string prefix =
      recipe.checkpoint.prefix_of("encoder.layer_norm.0.weight", {"segformer.", ""}) + "encoder.";
  const int64_t colors = config.size_or("num_channels", 3);
  ValueId picture = net.input("pixel_values", {1, colors, height, width});
  std::vector<ValueId> stages;
  for (size_t i = 0; i < blocks; ++i) {
    if (channels[i] % heads[i] != 0)
      config.refuse("num_attention_heads", "does not divide hidden_sizes");
    const Stage s{patches[i],
                  strides[i],
                  channels[i],
                  heads[i],
                  reductions[i],
                  channels[i] * ratios[i],
                  activation_named(config.text_or("hidden_act", "gelu"))};
    picture = stage(net, prefix, std::to_string(i), s, depths[i], picture);
    stages.push_back(picture);
  }
  if (!recipe.checkpoint.has("decode_head.classifier.weight")) {
    net.output("last_hidden_state", picture);
    return;
  }
  const int64_t labels = net.shape(net.weight("decode_head.classifier.weight"))[0];
  net.output("logits", decode(net, stages, config.size_or("decoder_hidden_size", 256), labels));
  recipe.task = image_task_of(recipe, colors, height, width);
  recipe.task->kind = "image_segmentation";
  recipe.task->labels = config.numbered_texts("id2label");
  recipe.task->segmentation = std::make_unique<fb::SegmentationT>();
  recipe.task->segmentation->layout = "chw";
}

}  // namespace heed::families
