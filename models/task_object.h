#pragma once
// Tasks of heed_tasks.h that are C++ objects inside, which allocate when they are created and take
// no memory of the caller's: their creation, written once.

#include <memory>
#include <new>
#include <string>

#include "engine/status.h"
#include "models/task_block.h"

namespace heed {

inline heed_status told(heed_diagnostic* diagnostic, Status status, const char* what,
                        const std::string& where = "") {
  status = fail(diagnostic, status, what);
  if (!where.empty()) set_where(diagnostic, where.c_str());
  return static_cast<heed_status>(status);
}

/// T has a member `std::string error`. `knows(model)` says whether the model's file tells what the
/// task needs, `without` is the sentence where it does not; `make(T*, options)` creates the rest,
/// or returns false with a sentence in `error`.
template <class T, class Knows, class Make>
heed_status create_task_object(const heed_model* model, const heed_task_options* options, T** out,
                               heed_diagnostic* diagnostic, Knows knows, const char* without,
                               Make make) {
  (void)fail(diagnostic, Status::ok, "");
  if (out == nullptr) return told(diagnostic, Status::invalid_argument, "a pointer is null");
  *out = nullptr;
  TaskCore core;
  core.model = model;
  if (options != nullptr) core.options = *options;
  if (model == nullptr) return told(diagnostic, Status::invalid_argument, "there is no model");
  const Status entry = resolve_entry_point(&core, diagnostic);
  if (entry != Status::ok) return static_cast<heed_status>(entry);
  if (!knows(*model)) return told(diagnostic, Status::not_found, without);
  try {
    auto made = std::make_unique<T>();
    if (!make(made.get(), core.options))
      return told(diagnostic, Status::bad_model, "the model is not one for this task", made->error);
    *out = made.release();
  } catch (const std::bad_alloc&) {
    return told(diagnostic, Status::out_of_memory, "no memory for a task");
  }
  return HEED_OK;
}

}  // namespace heed
