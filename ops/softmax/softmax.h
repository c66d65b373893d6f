#pragma once
// Softmax over rows of n values:
//
//   softmax:      m = max(x), s = sum(exp(x - m)) in the 16-lane order, y[i] = exp(x[i] - m) * (1 /
//   s) log_softmax:  y[i] = (x[i] - m) - log(s)
//
// -infinity is a weight of 0. A row of nothing but -infinity gives zeros (softmax), so that a fully
// masked query attends to nothing.

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct SoftmaxKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  /// In place allowed. args.absmax is not looked at.
  void (*softmax)(const RowsArgs& args);
  void (*log_softmax)(const RowsArgs& args);
};

/// All variants, best first; the reference is last and needs nothing.
struct SoftmaxKernelList {
  const SoftmaxKernel* const* items;
  size_t count;
};
SoftmaxKernelList softmax_kernels();

}  // namespace heed
