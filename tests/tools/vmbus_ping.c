/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-ping: sends one frame, waits until a frame comes back, and so on; at the end says how long
 * that took. Somebody must send frames back: vmbus-echo, or a rule of the switch that outputs to
 * in_port.
 */
#include "tests/tools/far.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"

#define MAX_SAMPLES 1000000
#define LOST_NS	    100000000u /* a frame that takes longer does not come */

/* One frame under way; what is measured is from before it is sent until it was received. */
struct ping {
	uint8_t frame[GUEST_MAX_FRAME + 1];
	uint64_t sent_at; /* 0: none is under way */
	uint64_t next_at; /* not before */
	unsigned n, lost;
	uint32_t samples[MAX_SAMPLES]; /* ns */
};

static struct ping *ping_of(struct far *far)
{
	if (far->priv == NULL)
		far->priv = calloc(1, sizeof(struct ping));
	if (far->priv == NULL)
		abort();
	return far->priv;
}

static void start(struct far *far)
{
	struct ping *p = ping_of(far);

	memcpy(p->frame, far->opts.dst, 6);
	memcpy(p->frame + 6, far->info.mac, 6);
	p->frame[12] = 0x88; /* An EtherType for experiments (802). */
	p->frame[13] = 0xb5;
	p->sent_at = 0;
}

static void came(struct far *far, struct ping *p, uint64_t now)
{
	if (p->sent_at == 0)
		return;
	if (p->n < MAX_SAMPLES)
		p->samples[p->n++] = (uint32_t)(now - p->sent_at);
	p->sent_at = 0;
	p->next_at = far->opts.pps != 0 ? now + 1000000000u / far->opts.pps : 0;
	far->done = far->opts.count != 0 && p->n >= far->opts.count;
}

static unsigned burst(struct far *far, struct guest_queue *q)
{
	struct guest_frame frames[GUEST_RX_BURST];
	struct ping *p = far->priv;
	unsigned got = guest_queue_receive(q, frames, GUEST_RX_BURST);
	uint64_t now = clock_mono_ns();

	guest_queue_done(q);
	if (got != 0) {
		guest_queue_flush(q);
		came(far, p, now);
	}
	if (p->sent_at != 0 && now - p->sent_at > LOST_NS) {
		p->lost++;
		p->sent_at = 0;
	}
	if (p->sent_at != 0 || now < p->next_at)
		return got;
	frames[0] = (struct guest_frame){.data = p->frame, .size = far->opts.size};
	p->sent_at = clock_mono_ns();
	if (guest_queue_send(q, frames, 1) == 0)
		p->sent_at = 0;
	guest_queue_flush(q);
	return got + 1;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void finish(struct far *far)
{
	struct ping *p = ping_of(far);

	qsort(p->samples, p->n, sizeof(p->samples[0]), by_value);
	if (p->n != 0)
		printf("round trips %u, lost %u, us: least %.1f median %.1f p99 %.1f most %.1f\n",
		       p->n, p->lost, p->samples[0] / 1e3, p->samples[p->n / 2] / 1e3,
		       p->samples[p->n / 100 * 99] / 1e3, p->samples[p->n - 1] / 1e3);
	else
		printf("round trips 0, lost %u\n", p->lost);
}

int main(int argc, char **argv)
{
	static const struct far_tool tool = {
		.name = "vmbus-ping",
		.summary =
			"Sends a frame, waits for one to come back, and says how long that took.",
		.start = start,
		.burst = burst,
		.finish = finish,
	};

	return far_main(argc, argv, &tool);
}
