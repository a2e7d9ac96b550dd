/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/synic.h"

#include "hv/gpa.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "tests/unit/hv/test_memory.h"

#define MESSAGES 1
#define EVENTS	 2
#define ON(page) ((uint64_t)(page) << HV_MSR_PAGE_SHIFT | HV_MSR_ENABLE)
#define SINT2	 (HV_MSR_SINT0 + 2)

struct state {
	struct gpa_map memory;
	struct hv_synic synic;
	uint8_t *slot, *flags;
	int irq_fd;
};

static int setup(void **state)
{
	static struct state s;

	memset(&s, 0, sizeof(s));
	s.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s.irq_fd < 0 || test_memory_init(&s.memory) < 0)
		return -1;
	s.slot = test_at(&s.memory, MESSAGES * GPA_PAGE_SIZE + 2 * HV_SLOT_SIZE, 512);
	s.flags = test_at(&s.memory, EVENTS * GPA_PAGE_SIZE + 2 * HV_SLOT_SIZE, 512);
	hv_synic_init(&s.synic, s.irq_fd);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	gpa_map_fini(&s->memory);
	return close(s->irq_fd);
}

static int set(struct state *s, uint32_t msr, uint64_t value)
{
	return hv_synic_write(&s->synic, &s->memory, msr, value);
}

/* As Linux does when hv_vmbus loads. */
static void switch_on(struct state *s)
{
	assert_int_equal(set(s, HV_MSR_SIMP, ON(MESSAGES)), 0);
	assert_int_equal(set(s, HV_MSR_SIEFP, ON(EVENTS)), 0);
	assert_int_equal(set(s, SINT2, 0xf3), 0);
	assert_int_equal(set(s, HV_MSR_SCONTROL, 1), 0);
}

static unsigned interrupts(struct state *s)
{
	eventfd_t n = 0;

	return eventfd_read(s->irq_fd, &n) < 0 ? 0 : (unsigned)n;
}

static int post(struct state *s, const char *text)
{
	return hv_synic_post(&s->synic, &s->memory, text, strlen(text));
}

static uint32_t type_of(const uint8_t *slot)
{
	uint32_t type;

	memcpy(&type, slot, sizeof(type));
	return type;
}

/* The guest takes the message; true if it is to write EOM. */
static bool take(struct state *s)
{
	__atomic_store_n((uint32_t *)(void *)s->slot, 0, __ATOMIC_SEQ_CST);
	return (s->slot[HV_SLOT_FLAGS] & HV_SLOT_PENDING) != 0;
}

static void message_stands_in_the_slot_and_interrupts(void **state)
{
	struct state *s = *state;

	switch_on(s);
	memset(s->slot + 1, 0xff, HV_SLOT_SIZE - 4);
	memset(s->slot, 0, 4);
	assert_int_equal(post(s, "hello"), 0);
	assert_int_equal(type_of(s->slot), 1);
	assert_int_equal(s->slot[HV_SLOT_BYTES], 5);
	assert_int_equal(s->slot[HV_SLOT_FLAGS], 0);
	assert_memory_equal(s->slot + HV_SLOT_PAYLOAD, "hello", 5);
	assert_int_equal(interrupts(s), 1);
}

static void second_message_comes_after_eom(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(post(s, "one"), 0);
	assert_int_equal(post(s, "two"), -EAGAIN);
	assert_memory_equal(s->slot + HV_SLOT_PAYLOAD, "one", 3);
	assert_int_equal(interrupts(s), 1);
	assert_true(take(s));
	assert_int_equal(set(s, HV_MSR_EOM, 0), 0);
	assert_true(hv_synic_wake(&s->synic));
	assert_false(hv_synic_wake(&s->synic));
	assert_int_equal(post(s, "two"), 0);
	assert_memory_equal(s->slot + HV_SLOT_PAYLOAD, "two", 3);
	assert_int_equal(interrupts(s), 1);
	assert_false(take(s));
}

