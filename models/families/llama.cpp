// Llama and what has its layers (Mistral, Qwen2): a decoder with rotary positions, grouped queries
// and a gated feed-forward.
//
//   per layer: x = x + Wo attention(rope(Wq n), rope(Wk n), Wv n), n = RMSNorm(x)
//              x = x + Wdown (silu(Wgate n) * (Wup n)),            n = RMSNorm(x)
//   logits = Whead RMSNorm(x)
//
// Two entry points share the caches: `decode_step` takes one token, `prefill` a chunk of a prompt
// and says which of its rows the logits are wanted of. Both take the position of their first row.

#include <algorithm>
#include <cmath>

#include "models/families/language_model.h"

namespace heed::families {
namespace {

constexpr int64_t kUsualContext = 2048;  // of models that were trained on more

struct Llama {
  Recipe& recipe;
  int64_t width, inner, layers, heads, kv_heads, head_width, vocabulary, positions, context;
  double epsilon;
  std::string activation;
  int64_t window;  // of Mistral's attention; 0: none
  std::string prefix;
  std::vector<float> angles;

  std::string name(const std::string& part) const { return prefix + part; }
};

/// Llama 3's longer contexts: slow turns are made slower.
double scaled_frequency(double frequency, const Settings& rope) {
  constexpr double kTurn = 6.283185307179586;
  const double factor = rope.number("factor");
  const double low = rope.number("low_freq_factor"), high = rope.number("high_freq_factor");
  const double trained = rope.number("original_max_position_embeddings");
  const double wave = kTurn / frequency;
  if (wave < trained / high) return frequency;
  if (wave > trained / low) return frequency / factor;
  const double smooth = (trained / wave - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

/// [context, head_width]: the cosines of a row's position, then its sines.
std::vector<float> make_angles(const Settings& config, int64_t context, int64_t head_width) {
  const bool named = config.has("rope_parameters");
  const Settings rope = config.within(named ? "rope_parameters" : "rope_scaling");
  const double theta = rope.number_or("rope_theta", config.number_or("rope_theta", 10000));
  const std::string type = rope.text_or("rope_type", rope.text_or("type", "default"));
  if (type != "default" && type != "llama3" && type != "linear")
    config.refuse("rope_type", "is '" + type + "'; known are default, linear, llama3");
  const int64_t half = head_width / 2;
  std::vector<float> angles(static_cast<size_t>(context * 2 * half));
  for (int64_t i = 0; i < half; ++i) {
    double frequency =
        std::pow(theta, -static_cast<double>(2 * i) / static_cast<double>(head_width));
    if (type == "llama3") frequency = scaled_frequency(frequency, rope);
    if (type == "linear") frequency /= rope.number("factor");
    for (int64_t p = 0; p < context; ++p) {
      // In float32, as they were when the model was trained.
      const float angle = static_cast<float>(p) * static_cast<float>(frequency);
      const auto row = static_cast<size_t>(p * 2 * half + i);
      angles[row] = static_cast<float>(std::cos(static_cast<double>(angle)));
      angles[row + static_cast<size_t>(half)] =
          static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  return angles;
}

Llama read_llama(Recipe& recipe) {
  const Settings& config = recipe.config;
  Llama m{recipe,
          config.size("hidden_size"),
          config.size("intermediate_size"),
          config.size("num_hidden_layers"),
          config.size("num_attention_heads"),
          0,
          0,
          config.size("vocab_size"),
          config.size_or("max_position_embeddings", 2048),
          0,
          config.number_or("rms_norm_eps", 1e-6),
          activation_named(config.text_or("hidden_act", "silu")),
          0,
          "",
          {}};
  m.kv_heads = config.size_or("num_key_value_heads", m.heads);
  m.head_width = config.size_or("head_dim", m.width / m.heads);
  if (m.heads % m.kv_heads != 0) config.refuse("num_key_value_heads", "does not divide the heads");
  if (m.head_width % 2 != 0) config.refuse("head_dim", "must be even");
  const bool windowed =
      config.text("model_type") == "mistral" || config.flag_or("use_sliding_window", false);
  if (windowed) m.window = config.size_or("sliding_window", 0);
  m.context = recipe.dim("context_length", std::min(m.positions, kUsualContext), m.positions);
  if (m.window >= m.context) m.window = 0;
  m.angles = make_angles(config, m.context, m.head_width);
  m.prefix = recipe.checkpoint.prefix_of("embed_tokens.weight", {"model.", ""});
  if (m.context < m.positions)
    recipe.notes.push_back("the caches hold " + std::to_string(m.context) + " of the model's " +
                           std::to_string(m.positions) +
                           " positions: --dim context_length=N chooses another number");
  return m;
}

/// What a run of `rows` tokens is given.
struct Place {
  ValueId position, length, angles;
};

ValueId attend(const Llama& m, Net& net, const std::string& layer, const Place& at, ValueId x) {
  const int64_t q = m.heads * m.head_width, kv = m.kv_heads * m.head_width;
  const std::string self = layer + "self_attn.";
  const ValueId rows = net.linear(
      x, {{self + "q_proj", q}, {self + "k_proj", kv}, {self + "v_proj", kv}}, self + "qkv_proj");
  // Heads of q and k lie side by side: one op turns both.
  const ValueId turned =
      net.rope(rows, at.angles, at.position, {m.heads + m.kv_heads, m.head_width}, self + "rope");
  const Shape cache = {1, m.context, kv};
  const ValueId keys =
      net.append(net.state(self + "keys", cache, m.head_width, "keys"), turned, at.position, q);
  const ValueId values = net.append(net.state(self + "values", cache, m.head_width, "values"), rows,
                                    at.position, q + kv);
  AttentionPlan plan{m.heads, m.head_width, m.kv_heads};
  plan.causal = true;
  plan.window = m.window;
  const ValueId heads =
      net.attention(turned, keys, values, plan, self + "attention", kNoValue, at.length);
  return net.linear(heads, self + "o_proj", m.width);
}

ValueId feed_forward(const Llama& m, Net& net, const std::string& layer, ValueId x) {
  const ValueId gate = net.linear(x, layer + "mlp.gate_proj", m.inner, m.activation);
  const ValueId up = net.linear(x, layer + "mlp.up_proj", m.inner);
  return net.linear(net.mul(gate, up), layer + "mlp.down_proj", m.width);
}

void build_entry(const Llama& m, const std::string& entry, int64_t rows) {
  Net& net = m.recipe.entry(entry);
  const ValueId ids = net.input("input_ids", {1, rows}, DType::i64);
  const ValueId position = net.input("position", {1}, DType::i64);
  const Place at{position, net.add(position, net.integers("rows", {1}, {rows})),
                 net.floats("rope.angles", {m.context, m.head_width}, m.angles)};
  ValueId x = net.embedding(ids, m.name("embed_tokens"), m.vocabulary, m.width);
  for (int64_t i = 0; i < m.layers; ++i) {
    const std::string layer = m.name("layers.") + std::to_string(i) + ".";
    const ValueId n = net.rms_norm(x, layer + "input_layernorm", m.epsilon);
    x = net.add(attend(m, net, layer, at, n), x);
    const ValueId after = net.rms_norm(x, layer + "post_attention_layernorm", m.epsilon);
    x = net.add(feed_forward(m, net, layer, after), x);
  }
  x = net.rms_norm(wanted_row(net, x, rows), m.name("norm"), m.epsilon);
  output_logits(net, x, m.name("embed_tokens.weight"), m.vocabulary);
}

}  // namespace

void build_llama(Recipe& recipe) {
  const Llama m = read_llama(recipe);
  build_language_model(recipe, m.context, [&](const std::string& entry, int64_t rows) {
    build_entry(m, entry, rows);
  });
}

}  // namespace heed::families
