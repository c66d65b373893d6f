/* heed: an inference engine for attention models. The public C API.
 *
 * Life of a model: open (map and verify a file) -> create sessions -> fill inputs, run, read
 * outputs -> destroy. A model is immutable and may be shared by any number of sessions on any
 * threads; a session belongs to one thread at a time. Nothing in heed_session_run allocates, locks
 * (its thread pool's own wake and wait excepted) or fails on a valid input.
 *
 * Every function that can fail returns a heed_status and, where a heed_diagnostic pointer is not
 * null, says more in it. Names that are returned live as long as the model. Where a function takes
 * the name of an entry point, null stands for the first; where it takes the name of an input or
 * output, null stands for the first of that entry point.
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

/* --- status ----------------------------------------------------------------------------------- */

/* Pinned numbers: a code never changes its meaning. Gaps leave room for relatives. */
typedef enum heed_status {
  HEED_OK = 0,
  HEED_INVALID_ARGUMENT = 10, /* a null pointer, a number out of range, misaligned memory */
  HEED_NOT_FOUND = 11,        /* no such entry point, tensor or attention op */
  HEED_WRONG_STATE = 12,
  HEED_IO_ERROR = 20,
  HEED_OUT_OF_MEMORY = 30,
  HEED_MEMORY_TOO_SMALL = 31, /* diagnostic: expected and actual bytes */
  HEED_NOT_A_MODEL = 40,      /* wrong magic, or not even long enough for one */
  HEED_NEWER_VERSION = 41,
  HEED_BAD_STRUCTURE = 42, /* the FlatBuffer or a blob does not lie within the file */
  HEED_BAD_MODEL = 43,     /* an op, a shape, a type or an index makes no sense */
  HEED_BAD_PLAN = 44,      /* tensors that live at the same time overlap, or lie outside */
  HEED_LIMIT_EXCEEDED = 45,
  HEED_UNSUPPORTED = 50, /* a valid file that this build or machine cannot run */
  HEED_BAD_INPUT = 60    /* a token id or an index outside its table, found while running */
} heed_status;

#define HEED_WHERE_BYTES 96

typedef struct heed_diagnostic {
  heed_status status;
  const char* what;             /* a sentence in English, no trailing stop; "" after success */
  char where[HEED_WHERE_BYTES]; /* name of the file, op or tensor concerned, cut if long, or "" */
  int32_t op;                   /* index in its entry point, or -1 */
  int32_t tensor;               /* index in the model, or -1 */
  int64_t expected;             /* both 0 where `what` does not speak of numbers */
  int64_t actual;
} heed_diagnostic;

/* "ok", "the file is not a heed model", ... for each status; never null. */
HEED_API const char* heed_status_text(heed_status status);

/* Writes the whole diagnostic as one line of text, cut to `bytes` with its terminating zero.
 * Returns the length it would have without the cut. */
HEED_API size_t heed_diagnostic_text(const heed_diagnostic* diagnostic, char* text, size_t bytes);

/* "0.1.0". The file format has a version of its own: heed_info.version. */
HEED_API const char* heed_version(void);

/* --- models ----------------------------------------------------------------------------------- */

typedef struct heed_model heed_model;

/* Bounds that a file must keep to. Everything a file can make the engine spend is below one. */
typedef struct heed_limits {
  int64_t file_bytes;
  int32_t tensors;
  int32_t ops; /* of all entry points together */
  int32_t entry_points;
  int64_t tensor_bytes;  /* of one tensor */
  int64_t session_bytes; /* arenas and state of a session, the scratch of its ops not counted */
} heed_limits;

/* The limits that a null pointer stands for. */
HEED_API heed_limits heed_default_limits(void);

/* Maps and verifies a file; its pages are read where they lie and shared between processes. The
 * file must not be changed while it is open. */
HEED_API heed_status heed_model_open_file(const char* path, const heed_limits* limits,
                                          heed_model** model, heed_diagnostic* diagnostic);

/* The same for bytes in memory: 64-byte aligned, unchanged and alive until the model is closed and
 * the last of its sessions destroyed. In huge pages they are read faster than a mapped file, whose
 * pages processes share: a step of Whisper tiny's decoder takes 0.86 to 0.94 of the time, MiniLM-L6
 * 0.99 (Zen 4). */
HEED_API heed_status heed_model_open_buffer(const void* data, size_t bytes,
                                            const heed_limits* limits, heed_model** model,
                                            heed_diagnostic* diagnostic);

/* Null is allowed. Sessions keep what they need of the model until they are destroyed. */
HEED_API void heed_model_close(heed_model* model);

