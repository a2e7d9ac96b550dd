/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One question and its answer.  NVSP messages are answered by the completion of their packet; RNDIS
 * messages travel in a packet (107) that is completed, and are answered by a packet of the host.
 */
#include "vmbus/guest/net_priv.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "vmbus/guest/bus.h"
#include "vmbus/packet.h"

#define TIMEOUT_MS	5000
#define PUMP_MS		10
#define CHANNEL_CONTROL 1

void guest_net_completed(struct guest_net *net, const void *payload, uint32_t size)
{
	struct guest_answer *answer = &net->answer;

	if (answer->unasked) { /* of a packet that nobody waits for: it came first */
		answer->unasked = false;
		return;
	}
	if (!answer->sent || answer->completed) {
		net->queues[0]->stats.bad_completions++;
		return;
	}
	answer->size = size < sizeof(answer->bytes) ? size : sizeof(answer->bytes);
	memcpy(answer->bytes, payload, answer->size);
	answer->completed = true;
}

static uint8_t *control_at(const struct guest_net *net)
{
	return net->control.va + (net->conf.head_offset & (GPA_PAGE_SIZE - 1));
}

/* Adds the packet of an RNDIS message of 'size' bytes that lies in the pages for that. */
static int put_rndis(struct guest_net *net, uint32_t size)
{
	const uint32_t offset = net->conf.head_offset & (GPA_PAGE_SIZE - 1);
	uint8_t header[VMBUS_GPA_HEADER_SIZE + 8 + 8 * CONTROL_PAGES];
	struct nvsp_rndis rndis = {
		.type = NVSP_RNDIS,
		.channel_type = CHANNEL_CONTROL,
		.section = NVSP_NO_SECTION,
	};
	uint8_t payload[NVSP_MSG_MAX] = {0};
	unsigned n = (offset + size + GPA_PAGE_SIZE - 1) >> GPA_PAGE_SHIFT;

	memcpy(payload, &rndis, sizeof(rndis));
	return vmbus_out_put(&net->queues[0]->channel->out, VMBUS_PKT_GPA_DIRECT,
			     VMBUS_PKT_COMPLETION_REQUESTED, net->profile->control_id, header,
			     vmbus_gpa_write(header, size, offset, net->control.pfns, n), payload,
			     net->profile->nvsp_size);
}

/* Hosts may ask whether we live.  Once, without waiting: this runs where frames are received, and a
 * host asks again. */
static void keep_alive(struct guest_net *net, const struct rndis_msg *msg)
{
	struct rndis_msg reply = {
		.type = RNDIS_KEEPALIVE | RNDIS_COMPLETION,
		.request_id = msg->request_id,
		.status = RNDIS_STATUS_SUCCESS,
	};
	size_t size;

	if (net->answer.sent || net->answer.unasked) /* the buffer is in use */
		return;
	size = rndis_write(&reply, control_at(net), RNDIS_CONTROL_MAX);
	guest_channel_fill(net->queues[0]->channel);
	net->answer.unasked = put_rndis(net, (uint32_t)size) == 0;
}

static void set_link(struct guest_net *net, bool up)
{
	atomic_store(&net->link_up, up);
	atomic_fetch_add(&net->link_changes, 1);
}

static void indication(struct guest_net *net, const struct rndis_msg *msg)
{
	switch (msg->status) {
	case RNDIS_STATUS_CONNECT:
		set_link(net, true);
		break;
	case RNDIS_STATUS_DISCONNECT:
		set_link(net, false);
		break;
	default: /* others mean nothing to us */
		break;
	}
}

void guest_net_indicated(struct guest_net *net, const void *bytes, uint32_t size)
{
	struct guest_answer *answer = &net->answer;
	struct rndis_msg msg;

	if (rndis_read(bytes, size, &msg) != 0) {
		net->queues[0]->stats.rx_bad++;
	} else if (msg.type == RNDIS_INDICATE_STATUS) {
		indication(net, &msg);
	} else if (msg.type == RNDIS_KEEPALIVE) {
		keep_alive(net, &msg);
	} else if (answer->wants_rndis && !answer->rndis_done &&
		   (msg.request_id == answer->request_id ||
		    msg.type == (RNDIS_RESET | RNDIS_COMPLETION)) &&
		   size <= sizeof(answer->rndis_bytes)) {
		memcpy(answer->rndis_bytes, bytes, size);
		answer->rndis_done = rndis_read(answer->rndis_bytes, size, &answer->rndis) == 0;
	} else {
		net->queues[0]->stats.rx_bad++;
	}
}

void guest_net_poll(struct guest_net *net)
{
	struct guest_frame frames[GUEST_RX_BURST];
	struct guest_queue *q = net->queues[0];
	unsigned n;

	do {
		n = guest_queue_receive(q, frames, GUEST_RX_BURST);
		q->stats.rx_dropped += n;
		guest_queue_done(q);
		guest_queue_flush(q);
	} while (n > 0);
}

static bool answered(const struct guest_answer *answer)
{
	return answer->completed && (!answer->wants_rndis || answer->rndis_done);
}

