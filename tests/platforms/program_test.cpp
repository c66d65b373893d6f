// The program as a person uses it: convert, run, bench, inspect and compare on the demo models, and
// one clear sentence, exit code 1 and nothing written for everything that is wrong.

#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/verify.h"
#include "models/tensors/npy.h"
#include "ops/isa.h"
#include "tests/support/family_golden.h"
#include "tests/support/onnx_builder.h"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kDemo = std::string(HEED_SOURCE_DIR) + "/models/demo/";

struct Outcome {
  int code;
  std::string out, err;
};

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void spill(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A folder of its own for each test, gone afterwards.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "heed_program_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

  Outcome heed(const std::string& arguments) const {
    return program(HEED_PROGRAM + (" " + arguments));
  }
  Outcome program(const std::string& command) const {
    const std::string out = *this / "stdout", err = *this / "stderr";
    const int status = std::system((command + " >" + out + " 2>" + err).c_str());
    Outcome outcome{WEXITSTATUS(status), slurp(out), slurp(err)};
    fs::remove(out);
    fs::remove(err);
    return outcome;
  }

  /// The demo model of that name, converted without measuring.
  std::string demo(const std::string& name) const {
    const std::string path = *this / (name + ".heed");
    const Outcome outcome = heed("convert " + kDemo + name + ".onnx -o " + path + " --task " +
                                 kDemo + name + ".task.json --random-samples 0");
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return path;
  }

 private:
  fs::path path_;
};

/// Exit code 1 and one sentence on stderr that holds every one of `words`; nothing on stdout.
void check_fails(const Outcome& outcome, const std::vector<std::string>& words) {
  INFO("stdout: " << outcome.out << "\nstderr: " << outcome.err);
  CHECK(outcome.code == 1);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.rfind("heed: ", 0) == 0);
  for (const std::string& word : words) CHECK(outcome.err.find(word) != std::string::npos);
}

/// The model file with another version in its tables.
std::string of_version(std::string file, uint32_t version) {
  const auto* tables = flatbuffers::GetSizePrefixedRoot<flatbuffers::Table>(file.data());
  const uint8_t* place = tables->GetAddressOf(heed::fb::Model::VT_VERSION);
  REQUIRE(place != nullptr);
  std::memcpy(file.data() + (place - reinterpret_cast<const uint8_t*>(file.data())), &version,
              sizeof version);
  return file;
}

std::string little_wav(uint32_t rate, uint32_t samples) {
  std::string wav = "RIFF....WAVEfmt ";
  const auto put = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) wav += static_cast<char>(value >> (8 * i) & 255);
  };
  put(16, 4), put(1, 2), put(1, 2), put(rate, 4), put(rate * 2, 4), put(2, 2), put(16, 2);
  wav += "data";
  put(samples * 2, 4);
  for (uint32_t i = 0; i < samples; ++i) put(i * 977 % 2000, 2);
  return wav;
}

}  // namespace

TEST_CASE("the spoken demo word is recognised, as text and as JSON") {
  const Folder folder;
  const std::string model = folder.demo("keywords");
  const Outcome text = folder.heed("run " + model + " " + kDemo + "keywords.wav");
  CHECK(text.code == 0);
  CHECK(text.out.find("right") != std::string::npos);
  const Outcome json = folder.heed("run " + model + " " + kDemo + "keywords.wav --json");
  const Json object = Json::parse(json.out);
  CHECK(object["windows"][0]["answers"][0]["label"] == "right");
  CHECK(object["windows"][0]["answers"][0]["probability"] > 0.8);
  const Outcome piped = folder.program("cat " + kDemo + "keywords.wav | " + HEED_PROGRAM + " run " +
                                       model + " /dev/stdin --json");
  CHECK(Json::parse(piped.out)["windows"] == object["windows"]);
}

