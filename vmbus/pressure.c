/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pressure.h.
 */
#include "vmbus/pressure.h"

#define MB	      (1ull << 20)
#define SECOND	      1000000000ull
#define HOLD_NS	      (30 * SECOND) /* wanted less for so long, before anything is taken */
#define HOLD_SHORT_NS (5 * SECOND)  /* while the host is short */
#define SHORT	      50u	    /* percent from which it is */
#define UNIT	      (2 * MB)

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t clamp(const struct pressure *p, uint64_t bytes)
{
	return at_least(p->conf.minimum, at_most(bytes, p->conf.maximum));
}

static uint64_t demand(const struct pressure_input *in)
{
	uint64_t used = in->assigned - at_most(in->available, in->assigned);

	/* Who has all in use may need any amount more. */
	if (in->available < in->assigned / 20)
		used += in->assigned / 4;
	return at_least(used, in->committed);
}

unsigned pressure_percent(const struct pressure_input *in)
{
	uint64_t percent;

	if (in->assigned < 100)
		return 0;
	percent = demand(in) / (in->assigned / 100);
	return (unsigned)at_most(percent, 1000);
}

/* Percent, with what the host's shortage leaves of it. */
static uint64_t buffer(const struct pressure *p, unsigned host)
{
	uint64_t short_of = at_most(host, 100), yields = 100 - at_most(p->conf.priority, 100);

	return p->conf.buffer - p->conf.buffer * short_of * yields / 10000;
}

static uint64_t wanted(const struct pressure *p, const struct pressure_input *in)
{
	/* More than there can be is not multiplied. */
	uint64_t bytes = at_most(demand(in), p->conf.maximum);

	bytes += bytes / 100 * buffer(p, in->host);
	return clamp(p, (bytes + UNIT - 1) / UNIT * UNIT);
}

/* Not below what the guest could give without trouble. */
static uint64_t floor_of(const struct pressure *p, const struct pressure_input *in)
{
	uint64_t reserve = at_least(in->assigned / 20, 16 * MB);
	uint64_t spare = in->available - at_most(in->available, reserve);

	return in->assigned - at_most(spare, in->assigned);
}

static uint64_t shrink(struct pressure *p, const struct pressure_input *in, uint64_t want)
{
	uint64_t hold = in->host >= SHORT ? HOLD_SHORT_NS : HOLD_NS;
	uint64_t step = at_least(p->target / 8, 32 * MB), to;

	if (!p->low || in->now_ns < p->low_since_ns) {
		p->low = true;
		p->low_since_ns = in->now_ns;
	}
	if (in->now_ns - p->low_since_ns < hold)
		return p->target;
	p->low_since_ns = in->now_ns;
	to = at_least(want, p->target - at_most(step, p->target));
	to = at_least(to, floor_of(p, in));
	return at_most(p->target, clamp(p, (to + UNIT - 1) / UNIT * UNIT));
}

uint64_t pressure_update(struct pressure *p, const struct pressure_input *in)
{
	uint64_t want = wanted(p, in);
	uint64_t slack = at_least(p->target / 10, 16 * MB);

	if (want + slack < p->target) {
		p->target = shrink(p, in, want);
		return p->target;
	}
	p->low = false;
	p->target = at_least(p->target, want);
	return p->target;
}

void pressure_init(struct pressure *p, const struct pressure_conf *conf)
{
	*p = (struct pressure){.conf = *conf};
	p->target = clamp(p, conf->start);
}

void pressure_set_conf(struct pressure *p, const struct pressure_conf *conf)
{
	p->conf = *conf;
	p->target = clamp(p, p->target);
	p->low = false;
}
