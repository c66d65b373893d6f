#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <memory>
#include <string>

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

/// Rows of x, permuted, by one op; or by a transpose that writes them and an op that reads those.
struct PermutedCase {
  Sizes sizes;
  std::vector<uint32_t> permutation;
  int32_t row_dims;  // how many of the permuted dimensions are a row

  Sizes permuted() const {
    Sizes to;
    for (const uint32_t d : permutation) to.push_back(sizes[d]);
    return to;
  }
  int32_t width() const {
    int32_t n = 1;
    const Sizes to = permuted();
    for (size_t d = to.size() - static_cast<size_t>(row_dims); d < to.size(); ++d) n *= to[d];
    return n;
  }
  int32_t rows() const {
    int32_t n = 1;
    for (const int32_t size : sizes) n *= size;
    return n / width();
  }
};

/// Which stages are stored, and what is computed before.
struct RowsStages {
  bool r, n, q, adds;
};

/// The op's outputs, as bits; every number of threads must give the same.
std::vector<std::vector<std::byte>> rows_bits(const PermutedCase& c, const RowsStages& stages,
                                              bool permutes, const std::vector<float>& x) {
  OneOp op;
  SeededRandom random(11);
  const int32_t rows = c.rows(), width = c.width();
  const int32_t in = op.floats(permutes ? c.sizes : Sizes{rows, width});
  op.set(in, x);
  fb::RowsOptionsT options;
  options.rows = static_cast<uint32_t>(rows);
  if (permutes) options.permutation = c.permutation;
  options.epilogue = std::make_unique<fb::EpilogueT>();
  if (stages.adds) {
    options.epilogue->activation = fb::Activation::silu;
    options.epilogue->residual = op.floats({rows, width});
    op.set(options.epilogue->residual, random_floats(random, static_cast<size_t>(rows * width)));
  }
  if (stages.n) {
    options.epilogue->norm = fb::Norm::rms;
    options.epilogue->gamma =
        op.constant(DataType::f32, {width}, random_floats(random, static_cast<size_t>(width)));
  }
  const std::vector<int32_t> outputs = {
      stages.r ? op.floats({rows, width}) : -1, stages.n ? op.floats({rows, width}) : -1,
      stages.q ? op.add(DataType::q8_rows, {rows, width}, 16, 1) : -1};
  op.define(std::move(options), {in}, outputs);
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, outputs);
  std::vector<std::vector<std::byte>> bits;
  for (const int32_t threads : {1, 2, 3, 4}) {
    REQUIRE(op.run(detect_isa(), threads) == "");
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto now = outputs[i] < 0 ? std::vector<std::byte>{} : op.bytes(outputs[i]);
      if (bits.size() <= i) bits.push_back(now);
      REQUIRE(now == bits[i]);
    }
  }
  return bits;
}

std::vector<float> transposed(const PermutedCase& c, const std::vector<float>& x) {
  OneOp op;
  const int32_t in = op.floats(c.sizes), out = op.floats(c.permuted());
  op.set(in, x);
  fb::TransposeOptionsT options;
  options.permutation = c.permutation;
  op.define(options, {in}, {out});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 1) == "");
  return op.get<float>(out);
}

}  // namespace

