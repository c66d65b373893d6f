#pragma once
// The few moves that passes share: making nodes, replacing them, reading constants.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "converter/graph/fused_ops.h"
#include "converter/graph/graph.h"

namespace heed::passes {

using graph::Attribute;
using graph::Constant;
using graph::ConstantPtr;
using graph::DType;
using graph::Graph;
using graph::kFusedDomain;
using graph::kNoNode;
using graph::kNoValue;
using graph::Node;
using graph::NodeId;
using graph::Shape;
using graph::Value;
using graph::ValueId;

using graph::Attributes;

/// The domain of ONNX Runtime's own ops.
inline constexpr const char* kMicrosoft = "com.microsoft";

// --- reading ---

/// The shape of a value; one that matches nothing where it is unknown or the operand left out.
const Shape& shape_of(const Graph& graph, ValueId value);
int64_t element_count(const Shape& shape);
/// Counts negative axes from the end.
int64_t axis_of(int64_t axis, size_t rank);
/// Operand i, kNoValue where it is left out.
ValueId input_of(const Node& node, size_t i);
/// The elements of an integer constant.
std::optional<std::vector<int64_t>> ints_of(const Graph& graph, ValueId value);
/// A constant f32 tensor; null otherwise.
const Constant* floats_of(const Graph& graph, ValueId value);
/// Axes of a reduction, from the attribute (opset < 18) or the operand, ascending; all axes where
/// none are given. Nothing where they are not constant.
std::optional<std::vector<int64_t>> reduced_axes(const Graph& graph, const Node& node);
/// `shape` without its leading ones.
Shape without_leading_ones(const Shape& shape);
/// The broadcast of two shapes after NumPy's rules; nothing where they do not fit.
std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b);
/// A constant that holds N values, one per element of the last dimension (or one for all), as N
/// floats; nothing where it varies along another dimension.
std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId value, int64_t n);
/// The operands of a two-operand node as {the one that is not constant, the constant}.
struct ConstantOperand {
  ValueId other, constant;
};
std::optional<ConstantOperand> constant_operand(const Graph& graph, const Node& node);
/// {other operand, scalar} of a node one operand of which is a constant of one element that does
/// not widen the other's shape.
struct ScalarOperand {
  ValueId other;
  float scalar;
};
std::optional<ScalarOperand> scalar_operand(const Graph& graph, const Node& node);

// --- writing
// ---------------------------------------------------------------------------------------

ConstantPtr make_floats(Shape shape, std::vector<float> elements);
ValueId add_floats(Graph& graph, const std::string& name, Shape shape, std::vector<float> elements);
ValueId add_ints(Graph& graph, const std::string& name, std::vector<int64_t> elements);

/// Two constants whose shapes broadcast, element by element.
ConstantPtr combined(const Constant& a, const Constant& b,
                     const std::function<float(float, float)>& combine);

/// A node with a new output value of that shape; gives the value.
ValueId emit(Graph& graph, Node node, Shape shape, DType dtype = DType::f32);
/// A node of ONNX's domain, of one output.
Node onnx_node(std::string op, std::string name, std::vector<ValueId> inputs,
               Attributes attributes = {});
/// A node of heed's domain, of one output.
Node fused_node(std::string op, std::string name, std::vector<ValueId> inputs,
                Attributes attributes = {});
/// A Reduce* node with its axes where the graph's opset has them.
Node reduce_node(Graph& graph, const std::string& op, const std::string& name, ValueId x,
                 const std::vector<int64_t>& axes, bool keep_dims);
/// Puts `node` in the place of what produced `output`; that node is left without this output.
NodeId replace(Graph& graph, ValueId output, Node node);
/// Users of `from` take `to` instead; a graph output keeps its name. False (and nothing is changed)
/// where that cannot be: a graph input or constant would have to become an output.
bool bypass(Graph& graph, ValueId from, ValueId to);

/// x in another shape of as many elements: x itself, a folded constant, or a Reshape node.
ValueId emit_reshape(Graph& graph, ValueId x, const Shape& shape, const std::string& name);
/// x with its dimensions permuted: x itself, a folded constant, a Reshape where only dimensions of
/// one move, or a Transpose node.
ValueId emit_transpose(Graph& graph, ValueId x, const std::vector<int64_t>& perm,
                       const std::string& name);
/// Elements start .. start+size-1 along one axis: x itself or a Slice node.
ValueId emit_slice(Graph& graph, ValueId x, int64_t axis, int64_t start, int64_t size,
                   const std::string& name);

/// Whether anything still takes an output of this node.
bool has_wanted_output(const Graph& graph, NodeId id);

/// Applies `rewrite` to every live node, in order, until none changes anything; then sorts and
/// drops what is dead. Gives whether anything changed.
template <class Rewrite>
bool rewrite_to_rest(Graph& graph, Rewrite rewrite) {
  bool changed_ever = false;
  for (bool changed = true; changed;) {
    changed = false;
    const std::vector<NodeId> order = graph.order();
    for (NodeId id : order) {
      if (!graph.node(id).dead && has_wanted_output(graph, id) && rewrite(graph, id))
        changed = true;
    }
    graph.remove_dead();
    graph.sort();
    changed_ever = changed_ever || changed;
  }
  return changed_ever;
}

/// Shape of x permuted: result[i] = shape[perm[i]].
Shape permuted(const Shape& shape, const std::vector<int64_t>& perm);
std::vector<int64_t> inverse_permutation(const std::vector<int64_t>& perm);
bool is_identity(const std::vector<int64_t>& perm);
/// Whether permuting a tensor of this shape leaves its elements where they lie in memory.
bool keeps_order(const Shape& shape, const std::vector<int64_t>& perm);
/// A row-major tensor with its dimensions permuted.
std::vector<float> transposed(const std::vector<float>& x, const Shape& shape,
                              const std::vector<int64_t>& perm);

}  // namespace heed::passes
