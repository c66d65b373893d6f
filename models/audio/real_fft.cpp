#include "models/audio/real_fft.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace heed {
namespace {

constexpr size_t L = static_cast<size_t>(kFftLanes);

// One value of each of the four frames: a register of every SIMD machine; at any address.
typedef float Lanes __attribute__((vector_size(sizeof(float) * L), aligned(4), may_alias));

int32_t next_radix(int32_t n) {
  if (n % 4 == 0) return 4;
  if (n % 2 == 0) return 2;
  for (int32_t p = 3; p * p <= n; p += 2)
    if (n % p == 0) return p;
  return n;
}

// cos and -sin of 2 pi k / n, the angle reduced in integers.
void push_turn(std::pmr::vector<float>* to, int64_t k, int64_t n) {
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(k % n) / static_cast<double>(n);
  to->push_back(static_cast<float>(std::cos(angle)));
  to->push_back(static_cast<float>(-std::sin(angle)));
}

}  // namespace

struct RealFft::Split {
  Lanes* re;
  Lanes* im;
};

// One pass over `m` butterflies of `stride` columns each: y[q + stride (p k + r)] is output r of
// the butterfly over x[q + stride (k + m j)], j < p, times w^(k r).
struct RealFft::Pass {
  Split x, y;
  size_t m, stride;
  const float* twiddles;  // p - 1 pairs for each k

  void radix2() const;
  void radix4() const;
  template <size_t P>
  void odd(size_t any, const float* turns, Lanes* scratch) const;
  // Output r of butterfly k, column q.
  void store(size_t k, size_t p, size_t r, size_t q, Lanes re, Lanes im) const {
    const size_t at = q + stride * (p * k + r);
    const float *w = twiddles + 2 * ((p - 1) * k + r - 1), c = w[0], s = w[1];
    y.re[at] = re * c - im * s;
    y.im[at] = re * s + im * c;
  }
};

void RealFft::Pass::radix2() const {
  const size_t half = stride * m;
  for (size_t k = 0; k < m; ++k)
    for (size_t q = 0; q < stride; ++q) {
      const size_t at = q + stride * k;
      const Lanes a = x.re[at], b = x.re[at + half], c = x.im[at], d = x.im[at + half];
      y.re[q + stride * 2 * k] = a + b;
      y.im[q + stride * 2 * k] = c + d;
      store(k, 2, 1, q, a - b, c - d);
    }
}

void RealFft::Pass::radix4() const {
  const size_t quarter = stride * m;
  for (size_t k = 0; k < m; ++k)
    for (size_t q = 0; q < stride; ++q) {
      const Lanes *re = x.re + q + stride * k, *im = x.im + q + stride * k;
      const Lanes a_re = re[0] + re[2 * quarter], a_im = im[0] + im[2 * quarter],
                  b_re = re[0] - re[2 * quarter], b_im = im[0] - im[2 * quarter],
                  c_re = re[quarter] + re[3 * quarter], c_im = im[quarter] + im[3 * quarter],
                  d_re = re[quarter] - re[3 * quarter], d_im = im[quarter] - im[3 * quarter];
      y.re[q + stride * 4 * k] = a_re + c_re;
      y.im[q + stride * 4 * k] = a_im + c_im;
      store(k, 4, 1, q, b_re + d_im, b_im - d_re);
      store(k, 4, 2, q, a_re - c_re, a_im - c_im);
      store(k, 4, 3, q, b_re - d_im, b_im + d_re);
    }
}

// Outputs r and p - r share the sums of the pairs j and p - j, which scratch holds: four for each
// pair, sums and differences, real and imaginary. P: the radix, or 0 for `any`.
template <size_t P>
void RealFft::Pass::odd(size_t any, const float* turns, Lanes* scratch) const {
  const size_t p = P == 0 ? any : P;
  const size_t part = stride * m, pairs = (p - 1) / 2;
  for (size_t k = 0; k < m; ++k)
    for (size_t q = 0; q < stride; ++q) {
      const Lanes *re = x.re + q + stride * k, *im = x.im + q + stride * k;
      const Lanes first_re = re[0], first_im = im[0];
      Lanes total_re = first_re, total_im = first_im;
      for (size_t j = 1; j <= pairs; ++j) {
        Lanes* sums = scratch + 4 * (j - 1);
        sums[0] = re[j * part] + re[(p - j) * part];
        sums[1] = im[j * part] + im[(p - j) * part];
        sums[2] = re[j * part] - re[(p - j) * part];
        sums[3] = im[j * part] - im[(p - j) * part];
        total_re += sums[0];
        total_im += sums[1];
      }
      y.re[q + stride * p * k] = total_re;
      y.im[q + stride * p * k] = total_im;
      for (size_t r = 1; r <= pairs; ++r) {
        size_t turned = 0;  // j r, modulo p
        Lanes even_re = first_re, even_im = first_im, odd_re{}, odd_im{};
        for (size_t j = 1; j <= pairs; ++j) {
          const Lanes* sums = scratch + 4 * (j - 1);
          turned += turned + r < p ? r : r - p;
          const float c = turns[2 * turned], s = turns[2 * turned + 1];
          even_re += sums[0] * c;
          even_im += sums[1] * c;
          odd_re -= sums[3] * s;
          odd_im += sums[2] * s;
        }
        store(k, p, r, q, even_re + odd_re, even_im + odd_im);
        store(k, p, p - r, q, even_re - odd_re, even_im - odd_im);
      }
    }
}

