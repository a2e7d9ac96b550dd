/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guests of a few instructions on the real KVM.  Skipped, with the reason, where there is none that
 * runs them.
 */
#include "hv/partition.h"
#include "hv/vp.h"
#include "tests/support/tiny_guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define SECONDS 20
#define SKIP	77

struct machine {
	struct hv_partition *partition;
	struct tiny_device device;
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

static int two(void **state)
{
	return make(2);
}

static int end(void **state)
{
	hv_partition_destroy(m.partition);
	m.partition = NULL;
	return 0;
}

static void run(void)
{
	struct err err = {0};
	int rc = hv_partition_run(m.partition, &err);

	if (rc != 0)
		fail_msg("%s", err.what);
}

#define GUEST(code, long_mode) tiny_start(m.partition, code, code##_end, long_mode)

/* Runs it till it says that it is done. */
static void run_to_end(void)
{
	struct hv_mail mail;

	m.device.done = false;
	run();
	if (tiny_wait(&m.device, SECONDS))
		return;
	if (tiny_mail(m.partition, 0, &mail))
		fail_msg("mail %d: %s", mail.type, mail.text);
	fail_msg("the guest did not end");
}

static struct hv_partition_stats stats(void)
{
	struct hv_partition_stats s;

	hv_partition_stats(m.partition, &s);
	return s;
}

/* ---- ports and memory ---- */

TINY_GUEST(says_hi, "mov $0x700, %dx\n"
		    "mov $'h', %al\n out %al, %dx\n"
		    "mov $'i', %al\n out %al, %dx\n"
		    "mov %esi, %eax\n out %eax, %dx\n"
		    "mov %ebx, %eax\n out %eax, %dx\n"
		    "inc %dx\n out %al, %dx\n"
		    "1: hlt\n jmp 1b");

static void guest_starts_with_what_the_loader_said(void **state)
{
	GUEST(says_hi, true);
	run_to_end();
	assert_int_equal(m.device.said[0], 'h');
	assert_int_equal(m.device.said[1], 'i');
	assert_int_equal(m.device.said[2], 0x1234);
	assert_int_equal(m.device.said[3], 0x5678);
}

TINY_GUEST(says_hi_32, ".code32\n"
		       "mov $0x700, %edx\n"
		       "mov %cs, %eax\n out %eax, %dx\n"
		       "mov %ebx, %eax\n out %eax, %dx\n"
		       "mov %cr0, %eax\n out %eax, %dx\n"
		       "mov $0x18, %eax\n mov %eax, %ds\n mov %ds, %ecx\n"
		       "mov %ecx, %eax\n out %eax, %dx\n"
		       "inc %edx\n out %al, %dx\n"
		       "1: hlt\n jmp 1b");

static void guest_without_page_tables_starts_in_32_bits(void **state)
{
	GUEST(says_hi_32, false);
	run_to_end();
	assert_int_equal(m.device.said[0], 0x10);
	assert_int_equal(m.device.said[1], 0x5678);
	assert_int_equal(m.device.said[2] & 0x80000001, 1);
	assert_int_equal(m.device.said[3], 0x18);
}

TINY_GUEST(strings, "cld\n mov $0x702, %dx\n"
		    "mov $0x200000, %edi\n mov $40, %ecx\n rep insb\n"
		    "mov $0x200000, %edi\n movb $7, 39(%rdi)\n"
		    "mov $0x700, %dx\n mov $0x200000, %esi\n mov $20, %ecx\n rep outsw\n"
		    "inc %dx\n out %al, %dx\n"
		    "1: hlt\n jmp 1b");

static void string_instructions_move_each_of_their_words(void **state)
{
	GUEST(strings, true);
	run_to_end();
	assert_int_equal(m.device.n_asked, 40);
	assert_int_equal(m.device.n_said, 20);
	assert_int_equal(m.device.said[0], 0x5a5a);
	assert_int_equal(m.device.said[19], 0x075a);
}

TINY_GUEST(probes, "mov $0x7777, %dx\n xor %eax, %eax\n in %dx, %al\n"
		   "mov $0x700, %dx\n out %eax, %dx\n"
		   "mov $0x7777, %dx\n xor %eax, %eax\n in %dx, %eax\n out %eax, %dx\n"
		   "mov $0x700, %dx\n out %eax, %dx\n"
		   "mov $0xd0000000, %ebx\n movl $5, (%rbx)\n mov (%rbx), %eax\n out %eax, %dx\n"
		   "mov $0xd0000008, %ebx\n mov (%rbx), %rcx\n shr $32, %rcx\n"
		   "mov %ecx, %eax\n out %eax, %dx\n"
		   "inc %dx\n out %al, %dx\n"
		   "1: hlt\n jmp 1b");

static void where_nobody_is_all_bits_are_ones(void **state)
{
	GUEST(probes, true);
	run_to_end();
	assert_int_equal(m.device.said[0], 0xff);
	assert_int_equal(m.device.said[1], 0xffffffff);
	assert_int_equal(m.device.said[2], 0xffffffff);
	assert_int_equal(m.device.said[3], 0xffffffff);
	assert_int_equal(stats().exits_mmio, 3);
}

TINY_GUEST(many_exits, "mov $0x700, %dx\n mov $20000, %ecx\n"
		       "1: out %al, %dx\n dec %ecx\n jnz 1b\n"
		       "inc %dx\n out %al, %dx\n"
		       "1: hlt\n jmp 1b");

static void each_exit_is_counted(void **state)
{
	struct hv_partition_stats s;

	GUEST(many_exits, true);
	run_to_end();
	s = stats();
	assert_int_equal(m.device.n_said, 20000);
	assert_int_equal(s.exits_pio, 20001);
	assert_true(s.exits >= s.exits_pio && s.exits < s.exits_pio + 100);
	assert_true(s.cpu_ns > 0);
}

/* ---- pausing ---- */

TINY_GUEST(spins, "mov $0x200000, %ebx\n mov $0x701, %dx\n out %al, %dx\n"
		  "1: incq (%rbx)\n jmp 1b");

static uint64_t spun(void)
{
	return *(volatile uint64_t *)tiny_at(m.partition, 0x200000, 8);
}

static void a_guest_that_never_exits_is_paused(void **state)
{
	GUEST(spins, true);
	run_to_end();
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before;

		hv_partition_pause(m.partition);
		assert_false(hv_partition_running(m.partition));
		before = spun();
		usleep(2000);
		assert_int_equal(spun(), before);
		run();
		for (unsigned j = 0; spun() == before && j < 5000; j++)
			usleep(1000);
		assert_true(spun() > before);
	}
	assert_true(hv_partition_vp_tid(m.partition, 0) > 0);
}

