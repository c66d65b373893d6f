// Norms and softmax.

#include <algorithm>
#include <cmath>

#include "converter/graph/rules/float_math.h"
#include "converter/graph/rules/rule_families.h"
#include "converter/graph/rules/walk.h"

namespace heed::graph {
namespace {

/// Rows of LayerNormalization: all dimensions from `axis` on.
AxisView norm_view(const OpCall& call) {
  AxisView view(call.shape(0), call.axis(call.node.int_or("axis", -1), call.rank(0)));
  view.inner *= view.length;
  return view;
}

void need_width(const OpCall& call, size_t operand, int64_t width) {
  if (call.has(operand) && call.elements(operand) != width) {
    call.fail("scale and bias must have one element per normalised element");
  }
}

void infer_layer_norm(OpCall& call) {
  call.need_dtype(0, DType::f32);
  const AxisView view = norm_view(call);
  call.need_dtype(1, DType::f32);
  need_width(call, 1, view.inner);
  need_width(call, 2, view.inner);
  call.result(0, DType::f32, call.shape(0));
  Shape statistics = call.shape(0);
  const size_t axis = call.axis(call.node.int_or("axis", -1), call.rank(0));
  std::fill(statistics.begin() + static_cast<ptrdiff_t>(axis), statistics.end(), 1);
  call.result(1, DType::f32, statistics);
  call.result(2, DType::f32, statistics);
}

void normalize(OpCall& call, bool center) {
  const AxisView view = norm_view(call);
  const float epsilon = call.node.float_or("epsilon", 1e-5f);
  for (int64_t row = 0; row < view.outer; ++row) {
    normalize_row({call.f32(0).data() + row * view.inner,
                   call.has(1) ? call.f32(1).data() : nullptr,
                   call.has(2) ? call.f32(2).data() : nullptr, call.y().data() + row * view.inner,
                   view.inner, epsilon, center});
  }
}

void evaluate_layer_norm(OpCall& call) {
  normalize(call, true);
  if (!call.wants(1) && !call.wants(2)) return;
  const AxisView view = norm_view(call);
  const double epsilon = static_cast<double>(call.node.float_or("epsilon", 1e-5f));
  for (int64_t row = 0; row < view.outer; ++row) {
    const float* x = call.f32(0).data() + row * view.inner;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < view.inner; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / static_cast<double>(view.inner);
    for (int64_t i = 0; i < view.inner; ++i) {
      squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
    }
    const double variance = squares / static_cast<double>(view.inner);
    const size_t at = static_cast<size_t>(row);
    if (call.results.size() > 1) call.y(1)[at] = static_cast<float>(mean);
    if (call.results.size() > 2) {
      call.y(2)[at] = static_cast<float>(1.0 / std::sqrt(variance + epsilon));
    }
  }
}

void infer_rms_norm(OpCall& call) {
  call.need(!call.wants(1), "the output of the statistics is not supported");
  infer_layer_norm(call);
}

void evaluate_rms_norm(OpCall& call) { normalize(call, false); }

void infer_channel_norm(OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need(call.rank(0) >= 2 && call.dim(0, 1) > 0, "needs a batch and channels");
  call.need(call.node.int_or("training_mode", 0) == 0, "training mode is not supported");
  call.need(!call.wants(1), "the output of the statistics is not supported");
  const size_t operands = call.node.is("BatchNormalization") ? 5 : 3;
  for (size_t i = 1; i < operands; ++i) {
    call.need_dtype(i, DType::f32);
    need_width(call, i, call.dim(0, 1));
  }
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_batch_norm(OpCall& call) {
  const AxisView view(call.shape(0), 1);
  const float epsilon = call.node.float_or("epsilon", 1e-5f);
  for (int64_t row = 0; row < view.outer * view.length; ++row) {
    const size_t c = static_cast<size_t>(row % view.length);
    const float factor = call.f32(1)[c] / std::sqrt(call.f32(4)[c] + epsilon);
    const float mean = call.f32(3)[c], shift = call.f32(2)[c];
    const float* x = call.f32(0).data() + row * view.inner;
    float* y = call.y().data() + row * view.inner;
    for (int64_t i = 0; i < view.inner; ++i) y[i] = (x[i] - mean) * factor + shift;
  }
}

/// Channels normalised together in `groups` groups; scale and bias per channel, or per group as
/// GroupNormalization had them before opset 21.
void normalize_groups(OpCall& call, int64_t groups) {
  const AxisView view(call.shape(0), 1);
  const int64_t channels = view.length / groups, width = channels * view.inner;
  const bool per_channel = call.elements(1) == view.length;
  const float epsilon = call.node.float_or("epsilon", 1e-5f);
  for (int64_t row = 0; row < view.outer * groups; ++row) {
    float* y = call.y().data() + row * width;
    normalize_row({call.f32(0).data() + row * width, nullptr, nullptr, y, width, epsilon, true});
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t group = row % groups;
      const size_t at = static_cast<size_t>(per_channel ? group * channels + c : group);
      const float scale = call.f32(1)[at], bias = call.f32(2)[at];
      for (int64_t i = 0; i < view.inner; ++i) {
        y[c * view.inner + i] = y[c * view.inner + i] * scale + bias;
      }
    }
  }
}

void evaluate_instance_norm(OpCall& call) { normalize_groups(call, call.dim(0, 1)); }

void infer_group_norm(OpCall& call) {
  call.need_dtype(0, DType::f32);
  call.need(call.rank(0) >= 2, "needs a batch and channels");
  const int64_t groups = call.node.int_or("num_groups", 0), channels = call.dim(0, 1);
  call.need(groups > 0 && channels > 0 && channels % groups == 0,
            "the channels do not divide into num_groups");
  for (size_t i = 1; i < 3; ++i) {
    call.need(call.elements(i) == channels || call.elements(i) == groups,
              "scale and bias must have one element per channel or per group");
  }
  call.need(call.elements(1) == call.elements(2), "scale and bias differ in size");
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_group_norm(OpCall& call) {
  normalize_groups(call, call.node.int_or("num_groups", 1));
}

/// Before opset 13 the dimensions from `axis` on were normalised together; since then one.
AxisView softmax_view(const OpCall& call) {
  const bool joint = call.opset_below(13);
  const size_t axis = call.axis(call.node.int_or("axis", joint ? 1 : -1), call.rank(0));
  AxisView view(call.shape(0), axis);
  if (joint) {
    view.length *= view.inner;
    view.inner = 1;
  }
  return view;
}

void infer_softmax(OpCall& call) {
  call.need_dtype(0, DType::f32);
  softmax_view(call);
  call.result(0, DType::f32, call.shape(0));
}

template <class Finish>
void each_softmax_row(OpCall& call, Finish finish) {
  const AxisView view = softmax_view(call);
  std::vector<float> row(static_cast<size_t>(view.length));
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t i = 0; i < view.inner; ++i) {
      const int64_t first = o * view.length * view.inner + i;
      const float* x = call.f32(0).data() + first;
      for (int64_t n = 0; n < view.length; ++n) row[static_cast<size_t>(n)] = x[n * view.inner];
      finish(row);
      float* y = call.y().data() + first;
      for (int64_t n = 0; n < view.length; ++n) y[n * view.inner] = row[static_cast<size_t>(n)];
    }
  }
}

void evaluate_softmax(OpCall& call) {
  each_softmax_row(call, [](std::vector<float>& row) {
    softmax_row(row.data(), static_cast<int64_t>(row.size()));
  });
}

void evaluate_log_softmax(OpCall& call) {
  each_softmax_row(call, [](std::vector<float>& row) {
    if (row.empty()) return;
    const float top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float x : row) sum += std::exp(static_cast<double>(x - top));
    const float log_sum = static_cast<float>(std::log(sum));
    for (float& x : row) x = x - top - log_sum;
  });
}

