#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "converter/passes/pass.h"
#include "converter/passes/rewrite.h"

namespace heed::passes {

void PassReport::fused(const char* op, const std::string& node, std::vector<std::string> from) {
  fusions_.push_back({pass_, op, node, std::move(from)});
}

void PassReport::missed(graph::NodeId node, std::string why) {
  for (NearMiss& miss : near_misses_) {
    if (miss.node == node && miss.pass == pass_) {
      miss.why = std::move(why);
      return;
    }
  }
  near_misses_.push_back({pass_, node, std::move(why)});
}

void PassReport::finish(const graph::Graph& graph) {
  std::erase_if(near_misses_, [&](const NearMiss& miss) { return graph.node(miss.node).dead; });
  general_.clear();
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.domain == kFusedDomain) continue;
    GeneralNode general{node.name, node.op, ""};
    for (const NearMiss& miss : near_misses_) {
      if (miss.node == id) general.why = miss.why;
    }
    general_.push_back(std::move(general));
  }
}

size_t PassReport::count(const std::string& op) const {
  return static_cast<size_t>(
      std::count_if(fusions_.begin(), fusions_.end(), [&](const Fusion& f) { return f.op == op; }));
}

std::string PassReport::text() const {
  std::ostringstream out;
  out << "fused:\n";
  for (const Fusion& fusion : fusions_) {
    out << "  " << fusion.op << " '" << fusion.node << "' <-";
    for (const std::string& name : fusion.from) out << " '" << name << "'";
    out << " (" << fusion.pass << ")\n";
  }
  std::map<std::string, size_t> counts;
  for (const GeneralNode& node : general_) ++counts[node.op];
  out << "general:\n";
  for (const auto& [op, count] : counts) out << "  " << op << " x " << count << "\n";
  if (!near_misses_.empty()) out << "near misses:\n";
  for (const NearMiss& miss : near_misses_) out << "  " << miss.why << "\n";
  return out.str();
}

}  // namespace heed::passes
