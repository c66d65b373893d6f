#include "converter/onnx/onnx_import.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "converter/graph/convert_error.h"
#include "converter/graph/print_graph.h"
#include "converter/onnx/onnx_inputs.h"
#include "converter/onnx/onnx_operands.h"
#include "converter/onnx/onnx_tensor.h"
#include "converter/onnx/onnx_wire.h"
#include "converter/onnx/source_file.h"

namespace heed::onnx {
namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

// Limits that no real model meets and that keep a hostile one from nesting or multiplying.
constexpr int kNestingMax = 32;           // subgraphs and function calls within each other
constexpr size_t kNodesMax = 1u << 20;    // all nodes, functions inlined
constexpr int64_t kOpsetMin = 7;          // the oldest whose operators mean what they mean today
constexpr int64_t kJointSoftmaxEnd = 13;  // the opset that gave Softmax its present meaning

/// The names visible in one graph or function body.
struct Scope {
  Graph& graph;
  Scope* outer = nullptr;  // of a subgraph: the graph around it
  std::string prefix;      // of a function body: the call's name and "/"
  std::map<std::string, ValueId> names;
  std::vector<std::pair<ValueId, ValueId>> captures;      // of a subgraph: outer value, its own
  std::map<std::string, const WireAttribute*> arguments;  // of a function body
  int depth = 0;
};

std::string wire_label(const WireNode& node, const Scope& scope) {
  Node named;
  named.op = std::string(node.op);
  named.domain = std::string(node.domain);
  named.name = scope.prefix + std::string(node.name);
  if (node.name.empty() && !node.outputs.empty()) named.name += std::string(node.outputs[0]);
  return graph::node_label(named);
}

class Importer {
 public:
  Importer(const WireModel& model, const std::string& folder, const ImportOptions& options)
      : model_(model), files_(folder), options_(options) {
    for (const WireFunction& function : model.functions) {
      functions_[{domain_of(function.domain), std::string(function.name),
                  std::string(function.overload)}] = &function;
    }
  }

  ImportedModel run();

 private:
  using FunctionKey = std::tuple<std::string, std::string, std::string>;

  static std::string domain_of(Bytes domain) {
    return domain == "ai.onnx" ? std::string() : std::string(domain);
  }

  void read_opset();
  void add_inputs(const WireGraph& wire, Scope& scope);
  void add_initializers(const WireGraph& wire, Scope& scope);
  void define(Scope& scope, Bytes name, ValueId value, const std::string& where);
  ValueId resolve(Scope& scope, const std::string& name, const std::string& where);
  void add_nodes(const std::vector<WireNode>& nodes, Scope& scope);
  void add_node(const WireNode& wire, Scope& scope);
  void add_constant_node(const WireNode& wire, Scope& scope);
  void add_subgraphs(const WireNode& wire, Scope& scope, Node& node);
  std::shared_ptr<Graph> read_branch(Bytes bytes, Scope& outer, const std::string& where,
                                     std::vector<std::pair<ValueId, ValueId>>& captures);
  void call_function(const WireFunction& function, const WireNode& wire, Scope& scope);
  const WireAttribute* actual(const WireAttribute& attribute, const Scope& scope) const;
  graph::Attribute convert(const WireAttribute& attribute, const std::string& where);

