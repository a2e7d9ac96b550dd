/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Watching interfaces come and go; see link.h.
 *
 * A table of what was last told is held against what the kernel says: each message of the link
 * group, and the whole list when the kernel had more to say than the socket holds.  Either way only
 * differences are told, so a message that comes twice or too late does no harm.
 *
 * libnl's cache manager would keep such a table too, but its way of reading the list again does not
 * say what an interface was before.
 */
#include "vswitch/link_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "dataplane/netns.h"

#define BUFFER_SIZE (1 << 20)
#define MAX_SKIPPED 65536
#define MAX_READS   256 /* messages of one wake-up: the loop has others to serve */

struct known {
	struct vs_link_info info;
	bool seen; /* in the list that is being read */
};

struct vs_link_monitor {
	vs_link_event_fn fn;
	void *ctx;
	struct nl_sock *sk;   /* the group */
	struct vs_link *link; /* for reading the list */
	struct event *event;
	bool skipping; /* what comes is older than the list that is read next */
	struct known *table;
	size_t n, size;
};

static struct known *lookup(struct vs_link_monitor *monitor, int ifindex)
{
	for (size_t i = 0; i < monitor->n; i++)
		if (monitor->table[i].info.ifindex == ifindex)
			return &monitor->table[i];
	return NULL;
}

static struct known *append(struct vs_link_monitor *monitor)
{
	if (monitor->n == monitor->size) {
		size_t size = monitor->size != 0 ? monitor->size * 2 : 64;
		struct known *table = realloc(monitor->table, size * sizeof(*table));

		if (table == NULL)
			return NULL; /* The interface is told when it changes next. */
		monitor->table = table;
		monitor->size = size;
	}
	return &monitor->table[monitor->n++];
}

static void tell(struct vs_link_monitor *monitor, enum vs_link_event event,
		 const struct vs_link_info *info)
{
	if (monitor->fn != NULL)
		monitor->fn(monitor->ctx, event, info);
}

static void gone(struct vs_link_monitor *monitor, struct known *known)
{
	struct vs_link_info before = known->info;

	*known = monitor->table[--monitor->n];
	tell(monitor, VS_LINK_GONE, &before);
}

/* The interface is there and looks like 'now'. */
static void is_there(struct vs_link_monitor *monitor, const struct vs_link_info *now)
{
	struct known *known = lookup(monitor, now->ifindex);
	struct vs_link_info before;
	bool fresh = known == NULL;

	if (fresh)
		known = append(monitor);
	if (known == NULL)
		return;
	before = known->info;
	*known = (struct known){*now, true};
	if (!fresh && strcmp(before.name, now->name) != 0) {
		tell(monitor, VS_LINK_GONE, &before);
		fresh = true;
	}
	if (fresh)
		tell(monitor, VS_LINK_NEW, now);
	if (fresh ? now->running : now->running != before.running)
		tell(monitor, now->running ? VS_LINK_UP : VS_LINK_DOWN, now);
}

/* Reads the whole list. */
static int read_list(struct vs_link_monitor *monitor)
{
	struct nl_cache *cache;
	int rc = rtnl_link_alloc_cache(monitor->link->sk, AF_UNSPEC, &cache);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < monitor->n; i++)
		monitor->table[i].seen = false;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct vs_link_info now;

		vs_link_info_fill((struct rtnl_link *)o, &now);
		is_there(monitor, &now);
	}
	nl_cache_free(cache);
	for (size_t i = monitor->n; i-- != 0;)
		if (!monitor->table[i].seen)
			gone(monitor, &monitor->table[i]);
	return 0;
}

static void on_link(struct nl_object *object, void *arg)
{
	struct vs_link_monitor *monitor = arg;
	struct rtnl_link *link = (struct rtnl_link *)object;
	struct vs_link_info now;
	struct known *known;

	/* A radio sends some without a name. */
	if (rtnl_link_get_name(link) == NULL)
		return;
	vs_link_info_fill(link, &now);
	if (nl_object_get_msgtype(object) == RTM_NEWLINK) {
		is_there(monitor, &now);
		return;
	}
	known = lookup(monitor, now.ifindex);
	if (known != NULL)
		gone(monitor, known);
}

