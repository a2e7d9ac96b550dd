/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-sink: counts the frames that come.
 */
#include "tests/tools/far.h"

static unsigned burst(struct far *far, struct guest_queue *q)
{
	struct guest_frame frames[2 * GUEST_RX_BURST];
	unsigned n = guest_queue_receive(q, frames, GUEST_RX_BURST);

	if (n == 0)
		return 0;
	guest_queue_done(q);
	guest_queue_flush(q);
	return n;
}

int main(int argc, char **argv)
{
	static const struct far_tool tool = {
		.name = "vmbus-sink",
		.summary = "Counts the frames that come to a NIC.",
		.burst = burst,
	};

	return far_main(argc, argv, &tool);
}
