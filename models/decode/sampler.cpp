#include "models/decode/sampler.h"

#include <algorithm>
#include <numeric>

#include "models/task_session.h"

namespace heed {

void Sampler::create(size_t tokens, const SamplerOptions& options) {
  options_ = options;
  state_ = options.seed;
  probabilities_.resize(tokens);
  order_.resize(tokens);
}

float Sampler::uniform() {  // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-24f;
}

int32_t Sampler::pick(const float* logits) {
  const size_t tokens = probabilities_.size();
  if (!(options_.temperature > 0))
    return static_cast<int32_t>(std::max_element(logits, logits + tokens) - logits);
  for (size_t i = 0; i < tokens; ++i) probabilities_[i] = logits[i] / options_.temperature;
  softmax_in_place(probabilities_.data(), tokens);
  std::iota(order_.begin(), order_.end(), 0);
  const bool limited = options_.top_k > 0 && static_cast<size_t>(options_.top_k) < tokens;
  const size_t kept = limited ? static_cast<size_t>(options_.top_k) : tokens;
  std::partial_sort(order_.begin(), order_.begin() + static_cast<ptrdiff_t>(kept), order_.end(),
                    [&](int32_t a, int32_t b) {
                      const float x = probabilities_[static_cast<size_t>(a)];
                      const float y = probabilities_[static_cast<size_t>(b)];
                      return x > y || (x == y && a < b);
                    });
  const auto share = [&](size_t i) { return probabilities_[static_cast<size_t>(order_[i])]; };
  float total = 0;
  for (size_t i = 0; i < kept; ++i) total += share(i);
  size_t count = 0;
  float held = 0;
  while (count < kept && (count == 0 || held < options_.top_p * total)) held += share(count++);
  float left = uniform() * held;
  size_t chosen = 0;
  while (chosen + 1 < count && left >= share(chosen)) left -= share(chosen++);
  return order_[chosen];
}

}  // namespace heed
