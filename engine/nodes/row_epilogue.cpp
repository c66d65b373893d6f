#include "engine/nodes/row_epilogue.h"

#include <cmath>
#include <cstring>

#include "engine/nodes/op_check.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/norm.h"

namespace heed {
namespace {

constexpr size_t kStageR = 0, kStageN = 1, kStageQ = 2;

Status verify_operand(const OpCheck& check, const TensorView* tensor, int32_t width) {
  HEED_TRY(check.require(tensor != nullptr, "a norm needs its gamma"));
  HEED_TRY(check.type(*tensor, DataType::f32));
  return check.require(tensor->shape.elements() == width, "gamma or beta has the wrong size", width,
                       tensor->shape.elements());
}

Status verify_residual(const OpCheck& check, const TensorView& residual, int64_t rows,
                       int32_t width) {
  HEED_TRY(check.type(residual, DataType::f32));
  HEED_TRY(check.require(residual.shape.last() == width, "the residual's rows are not N wide",
                         width, residual.shape.last()));
  const int64_t have = residual.shape.rows();
  return check.require(have >= 1 && have <= rows && rows % have == 0,
                       "the residual's rows do not repeat evenly", rows, have);
}

Status verify_stages(const OpCheck& check, const OpInfo& info, int64_t rows, int32_t width) {
  for (size_t stage = kStageR; stage <= kStageQ; ++stage) {
    if (!info.has_output(stage)) continue;
    const TensorView& out = info.output(stage);
    HEED_TRY(stage == kStageQ ? check.quantised(out) : check.type(out, DataType::f32));
    HEED_TRY(check.require(out.shape.last() == width && out.shape.rows() == rows,
                           "an output is not rows x N", rows * width, out.shape.elements()));
  }
  return Status::ok;
}

}  // namespace

int32_t epilogue_width(const OpInfo& info) {
  for (size_t stage = kStageR; stage < kStageQ; ++stage) {
    if (info.has_output(stage)) return info.output(stage).shape.last();
  }
  return info.output(kStageQ).shape.last();
}

Status verify_epilogue(const OpInfo& info, const fb::Epilogue* epilogue, int64_t rows,
                       heed_diagnostic* diagnostic) {
  const OpCheck check(info, diagnostic);
  const int32_t width = epilogue_width(info);
  HEED_TRY(check.require(rows >= 1 && rows <= INT32_MAX && width >= 1, "the op has no rows"));
  HEED_TRY(verify_stages(check, info, rows, width));
  const bool normed = epilogue && epilogue->norm() != fb::Norm::none;
  HEED_TRY(check.require(normed || !info.has_output(kStageN), "stores a norm that it lacks"));
  if (!epilogue) return Status::ok;
  HEED_TRY(check.require(epilogue->activation() <= fb::Activation::silu_short,
                         "an unknown activation", 0, static_cast<int64_t>(epilogue->activation())));
  HEED_TRY(check.require(epilogue->norm() <= fb::Norm::rms, "an unknown norm", 0,
                         static_cast<int64_t>(epilogue->norm())));
  if (const TensorView* residual = info.optional(epilogue->residual())) {
    HEED_TRY(verify_residual(check, *residual, rows, width));
  }
  if (!normed) return Status::ok;
  HEED_TRY(check.require(info.has_output(kStageN) || info.has_output(kStageQ),
                         "a norm whose result is not stored"));
  HEED_TRY(check.require(std::isfinite(epilogue->norm_epsilon()) && epilogue->norm_epsilon() >= 0,
                         "a norm's epsilon must be finite and not negative"));
  HEED_TRY(verify_operand(check, info.optional(epilogue->gamma()), width));
  if (const TensorView* beta = info.optional(epilogue->beta())) {
    HEED_TRY(verify_operand(check, beta, width));
  }
  return Status::ok;
}

RowEpilogue make_epilogue(const OpInfo& info, const fb::Epilogue* epilogue,
                          const KernelSet& kernels) {
  RowEpilogue e{};
  e.kernels = &kernels;
  e.width = epilogue_width(info);
  if (epilogue) {
    e.activation = static_cast<ActivationKind>(epilogue->activation());
    e.norm = epilogue->norm();
    e.epsilon = epilogue->norm_epsilon();
    if (const TensorView* residual = info.optional(epilogue->residual())) {
      e.residual = residual->as<const float>();
      e.residual_rows = static_cast<int32_t>(residual->shape.rows());
    }
    if (e.norm != fb::Norm::none) {
      e.gamma = info.optional(epilogue->gamma())->as<const float>();
      const TensorView* beta = info.optional(epilogue->beta());
      e.beta = beta ? beta->as<const float>() : nullptr;
    }
  }
  if (info.has_output(kStageR)) e.r = info.output(kStageR).as<float>();
  if (info.has_output(kStageN)) e.n = info.output(kStageN).as<float>();
  if (info.has_output(kStageQ)) {
    const TensorView& out = info.output(kStageQ);
    const Q8Layout layout = out.q8();
    e.q_layout = layout;
    e.q_step = static_cast<ptrdiff_t>(layout.step);
    e.q_groups = layout.groups;
    e.q_group = layout.groups == 1 ? 0 : layout.group;
    e.q = out.as<int8_t>() + static_cast<ptrdiff_t>(layout.halo) * e.q_step;
    e.q_scale = reinterpret_cast<float*>(out.as<std::byte>() + layout.scale_offset) +
                static_cast<ptrdiff_t>(layout.halo) * layout.groups;
  }
  return e;
}

void RowEpilogue::clear_halo() const {
  if (!q || q_layout.halo == 0) return;
  const size_t halo = static_cast<size_t>(q_layout.halo), rows = static_cast<size_t>(q_layout.rows);
  const size_t values = halo * q_layout.step;
  const size_t scales = halo * static_cast<size_t>(q_groups) * sizeof(float);
  std::memset(q - values, 0, values);
  std::memset(q + rows * q_layout.step, 0, values);
  auto* scale_bytes = reinterpret_cast<std::byte*>(q_scale);
  std::memset(scale_bytes - scales, 0, scales);
  std::memset(scale_bytes + rows * static_cast<size_t>(q_groups) * sizeof(float), 0, scales);
}

const float* RowEpilogue::activate_and_add(int64_t first_row, int32_t rows, const float* core_rows,
                                           ptrdiff_t* step, float* panel, float* absmax,
                                           bool adds) const {
  float* target = core(first_row, panel);
  RowsArgs args{core_rows, *step, target, width, rows, width, nullptr};
  const bool copies = r && core_rows != target && !residual;
  if (activation == ActivationKind::none && !adds && !copies) return core_rows;
  if (activation != ActivationKind::none || copies) {
    args.absmax = residual ? nullptr : absmax;
    kernels->activation->run(args, activation);
    args.x = target;
    args.x_step = width;
  }
  if (adds) {
    args.absmax = absmax;
    const int32_t from = static_cast<int32_t>(first_row % residual_rows);
    kernels->elementwise->add_rows({args, residual, width, from, residual_rows});
  }
  *step = width;
  return target;
}

void RowEpilogue::finish(int64_t first_row, int32_t rows, const float* core_rows,
                         ptrdiff_t core_step, float* panel, float* absmax) const {
  // One scale per row needs each row's absmax; scales per group find their own.
  const bool wants_absmax = q && q_group == 0;
  const bool normed = norm != fb::Norm::none;
  ptrdiff_t step = core_step;
  float* absmax_before_norm = wants_absmax && !normed ? absmax : nullptr;
  // The norm adds the residual itself where that does not begin again in between.
  const int64_t residual_row = residual ? first_row % residual_rows : 0;
  const bool norm_adds = normed && residual && residual_row + rows <= residual_rows;
  const float* x = activate_and_add(first_row, rows, core_rows, &step, panel, absmax_before_norm,
                                    residual && !norm_adds);
  const bool ran = x != core_rows || activation != ActivationKind::none || residual;
  bool absmax_known = absmax_before_norm && ran;
  if (normed) {
    float* y = n ? n + first_row * width : panel;
    NormArgs args{
        {x, step, y, width, rows, width, wants_absmax ? absmax : nullptr}, gamma, beta, epsilon};
    if (norm_adds) {
      args.residual = residual + residual_row * width;
      args.residual_step = args.sum_step = width;
      args.sum = core(first_row, panel);
    }
    norm == fb::Norm::layer ? kernels->norm->layer(args) : kernels->norm->rms(args);
    x = y;
    step = width;
    absmax_known = wants_absmax;
  }
  if (!q) return;
  kernels->quantize->quantize({x, step, absmax_known ? absmax : nullptr, q + first_row * q_step,
                               q_step, q_scale + first_row * q_groups, q_groups, rows, width,
                               q_group});
}

}  // namespace heed
