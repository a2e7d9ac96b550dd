/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's bus between a guest in C (vmbus/guest) and a machine of paper: its face is a table
 * made here, with one message slot for each processor, as guests have.
 */
#include "hv/worker/bus.h"

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
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "vmbus/channel.h"
#include "vmbus/guest/bus.h"
#include "vmbus/guest/channel.h"
#include "vmbus/guest/profile.h"
#include "vmbus/host.h"
#include "vmbus/proto.h"
#include "vmbus/server.h"

#define N_VPS		4
#define MAX_CONNECTIONS 0x4000

struct state {
	struct event_base *base;
	struct hv_mailbox *mailbox;
	struct worker_bus *bus;
	struct guest_memory *memory;
	struct guest_bus *guest;
	/* The face. */
	struct {
		bool taken;
		size_t size;
		uint8_t bytes[VMBUS_MSG_MAX];
	} slot[N_VPS];
	bool slot_wanted;  /* post() found one taken */
	bool guest_sleeps; /* reads no messages */
	bool no_target;
	int kicks[MAX_CONNECTIONS]; /* by connection; -1 */
	int irq_fd;
	unsigned n_signals;
	uint32_t signal_vp;
	uint16_t signal_flag;
	/* The device. */
	struct vmbus_device *device;
	unsigned n_opens, n_closes, n_retargets;
	bool gone;
	unsigned n_done;
	int sink_fd;
};

static struct state *the_state(struct hv_partition *partition)
{
	return (struct state *)(void *)partition;
}

/* ---- The face ---- */

static int face_post(struct hv_partition *p, uint32_t vp, const void *msg, size_t size)
{
	struct state *s = the_state(p);

	if (vp >= N_VPS)
		return -EINVAL;
	if (s->slot[vp].taken) {
		s->slot_wanted = true;
		return -EAGAIN;
	}
	s->slot[vp].taken = true;
	s->slot[vp].size = size;
	memcpy(s->slot[vp].bytes, msg, size);
	return 0;
}

static int face_listen(struct hv_partition *p, uint32_t connection_id, int kick_fd)
{
	assert_true(connection_id < MAX_CONNECTIONS);
	the_state(p)->kicks[connection_id] = kick_fd;
	return 0;
}

static int face_signal(struct hv_partition *p, uint32_t vp, uint16_t flag)
{
	struct state *s = the_state(p);

	s->n_signals++;
	s->signal_vp = vp;
	s->signal_flag = flag;
	return vp < N_VPS ? 0 : -EINVAL;
}

static int face_target(struct hv_partition *p, uint32_t vp, struct hv_event_target *ret_target)
{
	struct state *s = the_state(p);

	if (vp >= N_VPS || s->no_target)
		return -ENOENT;
	*ret_target = (struct hv_event_target){.gpa = 0x1000 * (vp + 1), .irq_fd = s->irq_fd};
	return 0;
}

static const struct hv_face_ops face = {
	.name = "paper",
	.post = face_post,
	.listen = face_listen,
	.signal = face_signal,
	.event_target = face_target,
};

/* ---- The guest's way to its host ---- */

static int guest_post(void *ctx, uint32_t connection_id, const void *msg, size_t size)
{
	struct state *s = ctx;
	struct hv_mail mail = {.type = HV_MAIL_MESSAGE};

	mail.message.connection_id = connection_id;
	mail.message.size = (uint32_t)size;
	memcpy(mail.message.bytes, msg, size);
	return hv_mailbox_put(s->mailbox, &mail);
}

/* As machine.c does. */
static void take_mail(struct state *s)
{
	struct hv_mail mail;

	while (hv_mailbox_take(s->mailbox, &mail))
		worker_bus_mail(s->bus, &mail);
}

/* The guest reads one message. */
static bool read_slot(struct state *s)
{
	for (uint32_t vp = 0; vp < N_VPS; vp++) {
		struct hv_mail mail = {.type = HV_MAIL_SLOT_FREE, .vp = vp};
		uint8_t bytes[VMBUS_MSG_MAX];

		if (!s->slot[vp].taken)
			continue;
		memcpy(bytes, s->slot[vp].bytes, sizeof(bytes));
		s->slot[vp].taken = false;
		if (s->slot_wanted)
			assert_int_equal(hv_mailbox_put(s->mailbox, &mail), 0);
		s->slot_wanted = false;
		guest_bus_message(s->guest, bytes, s->slot[vp].size);
		return true;
	}
	return false;
}

