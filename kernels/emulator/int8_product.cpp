#include "kernels/emulator/int8_product.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qoq::emulator {

namespace {

void multiply_plain(const Int8Row& a, const Int8Tile& b, uint32_t (&sums)[8]) {
  for (uint32_t& sum : sums) sum = 0;
  for (int k = 0; k < 16; ++k) {
    for (int c = 0; c < 8; ++c) sums[c] += static_cast<uint32_t>(a[2 * k] * b[k][c][0] + a[2 * k + 1] * b[k][c][1]);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void multiply_avx2(const Int8Row& a, const Int8Tile& b, uint32_t (&sums)[8]) {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (int k = 0; k < 16; k += 2) {
    int pairs[2];
    std::memcpy(pairs, &a[2 * k], sizeof pairs);
    const auto* from = reinterpret_cast<const __m256i*>(b[k]);
    even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_set1_epi32(pairs[0]), _mm256_load_si256(from)));
    odd = _mm256_add_epi32(odd, _mm256_madd_epi16(_mm256_set1_epi32(pairs[1]), _mm256_load_si256(from + 1)));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), _mm256_add_epi32(even, odd));
}
#endif

}  // namespace

#if defined(__x86_64__)
void (*const multiply_int8)(const Int8Row& a, const Int8Tile& b,
                            uint32_t (&sums)[8]) = __builtin_cpu_supports("avx2") ? multiply_avx2 : multiply_plain;
#else
void (*const multiply_int8)(const Int8Row& a, const Int8Tile& b, uint32_t (&sums)[8]) = multiply_plain;
#endif

}  // namespace qoq::emulator
