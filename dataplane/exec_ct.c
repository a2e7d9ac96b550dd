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

/* The ports that a fragment's packet has by now. */
static const uint16_t *ports_of(const struct dp_whole *whole, const struct dp_ct_mark *mark)
{
	return mark->path != 0 ? whole->seen[mark->path - 1].ports : whole->ports;
}

static void describe_fragment(struct dp_walk *k, const struct dp_ct_mark *mark,
			      struct dp_ct_packet *p)
{
	const struct dp_whole *whole = k->run->w->flow->whole;
	const struct rte_mbuf *m = k->f.m;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (whole != NULL && k->h.frag == DP_FRAG_LATER)
		dp_ct_packet_later(frame, &k->h, &whole->packet, ports_of(whole, mark), p);
	else if (whole != NULL)
		dp_ct_packet_first(frame, m->data_len, &k->h, whole->l4_size, p);
	/* A trace does not wait for the others. */
	else if (k->run->w->trace != NULL)
		dp_ct_packet_first(frame, m->data_len, &k->h, k->h.ip_size - k->h.l3_size, p);
	else
		dp_ct_packet(frame, m->data_len, &k->h, p);
}

static void describe(struct dp_walk *k, const struct dp_ct_mark *mark, struct dp_ct_packet *p)
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
	if (unlikely(k->h.frag != 0))
		describe_fragment(k, mark, p);
	else
		dp_ct_packet(frame, m->data_len, &k->h, p);
}

/* As its connection says; once in a zone. */
static void translate(struct dp_walk *k, struct dp_ct *ct, struct dp_ct_mark *mark,
		      const struct dp_ct_text *text)
{
	int rc;

	if (mark->conn == 0 || (mark->state & (DP_CT_INV | DP_CT_SNAT | DP_CT_DNAT)) != 0 ||
	    !dp_ct_is_translated(ct, mark) || !dp_walk_writable(k))
		return;
	k->changed = true;
	rc = dp_ct_translate(ct, k->f.m, &k->h, mark);
	if (rc == 0 && unlikely(text->there || dp_ct_is_moved(ct, mark)))
		rc = dp_ct_retell(ct, k->f.m, &k->h, mark, text);
	if (unlikely(mark->path != 0) && !dp_ct_is_error(mark))
		dp_ct_translated_ports(ct, mark,
				       k->run->w->flow->whole->seen[mark->path - 1].ports);
	/* Half translated, or with the addresses of the wrong side, it must not go on. */
	if (rc != 0)
		dp_walk_drop(k, rc == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_CT_NAT);
}

static int commit(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
		  struct dp_ct_packet *p, struct dp_ct_mark *mark)
{
	const struct dp_ct_commit what = {
		.force = (c->flags & DP_STEP_CT_FORCE) != 0,
		.follow = (c->flags & DP_STEP_CT_NAT) != 0,
		.nat = (c->flags & DP_STEP_CT_BIND) != 0 ? &c->nat : NULL,
		.mark = c->mark,
		.mark_mask = c->mark_mask,
		.label = {c->label[0], c->label[1]},
		.label_mask = {c->label_mask[0], c->label_mask[1]},
	};
	struct dp_flow *flow = k->run->w->flow;

	return dp_ct_commit(ct, &flow->ct, k->f.domain, p, &what, flow->tick, mark);
}

/* ---- Fragments of a whole packet ---- */

static struct dp_whole_seen *find_seen(struct dp_whole *whole, uint16_t path, uint16_t ordinal)
{
	for (unsigned i = 0; i < whole->n_seen; i++)
		if (whole->seen[i].path == path && whole->seen[i].ordinal == ordinal)
			return &whole->seen[i];
	return NULL;
}

/* The first fragment here: its packet is tracked, and that is noted where there is room. */
static bool track_first(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
			struct dp_ct_packet *p, struct dp_ct_mark *mark, struct dp_whole_seen *seen)
{
	struct dp_flow *flow = k->run->w->flow;
	uint16_t path = mark->path;
	bool failed;

	if (seen != NULL)
		memcpy(seen->key, p->key, sizeof(seen->key));
	dp_ct_track(ct, &flow->ct, k->f.domain, c->zone, p, flow->tick, mark);
	failed = (c->flags & DP_STEP_CT_COMMIT) != 0 && commit(k, ct, c, p, mark) != 0;
	mark->path = path;
	if (seen == NULL)
		return !failed;
	memcpy(seen->ports, ports_of(flow->whole, mark), sizeof(seen->ports));
	mark->path = (uint16_t)(seen - flow->whole->seen + 1);
	seen->failed = failed;
	seen->mark = *mark;
	return !failed;
}

