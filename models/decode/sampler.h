#pragma once
// The next token from a model's logits: the most probable one, or one drawn at random.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace heed {

struct SamplerOptions {
  float temperature = 0;  // 0: the most probable token, always
  int32_t top_k = 0;      // drawn from so many of the most probable ones; 0: all
  float top_p = 1;        // and of those from as few as together have this probability
  uint64_t seed = 1;      // the same seed and logits give the same tokens on every machine
};

class Sampler {
 public:
  /// Allocates all that pick() needs.
  void create(size_t tokens, const SamplerOptions& options);
  /// Logits of all tokens. Allocates nothing.
  int32_t pick(const float* logits);

 private:
  float uniform();  // [0, 1)

  SamplerOptions options_;
  uint64_t state_ = 0;
  std::vector<float> probabilities_;
  std::vector<int32_t> order_;
};

}  // namespace heed
