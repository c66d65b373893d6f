#include "converter/onnx/onnx_wire.h"

#include <protozero/pbf_reader.hpp>

#include "converter/graph/convert_error.h"

namespace heed::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr pbf_wire_type kBytes = pbf_wire_type::length_delimited;
constexpr pbf_wire_type kVarint = pbf_wire_type::varint;
constexpr pbf_wire_type kFixed32 = pbf_wire_type::fixed32;
constexpr pbf_wire_type kFixed64 = pbf_wire_type::fixed64;

Bytes view(pbf_reader& reader) {
  const protozero::data_view data = reader.get_view();
  return Bytes(data.data(), data.size());
}

pbf_reader reader_of(Bytes bytes) { return pbf_reader(bytes.data(), bytes.size()); }

template <class Range, class T>
void append(const Range& range, std::vector<T>& to) {
  for (auto item : range) to.push_back(static_cast<T>(item));
}

WireOpset read_opset(Bytes bytes) {
  WireOpset opset;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): opset.domain = view(in); break;
      case tag_and_type(2, kVarint): opset.version = in.get_int64(); break;
      default: in.skip();
    }
  }
  return opset;
}

std::pair<Bytes, Bytes> read_entry(Bytes bytes) {
  std::pair<Bytes, Bytes> entry;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): entry.first = view(in); break;
      case tag_and_type(2, kBytes): entry.second = view(in); break;
      default: in.skip();
    }
  }
  return entry;
}

WireAttribute read_attribute(Bytes bytes) {
  WireAttribute attribute;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): attribute.name = view(in); break;
      case tag_and_type(2, kFixed32): attribute.number = in.get_float(); break;
      case tag_and_type(3, kVarint): attribute.whole = in.get_int64(); break;
      case tag_and_type(4, kBytes): attribute.string = view(in); break;
      case tag_and_type(5, kBytes): attribute.tensor = view(in); break;
      case tag_and_type(6, kBytes): attribute.graph = view(in); break;
      case tag_and_type(7, kFixed32): attribute.numbers.push_back(in.get_float()); break;
      case tag_and_type(7, kBytes): append(in.get_packed_float(), attribute.numbers); break;
      case tag_and_type(8, kVarint): attribute.wholes.push_back(in.get_int64()); break;
      case tag_and_type(8, kBytes): append(in.get_packed_int64(), attribute.wholes); break;
      case tag_and_type(9, kBytes): attribute.strings.push_back(view(in)); break;
      case tag_and_type(20, kVarint): attribute.raw_type = in.get_int32(); break;
      case tag_and_type(21, kBytes): attribute.refers_to = view(in); break;
      default: in.skip();
    }
  }
  if (attribute.raw_type >= 0 && attribute.raw_type <= 8) {
    attribute.type = static_cast<WireAttributeType>(attribute.raw_type);
  }
  return attribute;
}

WireNode read_node(Bytes bytes) {
  WireNode node;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): node.inputs.push_back(view(in)); break;
      case tag_and_type(2, kBytes): node.outputs.push_back(view(in)); break;
      case tag_and_type(3, kBytes): node.name = view(in); break;
      case tag_and_type(4, kBytes): node.op = view(in); break;
      case tag_and_type(5, kBytes): node.attributes.push_back(read_attribute(view(in))); break;
      case tag_and_type(7, kBytes): node.domain = view(in); break;
      case tag_and_type(8, kBytes): node.overload = view(in); break;
      default: in.skip();
    }
  }
  return node;
}

WireDim read_dim(Bytes bytes) {
  WireDim dim;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kVarint): dim.value = in.get_int64(); break;
      case tag_and_type(2, kBytes): dim.symbol = view(in); break;
      default: in.skip();
    }
  }
  return dim;
}

void read_tensor_type(Bytes bytes, WireInfo& info) {
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kVarint): info.type = static_cast<WireType>(in.get_int32()); break;
      case tag_and_type(2, kBytes): {
        info.has_shape = true;
        pbf_reader shape = reader_of(view(in));
        while (shape.next(1, kBytes)) info.dims.push_back(read_dim(view(shape)));
        break;
      }
      default: in.skip();
    }
  }
}

WireInfo read_info(Bytes bytes) {
  WireInfo info;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): info.name = view(in); break;
      case tag_and_type(2, kBytes): {
        pbf_reader type = reader_of(view(in));
        while (type.next(1, kBytes)) {
          info.is_tensor = true;
          read_tensor_type(view(type), info);
        }
        break;
      }
      default: in.skip();
    }
  }
  return info;
}