static int on_message(struct nl_msg *msg, void *arg)
{
	const struct vs_link_monitor *monitor = arg;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	const struct ifinfomsg *ifi = nlmsg_data(hdr);

	if (monitor->skipping || !nlmsg_valid_hdr(hdr, sizeof(*ifi)))
		return NL_OK;
	if (hdr->nlmsg_type != RTM_NEWLINK && hdr->nlmsg_type != RTM_DELLINK)
		return NL_OK;
	/* A bridge tells of its members in messages of the same types: to leave it is no end. */
	if (ifi->ifi_family != AF_BRIDGE)
		nl_msg_parse(msg, on_link, arg);
	return NL_OK;
}

/* Messages were lost.  Those that still wait tell of a time before, and what would correct them may
 * be among the lost. */
static void recover(struct vs_link_monitor *monitor)
{
	unsigned errors = 0;

	monitor->skipping = true;
	for (unsigned i = 0; i < MAX_SKIPPED && errors < MAX_READS; i++) {
		int rc = nl_recvmsgs_default(monitor->sk);

		if (rc == -NLE_AGAIN)
			break;
		errors += rc < 0;
	}
	monitor->skipping = false;
	read_list(monitor);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vs_link_monitor *monitor = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < MAX_READS; i++) {
		int rc = nl_recvmsgs_default(monitor->sk);

		if (rc == -NLE_AGAIN)
			return;
		if (rc < 0 && rc != -NLE_INTR) {
			recover(monitor);
			return;
		}
	}
}

/* In the namespace. */
static int join_inside(void *arg)
{
	struct vs_link_monitor *monitor = arg;
	int rc = nl_connect(monitor->sk, NETLINK_ROUTE);

	if (rc == 0)
		rc = nl_socket_add_memberships(monitor->sk, RTNLGRP_LINK, RTNLGRP_NONE);
	if (rc == 0)
		rc = nl_socket_set_nonblocking(monitor->sk);
	return rc;
}

static int join_group(struct vs_link_monitor *monitor, int netns_fd, struct err *err)
{
	int rc;

	monitor->sk = nl_socket_alloc();
	if (monitor->sk == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a netlink socket");
	nl_socket_disable_seq_check(monitor->sk);
	nl_socket_modify_cb(monitor->sk, NL_CB_VALID, NL_CB_CUSTOM, on_message, monitor);
	rc = dp_netns_call(netns_fd, join_inside, monitor, err);
	if (rc < 0)
		return vs_link_error(err, rc, "cannot watch interfaces");
	/* Its limit may be low; then the list is read more often. */
	(void)nl_socket_set_buffer_size(monitor->sk, BUFFER_SIZE, 0);
	return 0;
}

static int start(struct vs_link_monitor *monitor, struct event_base *base, int netns_fd,
		 struct err *err)
{
	int rc = vs_link_open(netns_fd, &monitor->link, err);

	if (rc == 0)
		rc = join_group(monitor, netns_fd, err);
	if (rc != 0)
		return rc;
	rc = read_list(monitor);
	if (rc < 0)
		return vs_link_error(err, rc, "cannot list interfaces");
	monitor->event = event_new(base, nl_socket_get_fd(monitor->sk), EV_READ | EV_PERSIST,
				   on_readable, monitor);
	if (monitor->event == NULL || event_add(monitor->event, NULL) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory for an event");
	return 0;
}

int vs_link_monitor_create(struct event_base *base, int netns_fd, vs_link_event_fn fn, void *ctx,
			   struct vs_link_monitor **ret_monitor, struct err *err)
{
	struct vs_link_monitor *monitor = calloc(1, sizeof(*monitor));
	int rc;

	if (monitor == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory to watch interfaces");
	/* Without 'fn': what is there already is not told. */
	rc = start(monitor, base, netns_fd, err);
	if (rc != 0) {
		vs_link_monitor_destroy(monitor);
		return rc;
	}
	monitor->fn = fn;
	monitor->ctx = ctx;
	*ret_monitor = monitor;
	return 0;
}

void vs_link_monitor_destroy(struct vs_link_monitor *monitor)
{
	if (monitor == NULL)
		return;
	if (monitor->event != NULL)
		event_free(monitor->event);
	nl_socket_free(monitor->sk);
	vs_link_close(monitor->link);
	free(monitor->table);
	free(monitor);
}
