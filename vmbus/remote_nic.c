/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See remote_priv.h.
 */
#include "vmbus/remote_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "vmbus/proto.h"

static bool attached(const struct vmbus_remote *r)
{
	return r->state == REMOTE_UP;
}

/* ---- Ends ---- */

/* Frees it and tells the server: it is closed, or was not opened. */
static void channel_end(struct remote_channel *rc)
{
	struct vmbus_channel *channel = rc->channel;
	bool opened = rc->opened;

	LIST_REMOVE(rc, link);
	free(rc);
	channel->priv = NULL;
	if (opened)
		vmbus_channel_closed(channel);
	else
		vmbus_channel_opened(channel, VMBUS_STATUS_FAILURE);
}

static void gpadl_end(struct vmbus_remote *r, struct remote_gpadl *rg)
{
	const struct vmbus_gpadl *gpadl = rg->gpadl;

	LIST_REMOVE(rg, link);
	free(rg);
	vmbus_gpadl_released(r->device, gpadl);
}

/* A channel to be closed, or not to be opened after all, of which the switch does not know; NULL:
 * none. */
static struct remote_channel *unknown_channel(struct vmbus_remote *r)
{
	struct remote_channel *rc;

	LIST_FOREACH(rc, &r->channels, link)
		if (!rc->open_said && (rc->opened ? rc->close_wanted : rc->channel->unwanted))
			return rc;
	return NULL;
}

static struct remote_gpadl *unknown_gpadl(struct vmbus_remote *r)
{
	struct remote_gpadl *rg;

	LIST_FOREACH(rg, &r->gpadls, link)
		if (rg->teardown_wanted && !rg->said)
			return rg;
	return NULL;
}

/* Answers for the switch where it has no part.  Each answer may change the lists. */
static void answer_unknown(struct vmbus_remote *r)
{
	struct remote_channel *rc;
	struct remote_gpadl *rg;

	while ((rc = unknown_channel(r)) != NULL)
		channel_end(rc);
	while ((rg = unknown_gpadl(r)) != NULL)
		gpadl_end(r, rg);
}

void remote_forget(struct vmbus_remote *r)
{
	struct remote_channel *rc;
	struct remote_gpadl *rg;

	LIST_FOREACH(rc, &r->channels, link)
		rc->open_said = rc->close_said = rc->refused = false;
	LIST_FOREACH(rg, &r->gpadls, link)
		rg->said = rg->teardown_said = false;
	r->ready_said = false;
	r->monitor_said[0] = r->monitor_said[1] = 0;
	answer_unknown(r);
}

bool remote_has_open(const struct vmbus_remote *r)
{
	const struct remote_channel *rc;

	LIST_FOREACH(rc, &r->channels, link)
		if (rc->opened)
			return true;
	return false;
}

/* ---- Said to the switch ---- */

/* False: not now, or never more. */
static bool say(struct vmbus_remote *r, const struct vmbus_attach_msg *msg, const int *fds,
		unsigned n_fds)
{
	int rc = vmbus_attach_send(r->fd, msg, fds, n_fds);

	r->stuck = rc == -EAGAIN || rc == -ENOMEM;
	if (rc != 0 && !r->stuck)
		remote_lost(r, "the switch has gone");
	return rc == 0;
}

static bool say_monitor(struct vmbus_remote *r)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_MONITOR};
	struct vmbus_server_info info;

	vmbus_server_info(r->server, &info);
	if (info.parent_to_child == r->monitor_said[0] &&
	    info.child_to_parent == r->monitor_said[1])
		return true;
	msg.monitor.parent_to_child = info.parent_to_child;
	msg.monitor.child_to_parent = info.child_to_parent;
	if (!say(r, &msg, NULL, 0))
		return false;
	r->monitor_said[0] = info.parent_to_child;
	r->monitor_said[1] = info.child_to_parent;
	return true;
}

static bool say_gpadl(struct vmbus_remote *r, struct remote_gpadl *rg)
{
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL,
					     .gpadl = {.id = rg->gpadl->id,
						       .relid = rg->gpadl->relid,
						       .byte_count = rg->gpadl->byte_count,
						       .byte_offset = rg->gpadl->byte_offset,
						       .n_pfns = rg->gpadl->n_pfns,
						       .pfns = rg->gpadl->pfns}};

	if (rg->said)
		return true;
	if (!say(r, &msg, NULL, 0))
		return false;
	rg->said = true;
	return true;
}

static bool say_teardown(struct vmbus_remote *r, struct remote_gpadl *rg)
{
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL_TEARDOWN,
					     .gpadl_ref = {.id = rg->gpadl->id,
							   .relid = rg->gpadl->relid}};

	if (!rg->teardown_wanted || rg->teardown_said)
		return true;
	if (!say(r, &msg, NULL, 0))
		return false;
	rg->teardown_said = true;
	return true;
}

