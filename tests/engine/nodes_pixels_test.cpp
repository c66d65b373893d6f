// A linear layer over windows of pixels equals, bit for bit, the same layer over the windows laid
// out as rows by hand.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <memory>

#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

struct PixelCase {
  int32_t batch, h, w, channels, outputs, kh, kw, sh, sw, dh, dw, top, left, out_h, out_w;
  int32_t rows() const { return batch * out_h * out_w; }
  int32_t taps() const { return kh * kw; }
};

constexpr PixelCase kCases[] = {
    {1, 9, 7, 16, 20, 3, 3, 1, 1, 1, 1, 1, 1, 9, 7},    // "same"
    {2, 8, 10, 24, 16, 3, 3, 2, 2, 1, 1, 1, 1, 4, 5},   // strided
    {1, 6, 6, 16, 17, 3, 2, 1, 1, 2, 2, 2, 1, 6, 6},    // dilated
    {1, 7, 9, 32, 48, 1, 1, 2, 2, 1, 1, 0, 0, 4, 5},    // every second pixel
    {1, 2, 3, 16, 16, 5, 7, 1, 1, 1, 1, 2, 3, 2, 3},    // wider than the picture
    {1, 12, 12, 3, 16, 3, 3, 2, 2, 1, 1, 0, 0, 6, 6}};  // asks beyond below and to the right

/// Bytes of the pixel that a tap of an output row sees, or null beyond the picture.
template <class T>
const T* tap_of(const PixelCase& c, const T* pixels, size_t step, int32_t row, int32_t tap) {
  const int32_t image = row / (c.out_h * c.out_w), at = row % (c.out_h * c.out_w);
  const int32_t y = at / c.out_w * c.sh - c.top + tap / c.kw * c.dh;
  const int32_t x = at % c.out_w * c.sw - c.left + tap % c.kw * c.dw;
  if (y < 0 || y >= c.h || x < 0 || x >= c.w) return nullptr;
  return pixels + static_cast<size_t>((image * c.h + y) * c.w + x) * step;
}

fb::LinearOptionsT options_of(const PixelCase& c, bool is_int8) {
  fb::LinearOptionsT o;
  o.layout = is_int8 ? fb::WeightLayout::k4n16 : fb::WeightLayout::f32_n16;
  o.rows = static_cast<uint32_t>(c.rows());
  o.window = static_cast<uint32_t>(c.taps());
  return o;
}

std::unique_ptr<fb::PixelWindowT> window_of(const PixelCase& c) {
  auto p = std::make_unique<fb::PixelWindowT>();
  const auto u = [](int32_t v) { return static_cast<uint32_t>(v); };
  p->kernel_h = u(c.kh), p->kernel_w = u(c.kw), p->stride_h = u(c.sh), p->stride_w = u(c.sw);
  p->dilation_h = u(c.dh), p->dilation_w = u(c.dw), p->pad_top = u(c.top), p->pad_left = u(c.left);
  p->in_h = u(c.h), p->in_w = u(c.w), p->out_h = u(c.out_h), p->out_w = u(c.out_w);
  return p;
}

void fill_q8(const TensorView& x, SeededRandom& random) {
  const Q8Layout q = x.q8();
  auto* scales = reinterpret_cast<float*>(x.as<std::byte>() + q.scale_offset);
  for (int32_t row = 0; row < q.rows; ++row) {
    scales[row] = random.uniform(0.001f, 0.02f);
    for (int32_t i = 0; i < q.width; ++i)
      x.as<int8_t>()[static_cast<size_t>(row) * q.step + static_cast<size_t>(i)] =
          static_cast<int8_t>(random.integer(-127, 127));
  }
}

void check_int8(const PixelCase& c) {
  SeededRandom random(5);
  OneOp seen, laid;
  const int32_t x = seen.add(DataType::q8_rows, {c.batch, c.h, c.w, c.channels});
  fill_q8(seen.at(x), random);
  const Q8Layout q = seen.at(x).q8();
  const int32_t step = static_cast<int32_t>(q.step), k = c.taps() * step;
  const int32_t rows = laid.add(DataType::q8_rows, {c.rows(), k}, static_cast<uint32_t>(step));
  const Q8Layout r = laid.at(rows).q8();
  const auto* scales = reinterpret_cast<const float*>(seen.at(x).as<std::byte>() + q.scale_offset);
  auto* row_scales = reinterpret_cast<float*>(laid.at(rows).as<std::byte>() + r.scale_offset);
  for (int32_t m = 0; m < c.rows(); ++m)
    for (int32_t t = 0; t < c.taps(); ++t) {
      if (const int8_t* from = tap_of(c, seen.at(x).as<const int8_t>(), q.step, m, t))
        std::memcpy(laid.at(rows).as<int8_t>() + m * k + t * step, from, q.step);
      if (const float* from = tap_of(c, scales, 1, m, t)) row_scales[m * c.taps() + t] = *from;
    }
  const int32_t blocked = (c.outputs + 15) / 16 * 16;
  std::vector<int8_t> w(static_cast<size_t>(c.outputs * k));
  random.fill(w);
  std::vector<int8_t> packed(linear_packed_bytes(c.outputs, k));
  std::vector<int32_t> sums(static_cast<size_t>(c.taps() * blocked));
  pack_linear(w.data(), c.outputs, c.taps(), step, packed.data(), sums.data());
  std::vector<float> scale(static_cast<size_t>(blocked), 0.01f);
  const auto define = [&](OneOp& op, int32_t input, bool over_pixels) {
    fb::LinearOptionsT o = options_of(c, true);
    if (over_pixels)
      o.pixels = window_of(c);
    else
      o.window = 1;
    const int32_t weights =
        op.constant(DataType::i8, {static_cast<int32_t>(packed.size())}, packed);
    const int32_t scale_at = op.constant(DataType::f32, {blocked}, scale);
    const int32_t y = op.floats({c.rows(), c.outputs});
    op.define(std::move(o), {input, weights, scale_at}, {y});
    INFO(op.diagnostic.what);
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    return op.bytes(y);
  };
  CHECK(define(seen, x, true) == define(laid, rows, false));
}

