#include <arm_neon.h>

#include "ops/matmul/matmul_tile.h"

namespace heed {
namespace {

struct Neon {
  using Vec = float32x4_t;
  static constexpr int kLanes = 4;

  [[gnu::always_inline]] static inline Vec zero() { return vdupq_n_f32(0.0f); }
  [[gnu::always_inline]] static inline Vec broadcast(const float* p) { return vld1q_dup_f32(p); }
  [[gnu::always_inline]] static inline Vec load(const float* p) { return vld1q_f32(p); }
  [[gnu::always_inline]] static inline void store(float* p, Vec v) { vst1q_f32(p, v); }
  [[gnu::always_inline]] static inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
  [[gnu::always_inline]] static inline Vec fma(Vec a, Vec b, Vec t) { return vfmaq_f32(t, a, b); }

  [[gnu::always_inline]] static inline Vec load_some(const float* p, int32_t count) {
    if (count >= 4) return load(p);
    Vec v = zero();
    if (count >= 1) v = vld1q_lane_f32(p, v, 0);
    if (count >= 2) v = vld1q_lane_f32(p + 1, v, 1);
    if (count >= 3) v = vld1q_lane_f32(p + 2, v, 2);
    return v;
  }
  [[gnu::always_inline]] static inline void store_some(float* p, Vec v, int32_t count) {
    if (count >= 4) {
      store(p, v);
      return;
    }
    if (count >= 1) vst1q_lane_f32(p, v, 0);
    if (count >= 2) vst1q_lane_f32(p + 1, v, 1);
    if (count >= 3) vst1q_lane_f32(p + 2, v, 2);
  }
};

#if defined(__aarch64__)
// 6 rows x 16 columns: 24 accumulators, 6 elements, the columns in flight.
constexpr Tiles<6, 1> kTiles = {
    {{tile<Neon, 1, 4, true>},
     {tile<Neon, 2, 4, true>},
     {tile<Neon, 3, 4, true>},
     {tile<Neon, 4, 4, true>},
     {tile<Neon, 5, 4, true>},
     {tile<Neon, 6, 4, true>}},
    {tile<Neon, 1, 4, false>, tile<Neon, 2, 4, false>, tile<Neon, 3, 4, false>,
     tile<Neon, 4, 4, false>, tile<Neon, 5, 4, false>, tile<Neon, 6, 4, false>},
    tile<Neon, 1, 8, true>,
    2};
#else
// 16 registers: 2 rows x 16 columns in 8 accumulators, 2 elements, the columns in flight.
constexpr Tiles<2, 1> kTiles = {{{tile<Neon, 1, 4, true>}, {tile<Neon, 2, 4, true>}},
                                {tile<Neon, 1, 4, false>, tile<Neon, 2, 4, false>},
                                tile<Neon, 1, 8, true>,
                                2};
#endif

void run(const MatmulArgs& args, int32_t n_begin, int32_t n_end) {
  run_tiles(kTiles, args, n_begin, n_end);
}

}  // namespace

extern const MatmulKernel kMatmulNeon;
constinit const MatmulKernel kMatmulNeon = {"neon", Isa::neon, run};

}  // namespace heed
