/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes a SCSI controller through its rings: packets of any type, any header and any payload,
 * before, in and after negotiation, while its disk holds what it was asked, units come and go, and
 * channels close.  Every packet that asks for an answer gets one, and closing never waits for more
 * than the disk.
 *
 * Input: steps, each a byte that says what, a byte for a size, and so many bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/mem_disk.h"
#include "tests/support/storguest.h"
#include "vmbus/guest/local.h"
#include "vmbus/packet.h"
#include "vmbus/server.h"
#include "vmbus/storvsp.h"

#define MAX_STEPS 48
#define LUN	  1

struct rig {
	struct guest_local *local;
	struct storvsp *storvsp;
	struct storguest guest;
	struct mem_disk disk, second;
	struct guest_buffer buffer;
	bool has_second, broken;
	unsigned n_asked, n_answered;
};

static void work(void *ctx)
{
	struct rig *rig = ctx;

	if (rig->storvsp == NULL)
		return;
	storvsp_work(rig->storvsp);
	storvsp_event(rig->storvsp);
	storvsp_work(rig->storvsp);
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void rig_create(struct rig *rig)
{
	static const uint32_t versions[] = {VMBUS_V5_3, 0};
	struct guest_local_opts opts = {.memory_size = 4u << 20,
					.bus = {.versions = versions},
					.work = work,
					.ctx = rig};
	struct storvsp_opts stor = {.name = "fuzz", .max_channels = 4, .threadless = true};

	require(guest_local_create(&opts, &rig->local, NULL) == 0);
	stor.server = guest_local_server(rig->local);
	stor.memory = &guest_local_memory(rig->local)->map;
	require(storvsp_create(&stor, &rig->storvsp, NULL) == 0);
	mem_disk_init(&rig->disk, 1u << 20, 512);
	require(storvsp_add(rig->storvsp, 0, &rig->disk.disk, "fuzz", NULL) == 0);
	require(guest_bus_connect(guest_local_bus(rig->local), NULL) == 0);
	require(guest_buffer_alloc(guest_local_memory(rig->local), 64, false, &rig->buffer) == 0);
	rig->guest.ring_pages = 3;
	require(storguest_open(&rig->guest, guest_local_bus(rig->local)) == 0);
}

static void collect(struct rig *rig)
{
	storguest_poll(&rig->guest);
	for (unsigned i = 0; i < rig->guest.n_done; i++)
		rig->n_answered += rig->guest.done[i].type == VMBUS_PKT_COMPLETION;
	rig->guest.n_done = 0;
}

/* ---- Steps ---- */

/* A packet: its type, flags and header are the input's, if it wants that. */
static void step_packet(struct rig *rig, const uint8_t *bytes, size_t size, unsigned channel,
			bool any)
{
	struct guest_channel *c = rig->guest.channels[channel % rig->guest.n_channels];
	uint8_t header[64] = {0};
	size_t header_size = any && size > 2 ? (bytes[1] & 7) * 8u : 0, payload = size;
	uint16_t type = any && size > 0 ? bytes[0] & 15 : VMBUS_PKT_INBAND;

	if (header_size > size)
		header_size = size & ~7u;
	memcpy(header, bytes, header_size);
	payload -= header_size;
	(void)vmbus_out_begin(&c->out);
	if (vmbus_out_put(&c->out, (enum vmbus_packet_type)type, VMBUS_PKT_COMPLETION_REQUESTED, 7,
			  header, header_size, bytes + header_size, payload) == 0 &&
	    (type == VMBUS_PKT_INBAND || type == VMBUS_PKT_GPA_DIRECT))
		rig->n_asked++;
	if (vmbus_out_end(&c->out))
		guest_channel_signal(c);
}

/* A command with data that are there. */
static void step_command(struct rig *rig, const uint8_t *bytes, size_t size)
{
	uint8_t cdb[16] = {0};
	uint32_t room;

	if (size < 3)
		return;
	memcpy(cdb, bytes + 3, size - 3 < 16 ? size - 3 : 16);
	room = bytes[2] * 512u;
	if (storguest_begin(&rig->guest, 0, bytes[0] & 3, cdb, (uint8_t)(bytes[1] >> 3 & 15) + 1,
			    bytes[1] & 3, &rig->buffer, bytes[0] * 8u, room) != 0)
		rig->n_asked++;
}

static void step_lie(struct rig *rig, const uint8_t *bytes, size_t size)
{
	struct guest_channel *c = rig->guest.channels[0];
	uint32_t value = 0;

	if (size < 5)
		return;
	memcpy(&value, bytes + 1, 4);
	rig->broken = true;
	switch (bytes[0] % 5) {
	case 0:
		atomic_store(&c->out.ring.hdr->write, value);
		break;
	case 1:
		atomic_store(&c->in.ring.hdr->read, value);
		break;
	case 2:
		atomic_store(&c->in.ring.hdr->mask, value);
		break;
	case 3:
		atomic_store(&c->out.ring.hdr->pending, value);
		break;
	default: /* bytes of a packet, whatever they are */
		memcpy(c->out.ring.data, bytes, size);
		atomic_store(&c->out.ring.hdr->write, (uint32_t)(size & ~7u));
		break;
	}
	guest_channel_signal(c);
}

static void step_second(struct rig *rig)
{
	if (!rig->has_second && rig->second.disk.ops == NULL) {
		mem_disk_init(&rig->second, 64u << 10, 2048);
		rig->second.disk.info.dvd = true;
		rig->second.disk.info.read_only = true;
		rig->has_second =
			storvsp_add(rig->storvsp, LUN, &rig->second.disk, "dvd", NULL) == 0;
	} else if (rig->has_second) {
		require(storvsp_remove(rig->storvsp, LUN, NULL, NULL, NULL) == 0);
		rig->has_second = false;
	}
}

static void step(struct rig *rig, uint8_t what, const uint8_t *bytes, size_t size)
{
	switch (what % 10) {
	case 0:
	case 1:
		step_packet(rig, bytes, size, what / 10, what % 10 == 1);
		break;
	case 2:
	case 3:
		step_command(rig, bytes, size);
		break;
	case 4:
		if (!rig->broken && rig->guest.version == 0 && rig->n_asked == rig->n_answered)
			(void)storguest_start(&rig->guest, NULL, size & 3);
		break;
	case 5:
		rig->disk.hold = size & 1;
		mem_disk_release(&rig->disk);
		break;
	case 6:
		step_lie(rig, bytes, size);
		break;
	case 7:
		step_second(rig);
		break;
	case 8:
		rig->disk.next_size = (64u << 10) + size * 512;
		require(storvsp_resize(rig->storvsp, 0, NULL, NULL) == 0);
		break;
	default:
		rig->disk.fail_op = (enum disk_op)(size % DISK_N_OPS);
		rig->disk.fail_rc = -5;
		break;
	}
	work(rig);
	collect(rig);
}

static void finish(struct rig *rig)
{
	struct vmbus_server_info info;

	rig->disk.hold = false;
	for (unsigned i = 0; i < 20; i++) {
		mem_disk_release(&rig->disk);
		work(rig);
		collect(rig);
	}
	require(rig->broken || rig->n_answered == rig->n_asked);
	storguest_close(&rig->guest);
	for (unsigned i = 0; i < 8; i++)
		guest_local_event(rig->local);
	require(guest_bus_unload(guest_local_bus(rig->local)) == 0);
	vmbus_server_info(guest_local_server(rig->local), &info);
	require(info.n_open == 0 && info.n_gpadls == 0);
	storvsp_destroy(rig->storvsp, NULL, NULL);
	rig->storvsp = NULL;
	mem_disk_fini(&rig->disk);
	if (rig->second.disk.ops != NULL)
		mem_disk_fini(&rig->second);
	guest_buffer_free(guest_local_memory(rig->local), &rig->buffer);
	guest_local_destroy(rig->local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	require(rig != NULL);
	rig_create(rig);
	for (unsigned i = 0; i < MAX_STEPS && size >= 2; i++) {
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		uint8_t *exact = malloc(n == 0 ? 1 : n);

		require(exact != NULL);
		memcpy(exact, data + 2, n);
		step(rig, data[0], exact, n);
		free(exact);
		data += 2 + n;
		size -= 2 + n;
	}
	finish(rig);
	free(rig);
	return 0;
}
