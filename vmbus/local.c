/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See local.h.
 */
#include "vmbus/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmbus/server_priv.h"

#define STATUS_FAILURE 0xC0000001u /* NTSTATUS */

struct vmbus_local {
	struct vmbus_device *device;
	const struct vmbus_loop *loop;
	const struct vmbus_local_ops *ops; /* NULL: destroyed, the guest still holds it */
	void *ctx;
	struct vmbus_channel *channel; /* NULL: not open */
	bool broken;		       /* its rings are not looked at any more */
	bool held;		       /* its owner wants no packets now */
	void *watch;
	struct vmbus_in in;
	struct vmbus_out out;
	uint32_t wanted; /* bytes of room that a sender waits for */
	struct vmbus_local_stats stats;
	uint32_t max_packet;
	uint8_t *packet;
};

static void fire(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* full: the other side has not read what is there, which says the same */
}

static void drain(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return; /* nothing was there */
}

/* ---- Packets ---- */

static void watch_end(struct vmbus_local *l)
{
	if (l->watch != NULL)
		l->loop->remove(l->loop->ctx, l->watch);
	l->watch = NULL;
}

/* Nothing is known of this ring any more; the guest may close it and open another. */
static bool check_broken(struct vmbus_local *l)
{
	uint8_t fault = l->in.fault != VMBUS_RING_NONE ? l->in.fault : l->out.fault;

	if (fault == VMBUS_RING_NONE || l->broken)
		return l->broken;
	l->broken = true;
	l->stats.fault = fault;
	l->stats.broken++;
	watch_end(l);
	if (l->ops != NULL)
		l->ops->closed(l->ctx);
	return true;
}

static void take(struct vmbus_local *l, const struct vmbus_packet *packet)
{
	if (packet->payload_size > l->max_packet) {
		l->stats.too_long++;
		return;
	}
	if (!vmbus_in_copy(&l->in, packet, packet->header_size, l->packet, packet->payload_size))
		return;
	l->stats.packets_in++;
	if (l->ops != NULL)
		l->ops->packet(l->ctx, &packet->desc, l->packet, packet->payload_size);
}

static bool alive(const struct vmbus_local *l)
{
	return l->channel != NULL && !l->broken;
}

/* Takes what there is, at most a batch.  True: there may be more. */
static bool take_batch(struct vmbus_local *l)
{
	struct vmbus_packet packet;
	unsigned n = 0;

	if (vmbus_in_begin(&l->in) == 0)
		return false;
	while (n < VMBUS_LOCAL_BATCH && alive(l) && !l->held && vmbus_in_next(&l->in, &packet)) {
		take(l, &packet);
		n++;
	}
	if (alive(l) && vmbus_in_end(&l->in))
		fire(l->channel->call_fd);
	return n == VMBUS_LOCAL_BATCH;
}

static void look_for_room(struct vmbus_local *l)
{
	if (l->wanted == 0 || vmbus_out_begin(&l->out) < l->wanted)
		return;
	l->wanted = 0;
	(void)vmbus_out_wait(&l->out, 0);
	if (l->ops != NULL && l->ops->room != NULL)
		l->ops->room(l->ctx);
}

/* The guest signalled: there are packets, or room. */
static void work(void *arg)
{
	struct vmbus_local *l = arg;
	bool more;

	drain(l->channel->kick_fd);
	look_for_room(l);
	if (!alive(l) || check_broken(l))
		return;
	more = take_batch(l);
	/* What is held is looked at when it is let go. */
	if (!alive(l) || check_broken(l) || l->held)
		return;
	/* Others first, if there is more. */
	if (more || !vmbus_in_sleep(&l->in))
		fire(l->channel->kick_fd);
	(void)check_broken(l);
}

static int put(struct vmbus_local *l, enum vmbus_packet_type type, uint16_t flags, uint64_t id,
	       const void *payload, size_t size)
{
	int rc;

	(void)vmbus_out_begin(&l->out);
	rc = vmbus_out_put(&l->out, type, flags, id, NULL, 0, payload, size);
	if (vmbus_out_end(&l->out))
		fire(l->channel->call_fd);
	return rc;
}

int vmbus_local_send(struct vmbus_local *l, enum vmbus_packet_type type, uint16_t flags,
		     uint64_t transaction_id, const void *payload, size_t size)
{
	uint32_t bytes = vmbus_packet_size(0, size);
	int rc;

	if (!alive(l))
		return -ENOTCONN;
	rc = put(l, type, flags, transaction_id, payload, size);
	/* Room may have come between the two looks. */
	if (rc == -EAGAIN && l->out.fault == VMBUS_RING_NONE && !vmbus_out_wait(&l->out, bytes))
		rc = put(l, type, flags, transaction_id, payload, size);
	if (rc == 0)
		l->stats.packets_out++;
	else if (rc == -EAGAIN)
		l->wanted = bytes;
	return check_broken(l) ? -ENOTCONN : rc;
}

