#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <memory>

#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

/// A linear layer over int8 rows, with what a plain computation needs to know about it.
struct Int8Case {
  int32_t rows = 1, width = 16, k = 16, window = 1, hop = 1, halo = 0;
  uint32_t group = 0;
  bool bias = true, norm = false, residual = false;
  bool store_r = true, store_n = false, store_q = false;
  fb::Activation activation = fb::Activation::none;
};

struct Int8Layer {
  OneOp op;
  Int8Case c;
  int32_t x = -1, r = -1, n = -1, q = -1;
  std::vector<float> expected;  // r as double arithmetic has it

  explicit Int8Layer(const Int8Case& given) : c(given) {
    SeededRandom random(17);
    // As many frames as the last row needs, the halo counted.
    const int32_t frames = (c.rows - 1) * c.hop + c.window - 2 * c.halo;
    x = op.add(DataType::q8_rows, {frames, c.k}, c.group, static_cast<uint32_t>(c.halo));
    const Q8Layout layout = op.at(x).q8();
    auto* values = op.at(x).as<int8_t>();
    auto* scales = reinterpret_cast<float*>(op.at(x).as<std::byte>() + layout.scale_offset);
    for (int32_t f = c.halo; f < c.halo + frames; ++f) {
      for (int32_t i = 0; i < c.k; ++i) {
        values[static_cast<size_t>(f) * layout.step + static_cast<size_t>(i)] =
            static_cast<int8_t>(random.integer(-127, 127));
      }
      for (int32_t g = 0; g < layout.groups; ++g) {
        scales[f * layout.groups + g] = random.uniform(0.001f, 0.02f);
      }
    }
    const int32_t step = static_cast<int32_t>(layout.step), padded = c.window * step;
    const int32_t groups = c.window * layout.groups, blocked = (c.width + 15) / 16 * 16;
    std::vector<int8_t> w(static_cast<size_t>(c.width * padded));
    for (int32_t i = 0; i < c.width * padded; ++i) {
      const bool in_row = i % step < c.k;
      w[static_cast<size_t>(i)] = static_cast<int8_t>(in_row ? random.integer(-127, 127) : 0);
    }
    std::vector<int8_t> packed(linear_packed_bytes(c.width, padded));
    std::vector<int32_t> sums(static_cast<size_t>(groups * blocked));
    pack_linear(w.data(), c.width, groups, padded / groups, packed.data(), sums.data());
    std::vector<float> scale(static_cast<size_t>(blocked)), bias(static_cast<size_t>(blocked));
    for (int32_t i = 0; i < c.width; ++i) {
      scale[static_cast<size_t>(i)] = random.uniform(0.001f, 0.02f);
      bias[static_cast<size_t>(i)] = c.bias ? random.normal() : 0.0f;
    }
    const int32_t packed_size = static_cast<int32_t>(packed.size());
    std::vector<int32_t> inputs = {x, op.constant(DataType::i8, {packed_size}, packed),
                                   op.constant(DataType::f32, {blocked}, scale),
                                   op.constant(DataType::i32, {groups * blocked}, sums)};
    if (c.bias) inputs.push_back(op.constant(DataType::f32, {blocked}, bias));
    compute_expected(w, scale, bias, layout, random);
    fb::LinearOptionsT options;
    options.rows = static_cast<uint32_t>(c.rows);
    options.window = static_cast<uint32_t>(c.window);
    options.hop = static_cast<uint32_t>(c.hop);
    options.epilogue = epilogue(random);
    if (c.store_r) r = op.floats({c.rows, c.width});
    if (c.store_n) n = op.floats({c.rows, c.width});
    if (c.store_q) q = op.add(DataType::q8_rows, {c.rows, c.width}, c.group, 2);
    op.define(std::move(options), inputs, {r, n, q});
  }

  std::vector<float> residual_values;

