/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See qos_tree.h.
 */
#include "vswitch/qos_tree.h"

#include "dataplane/wire_size.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Traffic classes: how a frame says that it goes first. */
enum { TC_NONE, TC_DSCP, TC_PCP };

/* Kinds of classes, as their keys begin. */
enum { KEY_OTHERS = 1, KEY_PRIORITY, KEY_QUEUE, KEY_TENANT, KEY_NO_TENANT, KEY_SOURCE, KEY_OUT };

static uint64_t key_of(unsigned kind, uint64_t id)
{
	return (uint64_t)kind << 56 | id;
}

/* While a tree is made. */
struct maker {
	const struct vs_model *m;
	const uint16_t *ids;
	const struct vs_port *p;
	const struct vs_qos *own; /* of 'p'; may be NULL */
	struct vs_qos_tree *tree;
	uint16_t parent;	   /* of the classes of 'p' */
	uint16_t out;		   /* id of 'p' where several share; else 0 */
	uint64_t key;		   /* the same, in keys */
	uint16_t others;	   /* the class of what has none of its own */
	uint16_t priority;	   /* DP_SCHED_NO_CLASS: none */
	unsigned n_sources;	   /* that meet here */
	unsigned n_tenants;	   /* that they have */
	uint16_t *class_of_tenant; /* by index in the model; the last: of none */
	unsigned *n_of_tenant;	   /* sources, the same way */
};

void vs_qos_tree_destroy(struct vs_qos_tree *t)
{
	if (t == NULL)
		return;
	free(t->classes);
	free(t->keys);
	free(t->nodes);
	free(t->groups);
	free(t->group_of_port);
	free(t->queues);
	free(t->outs);
	free(t->out_of_port);
	free(t->port_of_class);
	free(t);
}

bool vs_qos_tree_same(const struct vs_qos_tree *a, const struct vs_qos_tree *b)
{
	const struct dp_shape_spec *x = &a->spec, *y = &b->spec;

#define SAME(v, n) (memcmp(a->v, b->v, (n) * sizeof(a->v[0])) == 0)
	return x->n_classes == y->n_classes && x->n_groups == y->n_groups &&
	       x->n_queues == y->n_queues && x->trust == y->trust &&
	       x->root.max_bps == y->root.max_bps && x->root.burst == y->root.burst &&
	       memcmp(x->tc_of_dscp, y->tc_of_dscp, sizeof(x->tc_of_dscp)) == 0 &&
	       memcmp(x->tc_of_pcp, y->tc_of_pcp, sizeof(x->tc_of_pcp)) == 0 &&
	       SAME(classes, x->n_classes) && SAME(keys, x->n_classes) &&
	       SAME(nodes, x->n_classes) && SAME(groups, x->n_groups) &&
	       SAME(queues, x->n_queues) && x->n_outs == y->n_outs &&
	       (x->n_outs == 0 || (SAME(outs, x->n_outs) && SAME(port_of_class, x->n_classes))) &&
	       (a->group_of_port == NULL) == (b->group_of_port == NULL) &&
	       (a->group_of_port == NULL || SAME(group_of_port, DP_MAX_PORTS));
#undef SAME
}

/* ---- Classes ---- */

/* Room was made for it. */
__attribute__((format(printf, 4, 5))) static uint16_t add(struct maker *k,
							  const struct dp_sched_class *c,
							  uint64_t key, const char *fmt, ...)
{
	struct vs_qos_tree *t = k->tree;
	uint16_t i = t->spec.n_classes++;
	va_list ap;

	t->classes[i] = *c;
	t->keys[i] = key | k->key;
	t->nodes[i].port = k->out;
	if (t->port_of_class != NULL)
		t->port_of_class[i] = c->leaf ? k->out : DP_NO_PORT;
	va_start(ap, fmt);
	vsnprintf(t->nodes[i].name, sizeof(t->nodes[i].name), fmt, ap);
	va_end(ap);
	return i;
}

