/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/pio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct last {
	uint16_t offset;
	unsigned size, n;
	uint32_t value;
};

static uint32_t device_read(void *ctx, uint16_t offset, unsigned size)
{
	struct last *last = ctx;

	*last = (struct last){.offset = offset, .size = size, .n = last->n + 1};
	return 0x12345678;
}

static void device_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct last *last = ctx;

	*last = (struct last){.offset = offset, .size = size, .n = last->n + 1, .value = value};
}

static const struct hv_pio_ops both = {.read = device_read, .write = device_write};
static const struct hv_pio_ops neither = {NULL, NULL};

static void a_device_answers_on_its_ports_and_no_others(void **state)
{
	struct hv_pio pio = {0};
	struct last last = {0};

	assert_int_equal(hv_pio_add(&pio, 0x3f8, 8, &both, &last), 0);
	assert_int_equal(hv_pio_read(&pio, 0x3f8, 4), 0x12345678);
	assert_int_equal(last.offset, 0);
	hv_pio_write(&pio, 0x3ff, 1, 0x41);
	assert_int_equal(last.offset, 7);
	assert_int_equal(last.value, 0x41);
	assert_int_equal(last.n, 2);
	assert_int_equal(hv_pio_read(&pio, 0x3f7, 1), 0xff);
	hv_pio_write(&pio, 0x400, 1, 1);
	assert_int_equal(last.n, 2);
}

static void values_are_as_wide_as_the_access(void **state)
{
	struct hv_pio pio = {0};
	struct last last = {0};

	assert_int_equal(hv_pio_add(&pio, 0x70, 2, &both, &last), 0);
	assert_int_equal(hv_pio_read(&pio, 0x70, 1), 0x78);
	assert_int_equal(hv_pio_read(&pio, 0x70, 2), 0x5678);
	hv_pio_write(&pio, 0x70, 1, 0xffffff12);
	assert_int_equal(last.value, 0x12);
	hv_pio_write(&pio, 0x70, 2, 0xffff1234);
	assert_int_equal(last.value, 0x1234);
	assert_int_equal(hv_pio_read(&pio, 0x100, 1), 0xff);
	assert_int_equal(hv_pio_read(&pio, 0x100, 2), 0xffff);
	assert_int_equal(hv_pio_read(&pio, 0x100, 4), 0xffffffff);
}

static void ports_that_only_take_read_as_ones(void **state)
{
	struct hv_pio pio = {0};

	assert_int_equal(hv_pio_add(&pio, 0x80, 1, &neither, NULL), 0);
	assert_int_equal(hv_pio_read(&pio, 0x80, 1), 0xff);
	hv_pio_write(&pio, 0x80, 1, 0);
}

static void ports_have_one_device(void **state)
{
	struct hv_pio pio = {0};
	struct last last = {0};

	assert_int_equal(hv_pio_add(&pio, 0x100, 16, &both, &last), 0);
	assert_int_equal(hv_pio_add(&pio, 0x10f, 1, &both, &last), -EEXIST);
	assert_int_equal(hv_pio_add(&pio, 0xf8, 9, &both, &last), -EEXIST);
	assert_int_equal(hv_pio_add(&pio, 0xf8, 0x100, &both, &last), -EEXIST);
	assert_int_equal(hv_pio_add(&pio, 0x110, 1, &both, &last), 0);
	assert_int_equal(hv_pio_add(&pio, 0xf8, 8, &both, &last), 0);
}

static void the_last_port_is_a_port(void **state)
{
	struct hv_pio pio = {0};
	struct last last = {0};

	assert_int_equal(hv_pio_add(&pio, 0xfffe, 2, &both, &last), 0);
	hv_pio_write(&pio, 0xffff, 4, 5);
	assert_int_equal(last.offset, 1);
	assert_int_equal(hv_pio_read(&pio, 0, 1), 0xff);
}

static void there_is_a_most_of_devices(void **state)
{
	struct hv_pio pio = {0};
	struct last last = {0};

	for (uint16_t i = 0; i < HV_PIO_MAX; i++)
		assert_int_equal(hv_pio_add(&pio, i, 1, &both, &last), 0);
	assert_int_equal(hv_pio_add(&pio, HV_PIO_MAX, 1, &both, &last), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_answers_on_its_ports_and_no_others),
		cmocka_unit_test(values_are_as_wide_as_the_access),
		cmocka_unit_test(ports_that_only_take_read_as_ones),
		cmocka_unit_test(ports_have_one_device),
		cmocka_unit_test(the_last_port_is_a_port),
		cmocka_unit_test(there_is_a_most_of_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
