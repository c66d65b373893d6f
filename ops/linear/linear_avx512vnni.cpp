#include <immintrin.h>

#include "ops/linear/linear_tile.h"

namespace heed {
namespace {

struct Vnni512 {
  using Acc = __m512i;
  using W = Acc;
  using X = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 1;
  static constexpr int kStep = kLinearGroupK;
  static constexpr ptrdiff_t kStepBytes = kStep;
  static constexpr int kAdds = 1;
  static constexpr int kUnroll = 2;
  typedef int32_t Quad __attribute__((aligned(1), may_alias));

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const Quad*>(p));
  }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) { return _mm512_load_si512(p); }
  template <int>
  [[gnu::always_inline]] static inline Acc dot(Acc acc, X x, W w) {
#if defined(__clang__)
    return _mm512_dpbusd_epi32(acc, x, w);
#else
    // GCC 12 copies accumulators to other registers and to memory around the intrinsic.
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
#endif
  }
  // The rows are held as x + 128, so the sum begins at -128 times the sum of the weights.
  [[gnu::always_inline]] static inline Acc start(const int32_t* w_sum) {
    return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(_mm512_load_si512(w_sum), 7));
  }
  [[gnu::always_inline]] static inline void finish(Acc acc, const TileEnd& end) {
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(*end.x_scale), _mm512_load_ps(end.w_scale));
    const __m512 sum = _mm512_cvtepi32_ps(acc);
    _mm512_storeu_ps(end.y, _mm512_fmadd_ps(sum, scale, _mm512_loadu_ps(end.t)));
  }
};

// A single row waits for memory only. Its 8 blocks are 8 streams too short for the prefetchers to
// follow at once: asking 4 steps ahead gains 5 to 15 % where the weights come from the L3 cache and
// loses 1 % where they come from L2 (Zen 4). From L3, where a decoder's weights lie, it reads at 95
// to 100 % of a plain read's speed, 1.27 to 1.33 times XNNPACK's; where one small layer alone fills
// L2, at 88 to 93 % and 0.9 times. Four streams and no asking would give 98 % there, but 84 to 90 %
// from L3.
struct Vnni512Row : Vnni512 {
  [[gnu::always_inline]] static inline W weights(const int8_t* p) {
    _mm_prefetch(reinterpret_cast<const char*>(p + 4 * kQuad), _MM_HINT_T0);
    return Vnni512::weights(p);
  }
};

// x + 128 as unsigned bytes: vpdpbusd multiplies unsigned by signed.
void copy_unsigned(const LinearArgs& args, ptrdiff_t k_padded, uint8_t* out) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  for (int32_t m = 0; m < args.rows; ++m) {
    const int8_t* x = args.x + m * args.x_step;
    ptrdiff_t k = 0;
    for (; k + 64 <= k_padded; k += 64) {
      _mm512_storeu_si512(out + k, _mm512_xor_si512(_mm512_loadu_si512(x + k), flip));
    }
    for (; k < k_padded; k += 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + k));
      _mm_store_si128(reinterpret_cast<__m128i*>(out + k),
                      _mm_xor_si128(v, _mm_set1_epi8(static_cast<char>(0x80))));
    }
    out += k_padded;
  }
}

// 6 rows x 64 outputs: 24 accumulators, 6 inputs and the weights in flight fill the 32 registers;
// 10 loads serve 24 products. Three blocks, which are rare, are two and one: 7 kB less code. A
// single row takes 128 outputs at a time, to have 8 independent sums.
template <int R, int V>
constexpr TileFn kTile = tile<Vnni512, R, V>;
// Asking for the outputs' lines saves a tenth of the time of 1500 x 1536 outputs of K = 384, more
// than L2 holds (Zen 4); narrower tiles are over too soon to be worth the instructions.
constexpr int32_t kAskWidth = 256;
constexpr Tiles<6, 4> kTiles = {1,
                                8,
                                tile<Vnni512Row, 1, 8>,
                                {
                                    {kTile<1, 1>, kTile<1, 2>, nullptr, kTile<1, 4>},
                                    {kTile<2, 1>, kTile<2, 2>, nullptr, kTile<2, 4>},
                                    {kTile<3, 1>, kTile<3, 2>, nullptr, kTile<3, 4>},
                                    {kTile<4, 1>, kTile<4, 2>, nullptr, kTile<4, 4>},
                                    {kTile<5, 1>, kTile<5, 2>, nullptr, kTile<5, 4>},
                                    {kTile<6, 1>, kTile<6, 2>, nullptr, kTile<6, 4>},
                                },
                                false,
                                kAskWidth};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
  const ptrdiff_t k_padded = static_cast<ptrdiff_t>(args.groups) * args.group_width;
  uint8_t* x = static_cast<uint8_t*>(scratch);
  copy_unsigned(args, k_padded, x);
  run_tiles(kTiles, args, x, k_padded, args.rows, n_begin, n_end);
}

}  // namespace

extern const LinearKernel kLinearAvx512vnni;
constinit const LinearKernel kLinearAvx512vnni = {"avx512vnni",
                                                  Isa::avx2 | Isa::avx512 | Isa::avx512vnni, run};

}  // namespace heed
