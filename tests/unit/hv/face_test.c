/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guests of a few instructions that talk to Hyper-V's interface, on the real KVM: "kvm" or "user"
 * says by which face.  Skipped, with the reason, where that is not to be had.
 */
#include "hv/face.h"

#include "hv/device.h"
#include "hv/vp.h"
#include "tests/support/tiny_guest.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define SECONDS 20
#define SKIP	77

/* The guest's pages. */
#define HANDLER	    0x101000ull /* of SINT 2's vector */
#define GP_HANDLER  0x102000ull
#define IDT	    0x110000ull
#define IDT_POINTER 0x111000ull
#define CALL_PAGE   0x120000ull
#define INPUT	    0x130000ull
#define SIMP	    0x140000ull
#define SIEFP	    0x141000ull
#define TEXT	    0x150000ull
#define SINT_OFFSET 0x200 /* of SINT 2 in either page */
#define VECTOR	    0x30

#define LISTENED 7
#define UNKNOWN	 8

struct machine {
	struct hv_partition *partition;
	const struct hv_face_ops *face;
	struct tiny_device device;
};

static struct machine m;
static enum hv_face wanted;

/* ---- the guest's words ---- */

#define WRMSR(msr, value) "mov $" #msr ", %ecx\n mov $" #value ", %eax\n xor %edx, %edx\n wrmsr\n"
#define RDMSR(msr)	  "mov $" #msr ", %ecx\n rdmsr\n"
#define SAY		  "mov $0x700, %edx\n out %eax, %dx\n"
#define DONE		  "mov $0x701, %edx\n out %al, %dx\n"
#define CALL		  "mov $0x120000, %eax\n call *%rax\n"
#define SLEEP		  "9: hlt\n jmp 9b\n"
/* Interrupts on, and Hyper-V's identity and page, which all else needs. */
#define BEGIN                                                                                      \
	"lidt 0x111000\n mov $0xfee000f0, %ebx\n movl $0x1ff, (%rbx)\n" WRMSR(0x40000000, 1)       \
		WRMSR(0x40000001, 0x120001)
#define SYNIC                                                                                      \
	WRMSR(0x40000083, 0x140001)                                                                \
	WRMSR(0x40000082, 0x141001) WRMSR(0x40000092, 0x30) WRMSR(0x40000080, 1)

/* Takes what is in the message slot and event flag 5, and says both. */
TINY_GUEST(handler,
	   "push %rax\n push %rbx\n push %rcx\n push %rdx\n"
	   "mov $0x140200, %ebx\n"
	   "1: cmpl $0, (%rbx)\n je 2f\n"
	   "mov 16(%rbx), %eax\n" SAY "xor %eax, %eax\n xchg %eax, (%rbx)\n"
	   "testb $1, 5(%rbx)\n jz 1b\n" WRMSR(
		   0x40000084, 0) "jmp 1b\n"
				  "2: mov $0x141200, %ebx\n lock btrl $5, (%rbx)\n jnc 3f\n"
				  "mov $0x5005, %eax\n" SAY
				  "3: mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n"
				  "pop %rdx\n pop %rcx\n pop %rbx\n pop %rax\n iretq");
/* Says so, and steps over the MSR's instruction. */
TINY_GUEST(gp_handler, "push %rax\n push %rdx\n mov $0xdead, %eax\n" SAY
		       "pop %rdx\n pop %rax\n add $8, %rsp\n addq $2, (%rsp)\n iretq");

/* ---- the machine ---- */

static int make(void)
{
	const struct hv_partition_opts opts = {.n_vps = 1,
					       .memory_size = 32ull << 20,
					       .pages = HV_PAGES_SMALL,
					       .face = wanted};
	struct err err = {0};
	int rc;

	memset(&m, 0, sizeof(m));
	rc = hv_partition_create(&opts, &m.partition, &err);
	if (rc != 0) {
		fprintf(stderr, "%s: %s\n", err.what, err.why);
		return rc;
	}
	m.face = hv_partition_face_ops(m.partition);
	tiny_device_add(m.partition, &m.device);
	return 0;
}

static int one(void **state)
{
	return make();
}

