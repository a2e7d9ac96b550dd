/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bytes of the attach protocol, and its messages over a real socket.
 */
#include "vmbus/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t bytes[VMBUS_ATTACH_MAX_SIZE], again[VMBUS_ATTACH_MAX_SIZE];
static uint64_t pfns[VMBUS_GPADL_MAX_PFNS];

static bool of_worker(enum vmbus_attach_type type)
{
	const unsigned of_switch = 1u << VMBUS_ATTACH_WELCOME | 1u << VMBUS_ATTACH_REFUSED |
				   1u << VMBUS_ATTACH_GPADL_RELEASED | 1u << VMBUS_ATTACH_OPENED |
				   1u << VMBUS_ATTACH_CLOSED |
				   1u << VMBUS_ATTACH_OFFER_SUBCHANNELS |
				   1u << VMBUS_ATTACH_REMOVED;

	return (of_switch >> type & 1) == 0;
}

static struct vmbus_attach_msg sample(enum vmbus_attach_type type)
{
	struct vmbus_attach_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	if (type == VMBUS_ATTACH_HELLO) {
		msg.hello.min_version = msg.hello.max_version = 1;
		msg.hello.n_memory = 2;
		msg.hello.memory[1] = (struct vmbus_attach_memory){1ul << 32, 4096, 8192};
		strcpy(msg.hello.who, "test");
	} else if (type == VMBUS_ATTACH_GPADL) {
		msg.gpadl.n_pfns = 3;
		msg.gpadl.byte_count = 3 * 4096;
		msg.gpadl.relid = 9;
		msg.gpadl.pfns = pfns;
	} else if (type == VMBUS_ATTACH_OPEN) {
		msg.open.relid = 9;
		msg.open.ring_offset = 128;
		msg.open.monitor_id = 255;
		msg.open.resumed = true;
	} else if (type == VMBUS_ATTACH_WELCOME) {
		msg.welcome.version = VMBUS_ATTACH_VERSION;
		memcpy(msg.welcome.mac, "\2\1\2\3\4\5", 6);
	} else if (type == VMBUS_ATTACH_EVENT) {
		msg.event.relid = msg.event.bit = 9;
		msg.event.gpa = 0x5200;
	}
	return msg;
}

static void every_message_comes_back_as_it_was(void **state)
{
	for (int t = VMBUS_ATTACH_HELLO; t < VMBUS_ATTACH_N_TYPES; t++) {
		struct vmbus_attach_msg msg = sample((enum vmbus_attach_type)t), got;
		size_t size = vmbus_attach_write(&msg, bytes);

		assert_int_equal(vmbus_attach_read(bytes, size, of_worker(msg.type), &got), 0);
		assert_int_equal(got.type, t);
		assert_int_equal(vmbus_attach_write(&got, again), size);
		assert_memory_equal(bytes, again, size);
	}
}

static void no_side_may_say_what_is_the_others(void **state)
{
	for (int t = VMBUS_ATTACH_HELLO; t < VMBUS_ATTACH_N_TYPES; t++) {
		struct vmbus_attach_msg msg = sample((enum vmbus_attach_type)t), got;
		size_t size = vmbus_attach_write(&msg, bytes);

		assert_int_equal(vmbus_attach_read(bytes, size, !of_worker(msg.type), &got),
				 -EOPNOTSUPP);
	}
}

static void set_size(uint32_t size)
{
	memcpy(bytes + 4, &size, sizeof(size));
}

static void a_message_of_another_length_is_refused(void **state)
{
	for (int t = VMBUS_ATTACH_HELLO; t < VMBUS_ATTACH_N_TYPES; t++) {
		struct vmbus_attach_msg msg = sample((enum vmbus_attach_type)t), got;
		bool worker = of_worker(msg.type);
		size_t size = vmbus_attach_write(&msg, bytes);

		bytes[size] = 0;
		assert_int_equal(vmbus_attach_read(bytes, size - 1, worker, &got), -EBADMSG);
		set_size((uint32_t)size + 1);
		assert_int_equal(vmbus_attach_read(bytes, size, worker, &got), -EBADMSG);
		assert_int_equal(vmbus_attach_read(bytes, size + 1, worker, &got), -EBADMSG);
		for (uint32_t n = 8; n < size; n++) {
			set_size(n);
			assert_int_equal(vmbus_attach_read(bytes, n, worker, &got), -EBADMSG);
		}
		set_size(UINT32_MAX);
		assert_int_equal(vmbus_attach_read(bytes, size, worker, &got), -EBADMSG);
		assert_int_equal(vmbus_attach_read(bytes, 0, worker, &got), -EBADMSG);
	}
}

static void counts_are_held_against_the_length(void **state)
{
	static const uint32_t counts[] = {
		0, 2, 4, VMBUS_GPADL_MAX_PFNS, VMBUS_GPADL_MAX_PFNS + 1, UINT32_MAX};
	struct vmbus_attach_msg msg = sample(VMBUS_ATTACH_GPADL), got;
	size_t size = vmbus_attach_write(&msg, bytes);

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(bytes + 8 + 12, &counts[i], 4);
		assert_int_equal(vmbus_attach_read(bytes, size, true, &got), -EBADMSG);
	}
	msg = sample(VMBUS_ATTACH_HELLO);
	size = vmbus_attach_write(&msg, bytes);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (counts[i] == 2)
			continue;
		memcpy(bytes + 8 + 12, &counts[i], 4);
		assert_int_equal(vmbus_attach_read(bytes, size, true, &got), -EBADMSG);
	}
}

