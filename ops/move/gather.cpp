#include "ops/move/gather.h"

#include <string.h>

namespace heed {

void run_gather(const GatherArgs& args, int64_t first, int64_t last) {
  const auto* src = static_cast<const uint8_t*>(args.src);
  auto* dst = static_cast<uint8_t*>(args.dst) + first * args.row_bytes;
  const size_t bytes = static_cast<size_t>(args.row_bytes);
  for (int64_t row = first; row < last; ++row, dst += bytes) {
    const int64_t id = args.ids.at(row % args.count);
    if (id < 0) {
      memset(dst, 0, bytes);
      continue;
    }
    memcpy(dst, src + (row / args.count * args.ids.size + id) * args.row_bytes, bytes);
  }
}

void run_gather_elements(const GatherElementsArgs& args, int64_t first, int64_t last) {
  const auto* src = static_cast<const uint8_t*>(args.src);
  auto* dst = static_cast<uint8_t*>(args.dst);
  const size_t bytes = args.element_bytes;
  for (int64_t i = first; i < last; ++i) {
    int64_t position = i, from = 0;
    for (int32_t d = args.rank - 1; d >= 0; --d) {
      if (d != args.axis) from += position % args.size[d] * args.src_step[d];
      position /= args.size[d];
    }
    const int64_t id = args.ids.at(i);
    uint8_t* to = dst + static_cast<size_t>(i) * bytes;
    if (id < 0) {
      memset(to, 0, bytes);
      continue;
    }
    from += id * args.src_step[args.axis];
    memcpy(to, src + static_cast<size_t>(from) * bytes, bytes);
  }
}

}  // namespace heed
