#pragma once
// Writes the nodes that stand in place of one. Private to respell*.cpp.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/graph.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"

namespace heed::graph {

/// Adds nodes in place of one; all are named after it.
class Speller {
 public:
  Speller(Graph& graph, NodeId replaced)
      : graph_(graph),
        replaced_(replaced),
        first_new_(static_cast<NodeId>(graph.node_count())),
        stem_(graph.node(replaced).name) {}

  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    Node added;
    added.op = op;
    added.name = next_name();
    added.inputs = std::move(inputs);
    added.outputs = {graph_.add_value(added.name)};
    added.attributes = std::move(attributes);
    const ValueId made = added.outputs[0];
    graph_.add_node(std::move(added));
    return made;
  }
  ValueId constant(Constant value) {
    return graph_.add_constant(next_name(), std::make_shared<const Constant>(std::move(value)));
  }
  ValueId filled(Shape shape, float value) {
    const int64_t count = element_count(shape);
    if (count < 0 || count > kMadeElementsMax)
      throw ConvertError("it needs a constant of too many elements", stem_);
    Constant made;
    made.f32.assign(static_cast<size_t>(count), value);
    made.shape = std::move(shape);
    return constant(std::move(made));
  }
  ValueId integers(std::vector<int64_t> list) {
    Constant made;
    made.dtype = DType::i64;
    made.shape = {static_cast<int64_t>(list.size())};
    made.i64 = std::move(list);
    return constant(std::move(made));
  }
  ValueId reshape(ValueId x, Shape shape) {
    return node("Reshape", {x, integers(std::move(shape))}, {{"allowzero", int64_t{1}}});
  }
  ValueId transpose(ValueId x, std::vector<int64_t> perm) {
    if (std::is_sorted(perm.begin(), perm.end())) return x;
    return node("Transpose", {x}, {{"perm", std::move(perm)}});
  }
  ValueId floats(Shape shape, std::vector<float> values) {
    Constant made;
    made.shape = std::move(shape);
    made.f32 = std::move(values);
    return constant(std::move(made));
  }
  ValueId integer(int64_t value) {
    Constant made;
    made.dtype = DType::i64;
    made.i64 = {value};
    return constant(std::move(made));
  }
  /// Elements start .. end-1 along one axis.
  ValueId slice(ValueId x, int64_t axis, int64_t start, int64_t end) {
    return node("Slice", {x, integers({start}), integers({end}), integers({axis})});
  }
  /// What was made takes over the replaced node's output; of several, in their order, those that
  /// somebody wants.
  void finish(ValueId made) { finish(std::vector<ValueId>{made}); }
  void finish(const std::vector<ValueId>& made) {
    const std::vector<ValueId> to = graph_.node(replaced_).outputs;
    for (size_t i = 0; i < to.size() && i < made.size(); ++i) {
      if (to[i] == kNoValue) continue;
      ValueId from = made[i];
      const bool again = std::find(made.begin(), made.begin() + static_cast<ptrdiff_t>(i), from) !=
                         made.begin() + static_cast<ptrdiff_t>(i);
      if (again || graph_.producer_id(from) < first_new_) from = node("Identity", {from});
      graph_.take_output(graph_.producer_id(from), 0, to[i]);
    }
    graph_.erase(replaced_);
  }

 private:
  std::string next_name() {
    std::string name = stem_;
    name += '/';
    name += std::to_string(count_++);
    return name;
  }

  Graph& graph_;
  NodeId replaced_, first_new_;
  std::string stem_;
  int count_ = 0;
};

inline const Shape& known_shape(const Graph& graph, ValueId id) { return *graph.value(id).shape; }

[[noreturn]] inline void no_other_words(const Node& node, const std::string& why,
                                        const std::string& remedy = "") {
  throw ConvertError(why, node_label(node), remedy);
}

// Each in a file of its own; `node` is of one of the ops that it names and its operands have
// shapes.
bool respell_resize(Graph& graph, NodeId id);          // Resize, Upsample
bool respell_conv_transpose(Graph& graph, NodeId id);  // ConvTranspose
bool respell_recurrent(Graph& graph, NodeId id);       // LSTM, GRU, RNN
bool respell_selection(Graph& graph, NodeId id);       // Trilu, OneHot, GatherND, IsInf
bool respell_activation(Graph& graph, NodeId id);  // Mish, Selu, Celu, Softsign, ThresholdedRelu

}  // namespace heed::graph
