// GPT-2: a decoder with learned positions.
//
//   x = words[ids] + positions[position ..]
//   per layer: x = x + Wo attention(Wqkv n), n = LayerNorm(x);  x = x + W2 gelu(W1 n), likewise
//   logits = words LayerNorm(x)
//
// Entry points and inputs are those of llama.cpp. Its weights are published as [inputs, outputs].

#include <algorithm>

#include "models/families/language_model.h"

namespace heed::families {
namespace {

struct Gpt2 {
  Recipe& recipe;
  int64_t width, inner, layers, heads, vocabulary, positions, context;
  double epsilon;
  std::string activation;
  std::string prefix;

  std::string name(const std::string& part) const { return prefix + part; }
};

Gpt2 read_gpt2(Recipe& recipe) {
  const Settings& config = recipe.config;
  Gpt2 m{recipe,
         config.size("n_embd"),
         0,
         config.size("n_layer"),
         config.size("n_head"),
         config.size("vocab_size"),
         config.size("n_positions"),
         0,
         config.number_or("layer_norm_epsilon", 1e-5),
         activation_named(config.text_or("activation_function", "gelu_new")),
         ""};
  m.inner = config.size_or("n_inner", 4 * m.width);
  if (m.width % m.heads != 0) config.refuse("n_head", "does not divide the width");
  if (!config.flag_or("scale_attn_weights", true) ||
      config.flag_or("scale_attn_by_inverse_layer_idx", false))
    config.refuse("scale_attn_weights", "asks for a scale that is not supported");
  m.context = recipe.dim("context_length", m.positions, m.positions);
  m.prefix = recipe.checkpoint.prefix_of("wte.weight", {"transformer.", ""});
  return m;
}

/// A layer whose weight is [inputs, outputs].
ValueId turned_linear(Net& net, ValueId x, const std::string& name, int64_t outputs,
                      const std::string& activation = "") {
  const ValueId w = net.weight(name + ".weight", {net.size(x, -1), outputs});
  const ValueId y =
      net.add(net.op("MatMul", {x, w}, {}, name), net.weight(name + ".bias", {outputs}));
  return activation.empty() ? y : net.activation(y, activation);
}

ValueId layer(const Gpt2& m, Net& net, const std::string& name, ValueId position, ValueId length,
              ValueId x) {
  const int64_t head_width = m.width / m.heads;
  const ValueId before = net.layer_norm(x, name + "ln_1", m.epsilon);
  const ValueId rows = turned_linear(net, before, name + "attn.c_attn", 3 * m.width);
  const Shape cache = {1, m.context, m.width};
  const ValueId keys =
      net.append(net.state(name + "attn.keys", cache, head_width, "keys"), rows, position, m.width);
  const ValueId values = net.append(net.state(name + "attn.values", cache, head_width, "values"),
                                    rows, position, 2 * m.width);
  AttentionPlan plan{m.heads, head_width};
  plan.causal = true;
  const ValueId heads =
      net.attention(rows, keys, values, plan, name + "attn.attention", kNoValue, length);
  x = net.add(turned_linear(net, heads, name + "attn.c_proj", m.width), x);
  const ValueId after = net.layer_norm(x, name + "ln_2", m.epsilon);
  const ValueId wide = turned_linear(net, after, name + "mlp.c_fc", m.inner, m.activation);
  return net.add(turned_linear(net, wide, name + "mlp.c_proj", m.width), x);
}

void build_entry(const Gpt2& m, const std::string& entry, int64_t rows) {
  Net& net = m.recipe.entry(entry);
  const ValueId ids = net.input("input_ids", {1, rows}, DType::i64);
  const ValueId position = net.input("position", {1}, DType::i64);
  const ValueId length = net.add(position, net.integers("rows", {1}, {rows}));
  std::vector<int64_t> steps(static_cast<size_t>(rows));
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<int64_t>(i);
  const ValueId places = net.add(position, net.integers("steps", {1, rows}, std::move(steps)));
  ValueId x = net.add(net.embedding(ids, m.name("wte"), m.vocabulary, m.width),
                      net.embedding(places, m.name("wpe"), m.positions, m.width));
  for (int64_t i = 0; i < m.layers; ++i)
    x = layer(m, net, m.name("h.") + std::to_string(i) + ".", position, length, x);
  x = net.layer_norm(wanted_row(net, x, rows), m.name("ln_f"), m.epsilon);
  output_logits(net, x, m.name("wte.weight"), m.vocabulary);
}

}  // namespace

void build_gpt2(Recipe& recipe) {
  const Gpt2 m = read_gpt2(recipe);
  build_language_model(recipe, m.context, [&](const std::string& entry, int64_t rows) {
    build_entry(m, entry, rows);
  });
}

}  // namespace heed::families