static int end(void **state)
{
	hv_partition_destroy(m.partition);
	m.partition = NULL;
	return 0;
}

static void put_gate(unsigned vector, uint64_t to)
{
	const uint64_t gate[2] = {(to & 0xffff) | 0x10ull << 16 | 0x8e00ull << 32 |
					  (to >> 16 & 0xffff) << 48,
				  to >> 32};

	memcpy(tiny_at(m.partition, IDT + 16ull * vector, 16), gate, 16);
}

static void put_idt(void)
{
	uint8_t *pointer = tiny_at(m.partition, IDT_POINTER, 10);

	memset(tiny_at(m.partition, IDT, 4096), 0, 4096);
	pointer[0] = 0xff, pointer[1] = 0x0f;
	memcpy(pointer + 2, &(uint64_t){IDT}, 8);
	put_gate(VECTOR, HANDLER);
	put_gate(13, GP_HANDLER);
	tiny_put(m.partition, HANDLER, handler, handler_end);
	tiny_put(m.partition, GP_HANDLER, gp_handler, gp_handler_end);
}

static void run(const uint8_t *code, const uint8_t *code_end)
{
	struct err err = {0};

	m.device.done = false;
	m.device.n_said = 0;
	put_idt();
	tiny_start(m.partition, code, code_end, true);
	if (hv_partition_run(m.partition, &err) != 0)
		fail_msg("%s", err.what);
}

#define RUN(code) run(code, code##_end)

static void wait_done(void)
{
	struct hv_mail mail;

	if (tiny_wait(&m.device, SECONDS))
		return;
	while (tiny_mail(m.partition, 0, &mail))
		if (mail.type == HV_MAIL_FAULT)
			fail_msg("%s", mail.text);
	fail_msg("the guest did not end, and said %u words", m.device.n_said);
}

static void wait_said(unsigned n)
{
	for (unsigned i = 0; m.device.n_said < n && i < SECONDS * 1000; i++)
		usleep(1000);
	assert_true(m.device.n_said >= n);
}

static void wait_mail(enum hv_mail_type type)
{
	struct hv_mail mail;

	do
		assert_true(tiny_mail(m.partition, SECONDS, &mail));
	while (mail.type != type);
}

/* ---- identity ---- */

TINY_GUEST(identify, BEGIN "mov $0x40000000, %eax\n cpuid\n mov %ebx, %eax\n" SAY
			   "mov $0x40000001, %eax\n cpuid\n" SAY RDMSR(0x40000001)
				   SAY RDMSR(0x40000002) SAY DONE SLEEP);

static void guest_sees_hyper_v(void **state)
{
	RUN(identify);
	wait_done();
	assert_int_equal(m.device.said[0], 0x7263694d); /* "Micr" */
	assert_int_equal(m.device.said[1], 0x31237648); /* "Hv#1" */
	assert_int_equal(m.device.said[2], 0x120001);
	assert_int_equal(m.device.said[3], 0);
}

TINY_GUEST(looks, "lidt 0x111000\n" RDMSR(0x40000000) SAY RDMSR(0x40000001) SAY RDMSR(0x40000083)
			  SAY RDMSR(0x40000080) SAY RDMSR(0x40000092) SAY BEGIN SYNIC DONE SLEEP);

static void reset_forgets_what_the_guest_set(void **state)
{
	struct err err = {0};

	for (unsigned i = 0; i < 3; i++) {
		RUN(looks);
		wait_done();
		for (unsigned j = 0; j < 4; j++) {
			if (m.device.said[j] != 0)
				fail_msg("MSR %u is %#x", j, m.device.said[j]);
		}
		assert_int_equal(m.device.said[4], 0x10000);
		assert_int_equal(hv_partition_reset(m.partition, &err), 0);
	}
}

TINY_GUEST(reads_nothing, BEGIN RDMSR(0x4000005f) "mov $1, %eax\n" SAY DONE SLEEP);

static void an_msr_that_is_not_there_faults_in_the_guest(void **state)
{
	RUN(reads_nothing);
	wait_done();
	assert_int_equal(m.device.said[0], 0xdead);
	assert_int_equal(m.device.said[1], 1);
}

