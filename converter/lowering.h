#pragma once
// The state of one lowering, shared by the files lower_*.cpp: which storages each value needs,
// where it lies, and the ops made so far. Private to the converter.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/file_model.h"
#include "converter/graph/graph.h"
#include "converter/lower.h"
#include "converter/lower_aliases.h"
#include "converter/lower_chains.h"
#include "converter/quantize/precision.h"

namespace heed {

/// An int8 copy of a value's rows, as a reader wants it.
struct Q8Spec {
  uint32_t halo = 0, group = 0;
  bool operator==(const Q8Spec&) const = default;
};

/// What every value must exist as. "Plain": elements of its own type, row-major.
class Demands {
 public:
  Demands(const graph::Graph& graph, const Aliases& aliases, const Chains& chains,
          const PrecisionPlan& precision);

  bool plain(graph::ValueId value) const { return plain_[static_cast<size_t>(value)]; }
  /// By rows root; the first is the one that the chain which makes these rows stores.
  const std::vector<Q8Spec>& q8(graph::ValueId root) const {
    return q8_[static_cast<size_t>(root)];
  }

 private:
  void of_node(graph::NodeId id);
  void want_plain(graph::ValueId value);
  void want_q8(graph::ValueId value, Q8Spec spec);

  const graph::Graph& graph_;
  const Aliases& aliases_;
  const Chains& chains_;
  const PrecisionPlan& precision_;
  std::vector<bool> plain_;
  std::vector<std::vector<Q8Spec>> q8_;
};

/// The int8 rows that a weighted node reads, given its precision; nothing for float ones.
bool reads_q8(const graph::Graph& graph, graph::NodeId id, const PrecisionPlan& precision,
              Q8Spec* spec);

class Lowering {
 public:
  Lowering(const graph::Graph& graph, const PrecisionPlan& precision, FileModel& file);

  fb::EntryPointT run(const std::string& entry_point);
  /// After run(): the nodes that became general ops.
  const std::vector<std::string>& general_nodes() const { return general_nodes_; }

 private:
  // lower.cpp: values and their memory
  const graph::Shape& shape(graph::ValueId value) const { return *graph_.value(value).shape; }
  const std::string& name(graph::ValueId value) const { return graph_.value(value).name; }
  /// The tensor that holds a value for reading; made from constants and aliases on first use.
  int32_t plain(graph::ValueId value);
  /// The tensor that the value's own op writes.
  int32_t make_plain(graph::ValueId value);
  /// An int8 copy of a value's rows; a Rows op makes it where no producer has.
  int32_t q8(graph::ValueId value, Q8Spec spec);
  int32_t constant(graph::ValueId value);
  /// plain(value) seen under another shape of as many elements.
  int32_t reshaped(graph::ValueId value, const Dims& dims);
  int32_t view(int32_t tensor, int64_t first_element, const Dims& dims);
  int32_t scratch(const graph::Node& node, const std::string& what, DataType type,
                  const Dims& dims);
  int32_t float_constant(const std::string& name, const Dims& dims, const std::vector<float>& v);
  template <class Options>
  void emit(const std::string& op_name, Options options, std::vector<int32_t> inputs,
            std::vector<int32_t> outputs) {
    auto op = std::make_unique<fb::OpT>();
    op->name = op_name;
    op->options.Set(std::move(options));
    op->inputs = std::move(inputs);
    op->outputs = std::move(outputs);
    entry_.ops.push_back(std::move(op));
  }
  void place_concats();
  void lower_node(graph::NodeId id);
  void unsupported(const graph::Node& node, const std::string& reason);
  struct Unmade {};  // thrown: a value is missing because of a node that is unsupported
  void finish_outputs();

  // lower_permuted.cpp: transposes that rows can be read through
  void fold_transposes();
  bool rows_permute(fb::OpT& rows, const fb::OpT& transpose);

