// A .heed file: opened, looked at through every face, and run, in memory of exactly the size that
// the model asked for.

#include <cstdlib>
#include <cstring>
#include <memory>

#include "engine/heed.hpp"
#include "ops/isa.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/heed_mutator.h"
#include "tests/support/op_recipes.h"
#include "tests/support/tiny_models.h"

namespace heed::test {
namespace {

constexpr int64_t kMultiplyAddsMax = 5'000'000;  // a sound model may be slow: such are not run
constexpr int64_t kBytesMovedMax = 16 << 20;
constexpr size_t kSessionMax = 64 << 20;

/// Exactly as many bytes as asked for, aligned to 64: a step beyond is seen.
class ExactBytes {
 public:
  explicit ExactBytes(size_t size) : size_(size) {
    void* memory = nullptr;
    if (posix_memalign(&memory, HEED_ALIGNMENT, size) != 0) abort();
    memory_.reset(static_cast<std::byte*>(memory));
  }
  std::span<std::byte> span() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_;
};

uint64_t hash_of(std::span<const uint8_t> bytes) {
  uint64_t hash = 1469598103934665603u;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash ^ hash >> 29;
}

size_t length_of(const char* text) { return text == nullptr ? 0 : strlen(text); }

/// Every question that may be asked of a model. Returns what a run of all of it costs.
struct Cost {
  int64_t multiply_adds = 0, bytes = 0;
};
Cost look_at(const heed_model* model) {
  Cost cost;
  heed_info info;
  heed_model_info(model, &info);
  size_t letters = length_of(info.task) + length_of(info.producer) + length_of(info.recipe) +
                   length_of(info.source_name) + length_of(info.worst_layer);
  for (int32_t i = 0; i < info.labels; ++i) letters += length_of(heed_model_label(model, i));
  heed_tensor tensor;
  for (int32_t i = -1; i <= info.tensors; ++i)
    if (heed_model_tensor(model, i, &tensor) == HEED_OK) letters += length_of(tensor.name);
  for (int32_t e = -1; e <= info.entry_points; ++e) {
    heed_entry_point entry;
    if (heed_model_entry_point(model, e, &entry) != HEED_OK) continue;
    for (int32_t i = 0; i < entry.inputs; ++i)
      (void)heed_model_input(model, entry.name, i, &tensor);
    for (int32_t i = 0; i < entry.outputs; ++i)
      (void)heed_model_output(model, entry.name, i, &tensor);
    for (int32_t i = 0; i < entry.ops; ++i) {
      heed_op op;
      if (heed_model_op(model, entry.name, i, &op) != HEED_OK) abort();
      letters += length_of(op.name) + length_of(op.kind);
      cost.multiply_adds += op.multiply_adds;
      for (int32_t j = 0; j < op.inputs + op.outputs; ++j) {
        int32_t index = -1;
        (void)(j < op.inputs ? heed_model_op_input(model, entry.name, i, j, &index)
                             : heed_model_op_output(model, entry.name, i, j - op.inputs, &index));
        if (index >= 0 && heed_model_tensor(model, index, &tensor) == HEED_OK)
          cost.bytes += static_cast<int64_t>(tensor.bytes);
      }
    }
    for (int32_t i = 0; i < entry.attentions; ++i) {
      heed_attention attention;
      if (heed_model_attention(model, entry.name, i, &attention) != HEED_OK) abort();
      letters += length_of(attention.name);
    }
  }
  if (letters == SIZE_MAX) abort();
  return cost;
}

void fill_inputs(heed_session* session, const heed_entry_point& entry, const heed_model* model,
                 SeededRandom& random) {
  for (int32_t i = 0; i < entry.inputs; ++i) {
    heed_tensor tensor;
    if (heed_model_input(model, entry.name, i, &tensor) != HEED_OK ||
        heed_session_tensor(session, tensor.index, &tensor) != HEED_OK)
      abort();
    auto* bytes = static_cast<uint8_t*>(tensor.data);
    const bool wild = random.integer(0, 3) == 0;  // else small numbers, so that indices fit
    for (size_t b = 0; b < tensor.bytes; ++b) {
      const size_t place = b % (tensor.type == HEED_I64 ? 8 : tensor.type == HEED_I32 ? 4 : 1);
      bytes[b] = static_cast<uint8_t>(wild ? random.next() : place == 0 ? random.integer(0, 3) : 0);
    }
    if (tensor.type != HEED_F32 || wild) continue;
    for (size_t f = 0; f < tensor.bytes / sizeof(float); ++f)
      static_cast<float*>(tensor.data)[f] = random.uniform(-3, 3);
  }
}

void run_session(const Model& model, heed_options options, bool run, SeededRandom& random) {
  size_t needed = 0;
  if (model.memory_needed(options, &needed) != Status::ok || needed > kSessionMax) return;
  const ExactBytes memory(needed);
  Session session;
  Diagnostic diagnostic;
  if (session.create(model, options, memory.span(), &diagnostic) != Status::ok) return;
  for (int32_t e = 0; e < model.info().entry_points; ++e) {
    heed_entry_point entry;
    if (heed_model_entry_point(model.get(), e, &entry) != HEED_OK) abort();
    std::vector<float> map;
    heed_attention attention;
    if (run && heed_model_attention(model.get(), entry.name, 0, &attention) == HEED_OK) {
      const auto size = static_cast<size_t>(attention.batch) * attention.queries * attention.keys;
      map.resize(size);
      (void)heed_attention_tap(session.get(), entry.name, attention.op, 0, map.data(),
                               size * sizeof(float), nullptr);
    }
    fill_inputs(session.get(), entry, model.get(), random);
    const Status status = run ? session.run(entry.name, &diagnostic) : Status::ok;
    if (status != Status::ok && status != Status::bad_input) abort();
    heed_attention_clear(session.get());
  }
  session.reset();
}

void run(std::span<const uint8_t> bytes) {
  heed_limits limits = heed_default_limits();
  limits.tensors = limits.ops = 4096;
  limits.tensor_bytes = 1 << 20;
  limits.session_bytes = 1 << 24;
  const ExactBytes file(bytes.size());
  if (!bytes.empty()) memcpy(file.span().data(), bytes.data(), bytes.size());
  Model model;
  Diagnostic diagnostic;
  if (model.open(file.span(), &diagnostic, &limits) != Status::ok) {
    if (diagnostic.what == nullptr || diagnostic.what[0] == '\0') abort();  // no reason given
    return;
  }
  const Cost cost = look_at(model.get());
  const bool quick = cost.multiply_adds < kMultiplyAddsMax && cost.bytes < kBytesMovedMax;
  SeededRandom random(hash_of(bytes));
  size_t isa = static_cast<size_t>(random.integer(0, static_cast<int64_t>(kIsaNameCount) - 1));
  if (!detect_isa().contains(kIsaNames[isa].set)) isa = 0;
  heed_options options{};
  options.threads = random.integer(0, 31) == 0 ? 2 : 1;
  options.isa = detect_isa().contains(kIsaNames[isa].set) ? kIsaNames[isa].name : nullptr;
  run_session(model, options, quick, random);
}

/// Turns a recipe into a model: what it writes is given out, what it reads and is no constant is an
/// input.
class ModelSink final : public RecipeSink {
 public:
  ModelSink() { tiny.entry_point("main"); }

