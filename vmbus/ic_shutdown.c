/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_shutdown.h.
 */
#include "vmbus/ic_shutdown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"

#define TIMEOUT_NS 30000000000ull
#define TEXT_SIZE  2048u
#define DATA_SIZE  (12u + TEXT_SIZE)
#define REASON	   0x80000000u /* planned: what Windows' event log shows */

#define FLAG_FORCE  1u
#define FLAG_REBOOT 2u

struct ic_shutdown {
	struct ic *ic;
	struct ic_shutdown_opts opts;
};

static const struct ic_version frameworks[] = {{3, 0}, {1, 0}};
static const struct ic_version versions[] = {{3, 2}, {3, 1}, {3, 0}, {1, 0}};

static const struct ic_kind kind = {
	.name = "shutdown",
	/* 0e0b6031-5213-4934-818b-38d90ced39db */
	.type = {{0x31, 0x60, 0x0b, 0x0e, 0x13, 0x52, 0x34, 0x49, 0x81, 0x8b, 0x38, 0xd9, 0x0c,
		  0xed, 0x39, 0xdb}},
	.message = IC_SHUTDOWN,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 2,
	.n_versions = 4,
};

static void done(struct ic_shutdown *s, int error)
{
	if (s->opts.done != NULL)
		s->opts.done(s->opts.ctx, error);
}

static void on_ready(void *ctx, struct ic_version version)
{
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	done(ctx, status == IC_S_OK ? 0 : -EIO);
}

static void on_failed(void *ctx, int error)
{
	done(ctx, error);
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

/* UTF-16LE of ASCII, with an end. */
static void put_text(uint8_t *to, const char *text)
{
	for (size_t i = 0; text[i] != '\0' && i < TEXT_SIZE / 2 - 1; i++)
		to[2 * i] = text[i] > 31 && text[i] < 127 ? (uint8_t)text[i] : '?';
}

int ic_shutdown_request(struct ic_shutdown *s, enum shutdown_how how, bool force, const char *why)
{
	uint8_t data[DATA_SIZE] = {0};
	struct wr wr = wr_over(data, sizeof(data));

	wr_le32(&wr, REASON);
	wr_le32(&wr, 0); /* seconds until then */
	wr_le32(&wr, (force ? FLAG_FORCE : 0) | (how == SHUTDOWN_REBOOT ? FLAG_REBOOT : 0));
	put_text(data + wr.size, why);
	return ic_request(s->ic, data, sizeof(data), TIMEOUT_NS);
}

void ic_shutdown_tick(struct ic_shutdown *s, uint64_t now_ns)
{
	ic_tick(s->ic, now_ns);
}

void ic_shutdown_resumed(struct ic_shutdown *s, uint64_t now_ns)
{
	ic_resumed(s->ic, now_ns);
}

bool ic_shutdown_ready(const struct ic_shutdown *s)
{
	return ic_ready(s->ic);
}

void ic_shutdown_info(const struct ic_shutdown *s, struct ic_info *ret_info)
{
	ic_info(s->ic, ret_info);
}

int ic_shutdown_create(const struct ic_env *env, const struct ic_shutdown_opts *opts,
		       struct ic_shutdown **ret_shutdown)
{
	struct ic_shutdown *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->opts = *opts;
	rc = ic_create(env, &kind, &ops, s, &s->ic);
	if (rc != 0) {
		free(s);
		return rc;
	}
	*ret_shutdown = s;
	return 0;
}

void ic_shutdown_destroy(struct ic_shutdown *s)
{
	if (s == NULL)
		return;
	ic_destroy(s->ic);
	free(s);
}
