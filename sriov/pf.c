/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pf.h.
 */
#include "sriov/pf.h"

#include "sriov/sys.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NET_DIR "/sys/class/net/"
#define PCI_DIR "/sys/bus/pci/devices/"

/* Of the PF's device, by its interface: that also leads to those on no PCI bus. */
static void pf_path(char path[SRIOV_PATH_SIZE], const char *root, const struct sriov_pf *pf,
		    const char *file)
{
	sriov_path(path, root, NET_DIR "%s/device/%s", pf->name, file);
}

/* A name that goes into a path. */
static bool is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

/* What an interface is as a PF; false: it can have no VFs. */
static bool pf_read(const char *root, const char *ifname, struct sriov_pf *pf)
{
	char path[SRIOV_PATH_SIZE];
	uint64_t n = 0;

	*pf = (struct sriov_pf){0};
	if (!is_plain(ifname) || strlen(ifname) >= sizeof(pf->name))
		return false;
	memcpy(pf->name, ifname, strlen(ifname) + 1);
	pf_path(path, root, pf, "sriov_numvfs");
	if (sriov_read_number(path, &n) != 0)
		return false;
	pf->n_vfs = (unsigned)n;
	pf_path(path, root, pf, "sriov_totalvfs");
	if (sriov_read_number(path, &n) == 0)
		pf->total_vfs = (unsigned)n;
	pf_path(path, root, pf, "sriov_drivers_autoprobe");
	pf->has_autoprobe = sriov_read_number(path, &n) == 0;
	pf->autoprobe = pf->has_autoprobe && n != 0;
	sriov_path(path, root, NET_DIR "%s/device", ifname);
	sriov_link_name(path, pf->addr, sizeof(pf->addr));
	pf_path(path, root, pf, "subsystem");
	sriov_link_name(path, pf->bus, sizeof(pf->bus));
	pf_path(path, root, pf, "driver");
	sriov_link_name(path, pf->driver, sizeof(pf->driver));
	sriov_path(path, root, NET_DIR "%s/ifindex", ifname);
	if (sriov_read_number(path, &n) == 0)
		pf->ifindex = (int)n;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sriov_pf *)a)->name, ((const struct sriov_pf *)b)->name);
}

unsigned sriov_pf_list(const char *root, struct sriov_pf *ret_pfs, unsigned max)
{
	char path[SRIOV_PATH_SIZE];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	sriov_path(path, root, NET_DIR);
	d = opendir(path);
	while (d != NULL && n < max && (e = readdir(d)) != NULL)
		if (pf_read(root, e->d_name, &ret_pfs[n]))
			n++;
	if (d != NULL)
		closedir(d);
	qsort(ret_pfs, n, sizeof(*ret_pfs), by_name);
	return n;
}

/* What 'name' is, where it is no PF. */
static int refuse(const char *root, const char *name, struct err *err)
{
	char path[SRIOV_PATH_SIZE], driver[SRIOV_WORD_SIZE];
	bool is_net, is_pci;

	sriov_path(path, root, NET_DIR "%s", is_plain(name) ? name : "?");
	is_net = sriov_exists(path);
	sriov_path(path, root, PCI_DIR "%s", is_plain(name) ? name : "?");
	is_pci = sriov_exists(path);
	if (!is_net && !is_pci) {
		err_set(err, -ENODEV, "no-pf", "there is no interface or PCI device '%.60s'", name);
		err_fix(err, "vswitchctl sriov list");
		return -ENODEV;
	}
	sriov_path(path, root, PCI_DIR "%s/sriov_numvfs", name);
	if (is_pci && sriov_exists(path)) {
		sriov_path(path, root, PCI_DIR "%s/driver", name);
		sriov_link_name(path, driver, sizeof(driver));
		err_set(err, -ENOTSUP, "pf-driver", "%.60s has no interface: its driver is '%s'",
			name, driver[0] != '\0' ? driver : "none");
		err_why(err, "what its VFs may do is said through the kernel's driver of the PF");
		err_fix(err, "bind it to the kernel's driver for it, and use kind phys by AF_XDP "
			     "(port add ... --driver xdp)");
		return -ENOTSUP;
	}
	err_set(err, -ENOTSUP, "no-sriov", "%.60s can have no VFs", name);
	err_why(err, "it is no adapter with SR-IOV, or its firmware or driver has that off");
	err_fix(err, "vswitchctl sriov list");
	return -ENOTSUP;
}

int sriov_pf_find(const char *root, const char *name, struct sriov_pf *ret_pf, struct err *err)
{
	char path[SRIOV_PATH_SIZE], ifname[IFNAMSIZ];
	struct sriov_pf pf;

	if (pf_read(root, name, &pf)) {
		*ret_pf = pf;
		return 0;
	}
	ifname[0] = '\0';
	if (is_plain(name)) {
		sriov_path(path, root, PCI_DIR "%s/net", name);
		sriov_first_in(path, ifname, sizeof(ifname));
	}
	if (!pf_read(root, ifname, &pf))
		return refuse(root, name, err);
	*ret_pf = pf;
	return 0;
}

int sriov_pf_count(const char *root, const struct sriov_pf *pf)
{
	char path[SRIOV_PATH_SIZE], addr[SRIOV_ADDR_SIZE];
	uint64_t n;
	int rc;

	/* Another device may have the name by now. */
	sriov_path(path, root, NET_DIR "%s/device", pf->name);
	sriov_link_name(path, addr, sizeof(addr));
	if (strcmp(addr, pf->addr) != 0)
		return -ENODEV;
	pf_path(path, root, pf, "sriov_numvfs");
	rc = sriov_read_number(path, &n);
	return rc != 0 ? rc : n <= INT_MAX ? (int)n : INT_MAX;
}