TINY_GUEST(sleeps, "mov $0x701, %dx\n out %al, %dx\n"
		   "1: hlt\n jmp 1b");

static void a_guest_that_sleeps_is_paused_and_makes_no_exits(void **state)
{
	struct hv_partition_stats s;
	uint64_t exits;

	GUEST(sleeps, true);
	run_to_end();
	usleep(20000);
	exits = stats().exits;
	usleep(50000);
	s = stats();
	assert_int_equal(s.exits, exits);
	if (m.partition->vp[0].stats_halts != 0)
		assert_true(s.exits_halt > 0);
	for (unsigned i = 0; i < 20; i++) {
		hv_partition_pause(m.partition);
		run();
	}
	hv_partition_pause(m.partition);
	assert_true(stats().exits_signal >= 1);
}

TINY_GUEST(asks, "mov $0x702, %dx\n xor %ebx, %ebx\n"
		 "1: in %dx, %al\n inc %rbx\n jmp 1b");
#define ASKS_IN 6 /* offset of the 'in' */

/* A processor that was stopped between the device's answer and its register would ask again, or
 * miss one. */
static void a_paused_processor_has_its_last_answer(void **state)
{
	GUEST(asks, true);
	for (unsigned i = 0; i < 100; i++) {
		struct kvm_regs regs;

		run();
		for (unsigned n = m.device.n_asked; m.device.n_asked < n + 5;)
			usleep(100);
		hv_partition_pause(m.partition);
		assert_int_equal(ioctl(m.partition->vp[0].fd, KVM_GET_REGS, &regs), 0);
		assert_int_equal(m.device.n_asked,
				 regs.rbx + (regs.rip == TINY_CODE + ASKS_IN + 1));
		/* As a checkpoint does. */
		assert_int_equal(ioctl(m.partition->vp[0].fd, KVM_SET_REGS, &regs), 0);
	}
}

/* ---- the end, and starting anew ---- */

