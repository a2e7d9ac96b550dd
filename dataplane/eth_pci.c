/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See eth_pci.h.  Source: Linux Documentation/driver-api/vfio.rst.
 */
#include "dataplane/eth_pci.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SLUG "device-busy"

/* Last part of the link at root/sys/bus/pci/devices/addr/name; empty when there is none. */
static void link_name(const char *root, const char *addr, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	ret[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, addr, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(ret, size, "%.63s", slash != NULL ? slash + 1 : target);
}

static bool exists(const char *root, const char *path, const char *name)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s%s", root, path, name);
	return access(full, F_OK) == 0;
}

/* The first network interface of the device, for people; empty when there is none. */
static void interface_of(const char *root, const char *addr, char *ret, size_t size)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;

	ret[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/net", root, addr);
	d = opendir(path);
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(ret, size, "%.15s", e->d_name);
			break;
		}
	closedir(d);
}

/* Drivers whose DPDK driver works beside them. */
static bool is_bifurcated(const char *driver)
{
	static const char *const names[] = {"mlx4_core", "mlx5_core", "mana"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return false;
}

static bool is_uio(const char *driver)
{
	return strcmp(driver, "uio_pci_generic") == 0 || strcmp(driver, "igb_uio") == 0;
}

/* Drivers that VFIO accepts in the group of a device it hands out. */
static bool is_harmless(const char *driver)
{
	return driver[0] == '\0' || strcmp(driver, "vfio-pci") == 0 ||
	       strcmp(driver, "pcieport") == 0 || strcmp(driver, "pci-stub") == 0;
}

static bool noiommu_mode(const char *root)
{
	char path[PATH_MAX];
	int c = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
		 root);
	f = fopen(path, "re");
	if (f != NULL) {
		c = fgetc(f);
		fclose(f);
	}
	return c == 'Y' || c == '1';
}

/* Another device of the group that a kernel driver holds. */
static int check_group(const char *root, const char *addr, const char *group, struct err *err)
{
	char path[PATH_MAX], driver[64];
	struct dirent *e;
	int rc = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/sys/kernel/iommu_groups/%s/devices", root, group);
	d = opendir(path);
	if (d == NULL)
		return 0;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, addr) == 0)
			continue;
		link_name(root, e->d_name, "driver", driver, sizeof(driver));
		if (is_harmless(driver))
			continue;
		rc = err_set(err, -EBUSY, "iommu-group", "device %s: its IOMMU group %s is shared",
			     addr, group);
		err_why(err,
			"device %.32s of the group is bound to '%s'; VFIO hands out whole groups",
			e->d_name, driver);
		err_fix(err, "dpdk-devbind.py -b vfio-pci %.32s", e->d_name);
	}
	closedir(d);
	return rc;
}

static int check_vfio(const char *root, const char *addr, struct err *err)
{
	char group[64], path[PATH_MAX];

	link_name(root, addr, "iommu_group", group, sizeof(group));
	if (group[0] == '\0') {
		if (noiommu_mode(root))
			return 0;
		err_set(err, -ENODEV, "no-iommu", "device %s: this machine has no IOMMU in use",
			addr);
		err_why(err, "vfio-pci needs one to keep the device inside our memory");
		err_fix(err, "boot with intel_iommu=on or amd_iommu=on (or, unsafely: echo 1 > "
			     "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode)");
		return -ENODEV;
	}
	if (check_group(root, addr, group, err) != 0)
		return -EBUSY;
	snprintf(path, sizeof(path), "%s/dev/vfio/%s", root, group);
	if (access(path, R_OK | W_OK) != 0 && errno == EACCES) {
		err_set(err, -EACCES, "no-permission", "device %s: no permission for %s", addr,
			path);
		err_why(err, "VFIO devices belong to root");
		err_fix(err, "run the daemon as root, or chown %s", path);
		return -EACCES;
	}
	return 0;
}

static int held_by_kernel(const char *root, const char *addr, const char *driver, struct err *err)
{
	char ifname[16];

	interface_of(root, addr, ifname, sizeof(ifname));
	err_set(err, -EBUSY, SLUG, "device %s is bound to the kernel driver '%s'%s%s", addr, driver,
		ifname[0] != '\0' ? ", interface " : "", ifname);
	err_why(err, "DPDK drives a device itself, through vfio-pci");
	if (ifname[0] != '\0')
		err_fix(err, "ip link set %s down && dpdk-devbind.py -b vfio-pci %s", ifname, addr);
	else
		err_fix(err, "dpdk-devbind.py -b vfio-pci %s", addr);
	return -EBUSY;
}

int eth_pci_check(const char *root, const char *addr, struct err *err)
{
	char driver[64];

	if (!exists(root, "/sys/bus/pci/devices/", addr)) {
		err_set(err, -ENODEV, "no-device", "there is no PCI device %s", addr);
		err_why(err, "%s",
			exists(root, "/sys/bus/pci/devices", "")
				? "the kernel lists none at that address"
				: "this machine has no PCI bus");
		err_fix(err, "dpdk-devbind.py --status-dev net");
		return -ENODEV;
	}
	link_name(root, addr, "driver", driver, sizeof(driver));
	if (driver[0] == '\0') {
		err_set(err, -ENODEV, SLUG, "device %s is bound to no driver", addr);
		err_why(err, "DPDK drives a device through vfio-pci");
		err_fix(err, "modprobe vfio-pci && dpdk-devbind.py -b vfio-pci %s", addr);
		return -ENODEV;
	}
	if (is_bifurcated(driver) || is_uio(driver))
		return 0;
	if (strcmp(driver, "vfio-pci") != 0)
		return held_by_kernel(root, addr, driver, err);
	return check_vfio(root, addr, err);
}
