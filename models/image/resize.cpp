#include "models/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace heed {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8-bit pixels times weights, summed, fit 32 bits
constexpr int32_t kHalf = 1 << (kFractionBits - 1);

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

// The filters, at a distance x >= 0 from the centre.
double filter_at(Resample filter, double x) {
  switch (filter) {
    case Resample::box:
      return x <= 0.5 ? 1.0 : 0.0;
    case Resample::hamming:
      return x == 0.0 ? 1.0
                      : (x < 1.0 ? sinc(x) * (0.54 + 0.46 * std::cos(x * std::numbers::pi)) : 0.0);
    case Resample::bicubic:
      if (x < 1.0) return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1.0;
      return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5 : 0.0;
    case Resample::lanczos:
      return x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
    default:
      return x < 1.0 ? 1.0 - x : 0.0;
  }
}

double support_of(Resample filter) {
  switch (filter) {
    case Resample::box:
      return 0.5;
    case Resample::bicubic:
      return 2.0;
    case Resample::lanczos:
      return 3.0;
    default:
      return 1.0;
  }
}

// Input pixels that an output pixel is made of, at most.
int64_t taps_max(Resample filter, double shrink) {
  return static_cast<int64_t>(std::ceil(support_of(filter) * std::max(shrink, 1.0))) * 2 + 1;
}

/// One axis: `in` pixels become `out`.
struct Axis {
  Resample filter;
  int32_t in, out;
  double scale() const { return static_cast<double>(in) / out; }
  int64_t taps() const { return taps_max(filter, scale()); }
};

struct Window {
  int32_t first, count;
};

// Which input pixels make output pixel `at`, and their weights in fixed point.
Window make_weights(const Axis& axis, int32_t at, double* exact, int32_t* weights) {
  const double widen = std::max(axis.scale(), 1.0), support = support_of(axis.filter) * widen;
  const double center = (at + 0.5) * axis.scale(), narrow = 1.0 / widen;
  const int32_t first = std::max(0, static_cast<int32_t>(center - support + 0.5));
  const int32_t last = std::min(axis.in, static_cast<int32_t>(center + support + 0.5));
  double sum = 0;
  for (int32_t i = first; i < last; ++i) {
    const double x = (i - center + 0.5) * narrow;
    // Pillow's box is open to the left and closed to the right.
    exact[i - first] =
        axis.filter == Resample::box && x == -0.5 ? 0.0 : filter_at(axis.filter, std::abs(x));
    sum += exact[i - first];
  }
  for (int32_t i = 0; i < last - first; ++i) {
    const double fixed = (sum == 0 ? exact[i] : exact[i] / sum) * (1 << kFractionBits);
    weights[i] = static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
  }
  return {first, last - first};
}

uint8_t to_pixel(int32_t fixed) {
  return static_cast<uint8_t>(std::clamp(fixed >> kFractionBits, 0, 255));
}

/// Where things lie in the scratch. Counted with `base` null.
struct Scratch {
  double* exact;     // weights of one pixel before they are rounded
  int32_t* weights;  // of the columns, a row of weights for each
  int32_t* row_weights;
  int32_t* sums;    // of one output row
  Window* windows;  // of the columns
  uint8_t* rows;    // a ring of rows, resized across
  uint8_t* line;    // an input row whose channels are not those wanted
  uint64_t bytes;   // may be more than an address can hold where `base` is null
};

Scratch lay_out(const ResizedPart& part, int64_t column_taps, int64_t row_taps, int32_t in_width,
                std::byte* base) {
  Scratch s{};
  const auto take = [&](auto** at, int64_t count) {
    *at = base == nullptr
              ? nullptr
              : reinterpret_cast<std::remove_reference_t<decltype(*at)>>(base + s.bytes);
    s.bytes += (static_cast<uint64_t>(count) * sizeof(**at) + 7) / 8 * 8;
  };
  const int64_t row = int64_t{part.width} * part.channels;
  take(&s.exact, std::max(column_taps, row_taps));
  take(&s.weights, column_taps * part.width);
  take(&s.row_weights, row_taps);
  take(&s.sums, row);
  take(&s.windows, part.width);
  take(&s.rows, row_taps * row);
  take(&s.line, int64_t{in_width} * part.channels);
  return s;
}

// A row of the picture with the channels that are wanted.
const uint8_t* line_of(const heed_picture& picture, int32_t y, int32_t channels, uint8_t* line) {
  const size_t step = static_cast<size_t>(picture.channels);
  const size_t row_bytes =
      picture.row_bytes != 0 ? picture.row_bytes : static_cast<size_t>(picture.width) * step;
  const uint8_t* in = picture.pixels + static_cast<size_t>(y) * row_bytes;
  if (picture.channels == channels) return in;
  for (size_t x = 0; x < static_cast<size_t>(picture.width); ++x, in += step) {
    if (channels == 1)
      line[x] =
          static_cast<uint8_t>((in[0] * 19595u + in[1] * 38470u + in[2] * 7471u + 0x8000u) >> 16);
    else
      for (size_t c = 0; c < 3; ++c) line[3 * x + c] = in[step == 1 ? 0 : c];
  }
  return line;
}

/// Columns of the part that lie within the resized picture.
struct Span {
  int32_t begin, end;
};
Span within(int32_t offset, int32_t size, int32_t resized) {
  return {std::max(0, -offset), std::max(0, std::min(size, resized - offset))};
}

