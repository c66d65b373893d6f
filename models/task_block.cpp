#include "models/task_block.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>

namespace heed {
namespace {

Status describe(const TaskCore& core, heed_status found, heed_tensor* tensor,
                heed_diagnostic* diagnostic) {
  if (found == HEED_OK && core.session != nullptr)
    found = heed_session_tensor(core.session, tensor->index, tensor);
  if (found == HEED_OK) return Status::ok;
  return fail(diagnostic, Status::bad_model,
              "the model has fewer inputs or outputs than its task needs");
}

}  // namespace

Status resolve_entry_point(TaskCore* core, heed_diagnostic* diagnostic) {
  const char* wanted = core->options.entry_point;
  heed_entry_point entry;
  for (int32_t i = 0; heed_model_entry_point(core->model, i, &entry) == HEED_OK; ++i) {
    if (wanted != nullptr && strcmp(wanted, entry.name) != 0) continue;
    core->options.entry_point = entry.name;  // the model's own, which outlives the caller's
    return Status::ok;
  }
  const Status status = fail(diagnostic, Status::not_found, "there is no such entry point");
  set_where(diagnostic, wanted);
  return status;
}

Status task_input(const TaskCore& core, int32_t index, heed_tensor* tensor,
                  heed_diagnostic* diagnostic) {
  return describe(core, heed_model_input(core.model, core.options.entry_point, index, tensor),
                  tensor, diagnostic);
}

Status task_output(const TaskCore& core, int32_t index, heed_tensor* tensor,
                   heed_diagnostic* diagnostic) {
  return describe(core, heed_model_output(core.model, core.options.entry_point, index, tensor),
                  tensor, diagnostic);
}

Status task_output_named(const TaskCore& core, const char* name, heed_tensor* tensor,
                         heed_diagnostic* diagnostic) {
  for (int32_t i = 0; heed_model_output(core.model, core.options.entry_point, i, tensor) == HEED_OK;
       ++i)
    if (strcmp(tensor->name, name) == 0) return task_output(core, i, tensor, diagnostic);
  const Status status =
      fail(diagnostic, Status::bad_model, "the model has no such output, which its task names");
  set_where(diagnostic, name);
  return status;
}

Status check_floats(const heed_tensor& tensor, size_t count, heed_diagnostic* diagnostic) {
  if (tensor.type == HEED_F32 && tensor.bytes / sizeof(float) == count) return Status::ok;
  const Status status = fail(diagnostic, Status::bad_model,
                             tensor.type == HEED_F32 ? "the task's values do not fit the tensor"
                                                     : "the tensor does not hold float32 values",
                             -1, tensor.index, static_cast<int64_t>(count),
                             static_cast<int64_t>(tensor.bytes / sizeof(float)));
  set_where(diagnostic, tensor.name);
  return status;
}

Status run_task(const TaskCore& core, heed_diagnostic* diagnostic) {
  return static_cast<Status>(heed_session_run(core.session, core.options.entry_point, diagnostic));
}

Status task_memory(void* memory, size_t bytes, size_t needed, TaskCore* core, void** block,
                   heed_diagnostic* diagnostic) {
  if (reinterpret_cast<uintptr_t>(memory) % kAlignment != 0)
    return fail(diagnostic, Status::invalid_argument, "the memory must be aligned to 64 bytes");
  if (memory != nullptr && bytes < needed)
    return fail(diagnostic, Status::memory_too_small, "the memory handed over is too small", -1, -1,
                static_cast<int64_t>(needed), static_cast<int64_t>(bytes));
  if (memory == nullptr) core->owned_memory = aligned_alloc(kAlignment, needed);
  *block = memory != nullptr ? memory : core->owned_memory;
  if (*block != nullptr) return Status::ok;
  return fail(diagnostic, Status::out_of_memory, "no memory for a task", -1, -1,
              static_cast<int64_t>(needed));
}

void free_task_memory(void* owned) { free(owned); }

void best_answers(const heed_model* model, const float* probabilities, int32_t classes,
                  heed_answer* answers, int32_t count) {
  int32_t found = 0;
  for (int32_t i = 0; i < classes; ++i) {
    int32_t at = found;
    while (at > 0 && probabilities[i] > answers[at - 1].probability) --at;
    if (at >= count) continue;
    found = std::min(found + 1, count);
    for (int32_t j = found - 1; j > at; --j) answers[j] = answers[j - 1];
    answers[at] = {i, nullptr, probabilities[i]};
  }
  for (int32_t i = 0; i < found; ++i) {
    const char* label = heed_model_label(model, answers[i].index);
    answers[i].label = label == nullptr ? "" : label;
  }
}

}  // namespace heed