  std::unique_ptr<fb::EpilogueT> epilogue(SeededRandom& random) {
    auto e = std::make_unique<fb::EpilogueT>();
    e->activation = c.activation;
    if (c.residual) {
      e->residual = op.floats({c.rows, c.width});
      op.set(e->residual, residual_values);
    }
    if (c.norm) {
      std::vector<float> gamma(static_cast<size_t>(c.width)), beta(gamma);
      random.fill(gamma, 0.5f, 1.5f);
      random.fill(beta);
      e->norm = fb::Norm::layer;
      e->gamma = op.constant(DataType::f32, {c.width}, gamma);
      e->beta = op.constant(DataType::f32, {c.width}, beta);
    }
    return e;
  }

  void compute_expected(const std::vector<int8_t>& w, const std::vector<float>& scale,
                        const std::vector<float>& bias, const Q8Layout& q8, SeededRandom& random) {
    const auto* values = op.at(x).as<const int8_t>();
    const auto* scales =
        reinterpret_cast<const float*>(op.at(x).as<const std::byte>() + q8.scale_offset);
    const int32_t step = static_cast<int32_t>(q8.step), padded = c.window * step;
    for (int32_t m = 0; m < c.rows; ++m) {
      for (int32_t o = 0; o < c.width; ++o) {
        double sum = bias[static_cast<size_t>(o)];
        for (int32_t i = 0; i < padded; ++i) {
          const int32_t frame = m * c.hop + i / step;
          const double xs = scales[frame * q8.groups + i % step / q8.group];
          sum += xs * static_cast<double>(scale[static_cast<size_t>(o)]) *
                 values[m * c.hop * step + i] * w[static_cast<size_t>(o * padded + i)];
        }
        if (c.activation == fb::Activation::relu) sum = std::max(sum, 0.0);
        if (c.residual) {
          residual_values.push_back(random.normal());
          sum += static_cast<double>(residual_values.back());
        }
        expected.push_back(static_cast<float>(sum));
      }
    }
  }

  void check_r() {
    const std::vector<float> got = op.get<float>(r);
    for (size_t i = 0; i < got.size(); ++i) {
      INFO("element " << i);
      REQUIRE(std::fabs(got[i] - expected[i]) <= 1e-4f * (1.0f + std::fabs(expected[i])));
    }
  }

  /// The int8 rows say the same as the floats they were made from, and their halo is zero.
  void check_q(const std::vector<float>& from) {
    const Q8Layout layout = op.at(q).q8();
    const auto* values = op.at(q).as<const int8_t>();
    const auto* scales =
        reinterpret_cast<const float*>(op.at(q).as<const std::byte>() + layout.scale_offset);
    for (int32_t m = 0; m < c.rows + 2 * layout.halo; ++m) {
      const bool in_halo = m < layout.halo || m >= c.rows + layout.halo;
      for (int32_t i = 0; i < static_cast<int32_t>(layout.step); ++i) {
        const int8_t value = values[static_cast<size_t>(m) * layout.step + static_cast<size_t>(i)];
        const float s = scales[m * layout.groups + i / layout.group];
        if (in_halo || i >= c.width) {
          REQUIRE(value == 0);
          continue;
        }
        const float x_value = from[static_cast<size_t>((m - layout.halo) * c.width + i)];
        REQUIRE(std::fabs(s * static_cast<float>(value) - x_value) <= 0.501f * s);
      }
      if (in_halo) REQUIRE(scales[m * layout.groups] == 0.0f);
    }
  }
};

}  // namespace

TEST_CASE("an int8 linear layer computes w x + b on any sizes, panels and instruction sets") {
  for (const auto& [rows, width, k] : {std::tuple{1, 16, 16},
                                       {1, 200, 70},
                                       {5, 33, 48},
                                       {50, 17, 31},
                                       {130, 96, 64},
                                       {13, 700, 32}}) {
    INFO(rows << " rows, " << width << " outputs, " << k << " inputs");
    Int8Layer layer({.rows = rows, .width = width, .k = k});
    REQUIRE(layer.op.verify() == Status::ok);
    check_same_bits(layer.op, {layer.r});
    layer.check_r();
  }
}

