#pragma once
// What the C API tells about a tensor, for models and sessions alike.

#include "engine/model.h"

namespace heed {

void describe_tensor(const heed_model& model, int32_t index, void* data, heed_tensor* tensor);

}  // namespace heed
