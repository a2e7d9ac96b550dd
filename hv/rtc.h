/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real-time clock (MC146818) and its CMOS memory: date and time of the host in UTC, alarm,
 * periodic and update interrupts left out but for the flags that guests poll.
 */
#ifndef HV_RTC_H
#define HV_RTC_H

#include "hv/partition.h"

struct hv_rtc;

int hv_rtc_create(struct hv_partition *partition, struct hv_rtc **ret_rtc, struct err *err);
void hv_rtc_destroy(struct hv_rtc *rtc);

#endif
