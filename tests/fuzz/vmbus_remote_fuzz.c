/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any story of a guest and of a switch that answers wrongly, late, twice, or dies:
 * vmbus/remote.h keeps its contract with the server, and ends.
 */
#include "tests/fuzz/fuzz.h"

#include "vmbus/remote.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/base/wire.h"
#include "tests/support/bus_rig.h"
#include "vmbus/attach.h"

#define MAX_PAGES 300u

struct story {
	struct bus_rig *rig;
	struct vmbus_remote *remote;
	struct rd rd;
	int fd; /* the switch's end; -1 */
};

/* One for all stories. */
static int listener = -1, memory_fd, state_fd;
static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static char dir[] = "/tmp/vmbus_remote_fuzz.XXXXXX";
static uint8_t buf[VMBUS_ATTACH_MAX_SIZE];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void clean_up(void)
{
	unlink(addr.sun_path);
	rmdir(dir);
}

static void start(void)
{
	require(mkdtemp(dir) != NULL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	memory_fd = memfd_create("memory", MFD_CLOEXEC);
	state_fd = memfd_create("state", MFD_CLOEXEC);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	require(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	require(listen(listener, 4) == 0);
	atexit(clean_up);
}

static uint32_t relid(struct story *s)
{
	return rd_u8(&s->rd) % 8;
}

static uint32_t gpadl(struct story *s)
{
	return rd_u8(&s->rd) % 4 + 1;
}

static void guest(struct story *s, uint8_t op)
{
	uint32_t to = relid(s);

	switch (op % 9) {
	case 0:
		(void)bus_rig_contact(s->rig, VMBUS_V5_3, 0);
		(void)bus_rig_simple(s->rig, VMBUS_MSG_REQUEST_OFFERS);
		break;
	case 1:
		(void)bus_rig_gpadl(s->rig, to, gpadl(s), BUS_RIG_HIGH_PFN, 8);
		break;
	case 2:
		(void)bus_rig_open(s->rig, to, gpadl(s), 4, 0);
		break;
	case 3:
		(void)bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, to);
		break;
	case 4:
		(void)bus_rig_teardown(s->rig, to, gpadl(s));
		break;
	case 5:
		(void)bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, to);
		break;
	case 6:
		(void)bus_rig_modify(s->rig, to, op % 8);
		break;
	case 7:
		(void)bus_rig_simple(s->rig, VMBUS_MSG_UNLOAD);
		break;
	default: /* an open channel in one step */
		(void)bus_rig_gpadl(s->rig, to, 1, BUS_RIG_HIGH_PFN, 8);
		(void)bus_rig_open(s->rig, to, 1, 4, 0);
		break;
	}
}

static void hang_up(struct story *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void say(struct story *s, struct vmbus_attach_msg msg)
{
	if (s->fd >= 0)
		(void)vmbus_attach_send(s->fd, &msg, &state_fd,
					msg.type == VMBUS_ATTACH_WELCOME ? 1 : 0);
}

static void welcome(struct story *s, uint8_t op)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_WELCOME,
				       .welcome = {.version = VMBUS_ATTACH_VERSION,
						   .flags = op / 16 & 3}};

	msg.welcome.instance.bytes[0] = op >= 0xe0;
	say(s, msg);
}

/* Reads all, and answers as a switch should. */
static void serve(struct story *s, bool well)
{
	int fds[VMBUS_ATTACH_MAX_FDS];
	struct vmbus_attach_msg msg;

	while (s->fd >= 0 && vmbus_attach_recv(s->fd, true, buf, &msg, fds) == 0) {
		struct vmbus_attach_msg reply = {.type = VMBUS_ATTACH_N_TYPES};

		for (unsigned i = 0; i < vmbus_attach_n_fds(&msg); i++)
			close(fds[i]);
		if (msg.type == VMBUS_ATTACH_OPEN) {
			reply.type = VMBUS_ATTACH_OPENED;
			reply.channel.relid = msg.open.relid;
		} else if (msg.type == VMBUS_ATTACH_CLOSE) {
			reply.type = VMBUS_ATTACH_CLOSED;
			reply.channel.relid = msg.channel.relid;
		} else if (msg.type == VMBUS_ATTACH_GPADL_TEARDOWN) {
			reply.type = VMBUS_ATTACH_GPADL_RELEASED;
			reply.gpadl_ref = msg.gpadl_ref;
		}
		if (well && reply.type != VMBUS_ATTACH_N_TYPES)
			say(s, reply);
	}
}

static void answer(struct story *s, uint8_t op)
{
	static const enum vmbus_attach_type types[] = {VMBUS_ATTACH_OPENED, VMBUS_ATTACH_CLOSED};
	struct vmbus_attach_msg msg = {.type = types[op / 16 % 2]};

	msg.channel.relid = (uint16_t)relid(s);
	msg.channel.status = op >= 0xc0;
	say(s, msg);
}

static void peer(struct story *s, uint8_t op)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_REFUSED};

	switch (op % 10) {
	case 0:
		welcome(s, op);
		break;
	case 1:
	case 2:
		serve(s, true);
		break;
	case 3:
		serve(s, false);
		break;
	case 4:
		answer(s, op);
		break;
	case 5:
		msg.type = VMBUS_ATTACH_GPADL_RELEASED;
		msg.gpadl_ref.relid = (uint16_t)relid(s);
		msg.gpadl_ref.id = gpadl(s);
		say(s, msg);
		break;
	case 6:
		msg.type = VMBUS_ATTACH_OFFER_SUBCHANNELS;
		msg.subchannels.n = op / 32u;
		say(s, msg);
		break;
	case 7:
		msg.type = VMBUS_ATTACH_REMOVED;
		msg.removed.again = op >= 128;
		say(s, msg);
		break;
	case 8:
		hang_up(s);
		break;
	default:
		if (op >= 128)
			say(s, msg);
		else if (s->fd >= 0)
			(void)send(s->fd, &op, sizeof(op), MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	}
}

static void step(struct story *s)
{
	uint8_t op = rd_u8(&s->rd);

	if (op % 2 == 0)
		guest(s, op / 2);
	else
		peer(s, rd_u8(&s->rd));
	if (vmbus_remote_fd(s->remote) < 0) {
		hang_up(s);
		usleep(1000);
	}
	vmbus_remote_event(s->remote);
	if (s->fd < 0)
		s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	bus_rig_skip(s->rig);
	require(bus_rig_info(s->rig).n_gpadl_pages <= MAX_PAGES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vmbus_server_opts opts = {.max_gpadl_pages = MAX_PAGES};
	const struct vmbus_remote_memory memory = {.size = GPA_PAGE_SIZE, .fd = memory_fd};
	struct vmbus_remote_opts remote_opts = {.memory = &memory, .n_memory = 1, .retry_ms = 1};
	struct story s = {.rd = rd_init(data, size < 512 ? size : 512), .fd = -1};

	if (listener < 0)
		start();
	s.rig = bus_rig_create(&opts);
	remote_opts.path = addr.sun_path;
	require(vmbus_remote_create(s.rig->server, &remote_opts, &s.remote, NULL) == 0);
	while (s.rd.left > 0)
		step(&s);
	hang_up(&s);
	vmbus_remote_destroy(s.remote);
	while ((s.fd = accept(listener, NULL, NULL)) >= 0)
		close(s.fd);
	bus_rig_destroy(s.rig);
	return 0;
}
