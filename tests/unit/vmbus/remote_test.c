/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC whose inside is in a switch: the guest's messages at one end, a switch of paper at the
 * other, which dies, refuses, stalls and comes back.
 */
#include "vmbus/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/base/clock.h"
#include "tests/support/bus_rig.h"
#include "vmbus/attach.h"

#define PFN BUS_RIG_HIGH_PFN

struct state {
	char dir[32];
	struct sockaddr_un addr;
	int listener, fd; /* the switch's; -1 */
	int memory_fd, state_fd;
	struct bus_rig *rig;
	struct vmbus_remote *remote;
	unsigned n_events;
	char event[256];
	uint8_t *buf;
	int fds[VMBUS_ATTACH_MAX_FDS]; /* of the last message */
	unsigned n_fds;
};

/* ---- The switch ---- */

static void switch_start(struct state *s)
{
	unlink(s->addr.sun_path);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	assert_int_equal(listen(s->listener, 4), 0);
}

static void switch_die(struct state *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->listener >= 0)
		close(s->listener);
	s->fd = s->listener = -1;
	vmbus_remote_event(s->remote);
	assert_false(vmbus_remote_attached(s->remote));
}

static void drop_fds(struct state *s)
{
	for (unsigned i = 0; i < s->n_fds; i++)
		close(s->fds[i]);
	s->n_fds = 0;
}

/* The next message to the switch; false: none. */
static bool switch_read(struct state *s, struct vmbus_attach_msg *ret_msg)
{
	int rc;

	drop_fds(s);
	rc = vmbus_attach_recv(s->fd, true, s->buf, ret_msg, s->fds);
	if (rc == 0)
		s->n_fds = vmbus_attach_n_fds(ret_msg);
	else
		assert_int_equal(rc, -EAGAIN);
	return rc == 0;
}

static struct vmbus_attach_msg switch_expect(struct state *s, enum vmbus_attach_type type)
{
	struct vmbus_attach_msg msg = {0};

	assert_true(switch_read(s, &msg));
	assert_int_equal(msg.type, type);
	return msg;
}

static void switch_expect_nothing(struct state *s)
{
	struct vmbus_attach_msg msg;

	assert_false(switch_read(s, &msg));
}

static void switch_say(struct state *s, struct vmbus_attach_msg msg)
{
	assert_int_equal(vmbus_attach_send(s->fd, &msg, &s->state_fd,
					   msg.type == VMBUS_ATTACH_WELCOME ? 1 : 0),
			 0);
	vmbus_remote_event(s->remote);
}

/* Accepts, and reads HELLO; after 100 ms at most. */
static struct vmbus_attach_msg switch_accept(struct state *s)
{
	uint64_t until = clock_mono_ns() + 20000000000u;

	do {
		vmbus_remote_event(s->remote);
		s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (s->fd < 0 && usleep(10000) == 0 && clock_mono_ns() < until);
	assert_true(s->fd >= 0);
	return switch_expect(s, VMBUS_ATTACH_HELLO);
}

static void switch_welcome(struct state *s, const char *name, uint32_t flags)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_WELCOME,
				       .welcome = {.version = VMBUS_ATTACH_VERSION,
						   .flags = flags}};

	vmbus_guid_of_name(name, &msg.welcome.instance);
	switch_say(s, msg);
}

static void switch_answer(struct state *s, enum vmbus_attach_type type, uint32_t relid,
			  uint32_t status)
{
	switch_say(s, (struct vmbus_attach_msg){.type = type,
						.channel = {.relid = (uint16_t)relid,
							    .status = status}});
}

static void switch_release(struct state *s, uint32_t relid, uint32_t id)
{
	switch_say(s, (struct vmbus_attach_msg){.type = VMBUS_ATTACH_GPADL_RELEASED,
						.gpadl_ref = {.id = id, .relid = (uint16_t)relid}});
}

/* ---- The rest ---- */

static void event(void *ctx, const char *text)
{
	struct state *s = ctx;

	s->n_events++;
	snprintf(s->event, sizeof(s->event), "%s", text);
}

