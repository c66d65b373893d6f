#include "tests/support/tiny_speech.h"

#include <memory>

namespace heed::test {
namespace {

constexpr uint32_t kWidth = 16, kHeardRows = 8, kVocabulary = 24, kHop = 4;
constexpr uint32_t kBins = kWidth / 2;  // of two frames a row is made

std::unique_ptr<fb::AudioFrontendT> log_mel(uint32_t clip, uint32_t bins) {
  auto audio = std::make_unique<fb::AudioFrontendT>();
  audio->kind = "log_mel";
  audio->sample_rate_hz = 1000;
  audio->clip_samples = clip;
  audio->window_samples = audio->fft_size = 16;
  audio->hop_samples = kHop;
  audio->mel_bins = bins;
  audio->mel_high_hz = 500;
  audio->mel_scale = "slaney";
  audio->log_floor = 1e-10f;
  audio->center = true;
  return audio;
}

fb::TaskT& speech_task(TinyModel& tiny) {
  tiny.model.task = std::make_unique<fb::TaskT>();
  tiny.model.task->kind = "speech_recognition";
  return *tiny.model.task;
}

void copy(TinyModel& tiny, int32_t from, int32_t to) {
  tiny.op("copy", fb::CopyOptionsT{}, {from}, {to});
}

void times(TinyModel& tiny, int32_t x, int32_t weights, int32_t y) {
  tiny.op("matmul", fb::MatmulOptionsT{}, {x, weights}, {y});
}

// --- whisper -------------------------------------------------------------------------------------

struct Caches {
  uint32_t heads;  // of int8 each is 16 wide
  int32_t self_key, self_value, cross_key, cross_value;
};

/// Half as many rows as frames are heard.
void add_encoder(TinyModel& tiny, const Caches& caches, const std::string& name, uint32_t rows) {
  tiny.entry_point(name);
  const int32_t mel = tiny.input("mel", DataType::f32, {1, kBins, 2 * rows});
  for (const int32_t cache : {caches.cross_key, caches.cross_value})
    copy(tiny, mel, tiny.view("heard", cache, 0, {1, rows, kWidth}));
  const int32_t hidden = tiny.arena("hidden", {1, rows, kWidth});
  copy(tiny, mel, hidden);
  tiny.output(hidden);
}

/// Takes `rows` tokens of each sequence and remembers them. Returns their embedding.
int32_t remember(TinyModel& tiny, const Caches& caches, int32_t table, int32_t position,
                 uint32_t beams, uint32_t rows) {
  const int32_t tokens = tiny.input("tokens", DataType::i64, {beams, rows});
  const int32_t x = tiny.arena("x", {beams * rows, kWidth});
  tiny.op("words", fb::EmbeddingOptionsT{}, {table, tokens}, {x});
  fb::CacheAppendOptionsT append;
  append.batch = beams;
  append.rows = rows;
  for (const int32_t cache : {caches.self_key, caches.self_value})
    tiny.op("append", append, {x, position}, {cache});
  return x;
}

int32_t attend(TinyModel& tiny, const std::string& name, fb::AttentionOptionsT options,
               uint32_t heads, int32_t q, int32_t k, int32_t v, int32_t length) {
  options.heads = options.kv_heads = heads;
  options.head_width = kWidth / heads;
  options.scale = 0.5f;
  const int32_t y = tiny.arena("y", tiny.at(q).shape);
  tiny.op(name, std::move(options), {q, k, v, -1, length}, {y});
  return y;
}

void add_decoder(TinyModel& tiny, const Caches& caches, int32_t table, uint32_t beams) {
  tiny.entry_point("decode_step");
  const int32_t position = tiny.input("position", DataType::i64, {1});
  const int32_t encoded = tiny.input("encoded", DataType::i64, {1});
  const int64_t one = 1;
  const int32_t length = tiny.arena("length", {1}, DataType::i64);
  fb::BinaryOptionsT add;
  add.kind = fb::BinaryKind::add;
  tiny.op("length", add, {position, tiny.constant("one", DataType::i64, {1}, &one)}, {length});
  const int32_t x = remember(tiny, caches, table, position, beams, 1);
  fb::AttentionOptionsT self, cross;
  self.batch = beams;
  self.queries = 1;
  self.keys = kWhisperRows;
  const int32_t said = attend(tiny, "layers.0.self_attn", self, caches.heads, x, caches.self_key,
                              caches.self_value, length);
  cross.queries = beams;
  cross.keys = kHeardRows;
  const int32_t heard = attend(tiny, "layers.0.encoder_attn", cross, caches.heads, said,
                               caches.cross_key, caches.cross_value, encoded);
  const int32_t logits = tiny.arena("logits", {beams, kVocabulary});
  times(tiny, heard, tiny.random_floats("head", {kWidth, kVocabulary}, -1, 1), logits);
  tiny.output(logits);
}

void add_prefill(TinyModel& tiny, const Caches& caches, int32_t table, uint32_t beams) {
  tiny.entry_point("prefill");
  const int32_t position = tiny.input("position", DataType::i64, {1});
  tiny.input("encoded", DataType::i64, {1});
  tiny.output(remember(tiny, caches, table, position, beams, 3));
}

void describe_whisper(fb::TaskT& task, uint32_t heads) {
  task.audio = log_mel(kWhisperSamples, kBins);
  task.audio->normalize = "whisper";
  task.audio->layout = "features_first";
  task.speech = std::make_unique<fb::SpeechDecodingT>();
  fb::SpeechDecodingT& speech = *task.speech;
  speech.end = kWhisperEnd;
  speech.start = 9;
  speech.first_language = kWhisperLanguages;
  speech.languages = {"en", "de"};
  speech.translate = 12;
  speech.transcribe = 13;
  speech.previous = 14;
  speech.no_speech = 15;
  speech.no_timestamps = 16;
  speech.first_timestamp = kWhisperFirstTimestamp;
  speech.max_initial_timestamp = 2;
  speech.suppressed = {3};
  speech.begin_suppressed = {kWhisperEnd};
  speech.alignment_heads = {0, heads - 1};
  task.tokenizer = std::make_unique<fb::TokenizerT>();
  fb::TokenizerT& tokenizer = *task.tokenizer;
  tokenizer.kind = "byte_bpe";
  for (const std::string piece : {"a", "b", " ", ",", " a", "ab", "\xc3", "\xa4"}) {
    tokenizer.pieces.insert(tokenizer.pieces.end(), piece.begin(), piece.end());
    tokenizer.piece_ends.push_back(static_cast<uint32_t>(tokenizer.pieces.size()));
  }
  tokenizer.merges = {2, 0, 4, 0, 1, 5};
}

// --- connectionist temporal classification -------------------------------------------------------

constexpr uint32_t kWindow = 8;

void add_wave(TinyModel& tiny, int32_t weights, uint32_t samples, bool told) {
  tiny.entry_point("samples_" + std::to_string(samples));
  const uint32_t frames = (samples - kWindow) / kHop + 1, labels = tiny.at(weights).shape[1];
  const int32_t wave = tiny.input("wave", DataType::f32, {1, samples});
  if (told) tiny.input("frames", DataType::i64, {1});
  const int32_t x = tiny.arena("x", {1, frames, kWindow});
  fb::RowsOptionsT windows;
  windows.rows = frames;
  windows.row_width = kWindow;
  windows.hop = kHop;
  tiny.op("windows", std::move(windows), {wave}, {x});
  const int32_t scores = tiny.arena("scores", {1, frames, labels});
  times(tiny, x, weights, scores);
  tiny.output(scores);
}

}  // namespace

TinyModel whisper_model(uint32_t beams, bool int8) {
  TinyModel tiny(5);
  const Dims said = {beams, kWhisperRows, kWidth};
  const Caches caches = {
      int8 ? 1u : 2u,
      tiny.tensor("0.key", int8 ? DataType::q8_keys : DataType::f32, fb::Storage::state, said),
      tiny.tensor("0.value", int8 ? DataType::q8_values : DataType::f32, fb::Storage::state, said),
      tiny.state("0.cross_key", {1, kHeardRows, kWidth}),
      tiny.state("0.cross_value", {1, kHeardRows, kWidth}),
  };
  for (const int32_t cache : {caches.self_key, caches.self_value})
    tiny.at(cache).group = int8 ? kWidth : 0;
  const int32_t table = tiny.random_floats("table", {kVocabulary, kWidth}, -2, 2);
  add_encoder(tiny, caches, "encode_short", kHeardRows / 2);
  add_encoder(tiny, caches, "encode_long", kHeardRows);
  add_decoder(tiny, caches, table, beams);
  add_prefill(tiny, caches, table, beams);
  describe_whisper(speech_task(tiny), caches.heads);
  tiny.plan();
  return tiny;
}

TinyModel wave_ctc_model(bool told) {
  TinyModel tiny(6);
  fb::TaskT& task = speech_task(tiny);
  task.labels = {"", " ", "a", "b", "<pad>"};
  task.audio = log_mel(0, 0);
  task.audio->kind = "pcm";
  task.audio->window_samples = kWindow;
  task.audio->normalize = told ? "" : "unit";
  const int32_t weights = tiny.random_floats("weights", {kWindow, 5}, -2, 2);
  add_wave(tiny, weights, 64, told);
  add_wave(tiny, weights, 32, told);
  tiny.plan();
  return tiny;
}

TinyModel feature_ctc_model() {
  constexpr uint32_t kFrames = 8, kMels = 4, kLabels = 5;
  TinyModel tiny(7);
  fb::TaskT& task = speech_task(tiny);
  task.labels = {" a", "b", "", " ", "<unk>"};
  task.audio = log_mel(kFrames * kHop, kMels);
  task.audio->normalize = "per_feature";
  task.audio->layout = "frames_first";
  tiny.entry_point("main");
  const int32_t features = tiny.input("features", DataType::f32, {1, kFrames, kMels});
  tiny.input("mask", DataType::i64, {1, kFrames});
  const int32_t pairs = tiny.arena("pairs", {1, kFrames / 2, 2 * kMels});
  copy(tiny, features, pairs);
  const int32_t scores = tiny.arena("scores", {1, kFrames / 2, kLabels});
  times(tiny, pairs, tiny.random_floats("weights", {2 * kMels, kLabels}, -2, 2), scores);
  tiny.output(scores);
  tiny.plan();
  return tiny;
}

}  // namespace heed::test
