/* spot_keywords MODEL.heed SOUND.wav: which keywords are said, or where somebody speaks.
 *
 * Built like classify_picture.c. A microphone is fed the same way: in pieces of any length. */
#include <stdio.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "spot_keywords: %s\n", line);
  return 1;
}

static void tell(const heed_sound_event* event, double rate_hz) {
  if (event->kind == HEED_HEARD_KEYWORD)
    printf("%7.2f s  %s, %.0f %%\n", (double)event->end / rate_hz, event->label,
           100.0 * event->probability);
  if (event->kind == HEED_HEARD_SPEECH_END)
    printf("%7.2f s  speech until %.2f s\n", (double)event->begin / rate_hz,
           (double)event->end / rate_hz);
}

static int listen(heed_sound_listener* listener, const char* path) {
  heed_diagnostic diagnostic;
  heed_sound_event event;
  heed_sound sound;
  const int32_t rate_hz = heed_sound_listener_rate_hz(listener);
  if (heed_sound_read_file(path, rate_hz, &sound, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  const float* next = sound.samples;
  size_t left = sound.count;
  int failed = 0;
  while (left > 0 && !failed) {
    failed = heed_sound_listener_feed(listener, &next, &left, &event, &diagnostic) != HEED_OK;
    if (!failed) tell(&event, rate_hz);
  }
  if (!failed) {
    heed_sound_listener_finish(listener, &event);
    tell(&event, rate_hz);
  }
  heed_sound_free(&sound);
  return failed ? complain(&diagnostic) : 0;
}

int main(int count, char** words) {
  heed_model* model;
  heed_sound_listener* listener;
  heed_diagnostic diagnostic;
  if (count != 3) {
    fprintf(stderr, "usage: spot_keywords MODEL.heed SOUND.wav\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  if (heed_sound_listener_create(model, NULL, &listener, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  const int failed = listen(listener, words[2]);
  heed_sound_listener_destroy(listener);
  heed_model_close(model);
  return failed;
}
