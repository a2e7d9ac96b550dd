/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NVSP's part of the control half: versions, buffers, subchannels, the way of data.
 *
 * Guests that asked for a completion get one, whatever they said: with the message that they wait
 * for where there is one, empty where not (Linux takes a payload it does not expect for a fault,
 * and stalls its switch of data paths).
 *
 * A message may come twice: when this process dies between dealing with it and answering it, the
 * next one finds it again (vmq/control.h).  The second time it is answered as the first.
 */
#include "vmbus/netvsp_priv.h"

#include <errno.h>
#include <string.h>

#define MAX_MDL_CHAIN	    34u
#define MAX_FRAME	    9216u /* what guests may say at least */
#define SUBCHANNEL_ALLOCATE 1u
/* Room of a receive section beside the packet: Ethernet header, tag, RNDIS header, PPIs, and bytes
 * at the end that Windows does not use. */
#define SECTION_EXTRA 228u
#define SECTION_ALIGN 64u
#define PAGE_SIZE     4096u

static const uint32_t versions[] = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1};

/* A packet of the guest that is being dealt with. */
struct call {
	uint64_t id;
	bool wanted; /* a completion is */
};

bool netvsp_version_known(uint32_t version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i] == version)
			return true;
	return false;
}

static void answer(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	uint8_t bytes[NVSP_MSG_MAX];

	if (call->wanted)
		n->ops->complete(n->ctx, call->id, bytes,
				 nvsp_write(m, false, n->state.nvsp_version, bytes));
}

static void answer_empty(struct netvsp *n, const struct call *call)
{
	if (call->wanted)
		n->ops->complete(n->ctx, call->id, NULL, 0);
}

/* Refuses a message of 'type', which may be any. */
static void refuse(struct netvsp *n, const struct call *call, enum nvsp_type type)
{
	struct nvsp_msg m;

	memset(&m, 0, sizeof(m));
	if (type == NVSP_INIT) {
		m.type = NVSP_INIT_COMPLETE;
		m.init_complete.status = NVSP_STATUS_UNSUPPORTED;
	} else if (type == NVSP_SEND_RECV_BUF) {
		m.type = NVSP_SEND_RECV_BUF_COMPLETE;
		m.recv_buf_complete.status = NVSP_STATUS_FAILURE;
	} else if (type == NVSP_SEND_SEND_BUF) {
		m.type = NVSP_SEND_SEND_BUF_COMPLETE;
		m.send_buf_complete.status = NVSP_STATUS_FAILURE;
	} else if (type == NVSP_SUBCHANNEL) {
		m.type = NVSP_SUBCHANNEL;
		m.subchannel_complete.status = NVSP_STATUS_FAILURE;
	} else if (type == NVSP_RNDIS) {
		m.type = NVSP_RNDIS_COMPLETE;
		m.rndis_complete.status = NVSP_STATUS_FAILURE;
	} else {
		answer_empty(n, call);
		return;
	}
	answer(n, call, &m);
}

static void refuse_for(struct netvsp *n, const struct call *call, enum nvsp_type type,
		       enum netvsp_fault fault)
{
	netvsp_count(n, fault);
	refuse(n, call, type);
}

/* The newest that both know. */
static uint32_t agree(uint32_t min, uint32_t max)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i] >= min && versions[i] <= max)
			return versions[i];
	return 0;
}

