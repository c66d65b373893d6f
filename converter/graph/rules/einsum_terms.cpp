#include "converter/graph/rules/einsum_terms.h"

#include <algorithm>

namespace heed::graph {
namespace {

constexpr char kEllipsisLast = '~';  // an ellipsis' last dimension; '}' is the one before

/// "...ij" with `rank` dimensions as single labels.
std::string expand_ellipsis(const OpCall& call, std::string term, size_t rank) {
  const size_t dots = term.find("...");
  if (dots == std::string::npos) return term;
  call.need(rank + 3 >= term.size(), "the equation has more labels than the operand dimensions");
  const size_t hidden = rank + 3 - term.size();
  call.need(hidden <= 4, "an ellipsis stands for too many dimensions");
  std::string filled;
  for (size_t i = 0; i < hidden; ++i) {
    filled += static_cast<char>(kEllipsisLast - static_cast<char>(hidden - 1 - i));
  }
  return term.replace(dots, 3, filled);
}

/// The output where the equation names none: the ellipsis, then all labels used once, sorted.
std::string implicit_output(std::string labels) {
  std::sort(labels.begin(), labels.end());
  std::string dots, once;
  for (size_t i = 0; i < labels.size(); ++i) {
    const char label = labels[i];
    const bool first = i == 0 || labels[i - 1] != label;
    const bool last = i + 1 == labels.size() || labels[i + 1] != label;
    if (label > 'z') {
      if (first) dots += label;
    } else if (first && last) {
      once += label;
    }
  }
  return dots + once;
}

}  // namespace

EinsumTerms einsum_terms(const OpCall& call) {
  std::string equation = call.node.string_or("equation", "");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const size_t arrow = equation.find("->");
  const std::string left = equation.substr(0, arrow);
  const size_t comma = left.find(',');
  const size_t count = comma == std::string::npos ? 1 : 2;
  const bool third = count == 2 && left.find(',', comma + 1) != std::string::npos;
  call.need(call.operands.size() == count && !third,
            "only equations of one or two operands are supported");
  EinsumTerms terms;
  std::string labels;
  size_t hidden_max = 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string term = i == 0 ? left.substr(0, comma) : left.substr(comma + 1);
    const std::string full = expand_ellipsis(call, term, call.shape(i).size());
    call.need(full.size() == call.shape(i).size(),
              "the equation does not fit an operand's dimensions");
    if (full != term) hidden_max = std::max(hidden_max, full.size() + 3 - term.size());
    terms.operands.push_back(full);
    labels += full;
  }
  if (arrow == std::string::npos) {
    terms.output = implicit_output(labels);
  } else {
    const std::string out = equation.substr(arrow + 2);
    const size_t shown = out.size() - (out.find("...") == std::string::npos ? 0 : 3);
    terms.output = expand_ellipsis(call, out, shown + hidden_max);
  }
  for (char name : terms.output) {
    call.need(labels.find(name) != std::string::npos, "the output names an unknown label");
    call.need(std::count(terms.output.begin(), terms.output.end(), name) == 1,
              "the output names a label twice");
  }
  return terms;
}

}  // namespace heed::graph
