#include "models/decode/sampler.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

using heed::Sampler;
using heed::SamplerOptions;

namespace {

std::vector<int> drawn(const SamplerOptions& options, const std::vector<float>& logits, int times) {
  Sampler sampler;
  sampler.create(logits.size(), options);
  std::vector<int> counts(logits.size(), 0);
  for (int i = 0; i < times; ++i) ++counts[static_cast<size_t>(sampler.pick(logits.data()))];
  return counts;
}

const std::vector<float> kLogits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};

}  // namespace

TEST_CASE("without a temperature the most probable token is taken, the first of equals") {
  CHECK(drawn({}, kLogits, 10) == std::vector<int>{0, 10, 0, 0});
  CHECK(drawn({}, {1, 2, 2}, 3) == std::vector<int>{0, 3, 0});
}

TEST_CASE("tokens are drawn as often as they are probable") {
  const std::vector<int> counts = drawn({.temperature = 1}, kLogits, 20000);
  const double shares[] = {0.1, 0.4, 0.2, 0.3};
  for (size_t i = 0; i < 4; ++i) CHECK(std::abs(counts[i] / 20000.0 - shares[i]) < 0.015);
  CHECK(counts == drawn({.temperature = 1}, kLogits, 20000));
  CHECK(counts != drawn({.temperature = 1, .seed = 2}, kLogits, 20000));
}

TEST_CASE("top-k and top-p leave out what is improbable") {
  const std::vector<int> two = drawn({.temperature = 1, .top_k = 2}, kLogits, 7000);
  CHECK((two[0] == 0 && two[2] == 0));
  CHECK(std::abs(two[1] / 7000.0 - 4.0 / 7) < 0.02);
  const std::vector<int> most = drawn({.temperature = 1, .top_p = 0.75f}, kLogits, 9000);
  CHECK((most[0] == 0 && most[2] > 0));  // 0.4 + 0.3 is not enough, with 0.2 it is
  CHECK(drawn({.temperature = 1, .top_p = 0.0f}, kLogits, 5) == std::vector<int>{0, 5, 0, 0});
}
