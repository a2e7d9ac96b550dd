/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages to the guest, in order, one in the slot at a time; see server_priv.h.
 *
 * The queue cannot overflow, though the guest never reads: messages are taken only while fewer than
 * OUT_TAKE wait; the last one taken adds at most all offers; and what devices and the administrator
 * add later is at most an answer for each channel and GPADL, and an offer and a rescind for each
 * relid, for relids are not used again before the guest has read so and said so.
 */
#include "vmbus/server_priv.h"

#include <errno.h>
#include <stdlib.h>

int out_init(struct out_queue *q, uint32_t size)
{
	q->ring = calloc(size, sizeof(*q->ring));
	if (q->ring == NULL)
		return -ENOMEM;
	q->size = size;
	return 0;
}

void out_fini(struct out_queue *q)
{
	free(q->ring);
}

void out_clear(struct out_queue *q)
{
	q->first = 0;
	q->n = 0;
}

void out_add(struct vmbus_server *s, struct out out)
{
	struct out_queue *q = &s->out;

	if (s->after != AFTER_NOTHING)
		return;
	if (q->n == q->size) {
		server_fault(s, VMBUS_FAULT_QUEUE);
		return;
	}
	q->ring[(q->first + q->n) % q->size] = out;
	q->n++;
}

static bool out_take(struct out_queue *q, struct out *ret_out)
{
	if (q->n == 0)
		return false;
	*ret_out = q->ring[q->first];
	q->first = (q->first + 1) % q->size;
	if (--q->n == 0)
		q->first = 0; /* the memory in use stays small */
	return true;
}

static void out_put_back(struct out_queue *q, const struct out *out)
{
	q->first = (q->first + q->size - 1) % q->size;
	q->ring[q->first] = *out;
	q->n++;
}

static void version_write(const struct vmbus_server *s, const struct out *out,
			  struct vmbus_msg_version *msg)
{
	msg->supported = out->status == VMBUS_STATUS_SUCCESS;
	if (msg->supported && out->id >= VMBUS_V5_0)
		msg->connection_id = VMBUS_MSG_CONNECTION_5_0;
}

/* Returns its size; 0: it is about a channel that has ended. */
static size_t out_write(const struct vmbus_server *s, const struct out *out, union vmbus_msg *msg)
{
	enum vmbus_msg_type type = (enum vmbus_msg_type)out->type;
	size_t size = vmbus_msg_init(msg, type);

	if (type == VMBUS_MSG_OFFER) {
		if (s->relids[out->relid] == NULL)
			return 0;
		offer_write(s->relids[out->relid], &msg->offer);
	} else if (type == VMBUS_MSG_RESCIND) {
		msg->relid.relid = out->relid;
	} else if (type == VMBUS_MSG_OPEN_RESULT || type == VMBUS_MSG_GPADL_CREATED) {
		msg->result.relid = out->relid;
		msg->result.id = out->id;
		msg->result.status = out->status;
	} else if (type == VMBUS_MSG_GPADL_TORNDOWN) {
		msg->gpadl_torndown.gpadl = out->id;
	} else if (type == VMBUS_MSG_MODIFY_RESPONSE) {
		msg->modify_response.relid = out->relid;
		msg->modify_response.status = out->status;
	} else if (type == VMBUS_MSG_VERSION_RESPONSE) {
		version_write(s, out, &msg->version);
	}
	return size;
}

/* False: the slot is taken. */
static bool out_post(struct vmbus_server *s, const struct out *out)
{
	union vmbus_msg msg;
	size_t size = out_write(s, out, &msg);
	bool *sent = out->type == VMBUS_MSG_RESCIND && s->relids[out->relid] != NULL
			     ? &s->relids[out->relid]->rescind_sent
			     : NULL;
	int rc;

	if (size == 0)
		return true;
	if (sent != NULL)
		*sent = true;
	rc = s->ops->post(s->ctx, s->message_vp, &msg, size);
	if (rc == -EAGAIN && sent != NULL)
		*sent = false;
	s->messages_out += rc == 0;
	return rc != -EAGAIN;
}

void out_flush(struct vmbus_server *s)
{
	struct out out;

	if (s->posting)
		return;
	s->posting = true;
	while (!s->slot_taken && out_take(&s->out, &out)) {
		/* Before post(): the guest may answer from within. */
		s->slot_taken = !out_post(s, &out);
		if (s->slot_taken)
			out_put_back(&s->out, &out);
	}
	s->posting = false;
}
