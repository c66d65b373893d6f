#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <memory>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

std::vector<float> random_floats(SeededRandom& random, size_t count) {
  std::vector<float> values(count);
  random.fill(values, -2.0f, 2.0f);
  return values;
}

/// What the int8 rows of a tensor without halo stand for.
std::vector<float> dequantized(OneOp& op, int32_t q) {
  const Q8Layout layout = op.at(q).q8();
  const auto* values = op.at(q).as<const int8_t>();
  const auto* scales =
      reinterpret_cast<const float*>(op.at(q).as<const std::byte>() + layout.scale_offset);
  std::vector<float> out;
  for (int32_t m = 0; m < layout.rows; ++m) {
    for (int32_t i = 0; i < layout.width; ++i) {
      out.push_back(scales[m * layout.groups + i / layout.group] *
                    static_cast<float>(values[static_cast<size_t>(m) * layout.step + i]));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("rows are quantised where they lie, with and without anything before it") {
  SeededRandom random(1);
  for (const bool adds : {false, true}) {
    OneOp op;
    const int32_t rows = 70, width = 45;
    const auto x = random_floats(random, rows * width);
    const auto residual = random_floats(random, 7 * width);
    const int32_t in = op.floats({rows, width}), q = op.add(DataType::q8_rows, {rows, width});
    op.set(in, x);
    fb::RowsOptionsT options;
    options.rows = rows;
    options.epilogue = std::make_unique<fb::EpilogueT>();
    if (adds) {
      options.epilogue->residual = op.floats({7, width});
      op.set(options.epilogue->residual, residual);
    }
    op.define(std::move(options), {in}, {-1, -1, q});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {q});
    const auto got = dequantized(op, q);
    for (size_t i = 0; i < got.size(); ++i) {
      const size_t m = i / width, column = i % width;
      const float want = x[i] + (adds ? residual[m % 7 * width + column] : 0.0f);
      REQUIRE(std::fabs(got[i] - want) <= 4.0f / 254 + 1e-6f);
    }
  }
}

TEST_CASE("rows can be cut out of a flat signal, overlapping, and be normalised") {
  SeededRandom random(2);
  OneOp op;
  const int32_t rows = 14, width = 40, hop = 16, samples = (rows - 1) * hop + width;
  const auto x = random_floats(random, static_cast<size_t>(samples));
  const int32_t in = op.floats({1, samples}), r = op.floats({rows, width});
  const int32_t n = op.floats({rows, width});
  op.set(in, x);
  fb::RowsOptionsT options;
  options.rows = rows;
  options.row_width = width;
  options.hop = hop;
  options.epilogue = std::make_unique<fb::EpilogueT>();
  options.epilogue->norm = fb::Norm::rms;
  options.epilogue->gamma = op.constant(DataType::f32, {width}, std::vector<float>(width, 2.0f));
  op.define(std::move(options), {in}, {r, n});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {r, n});
  const auto core = op.get<float>(r), normed = op.get<float>(n);
  for (int32_t m = 0; m < rows; ++m) {
    double squares = 0;
    for (int32_t i = 0; i < width; ++i) {
      const float want = x[static_cast<size_t>(m * hop + i)];
      REQUIRE(core[static_cast<size_t>(m * width + i)] == want);
      squares += static_cast<double>(want) * static_cast<double>(want);
    }
    const double rms = std::sqrt(squares / width + 1e-5);
    for (int32_t i = 0; i < width; ++i) {
      const double want = 2.0 * static_cast<double>(x[static_cast<size_t>(m * hop + i)]) / rms;
      REQUIRE(std::fabs(static_cast<double>(normed[static_cast<size_t>(m * width + i)]) - want) <
              1e-4);
    }
  }
}

TEST_CASE("rows that end beyond their input are refused") {
  const auto refused = [](auto change) {
    OneOp op;
    fb::RowsOptionsT options;
    options.rows = 5;
    options.row_width = 20;
    options.hop = 4;
    const int32_t in = op.floats({36}), r = op.floats({5, 20});
    op.define(std::move(options), {in}, {r});
    REQUIRE(op.verify() == Status::ok);
    change(op, *op.op.options.AsRowsOptions());
    return op.verify() == Status::bad_model;
  };
  CHECK(refused([](OneOp&, fb::RowsOptionsT& o) { o.hop = 5; }));
  CHECK(refused([](OneOp&, fb::RowsOptionsT& o) { o.hop = 0; }));
  CHECK(refused([](OneOp&, fb::RowsOptionsT& o) { o.hop = 0xffffffff; }));
  CHECK(refused([](OneOp&, fb::RowsOptionsT& o) { o.row_width = 21; }));
  CHECK(refused([](OneOp&, fb::RowsOptionsT& o) { o.rows = 6; }));
  CHECK(refused([](OneOp& op, fb::RowsOptionsT&) { op.at(0).type = DataType::i32; }));
  CHECK(refused([](OneOp& op, fb::RowsOptionsT&) { op.at(0).shape.dims[0] = 35; }));
  CHECK(refused([](OneOp& op, fb::RowsOptionsT&) { op.op.outputs = {-1, 1}; }));
}

TEST_CASE("an embedding looks rows up, adds positions and notes an id outside of the table") {
  SeededRandom random(3);
  const int32_t vocabulary = 50, width = 24, rows = 33;
  const auto table = random_floats(random, vocabulary * width);
  const auto positions = random_floats(random, rows * width);
  std::vector<int64_t> ids(rows);
  for (int64_t& id : ids) id = random.integer(0, vocabulary - 1);
  OneOp op;
  const int32_t t = op.constant(DataType::f32, {vocabulary, width}, table);
  const int32_t i = op.add(DataType::i64, {1, rows}), r = op.floats({rows, width});
  op.set(i, ids);
  fb::EmbeddingOptionsT options;
  options.epilogue = std::make_unique<fb::EpilogueT>();
  options.epilogue->residual = op.constant(DataType::f32, {rows, width}, positions);
  op.define(std::move(options), {t, i}, {r});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {r});
  const auto got = op.get<float>(r);
  for (int32_t m = 0; m < rows; ++m) {
    for (int32_t c = 0; c < width; ++c) {
      const auto at = static_cast<size_t>(m * width + c);
      const auto from = static_cast<size_t>(ids[static_cast<size_t>(m)] * width + c);
      REQUIRE(got[at] == table[from] + positions[at]);
    }
  }
  for (const int64_t bad : {int64_t{-1}, int64_t{vocabulary}, INT64_MIN, INT64_MAX}) {
    ids[20] = bad;
    op.set(i, ids);
    CHECK(op.run(IsaSet{}, 2) == "an id lies outside of its table");
  }
  ids[20] = -vocabulary;
  op.set(i, ids);
  op.op.options.AsEmbeddingOptions()->wrap = true;
  CHECK(op.run(IsaSet{}, 1) == "");
  CHECK(op.get<float>(r)[20 * width] == table[0] + positions[20 * width]);
  op.at(t).shape.dims[1] = width - 1;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("an embedding of int8 rows scales each row by its own") {
  OneOp op;
  const int32_t t = op.constant<int8_t>(DataType::i8, {2, 3}, {1, -2, 3, 100, 127, -127});
  const int32_t i = op.add(DataType::i32, {2}), r = op.floats({2, 3});
  op.set<int32_t>(i, {1, 0});
  const int32_t scale = op.constant<float>(DataType::f32, {2}, {0.5f, 0.25f});
  op.define(fb::EmbeddingOptionsT{}, {t, i, scale}, {r});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {r});
  CHECK(op.get<float>(r) == std::vector<float>{25.0f, 31.75f, -31.75f, 0.5f, -1.0f, 1.5f});
  op.op.inputs[2] = -1;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("an embedding reads the packed weights of a linear layer as the rows that they were") {
  SeededRandom random(5);
  const int32_t rows = 21, held = 32, width = 10, quads = 4;  // rows of 10 in 16
  std::vector<int8_t> table(static_cast<size_t>(rows * width));
  for (int8_t& q : table) q = static_cast<int8_t>(random.integer(-127, 127));
  std::vector<int8_t> packed(static_cast<size_t>(held * quads * 4), 0);
  for (int32_t n = 0; n < rows; ++n)
    for (int32_t k = 0; k < width; ++k)
      packed[static_cast<size_t>(((n / 16 * quads + k / 4) * 16 + n % 16) * 4 + k % 4)] =
          table[static_cast<size_t>(n * width + k)];
  std::vector<float> scale(held, 0.0f);
  for (int32_t n = 0; n < rows; ++n) scale[static_cast<size_t>(n)] = random.uniform(0.01f, 0.1f);
  OneOp op;
  const int32_t t = op.constant<int8_t>(DataType::i8, {held / 16, quads, 16, 4}, packed);
  const int32_t i = op.add(DataType::i64, {5}), r = op.floats({5, width});
  std::vector<int64_t> ids = {0, 15, 16, 20, 7};
  op.set(i, ids);
  fb::EmbeddingOptionsT options;
  options.packed_rows = rows;
  op.define(std::move(options), {t, i, op.constant(DataType::f32, {held}, scale)}, {r});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {r});
  const auto got = op.get<float>(r);
  for (size_t m = 0; m < ids.size(); ++m)
    for (int32_t k = 0; k < width; ++k)
      REQUIRE(got[m * width + static_cast<size_t>(k)] ==
              static_cast<float>(table[static_cast<size_t>(ids[m] * width + k)]) *
                  scale[static_cast<size_t>(ids[m])]);
  ids[2] = rows;  // there are weights of zero, but no row
  op.set(i, ids);
  CHECK(op.run(IsaSet{}, 1) == "an id lies outside of its table");
  op.op.options.AsEmbeddingOptions()->packed_rows = held + 1;
  CHECK(op.verify() == Status::bad_model);
  op.op.options.AsEmbeddingOptions()->packed_rows = rows;
  op.at(t).shape.dims[1] = 2;
  CHECK(op.verify() == Status::bad_model);
}
