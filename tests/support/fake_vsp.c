/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See fake_vsp.h.
 */
#include "tests/support/fake_vsp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/gpa.h"
#include "vmbus/gpadl.h"
#include "vmbus/packet.h"
#include "vmbus/pages.h"

#define CONTROL 1

/* The ring to the guest. */

static int put(struct fake_vsp *vsp, struct fake_channel *c, enum vmbus_packet_type type,
	       bool completion, uint64_t id, const void *header, size_t header_size,
	       const void *payload, size_t size)
{
	const uint64_t one = 1;
	int rc;

	if (c->channel == NULL || vsp->silent)
		return -ENOTCONN;
	(void)vmbus_out_begin(&c->out);
	rc = vmbus_out_put(&c->out, type, completion ? VMBUS_PKT_COMPLETION_REQUESTED : 0, id,
			   header, header_size, payload, size);
	if (vmbus_out_end(&c->out)) {
		c->n_signals++;
		if (write(c->channel->call_fd, &one, sizeof(one)) < 0)
			vsp->n_bad++;
	}
	return rc;
}

/* Writes 'n' messages into sections and sends them as one packet. */
static bool put_transfer(struct fake_vsp *vsp, struct fake_channel *c, bool control, unsigned n,
			 const uint8_t *const *msgs, const uint32_t *sizes)
{
	const uint32_t section = netvsp_state(vsp->netvsp)->recv_section_size;
	struct vmbus_range ranges[FAKE_MAX_RANGES];
	uint8_t header[VMBUS_TRANSFER_HEADER_SIZE + 8 * FAKE_MAX_RANGES];
	struct nvsp_rndis rndis = {.type = NVSP_RNDIS,
				   .channel_type = control,
				   .section = NVSP_NO_SECTION};
	uint16_t first;

	if (n == 0 || n > FAKE_MAX_RANGES || n > vsp->n_free || vsp->recv == NULL)
		return false;
	first = vsp->free[vsp->n_free - 1];
	for (unsigned i = 0; i < n; i++) {
		uint16_t s = vsp->free[vsp->n_free - 1 - i];

		if (sizes[i] > section)
			return false;
		ranges[i] = (struct vmbus_range){.size = sizes[i], .offset = s * section};
		vmbus_pages_write(vsp->recv, ranges[i].offset, msgs[i], sizes[i]);
		vsp->lent[first][i] = s;
	}
	if (put(vsp, c, VMBUS_PKT_TRANSFER_PAGES, true, first, header,
		vmbus_transfer_write(header, NVSP_RECV_BUF_ID, ranges, n), &rndis,
		sizeof(rndis)) != 0)
		return false;
	vsp->n_lent[first] = (uint16_t)n;
	vsp->n_free -= n;
	return true;
}

bool fake_vsp_send(struct fake_vsp *vsp, unsigned channel, unsigned n, const uint8_t *const *frames,
		   const struct rndis_packet *packets)
{
	uint8_t *msgs[FAKE_MAX_RANGES] = {0};
	uint32_t sizes[FAKE_MAX_RANGES] = {0};
	bool sent;

	for (unsigned i = 0; i < n; i++) {
		struct rndis_packet p = packets[i];

		msgs[i] = malloc(RNDIS_PACKET_MAX_HEADER + p.frame_size);
		if (msgs[i] == NULL)
			abort();
		memcpy(msgs[i] + rndis_packet_write(msgs[i], &p), frames[i], p.frame_size);
		sizes[i] = p.msg_size;
	}
	sent = put_transfer(vsp, &vsp->channels[channel], false, n, (const uint8_t *const *)msgs,
			    sizes);
	for (unsigned i = 0; i < n; i++)
		free(msgs[i]);
	return sent;
}

/* struct netvsp_ops. */

static void op_complete(void *ctx, uint64_t id, const void *payload, size_t size)
{
	struct fake_vsp *vsp = ctx;

	(void)put(vsp, &vsp->channels[0], VMBUS_PKT_COMPLETION, false, id, NULL, 0, payload, size);
}

static void op_send_rndis(void *ctx, const void *msg, size_t size)
{
	struct fake_vsp *vsp = ctx;
	const uint8_t *msgs[] = {msg};
	const uint32_t sizes[] = {(uint32_t)size};

	(void)put_transfer(vsp, &vsp->channels[0], true, 1, msgs, sizes);
}

