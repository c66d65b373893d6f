#pragma once
// A float32 interpreter of graphs: every ONNX op that the converter knows and every fused op of
// fused_ops.h. It folds constants, proves passes by value (before against after) and is the float
// side of every accuracy report. Sums may be taken in any order: results agree with other float32
// implementations to rounding, not to the bit.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed::graph {

/// Sees every value right after it was computed (graph inputs too). The constant lives only during
/// the call.
using ValueVisitor = std::function<void(ValueId, const Constant&)>;

class Evaluator {
 public:
  /// Keeps a reference to the graph, which must be sorted and must not change while this lives.
  /// Throws ConvertError naming every op that cannot be evaluated.
  explicit Evaluator(const Graph& graph);

  /// Graph inputs by id; gives the graph outputs by id. Throws ConvertError where an input is
  /// missing, has another type or shape than the graph says, or a node cannot be computed.
  std::map<ValueId, Constant> run(const std::map<ValueId, Constant>& inputs,
                                  const ValueVisitor& visit = {}) const;

  /// The same in the order of Graph::inputs and Graph::outputs.
  std::vector<Constant> run(std::span<const Constant> inputs, const ValueVisitor& visit = {}) const;

 private:
  using Slots = std::vector<ConstantPtr>;  // by value id; null where not (or no longer) needed

  void bind_input(ValueId id, Constant input, Slots& slots) const;
  void compute(Slots& slots, const ValueVisitor& visit) const;

  const Graph& graph_;
};

/// Constants in one line, for inputs and expectations.
Constant float_constant(Shape shape, std::vector<float> elements);
Constant int_constant(Shape shape, std::vector<int64_t> elements);

}  // namespace heed::graph
