/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth: what is configured of ports, and of tenants on uplinks.  Seen from the machine behind
 * the port:
 *
 * 	to	what the switch sends out by the port (egress): shaped, dataplane/shape.h
 * 	from	what comes in by it (ingress): paced, dataplane/pace.h; and its part of what leaves
 * 		by the uplinks of its switch
 *
 * 	qos_model.c  what is configured: the structures here	qos_text.c  lists and marks as words
 * 	qos_tree.c   a port's classes for the scheduler		qos.c	    the part of policy.h
 * 	changes_qos.c, cmd_qos.c  commands
 *
 * Control thread.
 */
#ifndef VSWITCH_QOS_H
#define VSWITCH_QOS_H

#include "vswitch/model.h"

#include <stdbool.h>
#include <stdint.h>

#define VS_MAX_QOS 8192

enum vs_qos_trust { VS_TRUST_BOTH, VS_TRUST_DSCP, VS_TRUST_PCP, VS_TRUST_NONE };

/* What a field of frames is set to. */
struct vs_qos_mark {
	enum { VS_MARK_KEEP, VS_MARK_VALUE, VS_MARK_OTHER } kind; /* OTHER: by the other field */
	uint8_t value;
};

/* Of a port, or of a tenant on an uplink; rates in bits a second, 0: not said. */
struct vs_qos {
	const char *name; /* of the object */
	const struct vs_port *port;
	const struct vs_tenant *tenant; /* NULL: of the port */
	/* Of a port. */
	uint64_t to_max, from_max, from_min, priority_max;
	uint32_t to_burst, from_burst; /* bytes; 0: by the rate */
	uint32_t from_weight;
	uint64_t to_min; /* of its tenant's to_max, as to_weight */
	uint32_t to_weight;
	uint32_t delay_us, limit;
	bool ecn;
	uint64_t priority_dscp; /* bit n: DSCP n */
	uint8_t priority_pcp;	/* bit n: priority n */
	enum vs_qos_trust trust;
	struct vs_qos_mark mark_dscp, mark_pcp;
	/* Of a tenant; to_max and to_burst, too: of what is sent to its machines. */
	uint64_t max, min;
	uint32_t burst, weight;
};

/* All of a model: ports in its order, each one's own word before those of tenants. */
struct vs_qos_conf {
	bool any_share; /* a tenant has to_max */
	unsigned n;
	struct vs_qos v[];
};

/* NULL when nothing is said. */
const struct vs_qos_conf *vs_qos_conf(const struct vs_model *m);
const struct vs_qos *vs_qos_of_port(const struct vs_model *m, const struct vs_port *p);
const struct vs_qos *vs_qos_of_tenant(const struct vs_model *m, const struct vs_port *uplink,
				      const struct vs_tenant *t);
/* What is sent to 'p' has part of its tenant's rate on the switch, which this says; NULL: there is
 * none.  Machines' ports do: neither uplinks nor tunnels. */
const struct vs_qos *vs_qos_share(const struct vs_model *m, const struct vs_port *p);
/* Do frames from 'from' meet others at the uplink 'p'?  Those of its switch do, and those of a
 * switch whose tunnels leave by a VTEP there. */
bool vs_qos_meets(const struct vs_model *m, const struct vs_port *p, const struct vs_port *from);

/* The part of policy.h. */
int vs_qos_read(struct vs_model *m, void **ret, struct err *err);

/* qos_text.c: "46,48-50" of numbers up to 'max' (63 at most), as a set.  -EINVAL. */
int vs_qos_list_parse(const char *text, unsigned max, uint64_t *ret_set);
/* The other way, "" for none; at most 'size' bytes. */
void vs_qos_list_format(uint64_t set, char *text, size_t size);
/* "17" up to 'max', or 'other' ("pcp"); NULL: keep.  -EINVAL. */
int vs_qos_mark_parse(const char *text, unsigned max, const char *other,
		      struct vs_qos_mark *ret_mark);
const char *vs_qos_trust_name(enum vs_qos_trust trust);

#endif
