/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ring operations that ask which layout a ring has, and the guest's interrupt.  vring.h.
 */
#include "dataplane/vring_priv.h"

#include <sys/eventfd.h>

#include <rte_atomic.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "virtio 1 rings are little-endian");

#define PACKED_EVENT_DISABLE 1
#define PACKED_EVENT_DESC    2

const char *dp_vring_fault_text(enum dp_vring_fault fault)
{
	static const char *const texts[] = {
#define X(name, text) [DP_VRING_##name] = text,
		DP_VRING_FAULTS(X)
#undef X
	};

	return (unsigned)fault < DP_N_VRING_FAULTS ? texts[fault] : "unknown";
}

/* Looked at after a burst: what it read, or wrote, may have been empty pages.  Nothing that came
 * from them is a reason of its own. */
static inline bool memory_lost(struct dp_vring *r)
{
	if (likely(!atomic_load_explicit(&r->mem->lost, memory_order_relaxed)))
		return false;
	vring_fault(r, DP_VRING_LOST);
	return true;
}

uint16_t dp_vring_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			  uint16_t n, uint16_t *ret_malformed)
{
	if (unlikely(r->fault != DP_VRING_NONE))
		return 0;
	n = RTE_MIN(n, (uint16_t)VRING_BURST);
	n = r->packed ? vring_packed_dequeue(r, pool, pkts, n, ret_malformed)
		      : vring_split_dequeue(r, pool, pkts, n, ret_malformed);
	if (likely(!memory_lost(r)))
		return n;
	rte_pktmbuf_free_bulk(pkts, n);
	*ret_malformed += n;
	r->malformed += n;
	return 0;
}

uint16_t dp_vring_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			  uint16_t *ret_too_big)
{
	if (unlikely(r->fault != DP_VRING_NONE))
		return 0;
	n = RTE_MIN(n, (uint16_t)VRING_BURST);
	n = r->packed ? vring_packed_enqueue(r, pkts, n, ret_too_big)
		      : vring_split_enqueue(r, pkts, n, ret_too_big);
	memory_lost(r); /* Then nobody reads what was sent. */
	return n;
}

void dp_vring_no_kick(struct dp_vring *r)
{
	if (r->packed)
		__atomic_store_n(&r->device_event->flags, PACKED_EVENT_DISABLE, __ATOMIC_RELEASE);
	else if (!r->event_idx)
		__atomic_store_n(&r->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELEASE);
	/* With event indices: one that is never updated asks for a kick in 65536. */
}

static void signal_guest(struct dp_vring *r)
{
	if (r->call_fd < 0)
		return;
	r->signals++;
	(void)eventfd_write(r->call_fd, 1); /* Fails only when it is signalled already. */
}

void vring_signal_split(struct dp_vring *r, uint16_t old)
{
	/* The guest must see the used index before we look at what it wants, or both sleep. */
	rte_smp_mb();
	if (!r->event_idx) {
		if ((VRING_READ(r->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0)
			signal_guest(r);
		return;
	}
	if (vring_need_event(VRING_READ(r->avail->ring[r->size]), r->last, old))
		signal_guest(r);
}

void vring_signal_packed(struct dp_vring *r, uint16_t old, bool old_wrap)
{
	uint16_t flags, off_wrap, event;

	rte_smp_mb();
	flags = VRING_READ(r->driver_event->flags) & 3;
	if (flags == PACKED_EVENT_DISABLE)
		return;
	if (flags == PACKED_EVENT_DESC && r->event_idx) {
		rte_smp_rmb();
		off_wrap = VRING_READ(r->driver_event->off_wrap);
		event = off_wrap & 0x7fff;
		/* On one number line, where this lap begins at 0: what belongs to the lap before
		 * lies below. */
		if (r->wrap != old_wrap)
			old -= r->size;
		if (r->wrap != (off_wrap >> 15 != 0))
			event -= r->size;
		if (!vring_need_event(event, r->last, old))
			return;
	}
	signal_guest(r);
}