/* As dp_ct_track() and a commit, for a packet whose other fragments may have been here.  False: it
 * must not go on. */
static bool track_fragment(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
			   struct dp_ct_packet *p, struct dp_ct_mark *mark)
{
	struct dp_whole *whole = k->run->w->flow->whole;
	uint16_t ordinal = k->run->n_ct++;
	struct dp_whole_seen *seen = find_seen(whole, mark->path, ordinal);

	/* Rules that tell fragments apart lead them to different steps. */
	if (seen != NULL && seen->mark.zone == c->zone &&
	    memcmp(seen->key, p->key, sizeof(p->key)) == 0) {
		*mark = seen->mark;
		return !seen->failed;
	}
	if (seen != NULL || whole->n_seen == DP_WHOLE_SEEN)
		return track_first(k, ct, c, p, mark, NULL);
	seen = &whole->seen[whole->n_seen++];
	seen->path = mark->path;
	seen->ordinal = ordinal;
	return track_first(k, ct, c, p, mark, seen);
}

static bool track(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
		  struct dp_ct_packet *p, struct dp_ct_mark *mark)
{
	struct dp_flow *flow = k->run->w->flow;

	if (unlikely(flow->whole != NULL))
		return track_fragment(k, ct, c, p, mark);
	dp_ct_track(ct, &flow->ct, k->f.domain, c->zone, p, flow->tick, mark);
	return (c->flags & DP_STEP_CT_COMMIT) == 0 || commit(k, ct, c, p, mark) == 0;
}

/* Once, as it came: a packet whose connection is translated where that is done, for the words may
 * have to change. */
static void listen_to(struct dp_walk *k, struct dp_ct *ct, const struct dp_step_ct *c,
		      const struct dp_ct_packet *p, const struct dp_ct_mark *mark,
		      struct dp_ct_text *text)
{
	struct dp_flow *flow = k->run->w->flow;
	bool changes = dp_ct_is_translated(ct, mark);

	if ((mark->state & (DP_CT_SNAT | DP_CT_DNAT)) != 0 ||
	    (changes && (c->flags & DP_STEP_CT_NAT) == 0))
		return;
	dp_ct_listen(ct, &flow->ct, k->f.m, p, mark, flow->tick, changes ? text : NULL);
}

void dp_walk_ct(struct dp_walk *k, const struct dp_step *s, bool last)
{
	const struct dp_step_ct *c = (const struct dp_step_ct *)s->data;
	struct dp_ct *ct = atomic_load_explicit(&k->run->w->dp->ct, memory_order_acquire);
	struct dp_ct_mark *mark = known(k);
	struct dp_ct_packet p;
	struct dp_ct_text text;

	if (unlikely(ct == NULL)) {
		*mark = (struct dp_ct_mark){.zone = c->zone, .state = DP_CT_TRACKED | DP_CT_INV};
		return;
	}
	describe(k, mark, &p);
	if (unlikely(k->run->w->trace != NULL)) {
		dp_ct_peek(ct, k->f.domain, c->zone, &p, mark);
		return;
	}
	if (!track(k, ct, c, &p, mark)) {
		dp_walk_drop(k, DP_DROP_CT_NAT);
		return;
	}
	if (unlikely((c->flags & (DP_STEP_CT_FTP | DP_STEP_CT_TFTP)) != 0))
		dp_ct_set_alg(ct, mark,
			      (c->flags & DP_STEP_CT_FTP) != 0 ? DP_CT_ALG_FTP : DP_CT_ALG_TFTP);
	text.there = false;
	if (unlikely(dp_ct_has_alg(ct, mark)))
		listen_to(k, ct, c, &p, mark, &text);
	if ((c->flags & DP_STEP_CT_NAT) != 0)
		translate(k, ct, mark, &text);
}

void dp_walk_ct_clear(struct dp_walk *k, const struct dp_step *s, bool last)
{
	uint16_t path = 0;

	/* What a fragment's packet is called now stays. */
	if (unlikely(k->run->w->flow->whole != NULL))
		path = known(k)->path;
	memset(&k->ct, 0, sizeof(k->ct));
	k->ct.path = path;
	k->ct_known = true;
}

void dp_walk_resume(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_edge_frame f = dp_walk_leaving(k, last);

	if (f.m != NULL)
		dp_flow_resume(k->run, &f, s->arg, known(k), k->changed);
}
