// A folder of graphs as optimum exports Whisper: names as it leaves them, and what comes of it the
// same bits as from the checkpoint.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "converter/convert.h"
#include "converter/graph/convert_error.h"
#include "engine/heed.hpp"
#include "tests/support/family_golden.h"
#include "tests/support/onnx_builder.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::test::FamilyGolden;
using heed::test::GoldenValue;
using heed::test::OnnxGraph;

// Equal to those of the layers before: exporters keep one of them, and read it by its name or by
// another.
constexpr const char* kCopies[] = {"model.encoder.layers.1.fc1.bias",
                                   "model.decoder.layers.1.fc1.bias"};

/// "model.decoder.layers.0.fc1.weight" of the decoder's graph -> "/model/decoder/layers.0/fc1".
std::string layer_path(std::string name) {
  name = name.substr(0, name.rfind('.'));
  for (size_t at = 0; (at = name.find('.', at)) != std::string::npos; ++at)
    if (at + 1 < name.size() && (name[at + 1] < '0' || name[at + 1] > '9')) name[at] = '/';
  return "/" + name;
}

std::vector<float> turned(const GoldenValue& matrix) {
  const auto rows = static_cast<size_t>(matrix.shape[0]),
             columns = static_cast<size_t>(matrix.shape[1]);
  std::vector<float> values(matrix.floats.size());
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c) values[c * rows + r] = matrix.floats[r * columns + c];
  return values;
}

/// One part's graph: matrices turned and nameless, all else by name. `skipped`: what the exporter
/// leaves out of the names; `merged`: products stand in the branches of an If.
std::string exported(const FamilyGolden& golden, const std::string& part,
                     const std::string& skipped, bool merged) {
  OnnxGraph graph, branch;
  OnnxGraph& products = merged ? branch : graph;
  const std::string suffix = merged ? "_merged_0" : "";
  const auto add_product = [&](const std::string& path, const GoldenValue& matrix) {
    const std::string weight =
        graph.weight("onnx::MatMul_" + std::to_string(graph.initializers.size()) + suffix,
                     {matrix.shape[1], matrix.shape[0]}, turned(matrix));
    products.nodes.push_back({"MatMul", {"x", weight}, {path}, {}, "", path + "/MatMul"});
  };
  for (const GoldenValue& tensor : golden.tensors) {
    if (tensor.name == kCopies[0] && part == "encoder") {
      graph.nodes.insert(graph.nodes.begin(),
                         {"Identity", {"layers.0.fc1.bias"}, {"layers.1.fc1.bias"}, {}, "", ""});
      continue;
    }
    if (tensor.name == kCopies[1] && part == "decoder") {
      products.nodes.push_back({"Add",
                                {"x", "model.decoder.layers.0.fc1.bias" + suffix},
                                {"y"},
                                {},
                                "",
                                "/model/decoder/layers.1/fc1/Add"});
      continue;
    }
    const bool table = tensor.name.find("embed_") != std::string::npos;
    if (tensor.name.rfind("model." + part, 0) != 0) continue;
    const std::string name = tensor.name.substr(skipped.size());
    if (tensor.shape.size() == 2 && !table) {
      add_product(layer_path(name), tensor);
    } else if (part == "encoder" && table) {
      graph.weight("onnx::Add_291", tensor.shape, tensor.floats);
      graph.nodes.push_back({"Add", {"x", "onnx::Add_291"}, {"placed"}, {}, "", "/Add_2"});
    } else {
      graph.weight(name + suffix, tensor.shape, tensor.floats);
    }
    if (tensor.name == "model.decoder.embed_tokens.weight") add_product("/proj_out", tensor);
  }
  if (merged) {
    heed::test::OnnxAttribute then("then_branch", 0);
    then.graph = branch.bytes();
    graph.nodes.push_back({"If", {"use_cache_branch"}, {"logits"}, {then}, "", "optimum::if"});
  }
  heed::test::OnnxModel model;
  model.graph = graph;
  return model.bytes();
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string converted(const std::string& folder, const std::string& output) {
  heed::ConvertOptions options;
  options.output = output;
  options.random_samples = 0;
  heed::convert(folder, options);
  return output;
}

/// The logits of the first tokens of a sound.
std::vector<float> logits_of(const FamilyGolden& golden, const std::string& file) {
  heed::Model model;
  REQUIRE(model.open(file.c_str()) == heed::Status::ok);
  heed_session* session = nullptr;
  REQUIRE(heed_session_create(model.get(), nullptr, nullptr, 0, &session, nullptr) == HEED_OK);
  heed_tensor mel{}, tokens{}, position{}, encoded{}, logits{};
  REQUIRE(heed_session_input(session, "encode_2s", "mel", &mel) == HEED_OK);
  std::memcpy(mel.data, golden.inputs[0].floats.data(), mel.bytes);
  REQUIRE(heed_session_run(session, "encode_2s", nullptr) == HEED_OK);
  REQUIRE(heed_session_input(session, "decode_step", "tokens", &tokens) == HEED_OK);
  REQUIRE(heed_session_input(session, "decode_step", "position", &position) == HEED_OK);
  REQUIRE(heed_session_input(session, "decode_step", "encoded", &encoded) == HEED_OK);
  REQUIRE(heed_session_output(session, "decode_step", "logits", &logits) == HEED_OK);
  std::vector<float> all;
  for (int64_t t = 0; t < 4; ++t) {
    *static_cast<int64_t*>(tokens.data) = golden.inputs[1].integers[static_cast<size_t>(t)];
    *static_cast<int64_t*>(position.data) = t;
    *static_cast<int64_t*>(encoded.data) = 100;
    REQUIRE(heed_session_run(session, "decode_step", nullptr) == HEED_OK);
    const float* row = static_cast<const float*>(logits.data);
    all.insert(all.end(), row, row + logits.bytes / sizeof(float));
  }
  heed_session_destroy(session);
  return all;
}

}  // namespace

