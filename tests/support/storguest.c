/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See storguest.h.
 */
#include "tests/support/storguest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "vmbus/packet.h"
#include "vmbus/storvsp.h"

#define TIMEOUT_MS 10000u

static struct guest_channel *find(struct guest_bus *bus)
{
	struct guest_channel *c = guest_bus_channel(bus, 0);

	while (c != NULL && (c->sub_index != 0 || atomic_load(&c->rescinded) ||
			     !vmbus_guid_equal(&c->type, &VMBUS_GUID_SCSI)))
		c = guest_bus_channel(bus, c->relid + 1);
	return c;
}

struct guest_channel *storguest_find(struct guest_bus *bus)
{
	uint64_t end = clock_mono_ns() + TIMEOUT_MS * 1000000ull;
	struct guest_channel *c = find(bus);

	while (c == NULL && clock_mono_ns() < end) {
		guest_bus_pump(bus, -1, 10);
		c = find(bus);
	}
	return c;
}

static int open_channel(struct storguest *g, struct guest_channel *channel)
{
	const struct guest_channel_opts opts = {.out_pages = g->ring_pages,
						.in_pages = g->ring_pages};
	int rc = guest_channel_open(channel, &opts);

	if (rc == 0)
		g->channels[g->n_channels++] = channel;
	return rc;
}

int storguest_open(struct storguest *g, struct guest_bus *bus)
{
	struct guest_channel *channel = storguest_find(bus);
	uint32_t pages = g->ring_pages != 0 ? g->ring_pages : 32;

	*g = (struct storguest){.bus = bus, .next_id = 1000, .ring_pages = pages};
	return channel != NULL ? open_channel(g, channel) : -ENODEV;
}

void storguest_close(struct storguest *g)
{
	for (unsigned i = g->n_channels; i-- > 0;)
		guest_channel_close(g->channels[i]);
	g->n_channels = 0;
}

/* ---- Packets ---- */

uint64_t storguest_send(struct storguest *g, unsigned channel, const void *bytes, uint32_t n_bytes,
			const struct guest_buffer *pages, uint32_t offset, uint32_t size)
{
	static uint8_t header[VMBUS_GPA_HEADER_SIZE + 8 + 8 * VMBUS_GPA_MAX_PFNS];
	struct guest_channel *c = g->channels[channel];
	uint32_t first = offset >> 12, n = ((offset & 4095) + size + 4095) >> 12;
	size_t header_size = 0;
	int rc;

	if (pages != NULL && n > 0)
		header_size = vmbus_gpa_write(header, size, offset & 4095, pages->pfns + first, n);
	guest_channel_fill(c);
	rc = vmbus_out_put(&c->out, header_size > 0 ? VMBUS_PKT_GPA_DIRECT : VMBUS_PKT_INBAND,
			   VMBUS_PKT_COMPLETION_REQUESTED, g->next_id, header, header_size, bytes,
			   n_bytes);
	guest_channel_flush(c);
	return rc == 0 ? g->next_id++ : 0;
}

static void keep(struct storguest *g, unsigned channel, const struct vmbus_packet *packet)
{
	struct storguest_done *d = &g->done[g->n_done];
	struct guest_channel *c = g->channels[channel];

	if (g->n_done == STORGUEST_MAX_DONE)
		abort();
	*d = (struct storguest_done){
		channel, packet->desc.transaction_id, packet->desc.type, packet->payload_size, {0}};
	if (packet->payload_size > sizeof(d->bytes) ||
	    !vmbus_in_copy(&c->in, packet, packet->header_size, d->bytes, packet->payload_size))
		abort();
	if (packet->desc.type == VMBUS_PKT_INBAND && d->bytes[0] == STORVSP_ENUMERATE_BUS)
		g->n_enumerate++;
	else
		g->n_done++;
}

unsigned storguest_poll(struct storguest *g)
{
	for (unsigned i = 0; i < g->n_channels; i++) {
		struct guest_channel *c = g->channels[i];
		struct vmbus_packet packet = {0};

		guest_channel_drain(c);
		(void)vmbus_in_begin(&c->in);
		while (vmbus_in_next(&c->in, &packet))
			keep(g, i, &packet);
		if (vmbus_in_end(&c->in))
			guest_channel_signal(c);
	}
	return g->n_done;
}

static bool take(struct storguest *g, uint64_t id, struct storguest_done *ret_done)
{
	for (unsigned i = 0; i < g->n_done; i++)
		if (g->done[i].id == id) {
			*ret_done = g->done[i];
			g->done[i] = g->done[--g->n_done];
			return true;
		}
	return false;
}

bool storguest_wait(struct storguest *g, uint64_t id, unsigned timeout_ms,
		    struct storguest_done *ret_done)
{
	uint64_t end = clock_mono_ns() + timeout_ms * 1000000ull;

	for (;;) {
		storguest_poll(g);
		if (take(g, id, ret_done))
			return true;
		if (clock_mono_ns() > end)
			return false;
		guest_bus_pump(g->bus, -1, 1);
	}
}

uint32_t storguest_op(struct storguest *g, unsigned channel, struct storvsp_packet *packet)
{
	enum storvsp_op op = packet->op;
	uint8_t bytes[STORVSP_PACKET_SIZE];
	struct storguest_done done;
	uint64_t id;

	packet->flags = STORVSP_FLAG_COMPLETION;
	storvsp_packet_write(packet, 0, bytes);
	id = storguest_send(g, channel, bytes, sizeof(bytes), NULL, 0, 0);
	if (id == 0 || !storguest_wait(g, id, TIMEOUT_MS, &done) ||
	    done.type != VMBUS_PKT_COMPLETION || done.size != STORVSP_PACKET_SIZE ||
	    storvsp_packet_read(done.bytes, done.size, op, packet) != 0 ||
	    packet->op != STORVSP_COMPLETE_IO)
		return UINT32_MAX;
	return packet->status;
}

