/* heed_tasks: what a person wants done with a model, in C. A picture in, labels out: the model's
 * file says how the picture is resized, cut and normalised, and what its outputs mean.
 *
 * Every task has the same life:
 *
 *   heed_<task>_memory   how many bytes it will use, its session included
 *   heed_<task>_create   in memory of the caller's or of its own; everything is allocated here
 *   heed_<task>_run      one input to its answers; allocates nothing, and asks nothing of the
 * system heed_<task>_session  the session inside, for heed_attention_tap, heed_profile, its tensors
 *   heed_<task>_destroy  null is allowed
 *
 * The model stays open while a task on it lives, and may serve any number of tasks on any threads;
 * a task belongs to one thread at a time. Errors are those of engine/heed.h, and in addition:
 *
 *   HEED_NOT_FOUND        the model's file does not say what this task needs to know
 *   HEED_BAD_MODEL        what it says does not fit the model's inputs and outputs
 *   HEED_LIMIT_EXCEEDED   an input is larger than the options allow
 *   HEED_BAD_INPUT        a file is no picture, or a damaged one
 */
#ifndef HEED_TASKS_H
#define HEED_TASKS_H

#include "engine/heed.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- what all tasks share --------------------------------------------------------------------- */

#define HEED_PICTURE_SIDE_MAX 16384

/* Zeros (and a null pointer to it) stand for the defaults. */
typedef struct heed_task_options {
  heed_options engine;      /* threads, instruction set, thread pool */
  const char* entry_point;  /* null: the first */
  int32_t picture_side_max; /* of pictures, at most HEED_PICTURE_SIDE_MAX; 0: 8192.
                               Memory for resizing grows with it. */
  float threshold;          /* detector: the least probability; 0: what the model's file says */
} heed_task_options;

/* One answer of a classifier. */
typedef struct heed_answer {
  int32_t index;
  const char* label; /* "" where the model has no labels; lives as long as the model */
  float probability;
} heed_answer;

/* --- pictures --------------------------------------------------------------------------------- */

/* 8-bit pixels, row by row from the top, channels interleaved. */
typedef struct heed_picture {
  const uint8_t* pixels;
  int32_t width;
  int32_t height;
  int32_t channels; /* 1: grey, 3: RGB, 4: RGB and transparency, which is not looked at */
  size_t row_bytes; /* from one row to the next; 0: width * channels */
} heed_picture;

/* Decodes a file to RGB. The pixels come from malloc: end them with heed_picture_free. */
HEED_API heed_status heed_picture_read_file(const char* path, heed_picture* picture,
                                            heed_diagnostic* diagnostic);
HEED_API void heed_picture_free(heed_picture* picture);

/* --- image classifier: a picture to labels ---------------------------------------------------- */

typedef struct heed_image_classifier heed_image_classifier;

HEED_API heed_status heed_image_classifier_memory(const heed_model* model,
                                                  const heed_task_options* options, size_t* bytes,
                                                  heed_diagnostic* diagnostic);
/* `memory` as for heed_session_create: aligned to HEED_ALIGNMENT, or null. */
HEED_API heed_status heed_image_classifier_create(const heed_model* model,
                                                  const heed_task_options* options, void* memory,
                                                  size_t bytes, heed_image_classifier** classifier,
                                                  heed_diagnostic* diagnostic);
HEED_API void heed_image_classifier_destroy(heed_image_classifier* classifier);
HEED_API heed_session* heed_image_classifier_session(heed_image_classifier* classifier);

/* Writes the `capacity` most probable answers, best first, and how many there are (fewer where the
 * model has fewer classes). */
HEED_API heed_status heed_image_classifier_run(heed_image_classifier* classifier,
                                               const heed_picture* picture, heed_answer* answers,
                                               int32_t capacity, int32_t* count,
                                               heed_diagnostic* diagnostic);

/* All probabilities of the last run, one for each class; they hold until the next. */
HEED_API const float* heed_image_classifier_probabilities(const heed_image_classifier* classifier,
                                                          int32_t* classes);

/* What the model saw in the last run: resized and cut, not yet normalised. */
HEED_API void heed_image_classifier_seen(const heed_image_classifier* classifier,
                                         heed_picture* picture);

/* --- detector: a picture to boxes around objects ---------------------------------------------- */

typedef struct heed_box {
  float left, top, right, bottom; /* in pixels of the picture that was given, edge to edge */
  int32_t index;                  /* of the class */
  const char* label;              /* "" where the model has no labels; lives as long as the model */
  float probability;
  int32_t query; /* which of the model's queries found it */
} heed_box;

typedef struct heed_detector heed_detector;

HEED_API heed_status heed_detector_memory(const heed_model* model, const heed_task_options* options,
                                          size_t* bytes, heed_diagnostic* diagnostic);
