/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Editing a CPUID table; for cpuid*.c only.
 */
#ifndef HV_CPUID_PRIV_H
#define HV_CPUID_PRIV_H

#include "hv/cpuid.h"

#define BIT(n) (1u << (n))

/* Takes out each entry of the functions [first, last]. */
void hv_cpuid_drop(struct hv_cpuid *cpuid, uint32_t first, uint32_t last);

#endif
