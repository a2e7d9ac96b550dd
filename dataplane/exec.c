/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a program's steps on a frame.  The bytes are made the frame's own before the first change;
 * an output that is not the last step gets a copy that shares them, so what comes after it copies
 * once more before it writes.  Every frame and every copy ends in an output, the learning switch,
 * or a counted drop.  Workers.
 */
#include "dataplane/exec_priv.h"

#include "dataplane/acl.h"
#include "dataplane/notice.h"
#include "dataplane/queue.h"
#include "dataplane/rewrite.h"

#include <string.h>

/* Zeros up to the least size of a frame on a wire (IEEE 802.3 3.2.8), if it was that long before a
 * header was popped.  Frames that came shorter are a guest's or a tap's, whose receivers take them.
 */
void dp_walk_pad(struct dp_walk *k)
{
	uint32_t size = k->f.m->pkt_len;
	char *end;

	if (likely(!k->shrunk))
		return;
	k->shrunk = false;
	end = size < DP_FRAME_LEAST ? rte_pktmbuf_append(k->f.m, (uint16_t)(DP_FRAME_LEAST - size))
				    : NULL;
	if (end != NULL)
		memset(end, 0, DP_FRAME_LEAST - size);
}

struct rte_mbuf *dp_walk_clone(struct dp_walk *k)
{
	struct dp_worker *w = k->run->w;
	struct rte_mbuf *m;

	dp_walk_pad(k);
	m = rte_pktmbuf_clone(k->f.m, dp_pool(w->dp, 0, false));

	k->run->count->copies++;
	if (m == NULL)
		k->run->count->drops_rx[DP_DROP_NO_MBUF]++;
	k->own = false;
	return m;
}

void dp_walk_carried_on(struct dp_walk *k, bool tagged, uint16_t vid)
{
	k->f.tagged = tagged;
	k->f.cvlan = tagged && vid != 0 ? vid : k->run->in->pvid;
}

/* What the frame is carried on follows its tag. */
static void look_at_tag(struct dp_walk *k)
{
	const uint8_t *d = rte_pktmbuf_mtod(k->f.m, const uint8_t *);
	bool tagged;

	if (!k->tag_changed)
		return;
	k->tag_changed = false;
	/* What ended right behind the tag that was popped has room for none. */
	tagged = k->f.m->data_len >= 18 && dp_edge_is_tpid(dp_edge_eth_type_le(k->f.m));
	dp_walk_carried_on(k, tagged, tagged ? dp_edge_load_be16(d + 14) & 0xfff : 0);
}

void dp_walk_look_at_macs(struct dp_walk *k)
{
	const uint8_t *d = rte_pktmbuf_mtod(k->f.m, const uint8_t *);

	if (!k->macs_changed)
		return;
	k->macs_changed = false;
	k->f.dst = dp_key_load64(d) & DP_EDGE_MAC_MASK;
	k->f.src = dp_key_load64(d + 6) & DP_EDGE_MAC_MASK;
}

void dp_walk_drop(struct dp_walk *k, enum dp_drop reason)
{
	dp_drop(k->run->w, k->run->in->id, k->f.m, reason);
	k->f.m = NULL;
}

void dp_walk_end(struct dp_walk *k, enum dp_drop reason, uint32_t n_rules)
{
	dp_flow_uncount(k->run, n_rules, k->end);
	dp_walk_drop(k, reason);
}

/* The frame as it leaves by a step: itself when nothing comes after it, else a clone; its mbuf is
 * NULL when there is none. */
struct dp_edge_frame dp_walk_leaving(struct dp_walk *k, bool last)
{
	struct dp_edge_frame f;

	look_at_tag(k);
	dp_walk_pad(k);
	f = k->f;
	if (last)
		k->f.m = NULL;
	else
		f.m = dp_walk_clone(k);
	return f;
}

