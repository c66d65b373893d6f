#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

struct ConvCase {
  int32_t batch, h, w, in, out, groups, kh, kw, stride, dilation, pad;
  bool bias, relu;
};

int32_t out_size(int32_t in, int32_t kernel, int32_t stride, int32_t dilation, int32_t pad) {
  return (in + 2 * pad - ((kernel - 1) * dilation + 1)) / stride + 1;
}

struct ConvOp {
  OneOp op;
  ConvCase c;
  int32_t x, w, b = -1, y, oh, ow;

  explicit ConvOp(const ConvCase& given) : c(given) {
    SeededRandom random(3);
    oh = out_size(c.h, c.kh, c.stride, c.dilation, c.pad);
    ow = out_size(c.w, c.kw, c.stride, c.dilation, c.pad);
    std::vector<float> weights(static_cast<size_t>(c.out * c.kh * c.kw * c.in / c.groups));
    std::vector<float> image(static_cast<size_t>(c.batch * c.h * c.w * c.in));
    std::vector<float> bias(static_cast<size_t>(c.out));
    random.fill(weights);
    random.fill(image);
    random.fill(bias);
    op.tail = 64;
    x = op.floats({c.batch, c.h, c.w, c.in});
    op.set(x, image);
    w = op.constant(DataType::f32, {c.out, c.kh, c.kw, c.in / c.groups}, weights);
    if (c.bias) b = op.constant(DataType::f32, {c.out}, bias);
    op.tail = 0;
    y = op.floats({c.batch, oh, ow, c.out});
    fb::ConvOptionsT o;
    o.stride_h = o.stride_w = static_cast<uint32_t>(c.stride);
    o.dilation_h = o.dilation_w = static_cast<uint32_t>(c.dilation);
    o.pad_top = o.pad_left = o.pad_bottom = o.pad_right = static_cast<uint32_t>(c.pad);
    o.groups = static_cast<uint32_t>(c.groups);
    o.activation = c.relu ? fb::Activation::relu : fb::Activation::none;
    op.define(o, {x, w, b}, {y});
  }

  double expected(int32_t n, int32_t row, int32_t column, int32_t channel) {
    const int32_t group_in = c.in / c.groups, group = channel / (c.out / c.groups);
    double sum = c.bias ? static_cast<double>(op.at(b).as<const float>()[channel]) : 0.0;
    for (int32_t i = 0; i < c.kh; ++i) {
      for (int32_t j = 0; j < c.kw; ++j) {
        const int32_t at_h = row * c.stride - c.pad + i * c.dilation;
        const int32_t at_w = column * c.stride - c.pad + j * c.dilation;
        if (at_h < 0 || at_h >= c.h || at_w < 0 || at_w >= c.w) continue;
        for (int32_t k = 0; k < group_in; ++k) {
          const int32_t from = ((n * c.h + at_h) * c.w + at_w) * c.in + group * group_in + k;
          const int32_t by = ((channel * c.kh + i) * c.kw + j) * group_in + k;
          sum += static_cast<double>(op.at(x).as<const float>()[from]) *
                 static_cast<double>(op.at(w).as<const float>()[by]);
        }
      }
    }
    return c.relu ? std::max(sum, 0.0) : sum;
  }
};

}  // namespace

TEST_CASE("convolutions: plain, strided, dilated, grouped, depthwise and pointwise") {
  const ConvCase cases[] = {{1, 9, 11, 3, 20, 1, 3, 3, 2, 1, 1, true, true},
                            {2, 8, 8, 16, 17, 1, 1, 1, 1, 1, 0, true, false},
                            {1, 12, 10, 8, 8, 2, 3, 2, 1, 2, 2, false, false},
                            {2, 10, 9, 37, 37, 37, 3, 3, 1, 1, 1, true, false},
                            {1, 20, 20, 5, 5, 5, 7, 7, 2, 1, 3, false, true},
                            {1, 1, 100, 6, 12, 1, 1, 5, 3, 1, 0, true, false},
                            {1, 6, 6, 4, 4, 4, 1, 1, 1, 1, 0, true, false},
                            {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, false, false}};
  for (const ConvCase& c : cases) {
    INFO(c.h << "x" << c.w << "x" << c.in << " to " << c.out << ", kernel " << c.kh << "x" << c.kw
             << ", groups " << c.groups);
    ConvOp conv(c);
    REQUIRE(conv.op.verify() == Status::ok);
    for (const int32_t threads : {1, 2}) {
      REQUIRE(conv.op.run(detect_isa(), threads) == "");
      const auto got = conv.op.get<float>(conv.y);
      size_t i = 0;
      double worst = 0;
      for (int32_t n = 0; n < c.batch; ++n)
        for (int32_t row = 0; row < conv.oh; ++row)
          for (int32_t column = 0; column < conv.ow; ++column)
            for (int32_t k = 0; k < c.out; ++k)
              worst = std::max(worst, std::fabs(static_cast<double>(got[i++]) -
                                                conv.expected(n, row, column, k)));
      CHECK(worst < 1e-4);
    }
  }
}