TINY_GUEST(dies, "mov $0x700, %dx\n out %al, %dx\n"
		 "push $0\n push $0\n lidt (%rsp)\n ud2");

static void expect_fault(const char *text)
{
	struct hv_mail mail;

	assert_true(tiny_mail(m.partition, SECONDS, &mail));
	assert_int_equal(mail.type, HV_MAIL_FAULT);
	assert_non_null(strstr(mail.text, text));
	assert_non_null(strstr(mail.text, "cr3"));
}

static void a_triple_fault_is_mailed_once(void **state)
{
	struct hv_mail mail;

	GUEST(dies, true);
	run();
	expect_fault("triple fault");
	usleep(10000);
	assert_false(tiny_mail(m.partition, 0, &mail));
	hv_partition_pause(m.partition);
}

static void a_machine_whose_processor_died_starts_anew(void **state)
{
	struct err err = {0};

	for (unsigned i = 0; i < 3; i++) {
		GUEST(dies, true);
		run();
		expect_fault("triple fault");
		assert_int_equal(hv_partition_reset(m.partition, &err), 0);
		assert_false(hv_partition_running(m.partition));
	}
	m.device.n_said = 0;
	GUEST(says_hi, true);
	run_to_end();
	assert_int_equal(m.device.said[0], 'h');
}

/* What a guest sets: an MSR, a debug register, CR4.OSFXSR, the LAPIC's task priority. */
TINY_GUEST(sets, "mov $0x700, %dx\n"
		 "mov $0x176, %ecx\n rdmsr\n mov %eax, %ebp\n mov $0x700, %dx\n out %eax, %dx\n"
		 "mov %cr4, %rax\n out %eax, %dx\n"
		 "mov %dr0, %rax\n out %eax, %dx\n"
		 "mov %cr8, %rax\n out %eax, %dx\n"
		 "mov $0x176, %ecx\n mov $0x4242, %eax\n xor %edx, %edx\n wrmsr\n"
		 "mov %cr4, %rax\n or $0x200, %eax\n mov %rax, %cr4\n"
		 "mov $0x1000, %eax\n mov %rax, %dr0\n"
		 "mov $5, %eax\n mov %rax, %cr8\n"
		 "mov $0x701, %dx\n out %al, %dx\n"
		 "1: hlt\n jmp 1b");

static void a_reset_puts_registers_back(void **state)
{
	struct err err = {0};

	for (unsigned i = 0; i < 3; i++) {
		m.device.n_said = 0;
		GUEST(sets, true);
		run_to_end();
		assert_int_equal(m.device.said[0], 0);
		assert_int_equal(m.device.said[1] & ~0x40u, 0x20); /* AMD shows the host's MCE */
		assert_int_equal(m.device.said[2], 0);
		assert_int_equal(m.device.said[3], 0);
		assert_int_equal(hv_partition_reset(m.partition, &err), 0);
	}
}

static void a_running_machine_is_reset(void **state)
{
	struct err err = {0};

	for (unsigned i = 0; i < 10; i++) {
		GUEST(spins, true);
		run_to_end();
		assert_int_equal(hv_partition_reset(m.partition, &err), 0);
	}
	/* It waits for a new start, not where it was. */
	m.device.n_said = 0;
	GUEST(says_hi, true);
	run_to_end();
	assert_int_equal(m.device.n_said, 4);
}

/* ---- two processors ---- */

/* INIT and SIPI for processor 1 through the LAPIC. */
TINY_GUEST(wakes, "mov $0xfee00000, %ebx\n"
		  "movl $0x01000000, 0x310(%rbx)\n movl $0x4500, 0x300(%rbx)\n"
		  "mov $0x1000, %ecx\n 2: pause\n loop 2b\n"
		  "movl $0x01000000, 0x310(%rbx)\n movl $0x4608, 0x300(%rbx)\n"
		  "1: hlt\n jmp 1b");
/* In real mode: says its APIC id, by CPUID. */
TINY_GUEST(woken, ".code16\n"
		  "mov $1, %eax\n cpuid\n shr $24, %ebx\n add $0x100, %ebx\n"
		  "mov $0x700, %dx\n mov %ebx, %eax\n out %eax, %dx\n"
		  "1: hlt\n jmp 1b");

static void start_two(void)
{
	m.device.n_said = 0;
	tiny_put(m.partition, TINY_AP, woken, woken_end);
	GUEST(wakes, true);
}

