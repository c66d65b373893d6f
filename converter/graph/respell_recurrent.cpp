// LSTM, GRU and RNN, step by step: the inputs' part of all steps is one matrix product, and each
// step adds the state's part. The steps share their weights, in the file as well.

#include <array>

#include "converter/graph/respell.h"
#include "converter/graph/speller.h"

namespace heed::graph {
namespace {

constexpr int64_t kStepsMax = 2048;  // a step is about ten ops

/// One direction of a recurrent node while it is written out.
struct Recurrence {
  Speller& spell;
  int64_t steps, batch, inputs, hidden, gates;
  ValueId projected = kNoValue;   // [steps, batch, gates * hidden]
  ValueId turned = kNoValue;      // the state's weights [hidden, gates * hidden]
  ValueId state_bias = kNoValue;  // [gates * hidden]
  bool linear_before_reset = false;
  std::string activation;  // of an RNN

  ValueId of_step(int64_t t) const {
    return spell.reshape(spell.slice(projected, 0, t, t + 1), {batch, gates * hidden});
  }
  /// Gates first .. last-1 of [batch, gates * hidden].
  ValueId part(ValueId x, int64_t first, int64_t last) const {
    return spell.slice(x, 1, first * hidden, last * hidden);
  }
};

struct States {
  ValueId h, c;
};

// i, o, f, c~: c = f c + i c~; h = o tanh(c)
States lstm_step(const Recurrence& r, int64_t t, States at) {
  Speller& spell = r.spell;
  ValueId all = spell.node("Add", {spell.node("MatMul", {at.h, r.turned}), r.of_step(t)});
  const ValueId gates = spell.node("Sigmoid", {r.part(all, 0, 3)});
  const ValueId fresh = spell.node("Tanh", {r.part(all, 3, 4)});
  const ValueId kept = spell.node("Mul", {r.part(gates, 2, 3), at.c});
  const ValueId taken = spell.node("Mul", {r.part(gates, 0, 1), fresh});
  const ValueId c = spell.node("Add", {kept, taken});
  return {spell.node("Mul", {r.part(gates, 1, 2), spell.node("Tanh", {c})}), c};
}

// z, r, h~: h = h~ + z (h - h~)
States gru_step(const Recurrence& r, int64_t t, States at) {
  Speller& spell = r.spell;
  const ValueId input = r.of_step(t);
  ValueId fresh, gates;
  if (r.linear_before_reset) {
    ValueId state = spell.node("MatMul", {at.h, r.turned});
    state = spell.node("Add", {state, r.state_bias});
    gates = spell.node("Sigmoid", {spell.node("Add", {r.part(input, 0, 2), r.part(state, 0, 2)})});
    const ValueId reset = spell.node("Mul", {r.part(gates, 1, 2), r.part(state, 2, 3)});
    fresh = spell.node("Add", {r.part(input, 2, 3), reset});
  } else {
    const ValueId first = spell.slice(r.turned, 1, 0, 2 * r.hidden);
    const ValueId last = spell.slice(r.turned, 1, 2 * r.hidden, 3 * r.hidden);
    const ValueId state = spell.node("MatMul", {at.h, first});
    gates = spell.node("Sigmoid", {spell.node("Add", {state, r.part(input, 0, 2)})});
    const ValueId reset = spell.node("Mul", {r.part(gates, 1, 2), at.h});
    fresh = spell.node("Add", {spell.node("MatMul", {reset, last}), r.part(input, 2, 3)});
  }
  fresh = spell.node("Tanh", {fresh});
  const ValueId apart = spell.node("Sub", {at.h, fresh});
  const ValueId kept = spell.node("Mul", {r.part(gates, 0, 1), apart});
  return {spell.node("Add", {fresh, kept}), kNoValue};
}

States rnn_step(const Recurrence& r, int64_t t, States at) {
  Speller& spell = r.spell;
  const ValueId sum = spell.node("Add", {spell.node("MatMul", {at.h, r.turned}), r.of_step(t)});
  return {spell.node(r.activation, {sum}), kNoValue};
}

/// One direction's matrix [rows, columns] of [directions, rows, columns], turned.
Constant turned_matrix(const Constant& all, int64_t direction) {
  const int64_t rows = all.shape[1], columns = all.shape[2];
  Constant made;
  made.shape = {columns, rows};
  made.f32.resize(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      made.f32[static_cast<size_t>(j * rows + i)] =
          all.f32[static_cast<size_t>((direction * rows + i) * columns + j)];
    }
  }
  return made;
}

const Constant& constant_operand(const Graph& graph, const Node& node, size_t i) {
  const Constant* known = graph.constant(node.inputs.at(i));
  if (known == nullptr) no_other_words(node, "its weights are not constant");
  return *known;
}

bool is_given(const Node& node, size_t i) {
  return i < node.inputs.size() && node.inputs[i] != kNoValue;
}

/// Shapes that do not belong together, or operands that are missing, are no such node.
void check_shapes(const Graph& graph, const Node& node, int64_t gates) {
  const auto require = [&](bool holds) {
    if (!holds) no_other_words(node, "its operands have shapes that do not fit each other");
  };
  require(is_given(node, 0) && is_given(node, 1) && is_given(node, 2));
  const Shape x = known_shape(graph, node.inputs[0]), w = known_shape(graph, node.inputs[1]),
              r = known_shape(graph, node.inputs[2]);
  require(x.size() == 3 && w.size() == 3 && r.size() == 3 && element_count(x) > 0);
  require((w[0] == 1 || w[0] == 2) && w[1] > 0 && w[1] % gates == 0 && w[2] == x[2]);
  require(r == Shape{w[0], w[1], w[1] / gates});
  if (is_given(node, 3)) require(known_shape(graph, node.inputs[3]) == Shape{w[0], 2 * w[1]});
  for (const size_t state : {size_t{5}, size_t{6}})
    if (is_given(node, state))
      require(known_shape(graph, node.inputs[state]) == Shape{w[0], x[1], w[1] / gates});
  for (size_t i = 1; i <= 3; ++i)
    if (is_given(node, i)) require(constant_operand(graph, node, i).dtype == DType::f32);
}

/// What the engine does not do and no exporter of transformers asks for.
void check_options(const Graph& graph, const Node& node, int64_t steps) {
  if (node.int_or("layout", 0) != 0) no_other_words(node, "its layout has the batch first");
  if (node.has("clip")) no_other_words(node, "it clips its cells");
  if (node.int_or("input_forget", 0) != 0) no_other_words(node, "it couples its gates");
  if (node.is("LSTM") && is_given(node, 7)) no_other_words(node, "it has peepholes");
  if (steps > kStepsMax) {
    no_other_words(node,
                   "its " + std::to_string(steps) + " steps are more than the " +
                       std::to_string(kStepsMax) + " that are written out",
                   "Give the model a shorter input");
  }
  if (is_given(node, 4)) {
    const Constant* lengths = graph.constant(node.inputs[4]);
    const bool all_whole =
        lengths != nullptr && std::all_of(lengths->i64.begin(), lengths->i64.end(),
                                          [&](int64_t length) { return length >= steps; });
    if (!all_whole) no_other_words(node, "its sequences have lengths of their own");
  }
}

/// The activation of each direction of an RNN; of the others only the usual are known.
std::string activation_of(const Node& node, int64_t direction) {
  const auto found = node.attributes.find("activations");
  std::vector<std::string> given;
  if (found != node.attributes.end()) {
    if (const auto* list = std::get_if<std::vector<std::string>>(&found->second)) given = *list;
  }
  if (node.is("RNN")) {
    const auto at = static_cast<size_t>(direction);
    const std::string name = at < given.size() ? given[at] : "Tanh";
    if (name == "Tanh" || name == "Relu" || name == "Sigmoid") return name;
    no_other_words(node, "the activation '" + name + "' is not supported");
  }
  static const std::vector<std::string> kLstm = {"Sigmoid", "Tanh", "Tanh"};
  static const std::vector<std::string> kGru = {"Sigmoid", "Tanh"};
  const std::vector<std::string>& usual = node.is("LSTM") ? kLstm : kGru;
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] != usual[i % usual.size()])
      no_other_words(node, "the activation '" + given[i] + "' is not supported here");
  }
  return "Tanh";
}

