/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hostile.h.  All answers are polled for, with a limit in time.
 */
#include "tests/guest/hostile/hostile.h"

#define OS_ID	     0x8100000000000000ull
#define SINT	     2
#define VECTOR	     0xf3
#define SLOT_SIZE    256
#define ANSWER_TICKS (100 * MS)
#define CALL_POST    0x5c
#define CALL_SIGNAL  0x1005d
#define TYPE_OFFER   1
#define TYPE_RESCIND 2
#define TYPE_MAX     240

/* Message types, [vmbus.md] 3. */
enum {
	REQUEST_OFFERS = 3,
	OFFERS_DELIVERED = 4,
	OPEN_CHANNEL = 5,
	OPEN_RESULT = 6,
	CLOSE_CHANNEL = 7,
	GPADL_HEADER = 8,
	GPADL_CREATED = 10,
	GPADL_TEARDOWN = 11,
	RELID_RELEASED = 13,
	CONTACT = 14,
	VERSION_RESPONSE = 15,
	UNLOAD = 16,
};

struct bus bus;

static uint8_t messages[PAGE] __attribute__((aligned(4096)));
static uint8_t events[PAGE] __attribute__((aligned(4096)));
static uint8_t call_page[PAGE] __attribute__((aligned(4096)));
static uint8_t post_block[SLOT_SIZE] __attribute__((aligned(256)));
static uint8_t rings[MAX_CHANNELS][2 * RING_PAGES * PAGE] __attribute__((aligned(4096)));
static uint32_t message_connection;

static uint64_t address(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

/* ---- hypercalls ---- */

struct call {
	uint64_t control, input, output, result;
};

static void do_call(void *arg)
{
	struct call *call = arg;
	register uint64_t r8 __asm__("r8") = call->output;
	uint64_t control = call->control, input = call->input;

	__asm__ volatile("call *%[page]"
			 : "=a"(call->result), "+c"(control), "+d"(input), "+r"(r8)
			 : [page] "b"(call_page)
			 : "memory", "cc", "r9", "r10", "r11");
}

uint16_t hypercall(uint64_t control, uint64_t input, uint64_t output)
{
	struct call call = {.control = control, .input = input, .output = output};

	return guarded(do_call, &call) == 0 ? (uint16_t)call.result : 0xffff;
}

void bus_on(void)
{
	memset(messages, 0, sizeof(messages));
	memset(events, 0, sizeof(events));
	(void)msr_write(0x40000000, OS_ID);
	(void)msr_write(0x40000001, address(call_page) | 1);
	(void)msr_write(0x40000083, address(messages) | 1);
	(void)msr_write(0x40000082, address(events) | 1);
	(void)msr_write(0x40000090 + SINT, VECTOR);
	(void)msr_write(0x40000080, 1);
}

/* ---- messages ---- */

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

uint16_t bus_post(uint32_t connection, uint32_t type, const void *msg, uint32_t size)
{
	uint16_t status;

	for (unsigned n = 0; n < 100; n++) {
		put32(post_block, connection);
		put32(post_block + 4, 0);
		put32(post_block + 8, type);
		put32(post_block + 12, size);
		memcpy(post_block + 16, msg, size < TYPE_MAX ? size : TYPE_MAX);
		status = hypercall(CALL_POST, address(post_block), 0);
		if (status != 19)
			return status;
		bus_drain();
	}
	return status;
}

static void on_offer(const uint8_t *msg)
{
	struct channel *channel;
	uint32_t relid = get32(msg + 184);

	for (unsigned i = 0; i < bus.n; i++)
		if (bus.channels[i].offered && bus.channels[i].relid == relid)
			return;
	if (bus.n == MAX_CHANNELS)
		return;
	channel = &bus.channels[bus.n];
	memset(channel, 0, sizeof(*channel));
	channel->relid = relid;
	channel->connection = get32(msg + 192);
	memcpy(channel->type, msg + 8, sizeof(channel->type));
	channel->offered = true;
	channel->ring = rings[bus.n++];
}

static void on_rescind(uint32_t relid)
{
	uint8_t msg[12] = {RELID_RELEASED};

	for (unsigned i = 0; i < bus.n; i++)
		if (bus.channels[i].relid == relid)
			bus.channels[i].offered = bus.channels[i].open = false;
	put32(msg + 8, relid);
	if (!one_in(4)) /* Or never, and it stays taken. */
		(void)bus_post(message_connection, 1, msg, sizeof(msg));
}

/* Where each type of answer has its status. */
static uint32_t status_of(uint32_t type, const uint8_t *msg)
{
	switch (type) {
	case OPEN_RESULT:
	case GPADL_CREATED:
		return get32(msg + 16);
	case VERSION_RESPONSE:
		return msg[8] == 0;
	default:
		return 0;
	}
}

static void on_message(const uint8_t *msg)
{
	uint32_t type = get32(msg);

	bus.messages++;
	if (type == TYPE_OFFER)
		on_offer(msg);
	if (type < ARRAY_SIZE(bus.seen)) {
		bus.seen[type]++;
		bus.status[type] = status_of(type, msg);
	}
	if (type == TYPE_RESCIND)
		on_rescind(get32(msg + 8));
}

void bus_drain(void)
{
	uint8_t *slot = messages + SINT * SLOT_SIZE;
	uint8_t msg[TYPE_MAX];

	for (unsigned n = 0; n < 64; n++) {
		if (__atomic_load_n((uint32_t *)(void *)slot, __ATOMIC_SEQ_CST) == 0)
			return;
		memcpy(msg, slot + 16, sizeof(msg));
		__atomic_store_n((uint32_t *)(void *)slot, 0, __ATOMIC_SEQ_CST);
		if ((__atomic_load_n(slot + 5, __ATOMIC_SEQ_CST) & 1) != 0)
			(void)msr_write(0x40000084, 0);
		on_message(msg);
	}
}

/* True when another answer of 'type' than the 'before' came. */
static bool answered(uint32_t type, uint32_t before)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < ANSWER_TICKS) {
		bus_drain();
		if (bus.seen[type] != before)
			return true;
		__asm__ volatile("pause");
	}
	return false;
}

