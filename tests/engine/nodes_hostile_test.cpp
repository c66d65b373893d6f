// Ops whose options, operands or shapes have been tampered with: either verify refuses them, or
// they run without touching a byte outside of their tensors (the guard pages would fault).

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>

#include "tests/support/one_op.h"
#include "tests/support/op_recipes.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

/// Adds the tensors of a recipe with random contents, now and then of another type or shape than
/// was asked for.
struct Bender : RecipeSink {
  Bender(OneOp& into, SeededRandom& seeded, bool bends, size_t tail)
      : op_(into), random_(seeded), bends_(bends), tail_(tail) {}

  void define(fb::OpOptionsUnion options, const std::vector<int32_t>& inputs,
              const std::vector<int32_t>& outputs) override {
    op_.op.options = std::move(options);
    op_.op.inputs = inputs;
    op_.op.outputs = outputs;
  }

  int32_t add(DataType type, const RecipeSizes& asked, bool constant) override {
    Sizes sizes = asked;
    if (bends_ && random_.integer(0, 4) == 0) {
      const auto at =
          static_cast<size_t>(random_.integer(0, static_cast<int64_t>(sizes.size()) - 1));
      switch (random_.integer(0, 4)) {
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
          type = static_cast<DataType>(random_.integer(0, 8));
          break;
      }
    }
    const bool quantised = type == DataType::q8_rows;
    // A cache's heads divide its rows: other groups the reader of a file refuses.
    const bool cache = is_cache(type) && sizes.size() == 3 && sizes[2] % 16 == 0;
    const uint32_t group = cache || (quantised && random_.integer(0, 3) == 0) ? 16 : 0;
    const uint32_t halo = quantised && random_.integer(0, 3) == 0 ? 1 : 0;
    op_.tail = constant ? 0 : tail_;
    const int32_t tensor = op_.add(type, sizes, group, halo);
    const size_t bytes = op_.bytes(tensor).size();
    op_.tail = 0;
    for (size_t i = 0; i < bytes; ++i) {
      // Small numbers in every type, so that some indices are in range.
      op_.at(tensor).as<uint8_t>()[i] = static_cast<uint8_t>(random_.integer(0, 3));
    }
    if (constant) op_.make_constant(tensor);
    return tensor;
  }
  int32_t small(uint8_t value) override {
    const int32_t tensor = add(DataType::i64, {1}, false);
    std::memset(op_.at(tensor).data, 0, op_.bytes(tensor).size());
    if (!op_.bytes(tensor).empty()) op_.at(tensor).as<uint8_t>()[0] = value;
    return tensor;
  }

 private:
  OneOp& op_;
  SeededRandom& random_;
  const bool bends_;
  const size_t tail_;  // readable bytes behind an operand
};

int32_t rounds() {
  const char* text = std::getenv("HEED_TEST_ROUNDS");
  return text ? std::atoi(text) : 150;
}

}  // namespace

TEST_CASE("a tampered op is refused or runs within its tensors, whatever its kind") {
  const std::vector<IsaName> isas = runnable_isas();
  for (const OpRecipe& recipe : op_recipes()) {
    // XNNPACK reads a little beyond its input.
    const size_t tail = std::string(recipe.name) == "conv" ? 64 : 0;
    int32_t ran = 0;
    for (int32_t round = 0; round < rounds(); ++round) {
      SeededRandom random(static_cast<uint64_t>(round) * 977 + 1);
      OneOp op;
      Bender bender(op, random, round % 3 != 0, tail);
      recipe.make(bender);
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

TEST_CASE("any number of an op may be zero, negative or huge: it is refused or runs in bounds") {
  // What divides by zero, overflows a product, points elsewhere, or is no number at all.
  const int64_t whole[] = {0, 1, -1, 3, 16, 255, 65536, INT32_MAX, INT32_MIN, INT64_MAX};
  const float real[] = {0.0f,
                        -1.0f,
                        1e-45f,
                        3e38f,
                        std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN()};
  const IsaSet isa = detect_isa();
  for (const OpRecipe& recipe : op_recipes()) {
    INFO(recipe.name);
    const size_t tail = std::string(recipe.name) == "conv" ? 64 : 0;
    SeededRandom random(1);
    OneOp op;
    Bender bender(op, random, false, tail);
    recipe.make(bender);
    const size_t count = op.scalars().size();
    REQUIRE(count > 2);
    for (size_t i = 0; i < count; ++i) {
      const TableScalar scalar = op.scalars()[i];
      const bool is_real = scalar.type == flatbuffers::ET_FLOAT;
      for (size_t v = 0; v < (is_real ? std::size(real) : std::size(whole)); ++v) {
        const void* value = is_real ? static_cast<const void*>(&real[v]) : &whole[v];
        (void)op.scalars();  // as it was
        INFO("number " << i << ", value " << v);
        if (!op.set_scalar(scalar, value)) continue;
        if (op.verify() == Status::ok)
          (void)op.run(isa, 1);
        else
          CHECK(op.diagnostic.what != nullptr);
      }
    }
  }
}
