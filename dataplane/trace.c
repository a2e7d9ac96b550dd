/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See trace.h.  The control thread is the one that takes out and frees what workers read, so it may
 * read all of it without being one of them.
 */
#include "dataplane/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dataplane/acl.h"
#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/flow.h"
#include "dataplane/mf.h"
#include "dataplane/mirror.h"
#include "dataplane/queue.h"
#include "dataplane/trace_priv.h"
#include "dataplane/tunnel.h"

#define CACHE_ENTRIES 1024u
#define TAG_SIZE      4u
#define MAX_BYTES     (4u << 20)

/* A port of the copy: the view's half, and a driver that sends nothing. */
struct ghost_port {
	struct dp_vport vport;
	struct dp_port port;
	struct dp_txq txq;
	struct dp_trace *trace;
	bool link_up;
};

/* ---- What is told ---- */

static struct dp_trace_event *event(struct dp_trace *t, enum dp_trace_what what)
{
	struct dp_trace_event *e;

	if (!t->record)
		return NULL;
	if (t->n_events == t->room) {
		unsigned room = t->room == 0 ? 16 : t->room * 2;
		struct dp_trace_event *more = room > DP_TRACE_MAX_EVENTS
						      ? NULL
						      : realloc(t->events, room * sizeof(*more));

		if (more == NULL) {
			t->n_more++;
			return NULL;
		}
		t->events = more;
		t->room = room;
	}
	e = &t->events[t->n_events++];
	*e = (struct dp_trace_event){.what = what,
				     .reason = DP_N_DROPS,
				     .port = DP_NO_PORT,
				     .queue = DP_QUEUE_NONE,
				     .at = UINT32_MAX};
	return e;
}

void dp_trace_dropped(struct dp_trace *t, uint16_t port, enum dp_drop reason)
{
	struct dp_trace_event *e = event(t, port == DP_NO_PORT ? DP_TRACE_DROPPED : DP_TRACE_LOST);

	if (e != NULL) {
		e->reason = reason;
		e->port = port == DP_NO_PORT ? t->refused_by : port;
	}
	t->refused_by = DP_NO_PORT;
}

static bool is_static(const struct dp_fdb_bucket *b, int slot)
{
	return slot >= 0 &&
	       (atomic_load_explicit(&b->bits, memory_order_relaxed) & DP_FDB_STATIC(slot)) != 0;
}

/* Would the table have put 'f->dst' behind 'in' because one of the frames came from it?  Limits on
 * how much may be learned are not looked at. */
static bool would_learn(struct dp_worker *w, const struct dp_edge_frame *frames, uint16_t n,
			const struct dp_edge_frame *f)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	struct dp_fdb_bucket *b;
	int slot;

	for (uint16_t i = 0; i < n; i++) {
		if (frames[i].src != f->dst || frames[i].where != f->where)
			continue;
		dp_fdb_find(fdb, t, f->dst_bucket, f->dst, f->where, &b, &slot);
		return !is_static(b, slot);
	}
	return false;
}

uint16_t dp_trace_decided(struct dp_worker *w, const struct dp_vport *in,
			  const struct dp_edge_frame *frames, uint16_t n,
			  const struct dp_edge_frame *f, uint16_t id)
{
	const struct dp_view *real = atomic_load_explicit(&w->dp->view, memory_order_relaxed);
	struct dp_trace_event *e;

	/* The copy's ports do not learn; the real one may. */
	if ((f->dst & DP_EDGE_GROUP_BIT) == 0 && (real->vports[in->id]->flags & DP_VP_LEARN) != 0 &&
	    would_learn(w, frames, n, f))
		id = in->id;
	e = event(w->trace, id != DP_NO_PORT ? DP_TRACE_FOUND : DP_TRACE_FLOODED);
	if (e != NULL) {
		e->port = id;
		e->vlan = f->cvlan;
	}
	return id;
}

static void keep_queue(const struct ghost_port *p, struct dp_trace_event *e,
		       const struct rte_mbuf *m)
{
	if ((m->ol_flags & DP_QUEUE_MARK) == 0)
		return;
	e->queue = m->hash.sched.queue_id;
	e->has_queue = dp_queue_find(p->vport.queues, e->queue) != NULL;
}

/* Room for the event's 'size' bytes; NULL: they are not kept. */
static uint8_t *room_for(struct dp_trace *t, struct dp_trace_event *e, uint32_t size)
{
	e->size = size;
	if (size > MAX_BYTES - t->n_bytes)
		return NULL;
	if (size > t->bytes_room - t->n_bytes) {
		uint32_t room =
			t->n_bytes + size < MAX_BYTES / 2 ? 2 * (t->n_bytes + size) : MAX_BYTES;
		uint8_t *more = realloc(t->bytes, room);

		if (more == NULL)
			return NULL;
		t->bytes = more;
		t->bytes_room = room;
	}
	e->at = t->n_bytes;
	t->n_bytes += size;
	return t->bytes + e->at;
}

