/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_heartbeat.h.
 */
#include "vmbus/ic_heartbeat.h"

#include <errno.h>
#include <stdlib.h>

#include "ctl/base/wire.h"

#define INTERVAL_NS 2000000000ull
#define N_MISSING   5u
#define DATA_SIZE   40u

struct ic_heartbeat {
	struct ic *ic;
	struct ic_heartbeat_opts opts;
	struct ic_heartbeat_info info;
	uint64_t next_ns;
	bool asked;
};

static const struct ic_version frameworks[] = {{3, 0}, {1, 0}};
static const struct ic_version versions[] = {{3, 0}, {1, 0}};

static const struct ic_kind kind = {
	.name = "heartbeat",
	/* 57164f39-9115-4e78-ab55-382f3bd5422d */
	.type = {{0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e, 0xab, 0x55, 0x38, 0x2f, 0x3b,
		  0xd5, 0x42, 0x2d}},
	.message = IC_HEARTBEAT,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 2,
	.n_versions = 2,
};

const char *heartbeat_state_name(enum heartbeat_state state)
{
	static const char *const names[] = {"none", "ok", "lost"};

	return names[state];
}

static void set_state(struct ic_heartbeat *h, enum heartbeat_state state)
{
	if (state == h->info.state)
		return;
	h->info.state = state;
	if (h->opts.changed != NULL)
		h->opts.changed(h->opts.ctx, state);
}

static void on_ready(void *ctx, struct ic_version version)
{
	struct ic_heartbeat *h = ctx;

	h->info.sequence = 0;
	h->info.last_ok_ns = ic_now(h->ic);
	h->next_ns = h->info.last_ok_ns;
	h->asked = false;
	set_state(h, HEARTBEAT_OK);
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	struct ic_heartbeat *h = ctx;
	struct rd rd = rd_init(data, size);
	uint64_t sequence = rd_le64(&rd);
	uint32_t application = rd_le32(&rd);

	h->asked = false;
	if (!rd_ok(&rd) || sequence != h->info.sequence + 1 || status != IC_S_OK) {
		ic_count(h->ic, IC_FAULT_DATA);
		return;
	}
	h->info.sequence = sequence;
	h->info.application = application;
	h->info.last_ok_ns = ic_now(h->ic);
	set_state(h, HEARTBEAT_OK);
}

static void on_failed(void *ctx, int error)
{
	((struct ic_heartbeat *)ctx)->asked = false;
}

static void on_closed(void *ctx)
{
	set_state(ctx, HEARTBEAT_NONE);
}

static const struct ic_ops ops = {
	.ready = on_ready,
	.answer = on_answer,
	.failed = on_failed,
	.closed = on_closed,
};

static void ask(struct ic_heartbeat *h)
{
	uint8_t data[DATA_SIZE] = {0};
	struct wr wr = wr_over(data, sizeof(data));

	wr_le64(&wr, h->info.sequence);
	h->asked = ic_request(h->ic, data, sizeof(data), 0) == 0;
}

void ic_heartbeat_tick(struct ic_heartbeat *h, uint64_t now_ns)
{
	ic_tick(h->ic, now_ns);
	if (h->info.state == HEARTBEAT_NONE)
		return;
	if (now_ns >= h->next_ns) {
		h->next_ns = now_ns + h->opts.interval_ns;
		if (!h->asked)
			ask(h);
	}
	if (now_ns >= h->info.last_ok_ns + h->opts.n_missing * h->opts.interval_ns)
		set_state(h, HEARTBEAT_LOST);
}

void ic_heartbeat_resumed(struct ic_heartbeat *h, uint64_t now_ns)
{
	uint64_t gap = now_ns - ic_now(h->ic);

	h->info.last_ok_ns += gap;
	h->next_ns += gap;
	ic_resumed(h->ic, now_ns);
}

void ic_heartbeat_info(const struct ic_heartbeat *h, struct ic_heartbeat_info *ret_info)
{
	*ret_info = h->info;
	ic_info(h->ic, &ret_info->ic);
}

int ic_heartbeat_create(const struct ic_env *env, const struct ic_heartbeat_opts *opts,
			struct ic_heartbeat **ret_heartbeat)
{
	struct ic_heartbeat *h = calloc(1, sizeof(*h));
	int rc;

	if (h == NULL)
		return -ENOMEM;
	h->opts = *opts;
	if (h->opts.interval_ns == 0)
		h->opts.interval_ns = INTERVAL_NS;
	if (h->opts.n_missing == 0)
		h->opts.n_missing = N_MISSING;
	rc = ic_create(env, &kind, &ops, h, &h->ic);
	if (rc != 0) {
		free(h);
		return rc;
	}
	*ret_heartbeat = h;
	return 0;
}

void ic_heartbeat_destroy(struct ic_heartbeat *h)
{
	if (h == NULL)
		return;
	ic_destroy(h->ic);
	free(h);
}
