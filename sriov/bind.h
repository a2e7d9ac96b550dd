/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which driver of this machine has a PCI device: vfio-pci by driver_override, and back.
 *
 * Control thread.  Source: Linux Documentation/ABI/testing/sysfs-bus-pci.
 */
#ifndef SRIOV_BIND_H
#define SRIOV_BIND_H

#include "ctl/base/err.h"
#include "sriov/pf.h"

/* Gives the device at 'addr' to vfio-pci.  Its driver goes, with its interface.  -ENODEV: the
 * module vfio-pci is not loaded; -EBUSY: it did not take the device.  On failure it is bound as
 * before. */
int sriov_bind_vfio(const char *root, const char *addr, struct err *err);
/* Back to 'driver' and 'driver_override' (either may be "").  Nobody may have the device open: the
 * kernel would wait for them.  -ENODEV: the device is gone, which is no harm. */
int sriov_bind_restore(const char *root, const char *addr, const char *driver,
		       const char *driver_override, struct err *err);

#endif
