/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linux interfaces as the administrator knows them: what they are, their addresses and routes, and
 * when they come and go. Through libnl (rtnetlink); nothing here parses the output of a command.
 *
 * A handle works in one network namespace, and holds it while it is open.  Control thread; these
 * wait for the kernel.
 */
#ifndef VSWITCH_LINK_H
#define VSWITCH_LINK_H

#include "ctl/base/err.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_ether.h>

#include <jansson.h>

struct event_base;
struct vs_link;
struct vs_link_monitor;

struct vs_link_info {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[32];	 /* "veth", "tun", "bridge"; empty for hardware */
	char driver[32]; /* as ethtool says; may be empty */
	struct rte_ether_addr mac;
	uint32_t mtu;
	int master;   /* ifindex of its bridge or bond; 0: none */
	bool up;      /* administratively */
	bool running; /* up, and has a carrier */
};

/* 'netns_fd': -1 for our own namespace; borrowed during the call. */
int vs_link_open(int netns_fd, struct vs_link **ret_link, struct err *err);
/* Takes NULL. */
void vs_link_close(struct vs_link *link);

/* -ENODEV when there is none. */
int vs_link_find(struct vs_link *link, const char *name, struct vs_link_info *ret_info,
		 struct err *err);
int vs_link_find_index(struct vs_link *link, int ifindex, struct vs_link_info *ret_info,
		       struct err *err);

int vs_link_set_up(struct vs_link *link, int ifindex, bool up, struct err *err);
int vs_link_set_mtu(struct vs_link *link, int ifindex, uint32_t mtu, struct err *err);
int vs_link_set_mac(struct vs_link *link, int ifindex, const struct rte_ether_addr *mac,
		    struct err *err);

/* 'address' is "10.0.0.5/24" or "fd00::5/64".  Adding one that is there, or removing one that is
 * not, is no error. */
int vs_link_add_address(struct vs_link *link, int ifindex, const char *address, struct err *err);
int vs_link_remove_address(struct vs_link *link, int ifindex, const char *address, struct err *err);

/* Addresses but the link-local ones of IPv6, which belong to the interface itself: a new array of
 * objects
 *
 * 	{"family": "inet", "address": "10.0.0.5/24", "scope": 0, "flags": 128,
 * 	 "peer", "broadcast", "label", "valid_s", "preferred_s": where they apply}
 *
 * in the order in which adding them makes the same one primary.  NULL: the kernel did not answer.
 * */
json_t *vs_link_addresses(struct vs_link *link, int ifindex);

/* Unicast routes of all tables that use the interface (the local table is the kernel's own
 * business): a new array of
 *
 * 	{"family": "inet", "dst": "default", "table": 254, "protocol": 3, "scope": 0,
 * 	 "priority": 100, "prefsrc", "src", "tos", "metrics": {"1": 1400}: where they apply,
 * 	 "nexthops": [{"gateway": "10.0.0.1", "onlink": true, "weight": 0, "dev": 7}]}
 *
 * "dev" is the number of another interface; a hop without is by this one. */
json_t *vs_link_routes(struct vs_link *link, int ifindex);

/* Adds the route, in place of one with the same destination, table and priority if 'replace'.
 * -EEXIST. */
int vs_link_add_route(struct vs_link *link, int ifindex, const json_t *route, bool replace,
		      struct err *err);
/* -ENODEV (no such route) is not reported. */
int vs_link_remove_route(struct vs_link *link, int ifindex, const json_t *route, struct err *err);

/* Moves addresses and routes from one interface to another, as when a switch takes over the uplink
 * that carries the host's address: at every moment the address is on at least one of the two and
 * each route leads somewhere, so that connections live on.  'to' is brought up.  On failure
 * everything is as it was.
 *
 * 'ret_undo' gets a new object for vs_link_move_back(): plain data, so it may be stored and used by
 * a later process. */
int vs_link_move(struct vs_link *link, const char *from, const char *to, json_t **ret_undo,
		 struct err *err);

/* Moves them back.  The interface that they were moved to may be gone meanwhile, and with it its
 * addresses and routes: then they are made anew.  -EINVAL for a record that is none. */
int vs_link_move_back(struct vs_link *link, const json_t *undo, struct err *err);

/* The same for a single address of an interface of the namespace 'netns_fd' (-1: ours), without a
 * handle. */
int vs_link_address_add(int netns_fd, const char *ifname, const char *address, struct err *err);
int vs_link_address_remove(int netns_fd, const char *ifname, const char *address, struct err *err);
/* Is it an address that an interface can have?  0, or -EINVAL with the reason. */
int vs_link_address_check(const char *address, struct err *err);
/* The first address of an interface of our own namespace that is not link-local; false when it has
 * none. */
bool vs_link_has_address(const char *ifname, char *ret_address, size_t size);

/* A descriptor of a network namespace, for the caller to close; or -ENODEV, -EINVAL (not a name,
 * not a namespace). */
int vs_link_netns_open(const char *name, struct err *err);
int vs_link_netns_open_pid(pid_t pid, struct err *err);
/* Is it our own: the host's? */
bool vs_link_netns_is_own(int netns_fd);

/* Interfaces that come and go. */
enum vs_link_event {
	VS_LINK_NEW,  /* appeared, or got this name */
	VS_LINK_GONE, /* disappeared, moved to another namespace, or lost this name */
	VS_LINK_UP,   /* running */
	VS_LINK_DOWN,
};
/* 'info' is borrowed; VS_LINK_GONE: as it was.  The driver's name is not filled in.  May not
 * destroy the monitor. */
typedef void (*vs_link_event_fn)(void *ctx, enum vs_link_event event,
				 const struct vs_link_info *info);

/* Calls 'fn' from 'base' for changes from now on; when the kernel had to drop some, the state is
 * read again and what differs is told.  Takes 'base' as borrowed. */
int vs_link_monitor_create(struct event_base *base, int netns_fd, vs_link_event_fn fn, void *ctx,
			   struct vs_link_monitor **ret_monitor, struct err *err);
/* Takes NULL. */
void vs_link_monitor_destroy(struct vs_link_monitor *monitor);

#endif
