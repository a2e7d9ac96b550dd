/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/serial.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "hv/layout.h"
#include "tests/support/board.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, FCR = IIR };

struct rig {
	struct test_board board;
	struct hv_serial *serial;
	uint64_t at;
};

static int setup(void **state)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	*state = &rig;
	if (test_board_init(&rig.board) != 0)
		return -1;
	return hv_serial_create(&rig.board.board, &rig.serial, NULL);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	hv_serial_destroy(rig->serial);
	test_board_fini(&rig->board);
	return 0;
}

static uint8_t in(struct rig *rig, uint16_t reg)
{
	return (uint8_t)test_board_in(&rig->board, HV_PORT_SERIAL + reg, 1);
}

static void out(struct rig *rig, uint16_t reg, uint8_t value)
{
	test_board_out(&rig->board, HV_PORT_SERIAL + reg, 1, value);
}

static bool line(const struct rig *rig)
{
	return rig->board.line[HV_IRQ_SERIAL].level;
}

static bool told(const struct rig *rig)
{
	struct pollfd pfd = {.fd = hv_serial_fd(rig->serial), .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void print(struct rig *rig, const char *text)
{
	for (; *text != '\0'; text++)
		out(rig, DATA, (uint8_t)*text);
}

static void what_the_guest_sends_is_read_once_by_each_reader(void **state)
{
	struct rig *rig = *state;
	uint64_t late = 0;
	char text[16] = "";

	print(rig, "hello");
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, 2), 2);
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text + 2, sizeof(text) - 2), 3);
	assert_string_equal(text, "hello");
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), 0);
	assert_int_equal(hv_serial_read(rig->serial, &late, text, sizeof(text)), 5);
}

static void a_late_reader_gets_the_last_64_kb(void **state)
{
	struct rig *rig = *state;
	static char text[HV_SERIAL_RING + 1];

	for (unsigned i = 0; i < HV_SERIAL_RING + 10; i++)
		out(rig, DATA, (uint8_t)i);
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), HV_SERIAL_RING);
	assert_int_equal((uint8_t)text[0], 10);
	assert_int_equal((uint8_t)text[HV_SERIAL_RING - 1], (uint8_t)(HV_SERIAL_RING + 9));
	assert_int_equal(rig->at, HV_SERIAL_RING + 10);
	rig->at = 9; /* one byte too late */
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, 1), 1);
	assert_int_equal((uint8_t)text[0], 10);
}

static void a_reader_ahead_of_the_guest_gets_nothing(void **state)
{
	struct rig *rig = *state;
	uint64_t at = UINT64_MAX;
	char text[4];

	print(rig, "abc");
	assert_int_equal(hv_serial_read(rig->serial, &at, text, sizeof(text)), 0);
	assert_int_equal(at, 3);
}

static void the_owner_is_told_once_until_it_looks(void **state)
{
	struct rig *rig = *state;
	eventfd_t times;
	char text[8];

	assert_false(told(rig));
	print(rig, "ab");
	assert_true(told(rig));
	hv_serial_read(rig->serial, &rig->at, text, 0);
	assert_false(told(rig));
	print(rig, "cd");
	assert_true(told(rig));
	assert_int_equal(eventfd_read(hv_serial_fd(rig->serial), &times), 0);
	assert_int_equal(times, 1);
}

static void transmitter_interrupt_comes_when_it_is_switched_on_and_after_each_write(void **state)
{
	struct rig *rig = *state;

	out(rig, IER, 2);
	assert_true(line(rig));
	assert_int_equal(in(rig, IIR) & 0xf, 2);
	assert_false(line(rig));
	assert_int_equal(in(rig, IIR) & 0xf, 1);
	out(rig, DATA, 'x');
	assert_true(line(rig));
	/* Linux' test for ports that lose it: off and on again. */
	assert_int_equal(in(rig, IIR) & 0xf, 2);
	out(rig, IER, 0);
	out(rig, IER, 2);
	assert_int_equal(in(rig, IIR) & 0xf, 2);
}

static void a_burst_of_writes_raises_the_line_once(void **state)
{
	struct rig *rig = *state;

	out(rig, IER, 2);
	(void)in(rig, IIR);
	rig->board.line[HV_IRQ_SERIAL].n_rises = 0;
	print(rig, "0123456789abcdef");
	assert_int_equal(rig->board.line[HV_IRQ_SERIAL].n_rises, 1);
}

static void typing_interrupts_until_it_is_read(void **state)
{
	struct rig *rig = *state;

	out(rig, IER, 1);
	assert_false(line(rig));
	assert_int_equal(in(rig, LSR), 0x60);
	assert_int_equal(hv_serial_write(rig->serial, "hi", 2), 2);
	assert_true(line(rig));
	assert_int_equal(in(rig, IIR) & 0xf, 4);
	assert_int_equal(in(rig, LSR), 0x61);
	assert_int_equal(in(rig, DATA), 'h');
	assert_true(line(rig));
	assert_int_equal(in(rig, DATA), 'i');
	assert_false(line(rig));
	assert_int_equal(in(rig, DATA), 0);
	assert_int_equal(in(rig, LSR), 0x60);
}

static void input_outranks_output(void **state)
{
	struct rig *rig = *state;

	out(rig, IER, 3);
	hv_serial_write(rig->serial, "h", 1);
	assert_int_equal(in(rig, IIR) & 0xf, 4);
	(void)in(rig, DATA);
	assert_int_equal(in(rig, IIR) & 0xf, 2);
	assert_int_equal(in(rig, IIR) & 0xf, 1);
}

