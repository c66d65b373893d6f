#include "converter/lower.h"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"
#include "converter/graph/print_graph.h"
#include "converter/lowering.h"

namespace heed {

using graph::Constant;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;
using graph::kFusedDomain;
using graph::kNoNode;
using graph::kNoValue;

DataType data_type(graph::DType type) {
  switch (type) {
    case graph::DType::i64: return DataType::i64;
    case graph::DType::boolean: return DataType::boolean;
    default: return DataType::f32;
  }
}

Dims to_dims(const graph::Shape& shape) {
  return Dims(shape.begin(), shape.end());
}

Lowering::Lowering(const Graph& graph, const PrecisionPlan& precision, FileModel& file)
    : graph_(graph),
      precision_(precision),
      file_(file),
      aliases_(graph),
      chains_(graph, aliases_, precision),
      demands_(graph, aliases_, chains_, precision),
      plain_(graph.value_count(), -1),
      places_(graph.value_count()) {
  for (const auto& [id, layer] : precision) {
    const Node& node = graph.node(id);
    if (layer.int8 && node.inputs.size() > 1 && graph.constant(node.inputs[1]))
      int8_weights_ += graph.constant(node.inputs[1])->elements();
  }
}

fb::EntryPointT Lowering::run(const std::string& entry_point) {
  entry_.name = entry_point;
  for (const ValueId input : graph_.inputs) {
    if (graph_.value(input).dtype == graph::DType::string) {
      throw ConvertError("it takes strings, which the engine does not know",
                         "input '" + name(input) + "'", "Export the model without its tokenizer");
    }
    plain_[static_cast<size_t>(input)] =
        file_.add_arena(name(input), data_type(graph_.value(input).dtype), to_dims(shape(input)));
    entry_.inputs.push_back(plain_[static_cast<size_t>(input)]);
  }
  place_concats();
  for (const NodeId id : graph_.order()) {
    try {
      lower_node(id);
    } catch (const Unmade&) {
      continue;
    } catch (const ConvertError& error) {
      unsupported(graph_.node(id), error.what());
    }
  }
  if (!faults_.empty()) {
    std::string text = std::to_string(faults_.size()) +
                       (faults_.size() == 1 ? " node has" : " nodes have") +
                       " no counterpart in the engine:";
    for (const std::string& fault : faults_) text += "\n  " + fault;
    throw ConvertError(text, graph_.name);
  }
  finish_outputs();
  fold_transposes();
  return std::move(entry_);
}

void Lowering::unsupported(const Node& node, const std::string& reason) {
  std::string text = graph::node_label(node);
  const std::string attributes = graph::attributes_text(node);
  if (!attributes.empty()) text += " {" + attributes + "}";
  faults_.push_back(text + ": " + reason);
}

void Lowering::lower_node(NodeId id) {
  const Node& node = graph_.node(id);
  if (aliases_.is_alias_node(id) || chains_.absorbed(id)) return;
  if (const Chain* chain = chains_.of(id)) {
    lower_chain(*chain);
    return;
  }
  if (node.is("Attention", kFusedDomain)) {
    lower_float_attention(node);
    return;
  }
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    if (shape(output).size() > static_cast<size_t>(kMaxRank)) {
      unsupported(node, "its output has more than " + std::to_string(kMaxRank) + " dimensions");
      return;
    }
  }
  const bool done = node.domain == kFusedDomain
                        ? lower_state(node) || lower_rope(node) || lower_patches(node) ||
                              lower_conv(node) || lower_pool(node)
                        : node.domain.empty() &&
                              (lower_unary(node) || lower_binary(node) || lower_move(node) ||
                               lower_matmul(node) || lower_reduce(node) ||
                               lower_normalization(node));
  if (!done)
    unsupported(node, "no op of the engine computes it");
  else if (node.domain.empty())
    general_nodes_.push_back(node.name);
}

// --- values and their memory -------------------------------------------------------------------

int32_t Lowering::plain(ValueId value) {
  int32_t& tensor = plain_[static_cast<size_t>(value)];
  if (tensor >= 0) return tensor;
  if (graph_.constant(value)) return tensor = constant(value);
  const Aliases::Alias& alias = aliases_.alias(value);
  if (alias.base == kNoValue) {
    if (!faults_.empty()) throw Unmade{};
    throw ConvertError("value '" + name(value) + "' is read before it is computed", "",
                       "This is a fault of the converter, not of the model");
  }
  const int32_t base = plain(alias.base);
  const DataType type = file_.tensor(base).dtype;
  tensor = file_.add_view(name(value), base,
                          static_cast<uint64_t>(alias.offset) * element_bytes(type), type,
                          to_dims(shape(value)));
  return tensor;
}

int32_t Lowering::make_plain(ValueId value) {
  int32_t& tensor = plain_[static_cast<size_t>(value)];
  if (tensor >= 0) return tensor;
  const DataType type = data_type(graph_.value(value).dtype);
  const Dims dims = to_dims(shape(value));
  const Place& place = places_[static_cast<size_t>(value)];
  if (place.concat == kNoValue) {
    tensor = file_.add_arena(name(value), type, dims);
  } else {
    const int32_t whole = make_plain(place.concat);
    tensor = file_.add_view(name(value), whole,
                            static_cast<uint64_t>(place.first_element) * element_bytes(type), type,
                            dims);
  }
  return tensor;
}