template <int kChannels>
void resize_row(const uint8_t* in, const Scratch& s, int64_t taps, Span columns, uint8_t* out) {
  for (int32_t x = columns.begin; x < columns.end; ++x) {
    const int32_t* weights = s.weights + x * taps;
    const uint8_t* from = in + static_cast<ptrdiff_t>(s.windows[x].first) * kChannels;
    int32_t sum[kChannels];
    for (int c = 0; c < kChannels; ++c) sum[c] = kHalf;
    for (int32_t i = 0; i < s.windows[x].count; ++i)
      for (int c = 0; c < kChannels; ++c) sum[c] += from[i * kChannels + c] * weights[i];
    for (int c = 0; c < kChannels; ++c) out[x * kChannels + c] = to_pixel(sum[c]);
  }
}

// Pillow adds up the position, so do we.
void resize_nearest(const heed_picture& picture, const ResizedPart& part, uint8_t* line,
                    uint8_t* out) {
  const Axis across{part.filter, picture.width, part.resized_width};
  const Axis down{part.filter, picture.height, part.resized_height};
  const Span columns = within(part.left, part.width, part.resized_width);
  const size_t channels = static_cast<size_t>(part.channels);
  double left = across.scale() * 0.5;
  const int32_t first = std::max(part.left, 0);
  for (int32_t column = 0; column < first; ++column) left += across.scale();
  double y = down.scale() * 0.5;
  for (int32_t row = 0; row < part.resized_height; ++row, y += down.scale()) {
    const int32_t to = row - part.top;
    if (to < 0 || to >= part.height) continue;
    const uint8_t* in = line_of(picture, std::min(static_cast<int32_t>(y), picture.height - 1),
                                part.channels, line);
    double x = left;
    for (int32_t at = columns.begin; at < columns.end; ++at, x += across.scale()) {
      const size_t from = static_cast<size_t>(std::min(static_cast<int32_t>(x), picture.width - 1));
      std::memcpy(out + (static_cast<size_t>(to) * static_cast<size_t>(part.width) +
                         static_cast<size_t>(at)) *
                            channels,
                  in + from * channels, channels);
    }
  }
}

void resize_filtered(const heed_picture& picture, const ResizedPart& part, const Axis& across,
                     const Axis& down, const Scratch& s, uint8_t* out) {
  const Span columns = within(part.left, part.width, part.resized_width);
  const Span lines = within(part.top, part.height, part.resized_height);
  const int64_t column_taps = across.taps(), ring = down.taps();
  const int64_t row = int64_t{part.width} * part.channels;
  for (int32_t x = columns.begin; x < columns.end; ++x)
    s.windows[x] = make_weights(across, part.left + x, s.exact, s.weights + x * column_taps);
  int32_t next = 0;  // input rows before are resized, or were not needed
  for (int32_t y = lines.begin; y < lines.end; ++y) {
    const Window window = make_weights(down, part.top + y, s.exact, s.row_weights);
    for (next = std::max(next, window.first); next < window.first + window.count; ++next) {
      const uint8_t* in = line_of(picture, next, part.channels, s.line);
      uint8_t* to = s.rows + next % ring * row;
      part.channels == 1 ? resize_row<1>(in, s, column_taps, columns, to)
                         : resize_row<3>(in, s, column_taps, columns, to);
    }
    const int64_t begin = int64_t{columns.begin} * part.channels,
                  end = int64_t{columns.end} * part.channels;
    std::fill(s.sums + begin, s.sums + std::max(begin, end), kHalf);
    for (int32_t i = 0; i < window.count; ++i) {
      const uint8_t* from = s.rows + (window.first + i) % ring * row;
      const int32_t weight = s.row_weights[i];
      for (int64_t k = begin; k < end; ++k) s.sums[k] += from[k] * weight;
    }
    for (int64_t k = begin; k < end; ++k) out[y * row + k] = to_pixel(s.sums[k]);
  }
}

}  // namespace

uint64_t resize_scratch_bytes(const ResizedPart& part, double shrink, int32_t side_max) {
  const int64_t taps = taps_max(part.filter, shrink);
  return lay_out(part, taps, taps, side_max, nullptr).bytes;
}

bool resize(const heed_picture& picture, const ResizedPart& part, void* scratch,
            size_t scratch_bytes, uint8_t* out) {
  const Axis across{part.filter, picture.width, part.resized_width};
  const Axis down{part.filter, picture.height, part.resized_height};
  const auto lay = [&](std::byte* base) {
    return lay_out(part, across.taps(), down.taps(), picture.width, base);
  };
  if (lay(nullptr).bytes > scratch_bytes) return false;
  const Scratch s = lay(static_cast<std::byte*>(scratch));
  const size_t bytes = static_cast<size_t>(part.width) * static_cast<size_t>(part.height) *
                       static_cast<size_t>(part.channels);
  std::memset(out, 0, bytes);
  if (part.filter == Resample::nearest)
    resize_nearest(picture, part, s.line, out);
  else
    resize_filtered(picture, part, across, down, s, out);
  return true;
}

Image resized(const Image& image, int32_t width, int32_t height, Resample filter) {
  const ResizedPart part{width, height, 0, 0, width, height, image.channels, filter};
  const double shrink = std::max(static_cast<double>(image.width) / width,
                                 static_cast<double>(image.height) / height);
  const auto bytes = static_cast<size_t>(resize_scratch_bytes(part, shrink, image.width));
  std::vector<uint64_t> scratch(bytes / sizeof(uint64_t) + 1);
  Image out{width, height, image.channels,
            std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) *
                                 static_cast<size_t>(image.channels))};
  resize(picture_of(image), part, scratch.data(), bytes, out.pixels.data());
  return out;
}

}  // namespace heed