TEST_CASE("a folder, and a pipe that nobody writes to, are refused in a sentence") {
  const Folder folder;
  const std::string model = folder.demo("keywords"), pipe = folder / "pipe";
  REQUIRE(folder.program("mkfifo " + pipe).code == 0);
  check_fails(folder.heed("run " + model + " " + pipe), {pipe, "nobody writes"});
  check_fails(folder.heed("run " + model + " " + kDemo), {kDemo, "is a folder"});
  check_fails(folder.heed("run " + model + " --input mfcc=" + pipe), {pipe, "nobody writes"});
  check_fails(folder.heed("convert " + kDemo + "keywords.onnx -o " + (folder / "a.heed") +
                          " --task " + pipe),
              {pipe, "nobody writes"});
  spill(folder / "task.json",
        R"({"kind": "tensors", "labels": {"labels_file": "pipe", "column": 0}})");
  check_fails(folder.heed("convert " + kDemo + "keywords.onnx -o " + (folder / "a.heed") +
                          " --task " + (folder / "task.json")),
              {pipe, "nobody writes"});
}

TEST_CASE("a stream of samples is listened to, and what is heard is printed as it is heard") {
  const Folder folder;
  const std::string model = folder.demo("keywords");
  const std::string pause(32000, '\0'), word = slurp(kDemo + "keywords.wav").substr(44);
  spill(folder / "stream.s16", pause + word + pause + word + pause);
  const Outcome heard = folder.heed("run " + model + " --stream --json <" + folder / "stream.s16");
  INFO(heard.out << heard.err);
  CHECK(heard.code == 0);
  std::istringstream lines(heard.out);
  std::vector<Json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(Json::parse(line));
  REQUIRE(events.size() == 3);
  CHECK(events[0]["label"] == "right");
  CHECK(events[1]["label"] == "right");
  CHECK(events[1]["heard_s"].get<double>() - events[0]["heard_s"].get<double>() == 2.0);
  CHECK(events[2]["event"] == "end");
  CHECK(events[2]["heard_s"] == 5.0);
  // At another rate, and in words.
  const Outcome slow =
      folder.heed("run " + model + " --stream --rate 8000 <" + folder / "stream.s16");
  CHECK(slow.code == 0);
  CHECK(slow.out.find("      9.9") != std::string::npos);  // ten seconds, the filter's rest apart
  CHECK(slow.out.find("the end") != std::string::npos);
  check_fails(folder.heed("run " + folder.demo("digits") + " --stream </dev/null"),
              {"keyword_spotting"});
  CHECK(folder.heed("run " + model + " --rate 8000").code == 2);
}

TEST_CASE("the demo picture is read, and what was attended to is drawn") {
  const Folder folder;
  const std::string model = folder.demo("digits"), png = folder / "attention.png";
  const Outcome outcome =
      folder.heed("run " + model + " " + kDemo + "digits.png --json --attention " + png);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(Json::parse(outcome.out)["answers"][0]["label"] == "8");
  CHECK(slurp(png).substr(1, 3) == "PNG");
  std::set<std::string> drawn = {slurp(png)};
  const std::string draw = "run " + model + " " + kDemo + "digits.png --attention " + png;
  for (const char* of : {"rollout", "0", "1,0", "1,1", "2 --attention-query 5"}) {
    INFO(of);
    REQUIRE(folder.heed(draw + " --attention-of " + of).code == 0);
    CHECK(drawn.insert(slurp(png)).second);
  }
  check_fails(folder.heed(draw + " --attention-of 4"), {"layers 0 to 3"});
  check_fails(folder.heed(draw + " --attention-of 1,9"), {"heads 0 to"});
  check_fails(folder.heed(draw + " --attention-of 3 --attention-query 5"),
              {"queries 0 to 0", "nothing reads"});
  check_fails(folder.heed(draw + " --attention-of eye"), {"rollout"});
}

