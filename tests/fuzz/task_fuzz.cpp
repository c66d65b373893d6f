// A .heed file from a stranger as an application takes it: every task of heed_tasks.h that the file
// claims to serve, created on it and given pictures, sounds and texts.

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/heed.hpp"
#include "models/heed_tasks.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/heed_mutator.h"
#include "tests/support/tiny_models.h"
#include "tests/support/tiny_speech.h"

namespace heed::test {
namespace {

constexpr int64_t kMultiplyAddsMax = 1'000'000;  // a sound model may be slow: such are not run
constexpr size_t kTaskBytesMax = 16 << 20;
constexpr int32_t kSideMax = 64;
// A recogniser runs its model hundreds of times for one window of a sound.
constexpr int64_t kMultiplyAddsSpoken = 8'000;
constexpr int64_t kBytesSpoken = 48 << 10;
constexpr size_t kSamplesSpoken = 100;

int64_t bytes_moved(const Model& model, const char* entry, int32_t op_index, const heed_op& op) {
  int64_t bytes = 0;
  for (int32_t i = 0; i < op.inputs + op.outputs; ++i) {
    int32_t index = -1;
    (void)(i < op.inputs
               ? heed_model_op_input(model.get(), entry, op_index, i, &index)
               : heed_model_op_output(model.get(), entry, op_index, i - op.inputs, &index));
    heed_tensor tensor;
    if (index >= 0 && heed_model_tensor(model.get(), index, &tensor) == HEED_OK)
      bytes += static_cast<int64_t>(tensor.bytes);
  }
  return bytes;
}

/// Whether all that the model can do is less than that.
bool quick(const Model& model, int64_t multiply_adds_max, int64_t bytes_max) {
  int64_t multiply_adds = 0, bytes = 0;
  for (int32_t e = 0; e < model.info().entry_points; ++e) {
    heed_entry_point entry;
    if (heed_model_entry_point(model.get(), e, &entry) != HEED_OK) abort();
    for (int32_t i = 0; i < entry.ops; ++i) {
      heed_op op;
      if (heed_model_op(model.get(), entry.name, i, &op) != HEED_OK) abort();
      multiply_adds += op.multiply_adds;
      bytes += bytes_moved(model, entry.name, i, op);
    }
  }
  return multiply_adds < multiply_adds_max && bytes < bytes_max;
}

/// An answer, or one of the errors that heed_tasks.h names, with a reason.
void allowed(heed_status status, const heed_diagnostic& diagnostic) {
  if (status == HEED_OK) return;
  if (diagnostic.what == nullptr || diagnostic.what[0] == '\0') abort();
  if (status == HEED_INVALID_ARGUMENT) abort();
}

/// Creates a task in memory of exactly the size it asked for, and lets `use` have it.
template <class Task, class Use>
void with(heed_status (*memory)(const heed_model*, const heed_task_options*, size_t*,
                                heed_diagnostic*),
          heed_status (*create)(const heed_model*, const heed_task_options*, void*, size_t, Task**,
                                heed_diagnostic*),
          void (*destroy)(Task*), const Model& model, Use use) {
  heed_task_options options{};
  options.picture_side_max = kSideMax;
  heed_diagnostic diagnostic{};
  size_t bytes = 0;
  heed_status status = memory(model.get(), &options, &bytes, &diagnostic);
  allowed(status, diagnostic);
  if (status != HEED_OK || bytes > kTaskBytesMax) return;
  void* block = nullptr;
  if (posix_memalign(&block, HEED_ALIGNMENT, bytes) != 0) abort();
  Task* task = nullptr;
  status = create(model.get(), &options, block, bytes, &task, &diagnostic);
  allowed(status, diagnostic);
  if (status == HEED_OK) use(task);
  destroy(task);
  free(block);
}

/// Shapes that strain a resize: a square, strips, and one that is too large.
template <class Show>
void show_pictures(Show show) {
  std::vector<uint8_t> pixels(static_cast<size_t>(kSideMax + 1) * 8 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  for (const auto& [width, height] : {std::pair{7, 7}, {kSideMax, 1}, {1, kSideMax}, {65, 2}})
    show(heed_picture{pixels.data(), width, height, 3, 0});
}

void see(const Model& model) {
  with(heed_image_classifier_memory, heed_image_classifier_create, heed_image_classifier_destroy,
       model, [](heed_image_classifier* task) {
         show_pictures([&](const heed_picture& picture) {
           heed_diagnostic diagnostic{};
           heed_answer answers[5];
           int32_t count = 0;
           allowed(heed_image_classifier_run(task, &picture, answers, 5, &count, &diagnostic),
                   diagnostic);
           for (int32_t i = 0; i < count; ++i)
             if (std::strlen(answers[i].label) == SIZE_MAX) abort();
         });
       });
  with(heed_detector_memory, heed_detector_create, heed_detector_destroy, model,
       [](heed_detector* task) {
         show_pictures([&](const heed_picture& picture) {
           heed_diagnostic diagnostic{};
           heed_box boxes[3];
           int32_t count = 0;
           allowed(heed_detector_run(task, &picture, boxes, 3, &count, &diagnostic), diagnostic);
         });
       });
  with(heed_segmenter_memory, heed_segmenter_create, heed_segmenter_destroy, model,
       [](heed_segmenter* task) {
         show_pictures([&](const heed_picture& picture) {
           heed_diagnostic diagnostic{};
           std::vector<uint8_t> mask(static_cast<size_t>(picture.width * picture.height));
           allowed(heed_segmenter_run(task, &picture, mask.data(), mask.size(), &diagnostic),
                   diagnostic);
         });
       });
}

void listen(const Model& model) {
  heed_diagnostic diagnostic{};
  heed_sound_listener* listener = nullptr;
  const heed_status status =
      heed_sound_listener_create(model.get(), nullptr, &listener, &diagnostic);
  allowed(status, diagnostic);
  if (status != HEED_OK) return;
  std::vector<float> samples(200);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i % 17) / 9 - 1;
  const float* next = samples.data();
  size_t count = samples.size();
  heed_sound_event event{};
  while (count > 0) {
    const size_t before = count;
    const heed_status fed = heed_sound_listener_feed(listener, &next, &count, &event, &diagnostic);
    allowed(fed, diagnostic);
    if (fed != HEED_OK || count == before) break;
  }
  heed_sound_listener_finish(listener, &event);
  heed_sound_listener_destroy(listener);
}

void read(const Model& model) {
  const std::string text =
      "hello, un\xc3\xa4"
      "ffable world \xff";
  heed_diagnostic diagnostic{};
  heed_text_reader* reader = nullptr;
  heed_status status = heed_text_reader_create(model.get(), nullptr, &reader, &diagnostic);
  allowed(status, diagnostic);
  if (status == HEED_OK)
    allowed(heed_text_reader_run(reader, text.data(), text.size(), &diagnostic), diagnostic);
  heed_text_reader_destroy(reader);
  heed_text_generator* generator = nullptr;
  status = heed_text_generator_create(model.get(), nullptr, nullptr, &generator, &diagnostic);
  allowed(status, diagnostic);
  if (status == HEED_OK &&
      heed_text_generator_start(generator, text.data(), text.size(), &diagnostic) == HEED_OK)
    for (int i = 0; i < 4; ++i) {
      const char* added = nullptr;
      size_t bytes = 0;
      if (heed_text_generator_next(generator, &added, &bytes, &diagnostic) != HEED_OK) break;
    }
  heed_text_generator_destroy(generator);
}

void write_down(const Model& model, SeededRandom& random) {
  const auto chance = [&] { return static_cast<int32_t>(random.integer(0, 1)); };
  const int32_t plain = chance();  // what every recogniser takes
  heed_speech_options options{};
  options.language = !plain && chance() ? "en" : nullptr;
  options.translate = !plain && chance();
  options.prompt = !plain && chance() ? "a b, ab" : nullptr;
  options.words = chance();
  options.beams = static_cast<int32_t>(random.integer(0, 3));
  options.no_timestamps = chance();
  options.no_fallback = chance();
  options.no_previous_text = chance();
  heed_diagnostic diagnostic{};
  heed_speech_recognizer* recognizer = nullptr;
  const heed_status status =
      heed_speech_recognizer_create(model.get(), nullptr, &options, &recognizer, &diagnostic);
  allowed(status, diagnostic);
  std::vector<float> samples(kSamplesSpoken);
  for (float& sample : samples) sample = random.uniform(-1, 1);
  // Of several windows, of one and a half, shorter than one, none.
  for (const size_t count : {kSamplesSpoken, size_t{33}, size_t{7}, size_t{0}}) {
    if (status != HEED_OK) break;
    allowed(heed_speech_recognizer_run(recognizer, samples.data(), count, &diagnostic), diagnostic);
    int32_t segments = 0;
    const heed_spoken_segment* said = heed_speech_recognizer_segments(recognizer, &segments);
    size_t letters = std::strlen(heed_speech_recognizer_language(recognizer));
    for (int32_t s = 0; s < segments; ++s) {
      letters += std::strlen(said[s].text);
      for (int32_t t = 0; t < said[s].token_count; ++t) letters += said[s].tokens[t] < 0;
      for (int32_t w = 0; w < said[s].word_count; ++w)
        letters += std::strlen(said[s].words[w].text);
    }
    if (letters == SIZE_MAX) abort();
  }
  heed_speech_recognizer_destroy(recognizer);
}

void run(std::span<const uint8_t> bytes) {
  heed_limits limits = heed_default_limits();
  limits.tensors = limits.ops = 4096;
  limits.tensor_bytes = limits.session_bytes = 1 << 20;
  const AlignedBytes aligned(std::as_bytes(bytes));
  Model model;
  if (model.open(aligned.span(), nullptr, &limits) != Status::ok ||
      !quick(model, kMultiplyAddsMax, INT64_MAX))
    return;
  see(model);
  listen(model);
  read(model);
  SeededRandom random(hash_of(bytes));
  if (quick(model, kMultiplyAddsSpoken, kBytesSpoken)) write_down(model, random);
}

FuzzBytes bytes_of(TinyModel& tiny) {
  const AlignedBytes bytes = tiny.bytes();
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

/// Pictures of 4 x 4 go through as they are: scores and boxes of five queries beside them.
FuzzBytes seeing(bool objects) {
  TinyModel tiny;
  tiny.entry_point("main");
  const int32_t x = tiny.input("x", DataType::f32, {1, 3, 4, 4});
  const int32_t y = tiny.arena("y", {1, 3, 4, 4});
  tiny.op("y", fb::CopyOptionsT{}, {x}, {y});
  tiny.output(y);
  tiny.model.task = std::make_unique<fb::TaskT>();
  fb::TaskT& task = *tiny.model.task;
  task.labels = {"sky", "tree", "road"};
  task.image = std::make_unique<fb::ImagePreprocessT>();
  task.image->width = task.image->height = 4;
  task.image->resize_shorter = objects ? 0 : 5;
  task.image->mean = task.image->std = {0.5f, 0.5f, 0.5f};
  task.image->layout = "chw";
  if (!objects) {
    task.kind = "image_segmentation";
    task.segmentation = std::make_unique<fb::SegmentationT>();
  } else {
    task.kind = "object_detection";
    for (const auto& [name, width] :
         {std::pair<const char*, uint32_t>{"logits", 3}, {"boxes", 4}}) {
      const int32_t from = tiny.random_floats(name + std::string(".from"), {1, 5, width}, 0, 1);
      const int32_t to = tiny.arena(name, {1, 5, width});
      tiny.op(name, fb::CopyOptionsT{}, {from}, {to});
      tiny.output(to);
    }
    task.objects = std::make_unique<fb::ObjectDetectionT>();
    task.objects->scores_output = "logits";
    task.objects->boxes_output = "boxes";
    task.objects->overlap_max = 0.5f;
  }
  tiny.plan();
  return bytes_of(tiny);
}

/// And those of the targets that have a task.
std::vector<FuzzBytes> seeds() {
  std::vector<FuzzBytes> all = {seeing(true), seeing(false)};
  TinyModel speech[] = {whisper_model(1),      whisper_model(3),     whisper_model(2, true),
                        wave_ctc_model(false), wave_ctc_model(true), feature_ctc_model()};
  for (TinyModel& model : speech) all.push_back(bytes_of(model));
  for (const char* other : {"heed", "tokenizer"})
    for (FuzzBytes& bytes : find_fuzz_target(other)->seeds()) {
      const AlignedBytes aligned(std::as_bytes(std::span<const uint8_t>(bytes)));
      Model model;
      if (model.open(aligned.span()) == Status::ok && model.info().task != nullptr &&
          model.info().task[0] != '\0')
        all.push_back(std::move(bytes));
    }
  return all;
}

const FuzzTarget kTarget = {"task", run, seeds, mutate_heed};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
