#include "ops/attention/attention.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "tests/support/guarded_buffer.h"
#include "tests/support/seeded_random.h"

using heed::AttentionArgs;
using heed::AttentionKernel;
using heed::IsaSet;
using heed::test::Guard;
using heed::test::GuardedBuffer;
using heed::test::SeededRandom;

namespace {

enum class Values { normal, zero_queries, zero_keys, zero_values, extremes };
enum class Mask { none, random, padding, one_row, all, lowest };

struct Case {
  int32_t rows = 1;
  int32_t keys = 1;
  int32_t width = 64;
  int32_t value_width = 64;
  bool causal = false;
  int32_t position = 0;
  int32_t window = 0;
  Mask mask = Mask::none;
  Values values = Values::normal;
  bool subtract_mean = false;
  bool map = false;
  size_t shift = 0;       // bytes that every float operand lies off its natural place
  ptrdiff_t padding = 0;  // floats between rows
  Guard guard = Guard::back;
};

std::string text(const Case& c) {
  return "rows " + std::to_string(c.rows) + ", keys " + std::to_string(c.keys) + ", widths " +
         std::to_string(c.width) + " " + std::to_string(c.value_width) + ", causal " +
         std::to_string(c.causal) + " from " + std::to_string(c.position) + ", window " +
         std::to_string(c.window) + ", mask " + std::to_string(static_cast<int>(c.mask)) +
         ", values " + std::to_string(static_cast<int>(c.values)) + ", mean " +
         std::to_string(c.subtract_mean) + ", map " + std::to_string(c.map) + ", shift " +
         std::to_string(c.shift) + ", padding " + std::to_string(c.padding);
}

size_t floats(int32_t rows, ptrdiff_t step, int32_t width) {
  return static_cast<size_t>((rows - 1) * step + width);
}

/// What one kernel made of a case: everything it wrote.
struct Result {
  std::vector<uint8_t> keys, values;
  std::vector<float> y, map;
  ptrdiff_t y_step = 0, map_step = 0;
};

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}
bool same(const Result& a, const Result& b) {
  return same_bytes(a.keys, b.keys) && same_bytes(a.values, b.values) && same_bytes(a.y, b.y) &&
         same_bytes(a.map, b.map);
}

constexpr float kUntouched = 12345.0f;

// All operands of one case, each at the edge of an unmapped page.
class Operands {
 public:
  Operands(const Case& c, uint64_t seed)
      : case_(c),
        q_step_(c.width + c.padding),
        v_step_(c.value_width + c.padding),
        q_(floats(c.rows, q_step_, c.width), c.guard, c.shift),
        k_(floats(c.keys, q_step_, c.width), c.guard, c.shift),
        v_(floats(c.keys, v_step_, c.value_width), c.guard, c.shift),
        mask_(floats(mask_rows(), c.keys + c.padding, c.keys), c.guard, c.shift),
        packed_keys_(heed::attention_keys_bytes(c.keys, c.width), c.guard),
        packed_values_(heed::attention_values_bytes(c.keys, c.value_width), c.guard),
        scratch_(heed::attention_scratch_bytes(c.keys, c.width), c.guard) {
    SeededRandom random(seed);
    for (float& x : q_) x = c.values == Values::zero_queries ? 0.0f : value(random);
    for (float& x : k_) x = c.values == Values::zero_keys ? 0.0f : value(random) + 0.5f;
    for (float& x : v_) x = c.values == Values::zero_values ? 0.0f : value(random);
    fill_mask(random);
  }