static struct dp_sched_class leaf_of(const struct maker *k)
{
	struct dp_sched_class c;

	memset(&c, 0, sizeof(c)); /* Trees are compared as bytes. */
	c.parent = k->parent;
	c.leaf = true;
	c.weight = 1;
	c.overhead = DP_WIRE_OVERHEAD;
	if (k->own != NULL) {
		c.target_us = k->own->delay_us == 5000 ? 0 : k->own->delay_us;
		c.limit = k->own->limit;
		c.drops_ecn = !k->own->ecn;
	}
	return c;
}

static void add_priority(struct maker *k)
{
	struct dp_sched_class c = leaf_of(k);

	k->priority = DP_SCHED_NO_CLASS;
	if (k->own == NULL || k->own->priority_max == 0)
		return;
	c.strict = true;
	c.max_bps = k->own->priority_max;
	k->priority = add(k, &c, key_of(KEY_PRIORITY, 0), "to: priority");
}

/* The first of a port's queues, which stand together, and their number. */
static unsigned queues_of(const struct vs_model *m, const struct vs_port *p, unsigned *ret_first)
{
	unsigned low = 0, high = m->n_queues, n = 0;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (m->queues[mid].port < p)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < m->n_queues && m->queues[low + n].port == p)
		n++;
	*ret_first = low;
	return n;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_queues(struct maker *k)
{
	unsigned first, n = queues_of(k->m, k->p, &first);

	for (unsigned i = 0; i < n; i++) {
		const struct dp_queue_spec *q = &k->m->queues[first + i].spec;
		struct dp_sched_class c = leaf_of(k);
		uint16_t cls;

		c.max_bps = least_of(q->max_bps, DP_SCHED_MAX_BPS);
		c.min_bps = least_of(q->min_bps, DP_SCHED_MAX_BPS);
		cls = add(k, &c, key_of(KEY_QUEUE, q->id), "to: queue %u", q->id);
		k->tree->nodes[cls].is_queue = true;
		k->tree->nodes[cls].queue = q->id;
		k->tree->queues[k->tree->spec.n_queues++] =
			(struct dp_shape_queue){.id = q->id, .leaf = cls, .out = k->out};
	}
}

/* ---- Groups: by where a frame came in ---- */

static void group_fill(const struct maker *k, struct dp_shape_group *g, uint16_t leaf,
		       enum vs_qos_trust trust)
{
	for (unsigned tc = 0; tc < DP_SHAPE_TCS; tc++)
		g->leaf[tc] = leaf;
	if (k->priority == DP_SCHED_NO_CLASS)
		return;
	if (trust == VS_TRUST_BOTH || trust == VS_TRUST_DSCP)
		g->leaf[TC_DSCP] = k->priority;
	if (trust == VS_TRUST_BOTH || trust == VS_TRUST_PCP)
		g->leaf[TC_PCP] = k->priority;
}

static enum vs_qos_trust trust_of(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_qos *q = vs_qos_of_port(m, p);

	return q != NULL ? q->trust : VS_TRUST_BOTH;
}

static void classify(const struct maker *k, struct dp_shape_marks *s)
{
	if (k->priority == DP_SCHED_NO_CLASS)
		return;
	s->trust = (k->own->priority_dscp != 0 ? DP_SHAPE_DSCP : 0) |
		   (k->own->priority_pcp != 0 ? DP_SHAPE_PCP : 0);
	for (unsigned i = 0; i < 64; i++)
		s->tc_of_dscp[i] = k->own->priority_dscp >> i & 1 ? TC_DSCP : TC_NONE;
	for (unsigned i = 0; i < 8; i++)
		s->tc_of_pcp[i] = k->own->priority_pcp >> i & 1 ? TC_PCP : TC_NONE;
}

