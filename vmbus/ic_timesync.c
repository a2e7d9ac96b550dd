/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_timesync.h.
 */
#include "vmbus/ic_timesync.h"

#include <errno.h>
#include <stdlib.h>

#include "ctl/base/wire.h"

#define INTERVAL_NS   5000000000ull
#define TIMEOUT_NS    30000000000ull
#define STEP	      10000000u /* 100 ns; what clocks drift between samples is less */
#define DATA_OLD_SIZE 25u

#define FLAG_SYNC   1u
#define FLAG_SAMPLE 2u

struct ic_timesync {
	struct ic *ic;
	struct ic_timesync_opts opts;
	struct ic_timesync_info info;
	uint16_t major; /* of the version agreed on */
	uint64_t next_ns;
	bool wanted;	 /* a sync */
	bool asked_sync; /* what is outstanding is one */
	bool have_offset;
	uint64_t offset; /* host's time at reference time 0, as of the last message */
};

static const struct ic_version frameworks[] = {{3, 0}, {1, 0}};
static const struct ic_version versions[] = {{4, 0}, {3, 0}, {1, 0}};

static const struct ic_kind kind = {
	.name = "time",
	/* 9527e630-d0ae-497b-adce-e80ab0175caf */
	.type = {{0x30, 0xe6, 0x27, 0x95, 0xae, 0xd0, 0x7b, 0x49, 0xad, 0xce, 0xe8, 0x0a, 0xb0,
		  0x17, 0x5c, 0xaf}},
	.message = IC_TIMESYNC,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 2,
	.n_versions = 3,
};

static size_t write_time(void *to, uint16_t major, uint64_t host, uint64_t reference, uint8_t flags)
{
	struct wr wr = wr_over(to, DATA_OLD_SIZE);

	wr_le64(&wr, host);
	wr_le64(&wr, reference);
	if (major < 4)
		wr_le64(&wr, 0); /* round trip */
	wr_u8(&wr, flags);
	if (major >= 4) {
		wr_u8(&wr, 0); /* no leap second is near */
		wr_u8(&wr, 1); /* stratum */
		wr_zeros(&wr, 3);
	}
	return wr.size;
}

/* The host's clock was set since the last message. */
static bool stepped(struct ic_timesync *t, uint64_t offset)
{
	uint64_t by = offset - t->offset;
	bool far = by > STEP && -by > STEP;
	bool was = t->have_offset;

	t->offset = offset;
	t->have_offset = true;
	return was && far;
}

static void tell(struct ic_timesync *t)
{
	uint8_t data[DATA_OLD_SIZE];
	uint64_t host, reference;

	t->opts.now(t->opts.ctx, &host, &reference);
	if (stepped(t, host - reference))
		t->wanted = true;
	t->asked_sync = t->wanted;
	if (ic_request(t->ic, data,
		       write_time(data, t->major, host, reference,
				  t->wanted ? FLAG_SYNC : FLAG_SAMPLE),
		       TIMEOUT_NS) == 0)
		t->wanted = false;
}

static void on_ready(void *ctx, struct ic_version version)
{
	struct ic_timesync *t = ctx;

	t->major = version.major;
	t->wanted = true;
	t->have_offset = false;
	t->next_ns = ic_now(t->ic);
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	struct ic_timesync *t = ctx;

	if (status != IC_S_OK)
		ic_count(t->ic, IC_FAULT_DATA);
	else if (t->asked_sync)
		t->info.syncs++;
	else
		t->info.samples++;
}

/* What was to be set is to be set still. */
static void on_failed(void *ctx, int error)
{
	struct ic_timesync *t = ctx;

	t->wanted = t->wanted || t->asked_sync;
}

static void on_closed(void *ctx)
{
}

static const struct ic_ops ops = {
	.ready = on_ready,
	.answer = on_answer,
	.failed = on_failed,
	.closed = on_closed,
};

void ic_timesync_tick(struct ic_timesync *t, uint64_t now_ns)
{
	ic_tick(t->ic, now_ns);
	if (!ic_ready(t->ic) || (now_ns < t->next_ns && !t->wanted))
		return;
	t->next_ns = now_ns + t->opts.interval_ns;
	tell(t);
}

void ic_timesync_resumed(struct ic_timesync *t, uint64_t now_ns)
{
	ic_resumed(t->ic, now_ns);
	t->wanted = true;
}

void ic_timesync_sync(struct ic_timesync *t)
{
	t->wanted = true;
}

void ic_timesync_info(const struct ic_timesync *t, struct ic_timesync_info *ret_info)
{
	*ret_info = t->info;
	ic_info(t->ic, &ret_info->ic);
}

int ic_timesync_create(const struct ic_env *env, const struct ic_timesync_opts *opts,
		       struct ic_timesync **ret_timesync)
{
	struct ic_timesync *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->opts = *opts;
	if (t->opts.interval_ns == 0)
		t->opts.interval_ns = INTERVAL_NS;
	rc = ic_create(env, &kind, &ops, t, &t->ic);
	if (rc != 0) {
		free(t);
		return rc;
	}
	*ret_timesync = t;
	return 0;
}

void ic_timesync_destroy(struct ic_timesync *t)
{
	if (t == NULL)
		return;
	ic_destroy(t->ic);
	free(t);
}
