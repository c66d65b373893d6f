#pragma once
// Writes the nodes that one op of a TensorFlow Lite file becomes. Private to this folder.
//
// Shapes are inferred, and small results that depend on constants alone computed, as nodes are
// added: what an op becomes may depend on the ranks of its operands and on axes and sizes that the
// file computes.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph/graph.h"
#include "converter/tflite/tflite_file.h"
#include "converter/tflite/tflite_generated.h"

namespace heed::tflite {

using graph::Attribute;
using graph::Constant;
using graph::DType;
using graph::kNoValue;
using graph::Shape;
using graph::ValueId;

using graph::Attributes;
using Ids = std::vector<ValueId>;
using Ints = std::vector<int64_t>;

/// An operand: a value, or two where it is complex.
struct Operand {
  ValueId value = kNoValue;
  ValueId imaginary = kNoValue;
  const tfl::Tensor* tensor = nullptr;
};

class OpWriter {
 public:
  /// `word`: as in OpRecipe; `stem` names the nodes. Keeps references.
  OpWriter(graph::Graph& graph, const tfl::SubGraph& within, const tfl::Operator& op,
           const char* word, std::vector<Operand> operands, std::string stem)
      : graph_(graph),
        within_(within),
        op_(op),
        word_(word),
        operands_(std::move(operands)),
        stem_(std::move(stem)) {}

  // -- the op
  const char* word() const { return word_; }
  size_t operands() const { return operands_.size(); }
  size_t results() const { return op_.outputs() == nullptr ? 0 : op_.outputs()->size(); }
  bool has(size_t i) const { return i < operands_.size() && operands_[i].value != kNoValue; }
  /// Operand i; these throw where it is left out or complex.
  ValueId in(size_t i) const;
  const Shape& shape_in(size_t i) const { return shape(in(i)); }
  int64_t rank_in(size_t i) const { return static_cast<int64_t>(shape_in(i).size()); }
  const tfl::Tensor& tensor_in(size_t i) const;
  const Operand& complex_in(size_t i) const;
  /// The elements of a constant operand of integers.
  Ints ints_in(size_t i, const char* what) const;
  int64_t int_in(size_t i, const char* what) const;
  /// Operand i as weights: int8 around zero where it is quantised.
  ValueId weights_in(size_t i) const;
  /// The file's record of result i, and the graph's type for it.
  const tfl::Tensor& tensor_out(size_t i) const;
  DType result_type(size_t i) const;
  /// Its options, with the format's defaults where the file has none.
  template <class Options>
  typename Options::NativeTableType options() const {
    typename Options::NativeTableType read;
    if (const Options* given = op_.builtin_options_as<Options>()) given->UnPackTo(&read);
    return read;
  }

  // -- the graph
  const Shape& shape(ValueId id) const { return *graph_.value(id).shape; }
  DType dtype(ValueId id) const { return graph_.value(id).dtype; }
  const Constant* constant(ValueId id) const { return graph_.constant(id); }
  ValueId node(const std::string& op, Ids inputs, Attributes attributes = {}) {
    return nodes(op, std::move(inputs), std::move(attributes), 1)[0];
  }
  Ids nodes(const std::string& op, Ids inputs, Attributes attributes, size_t results);
  ValueId constant(Constant made);
  ValueId floats(Shape shape, std::vector<float> values);
  ValueId number(float value) { return floats({}, {value}); }
  ValueId integers(Ints list);
  ValueId integer(int64_t value);
  ValueId reshape(ValueId x, Shape to);
  ValueId transpose(ValueId x, Ints perm);
  /// Elements begin .. end-1 of one axis.
  ValueId slice(ValueId x, int64_t axis, int64_t begin, int64_t end);
  /// Swaps the last two dimensions.
  ValueId turned(ValueId x);
  ValueId cast(ValueId x, DType to);
  ValueId activated(ValueId x, tfl::FusedActivation activation);

  /// A possibly negative axis as an index below `rank`.
  int64_t axis(int64_t given, int64_t rank) const;
  [[noreturn]] void fail(const std::string& why) const;
  void need(bool condition, const char* why) const {
    if (!condition) fail(why);
  }

 private:
  std::string next_name();
  void settle(size_t first);
  void fold_small(graph::NodeId id);

  graph::Graph& graph_;
  const tfl::SubGraph& within_;
  const tfl::Operator& op_;
  const char* word_;
  std::vector<Operand> operands_;
  std::string stem_;
  int count_ = 0;
};

/// What writes an op: gives its results, fewer where the last are not wanted.
struct OpRecipe {
  tfl::BuiltinOperator op;
  Ids (*write)(OpWriter& w);
  const char* word = "";  // ONNX's name, where the recipe serves several ops
};

/// What result i of a node is called: not like the node, whose name a pass may give to what it puts
/// in the node's place.
std::string result_name(const std::string& node, size_t i);

/// Null where the op is not supported.
const OpRecipe* find_recipe(int32_t op_code);

/// Ops whose result may be complex. RFFT2D gives the real and the imaginary part of its one result.
bool gives_complex(int32_t op_code);
/// Ops that move elements, whatever these are: done to both parts of a complex operand.
bool moves_complex(int32_t op_code);

// The recipes by family; each op stands in one of them, once.
std::vector<OpRecipe> math_recipes();
std::vector<OpRecipe> layer_recipes();
std::vector<OpRecipe> layout_recipes();
std::vector<OpRecipe> selection_recipes();
std::vector<OpRecipe> signal_recipes();

}  // namespace heed::tflite
