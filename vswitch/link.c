/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Handles, interfaces and namespaces; see link.h.
 */
#include "vswitch/link_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "dataplane/netdev.h"
#include "dataplane/netns.h"

#define NETNS_DIR "/run/netns/"

int vs_link_error(struct err *err, int nl_rc, const char *what)
{
	return err_set(err, dp_nl_errno(nl_rc), "netlink", "%s: %s", what, nl_geterror(nl_rc));
}

struct opening {
	struct vs_link *link;
	struct err *err;
};

/* In the namespace: a socket belongs to where it was made. */
static int open_inside(void *arg)
{
	struct opening *o = arg;
	int rc;

	o->link->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (o->link->ioctl_fd < 0)
		return err_set(o->err, -errno, "netlink", "cannot open a socket: %s",
			       strerror(errno));
	rc = nl_connect(o->link->sk, NETLINK_ROUTE);
	return rc < 0 ? vs_link_error(o->err, rc, "cannot open netlink") : 0;
}

int vs_link_open(int netns_fd, struct vs_link **ret_link, struct err *err)
{
	struct vs_link *link = calloc(1, sizeof(*link));
	struct opening o = {link, err};
	int rc;

	if (link != NULL)
		link->sk = nl_socket_alloc();
	if (link == NULL || link->sk == NULL) {
		free(link);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a netlink socket");
	}
	link->ioctl_fd = -1;
	rc = dp_netns_call(netns_fd, open_inside, &o, err);
	if (rc != 0) {
		vs_link_close(link);
		return rc;
	}
	*ret_link = link;
	return 0;
}

void vs_link_close(struct vs_link *link)
{
	if (link == NULL)
		return;
	if (link->ioctl_fd >= 0)
		close(link->ioctl_fd);
	nl_socket_free(link->sk);
	free(link);
}

void vs_link_info_fill(struct rtnl_link *link, struct vs_link_info *ret_info)
{
	struct nl_addr *addr = rtnl_link_get_addr(link);
	const char *kind = rtnl_link_get_type(link), *name = rtnl_link_get_name(link);
	unsigned flags = rtnl_link_get_flags(link);

	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->ifindex = rtnl_link_get_ifindex(link);
	ret_info->mtu = rtnl_link_get_mtu(link);
	ret_info->master = rtnl_link_get_master(link);
	ret_info->up = (flags & IFF_UP) != 0;
	ret_info->running = ret_info->up && (flags & IFF_RUNNING) != 0;
	snprintf(ret_info->name, sizeof(ret_info->name), "%s", name != NULL ? name : "");
	snprintf(ret_info->kind, sizeof(ret_info->kind), "%s", kind != NULL ? kind : "");
	if (addr != NULL && nl_addr_get_len(addr) == sizeof(ret_info->mac))
		memcpy(&ret_info->mac, nl_addr_get_binary_addr(addr), sizeof(ret_info->mac));
}

static void fill_driver(const struct vs_link *link, struct vs_link_info *info)
{
	struct ethtool_drvinfo drvinfo = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {.ifr_data = (char *)&drvinfo};

	memcpy(ifr.ifr_name, info->name, sizeof(ifr.ifr_name));
	if (ioctl(link->ioctl_fd, SIOCETHTOOL, &ifr) == 0)
		snprintf(info->driver, sizeof(info->driver), "%.*s", (int)sizeof(info->driver) - 1,
			 drvinfo.driver);
}

/* By name, or by number when that is NULL.  The caller puts the object. */
static int get(struct vs_link *link, const char *name, int ifindex, struct rtnl_link **ret_object,
	       struct err *err)
{
	int rc = name != NULL ? dp_netdev_check_name(name, err) : 0;

	if (rc != 0)
		return rc;
	rc = rtnl_link_get_kernel(link->sk, ifindex, name, ret_object);
	if (rc == 0)
		return 0;
	if (dp_nl_errno(rc) != -ENODEV)
		return vs_link_error(err, rc, "cannot look at an interface");
	if (name != NULL)
		return err_set(err, -ENODEV, "no-interface", "no interface '%s'", name);
	return err_set(err, -ENODEV, "no-interface", "interface %d is gone", ifindex);
}

