// Keys and values that stay from run to run: rows join them, attention reads as many as there are.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "engine/heed.h"
#include "ops/quantize/quantize.h"
#include "tests/support/one_op_bits.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

std::vector<float> random_rows(SeededRandom& random, int32_t rows, int32_t width) {
  std::vector<float> values(static_cast<size_t>(rows * width));
  random.fill(values);
  return values;
}

/// Puts the quantised values into a cache.
void quantise(OneOp& op, int32_t tensor, const std::vector<float>& x) {
  const TensorView& view = op.at(tensor);
  const CacheLayout layout = view.cache();
  const auto part = view.type == DataType::q8_keys ? CachedPart::keys : CachedPart::values;
  const int32_t row = view.shape.last();
  std::vector<int8_t> q(static_cast<size_t>(layout.width));
  for (int32_t b = 0; b < layout.batch; ++b) {
    for (int32_t head = 0; head < layout.heads; ++head) {
      std::byte* panel = view.as<std::byte>() + layout.panel_offset(b, head);
      auto* scales = reinterpret_cast<float*>(panel + layout.scale_offset);
      for (int32_t s = 0; s < layout.capacity; ++s) {
        const float* from = x.data() + (b * layout.capacity + s) * row + head * layout.width;
        choose_kernels(IsaSet{}).quantize->quantize({from, layout.width, nullptr, q.data(),
                                                     layout.width, scales + s, 1, 1, layout.width,
                                                     layout.width});
        put_cached_rows(part, {q.data(), layout.width, 1, layout.width}, s,
                        reinterpret_cast<int8_t*>(panel));
      }
    }
  }
}

/// As the C API tells it.
std::vector<float> floats_of(OneOp& op, int32_t tensor) {
  const TensorView& view = op.at(tensor);
  heed_tensor seen{};
  seen.type = static_cast<heed_type>(view.type);
  seen.rank = view.shape.rank;
  std::copy_n(view.shape.dims, view.shape.rank, seen.dims);
  seen.data = view.data;
  seen.group = static_cast<int32_t>(view.group);
  std::vector<float> x(static_cast<size_t>(view.shape.elements()));
  REQUIRE(heed_tensor_to_float(&seen, x.data(), x.size()) == HEED_OK);
  return x;
}

struct CacheCase {
  int32_t batch = 1, queries = 1, capacity = 40, length = 40, heads = 4, kv_heads = 2, width = 32;
  bool causal = false;
  int32_t window = 0;
  bool quantised = false;
};

/// Attention over the first keys of caches, and the same over float rows of just those keys.
struct CachedAttention {
  CacheCase c;
  OneOp cached, plain;
  int32_t length = -1, cached_r = -1, plain_r = -1;
  std::vector<float> k, v;

  explicit CachedAttention(const CacheCase& given) : c(given) {
    SeededRandom random(7);
    const int32_t q_width = c.heads * c.width, kv_width = c.kv_heads * c.width;
    const auto q = random_rows(random, c.batch * c.queries, q_width);
    k = random_rows(random, c.batch * c.capacity, kv_width);
    v = random_rows(random, c.batch * c.capacity, kv_width);
    define_cached(q);
    const int32_t plain_q = plain.floats({c.batch * c.queries, q_width});
    const int32_t plain_k = plain.floats({c.batch * c.length, kv_width});
    const int32_t plain_v = plain.floats({c.batch * c.length, kv_width});
    plain_r = plain.floats({c.batch * c.queries, q_width});
    plain.set(plain_q, q);
    plain.set(plain_k, first_rows(k));
    plain.set(plain_v, first_rows(v));
    plain.define(options(c.length), {plain_q, plain_k, plain_v}, {plain_r});
  }

  fb::AttentionOptionsT options(int32_t keys) const {
    fb::AttentionOptionsT o;
    o.batch = static_cast<uint32_t>(c.batch);
    o.queries = static_cast<uint32_t>(c.queries);
    o.keys = static_cast<uint32_t>(keys);
    o.heads = static_cast<uint32_t>(c.heads);
    o.kv_heads = static_cast<uint32_t>(c.kv_heads);
    o.head_width = static_cast<uint32_t>(c.width);
    o.scale = 1.0f / std::sqrt(static_cast<float>(c.width));
    o.causal = c.causal;
    o.window = static_cast<uint32_t>(c.window);
    return o;
  }