/* ---- struct vmbus_device_ops ---- */

static int rings_open(struct vmbus_local *l, const struct vmbus_channel *channel)
{
	const struct vmbus_server *s = channel->device->server;
	struct vmbus_ring from, to;
	int rc = vmbus_rings_find(s->ops->memory(s->ctx), channel->ring, channel->ring_offset,
				  &from, &to);

	if (rc != 0)
		return rc;
	vmbus_in_init(&l->in, &from);
	vmbus_out_init(&l->out, &to);
	l->watch = l->loop->add(l->loop->ctx, channel->kick_fd, work, l);
	return l->watch != NULL ? 0 : -ENOMEM;
}

static void op_open(void *ctx, struct vmbus_channel *channel)
{
	struct vmbus_local *l = ctx;

	if (l->ops == NULL || rings_open(l, channel) != 0) {
		vmbus_channel_opened(channel, STATUS_FAILURE);
		return;
	}
	l->channel = channel;
	l->broken = false;
	l->held = false;
	l->wanted = 0;
	vmbus_channel_opened(channel, 0);
	if (l->channel == NULL) /* not wanted any more */
		return;
	if (check_broken(l))
		return;
	if (l->ops != NULL)
		l->ops->opened(l->ctx);
	if (l->channel != NULL) /* what came before we watched */
		fire(l->channel->kick_fd);
}

static void op_close(void *ctx, struct vmbus_channel *channel)
{
	struct vmbus_local *l = ctx;
	bool was = alive(l);

	watch_end(l);
	l->channel = NULL;
	if (was && l->ops != NULL)
		l->ops->closed(l->ctx);
	vmbus_channel_closed(channel);
}

static void op_gpadl_created(void *ctx, const struct vmbus_gpadl *gpadl)
{
}

static void op_gpadl_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	vmbus_gpadl_released(((struct vmbus_local *)ctx)->device, gpadl);
}

static void op_retarget(void *ctx, struct vmbus_channel *channel)
{
	fire(channel->call_fd);
}

static void op_gone(void *ctx, struct vmbus_device *device)
{
	struct vmbus_local *l = ctx;

	l->device = NULL;
	if (l->ops != NULL) /* the server ended before its owner let go */
		return;
	free(l->packet);
	free(l);
}

static const struct vmbus_device_ops device_ops = {
	.open = op_open,
	.close = op_close,
	.gpadl_created = op_gpadl_created,
	.gpadl_teardown = op_gpadl_teardown,
	.retarget = op_retarget,
	.gone = op_gone,
};

/* ---- Life ---- */

int vmbus_local_create(struct vmbus_server *server, const struct vmbus_local_opts *opts,
		       struct vmbus_local **ret_local)
{
	struct vmbus_local *l = calloc(1, sizeof(*l));
	struct vmbus_device_opts device = {.type = opts->type,
					   .instance = opts->instance,
					   .flags = opts->flags,
					   .mmio_mb = opts->mmio_mb,
					   .ops = &device_ops,
					   .ctx = l};
	int rc = -ENOMEM;

	if (l == NULL)
		return -ENOMEM;
	if (opts->user_data != NULL)
		memcpy(device.user_data, opts->user_data, sizeof(device.user_data));
	l->loop = opts->loop;
	l->ops = opts->ops;
	l->ctx = opts->ctx;
	l->max_packet = opts->max_packet;
	l->packet = malloc(opts->max_packet);
	if (l->packet != NULL)
		rc = vmbus_device_offer(server, &device, &l->device);
	if (rc != 0) {
		free(l->packet);
		free(l);
		return rc;
	}
	*ret_local = l;
	return 0;
}

void vmbus_local_destroy(struct vmbus_local *l)
{
	if (l == NULL)
		return;
	l->ops = NULL;
	watch_end(l);
	if (l->device != NULL) {
		vmbus_device_withdraw(l->device);
		return;
	}
	free(l->packet);
	free(l);
}

bool vmbus_local_is_open(const struct vmbus_local *l)
{
	return alive(l);
}

const struct vmbus_channel *vmbus_local_channel(const struct vmbus_local *l)
{
	return l->channel;
}

void vmbus_local_hold(struct vmbus_local *l, bool hold)
{
	bool was = l->held;

	l->held = hold;
	if (was && !hold && alive(l))
		fire(l->channel->kick_fd);
}

void vmbus_local_stats(const struct vmbus_local *l, struct vmbus_local_stats *ret_stats)
{
	*ret_stats = l->stats;
}
