/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory and interrupts of devices, with guests of a few instructions on the real KVM.  Skipped,
 * with the reason, where there is none that runs them.
 */
#include "hv/device.h"
#include "hv/partition.h"
#include "tests/support/tiny_guest.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SECONDS	    20
#define SKIP	    77
#define BAR	    HV_LOW_WINDOW
#define PAGE	    4096ull
#define IDT	    0x110000ull
#define IDT_POINTER 0x111000ull
#define HANDLER	    0x112000ull
#define VECTOR	    0x41

struct machine {
	struct hv_partition *partition;
	struct tiny_device device;
	struct hv_region *region;
	/* What the region heard. */
	unsigned n_reads, n_writes, size;
	uint64_t offset, value, answer;
};

static struct machine m;

static int make(unsigned n_vps)
{
	const struct hv_partition_opts opts = {.n_vps = n_vps,
					       .memory_size = 32ull << 20,
					       .pages = HV_PAGES_SMALL};
	struct err err = {0};
	int rc;

	memset(&m, 0, sizeof(m));
	rc = hv_partition_create(&opts, &m.partition, &err);
	if (rc != 0) {
		fprintf(stderr, "%s: %s\n", err.what, err.why);
		return rc;
	}
	tiny_device_add(m.partition, &m.device);
	return 0;
}

static int one(void **state)
{
	return make(1);
}

static int end(void **state)
{
	hv_partition_destroy(m.partition);
	m.partition = NULL;
	return 0;
}

static uint64_t on_read(void *ctx, uint64_t offset, unsigned size)
{
	struct machine *machine = ctx;

	machine->n_reads++;
	machine->offset = offset;
	machine->size = size;
	return machine->answer;
}

static void on_write(void *ctx, uint64_t offset, unsigned size, uint64_t value)
{
	struct machine *machine = ctx;

	machine->n_writes++;
	machine->offset = offset;
	machine->size = size;
	machine->value = value;
}

static const struct hv_region_ops ops = {.read = on_read, .write = on_write};

static int add(uint64_t gpa, uint64_t size)
{
	return hv_region_add(m.partition, gpa, size, &ops, &m, &m.region);
}

static void run(const uint8_t *code, const uint8_t *code_end)
{
	struct err err = {0};

	m.device.done = false;
	m.device.n_said = 0;
	tiny_start(m.partition, code, code_end, true);
	if (hv_partition_run(m.partition, &err) != 0)
		fail_msg("%s", err.what);
}

#define RUN(code) run(code, code##_end)

/* The owner's loop, till the guest is done. */
static void serve(void)
{
	struct pollfd fd = {.fd = hv_asks_fd(m.partition), .events = POLLIN};
	struct hv_mail mail;

	for (unsigned i = 0; !m.device.done && i < SECONDS * 1000; i++)
		if (poll(&fd, 1, 1) == 1)
			hv_asks_answer(m.partition);
	while (!m.device.done && tiny_mail(m.partition, 0, &mail))
		if (mail.type == HV_MAIL_FAULT)
			fail_msg("%s", mail.text);
	assert_true(m.device.done);
}

/* ---- memory ---- */

TINY_GUEST(accesses, "mov $0x700, %dx\n mov $0xd0000000, %ebx\n"
		     "mov 8(%rbx), %eax\n out %eax, %dx\n"
		     "mov 0x1010(%rbx), %ax\n out %ax, %dx\n"
		     "movb $0x77, 0x1ffe(%rbx)\n"
		     "inc %dx\n out %al, %dx\n"
		     "1: hlt\n jmp 1b");

static void accesses_come_to_the_owner_with_their_place_and_size(void **state)
{
	m.answer = 0x1122334455667788;
	assert_int_equal(add(BAR, 2 * PAGE), 0);
	RUN(accesses);
	serve();
	assert_int_equal(m.device.said[0], 0x55667788);
	assert_int_equal(m.device.said[1] & 0xffff, 0x7788);
	assert_int_equal(m.n_reads, 2);
	assert_int_equal(m.n_writes, 1);
	assert_int_equal(m.offset, 0x1ffe);
	assert_int_equal(m.size, 1);
	assert_int_equal(m.value, 0x77);
}

static void where_a_region_was_is_nothing(void **state)
{
	assert_int_equal(add(BAR, 2 * PAGE), 0);
	hv_region_remove(m.region);
	RUN(accesses);
	serve();
	assert_int_equal(m.device.said[0], 0xffffffff);
	assert_int_equal(m.n_reads + m.n_writes, 0);
}