static int setup(void **state)
{
	static struct state s;
	struct vmbus_remote_memory memory[2] = {{.gpa = 0, .size = 0x10000, .offset = 0},
						{.gpa = 0x100000000, .size = 0x20000}};
	struct vmbus_remote_opts opts = {.memory = memory,
					 .n_memory = 2,
					 .event = event,
					 .ctx = &s};
	struct err err = {0};

	s = (struct state){.fd = -1, .addr.sun_family = AF_UNIX};
	snprintf(s.dir, sizeof(s.dir), "/tmp/remote_test.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	snprintf(s.addr.sun_path, sizeof(s.addr.sun_path), "%s/nic.sock", s.dir);
	s.memory_fd = memfd_create("memory", MFD_CLOEXEC);
	s.state_fd = memfd_create("state", MFD_CLOEXEC);
	s.buf = malloc(VMBUS_ATTACH_MAX_SIZE);
	s.rig = bus_rig_create(NULL);
	memory[0].fd = memory[1].fd = s.memory_fd;
	memory[1].offset = 0x10000;
	opts.path = s.addr.sun_path;
	switch_start(&s);
	assert_int_equal(vmbus_remote_create(s.rig->server, &opts, &s.remote, &err), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	vmbus_remote_destroy(s->remote);
	drop_fds(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->listener >= 0)
		close(s->listener);
	bus_rig_destroy(s->rig);
	unlink(s->addr.sun_path);
	rmdir(s->dir);
	close(s->memory_fd);
	close(s->state_fd);
	free(s->buf);
	return 0;
}

/* Attached, and the guest has the offer.  Returns its relid. */
static uint32_t attach(struct state *s)
{
	uint32_t relid;

	(void)switch_accept(s);
	switch_welcome(s, "nic", 0);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	bus_rig_connect(s->rig, VMBUS_V5_3);
	relid = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(s->rig, VMBUS_MSG_ALL_OFFERS);
	return relid;
}

/* GPADL 1 holds the rings, GPADL 2 a buffer; the channel is open. */
static uint32_t attach_and_open(struct state *s)
{
	uint32_t relid = attach(s);

	bus_rig_gpadl(s->rig, relid, 1, PFN, 8);
	bus_rig_gpadl(s->rig, relid, 2, PFN + 8, 1000);
	bus_rig_open(s->rig, relid, 1, 4, 1);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_expect_nothing(s->rig);
	(void)switch_expect(s, VMBUS_ATTACH_MONITOR);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL);
	(void)switch_expect(s, VMBUS_ATTACH_OPEN);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT)->result.status, 0);
	return relid;
}

/* ---- A switch that lives ---- */

static void hello_says_the_memory(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg msg = switch_accept(s);

	assert_int_equal(msg.hello.min_version, 1);
	assert_int_equal(msg.hello.max_version, VMBUS_ATTACH_VERSION);
	assert_int_equal(msg.hello.flags, 0);
	assert_int_equal(msg.hello.n_memory, 2);
	assert_int_equal(msg.hello.memory[0].size, 0x10000);
	assert_int_equal(msg.hello.memory[1].gpa, 0x100000000);
	assert_int_equal(msg.hello.memory[1].offset, 0x10000);
	assert_int_equal(s->n_fds, 2);
	assert_non_null(strstr(msg.hello.who, program_invocation_short_name));
	assert_false(vmbus_remote_attached(s->remote));
	assert_int_equal(bus_rig_info(s->rig).n_channels, 0);
	switch_welcome(s, "nic", 0);
	assert_true(vmbus_remote_attached(s->remote));
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	assert_int_equal(bus_rig_info(s->rig).n_channels, 1);
}

static void the_offer_is_what_the_switch_says(void **state)
{
	struct state *s = *state;
	struct vmbus_msg_offer offer;
	struct vmbus_guid guid;

	(void)switch_accept(s);
	bus_rig_connect(s->rig, VMBUS_V5_3);
	bus_rig_expect(s->rig, VMBUS_MSG_ALL_OFFERS);
	switch_welcome(s, "nic", VMBUS_ATTACH_MONITORED);
	offer = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer;
	vmbus_guid_of_name("nic", &guid);
	assert_true(vmbus_guid_equal(&offer.instance, &guid));
	assert_true(vmbus_guid_equal(&offer.type, &VMBUS_GUID_NET));
	assert_int_equal(offer.monitor, 1);
}

