/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lies on rings: indexes, descriptors, descriptors that change while they are read.
 */
#include "tests/support/hostile.h"

#include <pthread.h>
#include <stdatomic.h>

#include "ctl/base/clock.h"
#include "vmbus/nvsp.h"
#include "vmbus/ring.h"

#define MS 500u

static uint64_t until(const struct hostile *h)
{
	return clock_mono_ns() + (h->env->ms != 0 ? h->env->ms : MS) * 1000000ull;
}

static uint64_t word(unsigned type, uint32_t offset8, uint32_t len8, unsigned flags)
{
	return type | (uint64_t)(offset8 & 0xffff) << 16 | (uint64_t)(len8 & 0xffff) << 32 |
	       (uint64_t)flags << 48;
}

static const uint32_t indexes[] = {1,	       4,	   7,	       0x10000000,
				   0x7ffffff8, 0x80000000, 0xfffffff8, UINT32_MAX};
#define N_INDEXES (sizeof(indexes) / sizeof(indexes[0]))

static void write_index(struct hostile *h)
{
	for (unsigned i = 0; i < N_INDEXES + 3; i++) {
		struct vmbus_ring_hdr *hdr = h->channel->out.ring.hdr;
		uint32_t size = h->channel->out.ring.size;

		atomic_store(&hdr->write, i < N_INDEXES ? indexes[i] : size + 8 * (i - N_INDEXES));
		guest_channel_signal(h->channel);
		hostile_pause(h);
		if (!hostile_renew(h))
			return;
	}
}

static void read_index(struct hostile *h)
{
	for (unsigned i = 0; i < N_INDEXES + 3; i++) {
		struct vmbus_ring_hdr *hdr = h->channel->in.ring.hdr;
		uint32_t size = h->channel->in.ring.size, link, got, status;

		atomic_store(&hdr->read, i < N_INDEXES ? indexes[i] : size + 8 * (i - N_INDEXES));
		/* An answer has to go there. */
		(void)guest_net_query(h->net, 0x00010114, NULL, 0, &link, sizeof(link), &got,
				      &status);
		if (!hostile_renew(h))
			return;
	}
}

/* Masks and sizes waited for that make no sense: all that it may cost is signals. */
static void header_words(struct hostile *h)
{
	const uint64_t end = until(h);

	while (clock_mono_ns() < end) {
		struct vmbus_ring_hdr *out = h->channel->out.ring.hdr,
				      *in = h->channel->in.ring.hdr;
		uint32_t link, got, status;

		atomic_store(&out->pending, hostile_random(h));
		atomic_store(&in->mask, hostile_random(h));
		out->features = in->features = hostile_random(h);
		in->reserved[hostile_random(h) % 12] = hostile_random(h);
		if (guest_net_query(h->net, 0x00010114, NULL, 0, &link, sizeof(link), &got,
				    &status) != 0)
			return;
	}
}

static void descriptors(struct hostile *h)
{
	static const unsigned types[] = {VMBUS_PKT_INBAND, VMBUS_PKT_GPA_DIRECT,
					 VMBUS_PKT_TRANSFER_PAGES, VMBUS_PKT_COMPLETION};

	for (unsigned i = 0; i < 2 * HOSTILE_N_LENGTHS; i++) {
		uint32_t offset = i < HOSTILE_N_LENGTHS ? hostile_length(i, 2, 4) : 2;
		uint32_t len =
			i < HOSTILE_N_LENGTHS ? 4 : hostile_length(i - HOSTILE_N_LENGTHS, 2, 4);
		uint64_t payload[2] = {NVSP_INIT, 0};

		hostile_put(h, word(types[i % 4], offset, len, 1), 1, payload, sizeof(payload), 40);
		hostile_pause(h);
		if (!hostile_renew(h))
			return;
	}
}

static void types(struct hostile *h)
{
	uint64_t payload[8] = {0};

	for (unsigned type = 0; type < 20; type++) {
		hostile_put(h, word(type, 2, 10, type % 2), type, payload, sizeof(payload), 88);
		hostile_pause(h);
		if (!hostile_renew(h))
			return;
	}
}

/* A thread that changes descriptors and payloads while the host reads them. */

struct flipper {
	struct vmbus_ring *ring;
	atomic_bool stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	uint32_t seed = 12345;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		seed = seed * 1664525u + 1013904223u;
		((volatile uint8_t *)f->ring->data)[seed % f->ring->size] ^= (uint8_t)(seed >> 24);
	}
	return NULL;
}

static void flipped(struct hostile *h)
{
	const uint64_t end = until(h);

	while (clock_mono_ns() < end) {
		struct flipper f = {.ring = &h->channel->out.ring};
		uint8_t bytes[256] = {0};
		struct guest_frame frame = {.data = bytes, .size = 60};
		struct guest_frame got[GUEST_RX_BURST];
		pthread_t thread;

		if (pthread_create(&thread, NULL, flip, &f) != 0)
			return;
		for (unsigned i = 0; i < 2000 && !guest_net_gone(h->net); i++) {
			struct guest_queue *q = guest_net_queue(h->net, 0);

			(void)guest_queue_send(q, &frame, 1);
			guest_queue_flush(q);
			(void)guest_queue_receive(q, got, GUEST_RX_BURST);
			guest_queue_done(q);
			if (i % 16 == 0)
				guest_bus_pump(h->bus, -1, 0);
		}
		atomic_store(&f.stop, true);
		pthread_join(thread, NULL);
		if (!hostile_renew(h))
			return;
	}
}

/* Whole rings of noise. */
static void noise(struct hostile *h)
{
	const uint64_t end = until(h);

	while (clock_mono_ns() < end) {
		struct vmbus_ring *ring = &h->channel->out.ring;

		for (uint32_t i = 0; i + 4 <= ring->size; i += 4) {
			uint32_t value = hostile_random(h);

			value = value % 2 == 0 ? value % 12 : value % 3 == 0 ? value : 0x00040002;
			*(volatile uint32_t *)(void *)(ring->data + i) = value;
		}
		atomic_store(&ring->hdr->write, hostile_random(h) % ring->size & ~7u);
		guest_channel_signal(h->channel);
		hostile_pause(h);
		if (!hostile_renew(h))
			return;
	}
}

const struct hostile_attack hostile_ring_attacks[] = {
	{"ring-write-index", "write indexes that cannot be", write_index, true},
	{"ring-read-index", "read indexes that cannot be", read_index, true},
	{"ring-header", "masks, waits and features of random words", header_words, true},
	{"ring-descriptor", "descriptors that lie about their lengths", descriptors, true},
	{"ring-type", "packets of all types", types, true},
	{"ring-flip", "a thread changes the ring while it is read", flipped, true},
	{"ring-noise", "rings full of noise", noise, true},
	{0},
};