static void the_guest_starts_other_processors(void **state)
{
	start_two();
	run();
	for (unsigned i = 0; m.device.n_said == 0 && i < SECONDS * 1000; i++)
		usleep(1000);
	assert_int_equal(m.device.said[0], 0x101);
}

static void processors_that_were_never_started_are_paused(void **state)
{
	GUEST(says_hi, true);
	run_to_end();
	for (unsigned i = 0; i < 10; i++) {
		hv_partition_pause(m.partition);
		run();
	}
}

static void other_processors_wait_again_after_a_reset(void **state)
{
	struct err err = {0};
	struct kvm_mp_state mp;

	for (unsigned i = 0; i < 3; i++) {
		the_guest_starts_other_processors(state);
		assert_int_equal(hv_partition_reset(m.partition, &err), 0);
		assert_int_equal(ioctl(m.partition->vp[1].fd, KVM_GET_MP_STATE, &mp), 0);
		assert_int_equal(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	}
}

/* ---- refusals ---- */

static int create(const struct hv_partition_opts *opts, struct err *err)
{
	struct hv_partition *partition = NULL;
	int rc = hv_partition_create(opts, &partition, err);

	hv_partition_destroy(partition);
	return rc;
}

static void what_cannot_be_had_is_refused_with_the_reason(void **state)
{
	const struct hv_partition_opts good = {.n_vps = 1,
					       .memory_size = 32ull << 20,
					       .pages = HV_PAGES_SMALL};
	struct hv_partition_opts opts = good;
	struct err err = {0};

	opts.n_vps = 0;
	assert_int_equal(create(&opts, &err), -EINVAL);
	opts.n_vps = HV_MAX_VPS + 1;
	assert_int_equal(create(&opts, &err), -EINVAL);
	opts = good, opts.cpu = "pentium";
	assert_int_equal(create(&opts, &err), -EINVAL);
	opts = good, opts.memory_size = 31ull << 20;
	assert_int_equal(create(&opts, &err), -EINVAL);
	opts = good, opts.memory_size = 1ull << 50;
	assert_int_equal(create(&opts, &err), -ENOMEM);
	opts = good, opts.kvm_path = "/nonexistent/kvm";
	assert_int_equal(create(&opts, &err), -ENOENT);
	assert_true(err.fix[0] != '\0');
	opts = good, opts.kvm_path = "/dev/null";
	assert_int_equal(create(&opts, &err), -ENODEV);
	opts = good, opts.face = HV_FACE_KVM; /* null_face.c has it not */
	assert_int_equal(create(&opts, &err), -EOPNOTSUPP);
	assert_true(err.why[0] != '\0');
}

/* Whether the machine under test runs anything at all. */
static bool can_run(void)
{
	struct err err = {0};
	bool ran;

	if (make(1) != 0)
		return false;
	GUEST(says_hi, true);
	ran = hv_partition_run(m.partition, &err) == 0 && tiny_wait(&m.device, SECONDS);
	if (!ran) {
		struct hv_mail mail = {0};

		(void)tiny_mail(m.partition, 0, &mail);
		fprintf(stderr, "skipped: KVM runs no guest: %s%s\n", err.what, mail.text);
	}
	end(NULL);
	return ran;
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, one, end)
#define TWO(test) cmocka_unit_test_setup_teardown(test, two, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(guest_starts_with_what_the_loader_said),
		ONE(guest_without_page_tables_starts_in_32_bits),
		ONE(string_instructions_move_each_of_their_words),
		ONE(where_nobody_is_all_bits_are_ones),
		ONE(each_exit_is_counted),
		ONE(a_guest_that_never_exits_is_paused),
		ONE(a_guest_that_sleeps_is_paused_and_makes_no_exits),
		ONE(a_paused_processor_has_its_last_answer),
		ONE(a_triple_fault_is_mailed_once),
		ONE(a_machine_whose_processor_died_starts_anew),
		ONE(a_reset_puts_registers_back),
		ONE(a_running_machine_is_reset),
		TWO(the_guest_starts_other_processors),
		TWO(processors_that_were_never_started_are_paused),
		TWO(other_processors_wait_again_after_a_reset),
		cmocka_unit_test(what_cannot_be_had_is_refused_with_the_reason),
	};

	if (!can_run())
		return SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
