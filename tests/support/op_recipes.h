#pragma once
// A sound op of each kind, smallest first use of every operand: the start of tests that bend,
// damage or mutate ops.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace heed::test {

using RecipeSizes = std::vector<int32_t>;

/// Where the tensors and the op of a recipe go.
class RecipeSink {
 public:
  virtual ~RecipeSink() = default;
  virtual int32_t add(DataType type, const RecipeSizes& sizes, bool constant) = 0;
  virtual void define(fb::OpOptionsUnion options, const std::vector<int32_t>& inputs,
                      const std::vector<int32_t>& outputs) = 0;

  /// One integer that is small.
  virtual int32_t small(uint8_t value) = 0;

  int32_t floats(const RecipeSizes& sizes) { return add(DataType::f32, sizes, false); }
  template <class Options>
  void op(Options options, const std::vector<int32_t>& inputs,
          const std::vector<int32_t>& outputs) {
    fb::OpOptionsUnion any;
    any.Set(std::move(options));
    define(std::move(any), inputs, outputs);
  }
};

struct OpRecipe {
  const char* name;
  void (*make)(RecipeSink& sink);
};

/// One for each kind of op, two for linear.
std::span<const OpRecipe> op_recipes();

}  // namespace heed::test
