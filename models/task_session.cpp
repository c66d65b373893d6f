#include "models/task_session.h"

#include <algorithm>
#include <numeric>

#include "ops/softmax/softmax.h"

namespace heed {

bool TaskSession::create(const heed_model* model, const heed_options& options,
                         const std::string& entry_point, std::string* error) {
  model_ = model;
  entry_point_ = entry_point;
  heed_info info;
  heed_model_info(model, &info);
  heed_entry_point entry{};
  bool found = false;
  std::string known;
  for (int32_t i = 0; i < info.entry_points && !found; ++i) {
    if (heed_model_entry_point(model, i, &entry) != HEED_OK) break;
    if (entry_point_.empty()) entry_point_ = entry.name;
    found = entry_point_ == entry.name;
    known += std::string(known.empty() ? "" : ", ") + entry.name;
  }
  if (!found) {
    *error = "the model has no entry point '" + entry_point_ + "'; it has " + known;
    return false;
  }
  Diagnostic diagnostic;
  heed_session* session = nullptr;
  if (heed_session_create(model, &options, nullptr, 0, &session, &diagnostic) != HEED_OK) {
    *error = diagnostic.text();
    return false;
  }
  session_.reset(session);
  for (int32_t i = 0; i < entry.inputs + entry.outputs; ++i) {
    const bool is_input = i < entry.inputs;
    heed_tensor tensor{};
    const heed_status described =
        is_input ? heed_model_input(model, entry_point_.c_str(), i, &tensor)
                 : heed_model_output(model, entry_point_.c_str(), i - entry.inputs, &tensor);
    if (described != HEED_OK || heed_session_tensor(session, tensor.index, &tensor) != HEED_OK) {
      *error = heed_status_text(described);
      return false;
    }
    (is_input ? inputs_ : outputs_).push_back(tensor);
  }
  if (inputs_.empty() || outputs_.empty()) {
    *error = "the entry point '" + entry_point_ + "' has no input or no output";
    return false;
  }
  return true;
}

bool TaskSession::run(std::string* error) {
  Diagnostic diagnostic;
  if (heed_session_run(session_.get(), entry_point_.c_str(), &diagnostic) == HEED_OK) return true;
  *error = diagnostic.text();
  return false;
}

bool TaskSession::input_is_floats(size_t count) const {
  return input().type == HEED_F32 && input().bytes == count * sizeof(float);
}

std::vector<heed_answer> TaskSession::best(const float* probabilities, size_t classes,
                                           size_t count) const {
  std::vector<int32_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, classes);
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                    [&](int32_t a, int32_t b) {
                      const float x = probabilities[a], y = probabilities[b];
                      return x > y || (x == y && a < b);
                    });
  std::vector<heed_answer> answers;
  for (size_t i = 0; i < count; ++i) {
    const char* label = heed_model_label(model_, order[i]);
    answers.push_back({order[i], label == nullptr ? "" : label, probabilities[order[i]]});
  }
  return answers;
}

void softmax_in_place(float* values, size_t count) {
  // The scalar one, which every machine has: probabilities, too, are the same bits everywhere.
  const SoftmaxKernelList kernels = softmax_kernels();
  const auto n = static_cast<int32_t>(count);
  kernels.items[kernels.count - 1]->softmax({values, n, values, n, 1, n, nullptr});
}

}  // namespace heed