static bool say_open(struct vmbus_remote *r, struct remote_channel *rc)
{
	const struct vmbus_channel *c = rc->channel;
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OPEN,
					     .open = {.relid = c->relid,
						      .sub_index = c->sub_index,
						      .ring_gpadl = c->ring->id,
						      .ring_offset = c->ring_offset,
						      .monitor_id = c->monitor_id,
						      .resumed = rc->opened}};
	const int fds[] = {c->kick_fd, c->call_fd};

	if (rc->open_said || rc->refused)
		return true;
	if (!say(r, &msg, fds, 2))
		return false;
	rc->open_said = true;
	rc->retarget_wanted = false;
	rc->event_wanted = true;
	rc->event_said = false;
	return true;
}

static bool say_close(struct vmbus_remote *r, struct remote_channel *rc)
{
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_CLOSE,
					     .channel = {.relid = rc->channel->relid}};

	if (!rc->close_wanted || rc->close_said)
		return true;
	if (!say(r, &msg, NULL, 0))
		return false;
	rc->close_said = true;
	return true;
}

static bool say_event(struct vmbus_remote *r, struct remote_channel *rc)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_EVENT,
				       .event = {.relid = rc->channel->relid,
						 .bit = rc->channel->relid}};
	struct vmbus_event event = {.gpa = 0, .irq_fd = -1};

	if (!rc->event_wanted || !rc->open_said || rc->close_said ||
	    r->version < VMBUS_ATTACH_EVENT_VERSION)
		return true;
	if (vmbus_channel_event(rc->channel, &event) == 0)
		msg.event.gpa = event.gpa;
	if ((msg.event.gpa != 0 || rc->event_said) &&
	    !say(r, &msg, &event.irq_fd, msg.event.gpa != 0))
		return false;
	rc->event_said = msg.event.gpa != 0;
	rc->event_wanted = false;
	return true;
}

static bool say_retarget(struct vmbus_remote *r, struct remote_channel *rc)
{
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_RETARGETED,
					     .channel = {.relid = rc->channel->relid}};

	if (!rc->retarget_wanted || !rc->open_said || rc->close_said)
		return true;
	if (!say(r, &msg, NULL, 0))
		return false;
	rc->retarget_wanted = false;
	return true;
}

static bool say_ready(struct vmbus_remote *r)
{
	const struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_READY};

	if (!r->ready_said)
		r->ready_said = say(r, &msg, NULL, 0);
	return r->ready_said;
}

static bool say_ends(struct vmbus_remote *r)
{
	struct remote_channel *rc;
	struct remote_gpadl *rg;

	LIST_FOREACH(rc, &r->channels, link)
		if (!say_close(r, rc))
			return false;
	LIST_FOREACH(rg, &r->gpadls, link)
		if (!say_teardown(r, rg))
			return false;
	return true;
}

/* Channels that the guest has open ('opened'), or wants to open. */
static bool say_opens(struct vmbus_remote *r, bool opened)
{
	struct remote_channel *rc;

	LIST_FOREACH(rc, &r->channels, link)
		if (rc->opened == opened &&
		    (!say_open(r, rc) || !say_event(r, rc) || !say_retarget(r, rc)))
			return false;
	return true;
}

static bool say_gpadls(struct vmbus_remote *r)
{
	struct remote_gpadl *rg;

	LIST_FOREACH(rg, &r->gpadls, link)
		if (!say_gpadl(r, rg))
			return false;
	return true;
}

void remote_tell(struct vmbus_remote *r)
{
	answer_unknown(r);
	if (!attached(r) || !say_ends(r))
		return;
	if (r->withdrawn) { /* nothing new */
		(void)say_ready(r);
		return;
	}
	if (say_monitor(r) && say_gpadls(r) && say_opens(r, true) && say_ready(r))
		(void)say_opens(r, false);
}

/* ---- Asked by the server ---- */

static void nic_open(void *ctx, struct vmbus_channel *channel)
{
	struct vmbus_remote *r = ctx;
	struct remote_channel *rc = calloc(1, sizeof(*rc));

	if (rc == NULL) {
		vmbus_channel_opened(channel, VMBUS_STATUS_NO_RESOURCES);
		return;
	}
	rc->channel = channel;
	channel->priv = rc;
	LIST_INSERT_HEAD(&r->channels, rc, link);
	remote_tell(r);
}

static void nic_close(void *ctx, struct vmbus_channel *channel)
{
	struct remote_channel *rc = channel->priv;

	rc->close_wanted = true;
	remote_tell(ctx);
}

