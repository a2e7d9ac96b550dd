/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ring from the host: transfer pages (frames and RNDIS control messages in the receive buffer),
 * completions, and what the host says by itself.
 *
 * Ranges and headers are copied before they are looked at.  Everything on the ring is taken even
 * when nothing can be sent: a host waits for room there to complete what we sent, and each side
 * would wait for the other.
 */
#include "vmbus/guest/net_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "vmbus/netvsp.h"
#include "vmbus/packet.h"

#define HEAD_COPY 96 /* enough of a message for its header and three PPIs */
#define MAX_WAIT  (GUEST_MAX_QUEUES + 1)

/* Frames being collected. */
struct burst {
	struct guest_frame *at, *end;
};

static int read_header(const uint8_t *msg, uint32_t size, struct rndis_packet *p)
{
	uint8_t head[RNDIS_PACKET_MAX_HEADER];
	uint32_t copied = size < sizeof(head) ? size : sizeof(head);
	int rc;

	if (size >= HEAD_COPY) {
		memcpy(head, msg, HEAD_COPY); /* a few moves of known size */
		rc = rndis_packet_read(head, HEAD_COPY, size, p);
		if (rc == 0 || size == HEAD_COPY)
			return rc;
	}
	memcpy(head, msg, copied);
	return rndis_packet_read(head, copied, size, p);
}

static bool take_frame(struct guest_queue *q, const struct vmbus_range *range, struct burst *b)
{
	struct guest_frame *f = b->at;
	struct rndis_packet p;
	uint8_t *msg;

	if (range->offset > q->recv_size || range->size > q->recv_size - range->offset)
		return false;
	msg = q->recv + range->offset;
	if (read_header(msg, range->size, &p) != 0)
		return false;
	f->data = msg + p.frame_offset;
	f->size = p.frame_size;
	f->flags =
		(uint16_t)((p.has_csum ? GUEST_HAS_CSUM : 0) | (p.has_vlan ? GUEST_HAS_VLAN : 0) |
			   (p.has_hash ? GUEST_HAS_HASH : 0));
	f->csum = p.csum;
	f->hash = p.hash;
	f->lso = 0;
	f->vlan_tci = p.vlan_tci;
	if (p.has_id && (p.id_flags & RNDIS_ID_PIECE) != 0 && (p.id_flags & RNDIS_ID_LAST) == 0)
		f->flags |= GUEST_MORE;
	q->stats.rx_bytes += p.frame_size;
	b->at++;
	return true;
}

static void take_control(struct guest_queue *q, const struct vmbus_range *range)
{
	uint8_t msg[RNDIS_CONTROL_MAX];

	if (q->index != 0 || range->offset > q->recv_size || range->size > sizeof(msg) ||
	    range->size > q->recv_size - range->offset) {
		q->stats.rx_bad++;
		return;
	}
	memcpy(msg, q->recv + range->offset, range->size);
	guest_net_indicated(q->net, msg, range->size);
}

static void owe_completion(struct guest_queue *q, const struct vmbus_packet *packet)
{
	if ((packet->desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) == 0)
		return;
	if (q->n_done < q->max_done)
		q->done[q->n_done++] = packet->desc.transaction_id;
	else
		q->stats.rx_bad++; /* more packets than there are sections: the host lies */
}

static void take_transfer(struct guest_queue *q, const struct vmbus_packet *packet, struct burst *b)
{
	struct vmbus_range ranges[GUEST_RX_BURST];
	struct guest_frame *first = b->at;
	struct nvsp_rndis rndis;
	uint16_t set_id;
	int n = vmbus_transfer_read(&q->channel->in, packet, &set_id, ranges, GUEST_RX_BURST);

	owe_completion(q, packet);
	if (n < 0 || set_id != NVSP_RECV_BUF_ID ||
	    !vmbus_in_copy(&q->channel->in, packet, packet->header_size, &rndis, sizeof(rndis)) ||
	    rndis.type != NVSP_RNDIS) {
		q->stats.rx_bad++;
		return;
	}
	if (rndis.channel_type != 0) {
		for (int i = 0; i < n; i++)
			take_control(q, &ranges[i]);
		return;
	}
	for (int i = 0; i < n; i++)
		q->stats.rx_bad += !take_frame(q, &ranges[i], b);
	if (b->at != first)
		b->at[-1].flags &= (uint16_t)~GUEST_MORE; /* a frame ends with its packet */
	q->stats.rx_packets++;
}

/* How many frames a packet can hold, before it is taken. */
static bool fits(const struct burst *b)
{
	return b->end - b->at >= GUEST_RX_BURST;
}

