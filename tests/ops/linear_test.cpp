#include "ops/linear/linear.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/guarded_buffer.h"
#include "tests/support/seeded_random.h"

using heed::IsaSet;
using heed::LinearArgs;
using heed::LinearKernel;
using heed::test::Guard;
using heed::test::GuardedBuffer;
using heed::test::SeededRandom;

namespace {

struct Shape {
  int32_t rows = 1;
  int32_t n = 16;
  int32_t groups = 1;
  int32_t group_width = 16;
  int32_t n_begin = 0;
  int32_t n_end = -1;    // -1: n
  ptrdiff_t x_step = 0;  // 0: dense rows
  size_t x_shift = 0;
  Guard guard = Guard::back;
  enum class Values { random, extremes, zeros } values = Values::random;
};

std::string text(const Shape& s) {
  return "rows " + std::to_string(s.rows) + ", n " + std::to_string(s.n_begin) + ".." +
         std::to_string(s.n_end < 0 ? s.n : s.n_end) + " of " + std::to_string(s.n) + ", groups " +
         std::to_string(s.groups) + " x " + std::to_string(s.group_width) + ", x step " +
         std::to_string(s.x_step) + ", shift " + std::to_string(s.x_shift);
}

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

// All operands of one call, each at the edge of an unmapped page. Aligned operands end there only
// when their size is a multiple of 64 bytes, which all but y, x and x_scale are.
class Operands {
 public:
  Operands(const Shape& s, uint64_t seed)
      : shape_(s),
        k_(s.groups * s.group_width),
        x_step_(s.x_step ? s.x_step : k_),
        n_padded_(round_up(static_cast<size_t>(s.n), 16)),
        x_(static_cast<size_t>((s.rows - 1) * x_step_ + k_), s.guard, s.x_shift),
        x_scale_(static_cast<size_t>(s.rows * s.groups), s.guard),
        w_(heed::linear_packed_bytes(s.n, k_), s.guard),
        w_scale_(n_padded_, s.guard),
        w_sum_(n_padded_ * static_cast<size_t>(s.groups), s.guard),
        bias_(n_padded_, s.guard),
        scratch_(round_up(heed::linear_scratch_bytes(k_), 64), s.guard) {
    SeededRandom random(seed);
    std::vector<int8_t> w(static_cast<size_t>(s.n) * static_cast<size_t>(k_));
    fill(random, x_.span());
    fill(random, {w.data(), w.size()});
    // No converter writes -128, but a file may: the sums hold it.
    if (s.values == Shape::Values::extremes)
      std::replace(w.begin(), w.end(), int8_t{-127}, int8_t{-128});
    heed::pack_linear(w.data(), s.n, s.groups, s.group_width, w_.data(), w_sum_.data());
    random.fill(x_scale_.span(), 0.001f, 0.1f);
    random.fill(w_scale_.span(), 0.001f, 0.1f);
    random.fill(bias_.span(), -3.0f, 3.0f);
  }

  // The whole of y, columns that the call must not touch included; those hold kUntouched.
  std::vector<float> run(const LinearKernel& kernel) {
    const Shape& s = shape_;
    const ptrdiff_t y_step = s.n + 3;
    GuardedBuffer<float> y(static_cast<size_t>((s.rows - 1) * y_step + s.n), s.guard);
    std::fill(y.begin(), y.end(), kUntouched);
    scratch_.fill_bytes(0xa5);
    const LinearArgs args = {x_.data(),
                             x_step_,
                             x_scale_.data(),
                             s.groups,
                             s.rows,
                             s.groups,
                             s.group_width,
                             w_.data(),
                             w_scale_.data(),
                             w_sum_.data(),
                             static_cast<ptrdiff_t>(n_padded_),
                             bias_.data(),
                             y.data(),
                             y_step};
    kernel.run(args, s.n_begin, s.n_end < 0 ? s.n : s.n_end, scratch_.data());
    return {y.begin(), y.end()};
  }

  static constexpr float kUntouched = 12345.5f;

