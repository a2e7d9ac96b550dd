/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC and the worker that attaches to it, message by message: what is answered, what is refused,
 * what is left when it goes.  The guest behind the worker is a sheet of memory with rings in it.
 */
#include "vmq/nic_priv.h"

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

#include "dataplane/watch.h"
#include "tests/support/test_dp.h"

#define PAGES	   64
#define RELID	   7
#define RING_ID	   1001
#define RING_PAGES 8

static struct dp *dp;
static struct dp_port *port;
static char dir[64], path[96];
static int memory_fd, fd;
static uint8_t *memory;
static uint8_t buf[VMBUS_ATTACH_MAX_SIZE];

static int open_port(const char *name)
{
	struct dp_port_opts opts = {.name = name,
				    .kind = "vmbus",
				    .ops = &vmq_port_ops,
				    .socket = path,
				    .netns_fd = -1,
				    .has_mac = true,
				    .mac = {{2, 0, 0, 0, 0, 1}},
				    .n_queues = 4,
				    .offloads = true};
	struct err err = {0};

	return dp_port_open(dp, &opts, &port, &err);
}

static int setup(void **state)
{
	dp = test_dp_create(2048);
	snprintf(dir, sizeof(dir), "/tmp/nic-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/web1.sock", dir);
	memory_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(memory_fd, PAGES * GPA_PAGE_SIZE), 0);
	assert_int_equal(fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	memory =
		mmap(NULL, PAGES * GPA_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	fd = -1;
	return open_port("web1");
}

static int teardown(void **state)
{
	if (fd >= 0)
		close(fd);
	dp_port_close(port);
	test_dp_destroy(dp);
	munmap(memory, PAGES * GPA_PAGE_SIZE);
	close(memory_fd);
	assert_int_not_equal(access(path, F_OK), 0);
	return rmdir(dir);
}

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s", path);
	assert_int_equal(connect(s, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	dp_watch_run(dp);
	return s;
}

static void say(int s, const struct vmbus_attach_msg *msg, const int *fds, unsigned n)
{
	assert_int_equal(vmbus_attach_send(s, msg, fds, n), 0);
	for (int i = 0; i < 4; i++)
		dp_watch_run(dp);
}

/* The next answer: its type; 0: none; negative: the connection is over. */
static int hear(int s, struct vmbus_attach_msg *ret, int *ret_fd)
{
	int fds[VMBUS_ATTACH_MAX_FDS], rc = vmbus_attach_recv(s, false, buf, ret, fds);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	if (vmbus_attach_n_fds(ret) == 1) {
		if (ret_fd != NULL)
			*ret_fd = fds[0];
		else
			close(fds[0]);
	}
	return (int)ret->type;
}

static struct vmbus_attach_msg hello(void)
{
	struct vmbus_attach_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = VMBUS_ATTACH_HELLO;
	msg.hello.min_version = msg.hello.max_version = VMBUS_ATTACH_VERSION;
	msg.hello.n_memory = 1;
	msg.hello.memory[0].size = PAGES * GPA_PAGE_SIZE;
	strcpy(msg.hello.who, "nic_test");
	return msg;
}

static void attach(void)
{
	struct vmbus_attach_msg msg = hello();

	fd = dial();
	say(fd, &msg, &memory_fd, 1);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_WELCOME);
	assert_false(msg.welcome.flags & VMBUS_ATTACH_RESUMED);
	msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_READY};
	say(fd, &msg, NULL, 0);
}

static void say_gpadl(uint32_t id, uint64_t first, uint32_t n)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL};
	uint64_t pfns[PAGES];

	for (uint32_t i = 0; i < n; i++)
		pfns[i] = first + i;
	msg.gpadl.id = id;
	msg.gpadl.relid = RELID;
	msg.gpadl.n_pfns = n;
	msg.gpadl.byte_count = n * GPA_PAGE_SIZE;
	msg.gpadl.pfns = pfns;
	say(fd, &msg, NULL, 0);
}

static struct vmbus_attach_msg open_msg(void)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OPEN};

	msg.open.relid = RELID;
	msg.open.ring_gpadl = RING_ID;
	msg.open.ring_offset = RING_PAGES / 2;
	msg.open.monitor_id = 0xff;
	return msg;
}