void check_float(const PixelCase& c) {
  SeededRandom random(6);
  OneOp seen, laid;
  const int32_t k = c.taps() * c.channels;
  std::vector<float> image(static_cast<size_t>(c.batch * c.h * c.w * c.channels));
  std::vector<float> windows(static_cast<size_t>(c.rows() * k)),
      w(static_cast<size_t>(c.outputs * k));
  random.fill(image);
  random.fill(w);
  for (int32_t m = 0; m < c.rows(); ++m)
    for (int32_t t = 0; t < c.taps(); ++t)
      if (const float* from = tap_of(c, image.data(), static_cast<size_t>(c.channels), m, t))
        std::memcpy(windows.data() + m * k + t * c.channels, from,
                    static_cast<size_t>(c.channels) * sizeof(float));
  std::vector<float> packed(matmul_packed_floats(c.outputs, k));
  pack_matmul(w.data(), c.outputs, k, packed.data());
  const auto define = [&](OneOp& op, int32_t input, bool over_pixels) {
    fb::LinearOptionsT o = options_of(c, false);
    if (over_pixels)
      o.pixels = window_of(c);
    else
      o.window = 1;
    const int32_t weights =
        op.constant(DataType::f32, {static_cast<int32_t>(packed.size())}, packed);
    const int32_t y = op.floats({c.rows(), c.outputs});
    op.define(std::move(o), {input, weights}, {y});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    return op.bytes(y);
  };
  const int32_t x = seen.floats({c.batch, c.h, c.w, c.channels});
  seen.set(x, image);
  const int32_t rows = laid.floats({c.rows(), k});
  laid.set(rows, windows);
  CHECK(define(seen, x, true) == define(laid, rows, false));
}

}  // namespace

TEST_CASE("a convolution is the linear layer over its windows, bit for bit, int8 and float") {
  for (const PixelCase& c : kCases) {
    INFO(c.h << " x " << c.w << " x " << c.channels << ", kernel " << c.kh << " x " << c.kw);
    check_int8(c);
    check_float(c);
  }
}

TEST_CASE("windows over pixels that do not fit the input, the rows or any bound are refused") {
  const auto verify = [](void (*spoil)(fb::LinearOptionsT&)) {
    const PixelCase& c = kCases[0];
    OneOp op;
    const int32_t x = op.floats({c.batch, c.h, c.w, c.channels});
    const int32_t w = op.add(DataType::f32, {32 * c.taps() * c.channels});
    op.make_constant(w);
    fb::LinearOptionsT o = options_of(c, false);
    o.pixels = window_of(c);
    spoil(o);
    op.define(std::move(o), {x, w}, {op.floats({c.rows(), c.outputs})});
    return op.verify();
  };
  CHECK(verify([](fb::LinearOptionsT&) {}) == Status::ok);
  CHECK(verify([](fb::LinearOptionsT& o) { o.window = 8; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.hop = 2; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->in_h = 10; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->out_w = 0; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->out_h = 8; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->stride_h = 0; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->pad_top = UINT32_MAX; }) == Status::bad_model);
  CHECK(verify([](fb::LinearOptionsT& o) { o.pixels->in_w = o.pixels->in_h = UINT32_MAX; }) ==
        Status::bad_model);
}

TEST_CASE("a depthwise convolution with its epilogue is what double arithmetic says") {
  for (PixelCase c : kCases) {
    c.outputs = c.channels;
    INFO(c.h << " x " << c.w << " x " << c.channels << ", kernel " << c.kh << " x " << c.kw);
    SeededRandom random(8);
    OneOp op;
    const size_t channels = static_cast<size_t>(c.channels);
    std::vector<float> image(static_cast<size_t>(c.batch * c.h * c.w) * channels);
    std::vector<float> w(static_cast<size_t>(c.taps()) * channels), bias(channels);
    random.fill(image);
    random.fill(w);
    random.fill(bias);
    const int32_t x = op.floats({c.batch, c.h, c.w, c.channels});
    op.set(x, image);
    const int32_t weights = op.constant(DataType::f32, {c.kh, c.kw, c.channels}, w);
    const int32_t biases = op.constant(DataType::f32, {c.channels}, bias);
    const int32_t y = op.floats({c.rows(), c.channels});
    const int32_t q = op.add(DataType::q8_rows, {c.rows(), c.channels});
    fb::DepthwiseOptionsT o;
    o.window = window_of(c);
    o.epilogue = std::make_unique<fb::EpilogueT>();
    o.epilogue->activation = fb::Activation::relu;
    op.define(std::move(o), {x, weights, biases}, {y, -1, q});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y, q});
    const std::vector<float> got = op.get<float>(y);
    for (int32_t m = 0; m < c.rows(); ++m)
      for (size_t k = 0; k < channels; ++k) {
        double sum = static_cast<double>(bias[k]);
        for (int32_t t = 0; t < c.taps(); ++t)
          if (const float* from = tap_of(c, image.data(), channels, m, t))
            sum += static_cast<double>(from[k]) *
                   static_cast<double>(w[static_cast<size_t>(t) * channels + k]);
        REQUIRE(std::abs(static_cast<double>(got[static_cast<size_t>(m) * channels + k]) -
                         std::max(sum, 0.0)) < 1e-4);
      }
  }
}
