#include "converter/convert.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include "converter/compare.h"
#include "converter/graph/convert_error.h"
#include "engine/heed.hpp"
#include "models/tensors/npy.h"
#include "tests/support/onnx_builder.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/seeded_random.h"

using heed::ConvertOptions;
using heed::ConvertReport;
using heed::test::OnnxModel;
using heed::test::SeededRandom;

namespace {

std::vector<float> random_values(size_t count, uint64_t seed) {
  SeededRandom random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = random.normal() * 0.2f;
  return values;
}

/// x [1, 6, 48] -> two linears with a Relu between -> y [1, 6, 32].
OnnxModel two_layers() {
  OnnxModel model;
  auto& g = model.graph;
  g.input("x", {1, 6, 48});
  g.output("y", {1, 6, 32});
  const auto w1 = g.weight("first.weight", {48, 64}, random_values(48 * 64, 1));
  const auto w2 = g.weight("second.weight", {64, 32}, random_values(64 * 32, 2));
  const auto b1 = g.weight("first.bias", {64}, random_values(64, 3));
  const auto added = g.node("Add", {g.node("MatMul", {"x", w1}, "m1"), b1}, "a1");
  g.node("MatMul", {g.node("Relu", {added}, "r1"), w2}, "y");
  return model;
}

/// A folder with source.onnx in it; the output is to be model.heed beside it.
class Workplace {
 public:
  explicit Workplace(const std::string& bytes) {
    std::ofstream(source(), std::ios::binary) << bytes;
    options.output = file("model.heed");
    options.random_samples = 1;
  }
  std::string source() const { return file("source.onnx"); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  size_t files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      ++count;
    return count;
  }
  ConvertReport convert() const { return heed::convert(source(), options); }
  /// The error's text; "" when there was none.
  std::string refusal() const {
    try {
      convert();
    } catch (const heed::ConvertError& error) {
      return error.what();
    }
    return "";
  }

  ConvertOptions options;

