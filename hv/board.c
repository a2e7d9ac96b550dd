/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See board.h.
 */
#include "hv/board.h"

#include "hv/vp.h"

static void irq(void *ctx, unsigned gsi, bool level)
{
	hv_partition_irq(ctx, gsi, level);
}

struct hv_board hv_partition_board(struct hv_partition *partition)
{
	return (struct hv_board){
		.pio = &partition->pio,
		.mailbox = partition->mailbox,
		.lock = &partition->devices,
		.irq = irq,
		.ctx = partition,
	};
}
