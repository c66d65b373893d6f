// Real trained models, converted and measured against recorded results of their float sources.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/tensors/npy.h"
#include "tests/support/npz.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"

using heed::ConvertOptions;
using heed::ConvertReport;
using heed::Npy;

namespace {

struct Opened {
  explicit Opened(const std::string& path) {
    heed::Diagnostic diagnostic;
    const bool good = model.open(path.c_str(), &diagnostic) == heed::Status::ok &&
                      session.create(model, {}, &diagnostic) == heed::Status::ok;
    INFO(diagnostic.text());
    REQUIRE(good);
  }
  void run(const char* entry_point = nullptr) {
    REQUIRE(session.run(entry_point) == heed::Status::ok);
  }
  heed::Model model;
  heed::Session session;
};

Npy load(const std::string& path) {
  Npy file;
  std::string error;
  const bool read = heed::read_npy(path, &file, &error);
  INFO(error);
  REQUIRE(read);
  return file;
}

std::vector<std::string> lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> all;
  for (std::string line; std::getline(file, line);) all.push_back(line);
  REQUIRE_FALSE(all.empty());
  return all;
}

double cosine(const float* x, const float* y, size_t n) {
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < n; ++i) {
    xx += double{x[i]} * x[i];
    yy += double{y[i]} * y[i];
    xy += double{x[i]} * y[i];
  }
  return xy / std::sqrt(xx * yy);
}

template <class Values>
size_t arg_max(const Values& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

ConvertReport converted(const std::string& source, const std::string& output,
                        ConvertOptions options = {}) {
  options.output = output;
  options.random_samples = 0;
  return heed::convert(source, options);
}

void check_sizes(const ConvertReport& report) {
  INFO(heed::report_text(report));
  CHECK(static_cast<double>(report.file_bytes) <= 0.28 * static_cast<double>(report.source_bytes));
  for (const heed::EntryReport& entry : report.entries) {
    CHECK(static_cast<double>(entry.arena_bytes) <=
          1.05 * static_cast<double>(entry.arena_lower_bound));
  }
}

/// One date: the encoder once, the decoder eleven times, each with one more row of its own answer.
std::string translated(Opened& dates, const std::vector<std::string>& human,
                       const std::vector<std::string>& machine, const std::string& text) {
  const auto tokens = dates.session.input<int64_t>("tokens", "encode");
  REQUIRE(tokens.size() == 27);
  for (size_t i = 0; i < 27; ++i) {
    const std::string letter = i < text.size() ? text.substr(i, 1) : "<pad>";
    tokens[i] = std::find(human.begin(), human.end(), letter) - human.begin();
  }
  dates.run("encode");
  const auto memory = dates.session.output<float>("memory", "encode");
  std::vector<float> target(11 * 12, 0.0f);
  target[11] = 1;
  std::string answer;
  for (size_t step = 0; step < 11; ++step) {
    const auto memory_in = dates.session.input<float>("memory", "decode");
    const auto target_in = dates.session.input<float>("target", "decode");
    REQUIRE(memory_in.size() == memory.size());
    REQUIRE(target_in.size() == target.size());
    std::copy(memory.begin(), memory.end(), memory_in.begin());
    std::copy(target.begin(), target.end(), target_in.begin());
    dates.run("decode");
    const auto probs = dates.session.output<float>("probs", "decode");
    if (step < 10)
      std::copy_n(probs.data() + step * 12, 12, target.data() + (step + 1) * 12);
    if (step == 10) {
      for (size_t row = 0; row < 11; ++row)
        answer += machine[arg_max(probs.subspan(row * 12, 12))];
    }
  }
  return answer;
}

}  // namespace

TEST_CASE("KWT-1 keeps its recorded answers, small and planned tightly") {
  const heed::test::TemporaryFolder folder;
  check_sizes(converted(test_model("kwt1/kwt1.onnx"), folder.file("kwt1.heed")));
  Opened kwt1(folder.file("kwt1.heed"));
  const std::vector<float> inputs = load(test_model("kwt1/golden_mfcc_5x98x40_f32.npy")).floats();
  const std::vector<float> expected = load(test_model("kwt1/golden_logits_5x12_f32.npy")).floats();
  for (size_t n = 0; n < 5; ++n) {
    const auto input = kwt1.session.input<float>();
    REQUIRE(input.size() == 98 * 40);
    std::copy_n(inputs.data() + n * input.size(), input.size(), input.data());
    kwt1.run();
    const auto logits = kwt1.session.output<float>();
    const std::vector<float> golden(expected.data() + n * 12, expected.data() + n * 12 + 12);
    CHECK(arg_max(logits) == arg_max(golden));
    CHECK(cosine(logits.data(), golden.data(), 12) > 0.995);
  }
}

