/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The keyed hash: its vector form says what its plain one says, and words that differ in any one
 * bit spread over a table's places, whatever the secret.
 */
#include "dataplane/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/packet.h"

static uint64_t seed = 99;

static void nh_is_the_sum_of_products_of_halves(void **state)
{
	const uint64_t words[2] = {UINT64_C(0x0000000200000003), UINT64_C(0xffffffffffffffff)};
	const uint64_t secret[2] = {UINT64_C(0x0000000500000007), UINT64_C(0x0000000200000001)};

	/* (3 + 7) * (2 + 5), and halves that wrap: 0 * 1. */
	assert_int_equal(dp_nh(words, 2, secret), 70);
}

#ifdef __AVX2__
static void four_words_at_once_are_four_words(void **state)
{
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t words[4], secret[4];

		for (unsigned k = 0; k < 4; k++) {
			words[k] = pkt_rand(&seed);
			secret[k] = pkt_rand(&seed);
		}
		assert_int_equal(dp_nh4(_mm256_loadu_si256((const __m256i_u *)words), secret),
				 dp_nh(words, 4, secret));
	}
}
#endif

/* Keys as scans make them: one field counts up.  No place of a table gets far more than its share.
 */
static void keys_that_count_up_spread(void **state)
{
	enum { N = 65536, PLACES = 1024 };
	static unsigned low[PLACES], high[PLACES];

	for (unsigned shift = 0; shift <= 48; shift += 8) {
		uint64_t secret = pkt_rand(&seed);

		for (unsigned i = 0; i < PLACES; i++)
			low[i] = high[i] = 0;
		for (uint64_t i = 0; i < N; i++) {
			uint32_t h = (uint32_t)dp_nh_finish(dp_nh_word(i << shift, secret));

			low[h % PLACES]++;
			high[h / (UINT32_MAX / PLACES + 1)]++;
		}
		for (unsigned i = 0; i < PLACES; i++) {
			assert_in_range(low[i], 1, 64 * 4);
			assert_in_range(high[i], 1, 64 * 4);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nh_is_the_sum_of_products_of_halves),
#ifdef __AVX2__
		cmocka_unit_test(four_words_at_once_are_four_words),
#endif
		cmocka_unit_test(keys_that_count_up_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
