/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bus as its own files see it.
 */
#ifndef VMBUS_GUEST_BUS_PRIV_H
#define VMBUS_GUEST_BUS_PRIV_H

#include "vmbus/guest/bus.h"

#include "vmbus/proto.h"

/* One answer is waited for at a time. */
struct guest_wait {
	uint32_t type; /* of the answer; 0: nobody waits */
	uint32_t id;   /* relid or GPADL that it is about */
	bool done;
	uint32_t status;
	struct vmbus_msg_version version;
};

struct guest_bus {
	struct guest_memory *memory;
	const struct guest_bus_ops *ops;
	void *ops_ctx;
	struct guest_bus_opts opts;
	uint32_t version; /* 0: not connected */
	uint32_t connection_id;
	uint32_t next_gpadl;
	struct guest_wait wait;
	struct guest_buffer monitor_pages; /* page 1 and page 2 */
	struct vmbus_monitor monitor;
	struct guest_channel *channels[GUEST_MAX_RELID + 1];
	struct guest_bus_stats stats;
};

/* Expects an answer; then post the question; then wait for it. */
void guest_bus_expect(struct guest_bus *bus, uint32_t type, uint32_t id);
/* 0, -ETIMEDOUT; -ENODEV when 'channel' (may be NULL) is taken away meanwhile. */
int guest_bus_wait(struct guest_bus *bus, const struct guest_channel *channel);

#endif