static void keep_bytes(struct dp_trace *t, struct dp_trace_event *e, const struct rte_mbuf *m)
{
	uint32_t size = rte_pktmbuf_pkt_len(m);
	uint8_t *to = room_for(t, e, size);
	const void *from = to != NULL ? rte_pktmbuf_read(m, 0, size, to) : to;

	if (from != to)
		memcpy(to, from, size);
}

void dp_trace_mirrors(struct dp_trace *t, const struct dp_vport *vp, enum dp_filter_side side,
		      const struct rte_mbuf *m)
{
	const struct dp_mirrors *mirrors = vp->mirrors[side];
	struct dp_trace_event *e;
	char names[1024] = "";
	size_t n = 0;
	uint8_t *to;

	for (uint16_t i = 0; i < mirrors->n && n < sizeof(names); i++)
		if (dp_mirror_would(&mirrors->v[i], vp, side, m))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
					      n == 0 ? "" : ", ", mirrors->v[i].mirror->name);
	e = n != 0 ? event(t, DP_TRACE_MIRRORS) : NULL;
	if (e == NULL)
		return;
	e->port = vp->id;
	e->egress = side == DP_FILTER_EGRESS;
	to = room_for(t, e, (uint32_t)strlen(names));
	if (to != NULL)
		memcpy(to, names, strlen(names));
}

void dp_trace_filters(struct dp_trace *t, const struct dp_vport *vp, enum dp_filter_side side)
{
	const struct dp_filter_chain *chain = vp->filters[side];
	const struct dp_filter_ops *ops = ((const struct dp_filter_chain_head *)chain)->ops;
	struct dp_trace_event *e = event(t, DP_TRACE_FILTERS);
	char names[1024] = "";
	size_t n = 0;
	uint8_t *to;

	if (e == NULL)
		return;
	for (unsigned i = 0; ops->name(chain, i) != NULL && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i == 0 ? "" : ", ",
				      ops->name(chain, i));
	e->port = vp->id;
	e->egress = side == DP_FILTER_EGRESS;
	to = room_for(t, e, (uint32_t)strlen(names));
	if (to != NULL)
		memcpy(to, names, strlen(names));
}

void dp_trace_asked(struct dp_trace *t, uint16_t port, enum dp_filter_side side,
		    const struct dp_acl *acl, const struct dp_acl_rule *rule, bool of_session)
{
	struct dp_trace_event *e;
	char name[512] = "a session";
	uint8_t *to;

	if (!of_session && rule == NULL)
		return;
	e = event(t, DP_TRACE_ASKED);
	if (e == NULL)
		return;
	if (!of_session)
		acl->name(acl, rule, name, sizeof(name));
	e->port = port;
	e->egress = side == DP_FILTER_EGRESS;
	e->allowed = of_session || rule->allow;
	to = room_for(t, e, (uint32_t)strlen(name));
	if (to != NULL)
		memcpy(to, name, strlen(name));
}

void dp_trace_shaped(struct dp_trace *t, const struct dp_vport *vp, uint16_t leaf)
{
	struct dp_trace_event *e = event(t, DP_TRACE_SHAPED);

	if (e == NULL)
		return;
	e->port = vp->id;
	e->queue = leaf;
	e->has_queue = true;
}

