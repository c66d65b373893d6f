// Every op that TensorFlow's own converter writes, computed as its interpreter computes it:
// golden/make_every_op.py made model and answers.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/tflite/tflite_import.h"
#include "engine/heed.hpp"
#include "tests/support/temporary_folder.h"

namespace {

using heed::graph::Constant;
using heed::graph::Shape;

const std::string kGolden = std::string(HEED_SOURCE_DIR) + "/tests/converter/golden/";

/// The formula of make_every_op.py.
std::vector<float> numbers(size_t count, int64_t salt) {
  std::vector<float> made;
  for (size_t i = 0; i < count; ++i) {
    const int64_t at = (static_cast<int64_t>(i) * 7919 + salt * 104729) % 2049 - 1024;
    made.push_back(static_cast<float>(at) / 512);
  }
  return made;
}

struct Golden {
  Shape shape;
  std::vector<float> elements;
};

std::map<std::string, Golden> goldens() {
  std::ifstream file(kGolden + "every_op.txt");
  std::map<std::string, Golden> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, dims;
    words >> name >> dims;
    Golden golden;
    std::istringstream sizes(dims == "-" ? "" : dims);
    for (std::string size; std::getline(sizes, size, 'x');)
      golden.shape.push_back(std::stoll(size));
    for (float element; words >> element;) golden.elements.push_back(element);
    all[name] = golden;
  }
  REQUIRE(all.size() > 100);
  return all;
}

void check(const std::string& name, const Golden& golden, const std::vector<float>& made) {
  INFO(name);
  REQUIRE(made.size() == golden.elements.size());
  float largest = 1, difference = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    largest = std::max(largest, std::fabs(golden.elements[i]));
    difference = std::max(difference, std::fabs(made[i] - golden.elements[i]));
  }
  CHECK(difference <= 2e-6f * largest);
}

}  // namespace

TEST_CASE("Every op of TensorFlow Lite gives what its interpreter gives") {
  auto graph = heed::tflite::import_tflite_file(kGolden + "every_op.tflite").graph;
  heed::graph::fold_constants(graph);
  std::vector<Constant> inputs;
  for (const auto id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    const Shape& shape = *graph.value(id).shape;
    if (name == "i") {
      inputs.push_back(heed::graph::int_constant(shape, {1, 3, 0, 2}));
    } else {
      inputs.push_back(
          heed::graph::float_constant(shape, name == "x" ? numbers(192, 100) : numbers(24, 101)));
    }
  }
  const std::vector<Constant> outputs = heed::graph::Evaluator(graph).run(inputs);
  const auto expected = goldens();
  REQUIRE(outputs.size() == expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    REQUIRE(expected.count(name) == 1);
    const Golden& golden = expected.at(name);
    CHECK(outputs[i].shape == golden.shape);
    std::vector<float> made = outputs[i].f32;
    if (made.empty()) made.assign(outputs[i].i64.begin(), outputs[i].i64.end());
    check(name, golden, made);
  }
}

TEST_CASE("The engine runs a model of every op of TensorFlow Lite") {
  const heed::test::TemporaryFolder folder;
  heed::ConvertOptions options;
  options.output = folder.file("every_op.heed");
  options.keep_float = {"*"};
  options.random_samples = 0;
  const heed::ConvertReport report = heed::convert(kGolden + "every_op.tflite", options);
  heed::Model model;
  heed::Session session;
  REQUIRE(model.open(options.output.c_str()) == heed::Status::ok);
  REQUIRE(session.create(model) == heed::Status::ok);
  const auto fill = [](auto to, const auto& from) {
    REQUIRE(to.size() == from.size());
    std::copy(from.begin(), from.end(), to.begin());
  };
  fill(session.input<float>("x"), numbers(192, 100));
  fill(session.input<float>("v"), numbers(24, 101));
  fill(session.input<int64_t>("i"), std::vector<int64_t>{1, 3, 0, 2});
  REQUIRE(session.run() == heed::Status::ok);
  for (const auto& [name, golden] : goldens()) {
    heed_tensor tensor{};
    REQUIRE(heed_session_output(session.get(), "main", name.c_str(), &tensor) == HEED_OK);
    std::vector<float> made(golden.elements.size());
    REQUIRE(heed_tensor_to_float(&tensor, made.data(), made.size()) == HEED_OK);
    check(name, golden, made);
  }
}
