#include "converter/onnx/onnx_inputs.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/onnx_tensor.h"

namespace heed::onnx {
namespace {

std::string label(const WireInfo& info) { return "input '" + std::string(info.name) + "'"; }

// Exporters write an unknown dimension as a symbol, as nothing, and some as 0 or -1.
bool is_open(const WireDim& dim) { return dim.value <= 0; }

std::string dims_text(const WireInfo& info) {
  std::string text = "[";
  for (size_t i = 0; i < info.dims.size(); ++i) {
    if (i > 0) text += ',';
    const WireDim& dim = info.dims[i];
    if (!is_open(dim)) {
      text += std::to_string(dim.value);
    } else {
      text += dim.symbol.empty() ? "?" : std::string(dim.symbol);
    }
  }
  text += ']';
  return text;
}

/// True where a dimension counts independent examples, going by its name, or by its place where
/// the exporter gave it none.
bool is_batch(const WireInfo& info, size_t index) {
  std::string symbol(info.dims[index].symbol);
  std::transform(symbol.begin(), symbol.end(), symbol.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (symbol.find("batch") != std::string::npos) return true;
  if (index != 0 || info.dims.size() < 2) return false;
  return symbol.empty() || symbol == "n" || symbol == "b" || symbol == "bs" ||
         symbol.rfind("unk__", 0) == 0 || symbol.find("dynamic_axes") != std::string::npos;
}

using Symbols = std::map<std::string, int64_t>;

/// Checks a shape that the user gave and learns the sizes of its symbols.
void take_given(const WireInfo& info, const graph::Shape& given, Symbols& symbols) {
  if (info.has_shape && given.size() != info.dims.size()) {
    throw ConvertError("the given shape " + graph::shape_text(given) + " does not fit " +
                           dims_text(info),
                       label(info));
  }
  if (graph::element_count(given) <= 0) {
    throw ConvertError("the given shape " + graph::shape_text(given) + " is out of range",
                       label(info));
  }
  for (size_t i = 0; i < info.dims.size(); ++i) {
    const WireDim& dim = info.dims[i];
    if (!is_open(dim) && dim.value != given[i]) {
      throw ConvertError("the given shape " + graph::shape_text(given) + " does not fit " +
                             dims_text(info),
                         label(info));
    }
    if (!is_open(dim) || dim.symbol.empty()) continue;
    const auto [known, added] = symbols.emplace(std::string(dim.symbol), given[i]);
    if (!added && known->second != given[i]) {
      throw ConvertError("the given shapes disagree about '" + known->first + "'", label(info));
    }
  }
}

struct OpenInput {
  std::string text;    // "input 'x' is [batch,time]"
  std::string advice;  // "--shape x=1xTIME"
};

/// Fixes the dimensions of an input without a given shape; returns false where one stays open.
bool fix_dims(const WireInfo& info, const Symbols& symbols, graph::Shape& shape,
              std::vector<std::string>& notes, OpenInput& open) {
  bool fixed = true;
  std::string example;
  for (size_t i = 0; i < info.dims.size(); ++i) {
    const WireDim& dim = info.dims[i];
    const auto known = symbols.find(std::string(dim.symbol));
    int64_t size = dim.value;
    if (is_open(dim) && !dim.symbol.empty() && known != symbols.end()) {
      size = known->second;
    } else if (is_open(dim) && is_batch(info, i)) {
      size = 1;
      notes.push_back(label(info) + ": the batch dimension of " + dims_text(info) + " becomes 1");
    }
    shape.push_back(size);
    if (!example.empty()) example += 'x';
    example += size > 0 ? std::to_string(size) : "N";
    if (size <= 0) fixed = false;
  }
  open.text = label(info) + " is " + dims_text(info);
  open.advice = "--shape " + std::string(info.name) + "=" + example;
  return fixed;
}

}  // namespace

std::vector<InputShape> input_shapes(const std::vector<WireInfo>& inputs,
                                     const ImportOptions& options,
                                     std::vector<std::string>& notes) {
  Symbols symbols;
  size_t used = 0;
  for (const WireInfo& info : inputs) {
    const auto given = options.shapes.find(std::string(info.name));
    if (given == options.shapes.end()) continue;
    take_given(info, given->second, symbols);
    ++used;
  }
  if (used != options.shapes.size()) {
    std::string names;
    for (const WireInfo& info : inputs) names += " '" + std::string(info.name) + "'";
    for (const auto& entry : options.shapes) {
      const std::string& name = entry.first;
      const bool known = std::any_of(inputs.begin(), inputs.end(),
                                     [&](const WireInfo& info) { return info.name == name; });
      if (!known) {
        throw ConvertError("a shape was given for '" + name + "', but the inputs are" + names);
      }
    }
  }
  std::vector<InputShape> shapes;
  std::string still_open, advice;
  for (const WireInfo& info : inputs) {
    const std::optional<graph::DType> dtype = graph_type(info.type);
    if (!info.is_tensor || !dtype) {
      throw ConvertError("type " + type_text(info.type) + " is not supported", label(info));
    }
    InputShape made{*dtype, {}};
    const auto given = options.shapes.find(std::string(info.name));
    OpenInput open{label(info) + " has no shape at all",
                   "--shape " + std::string(info.name) + "=1xN"};
    if (given != options.shapes.end()) {
      made.shape = given->second;
    } else if (!info.has_shape || !fix_dims(info, symbols, made.shape, notes, open)) {
      still_open += still_open.empty() ? open.text : "; " + open.text;
      advice += (advice.empty() ? "" : " ") + open.advice;
    }
    if (graph::element_count(made.shape) < 0 && still_open.empty()) {
      throw ConvertError("its dimensions " + dims_text(info) + " are out of range", label(info));
    }
    if (info.type != WireType::f32 && made.dtype == graph::DType::f32) {
      notes.push_back(label(info) + ": " + type_text(info.type) + " in the source, float32 here");
    }
    shapes.push_back(std::move(made));
  }
  if (!still_open.empty()) {
    throw ConvertError(still_open + ": dimensions that the source leaves open", "",
                       "Give them, for example " + advice);
  }
  return shapes;
}

}  // namespace heed::onnx
