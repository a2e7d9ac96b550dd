/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a device on I/O ports is soldered to: ports, interrupt lines, mail to the owner.  A
 * partition has one (hv_partition_board()), and a test can make one, so that a device runs without
 * KVM.
 *
 * Devices copy it; what it points to outlives them.
 */
#ifndef HV_BOARD_H
#define HV_BOARD_H

#include "hv/mail.h"
#include "hv/pio.h"

#include <pthread.h>
#include <stdbool.h>

struct hv_partition;

struct hv_board {
	struct hv_pio *pio;
	struct hv_mailbox *mailbox;
	pthread_mutex_t *lock; /* the device lock: held while a port's handler runs */
	/* Sets an interrupt line; any thread, with the device lock held. */
	void (*irq)(void *ctx, unsigned gsi, bool level);
	void *ctx;
};

/* Valid for the partition's life. */
struct hv_board hv_partition_board(struct hv_partition *partition);

/* ---- for devices ---- */

static inline void hv_board_lock(const struct hv_board *board)
{
	pthread_mutex_lock(board->lock);
}

static inline void hv_board_unlock(const struct hv_board *board)
{
	pthread_mutex_unlock(board->lock);
}

static inline void hv_board_irq(const struct hv_board *board, unsigned gsi, bool level)
{
	board->irq(board->ctx, gsi, level);
}

/* Ports do not say which processor it was: the mail comes from the first. */
static inline void hv_board_mail(const struct hv_board *board, enum hv_mail_type type)
{
	struct hv_mail mail = {.type = type};

	(void)hv_mailbox_put(board->mailbox, &mail); /* cannot be full for these types */
}

#endif
