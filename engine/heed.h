/* heed: an inference engine for attention models. The public C API.
 *
 * Life of a model: open (map and verify a file) -> create sessions -> fill inputs, run, read
 * outputs -> destroy. A model is immutable and may be shared by any number of sessions on any
 * threads; a session belongs to one thread at a time. Nothing in heed_session_run allocates, locks
 * (its own thread pool's wake and wait excepted) or fails on a valid input.
 *
 * Every function that can fail returns a heed_status and, where a heed_diagnostic pointer is not
 * null, says more in it. Strings that are returned live as long as the model.
 */
#ifndef HEED_H
#define HEED_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define HEED_API
#else
#define HEED_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Pinned numbers: a code never changes its meaning. Gaps leave room for relatives. */
typedef enum heed_status {
  HEED_OK = 0,
  HEED_INVALID_ARGUMENT = 10, /* a null pointer, an unknown name, a number out of range */
  HEED_NOT_FOUND = 11,        /* no such entry point, tensor or attention op */
  HEED_WRONG_STATE = 12,
  HEED_IO_ERROR = 20,
  HEED_OUT_OF_MEMORY = 30,
  HEED_MEMORY_TOO_SMALL = 31, /* diagnostic: expected and actual bytes */
  HEED_NOT_A_MODEL = 40,      /* wrong magic, or not even long enough for one */
  HEED_NEWER_VERSION = 41,
  HEED_BAD_STRUCTURE = 42,    /* the FlatBuffer or a blob does not lie within the file */
  HEED_BAD_MODEL = 43,        /* an op, a shape, a type or an index makes no sense */
  HEED_BAD_PLAN = 44,         /* tensors that live at the same time overlap, or lie outside */
  HEED_LIMIT_EXCEEDED = 45,
  HEED_UNSUPPORTED = 50,      /* a valid file that this build or machine cannot run */
  HEED_BAD_INPUT = 60         /* a token id or an index outside its table, found while running */
} heed_status;

typedef struct heed_diagnostic {
  heed_status status;
  const char* what;  /* one sentence, English, no trailing stop; never null after a failure */
  const char* where; /* name of the op, tensor or file concerned, or "" */
  int32_t op;        /* index in its entry point, or -1 */
  int32_t tensor;    /* index in the model, or -1 */
  int64_t expected;
  int64_t actual;
} heed_diagnostic;

/* "ok", "the file is not a heed model", ... for each status; never null. */
HEED_API const char* heed_status_text(heed_status status);

