// Files that are cut short, lie or attack: one clear error each, never a crash.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"
#include "tests/support/onnx_builder.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using heed::ConvertError;
using heed::graph::Graph;
using namespace heed::test;

/// The error that importing and folding gives; empty where both succeed.
std::string error_of(const std::string& bytes) {
  try {
    Graph graph = heed::onnx::import_onnx_bytes(bytes).graph;
    heed::graph::fold_constants(graph);
  } catch (const ConvertError& error) {
    return error.what();
  }
  return "";
}

OnnxModel small_model() {
  OnnxModel model;
  model.opset = 17;
  OnnxGraph branch;
  branch.node("Neg", {"h"}, "n");
  branch.output("n");
  model.graph.input("x", {1, 2});
  model.graph.weight("w", {2, 2}, {1, 2, 3, 4});
  model.graph.integers("shape", {2}, {2, 1});
  model.graph.node("MatMul", {"x", "w"}, "h");
  model.graph.initializers.push_back(int_tensor("true", {}, {1}));
  model.graph.node("Cast", {"true"}, "yes", {{"to", 9}});
  model.graph.node("If", {"yes"}, "i", {{"then_branch", branch}, {"else_branch", branch}});
  model.graph.node("Reshape", {"i", "shape"}, "r");
  model.graph.node("Softmax", {"r"}, "y", {{"axis", 0}});
  model.graph.output("y");
  return model;
}

/// A model in `folder`/model that adds an external tensor of two floats to its input.
std::string external_error(const TemporaryFolder& folder, const std::string& location,
                           int64_t offset = -1, int64_t length = -1) {
  OnnxModel model;
  model.graph.input("x", {2});
  OnnxTensor tensor;
  tensor.name = "w";
  tensor.dims = {2};
  tensor.encoding = OnnxEncoding::external;
  tensor.location = location;
  tensor.offset = offset;
  tensor.length = length;
  model.graph.initializers.push_back(tensor);
  model.graph.node("Add", {"x", "w"}, "y");
  model.graph.output("y");
  folder.write("model/m.onnx", model.bytes());
  try {
    Graph graph = heed::onnx::import_onnx_file((folder.path() / "model/m.onnx").string()).graph;
    heed::graph::fold_constants(graph);
    const std::vector<heed::graph::Constant> zero = {heed::graph::float_constant({2}, {0, 0})};
    CHECK(heed::graph::Evaluator(graph).run(zero)[0].f32 == std::vector<float>{5, 6});
  } catch (const ConvertError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Every cut of a good file is an error") {
  const std::string bytes = small_model().bytes();
  REQUIRE(error_of(bytes) == "");
  for (size_t size = 0; size < bytes.size(); ++size) {
    INFO("cut after " << size << " of " << bytes.size() << " bytes");
    CHECK(error_of(bytes.substr(0, size)) != "");
  }
}

TEST_CASE("No change of one byte brings the importer down") {
  const std::string bytes = small_model().bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int change : {0x01, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      error_of(changed);  // an error or a model: both are fine
    }
  }
  SUCCEED();
}

TEST_CASE("No random change of several bytes brings the importer down") {
  const std::string bytes = small_model().bytes();
  SeededRandom random(17);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    for (int n = 0; n < 8; ++n) {
      const auto at = random.integer(0, static_cast<int64_t>(bytes.size()) - 1);
      changed[static_cast<size_t>(at)] = static_cast<char>(random.integer(0, 255));
    }
    error_of(changed);
  }
  SUCCEED();
}

TEST_CASE("What is no ONNX at all is said to be none") {
  CHECK(error_of("") != "");
  CHECK(error_of("hello, this is a letter and not a model") != "");
  CHECK(error_of(std::string(1000, '\xff')) != "");
  CHECK(error_of(std::string(1000, '\0')) != "");
}

TEST_CASE("A missing, an empty and a cut file are named in the error") {
  const TemporaryFolder folder;
  folder.write("empty.onnx", "");
  folder.write("cut.onnx", small_model().bytes().substr(0, 100));
  for (const char* name : {"empty.onnx", "cut.onnx", "none.onnx", "model"}) {
    const std::string path = (folder.path() / name).string();
    CHECK_THROWS_WITH(heed::onnx::import_onnx_file(path), ContainsSubstring(path));
  }
}

