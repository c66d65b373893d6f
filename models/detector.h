#pragma once
// Pictures to boxes around objects: what heed_detector of heed_tasks.h is.

#include "models/image/image_preprocess.h"
#include "models/task_block.h"
#include "models/task_info.h"

struct heed_detector {
  heed::TaskCore core;
  heed::PicturePreprocessor preprocessor;
  heed::ObjectTask task;
  heed_tensor input, scores, boxes;
  int32_t queries = 0, classes = 0;
  float* row = nullptr;       // probabilities of one query
  heed_box* found = nullptr;  // of all queries, those above the threshold first

  heed::Status read(heed_diagnostic* diagnostic);
  void carve(heed::Arena& arena);
  heed::Status ready(heed_diagnostic* diagnostic);
  heed::Status run(const heed_picture& picture, int32_t* count, heed_diagnostic* diagnostic);

 private:
  heed::Status bind(heed_diagnostic* diagnostic);
  bool look(int32_t query, const heed_picture& picture, heed_box* box);
};