static int find(struct vs_link *link, const char *name, int ifindex, struct vs_link_info *ret_info,
		struct err *err)
{
	struct rtnl_link *object = NULL;
	int rc = get(link, name, ifindex, &object, err);

	if (rc != 0)
		return rc;
	vs_link_info_fill(object, ret_info);
	rtnl_link_put(object);
	fill_driver(link, ret_info);
	return 0;
}

int vs_link_find(struct vs_link *link, const char *name, struct vs_link_info *ret_info,
		 struct err *err)
{
	return find(link, name, 0, ret_info, err);
}

int vs_link_find_index(struct vs_link *link, int ifindex, struct vs_link_info *ret_info,
		       struct err *err)
{
	return find(link, NULL, ifindex, ret_info, err);
}

/* Takes 'wanted', which may be NULL. */
static int change(struct vs_link *link, int ifindex, struct rtnl_link *wanted, const char *what,
		  struct err *err)
{
	struct rtnl_link *object = NULL;
	int rc;

	if (wanted == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a netlink request");
	rc = get(link, NULL, ifindex, &object, err);
	if (rc == 0) {
		rc = rtnl_link_change(link->sk, object, wanted, 0);
		if (rc < 0)
			rc = err_set(err, dp_nl_errno(rc), "netlink", "cannot set %s of '%s': %s",
				     what, rtnl_link_get_name(object), nl_geterror(rc));
		rtnl_link_put(object);
	}
	rtnl_link_put(wanted);
	return rc;
}

int vs_link_set_up(struct vs_link *link, int ifindex, bool up, struct err *err)
{
	struct rtnl_link *wanted = rtnl_link_alloc();

	if (wanted != NULL && up)
		rtnl_link_set_flags(wanted, IFF_UP);
	else if (wanted != NULL)
		rtnl_link_unset_flags(wanted, IFF_UP);
	return change(link, ifindex, wanted, "the state", err);
}

int vs_link_set_mtu(struct vs_link *link, int ifindex, uint32_t mtu, struct err *err)
{
	struct rtnl_link *wanted = rtnl_link_alloc();

	if (wanted != NULL)
		rtnl_link_set_mtu(wanted, mtu);
	return change(link, ifindex, wanted, "the MTU", err);
}

int vs_link_set_mac(struct vs_link *link, int ifindex, const struct rte_ether_addr *mac,
		    struct err *err)
{
	struct rtnl_link *wanted = rtnl_link_alloc();
	struct nl_addr *addr = nl_addr_build(AF_LLC, mac, sizeof(*mac));

	if (wanted != NULL && addr != NULL) {
		rtnl_link_set_addr(wanted, addr);
	} else {
		rtnl_link_put(wanted);
		wanted = NULL;
	}
	nl_addr_put(addr);
	return change(link, ifindex, wanted, "the MAC address", err);
}

static int open_netns(const char *path, const char *name, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0) {
		rc = -errno;
		return err_set(err, rc == -ENOENT || rc == -ESRCH ? -ENODEV : rc, "no-netns",
			       "no network namespace '%s': %s", name, strerror(-rc));
	}
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return err_set(err, -EINVAL, "not-a-netns", "'%s' is no network namespace", path);
}

int vs_link_netns_open(const char *name, struct err *err)
{
	char path[sizeof(NETNS_DIR) + NAME_MAX];

	if (name[0] == '\0' || strlen(name) > NAME_MAX || strchr(name, '/') != NULL ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, -EINVAL, "bad-netns-name",
			       "'%.60s' is no name of a network namespace", name);
	snprintf(path, sizeof(path), NETNS_DIR "%s", name);
	return open_netns(path, name, err);
}

int vs_link_netns_open_pid(pid_t pid, struct err *err)
{
	char path[64], name[32];

	if (pid <= 0)
		return err_set(err, -EINVAL, "bad-pid", "%ld is no process", (long)pid);
	snprintf(path, sizeof(path), "/proc/%ld/ns/net", (long)pid);
	snprintf(name, sizeof(name), "of process %ld", (long)pid);
	return open_netns(path, name, err);
}

bool vs_link_netns_is_own(int netns_fd)
{
	return dp_netns_same(netns_fd, -1);
}
