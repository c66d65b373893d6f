#include "converter/tflite/tflite_import.h"

#include <new>
#include <set>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/op_call.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/onnx_inputs.h"
#include "converter/onnx/source_file.h"
#include "converter/tflite/op_writer.h"
#include "converter/tflite/tflite_tensor.h"

namespace heed::tflite {
namespace {

using onnx::WireType;
using tfl::TensorType;

// Limits that no real model meets and that keep a hostile one from nesting or multiplying.
constexpr int kCallDepthMax = 16;
constexpr size_t kOpsMax = 1u << 20;

template <class Element>
size_t size_of(const flatbuffers::Vector<Element>* list) {
  return list == nullptr ? 0 : list->size();
}

/// Names of inputs and outputs: those of the signature, else the tensors' own.
class Signature {
 public:
  explicit Signature(const tfl::Model& model) {
    if (size_of(model.signature_defs()) == 0) return;
    const tfl::SignatureDef& first = *model.signature_defs()->Get(0);
    if (first.subgraph_index() != 0) return;
    read(first.inputs(), inputs_);
    read(first.outputs(), outputs_);
  }

  std::string input(int32_t index, const tfl::Tensor& tensor) const {
    return name(inputs_, index, tensor);
  }
  std::string output(int32_t index, const tfl::Tensor& tensor) const {
    return name(outputs_, index, tensor);
  }

 private:
  using Names = std::map<uint32_t, std::string>;

  static void read(const flatbuffers::Vector<flatbuffers::Offset<tfl::TensorMap>>* list,
                   Names& names) {
    for (size_t i = 0; i < size_of(list); ++i) {
      const tfl::TensorMap& entry = *list->Get(static_cast<flatbuffers::uoffset_t>(i));
      if (entry.name() != nullptr) names[entry.tensor_index()] = entry.name()->str();
    }
  }
  static std::string name(const Names& names, int32_t index, const tfl::Tensor& tensor) {
    const auto found = names.find(static_cast<uint32_t>(index));
    if (found != names.end()) return found->second;
    const std::string own = tensor_name(tensor);
    return own.empty() ? "tensor_" + std::to_string(index) : own;
  }

  Names inputs_, outputs_;
};

/// The type as ONNX's importer knows it, for the rules about inputs that both share.
WireType wire_type(const tfl::Tensor& tensor) {
  if (is_quantised(tensor)) return WireType::f32;
  switch (tensor.type()) {
    case TensorType::float32:
      return WireType::f32;
    case TensorType::float16:
      return WireType::f16;
    case TensorType::float64:
      return WireType::f64;
    case TensorType::boolean:
      return WireType::boolean;
    case TensorType::int8:
      return WireType::i8;
    case TensorType::uint8:
      return WireType::u8;
    case TensorType::int16:
      return WireType::i16;
    case TensorType::uint16:
      return WireType::u16;
    case TensorType::int32:
      return WireType::i32;
    case TensorType::uint32:
      return WireType::u32;
    case TensorType::int64:
      return WireType::i64;
    case TensorType::string:
      return WireType::string;
    default:
      return WireType::undefined;
  }
}

/// The tensors of one graph while its ops are written.
struct Scope {
  const tfl::SubGraph& graph;
  std::vector<Operand> values;
  std::vector<bool> written;
  std::vector<bool> broken;  // results of ops that cannot be converted

  explicit Scope(const tfl::SubGraph& of)
      : graph(of), values(size_of(of.tensors())), written(values.size()), broken(values.size()) {}

  const tfl::Tensor& tensor(int32_t index) const {
    return *graph.tensors()->Get(static_cast<flatbuffers::uoffset_t>(index));
  }
};

class Importer {
 public:
  Importer(const TfliteFile& file, const onnx::ImportOptions& options)
      : file_(file), options_(options), signature_(file.model()), graph_(imported_.graph) {}

  onnx::ImportedModel run();

 private:
  std::vector<Operand> add_inputs(const tfl::SubGraph& main);
  void note_quantised(const std::string& what, const tfl::Tensor& tensor);
  void add_outputs(const tfl::SubGraph& main, const std::vector<Operand>& results);
  std::vector<Operand> write_graph(const tfl::SubGraph& from, const std::vector<Operand>& inputs,
                                   int depth);
  void write_op(Scope& scope, size_t index, int depth);
  std::vector<Operand> results_of(Scope& scope, const tfl::Operator& op,
                                  const std::vector<Operand>& operands, const std::string& stem,
                                  int depth);
  const Operand& read(Scope& scope, int32_t index);
  void name_result(ValueId id, const std::string& name);
  std::string unique(const std::string& name);
  void report_faults() const;