TEST_CASE("KWT-1 kept in float32 gives the recorded logits") {
  const heed::test::TemporaryFolder folder;
  ConvertOptions options;
  options.keep_float = {"*"};
  converted(test_model("kwt1/kwt1.onnx"), folder.file("kwt1.heed"), options);
  Opened kwt1(folder.file("kwt1.heed"));
  const std::vector<float> inputs = load(test_model("kwt1/golden_mfcc_5x98x40_f32.npy")).floats();
  const std::vector<float> expected = load(test_model("kwt1/golden_logits_5x12_f32.npy")).floats();
  for (size_t n = 0; n < 5; ++n) {
    const auto input = kwt1.session.input<float>();
    std::copy_n(inputs.data() + n * input.size(), input.size(), input.data());
    kwt1.run();
    const auto logits = kwt1.session.output<float>();
    for (size_t i = 0; i < 12; ++i) CHECK(std::fabs(logits[i] - expected[n * 12 + i]) < 1e-4f);
  }
}

TEST_CASE("ViT-Tiny keeps its recorded answers, small and planned tightly") {
  const heed::test::TemporaryFolder folder;
  check_sizes(converted(test_model("vit_tiny/vit_tiny.onnx"), folder.file("vit.heed")));
  Opened vit(folder.file("vit.heed"));
  const Npy pictures = load(test_model("vit_tiny/golden_rgb_5x224x224x3_u8.npy"));
  const std::vector<float> expected =
      load(test_model("vit_tiny/golden_logits_5x200_f32.npy")).floats();
  constexpr size_t kPixels = 224 * 224;
  for (size_t n = 0; n < 5; ++n) {
    const auto input = vit.session.input<float>();
    REQUIRE(input.size() == 3 * kPixels);
    for (size_t i = 0; i < kPixels; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        const float v = pictures.bytes[(n * kPixels + i) * 3 + c];
        input[c * kPixels + i] = (v / 255.0f - 0.5f) / 0.5f;
      }
    }
    vit.run();
    const auto logits = vit.session.output<float>();
    const std::vector<float> golden(expected.data() + n * 200, expected.data() + n * 200 + 200);
    CHECK(arg_max(logits) == arg_max(golden));
    CHECK(cosine(logits.data(), golden.data(), 200) > 0.995);
  }
}

TEST_CASE("The Whisper encoder's hidden states stay near the recorded ones") {
  const heed::test::TemporaryFolder folder;
  check_sizes(converted(test_model("whisper_tiny_en/encoder.onnx"), folder.file("encoder.heed")));
  Opened encoder(folder.file("encoder.heed"));
  const std::string golden = test_model("whisper_tiny_en/golden_jfk_f16.npz");
  const std::vector<float> mel = read_npz(golden, "mel").floats();
  const std::vector<float> expected = read_npz(golden, "hidden").floats();
  const auto input = encoder.session.input<float>();
  REQUIRE(input.size() == mel.size());
  std::copy(mel.begin(), mel.end(), input.begin());
  encoder.run();
  const auto hidden = encoder.session.output<float>();
  REQUIRE(hidden.size() == 1500 * 384);
  std::vector<double> frames;
  for (size_t t = 0; t < 1500; ++t)
    frames.push_back(cosine(hidden.data() + t * 384, expected.data() + t * 384, 384));
  std::sort(frames.begin(), frames.end());
  CHECK(std::accumulate(frames.begin(), frames.end(), 0.0) / 1500 >= 0.998);
  CHECK(frames[15] >= 0.994);
}

TEST_CASE("The date transformer's two graphs become one file and answer as recorded") {
  const heed::test::TemporaryFolder folder;
  ConvertOptions options;
  options.output = folder.file("dates.heed");
  options.random_samples = 1;
  const ConvertReport report =
      heed::convert({{test_model("date_transformer/encoder.onnx"), "encode"},
                     {test_model("date_transformer/decoder.onnx"), "decode"}},
                    options);
  INFO(heed::report_text(report));
  Opened dates(options.output);
  std::ifstream vocab_file(test_model("date_transformer/vocab.json"));
  const auto vocab = nlohmann::json::parse(vocab_file);
  const auto human = vocab["human_vocab"].get<std::vector<std::string>>();
  const auto machine = vocab["machine_vocab"].get<std::vector<std::string>>();
  int right = 0, as_recorded = 0;
  const auto pairs = lines(test_model("date_transformer/golden_pairs_27.tsv"));
  for (size_t i = 1; i < pairs.size(); ++i) {
    const size_t tab = pairs[i].find('\t'), next = pairs[i].find('\t', tab + 1);
    const std::string answer = translated(dates, human, machine, pairs[i].substr(0, tab));
    if (answer == pairs[i].substr(tab + 1, next - tab - 1)) ++as_recorded;
    if (answer == pairs[i].substr(next + 1) + "<pad>") ++right;
  }
  INFO(as_recorded << " as recorded");
  CHECK(right >= 186);
}

TEST_CASE("Converting twice gives the same bytes") {
  const heed::test::TemporaryFolder folder;
  ConvertOptions options;
  options.random_samples = 1;
  for (const char* name : {"a.heed", "b.heed"}) {
    options.output = folder.file(name);
    heed::convert(test_model("kwt1/kwt1.onnx"), options);
  }
  std::ifstream a(folder.file("a.heed"), std::ios::binary);
  std::ifstream b(folder.file("b.heed"), std::ios::binary);
  const std::string first{std::istreambuf_iterator<char>(a), {}};
  const std::string second{std::istreambuf_iterator<char>(b), {}};
  CHECK(first.size() > 100000);
  CHECK(first == second);
}