  // lower_fused.cpp, lower_attention.cpp: ops with epilogues
  void lower_chain(const Chain& chain);
  std::vector<int32_t> chain_outputs(const Chain& chain);
  fb::EpilogueT epilogue_of(const Chain& chain);
  void lower_linear(const Chain& chain);
  void lower_linear_per_batch(const Chain& chain);
  void lower_attention(const Chain& chain);
  void emit_attention(const graph::Node& node, fb::EpilogueT epilogue,
                      std::vector<int32_t> outputs);
  void lower_depthwise(const Chain& chain);
  void lower_embedding(const Chain& chain);
  bool is_a_layers_too(const graph::Constant& table) const;
  void lower_rows(const Chain& chain);
  bool keeps_int8_table(const Chain& chain) const;
  void emit_table(graph::ValueId table, int64_t rows, const std::string& op_name,
                  fb::EpilogueT epilogue, std::vector<int32_t> outputs);
  int32_t residual_of(const Chain& chain);
  struct HeadsCut {
    uint32_t batch, kv_heads, share, width, column;
    bool swap;
  };
  void lower_float_attention(const graph::Node& node);
  int32_t attention_heads(const graph::Node& node, graph::ValueId value, const HeadsCut& cut);
  static std::vector<float> hidden_keys(const graph::Node& node, uint32_t queries, uint32_t keys);
  int32_t attention_mask(const graph::Node& node, const Dims& scores);
  fb::PixelWindowT pixel_window(const graph::Node& node) const;
  std::vector<int32_t> weight_operands(const graph::Node& node, const LayerPrecision& precision,
                                       int64_t window);
  bool lower_state(const graph::Node& node);
  bool lower_rope(const graph::Node& node);
  int32_t absent_keys(const graph::Node& node, const Dims& scores);
  bool lower_patches(const graph::Node& node);
  bool lower_conv(const graph::Node& node);
  bool lower_pool(const graph::Node& node);

  // lower_elementwise.cpp, lower_moves.cpp, lower_reductions.cpp: general ops. Each returns false
  // when the node is none of its ops.
  bool lower_unary(const graph::Node& node);
  bool lower_binary(const graph::Node& node);
  bool lower_clip(const graph::Node& node);
  bool lower_prelu(const graph::Node& node);
  bool lower_affine(const graph::Node& node);
  bool lower_move(const graph::Node& node);
  bool lower_concat(const graph::Node& node);
  bool lower_slice(const graph::Node& node);
  bool lower_gather(const graph::Node& node);
  bool lower_pad(const graph::Node& node);
  bool lower_tile(const graph::Node& node);
  bool lower_block_move(const graph::Node& node);
  bool lower_matmul(const graph::Node& node);
  bool lower_gemm(const graph::Node& node);
  bool lower_softmax(const graph::Node& node);
  bool lower_reduce(const graph::Node& node);
  bool lower_normalization(const graph::Node& node);
  int32_t transposed(const graph::Node& node, int32_t tensor, const std::vector<uint32_t>& order,
                     int32_t into = -1);
  int32_t binary(const graph::Node& node, fb::BinaryKind kind, int32_t a, int32_t b, int32_t out);
  int32_t broadcast_of(int32_t a, int32_t b, const graph::Node& node, DataType type);

  const graph::Graph& graph_;
  const PrecisionPlan& precision_;
  FileModel& file_;
  Aliases aliases_;
  Chains chains_;
  Demands demands_;
  fb::EntryPointT entry_;
  int64_t int8_weights_ = 0;
  std::vector<int32_t> plain_;                          // by value; -1: not yet
  std::map<std::pair<graph::ValueId, std::pair<uint32_t, uint32_t>>, int32_t> q8_;
  struct Place {
    graph::ValueId concat = graph::kNoValue;
    int64_t first_element = 0;
  };
  std::vector<Place> places_;                           // by value: written into a concat's result
  std::vector<std::string> faults_, general_nodes_;
};

DataType data_type(graph::DType type);
Dims to_dims(const graph::Shape& shape);

}  // namespace heed
