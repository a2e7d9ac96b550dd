/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/rtc.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/layout.h"
#include "tests/support/board.h"

#define NS 1000000000ull

struct rig {
	struct test_board board;
	struct hv_rtc *rtc;
};

/* 2024-02-29 13:59:58 UTC, a Thursday. */
#define LEAP_DAY 1709215198

static uint64_t now_ns;
static time_t timer_s; /* what the alarm's timer was last set to; 0: off */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	ts->tv_sec = (time_t)(now_ns / NS);
	ts->tv_nsec = (long)(now_ns % NS);
	return 0;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	assert_int_equal(flags, TFD_TIMER_ABSTIME);
	timer_s = new->it_value.tv_sec;
	return 0;
}

static int setup(void **state)
{
	static struct rig rig;

	now_ns = LEAP_DAY * NS;
	timer_s = 0;
	*state = &rig;
	if (test_board_init(&rig.board) != 0)
		return -1;
	return hv_rtc_create(&rig.board.board, &rig.rtc, NULL);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	hv_rtc_destroy(rig->rtc);
	test_board_fini(&rig->board);
	return 0;
}

static uint8_t in(struct rig *rig, uint8_t reg)
{
	test_board_out(&rig->board, HV_PORT_RTC, 1, reg);
	return (uint8_t)test_board_in(&rig->board, HV_PORT_RTC + 1, 1);
}

static void out(struct rig *rig, uint8_t reg, uint8_t value)
{
	test_board_out(&rig->board, HV_PORT_RTC, 1, reg);
	test_board_out(&rig->board, HV_PORT_RTC + 1, 1, value);
}

/* Registers 9, 8, 7, 4, 2, 0 with the century before them, in hexadecimal. */
static void assert_time(struct rig *rig, uint64_t bcd)
{
	static const uint8_t regs[] = {0x32, 9, 8, 7, 4, 2, 0};
	uint64_t value = 0;

	for (unsigned i = 0; i < sizeof(regs); i++)
		value = value << 8 | in(rig, regs[i]);
	assert_int_equal(value, bcd);
}

static void it_shows_the_hosts_time_in_bcd(void **state)
{
	struct rig *rig = *state;

	assert_time(rig, 0x20240229135958);
	assert_int_equal(in(rig, 6), 5); /* Thursday, Sunday being 1 */
	assert_int_equal(in(rig, 0x0b), 0x02);
	assert_int_equal(in(rig, 0x0d), 0x80);
	now_ns += 2 * NS;
	assert_time(rig, 0x20240229140000);
	now_ns += 10 * 3600 * NS;
	assert_time(rig, 0x20240301000000);
}

static void binary_and_12_hours_if_the_guest_wants(void **state)
{
	struct rig *rig = *state;

	out(rig, 0x0b, 0x04);
	assert_int_equal(in(rig, 4), 0x81); /* 1 pm */
	assert_int_equal(in(rig, 2), 59);
	out(rig, 0x0b, 0x06);
	assert_int_equal(in(rig, 4), 13);
	out(rig, 0x0b, 0x00);
	now_ns -= 13 * 3600 * NS;
	assert_int_equal(in(rig, 4), 0x12); /* after midnight */
	now_ns += 12 * 3600 * NS;
	assert_int_equal(in(rig, 4), 0x92); /* after noon */
}

static void the_nmi_bit_is_not_part_of_the_index(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(in(rig, 0x80 | 7), 0x29);
	assert_int_equal(test_board_in(&rig->board, HV_PORT_RTC, 1), 0xff);
}

static void a_time_that_the_guest_sets_goes_on(void **state)
{
	struct rig *rig = *state;

	out(rig, 0x0b, 0x82);
	out(rig, 0x32, 0x19);
	out(rig, 9, 0x99);
	out(rig, 8, 0x12);
	out(rig, 7, 0x31);
	out(rig, 4, 0x23);
	out(rig, 2, 0x59);
	out(rig, 0, 0x58);
	now_ns += 5 * NS; /* stands still */
	assert_time(rig, 0x19991231235958);
	out(rig, 0x0b, 0x02);
	assert_time(rig, 0x19991231235958);
	now_ns += 2 * NS;
	assert_time(rig, 0x20000101000000);
	hv_rtc_reset(rig->rtc);
	assert_time(rig, 0x20000101000000);
}

static void setting_what_is_no_time_changes_nothing(void **state)
{
	static const uint8_t regs[] = {0, 2, 4, 7, 8};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(regs); i++) {
		out(rig, 0x0b, 0x82);
		out(rig, regs[i], 0xff);
		out(rig, 0x0b, 0x02);
		assert_time(rig, 0x20240229135958);
	}
	out(rig, 0x0b, 0x82);
	out(rig, 8, 0);
	out(rig, 0x0b, 0x02);
	assert_time(rig, 0x20240229135958);
}