/* Pages beyond memory, the last of all addresses; a SINT whose vector is an exception's. */
TINY_GUEST(lies, BEGIN WRMSR(0x40000080,
			     1) "mov $0x40000083, %ecx\n mov $0xfffff001, %eax\n"
				"mov $0x000fffff, %edx\n wrmsr\n" WRMSR(0x40000082, 0xd0000001)
					WRMSR(0x40000092, 0x08) WRMSR(0x40000001, 0xfffff001)
						WRMSR(0x40000021, 0xfffff001)
							WRMSR(0x40000073, 0xfffff001)
								WRMSR(0x40000084, 0) DONE SLEEP);

static void pages_that_are_no_memory_hurt_nobody(void **state)
{
	const uint8_t message[8] = {0};

	RUN(lies);
	wait_done();
	assert_int_not_equal(m.face->post(m.partition, 0, message, sizeof(message)), 0);
	(void)m.face->signal(m.partition, 0, 5);
	assert_int_not_equal(m.face->event_target(m.partition, 0, &(struct hv_event_target){0}), 0);
}

/* ---- from the guest ---- */

TINY_GUEST(signals, BEGIN "mov $0x1005d, %ecx\n mov $7, %edx\n xor %r8d, %r8d\n" CALL SAY
			  "mov $0x1005d, %ecx\n mov $8, %edx\n" CALL SAY
			  "mov $0x5d, %ecx\n mov $0x130000, %edx\n" CALL SAY
			  "mov $0x7777, %ecx\n xor %edx, %edx\n" CALL SAY DONE SLEEP);

