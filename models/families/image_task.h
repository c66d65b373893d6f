#pragma once
// preprocessor_config.json of a vision checkpoint as the constants of a task.

#include <memory>

#include "models/families/family.h"

namespace heed::families {

/// A task without a kind whose image part is what preprocessor_config.json says, for a network that
/// takes [1, channels, height, width]. Throws ConvertError where it asks for what cannot be done.
std::shared_ptr<fb::TaskT> image_task_of(Recipe& recipe, int64_t channels, int64_t height,
                                         int64_t width);

/// The same for a detector: labels from config.json, scores of "logits" (the last class stands for
/// nothing) and centred boxes of "pred_boxes".
std::shared_ptr<fb::TaskT> object_task_of(Recipe& recipe, int64_t channels, int64_t height,
                                          int64_t width);

}  // namespace heed::families
