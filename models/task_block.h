#pragma once
// The life of a task, written once. A task is one block of memory: its own record, its buffers, and
// the memory of its session. Its record is a plain struct T, copied into the block, with
//
//   TaskCore core;
//   Status read(diagnostic)      what the model's file says, checked against the model; no memory
//   void carve(Arena&)           takes the buffers; called for counting and then for real
//   Status ready(diagnostic)     the session exists: where its tensors are, tables
//
// heed_tasks.h names what the C functions promise.

#include <new>

#include "engine/arena.h"
#include "engine/status.h"
#include "models/heed_tasks.h"

namespace heed {

struct TaskCore {
  const heed_model* model = nullptr;
  heed_task_options options{};
  heed_session* session = nullptr;
  void* owned_memory = nullptr;  // null: the caller's
};

/// Puts the model's own name of the entry point into the options.
Status resolve_entry_point(TaskCore* core, heed_diagnostic* diagnostic);

/// The entry point's input or output by index, in the model or, once there is one, in the session.
Status task_input(const TaskCore& core, int32_t index, heed_tensor* tensor,
                  heed_diagnostic* diagnostic);
Status task_output(const TaskCore& core, int32_t index, heed_tensor* tensor,
                   heed_diagnostic* diagnostic);

/// The entry point's output of that name; the name lives as long as the model.
Status task_output_named(const TaskCore& core, const char* name, heed_tensor* tensor,
                         heed_diagnostic* diagnostic);

/// HEED_BAD_MODEL unless the tensor holds `count` float32 values.
Status check_floats(const heed_tensor& tensor, size_t count, heed_diagnostic* diagnostic);

/// Runs the entry point.
Status run_task(const TaskCore& core, heed_diagnostic* diagnostic);

/// Memory for a task's block: the caller's where there is any, else allocated.
Status task_memory(void* memory, size_t bytes, size_t needed, TaskCore* core, void** block,
                   heed_diagnostic* diagnostic);
void free_task_memory(void* owned);

/// The `count` most probable of `classes`, best first, the lower index first among equals.
void best_answers(const heed_model* model, const float* probabilities, int32_t classes,
                  heed_answer* answers, int32_t count);

template <class T>
Status plan_task(const heed_model* model, const heed_task_options* options, T* task,
                 size_t* session_bytes, size_t* bytes, heed_diagnostic* diagnostic) {
  (void)fail(diagnostic, Status::ok, "");
  if (model == nullptr) return fail(diagnostic, Status::invalid_argument, "there is no model");
  task->core.model = model;
  if (options != nullptr) task->core.options = *options;
  HEED_TRY(resolve_entry_point(&task->core, diagnostic));
  HEED_TRY(static_cast<Status>(
      heed_memory_needed(model, &task->core.options.engine, session_bytes, diagnostic)));
  HEED_TRY(task->read(diagnostic));
  Arena counter;
  counter.take(sizeof(T));
  task->carve(counter);
  counter.take(*session_bytes);
  *bytes = counter.used();
  return counter.ok() ? Status::ok
                      : fail(diagnostic, Status::out_of_memory, "a task is larger than any memory");
}

template <class T>
heed_status measure_task(const heed_model* model, const heed_task_options* options, size_t* bytes,
                         heed_diagnostic* diagnostic) {
  if (bytes == nullptr)
    return static_cast<heed_status>(
        fail(diagnostic, Status::invalid_argument, "a pointer is null"));
  T task;
  size_t session_bytes = 0;
  return static_cast<heed_status>(
      plan_task(model, options, &task, &session_bytes, bytes, diagnostic));
}

template <class T>
void destroy_task(T* task) {
  if (task == nullptr) return;
  void* owned = task->core.owned_memory;
  heed_session_destroy(task->core.session);
  task->~T();
  free_task_memory(owned);
}

template <class T>
Status make_task(const heed_model* model, const heed_task_options* options, void* memory,
                 size_t bytes, T** out, heed_diagnostic* diagnostic) {
  T plan;
  size_t session_bytes = 0, needed = 0;
  HEED_TRY(plan_task(model, options, &plan, &session_bytes, &needed, diagnostic));
  void* block = nullptr;
  HEED_TRY(task_memory(memory, bytes, needed, &plan.core, &block, diagnostic));
  Arena arena(static_cast<std::byte*>(block), needed);
  T* task = new (arena.take(sizeof(T))) T(plan);
  task->carve(arena);
  void* session_memory = arena.take(session_bytes);
  arena.seal();
  Status status =
      static_cast<Status>(heed_session_create(model, &task->core.options.engine, session_memory,
                                              session_bytes, &task->core.session, diagnostic));
  if (status == Status::ok) status = task->ready(diagnostic);
  if (status == Status::ok)
    *out = task;
  else
    destroy_task(task);
  return status;
}

template <class T>
heed_status create_task(const heed_model* model, const heed_task_options* options, void* memory,
                        size_t bytes, T** out, heed_diagnostic* diagnostic) {
  if (out == nullptr)
    return static_cast<heed_status>(
        fail(diagnostic, Status::invalid_argument, "a pointer is null"));
  *out = nullptr;
  return static_cast<heed_status>(make_task(model, options, memory, bytes, out, diagnostic));
}

}  // namespace heed
