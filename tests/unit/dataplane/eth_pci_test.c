/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why a PCI device cannot be had, told from a sysfs of our own making.
 */
#include "dataplane/eth_pci.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NIC   "0000:03:00.0"
#define OTHER "0000:03:00.1"

static char root[64];

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char command[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/eth-pci-XXXXXX");
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	sh("rm -rf %s", root);
	return 0;
}

static void add_device(const char *addr, const char *driver, const char *group)
{
	sh("cd %s && mkdir -p sys/bus/pci/devices/%s sys/bus/pci/drivers/%s", root, addr, driver);
	if (driver[0] != '\0')
		sh("ln -sfn ../../drivers/%s %s/sys/bus/pci/devices/%s/driver", driver, root, addr);
	if (group[0] != '\0')
		sh("cd %s && mkdir -p sys/kernel/iommu_groups/%s/devices/%s && "
		   "ln -sfn ../../../../kernel/iommu_groups/%s sys/bus/pci/devices/%s/iommu_group",
		   root, group, addr, group, addr);
}

static void expect(int code, const char *what, const char *why, const char *fix)
{
	struct err err = {0};

	assert_int_equal(eth_pci_check(root, NIC, &err), code);
	if (code == 0)
		return;
	assert_int_equal(err.code, code);
	if (strstr(err.what, what) == NULL || strstr(err.why, why) == NULL ||
	    strstr(err.fix, fix) == NULL)
		fail_msg("%s | %s | %s", err.what, err.why, err.fix);
}

static void machine_without_pci_is_told(void **state)
{
	expect(-ENODEV, "no PCI device " NIC, "no PCI bus", "");
}

static void address_without_device_is_told(void **state)
{
	sh("mkdir -p %s/sys/bus/pci/devices", root);
	expect(-ENODEV, "no PCI device " NIC, "lists none", "dpdk-devbind.py");
}

static void device_of_the_kernel_is_named_with_its_interface(void **state)
{
	add_device(NIC, "ixgbe", "");
	expect(-EBUSY, "kernel driver 'ixgbe'", "vfio-pci", "dpdk-devbind.py -b vfio-pci " NIC);
	sh("mkdir -p %s/sys/bus/pci/devices/%s/net/eth7", root, NIC);
	expect(-EBUSY, "interface eth7", "", "ip link set eth7 down");
}

static void device_without_driver_is_to_be_bound(void **state)
{
	add_device(NIC, "", "");
	expect(-ENODEV, "no driver", "", "modprobe vfio-pci");
}

static void device_that_dpdk_shares_with_the_kernel_is_fine(void **state)
{
	add_device(NIC, "mlx5_core", "");
	expect(0, "", "", "");
}

static void vfio_without_iommu_is_told(void **state)
{
	add_device(NIC, "vfio-pci", "");
	expect(-ENODEV, "no IOMMU", "", "intel_iommu=on");
	sh("mkdir -p %s/sys/module/vfio/parameters && echo N > "
	   "%s/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
	   root, root);
	expect(-ENODEV, "no IOMMU", "", "");
	sh("echo Y > %s/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", root);
	expect(0, "", "", "");
}

static void group_that_the_kernel_shares_is_told(void **state)
{
	add_device(NIC, "vfio-pci", "12");
	expect(0, "", "", "");
	add_device(OTHER, "pcieport", "12");
	expect(0, "", "", "");
	add_device(OTHER, "igb", "12");
	expect(-EBUSY, "IOMMU group 12", OTHER, "dpdk-devbind.py -b vfio-pci " OTHER);
	add_device(OTHER, "vfio-pci", "12");
	expect(0, "", "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(machine_without_pci_is_told),
		T(address_without_device_is_told),
		T(device_of_the_kernel_is_named_with_its_interface),
		T(device_without_driver_is_to_be_bound),
		T(device_that_dpdk_shares_with_the_kernel_is_fine),
		T(vfio_without_iommu_is_told),
		T(group_that_the_kernel_shares_is_told),
	};

	return cmocka_run_group_tests_name("eth_pci", tests, NULL, NULL);
}
