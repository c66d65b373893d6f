#include "engine/status.h"

#include <stdio.h>

namespace heed {

Status fail(heed_diagnostic* diagnostic, Status status, const char* what, int32_t op,
            int32_t tensor, int64_t expected, int64_t actual) {
  if (diagnostic != nullptr)
    *diagnostic = {static_cast<heed_status>(status), what, "", op, tensor, expected, actual};
  return status;
}

void set_where(heed_diagnostic* diagnostic, const char* where) {
  if (diagnostic == nullptr || diagnostic->where[0] != '\0') return;
  size_t i = 0;
  for (; where[i] != '\0' && i + 1 < HEED_WHERE_BYTES; ++i) diagnostic->where[i] = where[i];
  diagnostic->where[i] = '\0';
}

}  // namespace heed

const char* heed_status_text(heed_status status) {
  switch (status) {
    case HEED_OK:
      return "ok";
    case HEED_INVALID_ARGUMENT:
      return "an argument is not valid";
    case HEED_NOT_FOUND:
      return "there is nothing of that name";
    case HEED_WRONG_STATE:
      return "not possible in this state";
    case HEED_IO_ERROR:
      return "the file cannot be read";
    case HEED_OUT_OF_MEMORY:
      return "out of memory";
    case HEED_MEMORY_TOO_SMALL:
      return "the memory handed over is too small";
    case HEED_NOT_A_MODEL:
      return "the file is not a heed model";
    case HEED_NEWER_VERSION:
      return "the file needs a newer heed";
    case HEED_BAD_STRUCTURE:
      return "the file is damaged";
    case HEED_BAD_MODEL:
      return "the model makes no sense";
    case HEED_BAD_PLAN:
      return "the memory plan makes no sense";
    case HEED_LIMIT_EXCEEDED:
      return "a limit is exceeded";
    case HEED_UNSUPPORTED:
      return "not supported by this build or machine";
    case HEED_BAD_INPUT:
      return "an input value is out of its range";
  }
  return "unknown status";
}

size_t heed_diagnostic_text(const heed_diagnostic* diagnostic, char* text, size_t bytes) {
  if (diagnostic == nullptr) return 0;
  const heed_diagnostic& d = *diagnostic;
  char op[24] = "", tensor[24] = "", numbers[64] = "";
  if (d.op >= 0) snprintf(op, sizeof op, " (op %d)", static_cast<int>(d.op));
  if (d.tensor >= 0) snprintf(tensor, sizeof tensor, " (tensor %d)", static_cast<int>(d.tensor));
  if (d.expected != 0 || d.actual != 0)
    snprintf(numbers, sizeof numbers, ": expected %lld, found %lld",
             static_cast<long long>(d.expected), static_cast<long long>(d.actual));
  const char* what = d.what != nullptr && d.what[0] != '\0' ? d.what : heed_status_text(d.status);
  const int length = snprintf(text, bytes, "%s%s%s%s%s%s", d.where, d.where[0] ? ": " : "", what,
                              numbers, op, tensor);
  return length < 0 ? 0 : static_cast<size_t>(length);
}
