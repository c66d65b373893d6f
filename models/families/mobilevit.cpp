// MobileViT: inverted residuals of MobileNetV2, and blocks that take a picture apart into patches,
// let the pixels of one place in every patch attend to each other, and put it together again.
//
//   block: y = conv1(conv3(x)), unfolded to [pixels of a patch, patches, width], transformer
//   layers,
//          LayerNorm, folded;  x = conv3([x; conv1(y)])

#include <string>

#include "engine/schema/model_generated.h"
#include "models/families/family.h"
#include "models/families/image_task.h"
#include "models/families/vit_layers.h"

namespace heed::families {
namespace {

constexpr double kMobileEpsilon = 1e-5;
constexpr size_t kMobileStages = 5;
constexpr int64_t kMobileLayersMax = 64, kMobileSideMax = 4096;

/// What all layers of a model share.
struct MobilePlan {
  std::string activation;
  int64_t patch;
  VitSizes layers;  // but for the widths
};

/// Convolution, batch norm where there is one, activation where it is wanted. The sizes are those
/// of the weights.
ValueId conv_layer(Net& net, const std::string& name, ValueId x, const std::string& activation,
                   int64_t stride = 1, bool depthwise = false) {
  const int64_t inputs = net.size(x, 1);
  const Shape kernel =
      net.shape(net.weight(name + ".convolution.weight", {-1, depthwise ? 1 : inputs, -1, -1}));
  ConvPlan plan;
  plan.strides = {stride, stride};
  plan.pads = {(kernel[2] - 1) / 2, (kernel[3] - 1) / 2, (kernel[2] - 1) / 2, (kernel[3] - 1) / 2};
  plan.group = depthwise ? inputs : 1;
  plan.bias = net.checkpoint().has(name + ".convolution.bias");
  x = net.conv(x, name + ".convolution", kernel[0], {kernel[2], kernel[3]}, plan);
  if (net.checkpoint().has(name + ".normalization.weight"))
    x = net.batch_norm(x, name + ".normalization", kMobileEpsilon);
  return activation.empty() ? x : net.activation(x, activation);
}

ValueId inverted_residual(Net& net, const std::string& name, const MobilePlan& plan, int64_t stride,
                          ValueId x) {
  ValueId y = conv_layer(net, name + ".expand_1x1", x, plan.activation);
  y = conv_layer(net, name + ".conv_3x3", y, plan.activation, stride, true);
  y = conv_layer(net, name + ".reduce_1x1", y, "");
  return stride == 1 && net.size(x, 1) == net.size(y, 1) ? net.add(x, y) : y;
}

/// [1,C,H,W] -> [patch * patch, patches, C] through transformer layers and back.
ValueId among_patches(Net& net, const std::string& name, const MobilePlan& plan, ValueId x) {
  const int64_t p = plan.patch, c = net.size(x, 1), h = net.size(x, 2), w = net.size(x, 3);
  const int64_t rows = (h + p - 1) / p, columns = (w + p - 1) / p, patches = rows * columns;
  const bool other = h != rows * p || w != columns * p;
  if (other) x = net.resize(x, rows * p, columns * p, name + ".unfold");
  x = net.transpose(net.reshape(x, {c * rows, p, columns, p}), {0, 2, 1, 3});
  x = net.transpose(net.reshape(x, {1, c, patches, p * p}), {0, 3, 2, 1});
  x = net.reshape(x, {p * p, patches, c});
  VitSizes sizes = plan.layers;
  sizes.width = c;
  for (int64_t i = 0; i < kMobileLayersMax; ++i) {
    const std::string layer = name + ".transformer.layer." + std::to_string(i) + ".";
    if (!net.checkpoint().has(layer + "layernorm_before.weight")) break;
    sizes.inner = net.size(net.weight(layer + "intermediate.dense.weight", {-1, c}), 0);
    x = vit_layer(net, layer, sizes, x);
  }
  x = net.reshape(net.layer_norm(x, name + ".layernorm", sizes.epsilon), {1, p * p, patches, c});
  x = net.reshape(net.transpose(x, {0, 3, 2, 1}), {c * rows, columns, p, p});
  x = net.reshape(net.transpose(x, {0, 2, 1, 3}), {1, c, rows * p, columns * p});
  return other ? net.resize(x, h, w, name + ".fold") : x;
}

ValueId mobilevit_block(Net& net, const std::string& name, const MobilePlan& plan, ValueId x) {
  x = inverted_residual(net, name + ".downsampling_layer", plan, 2, x);
  ValueId y = conv_layer(net, name + ".conv_kxk", x, plan.activation);
  y = among_patches(net, name, plan, conv_layer(net, name + ".conv_1x1", y, ""));
  y = conv_layer(net, name + ".conv_projection", y, plan.activation);
  return conv_layer(net, name + ".fusion", net.concat({x, y}, 1), plan.activation);
}

}  // namespace

void build_mobilevit(Recipe& recipe) {
  const Settings& config = recipe.config;
  if (config.size_or("output_stride", 32) != 32)
    config.refuse("output_stride", "must be 32: backbones with holes are not supported");
  const std::vector<int64_t> image =
      config.has("image_size") ? config.sizes("image_size", 2) : std::vector<int64_t>{256, 256};
  const int64_t height = recipe.dim("height", image[0], kMobileSideMax, "pixel_values", 2);
  const int64_t width = recipe.dim("width", image[1], kMobileSideMax, "pixel_values", 3);
  const std::string activation = activation_named(config.text_or("hidden_act", "silu"));
  const int64_t heads = config.size_or("num_attention_heads", 4);
  for (const int64_t one : config.whole_numbers("hidden_sizes"))
    if (one % heads != 0) config.refuse("num_attention_heads", "does not divide hidden_sizes");
  MobilePlan plan{activation, config.size_or("patch_size", 2), {}};
  plan.layers.heads = heads;
  plan.layers.epsilon = config.number_or("layer_norm_eps", 1e-5);
  plan.layers.activation = activation;

  Net& net = recipe.entry();
  const std::string prefix =
      recipe.checkpoint.prefix_of("conv_stem.convolution.weight", {"mobilevit.", ""});
  const int64_t colors = config.size_or("num_channels", 3);
  ValueId x = net.input("pixel_values", {1, colors, height, width});
  x = conv_layer(net, prefix + "conv_stem", x, activation, 2);
  for (size_t stage = 0; stage < kMobileStages; ++stage) {
    const std::string name = prefix + "encoder.layer." + std::to_string(stage);
    if (stage >= 2) {
      x = mobilevit_block(net, name, plan, x);
      continue;
    }
    for (int64_t i = 0; i < kMobileLayersMax; ++i) {
      const std::string layer = name + ".layer." + std::to_string(i);
      if (i > 0 && !recipe.checkpoint.has(layer + ".expand_1x1.convolution.weight")) break;
      x = inverted_residual(net, layer, plan, stage == 1 && i == 0 ? 2 : 1, x);
    }
  }
  if (!recipe.checkpoint.has("classifier.weight")) {
    net.output("last_hidden_state", x);
    return;
  }
  x = net.mean(conv_layer(net, prefix + "conv_1x1_exp", x, activation), {2, 3}, false);
  const int64_t labels = net.size(net.weight("classifier.weight", {-1, net.size(x, 1)}), 0);
  net.output("logits", net.linear(x, "classifier", labels));
  recipe.task = image_task_of(recipe, colors, height, width);
  recipe.task->kind = "image_classification";
  recipe.task->labels = config.numbered_texts("id2label");
}

}  // namespace heed::families
