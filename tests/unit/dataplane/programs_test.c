/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs of one worker: each different one once, freed with its last reference, at every size,
 * and a full house says so and keeps what it has.
 */
#include "dataplane/programs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 3000

static struct dp_programs *p;
static uint8_t steps[DP_PROGRAM_MAX_STEPS];
static uint32_t rules[DP_PROGRAM_MAX_RULES];

static int setup(void **state)
{
	for (unsigned i = 0; i < sizeof(steps); i++)
		steps[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < DP_PROGRAM_MAX_RULES; i++)
		rules[i] = i * 3 + 1;
	return dp_programs_create(LIMIT, &p);
}

static int teardown(void **state)
{
	dp_programs_destroy(p);
	return 0;
}

static void same_fate_and_rules_share_one_program(void **state)
{
	struct dp_program *a = dp_programs_get(p, 3, steps, 16, rules, 2);
	uint8_t other[16];

	assert_ptr_equal(dp_programs_get(p, 3, steps, 16, rules, 2), a);
	assert_int_equal(a->refs, 2);
	memcpy(other, steps, sizeof(other));
	other[15] ^= 1;
	assert_ptr_not_equal(dp_programs_get(p, 4, steps, 16, rules, 2), a);
	assert_ptr_not_equal(dp_programs_get(p, 3, steps, 8, rules, 2), a);
	assert_ptr_not_equal(dp_programs_get(p, 3, other, 16, rules, 2), a);
	assert_ptr_not_equal(dp_programs_get(p, 3, steps, 16, rules, 1), a);
	assert_ptr_not_equal(dp_programs_get(p, 3, steps, 16, rules + 1, 2), a);
	assert_int_equal(dp_programs_n(p), 6);
}

static void program_goes_with_its_last_reference(void **state)
{
	struct dp_program *a = dp_programs_get(p, 3, steps, 16, rules, 2);
	struct dp_program *b = dp_programs_get(p, 5, steps, 24, rules, 9);

	dp_programs_get(p, 3, steps, 16, rules, 2);
	dp_programs_unref(p, a);
	assert_int_equal(dp_programs_n(p), 2);
	dp_programs_unref(p, a);
	assert_int_equal(dp_programs_n(p), 1);
	/* What is left is found, what is gone is made anew. */
	assert_ptr_equal(dp_programs_get(p, 5, steps, 24, rules, 9), b);
	assert_int_equal(dp_programs_get(p, 3, steps, 16, rules, 2)->refs, 1);
}

static void every_size_comes_back_as_it_went_in(void **state)
{
	static struct dp_program *all[DP_PROGRAM_MAX_STEPS / 8 + 1][3];
	static const uint16_t n_rules[3] = {0, DP_PROGRAM_INLINE_RULES, DP_PROGRAM_MAX_RULES};

	for (unsigned i = 0; i <= DP_PROGRAM_MAX_STEPS / 8; i++)
		for (unsigned k = 0; k < 3; k++) {
			dp_programs_tick(p);
			all[i][k] =
				dp_programs_get(p, 1, steps, (uint16_t)(i * 8), rules, n_rules[k]);
			assert_non_null(all[i][k]);
		}
	for (unsigned i = 0; i <= DP_PROGRAM_MAX_STEPS / 8; i++)
		for (unsigned k = 0; k < 3; k++) {
			const struct dp_program *g = all[i][k];

			assert_int_equal(g->size, i * 8);
			assert_int_equal(g->n_rules, n_rules[k]);
			if (i != 0)
				assert_memory_equal(g->steps, steps, i * 8);
			if (k != 0)
				assert_memory_equal(dp_program_rules(g), rules,
						    n_rules[k] * sizeof(rules[0]));
		}
	for (unsigned i = 0; i <= DP_PROGRAM_MAX_STEPS / 8; i++)
		for (unsigned k = 0; k < 3; k++)
			dp_programs_unref(p, all[i][k]);
	assert_int_equal(dp_programs_n(p), 0);
}

static void rules_of_every_number_come_back(void **state)
{
	static struct dp_program *all[DP_PROGRAM_MAX_RULES + 1];

	for (unsigned n = 0; n <= DP_PROGRAM_MAX_RULES; n++) {
		all[n] = dp_programs_get(p, 1, NULL, 0, rules, (uint16_t)n);
		assert_non_null(all[n]);
	}
	for (unsigned n = 1; n <= DP_PROGRAM_MAX_RULES; n++)
		assert_memory_equal(dp_program_rules(all[n]), rules, n * sizeof(rules[0]));
}

static void freed_blocks_are_taken_again(void **state)
{
	/* Far more than the arena has ready: without it the memory would end. */
	for (uint32_t i = 0; i < 20000; i++) {
		struct dp_program *g;

		rules[0] = i;
		g = dp_programs_get(p, 1, steps, DP_PROGRAM_MAX_STEPS, rules, DP_PROGRAM_MAX_RULES);
		assert_non_null(g);
		dp_programs_unref(p, g);
	}
	assert_int_equal(dp_programs_n(p), 0);
}

static void full_house_refuses_and_keeps_what_it_has(void **state)
{
	static struct dp_program *all[LIMIT];
	uint32_t rule;

	for (rule = 0; rule < LIMIT; rule++) {
		all[rule] = dp_programs_get(p, 1, NULL, 0, &rule, 1);
		assert_non_null(all[rule]);
	}
	assert_null(dp_programs_get(p, 1, NULL, 0, &rule, 1));
	assert_int_equal(dp_programs_n(p), LIMIT);
	rule = 17;
	assert_ptr_equal(dp_programs_get(p, 1, NULL, 0, &rule, 1), all[17]);
	dp_programs_unref(p, all[5]);
	rule = LIMIT;
	assert_non_null(dp_programs_get(p, 1, NULL, 0, &rule, 1));
	assert_null(dp_programs_get(p, 2, NULL, 0, &rule, 1));
}

/* The control thread makes memory real ahead of need; when it is late there is none. */
static void without_ready_memory_it_refuses_and_nothing_is_lost(void **state)
{
	uint32_t rule = 0, n;

	for (n = 0; dp_programs_get(p, 1, steps, DP_PROGRAM_MAX_STEPS, &rule, 1) != NULL; n++)
		rule++;
	assert_true(n > 100 && n < LIMIT);
	assert_int_equal(dp_programs_n(p), n);
	/* Small ones without steps still fit; more comes with the tick. */
	assert_non_null(dp_programs_get(p, 1, NULL, 0, &rule, 1));
	dp_programs_tick(p);
	assert_non_null(dp_programs_get(p, 1, steps, DP_PROGRAM_MAX_STEPS, &rule, 1));
	assert_int_equal(dp_programs_n(p), n + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(same_fate_and_rules_share_one_program),
		TEST(program_goes_with_its_last_reference),
		TEST(every_size_comes_back_as_it_went_in),
		TEST(rules_of_every_number_come_back),
		TEST(freed_blocks_are_taken_again),
		TEST(full_house_refuses_and_keeps_what_it_has),
		TEST(without_ready_memory_it_refuses_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
