// BERT and what has its layers: MiniLM and other sentence embedders, DistilBERT, RoBERTa, ALBERT.
//
//   h = LayerNorm(words[ids] + positions + types[type_ids])
//   per layer: h = LayerNorm(h + attention(h));  h = LayerNorm(h + W2 gelu(W1 h))
//
// ALBERT's rows are narrow and made wide before the first layer; its layers are one, or a few,
// again and again.
//
// then the head that config.json's architecture names, or the pooling of a sentence-transformers
// folder.

#include <algorithm>

#include "engine/schema/model_generated.h"
#include "models/families/family.h"
#include "models/families/tokenizer_files.h"

namespace heed::families {
namespace {

/// The names that a family gives to the parts of a layer.
struct LayerNames {
  const char *layer, *query, *key, *value, *attended, *attended_norm, *wide, *narrow, *norm;
};
constexpr LayerNames kBert = {
    "encoder.layer.",       "attention.self.query",   "attention.self.key",
    "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
    "intermediate.dense",   "output.dense",           "output.LayerNorm"};
constexpr LayerNames kDistilBert = {"transformer.layer.", "attention.q_lin",   "attention.k_lin",
                                    "attention.v_lin",    "attention.out_lin", "sa_layer_norm",
                                    "ffn.lin1",           "ffn.lin2",          "output_layer_norm"};

constexpr LayerNames kAlbert = {"encoder.albert_layer_groups.",
                                "attention.query",
                                "attention.key",
                                "attention.value",
                                "attention.dense",
                                "attention.LayerNorm",
                                "ffn",
                                "ffn_output",
                                "full_layer_layer_norm"};

/// The numbers of config.json, under whichever names.
struct BertSizes {
  bool distil = false, roberta = false, albert = false;
  int64_t first_position = 0;        // RoBERTa counts from behind the padding's
  int64_t row_width = 0;             // of words and positions
  int64_t groups = 1, in_group = 1;  // ALBERT: layers that there are
  int64_t width = 0, inner = 0, layers = 0, heads = 0, vocabulary = 0, positions = 0;
  double epsilon = 1e-12;
  std::string activation;
  LayerNames names = kBert;
};

BertSizes read_bert_sizes(const Settings& config) {
  BertSizes s;
  s.distil = config.text("model_type") == "distilbert";
  s.roberta = config.text("model_type") == "roberta";
  s.albert = config.text("model_type") == "albert";
  s.names = s.distil ? kDistilBert : s.albert ? kAlbert : kBert;
  s.width = config.size(s.distil ? "dim" : "hidden_size");
  s.inner = config.size(s.distil ? "hidden_dim" : "intermediate_size");
  s.layers = config.size(s.distil ? "n_layers" : "num_hidden_layers");
  s.heads = config.size(s.distil ? "n_heads" : "num_attention_heads");
  s.vocabulary = config.size("vocab_size");
  s.positions = config.size("max_position_embeddings");
  s.row_width = s.albert ? config.size("embedding_size") : s.width;
  s.groups = s.albert ? config.size_or("num_hidden_groups", 1) : 1;
  s.in_group = s.albert ? config.size_or("inner_group_num", 1) : 1;
  if (s.groups > s.layers) config.refuse("num_hidden_groups", "is more than there are layers");
  const int64_t padding = s.roberta ? config.whole_or("pad_token_id", 1) : -1;
  if (padding < -1 || padding >= s.positions - 1)
    config.refuse("pad_token_id", "leaves no positions");
  s.first_position = padding + 1;
  s.epsilon = config.number_or("layer_norm_eps", 1e-12);
  s.activation = activation_named(config.text_or(s.distil ? "activation" : "hidden_act", "gelu"));
  if (s.width % s.heads != 0)
    config.refuse(s.distil ? "n_heads" : "num_attention_heads", "does not divide the width");
  const std::string positions = config.text_or("position_embedding_type", "absolute");
  if (positions != "absolute")
    config.refuse("position_embedding_type", "is '" + positions + "'; only absolute is supported");
  return s;
}

/// What the inputs are and where the network stands.
struct Bert {
  Recipe& recipe;
  Net& net;
  BertSizes sizes;
  std::string prefix;  // "", "bert.", ..
  int64_t length = 0;
  ValueId ids = kNoValue, mask = kNoValue, types = kNoValue;