static void the_switch_learns_of_a_channel_from_its_pages_to_its_end(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach(s);
	struct vmbus_attach_msg msg;
	uint64_t pfn, one = 1;

	bus_rig_gpadl(s->rig, relid, 7, PFN + 3, 100);
	msg = switch_expect(s, VMBUS_ATTACH_MONITOR);
	assert_int_equal(msg.monitor.parent_to_child, GPA_PAGE_SIZE);
	assert_int_equal(msg.monitor.child_to_parent, 2 * GPA_PAGE_SIZE);
	msg = switch_expect(s, VMBUS_ATTACH_GPADL);
	assert_int_equal(msg.gpadl.id, 7);
	assert_int_equal(msg.gpadl.relid, relid);
	assert_int_equal(msg.gpadl.n_pfns, 100);
	memcpy(&pfn, (const uint8_t *)msg.gpadl.pfns + 99 * 8, 8);
	assert_int_equal(pfn, PFN + 102);
	bus_rig_open(s->rig, relid, 7, 60, 1);
	msg = switch_expect(s, VMBUS_ATTACH_OPEN);
	assert_int_equal(msg.open.relid, relid);
	assert_int_equal(msg.open.sub_index, 0);
	assert_int_equal(msg.open.ring_gpadl, 7);
	assert_int_equal(msg.open.ring_offset, 60);
	assert_int_equal(msg.open.monitor_id, VMBUS_NO_MONITOR);
	assert_false(msg.open.resumed);
	assert_int_equal(write(s->rig->listen[0x2000 | relid], &one, 8), 8); /* kick */
	assert_int_equal(read(s->fds[0], &one, 8), 8);
	assert_int_equal(write(s->fds[1], &one, 8), 8); /* call */
	assert_int_equal(read(s->rig->route[relid].fd, &one, 8), 8);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_expect_nothing(s->rig);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT);
	bus_rig_modify(s->rig, relid, 3);
	bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE);
	assert_int_equal(switch_expect(s, VMBUS_ATTACH_RETARGETED).channel.relid, relid);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
	bus_rig_teardown(s->rig, relid, 7);
	assert_int_equal(switch_expect(s, VMBUS_ATTACH_CLOSE).channel.relid, relid);
	switch_expect_nothing(s); /* not before it is closed */
	switch_answer(s, VMBUS_ATTACH_CLOSED, relid, 0);
	msg = switch_expect(s, VMBUS_ATTACH_GPADL_TEARDOWN);
	assert_int_equal(msg.gpadl_ref.id, 7);
	bus_rig_expect_nothing(s->rig);
	switch_release(s, relid, 7);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
}

/* Opens the primary channel of the device; its relid. */
static uint32_t open_nic(struct state *s)
{
	uint32_t relid = attach(s);

	bus_rig_gpadl(s->rig, relid, 7, PFN, 8);
	switch_expect(s, VMBUS_ATTACH_MONITOR);
	switch_expect(s, VMBUS_ATTACH_GPADL);
	bus_rig_open(s->rig, relid, 7, 4, 1);
	switch_expect(s, VMBUS_ATTACH_OPEN);
	return relid;
}

