#pragma once
// What can go wrong, as pinned numbers, and the detail that turns a number into a sentence.

#include <stdint.h>

#include "engine/heed.h"

namespace heed {

/// The same numbers as heed_status in heed.h. [[nodiscard]]: an ignored failure is a compile error.
enum class [[nodiscard]] Status : int32_t{
    ok = HEED_OK,
    invalid_argument = HEED_INVALID_ARGUMENT,
    not_found = HEED_NOT_FOUND,
    io_error = HEED_IO_ERROR,
    out_of_memory = HEED_OUT_OF_MEMORY,
    memory_too_small = HEED_MEMORY_TOO_SMALL,
    not_a_model = HEED_NOT_A_MODEL,
    newer_version = HEED_NEWER_VERSION,
    bad_structure = HEED_BAD_STRUCTURE,
    bad_model = HEED_BAD_MODEL,
    bad_plan = HEED_BAD_PLAN,
    limit_exceeded = HEED_LIMIT_EXCEEDED,
    unsupported = HEED_UNSUPPORTED,
    bad_input = HEED_BAD_INPUT,
    wrong_state = HEED_WRONG_STATE,
};

/// Fills a diagnostic (null: nothing happens) and returns `status`, so that a check is one line.
/// `what` must be a string literal or live as long as the model.
Status fail(heed_diagnostic* diagnostic, Status status, const char* what, int32_t op = -1,
            int32_t tensor = -1, int64_t expected = 0, int64_t actual = 0);

/// Names the file, op or tensor that a failure is about; nothing where one is named already.
void set_where(heed_diagnostic* diagnostic, const char* where);

}  // namespace heed

/// Returns from the calling function when `expression` is not ok.
#define HEED_TRY(expression)                                 \
  do {                                                       \
    if (const ::heed::Status heed_try_status = (expression); \
        heed_try_status != ::heed::Status::ok)               \
      return heed_try_status;                                \
  } while (0)
