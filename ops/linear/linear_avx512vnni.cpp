#include <immintrin.h>

#include "ops/linear/linear_x86.h"

namespace heed {
namespace {

// vpdpbusd multiplies unsigned by signed: x becomes x + 128 where it is loaded, beside the
// products, which leave the pipes for that free. A copy of the rows would cost a twentieth of 98 x
// 64 outputs of K = 256 (Zen 4).
constexpr int32_t kFlip = static_cast<int32_t>(0x80808080);

struct Vnni512 {
  using Acc = __m512i;
  using W = Acc;
  using X = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kInputBytes = 1;
  typedef int32_t Quad __attribute__((aligned(1), may_alias));

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) {
    X x;  // in one instruction, to which compilers do not get
    asm("vpxord %1%{1to16%}, %2, %0"
        : "=v"(x)
        : "m"(*reinterpret_cast<const Quad*>(p)), "v"(_mm512_set1_epi32(kFlip)));
    return x;
  }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) { return _mm512_load_si512(p); }
  [[gnu::always_inline]] static inline Acc dot(Acc acc, X x, W w) {
#if defined(__clang__)
    return _mm512_dpbusd_epi32(acc, x, w);
#else
    // GCC 12 copies accumulators to other registers and to memory around the intrinsic, and where
    // it may change the order.
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
#endif
  }
  [[gnu::always_inline]] static inline Acc add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  [[gnu::always_inline]] static inline Acc none() { return _mm512_setzero_si512(); }
  // The sum begins at -128 times the sum of the weights.
  [[gnu::always_inline]] static inline Acc start(const int32_t* w_sum) {
    return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(_mm512_load_si512(w_sum), 7));
  }
  [[gnu::always_inline]] static inline void finish(Acc acc, float x_scale, const float* w_scale,
                                                   const float* t, float* y) {
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(x_scale), _mm512_load_ps(w_scale));
    const __m512 sum = _mm512_cvtepi32_ps(acc);
    _mm512_storeu_ps(y, _mm512_fmadd_ps(sum, scale, _mm512_loadu_ps(t)));
  }
};

// 6 rows x 64 outputs: 24 accumulators, 6 inputs, kFlip and the weights are the 32 registers; 10
// loads serve 24 products. What is not products, a beginning and an end of 190 instructions, 48 of
// them float multiplications, takes 60 to 65 cycles of a tile. Three blocks, which are rare, are
// two and one: 7 kB less code.
template <int R, int V>
constexpr TileFn kTile = tile<Vnni512, R, V>;
template <int kBlocks>
constexpr TileFn kRow = row_tile<Vnni512, kBlocks, 4>;
// Asking for the outputs' lines saves a tenth of the time of 1500 x 1536 outputs of K = 384, more
// than L2 holds (Zen 4); narrower tiles are over too soon to be worth the instructions.
constexpr int32_t kAskWidth = 256;
constexpr Tiles<6, 4> kTiles = {1,
                                4,
                                kRow<4>,
                                {
                                    {kRow<1>, kRow<2>, nullptr, kRow<4>},
                                    {kTile<2, 1>, kTile<2, 2>, nullptr, kTile<2, 4>},
                                    {kTile<3, 1>, kTile<3, 2>, nullptr, kTile<3, 4>},
                                    {kTile<4, 1>, kTile<4, 2>, nullptr, kTile<4, 4>},
                                    {kTile<5, 1>, kTile<5, 2>, nullptr, kTile<5, 4>},
                                    {kTile<6, 1>, kTile<6, 2>, nullptr, kTile<6, 4>},
                                },
                                false,
                                kAskWidth};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void*) {
  run_tiles(kTiles, args, reinterpret_cast<const uint8_t*>(args.x), args.x_step, args.rows, n_begin,
            n_end);
}

}  // namespace

extern const LinearKernel kLinearAvx512vnni;
constinit const LinearKernel kLinearAvx512vnni = {"avx512vnni",
                                                  Isa::avx2 | Isa::avx512 | Isa::avx512vnni, run};

}  // namespace heed
