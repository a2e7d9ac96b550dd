/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_rig.h.
 */
#include "tests/support/ic_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "vmbus/guest/bus.h"
#include "vmbus/server.h"

#define N_WATCHES 16

#define GUID(a, b, c, d, e, f, g, h, ...)                                                          \
	{                                                                                          \
		{                                                                                  \
			0x##d, 0x##c, 0x##b, 0x##a, 0x##f, 0x##e, 0x##h, 0x##g, __VA_ARGS__        \
		}                                                                                  \
	}

const struct vmbus_guid ic_guest_heartbeat = GUID(57, 16, 4f, 39, 91, 15, 4e, 78, 0xab, 0x55, 0x38,
						  0x2f, 0x3b, 0xd5, 0x42, 0x2d),
			ic_guest_shutdown = GUID(0e, 0b, 60, 31, 52, 13, 49, 34, 0x81, 0x8b, 0x38,
						 0xd9, 0x0c, 0xed, 0x39, 0xdb),
			ic_guest_timesync = GUID(95, 27, e6, 30, d0, ae, 49, 7b, 0xad, 0xce, 0xe8,
						 0x0a, 0xb0, 0x17, 0x5c, 0xaf),
			ic_guest_kvp = GUID(a9, a0, f4, e7, 5a, 45, 4d, 96, 0xb8, 0x27, 0x8a, 0x84,
					    0x1e, 0x8c, 0x03, 0xe6),
			ic_guest_vss = GUID(35, fa, 2e, 29, ea, 23, 42, 36, 0x96, 0xae, 0x3a, 0x6e,
					    0xba, 0xcb, 0xa4, 0x40),
			ic_guest_balloon = GUID(52, 50, 74, dc, 89, 85, 46, e2, 0x80, 0x57, 0xa3,
						0x07, 0xdc, 0x18, 0xa5, 0x02);

/* ---- The owner ---- */

static void *loop_add(void *ctx, int fd, void (*ready)(void *arg), void *arg)
{
	struct ic_rig *rig = ctx;

	for (unsigned i = 0; i < N_WATCHES; i++) {
		struct ic_watch *w;

		if (rig->watches[i] != NULL)
			continue;
		w = malloc(sizeof(*w));
		assert_non_null(w);
		*w = (struct ic_watch){.fd = fd, .ready = ready, .arg = arg};
		return rig->watches[i] = w;
	}
	return NULL;
}

static void loop_remove(void *ctx, void *handle)
{
	struct ic_rig *rig = ctx;

	for (unsigned i = 0; i < N_WATCHES; i++) {
		if (rig->watches[i] == handle)
			rig->watches[i] = NULL;
	}
	free(handle);
}

static bool work_once(struct ic_rig *rig)
{
	bool any = false;

	for (unsigned i = 0; i < N_WATCHES; i++) {
		struct ic_watch *w = rig->watches[i];
		struct pollfd p = {.events = POLLIN};

		if (w == NULL)
			continue;
		p.fd = w->fd;
		if (poll(&p, 1, 0) == 1) {
			any = true;
			w->ready(w->arg);
		}
	}
	return any;
}

void ic_rig_work(struct ic_rig *rig)
{
	for (unsigned i = 0; i < 10000 && !rig->mute && work_once(rig); i++)
		;
}

static void work(void *ctx)
{
	ic_rig_work(ctx);
}

static void on_event(void *ctx, const char *text)
{
	struct ic_rig *rig = ctx;

	rig->n_events++;
	snprintf(rig->event, sizeof(rig->event), "%s", text);
}

void ic_rig_init(struct ic_rig *rig)
{
	static const uint32_t bus_versions[] = {VMBUS_V5_3, 0};
	struct guest_local_opts opts = {
		.memory_size = 16u << 20,
		.bus = {.versions = bus_versions, .timeout_ms = 1000},
		.work = work,
		.ctx = rig,
	};
	struct err err = {0};

	memset(rig, 0, sizeof(*rig));
	rig->now_ns = 1000 * IC_RIG_S;
	if (guest_local_create(&opts, &rig->local, &err) != 0)
		fail_msg("%s", err.what);
	rig->loop = (struct vmbus_loop){.add = loop_add, .remove = loop_remove, .ctx = rig};
	rig->env = (struct ic_env){.server = guest_local_server(rig->local),
				   .loop = &rig->loop,
				   .event = on_event,
				   .ctx = rig};
}

void ic_rig_connect(struct ic_rig *rig)
{
	struct err err = {0};

	if (guest_bus_connect(guest_local_bus(rig->local), &err) != 0)
		fail_msg("%s", err.what);
}

void ic_rig_unload(struct ic_rig *rig)
{
	struct vmbus_server_info info;

	assert_int_equal(guest_bus_unload(guest_local_bus(rig->local)), 0);
	vmbus_server_info(guest_local_server(rig->local), &info);
	assert_int_equal(info.n_open, 0);
	assert_int_equal(info.n_gpadls, 0);
}

void ic_rig_fini(struct ic_rig *rig)
{
	guest_local_destroy(rig->local);
	for (unsigned i = 0; i < N_WATCHES; i++)
		assert_null(rig->watches[i]);
}

/* ---- The guest ---- */

