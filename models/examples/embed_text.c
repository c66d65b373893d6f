/* embed_text MODEL.heed TEXT TEXT...: how alike the first text is to each of the others, the cosine
 * of their embeddings; for a classifier's model, the labels of each text.
 *
 * Built like classify_picture.c; link with -lm. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "embed_text: %s\n", line);
  return 1;
}

static double cosine(const float* a, const float* b, int32_t count) {
  double ab = 0, aa = 0, bb = 0;
  for (int32_t i = 0; i < count; ++i) {
    ab += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return ab / sqrt(aa * bb);
}

int main(int count, char** words) {
  heed_model* model;
  heed_text_reader* reader;
  heed_diagnostic diagnostic;
  heed_answer answers[3];
  int32_t width;
  float* first = NULL;
  int failed = 0;
  if (count < 3) {
    fprintf(stderr, "usage: embed_text MODEL.heed TEXT TEXT...\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  if (heed_text_reader_create(model, NULL, &reader, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  for (int i = 2; i < count && !failed; ++i) {
    if (heed_text_reader_run(reader, words[i], strlen(words[i]), &diagnostic) != HEED_OK) {
      failed = complain(&diagnostic);
      break;
    }
    const float* values = heed_text_reader_values(reader, &width);
    if (heed_model_label(model, 0) != NULL) { /* a classifier */
      const int32_t found = heed_text_reader_answers(reader, answers, 3);
      for (int32_t n = 0; n < found; ++n)
        printf("%s: %s, %.1f %%\n", words[i], answers[n].label,
               100.0 * (double)answers[n].probability);
    } else if (first == NULL) {
      first = malloc((size_t)width * sizeof *first);
      if (first == NULL) failed = 1;
      if (first != NULL) memcpy(first, values, (size_t)width * sizeof *first);
    } else {
      printf("%s: cosine %.4f\n", words[i], cosine(first, values, width));
    }
  }
  free(first);
  heed_text_reader_destroy(reader);
  heed_model_close(model);
  return failed;
}
