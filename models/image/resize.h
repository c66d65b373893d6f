#pragma once
// Resizing as the Python Imaging Library does it, since models were trained on its pixels: the
// filter is widened by the shrink factor, columns first and then rows, each rounded to 8 bits, in
// fixed point of 22 bits. The same pixels as Pillow's up to release 12; release 13 takes rows first
// where that is cheaper (a picture made wider and lower), which is rounded otherwise. Nothing here
// allocates but resized().

#include <stddef.h>
#include <stdint.h>

#include "models/heed_tasks.h"
#include "models/image/image_file.h"

namespace heed {

/// Pillow's numbers, which preprocessor_config.json uses.
enum class Resample : uint8_t {
  nearest = 0,
  lanczos = 1,
  bilinear = 2,
  bicubic = 3,
  box = 4,
  hamming = 5
};
inline constexpr int32_t kResampleCount = 6;

/// The part of a resized picture that is wanted. Where it reaches beyond, pixels are black.
struct ResizedPart {
  int32_t resized_width, resized_height;
  int32_t left, top, width, height;
  int32_t channels;  // 1 or 3
  Resample filter;
};

/// Bytes of scratch for resize(), 8-byte aligned, for pictures that are at most `shrink` times as
/// large as resized, and at most `side_max` pixels wide.
uint64_t resize_scratch_bytes(const ResizedPart& part, double shrink, int32_t side_max);

/// Writes part.width x part.height x part.channels bytes. RGB becomes grey as Pillow's "L" where
/// the part has one channel, grey becomes RGB where it has three. False: the scratch is too small.
bool resize(const heed_picture& picture, const ResizedPart& part, void* scratch,
            size_t scratch_bytes, uint8_t* out);

/// For people's eyes, on the heap.
Image resized(const Image& image, int32_t width, int32_t height,
              Resample filter = Resample::bilinear);

}  // namespace heed
