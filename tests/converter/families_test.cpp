// Recipes against transformers: tiny checkpoints with weights from a formula
// (tests/golden/families).

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "converter/convert.h"
#include "converter/graph/convert_error.h"
#include "converter/graph/evaluate.h"
#include "converter/import_source.h"
#include "engine/heed.hpp"
#include "models/families/family.h"
#include "tests/support/family_golden.h"
#include "tests/support/temporary_folder.h"

namespace {

using heed::graph::Constant;
using heed::graph::DType;
using heed::graph::Graph;
using heed::graph::ValueId;
using heed::test::FamilyGolden;
using heed::test::GoldenLayer;
using heed::test::GoldenValue;
using heed::test::TemporaryFolder;

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

/// Finds transformers' layers, one after the other, among the values of a graph as they are
/// computed.
class LayerSearch {
 public:
  explicit LayerSearch(const std::vector<GoldenLayer>& layers) : layers_(layers) {}

  std::map<ValueId, Constant> run(const Graph& graph, const std::map<ValueId, Constant>& inputs) {
    return heed::graph::Evaluator(graph).run(
        inputs, [&](ValueId id, const Constant& value) { see(graph.value(id).name, value); });
  }

  /// Of the first layer that no value after those of the layers before it equals; else nothing.
  std::string missing() const {
    if (next_ == layers_.size()) return "";
    std::string text = "layer '" + layers_[next_].name + "' differs";
    if (next_ > 0) text += "; '" + layers_[next_ - 1].name + "' before it does not";
    if (nearest_.name.empty()) return text + "; no later value has its size";
    return text + "; the nearest value, '" + nearest_.name + "', is off by " +
           std::to_string(nearest_.off);
  }

 private:
  void see(const std::string& name, const Constant& value) {
    if (next_ == layers_.size() || value.dtype != DType::f32) return;
    const double off = distance(layers_[next_], value);
    if (off < kLayerBound) {
      ++next_;
      nearest_ = {"", kNothing};
    } else if (off < nearest_.off) {
      nearest_ = {name, off};
    }
  }

  static constexpr double kLayerBound = 2e-6;  // of the layer's largest kept value, or of 1
  static constexpr double kNothing = 1e30;

  /// The largest difference, with the value as it lies or with its channels [B,C,..] last.
  static double distance(const GoldenLayer& layer, const Constant& value) {
    size_t count = 1;
    for (const int64_t dim : layer.shape) count *= static_cast<size_t>(dim);
    if (value.f32.size() != count || layer.kept.empty()) return kNothing;
    const size_t batch = static_cast<size_t>(layer.shape[0]),
                 channels = layer.shape.size() > 1 ? static_cast<size_t>(layer.shape[1]) : 1,
                 rest = count / batch / channels;
    double largest = 1, as_it_lies = 0, channels_last = 0;
    for (size_t k = 0; k < layer.kept.size(); ++k) {
      const size_t i = k * layer.step, r = i % rest, c = i / rest % channels,
                   b = i / rest / channels;
      const double want = layer.kept[k];
      largest = std::max(largest, std::abs(want));
      as_it_lies = std::max(as_it_lies, std::abs(value.f32[i] - want));
      channels_last =
          std::max(channels_last, std::abs(value.f32[(b * rest + r) * channels + c] - want));
    }
    return std::min(as_it_lies, channels_last) / largest;
  }

