#include "ops/matmul/matmul.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/guarded_buffer.h"
#include "tests/support/seeded_random.h"

using heed::IsaSet;
using heed::MatmulArgs;
using heed::MatmulKernel;
using heed::test::Guard;
using heed::test::GuardedBuffer;
using heed::test::SeededRandom;

namespace {

enum class Layout { packed, row_major };

struct Shape {
  int32_t rows = 1;
  int32_t n = 16;
  int32_t k = 8;
  Layout layout = Layout::packed;
  bool bias = true;
  int32_t n_begin = 0;
  int32_t n_end = -1;    // -1: n
  ptrdiff_t a_step = 0;  // 0: dense rows
  Guard guard = Guard::back;
  float largest = 1.0f;
};

std::string text(const Shape& s) {
  return std::to_string(s.rows) + " x " + std::to_string(s.k) + " x " + std::to_string(s.n) +
         (s.layout == Layout::packed ? " packed" : " row-major") + ", columns from " +
         std::to_string(s.n_begin) + " to " + std::to_string(s.n_end) + ", a step " +
         std::to_string(s.a_step);
}

const MatmulKernel& reference() {
  const heed::MatmulKernelList list = heed::matmul_kernels();
  return *list.items[list.count - 1];
}

std::vector<const MatmulKernel*> kernels_of(IsaSet have) {
  const heed::MatmulKernelList list = heed::matmul_kernels();
  std::vector<const MatmulKernel*> out;
  for (size_t i = 0; i < list.count; ++i) {
    if (have.contains(list.items[i]->isa)) out.push_back(list.items[i]);
  }
  return out;
}

// All operands of one call, each at the edge of an unmapped page. Row-major b is as narrow as its
// columns, so a read past the last of them faults in the last row.
class Operands {
 public:
  Operands(const Shape& s, uint64_t seed)
      : shape_(s),
        a_step_(s.a_step ? s.a_step : s.k),
        a_(static_cast<size_t>((s.rows - 1) * a_step_ + s.k), s.guard),
        b_(s.layout == Layout::packed ? heed::matmul_packed_floats(s.n, s.k)
                                      : static_cast<size_t>(s.n) * static_cast<size_t>(s.k),
           s.guard),
        bias_(static_cast<size_t>(s.n), s.guard) {
    SeededRandom random(seed);
    random.fill(a_.span(), -s.largest, s.largest);
    random.fill(bias_.span(), -1.0f, 1.0f);
    if (s.layout == Layout::row_major) {
      random.fill(b_.span(), -s.largest, s.largest);
    } else {
      std::vector<float> w(static_cast<size_t>(s.n) * static_cast<size_t>(s.k));
      random.fill({w.data(), w.size()}, -s.largest, s.largest);
      heed::pack_matmul(w.data(), s.n, s.k, b_.data());
    }
  }

  std::vector<float> run(const MatmulKernel& kernel) {
    const Shape& s = shape_;
    const bool packed = s.layout == Layout::packed;
    const ptrdiff_t c_step = s.n + 3;
    GuardedBuffer<float> c(static_cast<size_t>((s.rows - 1) * c_step + s.n), s.guard);
    std::fill(c.begin(), c.end(), 12345.5f);
    const MatmulArgs args = {a_.data(),
                             a_step_,
                             b_.data(),
                             packed ? ptrdiff_t{16} * s.k : 16,
                             packed ? 16 : s.n,
                             s.bias ? bias_.data() : nullptr,
                             c.data(),
                             c_step,
                             s.rows,
                             s.k};
    kernel.run(args, s.n_begin, s.n_end < 0 ? s.n : s.n_end);
    return {c.begin(), c.end()};
  }

 private:
  Shape shape_;
  ptrdiff_t a_step_;
  GuardedBuffer<float> a_;
  GuardedBuffer<float> b_;
  GuardedBuffer<float> bias_;
};

// Empty when the kernel's c equals the reference's bit for bit; else what differs first.
std::string difference(const MatmulKernel& kernel, const Shape& shape, uint64_t seed = 1) {
  Operands operands(shape, seed);
  const std::vector<float> want = operands.run(reference());
  const std::vector<float> got = operands.run(kernel);
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::memcmp(&want[i], &got[i], sizeof(float)) == 0) continue;
    const size_t step = static_cast<size_t>(shape.n) + 3;
    return text(shape) + ": row " + std::to_string(i / step) + " column " +
           std::to_string(i % step) + " is " + std::to_string(got[i]) + ", wanted " +
           std::to_string(want[i]);
  }
  return "";
}

void check_all(const std::vector<Shape>& shapes) {
  for (const MatmulKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    for (const Shape& shape : shapes) {
      const std::string found = difference(*kernel, shape);
      if (!found.empty()) FAIL_CHECK(found);
    }
  }
  SUCCEED();
}

}  // namespace

TEST_CASE("the matmul reference computes a product done by hand, bias after the sum") {
  const float a[] = {1, 2, 3, 4, 5, 6};
  const float b[] = {1, -1, 10, 0.5f, 0, 2};
  const float bias[] = {100, 200};
  float c[4] = {};
  reference().run({a, 3, b, 16, 2, bias, c, 2, 2, 3}, 0, 2);
  CHECK(c[0] == 121);
  CHECK(c[1] == 206);
  CHECK(c[2] == 154);
  CHECK(c[3] == 210.5f);
}