static void eom_without_a_waiting_message_wakes_nobody(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(post(s, "one"), 0);
	assert_int_equal(set(s, HV_MSR_EOM, 0), 0);
	assert_false(hv_synic_wake(&s->synic));
}

static void message_waits_until_the_synic_is_on(void **state)
{
	struct state *s = *state;

	assert_int_equal(post(s, "early"), -EAGAIN);
	assert_int_equal(interrupts(s), 0);
	switch_on(s);
	assert_true(hv_synic_wake(&s->synic));
	assert_int_equal(post(s, "early"), 0);
	assert_int_equal(set(s, HV_MSR_SCONTROL, 0), 0);
	memset(s->slot, 0, 4);
	assert_int_equal(post(s, "late"), -EAGAIN);
	assert_int_equal(type_of(s->slot), 0);
	assert_int_equal(set(s, HV_MSR_SCONTROL, 1), 0);
	assert_int_equal(set(s, HV_MSR_SIMP, ON(MESSAGES) & ~HV_MSR_ENABLE), 0);
	assert_int_equal(post(s, "late"), -EAGAIN);
}

static void message_of_240_bytes_fits_and_of_241_does_not(void **state)
{
	struct state *s = *state;
	uint8_t msg[HV_MESSAGE_MAX + 1];

	switch_on(s);
	memset(msg, 0x5a, sizeof(msg));
	assert_int_equal(hv_synic_post(&s->synic, &s->memory, msg, sizeof(msg)), -EMSGSIZE);
	assert_int_equal(hv_synic_post(&s->synic, &s->memory, msg, HV_MESSAGE_MAX), 0);
	assert_int_equal(s->slot[HV_SLOT_BYTES], HV_MESSAGE_MAX);
	/* The slot of SINT 3 begins right behind. */
	assert_int_equal(s->slot[HV_SLOT_SIZE - 1], 0x5a);
	assert_int_equal(s->slot[HV_SLOT_SIZE], 0);
}

static void flag_interrupts_once_until_it_is_cleared(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 13), 0);
	assert_int_equal(s->flags[1], 1 << 5);
	assert_int_equal(interrupts(s), 1);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 13), 0);
	assert_int_equal(interrupts(s), 0);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 14), 0);
	assert_int_equal(interrupts(s), 1);
	s->flags[1] = 0;
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 13), 0);
	assert_int_equal(interrupts(s), 1);
}

static void last_flag_is_2047(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 2047), 0);
	assert_int_equal(s->flags[255], 0x80);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 2048), -EINVAL);
	assert_int_equal(s->flags[256], 0);
}

static void flag_needs_page_and_synic(void **state)
{
	struct state *s = *state;
	uint64_t gpa = 7;

	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 1), -ENOENT);
	switch_on(s);
	assert_int_equal(hv_synic_flags(&s->synic, &s->memory, &gpa), 0);
	assert_int_equal(gpa, EVENTS * GPA_PAGE_SIZE + 512);
	assert_int_equal(set(s, HV_MSR_SIEFP, 0), 0);
	assert_int_equal(hv_synic_flags(&s->synic, &s->memory, &gpa), -ENOENT);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 1), -ENOENT);
	switch_on(s);
	assert_int_equal(set(s, HV_MSR_SCONTROL, 0), 0);
	assert_int_equal(hv_synic_flags(&s->synic, &s->memory, &gpa), -ENOENT);
}

static void masked_sint_is_silent_and_what_came_stands(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_false(hv_synic_stands(&s->synic, &s->memory));
	assert_int_equal(set(s, SINT2, 0xf3 | HV_SINT_MASKED), 0);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 2047), 0);
	assert_int_equal(interrupts(s), 0);
	assert_true(hv_synic_stands(&s->synic, &s->memory));
	memset(s->flags, 0, HV_SLOT_SIZE);
	assert_int_equal(post(s, "m"), 0);
	assert_int_equal(interrupts(s), 0);
	assert_true(hv_synic_stands(&s->synic, &s->memory));
}

