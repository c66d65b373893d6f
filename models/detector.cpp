#include "models/detector.h"

#include <algorithm>
#include <cstring>

#include "models/task_session.h"
#include "ops/simd/scalar_math.h"

using heed::Status;

namespace {

/// What two boxes share of what both cover.
float overlap(const heed_box& a, const heed_box& b) {
  const float wide = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float high = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (!(wide > 0 && high > 0)) return 0;
  const float both = (a.right - a.left) * (a.bottom - a.top) +
                     (b.right - b.left) * (b.bottom - b.top) - wide * high;
  return wide * high / both;
}

bool better(const heed_box& a, const heed_box& b) {
  return a.probability > b.probability || (a.probability == b.probability && a.query < b.query);
}

}  // namespace

Status heed_detector::bind(heed_diagnostic* diagnostic) {
  HEED_TRY(heed::task_input(core, 0, &input, diagnostic));
  HEED_TRY(heed::task_output_named(core, task.scores_output, &scores, diagnostic));
  return heed::task_output_named(core, task.boxes_output, &boxes, diagnostic);
}

Status heed_detector::read(heed_diagnostic* diagnostic) {
  heed::ImagePreprocessConfig config;
  HEED_TRY(heed::image_task(*core.model, &config, diagnostic));
  HEED_TRY(preprocessor.create(config, core.options.picture_side_max, diagnostic));
  HEED_TRY(heed::object_task(*core.model, &task, diagnostic));
  if (core.options.threshold > 0) task.threshold = core.options.threshold;
  HEED_TRY(bind(diagnostic));
  HEED_TRY(heed::check_floats(input, preprocessor.values(), diagnostic));
  const size_t numbers = boxes.bytes / sizeof(float), all = scores.bytes / sizeof(float);
  HEED_TRY(heed::check_floats(boxes, numbers, diagnostic));
  HEED_TRY(heed::check_floats(scores, all, diagnostic));
  queries = static_cast<int32_t>(numbers / 4);
  if (queries < 1 || numbers % 4 != 0 || all == 0 || all % static_cast<size_t>(queries) != 0)
    return heed::fail(diagnostic, Status::bad_model,
                      "the model's scores and boxes are not one row for each query");
  classes = static_cast<int32_t>(all / static_cast<size_t>(queries));
  if (task.background == heed::ObjectTask::kLast) task.background = classes - 1;
  return Status::ok;
}

void heed_detector::carve(heed::Arena& arena) {
  preprocessor.carve(arena);
  row = arena.take_array<float>(static_cast<size_t>(classes));
  found = arena.take_array<heed_box>(static_cast<size_t>(queries));
}

Status heed_detector::ready(heed_diagnostic* diagnostic) { return bind(diagnostic); }

// The best class of one query and its box in pixels of the picture; false below the threshold.
bool heed_detector::look(int32_t query, const heed_picture& picture, heed_box* box) {
  const auto* score = static_cast<const float*>(scores.data) + ptrdiff_t{query} * classes;
  std::copy_n(score, classes, row);
  if (task.sigmoid)
    for (int32_t c = 0; c < classes; ++c) row[c] = heed::scalar::sigmoid(row[c]);
  else
    heed::softmax_in_place(row, static_cast<size_t>(classes));
  int32_t best = -1;
  for (int32_t c = 0; c < classes; ++c)
    if (c != task.background && (best < 0 || row[c] > row[best])) best = c;
  if (best < 0 || !(row[best] >= task.threshold)) return false;
  const auto* b = static_cast<const float*>(boxes.data) + ptrdiff_t{query} * 4;
  const float half = task.centered ? 0.5f : 0.0f;
  const float left = b[0] - half * b[2], top = b[1] - half * b[3];
  const float right = task.centered ? b[0] + half * b[2] : b[2];
  const float bottom = task.centered ? b[1] + half * b[3] : b[3];
  const heed::PicturePlace place = preprocessor.place();
  const auto x = [&](float part) {
    const float at =
        place.left + place.scale_x * part * static_cast<float>(preprocessor.config().width);
    return std::clamp(at, 0.0f, static_cast<float>(picture.width));
  };
  const auto y = [&](float part) {
    const float at =
        place.top + place.scale_y * part * static_cast<float>(preprocessor.config().height);
    return std::clamp(at, 0.0f, static_cast<float>(picture.height));
  };
  const char* label = heed_model_label(core.model, best);
  *box = {x(left),   y(top), x(right), y(bottom), best, label == nullptr ? "" : label,
          row[best], query};
  return true;
}

Status heed_detector::run(const heed_picture& picture, int32_t* count,
                          heed_diagnostic* diagnostic) {
  HEED_TRY(preprocessor.fill(picture, static_cast<float*>(input.data), diagnostic));
  HEED_TRY(heed::run_task(core, diagnostic));
  int32_t seen = 0;
  for (int32_t q = 0; q < queries; ++q) seen += look(q, picture, &found[seen]) ? 1 : 0;
  std::sort(found, found + seen, better);
  int32_t kept = 0;
  for (int32_t i = 0; i < seen; ++i) {
    const bool covered =
        task.overlap_max > 0 && std::any_of(found, found + kept, [&](const heed_box& other) {
          return other.index == found[i].index && overlap(other, found[i]) > task.overlap_max;
        });
    if (!covered) found[kept++] = found[i];
  }
  *count = kept;
  return Status::ok;
}

heed_status heed_detector_memory(const heed_model* model, const heed_task_options* options,
                                 size_t* bytes, heed_diagnostic* diagnostic) {
  return heed::measure_task<heed_detector>(model, options, bytes, diagnostic);
}

heed_status heed_detector_create(const heed_model* model, const heed_task_options* options,
                                 void* memory, size_t bytes, heed_detector** detector,
                                 heed_diagnostic* diagnostic) {
  return heed::create_task(model, options, memory, bytes, detector, diagnostic);
}

void heed_detector_destroy(heed_detector* detector) { heed::destroy_task(detector); }

heed_session* heed_detector_session(heed_detector* detector) {
  return detector == nullptr ? nullptr : detector->core.session;
}

heed_status heed_detector_run(heed_detector* detector, const heed_picture* picture, heed_box* boxes,
                              int32_t capacity, int32_t* count, heed_diagnostic* diagnostic) {
  Status status = heed::fail(diagnostic, Status::ok, "");
  int32_t found = 0;
  if (detector == nullptr || picture == nullptr || capacity < 0 ||
      (boxes == nullptr && capacity > 0))
    status = heed::fail(diagnostic, Status::invalid_argument,
                        "there is no detector, no picture or no room for boxes");
  else
    status = detector->run(*picture, &found, diagnostic);
  if (status == Status::ok) std::copy_n(detector->found, std::min(found, capacity), boxes);
  if (count != nullptr) *count = found;
  return static_cast<heed_status>(status);
}

void heed_detector_seen(const heed_detector* detector, heed_picture* picture) {
  if (picture == nullptr) return;
  *picture = detector == nullptr ? heed_picture{} : detector->preprocessor.seen();
}
