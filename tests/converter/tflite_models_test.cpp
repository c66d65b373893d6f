// KWT-1 as its authors published it, front end and all, against recorded results of the file.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/audio/sound_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"

namespace {

struct Clip {
  std::string path, label;
  std::vector<float> logits;  // of the float model
};

std::vector<Clip> clips() {
  std::ifstream file(test_model("kwt1/golden_tflite_logits_gsc12.csv"));
  std::vector<Clip> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    Clip clip;
    std::getline(fields, clip.path, ',');
    std::getline(fields, clip.label, ',');
    for (std::string logit; std::getline(fields, logit, ',');)
      clip.logits.push_back(std::strtof(logit.c_str(), nullptr));
    if (clip.path != "file" && clip.path != "ZEROS") all.push_back(std::move(clip));
  }
  REQUIRE(all.size() == 1198);
  return all;
}

class Kwt1 {
 public:
  explicit Kwt1(heed::ConvertOptions options = {}) {
    options.output = folder_.file("kwt1.heed");
    options.random_samples = 0;
    report = heed::convert(test_model("kwt1/non_stream.tflite"), options);
    REQUIRE(model_.open(options.output.c_str()) == heed::Status::ok);
    REQUIRE(session_.create(model_) == heed::Status::ok);
  }
  std::vector<float> logits(const Clip& clip) {
    heed::Sound sound;
    std::string error;
    REQUIRE(heed::read_sound(test_model("gsc12/" + clip.path), &sound, &error));
    const auto input = session_.input<float>();
    REQUIRE(input.size() == 16000);
    std::fill(input.begin(), input.end(), 0.0f);
    std::copy_n(sound.samples.begin(), std::min<size_t>(16000, sound.samples.size()),
                input.begin());
    REQUIRE(session_.run() == heed::Status::ok);
    const auto output = session_.output<float>();
    return {output.begin(), output.end()};
  }

  heed::ConvertReport report;

 private:
  heed::test::TemporaryFolder folder_;
  heed::Model model_;
  heed::Session session_;
};

size_t best(const std::vector<float>& scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

}  // namespace

TEST_CASE("KWT-1 of TensorFlow Lite is fused from the waveform to the answer") {
  heed::ConvertOptions options;
  options.dry_run = true;
  const heed::ConvertReport report = heed::convert(test_model("kwt1/non_stream.tflite"), options);
  int attention = 0, linear_int8 = 0, ops = 0;
  for (const heed::OpCount& count : report.entries[0].ops) {
    if (count.op == "attention") attention = count.count;
    if (count.op == "linear int8") linear_int8 = count.count;
    ops += count.count;
  }
  INFO(heed::report_text(report));
  CHECK(attention == 12);
  CHECK(linear_int8 == 49);  // 12 blocks of four, and the embedding
  CHECK(ops <= 75);
  // All that is left of 612 ops: the magnitude of the spectrum, its logarithm, the class token.
  CHECK(report.general.size() == 7);
}

TEST_CASE("KWT-1 of TensorFlow Lite in float32 gives the recorded logits") {
  heed::ConvertOptions options;
  options.keep_float = {"*"};
  Kwt1 kwt1(options);
  const std::vector<Clip> all = clips();
  for (size_t i = 0; i < all.size(); i += 40) {
    const std::vector<float> logits = kwt1.logits(all[i]);
    INFO(all[i].path);
    REQUIRE(logits.size() == all[i].logits.size());
    for (size_t n = 0; n < logits.size(); ++n)
      CHECK(std::fabs(logits[n] - all[i].logits[n]) < 1e-3f);
  }
}

TEST_CASE("KWT-1 of TensorFlow Lite in int8 hears what the float model hears") {
  Kwt1 kwt1;
  int heard = 0, same = 0, spoken = 0, right = 0, right_float = 0;
  for (const Clip& clip : clips()) {
    const size_t answer = best(kwt1.logits(clip)), recorded = best(clip.logits);
    static const char* const kLabels[] = {"_silence_", "_unknown_", "yes", "no",  "up",   "down",
                                          "left",      "right",     "on",  "off", "stop", "go"};
    ++heard;
    if (answer == recorded) ++same;
    if (clip.label == "_silence_") continue;
    ++spoken;
    if (clip.label == kLabels[answer]) ++right;
    if (clip.label == kLabels[recorded]) ++right_float;
  }
  REQUIRE(heard == 1198);
  INFO(same << " the same; " << right << " of " << spoken << " right, " << right_float
            << " in float");
  CHECK(same >= 1188);
  CHECK(right >= right_float - 0.003 * spoken);
}