/// Weights, biases and the inputs' part of all steps.
void project(const Graph& graph, const Node& node, int64_t direction, Recurrence& r) {
  Speller& spell = r.spell;
  const int64_t rows = r.gates * r.hidden;
  const ValueId flat = spell.reshape(node.inputs[0], {r.steps * r.batch, r.inputs});
  const ValueId weights =
      spell.constant(turned_matrix(constant_operand(graph, node, 1), direction));
  r.turned = spell.constant(turned_matrix(constant_operand(graph, node, 2), direction));
  std::vector<float> bias(static_cast<size_t>(rows)), state_bias(bias.size());
  if (is_given(node, 3)) {
    const auto first = constant_operand(graph, node, 3).f32.begin() + direction * 2 * rows;
    bias.assign(first, first + rows);
    state_bias.assign(first + rows, first + 2 * rows);
  }
  r.linear_before_reset = node.is("GRU") && node.int_or("linear_before_reset", 0) != 0;
  if (!r.linear_before_reset) {
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += state_bias[i];
  }
  r.state_bias = spell.floats({rows}, std::move(state_bias));
  ValueId made = spell.node("MatMul", {flat, weights});
  made = spell.node("Add", {made, spell.floats({rows}, std::move(bias))});
  r.projected = spell.reshape(made, {r.steps, r.batch, rows});
}

