/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rings of an AF_XDP socket, as user space sees them.  An index runs freely and is masked at
 * use.  Each side stores its own index with release order after it is done with the entries, and
 * loads the other's with acquire order.
 */
#ifndef DATAPLANE_XSK_PRIV_H
#define DATAPLANE_XSK_PRIV_H

#include "dataplane/xsk.h"

/* Entries that the kernel has put in and we have not taken; at least 'wanted' if there are. */
static inline uint32_t dp_xsk_ring_waiting(struct dp_xsk_ring *r, uint32_t wanted)
{
	if (r->theirs - r->mine < wanted)
		r->theirs = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	return r->theirs - r->mine;
}

/* Entries that we may put in; at least 'wanted' if there are. */
static inline uint32_t dp_xsk_ring_space(struct dp_xsk_ring *r, uint32_t wanted)
{
	if (r->size - (r->mine - r->theirs) < wanted)
		r->theirs = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	return r->size - (r->mine - r->theirs);
}

static inline struct xdp_desc *dp_xsk_ring_desc(const struct dp_xsk_ring *r, uint32_t index)
{
	return (struct xdp_desc *)r->entries + (index & r->mask);
}

static inline uint64_t *dp_xsk_ring_addr(const struct dp_xsk_ring *r, uint32_t index)
{
	return (uint64_t *)r->entries + (index & r->mask);
}

static inline void dp_xsk_ring_taken(struct dp_xsk_ring *r, uint32_t n)
{
	r->mine += n;
	__atomic_store_n(r->consumer, r->mine, __ATOMIC_RELEASE);
}

static inline void dp_xsk_ring_put(struct dp_xsk_ring *r, uint32_t n)
{
	r->mine += n;
	__atomic_store_n(r->producer, r->mine, __ATOMIC_RELEASE);
}

static inline bool dp_xsk_ring_wants_wakeup(const struct dp_xsk_ring *r)
{
	return (__atomic_load_n(r->flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
}

#endif