static void the_switch_is_told_where_events_go(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg msg;
	eventfd_t n = 0;
	uint32_t relid;

	s->rig->event_at[1] = (struct vmbus_event){.gpa = 0x5200, .irq_fd = eventfd(0, 0)};
	relid = open_nic(s);
	msg = switch_expect(s, VMBUS_ATTACH_EVENT);
	assert_int_equal(msg.event.relid, relid);
	assert_int_equal(msg.event.bit, relid);
	assert_int_equal(msg.event.gpa, 0x5200);
	assert_int_equal(eventfd_write(s->fds[0], 3), 0);
	assert_int_equal(eventfd_read(s->rig->event_at[1].irq_fd, &n), 0);
	assert_int_equal(n, 3);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);

	bus_rig_modify(s->rig, relid, 3); /* to one that has none */
	msg = switch_expect(s, VMBUS_ATTACH_EVENT);
	assert_int_equal(msg.event.gpa, 0);
	switch_expect(s, VMBUS_ATTACH_RETARGETED);

	s->rig->event_at[3] =
		(struct vmbus_event){.gpa = 0x7200, .irq_fd = s->rig->event_at[1].irq_fd};
	vmbus_server_events_moved(s->rig->server, 1); /* not its processor */
	switch_expect_nothing(s);
	vmbus_server_events_moved(s->rig->server, 3);
	assert_int_equal(switch_expect(s, VMBUS_ATTACH_EVENT).event.gpa, 0x7200);
	switch_expect(s, VMBUS_ATTACH_RETARGETED);
	close(s->rig->event_at[1].irq_fd);
}

static void a_switch_of_version_1_is_not_told_of_events(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_WELCOME, .welcome = {.version = 1}};
	uint32_t relid;

	s->rig->event_at[1] = (struct vmbus_event){.gpa = 0x5200, .irq_fd = eventfd(0, 0)};
	switch_accept(s);
	vmbus_guid_of_name("web1", &msg.welcome.instance);
	switch_say(s, msg);
	switch_expect(s, VMBUS_ATTACH_READY);
	bus_rig_connect(s->rig, VMBUS_V5_3);
	relid = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_gpadl(s->rig, relid, 7, PFN, 8);
	switch_expect(s, VMBUS_ATTACH_MONITOR);
	switch_expect(s, VMBUS_ATTACH_GPADL);
	bus_rig_open(s->rig, relid, 7, 4, 1);
	switch_expect(s, VMBUS_ATTACH_OPEN);
	switch_expect_nothing(s);
	close(s->rig->event_at[1].irq_fd);
}

static void an_open_that_the_switch_refuses_fails(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach(s);

	bus_rig_gpadl(s->rig, relid, 1, PFN, 8);
	bus_rig_open(s->rig, relid, 1, 4, 1);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, ENOMEM);
	assert_true(bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT)->result.status != 0);
	bus_rig_open(s->rig, relid, 1, 4, 1);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT)->result.status, 0);
}

static void subchannels_are_offered_up_to_a_number(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OFFER_SUBCHANNELS,
				       .subchannels = {.n = 3}};
	uint32_t relid = attach(s), sub;

	switch_say(s, msg); /* the primary is not open: nothing */
	bus_rig_expect_nothing(s->rig);
	bus_rig_gpadl(s->rig, relid, 1, PFN, 8);
	bus_rig_open(s->rig, relid, 1, 4, 1);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	bus_rig_skip(s->rig);
	switch_say(s, msg);
	for (unsigned i = 1; i <= 3; i++) {
		sub = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
		assert_int_not_equal(sub, relid);
	}
	switch_say(s, msg); /* twice is once */
	bus_rig_expect_nothing(s->rig);
	msg.subchannels.n = 5;
	switch_say(s, msg);
	bus_rig_expect(s->rig, VMBUS_MSG_OFFER);
	bus_rig_expect(s->rig, VMBUS_MSG_OFFER);
	bus_rig_expect_nothing(s->rig);
	msg.subchannels.n = UINT32_MAX;
	switch_say(s, msg);
	bus_rig_expect_nothing(s->rig);
	bus_rig_gpadl(s->rig, sub, 9, PFN, 8);
	bus_rig_open(s->rig, sub, 9, 4, 1);
	while (switch_read(s, &msg))
		;
	switch_answer(s, VMBUS_ATTACH_OPENED, sub, 0);
	bus_rig_skip(s->rig);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
	(void)switch_expect(s, VMBUS_ATTACH_CLOSE);
	(void)switch_expect(s, VMBUS_ATTACH_CLOSE);
	for (unsigned i = 0; i < 5; i++)
		bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
}

