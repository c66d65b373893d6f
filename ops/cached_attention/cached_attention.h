#pragma once
// Attention of one query over int8 keys and values where they lie, each key's with a scale: a
// decoder's step against its caches. One head; S keys, D head width, Dv value width.
//
// Arithmetic, the same bits on every ISA (cached_attention_reference.cpp is normative):
//   query      q8 = q quantised as ops/quantize does; c = its scale * args.scale
//   logits     s = sum_d q8 k8 (exact int32); z = float(s) * (k_scale * c) (+ mask)
//   softmax    e = exp(z - max z), 0 outside of what is seen; P = sum e in the 16-lane order
//              (ops/rows.h), key s in lane s % 16
//   weights    u = e * v_scale, U = max u; w = u * (16383 / U) rounded to nearest even: 14 bits
//   output     y[d] = float(sum_s w v8) * ((U / 16383) / P), the sum exact
// A query that sees only keys masked by -infinity, or values of zero, gives zeros. Inputs lie below
// 2^96 in magnitude, but for a mask, which may be any number and -inf; anything else gives
// unspecified numbers, never a fault.

#include <stddef.h>
#include <stdint.h>

#include "ops/cached_attention/cached_panels.h"
#include "ops/isa.h"

namespace heed {

inline constexpr int32_t kCachedWidthMultiple = 16;  // of D and Dv
inline constexpr int32_t kCachedWidthMax = 256;      // of D and Dv: |s| < 2^22
inline constexpr int32_t kCachedKeysMax = 65536;     // S: sum (w / 128) v8 fits in int32

/// A head's keys or values in a cache: cached_panels.h says how they lie.
struct CachedPanel {
  const int8_t* q;     // 64-byte aligned; of key 0
  const float* scale;  // 64-byte aligned; of key 0. Finite and not negative
};

struct CachedAttentionArgs {
  const float* q;  // [D], any alignment
  CachedPanel k, v;
  int32_t begin, end;   // the keys that are seen, begin < end <= kCachedKeysMax
  int32_t head_width;   // D
  int32_t value_width;  // Dv
  float scale;          // > 0
  const float* mask;    // added: of key 0, finite or -inf; null: none
  float* y;             // [Dv]
  float* p;             // of key 0; e of the keys begin .. end-1 on return, any of the others
};

/// One implementation. Thread-safe, allocates nothing, cannot fail. Reads nothing outside of the
/// operands' elements, where a panel and its scales reach up to a multiple of kCachedPanelRows, and
/// writes nothing outside of y, scratch and, from `begin` down to such a multiple, p up to `end`.
struct CachedAttentionKernel {
  const char* name;  // the feature that defines it, e.g. "avx512vnni"
  IsaSet isa;        // all that it executes
  /// Returns P. `scratch`: cached_attention_scratch_bytes(end), 64-byte aligned, nobody else's.
  float (*run)(const CachedAttentionArgs& args, void* scratch);
};

size_t cached_attention_scratch_bytes(int32_t keys);

/// All variants, best first; the reference is last and needs nothing.
struct CachedAttentionKernelList {
  const CachedAttentionKernel* const* items;
  size_t count;
};
CachedAttentionKernelList cached_attention_kernels();

}  // namespace heed
