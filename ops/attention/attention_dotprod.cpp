#include "ops/attention/attention_sdot.h"

namespace heed {
extern const AttentionKernel kAttentionDotprod;
const AttentionKernel kAttentionDotprod = make_attention<Sdot>("dotprod", Isa::neon | Isa::dotprod);

}  // namespace heed
