/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMBus as nobody should have it.  What is sent is mostly right, and wrong in one place: that gets
 * further than noise does.
 */
#include "tests/guest/hostile/hostile.h"

#define KIND_NET  0xf8615163u /* the first bytes of types (GUIDs) */
#define KIND_SCSI 0xba6163d9u

static struct channel *some_channel(void)
{
	return bus.n == 0 ? NULL : &bus.channels[below(bus.n)];
}

static uint32_t kind(const struct channel *channel)
{
	uint32_t first;

	memcpy(&first, channel->type, sizeof(first));
	return first;
}

static uint32_t some_relid(void)
{
	const struct channel *channel = some_channel();

	return channel == NULL || one_in(6) ? (uint32_t)nasty() : channel->relid;
}

static uint32_t some_gpadl(void)
{
	return one_in(6) ? (uint32_t)nasty() : 1 + below(bus.next_gpadl + 1);
}

static uint32_t version(void)
{
	static const uint32_t known[] = {0x50003, 0x50002, 0x50000, 0x40001, 0x40000,
					 0x30000, 0x20004, 0x10001, 13,	     0x60000};

	return one_in(8) ? (uint32_t)nasty() : known[below(ARRAY_SIZE(known))];
}

/* ---- control messages ---- */

static uint16_t post(const void *msg, uint32_t size)
{
	return bus_post(one_in(16)  ? (uint32_t)nasty()
			: one_in(2) ? 1
				    : 4,
			one_in(32) ? (uint32_t)nasty() : 1, msg, one_in(8) ? below(242) : size);
}

/* A type, then what its fields might be. */
static void random_message(void)
{
	uint32_t msg[60];

	scribble(msg, sizeof(msg));
	msg[0] = one_in(16) ? (uint32_t)nasty() : below(30);
	msg[2] = some_relid();
	msg[3] = some_gpadl();
	msg[4] = one_in(2) ? some_gpadl() : (uint32_t)nasty();
	(void)post(msg, below(241));
}

/* A list of pages that does not fit its numbers, is no memory, or is left unfinished. */
static void gpadl_message(void)
{
	uint8_t msg[240] = {8};
	uint32_t relid = some_relid(), id = one_in(2) ? some_gpadl() : ++bus.next_gpadl;
	uint32_t n_pages = one_in(8) ? (uint32_t)nasty() : 1 + below(60);
	uint16_t bytes = (uint16_t)(one_in(3) ? nasty() : 8 + 8 * n_pages);
	uint16_t ranges = (uint16_t)(one_in(6) ? nasty() : 1);
	uint32_t count = one_in(3) ? (uint32_t)nasty() : n_pages * PAGE;
	uint32_t offset = one_in(6) ? (uint32_t)nasty() : 0;

	memcpy(msg + 8, &relid, 4);
	memcpy(msg + 12, &id, 4);
	memcpy(msg + 16, &bytes, 2);
	memcpy(msg + 18, &ranges, 2);
	memcpy(msg + 20, &count, 4);
	memcpy(msg + 24, &offset, 4);
	for (unsigned at = 28; at + 8 <= sizeof(msg); at += 8) {
		uint64_t pfn = one_in(16) ? nasty() : arena_page() / PAGE;

		memcpy(msg + at, &pfn, sizeof(pfn));
	}
	(void)post(msg, sizeof(msg) - 8 * below(27));
	msg[0] = 9;
	for (unsigned n = below(4); n > 0; n--)
		(void)post(msg, sizeof(msg));
}

static void open_message(void)
{
	uint32_t msg[37] = {5, 0, some_relid()};

	msg[3] = (uint32_t)any();
	msg[4] = some_gpadl();
	msg[5] = one_in(2) ? 0 : (uint32_t)nasty();
	msg[6] = one_in(2) ? 1 + below(8) : (uint32_t)nasty();
	scribble(&msg[7], 120);
	(void)post(msg, sizeof(msg));
}