TEST_CASE("the demo sound's attention is drawn over its spectrogram") {
  const Folder folder;
  const std::string model = folder.demo("keywords"), png = folder / "attention.png";
  const Outcome outcome =
      folder.heed("run " + model + " " + kDemo + "keywords.wav --attention " + png);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(slurp(png).substr(1, 3) == "PNG");
}

TEST_CASE("what speech attended to is drawn over its spectrogram") {
  const Folder folder;
  heed::test::read_family_golden("whisper").write_folder(folder / "whisper");
  const std::string model = folder / "whisper.heed", png = folder / "map.png";
  REQUIRE(folder.heed("convert " + (folder / "whisper") + "/ --random-samples 0").code == 0);
  const std::string draw = "run " + model + " " + kDemo + "keywords.wav --attention " + png;
  const Outcome outcome = folder.heed(draw);
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(slurp(png).substr(1, 3) == "PNG");
  check_fails(folder.heed(draw + " --attention-of 1"), {"--attention-of"});
}

TEST_CASE("the example program in C says what is in the demo picture") {
  const Folder folder;
  const std::string model = folder.demo("digits"), program = HEED_EXAMPLES "classify_picture ";
  const Outcome outcome = folder.program(program + model + " " + kDemo + "digits.png");
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("digits.png: 8 (8), 9") != std::string::npos);
  CHECK(folder.program(program + model + " /nowhere.png").code == 1);
  CHECK(folder.program(program + "/nowhere.heed " + kDemo + "digits.png").code == 1);
  CHECK(folder.program(program).code == 2);
}

TEST_CASE("every kernel set and thread count of this machine saves the same bytes") {
  const Folder folder;
  for (const std::string name : {"keywords.wav", "digits.png"}) {
    const std::string model = folder.demo(name.substr(0, name.find('.')));
    std::string first;
    for (size_t i = 0; i < heed::kIsaNameCount; ++i) {
      if (!heed::detect_isa().contains(heed::kIsaNames[i].set)) continue;
      for (const char* threads : {"1", "2"}) {
        const std::string how = std::string(" --isa ") + heed::kIsaNames[i].name + " --threads ";
        INFO(name << how << threads);
        const Outcome outcome = folder.heed("run " + model + " " + kDemo + name +
                                            " --json --save " + (folder / "out") + how + threads);
        REQUIRE(outcome.code == 0);
        Json answers = Json::parse(outcome.out);
        answers.erase("latency_us");
        const std::string bytes = answers.dump() + slurp(folder / "out/logits.npy");
        CHECK(bytes.size() > answers.dump().size() + 10 * sizeof(float));
        if (first.empty()) first = bytes;
        CHECK(bytes == first);
      }
    }
  }
}

TEST_CASE("a checkpoint's folder is converted and run on texts, from the line, a file and a pipe") {
  const Folder folder;
  const auto made = [&](const char* name) {
    heed::test::read_family_golden(name).write_folder(folder / name);
    const Outcome outcome =
        folder.heed("convert " + (folder / name) + "/ --random-samples 0 --dim " +
                    (std::string(name) == "llama" ? "context_length=24" : "sequence_length=16"));
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return folder / (name + std::string(".heed"));
  };
  const std::string embedder = made("sentence"), decoder = made("llama");
  spill(folder / "text.txt", "hello world");
  const Outcome both = folder.heed("run " + embedder + " 'hello world' " + (folder / "text.txt"));
  CHECK(both.out.find("text 1 and text 2: cosine 1.0000") != std::string::npos);
  const Outcome piped = folder.program("cat " + (folder / "text.txt") + " | " + HEED_PROGRAM +
                                       " run " + embedder + " 'hello world' /dev/stdin");
  CHECK(piped.out.find("text 1 and text 2: cosine 1.0000") != std::string::npos);
  const Outcome json = folder.heed("run " + embedder + " --json < " + (folder / "text.txt"));
  CHECK(Json::parse(json.out)["embedding"].size() == 32);
  const Outcome story = folder.heed("run " + decoder + " 'the fox' --tokens 5 --json");
  CHECK(Json::parse(story.out)["tokens"].size() == 5);
  CHECK(folder.heed("run " + decoder + " the --tokens 2").out.find("per second") !=
        std::string::npos);
  const Outcome drawn = folder.heed("run " + decoder + " the --temperature 1 --seed 3 --json");
  CHECK(Json::parse(drawn.out)["tokens"].size() > 0);
  CHECK(folder.heed("bench " + embedder + " --seconds 0.02").code == 0);
  check_fails(folder.heed("convert " + (folder / "none") + " -o x.heed"), {"none"});

  const std::string examples = HEED_EXAMPLES;
  const Outcome alike =
      folder.program(examples + "embed_text " + embedder + " 'the fox' 'the fox'");
  CHECK(alike.out == "the fox: cosine 1.0000\n");
  const Outcome on = folder.program(examples + "generate_text " + decoder + " 'the fox' 5");
  CHECK(on.out == "the fox" + std::string(Json::parse(story.out)["text"]) + "\n");
  CHECK(folder.program(examples + "embed_text " + folder.demo("digits") + " text").code == 1);
  CHECK(folder.program(examples + "generate_text " + embedder + " text").code == 1);
}

