#include <immintrin.h>

#include "ops/attention/attention_vec.h"

namespace heed {
extern const AttentionKernel kAttentionAvx512Vnni;

// What bounds it on Zen 4, where a 512-bit product takes the multiply pipes for a cycle and a
// 512-bit store the store pipe for two: for 16 keys of one row at D = 64 the products take 32
// cycles, scaling the scores 2. Counted against that, a tile of 6 rows by 64 keys takes some 85
// cycles more: its beginning and end, and the table of the softmax beside it, whose lookups and
// shifts take turns with products; a block of six rows some more, for its largest scores and sums.
// Packing a key and its value takes 68 to 85 cycles at D = 64, 40 at D = 32, a fifth or a quarter
// of them for the places of 4 kB pages: 57 to 65, and 30, in huge ones. Short S lose besides to
// what S, D and the rows are rounded up to.

namespace {

// The reading guide to V. F and I are vectors of kLanes floats and int32; Sums collects dot
// products of one row with kLanes columns; Operand is what a row contributes to a group of
// four, stored in kOperandBytes bytes; Columns is what kLanes columns contribute.
struct Avx512 {
  using F = __m512;
  using I = __m512i;
  using Sums = __m512i;
  using Operand = __m512i;
  using Columns = __m512i;
  static constexpr int32_t kLanes = 16;
  static constexpr int32_t kRows = 6;    // 6 x 4 sums, 4 columns and a row: 29 of 32 registers
  static constexpr int32_t kBlocks = 4;  // most blocks of 16 columns of a tile
  static constexpr int32_t kOperandBytes = 4;
  static constexpr bool kBeside = true;  // eight registers are free between two groups
  static constexpr bool kCounts = true;  // counts probabilities at no cost

  static HEED_INLINE __mmask16 first_n(int32_t n) {
    return static_cast<__mmask16>(
        _bzhi_u32(0xffff, static_cast<uint32_t>(larger(smaller(n, 16), 0))));
  }

  static HEED_INLINE F set(float x) { return _mm512_set1_ps(x); }
  static HEED_INLINE F to_float(I x) { return _mm512_cvtepi32_ps(x); }
  static HEED_INLINE I zero() { return _mm512_setzero_si512(); }
  static HEED_INLINE F load(const float* x) { return _mm512_loadu_ps(x); }
  static HEED_INLINE I load(const int32_t* x) { return _mm512_loadu_si512(x); }
  static HEED_INLINE F load_n(const float* x, int32_t n) {
    return _mm512_maskz_loadu_ps(first_n(n), x);
  }
  static HEED_INLINE void store(float* x, F value) { _mm512_storeu_ps(x, value); }
  static HEED_INLINE void store(int32_t* x, I value) { _mm512_storeu_si512(x, value); }
  static HEED_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
  static HEED_INLINE I add(I a, I b) { return _mm512_add_epi32(a, b); }
  static HEED_INLINE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static HEED_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static HEED_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
  static HEED_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static HEED_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
  static HEED_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
  /// The largest of m, which is not negative, |a| and |b|: such floats are ordered as integers are,
  /// whose maximum all four pipes compute.
  static HEED_INLINE F abs_max(F m, F a, F b) {
    return _mm512_castsi512_ps(
        _mm512_max_epu32(_mm512_castps_si512(m), _mm512_castps_si512(abs_max(a, b))));
  }
  static HEED_INLINE F abs_max(F a, F b) { return _mm512_range_ps(a, b, 0x0b); }
  static HEED_INLINE F where_less(F a, F b, F yes, F no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static HEED_INLINE F drop_two_bits(F a) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(~3)));
  }
  static HEED_INLINE float max_lanes(F a) { return _mm512_reduce_max_ps(a); }

