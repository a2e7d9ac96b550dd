/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The book of guards: which address is bound to which port, by domain and VLAN, and who asked a
 * DHCP server for one.  One for the whole dataplane, of a fixed size that costs no memory until it
 * is used.
 *
 * Two buckets of 16 are where an address may stand; a line of tags says which of them to look at,
 * so an address that nobody has is two lines.  Readers and writers are workers and the control
 * thread, all at once, without locks: a writer takes one slot by its tag and gives it back, readers
 * tell by a sequence number whether what they read is whole.  Of two who want the same address at
 * the same moment at most one gets it.
 *
 * No DPDK here.  Any thread, unless said otherwise.
 */
#ifndef DATAPLANE_GUARD_BOOK_H
#define DATAPLANE_GUARD_BOOK_H

#include "dataplane/guard.h"

#define DP_GUARD_BOOK_SIZE 262144u

struct dp_guard_book;

static inline uint32_t dp_guard_where(uint16_t domain, uint16_t vlan)
{
	return (uint32_t)domain << 16 | vlan;
}

/* NULL without memory, or random numbers. */
struct dp_guard_book *dp_guard_book_create(void);
/* Takes NULL. */
void dp_guard_book_destroy(struct dp_guard_book *book);

/* Has 'port' the address at 'now_ms'?  If 'ret' is not NULL it gets the binding. */
bool dp_guard_book_has(const struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
		       uint16_t port, uint64_t now_ms, struct dp_guard_binding *ret);
/* How many ports but 'port' have it, at most 2; one of them into 'ret', which may be NULL. */
unsigned dp_guard_book_others(const struct dp_guard_book *book, uint32_t where,
			      const struct dp_ip *ip, uint16_t port, uint64_t now_ms,
			      struct dp_guard_binding *ret);

/* Binds, or renews what the port has; b->how is not FIXED.  'most': bindings of this port that may
 * be learned, those of the same 'link_local' kind counted; 0: no limit.  0; -EEXIST: another port
 * has it; -ENOSPC: that limit, or no room; -EAGAIN: somebody else is at it. */
int dp_guard_book_bind(struct dp_guard_book *book, const struct dp_guard_binding *b, uint32_t most,
		       uint64_t now_ms);
/* 0 or -ENOENT. */
int dp_guard_book_unbind(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
			 uint16_t port);

/* Fixed ones are counted: as often as they were put they must be taken.  Control thread.  0 or
 * -ENOSPC. */
int dp_guard_book_fix(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
		      uint16_t port, const uint8_t mac[6]);
void dp_guard_book_unfix(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
			 uint16_t port);

/* Control thread. */
uint32_t dp_guard_book_each(struct dp_guard_book *book, uint16_t port, dp_guard_binding_fn fn,
			    void *arg);
void dp_guard_book_expire(struct dp_guard_book *book, uint64_t now_ms);
/* The same, once a second at most. */
void dp_guard_book_tick(struct dp_guard_book *book, uint64_t now_ms);
void dp_guard_book_port_gone(struct dp_guard_book *book, uint16_t port);
uint64_t dp_guard_book_version(const struct dp_guard_book *book);

/* A client at 'port' asked; whoever answers to its MAC and transaction answers it.  Kept for a
 * minute, and less when very many ask. */
void dp_guard_book_ask(struct dp_guard_book *book, uint32_t where, const uint8_t mac[6],
		       uint32_t xid, uint16_t port, uint64_t now_ms);
/* DP_NO_PORT: nobody did. */
uint16_t dp_guard_book_asker(const struct dp_guard_book *book, uint32_t where, const uint8_t mac[6],
			     uint32_t xid, uint64_t now_ms);

static inline bool dp_guard_is_link_local(const struct dp_ip *ip)
{
	return ip->v6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

#endif
