/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A peer that writes anything into a ring, its header included, between any two looks at it.
 *
 * 	records: offset (2 bytes, little-endian, into header page and data), length (1), bytes;
 * after each record the ring is consumed, every packet read as each kind there is, and produced
 * into.  A record at an offset beyond the ring starts both ends anew.
 *
 * Whatever it does: packets lie within what the header showed, pieces within guest memory, and
 * nothing outside of the ring is touched (ASan: it is allocated exactly).
 */
#include "tests/fuzz/fuzz.h"
#include "vmbus/packet.h"

#include <stdlib.h>
#include <string.h>

#include "hv/gpa.h"

#define DATA   512u
#define MEMORY (16 * 4096u)

struct world {
	struct vmbus_ring ring;
	struct vmbus_in in;
	struct vmbus_out out;
	uint8_t *memory;
	struct gpa_map map;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void read_pages(const struct world *w, const struct vmbus_packet *packet)
{
	struct vmbus_piece pieces[8];
	uint32_t size = 0, sum = 0;
	int n = vmbus_gpa_read(&w->in, packet, &w->map, pieces, 8, &size);

	for (int i = 0; i < n; i++) {
		check(pieces[i].size > 0 && pieces[i].va >= w->memory);
		check(pieces[i].size <= (size_t)(w->memory + MEMORY - pieces[i].va));
		sum += pieces[i].size;
	}
	check(n < 0 || (n > 0 && sum == size && size <= VMBUS_GPA_MAX_BYTES));
}

static void read_packet(const struct world *w, const struct vmbus_packet *packet)
{
	struct vmbus_range ranges[8];
	uint8_t bytes[DATA];
	uint32_t size = packet->header_size + packet->payload_size;
	uint16_t id;
	int n;

	check(packet->at < DATA && packet->header_size >= 16 && size < DATA);
	check(vmbus_in_copy(&w->in, packet, 0, bytes, size));
	check(!vmbus_in_copy(&w->in, packet, 0, bytes, size + 1));
	check(!vmbus_in_copy(&w->in, packet, size + 1, bytes, 0));
	n = vmbus_transfer_read(&w->in, packet, &id, ranges, 8);
	check(n < 0 || (n > 0 && n <= 8));
	read_pages(w, packet);
}

static void consume(struct world *w)
{
	uint32_t left = vmbus_in_begin(&w->in), taken = 0;
	struct vmbus_packet packet;

	check(left < DATA && left % 8 == 0);
	while (vmbus_in_next(&w->in, &packet)) {
		taken += packet.header_size + packet.payload_size + VMBUS_TRAILER_SIZE;
		check(taken <= left);
		read_packet(w, &packet);
	}
	if (taken % 3 == 2)
		vmbus_in_back(&w->in, &packet);
	vmbus_in_end(&w->in);
	vmbus_in_sleep(&w->in);
}

static void produce(struct world *w)
{
	static const uint8_t bytes[300];
	uint32_t room = vmbus_out_begin(&w->out);

	check(room < DATA);
	for (uint32_t size = 0; size < sizeof(bytes); size += 37) {
		uint32_t total = vmbus_packet_size(16, size);
		int rc = vmbus_out_put(&w->out, VMBUS_PKT_INBAND, 0, size, bytes, 16, bytes, size);

		check((rc == 0) == (total <= room));
		if (rc == 0)
			room -= total;
	}
	vmbus_out_end(&w->out);
	vmbus_out_wait(&w->out, 100);
}

static void start(struct world *w)
{
	vmbus_in_init(&w->in, &w->ring);
	vmbus_out_init(&w->out, &w->ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *header = aligned_alloc(4096, 4096);
	struct world w = {.memory = malloc(MEMORY)};
	size_t at = 0;

	check(header != NULL && w.memory != NULL);
	w.map = (struct gpa_map){.n = 1, .range = {{0x10000, MEMORY, w.memory}}};
	w.ring = (struct vmbus_ring){(void *)header, malloc(DATA), DATA};
	check(w.ring.data != NULL);
	memset(header, 0, 4096);
	memset(w.ring.data, 0, DATA);
	memset(w.memory, 0, MEMORY);
	start(&w);
	while (size - at >= 3) {
		uint32_t to = data[at] | (uint32_t)data[at + 1] << 8, n = data[at + 2];

		at += 3;
		n = n < size - at ? n : (uint32_t)(size - at);
		if (to < 16)
			memcpy(header + to, data + at, n < 16 - to ? n : 16 - to);
		else if (to - 16 < DATA)
			memcpy(w.ring.data + to - 16, data + at,
			       n < DATA + 16 - to ? n : DATA + 16 - to);
		else
			start(&w);
		at += n;
		consume(&w);
		produce(&w);
	}
	free(header);
	free(w.ring.data);
	free(w.memory);
	return 0;
}