TEST_CASE("the example programs in C spot keywords and write speech down") {
  const Folder folder;
  heed::test::read_family_golden("whisper").write_folder(folder / "whisper");
  REQUIRE(folder.heed("convert " + (folder / "whisper") + "/ --random-samples 0").code == 0);
  const std::string examples = HEED_EXAMPLES, keywords = folder.demo("keywords"),
                    whisper = folder / "whisper.heed", sound = std::string(kDemo) + "keywords.wav";
  const Outcome spotted = folder.program(examples + "spot_keywords " + keywords + " " + sound);
  INFO(spotted.err);
  CHECK(spotted.code == 0);
  const Outcome said = folder.program(examples + "transcribe " + whisper + " " + sound + " en");
  CHECK(said.code == 0);
  const Json same =
      Json::parse(folder.heed("run " + whisper + " --json --language en " + sound).out);
  REQUIRE_FALSE(same["segments"].empty());
  for (const Json& segment : same["segments"])
    CHECK(said.out.find(" s " + std::string(segment["text"])) != std::string::npos);
  CHECK(folder.program(examples + "transcribe " + whisper + " " + sound + " xx").code == 1);
  CHECK(folder.program(examples + "transcribe " + keywords + " " + sound).code == 1);
  CHECK(folder.program(examples + "spot_keywords " + whisper + " " + sound).code == 1);
  CHECK(folder.program(examples + "spot_keywords " + keywords + " /nowhere.wav").code == 1);
}

TEST_CASE("the example programs in C find objects and segment a picture") {
  const Folder folder;
  const auto made = [&](const char* name) {
    heed::test::read_family_golden(name).write_folder(folder / name);
    const Outcome outcome = folder.heed("convert " + (folder / name) +
                                        "/ --random-samples 0 --dim height=64 --dim width=64");
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    return folder / (name + std::string(".heed"));
  };
  const std::string detector = made("detr"), segmenter = made("segformer");
  const std::string examples = HEED_EXAMPLES, picture = std::string(kDemo) + "digits.png";
  const Outcome found = folder.program(examples + "detect_objects " + detector + " " + picture);
  INFO(found.err);
  CHECK(found.code == 0);
  CHECK(found.out.find(" objects\n") != std::string::npos);
  const Outcome parts = folder.program(examples + "segment_picture " + segmenter + " " + picture +
                                       " " + (folder / "mask.pgm"));
  CHECK(parts.code == 0);
  CHECK(parts.out.find(" %\n") != std::string::npos);
  CHECK(slurp(folder / "mask.pgm").substr(0, 3) == "P5\n");
  CHECK(folder.program(examples + "detect_objects " + segmenter + " " + picture).code == 1);
  CHECK(folder.program(examples + "segment_picture " + detector + " " + picture + " x").code == 1);
}

