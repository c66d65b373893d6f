// Ops whose options, operands or shapes have been tampered with: either verify refuses them, or
// they run without touching a byte outside of their tensors (the guard pages would fault).

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/support/one_op.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

/// A sound op of one kind. Tensors pass through `bend`, which may change their type or shape.
using Bend = std::function<int32_t(OneOp&, DataType, Sizes, bool constant)>;
struct Recipe {
  const char* name;
  void (*make)(OneOp& op, const Bend& add);
};

int32_t floats(OneOp& op, const Bend& add, const Sizes& sizes) {
  return add(op, DataType::f32, sizes, false);
}
/// One integer, as it is bent, of this value where it is one.
int32_t small(OneOp& op, const Bend& add, uint8_t value) {
  const int32_t tensor = add(op, DataType::i64, {1}, false);
  std::memset(op.at(tensor).data, 0, op.bytes(tensor).size());
  if (!op.bytes(tensor).empty()) op.at(tensor).as<uint8_t>()[0] = value;
  return tensor;
}
template <class Options>
void one_to_one(OneOp& op, const Bend& add, Options options, const Sizes& x, const Sizes& y) {
  const int32_t in = floats(op, add, x);
  op.define(std::move(options), {in}, {floats(op, add, y)});
}

std::unique_ptr<fb::EpilogueT> epilogue(OneOp& op, const Bend& add, int32_t rows, int32_t n) {
  auto e = std::make_unique<fb::EpilogueT>();
  e->activation = fb::Activation::silu;
  e->residual = floats(op, add, {rows, n});
  e->norm = fb::Norm::layer;
  e->gamma = add(op, DataType::f32, {n}, true);
  e->beta = add(op, DataType::f32, {n}, true);
  return e;
}
std::vector<int32_t> stages(OneOp& op, const Bend& add, int32_t rows, int32_t n) {
  const int32_t r = floats(op, add, {rows, n}), normed = floats(op, add, {rows, n});
  return {r, normed, add(op, DataType::q8_rows, {rows, n}, false)};
}

