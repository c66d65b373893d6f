#include <immintrin.h>

#include "ops/linear/linear_x86.h"

namespace heed {
namespace {

struct Vnni256 {
  using Acc = __m256i;
  using W = Acc;
  using X = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kInputBytes = 1;
  typedef int32_t Quad __attribute__((aligned(1), may_alias));

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) {
    return _mm256_set1_epi32(*reinterpret_cast<const Quad*>(p));
  }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  }
  [[gnu::always_inline]] static inline Acc dot(Acc acc, X x, W w) {
#if defined(__clang__)
    return _mm256_dpbusd_avx_epi32(acc, x, w);
#else
    // GCC 12 copies accumulators to other registers and to memory around the intrinsic.
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(w));
    return acc;
#endif
  }
  [[gnu::always_inline]] static inline Acc add(Acc a, Acc b) { return _mm256_add_epi32(a, b); }
  [[gnu::always_inline]] static inline Acc none() { return _mm256_setzero_si256(); }
  // The rows are held as x + 128, so the sum begins at -128 times the sum of the weights.
  [[gnu::always_inline]] static inline Acc start(const int32_t* w_sum) {
    const Acc sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(w_sum));
    return _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(sums, 7));
  }
  [[gnu::always_inline]] static inline void finish(Acc acc, float x_scale, const float* w_scale,
                                                   const float* t, float* y) {
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(x_scale), _mm256_load_ps(w_scale));
    const __m256 sum = _mm256_cvtepi32_ps(acc);
    _mm256_storeu_ps(y, _mm256_fmadd_ps(sum, scale, _mm256_loadu_ps(t)));
  }
};

// x + 128 as unsigned bytes: vpdpbusd multiplies unsigned by signed.
void copy_unsigned(const LinearArgs& args, ptrdiff_t k_padded, uint8_t* out) {
  const __m128i flip = _mm_set1_epi8(static_cast<char>(0x80));
  for (int32_t m = 0; m < args.rows; ++m) {
    const int8_t* x = args.x + m * args.x_step;
    for (ptrdiff_t k = 0; k < k_padded; k += 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + k));
      _mm_store_si128(reinterpret_cast<__m128i*>(out + k), _mm_xor_si128(v, flip));
    }
    out += k_padded;
  }
}

// 3 rows x 32 outputs: 12 accumulators, 3 inputs and one vector of weights are the 16 registers.
template <int R, int Blocks>
constexpr TileFn kTile = tile<Vnni256, R, 2 * Blocks>;
template <int Blocks>
constexpr TileFn kRow = row_tile<Vnni256, Blocks, 4>;
constexpr Tiles<3, 2> kTiles = {
    1,
    4,
    kRow<4>,
    {{kRow<1>, kRow<2>}, {kTile<2, 1>, kTile<2, 2>}, {kTile<3, 1>, kTile<3, 2>}}};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  uint8_t* x = static_cast<uint8_t*>(scratch);
  copy_unsigned(args, k_padded, x);
  run_tiles(kTiles, args, x, k_padded, args.rows, n_begin, n_end);
}

}  // namespace

extern const LinearKernel kLinearAvxvnni;
constinit const LinearKernel kLinearAvxvnni = {"avxvnni", Isa::avx2 | Isa::avxvnni, run};

}  // namespace heed
