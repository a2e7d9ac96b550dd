/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See eth_probe.h.
 */
#include "dataplane/eth_probe.h"

#include "dataplane/dpdk_log.h"
#include "dataplane/eth_pci.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define SLUG "no-device"

/* The port that the arguments name, or RTE_MAX_ETHPORTS. */
static uint16_t find_port(const struct eth_devargs *d)
{
	struct rte_dev_iterator it;
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(d->name, &id) == 0)
		return id;
	RTE_ETH_FOREACH_MATCHING_DEV(id, d->full, &it)
	{
		rte_eth_iterator_cleanup(&it);
		return id;
	}
	return RTE_MAX_ETHPORTS;
}

/* A driver name without the digits at its end: "net_pcap". */
static void driver_of(const char *name, char *ret, size_t size)
{
	size_t n = strlen(name);

	while (n > 0 && isdigit((unsigned char)name[n - 1]))
		n--;
	snprintf(ret, size, "%.*s", (int)n, name);
}

static int explain(const struct eth_devargs *d, int rc, const char *reason, struct err *err)
{
	char driver[64];

	if (rc >= -1) /* Most drivers say -1, which is not -EPERM. */
		rc = -EIO;
	err_set(err, rc, SLUG, "DPDK cannot open device '%s': %s", d->name, strerror(-rc));
	if (reason[0] != '\0') {
		err_why(err, "%s", reason);
	} else if (d->bus == ETH_BUS_VDEV) {
		driver_of(d->name, driver, sizeof(driver));
		err_why(err, "driver '%s' refuses its arguments, or has no such device", driver);
		err_fix(err, "doc.dpdk.org/guides/nics lists each driver's arguments");
	} else {
		err_why(err, "no installed DPDK driver knows this device");
	}
	if (d->bus == ETH_BUS_PCI)
		err_fix(err, "dpdk-devbind.py --status-dev net");
	return rc;
}

/* Buses look whether a driver of theirs goes by the name. */
static int check_driver(const struct eth_devargs *d, struct err *err)
{
	struct rte_devargs args = {0};
	char driver[64];

	if (rte_devargs_parse(&args, d->full) == 0) {
		rte_devargs_reset(&args);
		return 0;
	}
	driver_of(d->name, driver, sizeof(driver));
	err_set(err, -ENODEV, SLUG, "there is no DPDK driver for device '%s'", d->name);
	err_why(err, "no driver '%s' is installed", driver);
	err_fix(err, "dpdk-pmdinfo.py lists a library's drivers; vswitchd --driver PATH loads one");
	return -ENODEV;
}

/* What can be known before anything is touched. */
static int check(const struct eth_devargs *d, struct err *err)
{
	if (rte_eth_dev_count_avail() >= RTE_MAX_ETHPORTS) {
		err_set(err, -ENOSPC, "too-many-devices", "device '%s': %u DPDK devices are open",
			d->name, rte_eth_dev_count_avail());
		err_why(err, "this DPDK is built for %d", RTE_MAX_ETHPORTS);
		return -ENOSPC;
	}
	if (find_port(d) != RTE_MAX_ETHPORTS)
		return err_set(err, -EBUSY, "device-busy", "device '%s' is open already", d->name);
	return d->bus == ETH_BUS_PCI ? eth_pci_check("", d->name, err) : check_driver(d, err);
}

int eth_probe_check(const struct eth_devargs *d, struct err *err)
{
	char reason[200];
	int rc;

	/* DPDK may look for the device in vain, and say so. */
	dpdk_log_record();
	rc = check(d, err);
	dpdk_log_end(reason, sizeof(reason));
	return rc;
}

int eth_probe(const struct eth_devargs *d, uint16_t *ret_port_id, struct err *err)
{
	int rc = eth_probe_check(d, err);
	char reason[200];
	uint16_t id;

	if (rc != 0)
		return rc;
	dpdk_log_record();
	rc = rte_dev_probe(d->full);
	id = rc == 0 ? find_port(d) : RTE_MAX_ETHPORTS;
	dpdk_log_end(reason, sizeof(reason));
	if (rc != 0)
		return explain(d, rc, reason, err);
	if (id == RTE_MAX_ETHPORTS)
		return explain(d, -ENODEV, "the device is no Ethernet port", err);
	*ret_port_id = id;
	return 0;
}

static bool has_sibling(const struct rte_device *dev, uint16_t but)
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV_OF(id, dev)
	{
		if (id != but)
			return true;
	}
	return false;
}

void eth_remove(uint16_t port_id)
{
	struct rte_eth_dev_info info;
	char reason[64];
	bool last;

	dpdk_log_record(); /* A device that vanished has much to say about it. */
	if (rte_eth_dev_info_get(port_id, &info) == 0 && info.device != NULL) {
		last = !has_sibling(info.device, port_id);
		rte_eth_dev_close(port_id);
		if (last)
			rte_dev_remove(info.device);
	} else {
		rte_eth_dev_close(port_id);
	}
	dpdk_log_end(reason, sizeof(reason));
}
