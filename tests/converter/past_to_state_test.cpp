// A decoder that was exported with its past, and the same with the past as state of a session.

#include "converter/onnx/past_to_state.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "converter/compare.h"
#include "converter/convert.h"
#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/graph/fold_constants.h"
#include "converter/onnx/onnx_import.h"
#include "engine/heed.hpp"
#include "tests/support/onnx_builder.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

using namespace heed;
using namespace heed::test;
using graph::Constant;

namespace {

constexpr int64_t kTokens = 20, kCapacity = 8, kHeads = 2, kHeadWidth = 16, kWidth = 32,
                  kMemory = 5;

/// One layer of a decoder, with attention to an encoder, as optimum writes it: positions are
/// counted from the length of the past. Without a past: its first run, which also makes the
/// encoder's keys and values.
class Decoder {
 public:
  explicit Decoder(bool with_past) : with_past_(with_past) {
    auto& g = model_.graph;
    g.input("input_ids", {1, "tokens"}, OnnxType::i64);
    if (!with_past) g.input("encoder_hidden_states", {1, kMemory, kWidth});
    const auto tokens = weight("tokens", {kTokens, kWidth}),
               places = weight("places", {kCapacity, kWidth});
    const auto position = g.node(
        "Range", {past_length(), g.node("Add", {past_length(), token_count()}, "end"), number(1)},
        "positions");
    const auto row =
        g.node("Unsqueeze", {g.node("Gather", {places, position}, "place"), list({0})}, "row");
    std::string x = g.node("Add", {g.node("Gather", {tokens, "input_ids"}, "token"), row}, "x");
    x = g.node("Add", {attend(x, "decoder", x), x}, "after_self");
    x = g.node("Add", {attend(x, "encoder", "encoder_hidden_states"), x}, "after_cross");
    g.output("logits", {1, "tokens", kTokens});
    g.node("MatMul", {x, weight("head", {kWidth, kTokens})}, "logits");
  }

  std::string bytes() const { return model_.bytes(); }

 private:
  std::string weight(const std::string& name, std::vector<int64_t> dims) {
    std::vector<float> values(static_cast<size_t>(dims[0] * dims[1]));
    uint64_t seed = 1;
    for (const char c : name) seed = seed * 31 + static_cast<unsigned char>(c);
    SeededRandom random(seed);
    for (float& v : values) v = random.normal() * 0.3f;
    return model_.graph.weight(name, dims, values);
  }
  std::string list(std::vector<int64_t> values) {
    const std::string name = "list" + std::to_string(count_++);
    model_.graph.initializers.push_back(
        int_tensor(name, {static_cast<int64_t>(values.size())}, values));
    return name;
  }
  std::string number(int64_t value) {
    const std::string name = "number" + std::to_string(count_++);
    model_.graph.initializers.push_back(int_tensor(name, {}, {value}));
    return name;
  }
  std::string size_of(const std::string& value, int64_t dim) {
    auto& g = model_.graph;
    const std::string n = std::to_string(count_++);
    return g.node("Gather", {g.node("Shape", {value}, "shape" + n), number(dim)}, "size" + n);
  }
  std::string past_length() {
    return with_past_ ? size_of("past_key_values.0.decoder.key", 2) : number(0);
  }
  std::string token_count() { return size_of("input_ids", 1); }