static void op_send_nvsp(void *ctx, const void *msg, size_t size)
{
	struct fake_vsp *vsp = ctx;

	(void)put(vsp, &vsp->channels[0], VMBUS_PKT_INBAND, false, 0, NULL, 0, msg, size);
}

static uint64_t op_gpadl_size(void *ctx, uint32_t id)
{
	const struct vmbus_gpadl *gpadl = vmbus_device_gpadl(((struct fake_vsp *)ctx)->device, id);

	return gpadl != NULL ? gpadl->byte_count : 0;
}

static int set_pages(struct fake_vsp *vsp, struct vmbus_pages **pages, uint32_t id, bool wanted)
{
	const struct vmbus_gpadl *gpadl = vmbus_device_gpadl(vsp->device, id);

	vmbus_pages_destroy(*pages);
	*pages = NULL;
	if (!wanted)
		return 0;
	return gpadl != NULL ? vmbus_pages_create(vsp->map, gpadl, pages) : -ENOENT;
}

static int op_changed(void *ctx, const struct netvsp_state *state)
{
	struct fake_vsp *vsp = ctx;
	bool had = vsp->recv != NULL;
	int rc = set_pages(vsp, &vsp->recv, state->recv_gpadl, state->recv_section_size != 0);

	if (rc == 0)
		rc = set_pages(vsp, &vsp->send, state->send_gpadl, state->send_section_size != 0);
	if (vsp->recv != NULL && !had) {
		vsp->n_free = 0;
		memset(vsp->n_lent, 0, sizeof(vsp->n_lent));
		for (uint32_t i = state->n_recv_sections; i-- > 0 && i < FAKE_MAX_SECTIONS;)
			vsp->free[vsp->n_free++] = (uint16_t)i;
	}
	return rc;
}

static void op_offer_subchannels(void *ctx, unsigned n)
{
	(void)vmbus_device_offer_subchannels(((struct fake_vsp *)ctx)->device, n);
}

static int op_set_mac(void *ctx, const uint8_t mac[6])
{
	return ((struct fake_vsp *)ctx)->conf.mac_change ? 0 : -EPERM;
}

static void op_stats(void *ctx, struct netvsp_stats *ret_stats)
{
	*ret_stats = (struct netvsp_stats){.rx_packets = ((struct fake_vsp *)ctx)->n_from_guest};
}

static const struct netvsp_ops netvsp_ops = {
	.complete = op_complete,
	.send_rndis = op_send_rndis,
	.send_nvsp = op_send_nvsp,
	.gpadl_size = op_gpadl_size,
	.changed = op_changed,
	.offer_subchannels = op_offer_subchannels,
	.set_mac = op_set_mac,
	.stats = op_stats,
};

/* struct vmbus_device_ops. */

static void op_open(void *ctx, struct vmbus_channel *channel)
{
	struct fake_vsp *vsp = ctx;
	struct fake_channel *c = &vsp->channels[channel->sub_index];
	struct vmbus_ring from, to;
	int rc = vmbus_rings_find(vsp->map, channel->ring, channel->ring_offset, &from, &to);

	if (rc != 0) {
		vmbus_channel_opened(channel, 0xC0000001);
		return;
	}
	*c = (struct fake_channel){.channel = channel};
	to.hdr->features = VMBUS_RING_PENDING;
	vmbus_in_init(&c->in, &from);
	vmbus_out_init(&c->out, &to);
	if (channel->sub_index == 0)
		netvsp_reset(vsp->netvsp);
	vmbus_channel_opened(channel, 0);
}

static void op_close(void *ctx, struct vmbus_channel *channel)
{
	struct fake_vsp *vsp = ctx;

	vsp->channels[channel->sub_index].channel = NULL;
	if (channel->sub_index == 0)
		netvsp_reset(vsp->netvsp);
	vmbus_channel_closed(channel);
}

static void op_gpadl_created(void *ctx, const struct vmbus_gpadl *gpadl)
{
}

