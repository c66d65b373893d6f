#pragma once
// Which layers become int8 and which stay float32, decided before anything is lowered.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "converter/graph/graph.h"

namespace heed {

struct LayerPrecision {
  bool int8 = true;
  uint32_t group = 0;      // int8: values per activation scale; 0: one scale per row
  std::string why;         // float: the reason, in a few words
  bool is_values = false;  // of a State: it holds values of attention, else keys
};

/// By node: weighted layers (Linear, FramesLinear, SignalLinear, PixelsLinear), Embedding tables,
/// Attention, State (its group is the width of a head).
using PrecisionPlan = std::map<graph::NodeId, LayerPrecision>;

struct PrecisionRules {
  std::vector<std::string> keep_float;  // glob patterns over names of nodes and of their outputs
  std::set<std::string> budget_float;   // nodes that the accuracy budget keeps float, by name
  uint32_t activation_group = 0;        // 0: chosen per layer
};

/// The default is int8. Float stay: what a pattern names; SignalLinear (filter banks: their small
/// outputs are what a logarithm looks at) and layers next to a logarithm; layers too small
/// for int8 to save anything (inputs * outputs below kSmallLayer); embedding tables below
/// kSmallTable.
PrecisionPlan choose_precision(const graph::Graph& graph, const PrecisionRules& rules);

inline constexpr int64_t kSmallLayer = 1024;
inline constexpr int64_t kSmallTable = 65536;
/// Constant rows that are added (positions) are int8 from this many values on.
inline constexpr int64_t kSmallPositionTable = 4096;

/// True when `text` matches `pattern`: * stands for any characters, ? for one.
bool glob_match(const std::string& pattern, const std::string& text);

}  // namespace heed
