#pragma once
// Speech to text with models that score characters or word pieces for each frame of a waveform
// (wav2vec 2.0) or of log-mel features (Parakeet): windows of a sound run through the entry point
// that fits their length, overlapping, so that every frame is taken from where the model hears
// around it; then connectionist temporal classification reads them, greedily or by a beam, from
// pause to pause.

#include <string>
#include <vector>

#include "models/audio/audio_frontend.h"
#include "models/decode/ctc.h"
#include "models/speech_to_text.h"

namespace heed {

class CtcRecognizer : public SpeechToText {
 public:
  CtcRecognizer() = default;
  ~CtcRecognizer() override;
  CtcRecognizer(const CtcRecognizer&) = delete;
  CtcRecognizer& operator=(const CtcRecognizer&) = delete;

  /// The model takes the waveform [1,samples] and perhaps how many rows of scores are sound, i64
  /// [1]; or features [1,frames,bins] and perhaps a mask of the frames that are there. It gives
  /// scores [1,rows,labels] in every entry point, a row for every so many frames. Its labels say
  /// what each adds to the text: "" is the blank, " ", alone or before a piece, parts words, "<..>"
  /// add nothing. options.beams: prefixes that are followed; 1: greedy.
  bool create(const heed_model* model, const heed_options& engine, const SpeechOptions& options,
              std::string* error) override;
  uint32_t sample_rate_hz() const override { return audio_.sample_rate_hz; }
  heed_session* session() const override { return session_; }
  bool recognize(const float* samples, size_t count, std::vector<SpokenSegment>* segments,
                 std::string* error) override;
  const std::string& language() const override { return language_; }

  /// The log probabilities of the sound heard last, [frames][labels].
  const std::vector<float>& scores() const { return scores_; }

 private:
  struct Length {
    std::string entry;
    float* input;
    int64_t* there;  // rows that are sound, or ones where features are; null: the model is not told
    const float* output;
    size_t samples, frames;  // frames: rows of scores
  };
  bool open_lengths(std::string* error);
  bool open_inputs(const char* entry, Length* length, heed_tensor* input);
  bool fit_frontend(size_t samples, std::string* error);
  bool open_features(const heed_tensor& input, size_t rows, Length* length, std::string* error);
  size_t frames_of(size_t samples) const;
  const Length* shortest_for(size_t samples) const;
  bool compute_features(const float* samples, size_t count, std::string* error);
  struct Level {
    float shift, factor;
  };
  Level level_of(const float* samples, size_t count) const;
  void fill(size_t first, const float* samples, size_t count, const Level& level,
            const Length& length) const;
  bool read_labels(std::string* error);
  bool score(const float* samples, size_t count, std::string* error);
  bool is_quiet(size_t frame) const;
  void read_segment(size_t first, size_t end, SpokenSegment* segment);
  void add_words(size_t first, const std::vector<int32_t>& frames, SpokenSegment* segment) const;
  double seconds(size_t frame) const;

  const heed_model* model_ = nullptr;
  heed_session* session_ = nullptr;
  SpeechOptions options_;
  AudioFrontendConfig audio_;
  std::vector<Length> lengths_;  // shortest first
  std::vector<std::string> labels_;
  AudioFrontend frontend_;  // where the model takes features, of the whole sound
  std::vector<float> features_;
  size_t frontend_samples_ = 0;  // that it was made for
  std::vector<float> scores_;
  std::string language_;
  size_t hop_ = 0;   // samples from one row of scores to the next
  size_t bins_ = 0;  // of a row of features; 0: the model takes the waveform
  int32_t blank_ = 0;
};

}  // namespace heed
