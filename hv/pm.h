/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ACPI's fixed hardware: PM1 event and control blocks, timer, reset register, power button.  Sleep
 * type 5 is HV_MAIL_POWEROFF, the reset register HV_MAIL_RESET.  Ports of PC hardware that guests
 * write without asking (0x61, 0x80, ..) are taken here too.
 */
#ifndef HV_PM_H
#define HV_PM_H

#include "hv/partition.h"

struct hv_pm;

int hv_pm_create(struct hv_partition *partition, struct hv_pm **ret_pm, struct err *err);
void hv_pm_destroy(struct hv_pm *pm);
void hv_pm_reset(struct hv_pm *pm);
/* Presses the power button: the SCI.  Owner's thread. */
void hv_pm_button(struct hv_pm *pm);

#endif
