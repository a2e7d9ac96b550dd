/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See local.h.
 */
#include "vmbus/guest/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "vmbus/guest/channel.h"
#include "vmbus/remote.h"
#include "vmbus/server.h"

#define SLUG	    "guest"
#define MEMORY_SIZE (64ull << 20)
#define N_SLOTS	    64 /* messages that wait for the guest */
#define REMOTE_MS   50 /* vmbus_remote_event() wants ten calls a second */

/* A descriptor whose number stays. */
struct slot {
	uint32_t connection_id;
	int fd;
};

struct message {
	uint32_t size;
	uint8_t bytes[VMBUS_MSG_MAX];
};

struct guest_local {
	struct guest_memory *memory;
	struct vmbus_server *server;
	struct vmbus_remote *remote; /* NULL: none */
	struct guest_bus *bus;
	struct guest_local_opts opts;
	int sink_fd;	    /* an eventfd that nobody reads */
	struct slot *kicks; /* by connection */
	unsigned n_kicks;
	int calls[GUEST_MAX_RELID + 1]; /* by relid; -1: none yet */
	unsigned first, n_messages;	/* a ring of messages to the guest */
	bool full;			/* the server waits for a free slot */
	struct message messages[N_SLOTS];
};

/* The host's side: struct vmbus_host_ops. */

static int host_post(void *ctx, uint32_t vp, const void *msg, size_t size)
{
	struct guest_local *local = ctx;
	struct message *to;

	if (size > VMBUS_MSG_MAX)
		return -EMSGSIZE;
	if (local->n_messages == N_SLOTS) {
		local->full = true;
		return -EAGAIN;
	}
	to = &local->messages[(local->first + local->n_messages++) % N_SLOTS];
	memcpy(to->bytes, msg, size);
	to->size = (uint32_t)size;
	return 0;
}

/* Puts 'fd' (-1: nothing) behind '*slot', which keeps its number. */
static int point(struct guest_local *local, int *slot, int fd)
{
	int to = fd < 0 ? local->sink_fd : fd;

	if (*slot < 0) {
		*slot = fcntl(to, F_DUPFD_CLOEXEC, 3);
		return *slot < 0 ? -errno : 0;
	}
	return dup3(to, *slot, O_CLOEXEC) < 0 ? -errno : 0;
}

static struct slot *find_kick(struct guest_local *local, uint32_t connection_id)
{
	for (unsigned i = 0; i < local->n_kicks; i++) {
		if (local->kicks[i].connection_id == connection_id)
			return &local->kicks[i];
	}
	return NULL;
}