static void it_is_updating_for_a_moment_before_each_second(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(in(rig, 0x0a), 0x26);
	now_ns += NS - 2000000;
	assert_int_equal(in(rig, 0x0a), 0xa6);
	out(rig, 0x0b, 0x82); /* not while it is being set */
	assert_int_equal(in(rig, 0x0a), 0x26);
}

static void update_flag_is_there_once_a_second(void **state)
{
	struct rig *rig = *state;

	(void)in(rig, 0x0c);
	assert_int_equal(in(rig, 0x0c), 0);
	now_ns += NS;
	assert_int_equal(in(rig, 0x0c), 0x10);
	assert_int_equal(in(rig, 0x0c), 0);
}

static void set_alarm(struct rig *rig, uint8_t hour, uint8_t minute, uint8_t second)
{
	out(rig, 5, hour);
	out(rig, 3, minute);
	out(rig, 1, second);
	out(rig, 0x0b, 0x22);
}

static void alarm_timer_is_set_to_the_next_time_that_fits(void **state)
{
	struct rig *rig = *state;

	set_alarm(rig, 0x14, 0x00, 0x30);
	assert_int_equal(timer_s, LEAP_DAY + 32);
	set_alarm(rig, 0x13, 0x59, 0x58); /* now: tomorrow */
	assert_int_equal(timer_s, LEAP_DAY + 86400);
	set_alarm(rig, 0x13, 0x59, 0x57);
	assert_int_equal(timer_s, LEAP_DAY + 86399);
	set_alarm(rig, 0xff, 0xff, 0xff); /* each second */
	assert_int_equal(timer_s, LEAP_DAY + 1);
	set_alarm(rig, 0xc0, 0x30, 0x00);
	assert_int_equal(timer_s, LEAP_DAY + 1802);
	set_alarm(rig, 0x13, 0x60, 0x00); /* never */
	assert_int_equal(timer_s, 0);
	set_alarm(rig, 0x14, 0x00, 0x30);
	out(rig, 0x0b, 0x02);
	assert_int_equal(timer_s, 0);
}

static void alarm_follows_the_time_that_the_guest_set(void **state)
{
	struct rig *rig = *state;

	out(rig, 0x0b, 0x82);
	out(rig, 2, 0x00);
	out(rig, 4, 0x10); /* 10:00:58 */
	out(rig, 0x0b, 0x02);
	set_alarm(rig, 0x10, 0x01, 0x00);
	assert_int_equal(timer_s, LEAP_DAY + 2);
}

/* The timer itself is wrapped: one of the kernel's is put in the place of the clock's. */
static void expire(struct rig *rig)
{
	struct itimerspec soon = {.it_value.tv_nsec = 1};
	struct pollfd pfd = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), .events = POLLIN};
	int __real_timerfd_settime(int, int, const struct itimerspec *, struct itimerspec *);

	assert_int_equal(__real_timerfd_settime(pfd.fd, 0, &soon, NULL), 0);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_equal(dup2(pfd.fd, hv_rtc_fd(rig->rtc)), hv_rtc_fd(rig->rtc));
	close(pfd.fd);
	hv_rtc_expired(rig->rtc);
}

static void alarm_interrupts_until_its_flag_is_read(void **state)
{
	struct rig *rig = *state;

	hv_rtc_expired(rig->rtc); /* for nothing */
	set_alarm(rig, 0x14, 0x00, 0x00);
	assert_false(rig->board.line[HV_IRQ_RTC].level);
	now_ns += 2 * NS;
	expire(rig);
	assert_true(rig->board.line[HV_IRQ_RTC].level);
	assert_int_equal(timer_s, LEAP_DAY + 2 + 86400);
	assert_int_equal(in(rig, 0x0c), 0xb0);
	assert_false(rig->board.line[HV_IRQ_RTC].level);
	expire(rig);
	hv_rtc_reset(rig->rtc);
	assert_false(rig->board.line[HV_IRQ_RTC].level);
	assert_int_equal(timer_s, 0);
}

static void memory_keeps_what_is_written(void **state)
{
	struct rig *rig = *state;

	for (unsigned reg = 0x0e; reg < 0x80; reg++)
		if (reg != 0x32)
			out(rig, (uint8_t)reg, (uint8_t)(reg * 3));
	for (unsigned reg = 0x0e; reg < 0x80; reg++)
		if (reg != 0x32)
			assert_int_equal(in(rig, (uint8_t)reg), (uint8_t)(reg * 3));
	assert_time(rig, 0x20240229135958);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_shows_the_hosts_time_in_bcd),
		T(binary_and_12_hours_if_the_guest_wants),
		T(the_nmi_bit_is_not_part_of_the_index),
		T(a_time_that_the_guest_sets_goes_on),
		T(setting_what_is_no_time_changes_nothing),
		T(it_is_updating_for_a_moment_before_each_second),
		T(update_flag_is_there_once_a_second),
		T(alarm_timer_is_set_to_the_next_time_that_fits),
		T(alarm_follows_the_time_that_the_guest_set),
		T(alarm_interrupts_until_its_flag_is_read),
		T(memory_keeps_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