TEST_CASE("packing float weights puts them in blocks of 16 columns and pads with zeros") {
  const int32_t n = 19;
  const int32_t k = 5;
  std::vector<float> w(static_cast<size_t>(n * k));
  SeededRandom random(3);
  random.fill({w.data(), w.size()});
  std::vector<float> packed(heed::matmul_packed_floats(n, k), 9.0f);
  REQUIRE(packed.size() == 32u * k);
  heed::pack_matmul(w.data(), n, k, packed.data());
  for (int32_t o = 0; o < 32; ++o) {
    for (int32_t i = 0; i < k; ++i) {
      const float want = o < n ? w[static_cast<size_t>(o * k + i)] : 0.0f;
      REQUIRE(packed[static_cast<size_t>((o / 16 * k + i) * 16 + o % 16)] == want);
    }
  }
}

TEST_CASE("every matmul variant equals the reference on all small row and column counts") {
  std::vector<Shape> shapes;
  for (Layout layout : {Layout::packed, Layout::row_major}) {
    for (int32_t rows = 1; rows <= 20; ++rows) {
      for (int32_t n = 1; n <= 40; ++n) {
        shapes.push_back({.rows = rows, .n = n, .k = 5, .layout = layout, .bias = n % 2 == 0});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("every matmul variant equals the reference around its column tiles") {
  std::vector<Shape> shapes;
  for (Layout layout : {Layout::packed, Layout::row_major}) {
    for (int32_t n : {47, 48, 49, 63, 64, 65, 80, 112, 127, 128, 129, 197, 256}) {
      for (int32_t rows : {1, 2, 5, 6, 7, 13, 64}) {
        shapes.push_back({.rows = rows, .n = n, .k = 33, .layout = layout});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("every matmul variant equals the reference for any K, none and one included") {
  std::vector<Shape> shapes;
  for (int32_t k : {0, 1, 2, 3, 7, 16, 64, 197, 1536}) {
    for (int32_t rows : {1, 7}) {
      for (bool bias : {false, true}) {
        shapes.push_back(
            {.rows = rows, .n = 37, .k = k, .layout = Layout::row_major, .bias = bias});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("a matmul call for a range of columns computes those and touches no other") {
  std::vector<Shape> shapes;
  for (Layout layout : {Layout::packed, Layout::row_major}) {
    for (int32_t begin = 0; begin < 160; begin += 16) {
      for (int32_t end : {begin + 16, begin + 64, 150}) {
        if (end > 150 || end <= begin) continue;
        shapes.push_back(
            {.rows = 7, .n = 150, .k = 9, .layout = layout, .n_begin = begin, .n_end = end});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("rows of a may overlap or lie apart, and no operand is read before its beginning") {
  std::vector<Shape> shapes;
  for (ptrdiff_t step : {1, 3, 24, 50}) {
    for (Guard guard : {Guard::back, Guard::front}) {
      for (Layout layout : {Layout::packed, Layout::row_major}) {
        shapes.push_back(
            {.rows = 13, .n = 45, .k = 24, .layout = layout, .a_step = step, .guard = guard});
      }
    }
  }
  check_all(shapes);
}

TEST_CASE("large values that overflow give the same infinities in every matmul variant") {
  const Shape shape = {.rows = 7, .n = 70, .k = 40, .bias = false, .largest = 3e38f};
  Operands operands(shape, 5);
  const std::vector<float> want = operands.run(reference());
  const auto is_nan = [](float v) { return v != v; };
  for (const MatmulKernel* kernel : kernels_of(heed::detect_isa())) {
    INFO("kernel " << kernel->name);
    const std::vector<float> got = operands.run(*kernel);
    // A NaN's sign and payload are not promised, that it is one is.
    for (size_t i = 0; i < want.size(); ++i) {
      CHECK((got[i] == want[i] || (is_nan(got[i]) && is_nan(want[i]))));
    }
  }
}

TEST_CASE("the comparison catches a matmul kernel that sums in another order") {
  const MatmulKernel backwards = {
      "backwards", IsaSet(), [](const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
        for (int32_t m = 0; m < args.rows; ++m) {
          for (int32_t n = n_begin; n < n_end; ++n) {
            float t = 0.0f;
            for (int32_t k = args.k - 1; k >= 0; --k) {
              t += args.a[m * args.a_step + k] *
                   args.b[n / 16 * args.b_block_step + n % 16 + k * args.b_k_step];
            }
            args.c[m * args.c_step + n] = t + args.bias[n];
          }
        }
      }};
  const Shape shape = {.rows = 4, .n = 32, .k = 50};
  CHECK(difference(backwards, shape) != "");
  CHECK(difference(reference(), shape) == "");
}

TEST_CASE("forcing an instruction set picks the matmul kernel of that name, best first") {
  const heed::MatmulKernelList list = heed::matmul_kernels();
  CHECK(std::string(reference().name) == "reference");
  for (size_t i = 0; i < list.count; ++i) {
    const MatmulKernel* kernel = list.items[i];
    CHECK(std::string(heed::isa_name(kernel->isa)) == kernel->name);
    CHECK(kernels_of(kernel->isa).front() == kernel);
  }
}