/* One queue for all; groups differ in which marks are believed. */
static void groups_of_port(struct maker *k)
{
	const struct vs_qos_conf *conf = vs_qos_conf(k->m);
	struct vs_qos_tree *t = k->tree;

	for (unsigned i = 0; i <= VS_TRUST_NONE; i++)
		group_fill(k, &t->groups[t->spec.n_groups++], k->others, (enum vs_qos_trust)i);
	for (unsigned i = 0; t->group_of_port != NULL && i < conf->n; i++) {
		uint16_t id = k->ids[conf->v[i].port - k->m->ports];

		if (conf->v[i].tenant == NULL && id != DP_NO_PORT)
			t->group_of_port[id] = (uint16_t)conf->v[i].trust;
	}
}

/* ---- An uplink: tenants, and in them sources ---- */

static unsigned index_of(const struct maker *k, const struct vs_tenant *t)
{
	return t != NULL ? (unsigned)(t - k->m->tenants) : k->m->n_tenants;
}

static bool is_source(const struct maker *k, unsigned i)
{
	return k->ids[i] != DP_NO_PORT && vs_qos_meets(k->m, k->p, &k->m->ports[i]);
}

static void count_sources(struct maker *k)
{
	for (unsigned i = 0; i < k->m->n_ports; i++) {
		if (!is_source(k, i))
			continue;
		k->n_sources++;
		k->n_of_tenant[index_of(k, k->m->ports[i].tenant)]++;
	}
	for (unsigned i = 0; i <= k->m->n_tenants; i++)
		k->n_tenants += k->n_of_tenant[i] != 0;
}

/* A tenant that has one port and nothing said of it needs no class besides the port's. */
static void add_tenant(struct maker *k, unsigned i)
{
	const struct vs_tenant *t = i < k->m->n_tenants ? &k->m->tenants[i] : NULL;
	const struct vs_qos *q = vs_qos_of_tenant(k->m, k->p, t);
	struct dp_sched_class c;

	k->class_of_tenant[i] = DP_SCHED_NO_CLASS;
	if (k->n_of_tenant[i] == 0 || (q == NULL && (k->n_of_tenant[i] == 1 || k->n_tenants == 1)))
		return;
	memset(&c, 0, sizeof(c));
	c.parent = DP_SCHED_NO_CLASS;
	c.weight = q != NULL ? q->weight : 1;
	c.overhead = DP_WIRE_OVERHEAD;
	if (q != NULL) {
		c.min_bps = q->min;
		c.max_bps = q->max;
		c.burst = q->burst;
	}
	k->class_of_tenant[i] =
		t != NULL ? add(k, &c, key_of(KEY_TENANT, t->id), "to: tenant %s", t->name)
			  : add(k, &c, key_of(KEY_NO_TENANT, 0), "to: no tenant");
}

static void add_source(struct maker *k, unsigned i)
{
	const struct vs_port *from = &k->m->ports[i];
	const struct vs_qos *q = vs_qos_of_port(k->m, from);
	struct dp_sched_class c = leaf_of(k);
	struct vs_qos_tree *t = k->tree;
	uint16_t cls;

	c.parent = k->class_of_tenant[index_of(k, from->tenant)];
	if (q != NULL) {
		c.min_bps = q->from_min;
		c.weight = q->from_weight;
	}
	cls = add(k, &c, key_of(KEY_SOURCE, k->ids[i] + 1u), "to: from %s", from->name);
	t->group_of_port[k->ids[i]] = t->spec.n_groups;
	group_fill(k, &t->groups[t->spec.n_groups++], cls, trust_of(k->m, from));
}

static void add_sources(struct maker *k)
{
	for (unsigned i = 0; i <= k->m->n_tenants; i++)
		add_tenant(k, i);
	k->tree->spec.n_groups = 1;
	group_fill(k, &k->tree->groups[0], k->others, VS_TRUST_BOTH);
	for (unsigned i = 0; i < k->m->n_ports; i++)
		if (is_source(k, i))
			add_source(k, i);
}

/* ---- All of it ---- */

