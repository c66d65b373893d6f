#include "converter/graph/fold_constants.h"

#include <algorithm>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/infer_shapes.h"
#include "converter/graph/op_rules.h"
#include "converter/graph/print_graph.h"
#include "converter/graph/respell.h"

namespace heed::graph {
namespace {

// What folding may add to the model's constants: a hostile file must not fill the memory with
// tensors that a few bytes of it describe.
constexpr int64_t kFoldedElementsMax = kMadeElementsMax;  // one result that outgrows its operands
constexpr int64_t kFoldedTotalMin = int64_t{1} << 25;     // all results, or twice the constants

int64_t constant_elements(const Graph& graph) {
  int64_t total = 0;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const Constant* known = graph.constant(static_cast<ValueId>(i));
    if (known != nullptr) total += known->elements();
  }
  return total;
}

class Folder {
 public:
  explicit Folder(Graph& graph)
      : graph_(graph), budget_(std::max(kFoldedTotalMin, 2 * constant_elements(graph))) {}

  void run() {
    do {
      changed_ = false;
      sort_or_throw();
      graph_.remove_dead();
      FaultList faults;
      const std::vector<NodeId> order = graph_.order();
      for (NodeId id : order) {
        if (graph_.node(id).dead || faults.reaches(graph_, id)) continue;
        faults.attempt(graph_, id, [&] { visit(id); });
      }
      // What has been added may settle what looked like a fault after it.
      if (!changed_) faults.report();
      graph_.remove_dead();
    } while (changed_);
    sort_or_throw();
    drop_unused_constants();
  }

 private:
  void sort_or_throw() {
    if (!graph_.sort()) throw ConvertError("the graph has a cycle", graph_.name);
  }

  void drop_unused_constants() {
    for (size_t i = 0; i < graph_.value_count(); ++i) {
      Value& value = graph_.value(static_cast<ValueId>(i));
      if (value.users.empty() && !graph_.is_output(static_cast<ValueId>(i))) value.constant = {};
    }
  }

  void visit(NodeId id) {
    if (graph_.node(id).is("If") && inline_branch(id)) return;
    const Node& node = graph_.node(id);
    if (find_rule(node.domain, node.op) == nullptr && respell_unruled(id)) return;
    infer_node(graph_, id);
    if (fold(id)) return;
    if (respell(graph_, id)) {
      changed_ = true;
    } else {
      drop_no_op(id);
    }
  }

  bool respell_unruled(NodeId id);
  bool fold(NodeId id);
  bool worth_folding(const OpCall& call) const;
  void drop_no_op(NodeId id);
  bool inline_branch(NodeId id);
  void copy_branch(const Graph& branch, const Node& from, const std::vector<ValueId>& captures);

  Graph& graph_;
  int64_t budget_;  // elements that folding may still make
  bool changed_ = false;
};

/// Ops that nothing computes as they are: only other words help, whatever is constant of them.
bool Folder::respell_unruled(NodeId id) {
  const Node& node = graph_.node(id);
  for (ValueId input : node.inputs) {
    if (input != kNoValue && !graph_.value(input).shape) return false;
  }
  if (!respell(graph_, id)) return false;
  changed_ = true;
  return true;
}

bool Folder::worth_folding(const OpCall& call) const {
  int64_t largest = kFoldedElementsMax, made = 0;
  for (const Operand& operand : call.operands) {
    if (operand.present) largest = std::max(largest, element_count(operand.shape));
  }
  for (const Constant& result : call.results) {
    const int64_t count = element_count(result.shape);
    if (count > largest) return false;
    made += count;
  }
  return made <= budget_;
}

bool Folder::fold(NodeId id) {
  const Node& node = graph_.node(id);
  const OpRule& rule = *find_rule(node.domain, node.op);
  if (rule.stateful) return false;
  OpCall call(node, graph_.opset);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& value = graph_.value(node.inputs[i]);
    if (!value.constant && !rule.shape_only) return false;
    call.operands[i] = {true, value.dtype, *value.shape, value.constant.get()};
  }
  rule.infer(call);
  if (!worth_folding(call)) return false;
  call.allocate();
  rule.evaluate(call);
  const std::vector<ValueId> outputs = node.outputs;
  graph_.erase(id);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNoValue) continue;
    budget_ -= element_count(call.results[i].shape);
    Value& value = graph_.value(outputs[i]);
    value.constant = std::make_shared<const Constant>(std::move(call.results[i]));
  }
  return true;
}