static void a_removed_port_is_withdrawn_and_offered_again_if_it_says_so(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	switch_say(s, (struct vmbus_attach_msg){.type = VMBUS_ATTACH_REMOVED,
						.removed = {.again = true}});
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_RESCIND)->relid.relid, relid);
	(void)switch_expect(s, VMBUS_ATTACH_CLOSE);
	switch_answer(s, VMBUS_ATTACH_CLOSED, relid, 0);
	bus_rig_expect_nothing(s->rig);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL_TEARDOWN);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL_TEARDOWN);
	switch_release(s, relid, 1);
	switch_release(s, relid, 2);
	relid = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
	switch_say(s, (struct vmbus_attach_msg){.type = VMBUS_ATTACH_REMOVED});
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	bus_rig_expect_nothing(s->rig);
	vmbus_remote_event(s->remote);
	assert_int_equal(bus_rig_info(s->rig).n_channels, 0);
	/* The same port is added again, later. */
	switch_die(s);
	switch_start(s);
	assert_int_equal(switch_accept(s).hello.flags, 0);
	switch_welcome(s, "nic", 0);
	bus_rig_expect(s->rig, VMBUS_MSG_OFFER);
}

/* ---- A switch that dies ---- */

static void a_new_switch_takes_the_channels_up(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);
	struct vmbus_attach_msg msg;
	unsigned gpadls = 0;

	switch_die(s);
	bus_rig_expect_nothing(s->rig); /* the guest notices nothing */
	assert_int_equal(bus_rig_info(s->rig).n_open, 1);
	bus_rig_modify(s->rig, relid, 2);
	bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE);
	switch_start(s);
	msg = switch_accept(s);
	assert_int_equal(msg.hello.flags, VMBUS_ATTACH_HAS_STATE);
	assert_int_equal(s->n_fds, 3);
	switch_welcome(s, "nic", VMBUS_ATTACH_RESUMED);
	(void)switch_expect(s, VMBUS_ATTACH_MONITOR);
	for (unsigned i = 0; i < 2; i++)
		gpadls += switch_expect(s, VMBUS_ATTACH_GPADL).gpadl.id;
	assert_int_equal(gpadls, 3);
	msg = switch_expect(s, VMBUS_ATTACH_OPEN);
	assert_true(msg.open.resumed);
	assert_int_equal(msg.open.relid, relid);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	switch_expect_nothing(s);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	bus_rig_expect_nothing(s->rig);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
	(void)switch_expect(s, VMBUS_ATTACH_CLOSE);
}

static void without_its_state_the_device_comes_anew(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	switch_die(s);
	switch_start(s);
	(void)switch_accept(s);
	switch_welcome(s, "nic", 0);
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	bus_rig_expect(s->rig, VMBUS_MSG_OFFER);
	switch_expect_nothing(s); /* it never knew of what was closed */
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 0);
}

static void a_channel_that_is_not_taken_up_is_ours_to_close(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	switch_die(s);
	switch_start(s);
	(void)switch_accept(s);
	switch_welcome(s, "nic", VMBUS_ATTACH_RESUMED);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, EINVAL);
	for (unsigned i = 0; i < 3; i++)
		vmbus_remote_event(s->remote); /* not opened again and again */
	switch_say(s, (struct vmbus_attach_msg){.type = VMBUS_ATTACH_REMOVED,
						.removed = {.again = true}});
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	assert_int_equal(bus_rig_info(s->rig).n_open, 0);
	(void)switch_expect(s, VMBUS_ATTACH_MONITOR);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL);
	(void)switch_expect(s, VMBUS_ATTACH_GPADL);
	(void)switch_expect(s, VMBUS_ATTACH_OPEN);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	switch_expect_nothing(s);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	switch_release(s, relid, 1);
	switch_release(s, relid, 2);
	bus_rig_expect(s->rig, VMBUS_MSG_OFFER);
}

