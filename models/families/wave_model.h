#pragma once
// What recognisers that hear a waveform share (wav2vec 2.0, HuBERT and their kin): the convolutions
// before the transformer, the characters behind it, and an entry point for each length of sound.
//
//   features: per layer x = gelu(norm(conv(x))); norm: of the first layer's channels over time
//             ("group"), or of every layer's frames ("layer")
//   x = projection(norm(features))
//
// The first convolutions have up to 64 times as many frames as the last: they run over pieces of
// the sound, and only what the last two read is kept of all of it. The sums of a norm over time are
// taken in a pass of their own before.
//
// Entry points listen_5s and listen_10s over the same weights (--dim seconds=N: N the longest), or
// "main" for as many samples as --dim samples says. Where preprocessor_config.json says
// return_attention_mask, input `frames` tells how many frames are sound: those of padding are zeros
// after the projection, and nobody attends to them.

#include <functional>
#include <string>
#include <vector>

#include "models/families/family.h"

namespace heed::families {

inline constexpr uint32_t kListenerArena = 1;  // entry points that listen run in turn

struct WaveSizes {
  int64_t width = 0, layers = 0, heads = 0, inner = 0, vocabulary = 0;
  std::vector<int64_t> channels, kernels, strides;
  bool conv_bias = false, norm_frames = false, norm_features = true;
  double epsilon = 0;
  std::string conv_activation, activation;
};

/// Throws ConvertError where config.json makes no sense.
WaveSizes read_wave_sizes(const Settings& config);

struct Listened {
  ValueId samples = kNoValue;  // [1,N]
  ValueId frames = kNoValue;   // i64 [1]: how many of the frames are sound; absent: all
};

/// f32 [1,count,1]: 1 for the first `frames`, then 0.
ValueId frames_there(Net& net, ValueId frames, int64_t count);

/// [1,frames,width]
ValueId project_features(Net& net, const Listened& sound, const std::string& prefix,
                         const WaveSizes& s);

/// The entry points and the task. `listen` gives logits [1,frames,vocabulary].
void add_wave_listeners(Recipe& recipe, const WaveSizes& s,
                        const std::function<ValueId(Net& net, const Listened& sound)>& listen);

}  // namespace heed::families
