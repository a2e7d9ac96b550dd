/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists: a list is a named group of entries, attached to any number of ports, or to a tenant
 * (all of its ports), in a direction.  The first entry that a packet matches, in the order of the
 * lists on its port and of entries in them, says allow or deny; when none does, the last list's
 * default does.  A port without lists allows all.
 *
 * 	ingress  what the machine behind the port sends		egress  what is sent to it
 *
 * 	acl_model.c  what is configured: the structures here	acl_text.c  entries as lines
 * 	acl_build.c  lists as the packet path asks them		acl_walk.c  their part of a
 * translation acls.c       the part of policy.h			cmd_acl.c   commands
 *
 * An entry that is 'stateful' makes a session of what it allows: packets of the session pass in
 * both directions of that port, whatever its lists say, until it is idle too long.  A session
 * belongs to its port: what one port allowed says nothing at another.  Sessions are connections of
 * the tracker (ct.h) in a zone of the port.
 */
#ifndef VSWITCH_ACL_H
#define VSWITCH_ACL_H

#include "dataplane/filter.h"
#include "dataplane/tunnel_wire.h"
#include "vswitch/model.h"

#include <rte_ether.h>

#define VS_MAX_ACLS	     4096
#define VS_MAX_ACL_ENTRIES   131072 /* of all lists */
#define VS_MAX_ACL_SETS	     256
#define VS_MAX_SET_ADDRESSES 1048576 /* of all sets */
#define VS_MAX_ACL_BINDINGS  16384
#define VS_MAX_PORT_ACLS     16 /* on a port in a direction, its tenant's included */
#define VS_MAX_ACL_RANGES    16 /* of ports, in an entry, each way */

enum vs_acl_action { VS_ACL_DENY, VS_ACL_ALLOW };

/* Prefixes of both families under one name; 'prefixes' ascend and do not overlap. */
struct vs_acl_prefix {
	struct dp_ip ip; /* host bits are 0 */
	uint8_t len;
};
struct vs_acl_set {
	const char *name;
	uint32_t n;
	struct vs_acl_prefix *prefixes;
};

/* Where a packet comes from, or goes to. */
struct vs_acl_end {
	enum { VS_ACL_ANY, VS_ACL_PREFIX, VS_ACL_SET } kind;
	bool except; /* anything but that */
	struct vs_acl_prefix prefix;
	const struct vs_acl_set *set;
	uint16_t n_ranges; /* 0: any port */
	struct vs_acl_range {
		uint16_t from, to; /* host order, both in it */
	} ranges[VS_MAX_ACL_RANGES];
	struct rte_ether_addr mac, mac_mask; /* mask 0: any */
};

struct vs_acl_entry {
	uint32_t order; /* unique in its list, 1 to 4294967294 */
	enum vs_acl_action action;
	bool stateful;	   /* with allow */
	uint32_t log;	   /* of 'log' packets, or new sessions, one is told: 0: none */
	uint16_t eth_type; /* 0: any; 0x0800, 0x86dd where addresses or a protocol say so */
	int16_t proto;	   /* -1: any */
	int16_t icmp_type, icmp_code; /* -1: any */
	bool fragments;		      /* later fragments only */
	int8_t tcp_established;	      /* 1: with ACK or RST; 0: without; -1: any */
	uint32_t idle_s;	      /* of its sessions; 0: as the protocol */
	struct vs_acl_end src, dst;
	const char *note; /* NULL: none; else malloc'ed, vs_acl_entry_fini() */
};

struct vs_acl {
	const char *name;
	enum vs_acl_action other; /* when no entry matches; deny unless said otherwise */
	uint32_t n;
	struct vs_acl_entry *entries; /* by order */
};

struct vs_acl_binding {
	const char *name; /* of the object */
	const struct vs_acl *acl;
	const struct vs_port *port; /* exactly one of the two */
	const struct vs_tenant *tenant;
	enum dp_filter_side side;
	uint32_t order;
};

/* What vs_model.policy[VS_POLICY_ACL] is. */
struct vs_acl_conf {
	unsigned n_acls, n_sets, n_bindings;
	struct vs_acl *acls;
	struct vs_acl_set *sets;
	struct vs_acl_binding *bindings; /* in the order in which packets meet them */
};

/* NULL: nothing is configured. */
static inline const struct vs_acl_conf *vs_acl_conf(const struct vs_model *m)
{
	return m->policy[VS_POLICY_ACL];
}

/* acl_text.c, acl_format.c: entries as people write them (docs/acls.md), "10 allow stateful tcp
 * from any to @web port 80,443"; order 0: none is said.  -EINVAL, -ENOENT (a set) with the column.
 * 'conf' has the sets, by name ascending; NULL: there are none.  The entry is the caller's. */
int vs_acl_entry_parse(const char *text, const struct vs_acl_conf *conf,
		       struct vs_acl_entry *ret_entry, struct err *err);
void vs_acl_entry_fini(struct vs_acl_entry *entry);
/* Its normal form, which parses to the same entry; malloc'ed. */
char *vs_acl_entry_format(const struct vs_acl_entry *entry);

/* acl_model.c: the functions of policy.h. */
int vs_acl_read(struct vs_model *m, void **ret_conf, struct err *err);
void vs_acl_forget(void *conf);
const struct vs_acl *vs_acl_find(const struct vs_acl_conf *conf, const char *name);
/* What packets of a port meet in a direction, in order, a list once; returns how many. */
unsigned vs_acls_of(const struct vs_acl_conf *conf, const struct vs_port *p,
		    enum dp_filter_side side, const struct vs_acl_binding *ret[VS_MAX_PORT_ACLS]);

/* acls.c: of what runs.  An entry's hits since it was made; by its list and order. */
struct vs_acl_hits {
	uint64_t packets, bytes;
	uint64_t used_ms; /* dp_flow_now_ms() of the last; 0: none */
};
bool vs_acl_entry_hits(const struct vs *vs, const char *acl, uint32_t order,
		       struct vs_acl_hits *ret_hits);
/* Of all entries that a list has or had, by what they say (enum vs_acl_action); without the time of
 * the last. */
bool vs_acl_hits(const struct vs *vs, const char *acl, struct vs_acl_hits ret_hits[2]);
/* Of packets that no entry of the last list on a port and side matched. */
bool vs_acl_default_hits(const struct vs *vs, uint16_t port, enum dp_filter_side side,
			 struct vs_acl_hits *ret_hits);
/* Which entry a notice's id (notice.h) names; order 0: the list's default.  False: it is no more.
 * The name is good until the next change. */
bool vs_acl_of_notice(const struct vs *vs, uint64_t id, const char **ret_acl, uint32_t *ret_order);
/* The zone of a port's sessions (ct.h): cmd_acl.c lists and ends them by it. */
uint16_t vs_acl_zone(uint16_t port);

#endif