  const TfliteFile& file_;
  const onnx::ImportOptions& options_;
  const Signature signature_;
  onnx::ImportedModel imported_;
  graph::Graph& graph_;
  std::map<std::string, int> names_;
  std::vector<std::string> faults_;
  size_t ops_ = 0;
};

std::string Importer::unique(const std::string& name) {
  // A fused op's name lists all that it came from.
  std::string first = name.substr(0, name.find(';'));
  const int before = names_[first]++;
  return before == 0 ? first : first + "#" + std::to_string(before);
}

void Importer::note_quantised(const std::string& what, const tfl::Tensor& tensor) {
  if (!is_quantised(tensor)) return;
  const auto& how = *tensor.quantization();
  const int64_t zero = size_of(how.zero_point()) == 0 ? 0 : how.zero_point()->Get(0);
  imported_.notes.push_back(what + ": " + type_text(tensor) + " with scale " +
                            std::to_string(how.scale()->Get(0)) + " and zero point " +
                            std::to_string(zero) +
                            " in the source; here float32, the real numbers themselves");
}

std::vector<Operand> Importer::add_inputs(const tfl::SubGraph& main) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  std::vector<onnx::WireInfo> infos;
  const Scope scope(main);
  for (size_t i = 0; i < size_of(main.inputs()); ++i) {
    const int32_t index = main.inputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    names.push_back(signature_.input(index, scope.tensor(index)));
    if (!seen.insert(names.back()).second) {
      throw ConvertError("two inputs are called '" + names.back() + "'");
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const tfl::Tensor& tensor =
        scope.tensor(main.inputs()->Get(static_cast<flatbuffers::uoffset_t>(i)));
    onnx::WireInfo info;
    info.name = names[i];
    info.is_tensor = info.has_shape = true;
    info.type = wire_type(tensor);
    const bool open = size_of(tensor.shape_signature()) == size_of(tensor.shape()) &&
                      tensor.shape_signature() != nullptr;
    const auto* dims = open ? tensor.shape_signature() : tensor.shape();
    for (size_t d = 0; d < size_of(dims); ++d) {
      info.dims.push_back({dims->Get(static_cast<flatbuffers::uoffset_t>(d)), {}});
    }
    infos.push_back(std::move(info));
    note_quantised("input '" + names[i] + "'", tensor);
  }
  imported_.names = onnx::open_names(infos);
  const std::vector<onnx::InputShape> shapes = onnx::input_shapes(infos, options_, imported_.notes);
  std::vector<Operand> inputs;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto fixed = options_.constants.find(names[i]);
    const std::string name = unique(names[i]);
    Operand made;
    if (fixed != options_.constants.end()) {
      made.value = graph_.add_constant(name, onnx::filled(shapes[i], fixed->second));
    } else {
      made.value = graph_.add_value(names[i], shapes[i].dtype, shapes[i].shape);
      graph_.inputs.push_back(made.value);
    }
    inputs.push_back(made);
  }
  return inputs;
}

const Operand& Importer::read(Scope& scope, int32_t index) {
  const auto at = static_cast<size_t>(index);
  const tfl::Tensor& tensor = scope.tensor(index);
  Operand& operand = scope.values[at];
  operand.tensor = &tensor;
  if (scope.written[at] || operand.value != kNoValue) return operand;
  if (tensor.is_variable()) {
    throw ConvertError(tensor_label(tensor) + " keeps state between runs, which is not supported");
  }
  const bool empty = tensor.shape() != nullptr && graph::element_count(shape_of(tensor)) == 0;
  if (!file_.is_constant(tensor) && !empty) {
    throw ConvertError(tensor_label(tensor) + " is read before any op has written it");
  }
  operand.value = graph_.add_constant(unique(tensor_name(tensor)), make_constant(file_, tensor));
  return operand;
}

/// The last node of an op bears the name of what it makes.
void Importer::name_result(ValueId id, const std::string& name) {
  graph_.value(id).name = result_name(name, 0);
  const graph::NodeId producer = graph_.producer_id(id);
  if (producer != graph::kNoNode) graph_.node(producer).name = name;
}

std::vector<Operand> Importer::results_of(Scope& scope, const tfl::Operator& op,
                                          const std::vector<Operand>& operands,
                                          const std::string& stem, int depth) {
  const int32_t code = file_.op_code(op);
  if (code == static_cast<int32_t>(tfl::BuiltinOperator::STABLEHLO_COMPOSITE)) {
    const auto* options = op.builtin_options_2_as_StableHLOCompositeOptions();
    if (options == nullptr || options->decomposition_subgraph_index() <= 0) {
      throw ConvertError("it has no graph that says what it does");
    }
    if (depth >= kCallDepthMax) throw ConvertError("graphs call each other too deeply");
    const auto index = static_cast<size_t>(options->decomposition_subgraph_index());
    return write_graph(file_.subgraph(index), operands, depth + 1);
  }
  const OpRecipe* recipe = find_recipe(code);
  if (recipe == nullptr) throw ConvertError("this op is not supported");
  const bool complex = !operands.empty() && operands[0].imaginary != kNoValue;
  std::vector<Operand> parts[2] = {operands, operands};
  if (complex && moves_complex(code)) {
    parts[0][0].imaginary = parts[1][0].imaginary = kNoValue;
    parts[1][0].value = operands[0].imaginary;
  }
  OpWriter writer(graph_, scope.graph, op, recipe->word, parts[0], stem);
  const Ids made = recipe->write(writer);
  std::vector<Operand> results;
  if (gives_complex(code)) return {{made.at(0), made.at(1), nullptr}};
  for (const ValueId id : made) results.push_back({id, kNoValue, nullptr});
  if (complex && moves_complex(code)) {
    OpWriter other(graph_, scope.graph, op, recipe->word, parts[1], stem + "/imaginary");
    results[0].imaginary = recipe->write(other).at(0);
  }
  return results;
}

void Importer::write_op(Scope& scope, size_t index, int depth) {
  const tfl::Operator& op =
      *scope.graph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index));
  std::vector<Operand> operands;
  bool reads_broken = false;
  for (size_t i = 0; i < size_of(op.inputs()); ++i) {
    const int32_t at = op.inputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    reads_broken = reads_broken || (at >= 0 && scope.broken[static_cast<size_t>(at)]);
    const bool usable = at >= 0 && !scope.broken[static_cast<size_t>(at)];
    operands.push_back(usable ? read(scope, at) : Operand());
  }
  const int32_t code = file_.op_code(op);
  const bool composite = code == static_cast<int32_t>(tfl::BuiltinOperator::STABLEHLO_COMPOSITE);
  // What only repeats an earlier fault is not reported.
  if (reads_broken && (composite || find_recipe(code) != nullptr)) throw ConvertError("");
  std::string stem = "op_" + std::to_string(index);
  for (size_t i = size_of(op.outputs()); i-- > 0;) {
    const int32_t at = op.outputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (at >= 0 && !tensor_name(scope.tensor(at)).empty()) stem = tensor_name(scope.tensor(at));
  }
  stem = unique(stem);
  const auto first_value = static_cast<ValueId>(graph_.value_count());
  const std::vector<Operand> results = results_of(scope, op, operands, stem, depth);
  std::set<ValueId> named;
  for (size_t i = 0; i < size_of(op.outputs()); ++i) {
    const int32_t at = op.outputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (at < 0) continue;
    if (i >= results.size()) throw ConvertError("it has more results than are supported");
    scope.values[static_cast<size_t>(at)] = results[i];
    const ValueId id = results[i].value;
    if (composite || id < first_value || !named.insert(id).second) continue;
    const std::string own = tensor_name(scope.tensor(at));
    name_result(id, i == 0 ? stem : unique(own.empty() ? stem : own));
  }
}

