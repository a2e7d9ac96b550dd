/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic.h.
 */
#include "vmbus/ic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/local.h"

struct ic {
	const struct ic_env *env;
	const struct ic_kind *kind;
	const struct ic_ops *ops;
	void *ctx;
	struct vmbus_local *local;
	uint64_t now_ns;
	uint64_t deadline_ns; /* of the request; UINT64_MAX: none */
	uint64_t transaction; /* of the last message to the guest */
	bool unsent;	      /* it waits for room on the ring */
	size_t out_size;
	uint32_t told; /* faults the log knows of */
	struct ic_info info;
	uint8_t out[IC_HEADER_SIZE + IC_DATA_MAX];
};

static const char *const fault_slugs[] = {
#define X(name, slug, text) slug,
	IC_FAULTS(X)
#undef X
};

static const char *const fault_texts[] = {
#define X(name, slug, text) text,
	IC_FAULTS(X)
#undef X
};

const char *ic_fault_slug(enum ic_fault fault)
{
	return fault_slugs[fault];
}

const char *ic_state_name(enum ic_state state)
{
	static const char *const names[] = {"closed", "negotiating", "ready", "busy", "refused"};

	return names[state];
}

static void tell(const struct ic *ic, const char *text)
{
	char line[160];

	if (ic->env->event == NULL)
		return;
	snprintf(line, sizeof(line), "%s service: %s", ic->kind->name, text);
	ic->env->event(ic->env->ctx, line);
}

void ic_count(struct ic *ic, enum ic_fault fault)
{
	ic->info.faults[fault]++;
	if ((ic->told & 1u << fault) == 0)
		tell(ic, fault_texts[fault]);
	ic->told |= 1u << fault;
}

/* ---- Out ---- */

static void flush(struct ic *ic)
{
	/* What cannot be sent for another reason than room meets its time-out. */
	ic->unsent = vmbus_local_send(ic->local, VMBUS_PKT_INBAND, 0, ic->transaction, ic->out,
				      ic->out_size) == -EAGAIN;
}

static void send(struct ic *ic, uint16_t type, const void *data, size_t size)
{
	struct ic_message m = {.framework = ic->info.framework,
			       .version = ic->info.version,
			       .type = type,
			       .flags = IC_FLAG_TRANSACTION | IC_FLAG_REQUEST,
			       .transaction = (uint8_t)++ic->transaction,
			       .data = data,
			       .data_size = (uint16_t)size};

	ic->out_size = ic_write(ic->out, &m);
	flush(ic);
}

static void op_opened(void *ctx)
{
	struct ic *ic = ctx;
	uint8_t data[IC_NEGOTIATE_MAX];

	ic->info.state = IC_NEGOTIATING;
	ic->info.framework = ic->info.version = (struct ic_version){0};
	send(ic, IC_NEGOTIATE, data,
	     ic_write_versions(data, ic->kind->frameworks, ic->kind->n_frameworks,
			       ic->kind->versions, ic->kind->n_versions));
}

static void op_room(void *ctx)
{
	struct ic *ic = ctx;

	if (ic->unsent)
		flush(ic);
}

int ic_request(struct ic *ic, const void *data, size_t size, uint64_t timeout_ns)
{
	if (size > IC_DATA_MAX)
		return -EMSGSIZE;
	if (ic->info.state == IC_BUSY)
		return -EBUSY;
	if (ic->info.state != IC_READY)
		return -ENOTCONN;
	ic->info.state = IC_BUSY;
	ic->info.requests++;
	ic->deadline_ns = timeout_ns == 0 ? UINT64_MAX : ic->now_ns + timeout_ns;
	send(ic, ic->kind->message, data, size);
	return 0;
}

/* ---- In ---- */

static bool offered(const struct ic_version *versions, unsigned n, struct ic_version v)
{
	for (unsigned i = 0; i < n; i++) {
		if (versions[i].major == v.major && versions[i].minor == v.minor)
			return true;
	}
	return false;
}

static void negotiated(struct ic *ic, const struct ic_message *m)
{
	const struct ic_kind *kind = ic->kind;
	struct ic_version framework = {0}, version = {0};
	char text[96];
	int rc = ic_read_choice(m->data, m->data_size, &framework, &version);

	ic->info.state = IC_REFUSED;
	if (rc == -EPROTONOSUPPORT) {
		tell(ic, "the guest knows none of our versions");
		return;
	}
	if (rc != 0 || !offered(kind->frameworks, kind->n_frameworks, framework) ||
	    !offered(kind->versions, kind->n_versions, version)) {
		ic_count(ic, rc != 0 ? IC_FAULT_DATA : IC_FAULT_VERSION);
		return;
	}
	ic->info.state = IC_READY;
	ic->info.framework = framework;
	ic->info.version = version;
	snprintf(text, sizeof(text), "version %u.%u", version.major, version.minor);
	tell(ic, text);
	ic->ops->ready(ic->ctx, version);
}