  void define_cached(const std::vector<float>& q) {
    const int32_t kv_width = c.kv_heads * c.width;
    const auto cache = [&](std::vector<float>& rows, DataType type) {
      if (!c.quantised) {
        const int32_t tensor = cached.floats({c.batch * c.capacity, kv_width});
        cached.set(tensor, rows);
        return tensor;
      }
      const int32_t tensor =
          cached.add(type, {c.batch, c.capacity, kv_width}, static_cast<uint32_t>(c.width));
      quantise(cached, tensor, rows);
      rows = floats_of(cached, tensor);
      return tensor;
    };
    const int32_t cached_q = cached.floats({c.batch * c.queries, c.heads * c.width});
    cached.set(cached_q, q);
    const int32_t cached_k = cache(k, DataType::q8_keys), cached_v = cache(v, DataType::q8_values);
    length = cached.add(DataType::i64, {1});
    cached.set<int64_t>(length, {c.length});
    cached_r = cached.floats({c.batch * c.queries, c.heads * c.width});
    cached.define(options(c.capacity), {cached_q, cached_k, cached_v, -1, length}, {cached_r});
  }

  std::vector<float> first_rows(const std::vector<float>& rows) const {
    std::vector<float> first;
    const auto width = static_cast<size_t>(c.kv_heads * c.width);
    for (int32_t b = 0; b < c.batch; ++b) {
      const auto begin =
          rows.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(b * c.capacity) * width);
      first.insert(first.end(), begin,
                   begin + static_cast<ptrdiff_t>(static_cast<size_t>(c.length) * width));
    }
    return first;
  }
};

double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return worst;
}

}  // namespace

TEST_CASE("attention over the keys that are there is attention over those keys alone") {
  const CacheCase cases[] = {
      {.length = 1},
      {.length = 17, .causal = true},
      {.batch = 2, .capacity = 300, .length = 259, .window = 20},
      {.queries = 9, .capacity = 64, .length = 33, .causal = true},
      {.batch = 2, .queries = 30, .capacity = 200, .length = 130, .causal = true, .window = 50}};
  for (const CacheCase& c : cases) {
    INFO(c.queries << " queries, " << c.length << " of " << c.capacity << " keys");
    CachedAttention a(c);
    REQUIRE(a.cached.verify() == Status::ok);
    REQUIRE(a.plain.verify() == Status::ok);
    check_same_bits(a.cached, {a.cached_r});
    check_same_bits(a.plain, {a.plain_r});
    CHECK(a.cached.bytes(a.cached_r) == a.plain.bytes(a.plain_r));
  }
}

TEST_CASE("caches of int8 give what their values give as floats") {
  // Few queries use the int8 where it lies, and are quantised themselves; many unpack it first.
  for (const int32_t width : {16, 64, 80}) {
    for (const int32_t queries : {1, 16, 18}) {
      INFO(queries << " queries, heads of " << width);
      CachedAttention a({.batch = 2,
                         .queries = queries,
                         .length = 29,
                         .heads = 4,
                         .kv_heads = 4,
                         .width = width,
                         .causal = true,
                         .quantised = true});
      REQUIRE(a.cached.verify() == Status::ok);
      check_same_bits(a.cached, {a.cached_r});
      REQUIRE(a.plain.run(IsaSet{}, 1) == "");
      const auto got = a.cached.get<float>(a.cached_r), expected = a.plain.get<float>(a.plain_r);
      CHECK(worst_difference(got, expected) <= (queries <= 16 ? 0.01 : 0.0));
    }
  }
}

TEST_CASE("a map has a place for every key, and zero for those that are not there") {
  for (const int32_t queries : {1, 12}) {
    CachedAttention a({.queries = queries, .length = 29, .heads = 2, .kv_heads = 2});
    const auto plane = static_cast<size_t>(queries * 40);
    std::vector<float> map(2 * plane, 7.0f);
    REQUIRE(a.cached.run(IsaSet{}, 1, {{0, -1, map.data()}}) == "");
    for (size_t row = 0; row < 2 * static_cast<size_t>(queries); ++row) {
      float sum = 0;
      for (size_t s = 0; s < 29; ++s) sum += map[row * 40 + s];
      CHECK(std::fabs(sum - 1.0f) < 1e-5f);
      for (size_t s = 29; s < 40; ++s) REQUIRE(map[row * 40 + s] == 0.0f);
    }
  }
}

TEST_CASE("a number of keys that a cache cannot hold ends the run") {
  for (const int64_t length :
       {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{41}, INT64_MAX}) {
    CachedAttention a({.queries = 3, .causal = true});
    a.cached.set<int64_t>(a.length, {length});
    CHECK(a.cached.run(IsaSet{}, 1) == "a cache does not hold as many keys as attention is told");
  }
}