static void small_message(void)
{
	static const uint8_t types[] = {7, 11, 13, 22, 21, 3, 18, 19, 20, 2};
	uint32_t msg[14] = {types[below(ARRAY_SIZE(types))], 0, some_relid(), some_gpadl()};

	scribble(&msg[4], sizeof(msg) - 16);
	if (one_in(2))
		msg[3] = below(5);
	(void)post(msg, sizeof(msg));
}

/* ---- packets ---- */

/* Ranges of pages for data: types 7 and 9.  Bytes written. */
static size_t ranges(uint8_t *head, uint16_t type, uint32_t count)
{
	uint32_t n = one_in(8) ? (uint32_t)nasty() : 1 + below(3), offset = below(PAGE);
	size_t at = 8;

	memset(head, 0, 8);
	memcpy(head + 4, &n, sizeof(n));
	for (unsigned i = 0; i < (n > 3 ? 3 : n); i++) {
		uint32_t bytes = one_in(8) ? (uint32_t)nasty() : count;
		unsigned pages = type == 9 ? (offset + count + PAGE - 1) / PAGE : 0;

		memcpy(head + at, &bytes, 4);
		memcpy(head + at + 4, &offset, 4);
		at += 8;
		for (; pages > 0; pages--, at += 8) {
			uint64_t pfn = one_in(16) ? nasty() : arena_page() / PAGE;

			memcpy(head + at, &pfn, sizeof(pfn));
		}
	}
	return at;
}

static void send(struct channel *channel, const void *payload, size_t size, uint32_t data)
{
	static const uint16_t types[] = {6, 7, 8, 9, 0xb};
	uint16_t type = data > 0 ? 9 : 6;
	uint8_t head[256];
	size_t head_size = 0;

	if (one_in(10))
		type = types[below(ARRAY_SIZE(types))];
	if (type == 7 || type == 9)
		head_size = ranges(head, type, data > 3 * PAGE ? 3 * PAGE : data);
	ring_send(channel, type, one_in(8) ? (uint16_t)nasty() : 1, head, head_size, payload, size);
}

/* NVSP: a NIC that is set up rightly, then RNDIS that is not. */
static void net_packet(struct channel *channel)
{
	static const uint32_t types[] = {1,   100, 101, 103, 104, 106, 107,
					 108, 125, 128, 129, 133, 134};
	uint32_t msg[10], *rndis = (uint32_t *)(void *)page_at(arena_page());

	scribble(msg, sizeof(msg));
	msg[0] = types[below(ARRAY_SIZE(types))];
	switch (channel->step++) {
	case 0:
		memcpy(msg, (uint32_t[]){1, 0x60001, 0x60001}, 12);
		break;
	case 1:
		memcpy(msg, (uint32_t[]){125, 1500, 0, below(2) * 0xff, 0}, 20);
		break;
	case 2:
		memcpy(msg, (uint32_t[]){100, 6, 30}, 12);
		break;
	case 3:
		memcpy(msg, (uint32_t[]){101, some_gpadl(), 0xcafe}, 12);
		break;
	case 4:
		memcpy(msg, (uint32_t[]){104, some_gpadl(), 0}, 12);
		break;
	default:
		if (one_in(2)) {
			scribble(rndis, 256);
			memcpy(rndis, (uint32_t[]){one_in(3) ? 1 : 2 + below(8), 24 + below(200)},
			       8);
			memcpy(msg, (uint32_t[]){107, below(2), ~0u, 0}, 16);
			send(channel, msg, sizeof(msg), 24 + below(2000));
			return;
		}
	}
	send(channel, msg, one_in(8) ? below(41) : sizeof(msg), 0);
}

