#pragma once
// One model made ready for one task: a session with its first input and its outputs at hand, and
// the words for what can go wrong.

#include <memory>
#include <string>
#include <vector>

#include "engine/heed.hpp"
#include "models/heed_tasks.h"

namespace heed {

class TaskSession {
 public:
  /// `model` must outlive this object. Returns false with a sentence in `error`.
  bool create(const heed_model* model, const heed_options& options, const std::string& entry_point,
              std::string* error);

  heed_session* session() const { return session_.get(); }
  const std::string& entry_point() const { return entry_point_; }
  const heed_tensor& input() const { return inputs_[0]; }
  const std::vector<heed_tensor>& inputs() const { return inputs_; }
  const std::vector<heed_tensor>& outputs() const { return outputs_; }

  /// Allocates nothing unless it fails.
  bool run(std::string* error);

  /// Whether the first input takes `count` float32 values.
  bool input_is_floats(size_t count) const;

  /// The `count` most probable answers, best first, of one row of `classes` values.
  std::vector<heed_answer> best(const float* probabilities, size_t classes, size_t count) const;

 private:
  struct Destroy {
    void operator()(heed_session* session) const { heed_session_destroy(session); }
  };
  const heed_model* model_ = nullptr;
  std::unique_ptr<heed_session, Destroy> session_;
  std::string entry_point_;
  std::vector<heed_tensor> inputs_, outputs_;
};

/// p[i] = exp(x[i] - max) / sum, in place.
void softmax_in_place(float* values, size_t count);

}  // namespace heed