const Recipe kRecipes[] = {
    {"linear",
     [](OneOp& op, const Bend& add) {
       fb::LinearOptionsT o;
       o.rows = 5;
       o.window = 2;
       const int32_t x = add(op, DataType::q8_rows, {6, 32}, false);
       const int32_t w = add(op, DataType::i8, {48 * 64}, true);
       const int32_t scale = add(op, DataType::f32, {48}, true);
       const int32_t sum = add(op, DataType::i32, {2, 48}, true);
       const int32_t bias = add(op, DataType::f32, {48}, true);
       o.epilogue = epilogue(op, add, 5, 40);
       op.define(std::move(o), {x, w, scale, sum, bias}, stages(op, add, 5, 40));
     }},
    {"float linear",
     [](OneOp& op, const Bend& add) {
       fb::LinearOptionsT o;
       o.layout = fb::WeightLayout::f32_n16;
       o.rows = 5;
       o.hop = 3;
       o.window = 7;
       o.row_width = 1;
       const int32_t x = floats(op, add, {19}), w = add(op, DataType::f32, {32 * 7}, true);
       op.define(std::move(o), {x, w, -1, -1, -1}, {floats(op, add, {5, 20})});
     }},
    {"attention",
     [](OneOp& op, const Bend& add) {
       fb::AttentionOptionsT o;
       o.batch = 2;
       o.queries = 4;
       o.keys = 6;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = o.value_width = 8;
       o.scale = 0.3f;
       const int32_t q = floats(op, add, {8, 16}), k = floats(op, add, {12, 8});
       const int32_t v = floats(op, add, {12, 8}), mask = floats(op, add, {2, 1, 4, 6});
       o.epilogue = epilogue(op, add, 8, 16);
       op.define(std::move(o), {q, k, v, mask}, stages(op, add, 8, 16));
     }},
    {"attention over caches",
     [](OneOp& op, const Bend& add) {
       fb::AttentionOptionsT o;
       o.batch = 2;
       o.queries = 4;
       o.keys = 6;
       o.heads = 2;
       o.kv_heads = 1;
       o.head_width = 16;
       o.scale = 0.3f;
       o.causal = true;
       const int32_t q = floats(op, add, {8, 32}), k = add(op, DataType::q8_rows, {12, 16}, false);
       const int32_t v = add(op, DataType::q8_rows, {12, 16}, false);
       const int32_t length = small(op, add, 5);
       op.define(std::move(o), {q, k, v, -1, length}, {floats(op, add, {8, 32})});
     }},
    {"cache_append",
     [](OneOp& op, const Bend& add) {
       fb::CacheAppendOptionsT o;
       o.batch = 2;
       o.rows = 3;
       const int32_t x = floats(op, add, {6, 16}), position = small(op, add, 3);
       op.define(o, {x, position}, {add(op, DataType::q8_rows, {20, 16}, false)});
     }},
    {"rows",
     [](OneOp& op, const Bend& add) {
       fb::RowsOptionsT o;
       o.rows = 4;
       o.row_width = 10;
       o.hop = 3;
       const int32_t x = floats(op, add, {19});
       o.epilogue = epilogue(op, add, 4, 10);
       op.define(std::move(o), {x}, stages(op, add, 4, 10));
     }},
    {"embedding",
     [](OneOp& op, const Bend& add) {
       fb::EmbeddingOptionsT o;
       const int32_t table = add(op, DataType::i8, {7, 12}, true);
       const int32_t ids = add(op, DataType::i64, {3}, false);
       const int32_t scale = add(op, DataType::f32, {7}, true);
       o.epilogue = epilogue(op, add, 3, 12);
       op.define(std::move(o), {table, ids, scale}, stages(op, add, 3, 12));
     }},
    {"unary",
     [](OneOp& op, const Bend& add) {
       one_to_one(op, add, fb::UnaryOptionsT{}, {4, 5}, {4, 5});
     }},
    {"binary",
     [](OneOp& op, const Bend& add) {
       const int32_t a = floats(op, add, {3, 1, 5}), b = floats(op, add, {4, 1});
       op.define(fb::BinaryOptionsT{}, {a, b}, {floats(op, add, {3, 4, 5})});
     }},
    {"select",
     [](OneOp& op, const Bend& add) {
       const int32_t c = add(op, DataType::boolean, {4, 1}, false), a = floats(op, add, {4, 6});
       op.define(fb::SelectOptionsT{}, {c, a, floats(op, add, {6})}, {floats(op, add, {4, 6})});
     }},
    {"matmul",
     [](OneOp& op, const Bend& add) {
       const int32_t a = floats(op, add, {2, 1, 3, 5}), b = floats(op, add, {4, 5, 6});
       op.define(fb::MatmulOptionsT{}, {a, b}, {floats(op, add, {2, 4, 3, 6})});
     }},
    {"softmax",
     [](OneOp& op, const Bend& add) {
       one_to_one(op, add, fb::SoftmaxOptionsT{}, {4, 5}, {4, 5});
     }},
    {"reduce",
     [](OneOp& op, const Bend& add) {
       fb::ReduceOptionsT o;
       o.axes = {0, 2};
       one_to_one(op, add, o, {3, 4, 5}, {4});
     }},
    {"transpose",
     [](OneOp& op, const Bend& add) {
       fb::TransposeOptionsT o;
       o.permutation = {2, 0, 1};
       one_to_one(op, add, o, {3, 4, 5}, {5, 3, 4});
     }},
    {"slice",
     [](OneOp& op, const Bend& add) {
       fb::SliceOptionsT o;
       o.starts = {1, 4};
       o.steps = {1, -2};
       one_to_one(op, add, o, {4, 6}, {3, 3});
     }},
    {"concat",
     [](OneOp& op, const Bend& add) {
       fb::ConcatOptionsT o;
       o.axis = 1;
       const int32_t a = floats(op, add, {2, 3, 2}), b = floats(op, add, {2, 1, 2});
       op.define(o, {a, b}, {floats(op, add, {2, 4, 2})});
     }},
    {"gather",
     [](OneOp& op, const Bend& add) {
       fb::GatherOptionsT o;
       o.axis = 1;
       const int32_t x = floats(op, add, {2, 3, 4}), ids = add(op, DataType::i32, {5}, false);
       op.define(o, {x, ids}, {floats(op, add, {2, 5, 4})});
     }},
    {"gather elements",
     [](OneOp& op, const Bend& add) {
       fb::GatherElementsOptionsT o;
       o.axis = 1;
       const int32_t x = floats(op, add, {2, 3}), ids = add(op, DataType::i64, {2, 5}, false);
       op.define(o, {x, ids}, {floats(op, add, {2, 5})});
     }},
    {"pad",
     [](OneOp& op, const Bend& add) {
       fb::PadOptionsT o;
       o.mode = fb::PadMode::reflect;
       o.before = {1, 2};
       one_to_one(op, add, o, {3, 4}, {5, 7});
     }},
    {"expand",
     [](OneOp& op, const Bend& add) {
       one_to_one(op, add, fb::ExpandOptionsT{}, {3, 1}, {2, 3, 4});
     }},
    {"cast",
     [](OneOp& op, const Bend& add) {
       one_to_one(op, add, fb::CastOptionsT{}, {3, 4}, {3, 4});
     }},
    {"copy",
     [](OneOp& op, const Bend& add) {
       one_to_one(op, add, fb::CopyOptionsT{}, {3, 4}, {2, 6});
     }},
    {"cumsum",
     [](OneOp& op, const Bend& add) {
       fb::CumsumOptionsT o;
       o.axis = 1;
       one_to_one(op, add, o, {2, 3, 4}, {2, 3, 4});
     }},
    {"conv",
     [](OneOp& op, const Bend& add) {
       fb::ConvOptionsT o;
       o.pad_top = 1;
       o.stride_w = 2;
       op.tail = 64;
       const int32_t x = floats(op, add, {1, 5, 6, 4});
       op.tail = 0;
       const int32_t w = add(op, DataType::f32, {6, 3, 2, 4}, true);
       op.define(o, {x, w}, {floats(op, add, {1, 4, 3, 6})});
     }},
    {"pool",
     [](OneOp& op, const Bend& add) {
       fb::PoolOptionsT o;
       o.window_h = o.window_w = 2;
       o.pad_left = 1;
       one_to_one(op, add, o, {1, 4, 5, 3}, {1, 3, 5, 3});
     }},
};

