// Attention maps of the int8 path against the float model's, rollout against its definition, and
// what a map costs.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cmath>
#include <memory>

#include "converter/convert.h"
#include "converter/graph/evaluate.h"
#include "converter/import_source.h"
#include "engine/heed.hpp"
#include "models/attention_map.h"
#include "models/tensors/npy.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"

namespace {

using heed::AttentionChoice;
using heed::AttentionMap;

/// A converted model, and its source as a float graph.
struct Both {
  heed::Model model;
  heed_session* session = nullptr;
  heed_tensor input{};
  heed::graph::Graph graph;

  Both(const std::string& source, const std::string& file) {
    heed::ConvertOptions options;
    options.output = file;
    options.random_samples = 0;
    heed::convert(source, options);
    heed::Diagnostic diagnostic;
    REQUIRE(model.open(file.c_str(), &diagnostic) == heed::Status::ok);
    REQUIRE(heed_session_create(model.get(), nullptr, nullptr, 0, &session, nullptr) == HEED_OK);
    heed_tensor first{};
    REQUIRE(heed_model_input(model.get(), "main", 0, &first) == HEED_OK);
    REQUIRE(heed_session_input(session, "main", first.name, &input) == HEED_OK);
    graph = std::move(heed::import_source({source, "main"}, {}).front().graph);
  }
  ~Both() { heed_session_destroy(session); }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;