static void op_gpadl_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	struct fake_vsp *vsp = ctx;
	const struct netvsp_state *state = netvsp_state(vsp->netvsp);

	if (state->recv_section_size != 0 && gpadl->id == state->recv_gpadl)
		(void)set_pages(vsp, &vsp->recv, 0, false);
	if (state->send_section_size != 0 && gpadl->id == state->send_gpadl)
		(void)set_pages(vsp, &vsp->send, 0, false);
	vmbus_gpadl_released(vsp->device, gpadl);
}

static void op_gone(void *ctx, struct vmbus_device *device)
{
	((struct fake_vsp *)ctx)->gone = true;
	((struct fake_vsp *)ctx)->device = NULL;
}

static const struct vmbus_device_ops device_ops = {
	.open = op_open,
	.close = op_close,
	.gpadl_created = op_gpadl_created,
	.gpadl_teardown = op_gpadl_teardown,
	.gone = op_gone,
};

/* The ring from the guest. */

/* All bytes of a packet of RNDIS messages, together; -EBADMSG. */
static int gather(struct fake_vsp *vsp, struct fake_channel *c, const struct vmbus_packet *packet,
		  const struct nvsp_rndis *rndis)
{
	const struct netvsp_state *state = netvsp_state(vsp->netvsp);
	struct vmbus_piece pieces[VMBUS_GPA_MAX_PFNS];
	uint32_t size = 0, more = 0;
	int n;

	if (rndis->section != NVSP_NO_SECTION) {
		if (vsp->send == NULL || rndis->section >= state->n_send_sections ||
		    rndis->section_size > state->send_section_size)
			return -EBADMSG;
		size = rndis->section_size;
		vmbus_pages_read(vsp->send, (uint64_t)rndis->section * state->send_section_size,
				 vsp->stream, size);
	}
	if (packet->desc.type != VMBUS_PKT_GPA_DIRECT)
		return (int)size;
	n = vmbus_gpa_read(&c->in, packet, vsp->map, pieces, VMBUS_GPA_MAX_PFNS, &more);
	if (n < 0 || more > FAKE_MAX_STREAM - size)
		return -EBADMSG;
	for (int i = 0; i < n; i++) {
		memcpy(vsp->stream + size, pieces[i].va, pieces[i].size);
		size += pieces[i].size;
	}
	return (int)size;
}

static void keep(struct fake_vsp *vsp, const uint8_t *msg, const struct rndis_packet *p,
		 unsigned channel, unsigned n_in_packet, bool by_pages)
{
	struct fake_frame *f = &vsp->frames[vsp->n_frames];

	vsp->n_from_guest++;
	if (vsp->n_frames == FAKE_MAX_FRAMES)
		return;
	f->data = malloc(p->frame_size + 1);
	if (f->data == NULL)
		abort();
	memcpy(f->data, msg + p->frame_offset, p->frame_size);
	f->packet = *p;
	f->channel = channel;
	f->n_in_packet = n_in_packet;
	f->by_pages = by_pages;
	vsp->n_frames++;
}

static uint32_t take_messages(struct fake_vsp *vsp, unsigned channel, uint32_t size, bool by_pages)
{
	uint32_t at = 0, status = NVSP_STATUS_SUCCESS;

	for (unsigned n = 1; at < size; n++) {
		struct rndis_packet p;

		if (rndis_packet_read(vsp->stream + at, size - at, size - at, &p) != 0) {
			vsp->n_bad++;
			return NVSP_STATUS_BAD_RNDIS;
		}
		keep(vsp, vsp->stream + at, &p, channel, n, by_pages);
		at += p.msg_size;
	}
	return status;
}