 private:
  void fill(SeededRandom& random, std::span<int8_t> out) {
    switch (shape_.values) {
      case Shape::Values::random:
        random.fill(out);
        break;
      case Shape::Values::extremes:
        for (int8_t& v : out) v = random.integer(0, 3) ? 127 : -127;
        break;
      case Shape::Values::zeros:
        std::fill(out.begin(), out.end(), int8_t{0});
        break;
    }
  }

  Shape shape_;
  int32_t k_;
  ptrdiff_t x_step_;
  size_t n_padded_;
  GuardedBuffer<int8_t> x_;
  GuardedBuffer<float> x_scale_;
  GuardedBuffer<int8_t> w_;
  GuardedBuffer<float> w_scale_;
  GuardedBuffer<int32_t> w_sum_;
  GuardedBuffer<float> bias_;
  GuardedBuffer<uint8_t> scratch_;
};

const LinearKernel& reference() {
  const heed::LinearKernelList list = heed::linear_kernels();
  return *list.items[list.count - 1];
}

std::vector<const LinearKernel*> kernels_of(IsaSet have) {
  const heed::LinearKernelList list = heed::linear_kernels();
  std::vector<const LinearKernel*> out;
  for (size_t i = 0; i < list.count; ++i) {
    if (have.contains(list.items[i]->isa)) out.push_back(list.items[i]);
  }
  return out;
}

// Empty when the kernel's y equals the reference's bit for bit; else what differs first.
std::string difference(const LinearKernel& kernel, const Shape& shape, uint64_t seed = 1) {
  Operands operands(shape, seed);
  const std::vector<float> want = operands.run(reference());
  const std::vector<float> got = operands.run(kernel);
  if (std::memcmp(want.data(), got.data(), want.size() * sizeof(float)) == 0) return "";
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::memcmp(&want[i], &got[i], sizeof(float)) == 0) continue;
    const size_t step = static_cast<size_t>(shape.n) + 3;
    return text(shape) + ": row " + std::to_string(i / step) + " column " +
           std::to_string(i % step) + " is " + std::to_string(got[i]) + ", wanted " +
           std::to_string(want[i]);
  }
  return "unreachable";
}

void check_all(const std::vector<Shape>& shapes) {
  for (const LinearKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    for (const Shape& shape : shapes) {
      const std::string found = difference(*kernel, shape);
      if (!found.empty()) FAIL_CHECK(found);
    }
  }
  SUCCEED();
}

}  // namespace

TEST_CASE("the reference computes the formula of its header on a case done by hand") {
  // Two rows, one output, two groups of 16 inputs.
  std::vector<int8_t> w(32, 0);
  w[0] = 2;
  w[15] = -3;
  w[16] = 127;
  alignas(64) int8_t packed[16 * 32];
  alignas(64) int32_t w_sum[2 * 16];
  heed::pack_linear(w.data(), 1, 2, 16, packed, w_sum);
  CHECK(w_sum[0] == -1);
  CHECK(w_sum[16] == 127);
  int8_t x[64] = {};
  x[0] = 10;
  x[15] = 1;
  x[16] = -127;
  x[32] = -1;
  const float x_scale[4] = {0.5f, 0.25f, 2.0f, 1.0f};
  alignas(64) float w_scale[16] = {0.5f};
  alignas(64) float bias[16] = {100.0f};
  float y[2] = {};
  const LinearArgs args = {x, 32, x_scale, 2, 2, 2, 16, packed, w_scale, w_sum, 16, bias, y, 1};
  reference().run(args, 0, 1, nullptr);
  CHECK(y[0] == 100.0f + 17 * 0.25f - 127 * 127 * 0.125f);
  CHECK(y[1] == 100.0f - 2.0f);
}

