/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Virtio rings, device side: frames out of and into a guest's memory.  Knows rings, descriptors and
 * the virtio-net header; knows no socket and no vhost-user message (vhost_dev.c does, with
 * librte_vhost, which maps the memory and speaks the protocol).
 *
 * Why not rte_vhost_dequeue_burst(): it completes descriptors that it refuses without telling, so
 * the ledger would not balance; it retries a chain it cannot read for ever; it loses the checksum
 * request of a frame whose headers it does not know (two VLAN tags, IPv6 extension headers); and it
 * costs about 100 cycles a frame where one pass of prefetch, one of descriptors and one of copying
 * cost half of that.
 *
 * The guest is hostile: ring and memory change while they are read.  Everything is copied once,
 * the copy is checked and used; an index is compared with the size of what it indexes, an address
 * with the regions.  What a guest can break is its own ring: 'fault' says how, and nothing more is
 * read until the peer sets the ring up again.
 *
 * Thread: one at a time in a ring; whoever owns it locks (port_vhost.c).
 *
 * Source: Virtual I/O Device (VIRTIO) 1.1, sections 2.6 (split), 2.7 (packed), 5.1.6 (network).
 */
#ifndef DATAPLANE_VRING_H
#define DATAPLANE_VRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <rte_spinlock.h>

struct dp_sigbus;
struct rte_mbuf;
struct rte_mempool;

#define DP_VMEM_MAX	  16
#define DP_VRING_MAX_SIZE 32768
/* Longest frame taken from a guest: 64 KB of IP and room for tags. */
#define DP_VRING_MAX_FRAME (65535 + 14 + 8)

/* Guest memory as it is mapped here.  Immutable while a ring uses it, but for 'lost'. */
struct dp_vmem {
	unsigned n;
	atomic_bool lost; /* some of it is gone: guard.h */
	struct dp_vmem_region {
		uint64_t gpa;
		uint64_t size;
		uint8_t *va;
		struct dp_sigbus *guard;
	} region[DP_VMEM_MAX];
};

#define DP_VRING_FAULTS(X)                                                                         \
	X(NONE, "")                                                                                \
	X(AVAIL_INDEX, "available index is further ahead than the ring is long")                   \
	X(HEAD, "available entry names a descriptor that does not exist")                          \
	X(NEXT, "descriptor chain leaves its table")                                               \
	X(LOOP, "descriptor chain is longer than its table")                                       \
	X(ADDRESS, "descriptor points outside of the guest's memory")                              \
	X(DIRECTION, "descriptor is writable where it must be readable or vice versa")             \
	X(INDIRECT, "indirect descriptor table is malformed")                                      \
	X(SEGMENTS, "frame is in too many pieces")                                                 \
	X(LOST, "the memory was taken away: its file is shorter than it was")
enum dp_vring_fault {
#define X(name, text) DP_VRING_##name,
	DP_VRING_FAULTS(X)
#undef X
		DP_N_VRING_FAULTS,
};

/* The sentence for people. */
const char *dp_vring_fault_text(enum dp_vring_fault fault);

/* Tells that guest memory was written (live migration): 'size' bytes at guest address 'addr', or at
 * offset 'addr' of the used ring. */
typedef void (*dp_vring_log_fn)(void *ctx, bool used_ring, uint64_t addr, uint64_t size);

/* First line: what every burst reads. */
struct dp_vring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	const struct dp_vmem *mem;
	uint16_t size;
	uint16_t last; /* next available entry (split), descriptor (packed); also the next used */
	uint8_t hdr_size; /* 12, or 10 for a guest of before virtio 1.0 */
	uint8_t fault;	  /* enum dp_vring_fault */
	bool packed;
	bool wrap; /* packed: the driver's and our wrap counter */
	bool event_idx;
	bool mergeable;	  /* a frame may take several buffers */
	bool data_valid;  /* the guest wants to hear of checksums that are known to be good */
	bool ecn;	  /* the guest takes super-frames with CWR */
	int call_fd;	  /* eventfd; -1: the guest polls */
	uint64_t signals; /* sent */
	/* Second line.  The lock and 'live' are the owner's; nothing in vring*.c looks at them. */
	rte_spinlock_t lock;
	bool live;
	uint16_t held;	     /* split, from the guest: completed, not told yet (vring_split.c) */
	uint64_t held_tsc;   /* when the newest of them was */
	uint64_t malformed;  /* frames completed and thrown away */
	dp_vring_log_fn log; /* NULL: no migration under way */
	void *log_ctx;
} __attribute__((aligned(64)));

/* Takes up to 'n' frames out of a guest's transmit ring, as mbufs of 'pool' (chained when one does
 * not hold a frame), with offload requests as port.h wants them.  Frames that are malformed are
 * completed, counted in *ret_malformed (added to) and thrown away.  Without a buffer in the pool
 * frames stay in the ring. */
uint16_t dp_vring_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			  uint16_t n, uint16_t *ret_malformed);

/* Copies up to 'n' frames into a guest's receive ring.  Returns how many; all mbufs stay the
 * caller's.  A frame that the guest has no buffer for, however many it offers, is moved behind the
 * others and counted in *ret_too_big (added to). */
uint16_t dp_vring_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			  uint16_t *ret_too_big);

/* Tells the guest of all that is completed.  To be called before its owner lets go of the ring. */
void dp_vring_settle(struct dp_vring *r);

/* Asks the guest not to tell when it adds buffers: somebody polls. */
void dp_vring_no_kick(struct dp_vring *r);

/* Turns the guest's header into requests on 'm'.  0, or -EBADMSG. */
struct virtio_net_hdr;
int dp_vring_request(struct rte_mbuf *m, const struct virtio_net_hdr *hdr);

#endif
