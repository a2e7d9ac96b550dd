/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames through memif rings, client's and server's end.  Knows memory, not sockets (memif_ctl.c).
 *
 * The other end is not trusted: an index is compared with the ring's size, a descriptor is copied
 * once and its region, offset and length are checked; as client we do not read back what we wrote,
 * for the memory is the server's to write, too.  What a peer can break is its own ring ('fault').
 *
 * Why not net_memif: its interrupt thread unmaps the regions of a peer that went away while workers
 * are copying from them, and it believes every offset that a descriptor names.
 *
 * Thread: one at a time in a ring; the owner locks (port_memif.c).
 */
#ifndef DATAPLANE_MEMIF_RING_H
#define DATAPLANE_MEMIF_RING_H

#include "dataplane/memif_proto.h"

#include <stdatomic.h>
#include <stdbool.h>

#include <rte_spinlock.h>

struct dp_sigbus;
struct rte_mbuf;
struct rte_mempool;

#define DP_MEMIF_MAX_FRAME (65535 + 14 + 8)

#define DP_MEMIF_BURST 64

struct dp_memif_region {
	uint8_t *va;
	uint64_t size;
	int fd;
	struct dp_sigbus *guard;
};

/* Memory of a connection: the client's. */
struct dp_memif_regions {
	unsigned n;
	atomic_bool lost; /* some of it is gone: guard.h */
	struct dp_memif_region region[MEMIF_MAX_REGIONS];
};

#define DP_MEMIF_FAULTS(X)                                                                         \
	X(NONE, "")                                                                                \
	X(INDEX, "ring index is further ahead than the ring is long")                              \
	X(BUFFER, "descriptor points outside of the shared regions")                               \
	X(LOST, "the shared memory was taken away: its file is shorter than it was")
enum dp_memif_fault {
#define X(name, text) DP_MEMIF_##name,
	DP_MEMIF_FAULTS(X)
#undef X
		DP_N_MEMIF_FAULTS,
};
const char *dp_memif_fault_text(enum dp_memif_fault fault);

struct dp_memif_ring {
	struct memif_shm_ring *shm;
	const struct dp_memif_regions *regions;
	bool client;
	uint8_t *buffers;	/* client: buffer of slot 0 */
	uint32_t buffer_offset; /* client: the same in region 0 */
	uint32_t buffer_size;	/* client: of each */
	uint16_t mask;		/* size - 1 */
	uint16_t last;		/* our own copy of the index that we move, or that we have seen */
	bool c2s;
	uint8_t fault; /* enum dp_memif_fault */
	int event_fd;  /* -1: none */
	/* The owner's. */
	rte_spinlock_t lock;
	bool live;
	uint64_t malformed, signals;
} __attribute__((aligned(64)));

/* Makes our end of a ring ready: indices to zero, and for the client descriptors and cookie. */
void dp_memif_ring_reset(struct dp_memif_ring *r);
/* The connection stands: frames may flow. */
void dp_memif_ring_start(struct dp_memif_ring *r);

/* Receives: as server from a C2S ring, as client from an S2C ring.  Frames that are none are taken,
 * counted in *ret_malformed (added to) and thrown away. */
uint16_t dp_memif_rx(struct dp_memif_ring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
		     uint16_t n, uint16_t *ret_malformed);

/* Sends the other way.  Copies; mbufs stay the caller's.  Returns how many; frames that fit no ring
 * are moved behind the others and counted in *ret_too_big (added to). */
uint16_t dp_memif_tx(struct dp_memif_ring *r, struct rte_mbuf **pkts, uint16_t n,
		     uint16_t *ret_too_big);

#endif
