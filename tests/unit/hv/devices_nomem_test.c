/* SPDX-License-Identifier: BSD-2-Clause
 *
 * No memory for a device, or for a kernel's notes: an error, and nothing is left behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/serial.h"
#include "tests/support/board.h"
#include "tests/support/kernels.h"

static bool fails;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return fails ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	return fails ? NULL : __real_malloc(size);
}

static void devices_say_that_there_is_no_memory(void **state)
{
	struct test_board board;
	struct hv_serial *serial = NULL;
	struct hv_rtc *rtc = NULL;
	struct hv_pm *pm = NULL;
	struct err err[3] = {0};
	int rc[3];

	assert_int_equal(test_board_init(&board), 0);
	fails = true;
	rc[0] = hv_serial_create(&board.board, &serial, &err[0]);
	rc[1] = hv_rtc_create(&board.board, &rtc, &err[1]);
	rc[2] = hv_pm_create(&board.board, &pm, &err[2]);
	fails = false;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rc[i], -ENOMEM);
		assert_string_equal(err[i].slug, "out-of-memory");
	}
	assert_null(serial);
	assert_null(rtc);
	assert_null(pm);
	assert_int_equal(board.pio.n, 0);
	test_board_fini(&board);
}

static void notes_of_a_kernel_need_memory(void **state)
{
	static uint8_t image[TEST_ELF_SIZE];
	struct hv_memory memory;
	struct hv_boot_opts opts = {.initrd_fd = -1,
				    .kernel = "vmlinux",
				    .cmdline = "",
				    .n_vps = 1};
	struct hv_start start;
	struct err err = {0};
	int rc;

	test_elf(image);
	assert_int_equal(test_memory_init(&memory, 32 * TEST_MB), 0);
	opts.kernel_fd = test_file(image, sizeof(image), sizeof(image));
	fails = true;
	rc = hv_boot_load(&memory, &opts, &start, &err);
	fails = false;
	assert_int_equal(rc, -ENOMEM);
	assert_string_equal(err.slug, "out-of-memory");
	assert_int_equal(hv_boot_load(&memory, &opts, &start, &err), 0);
	close(opts.kernel_fd);
	test_memory_fini(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_say_that_there_is_no_memory),
		cmocka_unit_test(notes_of_a_kernel_need_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