  struct Nearest {
    std::string name;
    double off = kNothing;
  };
  const std::vector<GoldenLayer>& layers_;
  size_t next_ = 0;
  Nearest nearest_;
};

Constant constant_of(const GoldenValue& value) {
  return value.integers.empty() ? heed::graph::float_constant(value.shape, value.floats)
                                : heed::graph::int_constant(value.shape, value.integers);
}

Graph imported(const FamilyGolden& golden, const std::string& folder) {
  auto parts = heed::import_source({folder, "main"}, {{}, golden.dims, {}, false});
  REQUIRE(!parts.empty());
  return std::move(parts[0].graph);
}

/// What the recipe's float graph makes of the golden input, layer by layer.
void check_float_graph(const FamilyGolden& golden, const std::string& folder) {
  const Graph graph = imported(golden, folder);
  REQUIRE(graph.inputs.size() == golden.inputs.size());
  std::map<ValueId, Constant> inputs;
  for (const ValueId id : graph.inputs)
    for (const GoldenValue& input : golden.inputs)
      if (graph.value(id).name == input.name) inputs[id] = constant_of(input);
  LayerSearch layers(golden.layers);
  const auto outputs = layers.run(graph, inputs);
  CHECK(layers.missing() == "");
  REQUIRE(outputs.size() == golden.outputs.size());
  for (const GoldenValue& output : golden.outputs)
    for (const auto& [id, value] : outputs)
      if (graph.value(id).name == output.name) {
        CHECK(value.shape == output.shape);
        CHECK(largest_difference(value.f32, output.floats) < 1e-4);
      }
}

/// Of the layers of a graph with one input, the first that is not transformers'; or nothing.
std::string first_other_layer(const FamilyGolden& golden) {
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const Graph graph = imported(golden, folder.path().string());
  REQUIRE(!golden.layers.empty());
  LayerSearch layers(golden.layers);
  layers.run(graph, {{graph.inputs.at(0), constant_of(golden.inputs.at(0))}});
  return layers.missing();
}

/// The same through a written file and the engine.
void check_engine(const FamilyGolden& golden, const std::string& file, double bound) {
  heed::Model model;
  heed::Diagnostic diagnostic;
  REQUIRE(model.open(file.c_str(), &diagnostic) == heed::Status::ok);
  heed_session* session = nullptr;
  REQUIRE(heed_session_create(model.get(), nullptr, nullptr, 0, &session, nullptr) == HEED_OK);
  heed_tensor tensor{};
  for (const GoldenValue& input : golden.inputs) {
    REQUIRE(heed_session_input(session, "main", input.name.c_str(), &tensor) == HEED_OK);
    const void* from = input.integers.empty() ? static_cast<const void*>(input.floats.data())
                                              : static_cast<const void*>(input.integers.data());
    std::memcpy(tensor.data, from, tensor.bytes);
  }
  REQUIRE(heed_session_run(session, "main", nullptr) == HEED_OK);
  for (const GoldenValue& output : golden.outputs) {
    REQUIRE(heed_session_output(session, "main", output.name.c_str(), &tensor) == HEED_OK);
    const float* values = static_cast<const float*>(tensor.data);
    CHECK(largest_difference({values, values + tensor.bytes / 4}, output.floats) < bound);
  }
  heed_session_destroy(session);
}

void check_family(const std::string& name) {
  const FamilyGolden golden = heed::test::read_family_golden(name);
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  check_float_graph(golden, folder.path().string());
  heed::ConvertOptions options;
  options.dims = golden.dims;
  options.output = folder.file("float.heed");
  options.keep_float = {"*"};
  heed::convert(folder.path().string(), options);
  check_engine(golden, options.output, 1e-4);
}

/// A ResNet's tensor as timm names it: encoder.stages.1.layers.0.layer.2.convolution is
/// layer2.0.conv3.
std::string timm_name(std::string name) {
  const std::string at = "model.backbone.conv_encoder.model.";
  if (name.rfind(at, 0) != 0) return name;
  const auto swap = [&](const std::string& from, const std::string& to) {
    const size_t found = name.find(from);
    if (found != std::string::npos) name.replace(found, from.size(), to);
  };
  swap("embedder.embedder.convolution", "conv1");
  swap("embedder.embedder.normalization", "bn1");
  swap("shortcut.convolution", "downsample.0");
  swap("shortcut.normalization", "downsample.1");
  for (int i = 0; i < 4; ++i)
    swap("encoder.stages." + std::to_string(i) + ".layers.", "layer" + std::to_string(i + 1) + ".");
  for (int i = 0; i < 3; ++i) {
    const std::string layer = "layer." + std::to_string(i) + ".", n = std::to_string(i + 1);
    swap(layer + "convolution", "conv" + n);
    swap(layer + "normalization", "bn" + n);
  }
  return name;
}

std::string refusal(const std::string& folder, const heed::ConvertOptions& options = {}) {
  heed::ConvertOptions dry = options;
  dry.dry_run = true;
  try {
    heed::convert(folder, dry);
  } catch (const heed::ConvertError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a BERT classifier's folder gives transformers' logits") { check_family("bert"); }
TEST_CASE("a sentence-transformers folder gives normalised means") { check_family("sentence"); }
TEST_CASE("a DistilBERT classifier's folder gives transformers' logits") {
  check_family("distilbert");
}
TEST_CASE("a RoBERTa classifier's folder gives transformers' logits") { check_family("roberta"); }
TEST_CASE("an ALBERT folder gives transformers' logits, and repeated layers are stored once") {
  check_family("albert");
  const FamilyGolden golden = heed::test::read_family_golden("albert");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const auto bytes_with = [&](int64_t layers) {
    const std::string config = folder.file("config.json");
    nlohmann::json settings = nlohmann::json::parse(std::ifstream(config));
    settings["num_hidden_layers"] = layers;
    std::ofstream(config) << settings;
    heed::ConvertOptions options;
    options.dims = golden.dims;
    options.output = folder.file("deep.heed");
    heed::convert(folder.path().string(), options);
    return std::filesystem::file_size(options.output);
  };
  // Each layer more is a few ops and their tensors, not 9,000 weights.
  CHECK(bytes_with(20) - bytes_with(4) < 16 * 4000);
}

namespace {

/// The notes of a folder's conversion whose tokenizer.json has another `part`, or what it ended
/// with.
std::string notes_with(const std::string& name, const std::string& part, const std::string& text) {
  const FamilyGolden golden = heed::test::read_family_golden(name);
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const std::string file = folder.file("tokenizer.json");
  nlohmann::json settings = nlohmann::json::parse(std::ifstream(file));
  settings[part] = nlohmann::json::parse(text);
  std::ofstream(file) << settings;
  heed::ConvertOptions options;
  options.dims = golden.dims;
  options.dry_run = true;
  std::string notes;
  try {
    for (const std::string& note : heed::convert(folder.path().string(), options).notes)
      notes += note;
  } catch (const heed::ConvertError& error) {
    notes = error.what();
  }
  return notes;
}

}  // namespace

TEST_CASE("a tokenizer.json that asks for what has no counterpart is named, and tokens are taken") {
  const auto note_with = [](const std::string& part, const std::string& text) {
    return notes_with("xlnet_texts", part, text);
  };
  const auto replaces = [](const std::string& regex, const std::string& to) {
    return R"({"type": "Replace", "pattern": {"Regex": ")" + regex + R"("}, "content": ")" + to +
           "\"}";
  };
  CHECK(note_with("normalizer", R"({"type": "Lowercase"})") == "");
  CHECK(note_with("normalizer", replaces(" {2,}", " ")) == "");
  CHECK(note_with("normalizer", R"({"type": "NFKD"})").find("keeps the accents") !=
        std::string::npos);
  CHECK(note_with("normalizer", R"({"type": "Prepend", "prepend": "x"})").find("by 'Prepend'") !=
        std::string::npos);
  CHECK(note_with("normalizer", replaces("a+", "b")).find("replaces 'a+'") != std::string::npos);
  CHECK(note_with("pre_tokenizer", R"({"type": "Punctuation"})").find("parts texts into words") !=
        std::string::npos);
  CHECK(note_with("pre_tokenizer", R"({"type": "Punctuation"})").find("takes tokens, not texts") !=
        std::string::npos);
}

TEST_CASE("a way to part bytes into words that has no counterpart is named") {
  const auto note = [](const std::string& steps, bool last = true) {
    const std::string bytes = R"({"type": "ByteLevel", "add_prefix_space": false})";
    return notes_with("gpt2", "pre_tokenizer",
                      R"({"type": "Sequence", "pretokenizers": [)" +
                          (last ? steps + bytes : bytes + ", " + steps) + "]}");
  };
  const std::string others = "', which has no counterpart here: the model takes tokens, not texts";
  const std::string digits = R"({"type": "Digits", "individual_digits": true})";
  const auto split = [](const std::string& pattern, const std::string& more) {
    return R"({"type": "Split", "pattern": {)" + pattern + R"(}, "behavior": )" + more + "}, ";
  };
  CHECK(note(digits + ", ") == note(""));
  CHECK(note(split(R"("Regex": "a+")", R"("Isolated")")).find("words by 'a+" + others) !=
        std::string::npos);
  CHECK(note(split(R"("String": "a")", R"("Isolated", "invert": true)"))
            .find("words by 'Split" + others) != std::string::npos);
  CHECK(note(split(R"("String": "a")", R"("Sideways")")).find("words by 'Split" + others) !=
        std::string::npos);
  CHECK(note(split(R"("String": "")", R"("Isolated")")).find("words by 'Split" + others) !=
        std::string::npos);
  CHECK(note(R"({"type": "UnicodeScripts"}, )").find("words by 'UnicodeScripts" + others) !=
        std::string::npos);
  CHECK(note(digits, false).find("behind 'ByteLevel'") != std::string::npos);
  std::string seven, nine;
  for (int i = 0; i < 9; ++i) (i < 7 ? seven : nine) += digits + ", ";
  CHECK(note(seven) == note(""));  // and GPT-2's words
  CHECK(note(seven + nine).find("in more than 8 steps") != std::string::npos);
}

TEST_CASE("a token around texts that the vocabulary lacks is named, not left out") {
  const auto around = [](const std::string& tokens) {
    return R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}},
        {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<end>"}}], "special_tokens": {)" +
           tokens + "}}";
  };
  const std::string cls = R"("[CLS]": {"id": "[CLS]", "ids": [2]})";
  const std::string fault =
      "file 'tokenizer.json': puts '<end>' around texts, a token that its vocabulary lacks. Add "
      "it, "
      "or take it out of the file's post_processor";
  const auto notes = [](const std::string& text) {
    return notes_with("sentence", "post_processor", text);
  };
  CHECK(notes(around(cls)) == fault);
  CHECK(notes(around(cls + R"(, "<end>": {"id": "<end>", "ids": []})")) == fault);
  CHECK(notes(around(cls + R"(, "<end>": {"id": "<end>", "ids": [3, 70000]})")) == fault);
  CHECK(notes(around(cls + R"(, "<end>": {"id": "<end>", "ids": [-1]})")) == fault);
  // Its id counts, under whatever name.
  CHECK(notes(around(cls + R"(, "<end>": {"id": "<end>", "ids": [3]})")) == "");
  for (const std::string type : {"BertProcessing", "RobertaProcessing"}) {
    const std::string begin = R"({"type": ")" + type + R"(", "cls": ["[CLS]", 2], "sep": )";
    CHECK(notes(begin + R"(["<end>", 70000]})") == fault);
    CHECK(notes(begin + R"(["[SEP]", 3]})") == "");
    CHECK(notes(begin + R"("[SEP]"})") ==
          "file 'tokenizer.json': has a post_processor whose 'sep' is no pair");
  }
}

TEST_CASE("a folder with a Unigram tokenizer is converted as others are") {
  check_family("unigram");
}
TEST_CASE("a ViT folder gives transformers' logits") { check_family("vit"); }
TEST_CASE("a DeiT folder with two heads gives transformers' logits") { check_family("deit"); }

TEST_CASE("a SegFormer folder gives transformers' scores of pixels") { check_family("segformer"); }
TEST_CASE("a YOLOS folder gives transformers' scores and boxes") { check_family("yolos"); }

TEST_CASE("a DETR folder gives transformers' scores and boxes") { check_family("detr"); }
TEST_CASE("a DETR folder with bottlenecks gives transformers' scores and boxes") {
  check_family("detr_bottleneck");
}
TEST_CASE("a MobileViT folder gives transformers' logits") { check_family("mobilevit"); }

TEST_CASE("a wav2vec 2.0 folder gives transformers' scores of characters") {
  check_family("wav2vec2");
}
TEST_CASE(
    "an entry point that a recipe names keeps its name, alone or not; another is the user's") {
  const FamilyGolden golden = heed::test::read_family_golden("wav2vec2");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  const auto names = [&](const std::string& asked, const std::map<std::string, int64_t>& dims) {
    heed::onnx::ImportOptions options;
    options.dims = dims;
    std::string all;
    for (const auto& part : heed::import_source({folder.path().string(), asked}, options))
      all += part.entry_point + " ";
    return all;
  };
  CHECK(names("main", {{"seconds", 6}}) == "listen_5s listen_6s ");
  CHECK(names("main", {{"seconds", 2}}) == "listen_2s ");
  CHECK(names("main", golden.dims) == "main ");
  CHECK(names("hear", golden.dims) == "hear ");
}
TEST_CASE("a wav2vec 2.0 folder with norms of frames gives transformers' scores of characters") {
  check_family("wav2vec2_stable");
}

TEST_CASE("a wav2vec 2.0 Conformer's folder gives transformers' scores of characters") {
  check_family("wav2vec2_conformer_relative");
}
TEST_CASE("a wav2vec 2.0 Conformer with rotary positions gives transformers' scores") {
  check_family("wav2vec2_conformer_rotary");
}
TEST_CASE("a wav2vec 2.0 folder for a sound of several pieces gives the scores of all of it") {
  check_family("wav2vec2_long");
}
TEST_CASE("what runs in several pieces of a sound is one line of the report") {
  const FamilyGolden golden = heed::test::read_family_golden("wav2vec2_long");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  heed::ConvertOptions options;
  options.dims = golden.dims;
  options.dry_run = true;
  const std::string first = "wav2vec2.feature_extractor.conv_layers.0.conv (";
  int lines = 0;
  for (const std::string& kept : heed::convert(folder.path().string(), options).kept_float)
    if (kept.find("conv_layers.0.conv") != std::string::npos) {
      CHECK(kept.rfind(first, 0) == 0);
      CHECK(kept.find(", in 6 places)") != std::string::npos);
      ++lines;
    }
  CHECK(lines == 1);
}
TEST_CASE("a HuBERT folder gives transformers' scores of characters") { check_family("hubert"); }

TEST_CASE("the layers of Whisper's encoder give what transformers' do") {
  CHECK(first_other_layer(heed::test::read_family_golden("whisper")) == "");
}

TEST_CASE("a layer that gives something else than transformers' is named") {
  FamilyGolden golden = heed::test::read_family_golden("segformer");
  for (GoldenValue& tensor : golden.tensors)
    if (tensor.name == "segformer.encoder.block.2.0.mlp.dense2.bias") tensor.floats[3] += 1e-3f;
  const std::string other = first_other_layer(golden);
  INFO(other);
  CHECK(other.rfind("layer 'segformer.stages.2.blocks.0' differs; "
                    "'segformer.stages.2.patch_embeddings' before it does not; the nearest",
                    0) == 0);
}

TEST_CASE("a wav2vec 2.0 folder whose positions have their older names gives the same") {
  FamilyGolden golden = heed::test::read_family_golden("wav2vec2");
  const std::string now = "parametrizations.weight.original";
  for (GoldenValue& tensor : golden.tensors)
    if (const size_t at = tensor.name.find(now); at != std::string::npos)
      tensor.name.replace(at, now.size() + 1, tensor.name.back() == '0' ? "weight_g" : "weight_v");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  check_float_graph(golden, folder.path().string());
}

TEST_CASE("a DETR folder whose backbone has timm's names gives the same") {
  FamilyGolden golden = heed::test::read_family_golden("detr_bottleneck");
  for (GoldenValue& tensor : golden.tensors) tensor.name = timm_name(tensor.name);
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  check_float_graph(golden, folder.path().string());
}

TEST_CASE("a folder that is not as its config says is refused in one sentence") {
  FamilyGolden golden = heed::test::read_family_golden("vit");
  TemporaryFolder folder;
  const std::string path = folder.path().string();
  CHECK(refusal(path).find("holds no config.json") != std::string::npos);

  golden.files["config.json"] = R"({"model_type": "perceptron"})";
  golden.write_folder(path);
  for (const heed::families::Family& family : heed::families::families())
    CHECK(refusal(path).find(family.model_type) != std::string::npos);

  golden = heed::test::read_family_golden("vit");
  golden.tensors.pop_back();
  golden.write_folder(path);
  CHECK(
      refusal(path).find("tensor 'vit.layernorm.weight' is missing; the model needs it as [32]") !=
      std::string::npos);

  golden = heed::test::read_family_golden("vit");
  for (GoldenValue& tensor : golden.tensors)
    if (tensor.name == "vit.layernorm.weight") tensor.shape = {4, 8};
  golden.write_folder(path);
  CHECK(refusal(path).find("tensor 'vit.layernorm.weight' is [4,8]; the model needs it as [32]") !=
        std::string::npos);

  golden.files["config.json"].replace(golden.files["config.json"].find("\"hidden_size\": 32"), 17,
                                      "\"hidden_size\": -2");
  golden.write_folder(path);
  CHECK(refusal(path).find("'hidden_size' must be a whole number above zero") != std::string::npos);
}

TEST_CASE("a sequence longer than the positions and an unknown dimension are refused") {
  const FamilyGolden golden = heed::test::read_family_golden("bert");
  TemporaryFolder folder;
  golden.write_folder(folder.path().string());
  heed::ConvertOptions options;
  options.dims = {{"sequence_length", 25}};
  CHECK(refusal(folder.path().string(), options).find("between 1 and 24, not 25") !=
        std::string::npos);
  options.dims = {{"length", 8}};
  CHECK(refusal(folder.path().string(), options).find("'length'") != std::string::npos);
}