TEST_CASE("raw tensors go in and out as .npy files") {
  const Folder folder;
  const std::string model = folder.demo("keywords");
  std::string error;
  const std::vector<float> zeros(98 * 40, 0.0f);
  REQUIRE(heed::write_npy(folder / "x.npy", heed::NpyType::f32, {1, 98, 40}, zeros.data(), &error));
  const Outcome outcome = folder.heed("run " + model + " --input mfcc=" + (folder / "x.npy") +
                                      " --save " + (folder / "out"));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  heed::Npy logits;
  REQUIRE(heed::read_npy(folder / "out/logits.npy", &logits, &error));
  CHECK(logits.shape == std::vector<int64_t>{1, 12});

  REQUIRE(
      heed::write_npy(folder / "short.npy", heed::NpyType::f32, {1, 97, 40}, zeros.data(), &error));
  check_fails(folder.heed("run " + model + " --input mfcc=" + (folder / "short.npy")),
              {"short.npy", "[1, 97, 40]", "mfcc", "[1, 98, 40]"});
  const std::vector<int64_t> integers(98 * 40, 0);
  REQUIRE(heed::write_npy(folder / "int.npy", heed::NpyType::i64, {1, 98, 40}, integers.data(),
                          &error));
  check_fails(folder.heed("run " + model + " --input mfcc=" + (folder / "int.npy")),
              {"int.npy", "integers", "float32"});
  check_fails(folder.heed("run " + model + " --input mel=" + (folder / "x.npy")),
              {"no input 'mel'", "mfcc"});
  check_fails(folder.heed("run " + model + " --input mfcc=" + (folder / "none.npy")), {"none.npy"});
}

TEST_CASE("bench, inspect and compare say what they promise, as text and as JSON") {
  const Folder folder;
  const std::string model = folder.demo("digits");
  const Outcome bench = folder.heed("bench " + model + " --seconds 0.05 --json");
  INFO(bench.err);
  REQUIRE(bench.code == 0);
  const Json measured = Json::parse(bench.out);
  CHECK(measured["start_memory_bytes"] > 0);
  CHECK(measured["peak_memory_bytes"] > measured["start_memory_bytes"]);
  CHECK(measured["models"][0]["latency_us_median"] > 0);
  CHECK(measured["models"][0]["ops"].size() > 10);
  CHECK(folder.heed("bench " + model + " " + model + " --seconds 0.05")
            .out.find("times the time of") != std::string::npos);

  const Json inside = Json::parse(folder.heed("inspect " + model + " --json --tensors").out);
  CHECK(inside["source"] == "digits.onnx");
  CHECK(inside["entry_points"][0]["attentions"] == 4);
  const Outcome plan =
      folder.heed("inspect " + model + " --ops --plan --svg " + (folder / "plan.svg"));
  CHECK(plan.out.find("Memory plan") != std::string::npos);
  CHECK(slurp(folder / "plan.svg").rfind("<svg", 0) == 0);

  const Outcome compared = folder.heed("compare " + kDemo + "digits.onnx " + model + " --json");
  INFO(compared.err);
  REQUIRE(compared.code == 0);
  CHECK(Json::parse(compared.out)["outputs"][0]["snr_db"] > 20);
}

TEST_CASE("bad usage exits with 2, help and version with 0") {
  const Folder folder;
  CHECK(folder.heed("").code == 2);
  CHECK(folder.heed("dance").code == 2);
  CHECK(folder.heed("run").code == 2);
  CHECK(folder.heed("bench x.heed --threads 0").code == 2);
  CHECK(folder.heed("--version").out.rfind("heed ", 0) == 0);
  for (const char* command : {"convert", "run", "bench", "inspect", "compare"}) {
    const Outcome help = folder.heed(std::string(command) + " --help");
    CHECK(help.code == 0);
    CHECK(help.out.size() > 200);
  }
}

