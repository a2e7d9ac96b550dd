/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The NIC's driver as its own files see it.
 */
#ifndef VMBUS_GUEST_NET_PRIV_H
#define VMBUS_GUEST_NET_PRIV_H

#include "vmbus/guest/net.h"

#include <stdatomic.h>

#include "vmbus/guest/channel.h"
#include "vmbus/guest/profile.h"
#include "vmbus/nvsp.h"
#include "vmbus/oid.h"
#include "vmbus/rndis.h"

#define SLOT_HEAD	256 /* bytes before a frame, for its RNDIS header */
#define SLOT_PAGES	19 /* these, and a frame of GUEST_MAX_FRAME, wherever in a page it begins */
#define GUEST_MAX_SLOTS 32 /* of a queue */
#define CONTROL_PAGES	2
#define PARTIAL_HEAD	128 /* bytes of a frame that go by the section, with GUEST_MODE_PARTIAL */

/* Pages for a frame that is too long for a section. */
struct guest_slot {
	struct guest_buffer buffer;
	bool busy;
};

/* The section that is being filled. */
struct guest_open_section {
	uint32_t index; /* UINT32_MAX: none */
	uint32_t used;	/* bytes */
	uint32_t last;	/* where the last message begins */
	uint32_t n;	/* frames */
	uint32_t n_bytes;
};

struct guest_queue {
	struct guest_channel *channel;
	struct guest_net *net;
	/* Receiving. */
	uint8_t *recv;
	uint64_t recv_size;
	uint64_t *done;			    /* transaction ids to complete, [0, n_done) */
	uint32_t n_done, n_ready, max_done; /* [0, n_ready) may be completed */
	/* Sending. */
	uint8_t *send;
	uint32_t section_size, first_section, n_sections;
	uint32_t *free; /* section numbers, [0, n_free) */
	uint32_t n_free;
	uint8_t *busy; /* of each section of ours */
	struct guest_open_section open;
	uint32_t max_aggregate, align_mask;
	uint32_t reserve; /* bytes of the ring that completions need */
	uint64_t first_id;
	bool waiting; /* asked the host to tell when there is room */
	uint16_t index;
	enum guest_mode mode;
	enum guest_gpa_form form;
	uint32_t head_offset;
	unsigned n_slots, n_busy_slots,
		room; /* room: the slot that guest_queue_room() gave; GUEST_MAX_SLOTS: none */
	struct guest_slot *slots;
	struct guest_queue_stats stats;
};

/* One answer is waited for at a time. */
struct guest_answer {
	bool sent;	/* waiting for the completion of ours */
	bool completed; /* it came */
	bool unasked;	/* a completion will come that nobody waits for */
	bool wants_rndis;
	bool rndis_done; /* and RNDIS's answer */
	uint32_t request_id;
	uint32_t size; /* of the completion */
	uint8_t bytes[NVSP_MSG_MAX];
	struct rndis_msg rndis;
	uint8_t rndis_bytes[RNDIS_CONTROL_MAX];
};

struct guest_net {
	struct guest_bus *bus;
	const struct guest_profile *profile;
	struct guest_net_conf conf;
	struct guest_net_info info;
	struct oid_offload offloads;
	struct oid_rss_caps rss;
	struct guest_buffer recv, send, control;
	uint32_t recv_gpadl, send_gpadl; /* valid with the buffers */
	uint32_t next_request;
	uint16_t n_channels; /* open: the queues from 0 on */
	struct guest_queue *queues[GUEST_MAX_QUEUES];
	struct guest_answer answer;
	uint32_t indirection[NVSP_TABLE_SIZE]; /* what the host advises */
	bool rndis_up;
	_Atomic bool link_up;
	_Atomic uint32_t link_changes;
};

/* net_control.c */

/* Sends an NVSP message and, if 'wants' says so, waits for its completion: in net->answer. */
int guest_net_ask(struct guest_net *net, const struct nvsp_msg *msg, bool wants);
/* Sends an RNDIS message; waits for its completion, and for its answer if it has one. */
int guest_net_rndis(struct guest_net *net, struct rndis_msg *msg);
/* A completion with the id of control messages, or an RNDIS control message, came. */
void guest_net_completed(struct guest_net *net, const void *payload, uint32_t size);
void guest_net_indicated(struct guest_net *net, const void *msg, uint32_t size);

/* net_oid.c */
int guest_net_step(struct guest_net *net, enum guest_step step);

/* net.c */
int guest_net_subchannels(struct guest_net *net);

/* net_tx.c */
void guest_queue_completed(struct guest_queue *q, uint64_t id, uint32_t status);
/* What was waited for is there. */
void guest_queue_got_room(struct guest_queue *q);

#endif