  Result run(const AttentionKernel& kernel) {
    const Case& c = case_;
    Result result;
    result.y_step = c.value_width + c.padding;
    result.map_step = c.keys + c.padding;
    GuardedBuffer<float> y(floats(c.rows, result.y_step, c.value_width), c.guard, c.shift);
    GuardedBuffer<float> map(c.map ? floats(c.rows, result.map_step, c.keys) : 0, c.guard, c.shift);
    std::fill(y.begin(), y.end(), kUntouched);
    std::fill(map.begin(), map.end(), kUntouched);
    packed_keys_.fill_bytes(0xa5);
    packed_values_.fill_bytes(0xa5);
    scratch_.fill_bytes(0xff);  // a NaN as a float
    kernel.pack_keys({k_.data(), q_step_, c.keys, c.width}, c.subtract_mean, packed_keys_.data());
    kernel.pack_values({v_.data(), v_step_, c.keys, c.value_width}, packed_values_.data());
    AttentionArgs a = args();
    a.y = y.data();
    a.y_step = result.y_step;
    a.map = c.map ? map.data() : nullptr;
    a.map_step = result.map_step;
    kernel.run(a, scratch_.data());
    result.keys.assign(packed_keys_.begin(), packed_keys_.end());
    result.values.assign(packed_values_.begin(), packed_values_.end());
    result.y.assign(y.begin(), y.end());
    result.map.assign(map.begin(), map.end());
    return result;
  }

  /// Without y and map. The packed operands hold what the last run's kernel packed.
  AttentionArgs args() const {
    const Case& c = case_;
    AttentionArgs a = {};
    a.q = q_.data();
    a.q_step = q_step_;
    a.rows = c.rows;
    a.keys = c.keys;
    a.head_width = c.width;
    a.value_width = c.value_width;
    a.packed_keys = packed_keys_.data();
    a.packed_values = packed_values_.data();
    a.scale = 1.0f / std::sqrt(static_cast<float>(c.width));
    a.causal = c.causal;
    a.position = c.position;
    a.window = c.window;
    a.mask = c.mask == Mask::none ? nullptr : mask_.data();
    a.mask_step = c.mask == Mask::one_row ? 0 : c.keys + c.padding;
    return a;
  }

  /// Relative root mean square distance of `y` to softmax attention in double precision.
  double error(const Result& result) const;

  void* scratch() { return scratch_.data(); }
  std::span<float> queries() { return q_.span(); }
  std::span<float> keys() { return k_.span(); }

 private:
  int32_t mask_rows() const {
    return case_.mask == Mask::none || case_.mask == Mask::one_row ? 1 : case_.rows;
  }
  float value(SeededRandom& random) const {
    if (case_.values != Values::extremes) return random.normal();
    constexpr float kExtremes[] = {0.0f,   -0.0f, 1e-38f, -1e-42f, 1e15f,
                                   -1e15f, 1.0f,  -1e15f, 1e15f,   3e-31f};
    return kExtremes[random.integer(0, 9)];
  }
  void fill_mask(SeededRandom& random) {
    for (float& x : mask_) x = random.normal();
    const ptrdiff_t step = case_.keys + case_.padding;
    for (int32_t r = 0; r < mask_rows(); ++r) {
      for (int32_t s = 0; s < case_.keys; ++s) {
        float& x = mask_[static_cast<size_t>(r * step + s)];
        if (case_.mask == Mask::random && random.integer(0, 3) == 0) x = -INFINITY;
        if (case_.mask == Mask::padding && s > case_.keys * 2 / 3) x = -INFINITY;
        if (case_.mask == Mask::all) x = -INFINITY;
        if (case_.mask == Mask::lowest) x = -3.4028235e38f;
      }
    }
  }

  Case case_;
  ptrdiff_t q_step_, v_step_;
  GuardedBuffer<float> q_, k_, v_, mask_;
  GuardedBuffer<uint8_t> packed_keys_, packed_values_, scratch_;
};

double Operands::error(const Result& result) const {
  const Case& c = case_;
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.width));
  double wrong = 0, all = 0;
  std::vector<double> p(static_cast<size_t>(c.keys));
  for (int32_t r = 0; r < c.rows; ++r) {
    double largest = -1e300, sum = 0;
    for (int32_t s = 0; s < c.keys; ++s) {
      double z = 0;
      for (int32_t d = 0; d < c.width; ++d) {
        z += static_cast<double>(q_.data()[r * q_step_ + d]) * k_.data()[s * q_step_ + d];
      }
      p[static_cast<size_t>(s)] = z * scale;
      largest = std::max(largest, z * scale);
    }
    for (double& x : p) sum += x = std::exp(x - largest);
    for (int32_t d = 0; d < c.value_width; ++d) {
      double y = 0;
      for (int32_t s = 0; s < c.keys; ++s) {
        y += p[static_cast<size_t>(s)] / sum * v_.data()[s * v_step_ + d];
      }
      const double off = y - result.y[static_cast<size_t>(r * result.y_step + d)];
      wrong += off * off;
      all += y * y;
    }
  }
  return std::sqrt(wrong / all);
}

