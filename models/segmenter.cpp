#include "models/segmenter.h"

#include <algorithm>

using heed::Status;

namespace {

constexpr int32_t kClassesMax = 256;  // a mask has a byte for each pixel

}  // namespace

Status heed_segmenter::read(heed_diagnostic* diagnostic) {
  heed::ImagePreprocessConfig config;
  HEED_TRY(heed::image_task(*core.model, &config, diagnostic));
  HEED_TRY(preprocessor.create(config, core.options.picture_side_max, diagnostic));
  HEED_TRY(heed::segmentation_task(*core.model, &task, diagnostic));
  HEED_TRY(ready(diagnostic));
  HEED_TRY(heed::check_floats(input, preprocessor.values(), diagnostic));
  const size_t all = scores.bytes / sizeof(float);
  HEED_TRY(heed::check_floats(scores, all, diagnostic));
  const int32_t* d = scores.dims;
  if (scores.rank != 4 || d[0] != 1 || all == 0)
    return heed::fail(diagnostic, Status::bad_model,
                      "the model's scores are not [1, classes, rows, columns], in either order", -1,
                      scores.index, 4, scores.rank);
  classes = task.classes_last ? d[3] : d[1];
  rows = task.classes_last ? d[1] : d[2];
  columns = task.classes_last ? d[2] : d[3];
  if (classes > kClassesMax)
    return heed::fail(diagnostic, Status::unsupported, "the model has more classes than a mask", -1,
                      scores.index, kClassesMax, classes);
  return Status::ok;
}

void heed_segmenter::carve(heed::Arena& arena) {
  preprocessor.carve(arena);
  line = arena.take_array<float>(static_cast<size_t>(classes) * static_cast<size_t>(columns));
}

Status heed_segmenter::ready(heed_diagnostic* diagnostic) {
  HEED_TRY(heed::task_input(core, 0, &input, diagnostic));
  return heed::task_output(core, 0, &scores, diagnostic);
}

// The scores at height v, in rows from the first one's centre.
void heed_segmenter::mix_line(float v) {
  const float at = std::clamp(v, 0.0f, static_cast<float>(rows - 1));
  const auto top = std::min(static_cast<int32_t>(at), rows - 1);
  const int32_t below = std::min(top + 1, rows - 1);
  const float part = at - static_cast<float>(top);
  const auto* from = static_cast<const float*>(scores.data);
  const ptrdiff_t by_class = task.classes_last ? 1 : ptrdiff_t{rows} * columns;
  const ptrdiff_t by_row = task.classes_last ? ptrdiff_t{columns} * classes : columns;
  const ptrdiff_t by_column = task.classes_last ? classes : 1;
  for (ptrdiff_t c = 0; c < classes; ++c)
    for (ptrdiff_t x = 0; x < columns; ++x) {
      const float* score = from + c * by_class + x * by_column;
      line[c * columns + x] = score[top * by_row] * (1 - part) + score[below * by_row] * part;
    }
}

uint8_t heed_segmenter::best_at(float u) const {
  const float at = std::clamp(u, 0.0f, static_cast<float>(columns - 1));
  const auto left = std::min(static_cast<int32_t>(at), columns - 1);
  const int32_t right = std::min(left + 1, columns - 1);
  const float part = at - static_cast<float>(left);
  int32_t best = 0;
  float most = 0;
  for (int32_t c = 0; c < classes; ++c) {
    const float* row = line + ptrdiff_t{c} * columns;
    const float score = row[left] * (1 - part) + row[right] * part;
    if (c == 0 || score > most) best = c, most = score;
  }
  return static_cast<uint8_t>(best);
}

Status heed_segmenter::run(const heed_picture& picture, uint8_t* mask,
                           heed_diagnostic* diagnostic) {
  HEED_TRY(preprocessor.fill(picture, static_cast<float*>(input.data), diagnostic));
  HEED_TRY(heed::run_task(core, diagnostic));
  const heed::PicturePlace place = preprocessor.place();
  const float across = static_cast<float>(columns) /
                       (place.scale_x * static_cast<float>(preprocessor.config().width));
  const float down =
      static_cast<float>(rows) / (place.scale_y * static_cast<float>(preprocessor.config().height));
  for (int32_t y = 0; y < picture.height; ++y) {
    mix_line((static_cast<float>(y) + 0.5f - place.top) * down - 0.5f);
    for (int32_t x = 0; x < picture.width; ++x)
      *mask++ = best_at((static_cast<float>(x) + 0.5f - place.left) * across - 0.5f);
  }
  return Status::ok;
}

heed_status heed_segmenter_memory(const heed_model* model, const heed_task_options* options,
                                  size_t* bytes, heed_diagnostic* diagnostic) {
  return heed::measure_task<heed_segmenter>(model, options, bytes, diagnostic);
}

heed_status heed_segmenter_create(const heed_model* model, const heed_task_options* options,
                                  void* memory, size_t bytes, heed_segmenter** segmenter,
                                  heed_diagnostic* diagnostic) {
  return heed::create_task(model, options, memory, bytes, segmenter, diagnostic);
}

void heed_segmenter_destroy(heed_segmenter* segmenter) { heed::destroy_task(segmenter); }

heed_session* heed_segmenter_session(heed_segmenter* segmenter) {
  return segmenter == nullptr ? nullptr : segmenter->core.session;
}

heed_status heed_segmenter_run(heed_segmenter* segmenter, const heed_picture* picture,
                               uint8_t* mask, size_t mask_bytes, heed_diagnostic* diagnostic) {
  (void)heed::fail(diagnostic, Status::ok, "");
  if (segmenter == nullptr || picture == nullptr || mask == nullptr || picture->width < 1 ||
      picture->height < 1)
    return static_cast<heed_status>(
        heed::fail(diagnostic, Status::invalid_argument,
                   "there is no segmenter, no picture or no room for a mask"));
  const uint64_t needed =
      static_cast<uint64_t>(picture->width) * static_cast<uint64_t>(picture->height);
  if (mask_bytes < needed)
    return static_cast<heed_status>(
        heed::fail(diagnostic, Status::memory_too_small, "the mask is smaller than the picture", -1,
                   -1, static_cast<int64_t>(needed), static_cast<int64_t>(mask_bytes)));
  return static_cast<heed_status>(segmenter->run(*picture, mask, diagnostic));
}

int32_t heed_segmenter_classes(const heed_segmenter* segmenter) {
  return segmenter == nullptr ? 0 : segmenter->classes;
}

void heed_segmenter_seen(const heed_segmenter* segmenter, heed_picture* picture) {
  if (picture == nullptr) return;
  *picture = segmenter == nullptr ? heed_picture{} : segmenter->preprocessor.seen();
}