static int say_open(const struct vmbus_attach_msg *open, uint32_t *ret_status)
{
	int fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)}, type;
	struct vmbus_attach_msg msg;

	say(fd, open, fds, 2);
	close(fds[0]);
	close(fds[1]);
	type = hear(fd, &msg, NULL);
	if (type == VMBUS_ATTACH_OPENED)
		*ret_status = msg.channel.status;
	return type;
}

static void open_primary(void)
{
	struct vmbus_attach_msg msg = open_msg();
	uint32_t status = 1;

	memset(memory, 0, RING_PAGES * GPA_PAGE_SIZE);
	say_gpadl(RING_ID, 0, RING_PAGES);
	assert_int_equal(say_open(&msg, &status), VMBUS_ATTACH_OPENED);
	assert_int_equal(status, 0);
}

static void assert_sent_away(int s)
{
	struct vmbus_attach_msg msg;

	assert_true(hear(s, &msg, NULL) < 0);
	assert_int_equal(((struct vmq_nic *)port->priv)->at.fd, -1);
}

/* ---- Tests ---- */

static void a_worker_is_welcome_and_told_the_instance(void **state)
{
	struct vmbus_attach_msg msg = hello();
	struct vmbus_guid guid;
	int state_fd = -1;

	fd = dial();
	say(fd, &msg, &memory_fd, 1);
	assert_int_equal(hear(fd, &msg, &state_fd), VMBUS_ATTACH_WELCOME);
	vmbus_guid_of_name("web1", &guid);
	assert_true(vmbus_guid_equal(&msg.welcome.instance, &guid));
	assert_memory_equal(msg.welcome.mac, port->mac.addr_bytes, 6);
	assert_true((fcntl(state_fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0);
	close(state_fd);
}

static void a_second_worker_is_refused_until_the_first_is_gone(void **state)
{
	struct vmbus_attach_msg msg = hello();
	int second;

	attach();
	second = dial();
	assert_int_equal(hear(second, &msg, NULL), VMBUS_ATTACH_REFUSED);
	assert_int_equal(msg.refused.error, EBUSY);
	assert_non_null(strstr(msg.refused.text, "nic_test"));
	close(second);
	close(fd);
	second = dial();
	msg = hello();
	say(second, &msg, &memory_fd, 1);
	assert_int_equal(hear(second, &msg, NULL), VMBUS_ATTACH_WELCOME);
	fd = second;
}

static void memory_that_can_shrink_is_refused(void **state)
{
	int loose = memfd_create("loose", MFD_ALLOW_SEALING);
	struct vmbus_attach_msg msg = hello();

	assert_int_equal(ftruncate(loose, PAGES * GPA_PAGE_SIZE), 0);
	fd = dial();
	say(fd, &msg, &loose, 1);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_REFUSED);
	assert_sent_away(fd);
	close(loose);
}

static void another_version_or_other_memory_is_refused(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct vmbus_attach_msg msg = hello();
		int s = dial();

		if (i == 0)
			msg.hello.min_version = msg.hello.max_version = VMBUS_ATTACH_VERSION + 1;
		else if (i == 1)
			msg.hello.memory[0].size += GPA_PAGE_SIZE;
		else if (i == 2)
			msg.hello.memory[0].gpa = 1;
		else
			msg.hello.memory[0].offset = UINT64_MAX & ~4095ul;
		say(s, &msg, &memory_fd, 1);
		assert_int_equal(hear(s, &msg, NULL), VMBUS_ATTACH_REFUSED);
		assert_sent_away(s);
		close(s);
	}
}

static void nothing_is_taken_before_hello_and_hello_only_once(void **state)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_READY};
	int s = dial();

	say(s, &msg, NULL, 0);
	assert_sent_away(s);
	close(s);
	attach();
	msg = hello();
	say(fd, &msg, &memory_fd, 1);
	assert_sent_away(fd);
}

