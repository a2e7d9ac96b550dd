/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lies of the NIC's driver: NVSP, RNDIS, sections, pages, completions, buffers taken away while
 * they are in use.
 */
#include "tests/support/hostile.h"

#include <string.h>

#include "vmbus/guest/net_priv.h"
#include "vmbus/guest/bus.h"
#include "vmbus/nvsp.h"
#include "vmbus/packet.h"
#include "vmbus/ring.h"
#include "vmbus/rndis.h"

#define LINK_STATUS 0x00010114
#define CONTROL	    1

/* One packet; frees its room when the host has read it. */
static void put(struct hostile *h, enum vmbus_packet_type type, uint64_t id, const void *header,
		size_t header_size, const void *payload, size_t size)
{
	guest_channel_fill(h->channel);
	if (vmbus_out_put(&h->channel->out, type, VMBUS_PKT_COMPLETION_REQUESTED, id, header,
			  header_size, payload, size) != 0)
		hostile_pause(h);
	guest_channel_flush(h->channel);
}

/* Takes what the host said, so that its ring does not fill. */
static void drain(struct hostile *h)
{
	hostile_pause(h);
	guest_net_poll(h->net);
}

static void renew_if_gone(struct hostile *h)
{
	drain(h);
	if (guest_net_gone(h->net))
		(void)hostile_renew(h);
}

/* NVSP. */

static void nvsp_messages(struct hostile *h)
{
	static const uint32_t known[] = {1,   2,   100, 101, 102, 103, 104,
					 105, 106, 107, 108, 125, 128, 129,
					 131, 133, 134, 135, 0,	  255, 0xffffffff};

	for (unsigned fill = 0; fill < 3; fill++) {
		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			for (unsigned size = 0; size <= 40; size += 4) {
				uint8_t msg[40];

				memset(msg, fill == 0 ? 0 : fill == 1 ? 0xff : 1, sizeof(msg));
				memcpy(msg, &known[i], sizeof(known[i]));
				put(h, VMBUS_PKT_INBAND, hostile_random(h), NULL, 0, msg, size);
			}
			renew_if_gone(h);
			if (h->net == NULL)
				return;
		}
	}
}

/* Asks for a million subchannels, and for no end of buffers. */
static void nvsp_again(struct hostile *h)
{
	struct nvsp_msg subs = {.type = NVSP_SUBCHANNEL, .subchannel = {.op = 1}};
	struct nvsp_msg buf = {.type = NVSP_SEND_RECV_BUF, .buf = {.gpadl = 1, .id = 0xcafe}};

	for (unsigned i = 0; i < HOSTILE_N_LENGTHS && !guest_net_gone(h->net); i++) {
		subs.subchannel.count = hostile_length(i, 1, 63);
		(void)guest_net_ask(h->net, &subs, true);
		subs.subchannel.op = hostile_length(i, 0, 1);
		(void)guest_net_ask(h->net, &subs, true);
		subs.subchannel.op = 1;
		buf.buf.gpadl = i % 2 == 0 ? h->net->recv_gpadl : h->channel->ring_gpadl;
		buf.type = i % 3 == 0 ? NVSP_SEND_SEND_BUF : NVSP_SEND_RECV_BUF;
		(void)guest_net_ask(h->net, &buf, true);
	}
}

/* RNDIS. */

/* A stream of messages by a section. */
static void send_section(struct hostile *h, const void *bytes, uint32_t size, uint32_t claimed)
{
	struct nvsp_rndis rndis = {.type = NVSP_RNDIS, .section = 0, .section_size = claimed};

	memcpy(h->net->send.va, bytes, size);
	put(h, VMBUS_PKT_INBAND, 2, NULL, 0, &rndis, sizeof(rndis));
}

/* The same by pages of ours from 'offset' on. */
static void send_pages(struct hostile *h, const void *bytes, uint32_t size, uint32_t offset,
		       uint32_t channel_type)
{
	struct nvsp_rndis rndis = {.type = NVSP_RNDIS,
				   .channel_type = channel_type,
				   .section = NVSP_NO_SECTION};
	uint8_t list[VMBUS_GPA_HEADER_SIZE + 8 + 8 * CONTROL_PAGES];
	unsigned n = (offset + size + 4095) >> 12;

	memcpy(h->net->control.va + offset, bytes, size);
	put(h, VMBUS_PKT_GPA_DIRECT, 3, list,
	    vmbus_gpa_write(list, size, offset, h->net->control.pfns, n), &rndis, sizeof(rndis));
}

