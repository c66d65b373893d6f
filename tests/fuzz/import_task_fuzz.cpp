// The JSON text of a task file.

#include "converter/graph/convert_error.h"
#include "converter/task_json.h"
#include "tests/fuzz/fuzz_target.h"

namespace heed::test {
namespace {

void run(std::span<const uint8_t> bytes) {
  try {
    (void)read_task({bytes.begin(), bytes.end()}, "");
  } catch (const ConvertError&) {
  }
}

std::vector<FuzzBytes> seeds() {
  return {to_bytes(R"({"kind": "keyword_spotting", "labels": ["yes", "no"], "audio":
 {"kind": "mfcc", "sample_rate_hz": 16000, "clip_samples": 16000, "window_samples": 480,
 "hop_samples": 160, "fft_size": 512, "mel_bins": 40, "mel_low_hz": 20, "mel_high_hz": 4000,
 "coefficients": 40, "mel_scale": "htk", "power": 2, "log_floor": 1e-6,
 "layout": "frames_first"}})"),
          to_bytes(R"({"kind": "image_classification", "labels": ["a"], "image":
 {"width": 4, "height": 4, "channels": 3, "resize_shorter": 5, "mean": [0.5, 0.5, 0.5],
 "std": [1, 1, 1], "layout": "chw"}})"),
          to_bytes(R"({"kind": "image_classification",
 "labels": {"labels_file": "none.txt", "column": 1}, "image": {}})")};
}

const FuzzTarget kTarget = {"import_task", run, seeds, nullptr};
const RegisterFuzzTarget kHere(kTarget);

}  // namespace
}  // namespace heed::test