TEST_CASE("Whisper exported to ONNX, in two graphs or merged, is what its checkpoint is") {
  FamilyGolden golden = heed::test::read_family_golden("whisper");
  heed::test::TemporaryFolder folder;
  for (const char* copy : kCopies) {
    std::string first = copy;
    first[first.find("layers.1") + 7] = '0';
    GoldenValue* pair[2] = {};
    for (GoldenValue& tensor : golden.tensors)
      if (tensor.name == first || tensor.name == copy) pair[tensor.name == copy] = &tensor;
    pair[1]->floats = pair[0]->floats;
  }
  golden.write_folder(folder.file("published"));
  const std::vector<float> wanted =
      logits_of(golden, converted(folder.file("published"), folder.file("published.heed")));
  FamilyGolden files = golden;
  files.tensors.clear();
  for (const bool merged : {false, true}) {
    INFO((merged ? "merged" : "two graphs"));
    const std::string to = folder.file(merged ? "merged" : "two");
    files.write_folder(to);
    std::remove((to + "/model.safetensors").c_str());
    write_bytes(to + "/encoder_model.onnx", exported(golden, "encoder", "model.encoder.", false));
    write_bytes(to + (merged ? "/decoder_model_merged.onnx" : "/decoder_model.onnx"),
                exported(golden, "decoder", "", merged));
    const std::string made = converted(to, to + ".heed");
    CHECK(logits_of(golden, made) == wanted);
    // The table of words is there once: it is no larger.
    std::ifstream one(made, std::ios::ate | std::ios::binary),
        other(folder.file("published.heed"), std::ios::ate | std::ios::binary);
    CHECK(std::abs(static_cast<long>(one.tellg() - other.tellg())) < 256);
  }
}

TEST_CASE("an export that lacks a layer's name is refused with the way that needs none") {
  FamilyGolden golden = heed::test::read_family_golden("whisper");
  heed::test::TemporaryFolder folder;
  const std::string to = folder.path().string();
  golden.write_folder(to);
  std::remove((to + "/model.safetensors").c_str());
  write_bytes(to + "/decoder_model.onnx", exported(golden, "decoder", "", false));
  std::erase_if(golden.tensors, [](const GoldenValue& tensor) {
    return tensor.name == "model.encoder.layers.1.fc2.weight";
  });
  write_bytes(to + "/encoder_model.onnx", exported(golden, "encoder", "model.encoder.", false));
  try {
    converted(to, folder.file("none.heed"));
    FAIL("it was converted");
  } catch (const heed::ConvertError& error) {
    CHECK_THAT(std::string(error.what()),
               Catch::Matchers::ContainsSubstring("layers.1.fc2.weight"));
    CHECK_THAT(std::string(error.what()), Catch::Matchers::ContainsSubstring("--keep-past"));
  }
}