std::span<const AttentionKernel* const> all_kernels() {
  return {heed::attention_kernels().items, heed::attention_kernels().count};
}

const AttentionKernel& reference() { return *all_kernels().back(); }

const AttentionKernel& best_kernel() {
  const auto runs = [](const AttentionKernel* kernel) {
    return heed::detect_isa().contains(kernel->isa);
  };
  return **std::find_if(all_kernels().begin(), all_kernels().end(), runs);
}

// Every variant of this machine but the reference.
std::vector<const AttentionKernel*> variants() {
  std::vector<const AttentionKernel*> found;
  for (const AttentionKernel* kernel : all_kernels().first(all_kernels().size() - 1)) {
    if (heed::detect_isa().contains(kernel->isa)) found.push_back(kernel);
  }
  return found;
}

void check_all(const Case& c, uint64_t seed) {
  Operands operands(c, seed);
  const Result expected = operands.run(reference());
  for (const AttentionKernel* kernel : variants()) {
    const Result result = operands.run(*kernel);
    INFO(kernel->name << ": " << text(c) << ", seed " << seed);
    CHECK(same_bytes(result.keys, expected.keys));
    CHECK(same_bytes(result.values, expected.values));
    CHECK(same_bytes(result.y, expected.y));
    CHECK(same_bytes(result.map, expected.map));
  }
}

}  // namespace

TEST_CASE("the list of attention kernels ends with the reference, which needs nothing") {
  CHECK(std::string(reference().name) == "reference");
  CHECK(reference().isa == IsaSet());
}

TEST_CASE("attention returns the reference's bits on every seam of rows, keys and widths") {
  constexpr int32_t kCounts[] = {1,  2,  3,  5,  6,  7,  12, 13, 15,  16,  17,
                                 31, 33, 48, 63, 64, 65, 97, 99, 127, 129, 197};
  constexpr int32_t kWidths[] = {4, 8, 12, 16, 20, 32, 36, 48, 60, 64, 68, 80, 96, 112, 128};
  uint64_t seed = 0;
  for (const int32_t keys : kCounts) {
    for (const int32_t width : {8, 64}) {
      check_all({.rows = 7, .keys = keys, .width = width, .value_width = width}, ++seed);
    }
  }
  for (const int32_t rows : kCounts) check_all({.rows = rows, .keys = 35}, ++seed);
  for (const int32_t width : kWidths) {
    for (const int32_t keys : {1, 65, 99}) {
      check_all({.rows = 5, .keys = keys, .width = width, .value_width = width, .map = true},
                ++seed);
      check_all({.rows = 6, .keys = keys, .width = width, .value_width = 132 - width}, ++seed);
    }
  }
}

TEST_CASE("attention takes widths that are no multiple of anything") {
  uint64_t seed = 100;
  for (const int32_t width : {1, 2, 3, 5, 7, 15, 17, 63, 65, 66, 130, 255, 256}) {
    const int32_t value_width = width % 2 == 0 ? width + 7 : width;
    check_all({.rows = 4, .keys = 70, .width = width, .value_width = value_width}, ++seed);
  }
}

TEST_CASE("attention on long rows, where rounding is dithered, returns the reference's bits") {
  uint64_t seed = 200;
  for (const int32_t keys :
       {heed::kAttentionDitherKeys - 1, heed::kAttentionDitherKeys, 700, 1500}) {
    check_all({.rows = 13, .keys = keys, .map = true}, ++seed);
  }
}

TEST_CASE("attention sees only what causal order and the window allow") {
  uint64_t seed = 300;
  for (const int32_t keys : {1, 7, 64, 99, 200}) {
    for (const int32_t rows : {1, 6, 40}) {
      for (const int32_t position : {-3, 0, keys - rows, keys - 1, keys + 70}) {
        for (const int32_t window : {0, 1, 20, 64, 1000}) {
          ++seed;
          check_all({.rows = rows,
                     .keys = keys,
                     .width = 16,
                     .value_width = 20,
                     .causal = true,
                     .position = position,
                     .window = window,
                     .map = seed % 2 != 0},
                    seed);
        }
      }
      check_all({.rows = rows, .keys = keys, .window = 10, .map = true}, ++seed);
    }
  }
}