static void take_completion(struct guest_queue *q, const struct vmbus_packet *packet)
{
	uint8_t payload[NVSP_MSG_MAX];
	uint32_t size = packet->payload_size < sizeof(payload) ? packet->payload_size
							       : (uint32_t)sizeof(payload);
	struct nvsp_rndis_complete *c = (void *)payload;

	if (!vmbus_in_copy(&q->channel->in, packet, packet->header_size, payload, size))
		size = 0;
	if (packet->desc.transaction_id == q->net->profile->control_id)
		guest_net_completed(q->net, payload, size);
	else
		guest_queue_completed(q, packet->desc.transaction_id,
				      size >= sizeof(*c) && c->type == NVSP_RNDIS_COMPLETE
					      ? c->status
					      : NVSP_STATUS_FAILURE);
}

static void take_inband(struct guest_queue *q, const struct vmbus_packet *packet)
{
	uint8_t payload[NVSP_MSG_MAX];
	uint32_t size = packet->payload_size < sizeof(payload) ? packet->payload_size
							       : (uint32_t)sizeof(payload);
	struct nvsp_msg msg;

	if (!vmbus_in_copy(&q->channel->in, packet, packet->header_size, payload, size) ||
	    nvsp_read(payload, size, false, &msg) != 0) {
		q->stats.rx_bad++;
		return;
	}
	if (msg.type == NVSP_INDIRECTION_TABLE)
		memcpy(q->net->indirection, msg.indirection.table, sizeof(q->net->indirection));
	/* A VF is of no use to us. */
}

static void take(struct guest_queue *q, const struct vmbus_packet *packet, struct burst *b)
{
	switch (packet->desc.type) {
	case VMBUS_PKT_TRANSFER_PAGES:
		take_transfer(q, packet, b);
		break;
	case VMBUS_PKT_COMPLETION:
		take_completion(q, packet);
		break;
	case VMBUS_PKT_INBAND:
		take_inband(q, packet);
		break;
	default:
		q->stats.rx_bad++;
	}
}

unsigned guest_queue_receive(struct guest_queue *q, struct guest_frame *frames, unsigned max)
{
	struct burst b = {.at = frames, .end = frames + max};
	struct vmbus_in *in = &q->channel->in;
	struct vmbus_packet packet;
	unsigned n;

	if (vmbus_in_begin(in) == 0)
		return 0;
	while (fits(&b) && vmbus_in_next(in, &packet))
		take(q, &packet, &b);
	if (vmbus_in_end(in))
		guest_channel_signal(q->channel);
	n = (unsigned)(b.at - frames);
	q->stats.rx_frames += n;
	return n;
}

void guest_queue_done(struct guest_queue *q)
{
	const struct nvsp_rndis_complete complete = {.type = NVSP_RNDIS_COMPLETE,
						     .status = NVSP_STATUS_SUCCESS};
	struct vmbus_out *out = &q->channel->out;
	uint32_t i;

	if (q->n_done == 0)
		return;
	guest_channel_fill(q->channel);
	for (i = 0; i < q->n_done; i++) {
		if (vmbus_out_put(out, VMBUS_PKT_COMPLETION, 0, q->done[i], NULL, 0, &complete,
				  sizeof(complete)) != 0)
			break;
	}
	q->n_done -= i;
	if (i > 0)
		guest_queue_got_room(q);
	if (q->n_done == 0)
		return;
	memmove(q->done, q->done + i, q->n_done * sizeof(*q->done));
	if (!q->waiting)
		q->waiting = vmbus_out_wait(out, vmbus_packet_size(0, sizeof(complete)));
}

bool guest_queue_sleep(struct guest_queue *q)
{
	return (q->n_done == 0 || q->waiting) && vmbus_in_sleep(&q->channel->in);
}

void guest_queue_wake(struct guest_queue *q)
{
	guest_channel_drain(q->channel);
	vmbus_in_mask(&q->channel->in, true);
}

void guest_queues_wait(struct guest_queue *const *queues, unsigned n, int fd, int timeout_ms)
{
	struct pollfd fds[MAX_WAIT];
	unsigned slept = 0;

	while (slept < n && slept < GUEST_MAX_QUEUES && guest_queue_sleep(queues[slept])) {
		fds[slept] =
			(struct pollfd){.fd = queues[slept]->channel->call_fd, .events = POLLIN};
		slept++;
	}
	fds[slept] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (slept == n)
		(void)poll(fds, slept + 1, timeout_ms);
	for (unsigned i = 0; i < slept; i++) {
		if (fds[i].revents != 0)
			guest_channel_drain(queues[i]->channel);
		vmbus_in_mask(&queues[i]->channel->in, true);
	}
}

void guest_queue_stats(const struct guest_queue *q, struct guest_queue_stats *ret_stats)
{
	*ret_stats = q->stats;
	ret_stats->signals = q->channel->signals;
}
