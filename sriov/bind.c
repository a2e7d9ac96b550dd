/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bind.h.
 */
#include "sriov/bind.h"

#include "sriov/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VFIO	"vfio-pci"
#define PCI_DIR "/sys/bus/pci/devices/"

static void driver_of(const char *root, const char *addr, char driver[SRIOV_WORD_SIZE])
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, root, PCI_DIR "%s/driver", addr);
	sriov_link_name(path, driver, SRIOV_WORD_SIZE);
}

/* An empty line is how it is taken back. */
static int set_override(const char *root, const char *addr, const char *driver)
{
	char path[SRIOV_PATH_SIZE], line[SRIOV_WORD_SIZE + 1];

	sriov_path(path, root, PCI_DIR "%s/driver_override", addr);
	snprintf(line, sizeof(line), "%.*s\n", SRIOV_WORD_SIZE - 1, driver);
	return sriov_write(path, line);
}

static int unbind(const char *root, const char *addr)
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, root, PCI_DIR "%s/driver/unbind", addr);
	return sriov_write(path, addr);
}

/* The kernel asks drivers in turn, as driver_override lets them. */
static int probe(const char *root, const char *addr)
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, root, "/sys/bus/pci/drivers_probe");
	return sriov_write(path, addr);
}

/* New VFs of a PF that leaves them alone are not probed for anybody: bind them by name. */
static int bind_to(const char *root, const char *addr, const char *driver)
{
	char path[SRIOV_PATH_SIZE], now[SRIOV_WORD_SIZE];

	(void)probe(root, addr);
	driver_of(root, addr, now);
	if (strcmp(now, driver) == 0)
		return 0;
	sriov_path(path, root, "/sys/bus/pci/drivers/%s/bind", driver);
	(void)sriov_write(path, addr);
	driver_of(root, addr, now);
	return strcmp(now, driver) == 0 ? 0 : -EBUSY;
}

int sriov_bind_restore(const char *root, const char *addr, const char *driver,
		       const char *driver_override, struct err *err)
{
	char path[SRIOV_PATH_SIZE], now[SRIOV_WORD_SIZE];
	int rc;

	sriov_path(path, root, PCI_DIR "%s", addr);
	if (!sriov_exists(path))
		return err_set(err, -ENODEV, "no-device", "PCI device %s is gone", addr);
	driver_of(root, addr, now);
	rc = set_override(root, addr, driver_override);
	if (rc == 0 && now[0] != '\0' && strcmp(now, driver) != 0)
		rc = unbind(root, addr);
	if (rc == 0 && driver[0] != '\0' && strcmp(now, driver) != 0)
		rc = bind_to(root, addr, driver);
	if (rc != 0) {
		err_set(err, rc, "bind", "device %s cannot be given back to %s: %s", addr,
			driver[0] != '\0' ? driver : "nobody", strerror(-rc));
		err_fix(err, "echo %s > /sys/bus/pci/drivers_probe", addr);
	}
	return rc;
}

static int refuse(const char *root, const char *addr, int rc, struct err *err)
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, root, "/sys/bus/pci/drivers/" VFIO);
	if (!sriov_exists(path)) {
		err_set(err, -ENODEV, "no-vfio", "device %s: there is no driver " VFIO, addr);
		err_why(err, "it is how a device is handed to a guest; its module is not loaded");
		err_fix(err, "modprobe " VFIO);
		return -ENODEV;
	}
	err_set(err, rc, "bind", "device %s cannot be given to " VFIO ": %s", addr, strerror(-rc));
	err_why(err, "the kernel said so");
	err_fix(err, "dmesg | grep %s says more", addr);
	return rc;
}

int sriov_bind_vfio(const char *root, const char *addr, struct err *err)
{
	char path[SRIOV_PATH_SIZE], was[SRIOV_WORD_SIZE], override[SRIOV_WORD_SIZE];
	int rc;

	driver_of(root, addr, was);
	if (strcmp(was, VFIO) == 0)
		return 0;
	sriov_path(path, root, "/sys/bus/pci/drivers/" VFIO);
	if (!sriov_exists(path))
		return refuse(root, addr, -ENODEV, err);
	sriov_path(path, root, PCI_DIR "%s/driver_override", addr);
	(void)sriov_read(path, override, sizeof(override));
	if (strcmp(override, "(null)") == 0)
		override[0] = '\0';
	rc = set_override(root, addr, VFIO);
	if (rc == 0 && was[0] != '\0')
		rc = unbind(root, addr);
	if (rc == 0)
		rc = bind_to(root, addr, VFIO);
	if (rc == 0)
		return 0;
	(void)sriov_bind_restore(root, addr, was, override, NULL);
	return refuse(root, addr, rc, err);
}
