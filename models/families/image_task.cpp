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
  if (settings.flag_or("do_center_crop", false)) {
    const JsonTree* size = settings.find("size");
    if (size != nullptr && size->integer() != nullptr)
      image.resize_shorter = static_cast<uint32_t>(settings.size("size"));
    else if (settings.within("size").has("shortest_edge"))
      image.resize_shorter = static_cast<uint32_t>(settings.within("size").size("shortest_edge"));
    else if (settings.within("size").has("height"))
      image.resize_shorter = static_cast<uint32_t>(settings.within("size").size("height"));
  }
  return task;
}

}  // namespace heed::families
