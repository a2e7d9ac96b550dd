/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lies in control messages: lengths, orders, numbers, memory that is none.
 */
#include "tests/support/hostile.h"

#include <string.h>

#include "vmbus/proto.h"

#define MESSAGES 1000000u

static uint16_t relid(const struct hostile *h)
{
	return h->channel != NULL ? h->channel->relid : 1;
}

/* Every type in every length, and zeros or ones behind it. */
static void short_messages(struct hostile *h)
{
	union vmbus_msg msg;

	for (unsigned type = 0; type < 32; type++) {
		for (unsigned size = 0; size <= VMBUS_MSG_MAX; size += size < 48 ? 1 : 37) {
			memset(&msg, type % 2 == 0 ? 0 : 0xff, sizeof(msg));
			msg.header.type = type;
			/* Not those that end it all, in full. */
			if (type == VMBUS_MSG_UNLOAD || type == VMBUS_MSG_CONTACT)
				msg.header.type = 0xffff0000u | type;
			hostile_post(h, &msg, size);
		}
		hostile_pause(h);
	}
}

static void say(struct hostile *h, enum vmbus_msg_type type, uint32_t number)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, type);

	msg.relid.relid = number; /* the first word of all of them */
	hostile_post(h, &msg, size);
}

static void out_of_order(struct hostile *h)
{
	static const enum vmbus_msg_type types[] = {
		VMBUS_MSG_CLOSE,	  VMBUS_MSG_RELID_RELEASED, VMBUS_MSG_OPEN,
		VMBUS_MSG_GPADL_TEARDOWN, VMBUS_MSG_MODIFY,	    VMBUS_MSG_REQUEST_OFFERS,
		VMBUS_MSG_GPADL_BODY,	  VMBUS_MSG_GPADL_HEADER,
	};
	static const uint32_t numbers[] = {0, 1, 2047, 2048, 0x80000000u, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (unsigned n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
			say(h, types[i], numbers[n]);
		hostile_pause(h);
	}
	for (unsigned i = 0; i < 100; i++)
		say(h, types[hostile_random(h) % 6], relid(h));
	hostile_pause(h);
	(void)guest_bus_connect(h->bus, NULL); /* once more, in the middle */
}

static void unload_in_the_middle(struct hostile *h)
{
	union vmbus_msg msg;

	hostile_post(h, &msg, vmbus_msg_init(&msg, VMBUS_MSG_UNLOAD));
	for (unsigned i = 0; i < 16; i++)
		say(h, VMBUS_MSG_CLOSE, relid(h));
	hostile_pause(h);
}

static void flood(struct hostile *h)
{
	const unsigned n = h->env->messages != 0 ? h->env->messages : MESSAGES;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_TEARDOWN);

	msg.gpadl_teardown.relid = relid(h);
	for (unsigned i = 0; i < n; i++) {
		msg.gpadl_teardown.gpadl = 0x1000 + i;
		hostile_post(h, &msg, size);
	}
}

/* Bodies and headers, as many as one likes, and no end to any. */
static void gpadl_flood(struct hostile *h)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);

	msg.gpadl_header.relid = relid(h);
	msg.gpadl_header.n_ranges = 1;
	msg.gpadl_header.range_bytes = 8 + 8 * 8190;
	msg.gpadl_header.words[0] = 8190u << 12;
	for (unsigned i = 0; i < 20000; i++) {
		msg.gpadl_header.gpadl = 0x100000 + i;
		hostile_post(h, &msg, size + 8);
	}
}

/* One GPADL of 'n' pages from 'pfn', with lies about its sizes. */
static void gpadl(struct hostile *h, uint32_t id, uint16_t range_bytes, uint16_t n_ranges,
		  uint32_t bytes, uint32_t offset, uint64_t pfn, unsigned n)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);

	msg.gpadl_header.relid = relid(h);
	msg.gpadl_header.gpadl = id;
	msg.gpadl_header.range_bytes = range_bytes;
	msg.gpadl_header.n_ranges = n_ranges;
	msg.gpadl_header.words[0] = bytes | (uint64_t)offset << 32;
	for (unsigned i = 0; i < n && i < VMBUS_GPADL_HEADER_WORDS - 1; i++)
		msg.gpadl_header.words[1 + i] = pfn + i;
	hostile_post(h, &msg, size + 8 * (1 + n));
}

#define PFN (GUEST_MEMORY_GPA >> 12)

