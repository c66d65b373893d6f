// The fused ops of fused_ops.h: those with an epilogue, and convolution, pooling and patches.

#include <algorithm>
#include <cstddef>
#include <memory>

#include "converter/graph/convert_error.h"
#include "converter/graph/fused_ops.h"
#include "converter/lowering.h"
#include "converter/quantize/quantize_weights.h"

namespace heed {
namespace {

using graph::Constant;
using graph::kFusedDomain;
using graph::kNoNode;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

ValueId input_or_none(const Node& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

uint32_t u32(int64_t value) { return static_cast<uint32_t>(value); }

/// Weights of an entry point from which on their sums are stored: below, a session makes them in
/// well under a millisecond.
constexpr int64_t kStoredSumWeights = 1 << 20;

fb::Activation activation_of(const Node& node) {
  const std::string kind = node.string_or("activation", "");
  static const std::pair<const char*, fb::Activation> kKinds[] = {
      {"", fb::Activation::none},
      {"Relu", fb::Activation::relu},
      {"GeluErf", fb::Activation::gelu_erf},
      {"GeluTanh", fb::Activation::gelu_tanh},
      {"GeluSigmoid", fb::Activation::gelu_sigmoid},
      {"Silu", fb::Activation::silu},
      {"Sigmoid", fb::Activation::sigmoid},
      {"Tanh", fb::Activation::tanh}};
  for (const auto& [text, value] : kKinds)
    if (kind == text) return value;
  throw ConvertError("activation '" + kind + "' is unknown to the engine");
}

}  // namespace

void Lowering::lower_chain(const Chain& chain) {
  const Node& core = graph_.node(chain.core);
  if (core.is("Attention", kFusedDomain)) {
    lower_attention(chain);
  } else if (core.is("Depthwise", kFusedDomain)) {
    lower_depthwise(chain);
  } else if (core.is("Embedding", kFusedDomain)) {
    lower_embedding(chain);
  } else if (core.is("Norm", kFusedDomain) || core.is("Activation", kFusedDomain)) {
    lower_rows(chain);
  } else if (core.is("Add")) {
    // Alone, an Add is a Binary op; with a norm or int8 rows to make it is a Rows op.
    const bool alone =
        chain.norm == kNoNode && demands_.q8(aliases_.rows_root(chain.result())).empty();
    if (alone) {
      lower_binary(core);
      general_nodes_.push_back(core.name);
    } else {
      lower_rows(chain);
    }
  } else if (chain.per_batch) {
    lower_linear_per_batch(chain);
  } else {
    lower_linear(chain);
  }
}

namespace {

/// To 1.3e-4, where there is such a form.
fb::Activation short_form(fb::Activation activation) {
  switch (activation) {
    case fb::Activation::gelu_erf:
      return fb::Activation::gelu_erf_short;
    case fb::Activation::gelu_tanh:
      return fb::Activation::gelu_tanh_short;
    case fb::Activation::silu:
      return fb::Activation::silu_short;
    default:
      return activation;
  }
}

}  // namespace

fb::EpilogueT Lowering::epilogue_of(const Chain& chain) {
  fb::EpilogueT epilogue;
  const Node& core = graph_.node(chain.core);
  if (core.domain == kFusedDomain) epilogue.activation = activation_of(core);
  if (chain.residual != kNoValue) epilogue.residual = residual_of(chain);
  // Rows that nobody reads as floats are rounded to int8 next, in steps far above its error.
  if (chain.residual == kNoValue && chain.norm == kNoNode && !demands_.plain(chain.result()))
    epilogue.activation = short_form(epilogue.activation);
  if (chain.norm == kNoNode) return epilogue;
  const Node& norm = graph_.node(chain.norm);
  epilogue.norm = norm.string_or("kind", "layer") == "rms" ? fb::Norm::rms : fb::Norm::layer;
  epilogue.norm_epsilon = norm.float_or("epsilon", 1e-5f);
  const ValueId gamma = input_or_none(norm, 1), beta = input_or_none(norm, 2);
  if (gamma != kNoValue) epilogue.gamma = plain(gamma);
  if (beta != kNoValue) epilogue.beta = plain(beta);
  return epilogue;
}

/// The three stages of an epilogue: those of them that anybody reads.
std::vector<int32_t> Lowering::chain_outputs(const Chain& chain) {
  std::vector<int32_t> outputs(3, -1);
  if (chain.r != kNoValue && demands_.plain(chain.r)) outputs[0] = make_plain(chain.r);
  if (chain.n != kNoValue && demands_.plain(chain.n)) outputs[1] = make_plain(chain.n);
  const ValueId result = chain.result();
  const std::vector<Q8Spec>& specs = demands_.q8(aliases_.rows_root(result));
  if (!specs.empty()) {
    const Q8Spec spec = specs.front();
    outputs[2] =
        file_.add_q8(name(result) + kQ8Suffix, to_dims(shape(result)), spec.group, spec.halo);
    q8_[{aliases_.rows_root(result), {spec.halo, spec.group}}] = outputs[2];
  }
  return outputs;
}

std::vector<int32_t> Lowering::weight_operands(const Node& node, const LayerPrecision& precision,
                                               int64_t window) {
  const Constant* given = graph_.constant(node.inputs[1]);
  const ValueId bias_id = input_or_none(node, 2);
  const Constant* bias = bias_id == kNoValue ? nullptr : graph_.constant(bias_id);
  if (!given || (bias_id != kNoValue && !bias)) throw ConvertError("its weights are not constant");
  // One row for each output: a convolution's weights have a kernel in between.
  const int64_t terms = given->elements() / std::max<int64_t>(1, given->shape[0]);
  const bool is_flat = given->shape.size() == 2;
  const Constant flat =
      is_flat ? Constant{} : Constant{given->dtype, {given->shape[0], terms}, given->f32, {}};
  const Constant* weight = is_flat ? given : &flat;
  const std::string label = name(node.inputs[1]);
  const std::string bias_label = bias ? name(bias_id) : label + ":bias";
  const uint32_t n = u32((weight->shape[0] + 15) / 16 * 16);
  std::vector<int32_t> operands;
  if (precision.int8) {
    const PackedLinear packed = pack_int8(quantize_rows(*weight, label), window, precision.group);
    operands = {file_.add_constant(label, DataType::i8, {n / 16, u32(packed.k_padded) / 4, 16, 4},
                                   packed.weights.data(), packed.weights.size()),
                float_constant(label + ":scale", {n}, packed.scale), -1};
    // In a small model they weigh more in the file than making them at load costs.
    if (int8_weights_ >= kStoredSumWeights)
      operands[2] = file_.add_constant(label + ":sum", DataType::i32, {u32(packed.groups), n},
                                       packed.sum.data(), packed.sum.size() * sizeof(int32_t));
  } else {
    const std::vector<float> packed = pack_float(*weight, label);
    operands = {float_constant(label, {n / 16, u32(weight->shape[1]), 16}, packed), -1, -1};
  }
  operands.push_back(bias ? float_constant(bias_label, {n}, padded_bias(bias, n, bias_label)) : -1);
  return operands;
}

/// One spatial dimension is a picture of height 1.
fb::PixelWindowT Lowering::pixel_window(const Node& node) const {
  const auto two = [](std::vector<int64_t> values, int64_t missing) {
    if (values.size() == 1) values.insert(values.begin(), missing);
    return values;
  };
  const graph::Shape& w = shape(node.inputs[1]);
  const graph::Shape &in = shape(node.inputs[0]), &out = shape(node.outputs[0]);
  const auto kernel = two({w.begin() + 1, w.end() - 1}, 1);
  const auto strides = two(node.ints_or("strides", {1, 1}), 1);
  const auto dilations = two(node.ints_or("dilations", {1, 1}), 1);
  const auto pads = node.ints_or("pads", {0, 0, 0, 0});
  const auto middle = pads.begin() + static_cast<ptrdiff_t>(pads.size() / 2);
  const auto before = two({pads.begin(), middle}, 0);
  const auto from = two({in.begin() + 1, in.end() - 1}, 1);
  const auto to = two({out.begin() + 1, out.end() - 1}, 1);
  fb::PixelWindowT window;
  window.kernel_h = u32(kernel[0]), window.kernel_w = u32(kernel[1]);
  window.stride_h = u32(strides[0]), window.stride_w = u32(strides[1]);
  window.dilation_h = u32(dilations[0]), window.dilation_w = u32(dilations[1]);
  window.pad_top = u32(before[0]), window.pad_left = u32(before[1]);
  window.in_h = u32(from[0]), window.in_w = u32(from[1]);
  window.out_h = u32(to[0]), window.out_w = u32(to[1]);
  return window;
}

void Lowering::lower_depthwise(const Chain& chain) {
  const Node& node = graph_.node(chain.core);
  const Constant* weight = graph_.constant(node.inputs[1]);
  if (!weight) throw ConvertError("its weights are not constant");
  require_finite(*weight, name(node.inputs[1]));
  fb::DepthwiseOptionsT options;
  options.window = std::make_unique<fb::PixelWindowT>(pixel_window(node));
  // [C][taps] becomes [taps][C]: the channels of a pixel are computed side by side.
  const size_t channels = static_cast<size_t>(weight->shape[0]);
  const size_t taps = weight->f32.size() / channels;
  std::vector<float> turned(weight->f32.size());
  for (size_t c = 0; c < channels; ++c)
    for (size_t t = 0; t < taps; ++t) turned[t * channels + c] = weight->f32[c * taps + t];
  const Dims dims = {options.window->kernel_h, options.window->kernel_w, u32(weight->shape[0])};
  const int32_t x = plain(node.inputs[0]);
  const int32_t w = float_constant(name(node.inputs[1]), dims, turned);
  const ValueId bias = input_or_none(node, 2);
  std::vector<int32_t> inputs = {x, w, bias == kNoValue ? -1 : plain(bias)};
  options.epilogue = std::make_unique<fb::EpilogueT>(epilogue_of(chain));
  std::vector<int32_t> outputs = chain_outputs(chain);
  emit(node.name, std::move(options), std::move(inputs), std::move(outputs));
}

void Lowering::lower_linear(const Chain& chain) {
  const Node& node = graph_.node(chain.core);
  const ValueId x = node.inputs[0];
  const LayerPrecision& precision = precision_.at(chain.core);
  const bool frames = node.is("FramesLinear", kFusedDomain);
  const bool signal = node.is("SignalLinear", kFusedDomain);
  const graph::Shape& out = shape(node.outputs[0]);
  fb::LinearOptionsT options;
  options.rows = u32(element_count(to_dims(out)) / out.back());
  const bool pixels = node.is("PixelsLinear", kFusedDomain);
  if (pixels) options.pixels = std::make_unique<fb::PixelWindowT>(pixel_window(node));
  const int64_t window = pixels   ? int64_t{options.pixels->kernel_h} * options.pixels->kernel_w
                         : frames ? node.int_or("window", 1)
                                  : 1;
  int32_t input = -1;
  if (precision.int8) {
    Q8Spec spec;
    reads_q8(graph_, chain.core, precision_, &spec);
    input = q8(x, spec);
    options.layout = fb::WeightLayout::k4n16;
    options.window = u32(window);
    options.hop = u32(frames ? node.int_or("hop", 1) : 1);
  } else {
    options.layout = fb::WeightLayout::f32_n16;
    input = plain(x);
    if (pixels) options.window = u32(window);
    if (frames) {
      const int64_t pad = node.int_or("pad", 0);
      options.window = u32(window);
      options.hop = u32(node.int_or("hop", 1));
      if (pad > 0) {
        const Dims dims = to_dims(shape(x));
        const int32_t padded =
            scratch(node, "padded", DataType::f32, {dims[0], dims[1] + 2 * u32(pad), dims[2]});
        fb::PadOptionsT pads;
        pads.before = {0, static_cast<int32_t>(pad), 0};
        emit(node.name + ":pad", std::move(pads), {input}, {padded});
        input = padded;
      }
    } else if (signal) {
      // Rows of one sample each: a window of K of them, `hop` apart.
      options.row_width = 1;
      options.window = u32(shape(node.inputs[1])[1]);
      options.hop = u32(node.int_or("hop", 1));
    }
  }
  std::vector<int32_t> inputs = weight_operands(node, precision, window);
  inputs.insert(inputs.begin(), input);
  options.epilogue = std::make_unique<fb::EpilogueT>(epilogue_of(chain));
  std::vector<int32_t> outputs = chain_outputs(chain);
  emit(node.name, std::move(options), std::move(inputs), std::move(outputs));
}

/// Frames must not join rows of two batches: one op for each, on its part of input and output.
void Lowering::lower_linear_per_batch(const Chain& chain) {
  const Node& node = graph_.node(chain.core);
  const LayerPrecision& precision = precision_.at(chain.core);
  const bool frames = node.is("FramesLinear", kFusedDomain);
  const Dims in = to_dims(shape(node.inputs[0])), out = to_dims(shape(chain.r));
  const Dims part_in(in.begin() + 1, in.end()), part_out(out.begin() + 1, out.end());
  const int64_t step_in = element_count(part_in), step_out = element_count(part_out);
  const int64_t pad = frames ? node.int_or("pad", 0) : 0;
  const int64_t window = frames ? node.int_or("window", 1) : 1;
  const std::vector<int32_t> weights = weight_operands(node, precision, window);
  const int32_t x = plain(node.inputs[0]);
  const int32_t y = make_plain(chain.r);
  const bool residual_per_batch = chain.residual != kNoValue &&
                                  shape(chain.residual).size() == out.size() &&
                                  shape(chain.residual)[0] == static_cast<int64_t>(out[0]);
  for (uint32_t b = 0; b < out[0]; ++b) {
    const std::string part = node.name + ":" + std::to_string(b);
    int32_t input = view(x, b * step_in, part_in);
    fb::LinearOptionsT options;
    options.layout = precision.int8 ? fb::WeightLayout::k4n16 : fb::WeightLayout::f32_n16;
    options.rows = part_out[0];
    options.window = u32(frames ? window : shape(node.inputs[1])[1]);
    options.hop = u32(node.int_or("hop", 1));
    options.row_width = frames ? 0 : 1;
    if (precision.int8) {
      const int32_t rows = file_.add_q8(part + kQ8Suffix, part_in, precision.group, u32(pad));
      fb::RowsOptionsT quantise;
      quantise.rows = part_in[0];
      quantise.epilogue = std::make_unique<fb::EpilogueT>();
      emit(part + kQ8Suffix, std::move(quantise), {input}, {-1, -1, rows});
      input = rows;
    } else if (pad > 0) {
      const int32_t padded =
          file_.add_arena(part + ":padded", DataType::f32, {part_in[0] + 2 * u32(pad), part_in[1]});
      fb::PadOptionsT pads;
      pads.before = {static_cast<int32_t>(pad), 0};
      emit(part + ":pad", std::move(pads), {input}, {padded});
      input = padded;
    }
    options.epilogue = std::make_unique<fb::EpilogueT>(epilogue_of(chain));
    if (residual_per_batch)
      options.epilogue->residual = view(plain(chain.residual), b * step_out, part_out);
    std::vector<int32_t> inputs = weights;
    inputs.insert(inputs.begin(), input);
    emit(part, std::move(options), std::move(inputs), {view(y, b * step_out, part_out), -1, -1});
  }
}

/// Whether the rows of a table are the weights of an int8 layer over whole rows too, as where a
/// decoder's last layer looks for the word whose embedding fits.
bool Lowering::is_a_layers_too(const Constant& table) const {
  for (const graph::NodeId id : graph_.order()) {
    const Node& node = graph_.node(id);
    if (!node.is("Linear", kFusedDomain)) continue;
    const Constant* weight = graph_.constant(node.inputs[1]);
    const auto found = precision_.find(id);
    if (weight != nullptr && found != precision_.end() && found->second.int8 &&
        found->second.group == 0 && weight->shape == table.shape && weight->f32 == table.f32)
      return true;
  }
  return false;
}

void Lowering::lower_embedding(const Chain& chain) {
  const Node& node = graph_.node(chain.core);
  const Constant* table = graph_.constant(node.inputs[0]);
  if (!table) throw ConvertError("its table is not constant");
  const std::string label = name(node.inputs[0]);
  fb::EmbeddingOptionsT options;
  std::vector<int32_t> inputs;
  if (precision_.at(chain.core).int8) {
    const QuantizedRows rows = quantize_rows(*table, label);
    const PackedLinear packed = pack_int8(rows, 1, 0);
    if (is_a_layers_too(*table) || file_.holds(packed.weights.data(), packed.weights.size())) {
      options.packed_rows = u32(rows.rows);
      inputs = {file_.add_constant(label, DataType::i8,
                                   {u32(packed.n_padded) / 16, u32(packed.k_padded) / 4, 16, 4},
                                   packed.weights.data(), packed.weights.size()),
                plain(node.inputs[1]),
                float_constant(label + ":scale", {u32(packed.n_padded)}, packed.scale)};
    } else {
      inputs = {file_.add_constant(label, DataType::i8, to_dims(table->shape), rows.q.data(),
                                   rows.q.size()),
                plain(node.inputs[1]),
                float_constant(label + ":scale", {u32(rows.rows)}, rows.scale)};
    }
  } else {
    require_finite(*table, label);
    inputs = {plain(node.inputs[0]), plain(node.inputs[1]), -1};
  }
  options.wrap = true;  // ONNX: negative ids count from the end
  options.epilogue = std::make_unique<fb::EpilogueT>(epilogue_of(chain));
  std::vector<int32_t> outputs = chain_outputs(chain);
  emit(node.name, std::move(options), std::move(inputs), std::move(outputs));
}

/// A position table is stored as int8 rows where it is big and nothing keeps its op in float32.
bool Lowering::keeps_int8_table(const Chain& chain) const {
  if (chain.residual == kNoValue || chain.per_batch) return false;
  const Constant* table = graph_.constant(chain.residual);
  if (!table || table->elements() < kSmallPositionTable) return false;
  const auto found = precision_.find(chain.core);
  return found == precision_.end() || found->second.int8;
}

/// Row m of the op is row m of an int8 table, begun again where it ends.
void Lowering::emit_table(ValueId table, int64_t rows, const std::string& op_name,
                          fb::EpilogueT epilogue, std::vector<int32_t> outputs) {
  Constant flat = *graph_.constant(table);
  const int64_t width = flat.shape.back(), count = flat.elements() / width;
  flat.shape = {count, width};
  const std::string& label = name(table);
  const QuantizedRows quantized = quantize_rows(flat, label);
  std::vector<int32_t> ids;
  for (int64_t m = 0; m < rows; ++m) ids.push_back(static_cast<int32_t>(m % count));
  std::vector<int32_t> inputs = {file_.add_constant(label, DataType::i8, {u32(count), u32(width)},
                                                    quantized.q.data(), quantized.q.size()),
                                 file_.add_constant(label + ":rows", DataType::i32, {u32(rows)},
                                                    ids.data(), ids.size() * sizeof(int32_t)),
                                 float_constant(label + ":scale", {u32(count)}, quantized.scale)};
  fb::EmbeddingOptionsT options;
  options.epilogue = std::make_unique<fb::EpilogueT>(std::move(epilogue));
  emit(op_name, std::move(options), std::move(inputs), std::move(outputs));
}

/// The tensor that an epilogue adds; of an int8 table the float rows, made just before.
int32_t Lowering::residual_of(const Chain& chain) {
  if (!keeps_int8_table(chain)) return plain(chain.residual);
  const graph::Shape& table = shape(chain.residual);
  const Dims dims = {u32(element_count(to_dims(table)) / table.back()), u32(table.back())};
  const std::string op_name = name(chain.residual) + ":float";
  const int32_t rows = file_.add_arena(op_name, DataType::f32, dims);
  emit_table(chain.residual, dims[0], op_name, {}, {rows, -1, -1});
  return rows;
}

void Lowering::lower_rows(const Chain& chain) {
  const Node& node = graph_.node(chain.core);
  const auto add = rows_add(graph_, node);
  const int32_t x = plain(add ? add->x : node.inputs[0]);
  const graph::Shape& out = shape(node.outputs[0]);
  const int64_t rows = element_count(to_dims(out)) / (out.empty() ? 1 : out.back());
  if (add && keeps_int8_table(chain)) {
    // The table is the core, and what it is added to the residual.
    Chain turned = chain;
    turned.residual = add->x;
    std::vector<int32_t> outputs = chain_outputs(chain);
    emit_table(chain.residual, rows, node.name, epilogue_of(turned), std::move(outputs));
    return;
  }
  fb::RowsOptionsT options;
  options.rows = u32(rows);
  options.epilogue = std::make_unique<fb::EpilogueT>(epilogue_of(chain));
  std::vector<int32_t> outputs = chain_outputs(chain);
  emit(node.name, std::move(options), {x}, std::move(outputs));
}

bool Lowering::lower_patches(const Node& node) {
  if (!node.is("Patches", kFusedDomain)) return false;
  const Dims in = to_dims(shape(node.inputs[0]));
  const uint32_t ph = u32(node.int_or("patch_h", 1)), pw = u32(node.int_or("patch_w", 1));
  const uint32_t rows = in[2] / ph, columns = in[3] / pw;
  const int32_t cut = reshaped(node.inputs[0], {in[0], in[1], rows, ph, columns, pw});
  const int32_t result = make_plain(node.outputs[0]);
  const int32_t seen = view(result, 0, {in[0], rows, columns, in[1], ph, pw});
  transposed(node, cut, {0, 2, 4, 1, 3, 5}, seen);
  return true;
}

bool Lowering::lower_conv(const Node& node) {
  if (!node.is("Conv", kFusedDomain)) return false;
  const Constant* weight = graph_.constant(node.inputs[1]);
  if (!weight) throw ConvertError("its weights are not constant");
  require_finite(*weight, name(node.inputs[1]));
  // One spatial dimension is a picture of height 1.
  const bool flat = shape(node.inputs[0]).size() == 3;
  const auto as_2d = [flat](Dims dims) {
    if (flat) dims.insert(dims.begin() + 1, 1);
    return dims;
  };
  const auto strides = node.ints_or("strides", {1, 1});
  const auto dilations = node.ints_or("dilations", {1, 1});
  const auto pads = node.ints_or("pads", {0, 0, 0, 0});
  fb::ConvOptionsT options;
  options.stride_h = flat ? 1 : u32(strides.front());
  options.stride_w = u32(flat ? strides.front() : strides[1]);
  options.dilation_h = flat ? 1 : u32(dilations.front());
  options.dilation_w = u32(flat ? dilations.front() : dilations[1]);
  options.pad_top = flat ? 0 : u32(pads[0]);
  options.pad_left = u32(flat ? pads[0] : pads[1]);
  options.pad_bottom = flat ? 0 : u32(pads[2]);
  options.pad_right = u32(flat ? pads[1] : pads[3]);
  options.groups = u32(node.int_or("group", 1));
  options.activation = activation_of(node);
  const int32_t x = reshaped(node.inputs[0], as_2d(to_dims(shape(node.inputs[0]))));
  const int32_t w =
      float_constant(name(node.inputs[1]), as_2d(to_dims(weight->shape)), weight->f32);
  const ValueId bias = input_or_none(node, 2);
  const int32_t y = make_plain(node.outputs[0]);
  const Dims out = as_2d(to_dims(shape(node.outputs[0])));
  emit(node.name, std::move(options), {x, w, bias == kNoValue ? -1 : plain(bias)},
       {flat ? view(y, 0, out) : y});
  return true;
}

bool Lowering::lower_pool(const Node& node) {
  if (!node.is("Pool", kFusedDomain)) return false;
  const bool flat = shape(node.inputs[0]).size() == 3;
  const auto as_2d = [flat](Dims dims) {
    if (flat) dims.insert(dims.begin() + 1, 1);
    return dims;
  };
  const auto kernel = node.ints_or("kernel", {1, 1});
  const auto strides = node.ints_or("strides", {1, 1});
  const auto pads = node.ints_or("pads", {0, 0, 0, 0});
  fb::PoolOptionsT options;
  options.kind = node.string_or("kind", "max") == "max" ? fb::PoolKind::max : fb::PoolKind::average;
  options.window_h = flat ? 1 : u32(kernel.front());
  options.window_w = u32(flat ? kernel.front() : kernel[1]);
  options.stride_h = flat ? 1 : u32(strides.front());
  options.stride_w = u32(flat ? strides.front() : strides[1]);
  options.pad_top = flat ? 0 : u32(pads[0]);
  options.pad_left = u32(flat ? pads[0] : pads[1]);
  options.pad_bottom = flat ? 0 : u32(pads[2]);
  options.pad_right = u32(flat ? pads[1] : pads[3]);
  options.count_padding = node.int_or("count_padding", 0) != 0;
  const int32_t x = reshaped(node.inputs[0], as_2d(to_dims(shape(node.inputs[0]))));
  const int32_t y = make_plain(node.outputs[0]);
  const Dims out = as_2d(to_dims(shape(node.outputs[0])));
  emit(node.name, std::move(options), {x}, {flat ? view(y, 0, out) : y});
  return true;
}

}  // namespace heed
