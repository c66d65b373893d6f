/* transcribe MODEL.heed SOUND.wav [LANGUAGE]: what is said, and when.
 *
 * Built like classify_picture.c. */
#include <stdio.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "transcribe: %s\n", line);
  return 1;
}

static int transcribe(heed_speech_recognizer* recognizer, const char* path) {
  heed_diagnostic diagnostic;
  heed_sound sound;
  int32_t count;
  const int32_t rate_hz = heed_speech_recognizer_rate_hz(recognizer);
  if (heed_sound_read_file(path, rate_hz, &sound, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  const heed_status status =
      heed_speech_recognizer_run(recognizer, sound.samples, sound.count, &diagnostic);
  heed_sound_free(&sound);
  if (status != HEED_OK) return complain(&diagnostic);
  const heed_spoken_segment* segment = heed_speech_recognizer_segments(recognizer, &count);
  for (; count > 0; --count, ++segment)
    printf("%7.2f - %7.2f s %s\n", segment->begin_s, segment->end_s, segment->text);
  return 0;
}

int main(int count, char** words) {
  heed_model* model;
  heed_speech_recognizer* recognizer;
  heed_diagnostic diagnostic;
  heed_speech_options speech = {0};
  if (count < 3) {
    fprintf(stderr, "usage: transcribe MODEL.heed SOUND.wav [LANGUAGE]\n");
    return 2;
  }
  if (count > 3) speech.language = words[3]; /* else the model finds out */
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  if (heed_speech_recognizer_create(model, NULL, &speech, &recognizer, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  const int failed = transcribe(recognizer, words[2]);
  heed_speech_recognizer_destroy(recognizer);
  heed_model_close(model);
  return failed;
}
