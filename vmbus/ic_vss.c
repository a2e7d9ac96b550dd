/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_vss.h.
 */
#include "vmbus/ic_vss.h"

#include <errno.h>
#include <stdlib.h>

#include "ctl/base/wire.h"

#define SECOND		  1000000000ull
#define QUERY_TIMEOUT_NS  (30 * SECOND)
#define FREEZE_TIMEOUT_NS (60 * SECOND)
#define LIMIT_NS	  (30 * SECOND)
#define THAW_TIMEOUT_NS	  (30 * SECOND)
#define N_THAWS		  4u /* asked so often */
#define DATA_SIZE	  12u

enum op { OP_HOT_BACKUP = 2, OP_FREEZE = 5, OP_THAW = 6 };

struct ic_vss {
	struct ic *ic;
	struct ic_vss_opts opts;
	enum vss_state state;
	bool told;	/* frozen() was called with an error: nobody waits for thawed() */
	bool cancelled; /* thaw() came before it was frozen */
	int why;	/* for thawed() */
	unsigned n_thaws;
	uint64_t limit_ns; /* when FROZEN: until then */
};

static const struct ic_version frameworks[] = {{3, 0}};
static const struct ic_version versions[] = {{5, 0}};

static const struct ic_kind kind = {
	.name = "backup",
	/* 35fa2e29-ea23-4236-96ae-3a6ebacba440 */
	.type = {{0x29, 0x2e, 0xfa, 0x35, 0x23, 0xea, 0x36, 0x42, 0x96, 0xae, 0x3a, 0x6e, 0xba,
		  0xcb, 0xa4, 0x40}},
	.message = IC_VSS,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 1,
	.n_versions = 1,
};

const char *vss_state_name(enum vss_state state)
{
	static const char *const names[] = {"idle", "query", "freezing", "frozen", "thawing"};

	return names[state];
}

static int ask(struct ic_vss *v, enum op op, uint64_t timeout_ns)
{
	uint8_t data[DATA_SIZE] = {(uint8_t)op};

	return ic_request(v->ic, data, sizeof(data), timeout_ns);
}

/* ---- To the owner ---- */

static void frozen(struct ic_vss *v, int error)
{
	v->told = error != 0;
	if (v->opts.frozen != NULL)
		v->opts.frozen(v->opts.ctx, error);
}

static void over(struct ic_vss *v, int error)
{
	v->state = VSS_IDLE;
	if (!v->told && v->opts.thawed != NULL)
		v->opts.thawed(v->opts.ctx, v->why != 0 ? v->why : error);
}

/* ---- Steps ---- */

/* 'why': what thawed() will say, if nothing else goes wrong. */
static void thaw(struct ic_vss *v, int why)
{
	v->state = VSS_THAWING;
	v->why = why;
	v->n_thaws = 1;
	if (ask(v, OP_THAW, THAW_TIMEOUT_NS) != 0)
		over(v, -ECONNRESET);
}

/* It did not freeze, or not in time: it may have all the same. */
static void freeze_failed(struct ic_vss *v, int error)
{
	v->told = true;
	thaw(v, error);
	frozen(v, error);
}

static void queried(struct ic_vss *v, uint32_t status)
{
	if (status == IC_S_OK && !v->cancelled) {
		v->state = VSS_FREEZING;
		if (ask(v, OP_FREEZE, v->opts.freeze_timeout_ns) == 0)
			return;
	}
	v->state = VSS_IDLE;
	frozen(v, v->cancelled ? -ECANCELED : -EIO);
}

