// DETR: a ResNet makes a small picture of features, a transformer encoder mixes it, and a decoder
// asks it for objects with learned queries; each answers with class scores and a box.
//
//   encoder: q and k of x + p, v of x;  x = norm(x + attention);  x = norm(x + W2 act(W1 x))
//   decoder: the same over queries, then q of y + o, k of x + p, v of x in between
//
// p: sines of the place in the picture, o: the queries' own positions.

#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "converter/graph/convert_error.h"
#include "models/families/family.h"
#include "models/families/image_task.h"

namespace heed::families {
namespace {

constexpr double kDetrEpsilon = 1e-5;  // of every norm
constexpr int64_t kDetrSide = 800, kDetrSideMax = 4096;
constexpr int64_t kResNetBlocksMax = 256;  // of a stage

// --- the backbone: ResNet as transformers or as timm names it

struct ResNetNames {
  std::string prefix;
  bool timm;

  std::string stem() const { return prefix + (timm ? "" : "embedder.embedder."); }
  std::string block(int64_t stage, int64_t i) const {
    const std::string n = std::to_string(i);
    return prefix + (timm ? "layer" + std::to_string(stage + 1) + "." + n + "."
                          : "encoder.stages." + std::to_string(stage) + ".layers." + n + ".");
  }
  /// Convolution and norm number i of a block, or of the stem (i = 0).
  std::array<std::string, 2> pair(const std::string& at, int64_t i) const {
    const std::string n = std::to_string(timm ? i + 1 : i);
    if (timm) return {at + "conv" + n, at + "bn" + n};
    const std::string inner = at == stem() ? at : at + "layer." + n + ".";
    return {inner + "convolution", inner + "normalization"};
  }
  std::array<std::string, 2> shortcut(const std::string& at) const {
    if (timm) return {at + "downsample.0", at + "downsample.1"};
    return {at + "shortcut.convolution", at + "shortcut.normalization"};
  }
};

ValueId conv_norm(Net& net, const std::array<std::string, 2>& names, int64_t stride, ValueId x) {
  const Shape kernel = net.shape(net.weight(names[0] + ".weight", {-1, net.size(x, 1), -1, -1}));
  ConvPlan plan;
  plan.strides = {stride, stride};
  plan.pads = {kernel[2] / 2, kernel[3] / 2, kernel[2] / 2, kernel[3] / 2};
  plan.bias = false;
  return net.batch_norm(net.conv(x, names[0], kernel[0], {kernel[2], kernel[3]}, plan), names[1],
                        kDetrEpsilon);
}

ValueId resnet_block(Net& net, const ResNetNames& names, const std::string& at, int64_t stride,
                     bool stride_first, ValueId x) {
  const Checkpoint& checkpoint = net.checkpoint();
  const int64_t convs = checkpoint.has(names.pair(at, 2)[0] + ".weight") ? 3 : 2;
  const int64_t strided = convs == 3 && !stride_first ? 1 : 0;
  ValueId y = x;
  for (int64_t i = 0; i < convs; ++i) {
    y = conv_norm(net, names.pair(at, i), i == strided ? stride : 1, y);
    if (i + 1 < convs) y = net.activation(y, "Relu");
  }
  if (checkpoint.has(names.shortcut(at)[0] + ".weight"))
    x = conv_norm(net, names.shortcut(at), stride, x);
  return net.activation(net.add(y, x), "Relu");
}

ValueId resnet(Recipe& recipe, Net& net, ValueId pixels) {
  const Settings inner = recipe.config.within("backbone_config");
  if (recipe.config.flag_or("dilation", false))
    recipe.config.refuse("dilation", "is true: backbones with holes (DC5) are not supported");
  if (inner.text_or("hidden_act", "relu") != "relu") inner.refuse("hidden_act", "must be relu");
  const std::string at = "model.backbone.conv_encoder.model.";
  ResNetNames names{at, recipe.checkpoint.has(at + "conv1.weight")};
  ValueId x = net.activation(conv_norm(net, names.pair(names.stem(), 0), 2, pixels), "Relu");
  const std::vector<int64_t> three = {3, 3}, two = {2, 2}, pads = {1, 1, 1, 1};
  x = net.op("MaxPool", {x}, {{"kernel_shape", three}, {"strides", two}, {"pads", pads}});
  for (int64_t stage = 0; stage < 4; ++stage) {
    const bool small = stage > 0 || inner.flag_or("downsample_in_first_stage", false);
    for (int64_t i = 0; i < kResNetBlocksMax; ++i) {
      const std::string block = names.block(stage, i);
      if (i > 0 && !recipe.checkpoint.has(names.pair(block, 0)[0] + ".weight")) break;
      x = resnet_block(net, names, block, i == 0 && small ? 2 : 1,
                       inner.flag_or("downsample_in_bottleneck", false), x);
    }
  }
  return x;
}

/// [1, height * width, channels]: the first half for y, the second for x, sines and cosines in
/// turn.
ValueId sine_positions(Net& net, int64_t height, int64_t width, int64_t channels) {
  const int64_t half = channels / 2;
  std::vector<float> values;
  values.reserve(static_cast<size_t>(height * width * channels));
  const auto put = [&](int64_t at, int64_t count) {
    const double turn =
        static_cast<double>(at + 1) / (static_cast<double>(count) + 1e-6) * 2 * std::numbers::pi;
    for (int64_t i = 0; i < half; ++i) {
      const double slow =
          std::pow(10000.0, static_cast<double>(i / 2 * 2) / static_cast<double>(half));
      values.push_back(
          static_cast<float>(i % 2 == 0 ? std::sin(turn / slow) : std::cos(turn / slow)));
    }
  };
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) put(y, height), put(x, width);
  return net.floats("sine_positions", {1, height * width, channels}, std::move(values));
}

// --- the transformer

struct DetrLayer {
  int64_t width, heads, inner;
  std::string activation;
};

/// norm(x + attention(q of asks, k of places, v of seen)).
ValueId attend(Net& net, const std::string& name, const DetrLayer& p, ValueId x, ValueId asks,
               ValueId places, ValueId seen) {
  const ValueId q = net.linear(asks, name + ".q_proj", p.width);
  const ValueId k = net.linear(places, name + ".k_proj", p.width);
  const ValueId v = net.linear(seen, name + ".v_proj", p.width);
  const ValueId heads = net.attention(q, k, v, {p.heads, p.width / p.heads}, name);
  return net.layer_norm(net.add(x, net.linear(heads, name + ".out_proj", p.width)),
                        name + "_layer_norm", kDetrEpsilon);
}

ValueId detr_feed_forward(Net& net, const std::string& name, const DetrLayer& p, ValueId x) {
  const ValueId wide = net.linear(x, name + "fc1", p.inner, p.activation);
  return net.layer_norm(net.add(x, net.linear(wide, name + "fc2", p.width)),
                        name + "final_layer_norm", kDetrEpsilon);
}

DetrLayer detr_layer(const Settings& config, const std::string& side, int64_t width) {
  const DetrLayer plan{width, config.size(side + "_attention_heads"),
                       config.size(side + "_ffn_dim"),
                       activation_named(config.text_or("activation_function", "relu"))};
  if (width % plan.heads != 0) config.refuse(side + "_attention_heads", "does not divide d_model");
  return plan;
}

}  // namespace

