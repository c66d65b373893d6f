#pragma once
// The converter's one graph: what an importer reads and the passes rewrite, until it is written as
// a .heed file. Host only; ownership is plain: a Graph owns its nodes and values; constants are
// shared.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace heed::graph {

/// Element types as ONNX models use them. f16, bf16 and f64 constants are widened or narrowed to
/// f32 at import; the smaller integers become i64.
enum class DType : uint8_t { f32, i64, boolean, string };

using Shape = std::vector<int64_t>;  // every dimension known; a scalar is {}

/// A constant: row-major elements. Immutable once shared.
struct Constant {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<float> f32;     // the one that dtype names is filled
  std::vector<int64_t> i64;   // i64 and boolean (0 or 1)

  int64_t elements() const;
};
using ConstantPtr = std::shared_ptr<const Constant>;

using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional operand left out
inline constexpr NodeId kNoNode = -1;

class Graph;
using Attribute =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                 std::vector<std::string>, ConstantPtr, std::shared_ptr<Graph>>;

/// By name. Copied and destroyed in one place: else every file that makes a node compiles it anew.
struct Attributes : std::map<std::string, Attribute> {
  using std::map<std::string, Attribute>::map;
  Attributes();
  Attributes(const Attributes&);
  Attributes(Attributes&&) noexcept;
  Attributes& operator=(const Attributes&);
  Attributes& operator=(Attributes&&) noexcept;
  ~Attributes();
};

struct Value {
  std::string name;
  DType dtype = DType::f32;
  std::optional<Shape> shape;      // absent until shape inference
  ConstantPtr constant;            // set: the value is known
  NodeId producer = kNoNode;       // kNoNode: graph input, constant, or outer scope
  std::vector<NodeId> users;       // one entry per use; kept by Graph
};

/// A node with subgraphs (If) names what these read of the graph around them: its inputs after the
/// first are the captured values, and every subgraph's inputs stand for those, in the same order.
///
/// op is ONNX's name ("MatMul"); domain "" is ONNX, "com.microsoft" its contrib ops, "heed" the
/// fused ops that passes introduce (fused_ops.h documents those). Every fused op can be evaluated,
/// so each pass is tested by value.
struct Node {
  std::string op;
  std::string domain;
  std::string name;                // the source node's, or its output's where it has none
  std::vector<ValueId> inputs;     // kNoValue where left out
  std::vector<ValueId> outputs;    // kNoValue where not wanted
  Attributes attributes;
  bool dead = false;               // erased; skipped by everything

  bool is(std::string_view op_name, std::string_view op_domain = "") const {
    return !dead && op == op_name && domain == op_domain;
  }
  int64_t int_or(const std::string& key, int64_t otherwise) const;
  float float_or(const std::string& key, float otherwise) const;
  std::string string_or(const std::string& key, const std::string& otherwise) const;
  std::vector<int64_t> ints_or(const std::string& key, const std::vector<int64_t>& otherwise) const;
  bool has(const std::string& key) const { return attributes.count(key) != 0; }
};

/// References to nodes and values are ids; they stay valid for the graph's life (erased nodes keep
/// theirs). References by & are invalidated by add_*.
class Graph {
 public:
  std::string name;
  int64_t opset = 0;               // of the default domain
  std::vector<ValueId> inputs, outputs;

  ValueId add_value(std::string name, DType dtype = DType::f32, std::optional<Shape> shape = {});
  ValueId add_constant(std::string name, ConstantPtr constant);
  /// Appends a node and records it as producer and user. Order is repaired by sort().
  NodeId add_node(Node node);

  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  Node& node(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }

  /// Live nodes in an order in which producers come first. Call sort() after adding nodes.
  const std::vector<NodeId>& order() const { return order_; }
  /// Recomputes order() (stable: source order where free). Returns false when there is a cycle.
  bool sort();

  void set_input(NodeId node, size_t index, ValueId value);
  /// Every use of `from`, graph outputs included, becomes a use of `to`.
  void replace_uses(ValueId from, ValueId to);
  /// Makes `node` the producer of `value` (its old producer loses it): how a fused node takes over
  /// the output, and the name, of the last node it replaces.
  void take_output(NodeId node, size_t index, ValueId value);
  /// Unlinks a node; its outputs lose their producer.
  void erase(NodeId node);
  /// Erases every node none of whose outputs reaches a graph output or a state.
  void remove_dead();

  bool is_output(ValueId value) const;
  /// The producing node when it is live and is `op` of `domain`; else null.
  const Node* producer(ValueId value, std::string_view op, std::string_view domain = "") const;
  NodeId producer_id(ValueId id) const { return id == kNoValue ? kNoNode : value(id).producer; }
  /// The only user of a value that is no graph output; else kNoNode.
  NodeId only_user(ValueId value) const;
  const Constant* constant(ValueId value) const;
  /// The value's single float when it is a constant of one element (i64 converted); else nothing.
  std::optional<float> scalar(ValueId value) const;

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<NodeId> order_;
  std::vector<NodeId> rank_;       // where sort() prefers a node: see graph.cpp
  bool sorted_before_ = false;
};

}  // namespace heed::graph