static void a_signal_writes_the_descriptor_of_its_connection(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint32_t id = LISTENED;
	eventfd_t n = 0;

	assert_int_equal(m.face->listen(m.partition, LISTENED, fd), 0);
	memset(tiny_at(m.partition, INPUT, 8), 0, 8);
	memcpy(tiny_at(m.partition, INPUT, 4), &id, 4);
	RUN(signals);
	wait_done();
	assert_int_equal(m.device.said[0] & 0xffff, 0);
	assert_int_equal(m.device.said[1] & 0xffff, 18); /* nobody listens to that one */
	assert_int_equal(m.device.said[2] & 0xffff, 0);
	assert_int_equal(m.device.said[3] & 0xffff, 2); /* no such call */
	assert_int_equal(eventfd_read(fd, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(m.face->listen(m.partition, LISTENED, -1), 0);
	close(fd);
}

TINY_GUEST(retargets, BEGIN "mov $0x4007e, %ecx\n mov $0x130000, %edx\n xor %r8d, %r8d\n" CALL SAY
			    "mov $0x4007e, %ecx\n mov $0x130008, %edx\n" CALL SAY
			    "mov $0x7f, %ecx\n" CALL SAY DONE SLEEP);

static int on_retarget(void *ctx, const struct hv_retarget *retarget)
{
	*(struct hv_retarget *)ctx = *retarget;
	return retarget->vp == 67 ? 0 : -EINVAL;
}

/* As Linux has it: a set of processors, here the fourth of the second bank. */
static void an_interrupt_is_moved_by_the_owner(void **state)
{
	const uint64_t block[] = {UINT64_MAX, 0x1234, 1, 0x700fee00000ull, 0, 0x55 | 2ull << 32,
				  0,	      2,      8};
	struct hv_retarget got = {0};
	struct pollfd fd = {.fd = hv_asks_fd(m.partition), .events = POLLIN};

	memcpy(tiny_at(m.partition, INPUT, sizeof(block)), block, sizeof(block));
	hv_partition_set_retarget(m.partition, on_retarget, &got);
	RUN(retargets);
	for (unsigned i = 0; !m.device.done && i < SECONDS * 1000; i++)
		if (poll(&fd, 1, 1) == 1)
			hv_asks_answer(m.partition);
	wait_done();
	assert_int_equal(m.device.said[0] & 0xffff, 0);
	assert_int_equal(got.device, 0x1234);
	assert_int_equal(got.address, 0xfee00000);
	assert_int_equal(got.data, 0x700);
	assert_int_equal(got.vector, 0x55);
	assert_int_equal(got.vp, 67);
	assert_int_not_equal(m.device.said[1] & 0xffff, 0); /* what is there makes no sense */
	assert_int_equal(m.device.said[2] & 0xffff, 2);
	hv_partition_set_retarget(m.partition, NULL, NULL);
}

TINY_GUEST(posts, BEGIN "mov $100, %ebp\n"
			"1: mov $0x5c, %ecx\n mov $0x130000, %edx\n" CALL SAY
			"dec %ebp\n jnz 1b\n" DONE SLEEP);

static void who_posts_too_much_is_told_to_wait(void **state)
{
	uint8_t *input = tiny_at(m.partition, INPUT, 256);
	struct hv_partition_stats stats;
	struct hv_mail mail;
	unsigned n = 0;

	memset(input, 0, 256);
	input[0] = 1;  /* VMBus */
	input[8] = 1;  /* a channel's message */
	input[12] = 5; /* bytes */
	memcpy(input + 16, "hello", 5);
	RUN(posts);
	wait_done();
	while (tiny_mail(m.partition, 0, &mail)) {
		assert_int_equal(mail.type, HV_MAIL_MESSAGE);
		assert_int_equal(mail.message.size, 5);
		assert_memory_equal(mail.message.bytes, "hello", 5);
		assert_int_equal(m.device.said[n] & 0xffff, 0);
		n++;
	}
	assert_true(n > 0 && n < 100);
	for (unsigned i = n; i < 100; i++)
		assert_int_equal(m.device.said[i] & 0xffff, 19);
	hv_partition_stats(m.partition, &stats);
	assert_int_equal(stats.messages, n);
	assert_int_equal(stats.message_retries, 100 - n);
	assert_int_equal(stats.exits_hypercall, 100);
}

TINY_GUEST(calls_on,
	   BEGIN "xor %ebp, %ebp\n"
		 "1: mov $0x5d, %ecx\n mov $0x130000, %edx\n" CALL "cmp $18, %ax\n jne 2f\n"
		 "inc %ebp\n mov %ebp, 0x160000\n jmp 1b\n"
		 "2: " DONE SLEEP);

/* Each answer arrives, whatever came in between. */
static void calls_survive_pauses(void **state)
{
	uint32_t id = UNKNOWN, before = 0;
	volatile uint32_t *calls = tiny_at(m.partition, 0x160000, 4);
	struct err err = {0};

	memset(tiny_at(m.partition, INPUT, 8), 0, 8);
	memcpy(tiny_at(m.partition, INPUT, 4), &id, 4);
	*calls = 0;
	RUN(calls_on);
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned j = 0; *calls < before + 3 && j < SECONDS * 1000; j++)
			usleep(1000);
		hv_partition_pause(m.partition);
		assert_true(*calls >= before + 3);
		before = *calls;
		assert_int_equal(hv_partition_run(m.partition, &err), 0);
	}
	assert_false(m.device.done);
}

TINY_GUEST(
	crashes,
	BEGIN WRMSR(0x40000100, 0x11) WRMSR(0x40000101, 0x22) WRMSR(0x40000103, 0x150000) WRMSR(
		0x40000104,
		6) "mov $0x40000105, %ecx\n xor %eax, %eax\n mov $0xc0000000, %edx\n wrmsr\n" DONE
		SLEEP);

static void a_crash_is_mailed_with_its_text(void **state)
{
	struct hv_crash crash;

	memcpy(tiny_at(m.partition, TEXT, 8), "Oops!\n..", 8);
	RUN(crashes);
	wait_mail(HV_MAIL_CRASH);
	hv_partition_crash(m.partition, &crash);
	assert_true(crash.crashed);
	assert_int_equal(crash.parameter[0], 0x11);
	assert_int_equal(crash.parameter[1], 0x22);
	assert_non_null(strstr(crash.text, "Oops!"));
	assert_null(strstr(crash.text, ".."));
}

/* ---- to the guest ---- */

TINY_GUEST(listens, BEGIN SYNIC DONE "sti\n" SLEEP);

