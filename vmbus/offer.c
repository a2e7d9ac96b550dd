/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Devices, the relids of their channels, and what the guest is told of them; see channel.h.
 *
 * A relid is taken when a channel is made, and free again when it ends: when the guest has let go
 * of it, or never knew it, and the device has closed it and let go of its GPADLs.  The last one
 * freed is used last, so that a guest's late message hardly ever meets a new channel.
 */
#include "vmbus/server_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Unique, and shows the relid: bits 12 and up are the SINT's number, as other hosts have it. */
#define CONNECTION_ID(relid) ((uint32_t)VMBUS_CONTACT_SINT << 12 | (relid))

/* ---- Channels made and ended ---- */

static uint16_t relid_take(struct vmbus_server *s)
{
	for (unsigned i = 0; i < VMBUS_MAX_RELID; i++) {
		s->last_relid = (uint16_t)(s->last_relid % VMBUS_MAX_RELID + 1);
		if (s->relids[s->last_relid] == NULL)
			return s->last_relid;
	}
	return 0;
}

static uint8_t monitor_take(struct vmbus_server *s)
{
	for (unsigned i = 0; i < VMBUS_N_MONITORS; i++)
		if ((s->monitors_used[i / 32] & 1u << i % 32) == 0) {
			s->monitors_used[i / 32] |= 1u << i % 32;
			return (uint8_t)i;
		}
	return VMBUS_NO_MONITOR;
}

static int channel_create(struct vmbus_device *device, uint16_t sub_index,
			  struct channel **ret_channel)
{
	struct vmbus_server *s = device->server;
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->pub.relid = relid_take(s);
	if (c->pub.relid == 0) {
		free(c);
		return -ENOSPC;
	}
	c->pub.device = device;
	c->pub.sub_index = sub_index;
	c->pub.connection_id = CONNECTION_ID(c->pub.relid);
	c->pub.monitor_id = device->opts.monitored ? monitor_take(s) : VMBUS_NO_MONITOR;
	c->pub.target_vp = VMBUS_NO_VP;
	c->pub.kick_fd = -1;
	c->pub.call_fd = -1;
	s->relids[c->pub.relid] = c;
	s->n_channels++;
	LIST_INSERT_HEAD(&device->channels, c, link);
	*ret_channel = c;
	return 0;
}

static void channel_destroy(struct channel *c)
{
	struct vmbus_server *s = c->pub.device->server;
	uint8_t m = c->pub.monitor_id;

	assert(c->state == CHANNEL_CLOSED && LIST_EMPTY(&c->gpadls));
	if (m != VMBUS_NO_MONITOR)
		s->monitors_used[m / 32] &= ~(1u << m % 32);
	s->relids[c->pub.relid] = NULL;
	s->n_channels--;
	s->n_withdrawn -= c->withdrawn;
	LIST_REMOVE(c, link);
	free(c);
}

struct channel *channel_find(struct vmbus_server *s, uint32_t relid)
{
	struct channel *c = relid <= VMBUS_MAX_RELID ? s->relids[relid] : NULL;

	return c != NULL && c->told ? c : NULL;
}

/* ---- Offered ---- */

void offer_write(const struct channel *c, struct vmbus_msg_offer *msg)
{
	const struct vmbus_device_opts *opts = &c->pub.device->opts;

	msg->type = opts->type;
	msg->instance = opts->instance;
	msg->flags = opts->flags;
	msg->mmio_mb = opts->mmio_mb;
	memcpy(msg->user_data, opts->user_data, sizeof(msg->user_data));
	msg->sub_index = c->pub.sub_index;
	msg->relid = c->pub.relid;
	if (c->pub.monitor_id != VMBUS_NO_MONITOR) {
		msg->monitor_id = c->pub.monitor_id;
		msg->monitor = VMBUS_OFFER_MONITORED;
	}
	msg->dedicated = VMBUS_OFFER_DEDICATED;
	msg->connection_id = c->pub.connection_id;
}

static void channel_tell(struct vmbus_server *s, struct channel *c)
{
	if (s->connection != OFFERS_SENT)
		return;
	c->told = true;
	out_add(s, (struct out){.type = VMBUS_MSG_OFFER, .relid = c->pub.relid});
}

void offers_request(struct vmbus_server *s)
{
	struct vmbus_device *d;

	if (s->connection != CONNECTED) {
		server_fault(s, VMBUS_FAULT_STATE);
		return;
	}
	s->connection = OFFERS_SENT;
	TAILQ_FOREACH(d, &s->devices, link)
		if (!d->withdrawn)
			channel_tell(s, d->primary);
	out_add(s, (struct out){.type = VMBUS_MSG_ALL_OFFERS});
}

static bool device_exists(struct vmbus_server *s, const struct vmbus_device_opts *opts)
{
	struct vmbus_device *d;

	TAILQ_FOREACH(d, &s->devices, link)
		if (vmbus_guid_equal(&d->opts.instance, &opts->instance) &&
		    vmbus_guid_equal(&d->opts.type, &opts->type))
			return true;
	return false;
}