TEST_CASE("Dimensions beyond reason are refused before memory is asked for") {
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{INT64_MAX, INT64_MAX}, {-1, 4}, {1 << 20, 1 << 20}, {0, INT64_MAX}}) {
    OnnxModel model = small_model();
    model.graph.initializers[0].dims = dims;
    CHECK_THAT(error_of(model.bytes()), ContainsSubstring("tensor 'w'"));
  }
  OnnxModel model = small_model();
  model.graph.inputs[0].dims = {1 << 20, 1 << 20};
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("input 'x'"));
  model = small_model();
  model.graph.integers("huge", {3}, {1 << 11, 1 << 10, 1 << 10});
  model.graph.node("ConstantOfShape", {"huge"}, "big");
  model.graph.node("Mul", {"big", "big"}, "bigger");
  model.graph.output("bigger");
  error_of(model.bytes());  // not folded: 8 GiB out of a few bytes
}

TEST_CASE("Constants that breed constants are folded only up to a limit") {
  OnnxModel model;
  model.graph.input("x", {1});
  model.graph.integers("shape", {2}, {4096, 4096});
  std::vector<std::string> all = {"x"};
  for (int i = 0; i < 64; ++i) {
    all.push_back(model.graph.node("ConstantOfShape", {"shape"}, std::to_string(i)));
  }
  model.graph.node("Sum", all, "y");
  model.graph.output("y");
  CHECK(error_of(model.bytes()) == "");
}

TEST_CASE("Names that nothing computes and names given twice are refused") {
  OnnxModel model = small_model();
  model.graph.nodes[0].inputs[1] = "nowhere";
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("reads 'nowhere', which nothing computes"));
  model = small_model();
  model.graph.node("Neg", {"x"}, "h");
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("two values are called 'h'"));
  model = small_model();
  model.graph.outputs[0].name = "absent";
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("'absent'"));
}

TEST_CASE("Opsets that are missing or too old are refused") {
  OnnxModel model = small_model();
  model.opset = 6;
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("opset 6 is too old"));
  model.opset = 0;
  CHECK(error_of(model.bytes()) != "");
}

TEST_CASE("Branches nested without end are refused") {
  OnnxGraph branch;
  branch.node("Neg", {"x"}, "n");
  branch.output("n");
  for (int i = 0; i < 100; ++i) {
    OnnxGraph outer;
    outer.node("If", {"yes"}, "n", {{"then_branch", branch}, {"else_branch", branch}});
    outer.output("n");
    if (outer.bytes().size() > (1u << 24)) break;
    branch = outer;
    if (i == 10) break;  // doubled at each level
  }
  OnnxGraph chain;
  chain.node("Neg", {"x"}, "n");
  chain.output("n");
  for (int i = 0; i < 40; ++i) {
    OnnxGraph outer;
    outer.node("If", {"yes"}, "n", {{"then_branch", chain}});
    outer.output("n");
    chain = outer;
  }
  OnnxModel model = small_model();
  model.graph.node("If", {"yes"}, "z", {{"then_branch", chain}, {"else_branch", branch}});
  model.graph.output("z");
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("nested too deeply"));
}

TEST_CASE("External data is read from the model's folder and from nowhere else") {
  const TemporaryFolder folder;
  const std::string floats = raw_bytes(std::vector<float>{0, 5, 6, 7});
  folder.write("model/weights.bin", floats);
  folder.write("secret.bin", floats);
  fs::create_directories(folder.path() / "model/sub");
  folder.write("model/sub/weights.bin", floats);
  fs::create_symlink(folder.path() / "secret.bin", folder.path() / "model/link.bin");
  fs::create_directory_symlink(folder.path(), folder.path() / "model/up");
  fs::create_symlink("weights.bin", folder.path() / "model/inside.bin");
  CHECK(external_error(folder, "weights.bin", 4, 8) == "");
  CHECK(external_error(folder, "sub/weights.bin", 4) == "");
  CHECK(external_error(folder, "inside.bin", 4) == "");
  const auto leaves = ContainsSubstring("leaves the model's folder");
  CHECK_THAT(external_error(folder, "../secret.bin", 4), leaves);
  CHECK_THAT(external_error(folder, "sub/../../secret.bin", 4), leaves);
  CHECK_THAT(external_error(folder, (folder.path() / "secret.bin").string(), 4), leaves);
  CHECK_THAT(external_error(folder, "link.bin", 4), leaves);
  CHECK_THAT(external_error(folder, "up/secret.bin", 4), leaves);
  CHECK_THAT(external_error(folder, std::string("weights.bin\0x", 13), 4), leaves);
  CHECK_THAT(external_error(folder, "", 4), leaves);
}

