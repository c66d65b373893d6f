#include "converter/onnx/onnx_inputs.h"

#include <algorithm>
#include <cctype>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/dim_names.h"
#include "converter/onnx/onnx_tensor.h"
#include "converter/onnx/past_to_state.h"

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

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// Names of dimensions that count independent examples.
bool names_batch(const std::string& name) {
  return lower_case(name).find("batch") != std::string::npos;
}

/// The same, going by its place where the exporter gave the dimension no name that says anything.
bool is_first_and_vague(const WireInfo& info, size_t index) {
  if (index != 0 || info.dims.size() < 2) return false;
  const std::string symbol = lower_case(std::string(info.dims[index].symbol));
  return symbol.empty() || symbol == "n" || symbol == "b" || symbol == "bs" ||
         symbol.rfind("unk__", 0) == 0 || symbol.find("dynamic_axes") != std::string::npos;
}

/// Checks a shape that the user gave and learns the sizes of its symbols.
void take_given(const WireInfo& info, const graph::Shape& given, DimNames& names) {
  if (info.has_shape && given.size() != info.dims.size()) {
    throw ConvertError(
        "the given shape " + graph::shape_text(given) + " does not fit " + dims_text(info),
        label(info));
  }
  if (graph::element_count(given) <= 0) {
    throw ConvertError("the given shape " + graph::shape_text(given) + " is out of range",
                       label(info));
  }
  for (size_t i = 0; i < info.dims.size(); ++i) {
    const WireDim& dim = info.dims[i];
    if (!is_open(dim) && dim.value != given[i]) {
      throw ConvertError(
          "the given shape " + graph::shape_text(given) + " does not fit " + dims_text(info),
          label(info));
    }
    if (!is_open(dim) || dim.symbol.empty()) continue;
    const std::string symbol(dim.symbol);
    if (names.size_of(symbol).value_or(given[i]) != given[i]) {
      throw ConvertError("the given sizes disagree about '" + symbol + "'", label(info));
    }
    names.learn(symbol, given[i]);
  }
}

/// What the user has yet to say.
struct OpenDims {
  std::string inputs;               // "input 'x' is [batch,time]; ..."
  std::vector<std::string> advice;  // "--dim time=N", "--shape y=1xN"

  void add(const std::string& input, const std::vector<std::string>& options) {
    inputs += inputs.empty() ? input : "; " + input;
    for (const std::string& option : options) {
      if (std::find(advice.begin(), advice.end(), option) == advice.end()) advice.push_back(option);
    }
  }
};

/// Fixes the dimensions of an input without a given shape.
void fix_dims(const WireInfo& info, DimNames& names, graph::Shape& shape,
              std::vector<std::string>& notes, OpenDims& open) {
  bool has_nameless = false;
  std::string example;
  std::vector<std::string> missing;
  for (size_t i = 0; i < info.dims.size(); ++i) {
    const WireDim& dim = info.dims[i];
    const std::string symbol(dim.symbol);
    int64_t size = dim.value;
    if (is_open(dim)) {
      bool batch = false;
      for (const std::string& name : names.unknown_in(symbol)) {
        if (!names_batch(name)) continue;
        names.learn(name, 1);
        batch = true;
      }
      size = names.size_of(symbol).value_or(0);
      if (size == 0 && is_first_and_vague(info, i)) {
        size = 1;
        batch = true;
      }
      if (batch)
        notes.push_back(label(info) + ": the batch dimension of " + dims_text(info) + " becomes 1");
    }
    if (size <= 0) {
      has_nameless = has_nameless || symbol.empty();
      for (const std::string& name : names.unknown_in(symbol)) missing.push_back(name);
    }
    shape.push_back(size);
    if (!example.empty()) example += 'x';
    example += size > 0 ? std::to_string(size) : "N";
  }
  std::vector<std::string> advice;
  if (has_nameless) {
    advice = {"--shape " + std::string(info.name) + "=" + example};
  } else {
    for (const std::string& name : missing) advice.push_back("--dim " + name + "=N");
  }
  if (!advice.empty()) open.add(label(info) + " is " + dims_text(info), advice);
}

/// A past that a session keeps ends where its last new token begins.
void leave_room(const std::vector<WireInfo>& inputs, int64_t tokens, DimNames& names) {
  int64_t fresh = 1;
  for (const WireInfo& info : inputs) {
    if (info.name != "input_ids" && info.name != "decoder_input_ids") continue;
    if (info.dims.size() != 2) continue;
    const std::string symbol(info.dims[1].symbol);
    fresh = is_open(info.dims[1]) ? names.size_of(symbol).value_or(1) : info.dims[1].value;
    if (is_open(info.dims[1]) && !names.size_of(symbol)) names.learn(symbol, fresh);
  }
  for (const WireInfo& info : inputs) {
    if (!is_past(std::string(info.name)) || info.dims.size() != 4) continue;
    const std::string symbol(info.dims[2].symbol);
    const bool grows = lower_case(symbol).find("past") != std::string::npos;
    if (!is_open(info.dims[2]) || !grows || names.size_of(symbol)) continue;
    if (tokens <= fresh)
      throw ConvertError("a past of " + std::to_string(tokens) + " tokens has no room", label(info),
                         "Keep more of them: --keep-past N");
    names.learn(symbol, tokens - fresh);
  }
}

