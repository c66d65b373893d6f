#pragma once
// Fused attention of one head on int8: y = softmax(scale * q k^T + mask) v, never a whole score
// matrix.
//
// T query rows, S keys, D head width, Dv value width. All operands come as float32 rows; keys and
// values are quantised and packed once per (batch, kv head), then any number of calls (on any
// threads) run blocks of query rows against them.
//
// Arithmetic, the same bits on every ISA (attention_reference.cpp is normative):
//   quantise   amax = max |x|; inverse = 127 / amax, scale = amax / 127 (inverse 0 and scale 1 when
//              amax < 2^-100); x8 = x * inverse rounded once to nearest even. Q: per row; K: per
//              key, its scale cut to 22 significant bits; V: per channel over all keys.
//   logits     s = sum_d q8 k8 (exact int32); x = (float(s) * k_scale[key]) * c, and with a mask
//              x = fma(mask, 64 / ln 2, x); t = x rounded to an integer: the logit in steps of 1/64
//              octave. c = min(q_scale * scale * 64 / ln 2, what keeps |x| below 2^30).
//   softmax    e = max t - t; p = (kExpTable[e % 64] >> e / 64) + 128 >> 8, in 0 .. 255. From
//              kAttentionDitherKeys keys on, an ordered dither replaces the 128. Keys that a row
//              does not see: p = 0.
//   output     y[d] = (float(sum p v8) * (1 / sum p)) * v_scale[d]; sums exact; 0 when sum p is 0.
// Inputs lie below 2^96 in magnitude, but for a mask, which may be any number and -inf. Anything
// else gives unspecified numbers, never a fault.

#include <stddef.h>
#include <stdint.h>

#include "ops/isa.h"

namespace heed {

inline constexpr int32_t kAttentionWidthMax = 256;   // D: |s| < 2^22, exact in a float's mantissa
inline constexpr int32_t kAttentionKeysMax = 65536;  // S: sum p v8 fits in int32, sum p in 24 bits
inline constexpr int32_t kAttentionRowsMultiple =
    12;  // calls with multiples of this many rows are fastest
// S from which rounding is dithered. Measured on random normal data: with logits of deviation 2 and
// 3 the dither halves the output's error at S = 1500 and is better from about 110 keys on; with
// deviation 1 it costs up to a quarter, of an error that is small there (0.013 of the output at
// 128).
inline constexpr int32_t kAttentionDitherKeys = 128;

/// Rows of keys or values of one (batch, kv head).
struct AttentionRows {
  const float* x;  // element d of key s is x[s * step + d]; any alignment
  ptrdiff_t step;  // floats
  int32_t keys;    // S, 1 .. kAttentionKeysMax
  int32_t width;   // D (1 .. kAttentionWidthMax) or Dv (>= 1)
};

struct AttentionArgs {
  const float* q;             // element d of row r is q[r * q_step + d]; any alignment
  ptrdiff_t q_step;           // floats
  int32_t rows;               // >= 1
  int32_t keys;               // S
  int32_t head_width;         // D
  int32_t value_width;        // Dv
  const void* packed_keys;    // what pack_keys wrote, of S keys and width D
  const void* packed_values;  // what pack_values wrote, of S keys and width Dv
  float scale;                // > 0
  /// Row r sees keys end - window .. end - 1 that exist, where end = causal ? position + r + 1 : S.
  /// window 0: all below end. A row that sees nothing, or only masked keys, gives zeros.
  bool causal;
  int32_t position;  // of row 0 among the keys
  int32_t window;
  const float* mask;    // added: mask[r * mask_step + s], finite or -inf; null: none
  ptrdiff_t mask_step;  // floats; 0: one row for all
  float* y;             // element d of row r is y[r * y_step + d]; overlaps no input
  ptrdiff_t y_step;     // floats
  float* map;           // null, or where probabilities go: map[r * map_step + s] = p / sum p
  ptrdiff_t map_step;   // floats
};

/// One implementation. Thread-safe, allocates nothing, cannot fail. Reads nothing outside of the
/// operands' elements and writes nothing outside of y, map, packed and scratch. What the pack
/// functions write is the same bytes on every ISA. packed and scratch are 64-byte aligned.
struct AttentionKernel {
  const char* name;  // the feature that defines it, e.g. "avx512vnni"
  IsaSet isa;        // all that it executes
  /// `packed`: attention_keys_bytes(). subtract_mean: takes the mean over all keys off each key
  /// before quantising it; softmax cancels that, and keys that share a large offset keep their
  /// bits.
  void (*pack_keys)(const AttentionRows& keys, bool subtract_mean, void* packed);
  /// `packed`: attention_values_bytes().
  void (*pack_values)(const AttentionRows& values, void* packed);
  /// `scratch`: attention_scratch_bytes(), nobody else's during the call.
  void (*run)(const AttentionArgs& args, void* scratch);
};

/// Multiples of 64, and the same on every ISA, so that a model's memory does not depend on the
/// machine.
size_t attention_keys_bytes(int32_t keys, int32_t width);
size_t attention_values_bytes(int32_t keys, int32_t width);
size_t attention_scratch_bytes(int32_t keys, int32_t head_width);

/// All variants, best first; the reference is last and needs nothing.
struct AttentionKernelList {
  const AttentionKernel* const* items;
  size_t count;
};
AttentionKernelList attention_kernels();

}  // namespace heed