  int32_t add(DataType type, const RecipeSizes& sizes, bool constant) override {
    const Dims dims(sizes.begin(), sizes.end());
    const std::string name = "t" + std::to_string(tiny.model.tensors.size());
    if (!constant) return tiny.arena(name, dims, type);
    size_t bytes = element_bytes(type);
    for (const uint32_t size : dims) bytes *= size;
    const std::vector<uint8_t> ones(bytes, type == DataType::f32 ? 0x3d : 1);
    return tiny.constant(name, type, dims, ones.data());
  }
  int32_t small(uint8_t) override { return add(DataType::i64, {1}, false); }
  void define(fb::OpOptionsUnion options, const std::vector<int32_t>& inputs,
              const std::vector<int32_t>& outputs) override {
    const size_t count = tiny.model.tensors.size();  // feed() adds some
    for (size_t i = 0; i < count; ++i) {
      const auto tensor = static_cast<int32_t>(i);
      if (tiny.at(tensor).storage != fb::Storage::arena) continue;
      if (std::find(outputs.begin(), outputs.end(), tensor) == outputs.end())
        feed(tensor);
      else if (tiny.at(tensor).dtype != DataType::q8_rows)
        tiny.output(tensor);
    }
    tiny.op("op", std::move(options), inputs, outputs);
    if (!tiny.entry().outputs.empty()) return;
    const int32_t x = tiny.entry().inputs[0], y = tiny.arena("y", tiny.at(x).shape);
    tiny.op("copy", fb::CopyOptionsT{}, {x}, {y});
    tiny.output(y);
  }

