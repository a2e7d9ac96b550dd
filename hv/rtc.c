/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See rtc.h.  Time registers are made when they are read, from the host's clock and 'offset_s', the
 * difference that the guest set.  While SET stops the clock, they are what the guest writes.
 */
#include "hv/rtc.h"

#include "ctl/base/clock.h"
#include "hv/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Registers. */
enum {
	SECOND = 0,
	SECOND_ALARM = 1,
	MINUTE = 2,
	MINUTE_ALARM = 3,
	HOUR = 4,
	HOUR_ALARM = 5,
	WEEKDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	CENTURY = 0x32,
	N_REGISTERS = 128,
};

enum {
	A_UPDATING = 1 << 7,
	A_POWER_ON = 0x26, /* 32768 Hz, 1024 Hz */
	B_24H = 1 << 1,
	B_BINARY = 1 << 2,
	B_UPDATE = 1 << 4,
	B_ALARM = 1 << 5,
	B_SET = 1 << 7,
	C_UPDATE = 1 << 4,
	C_ALARM = 1 << 5,
	C_IRQ = 1 << 7,
	D_VALID = 1 << 7,
	PM = 1 << 7,	  /* in hours of 12 */
	ANY = 0xc0,	  /* in alarms: any value from there on */
	NMI_OFF = 1 << 7, /* in the index port */
};

#define NS_PER_S  1000000000ull
#define UPDATE_NS 2228000ull /* before the second turns: 244 us of warning, 1984 us of update */
#define DAY_S	  86400

struct hv_rtc {
	struct hv_board board;
	int fd;
	uint8_t index;
	uint8_t reg[N_REGISTERS];
	uint8_t flags;	   /* register C */
	int64_t offset_s;  /* the guest's time less the host's */
	int64_t updated_s; /* of the guest, when C_UPDATE was last looked at */
	bool line;
};

/* ---- with the device lock held ---- */

static int64_t now_s(const struct hv_rtc *rtc)
{
	return (int64_t)(clock_wall_ns() / NS_PER_S) + rtc->offset_s;
}

static uint8_t encode(const struct hv_rtc *rtc, int value)
{
	return (uint8_t)((rtc->reg[REG_B] & B_BINARY) != 0 ? value : value / 10 << 4 | value % 10);
}

static int decode(const struct hv_rtc *rtc, uint8_t value)
{
	return (rtc->reg[REG_B] & B_BINARY) != 0 ? value : (value >> 4) * 10 + (value & 0xf);
}

static uint8_t encode_hour(const struct hv_rtc *rtc, int hour)
{
	if ((rtc->reg[REG_B] & B_24H) != 0)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
}

static int decode_hour(const struct hv_rtc *rtc, uint8_t value)
{
	if ((rtc->reg[REG_B] & B_24H) != 0)
		return decode(rtc, value);
	return decode(rtc, value & (uint8_t)~PM) % 12 + ((value & PM) != 0 ? 12 : 0);
}

/* Writes the time into its registers. */
static void show_time(struct hv_rtc *rtc)
{
	time_t now = (time_t)now_s(rtc);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return;
	rtc->reg[SECOND] = encode(rtc, tm.tm_sec);
	rtc->reg[MINUTE] = encode(rtc, tm.tm_min);
	rtc->reg[HOUR] = encode_hour(rtc, tm.tm_hour);
	rtc->reg[WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->reg[DAY] = encode(rtc, tm.tm_mday);
	rtc->reg[MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->reg[YEAR] = encode(rtc, tm.tm_year % 100);
	/* BCD by any mode, as the PCs that brought it had it. */
	rtc->reg[CENTURY] =
		(uint8_t)((19 + tm.tm_year / 100) / 10 << 4 | (19 + tm.tm_year / 100) % 10);
}

static bool between(int value, int first, int last)
{
	return value >= first && value <= last;
}

/* Takes the time from its registers, if it is one. */
static void take_time(struct hv_rtc *rtc)
{
	int century = (rtc->reg[CENTURY] >> 4) * 10 + (rtc->reg[CENTURY] & 0xf);
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->reg[SECOND]),
		.tm_min = decode(rtc, rtc->reg[MINUTE]),
		.tm_hour = decode_hour(rtc, rtc->reg[HOUR]),
		.tm_mday = decode(rtc, rtc->reg[DAY]),
		.tm_mon = decode(rtc, rtc->reg[MONTH]) - 1,
		.tm_year = (century - 19) * 100 + decode(rtc, rtc->reg[YEAR]),
	};

	if (between(tm.tm_sec, 0, 59) && between(tm.tm_min, 0, 59) && between(tm.tm_hour, 0, 23) &&
	    between(tm.tm_mday, 1, 31) && between(tm.tm_mon, 0, 11) && between(tm.tm_year, 70, 299))
		rtc->offset_s += (int64_t)timegm(&tm) - now_s(rtc);
}

