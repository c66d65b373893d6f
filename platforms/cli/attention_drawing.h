#pragma once
// From an op's attention map to a picture over what it attended to.

#include <span>
#include <string>
#include <vector>

#include "models/attention_map.h"
#include "models/audio/audio_frontend.h"
#include "models/decode/transcript.h"
#include "models/image/attention_picture.h"

namespace heed::cli {

/// What `heed run --attention-of` and --attention-query say. Throws CommandError.
AttentionChoice attention_choice(const std::string& of, int32_t query);

/// Draws over what the model saw. `found`: the queries of a detector's boxes, `asked`: how many
/// queries it has. Throws CommandError where the keys make no grid over the picture.
Image picture_attention(const Image& picture, const AttentionMap& map,
                        const std::vector<int32_t>& found = {}, int32_t asked = 0);

/// Draws over the spectrogram of one clip (in mel bands as the model's front end has them), words
/// beneath. Throws CommandError where the model has no such front end.
Image sound_attention(const AudioFrontendConfig& frontend, std::span<const float> samples,
                      const std::vector<PlacedWord>& words, const AttentionMap& map);

/// What a speech model looked at while it wrote the words of a sound, its first half minute: a band
/// for each word over the spectrogram, first to last from the top, the words beneath where they
/// were said.
Image spoken_attention(const AudioFrontendConfig& frontend, std::span<const float> samples,
                       const std::vector<SpokenSegment>& segments);

}  // namespace heed::cli
