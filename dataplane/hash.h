/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A keyed hash of the words of a key.  NH, the universal hash of UMAC (RFC 4418, 5.2.1): pairs of
 * 32-bit halves, each plus a secret, are multiplied and summed.  For any two different inputs the
 * chance over the secrets that they collide is 2^-32, so nobody outside can choose keys that do;
 * and it is a few instructions, without a chain from word to word.
 */
#ifndef DATAPLANE_HASH_H
#define DATAPLANE_HASH_H

#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

static inline uint64_t dp_nh_word(uint64_t word, uint64_t secret)
{
	uint32_t low = (uint32_t)word + (uint32_t)secret;
	uint32_t high = (uint32_t)(word >> 32) + (uint32_t)(secret >> 32);

	return (uint64_t)low * high;
}

/* NH's sum is even in its low bits only on average; multiplied and folded, every bit depends on
 * all. */
static inline uint64_t dp_nh_finish(uint64_t sum)
{
	sum ^= sum >> 32;
	sum *= UINT64_C(0x9fb21c651e98df25);
	return sum ^ sum >> 29;
}

static inline uint64_t dp_nh(const uint64_t *words, unsigned n, const uint64_t *secret)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += dp_nh_word(words[i], secret[i]);
	return sum;
}

#ifdef __AVX2__
/* The same of four words in a register. */
static inline uint64_t dp_nh4(__m256i words, const uint64_t secret[4])
{
	__m256i x = _mm256_add_epi32(words, _mm256_loadu_si256((const __m256i_u *)secret));
	__m256i p = _mm256_mul_epu32(x, _mm256_srli_epi64(x, 32));
	__m128i s = _mm_add_epi64(_mm256_castsi256_si128(p), _mm256_extracti128_si256(p, 1));

	return (uint64_t)_mm_cvtsi128_si64(s) + (uint64_t)_mm_extract_epi64(s, 1);
}
#endif

#endif