  const WireModel& model_;
  ExternalData files_;
  const ImportOptions& options_;
  std::map<FunctionKey, const WireFunction*> functions_;
  ImportedModel imported_;
  size_t nodes_ = 0;
};

void Importer::read_opset() {
  for (const WireOpset& opset : model_.opsets) {
    if (domain_of(opset.domain).empty()) imported_.graph.opset = opset.version;
  }
  const int64_t version = imported_.graph.opset;
  if (version <= 0) {
    throw ConvertError("the model names no opset: it is cut short or is not ONNX", "",
                       "Export or copy the model again");
  }
  if (version < kOpsetMin) {
    throw ConvertError("opset " + std::to_string(version) + " is too old", "",
                       "Export the model with opset 17");
  }
  // A function with another meaning of Softmax than the model could not share its graph.
  for (const WireFunction& function : model_.functions) {
    for (const WireOpset& opset : function.opsets) {
      if (!domain_of(opset.domain).empty()) continue;
      if ((opset.version < kJointSoftmaxEnd) != (version < kJointSoftmaxEnd)) {
        throw ConvertError("function '" + std::string(function.name) + "' has opset " +
                           std::to_string(opset.version) + ", the model " +
                           std::to_string(version));
      }
    }
  }
}

void Importer::define(Scope& scope, Bytes name, ValueId value, const std::string& where) {
  if (!scope.names.emplace(std::string(name), value).second) {
    throw ConvertError("two values are called '" + std::string(name) + "'", where);
  }
}

/// The value of a name; in a subgraph, what it reads of the graphs around it becomes its input.
ValueId Importer::resolve(Scope& scope, const std::string& name, const std::string& where) {
  auto found = scope.names.find(name);
  if (found != scope.names.end()) return found->second;
  if (scope.outer == nullptr) {
    throw ConvertError("it reads '" + name + "', which nothing computes", where);
  }
  const ValueId outside = resolve(*scope.outer, name, where);
  if (outside == kNoValue) return kNoValue;  // an operand that a function was not given
  const graph::Value& value = scope.outer->graph.value(outside);
  ValueId inside;
  if (value.constant) {
    inside = scope.graph.add_constant(name, value.constant);
  } else {
    inside = scope.graph.add_value(name, value.dtype);
    scope.captures.emplace_back(outside, inside);
  }
  scope.names.emplace(name, inside);
  return inside;
}

void Importer::add_initializers(const WireGraph& wire, Scope& scope) {
  if (wire.has_sparse) throw ConvertError("sparse initialisers are not supported");
  for (const WireTensor& tensor : wire.initializers) {
    const ValueId id =
        scope.graph.add_constant(std::string(tensor.name), make_constant(tensor, files_));
    define(scope, tensor.name, id, "the initialisers");
  }
}

void Importer::add_inputs(const WireGraph& wire, Scope& scope) {
  std::vector<WireInfo> open;  // before IR 4 every initialiser was listed as an input too
  for (const WireInfo& info : wire.inputs) {
    if (scope.names.count(std::string(info.name)) == 0) open.push_back(info);
  }
  imported_.names = open_names(open);
  const std::vector<InputShape> shapes = input_shapes(open, options_, imported_.notes);
  for (size_t i = 0; i < open.size(); ++i) {
    const auto given = options_.constants.find(std::string(open[i].name));
    if (given != options_.constants.end()) {
      const ValueId id = scope.graph.add_constant(given->first, filled(shapes[i], given->second));
      define(scope, open[i].name, id, "the inputs");
      continue;
    }
    const ValueId id =
        scope.graph.add_value(std::string(open[i].name), shapes[i].dtype, shapes[i].shape);
    define(scope, open[i].name, id, "the inputs");
    scope.graph.inputs.push_back(id);
  }
}

/// Declares all outputs first: a file need not hold its nodes in the order in which they run.
void Importer::add_nodes(const std::vector<WireNode>& nodes, Scope& scope) {
  nodes_ += nodes.size();
  if (nodes_ > kNodesMax) throw ConvertError("the model has more than a million nodes");
  for (const WireNode& wire : nodes) {
    for (Bytes output : wire.outputs) {
      if (output.empty()) continue;
      define(scope, output, scope.graph.add_value(scope.prefix + std::string(output)),
             wire_label(wire, scope));
    }
  }
  for (const WireNode& wire : nodes) add_node(wire, scope);
}

/// An attribute with a function's reference replaced; null where the call does not give it.
const WireAttribute* Importer::actual(const WireAttribute& attribute, const Scope& scope) const {
  if (attribute.refers_to.empty()) return &attribute;
  auto found = scope.arguments.find(std::string(attribute.refers_to));
  return found == scope.arguments.end() ? nullptr : found->second;
}

graph::Attribute Importer::convert(const WireAttribute& attribute, const std::string& where) {
  switch (attribute.type) {
    case WireAttributeType::number:
      return attribute.number;
    case WireAttributeType::whole:
      return attribute.whole;
    case WireAttributeType::string:
      return std::string(attribute.string);
    case WireAttributeType::tensor:
      return make_constant(read_tensor(attribute.tensor), files_);
    case WireAttributeType::numbers:
      return attribute.numbers;
    case WireAttributeType::wholes:
      return attribute.wholes;
    case WireAttributeType::strings:
      return std::vector<std::string>(attribute.strings.begin(), attribute.strings.end());
    default:
      throw ConvertError("attribute '" + std::string(attribute.name) + "' is of kind " +
                             std::to_string(attribute.raw_type) + ", which is not supported",
                         where);
  }
}

void Importer::add_node(const WireNode& wire, Scope& scope) {
  const std::string where = wire_label(wire, scope);
  const auto function =
      functions_.find({domain_of(wire.domain), std::string(wire.op), std::string(wire.overload)});
  if (function != functions_.end()) return call_function(*function->second, wire, scope);
  if (wire.op == "Constant" && domain_of(wire.domain).empty()) {
    return add_constant_node(wire, scope);
  }
  Node node;
  node.op = std::string(wire.op);
  node.domain = domain_of(wire.domain);
  for (Bytes input : wire.inputs) {
    node.inputs.push_back(input.empty() ? kNoValue : resolve(scope, std::string(input), where));
  }
  for (Bytes output : wire.outputs) {
    node.outputs.push_back(output.empty() ? kNoValue : scope.names.at(std::string(output)));
  }
  if (std::all_of(node.outputs.begin(), node.outputs.end(),
                  [](ValueId id) { return id == kNoValue; })) {
    return;  // nobody can read it
  }
  node.name = scope.prefix + std::string(wire.name);
  if (wire.name.empty()) {
    const auto first = std::find_if(node.outputs.begin(), node.outputs.end(),
                                    [](ValueId id) { return id != kNoValue; });
    node.name = scope.graph.value(*first).name;
  }
  for (const WireAttribute& given : wire.attributes) {
    const WireAttribute* attribute = actual(given, scope);
    if (attribute == nullptr || attribute->type == WireAttributeType::graph) continue;
    node.attributes[std::string(given.name)] = convert(*attribute, where);
  }
  add_subgraphs(wire, scope, node);
  attributes_to_operands(scope.graph, node);
  while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
  scope.graph.add_node(std::move(node));
}

/// A Constant node becomes a constant at once.
void Importer::add_constant_node(const WireNode& wire, Scope& scope) {
  const std::string where = wire_label(wire, scope);
  if (wire.outputs.size() != 1 || wire.outputs[0].empty()) {
    throw ConvertError("a constant must have one output", where);
  }
  const WireAttribute* held = nullptr;
  for (const WireAttribute& given : wire.attributes) {
    if (given.name.substr(0, 5) == "value") held = actual(given, scope);
  }
  if (held == nullptr) throw ConvertError("a constant of this kind is not supported", where);
  graph::Attribute attribute = convert(*held, where);
  auto made = std::make_shared<graph::Constant>();
  if (auto* tensor = std::get_if<graph::ConstantPtr>(&attribute)) {
    *made = **tensor;
  } else if (auto* number = std::get_if<float>(&attribute)) {
    made->f32 = {*number};
  } else if (auto* numbers = std::get_if<std::vector<float>>(&attribute)) {
    made->shape = {static_cast<int64_t>(numbers->size())};
    made->f32 = std::move(*numbers);
  } else if (auto* whole = std::get_if<int64_t>(&attribute)) {
    made->dtype = graph::DType::i64;
    made->i64 = {*whole};
  } else if (auto* wholes = std::get_if<std::vector<int64_t>>(&attribute)) {
    made->dtype = graph::DType::i64;
    made->shape = {static_cast<int64_t>(wholes->size())};
    made->i64 = std::move(*wholes);
  } else {
    throw ConvertError("constant strings are not supported", where);
  }
  graph::Value& value = scope.graph.value(scope.names.at(std::string(wire.outputs[0])));
  value.dtype = made->dtype;
  value.shape = made->shape;
  value.constant = std::move(made);
}

/// If and its like: all branches get the same inputs, which are the node's own after the first.
void Importer::add_subgraphs(const WireNode& wire, Scope& scope, Node& node) {
  struct Branch {
    std::string key;
    std::shared_ptr<Graph> graph;
    std::vector<std::pair<ValueId, ValueId>> captures;
  };
  const std::string where = wire_label(wire, scope);
  std::vector<Branch> branches;
  std::vector<ValueId> captured;
  for (const WireAttribute& given : wire.attributes) {
    const WireAttribute* attribute = actual(given, scope);
    if (attribute == nullptr || attribute->type != WireAttributeType::graph) continue;
    Branch branch{std::string(given.name), nullptr, {}};
    branch.graph = read_branch(attribute->graph, scope, where, branch.captures);
    for (const auto& [outside, inside] : branch.captures) {
      if (std::find(captured.begin(), captured.end(), outside) == captured.end()) {
        captured.push_back(outside);
      }
    }
    branches.push_back(std::move(branch));
  }
  for (Branch& branch : branches) {
    const std::map<ValueId, ValueId> own(branch.captures.begin(), branch.captures.end());
    for (ValueId outside : captured) {
      const auto found = own.find(outside);
      branch.graph->inputs.push_back(found != own.end() ? found->second
                                                        : branch.graph->add_value("unused"));
    }
    node.attributes[branch.key] = branch.graph;
  }
  node.inputs.insert(node.inputs.end(), captured.begin(), captured.end());
}

std::shared_ptr<Graph> Importer::read_branch(Bytes bytes, Scope& outer, const std::string& where,
                                             std::vector<std::pair<ValueId, ValueId>>& captures) {
  if (outer.depth >= kNestingMax) throw ConvertError("subgraphs are nested too deeply", where);
  const WireGraph wire = read_graph(bytes);
  if (!wire.inputs.empty()) {
    throw ConvertError("loops and other subgraphs with inputs are not supported", where);
  }
  auto branch = std::make_shared<Graph>();
  branch->name = std::string(wire.name);
  branch->opset = imported_.graph.opset;
  Scope scope{*branch, &outer, outer.prefix, {}, {}, outer.arguments, outer.depth + 1};
  add_initializers(wire, scope);
  add_nodes(wire.nodes, scope);
  for (const WireInfo& output : wire.outputs) {
    branch->outputs.push_back(resolve(scope, std::string(output.name), where));
  }
  captures = std::move(scope.captures);
  return branch;
}

/// Copies a function's body in place of the call.
void Importer::call_function(const WireFunction& function, const WireNode& wire, Scope& scope) {
  const std::string where = wire_label(wire, scope);
  if (scope.depth >= kNestingMax) throw ConvertError("functions call each other too deeply", where);
  if (wire.inputs.size() > function.inputs.size() ||
      wire.outputs.size() > function.outputs.size()) {
    throw ConvertError("the call does not fit its function", where);
  }
  Scope body{scope.graph, nullptr, scope.prefix, {}, {}, {}, scope.depth + 1};
  body.prefix += std::string(wire.name.empty() ? wire.op : wire.name) + "/";
  for (const WireAttribute& given : function.defaults) {
    body.arguments[std::string(given.name)] = &given;
  }
  for (const WireAttribute& given : wire.attributes) {
    if (const WireAttribute* attribute = actual(given, scope)) {
      body.arguments[std::string(given.name)] = attribute;
    }
  }
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    const bool given = i < wire.inputs.size() && !wire.inputs[i].empty();
    define(body, function.inputs[i],
           given ? resolve(scope, std::string(wire.inputs[i]), where) : kNoValue, where);
  }
  add_nodes(function.nodes, body);
  for (size_t i = 0; i < wire.outputs.size(); ++i) {
    if (wire.outputs[i].empty()) continue;
    Node bridge;
    bridge.op = "Identity";
    bridge.name = body.prefix + std::string(function.outputs[i]);
    bridge.inputs = {resolve(body, std::string(function.outputs[i]), where)};
    bridge.outputs = {scope.names.at(std::string(wire.outputs[i]))};
    if (bridge.inputs[0] == kNoValue) throw ConvertError("a missing input is an output", where);
    scope.graph.add_node(std::move(bridge));
  }
}