static void the_guest_is_answered_while_there_is_no_switch(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	switch_die(s);
	bus_rig_teardown(s->rig, relid, 2);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl, 2);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
	bus_rig_teardown(s->rig, relid, 1);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
	/* Opening waits for the switch. */
	bus_rig_gpadl(s->rig, relid, 5, PFN, 8);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_open(s->rig, relid, 5, 4, 1);
	bus_rig_expect_nothing(s->rig);
	switch_start(s);
	(void)switch_accept(s);
	switch_welcome(s, "nic", VMBUS_ATTACH_RESUMED);
	(void)switch_expect(s, VMBUS_ATTACH_MONITOR);
	assert_int_equal(switch_expect(s, VMBUS_ATTACH_GPADL).gpadl.id, 5);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	assert_false(switch_expect(s, VMBUS_ATTACH_OPEN).open.resumed);
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT)->result.status, 0);
}

static void what_the_dead_switch_owed_is_answered(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	bus_rig_teardown(s->rig, relid, 2);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
	bus_rig_teardown(s->rig, relid, 1);
	bus_rig_expect_nothing(s->rig);
	switch_die(s);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
	bus_rig_expect_nothing(s->rig);
}

static void unload_ends_with_the_switch(void **state)
{
	struct state *s = *state;

	attach_and_open(s);
	bus_rig_simple(s->rig, VMBUS_MSG_UNLOAD);
	bus_rig_expect_nothing(s->rig);
	switch_die(s);
	bus_rig_expect(s->rig, VMBUS_MSG_UNLOAD_RESPONSE);
}

static void another_port_at_the_same_place_is_another_device(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);
	struct vmbus_guid guid, instance;

	switch_die(s);
	switch_start(s);
	(void)switch_accept(s);
	switch_welcome(s, "other", VMBUS_ATTACH_RESUMED);
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	instance = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.instance;
	vmbus_guid_of_name("other", &guid);
	assert_true(vmbus_guid_equal(&instance, &guid));
}

/* A channel whose opening waits for a switch holds nothing up. */
static void what_waits_for_a_switch_ends_without_one(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach(s);

	switch_die(s);
	for (unsigned i = 0; i < 2; i++) {
		bus_rig_gpadl(s->rig, relid, 1, PFN, 8);
		bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
		bus_rig_open(s->rig, relid, 1, 4, 1);
		bus_rig_expect_nothing(s->rig);
		if (i == 0) {
			bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relid);
			bus_rig_teardown(s->rig, relid, 1);
			vmbus_remote_event(s->remote);
			bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT);
			bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
		} else {
			bus_rig_simple(s->rig, VMBUS_MSG_UNLOAD);
			vmbus_remote_event(s->remote);
			bus_rig_expect(s->rig, VMBUS_MSG_UNLOAD_RESPONSE);
		}
	}
	bus_rig_connect(s->rig, VMBUS_V5_3);
	bus_rig_skip(s->rig);
	bus_rig_gpadl(s->rig, relid, 1, PFN, 8);
	bus_rig_open(s->rig, relid, 1, 4, 1);
	vmbus_remote_destroy(s->remote);
	s->remote = NULL;
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	assert_int_equal(bus_rig_info(s->rig).n_open, 0);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_int_equal(bus_rig_info(s->rig).n_channels, 0);
}

/* ---- A switch that means harm, or stalls ---- */

static void a_refusal_is_said_once_and_tried_again(void **state)
{
	struct state *s = *state;
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_REFUSED,
				       .refused = {.error = EBUSY, .text = "taken by another"}};

	for (unsigned i = 0; i < 3; i++) {
		(void)switch_accept(s);
		switch_say(s, msg);
		assert_int_equal(vmbus_remote_fd(s->remote), -1);
		close(s->fd);
	}
	s->fd = -1;
	assert_non_null(strstr(s->event, "taken by another"));
	assert_int_equal(s->n_events, 1);
	(void)switch_accept(s);
	switch_welcome(s, "nic", 0);
	assert_true(vmbus_remote_attached(s->remote));
}

