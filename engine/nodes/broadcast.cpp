#include "engine/nodes/broadcast.h"

namespace heed {
namespace {

bool walk_together(const Broadcast& b, int32_t outer) {
  for (int32_t i = 0; i < b.operands; ++i) {
    if (b.step[i][outer] != b.step[i][outer + 1] * b.size[outer + 1]) return false;
  }
  return true;
}

void drop(Broadcast* b, int32_t d) {
  for (int32_t k = d; k + 1 < b->rank; ++k) {
    b->size[k] = b->size[k + 1];
    for (int32_t i = 0; i < b->operands; ++i) b->step[i][k] = b->step[i][k + 1];
  }
  --b->rank;
}

}  // namespace

Broadcast make_broadcast(const Shape& out, const Shape* const* shapes, int32_t count) {
  Broadcast b;
  b.rank = out.rank;
  b.operands = count;
  for (int32_t d = 0; d < out.rank; ++d) b.size[d] = out.dims[d];
  for (int32_t i = 0; i < count; ++i) {
    int64_t step = 1;
    for (int32_t d = shapes[i]->rank - 1; d >= 0; --d) {
      const int32_t n = shapes[i]->dims[d];
      b.step[i][out.rank - shapes[i]->rank + d] = n == 1 ? 0 : step;
      step *= n;
    }
  }
  for (int32_t d = b.rank - 1; d >= 0; --d) {
    if (b.size[d] == 1) drop(&b, d);
  }
  for (int32_t d = b.rank - 2; d >= 0; --d) {
    if (!walk_together(b, d)) continue;
    const int64_t size = b.size[d];
    drop(&b, d);
    b.size[d] *= size;
  }
  if (b.rank == 0) {
    b.rank = 1;
    b.size[0] = 1;
  }
  return b;
}

}  // namespace heed
