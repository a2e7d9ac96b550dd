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

#define VMQ_MAX_RANGES	 64 /* frames of one transfer-page packet */
#define VMQ_MAX_MESSAGES 8  /* RNDIS messages that a guest may put into one packet */

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
	X(LOST, "memory-lost", "guest memory was taken away")
enum vmq_fault {
#define X(name, slug, text) VMQ_FAULT_##name,
	VMQ_FAULTS(X)
#undef X
		VMQ_N_FAULTS,
};
const char *vmq_fault_slug(enum vmq_fault fault);
const char *vmq_fault_text(enum vmq_fault fault);

/* Per queue; written by workers that hold what the thread rule above says, read relaxed. */
struct vmq_queue_stats {
	_Atomic uint64_t from_packets, from_bytes,
		from_ring_packets; /* frames; packets on the ring */
	_Atomic uint64_t to_packets, to_bytes, to_ring_packets;
	_Atomic uint64_t signals, kicks; /* to the guest; wake-ups from it */
	_Atomic uint64_t no_section, ring_full, filtered, malformed, completions;
	_Atomic uint64_t bad_completions;	/* of what was not sent, or twice */
	_Atomic uint64_t control, control_held; /* messages; polls at which one had to wait */
};

/* What frames do by: immutable, replaced as a whole.  Pages are owned by the NIC. */
struct vmq_rules {
	const struct vmbus_pages *recv, *send; /* NULL: not agreed, or revoked */
	struct vmq_bufs *bufs;		       /* of 'recv': n_recv sections */
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

/* Where signals to the guest go without another process: flag and interrupt (vmbus/host.h). */
struct vmq_event {
	_Atomic uint64_t *word; /* in guest memory */
	uint64_t bit;
	int irq_fd;
};

struct vmq_queue {
	/* From the guest: the receiving worker's. */
	struct vmbus_in in;
	struct vmq_path *path;
	int kick_fd;	/* eventfd: readable when the guest signals; may be the dp_rxq's wake_fd */
	uint16_t index; /* of the channel */
	uint8_t monitor_id;
	bool asleep;		     /* vmq_queue_sleep() said so: kick_fd is to be read */
	bool control_next;	     /* the next packet is, or was, a control message (control.h) */
	bool blocked;		     /* no room for completions: waits for the guest to make some */
	struct vmq_mail *mail;	     /* from the control thread, to the ring */
	struct vmq_control *control; /* to the control thread: what is not a frame */
	/* To the guest: under the lock. */
	rte_spinlock_t lock __attribute__((aligned(64)));
	_Atomic bool live;     /* set last when opened, cleared first when closed */
	_Atomic uint8_t fault; /* enum vmq_fault */
	uint8_t ring_fault;    /* enum vmbus_ring_fault, with RING_IN and RING_OUT */
	int call_fd;
	const struct vmq_event *_Atomic event; /* in its place; NULL: none */
	struct vmbus_out out;
	uint32_t reserve;  /* bytes of the ring to the guest that only completions use */
	uint32_t in_read;  /* as committed */
	uint32_t cached_n; /* free sections at hand (bufs.c) */
	uint16_t *cached;  /* VMQ_CACHE of them */
	uint64_t batch;	   /* the last committed one (journal.h) */
	struct vmq_journal *journal;
	struct vmq_queue_stats stats __attribute__((aligned(64)));
} __attribute__((aligned(64)));

struct vmq_path {
	_Atomic(const struct vmq_rules *) rules;
	const struct gpa_map *memory;
	atomic_bool *lost; /* memory is gone (dataplane/sigbus.h); may be NULL */
	struct vmq_queue *_Atomic queues[NETVSP_MAX_CHANNELS]; /* open channels, by index */
};

/* A channel that the guest opened, or that stayed open. */
struct vmq_queue_opts {
	struct vmq_path *path;
	uint16_t index;
	uint8_t monitor_id;
	int kick_fd, call_fd;	       /* borrowed; EFD_NONBLOCK */
	const struct vmq_event *event; /* borrowed; NULL: call_fd is written */
	struct vmbus_ring from_guest, to_guest;
	struct vmq_journal *journal; /* borrowed, like the next two */
	struct vmq_control *control; /* NULL on subchannels, which have no control messages */
	struct vmq_mail *mail;	     /* with 'control' */
	bool resume; /* the channel stayed open while the switch was away: goes on where the journal
			says, and signals the guest once, for a signal may have been lost */
};
/* Makes the queue and puts it into path->queues: frames may flow when it returns.  The path's
 * buffers, if it has any yet, are resumed before.  0, -ENOMEM, or -EBADMSG: the journal has no
 * positions that belong to these rings.  Control thread. */
int vmq_queue_open(const struct vmq_queue_opts *opts, struct vmq_queue **ret_queue);
/* Signals go by 'event' (borrowed; NULL: call_fd) from now on; the one before may be in use until
 * dp_synchronize().  Control thread. */
void vmq_queue_set_event(struct vmq_queue *q, const struct vmq_event *event);
/* Signals the guest, as a move of its interrupt asks for.  Control thread. */
void vmq_queue_call(struct vmq_queue *q);
/* Takes it out of the path: no worker enters it any more. */
void vmq_queue_close(struct vmq_queue *q);
/* Frees a closed queue, when no worker can be inside (dp_synchronize()).  Takes NULL. */
void vmq_queue_destroy(struct vmq_queue *q);

/* Takes up to 'n' frames from a queue, as mbufs of 'pool' with offload requests as
 * dataplane/port.h wants them.  'n' is VMQ_MAX_MESSAGES or more.  Malformed frames are completed
 * with a failure and counted in *ret_malformed (added to).  Control messages go to 'control';
 * completions free sections.  Also delivers mail, so it is called after a kick in any case.  Worker
 * that owns the queue's dp_rxq. */
uint16_t vmq_queue_from_guest(struct vmq_queue *q, struct rte_mempool *pool, struct rte_mbuf **pkts,
			      uint16_t n, uint16_t *ret_malformed);
/* Asks the guest to signal; true: the worker may sleep on kick_fd.  The next
 * vmq_queue_from_guest() reads kick_fd and asks for silence again. */
bool vmq_queue_sleep(struct vmq_queue *q);

/* Sends frames to the guest, each by the queue that RSS says.  Frees those it took; moves the
 * others to the end of 'pkts', in order, and leaves in *ret_refused the reason (enum dp_drop) of
 * the last; returns how many it took.  Any worker. */
uint16_t vmq_path_to_guest(struct vmq_path *path, struct rte_mbuf **pkts, uint16_t n,
			   uint8_t *ret_refused);

#endif