/* A storage controller that is set up rightly, then SCSI that is not. */
static void scsi_packet(struct channel *channel)
{
	static const uint8_t setup[] = {7, 9, 10, 8};
	static const uint8_t commands[] = {0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x25, 0x28,
					   0x2a, 0x2f, 0x35, 0x41, 0x42, 0x43, 0x46, 0x4a,
					   0x5a, 0x88, 0x8a, 0x93, 0x9e, 0xa0, 0xa8, 0xaa,
					   0x51, 0x55, 0x5e, 0x5f, 0xa3, 0xff};
	uint32_t data = one_in(3) ? 0 : 1 + below(3 * PAGE);
	uint8_t msg[64];

	memset(msg, 0, sizeof(msg));
	if (channel->step < ARRAY_SIZE(setup)) {
		msg[0] = setup[channel->step++];
		msg[4] = 1;
		if (msg[0] == 9)
			msg[13] = 6;
		send(channel, msg, sizeof(msg), 0);
		return;
	}
	if (one_in(3))
		scribble(msg, sizeof(msg));
	msg[0] = one_in(8) ? (uint8_t)nasty() : 3;
	msg[4] = 1;
	msg[12] = 52;
	if (!one_in(4))
		msg[17] = msg[18] = 0, msg[19] = (uint8_t)below(3);
	msg[20] = one_in(8) ? (uint8_t)nasty() : 16;
	msg[21] = 20;
	msg[22] = (uint8_t)below(3);
	if (!one_in(4))
		memcpy(msg + 24, &data, sizeof(data));
	scribble(msg + 28, 16);
	msg[28] = commands[below(ARRAY_SIZE(commands))];
	send(channel, msg, one_in(16) ? below(65) : sizeof(msg), data);
}

/* Integration services: a pipe header, theirs, a version; or noise. */
static void other_packet(struct channel *channel)
{
	uint8_t msg[512];
	size_t size = 8 + below(sizeof(msg) - 8);

	scribble(msg, sizeof(msg));
	if (!one_in(4)) {
		uint32_t bytes = (uint32_t)size - 8;

		memset(msg, 0, 4);
		memcpy(msg + 4, &bytes, sizeof(bytes));
		msg[8] = 1, msg[9] = 0, msg[10] = 0;
		msg[12] = (uint8_t)below(8), msg[13] = 0;
	}
	send(channel, msg, size, one_in(8) ? below(PAGE) : 0);
}

static void packet(struct channel *channel)
{
	switch (kind(channel)) {
	case KIND_NET:
		net_packet(channel);
		break;
	case KIND_SCSI:
		scsi_packet(channel);
		break;
	default:
		other_packet(channel);
	}
	/* Whatever was answered is taken, so that more can come. */
	if (!one_in(4)) {
		uint32_t *in = (uint32_t *)(void *)(channel->ring + RING_PAGES * PAGE);
		uint32_t write = __atomic_load_n(in, __ATOMIC_SEQ_CST);

		bus.answers += write != in[1];
		__atomic_store_n(in + 1, write, __ATOMIC_SEQ_CST);
	}
}

/* The host's half and ours, indexes, masks, sizes, data. */
static void ruin_ring(struct channel *channel)
{
	uint32_t *ring = (uint32_t *)(void *)(channel->ring + below(2) * RING_PAGES * PAGE);

	if (one_in(3))
		scribble(ring, 128);
	else
		ring[below(4)] = one_in(2) ? (uint32_t)nasty() : below(RING_PAGES * PAGE) & ~7u;
	if (one_in(3))
		scribble((uint8_t *)ring + PAGE + below(PAGE), 1 + below(PAGE));
	channel->ruined = true;
	ring_signal(channel);
}

/* ---- one thing ---- */

static void channel_round(void)
{
	struct channel *channel = some_channel();

	if (channel == NULL || !channel->offered) {
		random_message();
	} else if (!channel->open) {
		(void)bus_open(channel);
	} else if (one_in(channel->ruined ? 4 : 60)) {
		bus_close(channel);
	} else if (one_in(60)) {
		ruin_ring(channel);
	} else {
		for (unsigned n = below(24); n > 0; n--)
			packet(channel);
	}
}

void chaos_round(void)
{
	if (bus.n == 0 || one_in(100)) {
		bus_on();
		(void)bus_connect(one_in(4) ? version() : 0x50003);
	}
	switch (below(16)) {
	case 0:
		random_message();
		break;
	case 1:
		gpadl_message();
		break;
	case 2:
		open_message();
		break;
	case 3:
		small_message();
		break;
	case 4:
		(void)hypercall(0x1005d, nasty(), 0);
		break;
	case 5:
		if (one_in(20))
			bus_unload();
		break;
	default:
		channel_round();
	}
	bus_drain();
}
