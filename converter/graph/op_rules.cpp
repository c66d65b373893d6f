#include "converter/graph/op_rules.h"

#include <map>
#include <string>
#include <utility>

#include "converter/graph/rules/rule_families.h"

namespace heed::graph {

std::span<const std::span<const OpRule>> op_rules() {
  static const std::span<const OpRule> families[] = {
      unary_rules(),  binary_rules(), reduce_rules(), layout_rules(),    select_rules(),
      generate_rules(), matmul_rules(), conv_rules(), norm_rules(), attention_rules(),
      contrib_rules(), fused_rules(),  channels_last_rules(), state_rules()};
  return families;
}

const OpRule* find_rule(std::string_view domain, std::string_view op) {
  using Key = std::pair<std::string_view, std::string_view>;
  static const std::map<Key, const OpRule*> by_name = [] {
    std::map<Key, const OpRule*> rules;
    for (std::span<const OpRule> family : op_rules()) {
      for (const OpRule& rule : family) rules.emplace(Key(rule.domain, rule.op), &rule);
    }
    return rules;
  }();
  auto found = by_name.find(Key(domain, op));
  return found == by_name.end() ? nullptr : found->second;
}

void apply_rule(const OpRule& rule, OpCall& call) {
  rule.infer(call);
  call.allocate();
  rule.evaluate(call);
}

}  // namespace heed::graph
