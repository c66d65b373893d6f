#include "ops/kernel_set.h"

#include "ops/activation/activation.h"
#include "ops/attention/attention.h"
#include "ops/cached_attention/cached_attention.h"
#include "ops/depthwise/depthwise.h"
#include "ops/elementwise/elementwise.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/norm/norm.h"
#include "ops/quantize/quantize.h"
#include "ops/reduce/reduce.h"
#include "ops/rope/rope.h"
#include "ops/softmax/softmax.h"

namespace heed {
namespace {

template <class List>
auto first_fit(List list, IsaSet isa) {
  size_t i = 0;
  while (!isa.contains(list.items[i]->isa)) ++i;
  return list.items[i];
}

}  // namespace

KernelSet choose_kernels(IsaSet isa) {
  KernelSet set{};
  set.isa = isa;
  set.linear = first_fit(linear_kernels(), isa);
  set.matmul = first_fit(matmul_kernels(), isa);
  set.attention = first_fit(attention_kernels(), isa);
  set.cached_attention = first_fit(cached_attention_kernels(), isa);
  set.activation = first_fit(activation_kernels(), isa);
  set.norm = first_fit(norm_kernels(), isa);
  set.quantize = first_fit(quantize_kernels(), isa);
  set.softmax = first_fit(softmax_kernels(), isa);
  set.elementwise = first_fit(elementwise_kernels(), isa);
  set.reduce = first_fit(reduce_kernels(), isa);
  set.rope = first_fit(rope_kernels(), isa);
  set.depthwise = first_fit(depthwise_kernels(), isa);
  return set;
}

}  // namespace heed