static void take_rndis(struct fake_vsp *vsp, unsigned i, const struct vmbus_packet *packet,
		       const struct nvsp_rndis *rndis)
{
	struct fake_channel *c = &vsp->channels[i];
	int size = gather(vsp, c, packet, rndis);
	struct nvsp_rndis_complete complete = {.type = NVSP_RNDIS_COMPLETE,
					       .status = NVSP_STATUS_BAD_RNDIS};

	if (size < 0)
		vsp->n_bad++;
	else if (rndis->channel_type == CONTROL)
		complete.status = NVSP_STATUS_SUCCESS;
	else
		complete.status = take_messages(vsp, i, (uint32_t)size,
						packet->desc.type == VMBUS_PKT_GPA_DIRECT);
	if ((packet->desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0)
		(void)put(vsp, c, VMBUS_PKT_COMPLETION, false, packet->desc.transaction_id, NULL, 0,
			  &complete, sizeof(complete));
	if (size > 0 && rndis->channel_type == CONTROL)
		netvsp_rndis(vsp->netvsp, vsp->stream, (size_t)size);
}

static void take_completion(struct fake_vsp *vsp, uint64_t id)
{
	if (id >= FAKE_MAX_SECTIONS || vsp->n_lent[id] == 0) {
		vsp->n_bad_completions++;
		return;
	}
	vsp->n_completed++;
	for (unsigned i = 0; i < vsp->n_lent[id]; i++)
		vsp->free[vsp->n_free++] = vsp->lent[id][i];
	vsp->n_lent[id] = 0;
}

static void take(struct fake_vsp *vsp, unsigned i, const struct vmbus_packet *packet)
{
	struct fake_channel *c = &vsp->channels[i];
	uint8_t payload[NVSP_MSG_MAX] = {0};
	uint32_t size = packet->payload_size < sizeof(payload) ? packet->payload_size
							       : (uint32_t)sizeof(payload);
	struct nvsp_rndis rndis;

	if (packet->desc.type == VMBUS_PKT_COMPLETION) {
		take_completion(vsp, packet->desc.transaction_id);
		return;
	}
	if (!vmbus_in_copy(&c->in, packet, packet->header_size, payload, size)) {
		vsp->n_bad++;
		return;
	}
	memcpy(&rndis, payload, sizeof(rndis));
	if (rndis.type == NVSP_RNDIS && size >= sizeof(rndis))
		take_rndis(vsp, i, packet, &rndis);
	else if (i == 0)
		netvsp_message(vsp->netvsp, packet->desc.transaction_id,
			       (packet->desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0, payload,
			       size);
}

void fake_vsp_work(struct fake_vsp *vsp)
{
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS && !vsp->mute; i++) {
		struct fake_channel *c = &vsp->channels[i];
		struct vmbus_packet packet;
		const uint64_t one = 1;

		if (c->channel == NULL || vmbus_in_begin(&c->in) == 0)
			continue;
		while (c->channel != NULL && vmbus_in_next(&c->in, &packet))
			take(vsp, i, &packet);
		if (c->channel != NULL && vmbus_in_end(&c->in) &&
		    write(c->channel->call_fd, &one, sizeof(one)) < 0)
			vsp->n_bad++;
	}
}

void fake_vsp_indicate(struct fake_vsp *vsp, uint32_t status)
{
	struct rndis_msg msg = {.type = RNDIS_INDICATE_STATUS, .status = status};
	uint8_t bytes[64];

	op_send_rndis(vsp, bytes, rndis_write(&msg, bytes, sizeof(bytes)));
}

void fake_vsp_forget(struct fake_vsp *vsp)
{
	for (unsigned i = 0; i < vsp->n_frames; i++)
		free(vsp->frames[i].data);
	vsp->n_frames = 0;
}

int fake_vsp_init(struct fake_vsp *vsp, struct vmbus_server *server, const struct gpa_map *map,
		  const struct netvsp_conf *conf, bool monitored)
{
	struct vmbus_device_opts opts = {
		.type = VMBUS_GUID_NET,
		.monitored = monitored,
		.ops = &device_ops,
		.ctx = vsp,
	};

	memset(vsp, 0, sizeof(*vsp));
	vsp->server = server;
	vsp->map = map;
	vsp->conf = *conf;
	vmbus_guid_of_name("fake", &opts.instance);
	vsp->netvsp = netvsp_create(conf, &netvsp_ops, vsp);
	if (vsp->netvsp == NULL)
		return -ENOMEM;
	return vmbus_device_offer(server, &opts, &vsp->device);
}

void fake_vsp_fini(struct fake_vsp *vsp)
{
	if (vsp->device != NULL)
		vmbus_device_withdraw(vsp->device);
	netvsp_destroy(vsp->netvsp);
	vmbus_pages_destroy(vsp->recv);
	vmbus_pages_destroy(vsp->send);
	fake_vsp_forget(vsp);
}
