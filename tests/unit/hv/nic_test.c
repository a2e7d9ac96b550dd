/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's NICs: attach sockets that are handed over, lost, and handed over again.
 */
#include "hv/worker/nic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "hv/memory.h"
#include "tests/support/bus_rig.h"
#include "vmbus/attach.h"

struct state {
	struct event_base *base;
	struct bus_rig *rig;
	struct hv_memory memory;
	struct nics *nics;
	int fd; /* the switch's end; -1 */
	int state_fd;
	uint8_t *buf;
	char text[256]; /* the last event */
};

static void on_event(void *ctx, const char *name, const char *text)
{
	struct state *s = ctx;

	snprintf(s->text, sizeof(s->text), "%s: %s", name, text);
}

static void turn(struct state *s)
{
	for (unsigned i = 0; i < 10; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
}

static int setup(void **state)
{
	static struct state s;
	struct nics_opts opts = {.event = on_event, .ctx = &s};

	s = (struct state){.fd = -1, .base = event_base_new(), .rig = bus_rig_create(NULL)};
	s.memory = (struct hv_memory){.fd = memfd_create("memory", MFD_CLOEXEC),
				      .size = 0x30000,
				      .low_size = 0x10000,
				      .high_size = 0x20000};
	s.memory.map.n = 2;
	s.memory.map.range[0] = (struct gpa_range){.gpa = 0, .size = 0x10000};
	s.memory.map.range[1] = (struct gpa_range){.gpa = 0x100000000, .size = 0x20000};
	s.state_fd = memfd_create("state", MFD_CLOEXEC);
	s.buf = malloc(VMBUS_ATTACH_MAX_SIZE);
	opts.base = s.base;
	opts.server = s.rig->server;
	opts.memory = &s.memory;
	assert_int_equal(nics_create(&opts, &s.nics, NULL), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	nics_destroy(s->nics);
	if (s->fd >= 0)
		close(s->fd);
	bus_rig_destroy(s->rig);
	event_base_free(s->base);
	close(s->memory.fd);
	close(s->state_fd);
	free(s->buf);
	return 0;
}

static struct vmbus_attach_msg read_one(struct state *s, enum vmbus_attach_type type)
{
	struct vmbus_attach_msg msg;
	int fds[VMBUS_ATTACH_MAX_FDS];

	assert_int_equal(vmbus_attach_recv(s->fd, true, s->buf, &msg, fds), 0);
	assert_int_equal(msg.type, type);
	for (unsigned i = 0; i < vmbus_attach_n_fds(&msg); i++)
		close(fds[i]);
	return msg;
}

/* Hands a socket over, and welcomes who comes. */
static struct vmbus_attach_msg attach(struct state *s, const char *name)
{
	struct vmbus_attach_msg welcome = {.type = VMBUS_ATTACH_WELCOME,
					   .welcome = {.version = VMBUS_ATTACH_VERSION}},
				hello;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	s->fd = fds[0];
	assert_int_equal(fcntl(s->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(nics_attach(s->nics, name, fds[1], NULL), 0);
	hello = read_one(s, VMBUS_ATTACH_HELLO);
	welcome.welcome.version = hello.hello.max_version;
	vmbus_guid_of_name(name, &welcome.welcome.instance);
	assert_int_equal(vmbus_attach_send(s->fd, &welcome, &s->state_fd, 1), 0);
	turn(s);
	return hello;
}

static json_t *no_ips(void *ctx, const uint8_t mac[6])
{
	return json_array();
}

static bool attached(struct state *s, const char *name)
{
	json_t *list = nics_info(s->nics, no_ips, NULL), *nic;
	bool is = false;
	size_t i;

	json_array_foreach(list, i, nic) {
		if (strcmp(json_string_value(json_object_get(nic, "name")), name) == 0)
			is = json_is_true(json_object_get(nic, "attached"));
	}
	json_decref(list);
	return is;
}

static void a_socket_joins_a_nic_and_the_next_takes_its_place(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg hello;

	assert_int_equal(nics_add(s->nics, "lan0", NULL), 0);
	assert_false(attached(s, "lan0"));
	hello = attach(s, "lan0");
	assert_int_equal(hello.hello.n_memory, 2);
	assert_int_equal(hello.hello.memory[1].gpa, 0x100000000);
	assert_int_equal(hello.hello.memory[1].offset, 0x10000);
	assert_true(attached(s, "lan0"));
	assert_string_equal(s->text, "lan0: attached");
	assert_int_equal(bus_rig_info(s->rig).n_channels, 1);
	close(s->fd); /* the switch dies */
	turn(s);
	assert_false(attached(s, "lan0"));
	assert_int_equal(bus_rig_info(s->rig).n_channels, 1);
	hello = attach(s, "lan0");
	assert_int_equal(hello.hello.flags, VMBUS_ATTACH_HAS_STATE);
	assert_true(attached(s, "lan0"));
}

static void what_is_no_attach_socket_is_refused_and_closed(void **state)
{
	struct state *s = *state;
	int fd = eventfd(0, 0), stream[2];
	struct err err = {0};

	assert_int_equal(nics_add(s->nics, "lan0", NULL), 0);
	assert_int_equal(nics_attach(s->nics, "lan0", fd, &err), -EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_int_equal(nics_attach(s->nics, "lan0", stream[1], &err), -EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, stream), 0);
	assert_int_equal(nics_attach(s->nics, "lan1", stream[1], &err), -ENOENT);
	assert_string_equal(err.slug, "no-nic");
	assert_int_equal(fcntl(stream[1], F_GETFD), -1);
	assert_int_equal(nics_attach(s->nics, "lan0", -1, &err), -EINVAL);
	close(stream[0]);
}

static void there_are_eight_and_each_once(void **state)
{
	struct state *s = *state;
	struct err err = {0};
	char name[16];

	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "nic%u", i);
		assert_int_equal(nics_add(s->nics, name, &err), 0);
	}
	assert_int_equal(nics_add(s->nics, "nic8", &err), -ENOSPC);
	assert_int_equal(nics_add(s->nics, "nic3", &err), -EEXIST);
	assert_int_equal(nics_remove(s->nics, "nic3", &err), 0);
	assert_int_equal(nics_remove(s->nics, "nic3", &err), -ENOENT);
	assert_int_equal(nics_add(s->nics, "../x", &err), -EINVAL);
	assert_int_equal(nics_add(s->nics, "nic8", &err), 0);
}

static void a_removed_nic_leaves_the_bus(void **state)
{
	struct state *s = *state;

	assert_int_equal(nics_add(s->nics, "lan0", NULL), 0);
	(void)attach(s, "lan0");
	assert_int_equal(bus_rig_info(s->rig).n_channels, 1);
	assert_int_equal(nics_remove(s->nics, "lan0", NULL), 0);
	assert_int_equal(bus_rig_info(s->rig).n_channels, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_socket_joins_a_nic_and_the_next_takes_its_place),
		TEST(what_is_no_attach_socket_is_refused_and_closed),
		TEST(there_are_eight_and_each_once),
		TEST(a_removed_nic_leaves_the_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
