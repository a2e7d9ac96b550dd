/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/pm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hv/layout.h"
#include "tests/support/board.h"

enum { STATUS = HV_PORT_PM_EVENT, ENABLE = HV_PORT_PM_EVENT + 2, BUTTON = 0x100 };

struct rig {
	struct test_board board;
	struct hv_pm *pm;
};

static uint64_t now_ns;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	ts->tv_sec = (time_t)(now_ns / 1000000000u);
	ts->tv_nsec = (long)(now_ns % 1000000000u);
	return 0;
}

static int setup(void **state)
{
	static struct rig rig;

	now_ns = 5000000000u;
	*state = &rig;
	if (test_board_init(&rig.board) != 0)
		return -1;
	return hv_pm_create(&rig.board.board, &rig.pm, NULL);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	hv_pm_destroy(rig->pm);
	test_board_fini(&rig->board);
	return 0;
}

static uint32_t in(struct rig *rig, uint16_t port, unsigned size)
{
	return test_board_in(&rig->board, port, size);
}

static void out(struct rig *rig, uint16_t port, unsigned size, uint32_t value)
{
	test_board_out(&rig->board, port, size, value);
}

static bool sci(const struct rig *rig)
{
	return rig->board.line[HV_IRQ_SCI].level;
}

static void the_button_is_an_sci_until_its_status_is_cleared(void **state)
{
	struct rig *rig = *state;

	out(rig, ENABLE, 2, BUTTON);
	assert_false(sci(rig));
	hv_pm_button(rig->pm);
	assert_true(sci(rig));
	assert_int_equal(in(rig, STATUS, 2), BUTTON);
	out(rig, STATUS, 2, 0xffff & ~BUTTON);
	assert_true(sci(rig));
	out(rig, STATUS, 2, BUTTON);
	assert_false(sci(rig));
	assert_int_equal(in(rig, STATUS, 2), 0);
}

static void a_button_that_nobody_enabled_waits(void **state)
{
	struct rig *rig = *state;

	hv_pm_button(rig->pm);
	assert_false(sci(rig));
	out(rig, ENABLE, 2, BUTTON);
	assert_true(sci(rig));
	out(rig, ENABLE, 2, 0);
	assert_false(sci(rig));
}

static void registers_answer_in_any_width(void **state)
{
	struct rig *rig = *state;

	out(rig, ENABLE + 1, 1, BUTTON >> 8);
	assert_int_equal(in(rig, ENABLE, 2), BUTTON);
	hv_pm_button(rig->pm);
	assert_int_equal(in(rig, STATUS, 4), BUTTON << 16 | BUTTON);
	assert_int_equal(in(rig, STATUS + 1, 1), 1);
	out(rig, STATUS + 1, 1, 1);
	assert_false(sci(rig));
	assert_int_equal(in(rig, STATUS + 11, 4) & 0xffffff00, 0xffffff00);
	out(rig, STATUS + 11, 4, UINT32_MAX);
	assert_int_equal(test_board_mail(&rig->board), -1);
}

static void acpi_is_always_on(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(in(rig, HV_PORT_PM_CONTROL, 2), 1);
	out(rig, HV_PORT_PM_CONTROL, 2, 0);
	assert_int_equal(in(rig, HV_PORT_PM_CONTROL, 2), 1);
}

static void sleep_type_5_is_power_off_and_others_are_nothing(void **state)
{
	struct rig *rig = *state;

	for (uint32_t type = 0; type < 8; type++) {
		out(rig, HV_PORT_PM_CONTROL, 2, type << 10); /* not yet: SLP_EN */
		assert_int_equal(test_board_mail(&rig->board), -1);
		out(rig, HV_PORT_PM_CONTROL, 2, type << 10 | 1 << 13);
		assert_int_equal(test_board_mail(&rig->board),
				 type == HV_PM_S5_TYPE ? HV_MAIL_POWEROFF : -1);
	}
	assert_int_equal(in(rig, HV_PORT_PM_CONTROL, 2) >> 13, 0);
}

static void the_reset_register_resets(void **state)
{
	struct rig *rig = *state;

	out(rig, HV_PORT_RESET, 1, 2);
	assert_int_equal(test_board_mail(&rig->board), -1);
	out(rig, HV_PORT_RESET, 2, HV_RESET_VALUE);
	assert_int_equal(test_board_mail(&rig->board), -1);
	out(rig, HV_PORT_RESET, 1, HV_RESET_VALUE);
	assert_int_equal(test_board_mail(&rig->board), HV_MAIL_RESET);
	out(rig, HV_PORT_KEYBOARD, 1, 0xd1);
	assert_int_equal(test_board_mail(&rig->board), -1);
	out(rig, HV_PORT_KEYBOARD, 1, 0xfe);
	assert_int_equal(test_board_mail(&rig->board), HV_MAIL_RESET);
}

/* A write to the index of PCI's ports is four bytes over the reset register, and is not a reset. */
static void looking_for_pci_finds_nothing_and_resets_nothing(void **state)
{
	struct rig *rig = *state;

	out(rig, 0xcf8, 4, 0x80000604);
	out(rig, 0xcfb, 1, 1);
	assert_int_equal(in(rig, 0xcf8, 4), UINT32_MAX);
	assert_int_equal(in(rig, 0xcfc, 4), UINT32_MAX);
	assert_int_equal(test_board_mail(&rig->board), -1);
}

static void the_timer_counts_at_its_frequency_and_wraps_at_32_bits(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(in(rig, HV_PORT_PM_TIMER, 4), 0);
	now_ns += 1000000000u;
	assert_int_equal(in(rig, HV_PORT_PM_TIMER, 4), 3579545);
	now_ns += 1199ull * 1000000000u;
	assert_int_equal(in(rig, HV_PORT_PM_TIMER, 4), (uint32_t)(1200ull * 3579545));
	now_ns += 3600ull * 24 * 365 * 100 * 1000000000u; /* no overflow in a century */
	assert_int_equal(in(rig, HV_PORT_PM_TIMER, 4),
			 (uint32_t)((3600ull * 24 * 365 * 100 + 1200) * 3579545));
}

static void old_code_that_waits_for_refresh_goes_on(void **state)
{
	struct rig *rig = *state;

	assert_int_not_equal(in(rig, HV_PORT_SYSTEM, 1) & 0x10, in(rig, HV_PORT_SYSTEM, 1) & 0x10);
	out(rig, HV_PORT_SYSTEM, 1, 0xff);
	assert_int_equal(in(rig, HV_PORT_SYSTEM, 1) & 0xc0, 0); /* no NMI reason */
}

static void reset_lowers_the_sci(void **state)
{
	struct rig *rig = *state;

	out(rig, ENABLE, 2, BUTTON);
	hv_pm_button(rig->pm);
	hv_pm_reset(rig->pm);
	assert_false(sci(rig));
	assert_int_equal(in(rig, STATUS, 4), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_button_is_an_sci_until_its_status_is_cleared),
		T(a_button_that_nobody_enabled_waits),
		T(registers_answer_in_any_width),
		T(acpi_is_always_on),
		T(sleep_type_5_is_power_off_and_others_are_nothing),
		T(the_reset_register_resets),
		T(looking_for_pci_finds_nothing_and_resets_nothing),
		T(the_timer_counts_at_its_frequency_and_wraps_at_32_bits),
		T(old_code_that_waits_for_refresh_goes_on),
		T(reset_lowers_the_sci),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