static void a_channel_opens_and_closes_and_opens_again(void **state)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_CLOSE};

	attach();
	for (int i = 0; i < 3; i++) {
		open_primary();
		msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_CLOSE};
		msg.channel.relid = RELID;
		say(fd, &msg, NULL, 0);
		assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_CLOSED);
		msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_GPADL_TEARDOWN};
		msg.gpadl_ref.id = RING_ID;
		msg.gpadl_ref.relid = RELID;
		say(fd, &msg, NULL, 0);
		assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_GPADL_RELEASED);
		assert_int_equal(msg.gpadl_ref.id, RING_ID);
	}
}

static void a_channel_that_is_closed_already_is_answered_all_the_same(void **state)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_RETARGETED};

	attach();
	open_primary();
	msg.channel.relid = RELID + 1;
	say(fd, &msg, NULL, 0);
	assert_int_equal(hear(fd, &msg, NULL), 0);
	msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_CLOSE};
	msg.channel.relid = RELID + 1;
	say(fd, &msg, NULL, 0);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_CLOSED);
	assert_int_equal(msg.channel.relid, RELID + 1);
	assert_non_null(((struct vmq_nic *)port->priv)->at.channels[0].queue);
}

static void rings_that_are_none_are_answered_with_a_status(void **state)
{
	static const struct {
		uint32_t gpadl, offset;
	} wrong[] = {{RING_ID + 1, 4}, {RING_ID, 0},	      {RING_ID, 1},
		     {RING_ID, 7},     {RING_ID, RING_PAGES}, {RING_ID, UINT32_MAX}};

	attach();
	say_gpadl(RING_ID, 0, RING_PAGES);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vmbus_attach_msg msg = open_msg();
		uint32_t status = 0;

		msg.open.ring_gpadl = wrong[i].gpadl;
		msg.open.ring_offset = wrong[i].offset;
		assert_int_equal(say_open(&msg, &status), VMBUS_ATTACH_OPENED);
		assert_int_not_equal(status, 0);
	}
}

static void a_subchannel_that_was_not_granted_is_not_opened(void **state)
{
	struct vmbus_attach_msg msg = open_msg();
	uint32_t status = 0;

	attach();
	open_primary();
	say_gpadl(RING_ID + 1, RING_PAGES, RING_PAGES);
	msg.open.relid = RELID + 1;
	msg.open.sub_index = 1;
	msg.open.ring_gpadl = RING_ID + 1;
	assert_int_equal(say_open(&msg, &status), VMBUS_ATTACH_OPENED);
	assert_int_not_equal(status, 0);
}

/* One after the other on a connection of its own; each ends it. */
static void what_breaks_the_rules_ends_the_connection(void **state)
{
	for (int i = 0; i < 7; i++) {
		struct vmbus_attach_msg msg = open_msg();
		int fds[2] = {eventfd(0, 0), eventfd(0, 0)}, null = open("/dev/null", O_RDWR);
		unsigned n = 2;

		attach();
		open_primary();
		if (i == 0) { /* The same channel again. */
		} else if (i == 1) {
			msg.open.sub_index = NETVSP_MAX_CHANNELS;
		} else if (i == 2) {
			msg.open.relid++;
			msg.open.sub_index = 1;
			fds[0] = null;
		} else if (i == 3) {
			msg.open.resumed = true;
			msg.open.relid++;
			msg.open.sub_index = 1;
		} else if (i == 4) {
			msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_GPADL_TEARDOWN};
			msg.gpadl_ref.id = RING_ID; /* The rings are in use. */
			n = 0;
		} else if (i == 5) {
			msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_READY};
			n = 0;
		}
		if (i == 6)
			say_gpadl(RING_ID, 0, 1);
		else
			say(fd, &msg, fds, n);
		assert_sent_away(fd);
		close(fd);
		close(null);
		close(fds[0] == null ? fds[1] : fds[0]);
		if (fds[0] != null)
			close(fds[1]);
	}
	fd = -1;
}

static void gpadls_outside_of_memory_end_the_connection(void **state)
{
	static const struct {
		uint64_t first;
		uint32_t n;
	} wrong[] = {{PAGES, 1}, {PAGES - 1, 2}, {UINT64_MAX, 1}, {1ul << 52, 1}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		attach();
		say_gpadl(1, wrong[i].first, wrong[i].n);
		assert_sent_away(fd);
		close(fd);
	}
	fd = -1;
}

