/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A VMBus server with a host and devices of paper: the test is the guest, message by message.
 *
 * The devices watch their side of the contract of vmbus/channel.h and abort when the server breaks
 * it: nothing is asked twice, no GPADL goes while rings lie in it, nothing is used after its end.
 */
#ifndef TESTS_SUPPORT_BUS_RIG_H
#define TESTS_SUPPORT_BUS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/gpa.h"
#include "vmbus/channel.h"
#include "vmbus/gpadl.h"
#include "vmbus/proto.h"
#include "vmbus/server.h"

/* Guest memory: two ranges, with a hole between. */
#define BUS_RIG_LOW_PAGES  64u
#define BUS_RIG_HIGH_PFN   0x100000u
#define BUS_RIG_HIGH_PAGES 16384u
#define BUS_RIG_N_VPS	   8u /* post() and route() know no more */
#define BUS_RIG_N_POSTED   8192u

struct bus_posted {
	uint32_t vp;
	size_t size;
	union vmbus_msg msg;
};

struct bus_rig {
	struct vmbus_server *server;
	struct gpa_map memory;
	bool slot_taken;    /* post() says so */
	bool one_at_a_time; /* post() takes the slot; bus_rig_read() frees it */
	bool fail_listen, fail_route;
	/* The guest, called from within post() instead of 'posted'; NULL: none. */
	void (*guest)(struct bus_rig *rig, const union vmbus_msg *msg);
	struct bus_posted
		*posted; /* a ring that grows to BUS_RIG_N_POSTED, then the last are lost */
	unsigned first, n_posted, max_posted;
	unsigned n_events;
	char event[160]; /* the last */
	struct {
		int fd; /* -1: none */
		uint32_t vp;
	} route[VMBUS_MAX_RELID + 1];
	struct vmbus_event event_at[8];		    /* of processors; gpa 0: nowhere */
	int listen[2 * 4096 + VMBUS_MAX_RELID + 1]; /* kick_fd by connection id; -1: none */
	struct bus_rig_device *devices;
};

struct bus_rig_pending {
	enum bus_rig_ask { BUS_RIG_OPEN, BUS_RIG_CLOSE, BUS_RIG_TEARDOWN } what;
	void *thing;
};

struct bus_rig_device {
	struct bus_rig *rig;
	struct bus_rig_device *next;
	struct vmbus_device *device; /* NULL: gone */
	bool later;		     /* answers when told to */
	uint32_t open_status;	     /* how it answers to open */
	unsigned n_opened, n_closed, n_created, n_released, n_retargeted, n_subchannels_gone;
	unsigned n_gpadls; /* in its hands */
	struct bus_rig_pending *pending;
	unsigned n_pending, max_pending;
};

/* 'opts' may be NULL. Aborts when it cannot. */
struct bus_rig *bus_rig_create(const struct vmbus_server_opts *opts);
/* Withdraws what is left, answers what is pending, and checks that all of it ends. */
void bus_rig_destroy(struct bus_rig *rig);

/* A device of the rig, not offered.  Lives as long as the rig. */
struct bus_rig_device *bus_rig_device(struct bus_rig *rig);
/* Offers it; the instance is 'name'.  As vmbus_device_offer(). */
int bus_rig_offer(struct bus_rig_device *d, const char *name, bool monitored);
/* Answers all that is pending, also what comes of it. */
void bus_rig_answer(struct bus_rig_device *d);

/* The guest sends 'size' bytes to the connection that fits; returns what the server says. */
int bus_rig_send(struct bus_rig *rig, const void *msg, size_t size);
/* The next message to the guest; NULL: none.  Until the next call. */
const struct bus_posted *bus_rig_read(struct bus_rig *rig);
/* The same, which must be of that type and of its size. */
const union vmbus_msg *bus_rig_expect(struct bus_rig *rig, enum vmbus_msg_type type);
/* No message waits. */
void bus_rig_expect_nothing(struct bus_rig *rig);
struct vmbus_server_info bus_rig_info(const struct bus_rig *rig);

/* Messages as a guest sends them. */
int bus_rig_contact(struct bus_rig *rig, uint32_t version, uint32_t vp);
int bus_rig_simple(struct bus_rig *rig, enum vmbus_msg_type type);
int bus_rig_relid(struct bus_rig *rig, enum vmbus_msg_type type, uint32_t relid);
/* A GPADL of 'n' pages from 'pfn' on, header and bodies. */
int bus_rig_gpadl(struct bus_rig *rig, uint32_t relid, uint32_t id, uint64_t pfn, uint32_t n);
int bus_rig_teardown(struct bus_rig *rig, uint32_t relid, uint32_t id);
int bus_rig_open(struct bus_rig *rig, uint32_t relid, uint32_t gpadl, uint32_t ring_offset,
		 uint32_t vp);
int bus_rig_modify(struct bus_rig *rig, uint32_t relid, uint32_t vp);

/* Contact with 'version', offers asked for and left unread. */
void bus_rig_connect(struct bus_rig *rig, uint32_t version);
/* As above; all messages read. */
void bus_rig_skip(struct bus_rig *rig);

#endif