static void typing_waits_in_a_fifo_that_is_full_at_4096(void **state)
{
	struct rig *rig = *state;
	static char text[HV_SERIAL_FIFO + 1];

	assert_int_equal(hv_serial_write(rig->serial, text, sizeof(text)), HV_SERIAL_FIFO);
	assert_int_equal(hv_serial_write(rig->serial, text, 1), 0);
	assert_false(told(rig));
	for (unsigned i = 0; i < HV_SERIAL_FIFO / 2; i++)
		(void)in(rig, DATA);
	assert_true(told(rig)); /* there is room */
	assert_int_equal(hv_serial_write(rig->serial, text, 1), 1);
}

static void who_typed_all_is_not_told_of_room(void **state)
{
	struct rig *rig = *state;

	hv_serial_write(rig->serial, "ab", 2);
	(void)in(rig, DATA);
	(void)in(rig, DATA);
	assert_false(told(rig));
}

static void it_is_a_16550a_with_fifos(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(in(rig, IIR), 0x01);
	out(rig, FCR, 1);
	assert_int_equal(in(rig, IIR), 0xc1);
	out(rig, FCR, 0x21); /* no 64-byte FIFO */
	assert_int_equal(in(rig, IIR), 0xc1);
	out(rig, LCR, 0xbf); /* no EFR of later chips */
	assert_int_not_equal(in(rig, IIR), 0);
	out(rig, LCR, 0);
	out(rig, IER, 0xff);
	assert_int_equal(in(rig, IER), 0x0f);
	out(rig, SCRATCH, 0x5a);
	assert_int_equal(in(rig, SCRATCH), 0x5a);
}

static void the_divisor_hides_data_and_ier(void **state)
{
	struct rig *rig = *state;
	char text[4];

	out(rig, IER, 1);
	out(rig, LCR, 0x83);
	out(rig, DATA, 0x01);
	out(rig, IER, 0x02);
	assert_int_equal(in(rig, DATA), 0x01);
	assert_int_equal(in(rig, IER), 0x02);
	out(rig, LCR, 0x03);
	assert_int_equal(in(rig, IER), 1);
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), 0);
}

static void in_a_loop_output_is_input_and_nobody_else_sees_it(void **state)
{
	struct rig *rig = *state;
	char text[4];

	assert_int_equal(in(rig, MSR), 0xb0);
	out(rig, MCR, 0x1a);
	assert_int_equal(in(rig, MSR), 0x90);
	out(rig, MCR, 0x15);
	assert_int_equal(in(rig, MSR), 0x60);
	out(rig, DATA, 'x');
	assert_int_equal(in(rig, DATA), 'x');
	for (unsigned i = 0; i < HV_SERIAL_FIFO + 1; i++)
		out(rig, DATA, 'y');
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), 0);
}

static void clearing_the_fifo_drops_input(void **state)
{
	struct rig *rig = *state;

	out(rig, FCR, 1);
	out(rig, IER, 1);
	hv_serial_write(rig->serial, "abc", 3);
	out(rig, FCR, 3);
	assert_int_equal(in(rig, LSR), 0x60);
	assert_false(line(rig));
}

static void wide_accesses_and_read_only_registers_do_nothing(void **state)
{
	struct rig *rig = *state;
	char text[4];

	test_board_out(&rig->board, HV_PORT_SERIAL, 2, 0x4142);
	test_board_out(&rig->board, HV_PORT_SERIAL, 4, 0x41424344);
	assert_int_equal(test_board_in(&rig->board, HV_PORT_SERIAL + LSR, 2), 0xffff);
	out(rig, LSR, 0xff);
	out(rig, MSR, 0xff);
	assert_int_equal(in(rig, LSR), 0x60);
	assert_int_equal(in(rig, MSR), 0xb0);
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), 0);
}

static void reset_forgets_input_and_interrupts_and_keeps_what_was_sent(void **state)
{
	struct rig *rig = *state;
	char text[4];

	out(rig, IER, 3);
	out(rig, LCR, 0x80);
	print(rig, "\1");
	out(rig, LCR, 0);
	print(rig, "ab");
	hv_serial_write(rig->serial, "c", 1);
	assert_true(line(rig));
	hv_serial_reset(rig->serial);
	assert_false(line(rig));
	assert_int_equal(in(rig, IER), 0);
	assert_int_equal(in(rig, LSR), 0x60);
	assert_int_equal(hv_serial_read(rig->serial, &rig->at, text, sizeof(text)), 2);
}

static void ports_that_are_taken_are_an_error(void **state)
{
	struct rig *rig = *state;
	struct hv_serial *second = NULL;
	struct err err = {0};

	assert_int_equal(hv_serial_create(&rig->board.board, &second, &err), -EEXIST);
	assert_null(second);
	assert_string_equal(err.slug, "serial");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_guest_sends_is_read_once_by_each_reader),
		T(a_late_reader_gets_the_last_64_kb),
		T(a_reader_ahead_of_the_guest_gets_nothing),
		T(the_owner_is_told_once_until_it_looks),
		T(transmitter_interrupt_comes_when_it_is_switched_on_and_after_each_write),
		T(a_burst_of_writes_raises_the_line_once),
		T(typing_interrupts_until_it_is_read),
		T(input_outranks_output),
		T(typing_waits_in_a_fifo_that_is_full_at_4096),
		T(who_typed_all_is_not_told_of_room),
		T(it_is_a_16550a_with_fifos),
		T(the_divisor_hides_data_and_ier),
		T(in_a_loop_output_is_input_and_nobody_else_sees_it),
		T(clearing_the_fifo_drops_input),
		T(wide_accesses_and_read_only_registers_do_nothing),
		T(reset_forgets_input_and_interrupts_and_keeps_what_was_sent),
		T(ports_that_are_taken_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