/* A class that says nothing is guaranteed what those below it are. */
static uint64_t guaranteed(const struct vs_qos_tree *t)
{
	uint64_t sum = 0;

	for (uint16_t i = 0; i < t->spec.n_classes; i++) {
		const struct dp_sched_class *c = &t->classes[i];
		bool counts = c->parent == DP_SCHED_NO_CLASS || t->classes[c->parent].min_bps == 0;

		if (counts)
			sum += c->strict ? c->max_bps : c->min_bps;
	}
	return sum;
}

/* What a link is too slow for is shared in proportion. */
static void scale(struct vs_qos_tree *t, uint64_t link_bps)
{
	uint64_t sum = guaranteed(t);

	t->scaled = 1;
	if (sum <= link_bps || link_bps == 0)
		return;
	/* A little less, for what rounding adds. */
	t->scaled = (double)link_bps / (double)sum * 0.999;
	for (uint16_t i = 0; i < t->spec.n_classes; i++) {
		struct dp_sched_class *c = &t->classes[i];

		c->min_bps = (uint64_t)((double)c->min_bps * t->scaled);
		if (c->strict)
			c->max_bps = (uint64_t)((double)c->max_bps * t->scaled);
		if (c->strict && c->max_bps < 1000)
			c->max_bps = 1000;
	}
}

/* Does anything that meets at the uplink have a share of it? */
static bool is_shared(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_qos_conf *conf = vs_qos_conf(m);

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		const struct vs_qos *q = &conf->v[i];

		if (q->tenant != NULL ? q->port == p
				      : (q->from_min != 0 || q->from_weight != 1) &&
						vs_qos_meets(m, p, q->port))
			return true;
	}
	return false;
}

bool vs_qos_is_shaped(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_qos *own = vs_qos_of_port(m, p);
	unsigned first;

	if (vs_qos_share(m, p) != NULL)
		return false;
	if (own != NULL && (own->to_max != 0 || own->priority_max != 0))
		return true;
	return queues_of(m, p, &first) != 0 || (vs_is_uplink(p) && is_shared(m, p));
}

/* An uplink has classes and groups for all that may meet there, another port its own. */
static int allocate(struct maker *k)
{
	bool uplink = vs_is_uplink(k->p);
	size_t tenants = uplink ? k->m->n_tenants + 1 : 1, sources = uplink ? k->m->n_ports : 0;
	size_t n = tenants + sources + DP_MAX_PORT_QUEUES + 2;
	struct vs_qos_tree *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	k->tree = t;
	t->classes = calloc(n, sizeof(*t->classes));
	t->keys = calloc(n, sizeof(*t->keys));
	t->nodes = calloc(n, sizeof(*t->nodes));
	t->groups = calloc(sources + VS_TRUST_NONE + 1, sizeof(*t->groups));
	t->queues = calloc(DP_MAX_PORT_QUEUES, sizeof(*t->queues));
	k->class_of_tenant = calloc(tenants, sizeof(*k->class_of_tenant));
	k->n_of_tenant = calloc(tenants, sizeof(*k->n_of_tenant));
	if (t->classes == NULL || t->keys == NULL || t->nodes == NULL || t->groups == NULL ||
	    t->queues == NULL || k->class_of_tenant == NULL || k->n_of_tenant == NULL)
		return -ENOMEM;
	if (!uplink && (k->own == NULL || k->own->priority_max == 0))
		return 0;
	t->group_of_port = calloc(DP_MAX_PORTS, sizeof(*t->group_of_port));
	return t->group_of_port != NULL ? 0 : -ENOMEM;
}

static void set_arrays(struct vs_qos_tree *t)
{
	t->spec.classes = t->classes;
	t->spec.keys = t->keys;
	t->spec.groups = t->groups;
	t->spec.group_of_port = t->group_of_port;
	t->spec.queues = t->queues;
	t->spec.outs = t->outs;
	t->spec.out_of_port = t->out_of_port;
	t->spec.port_of_class = t->port_of_class;
	t->spec.root.overhead = DP_WIRE_OVERHEAD;
}

