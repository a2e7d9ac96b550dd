/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linux interfaces through libnl-route; see netdev.h.
 */
#include "dataplane/netdev.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

int dp_nl_errno(int nl_rc)
{
	switch (-nl_rc) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return -ENODEV;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_BUSY:
		return -EBUSY;
	case NLE_RANGE:
		return -ERANGE;
	case NLE_NOADDR:
		return -EADDRNOTAVAIL;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

#define SLUG_NAME "bad-interface-name"

static int bad_name(int rc, struct err *err)
{
	err_why(err, "the kernel takes no such name; a port's interface is called as the port");
	err_fix(err, "give the interface a name of its own: --ifname eth0");
	return rc;
}

int dp_netdev_check_name(const char *name, struct err *err)
{
	size_t size = name != NULL ? strlen(name) : 0;

	if (size == 0 || size >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return bad_name(err_set(err, -EINVAL, SLUG_NAME,
					"interface name '%.40s': must have 1 to %d characters",
					name != NULL ? name : "", IFNAMSIZ - 1),
				err);
	for (size_t i = 0; i < size; i++)
		if (name[i] == '/' || name[i] == ':' || name[i] == '%' ||
		    !isgraph((unsigned char)name[i]))
			return bad_name(
				err_set(err, -EINVAL, SLUG_NAME,
					"interface name: character %zu may not be in a name",
					i + 1),
				err);
	return 0;
}

static int route_socket(struct nl_sock **ret_sk, struct err *err)
{
	struct nl_sock *sk = nl_socket_alloc();
	int rc;

	if (sk == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a netlink socket");
	rc = nl_connect(sk, NETLINK_ROUTE);
	if (rc < 0) {
		nl_socket_free(sk);
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot open netlink: %s",
			       nl_geterror(rc));
	}
	*ret_sk = sk;
	return 0;
}

/* By name, or by number when that is NULL. */
static int get_link(struct nl_sock *sk, const char *name, int ifindex, struct rtnl_link **ret_link,
		    struct err *err)
{
	int rc = rtnl_link_get_kernel(sk, ifindex, name, ret_link);

	if (rc == 0)
		return 0;
	if (dp_nl_errno(rc) == -ENODEV && name != NULL)
		return err_set(err, -ENODEV, "no-interface", "no interface '%s'", name);
	if (dp_nl_errno(rc) == -ENODEV)
		return err_set(err, -ENODEV, "no-interface", "interface %d is gone", ifindex);
	return err_set(err, dp_nl_errno(rc), "netlink", "cannot look at an interface: %s",
		       nl_geterror(rc));
}

/* Netlink says it by its ethtool family only, /sys shows the interfaces of one namespace: hence the
 * ioctl. */
static uint32_t read_speed(const char *name)
{
	struct ethtool_cmd cmd = {.cmd = ETHTOOL_GSET};
	struct ifreq ifr = {.ifr_data = (char *)&cmd};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t speed = 0;

	if (fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		speed = ethtool_cmd_speed(&cmd);
	close(fd);
	return speed == (uint32_t)SPEED_UNKNOWN || speed == UINT16_MAX ? 0 : speed;
}

static void fill_mac(struct rtnl_link *link, struct rte_ether_addr *ret_mac)
{
	struct nl_addr *addr = rtnl_link_get_addr(link);

	if (addr != NULL && nl_addr_get_len(addr) == sizeof(*ret_mac))
		memcpy(ret_mac, nl_addr_get_binary_addr(addr), sizeof(*ret_mac));
}

int dp_netdev_get(const char *name, struct dp_netdev *ret_dev, struct err *err)
{
	struct dp_netdev dev = {0};
	struct rtnl_link *link;
	struct nl_sock *sk = NULL;
	int rc = dp_netdev_check_name(name, err);

	if (rc != 0)
		return rc;
	rc = route_socket(&sk, err);
	if (rc != 0)
		return rc;
	rc = get_link(sk, name, 0, &link, err);
	nl_socket_free(sk);
	if (rc != 0)
		return rc;
	dev.ifindex = rtnl_link_get_ifindex(link);
	dev.flags = rtnl_link_get_flags(link);
	dev.arptype = rtnl_link_get_arptype(link);
	dev.mtu = rtnl_link_get_mtu(link);
	dev.speed_mbps = read_speed(name);
	snprintf(dev.name, sizeof(dev.name), "%s", rtnl_link_get_name(link));
	if (rtnl_link_get_type(link) != NULL)
		snprintf(dev.kind, sizeof(dev.kind), "%s", rtnl_link_get_type(link));
	fill_mac(link, &dev.mac);
	rtnl_link_put(link);
	*ret_dev = dev;
	return 0;
}

static int set_mac(struct rtnl_link *link, const struct rte_ether_addr *mac)
{
	struct nl_addr *addr = nl_addr_build(AF_LLC, mac, sizeof(*mac));

	if (addr == NULL)
		return -ENOMEM;
	rtnl_link_set_addr(link, addr);
	nl_addr_put(addr);
	return 0;
}

static int fill_change(struct rtnl_link *link, const struct dp_netdev_change *change)
{
	if (change->name != NULL)
		rtnl_link_set_name(link, change->name);
	if (change->netns_fd >= 0)
		rtnl_link_set_ns_fd(link, change->netns_fd);
	if (change->mtu != 0)
		rtnl_link_set_mtu(link, change->mtu);
	if (change->tx_queue_size != 0)
		rtnl_link_set_txqlen(link, change->tx_queue_size);
	if (change->up)
		rtnl_link_set_flags(link, IFF_UP);
	if (change->down)
		rtnl_link_unset_flags(link, IFF_UP);
	return change->mac != NULL ? set_mac(link, change->mac) : 0;
}

static int apply(struct nl_sock *sk, struct rtnl_link *link, const struct dp_netdev_change *change,
		 struct err *err)
{
	struct rtnl_link *wanted = rtnl_link_alloc();
	int rc;

	if (wanted == NULL || fill_change(wanted, change) != 0) {
		rtnl_link_put(wanted);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a netlink request");
	}
	rc = rtnl_link_change(sk, link, wanted, 0);
	rtnl_link_put(wanted);
	if (rc < 0)
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot change interface '%s': %s",
			       rtnl_link_get_name(link), nl_geterror(rc));
	return 0;
}

int dp_netdev_change(int ifindex, const struct dp_netdev_change *change, struct err *err)
{
	struct rtnl_link *link;
	struct nl_sock *sk = NULL;
	int rc = route_socket(&sk, err);

	if (rc != 0)
		return rc;
	rc = get_link(sk, NULL, ifindex, &link, err);
	if (rc == 0) {
		rc = apply(sk, link, change, err);
		rtnl_link_put(link);
	}
	nl_socket_free(sk);
	return rc;
}
