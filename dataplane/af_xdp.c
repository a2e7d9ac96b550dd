/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See af_xdp.h.  What Linux 6.18 and net_af_xdp (DPDK 22.11) do, by experiment:
 *
 * 	veth	The program runs in the driver ("native").  The kernel takes segmentation from the
 * peer's features and holds its MTU under 3506 while it is attached, and refuses to attach when the
 * peer's MTU is larger already: "Peer MTU is too large".  Our own MTU does not matter to it. Frames
 * come with checksums that were never filled in. queues	Frames of a queue without a socket
 * go to the host's stack, so every queue must have one.  The driver counts "combined" channels
 * only: a
 * veth with two receive queues would lose half of its frames. tap	refused by the driver (no
 * combined channels); bridge: no native mode, and the driver tries no other. close	The program
 * goes with the last socket.  Buffers in the fill ring never come back to their pool (port_eth.c).
 * wait	With busy polling (the driver's default) each poll of an empty queue is a system call;
 * without it, a queue of a zero-copy NIC that is empty blocks for up to a second. So software
 * interfaces are opened with busy_budget=0, where neither happens, and NICs with the default.
 */
#include "dataplane/af_xdp.h"

#include <ctype.h>
#include <errno.h>
#include <link.h>
#include <limits.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <rte_common.h>

/* A frame, the buffer's own header, DPDK's headroom and the kernel's 256 bytes share a page. */
#define AF_XDP_MAX_MTU 3400

#ifndef AF_XDP
#define AF_XDP 44
#endif

static int no(char *ret_reason, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int no(char *ret_reason, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret_reason, size, fmt, ap);
	va_end(ap);
	return 0;
}

static bool ioctl_on(const char *ifname, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	ok = ioctl(fd, request, ifr) == 0;
	close(fd);
	return ok;
}

/* The kernel's driver, "veth"; empty when it does not say. */
static void driver_of(const char *ifname, char ret[32])
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {.ifr_data = (char *)&info};

	ret[0] = '\0';
	if (ioctl_on(ifname, SIOCETHTOOL, &ifr))
		snprintf(ret, 32, "%.31s", info.driver);
}

uint16_t dp_eth_if_mtu(const char *ifname)
{
	struct ifreq ifr = {0};

	if (!ioctl_on(ifname, SIOCGIFMTU, &ifr) || ifr.ifr_mtu < 0 || ifr.ifr_mtu > UINT16_MAX)
		return 0;
	return (uint16_t)ifr.ifr_mtu;
}

/* DPDK's driver knows queues that receive and transmit ("combined") only, and takes an interface
 * without a number for one with one. */
uint16_t dp_eth_if_queues(const char *ifname)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (char *)&ch};

	if (!ioctl_on(ifname, SIOCETHTOOL, &ifr))
		return 1;
	if (ch.rx_count > 1 || (ch.combined_count > 0 && ch.rx_count > 0))
		return 0;
	return ch.combined_count > 1 ? (uint16_t)RTE_MIN(ch.combined_count, UINT16_MAX) : 1;
}

bool dp_eth_is_software(const char *ifname)
{
	static const char *const virtual[] = {"virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront"};
	char path[PATH_MAX], driver[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", ifname);
	if (access(path, F_OK) != 0)
		return true;
	driver_of(ifname, driver);
	for (size_t i = 0; i < sizeof(virtual) / sizeof(virtual[0]); i++)
		if (strcmp(driver, virtual[i]) == 0)
			return true;
	return false;
}

enum dp_if_state dp_eth_if_state(int *fd, const char *ifname, unsigned ifindex)
{
	struct ifreq ifr = {0};

	if (*fd < 0)
		*fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return DP_IF_UP; /* Cannot tell. */
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	/* The index tells a new interface of the same name from the old one. */
	if (ioctl(*fd, SIOCGIFINDEX, &ifr) != 0 || (unsigned)ifr.ifr_ifindex != ifindex)
		return DP_IF_GONE;
	if (ioctl(*fd, SIOCGIFFLAGS, &ifr) != 0)
		return DP_IF_GONE;
	if ((ifr.ifr_flags & IFF_UP) == 0)
		return DP_IF_DOWN;
	return (ifr.ifr_flags & IFF_RUNNING) != 0 ? DP_IF_UP : DP_IF_NO_CARRIER;
}

struct seen {
	bool ethdev, af_xdp;
};

static int see_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct seen *seen = arg;

	seen->ethdev |= strstr(info->dlpi_name, "librte_ethdev") != NULL;
	seen->af_xdp |= strstr(info->dlpi_name, "librte_net_af_xdp") != NULL;
	return 0;
}

