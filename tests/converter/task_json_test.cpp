#include "converter/task_json.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "converter/graph/convert_error.h"
#include "tests/support/temporary_folder.h"

namespace {

std::string refusal(const std::string& json) {
  try {
    heed::read_task(json, "");
  } catch (const heed::ConvertError& error) {
    return error.what();
  }
  return "";
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("A task file's constants arrive in the file's task table") {
  const auto task = heed::read_task(R"({
    "kind": "keyword_spotting", "labels": ["yes", "no"], "output_is_probability": true,
    "window_hop_samples": 8000,
    "audio": {"kind": "mfcc", "sample_rate_hz": 16000, "power": 1, "log_floor": 1e-12,
              "mel_scale": "htk", "layout": "frames_first", "center": false}})", "");
  CHECK(task->kind == "keyword_spotting");
  CHECK(task->labels == std::vector<std::string>{"yes", "no"});
  CHECK(task->output_is_probability);
  CHECK(task->window_hop_samples == 8000);
  REQUIRE(task->audio);
  CHECK(task->audio->sample_rate_hz == 16000);
  CHECK(task->audio->power == 1.0f);
  CHECK(task->audio->log_floor == 1e-12f);
  CHECK_FALSE(task->image);
}

TEST_CASE("A task file makes a speech recogniser of a model that scores characters") {
  const auto task = heed::read_task(R"({
    "kind": "speech_recognition", "labels": ["", "<unk>", " ", "a"],
    "audio": {"kind": "pcm", "sample_rate_hz": 16000, "clip_samples": 80000, "normalize": "unit",
              "window_samples": 400, "hop_samples": 320}})", "");
  CHECK(task->kind == "speech_recognition");
  CHECK(task->labels == std::vector<std::string>{"", "<unk>", " ", "a"});
  CHECK(task->audio->normalize == "unit");
  CHECK(task->audio->hop_samples == 320);
}

TEST_CASE("Labels come out of a file's column, and comments about it name the file") {
  const heed::test::TemporaryFolder folder;
  folder.write("labels.tsv", "0\tn01\tgoldfish, Carassius\r\n1\tn02\tnewt\n");
  const std::string text =
      R"({"kind": "tensors", "labels": {"labels_file": "labels.tsv", "column": 2}})";
  const auto task = heed::read_task(text, folder.path().string());
  CHECK(task->labels == std::vector<std::string>{"goldfish, Carassius", "newt"});
  CHECK(refusal(text).find("labels.tsv") != std::string::npos);
}

TEST_CASE("What is not a task file is refused with the key and what would be right") {
  CHECK(refusal("{").find("JSON") != std::string::npos);
  CHECK(refusal(R"({"kind": 1e16000})").find("number") != std::string::npos);
  CHECK(refusal("[]").find("object") != std::string::npos);
  CHECK(refusal("{}").find("kind") != std::string::npos);
  CHECK(refusal(R"({"kind": "keyword"})").find("keyword_spotting") != std::string::npos);
  const std::string unknown = refusal(R"({"kind": "tensors", "lables": []})");
  CHECK(unknown.find("lables") != std::string::npos);
  CHECK(unknown.find("labels") != std::string::npos);
  CHECK(refusal(R"({"kind": "tensors", "labels": [1]})").find("labels") != std::string::npos);
  CHECK(refusal(R"({"kind": "tensors", "audio": {"kind": "mfcc", "sample_rate_hz": -1}})")
            .find("sample_rate_hz") != std::string::npos);
  CHECK(refusal(R"({"kind": "tensors", "image": {"width": 8, "height": 8, "mean": [1]}})")
            .find("mean") != std::string::npos);
}

TEST_CASE("Every task file in the tree can be read") {
  const std::filesystem::path root = HEED_SOURCE_DIR;
  int read = 0;
  for (const char* place : {"models/demo", "tests/models/tasks"}) {
    for (const auto& entry : std::filesystem::directory_iterator(root / place)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".json") continue;
      INFO(name);
      std::string text = text_of(entry.path());
      // Labels of the real models lie beside them, not in the tree.
      if (text.find("labels_file") != std::string::npos) continue;
      CHECK_NOTHROW(heed::read_task(text, entry.path().parent_path().string()));
      ++read;
    }
  }
  CHECK(read >= 5);
}
