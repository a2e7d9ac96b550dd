/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: steps about a frame's connection (ct.h) and its way back into the tables
 * (resume.h).  Workers.
 */
#include "dataplane/exec_priv.h"

#include <errno.h>
#include <string.h>

/* What the frame knows of its connection so far. */
static struct dp_ct_mark *known(struct dp_walk *k)
{
	if (!k->ct_known) {
		memset(&k->ct, 0, sizeof(k->ct));
		if (k->run->resumed != NULL) {
			k->ct = k->run->resumed->ct;
			dp_ct_read(k->run->w->dp->ct, &k->ct);
		}
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

/* As its connection says; once in a zone. */
static void translate(struct dp_walk *k, const struct dp_ct *ct, struct dp_ct_mark *mark)
{
	int rc;

	if (mark->conn == 0 || (mark->state & (DP_CT_INV | DP_CT_SNAT | DP_CT_DNAT)) != 0 ||
	    !dp_ct_is_translated(ct, mark) || !dp_walk_writable(k))
		return;
	k->changed = true;
	rc = dp_ct_translate(ct, k->f.m, &k->h, mark);
	/* Half translated, or with the addresses of the wrong side, it must not go on. */
	if (rc != 0)
		dp_walk_drop(k, rc == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_CT_NAT);
}

static int commit(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
		  struct dp_ct_packet *p, struct dp_ct_mark *mark)
{
	const struct dp_ct_commit what = {
		.force = (c->flags & DP_STEP_CT_FORCE) != 0,
		.nat = (c->flags & DP_STEP_CT_BIND) != 0 ? &c->nat : NULL,
		.mark = c->mark,
		.mark_mask = c->mark_mask,
		.label = {c->label[0], c->label[1]},
		.label_mask = {c->label_mask[0], c->label_mask[1]},
	};
	struct dp_flow *flow = k->run->w->flow;

	return dp_ct_commit(ct, &flow->ct, k->f.domain, p, &what, flow->tick, mark);
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
	if ((c->flags & DP_STEP_CT_COMMIT) != 0 && commit(k, ct, c, &p, mark) != 0) {
		dp_walk_drop(k, DP_DROP_CT_NAT);
		return;
	}
	if ((c->flags & DP_STEP_CT_NAT) != 0)
		translate(k, ct, mark);
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
