/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a translation writes its program: whole words, nothing beyond the end, and it knows when it
 * did not fit.
 */
#include "dataplane/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/port.h"

static struct {
	struct dp_build b;
	uint8_t behind[64];
} s;

static int setup(void **state)
{
	memset(&s, 0xa5, sizeof(s));
	dp_build_init(&s.b);
	return 0;
}

static void step_is_whole_words_and_its_data_zero(void **state)
{
	for (uint16_t size = 0; size <= 17; size++) {
		uint16_t at = s.b.size;
		uint8_t *data = dp_build_step(&s.b, DP_STEP_SET_FIELD, 7, size);
		const struct dp_step *step = (const struct dp_step *)(s.b.steps + at);

		assert_ptr_equal(data, step->data);
		assert_int_equal(step->op, DP_STEP_SET_FIELD);
		assert_int_equal(step->arg, 7);
		assert_int_equal(step->size, 8 + (size + 7) / 8 * 8);
		assert_int_equal(s.b.size, at + step->size);
		for (unsigned i = 0; i < step->size - 8u; i++)
			assert_int_equal(data[i], 0);
	}
}

static void what_does_not_fit_is_refused_at_the_last_byte(void **state)
{
	assert_non_null(dp_build_step(&s.b, DP_STEP_SET_FIELD, 0, DP_PROGRAM_MAX_STEPS - 16));
	assert_false(s.b.overflow);
	assert_null(dp_build_step(&s.b, DP_STEP_SET_FIELD, 0, 1));
	assert_true(s.b.overflow);
	s.b.overflow = false;
	assert_non_null(dp_build_step(&s.b, DP_STEP_OUTPUT, 0, 0));
	assert_int_equal(s.b.size, DP_PROGRAM_MAX_STEPS);
	assert_false(s.b.overflow);
	assert_null(dp_build_step(&s.b, DP_STEP_OUTPUT, 0, 0));
	assert_true(s.b.overflow);
	assert_int_equal(s.behind[0], 0xa5);
}

static void longest_data_is_refused(void **state)
{
	assert_null(dp_build_step(&s.b, DP_STEP_SET_FIELD, 0, UINT16_MAX));
	assert_true(s.b.overflow);
	assert_int_equal(s.b.size, 0);
}

static void clone_holds_the_steps_between(void **state)
{
	uint16_t mark;

	dp_build_step(&s.b, DP_STEP_POP_VLAN, 0, 0);
	mark = dp_build_clone_begin(&s.b);
	dp_build_step(&s.b, DP_STEP_SET_MACS, 0, 12);
	dp_build_step(&s.b, DP_STEP_OUTPUT, 3, 0);
	dp_build_clone_end(&s.b, mark);
	assert_int_equal(mark, 8);
	assert_int_equal(((const struct dp_step *)(s.b.steps + mark))->size, 8 + 24 + 8);
	assert_int_equal(s.b.size, 48);
}

static void clone_that_does_not_fit_writes_nothing(void **state)
{
	uint16_t mark;

	dp_build_step(&s.b, DP_STEP_SET_FIELD, 0, DP_PROGRAM_MAX_STEPS - 8);
	mark = dp_build_clone_begin(&s.b);
	dp_build_clone_end(&s.b, mark);
	assert_true(s.b.overflow);
	assert_int_equal(s.b.size, DP_PROGRAM_MAX_STEPS);
	assert_int_equal(((const struct dp_step *)s.b.steps)->size, DP_PROGRAM_MAX_STEPS);
}

static void more_rules_than_there_is_room_for_do_not_fit(void **state)
{
	for (uint32_t i = 0; i < DP_PROGRAM_MAX_RULES; i++)
		dp_build_rule(&s.b, i);
	assert_false(s.b.overflow);
	dp_build_rule(&s.b, 1);
	assert_true(s.b.overflow);
	assert_int_equal(s.b.n_rules, DP_PROGRAM_MAX_RULES);
}

static void only_one_output_alone_is_only_an_output(void **state)
{
	assert_int_equal(dp_build_only_output(&s.b), DP_NO_PORT);
	dp_build_step(&s.b, DP_STEP_OUTPUT, 3, 0);
	assert_int_equal(dp_build_only_output(&s.b), 3);
	dp_build_step(&s.b, DP_STEP_OUTPUT, 3, 0);
	assert_int_equal(dp_build_only_output(&s.b), DP_NO_PORT);
	dp_build_init(&s.b);
	dp_build_step(&s.b, DP_STEP_NORMAL, 0, 0);
	assert_int_equal(dp_build_only_output(&s.b), DP_NO_PORT);
}

static void every_step_has_a_name(void **state)
{
	for (int op = 0; op < DP_N_STEPS; op++)
		assert_non_null(dp_step_text((enum dp_step_op)op));
	assert_null(dp_step_text(DP_N_STEPS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(step_is_whole_words_and_its_data_zero, setup),
		cmocka_unit_test_setup(what_does_not_fit_is_refused_at_the_last_byte, setup),
		cmocka_unit_test_setup(longest_data_is_refused, setup),
		cmocka_unit_test_setup(clone_holds_the_steps_between, setup),
		cmocka_unit_test_setup(clone_that_does_not_fit_writes_nothing, setup),
		cmocka_unit_test_setup(more_rules_than_there_is_room_for_do_not_fit, setup),
		cmocka_unit_test_setup(only_one_output_alone_is_only_an_output, setup),
		cmocka_unit_test(every_step_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
