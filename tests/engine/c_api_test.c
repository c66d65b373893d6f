/* heed.h is plain C: this file is compiled as C11, and c_api_test.cpp calls what it does. */
#include "engine/heed.h"

#include <stddef.h>

/* Opens a model in memory, runs its first entry point in memory that the caller brings, and copies
 * `count` floats in and out. */
heed_status heed_test_run_in_c(const void* file, size_t file_bytes, void* memory,
                               size_t memory_bytes, const float* x, float* y, size_t count,
                               heed_diagnostic* diagnostic) {
  heed_model* model = NULL;
  heed_session* session = NULL;
  heed_tensor input, output;
  size_t i;
  heed_status status = heed_model_open_buffer(file, file_bytes, NULL, &model, diagnostic);
  if (status == HEED_OK)
    status = heed_session_create(model, NULL, memory, memory_bytes, &session, diagnostic);
  heed_model_close(model); /* the session keeps what it needs */
  if (status == HEED_OK) status = heed_session_input(session, NULL, NULL, &input);
  if (status == HEED_OK && input.bytes != count * sizeof(float)) status = HEED_INVALID_ARGUMENT;
  for (i = 0; status == HEED_OK && i < count; ++i) ((float*)input.data)[i] = x[i];
  if (status == HEED_OK) status = heed_session_run(session, NULL, diagnostic);
  if (status == HEED_OK) status = heed_session_output(session, NULL, NULL, &output);
  for (i = 0; status == HEED_OK && i < count; ++i) y[i] = ((const float*)output.data)[i];
  heed_session_destroy(session);
  return status;
}
