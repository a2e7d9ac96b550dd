/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See police.h.
 */
#include "dataplane/police.h"

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"

#define PART	   32u	  /* of a worker's time: one in so many cycles */
#define LATELY	   16384u /* frames */
#define FEW	   64u	  /* known frames, one in so many, are not worth it */
#define FIRST_COST 1000u
#define MOST_COST  16384u
#define BEHIND_MS  500u /* so long after a queue was last full */
#define ROUND_MS   100u

static bool is_behind(const struct dp_worker *w, uint16_t port, bool same)
{
	uint64_t since = w->burst_tsc - w->dp->tsc_hz / 1000 * BEHIND_MS;

	for (unsigned i = 0; i < DP_N_BEHIND; i++)
		if (w->behind[i].at != 0 && (w->behind[i].port == port) == same &&
		    (int64_t)(w->behind[i].at - since) > 0)
			return true;
	return false;
}

static void count(struct dp_police_port *p, unsigned n, unsigned unknown)
{
	if (p->frames > LATELY) {
		p->frames /= 2;
		p->known /= 2;
	}
	p->frames += n;
	p->known += n - unknown;
}

/* Does anybody suffer from this port's unknown frames? */
static bool competes(const struct dp_worker *w, const struct dp_police_port *p, uint16_t port)
{
	return is_behind(w, port, false) ||
	       (p->known > p->frames / FEW && is_behind(w, port, true));
}

/* Ports that want more than they get share what one would get. */
static void next_round(struct dp_police *police, uint64_t now, uint64_t per_ms)
{
	if (now - police->round < per_ms * ROUND_MS)
		return;
	police->round = now;
	police->n_share = police->n_want;
	police->n_want = 0;
	for (unsigned i = 0; i < DP_MAX_PORTS && police->n_share != 0; i++)
		police->ports[i].wants = false;
}

static void refill(const struct dp_worker *w, struct dp_police *police, struct dp_police_port *p)
{
	uint64_t cost = (uint64_t)(police->cost != 0 ? police->cost : FIRST_COST) * PART *
			(police->n_share > 1 ? police->n_share : 1);
	uint64_t more = (w->burst_tsc - p->at) / cost;

	if (more == 0)
		return;
	p->at += more * cost;
	p->n = more < DP_POLICE_AT_ONCE - p->n ? p->n + (uint32_t)more : DP_POLICE_AT_ONCE;
}

static uint32_t first_of(uint32_t bits, uint32_t n)
{
	uint32_t left = bits;

	for (; n != 0 && left != 0; n--)
		left &= left - 1;
	return bits & ~left;
}

uint32_t dp_police(struct dp_worker *w, uint16_t port, unsigned n, uint32_t unknown)
{
	struct dp_police *police = &w->flow->police;
	struct dp_police_port *p = &police->ports[port];
	unsigned n_unknown = (unsigned)__builtin_popcount(unknown);

	count(p, n, n_unknown);
	if (!competes(w, p, port)) {
		p->n = DP_POLICE_AT_ONCE;
		p->at = w->burst_tsc;
		return unknown;
	}
	next_round(police, w->burst_tsc, w->dp->tsc_hz / 1000);
	refill(w, police, p);
	if (p->n >= n_unknown) {
		p->n -= n_unknown;
		return unknown;
	}
	if (!p->wants) {
		p->wants = true;
		police->n_want++;
	}
	unknown = first_of(unknown, p->n);
	p->n = 0;
	return unknown;
}

void dp_police_spent(struct dp_police *police, uint64_t cycles, unsigned n)
{
	uint64_t one = cycles / n;

	if (police->cost == 0)
		police->cost = FIRST_COST;
	if (one > MOST_COST)
		one = MOST_COST;
	police->cost += (uint32_t)(one / 16) - police->cost / 16;
}