TEST_CASE("packing puts every weight at its documented place and pads with zeros") {
  const int32_t n = 21;
  const int32_t groups = 2;
  const int32_t width = 16;
  const int32_t k_padded = groups * width;
  std::vector<int8_t> w(static_cast<size_t>(n * k_padded));
  SeededRandom random(7);
  random.fill({w.data(), w.size()});
  std::vector<int8_t> packed(heed::linear_packed_bytes(n, k_padded), 99);
  std::vector<int32_t> sums(32 * groups, 99);
  CHECK(packed.size() == 32u * k_padded);
  heed::pack_linear(w.data(), n, groups, width, packed.data(), sums.data());
  for (int32_t o = 0; o < 32; ++o) {
    for (int32_t g = 0; g < groups; ++g) {
      int32_t sum = 0;
      for (int32_t k = g * width; k < (g + 1) * width; ++k) {
        const int8_t want = o < n ? w[static_cast<size_t>(o * k_padded + k)] : int8_t{0};
        const int32_t at = ((o / 16 * (k_padded / 4) + k / 4) * 16 + o % 16) * 4 + k % 4;
        REQUIRE(packed[static_cast<size_t>(at)] == want);
        sum += want;
      }
      REQUIRE(sums[static_cast<size_t>(g * 32 + o)] == sum);
    }
  }
}

TEST_CASE("every linear variant equals the reference for every row count and tile of columns") {
  std::vector<Shape> shapes;
  for (int32_t rows = 1; rows <= heed::kLinearRowsMax; ++rows) {
    for (int32_t n : {16, 48, 80, 144}) {
      shapes.push_back({.rows = rows, .n = n, .group_width = 32});
    }
  }
  check_all(shapes);
}

TEST_CASE("every linear variant equals the reference on output counts around its blocks") {
  std::vector<Shape> shapes;
  for (int32_t n :
       {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 17, 31, 33, 47, 49, 63, 65, 100, 127, 129, 257}) {
    for (int32_t rows : {1, 2, 5, 6, 7, 13}) {
      shapes.push_back({.rows = rows, .n = n, .group_width = 48});
    }
  }
  check_all(shapes);
}

