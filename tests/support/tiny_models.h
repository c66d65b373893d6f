#pragma once
// Small .heed files made in memory, op by op, for tests: real bytes that the real reader opens.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "engine/heed.h"
#include "engine/tensor.h"
#include "tests/support/seeded_random.h"

namespace heed::test {

/// Bytes at a 64-byte aligned address.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::span<const std::byte> from);
  explicit AlignedBytes(size_t size) : lines_((size + 63) / 64), size_(size) {}

  std::byte* data() { return lines_.empty() ? nullptr : lines_[0].bytes; }
  const std::byte* data() const { return lines_.empty() ? nullptr : lines_[0].bytes; }
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {data(), size_}; }
  std::span<const std::byte> span() const { return {data(), size_}; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64] = {};
  };
  std::vector<Line> lines_;
  size_t size_ = 0;
};

using Dims = std::vector<uint32_t>;

/// A model in the making. Ops go to the entry point that was added last.
class TinyModel {
 public:
  explicit TinyModel(uint64_t seed = 1);

  fb::ModelT model;
  std::vector<std::byte> blobs;
  SeededRandom random;

  void entry_point(const std::string& name);
  fb::EntryPointT& entry() { return *model.entry_points.back(); }

  int32_t tensor(const std::string& name, DataType type, fb::Storage storage, const Dims& shape);
  int32_t input(const std::string& name, DataType type, const Dims& shape);
  int32_t arena(const std::string& name, const Dims& shape, DataType type = DataType::f32);
  int32_t q8(const std::string& name, const Dims& shape, uint32_t group = 0);
  int32_t view(const std::string& name, int32_t parent, uint64_t offset, const Dims& shape);
  int32_t constant(const std::string& name, DataType type, const Dims& shape, const void* bytes);
  /// Starts from zeros, or from `bytes`.
  int32_t state(const std::string& name, const Dims& shape, const void* bytes = nullptr);
  /// A float constant of random values in [low, high).
  int32_t random_floats(const std::string& name, const Dims& shape, float low, float high);
  void output(int32_t tensor) { entry().outputs.push_back(tensor); }
  fb::TensorT& at(int32_t index) { return *model.tensors[static_cast<size_t>(index)]; }

  fb::OpT& op(const std::string& name, fb::OpOptionsUnion options, std::vector<int32_t> inputs,
              std::vector<int32_t> outputs);
  template <class Options>
  fb::OpT& op(const std::string& name, Options options, std::vector<int32_t> inputs,
              std::vector<int32_t> outputs) {
    fb::OpOptionsUnion any;
    any.Set(std::move(options));
    return op(name, std::move(any), std::move(inputs), std::move(outputs));
  }

  /// An int8 linear layer with random weights: x is q8 rows, `n` outputs. `outputs` are the three
  /// stages of the epilogue.
  fb::OpT& linear(const std::string& name, int32_t x, uint32_t n, fb::EpilogueT epilogue,
                  std::vector<int32_t> outputs);
  /// Layer norm of the f32 rows x, to int8 rows.
  int32_t norm_to_q8(const std::string& name, int32_t x);
  fb::EpilogueT norm(const std::string& name, uint32_t width);

  /// Sets offsets and sizes by the planner.
  void plan();
  /// The file. Call plan() before.
  AlignedBytes bytes();
};

/// x [rows, width] -> norm -> linear, GELU -> linear + x -> norm -> y.
TinyModel feed_forward_model(uint64_t seed = 1, uint32_t rows = 10, uint32_t width = 48);
/// x [tokens, width] -> norm -> q, k, v -> attention -> linear + x -> y. Op 2 is the attention.
TinyModel attention_model(uint64_t seed = 1, uint32_t tokens = 19, uint32_t heads = 3,
                          uint32_t head_width = 16);
/// ids [n] i32 -> table rows -> y [n, width]; an id outside 0 .. 6 is a bad input.
TinyModel lookup_model(uint32_t n = 4, uint32_t width = 8);
/// sum += x each run; y = sum. The sum starts at 1, 2, 3, ...
TinyModel running_sum_model(uint32_t width = 5);
/// Entry points `encode` (x -> code = gelu(x)) and `decode` (code, t -> y = code + t).
TinyModel two_entry_model();

/// x [1, 9, 8, 4] -> 3x3 convolution to 6 channels, ReLU -> y: XNNPACK's part.
TinyModel convolution_model();

}  // namespace heed::test