TEST_CASE("a source that cannot be converted is named with the reason, and no file is left") {
  const Folder folder;
  const auto convert = [&](const std::string& source) {
    return folder.heed("convert " + source + " -o " + (folder / "out.heed") +
                       " --random-samples 1");
  };
  check_fails(convert(folder / "none.onnx"), {"none.onnx"});
  const std::string whole = slurp(kDemo + "digits.onnx");
  for (const size_t size : {size_t{0}, size_t{1}, whole.size() / 3, whole.size() - 1}) {
    spill(folder / "cut.onnx", whole.substr(0, size));
    INFO(size << " bytes");
    check_fails(convert(folder / "cut.onnx"), {"cut.onnx"});
  }
  spill(folder / "text.onnx", "this is a letter to a friend, not a model");
  check_fails(convert(folder / "text.onnx"), {"text.onnx"});
  spill(folder / "picture.onnx", slurp(kDemo + "digits.png"));
  check_fails(convert(folder / "picture.onnx"), {"picture.onnx"});
  CHECK_FALSE(fs::exists(folder / "out.heed"));
  CHECK_FALSE(fs::exists(folder / "out.heed.part"));
}

TEST_CASE("all unknown ops are reported at once, with name, type and attributes") {
  const Folder folder;
  heed::test::OnnxModel model;
  model.graph.input("x", {1, 4, 64});
  model.graph.node("Teleport", {"x"}, "a", {{"speed", 9}});
  model.graph.node("Levitate", {"a"}, "y");
  model.graph.output("y", {1, 4, 64});
  spill(folder / "odd.onnx", model.bytes());
  const std::string out = folder / "odd.heed";
  check_fails(folder.heed("convert " + (folder / "odd.onnx") + " -o " + out),
              {"Teleport", "speed", "Levitate"});
  CHECK_FALSE(fs::exists(out));
}