typedef struct heed_info {
  uint32_t version; /* of the format: 1000 * major + minor */
  uint64_t file_bytes;
  uint64_t blob_bytes; /* constants */
  uint64_t state_bytes;
  int32_t entry_points;
  int32_t tensors;
  const char* task; /* kind of the task, "" if none */
  int32_t labels;
  const char* producer; /* all strings: "" where the file says nothing */
  const char* source_name;
  const char* source_sha256;
  const char* recipe;
  const char* samples_sha256;
  uint64_t source_bytes;
  int32_t measured; /* 1: the five fields below hold what the converter measured */
  float output_snr_db;
  float answers_kept; /* share of equal answers; -1: not applicable */
  uint32_t samples;
  const char* worst_layer;
  float worst_layer_snr_db;
} heed_info;

HEED_API void heed_model_info(const heed_model* model, heed_info* info);

/* Label of answer `index`; null beyond the last. */
HEED_API const char* heed_model_label(const heed_model* model, int32_t index);

/* --- what a model consists of ----------------------------------------------------------------- */

#define HEED_MAX_RANK 8
#define HEED_ALIGNMENT 64

typedef enum heed_type {
  HEED_F32 = 0,
  HEED_I32 = 1,
  HEED_I64 = 2,
  HEED_I8 = 3,
  HEED_U8 = 4,
  HEED_BOOL = 5,    /* one byte, 0 or 1 */
  HEED_Q8_ROWS = 6, /* int8 rows with float scales: see heed_tensor_to_float */
  HEED_Q8_KEYS = 7, /* caches of int8 keys and values, [batch, capacity, width]; likewise */
  HEED_Q8_VALUES = 8
} heed_type;

typedef enum heed_storage {
  HEED_CONSTANT = 0,
  HEED_ARENA = 1,
  HEED_STATE = 2,
  HEED_VIEW = 3 /* part of another tensor */
} heed_storage;

typedef struct heed_tensor {
  const char* name;
  int32_t index; /* in the model */
  heed_type type;
  heed_storage storage;
  int32_t rank;
  int32_t dims[HEED_MAX_RANK]; /* outermost first; 1 beyond rank */
  size_t bytes;
  void* data;      /* null where no memory belongs to it: asked of a model and not constant */
  uint64_t offset; /* planned place: into its arena, the state, the blobs or its parent */
  int32_t parent;  /* of a view, else -1 */
  int32_t group;   /* HEED_Q8_*: values per scale (HEED_Q8_ROWS: 0 for one scale a row) */
  int32_t halo;    /* HEED_Q8_ROWS: rows of zeros before and after */
} heed_tensor;

typedef struct heed_entry_point {
  const char* name;
  int32_t inputs;
  int32_t outputs;
  int32_t ops;
  int32_t attentions; /* ops that heed_attention_tap can show */
  uint64_t arena_bytes;
  uint32_t shared_arena; /* those of one number use one arena in turn; 0: its own */
} heed_entry_point;

typedef struct heed_op {
  const char* name; /* of the source nodes */
  const char* kind; /* "linear", "attention", ... */
  int32_t inputs;
  int32_t outputs;
  int64_t multiply_adds; /* of one run; 0: not counted */
} heed_op;

typedef struct heed_attention {
  int32_t op; /* index in its entry point */
  const char* name;
  int32_t batch;
  int32_t heads;
  int32_t queries;
  int32_t keys;
  int32_t first_query; /* the key that query 0 is, where queries are some of the keys: a classifier
                          needs those of its class token alone; -1: all of them, or others */
} heed_attention;

/* All by index; HEED_INVALID_ARGUMENT for an index out of range, HEED_NOT_FOUND for a name. */
HEED_API heed_status heed_model_tensor(const heed_model* model, int32_t index, heed_tensor* tensor);
HEED_API heed_status heed_model_entry_point(const heed_model* model, int32_t index,
                                            heed_entry_point* entry_point);
HEED_API heed_status heed_model_input(const heed_model* model, const char* entry_point,
                                      int32_t index, heed_tensor* tensor);
HEED_API heed_status heed_model_output(const heed_model* model, const char* entry_point,
                                       int32_t index, heed_tensor* tensor);
HEED_API heed_status heed_model_op(const heed_model* model, const char* entry_point, int32_t index,
                                   heed_op* op);
/* Tensor index of an op's operand, -1 where an optional one is absent. */
HEED_API heed_status heed_model_op_input(const heed_model* model, const char* entry_point,
                                         int32_t op, int32_t index, int32_t* tensor);
HEED_API heed_status heed_model_op_output(const heed_model* model, const char* entry_point,
                                          int32_t op, int32_t index, int32_t* tensor);
HEED_API heed_status heed_model_attention(const heed_model* model, const char* entry_point,
                                          int32_t index, heed_attention* attention);

/* --- sessions --------------------------------------------------------------------------------- */

typedef struct heed_session heed_session;

#define HEED_MAX_THREADS 64

