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

/* --- sounds ----------------------------------------------------------------------------------- */

/* Samples of one channel in [-1, 1]. */
typedef struct heed_sound {
  const float* samples;
  size_t count;
  int32_t rate_hz;
} heed_sound;

/* Decodes a wav, flac or mp3 file, averages its channels and brings it to `rate_hz` (0: as it is).
 * The samples come from malloc: end them with heed_sound_free. */
HEED_API heed_status heed_sound_read_file(const char* path, int32_t rate_hz, heed_sound* sound,
                                          heed_diagnostic* diagnostic);
HEED_API void heed_sound_free(heed_sound* sound);

/* Tasks on sounds, too, allocate what they need when they are created, and take no memory of the
 * caller's. */

/* --- sound listener: a stream to keywords, or to where speech begins and ends ----------------- */

#define HEED_HEARD_NOTHING 0
#define HEED_HEARD_KEYWORD 1
#define HEED_HEARD_SPEECH_BEGIN 2
#define HEED_HEARD_SPEECH_END 3

typedef struct heed_sound_event {
  int32_t kind;
  int32_t index;     /* of the keyword, or of speech */
  const char* label; /* "" where the model has no labels; lives as long as the model */
  float probability; /* keyword: averaged over windows; speech that ended: over all of it */
  int64_t begin;     /* in samples since the stream began: the window in which the keyword was */
  int64_t end;       /* heard, or the speech */
} heed_sound_event;

typedef struct heed_sound_listener heed_sound_listener;

/* The model is a keyword spotter or a voice activity detector. */
HEED_API heed_status heed_sound_listener_create(const heed_model* model,
                                                const heed_task_options* options,
                                                heed_sound_listener** listener,
                                                heed_diagnostic* diagnostic);
HEED_API void heed_sound_listener_destroy(heed_sound_listener* listener);
HEED_API heed_session* heed_sound_listener_session(heed_sound_listener* listener);
HEED_API int32_t heed_sound_listener_rate_hz(const heed_sound_listener* listener);

/* Takes samples up to the end of the next window, moves *samples and *count on and, when a window
 * is complete, runs the model and says in `event` what was heard. Call it until *count is 0.
 * Allocates nothing. */
HEED_API heed_status heed_sound_listener_feed(heed_sound_listener* listener, const float** samples,
                                              size_t* count, heed_sound_event* event,
                                              heed_diagnostic* diagnostic);
/* The stream is over: speech that goes on ends here. */
HEED_API void heed_sound_listener_finish(heed_sound_listener* listener, heed_sound_event* event);
/* As after creation: a new stream. */
HEED_API void heed_sound_listener_reset(heed_sound_listener* listener);

/* --- speech recogniser: a sound to what was said ---------------------------------------------- */

/* Zeros (and a null pointer): the usual. */
typedef struct heed_speech_options {
  const char* language;  /* "en"; null: the model finds out, where it knows several */
  int32_t translate;     /* 1: to English */
  int32_t words;         /* 1: when each word was said */
  int32_t beams;         /* texts that are followed at once, at most the model's; 0: 1 */
  int32_t no_timestamps; /* 1: one segment for each window of the sound */
  int32_t no_fallback;   /* 1: never tries again at higher temperatures */
  /* Whisper writes down a window of the sound in the light of what it wrote before. */
  int32_t no_previous_text; /* 1: each window for itself */
  const char* prompt;       /* UTF-8, as if it had been said before the sound: names, a style */
} heed_speech_options;

typedef struct heed_spoken_word {
  const char* text; /* with the space before it, where there is one */
  double begin_s;
  double end_s;
} heed_spoken_word;

typedef struct heed_spoken_segment {
  const char* text; /* "" where the model has no tokenizer */
  double begin_s;
  double end_s;
  const int32_t* tokens;
  int32_t token_count;
  const heed_spoken_word* words; /* where they were asked for */
  int32_t word_count;
  float mean_log_probability; /* of the tokens */
  float no_speech;            /* probability that nobody spoke */
} heed_spoken_segment;

typedef struct heed_speech_recognizer heed_speech_recognizer;

HEED_API heed_status heed_speech_recognizer_create(const heed_model* model,
                                                   const heed_task_options* options,
                                                   const heed_speech_options* speech,
                                                   heed_speech_recognizer** recognizer,
                                                   heed_diagnostic* diagnostic);
HEED_API void heed_speech_recognizer_destroy(heed_speech_recognizer* recognizer);
HEED_API heed_session* heed_speech_recognizer_session(heed_speech_recognizer* recognizer);
HEED_API int32_t heed_speech_recognizer_rate_hz(const heed_speech_recognizer* recognizer);

/* Writes down a sound of any length, of the rate that the model wants. The searches allocate
 * nothing; what was said is kept in memory that grows with it. */
HEED_API heed_status heed_speech_recognizer_run(heed_speech_recognizer* recognizer,
                                                const float* samples, size_t count,
                                                heed_diagnostic* diagnostic);

/* What was said in the sound heard last; the segments hold until the next run. */
HEED_API const heed_spoken_segment* heed_speech_recognizer_segments(
    const heed_speech_recognizer* recognizer, int32_t* count);
/* Its language, "" where the model knows one only. */
HEED_API const char* heed_speech_recognizer_language(const heed_speech_recognizer* recognizer);

#ifdef __cplusplus
}
#endif

#endif