TEST_CASE("a linear layer without a bias adds nothing") {
  Int8Layer layer({.rows = 3, .width = 40, .k = 20, .bias = false});
  REQUIRE(layer.op.verify() == Status::ok);
  check_same_bits(layer.op, {layer.r});
  layer.check_r();
}

TEST_CASE("a linear layer over windows of frames is a convolution, its halo counting as zeros") {
  for (const uint32_t group : {0u, 16u, 32u}) {
    INFO("group " << group);
    Int8Layer layer(
        {.rows = 20, .width = 24, .k = 64, .window = 3, .hop = 2, .halo = 1, .group = group});
    REQUIRE(layer.op.verify() == Status::ok);
    check_same_bits(layer.op, {layer.r});
    layer.check_r();
  }
}

TEST_CASE("an epilogue activates, adds, normalises and quantises rows in one go") {
  for (const bool store_r : {false, true}) {
    for (const uint32_t group : {0u, 32u}) {
      INFO("store r " << store_r << ", group " << group);
      Int8Layer layer({.rows = 61,
                       .width = 72,
                       .k = 32,
                       .group = group == 0 ? 0u : 16u,
                       .norm = true,
                       .residual = true,
                       .store_r = store_r,
                       .store_n = true,
                       .store_q = true,
                       .activation = fb::Activation::relu});
      if (layer.q >= 0) layer.op.at(layer.q).group = group == 0 ? 0 : 16;
      REQUIRE(layer.op.verify() == Status::ok);
      check_same_bits(layer.op, {layer.r, layer.n, layer.q});
      if (store_r) layer.check_r();
      const std::vector<float> normed = layer.op.get<float>(layer.n);
      double mean = 0;
      for (int32_t i = 0; i < 72; ++i) mean += static_cast<double>(layer.expected[i]) / 72;
      double variance = 0;
      for (int32_t i = 0; i < 72; ++i) {
        variance += std::pow(static_cast<double>(layer.expected[i]) - mean, 2) / 72;
      }
      const auto* gamma =
          layer.op.at(layer.op.op.options.AsLinearOptions()->epilogue->gamma).as<const float>();
      const auto* beta =
          layer.op.at(layer.op.op.options.AsLinearOptions()->epilogue->beta).as<const float>();
      for (size_t i = 0; i < 72; ++i) {
        const double want = (static_cast<double>(layer.expected[i]) - mean) /
                                std::sqrt(variance + 1e-5) * static_cast<double>(gamma[i]) +
                            static_cast<double>(beta[i]);
        REQUIRE(std::fabs(static_cast<double>(normed[i]) - want) < 1e-3);
      }
      layer.check_q(normed);
    }
  }
}

TEST_CASE("rows that are stored as int8 alone are computed in scratch, in panels or by columns") {
  for (const int32_t rows : {1, 7, 99}) {
    INFO(rows << " rows");
    Int8Layer stored({.rows = rows, .width = 640, .k = 512, .residual = true, .store_q = true});
    Int8Layer layer({.rows = rows,
                     .width = 640,
                     .k = 512,
                     .residual = true,
                     .store_r = false,
                     .store_q = true});
    REQUIRE(layer.op.verify() == Status::ok);
    check_same_bits(layer.op, {layer.q});
    REQUIRE(stored.op.run(IsaSet{}, 1) == "");
    stored.check_r();
    layer.check_q(stored.op.get<float>(stored.r));
    REQUIRE(stored.op.bytes(stored.q) == layer.op.bytes(layer.q));
  }
}

