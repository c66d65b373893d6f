// Accuracy of converted models on labelled recordings and pictures, next to what the float source
// was recorded to reach.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/audio/wav.h"
#include "models/image/image_file.h"
#include "models/image_classifier.h"
#include "models/sound_classifier.h"
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
  Converted(const std::string& source, const std::string& task, heed::ConvertOptions options = {})
      : path_((std::filesystem::temp_directory_path() / ("heed_labelled_" + task + ".heed"))) {
    const std::string task_path =
        std::string(HEED_SOURCE_DIR) + "/tests/models/tasks/" + task + ".json";
    std::ifstream file(task_path);
    std::stringstream text;
    text << file.rdbuf();
    options.output = path_.string();
    options.task_json = text.str();
    options.task_folder = std::filesystem::path(source).parent_path().string();
    options.random_samples = 0;
    heed::convert(source, options);
    heed::Diagnostic diagnostic;
    const heed::Status opened = model_.open(path_.string().c_str(), &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(opened == heed::Status::ok);
  }
  ~Converted() {
    model_ = heed::Model();
    std::filesystem::remove(path_);
  }
  const heed_model* get() const { return model_.get(); }
  std::string label(size_t index) const { return model_.label(static_cast<int32_t>(index)); }

 private:
  std::filesystem::path path_;
  heed::Model model_;
};

size_t best(const std::vector<float>& scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

heed::Sound sound(const std::string& path) {
  heed::Sound read;
  std::string error;
  const bool good = heed::read_wav(path, &read, &error);
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
  heed::ImageClassifier classifier;
  std::string error;
  REQUIRE(classifier.create(vit.get(), {}, "main", &error));
  int pictures = 0, right = 0;
  for (const Fields& row : table(test_model("tinyimagenet/labels.tsv"), '\t')) {
    heed::Image image;
    REQUIRE(heed::read_image(test_model("tinyimagenet/" + row[0]), classifier.channels(), &image,
                             &error));
    REQUIRE(classifier.look(image, &error));
    std::vector<float> scores(classifier.classes());
    classifier.probabilities(scores.data());
    ++pictures;
    if (best(scores) == static_cast<size_t>(std::atoi(row[1].c_str()))) ++right;
  }
  REQUIRE(pictures == 400);
  INFO(right << " right, 275 in float");
  CHECK(right >= 275 - 3);
}
