// States that live from run to run, rows that join them, and rotary positions.

#include <cstddef>

#include "converter/graph/fused_ops.h"
#include "converter/lowering.h"

namespace heed {

using graph::kFusedDomain;
using graph::kNoValue;
using graph::Node;

/// A state is one tensor, of which every value of it is the same: ops write it where it lies.
bool Lowering::lower_state(const Node& node) {
  const graph::ValueId made = node.outputs[0];
  if (node.is("State", kFusedDomain)) {
    const LayerPrecision& layer = precision_.at(graph_.producer_id(made));
    const DataType cache = layer.is_values ? DataType::q8_values : DataType::q8_keys;
    plain_[static_cast<size_t>(made)] =
        file_.add_state(node.string_or("state", node.name), layer.int8 ? cache : DataType::f32,
                        to_dims(shape(made)), layer.int8 ? layer.group : 0);
    return true;
  }
  if (!node.is("CacheAppend", kFusedDomain)) return false;
  fb::CacheAppendOptionsT options;
  options.batch = static_cast<uint32_t>(shape(node.inputs[1])[0]);
  options.rows = static_cast<uint32_t>(shape(node.inputs[1])[1]);
  options.x_column = static_cast<uint32_t>(node.int_or("x_column", 0));
  const int32_t cache = plain(node.inputs[0]);
  plain_[static_cast<size_t>(made)] = cache;
  emit(node.name, std::move(options), {plain(node.inputs[1]), plain(node.inputs[2])}, {cache});
  return true;
}

bool Lowering::lower_rope(const Node& node) {
  if (!node.is("Rope", kFusedDomain)) return false;
  const graph::Shape& x = shape(node.inputs[0]);
  fb::RopeOptionsT options;
  options.batch = static_cast<uint32_t>(x[0]);
  options.rows = static_cast<uint32_t>(x[1]);
  options.heads = static_cast<uint32_t>(node.int_or("heads", 1));
  options.head_width = static_cast<uint32_t>(node.int_or("head_width", 0));
  options.x_column = static_cast<uint32_t>(node.int_or("x_column", 0));
  options.interleaved = node.int_or("interleaved", 0) != 0;
  std::vector<int32_t> inputs = {plain(node.inputs[0]), plain(node.inputs[1])};
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) inputs.push_back(plain(node.inputs[2]));
  emit(node.name, std::move(options), std::move(inputs), {make_plain(node.outputs[0])});
  return true;
}

}  // namespace heed
