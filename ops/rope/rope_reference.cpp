#include <cmath>

#include "ops/rope/rope.h"

namespace heed {
namespace {

void rotate_head(const RopeArgs& args, const float* x, const float* angles, float* y) {
  for (int32_t i = 0; i < args.half; ++i) {
    const int32_t first = args.interleaved ? 2 * i : i;
    const int32_t second = args.interleaved ? 2 * i + 1 : i + args.half;
    const float cosine = angles[i], sine = angles[args.half + i];
    y[first] = std::fma(x[first], cosine, -(x[second] * sine));
    y[second] = std::fma(x[second], cosine, x[first] * sine);
  }
  for (int32_t i = 2 * args.half; i < args.head_width; ++i) y[i] = x[i];
}

void rotate(const RopeArgs& args) {
  for (int32_t m = 0; m < args.rows; ++m) {
    for (int32_t h = 0; h < args.heads; ++h) {
      const ptrdiff_t column = ptrdiff_t{h} * args.head_width;
      rotate_head(args, args.x + m * args.x_step + column,
                  args.angles + ptrdiff_t{m} * 2 * args.half, args.y + m * args.y_step + column);
    }
  }
}

}  // namespace

extern const RopeKernel kRopeReference;
const RopeKernel kRopeReference = {"reference", IsaSet(), rotate};

}  // namespace heed