/// True where a node hands its first operand on unchanged.
bool is_no_op(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) return false;
  if (node.inputs[0] == kNoValue || node.outputs[0] == kNoValue) return false;
  const std::string& op = node.op;
  if (op == "Identity" || op == "Dropout") return true;
  const Value &before = graph.value(node.inputs[0]), &after = graph.value(node.outputs[0]);
  if (before.dtype != after.dtype || before.shape != after.shape) return false;
  auto integers = [&](size_t operand) {
    const Constant* known =
        operand < node.inputs.size() ? graph.constant(node.inputs[operand]) : nullptr;
    return known == nullptr ? std::vector<int64_t>{} : known->i64;
  };
  if (op == "Reshape" || op == "Squeeze" || op == "Unsqueeze" || op == "Flatten" ||
      op == "Expand" || op == "Tile" || op == "CastLike") {
    return true;
  }
  if (op == "Cast") {  // to fewer bits than 32 it may cut an integer
    const int64_t to = node.int_or("to", 0);
    return before.dtype != DType::i64 || to == 6 || to == 7 || to == 12 || to == 13;
  }
  if (op == "Transpose") {
    const std::vector<int64_t> perm = node.ints_or("perm", {});
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end());
  }
  const std::vector<int64_t> pads = integers(1), steps = integers(4);
  if (op == "Pad") return std::all_of(pads.begin(), pads.end(), [](int64_t n) { return n == 0; });
  if (op == "Slice") {  // all of it, unless it turns a dimension round
    return std::all_of(steps.begin(), steps.end(), [](int64_t n) { return n > 0; });
  }
  if (op == "Split") return node.outputs.size() == 1;
  return op == "Concat" && node.inputs.size() == 1;
}

/// Where the output of a no-op is the graph's, and its operand an input or another output, the
/// node stays: names and values must remain apart.
void Folder::drop_no_op(NodeId id) {
  const Node& node = graph_.node(id);
  if (!is_no_op(graph_, node)) return;
  for (size_t i = 1; i < node.outputs.size(); ++i) {  // a Dropout's mask that somebody reads
    if (node.outputs[i] == kNoValue) continue;
    if (!graph_.value(node.outputs[i]).users.empty() || graph_.is_output(node.outputs[i])) return;
  }
  const ValueId from = node.inputs[0], to = node.outputs[0];
  if (!graph_.is_output(to)) {
    graph_.erase(id);
    return graph_.replace_uses(to, from);
  }
  const NodeId producer = graph_.value(from).producer;
  if (producer == kNoNode || graph_.is_output(from)) return;
  // The producer writes the output itself, under the output's name.
  const std::vector<ValueId>& made = graph_.node(producer).outputs;
  const auto at = std::find(made.begin(), made.end(), from);
  const size_t index = static_cast<size_t>(at - made.begin());
  graph_.erase(id);
  graph_.replace_uses(from, to);
  graph_.take_output(producer, index, to);
}

bool Folder::inline_branch(NodeId id) {
  const Node node = graph_.node(id);  // a copy: adding nodes moves them
  const Constant* condition = node.inputs.empty() ? nullptr : graph_.constant(node.inputs[0]);
  if (condition == nullptr || condition->i64.size() != 1) return false;
  const char* key = condition->i64[0] != 0 ? "then_branch" : "else_branch";
  auto found = node.attributes.find(key);
  const auto* branch = found == node.attributes.end()
                           ? nullptr
                           : std::get_if<std::shared_ptr<Graph>>(&found->second);
  if (branch == nullptr || (*branch)->outputs.size() < node.outputs.size() ||
      (*branch)->inputs.size() + 1 != node.inputs.size()) {
    throw ConvertError(std::string("its ") + key + " is missing or does not fit", node_label(node));
  }
  graph_.erase(id);
  copy_branch(**branch, node, {node.inputs.begin() + 1, node.inputs.end()});
  changed_ = true;
  return true;
}

void Folder::copy_branch(const Graph& branch, const Node& from,
                         const std::vector<ValueId>& captures) {
  std::vector<ValueId> here(branch.value_count(), kNoValue);
  for (size_t i = 0; i < captures.size(); ++i) {
    here[static_cast<size_t>(branch.inputs[i])] = captures[i];
  }
  for (size_t i = 0; i < branch.value_count(); ++i) {
    if (here[i] != kNoValue) continue;
    const Value& value = branch.value(static_cast<ValueId>(i));
    here[i] = value.constant ? graph_.add_constant(value.name, value.constant)
                             : graph_.add_value(value.name, value.dtype, value.shape);
  }
  auto moved = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kNoValue) id = here[static_cast<size_t>(id)];
    }
  };
  for (size_t i = 0; i < branch.node_count(); ++i) {
    Node node = branch.node(static_cast<NodeId>(i));
    if (node.dead) continue;
    moved(node.inputs);
    moved(node.outputs);
    graph_.add_node(std::move(node));
  }
  for (size_t i = 0; i < from.outputs.size(); ++i) {
    if (from.outputs[i] == kNoValue) continue;
    Node bridge;  // removed as a no-op in the next sweep
    bridge.op = "Identity";
    bridge.name = from.name;
    bridge.inputs = {here[static_cast<size_t>(branch.outputs[i])]};
    bridge.outputs = {from.outputs[i]};
    graph_.add_node(std::move(bridge));
  }
}

}  // namespace

void fold_constants(Graph& graph) { Folder(graph).run(); }

}  // namespace heed::graph