static void the_longest_gpadl_fits(void **state)
{
	struct vmbus_attach_msg msg = sample(VMBUS_ATTACH_GPADL), got;
	size_t size;

	msg.gpadl.n_pfns = VMBUS_GPADL_MAX_PFNS;
	size = vmbus_attach_write(&msg, bytes);
	assert_int_equal(size, VMBUS_ATTACH_MAX_SIZE);
	assert_int_equal(vmbus_attach_read(bytes, size, true, &got), 0);
}

static void text_is_made_fit_for_eyes(void **state)
{
	struct vmbus_attach_msg msg = sample(VMBUS_ATTACH_HELLO), got;
	size_t size;

	memset(msg.hello.who, 'x', sizeof(msg.hello.who));
	msg.hello.who[0] = '\033';
	size = vmbus_attach_write(&msg, bytes);
	assert_int_equal(vmbus_attach_read(bytes, size, true, &got), 0);
	assert_int_equal(got.hello.who[0], '?');
	assert_int_equal(strlen(got.hello.who), VMBUS_ATTACH_TEXT_SIZE - 1);
}

/* ---- Sockets ---- */

static int pair[2];

static int make_pair(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	close(pair[0]);
	return close(pair[1]);
}

static int recv_one(struct vmbus_attach_msg *msg, int *fds)
{
	return vmbus_attach_recv(pair[1], true, bytes, msg, fds);
}

static void descriptors_travel_with_their_message(void **state)
{
	struct vmbus_attach_msg msg = sample(VMBUS_ATTACH_OPEN), got;
	int fds[2] = {eventfd(0, 0), eventfd(0, 0)}, got_fds[VMBUS_ATTACH_MAX_FDS];
	uint64_t value;

	assert_int_equal(recv_one(&got, got_fds), -EAGAIN);
	assert_int_equal(vmbus_attach_send(pair[0], &msg, fds, 2), 0);
	assert_int_equal(recv_one(&got, got_fds), 0);
	assert_int_equal(got.type, VMBUS_ATTACH_OPEN);
	assert_int_equal(eventfd_write(got_fds[1], 7), 0);
	assert_int_equal(eventfd_read(fds[1], &value), 0);
	assert_int_equal(value, 7);
	assert_true((fcntl(got_fds[0], F_GETFD) & FD_CLOEXEC) != 0);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(got_fds[i]);
	}
}

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void other_descriptors_than_the_types_are_closed(void **state)
{
	struct vmbus_attach_msg open = sample(VMBUS_ATTACH_OPEN), got;
	struct vmbus_attach_msg ready = sample(VMBUS_ATTACH_READY);
	int fds[VMBUS_ATTACH_MAX_FDS + 3], got_fds[VMBUS_ATTACH_MAX_FDS], before = n_open();

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fds[i] = pair[0];
	assert_int_equal(vmbus_attach_send(pair[0], &open, fds, 1), 0);
	assert_int_equal(recv_one(&got, got_fds), -EBADMSG);
	assert_int_equal(vmbus_attach_send(pair[0], &open, fds, 3), 0);
	assert_int_equal(recv_one(&got, got_fds), -EBADMSG);
	assert_int_equal(vmbus_attach_send(pair[0], &open, NULL, 0), 0);
	assert_int_equal(recv_one(&got, got_fds), -EBADMSG);
	assert_int_equal(vmbus_attach_send(pair[0], &ready, fds, VMBUS_ATTACH_MAX_FDS + 1), 0);
	assert_int_equal(recv_one(&got, got_fds), -EBADMSG);
	assert_int_equal(n_open(), before);
}

static void a_peer_that_does_not_read_is_told_apart_from_one_that_is_gone(void **state)
{
	struct vmbus_attach_msg msg = sample(VMBUS_ATTACH_READY), got;
	int fds[VMBUS_ATTACH_MAX_FDS], rc, n = 0;

	while ((rc = vmbus_attach_send(pair[0], &msg, NULL, 0)) == 0)
		assert_true(++n < 100000);
	assert_int_equal(rc, -EAGAIN);
	close(pair[0]);
	while ((rc = recv_one(&got, fds)) == 0)
		n--;
	assert_int_equal(n, 0);
	assert_int_equal(rc, -EPIPE);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	close(fds[1]);
	assert_int_equal(vmbus_attach_send(fds[0], &msg, NULL, 0), -EPIPE);
	pair[0] = fds[0];
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_as_it_was),
		cmocka_unit_test(no_side_may_say_what_is_the_others),
		cmocka_unit_test(a_message_of_another_length_is_refused),
		cmocka_unit_test(counts_are_held_against_the_length),
		cmocka_unit_test(the_longest_gpadl_fits),
		cmocka_unit_test(text_is_made_fit_for_eyes),
		cmocka_unit_test_setup_teardown(descriptors_travel_with_their_message, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(other_descriptors_than_the_types_are_closed,
						make_pair, close_pair),
		cmocka_unit_test_setup_teardown(
			a_peer_that_does_not_read_is_told_apart_from_one_that_is_gone, make_pair,
			close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
