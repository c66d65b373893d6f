#pragma once
// Where things lie in packed keys, packed values and scratch, and the integer exponential's
// constants. Shared by the variants of attention; nobody else needs it.
//
//
// Four neighbours along D (keys) or S (values) meet in one 32-bit lane of a dot product.

#include <stdint.h>

#include "ops/attention/attention.h"

namespace heed {
namespace {

constexpr int32_t kTile = 64;       // keys of a tile
constexpr int32_t kBlock = 16;      // keys (or value channels) that lie side by side
constexpr int32_t kRowsMax = 6;     // query rows that any variant takes at a time
constexpr int32_t kBandBlocks = 2;  // times as many are quantised together

constexpr int32_t divide_up(int32_t a, int32_t b) { return (a + b - 1) / b; }
constexpr int32_t round_up(int32_t a, int32_t b) { return divide_up(a, b) * b; }
constexpr size_t align64(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

/// Keys: int8 [S/16][groups][16][4], scale f32 [S/16][16], start int32 and offset f32 of the same
/// shape, and the largest scale, sixteen times; `groups` lanes of four values of D each. Past the
/// last key come copies of it, which change no maximum; the values' places for them are zeros.
/// Products with queries that carry 128 too much begin at
///   start = bits(kRounder) - 128 sum of k8
/// so that their sums are as floats kRounder + q8 k8, and scale times them + offset is the score:
///   offset = -kRounder scale
struct KeysLayout {
  int32_t blocks, groups;
  size_t scale_at, start_at, offset_at, scale_max_at, bytes;

  constexpr KeysLayout(int32_t keys, int32_t width)
      : blocks(divide_up(keys, kBlock)),
        groups(divide_up(width, 4)),
        scale_at(static_cast<size_t>(blocks) * static_cast<size_t>(groups) * 64),
        start_at(scale_at + static_cast<size_t>(blocks) * 64),
        offset_at(start_at + static_cast<size_t>(blocks) * 64),
        scale_max_at(offset_at + static_cast<size_t>(blocks) * 64),
        bytes(scale_max_at + 64) {}
};

/// Values: int8 [S/4][Dv/16][16][4], scale f32 [Dv/16][16], and before each tile of 64 keys and at
/// the end the sums of v8 over all keys so far, int32 [tiles + 1][Dv/16][16]. Absent channels and
/// keys are zeros, absent channels have scale 1.
struct ValuesLayout {
  int32_t groups, tiles, blocks;
  size_t scale_at, sum_at, bytes;

  constexpr ValuesLayout(int32_t keys, int32_t width)
      : groups(divide_up(keys, 4)),
        tiles(divide_up(keys, kTile)),
        blocks(divide_up(width, kBlock)),
        scale_at(0),
        sum_at(0),
        bytes(0) {
    const auto row = static_cast<size_t>(blocks) * 64;
    scale_at = static_cast<size_t>(groups) * row;
    sum_at = scale_at + row;
    bytes = sum_at + (static_cast<size_t>(tiles) + 1) * row;
  }
};

/// Scratch: two bands of quantised query rows; two blocks of rows of steps, int16, in whole tiles;
/// one row of steps as int32. The probabilities of a tile replace its steps, in at most their
/// bytes, so that none is overwritten before it was read. Rows are an odd number of cache lines
/// apart; a vector may be stored from the end of the last on.
struct ScratchLayout {
  size_t query_step, steps_at, steps_step, wide_at, bytes;

  constexpr ScratchLayout(int32_t keys, int32_t width)
      : query_step(align64(static_cast<size_t>(divide_up(width, 4)) * 8) + 128),
        steps_at(query_step * 2 * kBandBlocks * kRowsMax),
        steps_step(align64(static_cast<size_t>(round_up(keys, kTile)) * 2) | 64),
        wide_at(steps_at + steps_step * 2 * kRowsMax),
        bytes(wide_at + static_cast<size_t>(round_up(keys, kTile)) * 4) {}
};

/// A quantisation whose largest value lies below this counts as zero (127 / x stays finite).
constexpr float kTiny = 0x1p-100f;
/// Adding it rounds a float to an integer in the low bits: 1.5 * 2^23, whose bits are 0x4B400000.
constexpr float kRounder = 12582912.0f;
constexpr int32_t kRounderBits = 0x4B400000;
/// 64 / ln 2: steps of the exponential's table per unit of a logit.
constexpr float kStepsPerUnit = 92.332482616893657f;
/// Logits are clamped to this many steps either way, which leaves room in 32 bits for any rounding.
constexpr float kStepsBound = 0x1p30f;
constexpr int32_t kStepsNone = INT32_MIN;  // of a key that a row does not see
/// A row whose largest step lies in this range loses nothing in 16 bits: what saturates there is at
/// least 1024 steps below it, where every probability is zero.
constexpr int32_t kNarrowMin = INT16_MIN + 1024, kNarrowMax = INT16_MAX - 1;

/// The most steps per unit of q8 k8 * k_scale for which no logit of the row exceeds kStepsBound.
inline float step_factor_bound(float k_scale_max, int32_t width) {
  return kStepsBound / (k_scale_max * static_cast<float>(127 * 127 * width));
}

/// 32640 * 2^(-f/64) to within 3, as shifts and products of at most 16 bits:
/// c0 - (f * (c1 - (f * (c2 - (f * c3 >> 6)) >> 6)) >> 6).
constexpr int32_t kExp0 = 32640, kExp1 = 22593, kExp2 = 7604, kExp3 = 1335;

struct ExpTable {
  alignas(64) uint16_t value[64];  // twice that: 65280 = 255 * 256 at 0
};
constexpr ExpTable make_exp_table() {
  ExpTable table{};
  for (int32_t f = 0; f < 64; ++f) {
    const int32_t inner = kExp1 - ((f * (kExp2 - ((f * kExp3) >> 6))) >> 6);
    table.value[f] = static_cast<uint16_t>(2 * (kExp0 - ((f * inner) >> 6)));
  }
  return table;
}
constexpr ExpTable kExpTable = make_exp_table();

/// What is added before a probability drops its low byte, by key of a tile: a half, or an ordered
/// dither, the six bits of the key's number reversed.
constexpr uint16_t dither_of(uint32_t key) {
  uint32_t reversed = 0;
  for (uint32_t bit = 0; bit < 6; ++bit) reversed |= ((key >> bit) & 1) << (5 - bit);
  return static_cast<uint16_t>(4 * reversed + 2);
}

}  // namespace
}  // namespace heed
