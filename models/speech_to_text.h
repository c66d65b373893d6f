#pragma once
// Sounds to what was said, by whichever kind of model: Whisper's encoder and decoder
// (speech_recognizer.h), or scores of characters for each frame (ctc_recognizer.h).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/heed.h"
#include "models/decode/transcript.h"

namespace heed {

struct SpeechOptions {
  std::string language;    // code ("en"); "": the model finds out, where it knows several
  bool translate = false;  // to English
  bool timestamps = true;
  bool words = false;      // when each word was said
  bool attention = false;  // and where the model looked meanwhile
  size_t beams = 1;        // of Whisper at most the model's
  bool fallback = true;    // higher temperatures where the text is not to be believed
  /// Whisper: what the last windows said is given to the next. It was trained so, and keeps names
  /// and punctuation alike; that a text repeats itself for ever is what the fallback is for.
  bool previous_text = true;
  std::string prompt;  // Whisper: as if it had been said before the sound
  float compression_ratio_max = 2.4f, mean_log_probability_min = -1.0f, no_speech_max = 0.6f;
  size_t tokens_max = 224;  // of one window
};

class SpeechToText {
 public:
  virtual ~SpeechToText() = default;

  /// `model` must outlive this object. Returns false with a sentence in `error`.
  virtual bool create(const heed_model* model, const heed_options& engine,
                      const SpeechOptions& options, std::string* error) = 0;
  virtual uint32_t sample_rate_hz() const = 0;
  virtual heed_session* session() const = 0;

  /// Writes down a sound of any length.
  virtual bool recognize(const float* samples, size_t count, std::vector<SpokenSegment>* segments,
                         std::string* error) = 0;
  /// The language of the sound heard last, "" where the model knows one only.
  virtual const std::string& language() const = 0;
};

/// The recogniser that the model's task asks for, created; null with a sentence in `error`.
std::unique_ptr<SpeechToText> make_speech_to_text(const heed_model* model,
                                                  const heed_options& engine,
                                                  const SpeechOptions& options, std::string* error);

}  // namespace heed
