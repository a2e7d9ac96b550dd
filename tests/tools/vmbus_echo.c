/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-echo: sends back every frame that comes, with its addresses changed over.
 */
#include "tests/tools/far.h"

#include <string.h>

static void swap_addresses(uint8_t *frame)
{
	uint64_t dst, src;

	/* Six bytes each, and the two after them, in moves of eight. */
	memcpy(&dst, frame, 8);
	memcpy(&src, frame + 6, 8);
	memcpy(frame, &src, 6);
	memcpy(frame + 6, &dst, 6);
}

static unsigned burst(struct far *far, struct guest_queue *q)
{
	struct guest_frame frames[2 * GUEST_RX_BURST];
	unsigned n = guest_queue_receive(q, frames, GUEST_RX_BURST), kept = 0, sent;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		if (frames[i].size < 14 || (frames[i].flags & GUEST_MORE) != 0)
			continue;
		swap_addresses(frames[i].data);
		frames[i].flags &= GUEST_HAS_VLAN;
		frames[kept++] = frames[i];
	}
	sent = guest_queue_send(q, frames, kept);
	far->dropped += n - sent;
	guest_queue_done(q);
	guest_queue_flush(q);
	return n;
}

int main(int argc, char **argv)
{
	static const struct far_tool tool = {
		.name = "vmbus-echo",
		.summary = "Sends back every frame that comes to a NIC, with its addresses changed "
			   "over.",
		.burst = burst,
	};

	return far_main(argc, argv, &tool);
}
