/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What split and packed rings share: finding guest memory, collecting the pieces of a frame,
 * copying, the header in front of a frame, the guest's interrupt.  dataplane/vring*.c only.
 */
#ifndef DATAPLANE_VRING_PRIV_H
#define DATAPLANE_VRING_PRIV_H

#include "dataplane/frame.h"
#include "dataplane/vring.h"

#include <string.h>

#include <linux/virtio_net.h>

#include <rte_atomic.h>
#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#define VRING_BURST    64 /* frames that are looked at together */
#define VRING_MAX_SEGS 256

/* A piece of guest memory that is mapped in one piece. */
struct vring_seg {
	uint8_t *va;
	uint64_t gpa;
	uint32_t size;
};

/* A frame's memory, header included. */
struct vring_chain {
	uint32_t n;
	uint64_t size;
	struct vring_seg seg[VRING_MAX_SEGS];
};

/* The guest writes to rings and buffers at any time: one read, no second one. */
#define VRING_READ(x) (*(volatile const __typeof__(x) *)&(x))

/* One copy of 'size' (constant) bytes that another processor may be writing; any alignment. */
static __rte_always_inline void vring_copy_once(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	rte_compiler_barrier(); /* Nothing below reads 'from' instead of the copy. */
}

static inline void vring_fault(struct dp_vring *r, enum dp_vring_fault fault)
{
	r->fault = (uint8_t)fault;
}

/* 'size' bytes of guest memory at 'gpa', or NULL when no single region holds them. */
static inline uint8_t *vring_va(const struct dp_vmem *mem, uint64_t gpa, uint32_t size)
{
	for (unsigned i = 0; i < mem->n; i++) {
		uint64_t offset = gpa - mem->region[i].gpa;

		if (offset < mem->region[i].size && size <= mem->region[i].size - offset)
			return mem->region[i].va + offset;
	}
	return NULL;
}

/* vring_copy.c.  Each returns 0, or -1 with r->fault set unless it says otherwise. */

/* Adds guest memory to 'chain', in pieces where it crosses regions. */
int vring_chain_add(struct dp_vring *r, struct vring_chain *chain, uint64_t gpa, uint32_t size);
/* Reads the first 'size' bytes; false when there are fewer. */
bool vring_chain_read(const struct vring_chain *chain, void *ret, uint32_t size);
/* Copies what follows the header into 'm', which may grow a chain.  0, -ENOMEM or -EBADMSG. */
int vring_chain_to_mbuf(const struct vring_chain *chain, uint32_t hdr_size, struct rte_mbuf *m,
			struct rte_mempool *pool);
/* Writes header and frame; the chain is long enough.  Logs. */
void vring_chain_from_mbuf(struct dp_vring *r, const struct vring_chain *chain, const void *hdr,
			   const struct rte_mbuf *m);
/* The header for a frame with requests or a checksum known to be good. */
void vring_hdr_fill(const struct dp_vring *r, const struct rte_mbuf *m,
		    struct virtio_net_hdr_mrg_rxbuf *hdr);

/* Tells the guest that the used index went from 'old' to 'now' (packed: the ring from 'old' to
 * r->last), if it wants to hear of it. */
void vring_signal_split(struct dp_vring *r, uint16_t old, uint16_t now);
void vring_signal_packed(struct dp_vring *r, uint16_t old, bool old_wrap);

/* vring_split.c, vring_packed.c */
void vring_split_settle(struct dp_vring *r);
uint16_t vring_split_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			     uint16_t n, uint16_t *ret_malformed);
uint16_t vring_split_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			     uint16_t *ret_too_big);
uint16_t vring_packed_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			      uint16_t n, uint16_t *ret_malformed);
uint16_t vring_packed_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			      uint16_t *ret_too_big);

/* Moves the frame at 'at' behind the others. */
static inline void vring_put_last(struct rte_mbuf **pkts, uint16_t at, uint16_t n)
{
	struct rte_mbuf *m = pkts[at];

	memmove(pkts + at, pkts + at + 1, (n - at - 1u) * sizeof(*pkts));
	pkts[n - 1] = m;
}

static inline bool vring_plain(const struct dp_vring *r, const struct rte_mbuf *m)
{
	uint64_t special = RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG;

	if (r->data_valid)
		special |= RTE_MBUF_F_RX_L4_CKSUM_MASK;
	return (m->ol_flags & special) == 0;
}

#endif
