#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

std::vector<float> random_floats(uint64_t seed, int64_t count) {
  SeededRandom random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  random.fill(values, -3.0f, 3.0f);
  return values;
}

/// Where element `i` of the broadcast result comes from in an operand.
int64_t source(const Shape& out, const Shape& in, int64_t i) {
  int64_t at = 0, step = 1;
  for (int32_t d = out.rank - 1; d >= 0; --d) {
    const int64_t index = i % out.dims[d];
    i /= out.dims[d];
    const int32_t in_d = d - (out.rank - in.rank);
    if (in_d < 0) continue;
    if (in.dims[in_d] != 1) at += index * step;
    step *= in.dims[in_d];
  }
  return at;
}

struct BinaryCase {
  Sizes a, b, out;
};

}  // namespace

TEST_CASE("binary functions broadcast any two shapes that fit") {
  const BinaryCase cases[] = {{{}, {}, {}},
                              {{5}, {1}, {5}},
                              {{4, 1, 3}, {5, 1}, {4, 5, 3}},
                              {{2, 3, 4, 5}, {3, 1, 5}, {2, 3, 4, 5}},
                              {{1, 7, 1, 9}, {6, 1, 8, 1}, {6, 7, 8, 9}},
                              {{300, 200}, {200}, {300, 200}},
                              {{300, 1}, {300, 200}, {300, 200}}};
  for (const BinaryCase& c : cases) {
    OneOp op;
    const int32_t a = op.floats(c.a), b = op.floats(c.b), y = op.floats(c.out);
    op.set(a, random_floats(1, op.at(a).shape.elements()));
    op.set(b, random_floats(2, op.at(b).shape.elements()));
    fb::BinaryOptionsT options;
    options.kind = fb::BinaryKind::sub;
    op.define(std::move(options), {a, b}, {y});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    const auto got = op.get<float>(y), from_a = op.get<float>(a), from_b = op.get<float>(b);
    for (size_t i = 0; i < got.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const Shape& out = op.at(y).shape;
      REQUIRE(got[i] == from_a[static_cast<size_t>(source(out, op.at(a).shape, at))] -
                            from_b[static_cast<size_t>(source(out, op.at(b).shape, at))]);
    }
  }
}

