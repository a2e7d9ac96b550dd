/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why DPDK cannot take a PCI device, read from sysfs: the kernel's driver has it, no IOMMU, the
 * group is shared, no permission.  Control thread.
 */
#ifndef DATAPLANE_ETH_PCI_H
#define DATAPLANE_ETH_PCI_H

#include "ctl/base/err.h"

/* Looks before probing.  0: DPDK may try.  Else negative errno with all three lines of 'err' set.
 * 'root' is "" but in tests; 'addr' the long form. */
int eth_pci_check(const char *root, const char *addr, struct err *err);

#endif
