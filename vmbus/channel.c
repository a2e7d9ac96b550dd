/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Channels opened, closed and moved; see channel.h.
 *
 * 	CLOSED ──OPEN──► OPENING ──device: opened──► OPEN ──CLOSE──► CLOSING ──device: closed──►
 * CLOSED ▲                │                         ▲ └─device: failed─┘                         └─
 * or the ring's GPADL torn down, the offer withdrawn, a reset
 *
 * Its event descriptors live from OPENING to CLOSED.
 */
#include "vmbus/channel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmbus/server_priv.h"

static void answer_open(struct channel *c, uint32_t status)
{
	out_add(c->pub.device->server, (struct out){.type = VMBUS_MSG_OPEN_RESULT,
						    .relid = c->pub.relid,
						    .id = c->pub.open_id,
						    .status = status});
}

/* ---- Event descriptors ---- */

static void events_fini(struct channel *c)
{
	struct vmbus_server *s = c->pub.device->server;

	if (c->pub.kick_fd >= 0) {
		s->ops->listen(s->ctx, c->pub.connection_id, -1);
		close(c->pub.kick_fd);
	}
	if (c->pub.call_fd >= 0) {
		s->ops->route(s->ctx, c->pub.relid, VMBUS_NO_VP, -1);
		close(c->pub.call_fd);
	}
	c->pub.kick_fd = -1;
	c->pub.call_fd = -1;
}

static int events_init(struct channel *c)
{
	struct vmbus_server *s = c->pub.device->server;
	int rc;

	c->pub.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->pub.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->pub.kick_fd < 0 || c->pub.call_fd < 0)
		rc = -errno;
	else
		rc = s->ops->listen(s->ctx, c->pub.connection_id, c->pub.kick_fd);
	if (rc == 0)
		rc = s->ops->route(s->ctx, c->pub.relid, c->pub.target_vp, c->pub.call_fd);
	if (rc != 0)
		events_fini(c);
	return rc;
}

/* ---- Open ---- */

/* The GPADL holds two rings of a header and a page of data at least. */
static bool rings_fit(const struct gpadl *g, uint32_t ring_offset)
{
	return g->pub.byte_offset == 0 && g->pub.n_pfns >= 4 && ring_offset >= 2 &&
	       ring_offset <= g->pub.n_pfns - 2;
}

static void channel_state(struct channel *c, enum channel_state state)
{
	struct vmbus_server *s = c->pub.device->server;

	s->n_busy += (state != CHANNEL_CLOSED) - (c->state != CHANNEL_CLOSED);
	s->n_open += (state == CHANNEL_OPEN) - (c->state == CHANNEL_OPEN);
	c->state = state;
	s->changed = true;
}

static void channel_ended(struct channel *c)
{
	events_fini(c);
	channel_state(c, CHANNEL_CLOSED);
	c->pub.unwanted = false;
	gpadl_ring_free(c);
}

static void channel_start(struct vmbus_server *s, struct channel *c, struct gpadl *ring,
			  const struct vmbus_msg_open *msg)
{
	const struct vmbus_device_opts *opts = &c->pub.device->opts;

	c->pub.open_id = msg->open_id;
	c->pub.target_vp = msg->target_vp;
	c->pub.ring_offset = msg->ring_offset;
	memcpy(c->pub.user_data, msg->user_data, sizeof(c->pub.user_data));
	if (events_init(c) != 0) {
		answer_open(c, VMBUS_STATUS_NO_RESOURCES);
		return;
	}
	c->ring = ring;
	c->pub.ring = &ring->pub;
	channel_state(c, CHANNEL_OPENING);
	opts->ops->open(opts->ctx, &c->pub);
}

static void open_refuse(struct vmbus_server *s, const struct vmbus_msg_open *msg,
			enum vmbus_fault fault)
{
	server_fault(s, fault);
	out_add(s, (struct out){.type = VMBUS_MSG_OPEN_RESULT,
				.relid = msg->relid,
				.id = msg->open_id,
				.status = VMBUS_STATUS_FAILURE});
}

void channel_open(struct vmbus_server *s, const struct vmbus_msg_open *msg)
{
	struct channel *c = channel_find(s, msg->relid);
	struct gpadl *ring;

	if (c == NULL) {
		open_refuse(s, msg, VMBUS_FAULT_RELID);
		return;
	}
	if (c->withdrawn) /* they crossed: the rescind wakes the guest */
		return;
	if (c->state != CHANNEL_CLOSED ||
	    (c->pub.sub_index != 0 && c->pub.device->primary->state != CHANNEL_OPEN)) {
		open_refuse(s, msg, VMBUS_FAULT_STATE);
		return;
	}
	ring = gpadl_find_ready(s, msg->relid, msg->ring_gpadl);
	if (ring == NULL)
		open_refuse(s, msg, VMBUS_FAULT_GPADL_ID);
	else if (!rings_fit(ring, msg->ring_offset))
		open_refuse(s, msg, VMBUS_FAULT_OPEN);
	else
		channel_start(s, c, ring, msg);
}