TEST_CASE("rows join a cache at their position, as floats or as int8") {
  for (const DataType type : {DataType::f32, DataType::q8_keys, DataType::q8_values}) {
    const bool quantised = type != DataType::f32;
    OneOp op;
    SeededRandom random(3);
    const auto x_values = random_rows(random, 6, 48);
    const int32_t x = op.floats({6, 48}), position = op.add(DataType::i32, {1});
    const int32_t cache = op.add(type, {2, 10, 32}, quantised ? 16 : 0);
    op.set(x, x_values);
    op.set<int32_t>(position, {4});
    fb::CacheAppendOptionsT options;
    options.batch = 2;
    options.rows = 3;
    options.x_column = 16;
    op.define(options, {x, position}, {cache});
    REQUIRE(op.verify() == Status::ok);
    check_same_bits(op, {cache});
    const auto rows = quantised ? floats_of(op, cache) : op.get<float>(cache);
    for (size_t b = 0; b < 2; ++b) {
      for (size_t t = 0; t < 3; ++t) {
        for (size_t i = 0; i < 32; ++i) {
          const float got = rows[(b * 10 + 4 + t) * 32 + i];
          const float expected = x_values[(b * 3 + t) * 48 + 16 + i];
          REQUIRE(std::fabs(got - expected) <= (quantised ? 0.02f : 0.0f));
        }
      }
    }
    for (const int32_t wrong : {-1, 8, INT32_MAX, INT32_MIN}) {
      op.set<int32_t>(position, {wrong});
      CHECK(op.run(IsaSet{}, 1) == "a cache is full, or a position lies outside of it");
    }
    op.set<int32_t>(position, {7});
    CHECK(op.run(IsaSet{}, 1) == "");
  }
}

TEST_CASE("caches of int8 as converters up to version 1001 laid them out: what to do is said") {
  const std::string sentence = "an older converter laid out this cache: convert the model again";
  OneOp joins;
  const int32_t x = joins.floats({3, 32}), position = joins.add(DataType::i64, {1});
  fb::CacheAppendOptionsT options;
  options.rows = 3;
  joins.define(options, {x, position}, {joins.add(DataType::q8_rows, {1, 10, 32}, 16)});
  CHECK(joins.verify() == Status::unsupported);
  CHECK(joins.diagnostic.what == sentence);
  for (const size_t operand : {1, 2}) {
    INFO((operand == 1 ? "keys" : "values"));
    CachedAttention a({.quantised = true});
    REQUIRE(a.cached.verify() == Status::ok);
    a.cached.op.inputs[operand] = a.cached.add(DataType::q8_rows, {1, 40, 64}, 32);
    CHECK(a.cached.verify() == Status::unsupported);
    CHECK(a.cached.diagnostic.what == sentence);
  }
  CachedAttention a({});  // queries never were a cache
  a.cached.op.inputs[0] = a.cached.add(DataType::q8_rows, {1, 128}, 32);
  CHECK(a.cached.verify() == Status::bad_model);
}

TEST_CASE("a cache whose options do not fit its rows is refused") {
  const auto refused = [](auto change) {
    OneOp op;
    const int32_t x = op.floats({6, 48}), position = op.add(DataType::i64, {1});
    const int32_t cache = op.floats({20, 32});
    fb::CacheAppendOptionsT options;
    options.batch = 2;
    options.rows = 3;
    op.define(options, {x, position}, {cache});
    REQUIRE(op.verify() == Status::ok);
    change(op, *op.op.options.AsCacheAppendOptions());
    return op.verify() == Status::bad_model;
  };
  using O = fb::CacheAppendOptionsT;
  CHECK(refused([](OneOp&, O& o) { o.batch = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.batch = 3; }));
  CHECK(refused([](OneOp&, O& o) { o.rows = 0; }));
  CHECK(refused([](OneOp&, O& o) { o.rows = 0xffffffff; }));
  CHECK(refused([](OneOp&, O& o) { o.x_column = 17; }));
  CHECK(refused([](OneOp&, O& o) { o.x_column = 0xffffffff; }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[1] = op.floats({1}); }));
  CHECK(refused([](OneOp& op, O&) { op.op.inputs[1] = op.add(DataType::i64, {2}); }));
  CHECK(refused([](OneOp& op, O&) { op.op.outputs[0] = op.floats({4, 32}); }));
}
