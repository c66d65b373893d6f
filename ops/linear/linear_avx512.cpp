#include "ops/linear/linear_widened.h"

namespace heed {
namespace {

// The 512-bit form of the AVX2 variant, for machines whose AVX-512 lacks VNNI.
struct Avx512 {
  struct Pairs {  // of outputs 0-7 and 8-15, two neighbouring lanes each
    __m512i low;
    __m512i high;
  };
  using Acc = Pairs;
  using W = Pairs;
  using X = const uint8_t*;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 1;
  static constexpr int kStep = kLinearGroupK;
  static constexpr ptrdiff_t kStepBytes = kStep * sizeof(int16_t);
  static constexpr int kAdds = 1;
  static constexpr int kUnroll = 2;
  typedef int64_t Quad __attribute__((aligned(1), may_alias));

  [[gnu::always_inline]] static inline X inputs(const uint8_t* p) { return p; }
  [[gnu::always_inline]] static inline W weights(const int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(p))),
            _mm512_cvtepi8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(p + 32)))};
  }
  template <int>
  [[gnu::always_inline]] static inline Acc dot(const Acc& acc, X p, const W& w) {
    const __m512i x = _mm512_set1_epi64(*reinterpret_cast<const Quad*>(p));
    Acc sum = {_mm512_add_epi32(acc.low, _mm512_madd_epi16(w.low, x)),
               _mm512_add_epi32(acc.high, _mm512_madd_epi16(w.high, x))};
    // Else GCC adds products to each other first and keeps the sums in memory.
    asm("" : "+v"(sum.low), "+v"(sum.high));
    return sum;
  }
  [[gnu::always_inline]] static inline Acc start(const int32_t*) {
    return {_mm512_setzero_si512(), _mm512_setzero_si512()};
  }
  [[gnu::always_inline]] static inline void finish(const Acc& acc, const TileEnd& end) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i sums = _mm512_add_epi32(_mm512_permutex2var_epi32(acc.low, even, acc.high),
                                          _mm512_permutex2var_epi32(acc.low, odd, acc.high));
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(*end.x_scale), _mm512_load_ps(end.w_scale));
    const __m512 sum = _mm512_cvtepi32_ps(sums);
    _mm512_storeu_ps(end.y, _mm512_fmadd_ps(sum, scale, _mm512_loadu_ps(end.t)));
  }
};

// 12 rows x 16 outputs in 24 accumulators, with the weights, one input and one product. A single
// row takes 64 outputs at a time, to have 8 independent sums.
template <int R>
constexpr TileFn kTile = tile<Avx512, R, 1>;
constexpr Tiles<12, 1> kTiles = {1,
                                 4,
                                 tile<Avx512, 1, 4>,
                                 {{kTile<1>},
                                  {kTile<2>},
                                  {kTile<3>},
                                  {kTile<4>},
                                  {kTile<5>},
                                  {kTile<6>},
                                  {kTile<7>},
                                  {kTile<8>},
                                  {kTile<9>},
                                  {kTile<10>},
                                  {kTile<11>},
                                  {kTile<12>}}};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void* scratch) {
  run_widened(kTiles, args, n_begin, n_end, scratch);
}

}  // namespace

extern const LinearKernel kLinearAvx512;
constinit const LinearKernel kLinearAvx512 = {"avx512", Isa::avx2 | Isa::avx512, run};

}  // namespace heed
