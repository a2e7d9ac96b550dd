/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See iommu.h.
 */
#include "sriov/iommu.h"

#include "sriov/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

static int real_open(void *ctx, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd : -errno;
}

static int real_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);

	return rc >= 0 ? rc : -errno;
}

const struct sriov_vfio_ops sriov_vfio_real = {.open = real_open, .ioctl = real_ioctl};

static int refuse_shared(const struct sriov_device *dev, const char *other, const char *driver,
			 struct err *err)
{
	err_set(err, -EBUSY, "iommu-group", "device %s shares its IOMMU group %d with %s%s%s",
		dev->addr, dev->iommu_group, other, driver[0] != '\0' ? ", which is bound to " : "",
		driver);
	err_why(err, "the two can reach each other's memory, so a guest that has one has both");
	err_fix(err, "put the adapter into a slot with ACS; the kernel's groups are in "
		     "/sys/kernel/iommu_groups");
	return -EBUSY;
}

/* Bridges that only pass on may be there; any other function must not. */
static int check_alone(const char *root, const struct sriov_device *dev, struct err *err)
{
	char path[SRIOV_PATH_SIZE], driver[SRIOV_WORD_SIZE];
	struct dirent *e;
	int rc = 0;
	DIR *d;

	sriov_path(path, root, "/sys/kernel/iommu_groups/%d/devices", dev->iommu_group);
	d = opendir(path);
	while (d != NULL && rc == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, dev->addr) == 0)
			continue;
		sriov_path(path, root, "/sys/bus/pci/devices/%s/driver", e->d_name);
		sriov_link_name(path, driver, sizeof(driver));
		if (strcmp(driver, "pcieport") != 0)
			rc = refuse_shared(dev, e->d_name, driver, err);
	}
	if (d != NULL)
		closedir(d);
	return rc;
}

int sriov_iommu_check(const char *root, const struct sriov_device *dev, struct err *err)
{
	if (dev->iommu_group < 0) {
		err_set(err, -ENODEV, "no-iommu", "device %s: this machine has no IOMMU in use",
			dev->addr);
		err_why(err, "without one a guest could reach all of the host's memory by it");
		err_fix(err, "enable VT-d or AMD-Vi in the firmware, and boot with intel_iommu=on "
			     "where it is Intel's");
		return -ENODEV;
	}
	return check_alone(root, dev, err);
}

static void group_path(char path[SRIOV_PATH_SIZE], const char *root, int group)
{
	sriov_path(path, root, "/dev/vfio/%d", group);
}

bool sriov_iommu_busy(const char *root, const struct sriov_vfio_ops *ops, void *ctx, int group)
{
	char path[SRIOV_PATH_SIZE];
	int fd;

	if (group < 0)
		return false;
	group_path(path, root, group);
	fd = ops->open(ctx, path);
	if (fd >= 0)
		close(fd);
	return fd == -EBUSY;
}

void sriov_fds_close(struct sriov_vfio_fds *fds)
{
	int all[] = {fds->device, fds->group, fds->container};

	for (int i = 0; i < 3; i++)
		if (all[i] >= 0)
			close(all[i]);
	*fds = (struct sriov_vfio_fds){-1, -1, -1};
}

static int refuse(const struct sriov_device *dev, const char *what, int rc, struct err *err)
{
	err_set(err, rc, "vfio", "device %s: %s: %s", dev->addr, what, strerror(-rc));
	if (rc == -EBUSY) {
		err_why(err, "another process has it open");
		err_fix(err, "fuser -v /dev/vfio/%d", dev->iommu_group);
	} else if (rc == -ENOENT) {
		err_why(err, "its module is not loaded, or the device is not bound to vfio-pci");
		err_fix(err, "modprobe vfio-pci");
	} else if (rc == -EACCES || rc == -EPERM) {
		err_why(err, "VFIO devices are root's");
		err_fix(err, "run the daemon as root, with access to /dev/vfio");
	}
	return rc;
}

static int open_container(const char *root, const struct sriov_vfio_ops *ops, void *ctx,
			  const struct sriov_device *dev, struct sriov_vfio_fds *fds,
			  struct err *err)
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, root, "/dev/vfio/vfio");
	fds->container = ops->open(ctx, path);
	if (fds->container < 0)
		return refuse(dev, "cannot open VFIO", fds->container, err);
	if (ops->ioctl(ctx, fds->container, VFIO_GET_API_VERSION, NULL) != VFIO_API_VERSION ||
	    ops->ioctl(ctx, fds->container, VFIO_CHECK_EXTENSION,
		       (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU) != 1)
		return refuse(dev, "this kernel's VFIO is of another kind", -ENOTSUP, err);
	return 0;
}

static int open_group(const char *root, const struct sriov_vfio_ops *ops, void *ctx,
		      const struct sriov_device *dev, struct sriov_vfio_fds *fds, struct err *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[SRIOV_PATH_SIZE];
	int rc;

	group_path(path, root, dev->iommu_group);
	fds->group = ops->open(ctx, path);
	if (fds->group < 0)
		return refuse(dev, "cannot open its group", fds->group, err);
	rc = ops->ioctl(ctx, fds->group, VFIO_GROUP_GET_STATUS, &status);
	if (rc == 0 && (status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
		rc = -EBUSY;
	if (rc == 0)
		rc = ops->ioctl(ctx, fds->group, VFIO_GROUP_SET_CONTAINER, &fds->container);
	if (rc == 0)
		rc = ops->ioctl(ctx, fds->container, VFIO_SET_IOMMU,
				(void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	return rc < 0 ? refuse(dev, "its group cannot be used", rc, err) : 0;
}

int sriov_iommu_open(const char *root, const struct sriov_vfio_ops *ops, void *ctx,
		     const struct sriov_device *dev, struct sriov_vfio_fds *ret_fds,
		     struct err *err)
{
	struct sriov_vfio_fds fds = {-1, -1, -1};
	char name[SRIOV_ADDR_SIZE];
	int rc = open_container(root, ops, ctx, dev, &fds, err);

	if (rc == 0)
		rc = open_group(root, ops, ctx, dev, &fds, err);
	if (rc == 0) {
		memcpy(name, dev->addr, sizeof(name));
		fds.device = ops->ioctl(ctx, fds.group, VFIO_GROUP_GET_DEVICE_FD, name);
		if (fds.device < 0)
			rc = refuse(dev, "cannot open it", fds.device, err);
	}
	if (rc != 0) {
		sriov_fds_close(&fds);
		return rc;
	}
	*ret_fds = fds;
	return 0;
}