static void nic_gpadl_created(void *ctx, const struct vmbus_gpadl *gpadl)
{
	struct vmbus_remote *r = ctx;
	struct remote_gpadl *rg = calloc(1, sizeof(*rg));

	if (rg == NULL) { /* the switch will not know it, and refuse what is asked of it */
		remote_event(r, "no memory for a list of guest pages");
		return;
	}
	rg->gpadl = gpadl;
	LIST_INSERT_HEAD(&r->gpadls, rg, link);
	remote_tell(r);
}

static void nic_gpadl_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	struct vmbus_remote *r = ctx;
	struct remote_gpadl *rg;

	LIST_FOREACH(rg, &r->gpadls, link)
		if (rg->gpadl == gpadl)
			break;
	if (rg == NULL) {
		vmbus_gpadl_released(r->device, gpadl);
		return;
	}
	rg->teardown_wanted = true;
	remote_tell(r);
}

static void nic_retarget(void *ctx, struct vmbus_channel *channel)
{
	struct remote_channel *rc = channel->priv;

	rc->event_wanted = true;
	rc->retarget_wanted = true;
	remote_tell(ctx);
}

static void nic_gone(void *ctx, struct vmbus_device *device)
{
	struct vmbus_remote *r = ctx;

	r->device = NULL;
	r->withdrawn = false;
	if (r->orphan)
		remote_free(r);
	else
		remote_offer(r);
}

static const struct vmbus_device_ops nic_ops = {
	.open = nic_open,
	.close = nic_close,
	.gpadl_created = nic_gpadl_created,
	.gpadl_teardown = nic_gpadl_teardown,
	.retarget = nic_retarget,
	.gone = nic_gone,
};

/* ---- The device ---- */

void remote_offer(struct vmbus_remote *r)
{
	const struct vmbus_device_opts opts = {.type = VMBUS_GUID_NET,
					       .instance = r->instance,
					       .monitored = r->monitored,
					       .ops = &nic_ops,
					       .ctx = r};
	int rc;

	if (!attached(r) || r->removed || r->device != NULL)
		return;
	rc = vmbus_device_offer(r->server, &opts, &r->device);
	if (rc == -EEXIST)
		remote_event(r, "this NIC is on the guest's bus already");
	else if (rc != 0)
		remote_event(r, "cannot offer the NIC to the guest: error %d", -rc);
}

void remote_withdraw(struct vmbus_remote *r)
{
	if (r->device == NULL || r->withdrawn)
		return;
	r->withdrawn = true;
	vmbus_device_withdraw(r->device);
	remote_tell(r);
}

void remote_subchannels(struct vmbus_remote *r, uint32_t n)
{
	uint32_t have = 0;
	int rc;

	if (r->device == NULL || r->withdrawn)
		return;
	while (have < VMBUS_MAX_SUBCHANNELS &&
	       vmbus_device_channel(r->device, (uint16_t)(have + 1)) != NULL)
		have++;
	if (n <= have)
		return;
	rc = vmbus_device_offer_subchannels(r->device, n - have);
	if (rc != 0)
		remote_event(r, "cannot offer %u subchannels: error %d", n - have, -rc);
}

/* ---- Answers of the switch ---- */

static struct remote_channel *channel_find(struct vmbus_remote *r, uint16_t relid)
{
	struct remote_channel *rc;

	LIST_FOREACH(rc, &r->channels, link)
		if (rc->channel->relid == relid && rc->open_said)
			return rc;
	return NULL;
}

void remote_opened(struct vmbus_remote *r, uint16_t relid, uint32_t status)
{
	struct remote_channel *rc = channel_find(r, relid);

	if (rc == NULL)
		return;
	if (rc->opened) { /* the guest knows; if it failed, REMOVED comes next */
		rc->open_said = status == 0;
		rc->refused = status != 0;
		return;
	}
	if (status == 0) {
		rc->opened = true;
		vmbus_channel_opened(rc->channel, VMBUS_STATUS_SUCCESS);
		return;
	}
	remote_event(r, "the switch cannot open channel %u: error %u", relid, status);
	channel_end(rc);
}

void remote_closed(struct vmbus_remote *r, uint16_t relid)
{
	struct remote_channel *rc = channel_find(r, relid);

	if (rc != NULL && rc->close_said)
		channel_end(rc);
}

void remote_released(struct vmbus_remote *r, uint16_t relid, uint32_t id)
{
	struct remote_gpadl *rg;

	LIST_FOREACH(rg, &r->gpadls, link)
		if (rg->gpadl->relid == relid && rg->gpadl->id == id && rg->teardown_said) {
			gpadl_end(r, rg);
			return;
		}
}
