#pragma once
// The kernels one machine runs: of each family the first variant of its list whose needs the
// machine meets. A plain value: a process may hold several and run every ISA it has.

#include "ops/isa.h"

namespace heed {

struct LinearKernel;
struct MatmulKernel;
struct AttentionKernel;
struct CachedAttentionKernel;
struct ActivationKernel;
struct NormKernel;
struct QuantizeKernel;
struct SoftmaxKernel;
struct ElementwiseKernel;
struct ReduceKernel;
struct RopeKernel;
struct DepthwiseKernel;

struct KernelSet {
  IsaSet isa;  // what it was chosen for
  const LinearKernel* linear;
  const MatmulKernel* matmul;
  const AttentionKernel* attention;
  const CachedAttentionKernel* cached_attention;
  const ActivationKernel* activation;
  const NormKernel* norm;
  const QuantizeKernel* quantize;
  const SoftmaxKernel* softmax;
  const ElementwiseKernel* elementwise;
  const ReduceKernel* reduce;
  const RopeKernel* rope;
  const DepthwiseKernel* depthwise;
};

/// Never leaves a member null: the last variant of every list is its reference.
KernelSet choose_kernels(IsaSet isa);

}  // namespace heed