static void what_is_mapped_is_memory_and_the_rest_traps(void **state)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	struct err err = {0};

	assert_ptr_not_equal(page, MAP_FAILED);
	m.answer = 0x99;
	memcpy(page + 0x10, "\xaa\xbb", 2);
	assert_int_equal(add(BAR, 2 * PAGE), 0);
	assert_int_equal(hv_region_map(m.partition, BAR + PAGE, PAGE, page), 0);
	RUN(accesses);
	serve();
	assert_int_equal(m.device.said[0], 0x99);
	assert_int_equal(m.device.said[1] & 0xffff, 0xbbaa);
	assert_int_equal(page[0xffe], 0x77);
	assert_int_equal(m.n_reads, 1);
	assert_int_equal(m.n_writes, 0);
	/* Traps again. */
	assert_int_equal(hv_partition_reset(m.partition, &err), 0);
	assert_int_equal(hv_region_unmap(m.partition, BAR + PAGE, PAGE), 0);
	RUN(accesses);
	serve();
	assert_int_equal(m.n_reads, 3);
	munmap(page, PAGE);
}

static void regions_are_in_the_windows_and_apart(void **state)
{
	struct hv_region *other = NULL;
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(add(0x100000, PAGE), -EINVAL); /* RAM */
	assert_int_equal(add(HV_LAPIC, PAGE), -EINVAL);
	assert_int_equal(add(UINT64_MAX & ~(PAGE - 1), PAGE), -EINVAL);
	assert_int_equal(add(BAR, 0), -EINVAL);
	assert_int_equal(add(BAR + 8, PAGE), -EINVAL);
	assert_int_equal(add(BAR, PAGE / 2), -EINVAL);
	assert_int_equal(add(BAR, UINT64_MAX & ~(PAGE - 1)), -EINVAL);
	assert_int_equal(add(BAR, HV_LOW_WINDOW_SIZE + PAGE), -EINVAL);
	assert_int_equal(add(BAR - PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(add(BAR, 4 * PAGE), 0);
	other = m.region;
	assert_int_equal(add(BAR + 3 * PAGE, 2 * PAGE), -EBUSY);
	assert_int_equal(add(BAR, PAGE), -EBUSY);
	assert_int_equal(hv_region_map(m.partition, BAR + 3 * PAGE, 2 * PAGE, page), -EINVAL);
	assert_int_equal(hv_region_map(m.partition, 0x200000, PAGE, page), -EINVAL);
	assert_int_equal(hv_region_map(m.partition, BAR + PAGE, PAGE, page), 0);
	assert_int_equal(hv_region_map(m.partition, BAR + PAGE, PAGE, page), -EBUSY);
	assert_int_equal(hv_region_unmap(m.partition, BAR, PAGE), -ENOENT);
	hv_region_remove(other);
	assert_int_equal(hv_region_unmap(m.partition, BAR + PAGE, PAGE), -ENOENT);
	/* Its place, and what it had mapped, are free again. */
	assert_int_equal(add(BAR, PAGE), 0);
	assert_int_equal(hv_region_map(m.partition, BAR, PAGE, page), 0);
	munmap(page, PAGE);
}

static void regions_are_so_many_and_no_more(void **state)
{
	for (unsigned i = 0; i < HV_MAX_REGIONS; i++)
		assert_int_equal(add(BAR + i * PAGE, PAGE), 0);
	assert_int_equal(add(BAR + HV_MAX_REGIONS * PAGE, PAGE), -ENOSPC);
}

/* ---- who waits for whom ---- */

TINY_GUEST(asks_for_ever, "mov $0xd0000000, %ebx\n mov $0x701, %dx\n out %al, %dx\n"
			  "1: mov (%rbx), %eax\n jmp 1b");

static void a_processor_that_waits_for_the_owner_is_paused(void **state)
{
	struct err err = {0};

	assert_int_equal(add(BAR, PAGE), 0);
	RUN(asks_for_ever);
	assert_true(tiny_wait(&m.device, SECONDS));
	for (unsigned i = 0; i < 50; i++) {
		struct pollfd fd = {.fd = hv_asks_fd(m.partition), .events = POLLIN};

		eventfd_t n;

		assert_int_equal(poll(&fd, 1, SECONDS * 1000), 1);
		assert_int_equal(eventfd_read(fd.fd, &n), 0);
		hv_partition_pause(m.partition);
		assert_false(hv_partition_running(m.partition));
		assert_int_equal(hv_partition_run(m.partition, &err), 0);
	}
	assert_true(m.n_reads >= 50);
	hv_partition_pause(m.partition);
}

static void a_machine_ends_while_a_processor_waits(void **state)
{
	struct pollfd fd = {.events = POLLIN};

	assert_int_equal(add(BAR, PAGE), 0);
	fd.fd = hv_asks_fd(m.partition);
	RUN(asks_for_ever);
	assert_true(tiny_wait(&m.device, SECONDS));
	assert_int_equal(poll(&fd, 1, SECONDS * 1000), 1);
}

/* ---- interrupts ---- */

/* Interrupts on; a word when it sleeps, done after two interrupts. */
TINY_GUEST(waits, "lidt 0x111000\n mov $0xfee000f0, %ebx\n movl $0x1ff, (%rbx)\n"
		  "mov $0x700, %edx\n out %al, %dx\n sti\n"
		  "1: hlt\n jmp 1b");
TINY_GUEST(handler, "mov $0x41, %eax\n mov $0x700, %edx\n out %eax, %dx\n"
		    "mov $0x701, %edx\n out %al, %dx\n"
		    "mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq");

static void put_idt(void)
{
	const uint64_t gate[2] = {(HANDLER & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 |
					  (HANDLER >> 16 & 0xffff) << 48,
				  HANDLER >> 32};
	uint8_t *pointer = tiny_at(m.partition, IDT_POINTER, 10);

	memset(tiny_at(m.partition, IDT, 4096), 0, 4096);
	pointer[0] = 0xff, pointer[1] = 0x0f;
	memcpy(pointer + 2, &(uint64_t){IDT}, 8);
	memcpy(tiny_at(m.partition, IDT + 16ull * VECTOR, 16), gate, 16);
	tiny_put(m.partition, HANDLER, handler, handler_end);
}

static void wait_said(unsigned n)
{
	for (unsigned i = 0; m.device.n_said < n && i < SECONDS * 1000; i++)
		usleep(1000);
	assert_int_equal(m.device.n_said, n);
}

static void interrupts_come_where_they_are_routed_and_wait_while_masked(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct hv_msi *msi = NULL;
	eventfd_t n;

	put_idt();
	RUN(waits);
	wait_said(1);
	assert_int_equal(hv_msi_create(m.partition, fd, &msi), 0);
	assert_int_equal(hv_msi_route(msi, 1, VECTOR), -EINVAL); /* no such processor */
	assert_int_equal(hv_msi_route(msi, 0, 15), -EINVAL);
	assert_int_equal(hv_msi_route(msi, 0, 256), -EINVAL);
	assert_int_equal(hv_msi_route(msi, 0, VECTOR), 0);
	assert_int_equal(hv_msi_route(msi, 0, VECTOR), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	wait_said(2);
	assert_int_equal(m.device.said[1], VECTOR);
	/* Kept, and raised by the next route. */
	hv_msi_mask(msi);
	hv_msi_mask(msi);
	assert_int_equal(eventfd_write(fd, 1), 0);
	usleep(10000);
	assert_int_equal(m.device.n_said, 2);
	assert_int_equal(hv_msi_route(msi, 0, VECTOR), 0);
	wait_said(3);
	/* A masked one is in the descriptor, for whoever asks what is pending. */
	hv_msi_mask(msi);
	(void)eventfd_read(fd, &n);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(eventfd_read(fd, &n), 0);
	assert_int_equal(n, 1);
	hv_msi_destroy(msi);
	close(fd);
}

static void interrupts_are_so_many_and_no_more(void **state)
{
	static struct hv_msi *msis[HV_MAX_IRQS - HV_GSI_DEVICES];
	const unsigned n = sizeof(msis) / sizeof(msis[0]);
	struct hv_msi *more = NULL;

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(hv_msi_create(m.partition, -1, &msis[i]), 0);
	assert_int_equal(hv_msi_create(m.partition, -1, &more), -ENOSPC);
	for (unsigned i = 0; i < n; i++)
		hv_msi_destroy(msis[i]);
	assert_int_equal(hv_msi_create(m.partition, -1, &more), 0);
	hv_msi_destroy(more);
}

/* ---- */

static bool can_run(void)
{
	struct err err = {0};
	bool ran;

	if (make(1) != 0)
		return false;
	RUN(waits);
	ran = hv_partition_running(m.partition) && err.what[0] == '\0';
	for (unsigned i = 0; m.device.n_said < 1 && i < SECONDS * 1000; i++)
		usleep(1000);
	ran = ran && m.device.n_said == 1;
	if (!ran)
		fprintf(stderr, "skipped: KVM runs no guest\n");
	end(NULL);
	return ran;
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, one, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(accesses_come_to_the_owner_with_their_place_and_size),
		ONE(where_a_region_was_is_nothing),
		ONE(what_is_mapped_is_memory_and_the_rest_traps),
		ONE(regions_are_in_the_windows_and_apart),
		ONE(regions_are_so_many_and_no_more),
		ONE(a_processor_that_waits_for_the_owner_is_paused),
		ONE(a_machine_ends_while_a_processor_waits),
		ONE(interrupts_come_where_they_are_routed_and_wait_while_masked),
		ONE(interrupts_are_so_many_and_no_more),
	};

	if (!can_run())
		return SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