static void update_line(struct hv_rtc *rtc)
{
	bool line = (rtc->flags & rtc->reg[REG_B] & (C_ALARM | C_UPDATE)) != 0;

	if (rtc->line == line)
		return;
	rtc->line = line;
	hv_board_irq(&rtc->board, HV_IRQ_RTC, line);
}

static bool alarm_fits(const struct hv_rtc *rtc, int reg, int value)
{
	uint8_t want = rtc->reg[reg];

	if (want >= ANY)
		return true;
	return value == (reg == HOUR_ALARM ? decode_hour(rtc, want) : decode(rtc, want));
}

/* Seconds from 'now' to the next time that fits, at least one; 0: none does.  Steps over hours and
 * minutes that do not fit: a few hundred steps at most. */
static int64_t next_alarm(const struct hv_rtc *rtc, int64_t now)
{
	for (int64_t at = now + 1; at <= now + DAY_S;) {
		int64_t second = at % DAY_S;

		if (!alarm_fits(rtc, HOUR_ALARM, (int)(second / 3600)))
			at += 3600 - second % 3600;
		else if (!alarm_fits(rtc, MINUTE_ALARM, (int)(second / 60 % 60)))
			at += 60 - second % 60;
		else if (!alarm_fits(rtc, SECOND_ALARM, (int)(second % 60)))
			at++;
		else
			return at - now;
	}
	return 0;
}