static void what_is_no_message_ends_the_connection(void **state)
{
	static const uint8_t junk[][12] = {{0},
					   {VMBUS_ATTACH_HELLO, 0, 0, 0, 12},
					   {VMBUS_ATTACH_OPENED, 0, 0, 0, 12}};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		(void)switch_accept(s);
		switch_welcome(s, "nic", 0);
		assert_int_equal(send(s->fd, junk[i], sizeof(junk[i]), 0), sizeof(junk[i]));
		vmbus_remote_event(s->remote);
		assert_false(vmbus_remote_attached(s->remote));
		close(s->fd);
		s->fd = -1;
	}
	(void)switch_accept(s);
	switch_welcome(s, "nic", 0);
	switch_welcome(s, "nic", 0); /* once is enough */
	assert_false(vmbus_remote_attached(s->remote));
}

static void answers_nobody_asked_for_change_nothing(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	for (uint32_t r = 0; r < 65536; r += r == relid ? 1 : 97) {
		switch_answer(s, VMBUS_ATTACH_OPENED, r, 0);
		switch_answer(s, VMBUS_ATTACH_CLOSED, r, 0);
		switch_release(s, r, 1);
	}
	switch_answer(s, VMBUS_ATTACH_OPENED, relid, 0);
	switch_answer(s, VMBUS_ATTACH_CLOSED, relid, 0);
	switch_release(s, relid, 1);
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(bus_rig_info(s->rig).n_open, 1);
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 2);
}

static void a_switch_that_reads_late_misses_nothing(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach(s), seen = 0, torndown = 0;
	struct vmbus_attach_msg msg;

	for (uint32_t id = 1; id <= 400; id++) /* of 20 KB each: more than a socket takes */
		bus_rig_gpadl(s->rig, relid, id, PFN, 600);
	bus_rig_teardown(s->rig, relid, 400); /* the switch never heard of it */
	for (unsigned i = 0; i < 400; i++)
		bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl,
			 400);
	bus_rig_teardown(s->rig, relid, 1);
	for (unsigned i = 0; i < 400; i++) {
		while (switch_read(s, &msg)) {
			seen += msg.type == VMBUS_ATTACH_GPADL;
			torndown += msg.type == VMBUS_ATTACH_GPADL_TEARDOWN;
		}
		vmbus_remote_event(s->remote);
	}
	assert_int_equal(seen, 399);
	assert_int_equal(torndown, 1);
}

static void a_switch_that_sends_us_away_is_asked_less_often(void **state)
{
	struct state *s = *state;
	uint64_t start = clock_mono_ns();

	for (unsigned i = 0; i < 4; i++) { /* 200, 400, 800 ms between them */
		(void)switch_accept(s);
		switch_welcome(s, "nic", 0);
		close(s->fd);
		s->fd = -1;
		vmbus_remote_event(s->remote);
	}
	assert_true(clock_mono_ns() - start >= 1400000000u);
}

/* ---- Life ---- */

static void a_switch_that_is_not_there_yet_is_waited_for(void **state)
{
	struct state *s = *state;

	(void)switch_accept(s);
	switch_die(s);
	unlink(s->addr.sun_path);
	for (unsigned i = 0; i < 25; i++) {
		usleep(10000);
		vmbus_remote_event(s->remote);
	}
	assert_true(s->n_events <= 2);
	assert_int_equal(vmbus_remote_fd(s->remote), -1);
	switch_start(s);
	attach(s);
}

static void a_nic_ends_with_its_channels_open(void **state)
{
	struct state *s = *state;
	uint32_t relid = attach_and_open(s);

	vmbus_remote_destroy(s->remote); /* the guest still has it */
	s->remote = NULL;
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	bus_rig_teardown(s->rig, relid, 2);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_int_equal(bus_rig_info(s->rig).n_channels, 0);
}

/* A socket handed over, as by a process that may open no paths. */
static void switch_hand_over(struct state *s)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	s->fd = fds[0];
	assert_int_equal(fcntl(s->fd, F_SETFL, O_NONBLOCK), 0);
	vmbus_remote_attach(s->remote, fds[1]);
	(void)switch_expect(s, VMBUS_ATTACH_HELLO);
}