static void polled_sint_is_silent(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(set(s, SINT2, 0xf3 | HV_SINT_POLLING), 0);
	assert_int_equal(post(s, "m"), 0);
	assert_int_equal(type_of(s->slot), 1);
	assert_int_equal(interrupts(s), 0);
}

static void registers_read_back_and_reset(void **state)
{
	struct state *s = *state;
	uint64_t value = 0;

	for (uint32_t msr = HV_MSR_SINT0; msr <= HV_MSR_SINT15; msr++) {
		assert_int_equal(hv_synic_read(&s->synic, msr, &value), 0);
		assert_int_equal(value, 0x10000);
	}
	switch_on(s);
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SIMP, &value), 0);
	assert_int_equal(value, ON(MESSAGES));
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SIEFP, &value), 0);
	assert_int_equal(value, ON(EVENTS));
	assert_int_equal(hv_synic_read(&s->synic, SINT2, &value), 0);
	assert_int_equal(value, 0xf3);
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SVERSION, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_EOM, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(post(s, "one"), 0);
	assert_int_equal(post(s, "two"), -EAGAIN);
	hv_synic_reset(&s->synic);
	assert_false(hv_synic_wake(&s->synic));
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SCONTROL, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(hv_synic_read(&s->synic, SINT2, &value), 0);
	assert_int_equal(value, 0x10000);
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
	struct state *s = *state;
	uint64_t value = 0;

	switch_on(s);
	assert_int_equal(set(s, HV_MSR_SIMP, ON(TEST_PAGES)), -EINVAL);
	assert_int_equal(set(s, HV_MSR_SIEFP, ON(UINT64_MAX >> 12)), -EINVAL);
	assert_int_equal(set(s, HV_MSR_SIEFP, UINT64_MAX), -EINVAL);
	assert_int_equal(set(s, HV_MSR_SVERSION, 1), -EINVAL);
	for (uint64_t vector = 0; vector < 16; vector++)
		assert_int_equal(set(s, SINT2, vector), -EINVAL);
	assert_int_equal(set(s, HV_MSR_SINT0 - 1, 0), -ENOENT);
	assert_int_equal(set(s, HV_MSR_SINT15 + 1, 0), -ENOENT);
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SINT15 + 1, &value), -ENOENT);
	assert_int_equal(hv_synic_read(&s->synic, HV_MSR_SIMP, &value), 0);
	assert_int_equal(value, ON(MESSAGES));
	assert_int_equal(hv_synic_read(&s->synic, SINT2, &value), 0);
	assert_int_equal(value, 0xf3);
	/* Masked with any vector, switched off with any page: fine. */
	assert_int_equal(set(s, SINT2, HV_SINT_MASKED), 0);
	assert_int_equal(set(s, HV_MSR_SIMP, ON(TEST_PAGES) & ~HV_MSR_ENABLE), 0);
}

static void pages_that_kvm_tells_are_checked_when_used(void **state)
{
	struct state *s = *state;
	uint64_t gpa;

	hv_synic_set(&s->synic, 1, UINT64_MAX, ON(TEST_PAGES));
	assert_int_equal(post(s, "m"), -EAGAIN);
	assert_int_equal(hv_synic_signal(&s->synic, &s->memory, 1), -ENOENT);
	assert_int_equal(hv_synic_flags(&s->synic, &s->memory, &gpa), -ENOENT);
	assert_false(hv_synic_stands(&s->synic, &s->memory));
}

static void one_page_for_both_is_the_guests_affair(void **state)
{
	struct state *s = *state;

	switch_on(s);
	assert_int_equal(set(s, HV_MSR_SIEFP, ON(MESSAGES)), 0);
	for (unsigned flag = 0; flag < HV_EVENT_FLAGS; flag++)
		assert_int_equal(hv_synic_signal(&s->synic, &s->memory, flag), 0);
	assert_int_equal(type_of(s->slot), UINT32_MAX);
	assert_int_equal(post(s, "m"), -EAGAIN);
	memset(s->slot, 0, HV_SLOT_SIZE);
	assert_int_equal(post(s, "m"), 0);
}

