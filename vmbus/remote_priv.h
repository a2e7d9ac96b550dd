/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of a NIC whose inside is in the switch (remote.h).
 *
 * 	remote.c        the socket: connecting, what the switch says, what becomes of its death
 * 	remote_nic.c    the device: what the server asks, and what of it the switch is still to be
 * told
 *
 * What is to be said is not queued: each channel and GPADL remembers what the switch knows of it,
 * and remote_tell() says what is missing, in an order that is always right.  So a switch that does
 * not read for a while, or dies, loses nothing, and costs no memory.
 */
#ifndef VMBUS_REMOTE_PRIV_H
#define VMBUS_REMOTE_PRIV_H

#include "vmbus/remote.h"

#include <sys/queue.h>
#include <sys/un.h>

#include "ctl/base/log.h"
#include "vmbus/attach.h"
#include "vmbus/server.h"

/* A channel that is not closed. */
struct remote_channel {
	LIST_ENTRY(remote_channel) link;
	struct vmbus_channel *channel;
	bool opened;	   /* the guest was told so */
	bool close_wanted; /* by the server */
	bool open_said, close_said, retarget_wanted;
	bool event_wanted; /* it is to be said where its events go */
	bool event_said;   /* elsewhere than to call_fd */
	bool refused;	   /* this switch cannot take it up */
};

/* A GPADL that is not released. */
struct remote_gpadl {
	LIST_ENTRY(remote_gpadl) link;
	const struct vmbus_gpadl *gpadl;
	bool teardown_wanted; /* by the server */
	bool said, teardown_said;
};

enum remote_state {
	REMOTE_DOWN,  /* no socket */
	REMOTE_HELLO, /* WELCOME is awaited */
	REMOTE_UP,
};

struct vmbus_remote {
	struct vmbus_server *server;
	struct sockaddr_un addr;
	struct vmbus_attach_memory memory[VMBUS_ATTACH_MAX_MEMORY];
	int memory_fds[VMBUS_ATTACH_MAX_MEMORY];
	unsigned n_memory;
	void (*event)(void *ctx, const char *text);
	void (*closing)(void *ctx);
	void *ctx;
	char last_event[256]; /* not said twice */
	struct log_limit event_limit;

	enum remote_state state;
	int fd;	      /* -1: none */
	int state_fd; /* the switch's; -1: none */
	uint64_t retry_ns, next_try_ns;
	uint32_t version; /* that the switch speaks */
	uint64_t up_since_ns;
	unsigned n_short; /* connections in a row that did not last */
	uint8_t *buf;	  /* VMBUS_ATTACH_MAX_SIZE */

	/* What the switch said of the NIC. */
	struct vmbus_guid instance;
	uint8_t mac[6];
	bool monitored, removed;

	struct vmbus_device *device; /* NULL: not offered */
	bool withdrawn;		     /* it goes when the guest lets go */
	bool orphan;		     /* and the remote with it */
	LIST_HEAD(, remote_channel) channels;
	LIST_HEAD(, remote_gpadl) gpadls;
	bool ready_said;
	bool stuck; /* something is left to be said, for the switch did not read */
	uint64_t monitor_said[2];
};

/* remote.c */
/* Says something for people, unless it was the last thing said. */
void remote_event(struct vmbus_remote *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The switch is gone, or is to be: closes the socket, and answers what it had to answer. */
void remote_lost(struct vmbus_remote *r, const char *why);
void remote_free(struct vmbus_remote *r);

/* remote_nic.c */
/* Offers the device, if it can be and is not.  Withdrawn ones come first to their end. */
void remote_offer(struct vmbus_remote *r);
void remote_withdraw(struct vmbus_remote *r);
/* Says to the switch what it does not know yet, as far as it reads. */
void remote_tell(struct vmbus_remote *r);
/* The switch knows nothing any more: answers what waits for it. */
void remote_forget(struct vmbus_remote *r);
bool remote_has_open(const struct vmbus_remote *r);
/* Answers of the switch. */
void remote_opened(struct vmbus_remote *r, uint16_t relid, uint32_t status);
void remote_closed(struct vmbus_remote *r, uint16_t relid);
void remote_released(struct vmbus_remote *r, uint16_t relid, uint32_t id);
/* There shall be 'n' subchannels. */
void remote_subchannels(struct vmbus_remote *r, uint32_t n);

#endif