void infer_lp_norm(OpCall& call) {
  call.need_dtype(0, DType::f32);
  const int64_t p = call.node.int_or("p", 2);
  call.need(p == 1 || p == 2, "p must be 1 or 2");
  call.axis(call.node.int_or("axis", -1), call.rank(0));
  call.result(0, DType::f32, call.shape(0));
}

void evaluate_lp_norm(OpCall& call) {
  const AxisView view(call.shape(0), call.axis(call.node.int_or("axis", -1), call.rank(0)));
  const bool squares = call.node.int_or("p", 2) == 2;
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t i = 0; i < view.inner; ++i) {
      const float* x = call.f32(0).data() + o * view.length * view.inner + i;
      float* y = call.y().data() + o * view.length * view.inner + i;
      double sum = 0;
      for (int64_t n = 0; n < view.length; ++n) {
        const double value = static_cast<double>(x[n * view.inner]);
        sum += squares ? value * value : std::abs(value);
      }
      const double norm = squares ? std::sqrt(sum) : sum;
      for (int64_t n = 0; n < view.length; ++n) {
        y[n * view.inner] =
            norm == 0 ? 0 : static_cast<float>(static_cast<double>(x[n * view.inner]) / norm);
      }
    }
  }
}

constexpr OpRule kNormRules[] = {
    {"", "BatchNormalization", infer_channel_norm, evaluate_batch_norm},
    {"", "GroupNormalization", infer_group_norm, evaluate_group_norm},
    {"", "InstanceNormalization", infer_channel_norm, evaluate_instance_norm},
    {"", "LayerNormalization", infer_layer_norm, evaluate_layer_norm},
    {"", "LogSoftmax", infer_softmax, evaluate_log_softmax},
    {"", "LpNormalization", infer_lp_norm, evaluate_lp_norm},
    {"", "RMSNormalization", infer_rms_norm, evaluate_rms_norm},
    // onnxruntime's, written to the default domain
    {"", "SimplifiedLayerNormalization", infer_rms_norm, evaluate_rms_norm},
    {"", "Softmax", infer_softmax, evaluate_softmax},
    {"com.microsoft", "LayerNormalization", infer_layer_norm, evaluate_layer_norm},
    {"com.microsoft", "SimplifiedLayerNormalization", infer_rms_norm, evaluate_rms_norm},
};

}  // namespace

std::span<const OpRule> norm_rules() { return kNormRules; }

}  // namespace heed::graph