/* ---- a guest on another thread ---- */

#define N_POSTS 20000

/* Takes messages as Linux does: reads, empties the slot, and writes EOM if there are more. */
static void *guest_takes(void *arg)
{
	struct state *s = arg;

	for (unsigned n = 0; n < N_POSTS;) {
		uint32_t number;

		if (__atomic_load_n((uint32_t *)(void *)s->slot, __ATOMIC_SEQ_CST) == 0) {
			sched_yield();
			continue;
		}
		memcpy(&number, s->slot + HV_SLOT_PAYLOAD, sizeof(number));
		if (number != n++)
			return arg;
		__atomic_store_n((uint32_t *)(void *)s->slot, 0, __ATOMIC_SEQ_CST);
		if ((__atomic_load_n(s->slot + HV_SLOT_FLAGS, __ATOMIC_SEQ_CST) &
		     HV_SLOT_PENDING) != 0)
			(void)eventfd_write(s->irq_fd, hv_synic_wake(&s->synic) ? 1 : 0);
	}
	return NULL;
}

/* Posts, and after -EAGAIN not before it was woken: a wake-up lost is a test that hangs. */
static void no_wake_up_is_lost(void **state)
{
	struct state *s = *state;
	pthread_t guest;
	void *wrong;

	switch_on(s);
	assert_int_equal(set(s, SINT2, 0xf3 | HV_SINT_MASKED), 0); /* 'irq_fd' is for EOM here. */
	assert_int_equal(pthread_create(&guest, NULL, guest_takes, s), 0);
	for (uint32_t n = 0; n < N_POSTS; n++) {
		while (hv_synic_post(&s->synic, &s->memory, &n, sizeof(n)) == -EAGAIN)
			while (interrupts(s) == 0)
				sched_yield();
	}
	pthread_join(guest, &wrong);
	assert_null(wrong);
}

/* Moves its pages about, onto each other and away. */
static void *guest_moves(void *arg)
{
	struct state *s = arg;

	for (unsigned n = 0; n < 20000; n++) {
		(void)set(s, HV_MSR_SIMP, ON(n % (TEST_PAGES + 2)));
		(void)set(s, HV_MSR_SIEFP, ON(n / 3 % (TEST_PAGES + 2)));
		(void)set(s, HV_MSR_SCONTROL, n % 5 != 0);
		(void)set(s, SINT2, n * 7919);
		(void)hv_synic_wake(&s->synic);
	}
	return NULL;
}

static void pages_may_move_while_they_are_used(void **state)
{
	struct state *s = *state;
	pthread_t guest;
	unsigned put = 0;

	assert_int_equal(pthread_create(&guest, NULL, guest_moves, s), 0);
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t gpa;

		put += post(s, "m") == 0;
		(void)hv_synic_signal(&s->synic, &s->memory, n % HV_EVENT_FLAGS);
		if (hv_synic_flags(&s->synic, &s->memory, &gpa) == 0)
			assert_non_null(gpa_at(&s->memory, gpa, HV_SLOT_SIZE));
	}
	pthread_join(guest, NULL);
	assert_in_range(put, 0, 20000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_stands_in_the_slot_and_interrupts),
		T(second_message_comes_after_eom),
		T(eom_without_a_waiting_message_wakes_nobody),
		T(message_waits_until_the_synic_is_on),
		T(message_of_240_bytes_fits_and_of_241_does_not),
		T(flag_interrupts_once_until_it_is_cleared),
		T(last_flag_is_2047),
		T(flag_needs_page_and_synic),
		T(masked_sint_is_silent_and_what_came_stands),
		T(polled_sint_is_silent),
		T(registers_read_back_and_reset),
		T(nonsense_is_refused_and_changes_nothing),
		T(pages_that_kvm_tells_are_checked_when_used),
		T(one_page_for_both_is_the_guests_affair),
		T(no_wake_up_is_lost),
		T(pages_may_move_while_they_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