static void output(struct dp_walk *k, uint16_t port, bool last)
{
	struct dp_worker *w = k->run->w;
	const struct dp_vport *out = port < DP_MAX_PORTS ? w->view->vports[port] : NULL;
	struct dp_edge_frame f;

	if (unlikely(k->run->no_port)) {
		dp_walk_switch_output(k, out, last);
		return;
	}
	f = dp_walk_leaving(k, last);
	if (f.m != NULL)
		dp_edge_forward(w, k->run->in, out, &f, k->run->count);
}

/* The one output that may go back. */
static void output_in_port(struct dp_walk *k, bool last)
{
	struct dp_edge_frame f;

	if (unlikely(k->run->no_port)) {
		dp_walk_switch_output(k, NULL, last);
		return;
	}
	f = dp_walk_leaving(k, last);
	if (f.m != NULL)
		dp_edge_send(k->run->w, k->run->in, k->run->in, &f, k->run->count);
}

/* Bridge-local frames are not for FLOOD and NORMAL, which are what a bridge does (IEEE
 * 802.1Q 8.6.3); outputs and ALL are a rule's own will. */
static bool refuse_reserved(struct dp_walk *k, struct rte_mbuf *m)
{
	if (!dp_edge_stays(k->run->in, k->f.dst))
		return false;
	dp_drop(k->run->w, k->run->in->id, m, DP_DROP_RESERVED_MAC);
	return true;
}

static void flood(struct dp_walk *k, bool all, bool last)
{
	struct dp_worker *w = k->run->w;
	struct rte_mbuf *m = k->f.m;

	look_at_tag(k);
	dp_walk_look_at_macs(k);
	dp_walk_pad(k);
	if (last)
		k->f.m = NULL;
	else if ((m = dp_walk_clone(k)) == NULL)
		return;
	if (!all && refuse_reserved(k, m))
		return;
	dp_flood(w, k->run->in, w->view->domains[k->f.domain], m, k->f.cvlan, k->f.tagged, true);
}

static void normal(struct dp_walk *k, bool last)
{
	struct dp_run *run = k->run;
	struct dp_edge_frame f;

	look_at_tag(k);
	dp_walk_look_at_macs(k);
	dp_walk_pad(k);
	f = k->f;
	if (last)
		k->f.m = NULL;
	else if ((f.m = dp_walk_clone(k)) == NULL)
		return;
	if (refuse_reserved(k, f.m))
		return;
	/* A program with many NORMALs does not get more room than the burst had. */
	if (run->n_normal == DP_BURST) {
		dp_l2_forward(run->w, run->in, run->normal, run->n_normal);
		run->n_normal = 0;
	}
	run->normal[run->n_normal++] = f;
}

/* The frame may be written to, and its headers are known. */
bool dp_walk_writable(struct dp_walk *k)
{
	if (!k->own) {
		k->f.m = dp_rw_own(k->f.m, dp_pool(k->run->w->dp, 0, false));
		if (k->f.m == NULL) {
			k->run->count->drops_rx[DP_DROP_NO_MBUF]++;
			return false;
		}
		k->own = true;
	}
	if (!k->parsed) {
		dp_parse_mbuf(k->f.m, &k->h);
		k->parsed = true;
	}
	return true;
}

static void walk_steps(struct dp_walk *k, const uint8_t *steps, uint16_t size);

static void on_clone(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_walk copy = *k;

	if (k->depth == DP_STEPS_DEPTH)
		return;
	/* With nothing behind it, the frame itself goes this way. */
	if (last) {
		k->f.m = NULL;
	} else {
		copy.f.m = dp_walk_clone(k);
		copy.own = false;
	}
	copy.depth++;
	copy.end = s->arg;
	if (copy.f.m != NULL)
		walk_steps(&copy, s->data, (uint16_t)(s->size - sizeof(*s)));
}

static void on_output(struct dp_walk *k, const struct dp_step *s, bool last)
{
	output(k, (uint16_t)s->arg, last);
}

