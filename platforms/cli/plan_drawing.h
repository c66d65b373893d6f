#pragma once
// The memory plan of an entry point as a list and as a picture.

#include <cstdint>
#include <string>
#include <vector>

#include "platforms/cli/open_model.h"

namespace heed::cli {

/// One stretch of the arena and the ops between which it is in use, both included. Inputs are in
/// use from op 0, outputs to the last op; views count for what they lie in.
struct PlannedTensor {
  std::string name, type;
  uint64_t offset, bytes;
  int32_t first_op, last_op;
};

struct Plan {
  std::vector<PlannedTensor> tensors;  // by first op, then offset
  uint64_t arena_bytes;
  int32_t ops;
};

Plan plan_of(const Model& model, const Entry& entry);

/// Time to the right, memory upwards, one box a tensor with its name and size as a tooltip.
std::string plan_svg(const Plan& plan);

}  // namespace heed::cli
