/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames between file descriptors and mbuf chains, for the drivers that talk to Linux stacks
 * (port_tap.c, port_packet.c).
 *
 * Receive: a 'slot' is a virtio_net_hdr and a chain of empty mbufs, laid out as one iovec, long
 * enough for the longest super-frame.  The kernel copies a frame straight into it; the buffers that
 * the frame used are taken away as its chain and only those are replaced, so that a small frame
 * costs one buffer.  A slot pins about 35 buffers.
 *
 * 	iov:  | hdr | seg 0 | seg 1 | ... | seg n-1 |
 * 	               └ taken: the frame ┘   └ stay for the next one
 *
 * Transmit: a batch of mbuf chains as iovecs, each behind its header.
 *
 * The worker that owns the queue only.
 */
#ifndef DATAPLANE_FDIO_H
#define DATAPLANE_FDIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "dataplane/port.h"

/* The longest IP packet, an Ethernet header and two tags; a frame that needs more is one that was
 * cut off. */
#define DP_FDIO_MAX_FRAME (65535u + 14 + 8)
#define DP_FDIO_MAX_SEGS  36u /* of 2 KB */

struct dp_fdio_slot {
	struct virtio_net_hdr hdr;
	uint16_t n_segs;
	uint16_t n_empty; /* leading entries of seg[] that hold no buffer */
	uint16_t room;	  /* bytes in a segment */
	struct iovec iov[1 + DP_FDIO_MAX_SEGS];
	struct rte_mbuf *seg[DP_FDIO_MAX_SEGS];
};

/* -EINVAL when the pool's buffers are too small to make a chain of. */
int dp_fdio_slot_init(struct dp_fdio_slot *slot, struct rte_mempool *pool);
/* Frees the buffers.  Control thread, when no worker is inside. */
void dp_fdio_slot_fini(struct dp_fdio_slot *slot);

/* Puts in buffers for those taken.  False when the pool is empty: do not receive then. */
bool dp_fdio_slot_fill(struct dp_fdio_slot *slot, struct rte_mempool *pool);

/* Takes the chain that now holds 'size' bytes, 1 to DP_FDIO_MAX_FRAME.  The caller owns it; 'port'
 * is set. */
struct rte_mbuf *dp_fdio_slot_take(struct dp_fdio_slot *slot, uint32_t size, uint16_t port);

/* Inserts a VLAN tag behind the addresses.  0, or -EBADMSG for a frame too short to have any. */
int dp_fdio_push_tag(struct rte_mbuf *m, uint16_t tpid, uint16_t tci);

/* One frame to transmit. */
#define DP_FDIO_BATCH_IOV 192u

struct dp_fdio_batch {
	struct virtio_net_hdr hdr[DP_BURST];
	struct mmsghdr msg[DP_BURST];
	struct iovec iov[DP_FDIO_BATCH_IOV];
};

/* Lays out the first frames of 'pkts' and returns how many: up to the first that cannot be said in
 * a header, and as many as fit.  0 means that the first frame cannot be sent at all. */
unsigned dp_fdio_batch_fill(struct dp_fdio_batch *batch, struct rte_mbuf *const *pkts, unsigned n);

/* What a failed transmission means for the frames. */
enum dp_fdio_fate {
	DP_FDIO_RETRY, /* interrupted */
	DP_FDIO_STOP,  /* the queue is full or the device is away: leave the rest of the burst */
	DP_FDIO_SKIP,  /* this frame is at fault: go on with the next */
};
/* 'ret_reason' is the enum dp_drop that fits 'error' (positive errno). */
enum dp_fdio_fate dp_fdio_fate(int error, uint8_t *ret_reason);

/* Transmits a burst as dp_tx_fn prescribes.  'send' transmits at most 'n' laid out frames of the
 * batch and returns how many were taken, or a negative errno that concerns the first. */
typedef int (*dp_fdio_send_fn)(void *ctx, struct dp_fdio_batch *batch, unsigned n);
uint16_t dp_fdio_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n, dp_fdio_send_fn send,
		    void *ctx);

#endif
