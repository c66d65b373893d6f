#pragma once
// Pictures to labels: what heed_image_classifier of heed_tasks.h is.

#include "models/image/image_preprocess.h"
#include "models/task_block.h"

struct heed_image_classifier {
  heed::TaskCore core;
  heed::PicturePreprocessor preprocessor;
  heed_tensor input, output;
  int32_t classes = 0;
  bool output_is_probability = false;
  float* probabilities = nullptr;

  heed::Status read(heed_diagnostic* diagnostic);
  void carve(heed::Arena& arena);
  heed::Status ready(heed_diagnostic* diagnostic);
  heed::Status run(const heed_picture& picture, heed_diagnostic* diagnostic);
};