TEST_CASE("NaN weights are refused by name, a row of zero weights is fine") {
  const Folder folder;
  const auto layer = [&](float special, bool whole_row) {
    heed::test::OnnxModel model;
    std::vector<float> weights(64 * 64);
    for (size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(i % 13) * 0.1f - 0.6f;
    for (size_t k = 0; k < (whole_row ? 64u : 1u); ++k) weights[k * 64 + 5] = special;
    model.graph.input("x", {1, 4, 64});
    model.graph.weight("layer.weight", {64, 64}, weights);
    model.graph.node("MatMul", {"x", "layer.weight"}, "y");
    model.graph.output("y", {1, 4, 64});
    spill(folder / "layer.onnx", model.bytes());
    return folder.heed("convert " + (folder / "layer.onnx") + " -o " + (folder / "layer.heed") +
                       " --json");
  };
  check_fails(layer(std::numeric_limits<float>::quiet_NaN(), false), {"layer.weight"});
  CHECK_FALSE(fs::exists(folder / "layer.heed"));
  check_fails(layer(std::numeric_limits<float>::infinity(), false), {"'y'", "infinite"});
  const Outcome zeros = layer(0.0f, true);
  INFO(zeros.err);
  CHECK(zeros.code == 0);
  CHECK(Json::parse(zeros.out)["outputs"][0]["snr_db"] > 30);
}

TEST_CASE("a failed conversion leaves an older file as it was") {
  const Folder folder;
  spill(folder / "out.heed", "the old file");
  spill(folder / "bad.onnx", "no model");
  check_fails(folder.heed("convert " + (folder / "bad.onnx") + " -o " + (folder / "out.heed")),
              {"bad.onnx"});
  CHECK(slurp(folder / "out.heed") == "the old file");
  CHECK(folder.files() == 2);
}

TEST_CASE("a .heed file that is none, or newer, or damaged is refused with a sentence") {
  const Folder folder;
  const std::string model = folder.demo("digits"), bytes = slurp(model);
  const auto run = [&](const std::string& content) {
    spill(folder / "bad.heed", content);
    return folder.heed("run " + (folder / "bad.heed") + " " + kDemo + "digits.png");
  };
  check_fails(folder.heed("run " + (folder / "none.heed") + " " + kDemo + "digits.png"),
              {"none.heed"});
  for (const size_t size : {size_t{0}, size_t{3}, size_t{64}, bytes.size() / 2, bytes.size() - 1}) {
    INFO(size << " bytes");
    check_fails(run(bytes.substr(0, size)), {"bad.heed"});
  }
  std::string wrong_magic = bytes;
  wrong_magic.replace(8, 4, "TFL3");
  check_fails(run(wrong_magic), {"bad.heed", "not a heed model"});
  check_fails(run(std::string(4096, 'x')), {"bad.heed", "not a heed model"});
  check_fails(run(slurp(kDemo + "digits.onnx")), {"bad.heed", "not a heed model"});
  check_fails(run(of_version(bytes, 2000)), {"bad.heed", "needs a newer heed"});
  CHECK(folder.files() == 2);
}

TEST_CASE("a run that fails saves nothing and draws nothing") {
  const Folder folder;
  const std::string model = folder.demo("digits");
  spill(folder / "letter.png", "hello");
  check_fails(folder.heed("run " + model + " " + (folder / "letter.png") + " --save " +
                          (folder / "out") + " --attention " + (folder / "map.png")),
              {"letter.png"});
  CHECK(folder.files() == 2);
}

TEST_CASE("sounds of another rate are resampled; empty ones and what is no sound are refused") {
  const Folder folder;
  const std::string model = folder.demo("keywords");
  spill(folder / "fast.wav", little_wav(44100, 44100));
  CHECK(folder.heed("run " + model + " " + (folder / "fast.wav")).code == 0);
  const std::string word = std::string(HEED_SOURCE_DIR) + "/tests/golden/sounds/word.";
  const auto answers = [&](const char* kind) {
    const Outcome outcome = folder.heed("run " + model + " " + word + kind);
    CHECK(outcome.code == 0);
    return outcome.out.substr(std::min(outcome.out.find('\n'), outcome.out.size()));
  };
  CHECK(answers("flac") == answers("wav"));
  CHECK(answers("mp3").find('%') != std::string::npos);
  spill(folder / "empty.wav", little_wav(16000, 0));
  check_fails(folder.heed("run " + model + " " + (folder / "empty.wav")),
              {"empty.wav", "no samples"});
  check_fails(folder.heed("run " + model + " " + kDemo + "digits.png"),
              {"digits.png", "not a wav"});
  check_fails(folder.heed("run " + model + " " + (folder / "none.wav")), {"none.wav"});
  const Outcome mixed =
      folder.heed("run " + model + " " + (folder / "empty.wav") + " " + kDemo + "keywords.wav");
  CHECK(mixed.code == 1);
  CHECK(mixed.out.find("right") != std::string::npos);
  CHECK(mixed.err.find("1 of 2") != std::string::npos);
}

TEST_CASE("what is no picture is refused, and so is a file for a model without a task") {
  const Folder folder;
  const std::string model = folder.demo("digits");
  spill(folder / "letter.png", "hello");
  check_fails(folder.heed("run " + model + " " + (folder / "letter.png")),
              {"letter.png", "not a picture"});
  const std::string bare = folder / "bare.heed";
  REQUIRE(folder.heed("convert " + kDemo + "digits.onnx -o " + bare + " --random-samples 0").code ==
          0);
  check_fails(folder.heed("run " + bare + " " + kDemo + "digits.png"),
              {"bare.heed", "--task", "--input"});
  check_fails(folder.heed("run " + bare), {"--input"});
}

TEST_CASE("an instruction set that is not known or not here is named") {
  const Folder folder;
  const std::string model = folder.demo("digits");
  check_fails(folder.heed("run " + model + " " + kDemo + "digits.png --isa sparc"), {"sparc"});
}