/// A given initial state of one direction, or zeros.
ValueId initial(const Node& node, size_t operand, int64_t direction, const Recurrence& r) {
  if (!is_given(node, operand)) return r.spell.filled({r.batch, r.hidden}, 0.0f);
  const ValueId one = r.spell.slice(node.inputs[operand], 0, direction, direction + 1);
  return r.spell.reshape(one, {r.batch, r.hidden});
}

}  // namespace

bool respell_recurrent(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const int64_t gates = node.is("LSTM") ? 4 : node.is("GRU") ? 3 : 1;
  check_shapes(graph, node, gates);
  const Shape x = known_shape(graph, node.inputs[0]), w = known_shape(graph, node.inputs[1]);
  check_options(graph, node, x[0]);
  const int64_t directions = w[0];
  const bool reverse = node.string_or("direction", "forward") == "reverse";
  const auto step = node.is("LSTM") ? lstm_step : node.is("GRU") ? gru_step : rnn_step;
  Speller spell(graph, id);
  std::array<std::vector<ValueId>, 3> ends;  // all steps, last h, last c; one of each direction
  for (int64_t d = 0; d < directions; ++d) {
    Recurrence r{spell, x[0], x[1], x[2],  w[1] / gates,          gates,
                 {},    {},   {},   false, activation_of(node, d)};
    project(graph, node, d, r);
    States at = {initial(node, 5, d, r), kNoValue};
    if (node.is("LSTM")) at.c = initial(node, 6, d, r);
    const Shape whole = {1, 1, r.batch, r.hidden}, last = {1, r.batch, r.hidden};
    std::vector<ValueId> rows(static_cast<size_t>(r.steps));
    const bool backwards = reverse || d == 1;
    for (int64_t i = 0; i < r.steps; ++i) {
      const int64_t t = backwards ? r.steps - 1 - i : i;
      at = step(r, t, at);
      rows[static_cast<size_t>(t)] = spell.reshape(at.h, whole);
    }
    ends[0].push_back(spell.node("Concat", rows, {{"axis", int64_t{0}}}));
    ends[1].push_back(spell.reshape(at.h, last));
    if (at.c != kNoValue) ends[2].push_back(spell.reshape(at.c, last));
  }
  std::vector<ValueId> made;
  for (size_t i = 0; i < ends.size() && !ends[i].empty(); ++i) {
    made.push_back(ends[i].size() == 1
                       ? ends[i][0]
                       : spell.node("Concat", ends[i], {{"axis", int64_t{i == 0 ? 1 : 0}}}));
  }
  spell.finish(made);
  return true;
}

}  // namespace heed::graph