static int host_listen(void *ctx, uint32_t connection_id, int kick_fd)
{
	struct guest_local *local = ctx;
	struct slot *kick = find_kick(local, connection_id), *grown;

	if (kick == NULL) {
		if (kick_fd < 0)
			return 0;
		grown = realloc(local->kicks, (local->n_kicks + 1) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		local->kicks = grown;
		kick = &grown[local->n_kicks++];
		*kick = (struct slot){.connection_id = connection_id, .fd = -1};
	}
	return point(local, &kick->fd, kick_fd);
}

static int host_route(void *ctx, uint16_t relid, uint32_t vp, int call_fd)
{
	struct guest_local *local = ctx;
	int fd = vp == VMBUS_NO_VP ? -1 : call_fd;

	if (relid > GUEST_MAX_RELID)
		return -EINVAL;
	if (fd >= 0 && fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		return -errno;
	if (fd < 0 && local->calls[relid] < 0)
		return 0;
	return point(local, &local->calls[relid], fd);
}

static const struct gpa_map *host_memory(void *ctx)
{
	return &((struct guest_local *)ctx)->memory->map;
}

static const struct vmbus_host_ops host_ops = {
	.post = host_post,
	.listen = host_listen,
	.route = host_route,
	.memory = host_memory,
};

/* The guest's side: struct guest_bus_ops. */

static int guest_post(void *ctx, uint32_t connection_id, const void *msg, size_t size)
{
	return vmbus_server_message(((struct guest_local *)ctx)->server, connection_id, msg, size);
}

static bool deliver(struct guest_local *local)
{
	bool any = false;

	while (local->n_messages > 0) {
		struct message msg = local->messages[local->first];

		local->first = (local->first + 1) % N_SLOTS;
		local->n_messages--;
		any = true;
		guest_bus_message(local->bus, msg.bytes, msg.size);
		if (local->full) {
			local->full = false;
			vmbus_server_slot_free(local->server);
		}
	}
	return any;
}

static void work(struct guest_local *local)
{
	if (local->opts.work != NULL)
		local->opts.work(local->opts.ctx);
	if (local->remote != NULL)
		vmbus_remote_event(local->remote);
}

static void guest_pump(void *ctx, int fd, int timeout_ms)
{
	struct guest_local *local = ctx;
	struct pollfd fds[2] = {{.fd = guest_local_fd(local), .events = POLLIN},
				{.fd = fd, .events = POLLIN}};

	/* A device in this process has no descriptor to wait for: it works, and that is all. */
	if (local->opts.work != NULL)
		timeout_ms = 0;
	work(local);
	if (deliver(local))
		return;
	(void)poll(fds, 2, timeout_ms < REMOTE_MS ? timeout_ms : REMOTE_MS);
	work(local);
	(void)deliver(local);
}

static int guest_kick_fd(void *ctx, uint32_t connection_id)
{
	struct guest_local *local = ctx;
	const struct slot *kick = find_kick(local, connection_id);

	return kick != NULL ? kick->fd : local->sink_fd;
}

static int guest_call_fd(void *ctx, uint16_t relid)
{
	struct guest_local *local = ctx;

	return local->calls[relid] >= 0 ? local->calls[relid] : local->sink_fd;
}

static const struct guest_bus_ops bus_ops = {
	.post = guest_post,
	.pump = guest_pump,
	.kick_fd = guest_kick_fd,
	.call_fd = guest_call_fd,
};

/* Life. */

static int attach(struct guest_local *local, struct err *err)
{
	struct vmbus_remote_memory memory[2];
	struct vmbus_remote_opts opts = {
		.path = local->opts.socket,
		.memory = memory,
		.n_memory = local->memory->n_ranges,
		.event = local->opts.event,
		.ctx = local->opts.ctx,
	};

	for (unsigned i = 0; i < opts.n_memory; i++)
		memory[i] = (struct vmbus_remote_memory){
			.gpa = local->memory->range[i].gpa,
			.size = local->memory->range[i].size,
			.fd = local->memory->fd,
			.offset = local->memory->range[i].offset,
		};
	return vmbus_remote_create(local->server, &opts, &local->remote, err);
}

static int build(struct guest_local *local, struct err *err)
{
	const struct guest_local_opts *opts = &local->opts;
	struct vmbus_server_opts server = {.max_version = opts->host_version};
	int rc = guest_memory_create(opts->memory_size != 0 ? opts->memory_size : MEMORY_SIZE,
				     opts->huge, opts->split, &local->memory, err);

	if (rc != 0)
		return rc;
	local->sink_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (local->sink_fd < 0)
		return err_set(err, -errno, SLUG, "no descriptor is left: %s", strerror(errno));
	rc = vmbus_server_create(&host_ops, local, &server, &local->server);
	if (rc == 0)
		local->bus = guest_bus_create(local->memory, &bus_ops, local, &opts->bus);
	if (rc != 0 || local->bus == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory left");
	return opts->socket != NULL ? attach(local, err) : 0;
}

int guest_local_create(const struct guest_local_opts *opts, struct guest_local **ret_local,
		       struct err *err)
{
	struct guest_local *local = calloc(1, sizeof(*local));
	int rc;

	if (local == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory left");
	local->opts = *opts;
	local->sink_fd = -1;
	for (unsigned i = 0; i <= GUEST_MAX_RELID; i++)
		local->calls[i] = -1;
	rc = build(local, err);
	if (rc != 0) {
		guest_local_destroy(local);
		return rc;
	}
	*ret_local = local;
	return 0;
}

void guest_local_destroy(struct guest_local *local)
{
	if (local == NULL)
		return;
	if (local->bus != NULL)
		(void)guest_bus_unload(local->bus);
	vmbus_remote_destroy(local->remote);
	vmbus_server_destroy(local->server);
	guest_bus_destroy(local->bus);
	for (unsigned i = 0; i < local->n_kicks; i++)
		close(local->kicks[i].fd);
	for (unsigned i = 0; i <= GUEST_MAX_RELID; i++) {
		if (local->calls[i] >= 0)
			close(local->calls[i]);
	}
	if (local->sink_fd >= 0)
		close(local->sink_fd);
	free(local->kicks);
	guest_memory_destroy(local->memory);
	free(local);
}

struct guest_bus *guest_local_bus(struct guest_local *local)
{
	return local->bus;
}

struct vmbus_server *guest_local_server(struct guest_local *local)
{
	return local->server;
}

struct guest_memory *guest_local_memory(struct guest_local *local)
{
	return local->memory;
}

int guest_local_fd(const struct guest_local *local)
{
	return local->remote != NULL ? vmbus_remote_fd(local->remote) : -1;
}

void guest_local_event(struct guest_local *local)
{
	work(local);
	(void)deliver(local);
}

bool guest_local_attached(const struct guest_local *local)
{
	return local->remote != NULL && vmbus_remote_attached(local->remote);
}

static struct guest_channel *find_nic(const struct guest_local *local)
{
	struct guest_channel *channel = guest_bus_channel(local->bus, 0);

	while (channel != NULL && (channel->sub_index != 0 || atomic_load(&channel->rescinded) ||
				   !vmbus_guid_equal(&channel->type, &VMBUS_GUID_NET)))
		channel = guest_bus_channel(local->bus, channel->relid + 1);
	return channel;
}

struct guest_channel *guest_local_nic(struct guest_local *local, unsigned timeout_ms)
{
	const uint64_t end = clock_mono_ns() + timeout_ms * 1000000ull;
	struct guest_channel *channel = find_nic(local);

	while (channel == NULL && clock_mono_ns() < end) {
		guest_pump(local, -1, REMOTE_MS);
		channel = find_nic(local);
	}
	return channel;
}
