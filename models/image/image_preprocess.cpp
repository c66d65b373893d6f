#include "models/image/image_preprocess.h"

#include <algorithm>
#include <cmath>

namespace heed {
namespace {

constexpr int32_t kSideMax = HEED_PICTURE_SIDE_MAX;
constexpr int32_t kResizedSideMax = 1 << 24;  // before the centre is cut out
constexpr size_t kScratchMax = size_t{1} << 29;

bool positive(const float* values, int32_t count) {
  return std::all_of(values, values + count, [](float v) { return v > 0 && std::isfinite(v); });
}

Status check(const ImagePreprocessConfig& c, heed_diagnostic* diagnostic) {
  const auto refuse = [&](const char* what, int64_t expected = 0, int64_t actual = 0) {
    return fail(diagnostic, Status::bad_model, what, -1, -1, expected, actual);
  };
  if (c.channels != 1 && c.channels != kChannelsMax)
    return refuse("the picture's channels are neither 1 nor 3", kChannelsMax, c.channels);
  if (c.width < 1 || c.height < 1 || c.width > kSideMax || c.height > kSideMax ||
      int64_t{c.width} * c.height > kImagePixelsMax)
    return refuse("the picture's width and height are out of range");
  if (c.resize_shorter < 0 || c.resize_shorter > kSideMax || c.resize_width < 0 ||
      c.resize_width > kSideMax || c.resize_height < 0 || c.resize_height > kSideMax ||
      (c.resize_width == 0) != (c.resize_height == 0))
    return refuse("the size that pictures are resized to is out of range");
  if (static_cast<int32_t>(c.resample) >= kResampleCount)
    return refuse("there is no resize filter of that number", kResampleCount - 1,
                  static_cast<int64_t>(c.resample));
  if (!positive(c.std, c.channels)) return refuse("std holds a number that is not positive");
  return std::isfinite(c.rescale) ? Status::ok : refuse("the picture's rescale is no number");
}

}  // namespace

Status PicturePreprocessor::create(const ImagePreprocessConfig& config, int32_t side_max,
                                   heed_diagnostic* diagnostic) {
  HEED_TRY(check(config, diagnostic));
  config_ = config;
  side_max_ = side_max == 0 ? kPictureSideDefault : side_max;
  if (side_max_ < 1 || side_max_ > kSideMax)
    return fail(diagnostic, Status::invalid_argument, "picture_side_max is out of range", -1, -1,
                kSideMax, side_max_);
  // The largest square shrinks most; a side that was rounded down shrinks a little more.
  const ResizedPart part = part_of(side_max_, side_max_);
  const int32_t side = std::min(part.resized_width, part.resized_height);
  const double shrink = static_cast<double>(side_max_) / side;
  const uint64_t scratch = resize_scratch_bytes(part, shrink * (1.0 + 1.0 / side), side_max_);
  if (scratch > kScratchMax)
    return fail(diagnostic, Status::limit_exceeded,
                "resizing pictures as the model asks takes more memory than it may", -1, -1,
                static_cast<int64_t>(kScratchMax), static_cast<int64_t>(scratch));
  scratch_bytes_ = static_cast<size_t>(scratch);
  return Status::ok;
}

void PicturePreprocessor::carve(Arena& arena) {
  scratch_ = arena.take(scratch_bytes_);
  seen_ = arena.take_array<uint8_t>(values());
}

size_t PicturePreprocessor::values() const {
  return static_cast<size_t>(config_.width) * static_cast<size_t>(config_.height) *
         static_cast<size_t>(config_.channels);
}

ResizedPart PicturePreprocessor::part_of(int32_t width, int32_t height) const {
  const ImagePreprocessConfig& c = config_;
  ResizedPart part{c.width, c.height, 0, 0, c.width, c.height, c.channels, c.resample};
  if (!c.do_resize) {
    part.resized_width = width;
    part.resized_height = height;
  } else if (c.resize_shorter != 0) {
    const int32_t shorter = std::min(width, height);
    const auto scaled = [&](int32_t side) {
      if (side == shorter) return c.resize_shorter;
      const double exact = static_cast<double>(c.resize_shorter) * side / shorter;
      return static_cast<int32_t>(c.longer_rounds_down ? static_cast<long>(exact)
                                                       : std::lround(exact));
    };
    part.resized_width = scaled(width);
    part.resized_height = scaled(height);
  } else if (c.resize_width != 0) {
    part.resized_width = c.resize_width;
    part.resized_height = c.resize_height;
  }
  // Rounded towards zero, as Python's integer division of what is not negative.
  part.left = (part.resized_width - c.width) / 2;
  part.top = (part.resized_height - c.height) / 2;
  return part;
}

Status PicturePreprocessor::fill(const heed_picture& picture, float* out,
                                 heed_diagnostic* diagnostic) {
  const int32_t channels = picture.channels;
  if (picture.pixels == nullptr || picture.width < 1 || picture.height < 1 ||
      (channels != 1 && channels != 3 && channels != 4) ||
      (picture.row_bytes != 0 &&
       picture.row_bytes < static_cast<size_t>(picture.width) * static_cast<size_t>(channels)))
    return fail(diagnostic, Status::invalid_argument,
                "the picture's pixels, sides or channels make no sense");
  const int32_t side = std::max(picture.width, picture.height);
  if (side > side_max_)
    return fail(diagnostic, Status::limit_exceeded, "the picture is larger than picture_side_max",
                -1, -1, side_max_, side);
  const ResizedPart part = part_of(picture.width, picture.height);
  const int32_t longer = std::max(part.resized_width, part.resized_height);
  if (longer > kResizedSideMax)
    return fail(diagnostic, Status::limit_exceeded,
                "the picture is so narrow that it becomes too long when it is resized", -1, -1,
                kResizedSideMax, longer);
  if (!resize(picture, part, scratch_, scratch_bytes_, seen_))
    return fail(diagnostic, Status::limit_exceeded, "the picture is too large to be resized");
  place_.scale_x = static_cast<float>(picture.width) / static_cast<float>(part.resized_width);
  place_.scale_y = static_cast<float>(picture.height) / static_cast<float>(part.resized_height);
  place_.left = static_cast<float>(part.left) * place_.scale_x;
  place_.top = static_cast<float>(part.top) * place_.scale_y;
  normalize(out);
  return Status::ok;
}

void PicturePreprocessor::normalize(float* out) const {
  const size_t channels = static_cast<size_t>(config_.channels), pixels = values() / channels;
  for (size_t c = 0; c < channels; ++c) {
    float table[256];  // every level's value: 256 divisions, not one a pixel
    for (int v = 0; v < 256; ++v) {
      const float level = static_cast<float>(config_.invert ? 255 - v : v);
      const float light = config_.rescale == 0 ? level / 255.0f : level * config_.rescale;
      table[v] = (light - config_.mean[c]) / config_.std[c];
    }
    const uint8_t* in = seen_ + (config_.bgr ? channels - 1 - c : c);
    float* to = out + (config_.channels_first ? c * pixels : c);
    const size_t step = config_.channels_first ? 1 : channels;
    for (size_t i = 0; i < pixels; ++i) to[i * step] = table[in[i * channels]];
  }
}

heed_picture PicturePreprocessor::seen() const {
  return {seen_, config_.width, config_.height, config_.channels, 0};
}

}  // namespace heed
