#pragma once
// From a picture to the tensor that a vision model takes: resize, cut the centre,
// (v * rescale - mean) / std. Allocates nothing: buffers are taken from an arena at creation.

#include <stdint.h>

#include "engine/arena.h"
#include "engine/status.h"
#include "models/image/resize.h"

namespace heed {

inline constexpr int32_t kChannelsMax = 3;
inline constexpr int32_t kPictureSideDefault = 8192;

struct ImagePreprocessConfig {
  int32_t width = 0, height = 0;  // of the tensor
  int32_t channels = 3;           // 1: grey
  int32_t resize_shorter = 0;  // resize so that the shorter side is this, then cut out the centre
  int32_t resize_width = 0, resize_height = 0;  // resize to this, then cut out the centre; 0 and no
                                                // resize_shorter: resize to width x height
  bool longer_rounds_down = false;  // of resize_shorter: as transformers does, not to nearest
  bool do_resize = true;
  Resample resample = Resample::bilinear;
  float rescale = 0;  // 0: v / 255
  float mean[kChannelsMax] = {0, 0, 0}, std[kChannelsMax] = {1, 1, 1};
  bool channels_first = true;
  bool bgr = false;
  bool invert = false;  // 255 - v first: ink on paper for models that want light on black
};

/// Where in the picture the tensor's pixels come from: x of the picture = left + scale_x * x of the
/// tensor, from pixel edge to pixel edge.
struct PicturePlace {
  float left, top, scale_x, scale_y;
};

class PicturePreprocessor {
 public:
  /// HEED_BAD_MODEL for constants that make no sense.
  Status create(const ImagePreprocessConfig& config, int32_t side_max, heed_diagnostic* diagnostic);
  void carve(Arena& arena);

  /// channels * height * width floats.
  size_t values() const;

  /// Writes values() floats. HEED_INVALID_ARGUMENT or HEED_LIMIT_EXCEEDED for pictures that are
  /// none, or too large.
  Status fill(const heed_picture& picture, float* out, heed_diagnostic* diagnostic);

  /// What was filled in last: resized and cut, not normalised.
  heed_picture seen() const;
  PicturePlace place() const { return place_; }
  const ImagePreprocessConfig& config() const { return config_; }

 private:
  ResizedPart part_of(int32_t width, int32_t height) const;
  void normalize(float* out) const;

  ImagePreprocessConfig config_;
  int32_t side_max_ = 0;
  PicturePlace place_{};
  size_t scratch_bytes_ = 0;
  void* scratch_ = nullptr;
  uint8_t* seen_ = nullptr;
};

}  // namespace heed