/// "op 12 'encoder/q' (CONV_2D) of float32 [1,8,8,3], int8 [4,3,3,3]", as the file says.
std::string op_label(const TfliteFile& file, const Scope& scope, size_t index) {
  const tfl::Operator& op =
      *scope.graph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index));
  std::string label = "op " + std::to_string(index);
  const int32_t out = size_of(op.outputs()) > 0 ? op.outputs()->Get(0) : -1;
  if (out >= 0) label += " '" + tensor_name(scope.tensor(out)) + "'";
  label += " (" + file.op_name(op) + ")";
  for (size_t i = 0; i < size_of(op.inputs()); ++i) {
    const int32_t at = op.inputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    label += i == 0 ? " of " : ", ";
    if (at < 0) {
      label += "nothing";
    } else {
      label += type_text(scope.tensor(at)) + " " + graph::shape_text(shape_of(scope.tensor(at)));
    }
  }
  return label;
}

std::vector<Operand> Importer::write_graph(const tfl::SubGraph& from,
                                           const std::vector<Operand>& inputs, int depth) {
  Scope scope(from);
  if (inputs.size() != size_of(from.inputs())) {
    throw ConvertError("its operands do not fit the graph that it calls");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto at = static_cast<size_t>(from.inputs()->Get(static_cast<flatbuffers::uoffset_t>(i)));
    scope.values[at] = inputs[i];
    scope.written[at] = true;
  }
  for (size_t i = 0; i < size_of(from.operators()); ++i) {
    if (++ops_ > kOpsMax) throw ConvertError("the model has too many ops");
    const tfl::Operator& op = *from.operators()->Get(static_cast<flatbuffers::uoffset_t>(i));
    std::vector<size_t> outputs;
    for (size_t j = 0; j < size_of(op.outputs()); ++j) {
      const int32_t at = op.outputs()->Get(static_cast<flatbuffers::uoffset_t>(j));
      if (at >= 0) outputs.push_back(static_cast<size_t>(at));
    }
    bool good = true;
    try {
      for (const size_t at : outputs) {
        if (scope.written[at] || scope.values[at].value != kNoValue ||
            file_.is_constant(scope.tensor(static_cast<int32_t>(at)))) {
          throw ConvertError(tensor_label(scope.tensor(static_cast<int32_t>(at))) +
                             " is written twice, or is a constant or an input");
        }
      }
      write_op(scope, i, depth);
    } catch (const ConvertError& error) {
      good = false;
      if (!error.fault().empty()) {
        faults_.push_back(op_label(file_, scope, i) + ": " + std::string(error.what()));
      }
    }
    for (const size_t at : outputs) {
      scope.written[at] = true;
      if (!good) scope.broken[at] = true;
    }
  }
  std::vector<Operand> results;
  for (size_t i = 0; i < size_of(from.outputs()); ++i) {
    const int32_t at = from.outputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    if (scope.broken[static_cast<size_t>(at)]) {
      if (depth > 0) throw ConvertError("");  // reported where it broke
      report_faults();
    }
    results.push_back(read(scope, at));
  }
  return results;
}

