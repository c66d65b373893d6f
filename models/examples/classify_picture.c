/* classify_picture MODEL.heed PICTURE...: what is in each picture, with its probability.
 *
 * cc classify_picture.c -I HEED HEED/build/libheed_tasks.a HEED/build/libheed.a ... (or in CMake:
 * target_link_libraries(your_program heed_tasks)). */
#include <stdio.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "classify_picture: %s\n", line);
  return 1;
}

int main(int count, char** words) {
  heed_model* model;
  heed_image_classifier* classifier;
  heed_picture picture;
  heed_answer answers[3];
  heed_diagnostic diagnostic;
  int32_t found;
  int failed = 0;
  if (count < 3) {
    fprintf(stderr, "usage: classify_picture MODEL.heed PICTURE...\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  /* All memory there will ever be: 0 bytes at NULL let the classifier allocate it, here and once.
   */
  if (heed_image_classifier_create(model, NULL, NULL, 0, &classifier, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  for (int i = 2; i < count; ++i) {
    if (heed_picture_read_file(words[i], &picture, &diagnostic) != HEED_OK) {
      failed = complain(&diagnostic);
      continue;
    }
    if (heed_image_classifier_run(classifier, &picture, answers, 3, &found, &diagnostic) != HEED_OK)
      failed = complain(&diagnostic);
    for (int32_t n = 0; n < found; ++n)
      printf("%s: %s (%d), %.1f %%\n", words[i], answers[n].label, (int)answers[n].index,
             100.0 * (double)answers[n].probability);
    heed_picture_free(&picture);
  }
  heed_image_classifier_destroy(classifier);
  heed_model_close(model);
  return failed;
}
