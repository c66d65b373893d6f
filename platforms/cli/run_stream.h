#pragma once
// heed run --stream: raw PCM from standard input, events on standard output as they happen.

#include <string>

#include "engine/heed.hpp"

namespace heed::cli {

struct StreamOptions {
  uint32_t rate_hz = 0;  // of the samples that come; 0: the model's
  bool json = false;     // one JSON object a line
};

/// Reads signed 16-bit little-endian mono samples until they end. Throws CommandError.
void run_stream(const Model& model, const heed_options& engine, const StreamOptions& options);

}  // namespace heed::cli
