/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real-time clock (MC146818) and its CMOS memory: date and time of the host in UTC, until the
 * guest sets another (kept as a difference, for the life of the machine), and the alarm.  No
 * periodic and no update interrupt: their flags can be polled.
 *
 * Threads: registers on processors' threads, the rest on the owner's; the device lock for all.
 *
 * Source: the MC146818 data sheet (Motorola); century at 0x32 as the FADT says (acpi.h).
 */
#ifndef HV_RTC_H
#define HV_RTC_H

#include "ctl/base/err.h"
#include "hv/board.h"

struct hv_rtc;

/* Adds it to the board's ports (HV_PORT_RTC). */
int hv_rtc_create(const struct hv_board *board, struct hv_rtc **ret_rtc, struct err *err);
/* Nobody calls its ports any more.  Takes NULL. */
void hv_rtc_destroy(struct hv_rtc *rtc);
/* Interrupts off; date, time and memory stay, as they have a battery. */
void hv_rtc_reset(struct hv_rtc *rtc);
/* Readable when the alarm is due (a timerfd, set from processors' threads): call
 * hv_rtc_expired(). */
int hv_rtc_fd(const struct hv_rtc *rtc);
void hv_rtc_expired(struct hv_rtc *rtc);

#endif