static bool is_answer(const struct ic *ic, const struct vmbus_desc *desc,
		      const struct ic_message *m)
{
	return desc->transaction_id == ic->transaction &&
	       m->transaction == (uint8_t)ic->transaction && !ic->unsent &&
	       (m->flags & IC_FLAG_RESPONSE) != 0;
}

static void op_packet(void *ctx, const struct vmbus_desc *desc, const uint8_t *payload,
		      uint32_t size)
{
	struct ic *ic = ctx;
	struct ic_message m;

	if (desc->type != VMBUS_PKT_INBAND) {
		ic_count(ic, IC_FAULT_PACKET);
		return;
	}
	if (ic_read(payload, size, &m) != 0) {
		ic_count(ic, IC_FAULT_FRAME);
		return;
	}
	ic->info.answers++;
	if (ic->info.state == IC_NEGOTIATING && m.type == IC_NEGOTIATE && is_answer(ic, desc, &m)) {
		negotiated(ic, &m);
	} else if (ic->info.state == IC_BUSY && m.type == ic->kind->message &&
		   is_answer(ic, desc, &m)) {
		ic->info.state = IC_READY;
		ic->ops->answer(ic->ctx, m.status, m.data, m.data_size);
	} else {
		ic_count(ic, IC_FAULT_UNASKED);
	}
}

static void op_closed(void *ctx)
{
	struct ic *ic = ctx;
	enum ic_state was = ic->info.state;
	struct vmbus_local_stats stats;

	vmbus_local_stats(ic->local, &stats);
	ic->info.state = IC_CLOSED;
	ic->unsent = false;
	if (stats.broken > ic->info.faults[IC_FAULT_RING])
		ic_count(ic, IC_FAULT_RING);
	if (was == IC_BUSY)
		ic->ops->failed(ic->ctx, -ECONNRESET);
	if (was == IC_BUSY || was == IC_READY)
		ic->ops->closed(ic->ctx);
}

/* ---- Time ---- */

void ic_tick(struct ic *ic, uint64_t now_ns)
{
	ic->now_ns = now_ns;
	if (ic->info.state != IC_BUSY || now_ns < ic->deadline_ns)
		return;
	ic->info.state = IC_READY;
	ic->unsent = false;
	ic_count(ic, IC_FAULT_TIMEOUT);
	ic->ops->failed(ic->ctx, -ETIMEDOUT);
}

void ic_resumed(struct ic *ic, uint64_t now_ns)
{
	if (ic->info.state == IC_BUSY && ic->deadline_ns != UINT64_MAX && now_ns > ic->now_ns)
		ic->deadline_ns += now_ns - ic->now_ns;
	ic->now_ns = now_ns;
}

uint64_t ic_now(const struct ic *ic)
{
	return ic->now_ns;
}

bool ic_ready(const struct ic *ic)
{
	return ic->info.state == IC_READY;
}

void ic_info(const struct ic *ic, struct ic_info *ret_info)
{
	*ret_info = ic->info;
}

/* ---- Life ---- */

static const struct vmbus_local_ops local_ops = {
	.opened = op_opened,
	.closed = op_closed,
	.packet = op_packet,
	.room = op_room,
};

int ic_create(const struct ic_env *env, const struct ic_kind *kind, const struct ic_ops *ops,
	      void *ctx, struct ic **ret_ic)
{
	struct ic *ic = calloc(1, sizeof(*ic));
	struct vmbus_local_opts opts = {.type = kind->type,
					.max_packet = IC_HEADER_SIZE + IC_DATA_MAX + 4,
					.loop = env->loop,
					.ops = &local_ops,
					.ctx = ic};
	char name[64];
	int rc;

	if (ic == NULL)
		return -ENOMEM;
	ic->env = env;
	ic->kind = kind;
	ic->ops = ops;
	ic->ctx = ctx;
	snprintf(name, sizeof(name), "service %s", kind->name);
	vmbus_guid_of_name(name, &opts.instance);
	rc = vmbus_local_create(env->server, &opts, &ic->local);
	if (rc != 0) {
		free(ic);
		return rc;
	}
	*ret_ic = ic;
	return 0;
}

void ic_destroy(struct ic *ic)
{
	if (ic == NULL)
		return;
	vmbus_local_destroy(ic->local);
	free(ic);
}