  // Bytes.
  static HEED_INLINE I quantise(F x, F inverse) {
    return _mm512_castps_si512(_mm512_fmadd_ps(x, inverse, _mm512_set1_ps(kRounder)));
  }
  /// Quantised a, b, c, d as bytes, in this order.
  static HEED_INLINE I quads(I a, I b, I c, I d) {
    const auto number = [](I x) HEED_LAMBDA_INLINE {
      return _mm512_sub_epi32(x, _mm512_set1_epi32(kRounderBits));
    };
    const I taking_turns = _mm512_packs_epi16(_mm512_packs_epi32(number(a), number(b)),
                                              _mm512_packs_epi32(number(c), number(d)));
    const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, taking_turns);
  }
  /// The low bytes of a, b, c, d, side by side in each lane.
  static HEED_INLINE I bytes(I a, I b, I c, I d) {
    const I low =
        _mm512_ternarylogic_epi32(_mm512_slli_epi32(b, 8), a, _mm512_set1_epi32(0xff), kPick);
    const I high =
        _mm512_ternarylogic_epi32(_mm512_slli_epi32(d, 8), c, _mm512_set1_epi32(0xff), kPick);
    return _mm512_ternarylogic_epi32(_mm512_slli_epi32(high, 16), low, _mm512_set1_epi32(0xffff),
                                     kPick);
  }
  static HEED_INLINE I add_signed(I sum, I bytes) {
    return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), bytes);
  }
  /// Folds the lanes of 4 rows, a to d: of each quarter, lane r holds what is left of row r.
  template <class Fold>
  static HEED_INLINE F fold_four(F a, F b, F c, F d, Fold fold) {
    const F ab = fold(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const F cd = fold(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    return fold(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  }
  template <class Fold>
  static HEED_INLINE F fold_quarters(F a, F b, Fold fold) {
    return fold(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  /// out[n] = the largest lane of the n-th of N rows: 9 to 16 of them.
  template <int32_t N>
  static HEED_INLINE void max_of_rows(float* out, const float* rows) {
    F fours[divide_up(N, 4)];
    repeat<divide_up(N, 4)>([&](auto i) HEED_LAMBDA_INLINE {
      const auto at = [&](int32_t n)
                          HEED_LAMBDA_INLINE { return load(rows + smaller(n, N - 1) * 16); };
      fours[i] = fold_four(at(4 * i), at(4 * i + 1), at(4 * i + 2), at(4 * i + 3), max);
    });
    store(out, fold_quarters(fold_quarters(fours[0], fours[1], max),
                             fold_quarters(fours[2], fours[divide_up(N, 4) - 1], max), max));
  }
  /// The rows of a block at once: sixteen lanes, of which the first six mean something.
  template <class Fold>
  static HEED_INLINE I fold_block(const float* rows, Fold fold) {
    const F low = fold_four(load(rows), load(rows + 16), load(rows + 32), load(rows + 48), fold);
    const F high =
        fold_four(load(rows + 64), load(rows + 80), load(rows + 80), load(rows + 80), fold);
    const F both = fold_quarters(low, high, fold);
    return _mm512_castps_si512(fold_quarters(both, both, fold));
  }
  static HEED_INLINE void row_sums(const int32_t* rows, int32_t, int32_t* out) {
    const auto plus = [](F a, F b) HEED_LAMBDA_INLINE {
      return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    };
    store(out, fold_block(reinterpret_cast<const float*>(rows), plus));
  }
  static HEED_INLINE void max_steps_of_rows(const int16_t* rows, int32_t, int32_t* out) {
    const auto most = [](F a, F b) HEED_LAMBDA_INLINE {
      return _mm512_castsi512_ps(_mm512_max_epi16(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    };
    const I pairs = fold_block(reinterpret_cast<const float*>(rows), most);
    store(out, _mm512_srai_epi32(_mm512_max_epi16(pairs, _mm512_rol_epi32(pairs, 16)), 16));
  }

  /// 16 rows of 16 lanes become 16 rows of 16 keys, of which `groups` are wanted.
  static void transpose(const int32_t* rows, int32_t* out, int32_t groups) {
    I a[16], b[16];
    repeat<16>([&](auto i) HEED_LAMBDA_INLINE { a[i] = load(rows + 16 * i); });
    repeat<8>([&](auto i) HEED_LAMBDA_INLINE {
      b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    });
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
      a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
    });
    // a[4 i + j]: quarter q holds group 4 q + j of rows 4 i .. 4 i + 3.
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
      b[j] = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
      b[4 + j] = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
      b[8 + j] = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
      b[12 + j] = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
    });
    const auto put = [&](int32_t group, I keys) HEED_LAMBDA_INLINE {
      if (group < groups) store(out + group * 16, keys);
    };
    repeat<4>([&](auto j) HEED_LAMBDA_INLINE {
      put(j, _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88));
      put(4 + j, _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88));
      put(8 + j, _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd));
      put(12 + j, _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xdd));
    });
  }

  // Dot products: the row's operand is unsigned, so queries carry 128 too much.
  static HEED_INLINE void store_query(uint8_t* out, I bytes) {
    _mm512_storeu_si512(out, _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)));
  }
  static HEED_INLINE Operand operand(const uint8_t* a) {
    int32_t group;
    memcpy(&group, a, sizeof(group));
    return _mm512_set1_epi32(group);
  }
  static HEED_INLINE Columns columns(const int8_t* b, ptrdiff_t) { return _mm512_loadu_si512(b); }
  static HEED_INLINE Sums dot(Sums sums, Operand a, Columns b) {
    return _mm512_dpbusd_epi32(sums, a, b);
  }
  static HEED_INLINE I start_of(I key_sum) {
    return _mm512_sub_epi32(_mm512_set1_epi32(kRounderBits), _mm512_slli_epi32(key_sum, 7));
  }
  static HEED_INLINE Sums start_scores(const int32_t* start) { return load(start); }
  static HEED_INLINE F score(Sums sums, F scale, F offset) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(sums), scale, offset);
  }
  /// Ties the sums to registers at this point, behind which no product moves.
  static HEED_INLINE void settle(Sums& sums) { __asm__ volatile("" : "+v"(sums)); }
  static HEED_INLINE Sums start_values() { return _mm512_setzero_si512(); }
  static HEED_INLINE F weighted(Sums sums, const int32_t*, const int32_t*) {
    return _mm512_cvtepi32_ps(sums);
  }

  // Steps: T is a vector of 16-bit ones.
  using T = __m512i;
  static constexpr KeyOrder kKeyAt = make_key_order<4>();
  static constexpr Rounding kRounding = make_rounding(kKeyAt);
  static constexpr int32_t kProbabilityTile = 64;
  static constexpr uint8_t kProbabilityAt[16] = {0, 16, 32, 48, 4,  20, 36, 52,
                                                 8, 24, 40, 56, 12, 28, 44, 60};
  static HEED_INLINE I round(F x) { return _mm512_cvtps_epi32(x); }
  static HEED_INLINE T narrow(I a, I b) { return _mm512_packs_epi32(a, b); }
  static HEED_INLINE T load(const int16_t* x) { return _mm512_loadu_si512(x); }
  static HEED_INLINE void store(int16_t* x, T value) { _mm512_storeu_si512(x, value); }
  static HEED_INLINE T lowest_steps() { return _mm512_set1_epi16(INT16_MIN); }
  static HEED_INLINE T larger_steps(T a, T b) { return _mm512_max_epi16(a, b); }
  static HEED_INLINE T keep_between(T t, T key, int32_t begin, int32_t end) {
    const T first = _mm512_set1_epi16(static_cast<int16_t>(larger(begin, 0)));
    const T last = _mm512_set1_epi16(static_cast<int16_t>(smaller(end, kTile)));
    const __mmask32 seen = _mm512_cmpge_epi16_mask(key, first) & _mm512_cmplt_epi16_mask(key, last);
    return _mm512_mask_blend_epi16(seen, lowest_steps(), t);
  }
  /// Probabilities of the four quads from group `group` of a tile on, times inverse.
  static HEED_INLINE void map_block(const uint8_t* tile, int32_t group, F inverse, float* out) {
    int32_t quads[4];
    repeat<4>([&](auto i) HEED_LAMBDA_INLINE {
      memcpy(&quads[i], tile + kProbabilityAt[group + i], sizeof(int32_t));
    });
    const __m128i bytes = _mm_setr_epi32(quads[0], quads[1], quads[2], quads[3]);
    store(out, mul(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)), inverse));
  }

  struct Softmax {
    T most, table_low, table_high;

    HEED_INLINE explicit Softmax(int16_t largest)
        : most(_mm512_set1_epi16(largest)),
          table_low(_mm512_load_si512(kExpTable.value)),
          table_high(_mm512_load_si512(kExpTable.value + 32)) {}

    /// 16-bit powers of two, and the rounding added.
    HEED_INLINE T powers(T steps, const uint16_t* rounding) const {
      const T t = _mm512_sub_epi16(most, steps);
      const T fraction = _mm512_permutex2var_epi16(table_low, t, table_high);
      return _mm512_add_epi16(_mm512_srlv_epi16(fraction, _mm512_srli_epi16(t, 6)),
                              _mm512_load_si512(rounding));
    }
  };
  /// Stores the high bytes of two vectors of powers.
  static HEED_INLINE void put_probabilities(uint8_t* out, T low, T high) {
    _mm512_storeu_si512(out,
                        _mm512_packus_epi16(_mm512_srli_epi16(low, 8), _mm512_srli_epi16(high, 8)));
  }
  /// Adds a tile of them to a row's sums.
  static HEED_INLINE I add_probabilities(I total, const uint8_t* tile) {
    return _mm512_dpbusd_epi32(total, _mm512_loadu_si512(tile), _mm512_set1_epi8(1));
  }
  /// The same, each of them so many times.
  static HEED_INLINE I add_probabilities(I total, const uint8_t* tile, const uint8_t* times) {
    return _mm512_dpbusd_epi32(total, _mm512_loadu_si512(tile), _mm512_load_si512(times));
  }

 private:
  static constexpr int32_t kPick = 0xf8;  // a | (b & c)
};

}  // namespace

const AttentionKernel kAttentionAvx512Vnni =
    make_attention<Avx512>("avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni);

}  // namespace heed
