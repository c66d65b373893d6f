#pragma once
// The one table of ops: what each is called, the type and shape of its results, and their values.
// Shape inference, constant folding, the evaluator and the importer's report of what is not
// supported all read this table.

#include <span>
#include <string_view>

#include "converter/graph/op_call.h"

namespace heed::graph {

struct OpRule {
  const char* domain;  // "" ONNX, "com.microsoft", "heed"
  const char* op;
  /// Sets dtype and shape of every result. Throws ConvertError through the call.
  void (*infer)(OpCall& call);
  /// Fills the results; runs after infer and OpCall::allocate, with every operand's elements known.
  void (*evaluate)(OpCall& call);
  bool shape_only = false;  // needs the operands' shapes, not their elements (Shape, Size)
  bool stateful = false;    // reads or writes what lives from run to run: never constant
};

/// Null where the op is unknown.
const OpRule* find_rule(std::string_view domain, std::string_view op);

/// The table by family; each file of rules/ holds one. Every op stands in one of them, once.
std::span<const std::span<const OpRule>> op_rules();

/// infer, allocate, evaluate.
void apply_rule(const OpRule& rule, OpCall& call);

}  // namespace heed::graph