static void gpadl_outside(struct hostile *h)
{
	static const uint64_t pfns[] = {
		0,	    PFN - 1,	      PFN + 8192 - 2,  PFN + 8192,
		UINT64_MAX, UINT64_MAX >> 12, 0x8000000000000, (1ull << 52) + PFN,
		UINT32_MAX};

	for (unsigned i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++)
		gpadl(h, 0x200 + i, 8 * 5, 1, 4 << 12, 0, pfns[i], 4);
	hostile_pause(h);
}

static void gpadl_sizes(struct hostile *h)
{
	uint32_t id = 0x300;

	for (unsigned i = 0; i < HOSTILE_N_LENGTHS; i++) {
		gpadl(h, id++, (uint16_t)hostile_length(i, 8, 40), 1, 4 << 12, 0, PFN, 4);
		gpadl(h, id++, 40, (uint16_t)hostile_length(i, 1, 2), 4 << 12, 0, PFN, 4);
		gpadl(h, id++, 40, 1, hostile_length(i, 4096, 4 << 12), 0, PFN, 4);
		gpadl(h, id++, 40, 1, 4 << 12, hostile_length(i, 1, 4095), PFN, 4);
	}
	hostile_pause(h);
}

/* The same number again, the same pages again, freed again. */
static void gpadl_twice(struct hostile *h)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_TEARDOWN);

	for (unsigned i = 0; i < 8; i++)
		gpadl(h, 0x400 + i / 2, 40, 1, 4 << 12, 0, PFN + i % 3, 4);
	msg.gpadl_teardown.relid = relid(h);
	for (unsigned i = 0; i < 16; i++) {
		msg.gpadl_teardown.gpadl = 0x400 + i / 4;
		hostile_post(h, &msg, size);
	}
	hostile_pause(h);
}

static void open_with(struct hostile *h, uint32_t id, uint32_t offset)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_OPEN);

	msg.open.relid = msg.open.open_id = relid(h);
	msg.open.ring_gpadl = id;
	msg.open.ring_offset = offset;
	hostile_post(h, &msg, size);
}

/* Rings that are none, opened once, twice and with what was freed. */
static void bad_open(struct hostile *h)
{
	gpadl(h, 0x500, 8 + 8 * 8, 1, 8 << 12, 0, PFN + 16, 8);
	for (unsigned i = 0; i < HOSTILE_N_LENGTHS; i++) {
		open_with(h, 0x500, hostile_length(i, 2, 8));
		open_with(h, 0x501, 4);
		hostile_pause(h);
		say(h, VMBUS_MSG_CLOSE, relid(h));
	}
	open_with(h, 0x500, 4);
	open_with(h, 0x500, 4);
	hostile_pause(h);
	/* The rings are taken away from under it. */
	for (unsigned i = 0; i < 2; i++) {
		union vmbus_msg msg;
		size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_TEARDOWN);

		msg.gpadl_teardown.relid = relid(h);
		msg.gpadl_teardown.gpadl = 0x500;
		hostile_post(h, &msg, size);
	}
	hostile_pause(h);
	open_with(h, 0x500, 4);
	say(h, VMBUS_MSG_CLOSE, relid(h));
	say(h, VMBUS_MSG_CLOSE, relid(h));
	hostile_pause(h);
}

static void random_messages(struct hostile *h)
{
	union vmbus_msg msg;

	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned w = 0; w < sizeof(msg) / 4; w++) {
			uint32_t value = hostile_random(h);

			/* Small numbers hit more often. */
			value = value % 4 == 0 ? value : value % 3 == 0 ? value % 64 : 0;
			memcpy(msg.bytes + 4 * w, &value, sizeof(value));
		}
		msg.header.type = hostile_random(h) % 26;
		if (msg.header.type == VMBUS_MSG_CONTACT && i % 64 != 0)
			continue;
		hostile_post(h, &msg, hostile_random(h) % (VMBUS_MSG_MAX + 1));
		if (i % 64 == 0)
			hostile_pause(h);
	}
}

const struct hostile_attack hostile_bus_attacks[] = {
	{"message-short", "messages of every type in every length", short_messages, false},
	{"message-order", "messages that their state does not allow", out_of_order, false},
	{"message-unload", "goes away in the middle", unload_in_the_middle, true},
	{"message-flood", "a million control messages", flood, false},
	{"message-random", "messages of random words", random_messages, false},
	{"gpadl-flood", "GPADLs that are never completed", gpadl_flood, false},
	{"gpadl-outside", "GPADLs of pages that are not memory", gpadl_outside, false},
	{"gpadl-sizes", "GPADLs that lie about their sizes", gpadl_sizes, false},
	{"gpadl-twice", "GPADLs made twice, overlapping, freed twice", gpadl_twice, false},
	{"open-bad", "channels opened with rings that are none, twice, or freed", bad_open, false},
	{0},
};