/// Options that name what no input has.
void check_names(const std::vector<WireInfo>& inputs, const ImportOptions& options) {
  const OpenNames known = open_names(inputs);
  const auto listed = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
      text += " '";
      text += name;
      text += "'";
    }
    return text;
  };
  for (const auto& entry : options.shapes) {
    if (known.has_input(entry.first)) continue;
    throw ConvertError("a shape was given for '" + entry.first + "', but the inputs are" +
                       listed(known.inputs));
  }
  for (const auto& entry : options.constants) {
    if (known.has_input(entry.first)) continue;
    throw ConvertError("a value was given for '" + entry.first + "', but the inputs are" +
                       listed(known.inputs));
  }
  for (const auto& entry : options.dims) {
    if (known.has_dim(entry.first)) continue;
    throw ConvertError("a size was given for the dimension '" + entry.first + "', but " +
                       (known.dims.empty()
                            ? "the source names none"
                            : "those that the source leaves open are" + listed(known.dims)));
  }
}

}  // namespace

bool OpenNames::has_input(const std::string& name) const {
  return std::find(inputs.begin(), inputs.end(), name) != inputs.end();
}

bool OpenNames::has_dim(const std::string& name) const {
  return std::find(dims.begin(), dims.end(), name) != dims.end() ||
         std::find(sums.begin(), sums.end(), name) != sums.end();
}

OpenNames open_names(const std::vector<WireInfo>& inputs) {
  OpenNames names;
  for (const WireInfo& info : inputs) {
    names.inputs.emplace_back(info.name);
    for (const WireDim& dim : info.dims) {
      if (!is_open(dim) || dim.symbol.empty()) continue;
      names.sums.emplace_back(dim.symbol);
      for (const std::string& name : DimNames().unknown_in(std::string(dim.symbol))) {
        if (std::find(names.dims.begin(), names.dims.end(), name) == names.dims.end())
          names.dims.push_back(name);
      }
    }
  }
  return names;
}

std::vector<InputShape> input_shapes(const std::vector<WireInfo>& inputs,
                                     const ImportOptions& options,
                                     std::vector<std::string>& notes) {
  if (!options.shared) check_names(inputs, options);
  DimNames names;
  for (const auto& [name, size] : options.dims) {
    if (size <= 0) throw ConvertError("the size of the dimension '" + name + "' is out of range");
    names.learn(name, size);
  }
  for (const WireInfo& info : inputs) {
    const auto given = options.shapes.find(std::string(info.name));
    if (given != options.shapes.end()) take_given(info, given->second, names);
  }
  if (options.keep_past > 0) leave_room(inputs, options.keep_past, names);
  std::vector<InputShape> shapes;
  OpenDims open;
  for (const WireInfo& info : inputs) {
    const std::optional<graph::DType> dtype = graph_type(info.type);
    if (!info.is_tensor || !dtype) {
      throw ConvertError("type " + type_text(info.type) + " is not supported", label(info));
    }
    InputShape made{*dtype, {}};
    const auto given = options.shapes.find(std::string(info.name));
    if (given != options.shapes.end()) {
      made.shape = given->second;
    } else if (!info.has_shape) {
      open.add(label(info) + " has no shape at all",
               {"--shape " + std::string(info.name) + "=1xN"});
    } else {
      fix_dims(info, names, made.shape, notes, open);
    }
    if (graph::element_count(made.shape) < 0 && open.advice.empty()) {
      throw ConvertError("its dimensions " + dims_text(info) + " are out of range", label(info));
    }
    if (info.type != WireType::f32 && made.dtype == graph::DType::f32) {
      notes.push_back(label(info) + ": " + type_text(info.type) + " in the source, float32 here");
    }
    shapes.push_back(std::move(made));
  }
  if (!open.advice.empty()) {
    std::string advice;
    for (const std::string& option : open.advice) {
      advice += ' ';
      advice += option;
    }
    throw ConvertError(open.inputs + ": dimensions that the source leaves open", "",
                       "Give each a size:" + advice);
  }
  return shapes;
}

graph::ConstantPtr filled(const InputShape& input, double value) {
  auto made = std::make_shared<graph::Constant>();
  made->dtype = input.dtype;
  made->shape = input.shape;
  const auto count = static_cast<size_t>(made->elements());
  if (input.dtype == graph::DType::f32) {
    made->f32.assign(count, static_cast<float>(value));
  } else {
    made->i64.assign(count, static_cast<int64_t>(value));
  }
  return made;
}

}  // namespace heed::onnx
