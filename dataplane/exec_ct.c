/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: steps about a frame's connection (ct.h) and its way back into the tables
 * (resume.h).  Workers.
 */
#include "dataplane/exec_priv.h"

#include <string.h>

/* What the frame knows of its connection so far. */
static struct dp_ct_mark *known(struct dp_walk *k)
{
	if (!k->ct_known) {
		if (k->run->resumed != NULL)
			k->ct = k->run->resumed->ct;
		else
			memset(&k->ct, 0, sizeof(k->ct));
		k->ct_known = true;
	}
	return &k->ct;
}

static void describe(struct dp_walk *k, struct dp_ct_packet *p)
{
	const struct rte_mbuf *m = k->f.m;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (likely(!k->changed && k->run->plain)) {
		dp_ct_packet_plain(k->run->key, frame, p);
		return;
	}
	if (!k->parsed) {
		dp_parse_mbuf(m, &k->h);
		k->parsed = true;
	}
	dp_ct_packet(frame, m->data_len, &k->h, p);
}

void dp_walk_ct(struct dp_walk *k, const struct dp_step *s, bool last)
{
	const struct dp_step_ct *c = (const struct dp_step_ct *)s->data;
	struct dp_flow *flow = k->run->w->flow;
	struct dp_ct *ct = atomic_load_explicit(&k->run->w->dp->ct, memory_order_acquire);
	struct dp_ct_mark *mark = known(k);
	struct dp_ct_packet p;

	if (unlikely(ct == NULL)) {
		*mark = (struct dp_ct_mark){.zone = c->zone, .state = DP_CT_TRACKED | DP_CT_INV};
		return;
	}
	describe(k, &p);
	if (unlikely(k->run->w->trace != NULL)) {
		dp_ct_peek(ct, k->f.domain, c->zone, &p, mark);
		return;
	}
	dp_ct_track(ct, &flow->ct, k->f.domain, c->zone, &p, flow->tick, mark);
	if ((c->flags & DP_STEP_CT_COMMIT) != 0) {
		struct dp_ct_commit commit = {
			.force = (c->flags & DP_STEP_CT_FORCE) != 0,
			.mark = c->mark,
			.mark_mask = c->mark_mask,
			.label = {c->label[0], c->label[1]},
			.label_mask = {c->label_mask[0], c->label_mask[1]},
		};

		dp_ct_commit(ct, &flow->ct, k->f.domain, &p, &commit, flow->tick, mark);
	}
}

void dp_walk_ct_clear(struct dp_walk *k, const struct dp_step *s, bool last)
{
	memset(&k->ct, 0, sizeof(k->ct));
	k->ct_known = true;
}

void dp_walk_resume(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_edge_frame f = dp_walk_leaving(k, last);

	if (f.m != NULL)
		dp_flow_resume(k->run, &f, s->arg, known(k), k->changed);
}