/* The driver of all ports. */
static uint16_t keep(struct dp_txq *txq, struct rte_mbuf **pkts, uint16_t n)
{
	struct ghost_port *p = txq->priv;

	if (!p->link_up)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		struct dp_trace_event *e = event(p->trace, DP_TRACE_SENT);

		if (e != NULL) {
			e->port = p->port.id;
			keep_queue(p, e, pkts[i]);
			keep_bytes(p->trace, e, pkts[i]);
		}
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* ---- The copy of the view ---- */

static void view_free(struct dp_view *view)
{
	for (unsigned i = 0; view != NULL && i < DP_MAX_PORTS; i++)
		free((struct ghost_port *)view->vports[i]);
	for (unsigned i = 0; view != NULL && i < DP_MAX_DOMAINS; i++)
		free(view->domains[i]);
	free(view);
}

static struct dp_vport *vport_copy(const struct dp_vport *vp, struct dp_trace *trace)
{
	struct ghost_port *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);
	struct dp_link link = {0};

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->vport = *vp;
	p->vport.flags &= ~DP_VP_LEARN;
	/* A frame can be traced from a port whose device is away; none can be sent to it. */
	p->vport.port = &p->port;
	p->trace = trace;
	p->txq.priv = p;
	p->txq.port = &p->port;
	p->port.id = vp->id;
	p->port.tx = keep;
	p->port.txq = &p->txq;
	if (vp->port == NULL)
		return &p->vport;
	p->port.tx_caps = vp->port->tx_caps;
	p->port.n_txq = vp->port->n_txq != 0;
	/* A port without a device (a tunnel) hands on to others, which are copies too. */
	if (vp->port->ops != NULL && vp->port->ops->sink != NULL)
		p->port.ops = vp->port->ops;
	atomic_init(&p->port.max_frame, atomic_load(&vp->port->max_frame));
	if (vp->port->ops != NULL && vp->port->ops->link != NULL)
		vp->port->ops->link((struct dp_port *)vp->port, &link);
	else
		link.up = true;
	p->link_up = link.up;
	atomic_init(&p->port.link_up, link.up);
	return &p->vport;
}

static struct dp_view *view_copy(const struct dp_view *view, struct dp_trace *trace)
{
	struct dp_view *copy = calloc(1, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	copy->version = view->version;
	copy->n_vports = view->n_vports;
	copy->n_domains = view->n_domains;
	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		if (view->vports[i] == NULL)
			continue;
		copy->vports[i] = vport_copy(view->vports[i], trace);
		if (copy->vports[i] == NULL)
			goto fail;
	}
	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++) {
		if (view->domains[i] == NULL)
			continue;
		copy->domains[i] = malloc(sizeof(*copy->domains[i]));
		if (copy->domains[i] == NULL)
			goto fail;
		*copy->domains[i] = *view->domains[i];
		copy->domains[i]->flood_limit = NULL;
	}
	return copy;
fail:
	view_free(copy);
	return NULL;
}

/* ---- The worker that is none ---- */

static void flow_free(struct dp_flow *flow)
{
	if (flow == NULL)
		return;
	dp_resumes_destroy(flow->resumes);
	dp_mf_destroy(flow->mf);
	dp_programs_destroy(flow->programs);
	free(flow);
}

static void unref_program(void *arg, struct dp_program *program)
{
	dp_flow_program_put(arg, program);
}

/* All rules count in one place, which nobody reads. */
static struct dp_flow *flow_make(struct dp *dp)
{
	struct dp_flow *flow = aligned_alloc(64, (sizeof(*flow) + 63) & ~(size_t)63);
	size_t size = DP_FLOW_COUNTERS_A_CHUNK * sizeof(struct dp_flow_counter);

	if (flow == NULL)
		return NULL;
	memset(flow, 0, sizeof(*flow));
	if (dp->trace_counters == NULL)
		dp->trace_counters = aligned_alloc(64, size);
	if (dp->trace_counters == NULL || dp_programs_create(CACHE_ENTRIES, &flow->programs) != 0 ||
	    dp_mf_create(CACHE_ENTRIES, unref_program, flow, &flow->mf) != 0 ||
	    dp_resumes_create(flow->mf, &flow->resumes) != 0) {
		flow_free(flow);
		return NULL;
	}
	memset(dp->trace_counters, 0, size);
	for (unsigned i = 0; i < DP_FLOW_MAX_CHUNKS; i++)
		atomic_init(&flow->counters[i], dp->trace_counters);
	return flow;
}

/* The one that is kept, with nothing in its cache. */
static struct dp_flow *flow_of(struct dp *dp)
{
	if (dp->trace_flow == NULL)
		dp->trace_flow = flow_make(dp);
	for (uint16_t i = 0; dp->trace_flow != NULL && i < DP_MAX_PIPELINES; i++)
		dp_mf_flush(dp->trace_flow->mf, i);
	return dp->trace_flow;
}

void dp_trace_forget(struct dp *dp)
{
	flow_free(dp->trace_flow);
	free(dp->trace_counters);
	dp->trace_flow = NULL;
	dp->trace_counters = NULL;
}

static bool count_make(struct dp_ghost *g)
{
	struct dp_worker *w = g->w;

	w->count = &w->sets[0];
	w->sets[0].domains = calloc(DP_MAX_DOMAINS, sizeof(*w->sets[0].domains));
	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		if (g->view->vports[i] == NULL)
			continue;
		w->sets[0].ports[i] = calloc(1, sizeof(*w->sets[0].ports[i]));
		w->tx[i] = calloc(1, sizeof(*w->tx[i]));
		if (w->sets[0].ports[i] == NULL || w->tx[i] == NULL)
			return false;
	}
	return w->sets[0].domains != NULL;
}

