#include "ops/cached_attention/cached_attention.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "tests/support/float_panels.h"

using namespace heed;
using namespace heed::test;

namespace {

size_t scratch_bytes(int32_t keys) { return (cached_attention_scratch_bytes(keys) + 63) / 64 * 64; }

constexpr int32_t padded(int32_t keys) {
  return (keys + kCachedPanelRows - 1) / kCachedPanelRows * kCachedPanelRows;
}

/// Keys or values of one head, and the panel they were put into, which ends at a guard page. Beyond
/// the last key it holds what an earlier sound left there.
struct HeadPanel {
  int32_t keys, width;
  std::vector<int8_t> rows;
  GuardedBuffer<int8_t> q;
  GuardedBuffer<float> scale;

  HeadPanel(SeededRandom& random, CachedPart part, int32_t keys_, int32_t width_, bool extreme)
      : keys(keys_),
        width(width_),
        rows(static_cast<size_t>(keys) * static_cast<size_t>(width)),
        q(static_cast<size_t>(padded(keys)) * static_cast<size_t>(width)),
        scale(static_cast<size_t>(padded(keys))) {
    for (int8_t& v : rows) v = static_cast<int8_t>(extreme ? 127 : random.integer(-127, 127));
    for (int8_t& v : q) v = -127;
    for (float& v : scale) v = extreme ? 1e-3f : random.uniform(0.0f, 0.01f);
    for (int32_t s = keys; s < padded(keys); ++s) scale.data()[s] = 1e30f;
    put_cached_rows(part, {rows.data(), width, keys, width}, 0, q.data());
  }
  CachedPanel of() { return {q.data(), scale.data()}; }
  double value(ptrdiff_t s, ptrdiff_t d) {
    return static_cast<double>(scale.data()[s]) * rows[static_cast<size_t>(s * width + d)];
  }
};

struct Operands {
  int32_t keys, width, value_width;
  HeadPanel k, v;
  int32_t begin = 0;
  GuardedBuffer<float> q, mask;

  Operands(SeededRandom& random, int32_t keys_, int32_t width_, int32_t value_width_,
           bool extreme = false)
      : keys(keys_),
        width(width_),
        value_width(value_width_),
        k(random, CachedPart::keys, keys, width, extreme),
        v(random, CachedPart::values, keys, value_width, extreme),
        q(static_cast<size_t>(width)),
        mask(static_cast<size_t>(keys)) {
    for (float& x : q) x = extreme ? 1.0f : random.normal();
    for (float& x : mask) x = random.integer(0, 3) == 0 ? -HUGE_VALF : random.normal();
  }
  CachedAttentionArgs args(bool masked, float* y, float* p) {
    return {q.data(),    k.of(), v.of(),
            begin,       keys,   width,
            value_width, 0.125f, masked ? mask.data() : nullptr,
            y,           p};
  }
};

void check_variants(Operands& operands, bool masked) {
  const auto keys = static_cast<size_t>(operands.keys);
  const auto width = static_cast<size_t>(operands.value_width);
  GuardedBuffer<float> y(width), p(keys), expected_y(width), expected_p(keys);
  GuardedBuffer<std::byte> scratch(scratch_bytes(operands.keys));
  const float sum =
      reference_of(cached_attention_kernels())
          .run(operands.args(masked, expected_y.data(), expected_p.data()), scratch.data());
  for_each_variant(cached_attention_kernels(), detect_isa(), [&](const auto& kernel) {
    INFO(kernel.name << ", keys " << operands.begin << " to " << operands.keys << ", "
                     << operands.width << " and " << operands.value_width << " wide");
    y.fill_bytes(0x55);
    const float got = kernel.run(operands.args(masked, y.data(), p.data()), scratch.data());
    CHECK(same_bits(&got, &sum, sizeof sum));
    CHECK(same_bits(y.data(), expected_y.data(), y.bytes()));
    CHECK(same_bits(p.data() + operands.begin, expected_p.data() + operands.begin,
                    p.bytes() - static_cast<size_t>(operands.begin) * sizeof(float)));
  });
}

}  // namespace

TEST_CASE("every cached attention variant gives the reference's bits, whatever the shape") {
  SeededRandom random(31);
  for (const int32_t keys : {1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 64, 100, 1500}) {
    for (const int32_t width : {16, 32, 48, 64, 80, 128, 256}) {
      Operands operands(random, keys, width, 16 * static_cast<int32_t>(random.integer(1, 16)));
      for (const bool masked : {false, true}) check_variants(operands, masked);
    }
  }
}

