#pragma once
// A small face over graph::Graph in which recipes say networks. Weights are taken from the
// checkpoint by name; shapes are known after every call (shape()), and a tensor that is missing or
// of another shape than the network needs is one ConvertError with its name and shape.
//
// Nodes carry the checkpoint's names ("encoder.layer.0.attention.self.query"), so that
// --keep-float patterns and reports speak of layers as their publisher does. Say what a network
// is, not how to run it: the passes merge q, k and v projections, absorb activations and residual
// sums, and choose int8.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "converter/graph/graph.h"
#include "models/families/checkpoint.h"

namespace heed::families {

using graph::DType;
using graph::kNoValue;
using graph::Shape;
using graph::ValueId;

/// Attention over rows [B,T,*]; see converter/graph/fused_ops.h. Zeros: the usual.
struct AttentionPlan {
  int64_t heads = 1;
  int64_t head_width = 0;
  int64_t kv_heads = 0;     // 0: heads
  int64_t value_width = 0;  // 0: head_width
  float scale = 0;          // 0: 1 / sqrt(head_width)
  bool causal = false;
  int64_t window = 0;
  int64_t q_column = 0, k_column = 0, v_column = 0;  // of head 0 in a row
};

/// Rotary positions; see converter/graph/fused_ops.h.
struct RopePlan {
  int64_t heads = 1;
  int64_t head_width = 0;
  int64_t column = 0;        // of head 0 in a row of x
  bool interleaved = false;  // pairs (2i, 2i+1); else (i, i + half)
};

/// A convolution's geometry over one or two spatial dimensions. Empty: ones, and zeros for pads.
struct ConvPlan {
  std::vector<int64_t> strides = {}, dilations = {};
  std::vector<int64_t> pads = {};  // all befores, then all afters
  int64_t group = 1;
  bool bias = true;
};

class Net {
 public:
  explicit Net(Checkpoint& checkpoint);

  // --- in and out
  ValueId input(const std::string& name, Shape shape, DType dtype = DType::f32);
  void output(const std::string& name, ValueId value);

  // --- weights and constants
  /// A tensor of the checkpoint. A dimension of -1 in `expected` may have any size; an empty
  /// `expected` asks nothing.
  ValueId weight(const std::string& name, const Shape& expected = {});
  ValueId floats(const std::string& name, Shape shape, std::vector<float> values);
  ValueId integers(const std::string& name, Shape shape, std::vector<int64_t> values);
  ValueId scalar(float value);

  // --- layers: weights "<prefix>.weight" and "<prefix>.bias"
  /// x [..,K] -> [..,N]; a bias is taken where the checkpoint has one. activation: see
  /// fused_ops.h ("Relu", "GeluErf", ...), or "".
  ValueId linear(ValueId x, const std::string& prefix, int64_t outputs,
                 const std::string& activation = "");
  /// Several layers of one input side by side: their outputs, row by row one after the other.
  struct Part {
    std::string prefix;
    int64_t outputs;
  };
  ValueId linear(ValueId x, const std::vector<Part>& parts, const std::string& name);
  /// The same with weights at hand: weight [N,K], bias [N] or kNoValue.
  ValueId linear(ValueId x, ValueId weight, ValueId bias, const std::string& name,
                 const std::string& activation = "");
  ValueId layer_norm(ValueId x, const std::string& prefix, double epsilon);
  ValueId rms_norm(ValueId x, const std::string& prefix, double epsilon);
  /// Of pictures [B,C,H,W], by the running mean and variance of training.
  ValueId batch_norm(ValueId x, const std::string& prefix, double epsilon);
  /// Rows of the table "<prefix>.weight" [rows, width]; rows -1: any number.
  ValueId embedding(ValueId ids, const std::string& prefix, int64_t rows, int64_t width);
  /// Two hidden layers of `width` with ReLU: "<prefix>.layers.0" to "2".
  ValueId perceptron(ValueId x, const std::string& prefix, int64_t width);
  /// x [B,C,spatial..] -> [B,outputs,spatial'..], as in PyTorch.
  ValueId conv(ValueId x, const std::string& prefix, int64_t outputs,
               const std::vector<int64_t>& kernel, const ConvPlan& plan = {});

