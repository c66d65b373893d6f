#pragma once
// What recognisers that hear a waveform share (wav2vec 2.0 and its kin): the convolutions before
// the transformer, the characters behind it, and an entry point for each length of sound.
//
//   features: per layer x = gelu(norm(conv(x))); norm: of the first layer's channels over time
//             ("group"), or of every layer's frames ("layer")
//   x = projection(norm(features))
//
// Entry points listen_5s and listen_10s over the same weights (--dim seconds=N: N the longest), or
// "main" for as many samples as --dim samples says.

#include <functional>
#include <string>
#include <vector>

#include "models/families/family.h"

namespace heed::families {

inline constexpr uint32_t kListenerArena = 1;  // entry points that listen run in turn

struct WaveSizes {
  int64_t width = 0, layers = 0, heads = 0, inner = 0, vocabulary = 0;
  std::vector<int64_t> channels, kernels, strides;
  bool conv_bias = false, norm_frames = false;
  double epsilon = 0;
  std::string conv_activation, activation;
};

/// Throws ConvertError where config.json makes no sense.
WaveSizes read_wave_sizes(const Settings& config);

/// samples [1,N] -> [1,frames,width].
ValueId project_features(Net& net, ValueId samples, const std::string& prefix, const WaveSizes& s);

/// The entry points and the task. `listen` gives logits [1,frames,vocabulary] for samples [1,N].
void add_wave_listeners(Recipe& recipe, const WaveSizes& s,
                        const std::function<ValueId(Net& net, ValueId samples)>& listen);

}  // namespace heed::families
