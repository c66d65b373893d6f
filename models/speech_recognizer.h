#pragma once
// Speech to text with Whisper: windows of a sound are encoded by the entry point that fits their
// length, then written down token by token over caches of keys and values, as the original decoding
// does: greedy or by a beam, again at higher temperatures where the text repeats itself or is
// improbable, with timestamps that cut it into segments. Each window goes on from the text of the
// last ones.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/audio/audio_frontend.h"
#include "models/decode/hypotheses.h"
#include "models/decode/whisper_rules.h"
#include "models/decode/word_timing.h"
#include "models/speech_to_text.h"
#include "models/text/tokenizer.h"

namespace heed {

class SpeechRecognizer : public SpeechToText {
 public:
  SpeechRecognizer() = default;
  ~SpeechRecognizer() override;
  SpeechRecognizer(const SpeechRecognizer&) = delete;
  SpeechRecognizer& operator=(const SpeechRecognizer&) = delete;

  /// `model` must have a task of kind speech_recognition, entry points encode_* (mel to caches) and
  /// decode_step (tokens, position, encoded to logits), and outlive this object. Returns false with
  /// a sentence in `error`. The searches allocate nothing afterwards; the transcripts do.
  bool create(const heed_model* model, const heed_options& engine, const SpeechOptions& options,
              std::string* error) override;

  uint32_t sample_rate_hz() const override { return rate_hz_; }
  heed_session* session() const override { return session_; }

  bool recognize(const float* samples, size_t count, std::vector<SpokenSegment>* segments,
                 std::string* error) override;
  const std::string& language() const override { return language_; }

  /// One window, for tests and programs of their own: encodes it, then says the tokens that follow
  /// the prompt. Samples beyond the longest window are not heard.
  bool encode(const float* samples, size_t count, std::string* error);
  bool find_language(std::string* error);
  struct Said {
    std::vector<int32_t> tokens;
    double mean_log_probability = 0, no_speech = 0;
    float temperature = 0, compression_ratio = 0;
  };
  bool decode(float temperature, Said* said, std::string* error);
  /// The tokens before the next window's prompt: of the last windows, at first those of
  /// options.prompt.
  std::span<const int32_t> previous() const { return previous_; }

 private:
  struct Bucket {
    std::string entry;
    float* mel;
    size_t samples, rows;  // rows of the encoder
    AudioFrontend frontend;
  };
  /// Rows of a state, or what of it has a place in each: those of sequence r begin r * step on.
  struct StateRows {
    std::byte* data;
    size_t row_bytes, step;
  };
  bool open_encoders(const AudioFrontendConfig& config, std::string* error);
  bool open_decoder(std::string* error);
  bool open_prefill(std::string* error);
  bool open_prompt(std::string* error);
  bool open_words(std::string* error);
  bool find_caches();
  bool run_step(size_t position, std::string* error);
  bool read_previous(std::string* error);
  bool read_prompt(std::span<const int32_t> before, bool timestamps, std::string* error);
  void remember(const Said& said, std::span<const SpokenSegment> segments);
  void reorder(size_t rows_there);
  bool decode_with_fallback(Said* said, std::string* error);
  void cut(const Said& said, double offset_s, double content_s, std::vector<SpokenSegment>* out,
           double* advance_s);
  bool time_words(SpokenSegment* segment, double offset_s, double content_s, std::string* error);
  void look(size_t token, std::vector<float>* sum);
  std::string text_of(const int32_t* tokens, size_t count) const;

  const heed_model* model_ = nullptr;
  heed_session* session_ = nullptr;
  SpeechOptions options_;
  Tokenizer tokenizer_;
  bool has_tokenizer_ = false;
  std::vector<std::unique_ptr<Bucket>> buckets_;  // shortest first
  const Bucket* heard_ = nullptr;
  WhisperRules rules_;
  Hypotheses search_;
  WordTiming timing_;
  std::vector<std::string> languages_;
  std::vector<uint32_t> alignment_;  // layer, head, ..
  std::vector<int32_t> alignment_ops_;
  std::vector<float> maps_;  // of one step, by alignment head
  std::vector<float> log_;
  std::vector<StateRows> cached_;
  std::vector<std::byte> moved_;
  std::vector<int32_t> before_, previous_, prompt_;  // before_: what the user gives
  std::string language_;
  int64_t* tokens_ = nullptr;
  int64_t* position_ = nullptr;
  int64_t* encoded_ = nullptr;
  const float* logits_ = nullptr;
  struct {
    int64_t *tokens = nullptr, *position = nullptr, *encoded = nullptr;
    size_t rows = 0;  // tokens of each sequence; 0: the model has none
  } prefill_;
  size_t rows_ = 1, vocabulary_ = 0, capacity_ = 0, source_rows_ = 0, previous_max_ = 0;
  int32_t language_token_ = -1, max_initial_timestamp_ = 50;
  double no_speech_ = 0;
  uint32_t rate_hz_ = 0;
};

}  // namespace heed