void build_detr(Recipe& recipe) {
  const Settings& config = recipe.config;
  const Settings picture = recipe.checkpoint.settings("preprocessor_config.json");
  const int64_t width = config.size("d_model");
  if (config.text_or("position_embedding_type", "sine") != "sine" || width % 4 != 0)
    config.refuse("position_embedding_type", "must be sine, in a d_model that 4 divides");
  const JsonTree* size = picture.find("size");
  const bool number = size != nullptr && size->integer() != nullptr;
  const int64_t shorter =
      number ? picture.size("size") : picture.within("size").size_or("shortest_edge", kDetrSide);
  const int64_t h = recipe.dim("height", shorter, kDetrSideMax, "pixel_values", 2);
  const int64_t w = recipe.dim("width", shorter * 4 / 3, kDetrSideMax, "pixel_values", 3);
  recipe.notes.push_back("every picture is brought to " + std::to_string(w) + " x " +
                         std::to_string(h) + " pixels: choose others with --dim height, width");
  Net& net = recipe.entry();
  const int64_t colors = config.size_or("num_channels", 3);
  const ValueId pixels = net.input("pixel_values", {1, colors, h, w});
  const ValueId small =
      net.conv(resnet(recipe, net, pixels), "model.input_projection", width, {1, 1});
  const int64_t rows = net.size(small, 2), columns = net.size(small, 3);
  const ValueId positions = sine_positions(net, rows, columns, width);
  const DetrLayer encoder = detr_layer(config, "encoder", width),
                  decoder = detr_layer(config, "decoder", width);

  ValueId x = net.transpose(net.reshape(small, {1, width, rows * columns}), {0, 2, 1});
  for (int64_t i = 0; i < config.size("encoder_layers"); ++i) {
    const std::string name = "model.encoder.layers." + std::to_string(i) + ".";
    const ValueId placed = net.add(x, positions);
    x = detr_feed_forward(net, name, encoder,
                          attend(net, name + "self_attn", encoder, x, placed, placed, x));
  }
  const ValueId places = net.add(x, positions);
  const ValueId table = net.weight("model.query_position_embeddings.weight", {-1, width});
  const int64_t asked = net.size(table, 0);
  const ValueId own = net.reshape(table, {1, asked, width});
  ValueId y = net.floats("queries", {1, asked, width},
                         std::vector<float>(static_cast<size_t>(asked * width), 0.0f));
  for (int64_t i = 0; i < config.size("decoder_layers"); ++i) {
    const std::string name = "model.decoder.layers." + std::to_string(i) + ".";
    const ValueId asks = net.add(y, own);
    y = attend(net, name + "self_attn", decoder, y, asks, asks, y);
    y = attend(net, name + "encoder_attn", decoder, y, net.add(y, own), places, x);
    y = detr_feed_forward(net, name, decoder, y);
  }
  y = net.layer_norm(y, "model.decoder.layernorm", kDetrEpsilon);
  const ValueId head = net.weight("class_labels_classifier.weight", {-1, width});
  net.output("logits", net.linear(y, "class_labels_classifier", net.size(head, 0)));
  net.output("pred_boxes", net.op("Sigmoid", {net.perceptron(y, "bbox_predictor", width)}));
  recipe.task = object_task_of(recipe, colors, h, w);
}

}  // namespace heed::families
