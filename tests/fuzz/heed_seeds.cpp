#include "tests/fuzz/heed_seeds.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "tests/support/op_recipes.h"
#include "tests/support/tiny_models.h"

namespace heed::test {
namespace {

/// Turns a recipe into a model: what it writes is given out, what it reads and is no constant is an
/// input.
class ModelSink final : public RecipeSink {
 public:
  ModelSink() { tiny.entry_point("main"); }

  int32_t add(DataType type, const RecipeSizes& sizes, bool constant) override {
    const Dims dims(sizes.begin(), sizes.end());
    const std::string name = "t" + std::to_string(tiny.model.tensors.size());
    if (!constant) {
      const int32_t tensor = tiny.arena(name, dims, type);
      if (is_cache(type)) tiny.at(tensor).group = dims.back();
      return tensor;
    }
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
      else if (!is_quantised(tiny.at(tensor).dtype))
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
  // Inputs cannot be quantised: an op makes those.
  void feed(int32_t tensor) {
    const DataType type = tiny.at(tensor).dtype;
    if (!is_quantised(type)) {
      tiny.entry().inputs.push_back(tensor);
      return;
    }
    const Dims shape = tiny.at(tensor).shape;
    const int32_t plain = tiny.input("plain", DataType::f32, shape);
    if (is_cache(type)) {
      const int64_t first = 0;
      const int32_t position = tiny.constant("first", DataType::i64, {1}, &first);
      fb::CacheAppendOptionsT append;
      append.batch = shape[0];
      append.rows = shape[1];
      tiny.op("fill", append, {plain, position}, {tensor});
      return;
    }
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

// Those of the ops whose work depends most on their sizes: few queries or many, floats or a cache
// of int8, rows or columns for the threads.
const OpRecipe kSizes[] = {
    {"attention of many queries",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.queries = 20;
       o.keys = 24;
       o.heads = o.kv_heads = 2;
       o.head_width = 8;
       o.scale = 0.3f;
       o.window = 7;
       o.q_column = 3;
       const int32_t q = sink.floats({20, 19}), k = sink.floats({24, 16});
       const int32_t v = sink.floats({24, 16}), mask = sink.floats({2, 20, 24});
       sink.op(std::move(o), {q, k, v, mask}, {sink.floats({20, 16})});
     }},
    {"attention of few queries",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.queries = 2;
       o.keys = 24;
       o.heads = o.kv_heads = 2;
       o.head_width = 8;
       o.value_width = 5;
       o.scale = 0.3f;
       o.causal = true;
       o.window = 3;
       const int32_t q = sink.floats({2, 16}), k = sink.floats({24, 16});
       const int32_t v = sink.floats({24, 10}), mask = sink.floats({24});
       sink.op(std::move(o), {q, k, v, mask, sink.small(9)}, {sink.floats({2, 10})});
     }},
    {"attention of many queries over caches",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.queries = 20;
       o.keys = 24;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = 16;
       o.scale = 0.3f;
       const int32_t q = sink.floats({20, 32});
       const int32_t k = sink.add(DataType::q8_keys, {1, 24, 16}, false);
       const int32_t v = sink.add(DataType::q8_values, {1, 24, 16}, false);
       sink.op(std::move(o), {q, k, v, -1, sink.small(21)}, {sink.floats({20, 32})});
     }},
    {"attention whose heads the threads share",
     [](RecipeSink& sink) {
       fb::AttentionOptionsT o;
       o.queries = 8;
       o.keys = 512;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = 16;
       o.scale = 0.3f;
       const int32_t q = sink.floats({8, 32}), k = sink.floats({512, 16});
       const int32_t v = sink.floats({512, 16});
       sink.op(std::move(o), {q, k, v}, {-1, -1, sink.add(DataType::q8_rows, {8, 32}, false)});
     }},
    {"linear whose columns the threads share",
     [](RecipeSink& sink) {
       fb::LinearOptionsT o;
       o.rows = 16;
       const int32_t x = sink.add(DataType::q8_rows, {16, 128}, false);
       const int32_t w = sink.add(DataType::i8, {128 * 128}, true);
       const int32_t scale = sink.add(DataType::f32, {128}, true);
       sink.op(std::move(o), {x, w, scale},
               {-1, -1, sink.add(DataType::q8_rows, {16, 128}, false)});
     }},
    {"float linear over pixels",
     [](RecipeSink& sink) {
       fb::LinearOptionsT o;
       o.layout = fb::WeightLayout::f32_n16;
       o.rows = 12;
       o.window = 6;
       o.pixels = std::make_unique<fb::PixelWindowT>();
       o.pixels->kernel_h = 2;
       o.pixels->kernel_w = 3;
       o.pixels->stride_w = 2;
       o.pixels->pad_left = 1;
       o.pixels->in_h = 5;
       o.pixels->out_h = 4;
       o.pixels->in_w = 6;
       o.pixels->out_w = 3;
       const int32_t x = sink.floats({1, 5, 6, 3}), w = sink.add(DataType::f32, {16 * 18}, true);
       const int32_t bias = sink.add(DataType::f32, {16}, true);
       sink.op(std::move(o), {x, w, -1, -1, bias}, {sink.floats({12, 7})});
     }},
};

}  // namespace

std::vector<FuzzBytes> heed_seeds() {
  std::vector<FuzzBytes> all;
  for (const std::span<const OpRecipe> recipes : {op_recipes(), std::span<const OpRecipe>(kSizes)})
    for (const OpRecipe& recipe : recipes) {
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

}  // namespace heed::test