TEST_CASE("cached attention sees the keys from a window's first on, and those alone") {
  SeededRandom random(35);
  for (const int32_t begin : {1, 15, 16, 17, 31, 99}) {
    Operands operands(random, 100, 64, 48);
    operands.begin = begin;
    check_variants(operands, begin % 2 == 0);
    // The same keys at the front of a cache of their own: but for the order of the sum, the same.
    Operands alone(random, 100 - begin, 64, 48);
    std::copy(operands.q.begin(), operands.q.end(), alone.q.begin());
    const auto take = [&](HeadPanel& from, HeadPanel& to, CachedPart part) {
      const int8_t* first = from.rows.data() + begin * from.width;
      put_cached_rows(part, {first, from.width, to.keys, to.width}, 0, to.q.data());
      std::copy_n(from.scale.data() + begin, to.keys, to.scale.data());
    };
    take(operands.k, alone.k, CachedPart::keys);
    take(operands.v, alone.v, CachedPart::values);
    GuardedBuffer<float> y(48), expected(48), p(100);
    GuardedBuffer<std::byte> scratch(scratch_bytes(100));
    const auto& kernel = reference_of(cached_attention_kernels());
    kernel.run(operands.args(false, y.data(), p.data()), scratch.data());
    kernel.run(alone.args(false, expected.data(), p.data()), scratch.data());
    for (size_t d = 0; d < 48; ++d) CHECK(std::fabs(y[d] - expected[d]) < 1e-5f);
  }
}

TEST_CASE("rows put into a panel anywhere are read from there, and all others stay") {
  SeededRandom random(36);
  for (const CachedPart part : {CachedPart::keys, CachedPart::values}) {
    constexpr int32_t kWidth = 32, kRows = 40;
    HeadPanel panel(random, part, kRows, kWidth, false);
    for (int32_t first = 0; first < kRows; first += static_cast<int32_t>(random.integer(1, 5))) {
      const auto rows = static_cast<int32_t>(random.integer(1, kRows - first));
      std::vector<int8_t> x(static_cast<size_t>(rows) * (kWidth + 3));
      for (int8_t& v : x) v = static_cast<int8_t>(random.integer(-127, 127));
      put_cached_rows(part, {x.data(), kWidth + 3, rows, kWidth}, first, panel.q.data());
      for (int32_t r = 0; r < rows; ++r) {
        std::copy_n(x.data() + r * (kWidth + 3), kWidth, panel.rows.data() + (first + r) * kWidth);
      }
      std::vector<float> y(kRows * (kWidth + 1), 7.0f);
      read_cached_rows(part, panel.q.data(), panel.scale.data(), kRows, kWidth, y.data(),
                       kWidth + 1);
      for (int32_t s = 0; s < kRows; ++s) {
        for (int32_t d = 0; d < kWidth; ++d) {
          const auto at = static_cast<size_t>(s * kWidth + d);
          REQUIRE(y[static_cast<size_t>(s * (kWidth + 1) + d)] ==
                  panel.scale.data()[s] * static_cast<float>(panel.rows[at]));
        }
        REQUIRE(y[static_cast<size_t>(s * (kWidth + 1) + kWidth)] == 7.0f);
      }
    }
  }
}

TEST_CASE("cached attention's sums of the largest values over the most keys stay exact") {
  SeededRandom random(32);
  Operands operands(random, kCachedKeysMax, 256, 16, true);
  check_variants(operands, false);
}

TEST_CASE("cached attention is softmax(scale q k) v, to the precision of its weights") {
  SeededRandom random(33);
  for (const int32_t keys : {1, 20, 700}) {
    Operands o(random, keys, 64, 64);
    // Integers as queries, so that their quantisation is exact.
    for (float& x : o.q) x = static_cast<float>(random.integer(-126, 126));
    o.q[0] = 127.0f;
    std::vector<double> e(static_cast<size_t>(keys));
    double sum = 0, largest = 0;
    for (int32_t s = 0; s < keys; ++s) {
      double score = 0;
      for (int32_t d = 0; d < 64; ++d)
        score += static_cast<double>(o.q[static_cast<size_t>(d)]) * o.k.value(s, d);
      const double weight = e[static_cast<size_t>(s)] = std::exp(score * 0.01);
      sum += weight;
      const double scale = o.v.scale.data()[s];
      largest = std::max(largest, weight * scale);
    }
    // Every weight may be half a step off, and every value as large as they come.
    const double bound = keys * 127 * 0.5 * largest / 16383 / sum + 1e-6;
    GuardedBuffer<float> y(64), p(static_cast<size_t>(keys));
    GuardedBuffer<std::byte> scratch(scratch_bytes(keys));
    CachedAttentionArgs args = o.args(false, y.data(), p.data());
    args.scale = 0.01f;
    reference_of(cached_attention_kernels()).run(args, scratch.data());
    for (int32_t d = 0; d < 64; ++d) {
      double expected = 0;
      for (int32_t s = 0; s < keys; ++s)
        expected += e[static_cast<size_t>(s)] / sum * o.v.value(s, d);
      CHECK(std::fabs(static_cast<double>(y[static_cast<size_t>(d)]) - expected) < bound);
    }
  }
}

TEST_CASE("cached attention to masked keys alone, or to values of zero, gives zeros") {
  SeededRandom random(34);
  for_each_variant(cached_attention_kernels(), detect_isa(), [&](const auto& kernel) {
    INFO(kernel.name);
    for (const bool masked : {false, true}) {
      Operands o(random, 21, 32, 32);
      for (float& x : o.mask) x = -HUGE_VALF;
      for (float& x : o.v.scale) x = masked ? x : 0.0f;
      GuardedBuffer<float> y(32), p(21);
      GuardedBuffer<std::byte> scratch(scratch_bytes(21));
      kernel.run(o.args(masked, y.data(), p.data()), scratch.data());
      for (const float v : y) CHECK(v == 0.0f);
    }
  });
}