  std::string name(const std::string& part) const { return prefix + part; }
};

/// [1,T,width]: word, position and type rows. Without an input for types every one is 0, and its
/// row is added to the positions' here.
ValueId embed(Bert& b) {
  Net& net = b.net;
  const int64_t width = b.sizes.row_width;
  const ValueId words =
      net.embedding(b.ids, b.name("embeddings.word_embeddings"), b.sizes.vocabulary, width);
  const std::string table = b.name("embeddings.position_embeddings.weight");
  net.weight(table, {b.sizes.positions, width});
  const graph::ConstantPtr rows = net.checkpoint().tensor(table);
  const auto row = rows->f32.begin() + b.sizes.first_position * width;
  std::vector<float> positions(row, row + b.length * width);
  const std::string types = b.name("embeddings.token_type_embeddings");
  const bool typed = net.checkpoint().has(types + ".weight");
  if (typed && b.types == kNoValue) {
    net.weight(types + ".weight", {-1, width});
    const graph::ConstantPtr first = net.checkpoint().tensor(types + ".weight");
    for (size_t i = 0; i < positions.size(); ++i)
      positions[i] += first->f32[i % static_cast<size_t>(width)];
  }
  ValueId x = net.add(words, net.floats(b.name("embeddings.position_embeddings"), {b.length, width},
                                        std::move(positions)));
  if (typed && b.types != kNoValue) x = net.add(x, net.embedding(b.types, types, -1, width));
  x = net.layer_norm(x, b.name("embeddings.LayerNorm"), b.sizes.epsilon);
  if (!b.sizes.albert) return x;
  return net.linear(x, b.name("encoder.embedding_hidden_mapping_in"), b.sizes.width);
}

/// The names of the layers in the order in which they run.
std::vector<std::string> layers_of(const Bert& b) {
  std::vector<std::string> layers;
  const std::string first = b.name(b.sizes.names.layer);
  for (int64_t i = 0; i < b.sizes.layers; ++i) {
    if (!b.sizes.albert) {
      layers.push_back(first + std::to_string(i) + ".");
      continue;
    }
    const std::string group = std::to_string(i * b.sizes.groups / b.sizes.layers);
    for (int64_t j = 0; j < b.sizes.in_group; ++j)
      layers.push_back(first + group + ".albert_layers." + std::to_string(j) + ".");
  }
  return layers;
}

ValueId encode(Bert& b, ValueId x) {
  Net& net = b.net;
  // The mask is ones, then zeros: so many keys are there, and the rest is neither read nor scaled.
  // One that hides everything leaves the first.
  const ValueId kept =
      net.op("Max", {net.sum(net.to_floats(b.mask), {1}, false), net.scalar(1.0f)});
  const ValueId length = net.op("Cast", {kept}, {{"to", int64_t{7}}});
  const AttentionPlan plan{b.sizes.heads, b.sizes.width / b.sizes.heads};
  for (const std::string& layer : layers_of(b)) {
    const auto project = [&](ValueId from, const char* part, int64_t outputs,
                             const std::string& act = "") {
      return net.linear(from, layer + part, outputs, act);
    };
    const ValueId q = project(x, b.sizes.names.query, b.sizes.width);
    const ValueId k = project(x, b.sizes.names.key, b.sizes.width);
    const ValueId v = project(x, b.sizes.names.value, b.sizes.width);
    const ValueId heads = net.attention(q, k, v, plan, layer + "attention", kNoValue, length);
    x = net.add(project(heads, b.sizes.names.attended, b.sizes.width), x);
    x = net.layer_norm(x, layer + b.sizes.names.attended_norm, b.sizes.epsilon);
    const ValueId wide = project(x, b.sizes.names.wide, b.sizes.inner, b.sizes.activation);
    x = net.add(project(wide, b.sizes.names.narrow, b.sizes.width), x);
    x = net.layer_norm(x, layer + b.sizes.names.norm, b.sizes.epsilon);
  }
  return x;
}

/// Row 0 of [1,T,W] as [1,W].
ValueId first_row(Net& net, ValueId x) {
  return net.reshape(net.slice(x, 1, 0, 1), {1, net.size(x, -1)});
}

/// sum of mask[t] * x[t] / sum of mask[t]
ValueId mean_row(Net& net, ValueId x, ValueId mask) {
  const int64_t length = net.size(x, 1);
  const ValueId kept = net.to_floats(mask);
  const ValueId total = net.matmul(net.reshape(kept, {1, 1, length}), x);
  const ValueId count = net.op("Max", {net.sum(kept, {1}, true), net.scalar(1e-9f)});
  return net.div(net.reshape(total, {1, net.size(x, -1)}), count);
}

bool has_module(const Settings& modules, const std::string& kind) {
  const JsonTree* items = modules.find("items");
  if (items == nullptr || items->list() == nullptr) return false;
  return std::any_of(items->list()->begin(), items->list()->end(), [&](const JsonTree& item) {
    const JsonTree* type = item.member("type");
    if (type == nullptr || type->text() == nullptr) return false;
    const std::string& text = *type->text();
    return text.size() >= kind.size() &&
           text.compare(text.size() - kind.size(), kind.size(), kind) == 0;
  });
}

/// The embedding of a sentence as the sentence-transformers folder says it.
void embed_sentence(Bert& b, ValueId x, const Settings& modules) {
  const Settings pooling = b.recipe.checkpoint.settings("1_Pooling/config.json");
  for (const char* other : {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                            "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"})
    if (pooling.flag_or(other, false)) pooling.refuse(other, "is not supported");
  if (has_module(modules, "Dense")) modules.refuse("Dense", "modules are not supported");
  const bool first = pooling.flag_or("pooling_mode_cls_token", false);
  ValueId row = first ? first_row(b.net, x) : mean_row(b.net, x, b.mask);
  if (has_module(modules, "Normalize")) {
    const ValueId length =
        b.net.op("ReduceL2", {row, b.net.integers("axes", {1}, {1})}, {{"keepdims", int64_t{1}}});
    row = b.net.div(row, b.net.op("Max", {length, b.net.scalar(1e-12f)}));
  }
  b.net.output("sentence_embedding", row);
  b.recipe.task->kind = "text_embedding";
}

/// The head that the architecture names.
void classify(Bert& b, ValueId x, const std::string& architecture) {
  Net& net = b.net;
  const auto labels = [&] {
    return net.shape(net.weight("classifier.weight", {-1, b.sizes.width}))[0];
  };
  const auto ends = [&](const std::string& end) {
    return architecture.size() >= end.size() &&
           architecture.compare(architecture.size() - end.size(), end.size(), end) == 0;
  };
  if (ends("ForSequenceClassification") && b.sizes.roberta) {
    const ValueId pooled = net.linear(first_row(net, x), "classifier.dense", b.sizes.width, "Tanh");
    const ValueId weight = net.weight("classifier.out_proj.weight", {-1, b.sizes.width});
    net.output("logits", net.linear(pooled, "classifier.out_proj", net.shape(weight)[0]));
    b.recipe.task->kind = "text_classification";
  } else if (ends("ForSequenceClassification")) {
    const std::string dense = b.sizes.distil   ? "pre_classifier"
                              : b.sizes.albert ? b.name("pooler")
                                               : b.name("pooler.dense");
    const ValueId pooled =
        net.linear(first_row(net, x), dense, b.sizes.width, b.sizes.distil ? "Relu" : "Tanh");
    net.output("logits", net.linear(pooled, "classifier", labels()));
    b.recipe.task->kind = "text_classification";
  } else if (ends("ForTokenClassification")) {
    net.output("logits", net.linear(x, "classifier", labels()));
    b.recipe.task->kind = "token_classification";
  } else {
    if (!ends("Model"))
      b.recipe.notes.push_back("the head of " + architecture +
                               " has no recipe: the output is the last layer's hidden states");
    net.output("last_hidden_state", x);
    b.recipe.task->kind = "tensors";
  }
  if (b.recipe.task->kind != "tensors")
    b.recipe.task->labels = b.recipe.config.numbered_texts("id2label");
}

}  // namespace

void build_bert(Recipe& recipe) {
  Bert b{recipe, recipe.entry(), read_bert_sizes(recipe.config), "", 0};
  b.prefix = recipe.checkpoint.prefix_of("embeddings.word_embeddings.weight",
                                         {"", "bert.", "distilbert.", "roberta.", "albert."});
  recipe.task = std::make_shared<fb::TaskT>();
  const Settings modules = recipe.checkpoint.settings("modules.json");
  const Settings sentence = recipe.checkpoint.settings("sentence_bert_config.json");
  const std::vector<std::string> architectures = recipe.config.texts("architectures");
  const std::string architecture = architectures.empty() ? "Model" : architectures.front();
  const bool embeds = modules.has("items") || recipe.checkpoint.file("1_Pooling/config.json");
  const int64_t most = b.sizes.positions - b.sizes.first_position;
  b.length = recipe.dim("sequence_length", std::min(sentence.size_or("max_seq_length", most), most),
                        most, "input_ids", 1);
  b.ids = b.net.input("input_ids", {1, b.length}, DType::i64);
  b.mask = b.net.input("attention_mask", {1, b.length}, DType::i64);
  if (!embeds && !b.sizes.distil && !b.sizes.roberta)
    b.types = b.net.input("token_type_ids", {1, b.length}, DType::i64);
  const ValueId x = encode(b, embed(b));
  if (embeds)
    embed_sentence(b, x, modules);
  else
    classify(b, x, architecture);
  add_tokenizer(recipe);
}

}  // namespace heed::families
