#include "models/image_classifier.h"

#include <algorithm>
#include <cstring>

#include "models/task_info.h"
#include "models/task_session.h"

using heed::Status;

Status heed_image_classifier::read(heed_diagnostic* diagnostic) {
  heed::ImagePreprocessConfig config;
  HEED_TRY(heed::image_task(*core.model, &config, diagnostic));
  HEED_TRY(preprocessor.create(config, core.options.picture_side_max, diagnostic));
  output_is_probability = heed::output_is_probability(*core.model);
  HEED_TRY(heed::task_input(core, 0, &input, diagnostic));
  HEED_TRY(heed::check_floats(input, preprocessor.values(), diagnostic));
  HEED_TRY(heed::task_output(core, 0, &output, diagnostic));
  HEED_TRY(heed::check_floats(output, output.bytes / sizeof(float), diagnostic));
  classes = static_cast<int32_t>(output.bytes / sizeof(float));
  return Status::ok;
}

void heed_image_classifier::carve(heed::Arena& arena) {
  preprocessor.carve(arena);
  probabilities = arena.take_array<float>(static_cast<size_t>(classes));
}

Status heed_image_classifier::ready(heed_diagnostic* diagnostic) {
  std::fill_n(probabilities, classes, 0.0f);
  HEED_TRY(heed::task_input(core, 0, &input, diagnostic));
  return heed::task_output(core, 0, &output, diagnostic);
}

Status heed_image_classifier::run(const heed_picture& picture, heed_diagnostic* diagnostic) {
  HEED_TRY(preprocessor.fill(picture, static_cast<float*>(input.data), diagnostic));
  HEED_TRY(heed::run_task(core, diagnostic));
  std::memcpy(probabilities, output.data, output.bytes);
  if (!output_is_probability) heed::softmax_in_place(probabilities, static_cast<size_t>(classes));
  return Status::ok;
}

heed_status heed_image_classifier_memory(const heed_model* model, const heed_task_options* options,
                                         size_t* bytes, heed_diagnostic* diagnostic) {
  return heed::measure_task<heed_image_classifier>(model, options, bytes, diagnostic);
}

heed_status heed_image_classifier_create(const heed_model* model, const heed_task_options* options,
                                         void* memory, size_t bytes,
                                         heed_image_classifier** classifier,
                                         heed_diagnostic* diagnostic) {
  return heed::create_task(model, options, memory, bytes, classifier, diagnostic);
}

void heed_image_classifier_destroy(heed_image_classifier* classifier) {
  heed::destroy_task(classifier);
}

heed_session* heed_image_classifier_session(heed_image_classifier* classifier) {
  return classifier == nullptr ? nullptr : classifier->core.session;
}

heed_status heed_image_classifier_run(heed_image_classifier* classifier,
                                      const heed_picture* picture, heed_answer* answers,
                                      int32_t capacity, int32_t* count,
                                      heed_diagnostic* diagnostic) {
  Status status = heed::fail(diagnostic, Status::ok, "");
  if (classifier == nullptr || picture == nullptr || capacity < 0 ||
      (answers == nullptr && capacity > 0))
    status = heed::fail(diagnostic, Status::invalid_argument,
                        "there is no classifier, no picture or no room for answers");
  else
    status = classifier->run(*picture, diagnostic);
  const int32_t found = status == Status::ok ? std::min(capacity, classifier->classes) : 0;
  if (found > 0)
    heed::best_answers(classifier->core.model, classifier->probabilities, classifier->classes,
                       answers, found);
  if (count != nullptr) *count = found;
  return static_cast<heed_status>(status);
}

const float* heed_image_classifier_probabilities(const heed_image_classifier* classifier,
                                                 int32_t* classes) {
  if (classes != nullptr) *classes = classifier == nullptr ? 0 : classifier->classes;
  return classifier == nullptr ? nullptr : classifier->probabilities;
}

void heed_image_classifier_seen(const heed_image_classifier* classifier, heed_picture* picture) {
  if (picture == nullptr) return;
  *picture = classifier == nullptr ? heed_picture{} : classifier->preprocessor.seen();
}
