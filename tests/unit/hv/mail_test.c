/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/mail.h"
#include "hv/layout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BOUND 64 /* messages that wait at most */

static int setup(void **state)
{
	struct hv_mailbox *box;
	int rc = hv_mailbox_create(&box);

	*state = box;
	return rc;
}

static int teardown(void **state)
{
	hv_mailbox_destroy(*state);
	return 0;
}

static int put(struct hv_mailbox *box, enum hv_mail_type type, uint32_t vp, uint32_t id)
{
	struct hv_mail mail = {.type = type, .vp = vp};

	if (type == HV_MAIL_MESSAGE)
		mail.message.connection_id = id;
	return hv_mailbox_put(box, &mail);
}

static bool readable(struct hv_mailbox *box)
{
	struct pollfd p = {.fd = hv_mailbox_fd(box), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void messages_come_in_their_order(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail;

	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(put(box, HV_MAIL_MESSAGE, 0, 2 * i), 0);
		assert_int_equal(put(box, HV_MAIL_MESSAGE, 1, 2 * i + 1), 0);
		assert_true(hv_mailbox_take(box, &mail));
		assert_int_equal(mail.message.connection_id, 2 * i);
		assert_true(hv_mailbox_take(box, &mail));
		assert_int_equal(mail.message.connection_id, 2 * i + 1);
		assert_int_equal(mail.vp, 1);
		assert_false(hv_mailbox_take(box, &mail));
	}
}

static void a_full_box_refuses_messages_and_takes_all_else(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail;
	unsigned n = 0;

	for (uint32_t i = 0; i < BOUND; i++)
		assert_int_equal(put(box, HV_MAIL_MESSAGE, 0, i), 0);
	assert_int_equal(put(box, HV_MAIL_MESSAGE, 0, BOUND), -EAGAIN);
	for (int type = HV_MAIL_SLOT_FREE; type < HV_MAIL_N_TYPES; type++)
		assert_int_equal(put(box, (enum hv_mail_type)type, HV_MAX_VPS - 1, 0), 0);
	for (uint32_t i = 0; i < BOUND; i++) {
		assert_true(hv_mailbox_take(box, &mail));
		assert_int_equal(mail.message.connection_id, i);
	}
	while (hv_mailbox_take(box, &mail)) {
		assert_int_not_equal(mail.type, HV_MAIL_MESSAGE);
		assert_int_equal(mail.vp, HV_MAX_VPS - 1);
		n++;
	}
	assert_int_equal(n, HV_MAIL_N_TYPES - 1);
	assert_int_equal(put(box, HV_MAIL_MESSAGE, 0, 0), 0);
}

static void the_same_from_one_processor_is_said_once(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail;
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(put(box, HV_MAIL_SYNIC, i % 4, 0), 0);
	while (hv_mailbox_take(box, &mail))
		n++;
	assert_int_equal(n, 4);
}

static void the_first_fault_keeps_its_text(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail = {.type = HV_MAIL_FAULT, .vp = 3};

	snprintf(mail.text, sizeof(mail.text), "first");
	assert_int_equal(hv_mailbox_put(box, &mail), 0);
	snprintf(mail.text, sizeof(mail.text), "second");
	assert_int_equal(hv_mailbox_put(box, &mail), 0);
	assert_true(hv_mailbox_take(box, &mail));
	assert_int_equal(mail.vp, 3);
	assert_string_equal(mail.text, "first");
	assert_false(hv_mailbox_take(box, &mail));
	snprintf(mail.text, sizeof(mail.text), "third");
	mail.type = HV_MAIL_FAULT;
	assert_int_equal(hv_mailbox_put(box, &mail), 0);
	assert_true(hv_mailbox_take(box, &mail));
	assert_string_equal(mail.text, "third");
}

static void it_is_readable_while_there_is_mail(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail;

	assert_false(readable(box));
	put(box, HV_MAIL_MESSAGE, 0, 0);
	put(box, HV_MAIL_RESET, 0, 0);
	assert_true(readable(box));
	assert_true(hv_mailbox_take(box, &mail));
	assert_true(readable(box));
	assert_true(hv_mailbox_take(box, &mail));
	assert_false(hv_mailbox_take(box, &mail));
	assert_false(readable(box));
}

static void a_cleared_box_is_empty(void **state)
{
	struct hv_mailbox *box = *state;
	struct hv_mail mail;

	for (uint32_t i = 0; i < BOUND; i++)
		put(box, HV_MAIL_MESSAGE, 0, i);
	put(box, HV_MAIL_CRASH, 5, 0);
	hv_mailbox_clear(box);
	assert_false(hv_mailbox_take(box, &mail));
	put(box, HV_MAIL_MESSAGE, 0, 9);
	assert_true(hv_mailbox_take(box, &mail));
	assert_int_equal(mail.message.connection_id, 9);
}

#define N_PUTTERS 4
#define N_EACH	  5000u

static void *putter(void *arg)
{
	struct hv_mailbox *box = arg;
	static _Atomic uint32_t next_vp;
	uint32_t vp = next_vp++;

	for (uint32_t i = 0; i < N_EACH;)
		i += put(box, HV_MAIL_MESSAGE, vp, i) == 0;
	return NULL;
}

/* As processors do: none lost, each one's in order, and the owner always woken. */
static void many_processors_put_at_once(void **state)
{
	struct hv_mailbox *box = *state;
	uint32_t next[N_PUTTERS] = {0}, n = 0;
	pthread_t threads[N_PUTTERS];

	for (unsigned i = 0; i < N_PUTTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, putter, box), 0);
	while (n < N_PUTTERS * N_EACH) {
		struct pollfd p = {.fd = hv_mailbox_fd(box), .events = POLLIN};
		struct hv_mail mail;

		assert_int_equal(poll(&p, 1, 20000), 1);
		while (hv_mailbox_take(box, &mail)) {
			assert_true(mail.vp < N_PUTTERS);
			assert_int_equal(mail.message.connection_id, next[mail.vp]);
			next[mail.vp]++;
			n++;
		}
	}
	for (unsigned i = 0; i < N_PUTTERS; i++)
		pthread_join(threads[i], NULL);
}

#define BOX(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOX(messages_come_in_their_order),
		BOX(a_full_box_refuses_messages_and_takes_all_else),
		BOX(the_same_from_one_processor_is_said_once),
		BOX(the_first_fault_keeps_its_text),
		BOX(it_is_readable_while_there_is_mail),
		BOX(a_cleared_box_is_empty),
		BOX(many_processors_put_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
