/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An AF_XDP socket: frames of one receive queue and one transmit queue of a Linux interface, by
 * four rings in memory shared with the kernel.
 *
 * 	kernel ── rx ──────────► worker that owns the port's receive queue
 * 	kernel ◄─ fill ───────── the same: empty frames for the kernel
 * 	kernel ◄─ tx ─────────── worker that owns the port's transmit queue
 * 	kernel ── completion ──► the same: frames that were sent
 *
 * The frame memory (umem) is the socket's own, half for either direction, so that the two workers
 * share nothing.  Frames are copied between it and mbufs: a frame of ours may stay in another
 * port's ring for as long as it likes, and when the port is closed everything is given back.
 *
 * More sockets on the same queue ('sides') take the frames that the XDP program gives them.  They
 * have a receive ring and nothing else: frame memory and fill ring are the first socket's.  Several
 * workers may so want to fill that ring; who finds another at it keeps its frames for the next
 * time.
 *
 * Source: Documentation/networking/af_xdp.rst, linux/if_xdp.h.
 */
#ifndef DATAPLANE_XSK_H
#define DATAPLANE_XSK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/if_xdp.h>

struct rte_mbuf;
struct rte_mempool;

/* What the kernel keeps free before a received frame. */
#define DP_XSK_HEADROOM 256u

/* One ring.  'mine' is how far this side has come, 'theirs' how far the other had come when last
 * looked at. */
struct dp_xsk_ring {
	uint32_t *producer, *consumer, *flags;
	void *entries;
	uint32_t mask, size;
	uint32_t mine, theirs;
	void *map;
	size_t map_size;
};

struct dp_xsk_opts {
	int ifindex;
	uint32_t queue;
	uint32_t n_rx, n_tx; /* frames each way; powers of two */
	uint32_t frame_size; /* 2048 or 4096; DP_XSK_HEADROOM of it hold no data when receiving */
};

/* Frames that one receiver has to give back to the kernel. */
struct dp_xsk_back {
	uint64_t *addrs; /* room for all frames there are; NULL: the ring is nobody else's */
	uint32_t n;
};

/* Public for the sake of struct xdp; touch only through the functions. */
struct dp_xsk {
	int fd;
	uint32_t frame_size;
	uint8_t *umem;
	size_t umem_size;
	/* The receiving worker's. */
	struct dp_xsk_ring rx __attribute__((aligned(64)));
	struct dp_xsk_ring fill;
	struct dp_xsk_back back;
	_Atomic bool fill_busy __attribute__((aligned(64))); /* somebody is at 'fill' */
	/* The transmitting worker's. */
	struct dp_xsk_ring tx __attribute__((aligned(64)));
	struct dp_xsk_ring completion;
	uint32_t n_free;
	uint64_t *free_frames; /* stack of addresses in the umem */
};

/* Another socket on the queue of 'of'. */
struct dp_xsk_side {
	int fd;
	struct dp_xsk *of;
	struct dp_xsk_ring rx;
	struct dp_xsk_back back;
} __attribute__((aligned(64)));

/* Opens a socket and binds it; the calling thread is in the interface's network namespace.  0 or a
 * negative errno, and nothing is left behind.  Control thread. */
int dp_xsk_open(struct dp_xsk *xsk, const struct dp_xsk_opts *opts);
/* Control thread, no worker inside.  Takes one that is all zeros or failed to open. */
void dp_xsk_close(struct dp_xsk *xsk);

/* Receives up to 'n' frames into buffers of 'pool'.  Receiving worker. */
uint16_t dp_xsk_receive(struct dp_xsk *xsk, struct rte_mempool *pool, struct rte_mbuf **pkts,
			uint16_t n);

/* Another socket beside 'of', with a ring of 'n_rx' frames (a power of two; the frames are those of
 * 'of').  0 or a negative errno, and nothing is left behind.  Control thread, before any worker
 * receives; in the interface's network namespace. */
int dp_xsk_side_open(struct dp_xsk_side *side, struct dp_xsk *of, int ifindex, uint32_t queue,
		     uint32_t n_rx);
/* Before that of 'of'.  As dp_xsk_close(). */
void dp_xsk_side_close(struct dp_xsk_side *side);
/* As dp_xsk_receive(). */
uint16_t dp_xsk_side_receive(struct dp_xsk_side *side, struct rte_mempool *pool,
			     struct rte_mbuf **pkts, uint16_t n);

/* Sends the first frames of 'pkts' and frees them; returns how many.  Frames of any number of
 * segments, not longer than the umem's.  Transmitting worker. */
uint16_t dp_xsk_send(struct dp_xsk *xsk, struct rte_mbuf **pkts, uint16_t n);

/* Tells the kernel once more about frames that it has not taken off the transmit ring.  Any thread.
 */
void dp_xsk_push(const struct dp_xsk *xsk);

/* Does the driver read and write the umem itself? */
bool dp_xsk_is_zero_copy(const struct dp_xsk *xsk);
/* Adds this socket's counters to 'sum'. */
void dp_xsk_add_stats(const struct dp_xsk *xsk, struct xdp_statistics *sum);

#endif
