/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables that tell a guest what it runs on: RSDP, XSDT, FADT, FACS, DSDT, MADT (ACPI 6.3).  The
 * DSDT has VMBus (VMOD with its windows, VMBS below it), the processors, the serial port, the
 * clock, _S5.  docs/hypervisor.md shows them.
 *
 * Thread: the owner's, before processors run.
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include "ctl/base/err.h"
#include "hv/memory.h"

/* Writes them to HV_ACPI, the RSDP first.  'n_vps' is 1 to HV_MAX_VPS.  0; -ENOSPC would be a
 * mistake of ours. */
int hv_acpi_write(const struct hv_memory *memory, unsigned n_vps, struct err *err);
/* Start of the VMBus window above all memory; 0: there is none, for this processor has no addresses
 * there. */
uint64_t hv_acpi_high_window(const struct hv_memory *memory);

#endif
