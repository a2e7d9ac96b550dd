/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ACPI's fixed hardware: PM1 event and control blocks, timer, reset register, power button.  Sleep
 * type 5 is HV_MAIL_POWEROFF, the reset register HV_MAIL_RESET.  Ports of PC hardware that guests
 * use without asking (0x61, the keyboard controller's reset) are taken here too.
 *
 * Threads: registers on processors' threads, the rest on the owner's; the device lock for all.
 *
 * Source: ACPI 6.3, 4.8.3.
 */
#ifndef HV_PM_H
#define HV_PM_H

#include "ctl/base/err.h"
#include "hv/board.h"

struct hv_pm;

int hv_pm_create(const struct hv_board *board, struct hv_pm **ret_pm, struct err *err);
/* Nobody calls its ports any more.  Takes NULL. */
void hv_pm_destroy(struct hv_pm *pm);
void hv_pm_reset(struct hv_pm *pm);
/* Presses the power button: the SCI, if the guest wants to know. */
void hv_pm_button(struct hv_pm *pm);

#endif
