/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xdp_check.h.
 */
#include "dataplane/xdp_check.h"

#include "dataplane/netdev.h"
#include "dataplane/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>

struct answer {
	char *reason;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int no(struct answer *a, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->reason, a->size, fmt, ap);
	va_end(ap);
	return rc;
}

static int check_kernel(struct answer *a)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	int rc = -errno;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (rc == -EPERM)
		return no(a, rc, "not permitted: AF_XDP needs CAP_NET_RAW");
	return no(a, rc, "this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS)");
}

/* Other virtual kinds have frames of their own making, whose checksums and segments AF_XDP cannot
 * express; a packet socket can.  A veth is worth it because of the other end. */
static int check_kind(const struct dp_netdev *dev, struct answer *a)
{
	if (dev->arptype != ARPHRD_ETHER || (dev->flags & IFF_LOOPBACK) != 0)
		return no(a, -EINVAL, "%s is not Ethernet", dev->name);
	if (dev->kind[0] != '\0' && strcmp(dev->kind, "veth") != 0)
		return no(a, -EOPNOTSUPP, "AF_XDP is for hardware and veth; %s is a %s", dev->name,
			  dev->kind);
	return 0;
}

static int check_mtu(uint32_t mtu, struct answer *a)
{
	if (mtu <= DP_XDP_MAX_MTU)
		return 0;
	return no(a, -ERANGE, "MTU %u does not fit an AF_XDP frame (at most %u)", mtu,
		  DP_XDP_MAX_MTU);
}

static int check_program(const struct dp_netdev *dev, struct answer *a)
{
	uint32_t id = 0;

	if (bpf_xdp_query_id(dev->ifindex, 0, &id) == 0 && id != 0)
		return no(a, -EBUSY, "another XDP program (id %u) is attached to %s", id,
			  dev->name);
	return 0;
}

static int check_queues(const struct dp_netdev *dev, struct answer *a)
{
	uint16_t n = dp_xdp_queues(dev->name);

	if (n <= DP_MAX_QUEUES)
		return 0;
	return no(a, -ERANGE, "%s has %u queues, AF_XDP serves %u (ethtool -L %s combined %u)",
		  dev->name, n, DP_MAX_QUEUES, dev->name, DP_MAX_QUEUES);
}

int dp_xdp_check(const char *ifname, uint16_t mtu, char *ret_reason, size_t size)
{
	struct answer a = {ret_reason, size};
	struct err err = {0};
	struct dp_netdev dev;
	int rc;

	if (dp_netdev_get(ifname, &dev, &err) != 0)
		return no(&a, err.code, "%s", err.what);
	rc = check_kernel(&a);
	if (rc == 0)
		rc = check_kind(&dev, &a);
	if (rc == 0)
		rc = check_mtu(mtu != 0 ? mtu : dev.mtu, &a);
	if (rc == 0)
		rc = check_program(&dev, &a);
	return rc != 0 ? rc : check_queues(&dev, &a);
}

uint16_t dp_xdp_queues(const char *ifname)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&channels};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t n = 1;

	if (fd < 0)
		return 1;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	/* A device without channels has one queue. */
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		n = channels.combined_count + channels.rx_count;
	close(fd);
	return (uint16_t)RTE_MIN(RTE_MAX(n, 1u), (uint32_t)UINT16_MAX);
}
