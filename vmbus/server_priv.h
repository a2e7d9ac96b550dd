/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of a server (server.h).
 *
 * 	server.c    messages in, connection, reset
 * 	offer.c     devices, relids, offers and their end
 * 	channel.c   open, close, move
 * 	gpadl.c     guest memory lists
 * 	out.c       messages to the guest
 *
 * Devices and the host's post() may call the server from within any call that the server makes to
 * them.  So every entry point runs between server_enter() and server_leave(); within, things are
 * marked and never freed, and nothing is posted.  The outermost server_leave() frees what has
 * ended, finishes a reset when all is quiet, and then posts.
 */
#ifndef VMBUS_SERVER_PRIV_H
#define VMBUS_SERVER_PRIV_H

#include "vmbus/server.h"

#include <sys/queue.h>

#include "ctl/base/log.h"
#include "vmbus/channel.h"
#include "vmbus/gpadl.h"
#include "vmbus/proto.h"

/* Messages are taken while fewer than this many wait for the guest: all offers that there can be,
 * and some answers. */
#define OUT_TAKE (VMBUS_MAX_RELID + 1u + 512u)

/* A message to the guest, made when its turn comes. */
struct out {
	uint8_t type;	/* enum vmbus_msg_type */
	uint32_t relid; /* as the guest said it */
	uint32_t id;	/* open id, GPADL, version */
	uint32_t status;
};

struct out_queue {
	struct out *ring;
	uint32_t size, first, n;
};

enum gpadl_state {
	GPADL_ASSEMBLY, /* words are missing */
	GPADL_READY,
	GPADL_TEARDOWN, /* the device is to let go, or its channel must be closed first */
	GPADL_GONE,	/* freed by server_leave() */
};

struct gpadl {
	LIST_ENTRY(gpadl) hash_link, channel_link, gone_link;
	struct channel *channel;
	enum gpadl_state state;
	bool asked;  /* the device, to let go */
	bool answer; /* the guest waits for TORNDOWN */
	uint16_t n_ranges;
	uint32_t n_pages; /* counted against the limit */
	/* In assembly: words in 'pfns', n_pfns of them so far. */
	uint32_t n_words;
	struct vmbus_gpadl pub;
};
LIST_HEAD(gpadl_list, gpadl);

enum channel_state {
	CHANNEL_CLOSED,
	CHANNEL_OPENING, /* the device has to answer */
	CHANNEL_OPEN,
	CHANNEL_CLOSING, /* the device has to answer */
};

struct channel {
	struct vmbus_channel pub;
	LIST_ENTRY(channel) link; /* of the device */
	struct gpadl_list gpadls;
	struct gpadl *ring;
	enum channel_state state;
	bool told;	   /* the guest has been offered it, or will be by what waits to be sent */
	bool withdrawn;	   /* it is rescinded, if the guest was told */
	bool rescind_sent; /* and the guest can know */
	bool released;	   /* the guest let go of it */
};

struct vmbus_device {
	TAILQ_ENTRY(vmbus_device) link;
	struct vmbus_server *server;
	struct vmbus_device_opts opts;
	LIST_HEAD(, channel) channels; /* subchannels first, as they come */
	struct channel *primary;
	bool withdrawn;
};

/* What a reset is for. */
enum after {
	AFTER_NOTHING, /* no reset is under way */
	AFTER_CONTACT,
	AFTER_UNLOAD,
	AFTER_RESET,
};

enum connection { DISCONNECTED, CONNECTED, OFFERS_SENT };

#define GPADL_BUCKETS 1024u

struct vmbus_server {
	const struct vmbus_host_ops *ops;
	void *ctx;
	struct vmbus_server_opts opts;

	enum connection connection;
	enum after after;
	struct vmbus_msg_contact contact; /* to be answered after the reset */
	void (*reset_done)(void *ctx);
	void *reset_ctx;
	uint32_t version; /* 0: not connected */
	uint32_t message_vp;
	struct vmbus_monitor monitor;

	TAILQ_HEAD(, vmbus_device) devices;
	struct channel *relids[VMBUS_MAX_RELID + 1];
	uint16_t last_relid;
	uint32_t monitors_used[VMBUS_N_MONITORS / 32];
	struct gpadl_list gpadls[GPADL_BUCKETS], gone;
	uint32_t n_channels, n_withdrawn;
	uint32_t n_busy, n_open; /* busy: not closed */
	uint32_t n_gpadls, n_gpadl_pages;

	struct out_queue out;
	bool slot_taken;
	unsigned depth;
	bool posting;
	bool changed; /* server_leave() has something to look at */

	uint64_t messages_in, messages_out;
	uint64_t faults[VMBUS_N_FAULTS];
	struct log_limit fault_limits[VMBUS_N_FAULTS], contact_limit;
};

/* server.c */
void server_enter(struct vmbus_server *s);
void server_leave(struct vmbus_server *s);
/* Counts, and says so now and then. */
void server_fault(struct vmbus_server *s, enum vmbus_fault fault);

/* out.c */
int out_init(struct out_queue *q, uint32_t size);
void out_fini(struct out_queue *q);
void out_clear(struct out_queue *q);
/* Nothing happens in a reset: the guest waits for its answer alone. */
void out_add(struct vmbus_server *s, struct out out);
/* Posts until the slot is taken. */
void out_flush(struct vmbus_server *s);

/* offer.c */
/* The channel of a relid, if the guest may know it; else NULL. */
struct channel *channel_find(struct vmbus_server *s, uint32_t relid);
void offers_request(struct vmbus_server *s);
void subchannels_withdraw(struct vmbus_device *device);
void relid_released(struct vmbus_server *s, const struct vmbus_msg_relid *msg);
void offer_write(const struct channel *c, struct vmbus_msg_offer *msg);
/* Ends channels and devices that nobody holds any more. */
void offers_reap(struct vmbus_server *s);
/* The guest knows nothing any more: subchannels end, primaries can be offered again. */
void offers_forget(struct vmbus_server *s);

/* channel.c */
void channel_open(struct vmbus_server *s, const struct vmbus_msg_open *msg);
void channel_close(struct vmbus_server *s, const struct vmbus_msg_relid *msg);
void channel_modify(struct vmbus_server *s, const struct vmbus_msg_modify *msg);
/* Has the device close it, if it is open. */
void channel_shut(struct channel *c);

/* gpadl.c */
void gpadl_header(struct vmbus_server *s, const struct vmbus_msg_gpadl_header *msg, size_t size);
void gpadl_body(struct vmbus_server *s, const struct vmbus_msg_gpadl_body *msg, size_t size);
void gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *msg);
/* One that is there whole, and not about to go. */
struct gpadl *gpadl_find_ready(struct vmbus_server *s, uint32_t relid, uint32_t id);
/* Has the device let go of a channel's GPADLs, unasked by the guest. */
void gpadls_drop(struct channel *c);
/* The channel is closed: its ring may go. */
void gpadl_ring_free(struct channel *c);
void gpadls_reap(struct vmbus_server *s);

static inline struct channel *channel_of(struct vmbus_channel *pub)
{
	return (struct channel *)((char *)pub - offsetof(struct channel, pub));
}

#endif
