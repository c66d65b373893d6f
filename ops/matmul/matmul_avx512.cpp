#include <immintrin.h>

#include "ops/matmul/matmul_tile.h"

namespace heed {
namespace {

struct Avx512 {
  using Vec = __m512;
  static constexpr int kLanes = 16;

  [[gnu::always_inline]] static inline Vec zero() { return _mm512_setzero_ps(); }
  [[gnu::always_inline]] static inline Vec broadcast(const float* p) { return _mm512_set1_ps(*p); }
  [[gnu::always_inline]] static inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
  [[gnu::always_inline]] static inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
  [[gnu::always_inline]] static inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
  [[gnu::always_inline]] static inline Vec fma(Vec a, Vec b, Vec t) {
    return _mm512_fmadd_ps(a, b, t);
  }

  [[gnu::always_inline]] static inline __mmask16 first(int32_t count) {
    return static_cast<__mmask16>((1u << count) - 1);  // a block is one vector: count is 1 .. 15
  }
  [[gnu::always_inline]] static inline Vec load_some(const float* p, int32_t count) {
    return _mm512_maskz_loadu_ps(first(count), p);
  }
  [[gnu::always_inline]] static inline void store_some(float* p, Vec v, int32_t count) {
    _mm512_mask_storeu_ps(p, first(count), v);
  }
};

// 6 rows x 64 columns: 24 accumulators, 6 elements and the columns in flight fill the 32 registers;
// 10 loads serve 24 products. A single row takes 128 columns at a time, to have 8 independent sums.
template <int R, int V>
constexpr TileFn kWhole = tile<Avx512, R, V, true>;
template <int R>
constexpr TileFn kPartial = tile<Avx512, R, 1, false>;
constexpr Tiles<6, 4> kTiles = {
    {
        {kWhole<1, 1>, kWhole<1, 2>, kWhole<1, 3>, kWhole<1, 4>},
        {kWhole<2, 1>, kWhole<2, 2>, kWhole<2, 3>, kWhole<2, 4>},
        {kWhole<3, 1>, kWhole<3, 2>, kWhole<3, 3>, kWhole<3, 4>},
        {kWhole<4, 1>, kWhole<4, 2>, kWhole<4, 3>, kWhole<4, 4>},
        {kWhole<5, 1>, kWhole<5, 2>, kWhole<5, 3>, kWhole<5, 4>},
        {kWhole<6, 1>, kWhole<6, 2>, kWhole<6, 3>, kWhole<6, 4>},
    },
    {kPartial<1>, kPartial<2>, kPartial<3>, kPartial<4>, kPartial<5>, kPartial<6>},
    kWhole<1, 8>,
    8};

void run(const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
  run_tiles(kTiles, args, n_begin, n_end);
}

}  // namespace

extern const MatmulKernel kMatmulAvx512;
constinit const MatmulKernel kMatmulAvx512 = {"avx512", Isa::avx2 | Isa::avx512, run};

}  // namespace heed