static void turn(struct state *s)
{
	do {
		take_mail(s);
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	} while (!s->guest_sleeps && read_slot(s));
	take_mail(s);
}

static void guest_pump(void *ctx, int fd, int timeout_ms)
{
	turn(ctx);
}

static int guest_kick_fd(void *ctx, uint32_t connection_id)
{
	struct state *s = ctx;

	return connection_id < MAX_CONNECTIONS && s->kicks[connection_id] >= 0
		       ? s->kicks[connection_id]
		       : s->sink_fd;
}

static int guest_call_fd(void *ctx, uint16_t relid)
{
	return ((struct state *)ctx)->sink_fd;
}

static const struct guest_bus_ops guest_ops = {
	.post = guest_post,
	.pump = guest_pump,
	.kick_fd = guest_kick_fd,
	.call_fd = guest_call_fd,
};

/* ---- A device ---- */

static void on_open(void *ctx, struct vmbus_channel *channel)
{
	((struct state *)ctx)->n_opens++;
	vmbus_channel_opened(channel, 0);
}

static void on_close(void *ctx, struct vmbus_channel *channel)
{
	((struct state *)ctx)->n_closes++;
	vmbus_channel_closed(channel);
}

static void on_gpadl(void *ctx, const struct vmbus_gpadl *gpadl)
{
}

static void on_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	vmbus_gpadl_released(((struct state *)ctx)->device, gpadl);
}

static void on_retarget(void *ctx, struct vmbus_channel *channel)
{
	((struct state *)ctx)->n_retargets++;
}

static void on_gone(void *ctx, struct vmbus_device *device)
{
	((struct state *)ctx)->gone = true;
}

static const struct vmbus_device_ops device_ops = {
	.open = on_open,
	.close = on_close,
	.gpadl_created = on_gpadl,
	.gpadl_teardown = on_teardown,
	.retarget = on_retarget,
	.gone = on_gone,
};

/* ---- All of it ---- */

static int setup(void **state)
{
	static struct state s;
	const struct guest_profile *profile = guest_profile_find("linux-6.12");
	struct guest_bus_opts guest = {.versions = profile->bus_versions,
				       .target_vp = 1,
				       .timeout_ms = 200};
	struct vmbus_device_opts device = {.type = {.bytes = {1}},
					   .instance = {.bytes = {2}},
					   .ops = &device_ops,
					   .ctx = &s};
	struct worker_bus_opts opts = {.face = &face,
				       .partition = (struct hv_partition *)(void *)&s};

	s = (struct state){.base = event_base_new(), .sink_fd = eventfd(0, EFD_NONBLOCK)};
	s.irq_fd = eventfd(0, EFD_NONBLOCK);
	for (unsigned i = 0; i < MAX_CONNECTIONS; i++)
		s.kicks[i] = -1;
	assert_int_equal(hv_mailbox_create(&s.mailbox), 0);
	assert_int_equal(guest_memory_create(16u << 20, false, false, &s.memory, NULL), 0);
	opts.base = s.base;
	opts.mailbox = s.mailbox;
	opts.memory = &s.memory->map;
	assert_int_equal(worker_bus_create(&opts, &s.bus, NULL), 0);
	assert_int_equal(vmbus_device_offer(worker_bus_server(s.bus), &device, &s.device), 0);
	s.guest = guest_bus_create(s.memory, &guest_ops, &s, &guest);
	assert_non_null(s.guest);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	struct guest_channel *channel = guest_bus_channel(s->guest, 0);

	s->guest_sleeps = false;
	if (channel != NULL && channel->open)
		guest_channel_close(channel); /* in vain after a reset, but for what is its own */
	worker_bus_reset(s->bus, NULL, NULL);
	vmbus_device_withdraw(s->device);
	assert_true(s->gone);
	worker_bus_destroy(s->bus);
	guest_bus_destroy(s->guest);
	guest_memory_destroy(s->memory);
	hv_mailbox_destroy(s->mailbox);
	event_base_free(s->base);
	close(s->sink_fd);
	close(s->irq_fd);
	return 0;
}

static struct guest_channel *connect_and_open(struct state *s)
{
	struct guest_channel_opts opts = {.out_pages = 4, .in_pages = 4, .target_vp = 2};
	struct guest_channel *channel;

	assert_int_equal(guest_bus_connect(s->guest, NULL), 0);
	assert_int_equal(guest_bus_version(s->guest), VMBUS_V5_3);
	channel = guest_bus_channel(s->guest, 0);
	assert_non_null(channel);
	assert_int_equal(guest_channel_open(channel, &opts), 0);
	assert_int_equal(s->n_opens, 1);
	return channel;
}

