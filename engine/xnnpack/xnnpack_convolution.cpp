#include "engine/xnnpack/xnnpack_convolution.h"

#include <xnnpack.h>

#include <algorithm>
#include <limits>

#include "engine/xnnpack/xnnpack_memory.h"

namespace heed {
namespace {

// What any machine's kernels may round up to, so less than this is added. Checked at creation: a
// kernel that needs more is refused there, with a status.
constexpr int64_t kOutputBlock = 64;       // outputs packed together
constexpr int64_t kInputBlock = 8;         // inputs packed together
constexpr int64_t kChannelBlock = 64;      // depthwise: channels packed together
constexpr int64_t kTileTaps = 32;          // depthwise: taps of one pass
constexpr int64_t kRowBlock = 32;          // output pixels of one tile
constexpr int64_t kOperatorBytes = 16384;  // the operator itself, zero padding aside
constexpr int64_t kPointerBytes = 8;
constexpr int64_t kFloatBytes = 4;

// Depthwise kernels exist everywhere up to this many taps; beyond, a machine may have none and
// compute the channels as groups of one.
constexpr int64_t kDepthwiseTaps = 25;

static_assert(kReadableTail >= XNN_EXTRA_BYTES && kReadableTail % kAlignment == 0);

constexpr int64_t up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
int64_t taps(const ConvolutionShape& s) { return int64_t{s.kernel_h} * s.kernel_w; }
bool is_depthwise(const ConvolutionShape& s) { return s.group_in == 1 && s.group_out == 1; }

bool is_surely_depthwise(const ConvolutionShape& s) {
  return is_depthwise(s) && taps(s) <= kDepthwiseTaps;
}

bool reshape(xnn_operator* convolution, const ConvolutionShape& s, size_t* workspace,
             pthreadpool* pool) {
  size_t alignment = 0, out_h = 0, out_w = 0;
  const xnn_status status = xnn_reshape_convolution2d_nhwc_f32(
      convolution, static_cast<size_t>(s.batch), static_cast<size_t>(s.in_h),
      static_cast<size_t>(s.in_w), workspace, &alignment, &out_h, &out_w, pool);
  return status == xnn_status_success && alignment <= kAlignment &&
         out_h == static_cast<size_t>(s.out_h) && out_w == static_cast<size_t>(s.out_w);
}

}  // namespace

size_t convolution_bytes(const ConvolutionShape& s) {
  const int64_t zeros = s.group_in * (is_depthwise(s) ? s.groups : 1) + 2 * kChannelBlock;
  const int64_t depthwise = (taps(s) + kTileTaps + 1) * (s.groups + kChannelBlock);
  const int64_t grouped =
      s.groups * (s.group_out + kOutputBlock) * (taps(s) * (s.group_in + kInputBlock - 1) + 1);
  const int64_t weights = is_depthwise(s) ? depthwise : 0;
  const int64_t most = is_surely_depthwise(s) ? weights : std::max(weights, grouped);
  return static_cast<size_t>(up(kOperatorBytes + (zeros + most) * kFloatBytes, kAlignment));
}

size_t convolution_workspace_bytes(const ConvolutionShape& s, int32_t threads) {
  int64_t bytes = 0;
  if (is_depthwise(s)) {
    const int64_t step_w = s.dilation_w == 1 ? std::min(s.stride_w, s.kernel_w) : s.kernel_w;
    const int64_t row = taps(s) + (s.out_w - 1) * step_w * s.kernel_h;
    const int64_t rows_at_once = std::min<int64_t>(threads, s.batch * s.out_h);
    bytes = kPointerBytes * (2 * kTileTaps + s.out_h * row) +
            rows_at_once * (s.groups + 2 * kChannelBlock) * kFloatBytes;
  }
  if (!is_surely_depthwise(s)) {
    bytes = std::max(bytes, kPointerBytes * taps(s) * (s.out_h * s.out_w + kRowBlock));
  }
  return static_cast<size_t>(up(bytes, kAlignment)) + kReadableTail;
}

Status create_convolution(const ConvolutionShape& s, const float* weights, const float* bias,
                          Arena& arena, xnn_operator** out, heed_diagnostic* diagnostic) {
  HEED_TRY(initialize_xnnpack(diagnostic));
  const XnnpackScope scope(arena);
  const float most = std::numeric_limits<float>::infinity();
  xnn_operator_t convolution = nullptr;
  const xnn_status status = xnn_create_convolution2d_nhwc_f32(
      s.pad_top, s.pad_right, s.pad_bottom, s.pad_left, s.kernel_h, s.kernel_w, s.stride_h,
      s.stride_w, s.dilation_h, s.dilation_w, static_cast<uint32_t>(s.groups),
      static_cast<size_t>(s.group_in), static_cast<size_t>(s.group_out),
      static_cast<size_t>(s.groups * s.group_in), static_cast<size_t>(s.groups * s.group_out),
      weights, bias, s.relu ? 0.0f : -most, most,
      XNN_FLAG_TRANSIENT_INDIRECTION_BUFFER | XNN_FLAG_YIELD_WORKERS, nullptr, nullptr,
      &convolution);
  size_t workspace = 0;
  if (status != xnn_status_success || !reshape(convolution, s, &workspace, nullptr) ||
      workspace > convolution_workspace_bytes(s, 1)) {
    return fail(diagnostic, Status::unsupported,
                "XNNPACK cannot run this convolution on this machine", -1, -1,
                static_cast<int64_t>(convolution_workspace_bytes(s, 1)),
                static_cast<int64_t>(workspace));
  }
  *out = convolution;
  return Status::ok;
}

void delete_convolution(xnn_operator* convolution) {
  Arena none;
  const XnnpackScope scope(none);
  (void)xnn_delete_operator(convolution);
}

bool run_convolution(xnn_operator* convolution, const ConvolutionShape& s, const float* x, float* y,
                     void* workspace, size_t workspace_bytes, const Threads& threads) {
  pthreadpool* pool = threads.pool();
  size_t needed = 0;
  if (!reshape(convolution, s, &needed, pool)) return false;
  // A pool with more threads than we may use would want a buffer for each.
  if (needed > workspace_bytes) {
    pool = nullptr;
    if (!reshape(convolution, s, &needed, pool) || needed > workspace_bytes) return false;
  }
  return xnn_setup_convolution2d_nhwc_f32(convolution, workspace, x, y) == xnn_status_success &&
         xnn_run_operator(convolution, pool) == xnn_status_success;
}

}  // namespace heed