bool RealFft::takes(int32_t size) {
  if (size < 1) return false;
  for (int32_t n = size; n > 1; n /= next_radix(n))
    if (next_radix(n) > 61) return false;
  return true;
}

void RealFft::create(int32_t size) {
  size_ = size;
  complex_size_ = size % 2 == 0 ? size / 2 : size;
  twiddles_.clear();
  turns_.clear();
  int32_t odd_max = 1;
  for (int32_t n = complex_size_; n > 1;) {
    const int32_t p = next_radix(n), m = n / p;
    for (int32_t k = 0; k < m; ++k)
      for (int32_t r = 1; r < p; ++r) push_turn(&twiddles_, static_cast<int64_t>(k) * r, n);
    if (p % 2 != 0) {
      for (int32_t r = 0; r < p; ++r) push_turn(&turns_, r, p);
      odd_max = std::max(odd_max, p);
    }
    n = m;
  }
  if (size % 2 == 0)
    for (int32_t k = 0; k <= size / 4; ++k) push_turn(&twiddles_, k, size);
  // The input is size_ rows, or twice that where the frame is odd; then the other half of the
  // passes' ping-pong; then the sums of one odd butterfly.
  work_.assign((4 * static_cast<size_t>(complex_size_) + 2 * static_cast<size_t>(odd_max)) * L,
               0.0f);
}

RealFft::Split RealFft::transform() {
  const size_t n_all = static_cast<size_t>(complex_size_);
  Lanes *a = reinterpret_cast<Lanes*>(work_.data()), *b = a + 2 * n_all, *scratch = b + 2 * n_all;
  if (size_ % 2 == 0) {
    // Rows 2n and 2n + 1 of the input are the parts of complex number n: split them.
    for (size_t n = 0; n < n_all; ++n) {
      b[n] = a[2 * n];
      b[n_all + n] = a[2 * n + 1];
    }
    std::swap(a, b);
  } else {
    for (size_t n = 0; n < n_all; ++n) a[n_all + n] = Lanes{};
  }
  const float *twiddles = twiddles_.data(), *turns = turns_.data();
  size_t stride = 1;
  for (int32_t n = complex_size_; n > 1;) {
    const int32_t p = next_radix(n), m = n / p;
    const Pass pass{{a, a + n_all}, {b, b + n_all}, static_cast<size_t>(m), stride, twiddles};
    if (p == 4) {
      pass.radix4();
    } else if (p == 2) {
      pass.radix2();
    } else {
      const auto odd = p == 3 ? &Pass::odd<3> : p == 5 ? &Pass::odd<5> : &Pass::odd<0>;
      (pass.*odd)(static_cast<size_t>(p), turns, scratch);
      turns += 2 * p;
    }
    twiddles += 2 * static_cast<ptrdiff_t>(m) * (p - 1);
    stride *= static_cast<size_t>(p);
    n = m;
    std::swap(a, b);
  }
  return {a, a + n_all};
}

void RealFft::power(int32_t bins, float* out) {
  const Split z = transform();
  Lanes* to = reinterpret_cast<Lanes*>(out);
  const size_t wanted = static_cast<size_t>(bins), n_all = static_cast<size_t>(complex_size_);
  if (size_ % 2 != 0) {
    for (size_t f = 0; f < wanted; ++f) to[f] = z.re[f] * z.re[f] + z.im[f] * z.im[f];
    return;
  }
  // With Z taken round, n = N / 2 and w = e^(-2 pi i k / N):
  //   E = (Z[k] + conj Z[n-k]) / 2,  O = (Z[k] - conj Z[n-k]) / 2
  //   X[k] = E - i w O,  X[n-k] = conj(E + i w O)
  const float* w = twiddles_.data() + twiddles_.size() - 2 * (static_cast<size_t>(size_) / 4 + 1);
  for (size_t k = 0; 2 * k <= n_all; ++k) {
    const size_t mirror = n_all - k, wrapped = mirror == n_all ? 0 : mirror;
    const float c = w[2 * k], s = w[2 * k + 1];
    const Lanes e_re = 0.5f * (z.re[k] + z.re[wrapped]), e_im = 0.5f * (z.im[k] - z.im[wrapped]),
                o_re = 0.5f * (z.re[k] - z.re[wrapped]), o_im = 0.5f * (z.im[k] + z.im[wrapped]);
    const Lanes t_re = c * o_im + s * o_re, t_im = s * o_im - c * o_re;  // -i w O
    const Lanes x_re = e_re + t_re, x_im = e_im + t_im, y_re = e_re - t_re, y_im = e_im - t_im;
    if (k < wanted) to[k] = x_re * x_re + x_im * x_im;
    if (mirror < wanted) to[mirror] = y_re * y_re + y_im * y_im;
  }
}

}  // namespace heed
