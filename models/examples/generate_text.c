/* generate_text MODEL.heed PROMPT [TOKENS]: how a text goes on.
 *
 * Built like classify_picture.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/heed_tasks.h"

static int complain(const heed_diagnostic* diagnostic) {
  char line[256];
  heed_diagnostic_text(diagnostic, line, sizeof line);
  fprintf(stderr, "generate_text: %s\n", line);
  return 1;
}

static int generate(heed_text_generator* generator, const char* prompt, int tokens) {
  heed_diagnostic diagnostic;
  const char* text;
  size_t bytes;
  if (heed_text_generator_start(generator, prompt, strlen(prompt), &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  printf("%s", prompt);
  for (int i = 0; i < tokens; ++i) {
    if (heed_text_generator_next(generator, &text, &bytes, &diagnostic) != HEED_OK)
      return complain(&diagnostic);
    if (text == NULL) break; /* the model has said all */
    fwrite(text, 1, bytes, stdout);
    fflush(stdout);
  }
  printf("\n");
  return 0;
}

int main(int count, char** words) {
  heed_model* model;
  heed_text_generator* generator;
  heed_diagnostic diagnostic;
  heed_sampling sampling = {0}; /* zeros: always the most probable token */
  if (count < 3) {
    fprintf(stderr, "usage: generate_text MODEL.heed PROMPT [TOKENS]\n");
    return 2;
  }
  if (heed_model_open_file(words[1], NULL, &model, &diagnostic) != HEED_OK)
    return complain(&diagnostic);
  if (heed_text_generator_create(model, NULL, &sampling, &generator, &diagnostic) != HEED_OK) {
    heed_model_close(model);
    return complain(&diagnostic);
  }
  const int failed = generate(generator, words[2], count > 3 ? atoi(words[3]) : 50);
  heed_text_generator_destroy(generator);
  heed_model_close(model);
  return failed;
}
