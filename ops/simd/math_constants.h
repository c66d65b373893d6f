#pragma once
// The polynomials of the float families: one each, evaluated by Horner's rule with fused
// multiply-adds from the highest power down, in vec_math.h and scalar_math.cpp alike. Minimax fits,
// coefficients rounded to float one after the other; the errors are those of the fit alone.

namespace heed {
namespace math {

/// Adding and subtracting it rounds |x| < 2^22 to the nearest even integer; in between, the low
/// mantissa bits hold the integer in two's complement.
constexpr float kRound = 0x1.8p23f;

/// 2^f = 1 + f (c0 + f (c1 + ..)), |f| <= 1/2. Relative error 9.4e-8.
constexpr float kExp2[5] = {0x1.62e42ap-1f, 0x1.ebf9c2p-3f, 0x1.c6b6d8p-5f, 0x1.3ce8aep-7f,
                            0x1.5bda58p-10f};
constexpr float kLog2eHi = 0x1.715476p+0f, kLog2eLo = 0x1.4ae0cp-26f;
constexpr float kExpMin = -86.9f;          // e^x below is 0: the last binade of normal floats
constexpr float kExpMax = 0x1.62e42ep+6f;  // e^x above is infinite

/// 1 / (1 + e) to 0.0018, 0 <= e <= 1: where one cubic step gives 6e-9.
constexpr float kReciprocal[4] = {0x1.ff1cd6p-1f, -0x1.e2b7ap-1f, 0x1.54bdbap-1f, -0x1.c65206p-3f};
/// -|x| log2(e) and the like stay above -125, so that the power of two stays a normal float.
constexpr float kSigmoidMax = 86.0f, kGeluSigmoidMax = 50.0f, kGeluTanhMax = 8.0f;
constexpr float kMinusLog2e = -kLog2eHi;
constexpr float kGeluSigmoidScale = -0x1.3a4cbep+1f;  // -1.702 log2 e
constexpr float kGeluTanhScale = -0x1.26aec2p+1f;     // -2 sqrt(2/pi) log2 e
constexpr float kGeluTanhCubic = -0x1.a5a7dp-4f;      // and that times 0.044715

/// The eighth root of erfc(t / sqrt 2) / 2, 0 <= t <= 5.9: smooth enough for a polynomial, and
/// three squarings are cheaper than an exponential. t times its eighth power is off by 6.2e-9 at
/// most.
constexpr float kGeluErf[9] = {0x1.d5818cp-1f,   -0x1.769bbcp-4f, -0x1.059104p-5f,
                               -0x1.5eb63ep-11f, 0x1.8979a6p-10f, 0x1.314570p-15f,
                               -0x1.ff9142p-15f, 0x1.feafd6p-18f, -0x1.47c79ep-22f};
constexpr float kGeluErfMax = 5.9f;
/// The square root, 0 <= t <= 3.9: t times its square is off by 1.3e-4 at most, beyond too. One
/// degree less (2.3e-4) would save up to 1 % of a model's time, but the mean cosine of Whisper's
/// encoder to its float source falls from 0.9994 to 0.9990.
constexpr float kGeluErfShort[6] = {0x1.68ea4ep-1f, -0x1.101d16p-2f, -0x1.8581acp-4f,
                                    0x1.086f16p-4f, -0x1.69ce50p-7f, 0x1.266e8cp-11f};
constexpr float kGeluErfShortMax = 3.9f;
/// The same of GELU's tanh spelling, 0 <= t <= 3.8: off by 1e-4.
constexpr float kGeluTanhShort[6] = {0x1.691f12p-1f, -0x1.12a7eep-2f, -0x1.73044ap-4f,
                                     0x1.f9fa86p-5f, -0x1.54f33cp-7f, 0x1.0d7550p-11f};
constexpr float kGeluTanhShortMax = 3.8f;
/// The sixteenth root of 1 / (1 + e^t), 0 <= t <= 11.5: t times its sixteenth power is off by 1e-4.
constexpr float kSiluShort[6] = {0x1.ea2de6p-1f,  -0x1.d643cep-6f,  -0x1.2ae730p-7f,
                                 0x1.d1e5d6p-10f, -0x1.2f30d2p-13f, 0x1.26d1aep-18f};
constexpr float kSiluShortMax = 11.5f;

/// erf(x) / x in powers of x^2, |x| <= 0.9. Relative error 5.4e-8.
constexpr float kErfSmall[6] = {0x1.20dd74p+0f,  -0x1.812632p-2f, 0x1.cdfebap-4f,
                                -0x1.b50cd4p-6f, 0x1.3ed2e8p-8f,  -0x1.19013ap-11f};
/// log2(erfc(t)), 0.9 <= t <= 4: erfc is off by 2.6e-8 at most.
constexpr float kErfLarge[6] = {-0x1.630ecep-9f, -0x1.9db852p+0f, -0x1.e0afdp-1f,
                                -0x1.0d31eap-3f, 0x1.703ea4p-6f,  -0x1.d955f4p-10f};
constexpr float kErfSplit = 0.9f, kErfMax = 4.0f;

/// tanh(x) = x P(x^2) / Q(x^2), |x| <= 9. Relative error 1.3e-7.
constexpr float kTanhP[7] = {4.89352455891786e-03f, 6.37261928875436e-04f,  1.48572235717979e-05f,
                             5.12229709037114e-08f, -8.60467152213735e-11f, 2.00018790482477e-13f,
                             -2.76076847742355e-16f};
constexpr float kTanhQ[4] = {4.89352518554385e-03f, 2.26843463243900e-03f, 1.18534705686654e-04f,
                             1.19825839466702e-06f};
constexpr float kTanhMax = 9.0f;

/// log(1 + f) = f - f^2/2 + f^3 P(f), sqrt(1/2) <= 1 + f < sqrt 2.
constexpr float kLog[9] = {0x1.555554p-2f,  -0x1.fffff8p-3f, 0x1.999d58p-3f,
                           -0x1.555ca0p-3f, 0x1.23d37ep-3f,  -0x1.fcba9ep-4f,
                           0x1.de4a34p-4f,  -0x1.d7a37p-4f,  0x1.204376p-4f};
constexpr float kLn2Hi = 0.693359375f, kLn2Lo = -2.12194440e-4f;
constexpr int kSqrtHalfBits = 0x3f3504f3;

}  // namespace math
}  // namespace heed
