/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-gen: sends UDP frames as fast as the switch takes them, and counts what comes.
 */
#include "tests/tools/far.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"

#define ETH	 14
#define IP4	 20
#define UDP	 8
#define PORT_AT	 (ETH + IP4)
#define N_FRAMES 64 /* a ring of frames, so that flows can differ */

struct gen {
	uint8_t frames[N_FRAMES][GUEST_MAX_FRAME + 1];
	unsigned next;
	uint32_t flow;
	uint64_t sent, started;
};

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void build(const struct far *far, uint8_t *f)
{
	static const uint8_t addresses[8] = {198, 18, 0, 1, 198, 19, 0, 1};
	const unsigned size = far->opts.size;
	uint32_t sum = 0;

	memset(f, 0x5a, size);
	memcpy(f, far->opts.dst, 6);
	memcpy(f + 6, far->info.mac, 6);
	put16(f + 12, 0x0800);
	memset(f + ETH, 0, IP4 + UDP);
	f[ETH] = 0x45;
	put16(f + ETH + 2, size - ETH);
	f[ETH + 8] = 64;
	f[ETH + 9] = 17;
	memcpy(f + ETH + 12, addresses, sizeof(addresses));
	for (unsigned i = 0; i < IP4; i += 2)
		sum += (uint32_t)f[ETH + i] << 8 | f[ETH + i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(f + ETH + 10, ~sum & 0xffff);
	put16(f + PORT_AT, 1024);
	put16(f + PORT_AT + 2, 9);
	put16(f + PORT_AT + 4, size - ETH - IP4);
}

static void start(struct far *far)
{
	struct gen *gen = far->priv;

	if (gen == NULL)
		gen = calloc(1, sizeof(*gen));
	if (gen == NULL)
		abort();
	far->priv = gen;
	for (unsigned i = 0; i < N_FRAMES; i++)
		build(far, gen->frames[i]);
	gen->started = clock_mono_ns();
	gen->sent = 0;
}

/* How many may be sent now. */
static unsigned allowance(const struct far *far, const struct gen *gen)
{
	unsigned most = far->opts.burst;
	uint64_t left;

	if (far->opts.count != 0 && far->opts.count - gen->sent < most)
		most = (unsigned)(far->opts.count - gen->sent);
	if (far->opts.pps == 0)
		return most;
	left = (uint64_t)((double)(clock_mono_ns() - gen->started) * 1e-9 * (double)far->opts.pps);
	left = left > gen->sent ? left - gen->sent : 0;
	return left < most ? (unsigned)left : most;
}

static unsigned burst(struct far *far, struct guest_queue *q)
{
	struct guest_frame frames[2 * GUEST_RX_BURST];
	struct gen *gen = far->priv;
	unsigned got = guest_queue_receive(q, frames, GUEST_RX_BURST);
	unsigned n = allowance(far, gen), sent;

	guest_queue_done(q);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *f = gen->frames[(gen->next + i) % N_FRAMES];

		if (far->opts.flows > 1)
			put16(f + PORT_AT, 1024 + (gen->flow + i) % far->opts.flows % 64512);
		frames[i] = (struct guest_frame){.data = f, .size = far->opts.size};
	}
	sent = guest_queue_send(q, frames, n);
	guest_queue_flush(q);
	gen->next += sent;
	gen->flow += sent;
	gen->sent += sent;
	far->done = far->opts.count != 0 && gen->sent >= far->opts.count && guest_queue_idle(q);
	return got + sent;
}

int main(int argc, char **argv)
{
	static const struct far_tool tool = {
		.name = "vmbus-gen",
		.summary = "Sends UDP frames from a NIC as fast as the switch takes them, and "
			   "counts what comes.",
		.start = start,
		.burst = burst,
	};

	return far_main(argc, argv, &tool);
}
