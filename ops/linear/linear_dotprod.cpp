#include "ops/linear/linear_sdot.h"

namespace heed {
namespace {

// 6 rows x 16 outputs: 24 accumulators, 6 registers of inputs and 2 of weights are all 32. A single
// row takes 32 outputs at a time, to have 8 independent sums. The model of Neoverse N1, whose
// vector unit is Cortex-A76's (llvm-mca 19), takes 48.1 cycles for 96 dot products, 2 at a time.
constexpr Tiles<6, 1> kTiles = {1,
                                2,
                                arm_tile<Sdot, 1, 8>,
                                {{arm_tile<Sdot, 1, 4>},
                                 {arm_tile<Sdot, 2, 4>},
                                 {arm_tile<Sdot, 3, 4>},
                                 {arm_tile<Sdot, 4, 4>},
                                 {arm_tile<Sdot, 5, 4>},
                                 {arm_tile<Sdot, 6, 4>}},
                                true};

void run(const LinearArgs& args, int32_t n_begin, int32_t n_end, void*) {
  run_tiles(kTiles, args, reinterpret_cast<const uint8_t*>(args.x), args.x_step, args.rows, n_begin,
            n_end);
}

}  // namespace

extern const LinearKernel kLinearDotprod;
constinit const LinearKernel kLinearDotprod = {"dotprod", Isa::neon | Isa::dotprod, run};

}  // namespace heed
