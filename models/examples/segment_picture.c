/* segment_picture MODEL.heed PICTURE MASK.pgm: a class for every pixel, as a grey picture whose
 * values are the classes; what part of the picture each class takes is printed.
 *
 * Built like classify_picture.c. */
#include <stdio.h>
#include <stdlib.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "segment_picture: %s\n", line);
  return 1;
}

static void print_shares(const heed_model* model, const uint8_t* mask, size_t pixels) {
  size_t counts[256] = {0};
  for (size_t i = 0; i < pixels; ++i) ++counts[mask[i]];
  for (int32_t c = 0; c < 256; ++c) {
    const char* label = heed_model_label(model, c);
    if (counts[c] > 0)
      printf("%s (%d): %.1f %%\n", label != NULL ? label : "", (int)c,
             100.0 * (double)counts[c] / (double)pixels);
  }
}

static int write_mask(const char* path, const uint8_t* mask, const heed_picture* picture) {
  FILE* file = fopen(path, "wb");
  const size_t pixels = (size_t)picture->width * (size_t)picture->height;
  if (file == NULL) return 1;
  fprintf(file, "P5\n%d %d\n255\n", (int)picture->width, (int)picture->height);
  const int wrong = fwrite(mask, 1, pixels, file) != pixels;
  return fclose(file) != 0 || wrong;
}

int main(int count, char** words) {
  heed_model* model;
  heed_segmenter* segmenter;
  heed_picture picture;
  heed_diagnostic diagnostic;
  int failed = 0;
  if (count != 4) {
    fprintf(stderr, "usage: segment_picture MODEL.heed PICTURE MASK.pgm\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  if (heed_segmenter_create(model, NULL, NULL, 0, &segmenter, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  if (heed_picture_read_file(words[2], &picture, &diagnostic) == HEED_OK) {
    const size_t pixels = (size_t)picture.width * (size_t)picture.height;
    uint8_t* mask = malloc(pixels);
    if (mask == NULL ||
        heed_segmenter_run(segmenter, &picture, mask, pixels, &diagnostic) != HEED_OK) {
      failed = mask == NULL || complain(&diagnostic);
    } else {
      print_shares(model, mask, pixels);
      failed = write_mask(words[3], mask, &picture);
    }
    free(mask);
    heed_picture_free(&picture);
  } else {
    failed = complain(&diagnostic);
  }
  heed_segmenter_destroy(segmenter);
  heed_model_close(model);
  return failed;
}
