/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The n-th allocation of a NIC whose inside is in the switch fails: what depends on it is refused,
 * and ends like all else.
 */
#include "vmbus/remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"
#include "vmbus/attach.h"

/* Allocations until one fails; 0: none does. */
static unsigned fail_after;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
	return fail_after != 0 && --fail_after == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

struct paper {
	int listener, fd, state_fd;
	uint8_t buf[VMBUS_ATTACH_MAX_SIZE];
	unsigned n_gpadls;
};

static void say(struct paper *p, struct vmbus_attach_msg msg)
{
	unsigned had = fail_after;

	fail_after = 0; /* the switch has memory */
	assert_int_equal(vmbus_attach_send(p->fd, &msg, &p->state_fd,
					   msg.type == VMBUS_ATTACH_WELCOME ? 1 : 0),
			 0);
	fail_after = had;
}

static void answer(struct paper *p, const struct vmbus_attach_msg *msg)
{
	struct vmbus_attach_msg reply = {.type = VMBUS_ATTACH_N_TYPES};

	if (msg->type == VMBUS_ATTACH_HELLO) {
		reply.type = VMBUS_ATTACH_WELCOME;
		reply.welcome.version = VMBUS_ATTACH_VERSION;
	} else if (msg->type == VMBUS_ATTACH_GPADL) {
		p->n_gpadls++;
	} else if (msg->type == VMBUS_ATTACH_GPADL_TEARDOWN) {
		reply.type = VMBUS_ATTACH_GPADL_RELEASED;
		reply.gpadl_ref = msg->gpadl_ref;
	} else if (msg->type == VMBUS_ATTACH_OPEN) {
		reply.type = VMBUS_ATTACH_OPENED;
		reply.channel.relid = msg->open.relid;
		reply.channel.status = p->n_gpadls == 2 ? 0 : EINVAL;
	} else if (msg->type == VMBUS_ATTACH_CLOSE) {
		reply.type = VMBUS_ATTACH_CLOSED;
		reply.channel.relid = msg->channel.relid;
	}
	if (reply.type != VMBUS_ATTACH_N_TYPES)
		say(p, reply);
}

/* Both ends, until there is nothing more to say. */
static void turn(struct paper *p, struct vmbus_remote *remote)
{
	int fds[VMBUS_ATTACH_MAX_FDS];
	struct vmbus_attach_msg msg;
	int rc = -EAGAIN;

	for (unsigned i = 0; i < 20; i++) {
		vmbus_remote_event(remote);
		if (p->fd < 0)
			p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		while (p->fd >= 0 &&
		       (rc = vmbus_attach_recv(p->fd, true, p->buf, &msg, fds)) == 0) {
			for (unsigned f = 0; f < vmbus_attach_n_fds(&msg); f++)
				close(fds[f]);
			answer(p, &msg);
		}
		if (p->fd >= 0 && rc != -EAGAIN) { /* it gave up before it said anything */
			close(p->fd);
			p->fd = -1;
		}
	}
}

static bool result_is_good(struct bus_rig *rig, enum vmbus_msg_type type)
{
	return bus_rig_expect(rig, type)->result.status == 0;
}

/* True: all went well. */
static bool converse(struct paper *p, struct bus_rig *rig, struct vmbus_remote *remote)
{
	bool good = true;
	uint32_t relid;

	bus_rig_connect(rig, VMBUS_V5_3);
	for (unsigned i = 0; i < 200 && bus_rig_info(rig).n_channels == 0; i++) {
		turn(p, remote);
		usleep(5000);
	}
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	for (uint32_t id = 1; id <= 2; id++) {
		bus_rig_gpadl(rig, relid, id, BUS_RIG_HIGH_PFN, 8);
		good &= result_is_good(rig, VMBUS_MSG_GPADL_CREATED);
	}
	turn(p, remote);
	bus_rig_open(rig, relid, 1, 4, 0);
	turn(p, remote);
	good &= result_is_good(rig, VMBUS_MSG_OPEN_RESULT);
	bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid);
	for (uint32_t id = 1; id <= 2; id++)
		bus_rig_teardown(rig, relid, id);
	turn(p, remote);
	for (uint32_t id = 1; id <= 2; id++)
		bus_rig_expect(rig, VMBUS_MSG_GPADL_TORNDOWN);
	bus_rig_expect_nothing(rig);
	assert_int_equal(bus_rig_info(rig).n_gpadls, 0);
	return good;
}

static bool once(const struct sockaddr_un *addr, struct paper *p, unsigned n)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct vmbus_remote_memory memory = {.size = 4096, .fd = p->state_fd};
	struct vmbus_remote_opts opts = {.path = addr->sun_path, .memory = &memory, .n_memory = 1};
	struct vmbus_remote *remote = NULL;
	struct err err = {0};
	bool good = false;
	int rc;

	p->fd = -1;
	p->n_gpadls = 0;
	fail_after = n;
	rc = vmbus_remote_create(rig->server, &opts, &remote, &err);
	if (rc == 0)
		good = converse(p, rig, remote);
	else
		assert_int_equal(rc, -ENOMEM);
	good = good && fail_after != 0;
	fail_after = 0;
	vmbus_remote_destroy(remote);
	if (p->fd >= 0)
		close(p->fd);
	bus_rig_destroy(rig);
	return good;
}

static void each_allocation_may_fail(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	static struct paper p;
	char dir[] = "/tmp/remote_nomem.XXXXXX";
	unsigned n = 1;

	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/nic.sock", dir);
	p.state_fd = memfd_create("state", MFD_CLOEXEC);
	p.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(p.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(p.listener, 64), 0);
	while (!once(&addr, &p, n))
		assert_true(++n < 100);
	assert_true(n > 10);
	close(p.listener);
	close(p.state_fd);
	unlink(addr.sun_path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
