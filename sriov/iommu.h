/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Can VFIO hand a device to a guest so that it reaches nothing but the guest's memory?  And the
 * descriptors by which it does.
 *
 * Control thread.  Source: Linux Documentation/driver-api/vfio.rst.
 */
#ifndef SRIOV_IOMMU_H
#define SRIOV_IOMMU_H

#include "ctl/base/err.h"
#include "sriov/pf.h"
#include "sriov/vfio.h"

/* The machine's calls, or a test's. */
struct sriov_vfio_ops {
	int (*open)(void *ctx, const char *path); /* to read and write; or -errno */
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg); /* >= 0 or -errno */
};
extern const struct sriov_vfio_ops sriov_vfio_real;

/* Is there an IOMMU, and is the device alone in its group?  -ENODEV, -EBUSY: with all three lines;
 * the refusal names the device beside it.  Needs no driver to be bound. */
int sriov_iommu_check(const char *root, const struct sriov_device *device, struct err *err);
/* Does some process have the group open? */
bool sriov_iommu_busy(const char *root, const struct sriov_vfio_ops *ops, void *ctx, int group);
/* For a device that is bound to vfio-pci: container with its IOMMU of type 1, group and device, to
 * be passed on to who runs the guest (SCM_RIGHTS).  The caller closes (sriov_fds_close()). */
int sriov_iommu_open(const char *root, const struct sriov_vfio_ops *ops, void *ctx,
		     const struct sriov_device *device, struct sriov_vfio_fds *ret_fds,
		     struct err *err);
void sriov_fds_close(struct sriov_vfio_fds *fds);

#endif
