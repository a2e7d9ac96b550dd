/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages from the guest, the connection's state, and its end; see server.h and server_priv.h.
 *
 * A reset (UNLOAD, contact once more, the machine's own) has all channels closed and all GPADLs
 * given back, and is answered when the last device has said so: until then a device may write to
 * pages that the guest's next kernel would take for its own.
 */
#include "vmbus/server_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hv/gpa.h"

static const struct {
	const char *slug, *text;
} faults[] = {
#define X(name, slug, text) {(slug), (text)},
	VMBUS_FAULTS(X)
#undef X
};

const char *vmbus_fault_slug(enum vmbus_fault fault)
{
	return faults[fault].slug;
}

const char *vmbus_fault_text(enum vmbus_fault fault)
{
	return faults[fault].text;
}

void server_fault(struct vmbus_server *s, enum vmbus_fault fault)
{
	char text[160];

	s->faults[fault]++;
	if (s->opts.event == NULL || !log_allow(&s->fault_limits[fault], 1, 1))
		return;
	snprintf(text, sizeof(text), "%s (%llu so far)", faults[fault].text,
		 (unsigned long long)s->faults[fault]);
	s->opts.event(s->ctx, text);
}

/* ---- Life ---- */

int vmbus_server_create(const struct vmbus_host_ops *ops, void *ctx,
			const struct vmbus_server_opts *opts, struct vmbus_server **ret_server)
{
	struct vmbus_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->ops = ops;
	s->ctx = ctx;
	s->opts = *opts;
	if (s->opts.max_version == 0)
		s->opts.max_version = VMBUS_V5_3;
	if (s->opts.max_gpadl_pages == 0)
		s->opts.max_gpadl_pages = 256 * 1024;
	if (s->opts.max_gpadls == 0)
		s->opts.max_gpadls = 4096;
	/* out.c says why this is enough. */
	if (out_init(&s->out, OUT_TAKE + 4 * (VMBUS_MAX_RELID + 1) + s->opts.max_gpadls) != 0) {
		free(s);
		return -ENOMEM;
	}
	TAILQ_INIT(&s->devices);
	*ret_server = s;
	return 0;
}

/* ---- Reset ---- */

static void reset_start(struct vmbus_server *s, enum after after)
{
	struct vmbus_device *d;
	struct channel *c;

	s->after = after;
	s->connection = DISCONNECTED;
	s->version = 0;
	s->monitor = (struct vmbus_monitor){0};
	s->changed = true;
	out_clear(&s->out);
	TAILQ_FOREACH(d, &s->devices, link) {
		LIST_FOREACH(c, &d->channels, link)
			channel_shut(c);
		LIST_FOREACH(c, &d->channels, link)
			gpadls_drop(c);
	}
}

/* A page for the guest's monitor, or NULL. */
static uint8_t *monitor_page(struct vmbus_server *s, uint64_t gpa)
{
	if (gpa == 0 || gpa % GPA_PAGE_SIZE != 0)
		return NULL;
	return gpa_at(s->ops->memory(s->ctx), gpa, GPA_PAGE_SIZE);
}

static bool version_known(const struct vmbus_server *s, const struct vmbus_msg_contact *contact)
{
	static const uint32_t known[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
					 VMBUS_V5_0, VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};
	uint32_t version = contact->version;

	if (version > s->opts.max_version)
		return false;
	/* Messages to another SINT or trust level are none of ours. */
	if (version >= VMBUS_V5_0 && (contact->sint != VMBUS_CONTACT_SINT || contact->vtl != 0))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (version == known[i])
			return true;
	return false;
}

static void contact_answer(struct vmbus_server *s)
{
	const struct vmbus_msg_contact *contact = &s->contact;
	bool ok = version_known(s, contact);
	char text[64];

	s->message_vp = contact->version >= VMBUS_V3_0 ? contact->target_vp : 0;
	if (ok) {
		s->version = contact->version;
		s->connection = CONNECTED;
		s->monitor.parent_to_child = monitor_page(s, contact->parent_to_child);
		s->monitor.child_to_parent = monitor_page(s, contact->child_to_parent);
		snprintf(text, sizeof(text), "the guest speaks VMBus %u.%u", s->version >> 16,
			 s->version & 0xffff);
		if (s->opts.event != NULL && log_allow(&s->contact_limit, 8, 1))
			s->opts.event(s->ctx, text);
	}
	out_add(s, (struct out){.type = VMBUS_MSG_VERSION_RESPONSE,
				.id = contact->version,
				.status = ok ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_FAILURE});
}

/* All devices have let go. */
static void reset_finish(struct vmbus_server *s)
{
	enum after after = s->after;
	void (*done)(void *ctx) = s->reset_done;

	offers_forget(s);
	s->after = AFTER_NOTHING;
	s->reset_done = NULL;
	if (done != NULL)
		done(s->reset_ctx);
	if (after == AFTER_CONTACT)
		contact_answer(s);
	else if (after == AFTER_UNLOAD)
		out_add(s, (struct out){.type = VMBUS_MSG_UNLOAD_RESPONSE});
}

/* ---- In and out ---- */

void server_enter(struct vmbus_server *s)
{
	s->depth++;
}

static void server_settle(struct vmbus_server *s)
{
	while (s->changed) {
		s->changed = false;
		gpadls_reap(s);
		if (s->after == AFTER_NOTHING && s->n_withdrawn > 0)
			offers_reap(s);
		else if (s->after != AFTER_NOTHING && s->n_busy == 0 && s->n_gpadls == 0)
			reset_finish(s);
	}
}

void server_leave(struct vmbus_server *s)
{
	if (s->depth == 1)
		server_settle(s);
	if (--s->depth == 0)
		out_flush(s);
}

static void unload(struct vmbus_server *s)
{
	/* The machine's own reset waits for the same, and the guest is gone then. */
	if (s->after != AFTER_RESET)
		reset_start(s, AFTER_UNLOAD);
}

static void contact(struct vmbus_server *s, const struct vmbus_msg_contact *msg)
{
	s->contact = *msg;
	reset_start(s, AFTER_CONTACT);
}

/* Those that need a connection. */
static void dispatch(struct vmbus_server *s, const union vmbus_msg *msg, size_t size)
{
	switch (msg->header.type) {
	case VMBUS_MSG_REQUEST_OFFERS:
		offers_request(s);
		break;
	case VMBUS_MSG_OPEN:
		channel_open(s, &msg->open);
		break;
	case VMBUS_MSG_CLOSE:
		channel_close(s, &msg->relid);
		break;
	case VMBUS_MSG_GPADL_HEADER:
		gpadl_header(s, &msg->gpadl_header, size);
		break;
	case VMBUS_MSG_GPADL_BODY:
		gpadl_body(s, &msg->gpadl_body, size);
		break;
	case VMBUS_MSG_GPADL_TEARDOWN:
		gpadl_teardown(s, &msg->gpadl_teardown);
		break;
	case VMBUS_MSG_RELID_RELEASED:
		relid_released(s, &msg->relid);
		break;
	case VMBUS_MSG_MODIFY:
		channel_modify(s, &msg->modify);
		break;
	case VMBUS_MSG_TL_CONNECT: /* no guest known to us reads an answer */
		if (s->version < VMBUS_V4_0)
			server_fault(s, VMBUS_FAULT_STATE);
		else if (s->opts.connect != NULL)
			s->opts.connect(s->ctx, &msg->tl_connect.endpoint,
					&msg->tl_connect.service);
		break;
	default:
		break;
	}
}

static int message_take(struct vmbus_server *s, const union vmbus_msg *msg, size_t size)
{
	/* These two empty the queue. */
	if (msg->header.type == VMBUS_MSG_CONTACT) {
		contact(s, &msg->contact);
	} else if (msg->header.type == VMBUS_MSG_UNLOAD) {
		unload(s);
	} else if (s->out.n >= OUT_TAKE) {
		server_fault(s, VMBUS_FAULT_QUEUE);
		return -EAGAIN;
	} else if (s->connection == DISCONNECTED) {
		server_fault(s, VMBUS_FAULT_STATE);
	} else {
		dispatch(s, msg, size);
	}
	return 0;
}

int vmbus_server_message(struct vmbus_server *server, uint32_t connection_id, const void *msg,
			 size_t size)
{
	union vmbus_msg copy;
	int rc;

	if (connection_id != VMBUS_MSG_CONNECTION &&
	    (connection_id != VMBUS_MSG_CONNECTION_5_0 || server->opts.max_version < VMBUS_V5_0))
		return -EINVAL;
	server_enter(server);
	server->messages_in++;
	rc = vmbus_msg_read(msg, size, true, &copy);
	if (rc == 0)
		rc = message_take(server, &copy, size);
	else
		server_fault(server, rc == -EBADMSG ? VMBUS_FAULT_SHORT : VMBUS_FAULT_TYPE);
	server_leave(server);
	return rc == -EAGAIN ? -EAGAIN : 0;
}

void vmbus_server_slot_free(struct vmbus_server *server)
{
	server_enter(server);
	server->slot_taken = false;
	server_leave(server);
}

void vmbus_server_reset(struct vmbus_server *server, void (*done)(void *ctx), void *ctx)
{
	server_enter(server);
	server->reset_done = done;
	server->reset_ctx = ctx;
	server->slot_taken = false;
	reset_start(server, AFTER_RESET);
	server_leave(server);
}

void vmbus_server_destroy(struct vmbus_server *server)
{
	if (server == NULL)
		return;
	vmbus_server_reset(server, NULL, NULL);
	assert(TAILQ_EMPTY(&server->devices));
	out_fini(&server->out);
	free(server);
}

struct vmbus_monitor *vmbus_server_monitor(struct vmbus_server *server)
{
	return &server->monitor;
}

void vmbus_server_info(const struct vmbus_server *server, struct vmbus_server_info *ret_info)
{
	struct vmbus_server_info info = {
		.version = server->version,
		.offers_sent = server->connection == OFFERS_SENT,
		.n_withdrawn = server->n_withdrawn,
		.n_channels = server->n_channels,
		.n_open = server->n_open,
		.n_gpadls = server->n_gpadls,
		.n_gpadl_pages = server->n_gpadl_pages,
		.n_queued = server->out.n,
		.messages_in = server->messages_in,
		.messages_out = server->messages_out,
	};

	if (server->monitor.parent_to_child != NULL)
		info.parent_to_child = server->contact.parent_to_child;
	if (server->monitor.child_to_parent != NULL)
		info.child_to_parent = server->contact.child_to_parent;
	memcpy(info.faults, server->faults, sizeof(info.faults));
	*ret_info = info;
}