 private:
  heed::test::TemporaryFolder folder_;
};

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("A small model is converted, verified, measured and reported") {
  Workplace work(two_layers().bytes());
  const ConvertReport report = work.convert();
  CHECK(work.files() == 2);
  CHECK(report.file_bytes == std::filesystem::file_size(work.options.output));
  CHECK(report.source_bytes == std::filesystem::file_size(work.source()));
  REQUIRE(report.outputs.size() == 1);
  CHECK(report.outputs[0].snr_db > 28);
  CHECK(report.random_inputs);
  CHECK(says(heed::report_text(report), "2 linear int8"));
  const auto json = nlohmann::json::parse(heed::report_json(report));
  CHECK(json["memory_bytes"] == report.memory_bytes);
  CHECK(json["outputs"][0]["tensor"] == "y");

  heed::Model model;
  REQUIRE(model.open(work.options.output.c_str()) == heed::Status::ok);
  const heed_info info = model.info();
  CHECK(std::string(info.source_name) == "source.onnx");
  CHECK(std::string(info.source_sha256).size() == 64);
  CHECK(info.measured == 1);
  size_t needed = 0;
  REQUIRE(model.memory_needed({}, &needed) == heed::Status::ok);
  CHECK(needed == report.memory_bytes);
}

TEST_CASE("A dry run writes nothing and tells what would be fused") {
  Workplace work(two_layers().bytes());
  work.options.dry_run = true;
  const ConvertReport report = work.convert();
  CHECK(work.files() == 1);
  CHECK(report.output.empty());
  CHECK(says(heed::report_text(report), "Linear"));
}

TEST_CASE("Layers that a pattern names stay float, and a pattern that names none is refused") {
  Workplace work(two_layers().bytes());
  work.options.keep_float = {"y"};
  const ConvertReport report = work.convert();
  CHECK(says(heed::report_text(report), "1 linear float"));
  CHECK(report.kept_float.size() == 1);
  work.options.keep_float = {"no such layer"};
  CHECK(says(work.refusal(), "no such layer"));
}

TEST_CASE("An accuracy budget keeps layers float until it is met") {
  Workplace work(two_layers().bytes());
  const double before = work.convert().outputs[0].snr_db;
  work.options.min_snr_db = before + 1;
  const ConvertReport report = work.convert();
  CHECK(report.outputs[0].snr_db >= before + 1);
  CHECK_FALSE(report.kept_float.empty());
}

TEST_CASE("A row of zeros in the weights is fine") {
  OnnxModel model = two_layers();
  std::vector<float> values = random_values(48 * 64, 1);
  for (size_t k = 0; k < 48; ++k) values[k * 64 + 5] = 0;
  model.graph.initializers[0] = heed::test::float_tensor("first.weight", {48, 64}, values);
  Workplace work(model.bytes());
  CHECK(work.convert().outputs[0].snr_db > 28);
}

TEST_CASE("Weights that are NaN are refused by name, and nothing is written") {
  OnnxModel model = two_layers();
  std::vector<float> values = random_values(48 * 64, 1);
  values[77] = std::numeric_limits<float>::quiet_NaN();
  model.graph.initializers[0] = heed::test::float_tensor("first.weight", {48, 64}, values);
  Workplace work(model.bytes());
  std::ofstream(work.options.output) << "what was there";
  const std::string text = work.refusal();
  INFO(text);
  CHECK(says(text, "first.weight"));
  CHECK(says(text, "NaN"));
  CHECK(work.files() == 2);
  CHECK(std::filesystem::file_size(work.options.output) == 14);
}

TEST_CASE("What is missing, no ONNX, cut short or of unknown ops is refused; nothing is written") {
  const std::string whole = two_layers().bytes();
  OnnxModel unknown = two_layers();
  unknown.graph.node("Unheard", {"r1"}, "u1", {{"depth", 3}});
  unknown.graph.node("NeverSeen", {"u1"}, "u2");
  unknown.graph.output("u2", {1, 6, 64});
  for (const std::string& bytes :
       {std::string(), std::string("certainly no model"), whole.substr(0, whole.size() / 2),
        unknown.bytes()}) {
    Workplace work(bytes);
    const std::string text = work.refusal();
    INFO(text);
    CHECK_FALSE(text.empty());
    CHECK(work.files() == 1);
    if (bytes == unknown.bytes()) {
      CHECK(says(text, "Unheard"));
      CHECK(says(text, "NeverSeen"));
    }
  }
  ConvertOptions options;
  options.output = "/tmp/heed_never_written.heed";
  CHECK_THROWS_AS(heed::convert("/no/such/model.onnx", options), heed::ConvertError);
  CHECK_FALSE(std::filesystem::exists(options.output));
}

TEST_CASE("Options that make no sense are refused before any work") {
  Workplace work(two_layers().bytes());
  const ConvertOptions good = work.options;
  work.options.output.clear();
  CHECK(says(work.refusal(), "output"));
  work.options = good;
  work.options.output = work.source();
  CHECK(says(work.refusal(), "replace the source"));
  work.options = good;
  work.options.activation_group = 24;
  CHECK(says(work.refusal(), "multiple of 16"));
  work.options = good;
  work.options.target = "toaster";
  CHECK(says(work.refusal(), "toaster"));
  CHECK_THROWS_AS(heed::convert({{work.source(), "a"}, {work.source(), "a"}}, good),
                  heed::ConvertError);
  CHECK(work.files() == 1);
}

TEST_CASE("Two sources become two entry points, with weights that both have stored once") {
  Workplace work(two_layers().bytes());
  const uint64_t one = work.convert().weight_bytes;
  const ConvertReport report =
      heed::convert({{work.source(), "encode"}, {work.source(), "decode"}}, work.options);
  REQUIRE(report.entries.size() == 2);
  CHECK(report.weight_bytes == one);
  CHECK(report.entries[1].name == "decode");
}

TEST_CASE("Samples come from .npy files, several in one, and are checked") {
  Workplace work(two_layers().bytes());
  const std::vector<float> values = random_values(3 * 6 * 48, 9);
  std::string error;
  REQUIRE(heed::write_npy(work.file("x.npy"), heed::NpyType::f32, {3, 6, 48}, values.data(),
                          &error));
  work.options.samples = {{{"x", work.file("x.npy")}}};
  const ConvertReport report = work.convert();
  CHECK_FALSE(report.random_inputs);
  CHECK(report.outputs[0].samples == 3);
  work.options.samples = {{{"z", work.file("x.npy")}}};
  CHECK(says(work.refusal(), "input 'x'"));
  REQUIRE(heed::write_npy(work.file("y.npy"), heed::NpyType::f32, {5}, values.data(), &error));
  work.options.samples = {{{"x", work.file("y.npy")}}};
  CHECK(says(work.refusal(), "[1,6,48]"));
}

TEST_CASE("A task file's labels are found in the converted model") {
  Workplace work(two_layers().bytes());
  work.options.task_json = R"({"kind": "tensors", "labels": ["left", "right"]})";
  work.convert();
  heed::Model model;
  REQUIRE(model.open(work.options.output.c_str()) == heed::Status::ok);
  CHECK(std::string(model.info().task) == "tensors");
  CHECK(std::string(model.label(1)) == "right");
  CHECK(model.label(2) == nullptr);
}

TEST_CASE("Named dimensions serve several sources, and a comparison knows them from the file") {
  OnnxModel first = two_layers(), second = two_layers();
  first.graph.inputs[0].dims = {"batch", "time", 48};
  second.graph.inputs[0].dims = {1, "frames", 48};
  Workplace work(first.bytes());
  std::ofstream(work.file("second.onnx"), std::ios::binary) << second.bytes();
  const std::vector<heed::ConvertSource> sources = {{work.source(), "a"},
                                                    {work.file("second.onnx"), "b"}};
  work.options.dims = {{"time", 6}, {"frames", 3}};
  const ConvertReport report = heed::convert(sources, work.options);
  CHECK(report.entries.size() == 2);
  const auto compared = heed::compare(sources, work.options.output, {});
  REQUIRE(compared.outputs.size() == 2);
  CHECK(compared.outputs[1].snr_db > 28);
  CHECK(says(work.refusal(), "'frames'"));  // one source alone has no such dimension
  work.options.dims["step"] = 2;
  CHECK_THROWS_AS(heed::convert(sources, work.options), heed::ConvertError);
}
