/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See board.h.
 */
#include "tests/support/board.h"

#include <stdlib.h>
#include <string.h>

static void irq(void *ctx, unsigned gsi, bool level)
{
	struct test_board *board = ctx;

	if (gsi >= TEST_BOARD_LINES || pthread_mutex_trylock(&board->lock) == 0)
		abort(); /* the device lock must be held */
	if (level && !board->line[gsi].level)
		board->line[gsi].n_rises++;
	board->line[gsi].level = level;
}

int test_board_init(struct test_board *board)
{
	memset(board, 0, sizeof(*board));
	pthread_mutex_init(&board->lock, NULL);
	board->board = (struct hv_board){
		.pio = &board->pio,
		.lock = &board->lock,
		.irq = irq,
		.ctx = board,
	};
	return hv_mailbox_create(&board->board.mailbox);
}

void test_board_fini(struct test_board *board)
{
	hv_mailbox_destroy(board->board.mailbox);
	pthread_mutex_destroy(&board->lock);
}

uint32_t test_board_in(struct test_board *board, uint16_t port, unsigned size)
{
	uint32_t value;

	hv_board_lock(&board->board);
	value = hv_pio_read(&board->pio, port, size);
	hv_board_unlock(&board->board);
	return value;
}

void test_board_out(struct test_board *board, uint16_t port, unsigned size, uint32_t value)
{
	hv_board_lock(&board->board);
	hv_pio_write(&board->pio, port, size, value);
	hv_board_unlock(&board->board);
}

int test_board_mail(struct test_board *board)
{
	struct hv_mail mail;

	return hv_mailbox_take(board->board.mailbox, &mail) ? (int)mail.type : -1;
}
