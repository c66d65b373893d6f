// Inputs to measure with: seeded random ones, or those of .npy files.

#include <algorithm>
#include <cstddef>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"
#include "converter/graph/print_graph.h"
#include "converter/measure.h"
#include "converter/write/sha256.h"
#include "models/tensors/npy.h"

namespace heed {
namespace {

using graph::Constant;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using graph::ValueId;

/// splitmix64
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// Sum of four uniform numbers, mean 0 and variance 1: no library function that differs between
  /// systems.
  float normal() {
    float sum = 0;
    const uint64_t bits = next();
    for (int i = 0; i < 4; ++i)
      sum += static_cast<float>(bits >> (16 * i) & 0xffff) * (1.0f / 65536.0f) - 0.5f;
    return sum * 1.7320508f;
  }

 private:
  uint64_t state_;
};

/// How many values an integer input may take: rows of the table it indexes, followed through nodes
/// that only reshape it. 2 where nothing says (masks, types).
int64_t index_range(const Graph& graph, ValueId value, int depth = 0) {
  for (const NodeId id : graph.value(value).users) {
    const Node& node = graph.node(id);
    const bool gathers = node.is("Gather") || node.is("Embedding", graph::kFusedDomain);
    if (gathers && node.inputs.size() > 1 && node.inputs[1] == value) {
      const auto& table = graph.value(node.inputs[0]).shape;
      const int64_t axis = node.int_or("axis", 0);
      if (table && axis >= 0 && axis < static_cast<int64_t>(table->size()))
        return (*table)[static_cast<size_t>(axis)];
    }
    if (depth < 8 && !node.outputs.empty() &&
        (node.is("Reshape") || node.is("Unsqueeze") || node.is("Squeeze") || node.is("Cast") ||
         node.is("Identity"))) {
      const int64_t range = index_range(graph, node.outputs[0], depth + 1);
      if (range > 2) return range;
    }
  }
  return 2;
}

/// The keys that an input tells an attention to look at; 0 where it tells none.
int64_t keys_told(const Graph& graph, ValueId value) {
  for (const NodeId id : graph.value(value).users) {
    const Node& node = graph.node(id);
    const bool told = node.is("Attention", graph::kFusedDomain) && node.inputs.size() > 4 &&
                      node.inputs[4] == value;
    if (told && graph.value(node.inputs[1]).shape) return (*graph.value(node.inputs[1]).shape)[1];
  }
  return 0;
}

Constant random_input(const Graph& source, ValueId id, Random& random) {
  const graph::Value& value = source.value(id);
  Constant c;
  c.dtype = value.dtype;
  c.shape = *value.shape;
  const auto count = static_cast<size_t>(c.elements());
  if (c.dtype == graph::DType::f32) {
    for (size_t i = 0; i < count; ++i) c.f32.push_back(random.normal());
    return c;
  }
  if (const int64_t keys = keys_told(source, id); keys > 0) {
    c.i64.assign(count, keys);
    return c;
  }
  // A mask is all ones: a random one could hide every key of a row.
  const bool mask = value.dtype == graph::DType::boolean ||
                    value.name.find("mask") != std::string::npos;
  const auto range = static_cast<uint64_t>(std::max<int64_t>(1, index_range(source, id)));
  for (size_t i = 0; i < count; ++i)
    c.i64.push_back(mask ? 1 : static_cast<int64_t>(random.next() % range));
  return c;
}

/// All samples of one input, one after the other.
struct Series {
  std::vector<float> floats;
  std::vector<int64_t> integers;
  int64_t held = 0;
};

Constant part_of(const Series& series, const graph::Value& value, int64_t index) {
  Constant c;
  c.dtype = value.dtype;
  c.shape = *value.shape;
  const auto count = static_cast<ptrdiff_t>(c.elements());
  const ptrdiff_t begin = index * count, end = begin + count;
  if (c.dtype == graph::DType::f32)
    c.f32.assign(series.floats.begin() + begin, series.floats.begin() + end);
  else
    c.i64.assign(series.integers.begin() + begin, series.integers.begin() + end);
  return c;
}

void load_one(const Graph& source, const std::map<std::string, std::string>& sample,
              std::vector<InputValues>* out, Sha256* digest) {
  std::vector<Series> inputs;
  int64_t count = 1;
  for (const ValueId id : source.inputs) {
    const graph::Value& value = source.value(id);
    const auto found = sample.find(value.name);
    if (found == sample.end()) {
      throw ConvertError("a sample gives no value for input '" + value.name + "'", "samples",
                         "Name an .npy file for every input");
    }
    Npy file;
    std::string error;
    if (!read_npy(found->second, &file, &error)) throw ConvertError(error, "samples");
    const int64_t size = std::max<int64_t>(1, Constant{{}, *value.shape, {}, {}}.elements());
    if (file.elements() == 0 || file.elements() % size != 0) {
      throw ConvertError("has " + std::to_string(file.elements()) + " elements; input '" +
                             value.name + "' takes " + graph::shape_text(*value.shape),
                         "file '" + found->second + "'");
    }
    count = std::max(count, file.elements() / size);
    digest->update(file.bytes.data(), file.bytes.size());
    const bool floats = value.dtype == graph::DType::f32;
    inputs.push_back({floats ? file.floats() : std::vector<float>{},
                      floats ? std::vector<int64_t>{} : file.integers(), file.elements() / size});
  }
  for (int64_t n = 0; n < count; ++n) {
    InputValues values;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const graph::Value& value = source.value(source.inputs[i]);
      const int64_t held = inputs[i].held;
      if (held != 1 && held != count) {
        throw ConvertError("its files hold different numbers of samples", "samples",
                           "Give one sample or as many as the others in each file");
      }
      values.push_back(part_of(inputs[i], value, held == 1 ? 0 : n));
    }
    out->push_back(std::move(values));
  }
}

}  // namespace

std::vector<InputValues> random_inputs(const Graph& source, uint64_t seed, int32_t count) {
  Random random(seed);
  std::vector<InputValues> samples;
  for (int32_t n = 0; n < count; ++n) {
    InputValues values;
    for (const ValueId id : source.inputs) values.push_back(random_input(source, id, random));
    samples.push_back(std::move(values));
  }
  return samples;
}

std::vector<InputValues> load_inputs(const Graph& source,
                                     const std::vector<std::map<std::string, std::string>>& samples,
                                     std::string* digest) {
  std::vector<InputValues> result;
  Sha256 sha;
  for (const auto& sample : samples) load_one(source, sample, &result, &sha);
  *digest += sha.hex();
  return result;
}

}  // namespace heed
