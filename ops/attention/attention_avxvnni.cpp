#include <immintrin.h>

#include "ops/attention/attention_ymm.h"

namespace heed {
extern const AttentionKernel kAttentionAvxVnni;

namespace {

struct AvxVnni : Ymm {
  using Sums = I;
  using Operand = I;
  using Columns = I;
  static constexpr int32_t kRows = 6;  // 6 x 2 sums, 2 columns and a row: 15 of 16 registers
  static constexpr int32_t kOperandBytes = 4;

  static HEED_INLINE I add_signed(I sum, I bytes) {
    return _mm256_dpbusd_avx_epi32(sum, _mm256_set1_epi8(1), bytes);
  }
  // The row's operand is unsigned, so queries carry 128 too much.
  static HEED_INLINE void store_query(uint8_t* out, I bytes) {
    store_bytes(out, _mm256_xor_si256(bytes, _mm256_set1_epi8(-128)));
  }
  static constexpr int32_t kProbabilityTile = 64;
  static constexpr uint8_t kProbabilityAt[16] = {0,  16, 4,  20, 8,  24, 12, 28,
                                                 32, 48, 36, 52, 40, 56, 44, 60};
  /// Stores the high bytes of two vectors of powers.
  static HEED_INLINE void put_probabilities(uint8_t* out, T low, T high) {
    store_bytes(out, _mm256_packus_epi16(_mm256_srli_epi16(low, 8), _mm256_srli_epi16(high, 8)));
  }
  /// Adds a tile of them to a row's sums.
  static HEED_INLINE I add_probabilities(I total, const uint8_t* tile) {
    const I ones = _mm256_set1_epi8(1);
    return _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(total, load_bytes(tile), ones),
                                   load_bytes(tile + 32), ones);
  }
  static HEED_INLINE void map_block(const uint8_t* tile, int32_t group, F inverse, float* out) {
    int32_t quads[4];
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      memcpy(&quads[i], tile + kProbabilityAt[group + i], sizeof(int32_t));
    });
    map_bytes(_mm_setr_epi32(quads[0], quads[1], quads[2], quads[3]), inverse, out);
  }
  static HEED_INLINE Operand operand(const uint8_t* a) { return broadcast(a); }
  static HEED_INLINE Columns columns(const int8_t* b, ptrdiff_t) { return load_bytes(b); }
  static HEED_INLINE Sums dot(Sums sums, Operand a, Columns b) {
    return _mm256_dpbusd_avx_epi32(sums, a, b);
  }
  static HEED_INLINE Sums start_scores(const int32_t* start) { return load(start); }
  static HEED_INLINE F score(Sums sums, F scale, F offset) {
    return fma(_mm256_castsi256_ps(sums), scale, offset);
  }
  static HEED_INLINE Sums start_values() { return zero(); }
  static HEED_INLINE F weighted(Sums sums, const int32_t*, const int32_t*) {
    return _mm256_cvtepi32_ps(sums);
  }
};

}  // namespace

const AttentionKernel kAttentionAvxVnni =
    make_attention<AvxVnni>("avxvnni", Isa::avx2 | Isa::avxvnni);

}  // namespace heed
