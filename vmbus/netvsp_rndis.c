/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RNDIS's part of the control half: start, halt, reset, and answers to what asks for or sets an
 * OID.
 *
 * Linux waits for an answer without a limit, with a lock that all of its networking needs: whatever
 * has a number and is of a type that is answered gets an answer, if only that it was not
 * understood.
 */
#include "vmbus/netvsp_priv.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

#define MAX_TRANSFER 0xEFFFFFFFu
#define ALIGNMENT    8u

static void reply(struct netvsp *n, const struct rndis_msg *m)
{
	uint8_t bytes[RNDIS_REPLY_MAX];
	size_t size = rndis_write(m, bytes, sizeof(bytes));

	if (size > 0)
		n->ops->send_rndis(n->ctx, bytes, size);
}

static void reply_status(struct netvsp *n, uint32_t type, uint32_t request_id, uint32_t status)
{
	struct rndis_msg m = {.type = type | RNDIS_COMPLETION,
			      .request_id = request_id,
			      .status = status};

	reply(n, &m);
}

/* Starts, or starts anew. */
static void on_initialize(struct netvsp *n, const struct rndis_msg *m)
{
	struct netvsp_state next = n->state;
	struct rndis_msg r = {.type = RNDIS_INITIALIZE | RNDIS_COMPLETION,
			      .request_id = m->request_id,
			      .major = 1,
			      .max_transfer = MAX_TRANSFER,
			      .max_packets = NETVSP_MAX_PACKETS,
			      .alignment = ALIGNMENT};

	netvsp_rndis_forget(&next);
	next.rndis_up = m->major == 1;
	if (!next.rndis_up)
		r.status = RNDIS_STATUS_BAD_VERSION;
	else if (netvsp_commit(n, &next) < 0)
		r.status = RNDIS_STATUS_FAILURE;
	reply(n, &r);
	if (r.status == RNDIS_STATUS_SUCCESS && n->vf_present)
		netvsp_send_vf(n);
}

static void on_halt(struct netvsp *n)
{
	struct netvsp_state next = n->state;

	netvsp_rndis_forget(&next);
	netvsp_withdraw(n, &next);
}

static void on_query(struct netvsp *n, const struct rndis_msg *m)
{
	uint8_t value[NETVSP_VALUE_MAX];
	struct rndis_msg r = {.type = RNDIS_QUERY | RNDIS_COMPLETION, .request_id = m->request_id};
	size_t size = 0;

	r.status = netvsp_query(n, m, value, &size);
	if (r.status == RNDIS_STATUS_SUCCESS) {
		r.data = value;
		r.data_size = (uint32_t)size;
	}
	reply(n, &r);
}

static bool same_offload(const struct oid_offload *a, const struct oid_offload *b)
{
	return a->rx_csum4 == b->rx_csum4 && a->rx_csum6 == b->rx_csum6 && a->rsc4 == b->rsc4 &&
	       a->rsc6 == b->rsc6;
}

/* Windows wants to hear of what it changed itself. */
static void on_set(struct netvsp *n, const struct rndis_msg *m)
{
	struct oid_offload before, after;
	uint8_t bytes[OID_OFFLOAD_MAX];
	uint32_t status;

	netvsp_offload_current(n, &before);
	status = netvsp_set(n, m);
	reply_status(n, RNDIS_SET, m->request_id, status);
	netvsp_offload_current(n, &after);
	if (!same_offload(&before, &after))
		netvsp_indicate(n, RNDIS_STATUS_OFFLOAD_CURRENT, bytes,
				(uint32_t)oid_offload_write(&after, bytes));
}

static bool is_answered(uint32_t type)
{
	return type == RNDIS_INITIALIZE || type == RNDIS_QUERY || type == RNDIS_SET ||
	       type == RNDIS_RESET || type == RNDIS_KEEPALIVE;
}

/* A message that could not be read, perhaps with a number that somebody waits for. */
static void on_bad(struct netvsp *n, const void *msg, size_t size)
{
	struct rd rd = rd_init(msg, size);
	uint32_t type = rd_le32(&rd), request_id;

	netvsp_count(n, NETVSP_FAULT_RNDIS);
	rd_skip(&rd, 4);
	request_id = rd_le32(&rd);
	if (rd_ok(&rd) && is_answered(type))
		reply_status(n, type, request_id, RNDIS_STATUS_INVALID_DATA);
}

/* What needs INITIALIZE before it. */
static void on_early(struct netvsp *n, const struct rndis_msg *m)
{
	netvsp_count(n, NETVSP_FAULT_RNDIS_ORDER);
	if (is_answered(m->type))
		reply_status(n, m->type, m->request_id, RNDIS_STATUS_FAILURE);
}

static void on_message(struct netvsp *n, const struct rndis_msg *m)
{
	switch (m->type) {
	case RNDIS_QUERY:
		on_query(n, m);
		break;
	case RNDIS_SET:
		on_set(n, m);
		break;
	case RNDIS_RESET: /* Nothing is held back that it could throw away. */
	case RNDIS_KEEPALIVE:
		reply_status(n, m->type, m->request_id, RNDIS_STATUS_SUCCESS);
		break;
	case RNDIS_KEEPALIVE | RNDIS_COMPLETION: /* of one that we did not send: harmless */
		break;
	default: /* what hosts send */
		netvsp_count(n, NETVSP_FAULT_RNDIS);
		break;
	}
}

void netvsp_rndis(struct netvsp *n, const void *msg, size_t size)
{
	struct rndis_msg m;

	if (n->state.n_recv_sections == 0) { /* there is no way to answer */
		netvsp_count(n, NETVSP_FAULT_RNDIS_ORDER);
		return;
	}
	if (size > RNDIS_CONTROL_MAX || rndis_read(msg, size, &m) < 0)
		on_bad(n, msg, size);
	else if (m.type == RNDIS_INITIALIZE)
		on_initialize(n, &m);
	else if (m.type == RNDIS_HALT)
		on_halt(n);
	else if (!n->state.rndis_up && m.type != RNDIS_KEEPALIVE)
		on_early(n, &m);
	else
		on_message(n, &m);
}
