#include "models/families/image_task.h"

#include "engine/schema/model_generated.h"

namespace heed::families {

std::shared_ptr<fb::TaskT> image_task_of(Recipe& recipe, int64_t channels, int64_t height,
                                         int64_t width) {
  const Settings settings = recipe.checkpoint.settings("preprocessor_config.json");
  auto task = std::make_shared<fb::TaskT>();
  task->image = std::make_unique<fb::ImagePreprocessT>();
  fb::ImagePreprocessT& image = *task->image;
  image.width = static_cast<uint32_t>(width);
  image.height = static_cast<uint32_t>(height);
  image.channels = static_cast<uint32_t>(channels);
  image.layout = "chw";
  if (settings.flag_or("do_normalize", true)) {
    image.mean = settings.numbers("image_mean");
    image.std = settings.numbers("image_std");
    if (!image.mean.empty() && image.mean.size() != image.channels)
      settings.refuse("image_mean", "must hold one number per channel");
    if (image.std.size() != image.mean.size())
      settings.refuse("image_std", "must hold as many numbers as image_mean");
  }
  // "size" is one number, {"shortest_edge": n}, or {"height": h, "width": w}.
  image.resize = settings.flag_or("do_resize", true);
  const bool crops = settings.flag_or("do_center_crop", false);
  const JsonTree* one = settings.find("size");
  const bool has_parts = one != nullptr && one->object() != nullptr;
  const Settings size = has_parts ? settings.within("size") : Settings();
  if (one != nullptr && one->integer() != nullptr && crops)
    image.resize_shorter = static_cast<uint32_t>(settings.size("size"));
  else if (size.has("shortest_edge"))
    image.resize_shorter = static_cast<uint32_t>(size.size("shortest_edge"));
  else if (size.has("height") && crops) {
    image.resize_height = static_cast<uint32_t>(size.size("height"));
    image.resize_width = static_cast<uint32_t>(size.size("width"));
  }
  // A picture that is not cut has the network's size, whatever its sides.
  if (!crops) image.resize_shorter = 0;
  image.longer_rounds_down = true;
  const int64_t filter = settings.whole_or("resample", image.resample);
  if (filter < 0 || filter > 5) settings.refuse("resample", "must be a number from 0 to 5");
  image.resample = static_cast<uint8_t>(filter);
  if (!settings.flag_or("do_rescale", true))
    image.rescale = 1;
  else if (settings.has("rescale_factor"))
    image.rescale = static_cast<float>(settings.number("rescale_factor"));
  image.bgr = settings.flag_or("do_flip_channel_order", false);
  return task;
}

std::shared_ptr<fb::TaskT> object_task_of(Recipe& recipe, int64_t channels, int64_t height,
                                          int64_t width) {
  std::shared_ptr<fb::TaskT> task = image_task_of(recipe, channels, height, width);
  task->kind = "object_detection";
  task->labels = recipe.config.numbered_texts("id2label");
  task->objects = std::make_unique<fb::ObjectDetectionT>();
  task->objects->scores_output = "logits";
  task->objects->boxes_output = "pred_boxes";
  return task;
}

}  // namespace heed::families