int vmbus_device_offer(struct vmbus_server *server, const struct vmbus_device_opts *opts,
		       struct vmbus_device **ret_device)
{
	struct vmbus_device *d;
	int rc;

	if (device_exists(server, opts))
		return -EEXIST;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->server = server;
	d->opts = *opts;
	LIST_INIT(&d->channels);
	rc = channel_create(d, 0, &d->primary);
	if (rc != 0) {
		free(d);
		return rc;
	}
	server_enter(server);
	TAILQ_INSERT_TAIL(&server->devices, d, link);
	*ret_device = d;
	channel_tell(server, d->primary);
	server_leave(server);
	return 0;
}

/* The next index of a subchannel: one behind the last that is not withdrawn. */
static uint16_t next_index(const struct vmbus_device *device)
{
	const struct channel *c;
	uint16_t next = 1;

	LIST_FOREACH(c, &device->channels, link)
		if (!c->withdrawn && c->pub.sub_index >= next)
			next = (uint16_t)(c->pub.sub_index + 1);
	return next;
}

int vmbus_device_offer_subchannels(struct vmbus_device *device, unsigned n)
{
	struct vmbus_server *s = device->server;
	uint16_t next = next_index(device);
	struct channel *made[VMBUS_MAX_SUBCHANNELS];
	int rc = 0;

	if (device->primary->state != CHANNEL_OPEN || n > VMBUS_MAX_SUBCHANNELS ||
	    next + n > VMBUS_MAX_SUBCHANNELS + 1u)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		rc = channel_create(device, (uint16_t)(next + i), &made[i]);
		if (rc != 0) {
			while (i > 0)
				channel_destroy(made[--i]);
			return rc;
		}
	}
	server_enter(s);
	for (unsigned i = 0; i < n; i++)
		channel_tell(s, made[i]);
	server_leave(s);
	return 0;
}

struct vmbus_channel *vmbus_device_primary(struct vmbus_device *device)
{
	return &device->primary->pub;
}

struct vmbus_channel *vmbus_device_channel(struct vmbus_device *device, uint16_t sub_index)
{
	struct channel *c;

	LIST_FOREACH(c, &device->channels, link)
		if (!c->withdrawn && c->pub.sub_index == sub_index)
			return &c->pub;
	return NULL;
}

/* ---- Withdrawn ---- */

static void channel_withdraw(struct channel *c)
{
	struct vmbus_server *s = c->pub.device->server;

	if (c->withdrawn)
		return;
	c->withdrawn = true;
	s->n_withdrawn++;
	s->changed = true;
	if (c->told)
		out_add(s, (struct out){.type = VMBUS_MSG_RESCIND, .relid = c->pub.relid});
	channel_shut(c);
}

void subchannels_withdraw(struct vmbus_device *device)
{
	struct channel *c;

	LIST_FOREACH(c, &device->channels, link)
		if (c != device->primary)
			channel_withdraw(c);
}

void vmbus_device_withdraw(struct vmbus_device *device)
{
	server_enter(device->server);
	device->withdrawn = true;
	subchannels_withdraw(device);
	channel_withdraw(device->primary);
	server_leave(device->server);
}

void relid_released(struct vmbus_server *s, const struct vmbus_msg_relid *msg)
{
	struct channel *c = channel_find(s, msg->relid);

	if (c == NULL) {
		server_fault(s, VMBUS_FAULT_RELID);
	} else if (!c->rescind_sent || c->released) {
		server_fault(s, VMBUS_FAULT_STATE);
	} else {
		c->released = true;
		s->changed = true;
		gpadls_drop(c);
	}
}

static bool channel_over(const struct channel *c)
{
	return c->withdrawn && (c->released || !c->told) && c->state == CHANNEL_CLOSED &&
	       LIST_EMPTY(&c->gpadls);
}

static void subchannel_end(struct channel *c)
{
	const struct vmbus_device_opts *opts = &c->pub.device->opts;

	if (opts->ops->released != NULL)
		opts->ops->released(opts->ctx, &c->pub);
	channel_destroy(c);
}

/* Callbacks may add channels and devices, but end none. */
static void device_reap(struct vmbus_device *d)
{
	struct channel *c, *next;

	for (c = LIST_FIRST(&d->channels); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c != d->primary && channel_over(c))
			subchannel_end(c);
	}
	if (!d->withdrawn || !channel_over(d->primary) || LIST_FIRST(&d->channels) != d->primary)
		return;
	TAILQ_REMOVE(&d->server->devices, d, link);
	d->opts.ops->gone(d->opts.ctx, d);
	channel_destroy(d->primary);
	free(d);
}

void offers_reap(struct vmbus_server *s)
{
	struct vmbus_device *d, *next;

	for (d = TAILQ_FIRST(&s->devices); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		device_reap(d);
	}
}

void offers_forget(struct vmbus_server *s)
{
	for (unsigned relid = 1; relid <= VMBUS_MAX_RELID; relid++) {
		struct channel *c = s->relids[relid];

		if (c == NULL)
			continue;
		c->told = false;
		c->rescind_sent = false;
		c->released = false;
		if (c != c->pub.device->primary)
			channel_withdraw(c);
	}
	offers_reap(s);
}
