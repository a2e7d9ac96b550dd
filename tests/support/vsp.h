/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A network VSP whose owner keeps what it is told: for tests that play its guest.  Aborts when it
 * is told something that no owner could act on (a state that does not pass its own check, a message
 * beyond its limits), so fuzz targets use it as well.
 */
#ifndef TESTS_SUPPORT_VSP_H
#define TESTS_SUPPORT_VSP_H

#include "vmbus/netvsp.h"
#include "vmbus/nvsp.h"
#include "vmbus/rndis.h"

#define VSP_RECV_GPADL 0xe1e10u /* 16 MB unless said otherwise */
#define VSP_SEND_GPADL 0xe1e11u /* 1 MB */
#define VSP_MAX_SENT   16

struct vsp_sent {
	unsigned when; /* counts all that the VSP did */
	uint64_t id;   /* of the packet it completes */
	size_t size;
	uint8_t bytes[RNDIS_REPLY_MAX];
};

struct vsp {
	struct netvsp *n;
	struct netvsp_conf conf;
	struct netvsp_state seen; /* as 'changed' said last */
	struct netvsp_stats stats;
	uint64_t recv_size, send_size;
	int changed_ret, mac_ret; /* what the owner answers */
	unsigned now, n_changed, n_offers, offered, offered_when;
	uint8_t mac[6]; /* as set_mac said last */
	/* Since they were last taken; of more than VSP_MAX_SENT the first are kept. */
	unsigned n_completed, n_rndis, n_nvsp;
	struct vsp_sent completed[VSP_MAX_SENT], rndis[VSP_MAX_SENT], nvsp[VSP_MAX_SENT];
	/* How the guest sends: bytes of its NVSP messages (0: as they are written), whether all its
	 * packets have the same number, the next number. */
	size_t msg_size;
	bool one_id;
	uint64_t capabilities; /* that vsp_start() tells; 0: what Linux does */
	uint64_t next_id;
	uint32_t next_request;
};

/* 00:15:5d:01:02:03, MTU 1500, 8 queues, all offloads but large receive, link up with 10 Gbit/s. */
struct netvsp_conf vsp_conf(void);
/* False: no memory.  'v' is big: static or heap. */
bool vsp_init(struct vsp *v, const struct netvsp_conf *conf);
void vsp_fini(struct vsp *v);
/* Forgets what was sent. */
void vsp_clear(struct vsp *v);

/* The guest's side.  Sends a message and reads its one completion: false if there was none, more
 * than one, or it is none. */
bool vsp_call(struct vsp *v, const struct nvsp_msg *msg, struct nvsp_msg *ret_msg);
/* Sends one that asks for no completion: true if none came. */
bool vsp_tell(struct vsp *v, const struct nvsp_msg *msg);
/* Sends a control message under a new number and reads its one answer, which points into v.  False
 * if it is none. */
bool vsp_ask(struct vsp *v, struct rndis_msg *msg, struct rndis_msg *ret_msg);
/* The status of the answer; UINT32_MAX: there was none. */
uint32_t vsp_query(struct vsp *v, uint32_t oid, const void *in, uint32_t in_size,
		   struct rndis_msg *ret_msg);
uint32_t vsp_set(struct vsp *v, uint32_t oid, const void *in, uint32_t in_size);
/* Version, NDIS 6.30, buffers, INITIALIZE: as far as Linux goes before it asks for OIDs. */
bool vsp_start(struct vsp *v, uint32_t version);

#endif
