#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

/// Fills a tensor with 0, 1, 2, .. in its own type (bytes wrap).
void count_up(OneOp& op, int32_t tensor) {
  const TensorView& view = op.at(tensor);
  for (int64_t i = 0; i < view.shape.elements(); ++i) {
    if (element_bytes(view.type) == 8) {
      view.as<int64_t>()[i] = i;
    } else if (element_bytes(view.type) == 4) {
      view.as<int32_t>()[i] = static_cast<int32_t>(i);
    } else {
      view.as<uint8_t>()[i] = static_cast<uint8_t>(i);
    }
  }
}

/// Element i of a tensor that count_up() filled, or a copy of such elements.
int64_t element(OneOp& op, int32_t tensor, int64_t i) {
  const TensorView& view = op.at(tensor);
  if (element_bytes(view.type) == 8) return view.as<int64_t>()[i];
  return element_bytes(view.type) == 4 ? view.as<int32_t>()[i] : view.as<uint8_t>()[i];
}
bool same_element(DataType type, int64_t got, int64_t want) {
  return element_bytes(type) == 1 ? got == (want & 0xff) : got == want;
}

/// The index of each dimension of element i.
std::vector<int64_t> coordinates(const Shape& shape, int64_t i) {
  std::vector<int64_t> at(static_cast<size_t>(shape.rank));
  for (int32_t d = shape.rank - 1; d >= 0; --d) {
    at[static_cast<size_t>(d)] = i % shape.dims[d];
    i /= shape.dims[d];
  }
  return at;
}
int64_t position(const Shape& shape, const std::vector<int64_t>& at) {
  int64_t i = 0;
  for (int32_t d = 0; d < shape.rank; ++d) i = i * shape.dims[d] + at[static_cast<size_t>(d)];
  return i;
}

}  // namespace

TEST_CASE("transposes move every element of every type, for all permutations of four dimensions") {
  std::vector<uint32_t> permutation = {0, 1, 2, 3};
  do {
    for (const DataType type : {DataType::f32, DataType::i64, DataType::u8}) {
      OneOp op;
      const Sizes sizes = {3, 17, 5, 34};
      const int32_t x = op.add(type, sizes);
      Sizes turned;
      for (const uint32_t d : permutation) turned.push_back(sizes[d]);
      const int32_t y = op.add(type, turned);
      count_up(op, x);
      fb::TransposeOptionsT options;
      options.permutation = permutation;
      op.define(options, {x}, {y});
      REQUIRE(op.verify() == Status::ok);
      REQUIRE(op.run(IsaSet{}, 2) == "");
      bool all = true;
      for (int64_t i = 0; i < op.at(y).shape.elements(); ++i) {
        const auto at = coordinates(op.at(y).shape, i);
        std::vector<int64_t> from(4);
        for (size_t d = 0; d < 4; ++d) from[permutation[d]] = at[d];
        all &= same_element(type, element(op, y, i), position(op.at(x).shape, from));
      }
      REQUIRE(all);
    }
  } while (std::next_permutation(permutation.begin(), permutation.end()));
}

TEST_CASE("a transpose needs a permutation that fits") {
  OneOp op;
  const int32_t x = op.floats({2, 3, 3}), y = op.floats({3, 3, 2});
  const auto status = [&](std::vector<uint32_t> permutation) {
    fb::TransposeOptionsT options;
    options.permutation = std::move(permutation);
    op.define(options, {x}, {y});
    return op.verify();
  };
  CHECK(status({1, 2, 0}) == Status::ok);
  CHECK(status({2, 1, 0}) == Status::ok);
  CHECK(status({0, 1, 2}) == Status::bad_model);
  CHECK(status({1, 1, 0}) == Status::bad_model);
  CHECK(status({1, 2, 3}) == Status::bad_model);
  CHECK(status({1, 2, 0xffffffff}) == Status::bad_model);
  CHECK(status({1, 2}) == Status::bad_model);
  CHECK(status({}) == Status::bad_model);
}

