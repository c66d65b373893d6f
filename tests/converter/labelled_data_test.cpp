// Accuracy of converted models on labelled recordings and pictures, next to what the float source
// was recorded to reach.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/audio/sound_file.h"
#include "models/heed_tasks.h"
#include "models/image/image_file.h"
#include "models/sound_classifier.h"
#include "tests/support/npz.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"

namespace {

using Fields = std::vector<std::string>;

Fields split(const std::string& line, char mark) {
  Fields fields;
  std::stringstream text(line);
  for (std::string field; std::getline(text, field, mark);) fields.push_back(field);
  return fields;
}

std::vector<Fields> table(const std::string& path, char mark) {
  std::ifstream file(path);
  std::vector<Fields> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(split(line, mark));
  REQUIRE_FALSE(rows.empty());
  return rows;
}

/// Converts a model with a task file of tests/models/tasks and opens it.
class Converted {
 public:
  Converted(const std::string& source, const std::string& task, heed::ConvertOptions options = {}) {
    const std::string task_path =
        std::string(HEED_SOURCE_DIR) + "/tests/models/tasks/" + task + ".json";
    std::ifstream file(task_path);
    std::stringstream text;
    text << file.rdbuf();
    options.output = folder_.file("model.heed");
    options.task_json = text.str();
    options.task_folder = std::filesystem::path(source).parent_path().string();
    options.random_samples = 0;
    heed::convert(source, options);
    heed::Diagnostic diagnostic;
    const heed::Status opened = model_.open(options.output.c_str(), &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(opened == heed::Status::ok);
  }
  const heed_model* get() const { return model_.get(); }
  const heed::Model& model() const { return model_; }
  std::string label(size_t index) const { return model_.label(static_cast<int32_t>(index)); }

 private:
  heed::test::TemporaryFolder folder_;
  heed::Model model_;
};

size_t best(const std::vector<float>& scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

class Classifier {
 public:
  explicit Classifier(const heed_model* model) {
    heed::Diagnostic diagnostic;
    const heed_status status =
        heed_image_classifier_create(model, nullptr, nullptr, 0, &classifier_, &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(status == HEED_OK);
  }
  ~Classifier() { heed_image_classifier_destroy(classifier_); }
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  int32_t answer(const heed::Image& image) const {
    const heed_picture picture = heed::picture_of(image);
    heed_answer answer{};
    REQUIRE(heed_image_classifier_run(classifier_, &picture, &answer, 1, nullptr, nullptr) ==
            HEED_OK);
    return answer.index;
  }

 private:
  heed_image_classifier* classifier_ = nullptr;
};

heed::Sound sound(const std::string& path) {
  heed::Sound read;
  std::string error;
  const bool good = heed::read_sound(path, &read, &error);
  INFO(error);
  REQUIRE(good);
  return read;
}

}  // namespace

TEST_CASE("KWT-1 in int8 hears what the float model hears in 1198 recordings") {
  const Converted kwt1(test_model("kwt1/kwt1.onnx"), "kwt1");
  heed::SoundClassifier classifier;
  std::string error;
  const bool created = classifier.create(kwt1.get(), {}, "main", &error);
  INFO(error);
  REQUIRE(created);
  int clips = 0, same = 0, spoken = 0, right = 0, right_float = 0;
  for (const Fields& row : table(test_model("kwt1/golden_tflite_logits_gsc12.csv"), ',')) {
    if (row[0] == "file" || row.size() != 14 || row[0] == "ZEROS") continue;
    const heed::Sound clip = sound(test_model("gsc12/" + row[0]));
    REQUIRE(classifier.listen(clip.samples.data(), clip.samples.size(), &error));
    std::vector<float> scores(classifier.classes()), recorded;
    classifier.probabilities(scores.data());
    for (size_t i = 2; i < row.size(); ++i)
      recorded.push_back(std::strtof(row[i].c_str(), nullptr));
    ++clips;
    if (best(scores) == best(recorded)) ++same;
    if (row[1] == "_silence_") continue;
    ++spoken;
    if (kwt1.label(best(scores)) == row[1]) ++right;
    if (kwt1.label(best(recorded)) == row[1]) ++right_float;
  }
  REQUIRE(clips == 1198);
  REQUIRE(right_float == 1072);
  INFO(same << " of " << clips << " the same, " << right << " of " << spoken << " right");
  CHECK(same >= 0.99 * clips);
  CHECK(right >= right_float - 0.003 * spoken);
}

TEST_CASE("ViT-Tiny in int8 names 400 pictures as well as the float model") {
  const Converted vit(test_model("vit_tiny/vit_tiny.onnx"), "vit_tiny");
  heed::ConvertOptions keep;
  keep.keep_float = {"*"};
  const Converted exact(test_model("vit_tiny/vit_tiny.onnx"), "vit_tiny", keep);
  const Classifier classifier(vit.get()), float_classifier(exact.get());
  std::string error;
  int pictures = 0, right = 0, compared = 0, same = 0;
  for (const Fields& row : table(test_model("tinyimagenet/labels.tsv"), '\t')) {
    heed::Image image;
    REQUIRE(heed::read_image(test_model("tinyimagenet/" + row[0]), &image, &error));
    const int32_t answer = classifier.answer(image);
    ++pictures;
    if (answer == std::atoi(row[1].c_str())) ++right;
    // The float model is slow and its accuracy recorded: every second picture is enough of it.
    if (pictures % 2 != 0) continue;
    ++compared;
    if (answer == float_classifier.answer(image)) ++same;
  }
  REQUIRE(pictures == 400);
  INFO(right << " right, 275 in float; " << same << " of " << compared << " the same");
  CHECK(right >= 275 - 3);
  CHECK(same >= 0.96 * compared);
}

TEST_CASE("The MNIST ViT in int8 reads 10,000 digits as well as the float model") {
  const Converted vit(test_model("mnist_vit/mnist_vit.onnx"), "mnist_vit");
  const std::vector<uint8_t> pixels = read_gzip(test_model("mnist_vit/t10k-images-idx3-ubyte.gz"));
  const std::vector<uint8_t> labels = read_gzip(test_model("mnist_vit/t10k-labels-idx1-ubyte.gz"));
  REQUIRE(pixels.size() == 16 + 10000 * 784);
  std::ifstream recorded_file(test_model("mnist_vit/golden_pred_10000.txt"));
  std::string recorded;
  recorded_file >> recorded;
  REQUIRE(recorded.size() == 10000);
  heed::Session session;
  REQUIRE(session.create(vit.model()) == heed::Status::ok);
  int right = 0, same = 0;
  for (size_t n = 0; n < 10000; ++n) {
    const auto input = session.input<float>();
    for (size_t i = 0; i < 784; ++i) {
      const float v = pixels[16 + n * 784 + i];
      input[i] = (v / 255.0f - 0.1307f) / 0.3081f;
    }
    REQUIRE(session.run() == heed::Status::ok);
    const auto logits = session.output<float>();
    const size_t digit = best({logits.begin(), logits.end()});
    if (digit == labels[8 + n]) ++right;
    if (digit == static_cast<size_t>(recorded[n] - '0')) ++same;
  }
  INFO(right << " right (9794 in float), " << same << " as recorded");
  CHECK(right >= 9794 - 10);
  CHECK(same >= 9950);
}

TEST_CASE("Silero in int8 decides as the float model on recorded and on real chunks") {
  heed::ConvertOptions options;
  options.shapes["input"] = {1, 4000};
  const Converted vad(test_model("silero_vad/model_mini.onnx"), "silero_vad", options);
  options.keep_float = {"*"};
  const Converted exact(test_model("silero_vad/model_mini.onnx"), "silero_vad", options);
  heed::Session session, float_session;
  REQUIRE(session.create(vad.model()) == heed::Status::ok);
  REQUIRE(float_session.create(exact.model()) == heed::Status::ok);
  const auto speech = [](heed::Session& s, const heed::Sound& sound, size_t begin) {
    const auto input = s.input<float>();
    for (size_t i = 0; i < 4000; ++i)
      input[i] = begin + i < sound.samples.size() ? sound.samples[begin + i] : 0.0f;
    REQUIRE(s.run() == heed::Status::ok);
    return s.output<float>()[1];
  };
  const heed::Sound jfk = sound(test_model("whisper_tiny_en/jfk.wav"));
  int chunks = 0, same = 0;
  for (const Fields& row : table(test_model("silero_vad/golden_mini_jfk.csv"), ',')) {
    if (row[0] == "start_sample") continue;
    const auto begin = static_cast<size_t>(std::atoll(row[0].c_str()));
    const float recorded = std::strtof(row[2].c_str(), nullptr);
    CHECK(std::abs(speech(float_session, jfk, begin) - recorded) < 1e-3f);
    ++chunks;
    if ((speech(session, jfk, begin) > 0.5f) == (recorded > 0.5f)) ++same;
  }
  REQUIRE(chunks == 87);
  for (const Fields& row : table(test_model("gsc12/labels.tsv"), '\t')) {
    if (row[1] != "yes" && row[1] != "right" && row[1] != "_silence_") continue;
    const heed::Sound clip = sound(test_model("gsc12/" + row[0]));
    for (size_t begin = 0; begin + 4000 <= clip.samples.size(); begin += 2000) {
      ++chunks;
      if ((speech(session, clip, begin) > 0.5f) == (speech(float_session, clip, begin) > 0.5f))
        ++same;
    }
  }
  INFO(same << " of " << chunks << " chunks decided alike");
  CHECK(same >= 0.99 * chunks);
}

TEST_CASE("The Whisper encoder in int8 tells ten words apart as well as the float model") {
  const Converted whisper(test_model("whisper_tiny_en/encoder.onnx"), "whisper_encoder");
  const std::string probe = test_model("whisper_tiny_en/probe_10words.npz");
  const std::vector<float> w = read_npz(probe, "W").floats(), b = read_npz(probe, "b").floats();
  constexpr size_t kFeatures = 6 * 384;
  REQUIRE(w.size() == kFeatures * 10);
  heed::SoundClassifier encoder;
  heed_options options{};
  options.threads = 2;
  std::string error;
  const bool created = encoder.create(whisper.get(), options, "main", &error);
  INFO(error);
  REQUIRE(created);
  const Fields words = {"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"};
  int clips = 0, right = 0;
  for (size_t word = 0; word < words.size(); ++word) {
    Fields files;
    const std::string folder = test_model("gsc12/" + words[word]);
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    // The probe was fitted to the first 60 of each word.
    for (size_t i = 60; i < files.size(); ++i) {
      const heed::Sound clip = sound(files[i]);
      REQUIRE(encoder.listen(clip.samples.data(), clip.samples.size(), &error));
      const auto* hidden = static_cast<const float*>(encoder.task().outputs()[0].data);
      std::vector<double> feature(kFeatures), scores(b.begin(), b.end());
      double norm = 0;
      for (size_t row = 0; row < 60; ++row)
        for (size_t c = 0; c < 384; ++c)
          feature[row / 10 * 384 + c] += hidden[row * 384 + c] / 10.0;
      for (const double f : feature) norm += f * f;
      for (size_t k = 0; k < kFeatures; ++k)
        for (size_t n = 0; n < 10; ++n) scores[n] += feature[k] / std::sqrt(norm) * w[k * 10 + n];
      ++clips;
      const auto answer = std::max_element(scores.begin(), scores.end()) - scores.begin();
      if (static_cast<size_t>(answer) == word) ++right;
    }
  }
  REQUIRE(clips == 398);
  INFO(right << " right, 394 in float");
  CHECK(right >= 394 - 3);
}