TEST_CASE("rows of a permuted tensor are, bit for bit, those that a transpose would write") {
  const PermutedCase cases[] = {
      {{1, 3, 5, 8, 7, 16}, {0, 2, 4, 1, 3, 5}, 3},  // patches of a picture
      {{2, 1, 9, 3, 11, 5}, {0, 2, 4, 1, 3, 5}, 3},  // odd ones of two grey pictures
      {{1, 6, 3, 4, 2, 30, 1},
       {0, 1, 3, 2, 4, 5, 6},
       2},                        // windows: rows as wide as x's last but one
      {{37, 23}, {1, 0}, 1},      // a true transpose
      {{5, 7, 9}, {2, 0, 1}, 2},  // runs of one, rows of two dimensions
      {{3, 2, 2, 3, 2, 2, 3, 4}, {7, 0, 5, 2, 6, 3, 1, 4}, 5},  // all the dimensions there may be
      {{40, 1, 3, 700}, {2, 1, 0, 3}, 2},                       // rows wider than a panel
      {{4, 6}, {0, 1}, 2},                                      // all of it is one row
  };
  const RowsStages stages[] = {{false, false, true, false}, {true, false, true, false},
                               {true, true, true, true},    {false, true, false, false},
                               {false, true, true, true},   {true, false, false, true}};
  SeededRandom random(4);
  for (const PermutedCase& c : cases) {
    INFO(c.rows() << " rows of " << c.width());
    const auto x = random_floats(random, static_cast<size_t>(c.rows() * c.width()));
    const auto rows = transposed(c, x);
    for (const RowsStages& s : stages)
      REQUIRE(rows_bits(c, s, true, x) == rows_bits(c, s, false, rows));
  }
}

TEST_CASE("permuted rows that are none, or that other engines would take for others, are refused") {
  using O = fb::RowsOptionsT;
  const auto what = [](auto change) {
    OneOp op;
    O options;
    options.rows = 12;
    options.permutation = {1, 2, 0, 3};
    const int32_t in = op.floats({5, 3, 4, 6}), r = op.floats({12, 30});
    op.define(std::move(options), {in}, {r});
    REQUIRE(op.verify() == Status::ok);
    change(op, *op.op.options.AsRowsOptions());
    const Status status = op.verify();
    CHECK(status == Status::bad_model);
    return std::string(op.diagnostic.what);
  };
  CHECK(what([](OneOp&, O& o) {
          o.permutation = {1, 2, 0};
        }) == "a permutation has the wrong length");
  CHECK(what([](OneOp&, O& o) {
          o.permutation = {1, 2, 0, 3, 4};
        }) == "a permutation has the wrong length");
  CHECK(what([](OneOp&, O& o) { o.permutation = {1, 2, 0, 0}; }) == "not a permutation");
  CHECK(what([](OneOp&, O& o) { o.permutation = {1, 2, 0, 4}; }) == "not a permutation");
  CHECK(what([](OneOp&, O& o) { o.permutation = {1, 2, 0, 0xffffffff}; }) == "not a permutation");
  CHECK(what([](OneOp&, O& o) {
          o.permutation = {0, 1, 2, 3};
        }) == "no permuted dimensions join to rows of the output");
  CHECK(what([](OneOp&, O& o) { o.row_width = 30; }) == "permuted rows cannot be cut");
  CHECK(what([](OneOp&, O& o) { o.hop = 30; }) == "permuted rows cannot be cut");
  // An engine that knows no permutation sees a file that is wrong, never other rows.
  CHECK(what([](OneOp&, O& o) { o.permutation.clear(); }) ==
        "rows differ in width from their output");
  const auto narrow = [](OneOp& op, O& o) {
    op.at(1).shape.dims[0] = 60;
    op.at(1).shape.dims[1] = 6;
    o.rows = 60;
  };
  CHECK(what(narrow) == "permuted rows must differ in width from those of x");
  CHECK(what([](OneOp& op, O&) { op.at(0).type = DataType::i32; }) ==
        "an operand has the wrong type");
  CHECK(what([](OneOp& op, O&) { op.at(0).shape.dims[1] = 4; }) ==
        "permuted rows are not all of their input");
  CHECK(what([](OneOp& op, O&) { op.at(0).shape.dims[1] = 0; }) ==
        "permuted rows are not all of their input");
  CHECK(what([](OneOp& op, O&) { op.at(0).shape.dims[3] = 0; }) ==
        "no permuted dimensions join to rows of the output");
  CHECK(what([](OneOp& op, O& o) {
          op.at(1).shape.dims[0] = 6;
          o.rows = 6;
        }) == "permuted rows are not all of their input");
}

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