  TinyModel tiny;

 private:
  // Inputs cannot be of quantised rows: an op makes those.
  void feed(int32_t tensor) {
    if (tiny.at(tensor).dtype != DataType::q8_rows) {
      tiny.entry().inputs.push_back(tensor);
      return;
    }
    const Dims shape = tiny.at(tensor).shape;
    const int32_t plain = tiny.input("plain", DataType::f32, shape);
    fb::RowsOptionsT rows;
    rows.rows = 1;
    for (size_t d = 0; d + 1 < shape.size(); ++d) rows.rows *= shape[d];
    rows.epilogue = std::make_unique<fb::EpilogueT>();
    tiny.op("quantise", std::move(rows), {plain}, {-1, -1, tensor});
  }
};

FuzzBytes bytes_of(TinyModel& tiny) {
  tiny.plan();
  const AlignedBytes bytes = tiny.bytes();
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

TinyModel listening_model(const char* kind) {
  TinyModel tiny = feed_forward_model(1, 4, 16);
  auto audio = std::make_unique<fb::AudioFrontendT>();
  audio->kind = kind;
  audio->sample_rate_hz = 1000;
  audio->clip_samples = 64;
  audio->window_samples = audio->hop_samples = audio->fft_size = 16;
  audio->mel_bins = 16;
  audio->mel_high_hz = 500;
  audio->coefficients = 16;
  audio->mel_scale = "htk";
  audio->layout = "frames_first";
  tiny.model.task = std::make_unique<fb::TaskT>();
  tiny.model.task->kind = "keyword_spotting";
  tiny.model.task->labels = {"yes", "no"};
  tiny.model.task->audio = std::move(audio);
  return tiny;
}

TinyModel seeing_model() {
  TinyModel tiny = feed_forward_model(1, 4, 12);
  auto image = std::make_unique<fb::ImagePreprocessT>();
  image->width = image->height = 4;
  image->resize_shorter = 5;
  image->mean = image->std = {0.5f, 0.25f, 0.5f};
  image->layout = "chw";
  tiny.model.task = std::make_unique<fb::TaskT>();
  tiny.model.task->kind = "image_classification";
  tiny.model.task->labels = {"cat", "dog"};
  tiny.model.task->image = std::move(image);
  tiny.model.provenance = std::make_unique<fb::ProvenanceT>();
  tiny.model.provenance->accuracy = std::make_unique<fb::AccuracyT>();
  return tiny;
}

/// A whole read by its parts and parts read as a whole: views of views.
TinyModel viewing_model() {
  TinyModel tiny;
  tiny.entry_point("main");
  const int32_t x = tiny.input("x", DataType::f32, {8});
  const int32_t whole = tiny.arena("whole", {16});
  const int32_t right = tiny.view("right", whole, 32, {2, 4});
  tiny.op("one", fb::CopyOptionsT{}, {x}, {right});
  tiny.op("two", fb::CopyOptionsT{}, {x}, {tiny.view("left", whole, 0, {8})});
  const int32_t y = tiny.arena("y", {4});
  tiny.op("part", fb::CopyOptionsT{}, {tiny.view("row", right, 16, {4})}, {y});
  const int32_t all = tiny.arena("all", {4, 4});
  tiny.op("all", fb::CopyOptionsT{}, {whole}, {all});
  tiny.output(y);
  tiny.output(all);
  return tiny;
}

std::vector<FuzzBytes> seeds() {
  std::vector<FuzzBytes> all;
  for (const OpRecipe& recipe : op_recipes()) {
    ModelSink sink;
    recipe.make(sink);
    all.push_back(bytes_of(sink.tiny));
  }
  TinyModel tiny[] = {attention_model(1, 5, 2, 8),
                      feed_forward_model(1, 4, 16),
                      lookup_model(),
                      running_sum_model(),
                      two_entry_model(),
                      convolution_model(),
                      listening_model("mfcc"),
                      listening_model("log_mel"),
                      listening_model("pcm"),
                      seeing_model(),
                      viewing_model()};
  for (TinyModel& model : tiny) all.push_back(bytes_of(model));
  return all;
}

const FuzzTarget kTarget = {"heed", run, seeds, mutate_heed};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
