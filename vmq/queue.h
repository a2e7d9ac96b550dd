/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The packet path of a synthetic NIC: a queue is one open channel, both directions; a path is what
 * all queues of a NIC share.  Runs on workers, in their poll loop.
 *
 * 	from_guest.c   ring ─► RNDIS ─► mbufs; completions in batches
 * 	to_guest.c     mbufs ─► hash ─► queue ─► receive sections ─► ring
 * 	bufs.c         receive sections: which are free, which are lent to the guest
 * 	rss.c          Toeplitz hash and indirection
 * 	journal.c      what must survive us
 *
 * Threads.  One worker receives from a queue at a time (its dp_rxq).  Any worker may send to any
 * queue of the NIC, because RSS chooses: 'lock' guards the ring to the guest, on which completions
 * travel as well.  It is held for a burst at most, and never while waiting.  The control thread
 * never takes it: what it has to say goes through 'mail', and the worker that receives puts it on
 * the ring.  What it changes (buffers, filter, RSS) is an immutable 'struct vmq_rules', published
 * and waited for (dp_synchronize()) before the old one goes.
 *
 * A guest's fault breaks its queue: 'fault' says how, nothing is read or written any more until the
 * channel is opened anew, all other ports go on.
 *
 * In vmq we say from_guest and to_guest: rx and tx swap meaning at the ring.
 */
#ifndef VMQ_QUEUE_H
#define VMQ_QUEUE_H

#include "dataplane/port.h"
#include "vmbus/netvsp.h"
#include "vmbus/pages.h"
#include "vmbus/ring.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#define VMQ_MAX_RANGES 64 /* frames of one transfer-page packet */

struct gpa_map;
struct vmq_bufs;
struct vmq_control;
struct vmq_journal;
struct vmq_mail;
struct vmq_path;

#define VMQ_FAULTS(X)                                                                              \
	X(NONE, "none", "")                                                                        \
	X(RING_IN, "ring-from-guest", "the ring from the guest is broken")                         \
	X(RING_OUT, "ring-to-guest", "the ring to the guest is broken")                            \
	X(PACKET, "bad-packet", "a packet of a type or shape that guests do not send")             \
	X(COMPLETION, "bad-completion", "a completion of something that was not sent")             \
	X(CONTROL_FLOOD, "control-flood", "more control messages than can be answered")            \
	X(LOST, "memory-lost", "guest memory was taken away")
enum vmq_fault {
#define X(name, slug, text) VMQ_FAULT_##name,
	VMQ_FAULTS(X)
#undef X
		VMQ_N_FAULTS,
};

/* Per queue; written by workers that hold what the thread rule above says, read relaxed. */
struct vmq_queue_stats {
	_Atomic uint64_t from_packets, from_bytes,
		from_ring_packets; /* frames; packets on the ring */
	_Atomic uint64_t to_packets, to_bytes, to_ring_packets;
	_Atomic uint64_t signals, kicks; /* to the guest; wake-ups from it */
	_Atomic uint64_t no_section, ring_full, filtered, malformed, completions;
};

/* What frames do by: immutable, replaced as a whole.  Pages are owned by the NIC. */
struct vmq_rules {
	const struct vmbus_pages *recv, *send; /* NULL: not agreed, or revoked */
	uint32_t recv_section, send_section;   /* bytes */
	uint32_t n_recv, n_send;
	uint16_t recv_id;
	uint16_t n_queues; /* open, or 1 */
	uint32_t filter;   /* NETVSP_FILTER_*; 0: no frames to the guest */
	uint16_t max_frame;
	struct rte_ether_addr mac;
	bool checksum_partial; /* the guest takes frames whose checksum is not filled in */
	bool lro;
	bool rss;
	uint32_t hash_types;
	uint16_t table_size;
	uint8_t table[NETVSP_TABLE_SIZE];
	uint32_t nibble[2 * (NETVSP_KEY_SIZE - 4)]
		       [16]; /* Toeplitz, by nibble of the input (rss.c) */
};

struct vmq_queue {
	/* From the guest: the receiving worker's. */
	struct vmbus_in in;
	struct vmq_path *path;
	int kick_fd;	/* eventfd: readable when the guest signals; may be the dp_rxq's wake_fd */
	uint16_t index; /* of the channel */
	uint8_t monitor_id;
	/* To the guest: under the lock. */
	rte_spinlock_t lock __attribute__((aligned(64)));
	_Atomic bool live;     /* set last when opened, cleared first when closed */
	_Atomic uint8_t fault; /* enum vmq_fault */
	struct vmbus_out out;
	int call_fd;
	uint32_t cached_n; /* free sections at hand (bufs.c) */
	uint16_t *cached;
	struct vmq_journal *journal;
	struct vmq_mail *mail;	     /* from the control thread, to the ring */
	struct vmq_control *control; /* to the control thread: what is not a frame */
	struct vmq_queue_stats stats __attribute__((aligned(64)));
} __attribute__((aligned(64)));

struct vmq_path {
	_Atomic(const struct vmq_rules *) rules;
	const struct gpa_map *memory;
	struct vmq_bufs *bufs;
	atomic_bool *lost; /* memory is gone (dataplane/guard.h); may be NULL */
	struct vmq_queue *_Atomic queues[NETVSP_MAX_CHANNELS]; /* open channels, by index */
};

/* Takes up to 'n' frames from a queue, as mbufs of 'pool' with offload requests as
 * dataplane/port.h wants them.  Malformed frames are completed with a failure and counted in
 * *ret_malformed (added to).  Control messages go to 'control'; completions free sections.  Also
 * delivers mail.  Worker that owns the queue's dp_rxq. */
uint16_t vmq_queue_from_guest(struct vmq_queue *q, struct rte_mempool *pool, struct rte_mbuf **pkts,
			      uint16_t n, uint16_t *ret_malformed);
/* Asks the guest to signal; true: the worker may sleep on kick_fd. */
bool vmq_queue_sleep(struct vmq_queue *q);

/* Sends frames to the guest, each by the queue that RSS says.  Moves what it did not take to the
 * end of 'pkts', in order, and leaves in *ret_refused the reason (enum dp_drop) of the last;
 * returns how many it took.  Any worker. */
uint16_t vmq_path_to_guest(struct vmq_path *path, struct rte_mbuf **pkts, uint16_t n,
			   uint8_t *ret_refused);

#endif