WireFunction read_function(Bytes bytes) {
  WireFunction function;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): function.name = view(in); break;
      case tag_and_type(4, kBytes): function.inputs.push_back(view(in)); break;
      case tag_and_type(5, kBytes): function.outputs.push_back(view(in)); break;
      case tag_and_type(6, kBytes): function.attributes.push_back(view(in)); break;
      case tag_and_type(7, kBytes): function.nodes.push_back(read_node(view(in))); break;
      case tag_and_type(9, kBytes): function.opsets.push_back(read_opset(view(in))); break;
      case tag_and_type(10, kBytes): function.domain = view(in); break;
      case tag_and_type(11, kBytes): function.defaults.push_back(read_attribute(view(in))); break;
      case tag_and_type(13, kBytes): function.overload = view(in); break;
      default: in.skip();
    }
  }
  return function;
}

WireTensor parse_tensor(Bytes bytes) {
  WireTensor tensor;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kVarint): tensor.dims.push_back(in.get_int64()); break;
      case tag_and_type(1, kBytes): append(in.get_packed_int64(), tensor.dims); break;
      case tag_and_type(2, kVarint): tensor.type = static_cast<WireType>(in.get_int32()); break;
      case tag_and_type(4, kFixed32): tensor.floats.push_back(in.get_float()); break;
      case tag_and_type(4, kBytes): append(in.get_packed_float(), tensor.floats); break;
      case tag_and_type(5, kVarint): tensor.integers.push_back(in.get_int32()); break;
      case tag_and_type(5, kBytes): append(in.get_packed_int32(), tensor.integers); break;
      case tag_and_type(7, kVarint): tensor.integers.push_back(in.get_int64()); break;
      case tag_and_type(7, kBytes): append(in.get_packed_int64(), tensor.integers); break;
      case tag_and_type(8, kBytes): tensor.name = view(in); break;
      case tag_and_type(9, kBytes):
        tensor.raw = view(in);
        tensor.has_raw = true;
        break;
      case tag_and_type(10, kFixed64): tensor.doubles.push_back(in.get_double()); break;
      case tag_and_type(10, kBytes): append(in.get_packed_double(), tensor.doubles); break;
      case tag_and_type(11, kVarint): append(std::vector{in.get_uint64()}, tensor.integers); break;
      case tag_and_type(11, kBytes): append(in.get_packed_uint64(), tensor.integers); break;
      case tag_and_type(13, kBytes): tensor.external_data.push_back(read_entry(view(in))); break;
      case tag_and_type(14, kVarint): tensor.external = in.get_int32() == 1; break;
      default: in.skip();
    }
  }
  return tensor;
}

WireGraph parse_graph(Bytes bytes) {
  WireGraph graph;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kBytes): graph.nodes.push_back(read_node(view(in))); break;
      case tag_and_type(2, kBytes): graph.name = view(in); break;
      case tag_and_type(5, kBytes): graph.initializers.push_back(parse_tensor(view(in))); break;
      case tag_and_type(11, kBytes): graph.inputs.push_back(read_info(view(in))); break;
      case tag_and_type(12, kBytes): graph.outputs.push_back(read_info(view(in))); break;
      case tag_and_type(15, kBytes):
        graph.has_sparse = true;
        in.skip();
        break;
      default: in.skip();
    }
  }
  return graph;
}

WireModel parse_model(Bytes bytes) {
  WireModel model;
  pbf_reader in = reader_of(bytes);
  while (in.next()) {
    switch (in.tag_and_type()) {
      case tag_and_type(1, kVarint): model.ir_version = in.get_int64(); break;
      case tag_and_type(2, kBytes): model.producer = view(in); break;
      case tag_and_type(3, kBytes): model.producer_version = view(in); break;
      case tag_and_type(7, kBytes):
        model.graph = view(in);
        model.has_graph = true;
        break;
      case tag_and_type(8, kBytes): model.opsets.push_back(read_opset(view(in))); break;
      case tag_and_type(25, kBytes): model.functions.push_back(read_function(view(in))); break;
      default: in.skip();
    }
  }
  return model;
}

template <class Parse>
auto guarded(Parse parse, Bytes bytes, const char* what) {
  try {
    return parse(bytes);
  } catch (const protozero::exception& error) {
    throw ConvertError(std::string("the ") + what + " is cut short or is not ONNX (" +
                           error.what() + ")",
                       "", "Export or copy the model again");
  }
}

}  // namespace

WireModel read_model(Bytes bytes) { return guarded(parse_model, bytes, "file"); }
WireGraph read_graph(Bytes bytes) { return guarded(parse_graph, bytes, "graph"); }
WireTensor read_tensor(Bytes bytes) { return guarded(parse_tensor, bytes, "tensor"); }

}  // namespace heed::onnx