static uint64_t deadline(const struct guest_net *net)
{
	unsigned limit = net->conf.timeout_ms != 0 ? net->conf.timeout_ms : TIMEOUT_MS;

	return clock_mono_ns() + limit * 1000000ull;
}

static int wait_answer(struct guest_net *net)
{
	const uint64_t end = deadline(net);
	struct guest_queue *q = net->queues[0];
	int rc = 0;

	for (;;) {
		guest_net_poll(net);
		if (answered(&net->answer))
			break;
		if (guest_net_gone(net))
			rc = -ENODEV;
		else if (clock_mono_ns() >= end)
			rc = -ETIMEDOUT;
		if (rc != 0)
			break;
		if (guest_queue_sleep(q))
			guest_bus_pump(net->bus, q->channel->call_fd, PUMP_MS);
		guest_queue_wake(q);
	}
	net->answer.sent = net->answer.wants_rndis = false;
	return rc;
}

/* Shows the host what was put on the first ring.  If 'rc' says that there was no room: true, to try
 * again, until 'end'. */
static bool try_again(struct guest_net *net, int rc, uint64_t end)
{
	struct guest_channel *channel = net->queues[0]->channel;

	guest_channel_flush(channel);
	if (rc != -EAGAIN || clock_mono_ns() >= end)
		return false;
	guest_net_poll(net);
	guest_bus_pump(net->bus, channel->call_fd, PUMP_MS);
	return true;
}

int guest_net_ask(struct guest_net *net, const struct nvsp_msg *msg, bool wants)
{
	struct guest_channel *channel = net->queues[0]->channel;
	const uint64_t end = deadline(net);
	uint8_t bytes[NVSP_MSG_MAX] = {0};
	size_t size = nvsp_write(msg, true, net->info.nvsp_version, bytes);
	int rc;

	if (size < net->profile->nvsp_size)
		size = net->profile->nvsp_size;
	net->answer = (struct guest_answer){.sent = wants, .unasked = net->answer.unasked};
	do {
		guest_channel_fill(channel);
		rc = vmbus_out_put(&channel->out, VMBUS_PKT_INBAND,
				   wants ? VMBUS_PKT_COMPLETION_REQUESTED : 0,
				   net->profile->control_id, NULL, 0, bytes, size);
	} while (try_again(net, rc, end));
	if (rc != 0 || !wants)
		return rc;
	return wait_answer(net);
}

static bool has_answer(uint32_t type)
{
	return type != RNDIS_HALT;
}

int guest_net_rndis(struct guest_net *net, struct rndis_msg *msg)
{
	const uint64_t end = deadline(net);
	struct nvsp_rndis_complete complete = {0};
	size_t size;
	int rc;

	msg->request_id = ++net->next_request;
	size = rndis_write(msg, control_at(net), RNDIS_CONTROL_MAX);
	if (size == 0)
		return -EMSGSIZE;
	net->answer = (struct guest_answer){
		.sent = true,
		.unasked = net->answer.unasked,
		.wants_rndis = has_answer(msg->type),
		.request_id = msg->request_id,
	};
	do {
		guest_channel_fill(net->queues[0]->channel);
		rc = put_rndis(net, (uint32_t)size);
	} while (try_again(net, rc, end));
	if (rc == 0)
		rc = wait_answer(net);
	if (rc != 0)
		return rc;
	memcpy(&complete, net->answer.bytes,
	       net->answer.size < sizeof(complete) ? net->answer.size : sizeof(complete));
	return complete.type == NVSP_RNDIS_COMPLETE && complete.status == NVSP_STATUS_SUCCESS
		       ? 0
		       : -EIO;
}

int guest_net_query(struct guest_net *net, uint32_t oid, const void *input, uint32_t input_size,
		    void *to, uint32_t max, uint32_t *ret_size, uint32_t *ret_status)
{
	struct rndis_msg msg = {.type = RNDIS_QUERY,
				.oid = oid,
				.data = input,
				.data_size = input_size};
	const struct rndis_msg *reply = &net->answer.rndis;
	int rc = guest_net_rndis(net, &msg);

	if (rc != 0)
		return rc;
	if (reply->type != (RNDIS_QUERY | RNDIS_COMPLETION))
		return -EIO;
	*ret_status = reply->status;
	*ret_size = reply->data_size < max ? reply->data_size : max;
	memset(to, 0, max);
	if (*ret_size > 0)
		memcpy(to, reply->data, *ret_size);
	return 0;
}

int guest_net_set(struct guest_net *net, uint32_t oid, const void *value, uint32_t size,
		  uint32_t *ret_status)
{
	struct rndis_msg msg = {.type = RNDIS_SET, .oid = oid, .data = value, .data_size = size};
	int rc = guest_net_rndis(net, &msg);

	if (rc == 0 && net->answer.rndis.type != (RNDIS_SET | RNDIS_COMPLETION))
		rc = -EIO;
	if (rc == 0)
		*ret_status = net->answer.rndis.status;
	return rc;
}