void vmbus_channel_opened(struct vmbus_channel *channel, uint32_t status)
{
	struct channel *c = channel_of(channel);
	struct vmbus_server *s = channel->device->server;

	server_enter(s);
	if (c->state == CHANNEL_OPENING) {
		if (s->after == AFTER_NOTHING && !c->withdrawn)
			answer_open(c, status);
		if (status != VMBUS_STATUS_SUCCESS) {
			channel_ended(c);
		} else {
			channel_state(c, CHANNEL_OPEN);
			if (c->pub.unwanted)
				channel_shut(c);
		}
	}
	server_leave(s);
}

/* ---- Close ---- */

void channel_shut(struct channel *c)
{
	const struct vmbus_device_opts *opts = &c->pub.device->opts;

	if (c == c->pub.device->primary)
		subchannels_withdraw(c->pub.device);
	if (c->state == CHANNEL_OPENING) {
		c->pub.unwanted = true;
	} else if (c->state == CHANNEL_OPEN) {
		channel_state(c, CHANNEL_CLOSING);
		opts->ops->close(opts->ctx, &c->pub);
	}
}

void channel_close(struct vmbus_server *s, const struct vmbus_msg_relid *msg)
{
	struct channel *c = channel_find(s, msg->relid);

	if (c == NULL) {
		server_fault(s, VMBUS_FAULT_RELID);
		return;
	}
	if (c->state != CHANNEL_OPEN && !c->withdrawn)
		server_fault(s, VMBUS_FAULT_STATE);
	channel_shut(c);
}

void vmbus_channel_closed(struct vmbus_channel *channel)
{
	struct channel *c = channel_of(channel);

	server_enter(channel->device->server);
	if (c->state == CHANNEL_CLOSING)
		channel_ended(c);
	server_leave(channel->device->server);
}

/* ---- Move ---- */

/* Moves its interrupt.  The old place stays when there is no such processor. */
static uint32_t channel_move(struct vmbus_server *s, struct channel *c, uint32_t vp)
{
	const struct vmbus_device_opts *opts = &c->pub.device->opts;

	if (s->ops->route(s->ctx, c->pub.relid, vp, c->pub.call_fd) != 0) {
		(void)s->ops->route(s->ctx, c->pub.relid, c->pub.target_vp, c->pub.call_fd);
		server_fault(s, VMBUS_FAULT_OPEN);
		return VMBUS_STATUS_FAILURE;
	}
	c->pub.target_vp = vp;
	if (opts->ops->retarget != NULL)
		opts->ops->retarget(opts->ctx, &c->pub);
	return VMBUS_STATUS_SUCCESS;
}

int vmbus_channel_event(const struct vmbus_channel *channel, struct vmbus_event *ret_event)
{
	const struct vmbus_server *s = channel->device->server;

	if (s->ops->event == NULL || channel->target_vp == VMBUS_NO_VP)
		return -ENOENT;
	return s->ops->event(s->ctx, channel->target_vp, ret_event);
}

void vmbus_server_events_moved(struct vmbus_server *server, uint32_t vp)
{
	server_enter(server);
	for (unsigned relid = 1; relid <= VMBUS_MAX_RELID; relid++) {
		struct channel *c = server->relids[relid];
		const struct vmbus_device_opts *opts;

		if (c == NULL || c->state != CHANNEL_OPEN || c->pub.target_vp != vp)
			continue;
		opts = &c->pub.device->opts;
		if (opts->ops->retarget != NULL)
			opts->ops->retarget(opts->ctx, &c->pub);
	}
	server_leave(server);
}

void channel_modify(struct vmbus_server *s, const struct vmbus_msg_modify *msg)
{
	struct channel *c = channel_find(s, msg->relid);
	uint32_t status = VMBUS_STATUS_FAILURE;

	if (s->version < VMBUS_V4_1) {
		server_fault(s, VMBUS_FAULT_STATE);
		return;
	}
	if (c == NULL)
		server_fault(s, VMBUS_FAULT_RELID);
	else if (c->state == CHANNEL_OPEN)
		status = channel_move(s, c, msg->target_vp);
	else if (!c->withdrawn)
		server_fault(s, VMBUS_FAULT_STATE);
	if (s->version >= VMBUS_V5_3)
		out_add(s, (struct out){.type = VMBUS_MSG_MODIFY_RESPONSE,
					.relid = msg->relid,
					.status = status});
}