static void ghost_fini(struct dp_ghost *g)
{
	struct dp_worker *w = g->w;

	if (w != NULL) {
		free(w->sets[0].domains);
		for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
			free(w->sets[0].ports[i]);
			free(w->tx[i]);
		}
	}
	free(w);
	view_free(g->view);
}

static int ghost_init(struct dp_ghost *g, struct dp *dp, struct dp_trace *t)
{
	const struct dp_view *view = atomic_load_explicit(&dp->view, memory_order_relaxed);
	struct dp_worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);

	*g = (struct dp_ghost){.dp = dp, .w = w, .trace = t, .real = view->vports[t->port]};
	if (w == NULL)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->dp = dp;
	w->trace = t;
	g->view = view_copy(view, t);
	w->view = g->view;
	if (g->view == NULL || !count_make(g))
		return -ENOMEM;
	g->in = g->view->vports[t->port];
	/* Through a tunnel it may come to a switch with rules from one without. */
	if (dp_flow_wanted(dp))
		w->flow = flow_of(dp);
	return dp_flow_wanted(dp) && w->flow == NULL ? -ENOMEM : 0;
}

struct rte_mbuf *dp_ghost_frame(const struct dp_ghost *g)
{
	struct rte_mempool *pool = dp_pool(g->dp, 0, false);
	const struct dp_trace *t = g->trace;
	struct rte_mbuf *m = NULL;
	uint32_t at = 0;

	do {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);
		uint32_t n = t->size - at;

		if (seg == NULL || (m != NULL && rte_pktmbuf_chain(m, seg) != 0)) {
			rte_pktmbuf_free(seg);
			rte_pktmbuf_free(m);
			return NULL;
		}
		if (m == NULL)
			m = seg;
		if (n > rte_pktmbuf_tailroom(seg))
			n = rte_pktmbuf_tailroom(seg);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), t->frame + at, n);
		at += n;
	} while (at < t->size);
	m->port = t->port;
	/* Nobody took an outer header off. */
	if (g->in->tunnel != NULL)
		dp_tunnel_pretend(m, &t->outer, g->in->wire != NULL ? TAG_SIZE : 0);
	return m;
}

void dp_ghost_carry(struct dp_ghost *g, struct rte_mbuf **pkts, uint16_t n)
{
	g->w->burst_tsc = rte_rdtsc();
	if (g->in->pipeline != NULL)
		dp_flow_burst(g->w, g->in, pkts, n);
	else
		dp_l2_burst(g->w, g->in, pkts, n);
}

/* ---- What the stages say ---- */

/* The edge's words and the key, by the same functions on a copy. */
static void look_at_edge(const struct dp_ghost *g, struct rte_mbuf *m)
{
	struct dp_edge_frame f = {.m = m};
	struct dp_trace *t = g->trace;
	struct dp_headers h;

	if ((g->in->flags & (DP_VP_UP | DP_VP_HELD)) != DP_VP_UP)
		t->drop = (g->in->flags & DP_VP_UP) == 0 ? DP_DROP_PORT_DISABLED : DP_DROP_LOOP;
	else
		t->drop = dp_edge_classify(g->in, &f);
	t->captured = g->real->port != NULL && atomic_load(&g->real->port->capture) != NULL;
	if (t->drop != DP_N_DROPS)
		return;
	t->domain = f.domain;
	t->cvlan = f.cvlan;
	t->tagged = f.tagged;
	dp_parse_mbuf(m, &h);
	dp_key_extract_head(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, &h,
			    g->in->of_port, &t->key);
	if (g->in->tunnel != NULL)
		dp_tunnel_key(m, &t->key);
}

static void look_at_build(const struct dp_ghost *g)
{
	const struct dp_build *b = &g->w->flow->build;
	struct dp_trace *t = g->trace;

	t->wc = b->wc;
	t->kept = b->keep;
	t->steps_size = b->size;
	memcpy(t->steps, b->steps, b->size);
}

/* A frame that came back was translated more than once: the caches are asked for its first part. */
static void build_first_part(struct dp_ghost *g)
{
	struct dp_flow *flow = g->w->flow;
	const struct dp_pipeline *pl = g->in->pipeline;
	struct dp_build *b = &flow->build;

	if (b->from == NULL)
		return;
	dp_build_init(b);
	b->resume = dp_flow_resume_state;
	b->resume_arg = flow;
	b->acl = dp_acl_composed(g->in);
	pl->translate(pl->arg, &g->trace->key, flow->seen[pl->index], b);
}