TEST_CASE("External data that is missing, short or of another length is refused") {
  const TemporaryFolder folder;
  folder.write("model/weights.bin", raw_bytes(std::vector<float>{0, 5, 6}));
  CHECK_THAT(external_error(folder, "nothing.bin"), ContainsSubstring("cannot be opened"));
  CHECK_THAT(external_error(folder, "weights.bin", 8), ContainsSubstring("beyond the end"));
  CHECK_THAT(external_error(folder, "weights.bin", INT64_MAX), ContainsSubstring("beyond the end"));
  CHECK_THAT(external_error(folder, "weights.bin", 4, 4), ContainsSubstring("needs 8 bytes"));
  CHECK_THAT(external_error(folder, "model.onnx"), ContainsSubstring("cannot be opened"));
}

TEST_CASE("Ops without the operands or with more outputs than they have are named") {
  const auto error_with = [](const std::string& op, const std::vector<std::string>& ins,
                             const std::vector<std::string>& outs) {
    OnnxModel model;
    model.graph.input("x", {2, 3, 4});
    model.graph.integers("ids", {1, 1}, {0});
    model.graph.nodes.push_back({op, ins, outs, {}, "", "odd"});
    for (const std::string& out : outs) model.graph.output(out);
    return error_of(model.bytes());
  };
  for (const char* op : {"LayerNormalization", "BatchNormalization", "InstanceNormalization",
                         "ConvTranspose", "GatherND", "GroupNormalization", "OneHot", "Resize",
                         "ScatterElements", "ScatterND", "LSTM", "GRU", "RNN"}) {
    INFO(op);
    const std::string error = error_with(op, {"x"}, {"y"});
    CHECK_THAT(error, ContainsSubstring("odd"));
  }
  CHECK_THAT(error_with("ScatterND", {"x", "ids"}, {"y"}), ContainsSubstring("missing"));
  CHECK_THAT(error_with("Sum", {"x", "x"}, {"y", "z"}), ContainsSubstring("no output 1"));
}

TEST_CASE("Operands that do not belong to each other are refused before anything is read") {
  OnnxModel model;
  OnnxGraph& g = model.graph;
  g.input("x", {2, 3});
  g.integers("deep", {1, 3}, {0, 0, 0});
  g.weight("floats", {1, 1}, {0});
  g.integers("far", {1}, {int64_t{1} << 40});
  g.weight("new", {1, 3}, {1, 2, 3});
  g.weight("values", {2}, {0, 1});
  for (const char* ids : {"deep", "floats"})
    g.output(g.node("ScatterND", {"x", ids, "new"}, std::string("s") + ids));
  g.output(g.node("GatherND", {"x", "deep"}, "g"));
  g.output(g.node("ScatterElements", {"x", "floats", "floats"}, "e"));
  g.integers("one", {1}, {0});
  g.output(g.node("OneHot", {"one", "far", "values"}, "h"));
  g.output(g.node("OneHot", {"one", "one", "values"}, "axis", {{"axis", 7}}));
  CHECK_THAT(error_of(model.bytes()), ContainsSubstring("6 nodes cannot be converted"));
}

TEST_CASE("A transpose that counts its dimensions from the end is one that counts from the start") {
  OnnxModel model;
  model.graph.input("x", {2, 2, 2});
  model.graph.node("Transpose", {"x"}, "y", {{"perm", std::vector<int64_t>{-1, 0, 1}}});
  model.graph.output("y");
  Graph graph = heed::onnx::import_onnx_bytes(model.bytes()).graph;
  heed::graph::fold_constants(graph);
  const std::vector<heed::graph::Constant> x = {
      heed::graph::float_constant({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})};
  CHECK(heed::graph::Evaluator(graph).run(x)[0].f32 == std::vector<float>{0, 2, 4, 6, 1, 3, 5, 7});
}