static void there_is_a_most_of_gpadls(void **state)
{
	attach();
	for (uint32_t i = 0; i < NIC_MAX_GPADLS; i++)
		say_gpadl(i + 1, 0, 1);
	assert_int_equal(((struct vmq_nic *)port->priv)->at.n_gpadls, NIC_MAX_GPADLS);
	say_gpadl(NIC_MAX_GPADLS + 1, 0, 1);
	assert_sent_away(fd);
}

static void a_moved_channel_is_signalled_once(void **state)
{
	struct vmbus_attach_msg msg = open_msg();
	int fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
	eventfd_t n = 0, before = 0;

	attach();
	say_gpadl(RING_ID, 0, RING_PAGES);
	say(fd, &msg, fds, 2);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_OPENED);
	(void)eventfd_read(fds[1], &before);
	msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_RETARGETED};
	msg.channel.relid = RELID;
	say(fd, &msg, NULL, 0);
	assert_int_equal(eventfd_read(fds[1], &n), 0);
	assert_int_equal(n, 1);
	close(fds[0]);
	close(fds[1]);
}

static void say_event(uint64_t gpa, uint16_t bit, int irq_fd)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_EVENT};

	msg.event.relid = RELID;
	msg.event.bit = bit;
	msg.event.gpa = gpa;
	say(fd, &msg, &irq_fd, gpa != 0);
}

static uint64_t count_of(int event_fd)
{
	eventfd_t n = 0;

	return eventfd_read(event_fd, &n) == 0 ? n : 0;
}

static void signals_go_to_where_the_worker_says(void **state)
{
	const uint64_t flags = (PAGES - 1) * GPA_PAGE_SIZE + 512;
	uint64_t *word = (uint64_t *)(void *)(memory + flags + 8);
	int irq = eventfd(0, EFD_NONBLOCK),
	    fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
	struct vmbus_attach_msg msg = open_msg();
	struct vmq_queue *q;

	attach();
	say_gpadl(RING_ID, 0, RING_PAGES);
	say(fd, &msg, fds, 2);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_OPENED);
	q = ((struct vmq_nic *)port->priv)->at.channels[0].queue;
	(void)count_of(fds[1]);
	*word = 1;
	say_event(flags, 64 + 5, irq);
	vmq_queue_call(q);
	assert_int_equal(*word, 1 | 1 << 5);
	assert_int_equal(count_of(irq), 1);
	vmq_queue_call(q); /* the guest has not looked yet */
	assert_int_equal(count_of(irq), 0);
	*word = 0;
	vmq_queue_call(q);
	assert_int_equal(*word, 1 << 5);
	assert_int_equal(count_of(irq), 1);
	assert_int_equal(count_of(fds[1]), 0);
	say_event(0, 0, -1);
	vmq_queue_call(q);
	assert_int_equal(count_of(fds[1]), 1);
	assert_int_equal(count_of(irq), 0);
	close(irq);
	close(fds[0]);
	close(fds[1]);
}

static void places_for_events_that_are_none_end_the_connection(void **state)
{
	const struct {
		uint64_t gpa;
		uint16_t bit;
	} wrong[] = {{GPA_PAGE_SIZE + 8, 1},
		     {PAGES * GPA_PAGE_SIZE, 1},
		     {UINT64_MAX - 255, 1},
		     {GPA_PAGE_SIZE, 2048}};
	int irq = eventfd(0, EFD_NONBLOCK), other = memfd_create("none", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		attach();
		open_primary();
		say_event(wrong[i].gpa, wrong[i].bit, irq);
		assert_sent_away(fd);
		close(fd);
	}
	attach();
	open_primary();
	say_event(GPA_PAGE_SIZE, 1, other);
	assert_sent_away(fd);
	close(irq);
	close(other);
}

static int n_open_fds(void)
{
	int n = 0;

	for (int i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) != -1;
	return n;
}

static void workers_that_come_and_go_leave_nothing(void **state)
{
	int before = n_open_fds();

	for (int i = 0; i < 50; i++) {
		attach();
		open_primary();
		close(fd);
		dp_watch_run(dp);
		dp_watch_run(dp);
	}
	fd = -1;
	assert_int_equal(n_open_fds(), before);
}