/* Where a program goes on has a number of each worker's own. */
static bool same_steps(const uint8_t *a, const uint8_t *b, uint16_t size)
{
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(a + at);
		const struct dp_step *t = (const struct dp_step *)(b + at);
		uint16_t part = s->op == DP_STEP_CLONE ? (uint16_t)sizeof(*s) : s->size;

		if (s->op != t->op || s->size != t->size ||
		    (s->op != DP_STEP_RESUME && memcmp(s, t, part) != 0))
			return false;
		at = (uint16_t)(at + part);
	}
	return true;
}

static bool same_program(const struct dp_program *p, const struct dp_build *b)
{
	const uint32_t *rules = dp_program_rules(p);

	if (p->n_rules != b->n_rules || memcmp(rules, b->rules, b->n_rules * sizeof(*rules)) != 0)
		return false;
	if (p->out != DP_NO_PORT)
		return p->out == dp_build_only_output(b);
	return p->size == b->size && same_steps(p->steps, b->steps, b->size);
}

static void group_mask(const struct dp_mf_group *g, struct dp_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->w, g->mask, sizeof(g->mask));
	for (unsigned i = 0; i < g->n_beyond; i++)
		ret->w[g->beyond[i]] = g->beyond_mask[i];
}

static void look_at_cache(struct dp_ghost *g, const struct dp_worker *w)
{
	const struct dp_pipeline *pl = g->in->pipeline;
	struct dp_trace *t = g->trace;
	struct dp_trace_cache *c = &t->caches[t->n_caches++];
	const struct dp_mf_entry *e = dp_mf_peek(w->flow->mf, pl->index, &t->key, &c->groups);

	c->cpu = w->cpu;
	c->behind = w->flow->seen[pl->index] != atomic_load(&pl->version);
	c->hit = e != NULL;
	if (e == NULL)
		return;
	c->same = same_program(e->program, &g->w->flow->build);
	group_mask(w->flow->mf->group_of[e->group], &c->mask);
}

/* Workers change their caches as they go: they stand still for this, some tens of microseconds. */
static void look_at_caches(struct dp_ghost *g)
{
	dp_pause(g->dp);
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (g->dp->workers[i] != NULL && g->dp->workers[i]->flow != NULL)
			look_at_cache(g, g->dp->workers[i]);
	dp_resume(g->dp);
}

/* Ingress lists that the translation asks: it has nobody to tell. */
static void look_at_acl(struct dp_ghost *g)
{
	const struct dp_acl *acl = dp_acl_composed(g->in);
	const struct dp_acl_rule *rule = acl != NULL ? acl->find(acl, &g->trace->key, NULL) : NULL;

	g->trace->record = true;
	if (rule != NULL)
		dp_trace_asked(g->trace, g->in->id, DP_FILTER_INGRESS, acl, rule, false);
	g->trace->record = false;
}

static int trace(struct dp_ghost *g)
{
	struct dp_trace *t = g->trace;
	struct rte_mbuf *m = dp_ghost_frame(g);

	if (m == NULL)
		return -ENOMEM;
	look_at_edge(g, m);
	/* It may have lost its tenant's tag. */
	rte_pktmbuf_free(m);
	m = dp_ghost_frame(g);
	if (m == NULL)
		return -ENOMEM;
	t->has_rules = g->in->pipeline != NULL;
	if (t->drop == DP_N_DROPS)
		look_at_acl(g);
	if (t->has_rules)
		g->w->flow->build.trace = t->translation;
	t->record = true;
	dp_ghost_carry(g, &m, 1);
	t->record = false;
	if (t->has_rules) {
		g->w->flow->build.trace = NULL;
		if (t->drop == DP_N_DROPS) {
			build_first_part(g);
			look_at_build(g);
			if (t->peek)
				look_at_caches(g);
		}
	}
	if (t->costs)
		dp_ghost_measure(g);
	return 0;
}

int dp_trace_run(struct dp *dp, struct dp_trace *t)
{
	const struct dp_view *view = atomic_load_explicit(&dp->view, memory_order_relaxed);
	struct dp_ghost g;
	int rc;

	if (t->port >= DP_MAX_PORTS || view == NULL || view->vports[t->port] == NULL)
		return -ENOENT;
	if (t->size > DP_TRACE_MAX_FRAME)
		return -EINVAL;
	t->refused_by = DP_NO_PORT;
	rc = ghost_init(&g, dp, t);
	if (rc == 0)
		rc = trace(&g);
	ghost_fini(&g);
	return rc;
}

void dp_trace_fini(struct dp_trace *t)
{
	free(t->events);
	free(t->bytes);
	t->events = NULL;
	t->bytes = NULL;
}
