#include <immintrin.h>

#include "ops/matmul/matmul_tile.h"

namespace heed {
namespace {

struct Avx2 {
  using Vec = __m256;
  static constexpr int kLanes = 8;

  [[gnu::always_inline]] static inline Vec zero() { return _mm256_setzero_ps(); }
  [[gnu::always_inline]] static inline Vec broadcast(const float* p) { return _mm256_set1_ps(*p); }
  [[gnu::always_inline]] static inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
  [[gnu::always_inline]] static inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
  [[gnu::always_inline]] static inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  [[gnu::always_inline]] static inline Vec fma(Vec a, Vec b, Vec t) {
    return _mm256_fmadd_ps(a, b, t);
  }

  [[gnu::always_inline]] static inline __m256i first(int32_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  [[gnu::always_inline]] static inline Vec load_some(const float* p, int32_t count) {
    return _mm256_maskload_ps(p, first(count));
  }
  [[gnu::always_inline]] static inline void store_some(float* p, Vec v, int32_t count) {
    _mm256_maskstore_ps(p, first(count), v);
  }
};

// 6 rows x 16 columns: 12 accumulators, 2 vectors of columns, one element at a time: 16 registers.
constexpr Tiles<6, 1> kTiles = {
    {{tile<Avx2, 1, 2, true>},
     {tile<Avx2, 2, 2, true>},
     {tile<Avx2, 3, 2, true>},
     {tile<Avx2, 4, 2, true>},
     {tile<Avx2, 5, 2, true>},
     {tile<Avx2, 6, 2, true>}},
    {tile<Avx2, 1, 2, false>, tile<Avx2, 2, 2, false>, tile<Avx2, 3, 2, false>,
     tile<Avx2, 4, 2, false>, tile<Avx2, 5, 2, false>, tile<Avx2, 6, 2, false>},
    tile<Avx2, 1, 8, true>,
    4};

void run(const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
  run_tiles(kTiles, args, n_begin, n_end);
}

}  // namespace

extern const MatmulKernel kMatmulAvx2;
constinit const MatmulKernel kMatmulAvx2 = {"avx2", Isa::avx2, run};

}  // namespace heed
