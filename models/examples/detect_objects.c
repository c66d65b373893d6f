/* detect_objects MODEL.heed PICTURE...: the objects in each picture and where they are.
 *
 * Built like classify_picture.c. */
#include <stdio.h>

#include "models/heed_tasks.h"

enum { BOXES_MAX = 100 };

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "detect_objects: %s\n", line);
  return 1;
}

static int detect(heed_detector* detector, const char* path) {
  heed_picture picture;
  heed_box boxes[BOXES_MAX];
  heed_diagnostic diagnostic;
  int32_t found;
  if (heed_picture_read_file(path, &picture, &diagnostic) != HEED_OK) return complain(&diagnostic);
  if (heed_detector_run(detector, &picture, boxes, BOXES_MAX, &found, &diagnostic) != HEED_OK) {
    heed_picture_free(&picture);
    return complain(&diagnostic);
  }
  printf("%s: %d objects\n", path, (int)found);
  for (int32_t i = 0; i < found && i < BOXES_MAX; ++i)
    printf("  %s (%d), %.1f %%, from (%.0f, %.0f) to (%.0f, %.0f)\n", boxes[i].label,
           (int)boxes[i].index, 100.0 * (double)boxes[i].probability, (double)boxes[i].left,
           (double)boxes[i].top, (double)boxes[i].right, (double)boxes[i].bottom);
  heed_picture_free(&picture);
  return 0;
}

int main(int count, char** words) {
  heed_model* model;
  heed_detector* detector;
  heed_diagnostic diagnostic;
  heed_task_options options = {0};
  int failed = 0;
  if (count < 3) {
    fprintf(stderr, "usage: detect_objects MODEL.heed PICTURE...\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  options.threshold = 0.5f; /* the least probability that is worth mentioning */
  if (heed_detector_create(model, &options, NULL, 0, &detector, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  for (int i = 2; i < count; ++i) failed |= detect(detector, words[i]);
  heed_detector_destroy(detector);
  heed_model_close(model);
  return failed;
}
