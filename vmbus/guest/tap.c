/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See tap.h.  What the kernel does: drivers/net/tun.c, rtnetlink(7).
 */
#include "vmbus/guest/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>

#define SLUG "tap"

/* Netlink: one request about a link, one answer. */

struct link_request {
	struct nlmsghdr nl;
	struct ifinfomsg info;
	uint8_t attrs[128];
};

static void link_attr(struct link_request *req, uint16_t type, const void *data, uint16_t size)
{
	struct rtattr *attr = (void *)((uint8_t *)req + NLMSG_ALIGN(req->nl.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(RTA_DATA(attr), data, size);
	req->nl.nlmsg_len = (uint32_t)(NLMSG_ALIGN(req->nl.nlmsg_len) + RTA_ALIGN(attr->rta_len));
}

static struct link_request link_request(unsigned index)
{
	return (struct link_request){
		.nl = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		       .nlmsg_type = RTM_NEWLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index},
	};
}

static int link_send(const struct link_request *req)
{
	struct {
		struct nlmsghdr nl;
		struct nlmsgerr error;
		uint8_t more[512];
	} reply;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t got;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, req, req->nl.nlmsg_len, 0) < 0)
		rc = -errno;
	got = rc == 0 ? recv(fd, &reply, sizeof(reply), 0) : 0;
	if (rc == 0 && got < (ssize_t)(sizeof(reply.nl) + sizeof(reply.error.error)))
		rc = -EIO;
	close(fd);
	return rc == 0 ? reply.error.error : rc;
}

/* Namespaces. */

static int open_netns(const char *netns, char *path, size_t size, struct err *err)
{
	int fd;

	if (strchr(netns, '/') != NULL)
		snprintf(path, size, "%s", netns);
	else if (strspn(netns, "0123456789") == strlen(netns))
		snprintf(path, size, "/proc/%s/ns/net", netns);
	else
		snprintf(path, size, "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_set(err, -errno, SLUG, "cannot open network namespace '%s': %s", netns,
			strerror(errno));
		err_why(err, "looked for %s", path);
		err_fix(err, "ip netns add %s", netns);
		return err != NULL ? err->code : -ENOENT;
	}
	return fd;
}

/* Runs 'call' where the device is. */
static int inside(const struct tap *tap, int (*call)(const struct tap *tap, const void *arg),
		  const void *arg)
{
	int there = tap->netns[0] != '\0' ? ioctl(tap->fds[0], TUNGETDEVNETNS) : -1;
	int here, rc;

	if (tap->netns[0] == '\0')
		return call(tap, arg);
	if (there < 0)
		return -ENODEV;
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (here < 0 || setns(there, CLONE_NEWNET) != 0) {
		rc = -errno;
	} else {
		rc = call(tap, arg);
		if (setns(here, CLONE_NEWNET) != 0)
			rc = -errno;
	}
	close(there);
	if (here >= 0)
		close(here);
	return rc;
}

/* Making it. */

static int open_queue(const char *name, bool multi)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						 (multi ? IFF_MULTI_QUEUE : 0))};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int make_device(struct tap *tap, const char *name, unsigned n_queues)
{
	for (; tap->n_queues < n_queues; tap->n_queues++) {
		int fd = open_queue(name, n_queues > 1);

		if (fd < 0)
			return fd;
		tap->fds[tap->n_queues] = fd;
	}
	return 0;
}

static int move_device(const struct tap *tap, const char *from_name, int netns_fd)
{
	struct link_request req = link_request(if_nametoindex(from_name));
	uint32_t fd = (uint32_t)netns_fd;

	link_attr(&req, IFLA_NET_NS_FD, &fd, sizeof(fd));
	link_attr(&req, IFLA_IFNAME, tap->name, (uint16_t)(strlen(tap->name) + 1));
	return link_send(&req);
}

static int refuse(struct err *err, int rc, const char *name)
{
	err_set(err, rc, SLUG, "cannot make tap device '%s': %s", name, strerror(-rc));
	if (rc == -EPERM || rc == -EACCES) {
		err_why(err, "network devices are made by root, or with CAP_NET_ADMIN");
		err_fix(err, "sudo vmbus-tap ...");
	} else if (rc == -EBUSY || rc == -EEXIST) {
		err_why(err, "there is one of that name already");
		err_fix(err, "vmbus-tap --name OTHER ...");
	} else if (rc == -ENOENT || rc == -ENODEV) {
		err_why(err, "the kernel's tun driver is not there");
		err_fix(err, "modprobe tun");
	}
	return rc;
}