  std::string heads(const std::string& rows, const std::string& name) {
    auto& g = model_.graph;
    const auto split =
        g.node("Reshape", {rows, list({1, -1, kHeads, kHeadWidth})}, name + "_split");
    return g.node("Transpose", {split}, name + "_heads",
                  {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  }
  /// Keys or values: given, or made of `from`, behind a past where there is one.
  std::string keys(const std::string& kind, const std::string& what, const std::string& from) {
    auto& g = model_.graph;
    const std::string name = ".0." + kind + "." + what, past = "past_key_values" + name;
    const bool grows = kind == "decoder";
    if (with_past_)
      g.input(past, {1, kHeads, grows ? OnnxDim("past") : OnnxDim(kMemory), kHeadWidth});
    if (with_past_ && !grows) return past;
    const auto made = heads(
        g.node("MatMul", {from, weight(kind + what, {kWidth, kWidth})}, kind + what + "_rows"),
        kind + what);
    g.output("present" + name, {1, kHeads, "all", kHeadWidth});
    if (with_past_) return g.node("Concat", {past, made}, "present" + name, {{"axis", 2}});
    return g.node("Identity", {made}, "present" + name);
  }
  std::string attend(const std::string& x, const std::string& kind, const std::string& from) {
    auto& g = model_.graph;
    const auto q = heads(
        g.node("MatMul", {x, weight(kind + "q", {kWidth, kWidth})}, kind + "q_rows"), kind + "q");
    const auto k = keys(kind, "key", from), v = keys(kind, "value", from);
    const auto turned =
        g.node("Transpose", {k}, kind + "_turned", {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
    g.initializers.push_back(float_tensor(kind + "_scale", {}, {0.25f}));
    const auto scores = g.node(
        "Mul", {g.node("MatMul", {q, turned}, kind + "_raw"), kind + "_scale"}, kind + "_scores");
    const auto p = g.node("Softmax", {scores}, kind + "_p", {{"axis", -1}});
    const auto y = g.node("Transpose", {g.node("MatMul", {p, v}, kind + "_mixed")}, kind + "_rows",
                          {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    return g.node("Reshape", {y, list({1, -1, kWidth})}, kind + "_out");
  }

  bool with_past_;
  int count_ = 0;
  OnnxModel model_;
};

/// The graph as it is exported, for a past of so many tokens; null outputs by name.
std::map<std::string, Constant> exported(bool with_past, int64_t past,
                                         const std::map<std::string, Constant>& inputs) {
  onnx::ImportOptions options;
  options.dims = {{"tokens", 1}};
  if (with_past) options.dims["past"] = past;
  graph::Graph g = onnx::import_onnx_bytes(Decoder(with_past).bytes(), "", options).graph;
  graph::fold_constants(g);
  std::vector<Constant> values;
  for (const graph::ValueId input : g.inputs) values.push_back(inputs.at(g.value(input).name));
  const std::vector<Constant> results = graph::Evaluator(g).run(values);
  std::map<std::string, Constant> outputs;
  for (size_t i = 0; i < results.size(); ++i) outputs[g.value(g.outputs[i]).name] = results[i];
  return outputs;
}

}  // namespace

TEST_CASE(
    "a decoder whose past is state gives the logits that it gives with its past handed around") {
  TemporaryFolder folder;
  std::ofstream(folder.file("decoder_model.onnx"), std::ios::binary) << Decoder(false).bytes();
  std::ofstream(folder.file("decoder_with_past_model.onnx"), std::ios::binary)
      << Decoder(true).bytes();
  for (const bool int8 : {false, true}) {
    ConvertOptions options;
    options.output = folder.file("model.heed");
    options.keep_past = kCapacity;
    options.random_samples = 0;
    if (!int8) options.keep_float = {"*"};
    convert({{folder.path().string(), "main"}}, options);
    Model model;
    REQUIRE(model.open(options.output.c_str()) == Status::ok);
    Session session;
    REQUIRE(session.create(model) == Status::ok);

    SeededRandom random(5);
    std::vector<float> memory(static_cast<size_t>(kMemory * kWidth));
    random.fill(memory);
    std::map<std::string, Constant> inputs;
    inputs["encoder_hidden_states"] = graph::float_constant({1, kMemory, kWidth}, memory);
    const auto hidden = session.input<float>("encoder_hidden_states", "start");
    REQUIRE(hidden.size() == memory.size());
    std::copy(memory.begin(), memory.end(), hidden.begin());
    for (int64_t t = 0; t < kCapacity; ++t) {
      const char* entry = t == 0 ? "start" : "decode_step";
      const int64_t token = t * 7 % kTokens;
      inputs["input_ids"] = graph::int_constant({1, 1}, {token});
      session.input<int64_t>("input_ids", entry)[0] = token;
      if (t > 0) session.input<int64_t>("position", entry)[0] = t;
      REQUIRE(session.run(entry) == Status::ok);
      const auto outputs = exported(t > 0, t, inputs);
      for (const auto& [name, value] : outputs)
        if (name != "logits") inputs["past_key_values" + name.substr(7)] = value;
      const auto got = session.output<float>("logits", entry);
      const auto& expected = outputs.at("logits").f32;
      REQUIRE(got.size() == expected.size());
      INFO("token " << t << (int8 ? ", int8" : ", float"));
      for (size_t i = 0; i < got.size(); ++i)
        CHECK(std::fabs(got[i] - expected[i]) < (int8 ? 0.1f : 1e-4f));
    }
    session.input<int64_t>("position", "decode_step")[0] = kCapacity;
    CHECK(session.run("decode_step") == Status::bad_input);
    // What was done to the past is known from the file. (This decoder has no mask: as a source it
    // looks at rows that are still empty, so only the first token is the same.)
    const CompareReport compared =
        compare({{folder.path().string(), "main"}}, options.output, CompareOptions{});
    REQUIRE(compared.outputs.size() == 2);
    CHECK(compared.outputs[0].snr_db > (int8 ? 20 : 80));
  }
}

TEST_CASE("a past without room for a token, or of another form, is refused in one sentence") {
  onnx::ImportOptions options;
  options.keep_past = 1;
  const auto import = [&] { onnx::import_onnx_bytes(Decoder(true).bytes(), "", options); };
  CHECK_THROWS_AS(import(), ConvertError);
  OnnxModel model;
  model.graph.input("past_key_values.0.key", {1, 4, 16});
  model.graph.output("y", {1, 4, 16});
  model.graph.node("Neg", {"past_key_values.0.key"}, "y");
  graph::Graph g = onnx::import_onnx_bytes(model.bytes()).graph;
  CHECK_THROWS_AS(onnx::turn_past_into_state(g, 8), ConvertError);
}
