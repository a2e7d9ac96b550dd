/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The slow way of a guard: all that is asked of one frame, of its bytes alone.  What it looks up
 * beside the guard and its book comes by 'struct dp_guard_around', so tests and fuzzers need no
 * worker.  Workers.
 *
 * 	BPDU ─► MAC ─► ARP | IPv4 | IPv6 ─► DHCP ─► rates ─► answer?
 * 	                     └ source ─► router, ND ┘
 *
 * Nothing may hide: a protocol that is guarded and cannot be seen (header chains that are cut off,
 * broken or longer than anybody makes them, more than two tags, ND in fragments, DHCP clients'
 * messages in fragments) dies by the guard that wanted to see it.  Later fragments pass: their
 * first one did not, if it was to be stopped, and who puts overlapping IPv6 fragments together
 * breaks RFC 5722.
 */
#ifndef DATAPLANE_GUARD_SLOW_H
#define DATAPLANE_GUARD_SLOW_H

#include "dataplane/guard_priv.h"

struct dp_guard_around {
	/* The guard of a port; NULL: none. */
	const struct dp_guard *(*guard_of)(void *arg, uint16_t port);
	/* Behind which port a MAC was learned; DP_NO_PORT. */
	uint16_t (*port_of)(void *arg, uint32_t where, const uint8_t mac[6]);
	void *arg;
};

/* A frame, of which 'size' bytes lie at 'd'. */
struct dp_guard_frame {
	const struct dp_guard *g;
	const struct dp_guard_around *around;
	const uint8_t *d;
	uint32_t size;
	const struct dp_headers *h; /* what dp_parse_head() says of it */
	uint32_t where;		    /* domain and VLAN on which addresses are learned */
	uint64_t now_tsc, now_ms;
	bool dry;    /* a trace: takes no tokens, learns nothing */
	uint32_t on; /* dp_guard_judge()'s: what of the guard still asks */
};

struct dp_guard_verdict {
	enum dp_guard_rule rule; /* why it dies; DP_N_GUARD_RULES: it may pass */
	uint32_t watched;	 /* bits of rules that only watch, and would not have let it pass */
	bool answer;		 /* a request for the address of 'owner' */
	bool checked; /* source MAC and IP address are the port's; more from them is usual */
	struct dp_ip ip;
	struct dp_guard_binding owner;
};

void dp_guard_judge(const struct dp_guard_frame *f, struct dp_guard_verdict *ret);

/* Takes a token; true when there was one, or no limit. */
bool dp_guard_token(const struct dp_guard *g, enum dp_guard_bucket bucket, uint64_t now_tsc);

/* guard_learn.c: a DHCP message, in any direction.  Why it may not pass, or DP_N_GUARD_RULES. */
enum dp_guard_rule dp_guard_dhcp(const struct dp_guard_frame *f);

/* For the files of the slow way. */
static inline uint64_t dp_guard_src(const struct dp_guard_frame *f)
{
	return dp_guard_mac_word(f->d + 6);
}
/* Is the address the port's, given or bound, and this MAC's? */
bool dp_guard_owns(const struct dp_guard_frame *f, const struct dp_ip *ip);
/* Some other port's of the domain and VLAN? */
bool dp_guard_is_others(const struct dp_guard_frame *f, const struct dp_ip *ip);

#endif