static bool ask(const uint8_t *msg, uint32_t size, uint32_t answer)
{
	uint32_t before = bus.seen[answer];

	if (bus_post(message_connection, 1, msg, size) != 0)
		return false;
	return answered(answer, before) && bus.status[answer] == 0;
}

/* ---- the connection ---- */

bool bus_connect(uint32_t version)
{
	uint8_t contact[40] = {CONTACT}, offers[8] = {REQUEST_OFFERS};

	bus.n = 0;
	message_connection = version >= 0x50000 ? 4 : 1;
	put32(contact + 8, version);
	contact[16] = SINT;
	if (version < 0x50000) {
		uint64_t page = address(&arena[0]);

		memcpy(contact + 16, &page, sizeof(page));
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t page = address(&arena[(1 + i) * PAGE]);

		memcpy(contact + 24 + 8 * i, &page, sizeof(page));
	}
	return ask(contact, sizeof(contact), VERSION_RESPONSE) &&
	       ask(offers, sizeof(offers), OFFERS_DELIVERED);
}

void bus_unload(void)
{
	uint8_t msg[8] = {UNLOAD};

	(void)ask(msg, sizeof(msg), UNLOAD + 1);
	bus.n = 0;
}

/* ---- channels ---- */

static bool make_gpadl(struct channel *channel)
{
	uint8_t msg[20 + 8 + 8 * 2 * RING_PAGES] = {GPADL_HEADER};
	uint16_t bytes = 8 + 8 * 2 * RING_PAGES, ranges = 1;

	channel->gpadl = ++bus.next_gpadl;
	put32(msg + 8, channel->relid);
	put32(msg + 12, channel->gpadl);
	memcpy(msg + 16, &bytes, sizeof(bytes));
	memcpy(msg + 18, &ranges, sizeof(ranges));
	put32(msg + 20, 2 * RING_PAGES * PAGE);
	for (unsigned i = 0; i < 2 * RING_PAGES; i++) {
		uint64_t pfn = address(channel->ring + i * PAGE) / PAGE;

		memcpy(msg + 28 + 8 * i, &pfn, sizeof(pfn));
	}
	return ask(msg, sizeof(msg), GPADL_CREATED);
}

bool bus_open(struct channel *channel)
{
	uint8_t msg[148] = {OPEN_CHANNEL};

	memset(channel->ring, 0, 2 * RING_PAGES * PAGE);
	put32(channel->ring + 64, 1);
	if (!make_gpadl(channel))
		return false;
	put32(msg + 8, channel->relid);
	put32(msg + 12, channel->relid);
	put32(msg + 16, channel->gpadl);
	put32(msg + 20, 0);
	put32(msg + 24, RING_PAGES);
	channel->open = ask(msg, sizeof(msg), OPEN_RESULT);
	channel->step = 0;
	channel->ruined = false;
	return channel->open;
}

void bus_close(struct channel *channel)
{
	uint8_t close[12] = {CLOSE_CHANNEL}, teardown[16] = {GPADL_TEARDOWN};

	put32(close + 8, channel->relid);
	(void)bus_post(message_connection, 1, close, sizeof(close));
	channel->open = false;
	put32(teardown + 8, channel->relid);
	put32(teardown + 12, channel->gpadl);
	(void)ask(teardown, sizeof(teardown), GPADL_TEARDOWN + 1);
}

/* ---- rings ---- */

#define DATA_SIZE ((RING_PAGES - 1) * PAGE)

static void ring_put(uint8_t *ring, uint32_t *at, const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size > 0) {
		size_t n = DATA_SIZE - *at < size ? DATA_SIZE - *at : size;

		memcpy(ring + PAGE + *at, from, n);
		*at = (uint32_t)((*at + n) % DATA_SIZE);
		from += n;
		size -= n;
	}
}

void ring_signal(const struct channel *channel)
{
	(void)hypercall(CALL_SIGNAL, channel->connection, 0);
}

void ring_send(struct channel *channel, uint16_t type, uint16_t flags, const void *head,
	       size_t head_size, const void *payload, size_t size)
{
	static const uint64_t zeros;
	uint32_t *write = (uint32_t *)(void *)channel->ring;
	uint32_t read = __atomic_load_n(write + 1, __ATOMIC_SEQ_CST), at = *write, start = at;
	size_t padding = (8 - size % 8) % 8, total = 16 + head_size + size + padding;
	uint16_t descriptor[4] = {type, (uint16_t)((16 + head_size) / 8), (uint16_t)(total / 8),
				  flags};
	uint64_t trailer = (uint64_t)start << 32;

	if (at >= DATA_SIZE || read >= DATA_SIZE || at % 8 != 0 ||
	    (read + DATA_SIZE - at - 1) % DATA_SIZE < total + 16)
		return;
	channel->transaction++;
	ring_put(channel->ring, &at, descriptor, sizeof(descriptor));
	ring_put(channel->ring, &at, &channel->transaction, 8);
	ring_put(channel->ring, &at, head, head_size);
	ring_put(channel->ring, &at, payload, size);
	ring_put(channel->ring, &at, &zeros, padding);
	ring_put(channel->ring, &at, &trailer, 8);
	__atomic_store_n(write, at, __ATOMIC_SEQ_CST);
	ring_signal(channel);
}