static void host_signals(struct state *s)
{
	(void)eventfd_write(vmbus_device_primary(s->device)->call_fd, 1);
	turn(s);
}

static void a_guest_connects_opens_and_is_signalled(void **state)
{
	struct state *s = *state;
	struct guest_channel *channel = connect_and_open(s);
	struct worker_bus_stats stats;
	eventfd_t n;

	guest_channel_signal(channel);
	assert_int_equal(eventfd_read(vmbus_device_primary(s->device)->kick_fd, &n), 0);
	host_signals(s);
	assert_int_equal(s->n_signals, 1);
	assert_int_equal(s->signal_vp, 2);
	assert_int_equal(s->signal_flag, channel->relid);
	worker_bus_stats(s->bus, &stats);
	assert_int_equal(stats.signals, 1);
	assert_int_equal(guest_channel_modify(channel, 3), 0);
	host_signals(s);
	assert_int_equal(s->signal_vp, 3);
	guest_channel_close(channel);
	assert_int_equal(s->n_closes, 1);
	assert_int_equal(s->kicks[channel->connection_id], -1);
}

static void who_can_interrupts_the_guest_itself(void **state)
{
	struct state *s = *state;
	struct hv_mail moved = {.type = HV_MAIL_SYNIC, .vp = 2};
	struct vmbus_event event;

	(void)connect_and_open(s);
	assert_int_equal(vmbus_channel_event(vmbus_device_primary(s->device), &event), 0);
	assert_int_equal(event.gpa, 0x3000);
	assert_int_equal(event.irq_fd, s->irq_fd);
	s->no_target = true;
	worker_bus_mail(s->bus, &moved);
	assert_int_equal(s->n_retargets, 1);
	assert_int_equal(vmbus_channel_event(vmbus_device_primary(s->device), &event), -ENOENT);
}

/* A guest that posts and does not read fills what there is to fill; then it waits, and nothing is
 * lost. */
static void a_guest_that_does_not_read_waits(void **state)
{
	struct state *s = *state;
	struct guest_channel *channel = connect_and_open(s);
	struct worker_bus_stats stats;
	union vmbus_msg modify;
	size_t size = vmbus_msg_init(&modify, VMBUS_MSG_MODIFY);
	unsigned n = 0, n_before = s->n_retargets;

	modify.modify.relid = channel->relid;
	s->guest_sleeps = true;
	while (n < 100000 && guest_post(s, VMBUS_MSG_CONNECTION_5_0, &modify, size) == 0) {
		modify.modify.target_vp = ++n % N_VPS;
		turn(s);
	}
	assert_true(n < 100000);
	assert_true(s->n_retargets - n_before < n);
	worker_bus_stats(s->bus, &stats);
	assert_int_equal(stats.retries, 1);
	s->guest_sleeps = false;
	turn(s);
	assert_int_equal(s->n_retargets - n_before, n);
	assert_int_equal(guest_post(s, VMBUS_MSG_CONNECTION_5_0, &modify, size), 0);
	turn(s);
	assert_int_equal(s->n_retargets - n_before, n + 1);
}

static void done(void *ctx)
{
	((struct state *)ctx)->n_done++;
}

static void after_a_reset_the_bus_is_as_new(void **state)
{
	struct state *s = *state;
	struct guest_channel *channel = connect_and_open(s);
	uint32_t connection = channel->connection_id;
	struct vmbus_server_info info;

	s->guest_sleeps = true;
	worker_bus_reset(s->bus, done, s);
	assert_int_equal(s->n_done, 1);
	assert_int_equal(s->n_closes, 1);
	assert_int_equal(s->kicks[connection], -1);
	vmbus_server_info(worker_bus_server(s->bus), &info);
	assert_int_equal(info.version, 0);
	assert_int_equal(info.n_gpadls, 0);
}

static void messages_to_nobody_are_counted(void **state)
{
	struct state *s = *state;
	struct worker_bus_stats stats;
	uint8_t request[40] = {14};

	assert_int_equal(guest_post(s, 77, request, sizeof(request)), 0);
	turn(s);
	worker_bus_stats(s->bus, &stats);
	assert_int_equal(stats.no_listener, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_connects_opens_and_is_signalled),
		TEST(who_can_interrupts_the_guest_itself),
		TEST(a_guest_that_does_not_read_waits),
		TEST(after_a_reset_the_bus_is_as_new),
		TEST(messages_to_nobody_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