void Importer::report_faults() const {
  if (faults_.empty()) return;
  std::string text = faults_.size() == 1
                         ? "1 op cannot be converted:"
                         : std::to_string(faults_.size()) + " ops cannot be converted:";
  for (const std::string& line : faults_) text += "\n  " + line;
  throw ConvertError(text);
}

void Importer::add_outputs(const tfl::SubGraph& main, const std::vector<Operand>& results) {
  if (results.empty()) throw ConvertError("the model has no outputs");
  const Scope scope(main);
  std::set<std::string> seen;
  for (size_t i = 0; i < results.size(); ++i) {
    const int32_t index = main.outputs()->Get(static_cast<flatbuffers::uoffset_t>(i));
    const std::string name = signature_.output(index, scope.tensor(index));
    if (!seen.insert(name).second) throw ConvertError("two outputs are called '" + name + "'");
    if (results[i].imaginary != kNoValue) {
      throw ConvertError("complex numbers are not supported", "output '" + name + "'");
    }
    note_quantised("output '" + name + "'", scope.tensor(index));
    ValueId value = results[i].value;
    if (graph_.producer_id(value) == graph::kNoNode || graph_.is_output(value)) {
      graph::Node copy;
      copy.op = "Identity";
      copy.name = name;
      copy.inputs = {value};
      copy.outputs = {graph_.add_value(name, graph_.value(value).dtype, graph_.value(value).shape)};
      value = copy.outputs[0];
      graph_.add_node(std::move(copy));
    }
    graph_.value(value).name = name;
    graph_.outputs.push_back(value);
  }
}

onnx::ImportedModel Importer::run() {
  const tfl::SubGraph& main = file_.subgraph(0);
  if (main.name() != nullptr) graph_.name = main.name()->str();
  const std::vector<Operand> inputs = add_inputs(main);
  const std::vector<Operand> results = write_graph(main, inputs, 0);
  report_faults();
  add_outputs(main, results);
  if (size_of(file_.model().signature_defs()) > 1) {
    imported_.notes.push_back("of several signatures the model's first is converted");
  }
  if (!graph_.sort()) throw ConvertError("the graph has a cycle");
  imported_.producer = file_.model().description() == nullptr ? "TensorFlow Lite"
                                                              : file_.model().description()->str();
  return std::move(imported_);
}

}  // namespace

onnx::ImportedModel import_tflite_bytes(std::string_view bytes,
                                        const onnx::ImportOptions& options) {
  const TfliteFile file(bytes);
  return Importer(file, options).run();
}

onnx::ImportedModel import_tflite_file(const std::string& path,
                                       const onnx::ImportOptions& options) {
  const onnx::SourceFile file(path);
  try {
    return import_tflite_bytes(file.bytes(), options);
  } catch (const ConvertError& error) {
    std::string where = "file '" + path + "'";
    if (!error.where().empty()) where += ", " + error.where();
    throw ConvertError(error.fault(), where, error.remedy());
  } catch (const std::bad_alloc&) {
    throw ConvertError("not enough memory to read the model", "file '" + path + "'");
  }
}

}  // namespace heed::tflite