ImportedModel Importer::run() {
  if (!model_.has_graph) throw ConvertError("the file holds no ONNX model");
  read_opset();
  const WireGraph wire = read_graph(model_.graph);
  Graph& graph = imported_.graph;
  graph.name = std::string(wire.name);
  Scope scope{graph, nullptr, "", {}, {}, {}, 0};
  add_initializers(wire, scope);
  add_inputs(wire, scope);
  add_nodes(wire.nodes, scope);
  if (wire.outputs.empty()) throw ConvertError("the model has no outputs");
  for (const WireInfo& output : wire.outputs) {
    graph.outputs.push_back(resolve(scope, std::string(output.name), "the model's outputs"));
  }
  if (!graph.sort()) throw ConvertError("the graph has a cycle");
  imported_.producer = std::string(model_.producer);
  if (!model_.producer_version.empty()) {
    imported_.producer += " " + std::string(model_.producer_version);
  }
  return std::move(imported_);
}

}  // namespace

ImportedModel import_onnx_bytes(std::string_view bytes, const std::string& folder,
                                const ImportOptions& options) {
  const WireModel model = read_model(bytes);
  return Importer(model, folder, options).run();
}

ImportedModel import_onnx_file(const std::string& path, const ImportOptions& options) {
  const SourceFile file(path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  try {
    return import_onnx_bytes(file.bytes(), folder.empty() ? "." : folder, options);
  } catch (const ConvertError& error) {
    std::string where = "file '" + path + "'";
    if (!error.where().empty()) where += ", " + error.where();
    throw ConvertError(error.fault(), where, error.remedy());
  } catch (const std::bad_alloc&) {
    throw ConvertError("not enough memory to read the model", "file '" + path + "'");
  }
}

}  // namespace heed::onnx
