#pragma once
// The equation of an Einsum, checked and with every ellipsis spelt out.

#include <string>
#include <vector>

#include "converter/graph/op_call.h"

namespace heed::graph {

struct EinsumTerms {
  std::vector<std::string> operands;  // one or two; a character per dimension
  std::string output;
};

/// Throws through the call where the equation is malformed, has more than two operands or does not
/// fit the operands' dimensions.
EinsumTerms einsum_terms(const OpCall& call);

}  // namespace heed::graph
