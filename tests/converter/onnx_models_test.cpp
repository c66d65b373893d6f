// Real models, imported, folded and evaluated in float32, give their recorded outputs.

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"
#include "models/audio/sound_file.h"
#include "models/tensors/npy.h"
#include "tests/support/npz.h"
#include "tests/support/test_models.h"

namespace {

using heed::Npy;
using heed::graph::Constant;
using heed::graph::Evaluator;
using heed::graph::float_constant;
using heed::graph::Graph;
using heed::graph::int_constant;

Graph folded(const std::string& path, const heed::onnx::ImportOptions& options = {}) {
  Graph graph = heed::onnx::import_onnx_file(path, options).graph;
  heed::graph::fold_constants(graph);
  return graph;
}

Npy npy(const std::string& path) {
  Npy array;
  std::string error;
  REQUIRE(heed::read_npy(path, &array, &error));
  return array;
}

/// Row `index` of an array of rows of `count` floats.
std::vector<float> row(const std::vector<float>& rows, size_t index, size_t count) {
  const auto first = rows.begin() + static_cast<ptrdiff_t>(index * count);
  return {first, first + static_cast<ptrdiff_t>(count)};
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest;
}

std::vector<float> evaluate(const Graph& graph, Constant input) {
  return Evaluator(graph).run(std::vector<Constant>{std::move(input)})[0].f32;
}

bool only_known_shapes(const Graph& graph) {
  for (heed::graph::NodeId id : graph.order()) {
    for (heed::graph::ValueId output : graph.node(id).outputs) {
      if (output != heed::graph::kNoValue && !graph.value(output).shape) return false;
    }
  }
  return true;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  REQUIRE(!lines.empty());
  return lines;
}

std::vector<std::string> fields(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(line);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace

TEST_CASE("The keyword transformer gives its recorded logits and keeps no shape arithmetic") {
  const Graph graph = folded(test_model("kwt1/kwt1.onnx"));
  CHECK(only_known_shapes(graph));
  for (heed::graph::NodeId id : graph.order()) {
    const std::string& op = graph.node(id).op;
    CHECK((op != "Shape" && op != "Where" && op != "Expand" && op != "ConstantOfShape"));
  }
  const std::vector<float> features = npy(test_model("kwt1/golden_mfcc_5x98x40_f32.npy")).floats();
  const std::vector<float> logits = npy(test_model("kwt1/golden_logits_5x12_f32.npy")).floats();
  for (size_t i = 0; i < 5; ++i) {
    const auto y = evaluate(graph, float_constant({1, 98, 40}, row(features, i, 98 * 40)));
    CHECK(largest_difference(y, row(logits, i, 12)) < 1e-4f);
  }
}

TEST_CASE("The picture transformer gives its recorded logits") {
  const Graph graph = folded(test_model("vit_tiny/vit_tiny.onnx"));
  const std::vector<float> rgb =
      npy(test_model("vit_tiny/golden_rgb_5x224x224x3_u8.npy")).floats();
  const std::vector<float> logits =
      npy(test_model("vit_tiny/golden_logits_5x200_f32.npy")).floats();
  constexpr size_t kPixels = 224 * 224;
  for (size_t image = 0; image < 5; ++image) {
    std::vector<float> pixels(3 * kPixels);
    for (size_t i = 0; i < kPixels; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        pixels[c * kPixels + i] = (rgb[(image * kPixels + i) * 3 + c] / 255.0f - 0.5f) / 0.5f;
      }
    }
    const auto y = evaluate(graph, float_constant({1, 3, 224, 224}, std::move(pixels)));
    CHECK(largest_difference(y, row(logits, image, 200)) < 5e-4f);
  }
}

TEST_CASE("The digit transformer gives its recorded logits and splits its queries statically") {
  const Graph graph = folded(test_model("mnist_vit/mnist_vit.onnx"));
  for (heed::graph::NodeId id : graph.order()) {  // no arithmetic on sizes is left
    CHECK(graph.value(graph.node(id).outputs[0]).dtype == heed::graph::DType::f32);
  }
  const std::vector<float> images =
      npy(test_model("mnist_vit/golden_image_5x1x28x28_f32.npy")).floats();
  const std::vector<float> logits =
      npy(test_model("mnist_vit/golden_logits_200x10_f32.npy")).floats();
  for (size_t i = 0; i < 5; ++i) {
    const auto y = evaluate(graph, float_constant({1, 1, 28, 28}, row(images, i, 28 * 28)));
    CHECK(largest_difference(y, row(logits, i, 10)) < 1e-3f);
  }
}

TEST_CASE("The speech encoder gives its recorded hidden states") {
  const Graph graph = folded(test_model("whisper_tiny_en/encoder.onnx"));
  const std::string golden = test_model("whisper_tiny_en/golden_jfk_f16.npz");
  const auto y =
      evaluate(graph, float_constant({1, 80, 3000}, read_npz(golden, "mel").floats()));
  const std::vector<float> hidden = read_npz(golden, "hidden").floats();
  CHECK(largest_difference(y, hidden) < 1e-2f);
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += std::fabs(static_cast<double>(y[i] - hidden[i]));
  CHECK(sum / static_cast<double>(y.size()) < 1e-3);
}

TEST_CASE("The speech detector needs a shape, and then its If and its dynamic shapes resolve") {
  const std::string path = test_model("silero_vad/model_mini.onnx");
  CHECK_THROWS(heed::onnx::import_onnx_file(path));
  heed::onnx::ImportOptions options;
  options.shapes["input"] = {1, 4000};
  const Graph graph = folded(path, options);
  CHECK(only_known_shapes(graph));
  for (heed::graph::NodeId id : graph.order()) {
    const std::string& op = graph.node(id).op;
    CHECK((op != "If" && op != "Shape" && op != "ConstantOfShape" && op != "Cast"));
  }
  heed::Sound sound;
  std::string error;
  const std::string sound_path = test_model("whisper_tiny_en/jfk.wav");
  REQUIRE(heed::read_sound(sound_path, &sound, &error));
  const std::vector<std::string> lines = lines_of(test_model("silero_vad/golden_mini_jfk.csv"));
  size_t windows = 0;
  for (const std::string& line : lines) {
    const std::vector<std::string> columns = fields(line, ',');
    if (columns[0].find_first_not_of("0123456789") != std::string::npos) continue;  // heading
    const size_t first = std::stoul(columns[0]);
    REQUIRE(first + 4000 <= sound.samples.size());
    const auto begin = sound.samples.begin() + static_cast<ptrdiff_t>(first);
    std::vector<float> window(begin, begin + 4000);
    const auto y = evaluate(graph, float_constant({1, 4000}, std::move(window)));
    CHECK(std::fabs(y[0] - std::stof(columns[1])) < 1e-4f);
    CHECK(std::fabs(y[1] - std::stof(columns[2])) < 1e-4f);
    ++windows;
  }
  CHECK(windows == 87);
}

TEST_CASE("The date translator's encoder and decoder give their recorded results") {
  const Graph encoder = folded(test_model("date_transformer/encoder.onnx"));
  const Graph decoder = folded(test_model("date_transformer/decoder.onnx"));
  const std::string golden = test_model("date_transformer/golden_5.npz");
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i);
    const std::vector<float> memory = read_npz(golden, "memory" + n).floats();
    const auto encoded =
        evaluate(encoder, int_constant({1, 27}, read_npz(golden, "tokens" + n).integers()));
    CHECK(largest_difference(encoded, memory) < 1e-4f);
    const std::vector<Constant> inputs = {
        float_constant({1, 27, 64}, memory),
        float_constant({1, 11, 12}, read_npz(golden, "target" + n).floats())};
    const auto probs = Evaluator(decoder).run(inputs)[0].f32;
    CHECK(largest_difference(probs, read_npz(golden, "probs" + n).floats()) < 1e-4f);
  }
}
