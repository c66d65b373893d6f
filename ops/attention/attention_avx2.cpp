// AVX2 has no exact product of unsigned and signed bytes, so bytes are widened to 16 bits: the even
// and the odd ones of each group of four, twice the multiplies but none of them saturates.

#include <immintrin.h>

#include "ops/attention/attention_ymm.h"

namespace heed {
extern const AttentionKernel kAttentionAvx2;

namespace {

struct Avx2 : Ymm {
  struct Words {
    I even, odd;
  };
  using Sums = I;
  using Operand = Words;
  using Columns = Words;
  static constexpr int32_t kRows = 4;
  static constexpr int32_t kOperandBytes = 8;

  static HEED_INLINE Words widen(I bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  static HEED_INLINE I add_signed(I sum, I bytes) {
    const I ones = _mm256_set1_epi8(1);
    return _mm256_add_epi32(
        sum, _mm256_madd_epi16(_mm256_maddubs_epi16(ones, bytes), _mm256_set1_epi16(1)));
  }
  /// Each group as two pairs of words, side by side.
  static HEED_INLINE void store_words(uint8_t* out, I even, I odd) {
    const I low = _mm256_unpacklo_epi32(even, odd);
    const I high = _mm256_unpackhi_epi32(even, odd);
    store_bytes(out, _mm256_permute2x128_si256(low, high, 0x20));
    store_bytes(out + 32, _mm256_permute2x128_si256(low, high, 0x31));
  }
  static HEED_INLINE void store_query(uint8_t* out, I bytes) {
    const Words words = widen(bytes);
    store_words(out, words.even, words.odd);
  }
  static constexpr int32_t kProbabilityTile = 128;
  static constexpr uint8_t kProbabilityAt[16] = {0,  16, 8,  24, 32, 48,  40,  56,
                                                 64, 80, 72, 88, 96, 112, 104, 120};
  /// Each quad of probabilities as words, the even ones before the odd ones.
  static HEED_INLINE void put_probabilities(uint8_t* out, T low, T high) {
    const I order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    const I p_low = _mm256_srli_epi16(low, 8), p_high = _mm256_srli_epi16(high, 8);
    store_bytes(out, _mm256_shuffle_epi8(p_low, order));
    store_bytes(out + 32, _mm256_shuffle_epi8(p_high, order));
  }
  /// Adds a tile of them to a row's sums.
  static HEED_INLINE I add_probabilities(I total, const uint8_t* tile) {
    const I words =
        _mm256_add_epi16(_mm256_add_epi16(load_bytes(tile), load_bytes(tile + 32)),
                         _mm256_add_epi16(load_bytes(tile + 64), load_bytes(tile + 96)));
    return _mm256_add_epi32(total, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
  }
  static HEED_INLINE void map_block(const uint8_t* tile, int32_t group, F inverse, float* out) {
    __m128i quads[2];
    repeat<2>([&](auto i) HEED_LAMBDA_INLINE {
      const auto quad = [&](int32_t g) HEED_LAMBDA_INLINE {
        const auto* const at = reinterpret_cast<const __m128i*>(tile + kProbabilityAt[group + g]);
        const __m128i words = _mm_loadl_epi64(at);  // 0, 2, 1, 3
        return _mm_shufflelo_epi16(words, 0xd8);
      };
      quads[i] = _mm_unpacklo_epi64(quad(2 * i), quad(2 * i + 1));
    });
    map_bytes(_mm_packus_epi16(quads[0], quads[1]), inverse, out);
  }
  static HEED_INLINE Operand operand(const uint8_t* a) { return {broadcast(a), broadcast(a + 4)}; }
  static HEED_INLINE Columns columns(const int8_t* b, ptrdiff_t) { return widen(load_bytes(b)); }
  static HEED_INLINE Sums dot(Sums sums, const Operand& a, const Columns& b) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(a.even, b.even));
    settle(sums);  // GCC 12 would add the products first, and one register too few is left
    return _mm256_add_epi32(sums, _mm256_madd_epi16(a.odd, b.odd));
  }
  static HEED_INLINE Sums start_scores(const int32_t*) { return zero(); }
  static HEED_INLINE F score(Sums sums, F scale, F) { return mul(_mm256_cvtepi32_ps(sums), scale); }
  static HEED_INLINE Sums start_values() { return zero(); }
  static HEED_INLINE F weighted(Sums sums, const int32_t*, const int32_t*) {
    return _mm256_cvtepi32_ps(sums);
  }
};

}  // namespace

const AttentionKernel kAttentionAvx2 = make_attention<Avx2>("avx2", Isa::avx2);

}  // namespace heed