static struct guest_channel *find(struct ic_rig *rig, const struct vmbus_guid *type)
{
	struct guest_bus *bus = guest_local_bus(rig->local);
	struct guest_channel *c = guest_bus_channel(bus, 0);

	while (c != NULL && !vmbus_guid_equal(&c->type, type))
		c = guest_bus_channel(bus, (uint16_t)(c->relid + 1));
	return c;
}

void ic_guest_open(struct ic_guest *g, struct ic_rig *rig, const struct vmbus_guid *type,
		   unsigned pages)
{
	struct guest_channel_opts opts = {.out_pages = pages != 0 ? pages : 4,
					  .in_pages = pages != 0 ? pages : 4};

	*g = (struct ic_guest){.rig = rig, .channel = find(rig, type)};
	assert_non_null(g->channel);
	assert_int_equal(guest_channel_open(g->channel, &opts), 0);
	ic_rig_work(rig);
}

void ic_guest_close(struct ic_guest *g)
{
	guest_channel_close(g->channel);
	ic_rig_work(g->rig);
}

bool ic_guest_take(struct ic_guest *g)
{
	struct guest_channel *c = g->channel;
	struct vmbus_packet packet = {0};

	guest_channel_drain(c);
	(void)vmbus_in_begin(&c->in);
	if (!vmbus_in_next(&c->in, &packet))
		return false;
	g->desc = packet.desc;
	g->size = packet.payload_size;
	assert_true(g->size <= sizeof(g->bytes));
	assert_true(vmbus_in_copy(&c->in, &packet, packet.header_size, g->bytes, g->size));
	if (vmbus_in_end(&c->in))
		guest_channel_signal(c);
	ic_rig_work(g->rig);
	return true;
}

void ic_guest_expect(struct ic_guest *g, uint16_t type)
{
	assert_true(ic_guest_take(g));
	assert_int_equal(g->desc.type, VMBUS_PKT_INBAND);
	assert_int_equal(ic_read(g->bytes, g->size, &g->m), 0);
	assert_int_equal(g->m.type, type);
	assert_int_equal(g->m.flags, IC_FLAG_TRANSACTION | IC_FLAG_REQUEST);
}

void ic_guest_send(struct ic_guest *g, enum vmbus_packet_type type, uint64_t transaction_id,
		   const void *bytes, size_t size)
{
	guest_channel_fill(g->channel);
	assert_int_equal(vmbus_out_put(&g->channel->out, type, 0, transaction_id, NULL, 0, bytes,
				       size),
			 0);
	guest_channel_flush(g->channel);
	ic_rig_work(g->rig);
}

void ic_guest_answer(struct ic_guest *g, uint32_t status, const void *data, size_t size)
{
	struct wr wr = wr_over(g->bytes + 20, 4);

	wr_le32(&wr, status);
	g->bytes[25] = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	if (size > 0)
		memcpy(g->bytes + IC_HEADER_SIZE, data, size);
	ic_guest_send(g, VMBUS_PKT_INBAND, g->desc.transaction_id, g->bytes, g->size);
}

/* The first of 'ours' that is among the 'n' at 'theirs'; 0.0: none. */
static struct ic_version pick(const struct ic_version *ours, unsigned n_ours, const uint8_t *theirs,
			      unsigned n)
{
	for (unsigned i = 0; i < n_ours; i++) {
		struct rd rd = rd_init(theirs, 4ul * n);

		for (unsigned k = 0; k < n; k++) {
			uint16_t major = rd_le16(&rd), minor = rd_le16(&rd);

			if (major == ours[i].major && minor == ours[i].minor)
				return ours[i];
		}
	}
	return (struct ic_version){0};
}

void ic_guest_negotiate(struct ic_guest *g, const struct ic_version *frameworks,
			unsigned n_frameworks, const struct ic_version *versions,
			unsigned n_versions)
{
	struct rd rd = rd_init(g->m.data, g->m.data_size);
	uint16_t n_f = rd_le16(&rd), n_v = rd_le16(&rd);
	const uint8_t *list = g->m.data + 8;
	struct ic_version f, v;
	uint8_t data[16];
	struct wr wr = wr_over(data, sizeof(data)), size = wr_over(g->bytes + 18, 2);

	assert_int_equal(g->m.data_size, 8 + 4 * (n_f + n_v));
	f = pick(frameworks, n_frameworks, list, n_f);
	v = pick(versions, n_versions, list + 4ul * n_f, n_v);
	wr_le16(&wr, f.major != 0 && v.major != 0);
	wr_le16(&wr, f.major != 0 && v.major != 0);
	wr_le32(&wr, 0);
	wr_le16(&wr, f.major);
	wr_le16(&wr, f.minor);
	wr_le16(&wr, v.major);
	wr_le16(&wr, v.minor);
	wr_le16(&size, sizeof(data));
	ic_guest_answer(g, 0, data, sizeof(data));
}

void ic_guest_start(struct ic_guest *g, struct ic_rig *rig, const struct vmbus_guid *type,
		    struct ic_version version)
{
	const struct ic_version framework = {3, 0};

	ic_guest_open(g, rig, type, 0);
	ic_guest_expect(g, IC_NEGOTIATE);
	ic_guest_negotiate(g, &framework, 1, &version, 1);
}