  // --- without weights
  /// mask: absent, or f32 broadcastable to [B,heads,T,S], added to the scores. length: absent, or
  /// i64 [1]: how many of the keys are there.
  ValueId attention(ValueId q, ValueId k, ValueId v, const AttentionPlan& plan,
                    const std::string& name, ValueId mask = kNoValue, ValueId length = kNoValue);
  /// x [B,T,*] turned by rows of `angles` from `position` (i64 [1], absent: 0) on.
  ValueId rope(ValueId x, ValueId angles, ValueId position, const RopePlan& plan,
               const std::string& name);
  ValueId activation(ValueId x, const std::string& name);
  ValueId add(ValueId a, ValueId b) { return op("Add", {a, b}); }
  ValueId sub(ValueId a, ValueId b) { return op("Sub", {a, b}); }
  ValueId mul(ValueId a, ValueId b) { return op("Mul", {a, b}); }
  ValueId div(ValueId a, ValueId b) { return op("Div", {a, b}); }
  ValueId matmul(ValueId a, ValueId b) { return op("MatMul", {a, b}); }
  ValueId reshape(ValueId x, Shape shape);  // one dimension may be -1
  ValueId transpose(ValueId x, std::vector<int64_t> perm);
  ValueId slice(ValueId x, int64_t axis, int64_t start, int64_t end);
  ValueId concat(std::vector<ValueId> parts, int64_t axis);
  ValueId softmax(ValueId x, int64_t axis = -1);
  /// A picture [B,C,H,W] in another size, bilinear with half-pixel centres.
  ValueId resize(ValueId x, int64_t height, int64_t width, const std::string& name);
  ValueId mean(ValueId x, std::vector<int64_t> axes, bool keep_dims);
  ValueId sum(ValueId x, std::vector<int64_t> axes, bool keep_dims);
  ValueId to_floats(ValueId x);  // Cast
  /// 0 where an element of `mask` (i64, 1: keep) is 1 and a large negative number where it is 0:
  /// what attention adds to scores. [1,S] -> [1,1,1,S].
  ValueId key_mask(ValueId mask);

  // --- what lives from run to run
  /// The state of that name, [B,capacity,W], as it is when a run begins; entry points that name the
  /// same share it. holds: "keys" or "values", what attention reads from it; head_width: theirs.
  ValueId state(const std::string& name, Shape shape, int64_t head_width, const char* holds);
  /// Rows of x [B,T,*], W columns from x_column on, join a state from `position` (i64 [1]) on;
  /// gives the state as it is then.
  ValueId append(ValueId state, ValueId x, ValueId position, int64_t x_column = 0);

  /// Any op that converter/graph/rules knows; "" is ONNX's domain (opset 18), "heed" the fused
  /// ops. Gives the first of `outputs` results.
  ValueId op(const std::string& op, std::vector<ValueId> inputs, graph::Attributes attributes = {},
             const std::string& name = "", const std::string& domain = "");
  std::vector<ValueId> ops(const std::string& op, std::vector<ValueId> inputs, size_t outputs,
                           graph::Attributes attributes = {}, const std::string& name = "",
                           const std::string& domain = "");

  const Shape& shape(ValueId value) const;
  /// Dimension i, from the end where negative.
  int64_t size(ValueId value, int64_t i) const;
  Checkpoint& checkpoint() { return checkpoint_; }

  /// Call once, at the end: the graph in order, without what nobody reads.
  graph::Graph finish();

 private:
  std::string unique(const std::string& name);

  Checkpoint& checkpoint_;
  graph::Graph graph_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> counts_;
  std::map<std::string, ValueId> weights_;
};

/// The name that fused_ops.h gives to an activation of config.json ("gelu", "gelu_new",
/// "quick_gelu", "silu", "relu", ...). Throws ConvertError for one it does not know.
std::string activation_named(const std::string& hidden_act);

}  // namespace heed::families