TEST_CASE("binary functions know integers, comparisons and logic") {
  OneOp op;
  const int32_t a = op.add(DataType::i64, {4}), b = op.add(DataType::i64, {1});
  const int32_t y = op.add(DataType::i64, {4}), less = op.add(DataType::boolean, {4});
  op.set<int64_t>(a, {7, -7, INT64_MIN, 0});
  op.set<int64_t>(b, {2});
  fb::BinaryOptionsT options;
  options.kind = fb::BinaryKind::mul;
  op.define(options, {a, b}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 1) == "");
  CHECK(op.get<int64_t>(y) == std::vector<int64_t>{14, -14, 0, 0});
  CHECK(op.verify() == Status::ok);
  options.kind = fb::BinaryKind::less;
  op.define(options, {a, b}, {less});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 1) == "");
  CHECK(op.get<uint8_t>(less) == std::vector<uint8_t>{0, 1, 1, 1});
  options.kind = fb::BinaryKind::logical_xor;
  op.define(options, {less, less}, {less});
  CHECK(op.verify() == Status::ok);
  op.define(options, {a, b}, {less});
  CHECK(op.verify() == Status::bad_model);
  options.kind = static_cast<fb::BinaryKind>(77);
  op.define(options, {a, b}, {y});
  CHECK(op.verify() == Status::bad_model);
  options.kind = fb::BinaryKind::add;
  op.define(options, {a, b}, {less});
  CHECK(op.verify() == Status::bad_model);
  op.define(options, {a, less}, {y});
  CHECK(op.verify() == Status::bad_model);
  op.at(b).shape.dims[0] = 3;
  op.define(options, {a, b}, {y});
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("unary functions run in parts and know which types they take") {
  OneOp op;
  const int32_t x = op.floats({3, 9001}), y = op.floats({3, 9001});
  op.set(x, random_floats(4, 3 * 9001));
  fb::UnaryOptionsT options;
  options.kind = fb::UnaryKind::tanh;
  op.define(options, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {y});
  const auto got = op.get<float>(y), from = op.get<float>(x);
  for (size_t i = 0; i < got.size(); i += 97) {
    REQUIRE(std::fabs(got[i] - std::tanh(from[i])) < 1e-6f);
  }
  const int32_t truth = op.add(DataType::boolean, {3, 9001});
  const int32_t whole = op.add(DataType::i32, {3, 9001}), out = op.add(DataType::i32, {3, 9001});
  options.kind = fb::UnaryKind::is_nan;
  op.define(options, {x}, {truth});
  CHECK(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  op.define(options, {x}, {y});
  CHECK(op.verify() == Status::bad_model);
  options.kind = fb::UnaryKind::logical_not;
  op.define(options, {truth}, {truth});
  CHECK(op.verify() == Status::ok);
  options.kind = fb::UnaryKind::neg;
  op.define(options, {whole}, {out});
  CHECK(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  options.kind = fb::UnaryKind::exp;
  op.define(options, {whole}, {out});
  CHECK(op.verify() == Status::bad_model);
  options.kind = static_cast<fb::UnaryKind>(200);
  op.define(options, {x}, {y});
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("select chooses between broadcast operands of any type") {
  for (const DataType type : {DataType::f32, DataType::i64, DataType::boolean}) {
    OneOp op;
    const int32_t condition = op.add(DataType::boolean, {1, 40}), a = op.add(type, {50, 1});
    const int32_t b = op.add(type, {}), y = op.add(type, {50, 40});
    const size_t width = element_bytes(type);
    for (int32_t i = 0; i < 40; i += 3) op.at(condition).as<uint8_t>()[i] = 1;
    for (size_t i = 0; i < 50; ++i) op.at(a).as<uint8_t>()[i * width] = 1;
    op.define(fb::SelectOptionsT{}, {condition, a, b}, {y});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    for (size_t i = 0; i < 2000; ++i) {
      REQUIRE(op.at(y).as<uint8_t>()[i * width] == (i % 40 % 3 == 0));
    }
    op.define(fb::SelectOptionsT{}, {a, a, b}, {y});
    CHECK((type == DataType::boolean || op.verify() == Status::bad_model));
    op.define(fb::SelectOptionsT{}, {condition, a, -1}, {y});
    CHECK(op.verify() == Status::bad_model);
  }
}

TEST_CASE("matrices multiply in stacks that broadcast") {
  struct Case {
    Sizes a, b, y;
  };
  const Case cases[] = {{{1, 1}, {1, 1}, {1, 1}},
                        {{3, 5}, {5, 70}, {3, 70}},
                        {{2, 1, 60, 33}, {3, 33, 300}, {2, 3, 60, 300}},
                        {{4, 1, 7}, {7, 2}, {4, 1, 2}}};
  for (const Case& c : cases) {
    OneOp op;
    const int32_t a = op.floats(c.a), b = op.floats(c.b), y = op.floats(c.y);
    op.set(a, random_floats(6, op.at(a).shape.elements()));
    op.set(b, random_floats(7, op.at(b).shape.elements()));
    op.define(fb::MatmulOptionsT{}, {a, b}, {y});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    const auto got = op.get<float>(y), from_a = op.get<float>(a), from_b = op.get<float>(b);
    const auto batch = [](Shape s) {
      s.rank -= 2;
      return s;
    };
    const int64_t k = c.a.back(), n = c.b.back(), m = c.a[c.a.size() - 2];
    for (size_t i = 0; i < got.size(); i += 7) {
      const int64_t at = static_cast<int64_t>(i), matrix = at / (m * n);
      const int64_t row = at / n % m, column = at % n;
      const int64_t in_a = source(batch(op.at(y).shape), batch(op.at(a).shape), matrix);
      const int64_t in_b = source(batch(op.at(y).shape), batch(op.at(b).shape), matrix);
      double sum = 0;
      for (int64_t t = 0; t < k; ++t) {
        sum += static_cast<double>(from_a[static_cast<size_t>((in_a * m + row) * k + t)]) *
               static_cast<double>(from_b[static_cast<size_t>((in_b * k + t) * n + column)]);
      }
      REQUIRE(std::fabs(static_cast<double>(got[i]) - sum) < 1e-3);
    }
    op.at(b).shape.dims[op.at(b).shape.rank - 2] += 1;
    CHECK(op.verify() == Status::bad_model);
    op.at(b).shape.rank = 1;
    CHECK(op.verify() == Status::bad_model);
  }
}

TEST_CASE("softmax runs over the last dimension, plain or as a logarithm") {
  for (const bool log : {false, true}) {
    OneOp op;
    const int32_t x = op.floats({3, 70, 90}), y = op.floats({3, 70, 90});
    op.set(x, random_floats(8, 3 * 70 * 90));
    fb::SoftmaxOptionsT options;
    options.log = log;
    op.define(options, {x}, {y});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {y});
    const auto got = op.get<float>(y);
    for (size_t row = 0; row < 210; ++row) {
      double sum = 0;
      for (size_t i = 0; i < 90; ++i) {
        const auto value = static_cast<double>(got[row * 90 + i]);
        sum += log ? std::exp(value) : value;
      }
      REQUIRE(std::fabs(sum - 1) < 1e-5);
    }
    op.at(y).shape.dims[1] = 71;
    CHECK(op.verify() == Status::bad_model);
  }
}

TEST_CASE("reductions take any dimensions, kept or dropped in the result") {
  struct Case {
    std::vector<uint32_t> axes;
    Sizes y;
  };
  const Case cases[] = {{{3}, {4, 5, 1, 7}}, {{1}, {4, 1, 6, 7}}, {{0, 1, 2, 3}, {}},
                        {{2, 1}, {4, 7}},    {{1, 3}, {4, 6}},    {{0, 2}, {1, 5, 1, 7}},
                        {{3, 0}, {5, 6}}};
  const auto x_values = random_floats(9, 4 * 5 * 6 * 7);
  for (const Case& c : cases) {
    for (const fb::ReduceKind kind : {fb::ReduceKind::mean, fb::ReduceKind::max}) {
      OneOp op;
      const int32_t x = op.floats({4, 5, 6, 7});
      op.set(x, x_values);
      Sizes y_sizes = c.y;
      if (c.axes == std::vector<uint32_t>{3}) y_sizes = {4, 5, 6, 1};
      const int32_t y = op.floats(y_sizes);
      fb::ReduceOptionsT options;
      options.kind = kind;
      options.axes = c.axes;
      op.define(options, {x}, {y});
      REQUIRE(op.verify() == Status::ok);
      check_same_bits(op, {y});
      uint32_t mask = 0;
      for (const uint32_t axis : c.axes) mask |= 1u << axis;
      const int32_t dims[] = {4, 5, 6, 7};
      const auto got = op.get<float>(y);
      std::vector<double> sum(got.size(), 0), most(got.size(), -100);
      for (int32_t i = 0; i < 840; ++i) {
        int32_t rest = i, to = 0, step = 1;
        for (int32_t d = 3; d >= 0; --d) {
          const int32_t index = rest % dims[d];
          rest /= dims[d];
          if (mask >> d & 1) continue;
          to += index * step;
          step *= dims[d];
        }
        const auto value = static_cast<double>(x_values[static_cast<size_t>(i)]);
        sum[static_cast<size_t>(to)] += value;
        most[static_cast<size_t>(to)] = std::max(most[static_cast<size_t>(to)], value);
      }
      const double share = static_cast<double>(got.size()) / 840;
      for (size_t i = 0; i < got.size(); ++i) {
        const double want = kind == fb::ReduceKind::mean ? sum[i] * share : most[i];
        REQUIRE(std::fabs(static_cast<double>(got[i]) - want) < 1e-5);
      }
    }
  }
}

TEST_CASE("arg-max gives an index along one axis; impossible reductions are refused") {
  OneOp op;
  const int32_t x = op.floats({2, 3}), y = op.add(DataType::i64, {2, 1});
  op.set<float>(x, {1, 5, 5, -1, -3, -2});
  fb::ReduceOptionsT options;
  options.kind = fb::ReduceKind::arg_max;
  options.axes = {1};
  op.define(options, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  check_same_bits(op, {y});
  CHECK(op.get<int64_t>(y) == std::vector<int64_t>{1, 0});
  const auto refused = [&](std::vector<uint32_t> axes, fb::ReduceKind kind) {
    options.axes = std::move(axes);
    options.kind = kind;
    op.define(options, {x}, {y});
    return op.verify() == Status::bad_model;
  };
  CHECK(refused({}, fb::ReduceKind::arg_max));
  CHECK(refused({2}, fb::ReduceKind::arg_max));
  CHECK(refused({0xffffffff}, fb::ReduceKind::arg_max));
  CHECK(refused({0}, fb::ReduceKind::arg_max));
  CHECK(refused({0, 1}, fb::ReduceKind::arg_max));
  CHECK(refused({1, 1}, fb::ReduceKind::sum));
  CHECK(refused({1}, fb::ReduceKind::sum));
  CHECK(refused({1}, static_cast<fb::ReduceKind>(50)));
}
