/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See eth_devargs.h.
 */
#include "dataplane/eth_devargs.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>

#define SLUG "bad-device"

/* Reads "[DDDD:]BB:DD.F", all of it.  Writes the long form. */
static bool pci_address(const char *text, char *ret, size_t size)
{
	unsigned domain = 0, bus, device, function;
	int end = 0;

	if ((sscanf(text, "%4x:%2x:%2x.%1o%n", &domain, &bus, &device, &function, &end) != 4 ||
	     text[end] != '\0') &&
	    (domain = 0, sscanf(text, "%2x:%2x.%1o%n", &bus, &device, &function, &end) != 3 ||
				 text[end] != '\0'))
		return false;
	if (device > 0x1f || !isxdigit((unsigned char)text[0]))
		return false;
	snprintf(ret, size, "%04x:%02x:%02x.%o", domain, bus, device, function);
	return true;
}

static int check_text(const char *text, struct err *err)
{
	if (text == NULL || text[0] == '\0')
		return err_set(err, -EINVAL, SLUG, "a DPDK port needs a device");
	if (strlen(text) >= ETH_DEVARGS_SIZE - 16)
		return err_set(err, -EINVAL, SLUG, "device arguments of %zu bytes are too long",
			       strlen(text));
	for (const char *p = text; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p))
			return err_set(err, -EINVAL, SLUG,
				       "device arguments hold a space or control character");
	return 0;
}

static int no_device(const char *name, struct err *err)
{
	err_set(err, -EINVAL, SLUG, "'%s' is not a DPDK device", name);
	err_why(err, "a device is a PCI address (0000:03:00.0) or a driver and a name "
		     "(net_pcap0,iface=...)");
	if (if_nametoindex(name) != 0)
		err_fix(err, "for the Linux interface %s, add a port of kind phys", name);
	return -EINVAL;
}

/* DPDK's memif driver unmaps a peer's memory under the workers when the peer goes. */
static int no_memif(const char *name, struct err *err)
{
	err_set(err, -EINVAL, SLUG, "'%s': memif is a kind of port of its own", name);
	err_fix(err, "vswitchctl port add SWITCH NAME --kind memif --socket PATH");
	return -EINVAL;
}

int eth_devargs_parse(const char *text, struct eth_devargs *ret, struct err *err)
{
	struct eth_devargs d = {.bus = ETH_BUS_VDEV};
	int rc = check_text(text, err);
	char name[ETH_DEVARGS_SIZE];
	const char *args, *colon;

	if (rc != 0)
		return rc;
	if (strncmp(text, "pci:", 4) == 0)
		text += 4;
	else if (strncmp(text, "vdev:", 5) == 0)
		text += 5;
	args = text + strcspn(text, ",");
	snprintf(name, sizeof(name), "%.*s", (int)(args - text), text);
	if (strlen(name) >= sizeof(d.name))
		return err_set(err, -EINVAL, SLUG, "device name of %zu bytes is too long",
			       strlen(name));
	colon = strchr(name, ':');
	if (pci_address(name, d.name, sizeof(d.name)))
		d.bus = ETH_BUS_PCI;
	else if (strncmp(name, "net_memif", 9) == 0)
		return no_memif(name, err);
	else if (strncmp(name, "net_", 4) == 0 || strncmp(name, "eth_", 4) == 0)
		strcpy(d.name, name);
	else if (colon != NULL && colon != name && isalpha((unsigned char)name[0]) &&
		 strlen(colon) > 1)
		strcpy(d.name, colon + 1), d.bus = ETH_BUS_OTHER;
	else
		return no_device(name, err);
	snprintf(d.full, sizeof(d.full), "%s%s", d.bus == ETH_BUS_OTHER ? name : d.name, args);
	*ret = d;
	return 0;
}