int tap_open(const char *name, const char *netns, unsigned n_queues, struct tap *ret_tap,
	     struct err *err)
{
	struct tap tap = {0};
	char here[TAP_NAME_SIZE], path[300];
	int netns_fd = -1, rc;

	if (strlen(name) >= TAP_NAME_SIZE || name[0] == '\0' || strpbrk(name, "/ %") != NULL)
		return err_set(err, -EINVAL, SLUG, "'%s' cannot be the name of an interface", name);
	if (n_queues == 0 || n_queues > TAP_MAX_QUEUES)
		return err_set(err, -EINVAL, SLUG, "%u queues: a tap has 1 to %u", n_queues,
			       TAP_MAX_QUEUES);
	snprintf(tap.name, sizeof(tap.name), "%s", name);
	if (netns != NULL) {
		netns_fd = open_netns(netns, path, sizeof(path), err);
		if (netns_fd < 0)
			return netns_fd;
		snprintf(tap.netns, sizeof(tap.netns), "%s", netns);
		snprintf(here, sizeof(here), "vmb%d", (int)getpid());
	}
	rc = make_device(&tap, netns != NULL ? here : name, n_queues);
	if (rc == 0 && netns != NULL)
		rc = move_device(&tap, here, netns_fd);
	if (netns_fd >= 0)
		close(netns_fd);
	if (rc != 0) {
		tap_close(&tap);
		return refuse(err, rc, name);
	}
	*ret_tap = tap;
	return 0;
}

void tap_close(struct tap *tap)
{
	while (tap->n_queues > 0)
		close(tap->fds[--tap->n_queues]);
}

/* Settings. */

static int set_gso_max(const struct tap *tap, uint32_t size)
{
	struct link_request req = link_request(if_nametoindex(tap->name));

	link_attr(&req, IFLA_GSO_MAX_SIZE, &size, sizeof(size));
	return link_send(&req);
}

static int set_flags(int fd, struct ifreq *ifr, short on)
{
	if (ioctl(fd, SIOCGIFFLAGS, ifr) != 0)
		return -errno;
	ifr->ifr_flags = (short)(ifr->ifr_flags | on);
	return ioctl(fd, SIOCSIFFLAGS, ifr) == 0 ? 0 : -errno;
}

static int set_device(const struct tap *tap, const void *arg)
{
	const struct tap_settings *s = arg;
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", tap->name);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, s->mac, sizeof(s->mac));
	if (rc == 0 && ioctl(fd, SIOCSIFHWADDR, &ifr) != 0)
		rc = -errno;
	ifr.ifr_mtu = s->mtu;
	if (rc == 0 && ioctl(fd, SIOCSIFMTU, &ifr) != 0)
		rc = -errno;
	if (rc == 0 && s->gso_max != 0)
		rc = set_gso_max(tap, s->gso_max);
	if (rc == 0)
		rc = set_flags(fd, &ifr, IFF_UP);
	if (fd >= 0)
		close(fd);
	return rc;
}

int tap_set(struct tap *tap, const struct tap_settings *s, struct err *err)
{
	unsigned offload = s->csum ? TUN_F_CSUM : 0;
	struct ifreq ifr = {0};
	int rc;

	if (s->csum && s->tso4)
		offload |= TUN_F_TSO4 | TUN_F_TSO_ECN;
	if (s->csum && s->tso6)
		offload |= TUN_F_TSO6 | TUN_F_TSO_ECN;
	if (ioctl(tap->fds[0], TUNSETOFFLOAD, (unsigned long)offload) != 0)
		return err_set(err, -errno, SLUG, "cannot set the offloads of '%s': %s", tap->name,
			       strerror(errno));
	/* It may have got another name meanwhile. */
	if (ioctl(tap->fds[0], TUNGETIFF, &ifr) == 0)
		memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
	tap->name[sizeof(tap->name) - 1] = '\0';
	rc = inside(tap, set_device, s);
	if (rc != 0)
		err_set(err, rc, SLUG, "cannot set address and MTU (%u) of '%s': %s", s->mtu,
			tap->name, strerror(-rc));
	return rc;
}

void tap_set_carrier(struct tap *tap, bool on)
{
	int value = on;

	/* Kernels before 5.0 have no such thing; then it is always on. */
	if (ioctl(tap->fds[0], TUNSETCARRIER, &value) != 0)
		return;
}

bool tap_gone(const struct tap *tap)
{
	struct ifreq ifr;

	return ioctl(tap->fds[0], TUNGETIFF, &ifr) != 0 && errno == EBADFD;
}
