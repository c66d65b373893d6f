#pragma once
// Pictures to labels.

#include <string>
#include <vector>

#include "models/image/image_preprocess.h"
#include "models/task_session.h"

namespace heed {

class ImageClassifier {
 public:
  /// `model` must carry a task with picture preprocessing and outlive this object. Returns false
  /// with a sentence in `error`.
  bool create(const heed_model* model, const heed_options& options, const std::string& entry_point,
              std::string* error);

  int32_t channels() const { return config_.channels; }  // to decode pictures with
  size_t classes() const { return classes_; }

  /// Runs the model on a picture of channels() channels.
  bool look(const Image& image, std::string* error);

  /// The `classes()` probabilities of the picture seen last.
  void probabilities(float* out) const;

  /// The pixels that the model saw last.
  const Image& seen() const { return seen_; }
  const TaskSession& task() const { return task_; }

 private:
  TaskSession task_;
  ImagePreprocessConfig config_;
  Image seen_;
  bool probabilities_ = false;
  size_t classes_ = 0;
};

}  // namespace heed