static void after_a_restart_the_channel_goes_on(void **state)
{
	struct vmbus_attach_msg msg = hello();
	int state_fd = -1, fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
	int both[2];

	fd = dial();
	say(fd, &msg, &memory_fd, 1);
	assert_int_equal(hear(fd, &msg, &state_fd), VMBUS_ATTACH_WELCOME);
	msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_READY};
	say(fd, &msg, NULL, 0);
	open_primary();
	/* The old switch goes, a new one comes. */
	dp_port_close(port);
	close(fd);
	assert_int_equal(open_port("web1"), 0);
	fd = dial();
	msg = hello();
	msg.hello.flags = VMBUS_ATTACH_HAS_STATE;
	both[0] = memory_fd;
	both[1] = state_fd;
	say(fd, &msg, both, 2);
	close(state_fd);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_WELCOME);
	assert_true((msg.welcome.flags & VMBUS_ATTACH_RESUMED) != 0);
	say_gpadl(RING_ID, 0, RING_PAGES);
	msg = open_msg();
	msg.open.resumed = true;
	say(fd, &msg, fds, 2);
	assert_int_equal(hear(fd, &msg, NULL), 0);
	msg = (struct vmbus_attach_msg){.type = VMBUS_ATTACH_READY};
	say(fd, &msg, NULL, 0);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_OPENED);
	assert_int_equal(msg.channel.status, 0);
	assert_non_null(((struct vmq_nic *)port->priv)->at.channels[0].queue);
	close(fds[0]);
	close(fds[1]);
}

static void a_state_that_is_none_is_not_taken_up(void **state)
{
	struct vmbus_attach_msg msg = hello();
	int both[2] = {memory_fd, memory_fd};

	fd = dial();
	msg.hello.flags = VMBUS_ATTACH_HAS_STATE;
	say(fd, &msg, both, 2);
	assert_int_equal(hear(fd, &msg, NULL), VMBUS_ATTACH_WELCOME);
	assert_false((msg.welcome.flags & VMBUS_ATTACH_RESUMED) != 0);
}

static void options_that_make_no_nic_are_refused(void **state)
{
	struct dp_port_opts good = {.name = "web2",
				    .kind = "vmbus",
				    .ops = &vmq_port_ops,
				    .socket = "/tmp/never",
				    .netns_fd = -1,
				    .has_mac = true,
				    .mac = {{2, 0, 0, 0, 0, 1}}};

	for (int i = 0; i < 5; i++) {
		struct dp_port_opts opts = good;
		struct dp_port *p = NULL;
		struct err err = {0};

		if (i == 0)
			opts.has_mac = false;
		else if (i == 1)
			opts.mac.addr_bytes[0] = 1;
		else if (i == 2)
			opts.n_queues = NETVSP_MAX_CHANNELS + 1;
		else if (i == 3)
			opts.mtu = VMQ_MAX_MTU + 1;
		else
			opts.socket = "relative";
		assert_int_equal(dp_port_open(dp, &opts, &p, &err), -EINVAL);
		assert_null(p);
		assert_true(err.what[0] != '\0');
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_worker_is_welcome_and_told_the_instance),
		T(a_second_worker_is_refused_until_the_first_is_gone),
		T(memory_that_can_shrink_is_refused),
		T(another_version_or_other_memory_is_refused),
		T(nothing_is_taken_before_hello_and_hello_only_once),
		T(a_channel_opens_and_closes_and_opens_again),
		T(a_channel_that_is_closed_already_is_answered_all_the_same),
		T(rings_that_are_none_are_answered_with_a_status),
		T(a_subchannel_that_was_not_granted_is_not_opened),
		T(what_breaks_the_rules_ends_the_connection),
		T(gpadls_outside_of_memory_end_the_connection),
		T(there_is_a_most_of_gpadls),
		T(a_moved_channel_is_signalled_once),
		T(signals_go_to_where_the_worker_says),
		T(places_for_events_that_are_none_end_the_connection),
		T(workers_that_come_and_go_leave_nothing),
		T(after_a_restart_the_channel_goes_on),
		T(a_state_that_is_none_is_not_taken_up),
		T(options_that_make_no_nic_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