static void answered_freeze(struct ic_vss *v, uint32_t status)
{
	if (v->cancelled) {
		freeze_failed(v, -ECANCELED);
	} else if (status != IC_S_OK) {
		freeze_failed(v, -EIO);
	} else {
		v->state = VSS_FROZEN;
		v->limit_ns = ic_now(v->ic) + v->opts.limit_ns;
		frozen(v, 0);
	}
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	struct ic_vss *v = ctx;

	switch (v->state) {
	case VSS_QUERY:
		queried(v, status);
		break;
	case VSS_FREEZING:
		answered_freeze(v, status);
		break;
	case VSS_THAWING:
		over(v, status == IC_S_OK ? 0 : -EIO);
		break;
	case VSS_IDLE:
	case VSS_FROZEN:
		break;
	}
}

/* The driver or its daemon went away, and what it had frozen thawed with it. */
static void reset(struct ic_vss *v)
{
	enum vss_state was = v->state;

	v->state = VSS_IDLE;
	if (was == VSS_QUERY || was == VSS_FREEZING)
		frozen(v, -ECONNRESET);
	else if (was != VSS_IDLE)
		over(v, -ECONNRESET);
}

static void on_failed(void *ctx, int error)
{
	struct ic_vss *v = ctx;

	if (error == -ECONNRESET)
		return; /* on_closed() follows */
	if (v->state == VSS_QUERY) {
		v->state = VSS_IDLE;
		frozen(v, error);
	} else if (v->state == VSS_FREEZING) {
		freeze_failed(v, error);
	} else if (v->n_thaws++ == N_THAWS || ask(v, OP_THAW, THAW_TIMEOUT_NS) != 0) {
		over(v, error);
	}
}

static void on_ready(void *ctx, struct ic_version version)
{
}

static void on_closed(void *ctx)
{
	reset(ctx);
}

static const struct ic_ops ops = {
	.ready = on_ready,
	.answer = on_answer,
	.failed = on_failed,
	.closed = on_closed,
};

/* ---- From the owner ---- */

int ic_vss_freeze(struct ic_vss *v)
{
	int rc;

	if (v->state != VSS_IDLE)
		return -EBUSY;
	v->state = VSS_QUERY;
	v->cancelled = v->told = false;
	v->why = 0;
	rc = ask(v, OP_HOT_BACKUP, QUERY_TIMEOUT_NS);
	if (rc != 0)
		v->state = VSS_IDLE;
	return rc;
}

int ic_vss_thaw(struct ic_vss *v)
{
	if (v->state == VSS_IDLE || v->state == VSS_THAWING)
		return -EALREADY;
	if (v->state == VSS_FROZEN)
		thaw(v, 0);
	else
		v->cancelled = true;
	return 0;
}

void ic_vss_tick(struct ic_vss *v, uint64_t now_ns)
{
	ic_tick(v->ic, now_ns);
	if (v->state == VSS_FROZEN && now_ns >= v->limit_ns)
		thaw(v, -ETIMEDOUT);
}

void ic_vss_resumed(struct ic_vss *v, uint64_t now_ns)
{
	v->limit_ns += now_ns - ic_now(v->ic);
	ic_resumed(v->ic, now_ns);
}

enum vss_state ic_vss_state(const struct ic_vss *v)
{
	return v->state;
}

void ic_vss_info(const struct ic_vss *v, struct ic_info *ret_info)
{
	ic_info(v->ic, ret_info);
}

int ic_vss_create(const struct ic_env *env, const struct ic_vss_opts *opts, struct ic_vss **ret_vss)
{
	struct ic_vss *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return -ENOMEM;
	v->opts = *opts;
	if (v->opts.freeze_timeout_ns == 0)
		v->opts.freeze_timeout_ns = FREEZE_TIMEOUT_NS;
	if (v->opts.limit_ns == 0)
		v->opts.limit_ns = LIMIT_NS;
	rc = ic_create(env, &kind, &ops, v, &v->ic);
	if (rc != 0) {
		free(v);
		return rc;
	}
	*ret_vss = v;
	return 0;
}

void ic_vss_destroy(struct ic_vss *v)
{
	if (v == NULL)
		return;
	ic_destroy(v->ic);
	free(v);
}
