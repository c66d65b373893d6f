#include <cmath>

#include "ops/depthwise/depthwise.h"

namespace heed {
namespace {

void run(const DepthwiseArgs& a) {
  for (int32_t p = 0; p < a.count; ++p) {
    const int64_t left = int64_t{a.first + p} * a.stride - a.pad;
    for (int32_t c = 0; c < a.channels; ++c) {
      float t = a.bias != nullptr ? a.bias[c] : 0.0f;
      for (int32_t ky = 0; ky < a.kernel_h; ++ky) {
        for (int32_t kx = 0; kx < a.kernel_w; ++kx) {
          const int64_t x = left + int64_t{kx} * a.dilation;
          if (a.rows[ky] == nullptr || x < 0 || x >= a.in_w) continue;
          t = std::fma(a.rows[ky][x * a.channels + c],
                       a.w[(ptrdiff_t{ky} * a.kernel_w + kx) * a.channels + c], t);
        }
      }
      a.y[ptrdiff_t{p} * a.channels + c] = t;
    }
  }
}

}  // namespace

extern const DepthwiseKernel kDepthwiseReference;
const DepthwiseKernel kDepthwiseReference = {"reference", {}, run};

}  // namespace heed