TEST_CASE("a convolution that does not fit its tensors is refused") {
  const auto refused = [](auto change) {
    ConvOp conv({1, 9, 11, 4, 20, 2, 3, 3, 2, 1, 1, true, true});
    REQUIRE(conv.op.verify() == Status::ok);
    change(conv.op, *conv.op.op.options.AsConvOptions());
    return conv.op.verify() == Status::bad_model;
  };
  using O = fb::ConvOptionsT;
  CHECK(refused([](OneOp&, O& o) { o.stride_h = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.stride_w = 1; }));
  CHECK(refused([](OneOp&, O& o) { o.dilation_w = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.dilation_h = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.pad_top = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.pad_left = 4; }));
  CHECK(refused([](OneOp&, O& o) { o.groups = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.groups = 3; }));
  CHECK(refused([](OneOp&, O& o) { o.groups = 1; }));
  CHECK(refused([](OneOp&, O& o) { o.activation = fb::Activation::silu; }));
  CHECK(refused([](OneOp& op, O&) { op.at(0).shape.dims[3] = 5; }));
  CHECK(refused([](OneOp& op, O&) { op.at(0).shape.rank = 3; }));
  CHECK(refused([](OneOp& op, O&) { op.make_constant(0); }));
  CHECK(refused([](OneOp& op, O&) { op.at(2).shape.dims[0] = 19; }));
  CHECK(refused([](OneOp& op, O&) { op.at(3).shape.dims[1] += 1; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[1] = op.op.inputs[0]; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs.resize(1); }));
}

TEST_CASE("pools take the maximum or the mean of what their windows see") {
  for (const bool average : {false, true}) {
    for (const bool count_padding : {false, true}) {
      OneOp op;
      const int32_t h = 7, w = 9, channels = 19, batch = 2, oh = 4, ow = 9;
      const int32_t x = op.floats({batch, h, w, channels});
      const int32_t y = op.floats({batch, oh, ow, channels});
      std::vector<float> image(static_cast<size_t>(batch * h * w * channels));
      SeededRandom random(5);
      random.fill(image);
      op.set(x, image);
      fb::PoolOptionsT o;
      o.kind = average ? fb::PoolKind::average : fb::PoolKind::max;
      o.window_h = o.window_w = 3;
      o.stride_h = 2;
      o.pad_top = o.pad_bottom = o.pad_left = o.pad_right = 1;
      o.count_padding = count_padding;
      op.define(o, {x}, {y});
      REQUIRE(op.verify() == Status::ok);
      check_same_bits(op, {y});
      const auto got = op.get<float>(y);
      for (int32_t i = 0; i < batch * oh * ow * channels; ++i) {
        const int32_t c = i % channels, column = i / channels % ow;
        const int32_t row = i / channels / ow % oh, n = i / channels / ow / oh;
        double sum = 0, most = -10, count = 0;
        for (int32_t a = row * 2 - 1; a < row * 2 + 2; ++a) {
          for (int32_t b = column - 1; b < column + 2; ++b) {
            if (a < 0 || a >= h || b < 0 || b >= w) continue;
            const auto value = static_cast<double>(
                image[static_cast<size_t>(((n * h + a) * w + b) * channels + c)]);
            sum += value;
            most = std::max(most, value);
            count += 1;
          }
        }
        const double want = average ? sum / (count_padding ? 9 : count) : most;
        REQUIRE(std::fabs(static_cast<double>(got[static_cast<size_t>(i)]) - want) < 1e-6);
      }
      o.pad_left = 3;
      op.define(o, {x}, {y});
      CHECK(op.verify() == Status::bad_model);
      o.pad_left = 1;
      o.stride_w = 0;
      op.define(o, {x}, {y});
      CHECK(op.verify() == Status::bad_model);
      o.stride_w = 1;
      o.window_h = 0xffffffff;
      op.define(o, {x}, {y});
      CHECK(op.verify() == Status::bad_model);
    }
  }
}