static void on_init(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;
	struct nvsp_msg reply;

	if (n->state.n_recv_sections != 0 || n->state.n_send_sections != 0 || n->state.rndis_up) {
		refuse_for(n, call, NVSP_INIT, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	next.nvsp_version = agree(m->init.min_version, m->init.max_version);
	if (next.nvsp_version == 0 || netvsp_commit(n, &next) < 0) {
		refuse(n, call, NVSP_INIT);
		return;
	}
	memset(&reply, 0, sizeof(reply));
	reply.type = NVSP_INIT_COMPLETE;
	reply.init_complete.version = next.nvsp_version;
	reply.init_complete.max_mdl_chain = MAX_MDL_CHAIN;
	reply.init_complete.status = NVSP_STATUS_SUCCESS;
	answer(n, call, &reply);
}

/* What the guest says counts its Ethernet header; what cannot be is taken for the usual. */
static uint32_t mtu_of(const struct netvsp *n, uint32_t frame)
{
	uint32_t most = n->conf.mtu + NETVSP_ETH_HEADER;

	if (most < MAX_FRAME)
		most = MAX_FRAME;
	if (frame < NETVSP_MIN_MTU + NETVSP_ETH_HEADER || frame > most)
		return NETVSP_MIN_MTU;
	return frame - NETVSP_ETH_HEADER;
}

static void on_ndis_config(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;

	if (n->state.nvsp_version < NVSP_V2 || n->state.n_recv_sections != 0) {
		refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	next.guest_mtu = mtu_of(n, m->ndis_config.mtu);
	next.capabilities = m->ndis_config.capabilities;
	netvsp_withdraw(n, &next);
	answer_empty(n, call);
}

static void on_ndis_ver(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;

	next.ndis_major = m->ndis_ver.major;
	next.ndis_minor = m->ndis_ver.minor;
	netvsp_withdraw(n, &next);
	answer_empty(n, call);
}

/* A section holds the longest frame that may go to the guest, with all that goes before it. */
static uint32_t section_size(const struct netvsp *n)
{
	uint32_t mtu = n->state.guest_mtu;

	if (mtu > n->conf.mtu)
		mtu = n->conf.mtu;
	if (mtu < NETVSP_MIN_MTU)
		mtu = NETVSP_MIN_MTU;
	return (mtu + SECTION_EXTRA + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN;
}

static void answer_recv_buf(struct netvsp *n, const struct call *call)
{
	const struct netvsp_state *s = &n->state;
	struct nvsp_msg reply;

	memset(&reply, 0, sizeof(reply));
	reply.type = NVSP_SEND_RECV_BUF_COMPLETE;
	reply.recv_buf_complete.status = NVSP_STATUS_SUCCESS;
	reply.recv_buf_complete.n_sections = 1; /* Linux takes no more, and from byte 0 */
	reply.recv_buf_complete.section_size = s->recv_section_size;
	reply.recv_buf_complete.count = s->n_recv_sections;
	reply.recv_buf_complete.end = s->recv_section_size * s->n_recv_sections;
	answer(n, call, &reply);
}

static void on_recv_buf(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;
	uint64_t size = n->ops->gpadl_size(n->ctx, m->buf.gpadl);

	if (n->state.n_recv_sections != 0) {
		if (m->buf.gpadl == n->state.recv_gpadl && m->buf.id == n->state.recv_id)
			answer_recv_buf(n, call);
		else
			refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	next.recv_gpadl = m->buf.gpadl;
	next.recv_id = m->buf.id;
	next.recv_section_size = section_size(n);
	next.n_recv_sections = (uint32_t)(size / next.recv_section_size);
	if (size > (uint64_t)NETVSP_MAX_RECV_PAGES * PAGE_SIZE || next.n_recv_sections < 2)
		refuse_for(n, call, m->type, NETVSP_FAULT_BUFFER);
	else if (netvsp_commit(n, &next) < 0)
		refuse(n, call, m->type);
	else
		answer_recv_buf(n, call);
}

static void answer_send_buf(struct netvsp *n, const struct call *call)
{
	struct nvsp_msg reply;

	memset(&reply, 0, sizeof(reply));
	reply.type = NVSP_SEND_SEND_BUF_COMPLETE;
	reply.send_buf_complete.status = NVSP_STATUS_SUCCESS;
	reply.send_buf_complete.section_size = n->state.send_section_size;
	answer(n, call, &reply);
}

static void on_send_buf(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;
	uint64_t size = n->ops->gpadl_size(n->ctx, m->buf.gpadl);

	if (n->state.n_send_sections != 0) {
		if (m->buf.gpadl == n->state.send_gpadl && m->buf.id == n->state.send_id)
			answer_send_buf(n, call);
		else
			refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	next.send_gpadl = m->buf.gpadl;
	next.send_id = m->buf.id;
	next.send_section_size = NETVSP_SEND_SECTION;
	next.n_send_sections = (uint32_t)(size / NETVSP_SEND_SECTION);
	if (size > (uint64_t)NETVSP_MAX_RECV_PAGES * PAGE_SIZE || next.n_send_sections == 0)
		refuse_for(n, call, m->type, NETVSP_FAULT_BUFFER);
	else if (netvsp_commit(n, &next) < 0)
		refuse(n, call, m->type);
	else
		answer_send_buf(n, call);
}

/* Under whatever number: what a guest takes away is not touched any more. */
static void on_revoke(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	bool recv = m->type == NVSP_REVOKE_RECV_BUF;
	uint16_t id = recv ? n->state.recv_id : n->state.send_id;
	uint32_t sections = recv ? n->state.n_recv_sections : n->state.n_send_sections;
	struct netvsp_state next = n->state;

	if (sections == 0 || id != m->buf.id)
		netvsp_count(n, NETVSP_FAULT_NVSP_ORDER);
	if (recv)
		netvsp_recv_forget(&next);
	else
		netvsp_send_forget(&next);
	netvsp_withdraw(n, &next);
	answer_empty(n, call);
}

static void answer_subchannels(struct netvsp *n, const struct call *call)
{
	struct nvsp_msg reply;

	memset(&reply, 0, sizeof(reply));
	reply.type = NVSP_SUBCHANNEL;
	reply.subchannel_complete.status = NVSP_STATUS_SUCCESS;
	reply.subchannel_complete.count = n->state.n_subchannels;
	answer(n, call, &reply);
	if (n->state.n_subchannels > 0)
		n->ops->offer_subchannels(n->ctx, n->state.n_subchannels);
}

static uint16_t grant(const struct netvsp *n, uint32_t asked)
{
	uint32_t most = n->conf.max_queues > 0 ? n->conf.max_queues - 1u : 0;

	if (most > NETVSP_MAX_CHANNELS - 1)
		most = NETVSP_MAX_CHANNELS - 1;
	return (uint16_t)(asked < most ? asked : most);
}

static void on_subchannel(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;
	bool again = n->state.n_subchannels != 0;

	if (n->state.nvsp_version < NVSP_V5 || !n->state.rndis_up ||
	    m->subchannel.op != SUBCHANNEL_ALLOCATE ||
	    (again && m->subchannel.count < n->state.n_subchannels)) {
		refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	if (!again)
		next.n_subchannels = grant(n, m->subchannel.count);
	if (netvsp_commit(n, &next) < 0)
		refuse(n, call, m->type);
	else
		answer_subchannels(n, call);
}

/* The completion tells the guest that frames go the other way from now on. */
static void on_data_path(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	struct netvsp_state next = n->state;

	if (n->state.nvsp_version < NVSP_V4 || m->data_path.active > 1 ||
	    (m->data_path.active == 1 && !n->vf_present)) {
		refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_ORDER);
		return;
	}
	next.vf_active = m->data_path.active == 1;
	(void)netvsp_commit(n, &next); /* there is no way to say no */
	answer_empty(n, call);
}

static void dispatch(struct netvsp *n, const struct call *call, const struct nvsp_msg *m)
{
	switch (m->type) {
	case NVSP_INIT:
		on_init(n, call, m);
		break;
	case NVSP_SEND_NDIS_VER:
		on_ndis_ver(n, call, m);
		break;
	case NVSP_SEND_NDIS_CONFIG:
		on_ndis_config(n, call, m);
		break;
	case NVSP_SEND_RECV_BUF:
		on_recv_buf(n, call, m);
		break;
	case NVSP_SEND_SEND_BUF:
		on_send_buf(n, call, m);
		break;
	case NVSP_REVOKE_RECV_BUF:
	case NVSP_REVOKE_SEND_BUF:
		on_revoke(n, call, m);
		break;
	case NVSP_SUBCHANNEL:
		on_subchannel(n, call, m);
		break;
	case NVSP_SWITCH_DATA_PATH:
		on_data_path(n, call, m);
		break;
	case NVSP_INIT_COMPLETE:
	case NVSP_SEND_RECV_BUF_COMPLETE:
	case NVSP_SEND_SEND_BUF_COMPLETE:
	case NVSP_RNDIS:
	case NVSP_RNDIS_COMPLETE:
	case NVSP_VF_ASSOCIATION:
	case NVSP_INDIRECTION_TABLE:
		refuse_for(n, call, m->type, NETVSP_FAULT_NVSP_TYPE);
		break;
	}
}

/* The type of a message that could not be read; 0 if not even that is there. */
static enum nvsp_type type_of(const void *payload, size_t size)
{
	uint32_t type = 0;

	if (size >= sizeof(type))
		memcpy(&type, payload, sizeof(type));
	return (enum nvsp_type)type;
}

void netvsp_message(struct netvsp *n, uint64_t transaction_id, bool completion_requested,
		    const void *payload, size_t size)
{
	const struct call call = {.id = transaction_id, .wanted = completion_requested};
	struct nvsp_msg m;
	int ret = nvsp_read(payload, size, true, &m);

	if (ret == -EOPNOTSUPP)
		refuse_for(n, &call, type_of(payload, size), NETVSP_FAULT_NVSP_TYPE);
	else if (ret < 0)
		refuse_for(n, &call, type_of(payload, size), NETVSP_FAULT_NVSP_SHORT);
	else if (n->state.nvsp_version == 0 && m.type != NVSP_INIT)
		refuse_for(n, &call, m.type, NETVSP_FAULT_NVSP_ORDER);
	else
		dispatch(n, &call, &m);
}