TEST_CASE("a float linear layer cuts overlapping frames out of a flat signal") {
  SeededRandom random(5);
  OneOp op;
  const int32_t rows = 30, k = 25, hop = 10, width = 21, blocked = 32;
  const int32_t samples = (rows - 1) * hop + k;
  const int32_t x = op.floats({samples});
  std::vector<float> signal(static_cast<size_t>(samples)), w(static_cast<size_t>(width * k));
  random.fill(signal);
  random.fill(w);
  op.set(x, signal);
  std::vector<float> packed(matmul_packed_floats(width, k));
  pack_matmul(w.data(), width, k, packed.data());
  const int32_t weights = op.constant(DataType::f32, {static_cast<int32_t>(packed.size())}, packed);
  const int32_t bias =
      op.constant(DataType::f32, {blocked}, std::vector<float>(static_cast<size_t>(blocked), 0.5f));
  const int32_t y = op.floats({rows, width});
  fb::LinearOptionsT options;
  options.layout = fb::WeightLayout::f32_n16;
  options.rows = rows;
  options.window = k;
  options.hop = hop;
  options.row_width = 1;
  op.define(std::move(options), {x, weights, -1, -1, bias}, {y});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {y});
  const std::vector<float> got = op.get<float>(y);
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t n = 0; n < width; ++n) {
      double sum = 0.5;
      for (int32_t i = 0; i < k; ++i) {
        sum += static_cast<double>(signal[static_cast<size_t>(m * hop + i)]) *
               static_cast<double>(w[static_cast<size_t>(n * k + i)]);
      }
      REQUIRE(std::fabs(static_cast<double>(got[static_cast<size_t>(m * width + n)]) - sum) < 1e-4);
    }
  }
}

TEST_CASE("a linear layer that lies about its sizes is refused") {
  const auto refused = [](auto change) {
    Int8Layer layer({.rows = 6,
                     .width = 40,
                     .k = 32,
                     .norm = true,
                     .residual = true,
                     .store_n = true,
                     .store_q = true});
    REQUIRE(layer.op.verify() == Status::ok);
    change(layer.op, *layer.op.op.options.AsLinearOptions());
    const Status status = layer.op.verify();
    INFO((layer.op.diagnostic.what ? layer.op.diagnostic.what : ""));
    return status == Status::bad_model;
  };
  using O = fb::LinearOptionsT;
  CHECK(refused([](OneOp&, O& o) { o.rows = 7; }));
  CHECK(refused([](OneOp&, O& o) { o.rows = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.rows = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.window = 2; }));
  CHECK(refused([](OneOp&, O& o) { o.window = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.window = 0x80000000; }));
  CHECK(refused([](OneOp&, O& o) { o.hop = 2; }));
  CHECK(refused([](OneOp&, O& o) { o.hop = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.row_width = 8; }));
  CHECK(refused([](OneOp&, O& o) { o.layout = fb::WeightLayout::f32_n16; }));
  CHECK(refused([](OneOp&, O& o) { o.layout = static_cast<fb::WeightLayout>(9); }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->activation = static_cast<fb::Activation>(99); }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->norm = static_cast<fb::Norm>(3); }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->norm = fb::Norm::none; }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->gamma = -1; }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->gamma = o.epilogue->residual; }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->norm_epsilon = -1; }));
  CHECK(refused([](OneOp&, O& o) { o.epilogue->norm_epsilon = NAN; }));
  CHECK(refused([](OneOp& op, O& o) { op.at(o.epilogue->residual).shape.dims[0] = 4; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[0] = -1; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[2] = -1; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs.push_back(0); }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs.clear(); }));
  CHECK(refused([](OneOp& op, O&) { op.op.outputs = {-1, -1, -1}; }));
  CHECK(refused([](OneOp& op, O&) { op.op.outputs.clear(); }));
  CHECK(refused([](OneOp& op, O&) { op.op.outputs.push_back(-1); }));
  CHECK(refused([](OneOp& op, O&) { std::swap(op.op.outputs[0], op.op.outputs[2]); }));
  CHECK(refused([](OneOp& op, O&) { std::swap(op.op.inputs[2], op.op.inputs[3]); }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[0]).group = 24; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[0]).type = DataType::f32; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[1]).shape.dims[0] -= 64; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.inputs[4]).shape.dims[0] = 40; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.outputs[0]).shape.dims[1] = 41; }));
  CHECK(refused([](OneOp& op, O&) { op.at(op.op.outputs[2]).halo = 0xffffffff; }));
}