/* DPDK loads its drivers as libraries when it starts; in a static build they are just there. */
static bool driver_is_loaded(void)
{
	struct seen seen = {0};

	dl_iterate_phdr(see_library, &seen);
	return seen.af_xdp || !seen.ethdev;
}

/* An XDP program of somebody else.  Ours may be left from a daemon that died; libxdp takes it up
 * again. */
static bool has_foreign_program(unsigned ifindex, uint32_t *ret_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	bool ours = false;
	int fd;

	if (bpf_xdp_query((int)ifindex, 0, &query) != 0 || query.prog_id == 0)
		return false;
	*ret_id = query.prog_id;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			ours = strncmp(info.name, "xsk_def", 7) == 0 ||
			       strcmp(info.name, "xdp_dispatcher") == 0;
		close(fd);
	}
	return !ours;
}

static int check_kernel(char *ret_reason, size_t size)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), code = errno;

	if (fd >= 0) {
		close(fd);
		return 1;
	}
	if (code == EPERM || code == EACCES)
		return no(ret_reason, size, "no permission for XDP sockets (needs CAP_NET_RAW)");
	return no(ret_reason, size, "this kernel has no XDP sockets");
}

static int check_interface(const char *ifname, uint16_t mtu, char *ret_reason, size_t size)
{
	struct ifreq ifr = {0};
	char driver[32];
	uint32_t id;

	if (!ioctl_on(ifname, SIOCGIFHWADDR, &ifr))
		return no(ret_reason, size, "there is no interface %s", ifname);
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return no(ret_reason, size, "%s is not an Ethernet interface", ifname);
	if (mtu > AF_XDP_MAX_MTU)
		return no(ret_reason, size, "mtu %u: XDP frames end at %u", mtu, AF_XDP_MAX_MTU);
	if (ioctl_on(ifname, SIOCGIFMTU, &ifr) && ifr.ifr_mtu > AF_XDP_MAX_MTU)
		return no(ret_reason, size, "%s has mtu %d: XDP frames end at %u", ifname,
			  ifr.ifr_mtu, AF_XDP_MAX_MTU);
	if (dp_eth_if_queues(ifname) == 0)
		return no(ret_reason, size,
			  "%s has receive queues that DPDK's driver cannot serve (ethtool -L %s rx "
			  "1)",
			  ifname, ifname);
	driver_of(ifname, driver);
	if (strcmp(driver, "tun") == 0)
		return no(ret_reason, size, "DPDK's AF_XDP driver does not take tap interfaces");
	if (strcmp(driver, "bridge") == 0 || strcmp(driver, "bonding") == 0)
		return no(ret_reason, size, "the kernel's '%s' driver has no XDP", driver);
	if (has_foreign_program(if_nametoindex(ifname), &id))
		return no(ret_reason, size, "XDP program %u is attached to %s", id, ifname);
	return 1;
}

int dp_eth_af_xdp_ok(const char *ifname, uint16_t mtu, char *ret_reason, size_t size)
{
	if (size > 0)
		ret_reason[0] = '\0';
	if (ifname == NULL || ifname[0] == '\0' || strlen(ifname) >= IFNAMSIZ)
		return no(ret_reason, size, "an interface name has 1 to %d bytes", IFNAMSIZ - 1);
	for (const char *p = ifname; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || strchr(",=:", *p) != NULL)
			return no(ret_reason, size, "DPDK cannot take the interface name '%s'",
				  ifname);
	if (!driver_is_loaded())
		return no(ret_reason, size, "DPDK's AF_XDP driver is not installed");
	if (check_kernel(ret_reason, size) == 0)
		return 0;
	return check_interface(ifname, mtu, ret_reason, size);
}