/// Adds a tensor with random contents, now and then of another type or shape than was asked for.
struct Bender {
  SeededRandom& random;
  bool bends;

  int32_t operator()(OneOp& op, DataType type, Sizes sizes, bool constant) {
    if (bends && random.integer(0, 4) == 0) {
      const auto at =
          static_cast<size_t>(random.integer(0, static_cast<int64_t>(sizes.size()) - 1));
      switch (random.integer(0, 4)) {
        case 0:
          sizes[at] += 1;
          break;
        case 1:
          sizes[at] = sizes[at] > 1 ? sizes[at] - 1 : 1;
          break;
        case 2:
          sizes.insert(sizes.begin(), 1);
          break;
        case 3:
          sizes[at] = 1;
          break;
        default:
          type = static_cast<DataType>(random.integer(0, 6));
          break;
      }
    }
    const bool quantised = type == DataType::q8_rows;
    const uint32_t group = quantised && random.integer(0, 3) == 0 ? 16 : 0;
    const uint32_t halo = quantised && random.integer(0, 3) == 0 ? 1 : 0;
    const int32_t tensor = op.add(type, sizes, group, halo);
    const size_t bytes = op.bytes(tensor).size();
    for (size_t i = 0; i < bytes; ++i) {
      // Small numbers in every type, so that some indices are in range.
      op.at(tensor).as<uint8_t>()[i] = static_cast<uint8_t>(random.integer(0, 3));
    }
    if (constant) op.make_constant(tensor);
    return tensor;
  }
};

int32_t rounds() {
  const char* text = std::getenv("HEED_TEST_ROUNDS");
  return text ? std::atoi(text) : 150;
}

}  // namespace

TEST_CASE("a tampered op is refused or runs within its tensors, whatever its kind") {
  const std::vector<IsaName> isas = runnable_isas();
  for (const Recipe& recipe : kRecipes) {
    int32_t ran = 0;
    for (int32_t round = 0; round < rounds(); ++round) {
      SeededRandom random(static_cast<uint64_t>(round) * 977 + 1);
      OneOp op;
      recipe.make(op, Bender{random, round % 3 != 0});
      INFO(recipe.name << ", round " << round);
      if (round == 0) REQUIRE(op.verify() == Status::ok);
      if (round % 3 != 1 && round > 0 && !op.tamper(random)) continue;
      if (op.verify() != Status::ok) {
        REQUIRE(op.diagnostic.what != nullptr);
        continue;
      }
      ++ran;
      (void)op.run(isas[static_cast<size_t>(round) % isas.size()].set, 1);
    }
    INFO(recipe.name);
    CHECK(ran > 1);
  }
}