TEST_CASE("slices step forward and backward and stay inside") {
  OneOp op;
  const int32_t x = op.floats({6, 10, 7}), y = op.floats({2, 4, 7});
  count_up(op, x);
  fb::SliceOptionsT options;
  options.starts = {1, 9, 6};
  options.steps = {3, -3, -1};
  op.define(options, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  for (int64_t i = 0; i < 56; ++i) {
    const auto at = coordinates(op.at(y).shape, i);
    const int64_t want = ((1 + at[0] * 3) * 10 + 9 - at[1] * 3) * 7 + 6 - at[2];
    REQUIRE(element(op, y, i) == want);
  }
  const auto refused = [&](std::vector<int32_t> starts, std::vector<int32_t> steps) {
    options.starts = std::move(starts);
    options.steps = std::move(steps);
    op.define(options, {x}, {y});
    return op.verify() == Status::bad_model;
  };
  CHECK(refused({3, 9, 6}, {3, -3, -1}));
  CHECK(refused({1, 8, 6}, {3, -3, -1}));
  CHECK(refused({1, 9, 6}, {3, -3, 0}));
  CHECK(refused({-1, 9, 6}, {3, -3, -1}));
  CHECK(refused({1, 9, 6}, {INT32_MAX, -3, -1}));
  CHECK(refused({1, 9, 6}, {3, INT32_MIN, -1}));
  CHECK(refused({1, 9}, {3, -3}));
  CHECK(refused({}, {}));
}

TEST_CASE("tensors are joined along any axis") {
  for (const int32_t axis : {0, 1, 2}) {
    OneOp op;
    Sizes sizes = {4, 3, 5};
    const auto a_index = static_cast<size_t>(axis);
    sizes[a_index] = 2;
    const int32_t a = op.add(DataType::i64, sizes);
    sizes[a_index] = 1;
    const int32_t b = op.add(DataType::i64, sizes);
    sizes[a_index] = 3;
    const int32_t y = op.add(DataType::i64, sizes);
    count_up(op, a);
    count_up(op, b);
    fb::ConcatOptionsT options;
    options.axis = static_cast<uint32_t>(axis);
    op.define(options, {a, b}, {y});
    REQUIRE(op.verify() == Status::ok);
    REQUIRE(op.run(IsaSet{}, 2) == "");
    for (int64_t i = 0; i < op.at(y).shape.elements(); ++i) {
      auto at = coordinates(op.at(y).shape, i);
      const bool from_b = at[a_index] == 2;
      if (from_b) at[a_index] = 0;
      REQUIRE(element(op, y, i) == position(op.at(from_b ? b : a).shape, at));
    }
    op.define(options, {a, b, b}, {y});
    CHECK(op.verify() == Status::bad_model);
    op.define(options, {}, {y});
    CHECK(op.verify() == Status::bad_model);
    options.axis = 3;
    op.define(options, {a, b}, {y});
    CHECK(op.verify() == Status::bad_model);
  }
}

TEST_CASE("gather looks up rows along an axis and notes an index outside") {
  OneOp op;
  const int32_t x = op.floats({3, 5, 2}), ids = op.add(DataType::i32, {2, 2});
  const int32_t y = op.floats({3, 2, 2, 2});
  count_up(op, x);
  op.set<int32_t>(ids, {4, 0, -1, 2});
  fb::GatherOptionsT options;
  options.axis = 1;
  op.define(options, {x, ids}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  const int64_t rows[] = {4, 0, 4, 2};
  for (int64_t i = 0; i < 24; ++i) {
    REQUIRE(element(op, y, i) == (i / 8 * 5 + rows[i / 2 % 4]) * 2 + i % 2);
  }
  for (const int32_t bad : {5, -6, INT32_MIN, INT32_MAX}) {
    op.set<int32_t>(ids, {4, 0, bad, 2});
    CHECK(op.run(IsaSet{}, 2) == "an index lies outside of what it indexes");
    CHECK(element(op, y, 4) == 0);
  }
  options.wrap = false;
  op.define(options, {x, ids}, {y});
  op.set<int32_t>(ids, {4, 0, -1, 2});
  CHECK(op.run(IsaSet{}, 1) == "an index lies outside of what it indexes");
  options.axis = 3;
  op.define(options, {x, ids}, {y});
  CHECK(op.verify() == Status::bad_model);
  options.axis = 0;
  op.define(options, {x, ids}, {y});
  CHECK(op.verify() == Status::bad_model);
  op.define(options, {x, x}, {y});
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("gather-elements takes one index per element") {
  OneOp op;
  const int32_t x = op.floats({3, 4}), ids = op.add(DataType::i64, {2, 3});
  const int32_t y = op.floats({2, 3});
  count_up(op, x);
  op.set<int64_t>(ids, {2, 0, 1, -1, 1, 0});
  op.define(fb::GatherElementsOptionsT{}, {x, ids}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 1) == "");
  const int64_t want[] = {8, 1, 6, 8, 5, 2};
  for (int64_t i = 0; i < 6; ++i) CHECK(element(op, y, i) == want[i]);
  op.set<int64_t>(ids, {2, 0, 1, 3, 1, 0});
  CHECK(op.run(IsaSet{}, 1) == "an index lies outside of what it indexes");
  op.at(ids).shape.dims[1] = op.at(y).shape.dims[1] = 5;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("padding repeats a constant, the edge or a mirror image, and can cut") {
  struct Case {
    fb::PadMode mode;
    std::vector<int64_t> want;  // of 1 2 3 with 2 before and 1 behind
  };
  const Case cases[] = {{fb::PadMode::constant, {-5, -5, 1, 2, 3, -5}},
                        {fb::PadMode::edge, {1, 1, 1, 2, 3, 3}},
                        {fb::PadMode::reflect, {3, 2, 1, 2, 3, 2}}};
  for (const Case& c : cases) {
    for (const bool outer : {false, true}) {
      OneOp op;
      const int32_t x = op.add(DataType::i64, outer ? Sizes{3, 2} : Sizes{2, 3});
      const int32_t y = op.add(DataType::i64, outer ? Sizes{6, 2} : Sizes{2, 6});
      op.set<int64_t>(x, outer ? std::vector<int64_t>{1, 1, 2, 2, 3, 3}
                               : std::vector<int64_t>{1, 2, 3, 1, 2, 3});
      fb::PadOptionsT options;
      options.mode = c.mode;
      options.value = -5;
      options.before = outer ? std::vector<int32_t>{2, 0} : std::vector<int32_t>{0, 2};
      op.define(options, {x}, {y});
      REQUIRE(op.verify() == Status::ok);
      REQUIRE(op.run(IsaSet{}, 2) == "");
      for (int64_t i = 0; i < 12; ++i) {
        REQUIRE(element(op, y, i) == c.want[static_cast<size_t>(outer ? i / 2 : i % 6)]);
      }
    }
  }
  OneOp op;
  const int32_t x = op.floats({5}), y = op.floats({4});
  op.set<float>(x, {1, 2, 3, 4, 5});
  fb::PadOptionsT options;
  options.before = {-3};
  op.define(options, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 1) == "");
  CHECK(op.get<float>(y) == std::vector<float>{4, 5, 0, 0});
  options.mode = fb::PadMode::reflect;
  for (const int32_t before : {5, INT32_MAX, INT32_MIN}) {
    options.before = {before};
    op.define(options, {x}, {y});
    CHECK(op.verify() == Status::bad_model);
  }
  options.mode = fb::PadMode::constant;
  for (const int32_t before : {INT32_MAX, INT32_MIN}) {
    options.before = {before};
    op.define(options, {x}, {y});
    CHECK(op.verify() == Status::ok);
    CHECK(op.run(IsaSet{}, 1) == "");
    CHECK(op.get<float>(y) == std::vector<float>(4, 0.0f));
  }
  options.before = {};
  op.define(options, {x}, {y});
  CHECK(op.verify() == Status::bad_model);
  options.before = {0};
  options.mode = static_cast<fb::PadMode>(9);
  op.define(options, {x}, {y});
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("expand repeats what broadcasts and nothing else") {
  OneOp op;
  const int32_t x = op.floats({3, 1, 4}), y = op.floats({2, 3, 5, 4});
  count_up(op, x);
  op.define(fb::ExpandOptionsT{}, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  for (int64_t i = 0; i < 120; ++i) REQUIRE(element(op, y, i) == i / 20 % 3 * 4 + i % 4);
  op.at(y).shape.dims[1] = 6;
  CHECK(op.verify() == Status::bad_model);
  op.at(y).shape.rank = 2;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("casts truncate, clamp and count anything but zero as true") {
  OneOp op;
  const float inf = std::numeric_limits<float>::infinity();
  const int32_t x = op.floats({8});
  op.set<float>(x, {1.9f, -1.9f, 0.0f, NAN, inf, -inf, 3e9f, 256.5f});
  const int32_t i32 = op.add(DataType::i32, {8}), i64 = op.add(DataType::i64, {8});
  const int32_t u8 = op.add(DataType::u8, {8}), truth = op.add(DataType::boolean, {8});
  const auto cast = [&](int32_t from, int32_t to) {
    op.define(fb::CastOptionsT{}, {from}, {to});
    REQUIRE(op.verify() == Status::ok);
    REQUIRE(op.run(IsaSet{}, 1) == "");
  };
  cast(x, i32);
  CHECK(op.get<int32_t>(i32) ==
        std::vector<int32_t>{1, -1, 0, 0, INT32_MAX, INT32_MIN, INT32_MAX, 256});
  cast(x, i64);
  CHECK(op.get<int64_t>(i64) ==
        std::vector<int64_t>{1, -1, 0, 0, INT64_MAX, INT64_MIN, 3000000000, 256});
  cast(x, u8);
  CHECK(op.get<uint8_t>(u8) == std::vector<uint8_t>{1, 0, 0, 0, 255, 0, 255, 255});
  cast(x, truth);
  CHECK(op.get<uint8_t>(truth) == std::vector<uint8_t>{1, 1, 0, 1, 1, 1, 1, 1});
  cast(truth, i64);
  CHECK(op.get<int64_t>(i64) == std::vector<int64_t>{1, 1, 0, 1, 1, 1, 1, 1});
  op.at(truth).shape.dims[0] = 7;
  CHECK(op.verify() == Status::bad_model);
  op.at(truth).type = DataType::q8_rows;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("a copy keeps the bytes under another shape") {
  OneOp op;
  const int32_t x = op.floats({300, 500}), y = op.floats({500, 10, 30});
  count_up(op, x);
  op.define(fb::CopyOptionsT{}, {x}, {y});
  REQUIRE(op.verify() == Status::ok);
  REQUIRE(op.run(IsaSet{}, 2) == "");
  CHECK(op.bytes(x) == op.bytes(y));
  op.at(y).shape.dims[0] = 499;
  CHECK(op.verify() == Status::bad_model);
}

TEST_CASE("running sums go either way along an axis, with or without the element itself") {
  OneOp op;
  const int32_t x = op.floats({2, 3, 2}), y = op.floats({2, 3, 2});
  op.set<float>(x, {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60});
  fb::CumsumOptionsT options;
  options.axis = 1;
  const auto sums = [&](bool exclusive, bool reverse) {
    options.exclusive = exclusive;
    options.reverse = reverse;
    op.define(options, {x}, {y});
    REQUIRE(op.verify() == Status::ok);
    REQUIRE(op.run(IsaSet{}, 2) == "");
    return op.get<float>(y);
  };
  CHECK(sums(false, false) == std::vector<float>{1, 10, 3, 30, 6, 60, 4, 40, 9, 90, 15, 150});
  CHECK(sums(true, false) == std::vector<float>{0, 0, 1, 10, 3, 30, 0, 0, 4, 40, 9, 90});
  CHECK(sums(false, true) == std::vector<float>{6, 60, 5, 50, 3, 30, 15, 150, 11, 110, 6, 60});
  CHECK(sums(true, true) == std::vector<float>{5, 50, 3, 30, 0, 0, 11, 110, 6, 60, 0, 0});
  options.axis = 3;
  op.define(options, {x}, {y});
  CHECK(op.verify() == Status::bad_model);
}
