/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the SCSI controller share:
 *
 * 	storvsp.c        life, units, what the server asks; the owner's thread
 * 	storvsp_ring.c   rings, requests, completions; the disk thread
 * 	storvsp_init.c   negotiation; the disk thread
 *
 * All of 'struct storvsp' below 'lock' is the lock's, but where it says otherwise.
 */
#ifndef VMBUS_STORVSP_PRIV_H
#define VMBUS_STORVSP_PRIV_H

#include "vmbus/storvsp.h"

#include <pthread.h>
#include <sys/queue.h>

#include "vmbus/packet.h"
#include "vmbus/ring.h"
#include "vmbus/storvsp_proto.h"

struct vmbus_channel;

/* A packet that was taken and is not answered yet. */
struct storvsp_request {
	TAILQ_ENTRY(storvsp_request) link; /* in its channel's 'done' */
	struct storvsp_channel *channel;
	uint64_t transaction_id;
	bool answer_wanted;
	struct storvsp_packet packet; /* the guest's; then the answer */
	enum storvsp_op op;	      /* the guest's */
	struct scsi_command command;
	struct iovec iov[];
};

TAILQ_HEAD(storvsp_requests, storvsp_request);

struct storvsp_channel {
	struct storvsp *storvsp;
	struct vmbus_channel *channel; /* the server's; NULL: closed */
	bool closing;		       /* the server waits for it to drain */
	bool broken;		       /* its rings lie: left alone */
	bool waits;		       /* for room in the ring to the guest */
	bool again;		       /* it may have packets, or room: look */
	int kick_fd, call_fd;
	struct vmbus_in in;
	struct vmbus_out out;
	unsigned n_requests;	      /* taken, those in 'done' too */
	struct storvsp_requests done; /* completions that have no room yet */
	bool signal;		      /* at the end of the batch */
};

/* How far a guest has got. */
enum storvsp_state {
	STORVSP_NEW,
	STORVSP_BEGUN,	   /* BEGIN_INITIALIZATION */
	STORVSP_VERSIONED, /* QUERY_VERSION */
	STORVSP_KNOWN,	   /* QUERY_PROPERTIES */
	STORVSP_READY,	   /* END_INITIALIZATION */
};

struct storvsp_removal {
	bool wanted;
	void (*done)(void *ctx);
	void *ctx;
};

struct storvsp {
	/* Made once. */
	struct storvsp_opts opts;
	struct vmbus_device *device;
	int epoll_fd; /* of the disk thread */
	int wake_fd;  /* it has something to look at */
	int event_fd; /* the owner has */
	pthread_t thread;
	bool threaded;
	_Atomic int tid;

	pthread_mutex_t lock;
	bool stop;
	struct storvsp_channel channels[STORVSP_MAX_CHANNELS];
	struct scsi_target *target;
	enum storvsp_state state;
	uint16_t version;
	bool subchannels_asked; /* once for each opening */
	uint16_t n_subchannels; /* that the owner has to offer */
	bool announce;		/* tell the guest to look for units */
	/* RESET_*: answered when no command is under way; until then none is taken. */
	struct storvsp_request *reset;
	uint32_t n_running; /* commands under way */
	uint64_t n_commands, n_interrupts;
	uint64_t faults[STORVSP_N_FAULTS];
	struct vmbus_piece pieces[VMBUS_GPA_MAX_PFNS]; /* of the packet being taken */

	/* The owner's. */
	struct storvsp_removal removals[SCSI_MAX_LUNS];
	uint64_t troubles[SCSI_MAX_LUNS]; /* as reported */
	uint64_t trouble_told_ns[SCSI_MAX_LUNS];
	bool busy, gone; /* in storvsp_event(); the device has ended */
	void (*gone_cb)(void *ctx);
	void *gone_ctx;
};

/* The disk thread, or who holds the lock. */

void storvsp_count(struct storvsp *s, enum storvsp_fault fault);
/* Tells the owner to come. */
void storvsp_tell_owner(struct storvsp *s);
/* Wakes the disk thread. */
void storvsp_wake(struct storvsp *s);
/* Works all that there is to work; the lock is held.  'disks': look at those too.  True: there is
 * more. */
bool storvsp_run(struct storvsp *s, bool disks);
/* A packet of negotiation came on 'c': the answer's status, and the rest of it. */
void storvsp_negotiate(struct storvsp_channel *c, const struct storvsp_packet *packet,
		       struct storvsp_packet *answer);
/* The primary channel was opened or closed: from the start. */
void storvsp_forget(struct storvsp *s);
/* Takes a channel's rings: 0 or negative. */
int storvsp_channel_start(struct storvsp_channel *c, struct vmbus_channel *channel);
/* Takes nothing more, and forgets what was not answered yet; it has drained when n_requests is 0.
 */
void storvsp_channel_stop(struct storvsp_channel *c);

#endif
