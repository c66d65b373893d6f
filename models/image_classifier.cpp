#include "models/image_classifier.h"

#include <cstring>

#include "models/task_info.h"

namespace heed {

bool ImageClassifier::create(const heed_model* model, const heed_options& options,
                             const std::string& entry_point, std::string* error) {
  if (!image_task(*model, &config_)) {
    *error =
        "the model says nothing about pictures: give it a task with image preprocessing when "
        "converting";
    return false;
  }
  if (!task_.create(model, options, entry_point, error)) return false;
  probabilities_ = output_is_probability(*model);
  if (!check_preprocess(config_, error)) return false;
  const size_t wanted = static_cast<size_t>(config_.width) * static_cast<size_t>(config_.height) *
                        static_cast<size_t>(config_.channels);
  if (!task_.input_is_floats(wanted)) {
    *error = "the model's preprocessing makes " + std::to_string(wanted) +
             " values, but its input '" + task_.input().name + "' takes " +
             std::to_string(task_.input().bytes / sizeof(float));
    return false;
  }
  const heed_tensor& output = task_.outputs()[0];
  classes_ = output.bytes / sizeof(float);
  if (output.type != HEED_F32) {
    *error = std::string("the model's output '") + output.name + "' does not hold float32 values";
    return false;
  }
  return true;
}

bool ImageClassifier::look(const Image& image, std::string* error) {
  seen_ = fit_image(image, config_);
  normalize_image(seen_, config_, static_cast<float*>(task_.input().data));
  return task_.run(error);
}

void ImageClassifier::probabilities(float* out) const {
  std::memcpy(out, task_.outputs()[0].data, classes_ * sizeof(float));
  if (!probabilities_) softmax_in_place(out, classes_);
}

}  // namespace heed
