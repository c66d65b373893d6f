#include "tests/support/onnx_builder.h"

#include <protozero/pbf_writer.hpp>

namespace heed::test {
namespace {

using protozero::pbf_writer;

struct AttributeWriter {
  pbf_writer& out;
  void type(int32_t number) const { out.add_int32(20, number); }
  void operator()(int64_t v) const {
    out.add_int64(3, v);
    type(2);
  }
  void operator()(float v) const {
    out.add_float(2, v);
    type(1);
  }
  void operator()(const std::string& v) const {
    out.add_bytes(4, v);
    type(3);
  }
  void operator()(const std::vector<int64_t>& v) const {
    for (int64_t item : v) out.add_int64(8, item);
    type(7);
  }
  void operator()(const std::vector<float>& v) const {
    for (float item : v) out.add_float(7, item);
    type(6);
  }
  void operator()(const OnnxTensor& v) const {
    out.add_message(5, v.bytes());
    type(4);
  }
  void operator()(const std::vector<std::string>& v) const {
    for (const std::string& item : v) out.add_bytes(9, item);
    type(8);
  }
};

std::string attribute_bytes(const OnnxAttribute& attribute) {
  std::string data;
  pbf_writer out{data};
  out.add_string(1, attribute.name);
  if (!attribute.refers_to.empty()) {
    out.add_string(21, attribute.refers_to);
    out.add_int32(20, 2);
  } else if (!attribute.graph.empty()) {
    out.add_message(6, attribute.graph);
    out.add_int32(20, 5);
  } else {
    std::visit(AttributeWriter{out}, attribute.value);
  }
  return data;
}

std::string info_bytes(const OnnxGraph::Info& info) {
  std::string data;
  pbf_writer out{data};
  out.add_string(1, info.name);
  pbf_writer type{out, 2};
  pbf_writer tensor{type, 1};
  tensor.add_int32(1, static_cast<int32_t>(info.type));
  pbf_writer shape{tensor, 2};
  for (const OnnxDim& dim : info.dims) {
    pbf_writer item{shape, 1};
    if (!dim.symbolic) {
      item.add_int64(1, dim.value);
    } else if (!dim.symbol.empty()) {
      item.add_string(2, dim.symbol);
    }
  }
  return data;
}

void add_opset(pbf_writer& out, protozero::pbf_tag_type tag, const std::string& domain,
               int64_t version) {
  pbf_writer item{out, tag};
  item.add_string(1, domain);
  item.add_int64(2, version);
}

void add_integers(pbf_writer& out, OnnxType type, const std::vector<int64_t>& values) {
  const bool wide = type == OnnxType::i64;
  const bool wide_unsigned = type == OnnxType::u32 || type == OnnxType::u64;
  if (wide) {
    out.add_packed_int64(7, values.begin(), values.end());
  } else if (wide_unsigned) {
    std::vector<uint64_t> list(values.begin(), values.end());
    out.add_packed_uint64(11, list.begin(), list.end());
  } else {
    std::vector<int32_t> list;
    for (int64_t v : values) list.push_back(static_cast<int32_t>(v));
    out.add_packed_int32(5, list.begin(), list.end());
  }
}

void add_external(pbf_writer& out, const std::string& key, const std::string& value) {
  pbf_writer item{out, 13};
  item.add_string(1, key);
  item.add_string(2, value);
}

}  // namespace

std::string OnnxTensor::bytes() const {
  std::string data;
  pbf_writer out{data};
  for (int64_t dim : dims) out.add_int64(1, dim);
  out.add_int32(2, static_cast<int32_t>(type));
  out.add_string(8, name);
  if (encoding == OnnxEncoding::raw) out.add_bytes(9, raw);
  if (encoding == OnnxEncoding::typed) {
    if (!floats.empty()) out.add_packed_float(4, floats.begin(), floats.end());
    if (!doubles.empty()) out.add_packed_double(10, doubles.begin(), doubles.end());
    if (!integers.empty()) add_integers(out, type, integers);
  }
  if (encoding == OnnxEncoding::external) {
    add_external(out, "location", location);
    if (offset >= 0) add_external(out, "offset", std::to_string(offset));
    if (length >= 0) add_external(out, "length", std::to_string(length));
    out.add_int32(14, 1);
  }
  return data;
}

OnnxTensor float_tensor(std::string name, std::vector<int64_t> dims, std::vector<float> values) {
  OnnxTensor tensor;
  tensor.name = std::move(name);
  tensor.dims = std::move(dims);
  tensor.raw = raw_bytes(values);
  return tensor;
}

OnnxTensor int_tensor(std::string name, std::vector<int64_t> dims, std::vector<int64_t> values) {
  OnnxTensor tensor;
  tensor.name = std::move(name);
  tensor.type = OnnxType::i64;
  tensor.dims = std::move(dims);
  tensor.raw = raw_bytes(values);
  return tensor;
}

OnnxAttribute::OnnxAttribute(std::string key, const OnnxGraph& v)
    : name(std::move(key)), value(int64_t{0}), graph(v.bytes()) {}

OnnxAttribute OnnxAttribute::reference(std::string key, std::string of) {
  OnnxAttribute made(std::move(key), 0);
  made.refers_to = std::move(of);
  return made;
}

std::string OnnxNode::bytes() const {
  std::string data;
  pbf_writer out{data};
  for (const std::string& input : inputs) out.add_string(1, input);
  for (const std::string& output : outputs) out.add_string(2, output);
  out.add_string(3, name.empty() && !outputs.empty() ? outputs[0] : name);
  out.add_string(4, op);
  for (const OnnxAttribute& attribute : attributes) {
    out.add_message(5, attribute_bytes(attribute));
  }
  if (!domain.empty()) out.add_string(7, domain);
  return data;
}

std::string OnnxGraph::node(std::string op, std::vector<std::string> ins, std::string out,
                            std::vector<OnnxAttribute> attributes, std::string domain) {
  OnnxNode added{std::move(op), std::move(ins), {out}, std::move(attributes), std::move(domain),
                 ""};
  nodes.push_back(std::move(added));
  return out;
}

std::string OnnxGraph::weight(std::string weight_name, std::vector<int64_t> dims,
                              std::vector<float> values) {
  initializers.push_back(float_tensor(weight_name, std::move(dims), std::move(values)));
  return weight_name;
}

std::string OnnxGraph::integers(std::string constant_name, std::vector<int64_t> dims,
                                std::vector<int64_t> values) {
  initializers.push_back(int_tensor(constant_name, std::move(dims), std::move(values)));
  return constant_name;
}

void OnnxGraph::input(std::string input_name, std::vector<OnnxDim> dims, OnnxType type) {
  inputs.push_back({std::move(input_name), type, std::move(dims)});
}

void OnnxGraph::output(std::string output_name, std::vector<OnnxDim> dims, OnnxType type) {
  outputs.push_back({std::move(output_name), type, std::move(dims)});
}

std::string OnnxGraph::bytes() const {
  std::string data;
  pbf_writer out{data};
  for (const OnnxNode& item : nodes) out.add_message(1, item.bytes());
  out.add_string(2, name);
  for (const OnnxTensor& item : initializers) out.add_message(5, item.bytes());
  for (const Info& item : inputs) out.add_message(11, info_bytes(item));
  for (const Info& item : outputs) out.add_message(12, info_bytes(item));
  return data;
}

std::string OnnxFunction::bytes() const {
  std::string data;
  pbf_writer out{data};
  out.add_string(1, name);
  for (const std::string& item : inputs) out.add_string(4, item);
  for (const std::string& item : outputs) out.add_string(5, item);
  for (const std::string& item : attributes) out.add_string(6, item);
  for (const OnnxNode& item : nodes) out.add_message(7, item.bytes());
  out.add_string(10, domain);
  for (const OnnxAttribute& item : defaults) out.add_message(11, attribute_bytes(item));
  return data;
}

std::string OnnxModel::bytes() const {
  std::string data;
  pbf_writer out{data};
  out.add_int64(1, ir_version);
  out.add_string(2, "onnx_builder");
  out.add_message(7, graph.bytes());
  add_opset(out, 8, "", opset);
  for (const auto& [domain, version] : other_domains) add_opset(out, 8, domain, version);
  for (const OnnxFunction& function : functions) out.add_message(25, function.bytes());
  return data;
}

}  // namespace heed::test