TEST_CASE("a linear call for a range of columns computes those and touches no other") {
  std::vector<Shape> shapes;
  for (int32_t begin = 0; begin < 208; begin += 16) {
    for (int32_t end : {begin + 16, begin + 64, 203}) {
      if (end > 203 || end <= begin) continue;
      for (int32_t rows : {1, 4, 9}) {
        shapes.push_back(
            {.rows = rows, .n = 203, .group_width = 16, .n_begin = begin, .n_end = end});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE(
    "every linear variant equals the reference on all widths of K up to 256 and some beyond") {
  std::vector<Shape> shapes;
  for (int32_t width = 16; width <= 256; width += 16) {
    shapes.push_back({.rows = 7, .n = 65, .group_width = width});
    shapes.push_back({.rows = 1, .n = 129, .group_width = width});
  }
  for (int32_t width : {384, 768, 1008, 3072})
    shapes.push_back({.rows = 8, .n = 70, .group_width = width});
  check_all(shapes);
}

TEST_CASE("groups of K have their own scales and add up in order in every linear variant") {
  std::vector<Shape> shapes;
  for (int32_t groups : {2, 3, 7}) {
    for (int32_t width : {16, 32, 64, 128}) {
      for (int32_t rows : {1, 2, 6, 11, 48}) {
        shapes.push_back({.rows = rows, .n = 83, .groups = groups, .group_width = width});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("values of +-127 everywhere saturate no intermediate sum in any linear variant") {
  std::vector<Shape> shapes;
  for (int32_t width : {16, 64, 1024, 4096, 65536}) {
    for (int32_t rows : {1, 3, 6}) {
      shapes.push_back(
          {.rows = rows, .n = 20, .group_width = width, .values = Shape::Values::extremes});
    }
  }
  for (const LinearKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    for (const Shape& shape : shapes) {
      for (uint64_t seed = 1; seed <= 2; ++seed) CHECK(difference(*kernel, shape, seed) == "");
    }
  }
}

TEST_CASE("all inputs and weights at one extreme give the largest sum exactly") {
  const int32_t k = 4096;
  for (const LinearKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    for (int sign : {1, -1}) {
      std::vector<int8_t> w(16 * static_cast<size_t>(k), 127);
      GuardedBuffer<int8_t> packed(w.size());
      GuardedBuffer<int32_t> w_sum(16);
      heed::pack_linear(w.data(), 16, 1, k, packed.data(), w_sum.data());
      GuardedBuffer<int8_t> x(static_cast<size_t>(k));
      std::fill(x.begin(), x.end(), static_cast<int8_t>(127 * sign));
      const float one = 1.0f;
      alignas(64) float w_scale[16];
      std::fill(w_scale, w_scale + 16, 1.0f);
      alignas(64) float bias[16] = {};
      float y[16];
      GuardedBuffer<uint8_t> scratch(heed::linear_scratch_bytes(k));
      const LinearArgs args = {x.data(),      k,       &one,         1,  1,    1, k,
                               packed.data(), w_scale, w_sum.data(), 16, bias, y, 16};
      kernel->run(args, 0, 16, scratch.data());
      for (float value : y) CHECK(value == static_cast<float>(127 * 127 * k * sign));
    }
  }
}

TEST_CASE("rows of x may overlap, lie apart and begin at any address") {
  std::vector<Shape> shapes;
  for (size_t shift = 0; shift < 64; shift += 7) {
    for (ptrdiff_t step : {1, 16, 80, 131}) {
      for (Guard guard : {Guard::back, Guard::front}) {
        for (int32_t rows : {1, 6, 9}) {
          shapes.push_back({.rows = rows,
                            .n = 33,
                            .group_width = 80,
                            .x_step = step,
                            .x_shift = shift,
                            .guard = guard});
        }
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("zero inputs give exactly the bias in every linear variant") {
  for (const LinearKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    CHECK(difference(*kernel,
                     {.rows = 5, .n = 37, .group_width = 64, .values = Shape::Values::zeros}) ==
          "");
  }
}

TEST_CASE("every linear variant equals the reference on shapes drawn at random") {
  SeededRandom random(20);
  INFO("seed " << random.seed());
  std::vector<Shape> shapes;
  for (int i = 0; i < 300; ++i) {
    Shape s;
    s.rows = static_cast<int32_t>(random.integer(1, heed::kLinearRowsMax));
    s.n = static_cast<int32_t>(random.integer(1, 300));
    s.groups = static_cast<int32_t>(random.integer(1, 4));
    s.group_width = 16 * static_cast<int32_t>(random.integer(1, 12));
    s.n_begin = 16 * static_cast<int32_t>(random.integer(0, (s.n - 1) / 16));
    s.x_step = static_cast<ptrdiff_t>(random.integer(1, 2 * s.groups * s.group_width));
    s.x_shift = static_cast<size_t>(random.integer(0, 63));
    s.guard = random.integer(0, 1) ? Guard::front : Guard::back;
    shapes.push_back(s);
  }
  check_all(shapes);
}

TEST_CASE(
    "the comparison catches a linear kernel that is wrong by one bit or writes a column too many") {
  const LinearKernel one_bit = {
      "one_bit", IsaSet(),
      [](const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
        reference().run(args, n_begin, n_end, scratch);
        float& last = args.y[(args.rows - 1) * args.y_step + n_end - 1];
        uint32_t bits;
        std::memcpy(&bits, &last, sizeof(bits));
        bits ^= 1u;
        std::memcpy(&last, &bits, sizeof(bits));
      }};
  const LinearKernel too_wide = {
      "too_wide", IsaSet(),
      [](const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
        reference().run(args, n_begin, n_end, scratch);
        args.y[n_end] = 0.0f;
      }};
  const Shape shape = {.rows = 3, .n = 40, .group_width = 32, .n_begin = 16, .n_end = 32};
  CHECK(difference(one_bit, shape) != "");
  CHECK(difference(too_wide, shape) != "");
  CHECK(difference(reference(), shape) == "");
}

TEST_CASE("forcing an instruction set picks the linear kernel of that name, best first") {
  const heed::LinearKernelList list = heed::linear_kernels();
  REQUIRE(list.count >= 1);
  CHECK(std::string(reference().name) == "reference");
  CHECK(reference().isa == IsaSet());
  for (size_t i = 0; i < list.count; ++i) {
    const LinearKernel* kernel = list.items[i];
    CHECK(std::string(heed::isa_name(kernel->isa)) == kernel->name);
    // A machine with just this kernel's features must not be given an earlier one.
    CHECK(kernels_of(kernel->isa).front() == kernel);
  }
  CHECK(kernels_of(IsaSet()).front() == &reference());
}
