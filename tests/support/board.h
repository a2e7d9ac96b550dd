/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A board (hv/board.h) without a machine: ports to read and write, lines to look at, mail to take.
 * For tests of devices on I/O ports; one thread.
 */
#ifndef TESTS_SUPPORT_BOARD_H
#define TESTS_SUPPORT_BOARD_H

#include "hv/board.h"

#define TEST_BOARD_LINES 24

struct test_board {
	struct hv_board board;
	struct hv_pio pio;
	pthread_mutex_t lock;
	struct {
		bool level;
		unsigned n_rises;
	} line[TEST_BOARD_LINES];
};

/* 0 or negative errno. */
int test_board_init(struct test_board *board);
void test_board_fini(struct test_board *board);
/* As a processor does it: with the device lock. */
uint32_t test_board_in(struct test_board *board, uint16_t port, unsigned size);
void test_board_out(struct test_board *board, uint16_t port, unsigned size, uint32_t value);
/* The next mail, or -1: none. */
int test_board_mail(struct test_board *board);

#endif