static void a_socket_that_is_handed_over_takes_the_place_of_a_path(void **state)
{
	struct state *s = *state;
	struct vmbus_remote_memory memory = {.gpa = 0, .size = 0x10000, .fd = s->memory_fd};
	struct vmbus_remote_opts opts = {.memory = &memory, .n_memory = 1, .retry_ms = 1};
	uint32_t relid;

	vmbus_remote_destroy(s->remote);
	assert_int_equal(vmbus_remote_create(s->rig->server, &opts, &s->remote, NULL), 0);
	assert_int_equal(vmbus_remote_fd(s->remote), -1);
	switch_hand_over(s);
	switch_welcome(s, "nic", 0);
	(void)switch_expect(s, VMBUS_ATTACH_READY);
	bus_rig_connect(s->rig, VMBUS_V5_3);
	relid = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
	switch_die(s);
	usleep(20000);
	vmbus_remote_event(s->remote);
	assert_int_equal(vmbus_remote_fd(s->remote), -1); /* it looks for nobody by itself */
	switch_hand_over(s);
	switch_welcome(s, "nic", VMBUS_ATTACH_RESUMED);
	assert_true(vmbus_remote_attached(s->remote));
	assert_int_equal(bus_rig_info(s->rig).n_channels, 1);
	/* Another, while there is one: the newer it is. */
	close(s->fd);
	switch_hand_over(s);
	switch_welcome(s, "nic", VMBUS_ATTACH_RESUMED);
	assert_true(vmbus_remote_attached(s->remote));
	assert_true(relid != 0);
}

static void wrong_options_are_refused_with_a_reason(void **state)
{
	struct state *s = *state;
	struct vmbus_remote_memory memory = {.fd = s->memory_fd};
	struct vmbus_remote_opts opts = {.path = s->addr.sun_path, .memory = &memory};
	struct vmbus_remote *remote = NULL;
	struct err err = {0};
	char path[200];

	assert_int_equal(vmbus_remote_create(s->rig->server, &opts, &remote, &err), -EINVAL);
	assert_non_null(strstr(err.what, "memory"));
	opts.n_memory = VMBUS_ATTACH_MAX_MEMORY + 1;
	assert_int_equal(vmbus_remote_create(s->rig->server, &opts, &remote, &err), -EINVAL);
	opts.n_memory = 1;
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	opts.path = path;
	assert_int_equal(vmbus_remote_create(s->rig->server, &opts, &remote, &err), -ENAMETOOLONG);
	assert_true(err.fix[0] != '\0');
	assert_null(remote);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hello_says_the_memory),
		TEST(the_offer_is_what_the_switch_says),
		TEST(the_switch_learns_of_a_channel_from_its_pages_to_its_end),
		TEST(the_switch_is_told_where_events_go),
		TEST(a_switch_of_version_1_is_not_told_of_events),
		TEST(an_open_that_the_switch_refuses_fails),
		TEST(subchannels_are_offered_up_to_a_number),
		TEST(a_removed_port_is_withdrawn_and_offered_again_if_it_says_so),
		TEST(a_new_switch_takes_the_channels_up),
		TEST(without_its_state_the_device_comes_anew),
		TEST(a_channel_that_is_not_taken_up_is_ours_to_close),
		TEST(the_guest_is_answered_while_there_is_no_switch),
		TEST(what_the_dead_switch_owed_is_answered),
		TEST(unload_ends_with_the_switch),
		TEST(another_port_at_the_same_place_is_another_device),
		TEST(what_waits_for_a_switch_ends_without_one),
		TEST(a_refusal_is_said_once_and_tried_again),
		TEST(what_is_no_message_ends_the_connection),
		TEST(answers_nobody_asked_for_change_nothing),
		TEST(a_switch_that_reads_late_misses_nothing),
		TEST(a_switch_that_sends_us_away_is_asked_less_often),
		TEST(a_switch_that_is_not_there_yet_is_waited_for),
		TEST(a_nic_ends_with_its_channels_open),
		TEST(a_socket_that_is_handed_over_takes_the_place_of_a_path),
		TEST(wrong_options_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