/* Each word of a data packet and its PPIs at each lie. */
static void rndis_data(struct hostile *h)
{
	struct rndis_packet p = {.frame_size = 60,
				 .has_csum = true,
				 .csum = 0x220006,
				 .has_vlan = true};
	uint8_t msg[RNDIS_PACKET_MAX_HEADER + 60] = {0};
	uint32_t size;

	size = (uint32_t)rndis_packet_write(msg, &p) + p.frame_size;
	for (unsigned at = 0; at < size - 60; at += 4) {
		for (unsigned i = 0; i < HOSTILE_N_LENGTHS; i++) {
			uint8_t lie[sizeof(msg)];
			uint32_t value = hostile_length(i, 44, size);

			memcpy(lie, msg, size);
			memcpy(lie + at, &value, sizeof(value));
			send_section(h, lie, size, size);
			send_pages(h, lie, size, 4096 - at % 64 - 1, 0);
			value = hostile_length(i, 12, 16);
			memcpy(lie + at, &value, sizeof(value));
			send_section(h, lie, size, size);
		}
		renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

/* Checksums and segments at offsets that are none, in frames of all lengths. */
static void rndis_offloads(struct hostile *h)
{
	uint8_t msg[RNDIS_PACKET_MAX_HEADER + 2048];

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t v6 = hostile_random(h) % 2;
		struct rndis_packet p = {
			.frame_size = hostile_random(h) % (i % 2 == 0 ? 80 : 2048),
			.has_csum = i % 3 == 0,
			.csum = hostile_random(h) % 32 | (hostile_random(h) % 1024) << 16,
			.has_lso = i % 3 != 0,
			.lso = hostile_random(h) % (i % 5 == 0 ? 4 : 0x100000) |
			       (hostile_random(h) % 128) << 20 | RNDIS_LSO_V2 | v6 << 31,
			.has_vlan = i % 7 == 0,
			.vlan_tci = (uint16_t)hostile_random(h),
		};
		uint32_t size = (uint32_t)rndis_packet_write(msg, &p);

		for (uint32_t b = 0; b < p.frame_size; b++)
			msg[size + b] = (uint8_t)hostile_random(h);
		if (p.frame_size > 34) {
			static const uint8_t ip4[] = {0x08, 0x00, 0x45}, ip6[] = {0x86, 0xdd, 0x60};

			memcpy(msg + size + 12, v6 ? ip6 : ip4, 3);
			msg[size + 14 + (v6 ? 6 : 9)] = i % 2 == 0 ? 6 : 17;
		}
		send_section(h, msg, size + p.frame_size, size + p.frame_size);
		if (i % 32 == 0)
			renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

/* Each word of a question at each lie, at the end of a page. */
static void rndis_control(struct hostile *h)
{
	struct rndis_msg ask = {.type = RNDIS_QUERY, .oid = LINK_STATUS, .request_id = 77};
	static const uint32_t kinds[] = {RNDIS_INITIALIZE, RNDIS_HALT,
					 RNDIS_QUERY,	   RNDIS_SET,
					 RNDIS_RESET,	   RNDIS_INDICATE_STATUS,
					 RNDIS_KEEPALIVE,  RNDIS_PACKET,
					 0x80000004,	   99};

	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		uint8_t msg[256] = {0};
		uint32_t size = (uint32_t)rndis_write(&ask, msg, sizeof(msg));

		memcpy(msg, &kinds[k], 4);
		for (unsigned at = 4; at < size; at += 4) {
			for (unsigned i = 0; i < HOSTILE_N_LENGTHS; i++) {
				uint8_t lie[sizeof(msg)];
				uint32_t value = hostile_length(i, 20, size);

				memcpy(lie, msg, size);
				memcpy(lie + at, &value, sizeof(value));
				send_pages(h, lie, size, 4096 - at, CONTROL);
			}
			renew_if_gone(h);
			if (h->net == NULL)
				return;
		}
		for (unsigned n = 0; n <= size; n++)
			send_pages(h, msg, n, 4000, CONTROL);
		renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

/* Questions about everything, with values of all lengths. */
static void rndis_oids(struct hostile *h)
{
	static const uint32_t oids[] = {0x00010101, 0x0001010e, 0x00010203, 0x00010204, 0x0001021b,
					0x01010101, 0x01010103, 0x0101010a, 0xfc01020b, 0xfc01020c,
					0xfc01020d, 0x00010207, 0};
	uint8_t value[1024];

	for (unsigned o = 0; o < sizeof(oids) / sizeof(oids[0]); o++) {
		for (unsigned size = 0; size < sizeof(value); size = size * 2 + 1) {
			uint8_t to[1024];
			uint32_t got, status;

			for (unsigned i = 0; i < size; i++)
				value[i] = (uint8_t)(hostile_random(h) % 3 == 0 ? hostile_random(h)
										: 0x88 + o % 2);
			if (guest_net_set(h->net, oids[o], value, size, &status) != 0 ||
			    guest_net_query(h->net, oids[o], value, size, to, sizeof(to), &got,
					    &status) != 0) {
				if (!hostile_renew(h))
					return;
			}
		}
	}
}

/* Sections and pages. */

static void sections(struct hostile *h)
{
	uint32_t count = h->net->info.n_send_sections, size = h->net->info.send_section_size;

	for (unsigned i = 0; i < HOSTILE_N_LENGTHS; i++) {
		struct nvsp_rndis rndis = {.type = NVSP_RNDIS};

		rndis.section = hostile_length(i, 1, count - 1);
		rndis.section_size = 100;
		put(h, VMBUS_PKT_INBAND, 2, NULL, 0, &rndis, sizeof(rndis));
		rndis.section = count - 1;
		rndis.section_size = hostile_length(i, 44, size);
		put(h, VMBUS_PKT_INBAND, 2, NULL, 0, &rndis, sizeof(rndis));
		rndis.channel_type = hostile_length(i, 1, 2);
		put(h, VMBUS_PKT_INBAND, 2, NULL, 0, &rndis, sizeof(rndis));
		renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

static void pages(struct hostile *h)
{
	static const uint64_t pfns[] = {0, UINT64_MAX, 1ull << 52, 0xff, 0xfffff, 0x80000000};

	for (unsigned i = 0; i < 200; i++) {
		const struct nvsp_rndis rndis = {.type = NVSP_RNDIS, .section = NVSP_NO_SECTION};
		uint32_t list[32];

		for (unsigned w = 0; w < 32; w++)
			list[w] = hostile_random(h) % 5 == 0 ? hostile_random(h) : i % 3;
		list[1] = hostile_length(i, 1, 2);
		list[2] = hostile_length(i / 8, 1, 4096);
		list[3] = hostile_length(i / 16, 1, 4095);
		memcpy(&list[4], &pfns[i % 6], 8);
		put(h, VMBUS_PKT_GPA_DIRECT, 3, list, 8 * (1 + i % 15), &rndis, sizeof(rndis));
		put(h, VMBUS_PKT_GPA_DIRECT, 3, list, 8 * (1 + i % 15), NULL, 0);
		renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

/* Completions. */

static void complete(struct hostile *h, uint64_t id, const void *payload, size_t size)
{
	guest_channel_fill(h->channel);
	(void)vmbus_out_put(&h->channel->out, VMBUS_PKT_COMPLETION, 0, id, NULL, 0, payload, size);
	guest_channel_flush(h->channel);
}

static void completed_twice(struct hostile *h)
{
	const struct nvsp_rndis_complete done = {.type = NVSP_RNDIS_COMPLETE, .status = 1};

	for (unsigned i = 0; i < 300; i++) {
		uint32_t link, got, status;

		if (guest_net_query(h->net, LINK_STATUS, NULL, 0, &link, sizeof(link), &got,
				    &status) != 0 &&
		    !hostile_renew(h))
			return;
		/* The answer was completed; now everything is, once more. */
		complete(h, i, &done, sizeof(done));
		complete(h, i % 2 == 0 ? UINT64_MAX : i, &done, i % 9);
		complete(h, (uint64_t)hostile_random(h) << 32, NULL, 0);
		if (i % 16 == 0)
			renew_if_gone(h);
		if (h->net == NULL)
			return;
	}
}

/* Questions, whose answers are taken and never completed: sections run out. */
static void never_completed(struct hostile *h)
{
	struct rndis_msg ask = {.type = RNDIS_QUERY, .oid = LINK_STATUS};
	uint8_t msg[64];

	for (unsigned i = 0; i < 4000; i++) {
		struct vmbus_packet packet;
		struct vmbus_in *in = &h->channel->in;

		ask.request_id = i;
		send_pages(h, msg, (uint32_t)rndis_write(&ask, msg, sizeof(msg)), 0, CONTROL);
		if (i % 8 == 0)
			hostile_pause(h);
		(void)vmbus_in_begin(in);
		while (vmbus_in_next(in, &packet))
			continue;
		(void)vmbus_in_end(in);
	}
}

/* Nothing is read at all: the ring to us fills. */
static void never_read(struct hostile *h)
{
	struct rndis_msg ask = {.type = RNDIS_QUERY, .oid = 0x00010101};
	uint8_t msg[64];

	for (unsigned i = 0; i < 4000; i++) {
		ask.request_id = i;
		send_pages(h, msg, (uint32_t)rndis_write(&ask, msg, sizeof(msg)), 0, CONTROL);
		if (i % 16 == 0)
			guest_bus_pump(h->bus, -1, 1);
	}
}

/* Buffers taken away. */

static void revoked_in_flight(struct hostile *h)
{
	for (unsigned i = 0; i < 12; i++) {
		struct rndis_msg ask = {.type = RNDIS_QUERY, .oid = LINK_STATUS, .request_id = i};
		uint8_t msg[64];
		uint32_t size = (uint32_t)rndis_write(&ask, msg, sizeof(msg));

		for (unsigned n = 0; n < 16; n++)
			send_pages(h, msg, size, 0, CONTROL);
		(void)guest_net_revoke(h->net, i % 3 != 1, i % 3 != 0);
		for (unsigned n = 0; n < 16; n++) {
			send_pages(h, msg, size, 0, CONTROL);
			send_section(h, msg, size, 64);
		}
		/* And the pages too, while answers may be on their way. */
		(void)guest_gpadl_teardown(h->channel, h->net->recv_gpadl);
		(void)guest_gpadl_teardown(h->channel, h->net->send_gpadl);
		(void)guest_net_revoke(h->net, true, true);
		send_pages(h, msg, size, 0, CONTROL);
		if (!hostile_renew(h))
			return;
	}
}

static void closed_in_flight(struct hostile *h)
{
	for (unsigned i = 0; i < 12; i++) {
		uint8_t bytes[60] = {0};
		struct guest_frame frame = {.data = bytes, .size = sizeof(bytes)};
		struct guest_queue *q = guest_net_queue(h->net, 0);

		for (unsigned n = 0; n < 100; n++)
			(void)guest_queue_send(q, &frame, 1);
		guest_queue_flush(q);
		if (i % 2 == 0)
			(void)guest_net_halt(h->net);
		guest_channel_close(h->channel);
		if (!hostile_renew(h))
			return;
	}
}

const struct hostile_attack hostile_net_attacks[] = {
	{"nvsp-messages", "NVSP messages of all types and lengths", nvsp_messages, true},
	{"nvsp-again", "buffers and subchannels asked for again and again", nvsp_again, true},
	{"rndis-data", "each length of a data packet, lied about, across pages", rndis_data, true},
	{"rndis-offload", "offloads at offsets that are none", rndis_offloads, true},
	{"rndis-control", "each length of a question, lied about, across pages", rndis_control,
	 true},
	{"rndis-oid", "values of OIDs that are none", rndis_oids, true},
	{"section", "sections that are none, and longer than they are", sections, true},
	{"pages", "lists of pages that are none", pages, true},
	{"completion-twice", "completions sent twice, and of nothing", completed_twice, true},
	{"completion-never", "answers that are never completed", never_completed, true},
	{"read-never", "a ring that is never read", never_read, true},
	{"revoke", "buffers revoked and freed in flight", revoked_in_flight, true},
	{"close", "channels closed in flight", closed_in_flight, true},
	{0},
};