static void make(struct maker *k, uint64_t link_bps)
{
	struct dp_shape_spec *s = &k->tree->spec;
	struct dp_sched_class c = leaf_of(k);
	bool uplink = vs_is_uplink(k->p);

	set_arrays(k->tree);
	s->root.max_bps = k->own != NULL && k->own->to_max != 0 ? k->own->to_max
			  : uplink				? link_bps
								: 0;
	if (k->own != NULL)
		s->root.burst = k->own->to_burst;
	add_priority(k);
	add_queues(k);
	k->others = add(k, &c, key_of(KEY_OTHERS, 0), uplink ? "to: others" : "to");
	classify(k, &s->marks);
	if (uplink) {
		count_sources(k);
		add_sources(k);
	} else {
		groups_of_port(k);
	}
	scale(k->tree, k->own == NULL || k->own->to_max == 0 ? s->root.max_bps : 0);
}

int vs_qos_tree_create(const struct vs_model *m, const uint16_t *ids, const struct vs_port *p,
		       uint64_t link_bps, struct vs_qos_tree **ret_tree, struct err *err)
{
	struct maker k = {.m = m,
			  .ids = ids,
			  .p = p,
			  .own = vs_qos_of_port(m, p),
			  .parent = DP_SCHED_NO_CLASS};
	int rc = 0;

	*ret_tree = NULL;
	if (!vs_qos_is_shaped(m, p))
		return 0;
	rc = allocate(&k);
	if (rc != 0) {
		err_set(err, rc, "no-memory", "no memory for the queues of port %s", p->name);
	} else {
		make(&k, link_bps);
		if (k.tree->spec.n_classes > DP_SCHED_MAX_CLASS)
			rc = err_set(err, -ENOSPC, "limit",
				     "port %s: %u tenants and ports share it, %u may", p->name,
				     k.tree->spec.n_classes, DP_SCHED_MAX_CLASS);
	}
	free(k.class_of_tenant);
	free(k.n_of_tenant);
	if (rc != 0) {
		vs_qos_tree_destroy(k.tree);
		return rc;
	}
	*ret_tree = k.tree;
	return 0;
}

/* ---- A tenant's machines on a switch ---- */

static bool is_out(const struct maker *k, const struct vs_qos *q, unsigned i)
{
	return k->ids[i] != DP_NO_PORT && vs_qos_share(k->m, &k->m->ports[i]) == q;
}

static int allocate_share(struct maker *k, const struct vs_qos *q)
{
	struct vs_qos_tree *t = calloc(1, sizeof(*t));
	size_t n = 0, n_queues = 0, n_outs = 0;
	unsigned first;

	if (t == NULL)
		return -ENOMEM;
	k->tree = t;
	for (unsigned i = 0; i < k->m->n_ports; i++)
		if (is_out(k, q, i)) {
			n_queues += queues_of(k->m, &k->m->ports[i], &first);
			n_outs++;
		}
	n = 3 * n_outs + n_queues;
	t->classes = calloc(n + 1, sizeof(*t->classes));
	t->keys = calloc(n + 1, sizeof(*t->keys));
	t->nodes = calloc(n + 1, sizeof(*t->nodes));
	t->groups = calloc(n_outs * (VS_TRUST_NONE + 1) + 1, sizeof(*t->groups));
	t->queues = calloc(n_queues + 1, sizeof(*t->queues));
	t->outs = calloc(n_outs + 1, sizeof(*t->outs));
	t->group_of_port = calloc(DP_MAX_PORTS, sizeof(*t->group_of_port));
	t->out_of_port = calloc(DP_MAX_PORTS, sizeof(*t->out_of_port));
	t->port_of_class = calloc(n + 1, sizeof(*t->port_of_class));
	return t->classes == NULL || t->keys == NULL || t->nodes == NULL || t->groups == NULL ||
			       t->queues == NULL || t->outs == NULL || t->group_of_port == NULL ||
			       t->out_of_port == NULL || t->port_of_class == NULL
		       ? -ENOMEM
		       : 0;
}