typedef struct heed_options {
  int32_t threads; /* 0 or 1: the calling thread alone; at most HEED_MAX_THREADS */
  const char* isa; /* "reference", "avx2", "avx512vnni", "neon", ...; null: "native" */
  void* pool;      /* a pthreadpool_t of the caller's that outlives the session: all its threads
                      are used and `threads` is ignored; null: the session makes its own pool */
  int32_t spin; /* 1: workers look for the next op about a millisecond before they sleep, not some
                   microseconds: for models run back to back on cores of their own */
} heed_options;

/* Bytes that heed_session_create needs for these options (null: defaults). Exact, and the same on
 * every machine with pointers of the same size. The stacks of pool threads are not in it. */
HEED_API heed_status heed_memory_needed(const heed_model* model, const heed_options* options,
                                        size_t* bytes, heed_diagnostic* diagnostic);

/* `memory`: HEED_ALIGNMENT-aligned, the session's until it is destroyed; or null: allocated here,
 * once, in huge pages where it takes several and the system has them. `bytes` beyond what is needed
 * stay untouched. */
HEED_API heed_status heed_session_create(const heed_model* model, const heed_options* options,
                                         void* memory, size_t bytes, heed_session** session,
                                         heed_diagnostic* diagnostic);
/* Null is allowed. */
HEED_API void heed_session_destroy(heed_session* session);

/* Where an input is to be written and an output found. `data` stays the same for the session's
 * life. A run may overwrite its inputs: fill all of them before each run. Outputs hold until the
 * next run of the same entry point, or of one that shares its arena
 * (heed_entry_point.shared_arena), whatever other entry points run meanwhile. Writing in place
 * saves a copy; there is no other way in. */
HEED_API heed_status heed_session_input(heed_session* session, const char* entry_point,
                                        const char* name, heed_tensor* tensor);
HEED_API heed_status heed_session_output(heed_session* session, const char* entry_point,
                                         const char* name, heed_tensor* tensor);
/* Any tensor by its index, with its memory. What an inner tensor holds is known only right after
 * the op that wrote it: see heed_session_observe. */
HEED_API heed_status heed_session_tensor(heed_session* session, int32_t index, heed_tensor* tensor);

HEED_API heed_status heed_session_run(heed_session* session, const char* entry_point,
                                      heed_diagnostic* diagnostic);

/* State tensors (caches, recurrent state) back to their initial values. */
HEED_API void heed_session_reset(heed_session* session);

/* Name of the kernel set that the session runs: "avx512vnni". */
HEED_API const char* heed_session_isa(const heed_session* session);
HEED_API int32_t heed_session_threads(const heed_session* session);
HEED_API size_t heed_session_bytes(const heed_session* session);
/* Name of the kernel variant that an op runs. */
HEED_API heed_status heed_session_variant(const heed_session* session, const char* entry_point,
                                          int32_t op, const char** variant);

/* Any tensor as floats: int8 times its scales, halo left out, integers and booleans as they are.
 * `count` must be the product of its dims. */
HEED_API heed_status heed_tensor_to_float(const heed_tensor* tensor, float* values, size_t count);

/* --- seeing inside ---------------------------------------------------------------------------- */

/* From now on every run writes the attention probabilities of one op (index in the entry point) to
 * `map`: [batch][queries][keys] floats of one head, or [batch][heads][queries][keys] for head -1.
 * One map for each (op, head) at most, a later one replaces it; map null: no longer. */
HEED_API heed_status heed_attention_tap(heed_session* session, const char* entry_point, int32_t op,
                                        int32_t head, float* map, size_t bytes,
                                        heed_diagnostic* diagnostic);
HEED_API void heed_attention_clear(heed_session* session);

typedef struct heed_profile_row {
  const char* name; /* of the op */
  const char* kind;
  const char* variant; /* kernel that ran */
  int64_t calls;
  int64_t total_ns;
  int64_t min_ns;        /* of one call; 0 before the first */
  int64_t multiply_adds; /* of one call */
  int64_t bytes;         /* of one call: operands read and written, each once */
} heed_profile_row;

/* Times every op of an entry point from now on into the caller's rows, one for each op in order;
 * names are filled in at once. rows null: no longer. Costs nothing while off. */
HEED_API heed_status heed_profile(heed_session* session, const char* entry_point,
                                  heed_profile_row* rows, int32_t count);

/* Called after each op of a run, on the calling thread; null: no longer. heed_session_tensor gives
 * the op's outputs, which hold until the callback returns. */
typedef void (*heed_observer)(void* user, heed_session* session, int32_t op);
HEED_API heed_status heed_session_observe(heed_session* session, const char* entry_point,
                                          heed_observer observer, void* user);

#ifdef __cplusplus
}
#endif

#endif