int32_t Lowering::constant(ValueId value) {
  const Constant& c = *graph_.constant(value);
  const Dims dims = to_dims(c.shape);
  if (c.dtype == graph::DType::f32) {
    return file_.add_constant(name(value), DataType::f32, dims, c.f32.data(), c.f32.size() * 4);
  }
  if (c.dtype == graph::DType::i64) {
    return file_.add_constant(name(value), DataType::i64, dims, c.i64.data(), c.i64.size() * 8);
  }
  const std::vector<uint8_t> bytes(c.i64.begin(), c.i64.end());
  return file_.add_constant(name(value), DataType::boolean, dims, bytes.data(), bytes.size());
}

int32_t Lowering::float_constant(const std::string& constant_name, const Dims& dims,
                                 const std::vector<float>& v) {
  return file_.add_constant(constant_name, DataType::f32, dims, v.data(), v.size() * sizeof(float));
}

int32_t Lowering::q8(ValueId value, Q8Spec spec) {
  const ValueId root = aliases_.rows_root(value);
  const auto key = std::make_pair(root, std::make_pair(spec.halo, spec.group));
  const auto found = q8_.find(key);
  if (found != q8_.end()) return found->second;
  const int32_t x = plain(root);
  const Dims dims = to_dims(shape(root));
  const int32_t rows = file_.add_q8(name(root) + kQ8Suffix, dims, spec.group, spec.halo);
  fb::RowsOptionsT options;
  options.rows = static_cast<uint32_t>(element_count(dims) / dims.back());
  options.epilogue = std::make_unique<fb::EpilogueT>();
  emit(name(root) + kQ8Suffix, std::move(options), {x}, {-1, -1, rows});
  q8_[key] = rows;
  return rows;
}

int32_t Lowering::view(int32_t tensor, int64_t first_element, const Dims& dims) {
  // Names and types are copied: adding a tensor moves the others.
  const std::string base = file_.tensor(tensor).name;
  const DataType type = file_.tensor(tensor).dtype;
  if (file_.tensor(tensor).storage == fb::Storage::constant) {
    const fb::Blob blob = *file_.tensor(tensor).blob;
    const size_t size = static_cast<size_t>(element_count(dims)) * element_bytes(type);
    const std::byte* begin = file_.blobs().data() + blob.offset() +
                             static_cast<size_t>(first_element) * element_bytes(type);
    const std::vector<std::byte> bytes(begin, begin + size);
    return file_.add_constant(base, type, dims, bytes.data(), size);
  }
  return file_.add_view(base, tensor, static_cast<uint64_t>(first_element) * element_bytes(type),
                        type, dims);
}

int32_t Lowering::reshaped(ValueId value, const Dims& dims) {
  const int32_t tensor = plain(value);
  return file_.tensor(tensor).shape == dims ? tensor : view(tensor, 0, dims);
}

int32_t Lowering::scratch(const Node& node, const std::string& what, DataType type,
                          const Dims& dims) {
  return file_.add_arena(node.name + ":" + what, type, dims);
}

// --- concatenations that need no copy ----------------------------------------------------------

/// Where the parts of a Concat follow one another in memory, their ops write into it directly.
void Lowering::place_concats() {
  for (const NodeId id : graph_.order()) {
    const Node& node = graph_.node(id);
    if (!node.is("Concat")) continue;
    const ValueId whole = node.outputs[0];
    const graph::Shape& out = shape(whole);
    int64_t axis = node.int_or("axis", 0);
    if (axis < 0) axis += static_cast<int64_t>(out.size());
    const bool in_a_row = std::all_of(out.begin(), out.begin() + axis,
                                      [](int64_t d) { return d == 1; });
    if (!in_a_row) continue;
    int64_t first_element = 0;
    for (const ValueId part : node.inputs) {
      ValueId owner = part;
      while (aliases_.alias(owner).base != kNoValue &&
             graph::Constant{{}, shape(owner), {}, {}}.elements() ==
                 graph::Constant{{}, shape(aliases_.alias(owner).base), {}, {}}.elements())
        owner = aliases_.alias(owner).base;
      Place& place = places_[static_cast<size_t>(owner)];
      const bool free = graph_.producer_id(owner) != kNoNode && !graph_.constant(owner) &&
                        aliases_.alias(owner).base == kNoValue && !graph_.is_output(owner) &&
                        place.concat == kNoValue;
      if (free) place = {whole, first_element};
      first_element += element_count(to_dims(shape(part)));
    }
  }
}

/// Outputs lie in memory of their own kind: an input or a constant that is passed on is copied.
void Lowering::finish_outputs() {
  for (const ValueId output : graph_.outputs) {
    ValueId base = output;
    while (aliases_.alias(base).base != kNoValue) base = aliases_.alias(base).base;
    const bool own = graph_.producer_id(base) != kNoNode && !graph_.constant(base);
    int32_t tensor = plain(output);
    if (!own) {
      const int32_t source = tensor;
      const DataType type = file_.tensor(source).dtype;
      tensor = file_.add_arena(name(output), type, to_dims(shape(output)));
      emit(name(output), fb::CopyOptionsT{}, {source}, {tensor});
    }
    entry_.outputs.push_back(tensor);
  }
}

std::vector<std::string> lower(const Graph& graph, const std::string& name,
                               const PrecisionPlan& precision, FileModel& file) {
  Lowering lowering(graph, precision, file);
  file.model.entry_points.push_back(std::make_unique<fb::EntryPointT>(lowering.run(name)));
  return lowering.general_nodes();
}

}  // namespace heed