  std::vector<float> random_input() const {
    heed::test::SeededRandom random(7);
    std::vector<float> values(input.bytes / sizeof(float));
    for (float& value : values) value = random.uniform(-1.0f, 1.0f);
    return values;
  }
  void run(const std::vector<float>& values) const {
    std::copy(values.begin(), values.end(), static_cast<float*>(input.data));
    REQUIRE(heed_session_run(session, "main", nullptr) == HEED_OK);
  }
  /// The mean over heads [T,T] of every layer, in float32.
  std::vector<std::vector<double>> float_maps(const std::vector<float>& values) const {
    std::vector<std::vector<double>> maps;
    const heed::graph::ValueId id = graph.inputs.front();
    heed::graph::Evaluator(graph).run(
        {{id, heed::graph::float_constant(*graph.value(id).shape, values)}},
        [&](heed::graph::ValueId value, const heed::graph::Constant& constant) {
          const heed::graph::NodeId node = graph.producer_id(value);
          if (node == heed::graph::kNoNode || graph.node(node).op != "Softmax" ||
              constant.shape.size() != 4)
            return;
          const auto heads = static_cast<size_t>(constant.shape[1]);
          std::vector<double> mean(constant.f32.size() / heads, 0.0);
          for (size_t i = 0; i < constant.f32.size(); ++i)
            mean[i % mean.size()] +=
                static_cast<double>(constant.f32[i]) / static_cast<double>(heads);
          maps.push_back(std::move(mean));
        });
    return maps;
  }
};

/// Row 0 of A'_L .. A'_1, whole matrices multiplied as the definition says.
std::vector<double> plain_rollout(const std::vector<std::vector<double>>& maps, size_t tokens) {
  std::vector<double> product;
  for (const std::vector<double>& map : maps) {
    std::vector<double> half(map.size());
    for (size_t r = 0; r < tokens; ++r) {
      double sum = 0;
      for (size_t c = 0; c < tokens; ++c) sum += map[r * tokens + c];
      for (size_t c = 0; c < tokens; ++c)
        half[r * tokens + c] = 0.5 * map[r * tokens + c] / sum + (r == c ? 0.5 : 0.0);
    }
    if (product.empty()) {
      product = half;
      continue;
    }
    std::vector<double> next(map.size(), 0.0);
    for (size_t r = 0; r < tokens; ++r)
      for (size_t k = 0; k < tokens; ++k)
        for (size_t c = 0; c < tokens; ++c)
          next[r * tokens + c] += half[r * tokens + k] * product[k * tokens + c];
    product = std::move(next);
  }
  product.resize(tokens);
  return product;
}

double largest_difference(const std::vector<float>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

AttentionMap tapped(const Both& both, AttentionChoice::Of of, int32_t layer = -1) {
  AttentionMap map;
  AttentionChoice choice;
  choice.of = of;
  choice.layer = layer;
  std::string error;
  REQUIRE(map.tap(*both.model.get(), both.session, "main", choice, &error));
  return map;
}

/// Class token and rollout of the int8 path next to the float model's; `bound` is a part of the
/// largest weight.
void check_against_float(const Both& both, const std::vector<float>& input, double bound) {
  const auto maps = both.float_maps(input);
  REQUIRE(!maps.empty());
  const std::vector<int32_t> first = {0};

  const AttentionMap last = tapped(both, AttentionChoice::Of::fitting);
  const auto tokens = static_cast<size_t>(last.attention().keys);
  REQUIRE(maps.back().size() == tokens * tokens);
  both.run(input);
  std::vector<double> wanted(maps.back().begin(),
                             maps.back().begin() + static_cast<ptrdiff_t>(tokens));
  const double largest = *std::max_element(wanted.begin(), wanted.end());
  CHECK(largest_difference(last.weights(first), wanted) < bound * largest);
  heed_attention_clear(both.session);

  const AttentionMap through = tapped(both, AttentionChoice::Of::rollout);
  both.run(input);
  wanted = plain_rollout(maps, tokens);
  // The identity's part is the same on both sides: what is compared is the rest.
  const double rest = *std::max_element(wanted.begin() + 1, wanted.end());
  CHECK(largest_difference(through.weights(first), wanted) < bound * rest);
  heed_attention_clear(both.session);
}

}  // namespace

TEST_CASE("rollout from taps is the product of the layers' maps") {
  const heed::test::TemporaryFolder folder;
  const Both both(HEED_SOURCE_DIR "/models/demo/digits.onnx", folder.file("digits.heed"));
  const AttentionMap through = tapped(both, AttentionChoice::Of::rollout);
  both.run(both.random_input());
  const std::vector<float> rollout = through.weights(std::vector<int32_t>{0});
  heed_attention_clear(both.session);
  std::vector<std::vector<double>> maps;
  heed_attention one{};
  for (int32_t i = 0; heed_model_attention(both.model.get(), "main", i, &one) == HEED_OK; ++i) {
    std::vector<float> heads(static_cast<size_t>(one.heads * one.queries * one.keys));
    REQUIRE(heed_attention_tap(both.session, "main", one.op, -1, heads.data(),
                               heads.size() * sizeof(float), nullptr) == HEED_OK);
    both.run(both.random_input());
    heed_attention_clear(both.session);
    std::vector<double> mean(static_cast<size_t>(one.queries * one.keys), 0.0);
    for (size_t k = 0; k < heads.size(); ++k)
      mean[k % mean.size()] += static_cast<double>(heads[k]) / one.heads;
    // Of the last layer there is the class token's row alone, and no other is looked from.
    CHECK((one.queries == one.keys || one.first_query == 0));
    mean.resize(static_cast<size_t>(one.keys * one.keys), 0.0);
    maps.push_back(std::move(mean));
  }
  REQUIRE(maps.size() > 1);
  CHECK(one.queries == 1);
  CHECK(largest_difference(rollout, plain_rollout(maps, static_cast<size_t>(one.keys))) < 1e-6);
}

TEST_CASE("attention of the int8 path is the float model's within a twentieth") {
  const heed::test::TemporaryFolder folder;
  const Both both(HEED_SOURCE_DIR "/models/demo/digits.onnx", folder.file("digits.heed"));
  check_against_float(both, both.random_input(), 0.05);
}

TEST_CASE("attention of ViT-Tiny's int8 path is the float model's within a tenth") {
  const std::string source = test_model("vit_tiny/vit_tiny.onnx");
  const heed::test::TemporaryFolder folder;
  const Both both(source, folder.file("vit.heed"));
  heed::Npy pictures;  // five of the labelled ones, [5,224,224,3] bytes
  std::string error;
  REQUIRE(heed::read_npy(test_model("vit_tiny/golden_rgb_5x224x224x3_u8.npy"), &pictures, &error));
  constexpr size_t kPixels = size_t{224} * 224;
  for (size_t p = 0; p < 2; ++p) {
    std::vector<float> input(3 * kPixels);
    for (size_t i = 0; i < input.size(); ++i)
      input[i] = static_cast<float>(pictures.bytes[(p * kPixels + i % kPixels) * 3 + i / kPixels]) /
                     127.5f -
                 1.0f;
    check_against_float(both, input, 0.1);
  }
}

TEST_CASE("a map of one layer costs less than 5 % of ViT-Tiny's run") {
  const std::string source = test_model("vit_tiny/vit_tiny.onnx");
  const heed::test::TemporaryFolder folder;
  const Both both(source, folder.file("vit.heed"));
  const std::vector<float> input = both.random_input();
  const auto run_us = [&] {
    std::copy(input.begin(), input.end(), static_cast<float*>(both.input.data));
    const auto begin = std::chrono::steady_clock::now();
    heed_session_run(both.session, "main", nullptr);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
        .count();
  };
  // Runs in turn: the quickest of either kind were disturbed least.
  double plain_us = 1e9, tapped_us = 1e9, ratio = 2;
  for (int attempt = 0; attempt < 10 && ratio >= 1.05; ++attempt) {
    for (int i = 0; i < 20; ++i) {
      plain_us = std::min(plain_us, run_us());
      const AttentionMap map = tapped(both, AttentionChoice::Of::layer, 5);  // of all queries
      tapped_us = std::min(tapped_us, run_us());
      heed_attention_clear(both.session);
    }
    ratio = tapped_us / plain_us;
  }
  INFO("without " << plain_us << " us, with " << tapped_us << " us");
  CHECK(ratio < 1.05);
}
