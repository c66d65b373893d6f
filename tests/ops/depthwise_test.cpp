#include "ops/depthwise/depthwise.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/isa.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/seeded_random.h"

using namespace heed;
using namespace heed::test;

namespace {

struct DepthwiseCase {
  int32_t in_w, channels, kernel_h, kernel_w, stride, dilation, pad, out_w;
};

constexpr DepthwiseCase kCases[] = {
    {20, 16, 3, 3, 1, 1, 1, 20},  // interior in fours, both edges
    {21, 33, 3, 3, 2, 1, 1, 11},  // channels that fill no block
    {9, 5, 1, 5, 1, 2, 4, 9},     // fewer channels than a block, wide and dilated
    {2, 48, 3, 7, 1, 1, 3, 2},    // kernel wider than the row
    {30, 7, 5, 4, 3, 1, 0, 9},    // no padding
    {4, 16, 2, 3, 1, 1, 6, 14}};  // pixels that see nothing

/// Input rows (one of them beyond the picture), weights and output between unmapped pages.
struct DepthwiseRun {
  explicit DepthwiseRun(const DepthwiseCase& given, bool with_bias)
      : c(given),
        x(static_cast<size_t>(c.kernel_h * c.in_w * c.channels)),
        w(static_cast<size_t>(c.kernel_h * c.kernel_w * c.channels)),
        bias(static_cast<size_t>(c.channels)),
        y(static_cast<size_t>(c.out_w * c.channels)) {
    SeededRandom random(11);
    for (auto* buffer : {&x, &w, &bias})
      for (float& value : *buffer) value = random.normal();
    for (int32_t ky = 0; ky < c.kernel_h; ++ky)
      rows.push_back(ky == 1 ? nullptr : x.data() + ptrdiff_t{ky} * c.in_w * c.channels);
    args = {rows.data(), w.data(),   with_bias ? bias.data() : nullptr,
            y.data(),    0,          c.out_w,
            c.in_w,      c.channels, c.kernel_h,
            c.kernel_w,  c.stride,   c.dilation,
            c.pad};
  }
  DepthwiseCase c;
  GuardedBuffer<float> x, w, bias, y;
  std::vector<const float*> rows;
  DepthwiseArgs args{};
};

const DepthwiseKernel& reference() {
  const DepthwiseKernelList list = depthwise_kernels();
  return *list.items[list.count - 1];
}

}  // namespace

TEST_CASE("the depthwise reference is the sum over the taps within the picture") {
  for (const DepthwiseCase& c : kCases) {
    DepthwiseRun run(c, true);
    reference().run(run.args);
    for (int32_t p = 0; p < c.out_w; ++p)
      for (int32_t k = 0; k < c.channels; ++k) {
        double sum = static_cast<double>(run.bias.data()[k]);
        for (int32_t ky = 0; ky < c.kernel_h; ++ky)
          for (int32_t kx = 0; kx < c.kernel_w; ++kx) {
            const int32_t at = p * c.stride - c.pad + kx * c.dilation;
            if (run.rows[static_cast<size_t>(ky)] == nullptr || at < 0 || at >= c.in_w) continue;
            sum += static_cast<double>(run.rows[static_cast<size_t>(ky)][at * c.channels + k]) *
                   static_cast<double>(run.w.data()[(ky * c.kernel_w + kx) * c.channels + k]);
          }
        REQUIRE(std::abs(static_cast<double>(run.y.data()[p * c.channels + k]) - sum) < 1e-4);
      }
  }
}

TEST_CASE("every depthwise kernel returns the reference's bits, whole rows and parts of them") {
  const DepthwiseKernelList list = depthwise_kernels();
  for (const DepthwiseCase& c : kCases)
    for (const bool with_bias : {false, true}) {
      DepthwiseRun expected(c, with_bias);
      reference().run(expected.args);
      for (size_t i = 0; i < list.count; ++i) {
        if (!detect_isa().contains(list.items[i]->isa)) continue;
        INFO(list.items[i]->name << ", " << c.in_w << " pixels of " << c.channels);
        DepthwiseRun whole(c, with_bias);
        list.items[i]->run(whole.args);
        CHECK(std::memcmp(whole.y.data(), expected.y.data(), c.out_w * c.channels * 4u) == 0);
        DepthwiseRun parts(c, with_bias);
        for (int32_t first = 0; first < c.out_w; first += 5) {
          DepthwiseArgs args = parts.args;
          args.first = first;
          args.count = std::min(5, c.out_w - first);
          args.y += ptrdiff_t{first} * c.channels;
          list.items[i]->run(args);
        }
        CHECK(std::memcmp(parts.y.data(), expected.y.data(), c.out_w * c.channels * 4u) == 0);
      }
    }
}
