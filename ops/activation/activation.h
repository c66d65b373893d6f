#pragma once
// Activations over rows: y[m,i] = f(x[m,i]).
//
//   relu            max(x, 0)
//   gelu_erf        x/2 (1 + erf(x / sqrt 2))
//   gelu_tanh       x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)): the tanh spelling, rewritten
//   gelu_sigmoid    x sigmoid(1.702 x)
//   silu            x sigmoid(x)
//   sigmoid, tanh
//   .._short        the same to 1.3e-4, far below a step of the int8 values that it becomes next
//
// Error bounds against the exact functions are stated in ops/README.md and held by the tests.

#include "ops/isa.h"
#include "ops/rows.h"

namespace heed {

/// Numbered as fb::Activation in the file.
enum class ActivationKind : uint8_t {
  none = 0,  // copies
  relu = 1,
  gelu_erf = 2,
  gelu_tanh = 3,
  silu = 4,
  sigmoid = 5,
  tanh = 6,
  gelu_sigmoid = 7,
  gelu_erf_short = 8,
  gelu_tanh_short = 9,
  silu_short = 10,
};

/// One implementation. Thread-safe, allocates nothing, cannot fail.
struct ActivationKernel {
  const char* name;  // the feature that defines it, e.g. "avx512"
  IsaSet isa;        // all that it executes
  /// y = f(x); in place allowed. Where args.absmax is given it receives the largest |y| of each
  /// row.
  void (*run)(const RowsArgs& args, ActivationKind kind);
};

/// All variants, best first; the reference is last and needs nothing.
struct ActivationKernelList {
  const ActivationKernel* const* items;
  size_t count;
};
ActivationKernelList activation_kernels();

}  // namespace heed
