#pragma once
// Models of speech with all that a recogniser asks of them, made op by op, of some kilobytes: what
// they hear and say means nothing.

#include <string>
#include <vector>

#include "tests/support/tiny_models.h"

namespace heed::test {

/// As Whisper: encode_short and encode_long leave what they hear for the cross-attention of
/// decode_step and prefill, which remember what was said in caches with kWhisperRows rows for each
/// of `beams` sequences, of int8 or of floats. Two languages, timestamps, a tokenizer.
TinyModel whisper_model(uint32_t beams, bool int8 = false);
inline constexpr uint32_t kWhisperRows = 24;
inline constexpr int32_t kWhisperEnd = 8;  // below it: text
inline constexpr int32_t kWhisperLanguages = 10, kWhisperFirstTimestamp = 17;
/// Samples of a millisecond that encode_long hears.
inline constexpr size_t kWhisperSamples = 64;

/// As wav2vec 2.0: scores of characters for each frame of a waveform, in two lengths. `told`: an
/// input says how many frames are sound.
TinyModel wave_ctc_model(bool told);
/// As Parakeet: scores of word pieces for every two frames of log-mel features, and a mask.
TinyModel feature_ctc_model();

}  // namespace heed::test