static void a_hundred_messages_arrive_in_their_order(void **state)
{
	RUN(listens);
	wait_done();
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t message[2] = {0x1000 + i, 0};
		int rc = m.face->post(m.partition, 0, message, sizeof(message));

		while (rc == -EAGAIN) {
			wait_mail(HV_MAIL_SLOT_FREE);
			rc = m.face->post(m.partition, 0, message, sizeof(message));
		}
		assert_int_equal(rc, 0);
	}
	wait_said(100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(m.device.said[i], 0x1000 + i);
}

static void an_event_interrupts_the_guest(void **state)
{
	RUN(listens);
	wait_done();
	for (unsigned i = 1; i <= 20; i++) {
		assert_int_equal(m.face->signal(m.partition, 0, 5), 0);
		wait_said(i);
		assert_int_equal(m.device.said[i - 1], 0x5005);
	}
	usleep(10000);
	assert_int_equal(m.device.n_said, 20);
}

/* As the switch does it, without this process. */
static void whoever_has_the_target_interrupts_the_guest(void **state)
{
	struct hv_event_target target = {0};

	assert_int_equal(m.face->event_target(m.partition, 0, &target), -ENOENT);
	RUN(listens);
	wait_done();
	wait_mail(HV_MAIL_SYNIC);
	assert_int_equal(m.face->event_target(m.partition, 0, &target), 0);
	assert_int_equal(target.gpa, SIEFP + SINT_OFFSET);
	for (unsigned i = 1; i <= 20; i++) {
		uint8_t *flags = tiny_at(m.partition, target.gpa, 256);

		assert_int_equal(__atomic_fetch_or(flags, 1 << 5, __ATOMIC_SEQ_CST) & 1 << 5, 0);
		assert_int_equal(eventfd_write(target.irq_fd, 1), 0);
		wait_said(i);
	}
}

static void a_guest_that_was_reset_gets_nothing(void **state)
{
	const uint32_t message[2] = {1, 0};
	struct hv_event_target target;
	struct err err = {0};

	RUN(listens);
	wait_done();
	assert_int_equal(hv_partition_reset(m.partition, &err), 0);
	assert_int_not_equal(m.face->post(m.partition, 0, message, sizeof(message)), 0);
	assert_int_equal(m.face->event_target(m.partition, 0, &target), -ENOENT);
	RUN(listens);
	wait_done();
	assert_int_equal(m.face->post(m.partition, 0, message, sizeof(message)), 0);
	wait_said(1);
}

/* ---- time ---- */

TINY_GUEST(clocks, BEGIN RDMSR(0x40000020) SAY RDMSR(0x40000020) SAY DONE SLEEP);

static void the_guest_has_the_time_of_the_partition(void **state)
{
	uint64_t before, after;

	before = hv_partition_time(m.partition);
	RUN(clocks);
	wait_done();
	after = hv_partition_time(m.partition);
	assert_true(m.device.said[0] >= before);
	assert_true(m.device.said[1] >= m.device.said[0]);
	assert_true(m.device.said[1] <= after);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, one, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ONE(guest_sees_hyper_v),
		ONE(reset_forgets_what_the_guest_set),
		ONE(an_msr_that_is_not_there_faults_in_the_guest),
		ONE(pages_that_are_no_memory_hurt_nobody),
		ONE(a_signal_writes_the_descriptor_of_its_connection),
		ONE(an_interrupt_is_moved_by_the_owner),
		ONE(who_posts_too_much_is_told_to_wait),
		ONE(calls_survive_pauses),
		ONE(a_crash_is_mailed_with_its_text),
		ONE(a_hundred_messages_arrive_in_their_order),
		ONE(an_event_interrupts_the_guest),
		ONE(whoever_has_the_target_interrupts_the_guest),
		ONE(a_guest_that_was_reset_gets_nothing),
		ONE(the_guest_has_the_time_of_the_partition),
	};

	wanted = argc > 1 && strcmp(argv[1], "kvm") == 0 ? HV_FACE_KVM : HV_FACE_USER;
	if (make() != 0)
		return SKIP;
	end(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