TEST_CASE("a causal row does not feel the keys that come after it") {
  const Case c = {.rows = 80, .keys = 80, .width = 16, .value_width = 16, .causal = true};
  Operands all(c, 11);
  for (const AttentionKernel* kernel : all_kernels()) {
    if (!heed::detect_isa().contains(kernel->isa)) continue;
    const Result whole = all.run(*kernel);
    for (const int32_t r : {0, 1, 15, 16, 63, 64, 79}) {
      AttentionArgs one = all.args();
      std::vector<float> mask(80, -INFINITY), y(16);
      for (int32_t s = 0; s <= r; ++s) mask[static_cast<size_t>(s)] = 0.0f;
      one.q += r * one.q_step;
      one.rows = 1;
      one.causal = false;
      one.mask = mask.data();
      one.y = y.data();
      one.y_step = 16;
      kernel->run(one, all.scratch());
      double distance = 0, size = 0;
      for (size_t d = 0; d < 16; ++d) {
        const double other = whole.y[static_cast<size_t>(r * whole.y_step) + d];
        distance += (y[d] - other) * (y[d] - other);
        size += other * other;
      }
      INFO(kernel->name << ", row " << r);
      CHECK(distance <= 1e-4 * size);  // with a mask the logits are rounded once more
    }
  }
}

TEST_CASE("attention adds masks, and rows that are masked throughout are zeros") {
  uint64_t seed = 500;
  for (const Mask mask : {Mask::random, Mask::padding, Mask::one_row, Mask::all, Mask::lowest}) {
    for (const int32_t keys : {1, 5, 64, 99, 197}) {
      for (const bool causal : {false, true}) {
        const Case c = {.rows = 8,
                        .keys = keys,
                        .width = 32,
                        .value_width = 32,
                        .causal = causal,
                        .position = keys / 2,
                        .mask = mask,
                        .map = true};
        check_all(c, ++seed);
        if (mask != Mask::all) continue;
        const Result result = Operands(c, seed).run(reference());
        CHECK(std::all_of(result.y.begin(), result.y.end(), [](float y) { return y == 0.0f; }));
        CHECK(std::all_of(result.map.begin(), result.map.end(), [](float p) { return p == 0.0f; }));
      }
    }
  }
}

TEST_CASE("rows of zeros divide nothing by zero, and extreme values stay in bounds") {
  uint64_t seed = 600;
  for (const Values values :
       {Values::zero_queries, Values::zero_keys, Values::zero_values, Values::extremes}) {
    for (const Mask mask : {Mask::none, Mask::random}) {
      for (const int32_t keys : {1, 66, 150}) {
        const Case c = {.rows = 8,
                        .keys = keys,
                        .mask = mask,
                        .values = values,
                        .subtract_mean = keys == 66,
                        .map = true};
        check_all(c, ++seed);
        const Result result = Operands(c, seed).run(reference());
        CHECK(std::all_of(result.y.begin(), result.y.end(),
                          [](float y) { return std::isfinite(y); }));
      }
    }
  }
}

TEST_CASE("all-zero queries weigh all values alike") {
  const Case c = {.rows = 3, .keys = 50, .values = Values::zero_queries, .map = true};
  const Result result = Operands(c, 1).run(reference());
  for (const float p : result.map) CHECK(p == 1.0f / 50.0f);
}

TEST_CASE("attention touches nothing outside its operands, misaligned and with gaps between rows") {
  uint64_t seed = 700;
  for (const Guard guard : {Guard::back, Guard::front}) {
    for (const size_t shift : {size_t{0}, size_t{4}, size_t{20}}) {
      for (const ptrdiff_t padding : {0, 3}) {
        const Case c = {.rows = 7,
                        .keys = 99,
                        .width = 36,
                        .value_width = 20,
                        .mask = Mask::random,
                        .map = true,
                        .shift = shift,
                        .padding = padding,
                        .guard = guard};
        check_all(c, ++seed);
        const Result result = Operands(c, seed).run(best_kernel());
        for (int32_t r = 0; r + 1 < c.rows; ++r) {
          for (ptrdiff_t i = 0; i < padding; ++i) {
            CHECK(result.y[static_cast<size_t>(r * result.y_step + c.value_width + i)] ==
                  kUntouched);
            CHECK(result.map[static_cast<size_t>(r * result.map_step + c.keys + i)] == kUntouched);
          }
        }
      }
    }
  }
}

