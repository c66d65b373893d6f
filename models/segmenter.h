#pragma once
// Pictures to a class for each pixel: what heed_segmenter of heed_tasks.h is.

#include "models/image/image_preprocess.h"
#include "models/task_block.h"
#include "models/task_info.h"

struct heed_segmenter {
  heed::TaskCore core;
  heed::PicturePreprocessor preprocessor;
  heed::SegmentationTask task;
  heed_tensor input, scores;
  int32_t classes = 0, rows = 0, columns = 0;  // of the scores
  float* line = nullptr;                       // scores between two rows, [classes][columns]

  heed::Status read(heed_diagnostic* diagnostic);
  void carve(heed::Arena& arena);
  heed::Status ready(heed_diagnostic* diagnostic);
  heed::Status run(const heed_picture& picture, uint8_t* mask, heed_diagnostic* diagnostic);

 private:
  void mix_line(float v);
  uint8_t best_at(float u) const;
};