/* ---- Negotiation ---- */

static uint32_t simple(struct storguest *g, enum storvsp_op op)
{
	struct storvsp_packet packet = {.op = op};

	return storguest_op(g, 0, &packet);
}

static bool version(struct storguest *g, const uint16_t *versions)
{
	for (; *versions != 0; versions++) {
		struct storvsp_packet packet = {.op = STORVSP_QUERY_VERSION, .version = *versions};
		uint32_t status = storguest_op(g, 0, &packet);

		if (status == STORVSP_OK) {
			g->version = *versions;
			return true;
		}
		if (status != STORVSP_STATUS_REVISION)
			return false;
	}
	return false;
}

static bool subchannels(struct storguest *g, unsigned n)
{
	struct storvsp_packet packet = {.op = STORVSP_CREATE_SUBCHANNELS,
					.n_subchannels = (uint16_t)n};
	uint64_t end = clock_mono_ns() + TIMEOUT_MS * 1000000ull;

	if (storguest_op(g, 0, &packet) != STORVSP_OK)
		return false;
	for (unsigned i = 1; i <= n; i++) {
		struct guest_channel *c;

		while ((c = guest_channel_sub(g->channels[0], (uint16_t)i)) == NULL) {
			if (clock_mono_ns() > end)
				return false;
			guest_bus_pump(g->bus, -1, 1);
		}
		if (open_channel(g, c) != 0)
			return false;
	}
	return true;
}

int storguest_start(struct storguest *g, const uint16_t *versions, unsigned n_subchannels)
{
	static const uint16_t linux_versions[] = {STORVSP_V6_2, STORVSP_V6_0, STORVSP_V5_1, 0};
	struct storvsp_packet packet = {.op = STORVSP_QUERY_PROPERTIES};

	if (simple(g, STORVSP_BEGIN_INITIALIZATION) != STORVSP_OK ||
	    !version(g, versions != NULL ? versions : linux_versions) ||
	    storguest_op(g, 0, &packet) != STORVSP_OK)
		return -EPROTO;
	g->properties = packet.properties;
	if (simple(g, STORVSP_END_INITIALIZATION) != STORVSP_OK)
		return -EPROTO;
	return n_subchannels == 0 || subchannels(g, n_subchannels) ? 0 : -EPROTO;
}

/* ---- Commands ---- */

uint64_t storguest_begin(struct storguest *g, unsigned channel, uint8_t lun, const uint8_t *cdb,
			 uint8_t cdb_size, uint8_t direction, const struct guest_buffer *pages,
			 uint32_t offset, uint32_t size)
{
	struct storvsp_packet packet = {
		.op = STORVSP_EXECUTE_SRB,
		.flags = STORVSP_FLAG_COMPLETION,
		.srb = {.size = STORVSP_SRB_SIZE,
			.lun = lun,
			.cdb_size = cdb_size,
			.sense_size = STORVSP_SENSE_ROOM,
			.direction = direction,
			.transfer = size},
	};
	uint8_t bytes[STORVSP_PACKET_SIZE];

	memcpy(packet.srb.cdb_or_sense, cdb, cdb_size);
	storvsp_packet_write(&packet, 0, bytes);
	return storguest_send(g, channel, bytes, sizeof(bytes), pages, offset, size);
}

bool storguest_do(struct storguest *g, uint8_t lun, const uint8_t *cdb, uint8_t cdb_size,
		  uint8_t direction, const struct guest_buffer *pages, uint32_t size,
		  struct storvsp_srb *ret)
{
	uint64_t id = storguest_begin(g, 0, lun, cdb, cdb_size, direction, pages, 0, size);
	struct storvsp_packet packet;
	struct storguest_done done;

	if (id == 0 || !storguest_wait(g, id, TIMEOUT_MS, &done) ||
	    storvsp_packet_read(done.bytes, done.size, STORVSP_EXECUTE_SRB, &packet) != 0)
		return false;
	*ret = packet.srb;
	return packet.status == STORVSP_OK;
}

static uint8_t read_write(struct storguest *g, uint8_t lun, bool read, uint32_t lba, uint16_t n,
			  const struct guest_buffer *pages, bool fua)
{
	uint8_t cdb[10] = {read ? 0x28 : 0x2a,
			   fua ? 8 : 0,
			   (uint8_t)(lba >> 24),
			   (uint8_t)(lba >> 16),
			   (uint8_t)(lba >> 8),
			   (uint8_t)lba,
			   0,
			   (uint8_t)(n >> 8),
			   (uint8_t)n,
			   0};
	struct storvsp_srb srb;

	if (!storguest_do(g, lun, cdb, sizeof(cdb), read ? STORVSP_DATA_READ : STORVSP_DATA_WRITE,
			  pages, n * 512u, &srb))
		return 0;
	return srb.srb_status;
}

uint8_t storguest_read(struct storguest *g, uint8_t lun, uint32_t lba, uint16_t n,
		       const struct guest_buffer *pages)
{
	return read_write(g, lun, true, lba, n, pages, false);
}

uint8_t storguest_write(struct storguest *g, uint8_t lun, uint32_t lba, uint16_t n,
			const struct guest_buffer *pages, bool fua)
{
	return read_write(g, lun, false, lba, n, pages, fua);
}

uint8_t storguest_flush(struct storguest *g, uint8_t lun)
{
	const uint8_t cdb[10] = {0x35};
	struct storvsp_srb srb;

	return storguest_do(g, lun, cdb, sizeof(cdb), STORVSP_DATA_NONE, NULL, 0, &srb)
		       ? srb.srb_status
		       : 0;
}