/* On the host's wall clock, so that a step of it is a step of the guest's. */
static void set_timer(const struct hv_rtc *rtc)
{
	struct itimerspec timer = {0};
	int64_t now = now_s(rtc), wait = 0;

	if ((rtc->reg[REG_B] & (B_ALARM | B_SET)) == B_ALARM)
		wait = next_alarm(rtc, now);
	if (wait > 0)
		timer.it_value.tv_sec = (time_t)(now - rtc->offset_s + wait);
	(void)timerfd_settime(rtc->fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

static bool stopped(const struct hv_rtc *rtc)
{
	return (rtc->reg[REG_B] & B_SET) != 0;
}

static uint8_t read_a(const struct hv_rtc *rtc)
{
	bool updating = !stopped(rtc) && clock_wall_ns() % NS_PER_S >= NS_PER_S - UPDATE_NS;

	return rtc->reg[REG_A] | (updating ? A_UPDATING : 0);
}

/* Reading clears. */
static uint8_t read_c(struct hv_rtc *rtc)
{
	int64_t now = now_s(rtc);
	uint8_t flags;

	if (!stopped(rtc) && now != rtc->updated_s)
		rtc->flags |= C_UPDATE;
	rtc->updated_s = now;
	flags = rtc->flags;
	if ((flags & rtc->reg[REG_B] & (C_ALARM | C_UPDATE)) != 0)
		flags |= C_IRQ;
	rtc->flags = 0;
	update_line(rtc);
	return flags;
}

static uint8_t read_register(struct hv_rtc *rtc, uint8_t reg)
{
	switch (reg) {
	case SECOND:
	case MINUTE:
	case HOUR:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		if (!stopped(rtc))
			show_time(rtc);
		return rtc->reg[reg];
	case REG_A:
		return read_a(rtc);
	case REG_C:
		return read_c(rtc);
	case REG_D:
		return D_VALID;
	default:
		return rtc->reg[reg];
	}
}

/* The clock stops with the time of that moment, and goes on with what was made of it. */
static void write_b(struct hv_rtc *rtc, uint8_t value)
{
	bool was_stopped = stopped(rtc);

	if (!was_stopped)
		show_time(rtc);
	if (was_stopped && (value & B_SET) == 0)
		take_time(rtc);
	rtc->reg[REG_B] = (value & B_SET) != 0 ? value & (uint8_t)~B_UPDATE : value;
	update_line(rtc);
	set_timer(rtc);
}

static void write_register(struct hv_rtc *rtc, uint8_t reg, uint8_t value)
{
	switch (reg) {
	case SECOND:
	case MINUTE:
	case HOUR:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		if (!stopped(rtc))
			show_time(rtc);
		rtc->reg[reg] = value;
		if (!stopped(rtc))
			take_time(rtc);
		break;
	case SECOND_ALARM:
	case MINUTE_ALARM:
	case HOUR_ALARM:
		rtc->reg[reg] = value;
		set_timer(rtc);
		break;
	case REG_A:
		rtc->reg[REG_A] = value & (uint8_t)~A_UPDATING;
		break;
	case REG_B:
		write_b(rtc, value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		rtc->reg[reg] = value;
		break;
	}
}

static uint32_t port_read(void *ctx, uint16_t offset, unsigned size)
{
	struct hv_rtc *rtc = ctx;

	if (size != 1 || offset == 0) /* the index is only written */
		return UINT32_MAX;
	return read_register(rtc, rtc->index);
}

static void port_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct hv_rtc *rtc = ctx;

	if (size != 1)
		return;
	if (offset == 0)
		rtc->index = (uint8_t)(value & (uint8_t)~NMI_OFF);
	else
		write_register(rtc, rtc->index, (uint8_t)value);
}

static const struct hv_pio_ops ops = {.read = port_read, .write = port_write};

/* ---- the owner's ---- */

int hv_rtc_create(const struct hv_board *board, struct hv_rtc **ret_rtc, struct err *err)
{
	struct hv_rtc *rtc = calloc(1, sizeof(*rtc));
	int rc;

	if (rtc == NULL)
		return err_set(err, -ENOMEM, "out-of-memory", "no memory for a clock");
	rtc->board = *board;
	rtc->reg[REG_A] = A_POWER_ON;
	rtc->reg[REG_B] = B_24H;
	rtc->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (rtc->fd < 0) {
		rc = err_set(err, -errno, "rtc", "cannot make a clock: %s", strerror(errno));
		free(rtc);
		return rc;
	}
	rc = hv_pio_add(board->pio, HV_PORT_RTC, 2, &ops, rtc);
	if (rc != 0) {
		hv_rtc_destroy(rtc);
		return err_set(err, rc, "rtc", "the ports of the clock are taken");
	}
	*ret_rtc = rtc;
	return 0;
}

void hv_rtc_destroy(struct hv_rtc *rtc)
{
	if (rtc == NULL)
		return;
	close(rtc->fd);
	free(rtc);
}

void hv_rtc_reset(struct hv_rtc *rtc)
{
	hv_board_lock(&rtc->board);
	rtc->index = 0;
	rtc->flags = 0;
	write_b(rtc, rtc->reg[REG_B] & (uint8_t) ~(B_SET | B_ALARM | B_UPDATE));
	hv_board_unlock(&rtc->board);
}

int hv_rtc_fd(const struct hv_rtc *rtc)
{
	return rtc->fd;
}

void hv_rtc_expired(struct hv_rtc *rtc)
{
	uint64_t n;

	hv_board_lock(&rtc->board);
	if (read(rtc->fd, &n, sizeof(n)) == sizeof(n)) {
		rtc->flags |= C_ALARM;
		update_line(rtc);
		set_timer(rtc); /* the next day */
	}
	hv_board_unlock(&rtc->board);
}
