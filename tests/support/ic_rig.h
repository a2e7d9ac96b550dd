/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Integration services and a guest that speaks to them: a bus (vmbus/guest), an event loop that
 * runs when the test says so, a clock that stands still, and the guest's half of a service as Linux
 * has it (hv_utils): it takes a request, answers in the same buffer, or does something worse.
 *
 * 	ic_rig_init() ─► services are made with rig->env ─► ic_rig_connect() ─► ic_guest_open()
 *
 * Tests fail in it, not return.
 */
#ifndef TESTS_SUPPORT_IC_RIG_H
#define TESTS_SUPPORT_IC_RIG_H

#include "vmbus/guest/channel.h"
#include "vmbus/guest/local.h"
#include "vmbus/ic.h"
#include "vmbus/local.h"

#include <stdbool.h>
#include <stdint.h>

#define IC_RIG_S 1000000000ull

struct ic_watch {
	int fd;
	void (*ready)(void *arg);
	void *arg;
};

struct ic_rig {
	struct guest_local *local;
	struct vmbus_loop loop;
	struct ic_env env;
	uint64_t now_ns;
	struct ic_watch *watches[16];
	unsigned n_events;
	char event[160]; /* the last */
	bool mute;	 /* the owner's loop does not run */
};

/* Makes bus and environment; nothing is connected. */
void ic_rig_init(struct ic_rig *rig);
void ic_rig_connect(struct ic_rig *rig);
/* The guest lets go of all. */
void ic_rig_unload(struct ic_rig *rig);
/* Services must have been destroyed.  Checks that nobody watches any more. */
void ic_rig_fini(struct ic_rig *rig);
/* Lets the owner work off what it was signalled. */
void ic_rig_work(struct ic_rig *rig);

/* The guest's half of a service. */
struct ic_guest {
	struct ic_rig *rig;
	struct guest_channel *channel;
	/* The last packet taken. */
	struct vmbus_desc desc;
	uint32_t size;
	uint8_t bytes[8192];
	struct ic_message m; /* what is in it, if it is a message */
};

/* Opens the channel of that device type, with rings of 'pages' (0: 4) pages each. */
void ic_guest_open(struct ic_guest *g, struct ic_rig *rig, const struct vmbus_guid *type,
		   unsigned pages);
void ic_guest_close(struct ic_guest *g);
/* Takes the next packet; false: none. */
bool ic_guest_take(struct ic_guest *g);
/* Takes one, which must be there and a message of that type. */
void ic_guest_expect(struct ic_guest *g, uint16_t type);
/* Sends bytes as a packet, and lets the owner look. */
void ic_guest_send(struct ic_guest *g, enum vmbus_packet_type type, uint64_t transaction_id,
		   const void *bytes, size_t size);
/* Answers the last packet in its own buffer, as Linux does: with that status, and the first 'size'
 * bytes of its data replaced. */
void ic_guest_answer(struct ic_guest *g, uint32_t status, const void *data, size_t size);
/* Answers the negotiation as Linux does: each of its own versions, best first, is looked for among
 * the host's. */
void ic_guest_negotiate(struct ic_guest *g, const struct ic_version *frameworks,
			unsigned n_frameworks, const struct ic_version *versions,
			unsigned n_versions);
/* Opens, takes the negotiation and answers with framework 3.0 and that version. */
void ic_guest_start(struct ic_guest *g, struct ic_rig *rig, const struct vmbus_guid *type,
		    struct ic_version version);

/* The device types, as Linux knows them. */
extern const struct vmbus_guid ic_guest_heartbeat, ic_guest_shutdown, ic_guest_timesync,
	ic_guest_kvp, ic_guest_vss, ic_guest_balloon;

#endif