static void on_in_port(struct dp_walk *k, const struct dp_step *s, bool last)
{
	output_in_port(k, last);
}

static void on_flood(struct dp_walk *k, const struct dp_step *s, bool last)
{
	if (unlikely(k->run->no_port))
		dp_walk_switch_flood(k, last);
	else
		flood(k, s->op == DP_STEP_ALL, last);
}

static void on_normal(struct dp_walk *k, const struct dp_step *s, bool last)
{
	if (unlikely(k->run->no_port))
		dp_walk_switch_normal(k, last);
	else
		normal(k, last);
}

static void on_table(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_edge_frame f;

	dp_walk_look_at_macs(k);
	f = dp_walk_leaving(k, last);
	if (f.m != NULL)
		dp_flow_submit(k->run, &f);
}

static void on_queue(struct dp_walk *k, const struct dp_step *s, bool last)
{
	dp_queue_mark(k->f.m, s->arg);
}

static void on_drop(struct dp_walk *k, const struct dp_step *s, bool last)
{
	dp_walk_drop(k, (enum dp_drop)s->arg);
}

static void on_deny(struct dp_walk *k, const struct dp_step *s, bool last)
{
	const struct dp_step_deny *d = (const struct dp_step_deny *)s->data;
	struct dp_worker *w = k->run->w;

	if (w->trace == NULL && dp_acl_is_told(d->rule))
		dp_notice(w, k->run->in->id, (enum dp_drop)s->arg, d->rule->id, k->f.m);
	dp_walk_drop(k, (enum dp_drop)s->arg);
}

/* What is not listed changes bytes. */
static void (*const on[DP_N_STEPS])(struct dp_walk *k, const struct dp_step *s, bool last) = {
	[DP_STEP_OUTPUT] = on_output,
	[DP_STEP_IN_PORT] = on_in_port,
	[DP_STEP_FLOOD] = on_flood,
	[DP_STEP_ALL] = on_flood,
	[DP_STEP_NORMAL] = on_normal,
	[DP_STEP_DROP] = on_drop,
	[DP_STEP_DENY] = on_deny,
	[DP_STEP_CLONE] = on_clone,
	[DP_STEP_METER] = dp_walk_meter,
	[DP_STEP_QUEUE] = on_queue,
	[DP_STEP_CONTROLLER] = dp_walk_controller,
	[DP_STEP_TABLE] = on_table,
	[DP_STEP_CT] = dp_walk_ct,
	[DP_STEP_CT_CLEAR] = dp_walk_ct_clear,
	[DP_STEP_RESUME] = dp_walk_resume,
	[DP_STEP_TUNNEL] = dp_walk_tunnel,
};

/* One step.  The frame is gone when k->f.m is NULL after it. */
static void step(struct dp_walk *k, const struct dp_step *s, bool last)
{
	if (on[s->op] != NULL)
		on[s->op](k, s, last);
	else
		dp_walk_change(k, s, last);
}

static void walk_steps(struct dp_walk *k, const uint8_t *steps, uint16_t size)
{
	for (uint16_t at = 0; at < size && k->f.m != NULL;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		at = (uint16_t)(at + s->size);
		step(k, s, at == size);
	}
	if (k->f.m != NULL)
		dp_walk_drop(k, DP_DROP_NO_ACTION);
}

void dp_exec(struct dp_run *run, const struct dp_edge_frame *frame, const uint8_t *steps,
	     uint16_t size)
{
	struct dp_walk k; /* not cleared: the headers are filled in when a step needs them */

	k.run = run;
	k.f = *frame;
	k.parsed = k.own = k.tag_changed = k.shrunk = false;
	k.macs_changed = true; /* 'f' need not have them */
	k.changed = k.ct_known = false;
	k.depth = 0;
	k.end = run->n_rules;
	walk_steps(&k, steps, size);
}