HEED_API heed_status heed_detector_create(const heed_model* model, const heed_task_options* options,
                                          void* memory, size_t bytes, heed_detector** detector,
                                          heed_diagnostic* diagnostic);
HEED_API void heed_detector_destroy(heed_detector* detector);
HEED_API heed_session* heed_detector_session(heed_detector* detector);

/* Writes up to `capacity` boxes, the most probable first; `count` is how many there are, however
 * many there was room for. options.threshold decides which are worth mentioning. */
HEED_API heed_status heed_detector_run(heed_detector* detector, const heed_picture* picture,
                                       heed_box* boxes, int32_t capacity, int32_t* count,
                                       heed_diagnostic* diagnostic);
HEED_API void heed_detector_seen(const heed_detector* detector, heed_picture* picture);

/* --- segmenter: a picture to a class for each pixel ------------------------------------------- */

typedef struct heed_segmenter heed_segmenter;

HEED_API heed_status heed_segmenter_memory(const heed_model* model,
                                           const heed_task_options* options, size_t* bytes,
                                           heed_diagnostic* diagnostic);
HEED_API heed_status heed_segmenter_create(const heed_model* model,
                                           const heed_task_options* options, void* memory,
                                           size_t bytes, heed_segmenter** segmenter,
                                           heed_diagnostic* diagnostic);
HEED_API void heed_segmenter_destroy(heed_segmenter* segmenter);
HEED_API heed_session* heed_segmenter_session(heed_segmenter* segmenter);

/* Writes the class of each pixel, picture.width * picture.height bytes row by row: the scores are
 * interpolated to the picture's size and the largest wins. */
HEED_API heed_status heed_segmenter_run(heed_segmenter* segmenter, const heed_picture* picture,
                                        uint8_t* mask, size_t mask_bytes,
                                        heed_diagnostic* diagnostic);
HEED_API int32_t heed_segmenter_classes(const heed_segmenter* segmenter);
HEED_API void heed_segmenter_seen(const heed_segmenter* segmenter, heed_picture* picture);

/* --- text reader: a text to an embedding, or to labels ---------------------------------------- */

/* Tasks on texts allocate what they need when they are created, tables of the vocabulary among it,
 * and take no memory of the caller's. */

typedef struct heed_text_reader heed_text_reader;

HEED_API heed_status heed_text_reader_create(const heed_model* model,
                                             const heed_task_options* options,
                                             heed_text_reader** reader,
                                             heed_diagnostic* diagnostic);
HEED_API void heed_text_reader_destroy(heed_text_reader* reader);
HEED_API heed_session* heed_text_reader_session(heed_text_reader* reader);

/* Reads `bytes` bytes of UTF-8. Of a text that is longer than the model's input the beginning
 * counts. */
HEED_API heed_status heed_text_reader_run(heed_text_reader* reader, const char* text, size_t bytes,
                                          heed_diagnostic* diagnostic);

/* The model's first output for the text read last: an embedding, or a classifier's scores. They
 * hold until the next run. */
HEED_API const float* heed_text_reader_values(const heed_text_reader* reader, int32_t* count);

/* The most probable labels for the text read last, best first: up to `capacity` of them are
 * written; gives how many. */
HEED_API int32_t heed_text_reader_answers(heed_text_reader* reader, heed_answer* answers,
                                          int32_t capacity);

/* --- text generator: how a text goes on ------------------------------------------------------- */

/* How the next token is chosen. Zeros (and a null pointer): the most probable one. */
typedef struct heed_sampling {
  float temperature; /* 0: always the most probable */
  int32_t top_k;     /* drawn from so many of the most probable; 0: all */
  float top_p;       /* and of those from as few as together have this probability; 0: all */
  uint64_t seed;     /* the same seed gives the same text on every machine */
} heed_sampling;

typedef struct heed_text_generator heed_text_generator;

HEED_API heed_status heed_text_generator_create(const heed_model* model,
                                                const heed_task_options* options,
                                                const heed_sampling* sampling,
                                                heed_text_generator** generator,
                                                heed_diagnostic* diagnostic);
HEED_API void heed_text_generator_destroy(heed_text_generator* generator);
HEED_API heed_session* heed_text_generator_session(heed_text_generator* generator);

/* Forgets what was and reads `bytes` bytes of UTF-8. HEED_LIMIT_EXCEEDED: the prompt has more
 * tokens than the model's context. */
HEED_API heed_status heed_text_generator_start(heed_text_generator* generator, const char* prompt,
                                               size_t bytes, heed_diagnostic* diagnostic);

/* Chooses one token more. `text` is what it adds, `bytes` long and not ended by a zero, a part of a
 * character perhaps; it lives as long as the generator. null: the text has come to its end. */
HEED_API heed_status heed_text_generator_next(heed_text_generator* generator, const char** text,
                                              size_t* bytes, heed_diagnostic* diagnostic);

#ifdef __cplusplus
}
#endif

#endif