static int refuse_count(const struct sriov_pf *pf, unsigned n, int rc, struct err *err)
{
	err_set(err, rc, "numvfs", "%s: its driver makes no %u VFs: %s", pf->name, n,
		rc == -EPERM ? "it must have none for that" : strerror(-rc));
	if (rc == -ENOMEM || rc == -ENOSPC)
		err_why(err, "their memory windows have no place below the bridge in front of it");
	else
		err_why(err, "%s said so", pf->driver[0] != '\0' ? pf->driver : "the kernel");
	err_fix(err,
		rc == -ENOMEM || rc == -ENOSPC
			? "boot with pci=realloc, or enable SR-IOV in the firmware's setup"
			: "dmesg | grep %s says more; fewer VFs may do",
		pf->addr);
	return rc;
}

int sriov_pf_set_count(const char *root, const struct sriov_pf *pf, unsigned n, struct err *err)
{
	char path[SRIOV_PATH_SIZE], text[16];
	int has = sriov_pf_count(root, pf), rc = 0;

	if (has < 0) {
		err_set(err, -ENODEV, "no-pf", "%s is gone", pf->name);
		return -ENODEV;
	}
	if ((unsigned)has == n)
		return 0;
	pf_path(path, root, pf, "sriov_numvfs");
	if (has != 0 && n != 0)
		rc = sriov_write(path, "0");
	snprintf(text, sizeof(text), "%u", n);
	if (rc == 0)
		rc = sriov_write(path, text);
	if (rc == 0 && sriov_pf_count(root, pf) != (int)n)
		rc = -EIO;
	return rc != 0 ? refuse_count(pf, n, rc, err) : 0;
}

int sriov_pf_set_autoprobe(const char *root, const struct sriov_pf *pf, bool on, struct err *err)
{
	char path[SRIOV_PATH_SIZE];
	int rc;

	if (!pf->has_autoprobe)
		return 0;
	pf_path(path, root, pf, "sriov_drivers_autoprobe");
	rc = sriov_write(path, on ? "1" : "0");
	if (rc != 0)
		err_set(err, rc, "autoprobe", "%s: cannot say whether its VFs get drivers: %s",
			pf->name, strerror(-rc));
	return rc;
}

/* ---- VFs ---- */

static uint32_t id_of(const char *root, const char *addr, const char *file)
{
	char path[SRIOV_PATH_SIZE];
	uint64_t n = 0;

	sriov_path(path, root, PCI_DIR "%s/%s", addr, file);
	return sriov_read_number(path, &n) == 0 ? (uint32_t)n : 0;
}

static void interface_read(const char *root, struct sriov_device *dev)
{
	char path[SRIOV_PATH_SIZE];
	uint64_t flags = 0;

	sriov_path(path, root, PCI_DIR "%s/net", dev->addr);
	sriov_first_in(path, dev->ifname, sizeof(dev->ifname));
	if (dev->ifname[0] == '\0')
		return;
	sriov_path(path, root, NET_DIR "%s/flags", dev->ifname);
	dev->ifup = sriov_read_number(path, &flags) == 0 && (flags & IFF_UP) != 0;
}

static void device_read(const char *root, struct sriov_device *dev)
{
	char path[SRIOV_PATH_SIZE], group[16], *end;

	sriov_path(path, root, PCI_DIR "%s/driver", dev->addr);
	sriov_link_name(path, dev->driver, sizeof(dev->driver));
	sriov_path(path, root, PCI_DIR "%s/driver_override", dev->addr);
	(void)sriov_read(path, dev->driver_override, sizeof(dev->driver_override));
	if (strcmp(dev->driver_override, "(null)") == 0)
		dev->driver_override[0] = '\0';
	interface_read(root, dev);
	sriov_path(path, root, PCI_DIR "%s/iommu_group", dev->addr);
	sriov_link_name(path, group, sizeof(group));
	dev->iommu_group = (int)strtol(group, &end, 10);
	if (end == group || *end != '\0')
		dev->iommu_group = -1;
	dev->vendor = (uint16_t)id_of(root, dev->addr, "vendor");
	dev->device = (uint16_t)id_of(root, dev->addr, "device");
	dev->subvendor = (uint16_t)id_of(root, dev->addr, "subsystem_vendor");
	dev->subdevice = (uint16_t)id_of(root, dev->addr, "subsystem_device");
	dev->class = id_of(root, dev->addr, "class");
	dev->revision = (uint8_t)id_of(root, dev->addr, "revision");
}

int sriov_device_find(const char *root, const struct sriov_pf *pf, unsigned index,
		      struct sriov_device *ret_device, struct err *err)
{
	char path[SRIOV_PATH_SIZE], name[32];
	struct sriov_device dev = {.iommu_group = -1};
	int has = sriov_pf_count(root, pf);

	if (has < 0 || index >= (unsigned)has)
		return err_set(err, -ENODEV, "no-vf", "%s has no VF %u", pf->name, index);
	snprintf(name, sizeof(name), "virtfn%u", index);
	pf_path(path, root, pf, name);
	sriov_link_name(path, dev.addr, sizeof(dev.addr));
	if (dev.addr[0] == '\0') {
		err_set(err, -ENOTSUP, "no-vf-device", "VF %u of %s is no PCI device", index,
			pf->name);
		err_why(err, "there is nothing to hand to a guest (%s simulates one)",
			pf->driver[0] != '\0' ? pf->driver : pf->bus);
		return -ENOTSUP;
	}
	device_read(root, &dev);
	*ret_device = dev;
	return 0;
}