/* What the port may have of it, and has for sure. */
static void give_part(const struct maker *k, struct dp_sched_class *c)
{
	if (k->own == NULL)
		return;
	c->weight = k->own->to_weight;
	c->min_bps = k->own->to_min;
	c->max_bps = k->own->to_max;
	c->burst = k->own->to_burst;
}

/* The port's own queues, below a class of it; that is guaranteed what they are, at least. */
static void add_several(struct maker *k)
{
	struct vs_qos_tree *t = k->tree;
	struct dp_sched_class c = leaf_of(k);
	uint64_t sum = 0;
	uint16_t port;

	c.leaf = false;
	give_part(k, &c);
	port = add(k, &c, key_of(KEY_OUT, 0), "to");
	k->parent = port;
	add_priority(k);
	add_queues(k);
	c = leaf_of(k);
	k->others = add(k, &c, key_of(KEY_OTHERS, 0), "to: others");
	k->parent = DP_SCHED_NO_CLASS;
	for (uint16_t i = (uint16_t)(port + 1); i < t->spec.n_classes; i++)
		sum += t->classes[i].strict ? t->classes[i].max_bps : t->classes[i].min_bps;
	if (t->classes[port].min_bps < sum)
		t->classes[port].min_bps = sum;
}

static void add_out(struct maker *k, unsigned i)
{
	struct vs_qos_tree *t = k->tree;
	struct dp_shape_out *out = &t->outs[t->spec.n_outs++];
	unsigned first;

	k->p = &k->m->ports[i];
	k->own = vs_qos_of_port(k->m, k->p);
	k->out = k->ids[i];
	k->key = (k->out + UINT64_C(1)) << 32;
	k->priority = DP_SCHED_NO_CLASS;
	*out = (struct dp_shape_out){.port = k->out, .first_group = t->spec.n_groups};
	t->out_of_port[k->out] = t->spec.n_outs;
	if ((k->own != NULL && k->own->priority_max != 0) || queues_of(k->m, k->p, &first) != 0) {
		add_several(k);
	} else {
		struct dp_sched_class c = leaf_of(k);

		give_part(k, &c);
		k->others = add(k, &c, key_of(KEY_OTHERS, 0), "to");
	}
	classify(k, &out->marks);
	groups_of_port(k);
}

/* Queues stand by the ids of their ports. */
static int by_out(const void *a, const void *b)
{
	const struct dp_shape_queue *x = a, *y = b;

	if (x->out != y->out)
		return x->out < y->out ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

int vs_qos_share_tree_create(const struct vs_model *m, const uint16_t *ids, const struct vs_qos *q,
			     struct vs_qos_tree **ret_tree, struct err *err)
{
	struct maker k = {.m = m, .ids = ids, .parent = DP_SCHED_NO_CLASS};
	struct vs_qos_tree *t;

	*ret_tree = NULL;
	if (allocate_share(&k, q) != 0) {
		vs_qos_tree_destroy(k.tree);
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of tenant %s",
			       q->tenant->name);
	}
	t = k.tree;
	set_arrays(t);
	t->scaled = 1;
	t->spec.root.max_bps = q->to_max;
	t->spec.root.burst = q->to_burst;
	for (unsigned i = 0; i < m->n_ports; i++)
		if (is_out(&k, q, i))
			add_out(&k, i);
	if (t->spec.n_outs == 0) {
		vs_qos_tree_destroy(t);
		return 0;
	}
	if (t->spec.n_classes > DP_SCHED_MAX_CLASS) {
		err_set(err, -ENOSPC, "limit", "tenant %s: its ports have %u queues, %u may",
			q->tenant->name, t->spec.n_classes, DP_SCHED_MAX_CLASS);
		vs_qos_tree_destroy(t);
		return -ENOSPC;
	}
	qsort(t->queues, t->spec.n_queues, sizeof(*t->queues), by_out);
	*ret_tree = t;
	return 0;
}