TEST_CASE("the map is a distribution over the keys in sight, and asking for it changes nothing") {
  Case c = {.rows = 20, .keys = 90, .causal = true, .position = 60, .window = 40, .map = true};
  for (const AttentionKernel* kernel : all_kernels()) {
    if (!heed::detect_isa().contains(kernel->isa)) continue;
    INFO(kernel->name);
    c.map = true;
    const Result with = Operands(c, 5).run(*kernel);
    c.map = false;
    CHECK(same_bytes(with.y, Operands(c, 5).run(*kernel).y));
    for (int32_t r = 0; r < c.rows; ++r) {
      double sum = 0;
      for (int32_t s = 0; s < c.keys; ++s) {
        const float p = with.map[static_cast<size_t>(r * with.map_step + s)];
        if (s > c.position + r || s <= c.position + r - c.window) CHECK(p == 0.0f);
        sum += p;
      }
      CHECK(std::abs(sum - 1.0) < 1e-5);
    }
  }
}

TEST_CASE("rows computed in several calls are the rows computed in one") {
  const Case c = {.rows = 29, .keys = 77, .causal = true, .position = 48};
  Operands operands(c, 9);
  for (const AttentionKernel* kernel : all_kernels()) {
    if (!heed::detect_isa().contains(kernel->isa)) continue;
    const Result whole = operands.run(*kernel);
    std::vector<float> y(whole.y.size());
    for (int32_t first = 0; first < c.rows; first += 4) {
      AttentionArgs part = operands.args();
      part.q += first * part.q_step;
      part.rows = std::min(4, c.rows - first);
      part.position += first;
      part.y = y.data() + first * whole.y_step;
      part.y_step = whole.y_step;
      kernel->run(part, operands.scratch());
    }
    INFO(kernel->name);
    CHECK(same_bytes(y, whole.y));
  }
}

TEST_CASE("attention on int8 stays close to softmax attention in double precision") {
  struct Bound {
    int32_t keys;
    double error;
  };
  for (const Bound bound : {Bound{99, 0.03}, Bound{197, 0.03}, Bound{1500, 0.045}}) {
    const Case c = {.rows = 48, .keys = bound.keys};
    Operands operands(c, 77);
    for (float& x : operands.queries()) x *= 2.0f;  // logits of deviation 2
    const double error = operands.error(operands.run(reference()));
    INFO("keys " << bound.keys << ", error " << error);
    CHECK(error <= bound.error);
  }
}

TEST_CASE("taking off the keys' mean keeps precision that a large common offset would cost") {
  const Case plain = {.rows = 24, .keys = 120};
  Case centred = plain;
  centred.subtract_mean = true;
  Operands a(plain, 3), b(centred, 3);
  for (size_t s = 0; s < 120; ++s) {
    a.keys()[s * 64 + 3] += 40.0f;
    b.keys()[s * 64 + 3] += 40.0f;
  }
  const double without = a.error(a.run(reference()));
  const double with = b.error(b.run(reference()));
  INFO("error without " << without << ", with " << with);
  CHECK(with < 0.03);
  CHECK(with < 0.3 * without);
}

TEST_CASE("a kernel that is wrong in one bit of one output is caught") {
  AttentionKernel wrong = reference();
  wrong.run = [](const AttentionArgs& args, void* scratch) {
    reference().run(args, scratch);
    float& last = args.y[(args.rows - 1) * args.y_step + args.value_width - 1];
    last = std::nextafter(last, 2.0f * last + 1.0f);
  };
  Operands operands({.rows = 9, .keys = 40}, 21);
  const Result expected = operands.run(reference());
  CHECK(same(expected, operands.run(reference())));
  CHECK_FALSE(same(expected, operands.run(wrong)));
}
