// What is promised of every run, kept on real trained models: the same bits from every kernel set
// of this machine and any number of threads, the memory that was asked for and no byte more,
// nothing allocated, and with one thread nothing asked of the system.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "engine/heed.hpp"
#include "models/audio/sound_file.h"
#include "models/tensors/npy.h"
#include "ops/isa.h"
#include "tests/support/alloc_trap.h"
#include "tests/support/npz.h"
#include "tests/support/seeded_random.h"
#include "tests/support/system_call_trap.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_models.h"
#include "tests/support/tiny_models.h"

using namespace heed;
using namespace heed::test;

namespace {

/// One input's values: floats, or integers where there are no floats.
struct Given {
  const char* entry_point;
  const char* name;
  std::vector<float> floats;
  std::vector<int64_t> integers = {};
};

struct RunCase {
  std::vector<ConvertSource> sources;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::vector<Given> inputs;
};

/// The first `count` values of a recorded .npy file.
std::vector<float> recorded(const std::string& path, size_t count) {
  Npy file;
  std::string error;
  const bool read = read_npy(path, &file, &error);
  INFO(error);
  REQUIRE(read);
  std::vector<float> values = file.floats();
  REQUIRE(values.size() >= count);
  values.resize(count);
  return values;
}

std::vector<float> random_floats(size_t count) {
  std::vector<float> values(count);
  SeededRandom random(5);
  for (float& value : values) value = random.normal();
  return values;
}

template <class T>
void copy(const std::vector<T>& from, std::span<T> to, const Given& given) {
  INFO(given.entry_point << ", " << given.name);
  REQUIRE(from.size() == to.size());
  std::copy(from.begin(), from.end(), to.begin());
}

void fill(const Session& session, const RunCase& run) {
  for (const Given& given : run.inputs) {
    if (given.floats.empty())
      copy(given.integers, session.input<int64_t>(given.name, given.entry_point), given);
    else
      copy(given.floats, session.input<float>(given.name, given.entry_point), given);
  }
}

/// Fills the inputs, runs every entry point under the trap; the outputs' bytes, one after another.
std::vector<std::byte> trapped_outputs(Session& session, const Model& model, const RunCase& run) {
  std::vector<std::byte> bytes;
  for (const ConvertSource& source : run.sources) {
    const char* entry_point = source.entry_point.c_str();
    fill(session, run);
    Status status = Status::ok;
    int64_t heap = 0;
    {
      const AllocTrap trap;
      status = session.run(entry_point);
      heap = trap.count();
    }
    INFO(entry_point);
    REQUIRE(status == Status::ok);
    CHECK(heap == 0);
    heed_tensor known, output;
    for (int32_t i = 0; heed_model_output(model.get(), entry_point, i, &known) == HEED_OK; ++i) {
      REQUIRE(heed_session_output(session.get(), entry_point, known.name, &output) == HEED_OK);
      const auto* data = static_cast<const std::byte*>(output.data);
      bytes.insert(bytes.end(), data, data + output.bytes);
    }
  }
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

/// A session in the caller's memory, of exactly the bytes that were asked for.
struct HandedMemory {
  HandedMemory(const Model& model, const heed_options& options) {
    size_t needed = 0;
    REQUIRE(model.memory_needed(options, &needed) == Status::ok);
    memory = AlignedBytes(needed + kFence);
    std::fill_n(memory.data() + needed, kFence, std::byte{0x5a});
    Diagnostic diagnostic;
    CHECK(session.create(model, options, memory.span().first(needed - 1), &diagnostic) ==
          Status::memory_too_small);
    CHECK(diagnostic.expected == static_cast<int64_t>(needed));
    const Status status = session.create(model, options, memory.span().first(needed), &diagnostic);
    INFO(diagnostic.text());
    REQUIRE(status == Status::ok);
  }
  bool fence_stands() const {
    const auto fence = memory.span().last(kFence);
    return std::all_of(fence.begin(), fence.end(),
                       [](std::byte b) { return b == std::byte{0x5a}; });
  }
  static constexpr size_t kFence = 4096;
  AlignedBytes memory;
  Session session;
};

void same_bits_and_no_heap(const Model& model, const RunCase& run) {
  std::vector<std::byte> first;
  int kernel_sets = 0;
  for (size_t i = kIsaNameCount; i-- > 0;) {
    if (!detect_isa().contains(kIsaNames[i].set)) continue;
    ++kernel_sets;
    for (const int32_t threads : {1, 2}) {
      INFO(kIsaNames[i].name << ", " << threads << " threads");
      heed_options options{};
      options.threads = threads;
      options.isa = kIsaNames[i].name;
      HandedMemory handed(model, options);
      REQUIRE(std::string(heed_session_isa(handed.session.get())) == options.isa);
      const std::vector<std::byte> bytes = trapped_outputs(handed.session, model, run);
      if (first.empty()) first = bytes;
      CHECK(bytes == first);
      CHECK(handed.fence_stands());
    }
  }
  CHECK(kernel_sets >= 1);
}

void no_system_call(const Model& model, const RunCase& run) {
  if (why_system_calls_go_unseen() != nullptr) return;  // engine/system_call_test says it
  Session session;
  REQUIRE(session.create(model) == Status::ok);
  fill(session, run);
  for (const ConvertSource& source : run.sources) {
    INFO(source.entry_point);
    CHECK(end_without_system_calls([&] {
            return session.run(source.entry_point.c_str()) == Status::ok;
          }) == Ending::good);
  }
}

void check_promises(const RunCase& run) {
  REQUIRE(AllocTrap::works());
  const TemporaryFolder folder;
  ConvertOptions options;
  options.output = folder.file("model.heed");
  options.shapes = run.shapes;
  options.random_samples = 0;
  convert(run.sources, options);
  Model model;
  REQUIRE(model.open(options.output.c_str()) == Status::ok);
  same_bits_and_no_heap(model, run);
  no_system_call(model, run);
}

std::string demo_model(const std::string& name) {
  return std::string(HEED_SOURCE_DIR) + "/models/demo/" + name + ".onnx";
}

}  // namespace

TEST_CASE("the demo models keep the promises of a run") {
  check_promises({{{demo_model("keywords")}}, {}, {{"main", "mfcc", random_floats(98 * 40)}}});
  check_promises({{{demo_model("digits")}}, {}, {{"main", nullptr, random_floats(32 * 32)}}});
}

TEST_CASE("KWT-1 keeps the promises of a run") {
  check_promises(
      {{{test_model("kwt1/kwt1.onnx")}},
       {},
       {{"main", "mfcc", recorded(test_model("kwt1/golden_mfcc_5x98x40_f32.npy"), 98 * 40)}}});
}

TEST_CASE("ViT-Tiny keeps the promises of a run") {
  std::vector<float> pixels =
      recorded(test_model("vit_tiny/golden_rgb_5x224x224x3_u8.npy"), 3 * 224 * 224);
  for (float& pixel : pixels) pixel = pixel / 127.5f - 1.0f;
  check_promises({{{test_model("vit_tiny/vit_tiny.onnx")}}, {}, {{"main", "pixels", pixels}}});
}

TEST_CASE("The MNIST ViT keeps the promises of a run") {
  check_promises({{{test_model("mnist_vit/mnist_vit.onnx")}},
                  {},
                  {{"main", "image",
                    recorded(test_model("mnist_vit/golden_image_5x1x28x28_f32.npy"), 28 * 28)}}});
}

TEST_CASE("The Whisper encoder keeps the promises of a run") {
  check_promises({{{test_model("whisper_tiny_en/encoder.onnx")}},
                  {},
                  {{"main", "mel",
                    read_npz(test_model("whisper_tiny_en/golden_jfk_f16.npz"), "mel").floats()}}});
}

TEST_CASE("Silero keeps the promises of a run") {
  const std::string recording = test_model("whisper_tiny_en/jfk.wav");
  Sound jfk;
  std::string error;
  REQUIRE(read_sound(recording, &jfk, &error));
  REQUIRE(jfk.samples.size() > 20000);
  check_promises({{{test_model("silero_vad/model_mini.onnx")}},
                  {{"input", {1, 4000}}},
                  {{"main", "input", {jfk.samples.begin() + 16000, jfk.samples.begin() + 20000}}}});
}

TEST_CASE("The date transformer's two entry points keep the promises of a run") {
  const std::string golden = test_model("date_transformer/golden_5.npz");
  check_promises({{{test_model("date_transformer/encoder.onnx"), "encode"},
                   {test_model("date_transformer/decoder.onnx"), "decode"}},
                  {},
                  {{"encode", "tokens", {}, read_npz(golden, "tokens0").integers()},
                   {"decode", "memory", read_npz(golden, "memory0").floats()},
                   {"decode", "target", read_npz(golden, "target0").floats()}}});
}
