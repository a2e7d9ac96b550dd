/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See acl_priv.h: lists are made.  Control thread.
 */
#include "vswitch/acl_priv.h"

#include "dataplane/pipeline.h"

#include <stdlib.h>
#include <string.h>

/* ---- Counters ---- */

struct vs_acl_counter *vs_acl_counter_make(struct dp *dp)
{
	struct vs_acl_counter *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->refs = 1;
	if (dp_flow_counter_alloc(dp, &c->number) != 0) {
		free(c);
		return NULL;
	}
	return c;
}

struct vs_acl_counter *vs_acl_counter_ref(struct vs_acl_counter *c)
{
	c->refs++;
	return c;
}

void vs_acl_counter_unref(struct dp *dp, struct vs_acl_counter *c)
{
	if (c == NULL || --c->refs != 0)
		return;
	dp_flow_counter_free(dp, c->number);
	free(c);
}

/* ---- Sets ---- */

static void set_free(struct vs_acl_made_set *s)
{
	free(s->v4.from);
	free(s->v4.to);
	free(s->v6.from);
	free(s->v6.to);
	free((void *)(uintptr_t)s->set.name);
	free(s->set.prefixes);
	free(s);
}

static bool ranges_alloc(struct vs_acl_ranges *r, size_t n)
{
	r->from = calloc(n + 1, sizeof(r->from[0]));
	r->to = calloc(n + 1, sizeof(r->to[0]));
	return r->from != NULL && r->to != NULL;
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct vs_acl_prefix *x = a, *y = b;
	int order;

	if (x->ip.v6 != y->ip.v6)
		return x->ip.v6 ? 1 : -1;
	order = memcmp(x->ip.b, y->ip.b, sizeof(x->ip.b));
	return order != 0 ? order : (int)x->len - (int)y->len;
}

/* In order whatever the configuration's; what lies in another is left out. */
static void set_fill(struct vs_acl_made_set *s)
{
	qsort(s->set.prefixes, s->set.n, sizeof(s->set.prefixes[0]), compare_prefixes);
	for (uint32_t i = 0; i < s->set.n; i++) {
		const struct vs_acl_prefix *p = &s->set.prefixes[i];
		struct vs_acl_ranges *r = p->ip.v6 ? &s->v6 : &s->v4;
		vs_wide from = vs_acl_wide_ip(&p->ip) & ~vs_acl_below(p->len);

		if (r->n != 0 && from <= r->to[r->n - 1])
			continue;
		r->from[r->n] = from;
		r->to[r->n++] = from | vs_acl_below(p->len);
	}
}

struct vs_acl_made_set *vs_acl_set_make(const struct vs_acl_set *set)
{
	struct vs_acl_made_set *s = calloc(1, sizeof(*s));
	uint32_t n4 = 0;

	if (s == NULL)
		return NULL;
	s->refs = 1;
	s->set.n = set->n;
	s->set.name = strdup(set->name);
	s->set.prefixes = calloc((size_t)set->n + 1, sizeof(set->prefixes[0]));
	for (uint32_t i = 0; i < set->n; i++)
		n4 += !set->prefixes[i].ip.v6;
	if (s->set.name == NULL || s->set.prefixes == NULL || !ranges_alloc(&s->v4, n4) ||
	    !ranges_alloc(&s->v6, set->n - n4)) {
		set_free(s);
		return NULL;
	}
	if (set->n != 0)
		memcpy(s->set.prefixes, set->prefixes, set->n * sizeof(set->prefixes[0]));
	set_fill(s);
	return s;
}

struct vs_acl_made_set *vs_acl_set_ref(struct vs_acl_made_set *s)
{
	s->refs++;
	return s;
}

void vs_acl_set_unref(struct vs_acl_made_set *s)
{
	if (s != NULL && --s->refs == 0)
		set_free(s);
}

bool vs_acl_set_same(const struct vs_acl_set *a, const struct vs_acl_set *b)
{
	if (a == b)
		return true;
	if (a->n != b->n || strcmp(a->name, b->name) != 0)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->prefixes[i].len != b->prefixes[i].len ||
		    !dp_ip_equal(&a->prefixes[i].ip, &b->prefixes[i].ip))
			return false;
	return true;
}

/* ---- Entries ---- */

/* 'inside': sets have the same addresses, too. */
static bool end_same(const struct vs_acl_end *a, const struct vs_acl_end *b, bool inside)
{
	if (a->kind != b->kind || a->n_ranges != b->n_ranges ||
	    memcmp(a->ranges, b->ranges, a->n_ranges * sizeof(a->ranges[0])) != 0 ||
	    memcmp(&a->mac, &b->mac, sizeof(a->mac)) != 0 ||
	    memcmp(&a->mac_mask, &b->mac_mask, sizeof(a->mac_mask)) != 0)
		return false;
	if (a->kind == VS_ACL_ANY)
		return true;
	if (a->except != b->except)
		return false;
	if (a->kind == VS_ACL_SET)
		return inside ? vs_acl_set_same(a->set, b->set)
			      : strcmp(a->set->name, b->set->name) == 0;
	return a->prefix.len == b->prefix.len && dp_ip_equal(&a->prefix.ip, &b->prefix.ip);
}

static bool entry_same(const struct vs_acl_entry *a, const struct vs_acl_entry *b, bool inside)
{
	return a->order == b->order && a->action == b->action && a->stateful == b->stateful &&
	       a->log == b->log && a->eth_type == b->eth_type && a->proto == b->proto &&
	       a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code &&
	       a->fragments == b->fragments && a->tcp_established == b->tcp_established &&
	       a->idle_s == b->idle_s && end_same(&a->src, &b->src, inside) &&
	       end_same(&a->dst, &b->dst, inside);
}

bool vs_acl_entry_same(const struct vs_acl_entry *a, const struct vs_acl_entry *b)
{
	return entry_same(a, b, true);
}

bool vs_acl_list_same(const struct vs_acl_list *list, const struct vs_acl *acl)
{
	if (list->n != acl->n || list->other != acl->other || strcmp(list->name, acl->name) != 0)
		return false;
	for (uint32_t i = 0; i < acl->n; i++)
		if (!vs_acl_entry_same(&list->items[i].e, &acl->entries[i]))
			return false;
	return true;
}

const struct vs_acl_item *vs_acl_list_item(const struct vs_acl_list *list, uint32_t order)
{
	uint32_t low = 0, high = list->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (list->items[mid].e.order < order)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->n && list->items[low].e.order == order ? &list->items[low] : NULL;
}

/* ---- Where an entry may stand ---- */

struct range {
	vs_wide from, to;
};

static unsigned address_ranges(const struct vs_acl_end *end, bool v6, struct range *ret)
{
	if (end->kind != VS_ACL_PREFIX || end->except || end->prefix.ip.v6 != v6 ||
	    end->prefix.len == 0)
		return 0;
	ret->from = vs_acl_wide_ip(&end->prefix.ip) & ~vs_acl_below(end->prefix.len);
	ret->to = ret->from | vs_acl_below(end->prefix.len);
	return 1;
}

static unsigned port_ranges(const struct vs_acl_end *end, struct range *ret)
{
	for (unsigned i = 0; i < end->n_ranges; i++) {
		ret[i].from = (vs_wide)end->ranges[i].from << 112;
		ret[i].to = (vs_wide)end->ranges[i].to << 112 | vs_acl_below(16);
	}
	return end->n_ranges;
}

static unsigned mac_ranges(const struct vs_acl_end *end, struct range *ret)
{
	vs_wide mac = 0;

	for (unsigned i = 0; i < 6; i++) {
		if (end->mac_mask.addr_bytes[i] != 0xff)
			return 0;
		mac = mac << 8 | end->mac.addr_bytes[i];
	}
	ret->from = mac << 80;
	ret->to = ret->from | vs_acl_below(48);
	return 1;
}

/* What it asks of this part of a packet; returns how many ranges, 0: it asks nothing. */
static unsigned ranges_of(const struct vs_acl_entry *e, enum vs_acl_dim dim,
			  struct range ret[VS_MAX_ACL_RANGES])
{
	switch (dim) {
	case VS_ACL_SRC4:
		return address_ranges(&e->src, false, ret);
	case VS_ACL_DST4:
		return address_ranges(&e->dst, false, ret);
	case VS_ACL_SRC6:
		return address_ranges(&e->src, true, ret);
	case VS_ACL_DST6:
		return address_ranges(&e->dst, true, ret);
	case VS_ACL_SPORT:
		return port_ranges(&e->src, ret);
	case VS_ACL_DPORT:
		return port_ranges(&e->dst, ret);
	case VS_ACL_SMAC:
		return mac_ranges(&e->src, ret);
	case VS_ACL_DMAC:
		return mac_ranges(&e->dst, ret);
	case VS_ACL_N_DIMS:
		break;
	}
	return 0;
}

/* ---- Trees ---- */

static int compare_wide(const void *a, const void *b)
{
	vs_wide x = *(const vs_wide *)a, y = *(const vs_wide *)b;

	return x < y ? -1 : x > y;
}

static uint32_t interval_of(const struct vs_acl_tree *t, vs_wide v)
{
	uint32_t low = 0, high = t->n;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (t->at[mid] <= v)
			low = mid;
		else
			high = mid;
	}
	return low;
}

#define NOWHERE UINT8_MAX

/* Does entry 'i' stand in 'dim'?  'where' is NULL when all do that can. */
static bool stands(const uint8_t *where, uint32_t i, enum vs_acl_dim dim)
{
	return where == NULL || where[i] == dim;
}

/* The intervals that the entries' ranges make.  False: no memory. */
static bool tree_cut(struct vs_acl_tree *t, const struct vs_acl_list *l, enum vs_acl_dim dim,
		     const uint8_t *where)
{
	struct range r[VS_MAX_ACL_RANGES];
	size_t n = 0, most = 1;

	for (uint32_t i = 0; i < l->n; i++)
		most += stands(where, i, dim) ? 2 * ranges_of(&l->items[i].e, dim, r) : 0;
	t->n = t->n_leaves = 0;
	if (most == 1)
		return true;
	t->at = calloc(most, sizeof(t->at[0]));
	if (t->at == NULL)
		return false;
	n = 1; /* the first begins at 0 */
	for (uint32_t i = 0; i < l->n; i++) {
		unsigned k = stands(where, i, dim) ? ranges_of(&l->items[i].e, dim, r) : 0;

		while (k-- > 0) {
			t->at[n++] = r[k].from;
			if (r[k].to != ~(vs_wide)0)
				t->at[n++] = r[k].to + 1;
		}
	}
	qsort(t->at, n, sizeof(t->at[0]), compare_wide);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || t->at[i] != t->at[t->n - 1])
			t->at[t->n++] = t->at[i];
	for (t->n_leaves = 1; t->n_leaves < t->n;)
		t->n_leaves *= 2;
	return true;
}

/* Calls 'fn' for each node that stands for a part of the range. */
static void each_node(const struct vs_acl_tree *t, const struct range *r,
		      void (*fn)(void *arg, uint32_t node), void *arg)
{
	uint32_t low = interval_of(t, r->from) + t->n_leaves;
	uint32_t high = interval_of(t, r->to) + t->n_leaves + 1;

	for (; low < high; low /= 2, high /= 2) {
		if ((low & 1) != 0)
			fn(arg, low++);
		if ((high & 1) != 0)
			fn(arg, --high);
	}
}

struct filling {
	struct vs_acl_tree *t;
	uint32_t item;
	uint32_t *n; /* [node]: its last place that is filled */
};

static void count_item(void *arg, uint32_t node)
{
	struct filling *f = arg;

	f->t->first[node + 1]++;
}

static void put_item(void *arg, uint32_t node)
{
	struct filling *f = arg;
	uint32_t *at = &f->n[node], from = f->t->first[node];

	/* Two ranges of one entry may touch the same node. */
	if (*at != 0 && f->t->items[from + *at - 1] == f->item)
		return;
	f->t->items[from + (*at)++] = f->item;
}

static void each_item(struct filling *f, const struct vs_acl_list *l, enum vs_acl_dim dim,
		      const uint8_t *where, void (*fn)(void *arg, uint32_t node))
{
	struct range r[VS_MAX_ACL_RANGES];

	for (f->item = 0; f->item < l->n; f->item++) {
		unsigned n =
			stands(where, f->item, dim) ? ranges_of(&l->items[f->item].e, dim, r) : 0;

		while (n-- > 0)
			each_node(f->t, &r[n], fn, f);
	}
}

static bool tree_fill(struct vs_acl_tree *t, const struct vs_acl_list *l, enum vs_acl_dim dim,
		      const uint8_t *where)
{
	const size_t n_nodes = 2 * (size_t)t->n_leaves;
	struct filling f = {.t = t};

	t->first = calloc(n_nodes + 1, sizeof(t->first[0]));
	t->up = calloc(n_nodes, sizeof(t->up[0]));
	f.n = calloc(n_nodes, sizeof(f.n[0]));
	if (t->first == NULL || t->up == NULL || f.n == NULL) {
		free(f.n);
		return false;
	}
	each_item(&f, l, dim, where, count_item);
	for (size_t k = 0; k < n_nodes; k++)
		t->first[k + 1] += t->first[k];
	t->items = calloc((size_t)t->first[n_nodes] + 1, sizeof(t->items[0]));
	if (t->items != NULL)
		each_item(&f, l, dim, where, put_item);
	/* Places left over by ranges that met in a node say the last entry again. */
	for (size_t k = 0; t->items != NULL && k < n_nodes; k++)
		for (uint32_t i = t->first[k] + f.n[k]; i < t->first[k + 1]; i++)
			t->items[i] = t->items[i - 1];
	for (size_t k = 2; k < n_nodes; k++)
		t->up[k] = f.n[k / 2] != 0 ? (uint32_t)(k / 2) : t->up[k / 2];
	free(f.n);
	return t->items != NULL;
}

static void tree_free(struct vs_acl_tree *t)
{
	free(t->at);
	free(t->first);
	free(t->up);
	free(t->items);
	*t = (struct vs_acl_tree){0};
}

/* ---- Lists ---- */

/* How many entries' ranges cover each interval. */
static uint32_t *crowd_of(const struct vs_acl_tree *t, const struct vs_acl_list *l,
			  enum vs_acl_dim dim)
{
	uint32_t *n = calloc((size_t)t->n + 1, sizeof(*n));
	struct range r[VS_MAX_ACL_RANGES];

	for (uint32_t i = 0; n != NULL && i < l->n; i++) {
		unsigned k = ranges_of(&l->items[i].e, dim, r);

		while (k-- > 0) {
			n[interval_of(t, r[k].from)]++;
			n[interval_of(t, r[k].to) + 1]--;
		}
	}
	for (uint32_t i = 1; n != NULL && i < t->n; i++)
		n[i] += n[i - 1];
	return n;
}

/* Each entry goes where it has the least company. */
static bool choose(const struct vs_acl_list *l, uint8_t *where)
{
	uint32_t *least = calloc((size_t)l->n + 1, sizeof(*least));
	bool done = least != NULL;

	memset(where, NOWHERE, l->n);
	for (unsigned dim = 0; done && dim < VS_ACL_N_DIMS; dim++) {
		struct vs_acl_tree t = {0};
		uint32_t *crowd = NULL;

		done = tree_cut(&t, l, (enum vs_acl_dim)dim, NULL);
		if (done && t.n != 0)
			done = (crowd = crowd_of(&t, l, (enum vs_acl_dim)dim)) != NULL;
		for (uint32_t i = 0; crowd != NULL && i < l->n; i++) {
			struct range r[VS_MAX_ACL_RANGES];
			unsigned k = ranges_of(&l->items[i].e, (enum vs_acl_dim)dim, r);
			uint32_t most = 0;

			for (unsigned j = 0; j < k; j++) {
				uint32_t here = crowd[interval_of(&t, r[j].from)];

				most = here > most ? here : most;
			}
			if (k != 0 && (where[i] == NOWHERE || most < least[i])) {
				where[i] = (uint8_t)dim;
				least[i] = most;
			}
		}
		free(crowd);
		tree_free(&t);
	}
	free(least);
	return done;
}

static bool index_make(struct vs_acl_list *l)
{
	uint8_t *where = malloc((size_t)l->n + 1);
	bool done = where != NULL && choose(l, where);

	for (unsigned dim = 0; done && dim < VS_ACL_N_DIMS; dim++) {
		done = tree_cut(&l->trees[dim], l, (enum vs_acl_dim)dim, where);
		if (done && l->trees[dim].n != 0)
			done = tree_fill(&l->trees[dim], l, (enum vs_acl_dim)dim, where);
	}
	l->rest = calloc((size_t)l->n + 1, sizeof(l->rest[0]));
	for (uint32_t i = 0; done && l->rest != NULL && i < l->n; i++)
		if (where[i] == NOWHERE)
			l->rest[l->n_rest++] = i;
	free(where);
	return done && l->rest != NULL;
}

static bool set_take(struct vs_acl_end *end, vs_acl_set_fn set_of, void *arg)
{
	struct vs_acl_made_set *made;

	if (end->kind != VS_ACL_SET)
		return true;
	made = set_of(arg, end->set);
	end->set = NULL;
	if (made == NULL)
		return false;
	end->set = &vs_acl_set_ref(made)->set;
	return true;
}

static void set_leave(const struct vs_acl_end *end)
{
	if (end->kind == VS_ACL_SET && end->set != NULL)
		vs_acl_set_unref(
			(struct vs_acl_made_set *)(uintptr_t)((const char *)end->set -
							      offsetof(struct vs_acl_made_set,
								       set)));
}

static bool item_fill(struct dp *dp, struct vs_acl_list *l, uint32_t i,
		      const struct vs_acl_entry *e, const struct vs_acl_list *before,
		      vs_acl_set_fn set_of, void *arg)
{
	const struct vs_acl_item *was = before != NULL ? vs_acl_list_item(before, e->order) : NULL;
	struct vs_acl_item *item = &l->items[i];
	bool sets;

	item->e = *e;
	item->e.note = NULL;
	sets = set_take(&item->e.src, set_of, arg);
	sets = set_take(&item->e.dst, set_of, arg) && sets;
	if (!sets)
		return false;
	item->counter = was != NULL && entry_same(&was->e, e, false)
				? vs_acl_counter_ref(was->counter)
				: vs_acl_counter_make(dp);
	if (item->counter == NULL)
		return false;
	item->rule = (struct dp_acl_rule){.allow = e->action == VS_ACL_ALLOW,
					  .stateful = e->stateful && e->action == VS_ACL_ALLOW,
					  .counter = item->counter->number,
					  .log = e->log,
					  .idle_s = e->idle_s,
					  .id = l->number << 32 | e->order};
	l->is_stateful |= item->rule.stateful;
	l->asks_flags |= e->tcp_established >= 0;
	return true;
}

/* What entries have counted that are no more. */
static void keep_gone(struct dp *dp, struct vs_acl_list *l, const struct vs_acl_list *before)
{
	memcpy(l->gone, before->gone, sizeof(l->gone));
	for (uint32_t i = 0; i < before->n; i++) {
		const struct vs_acl_item *was = &before->items[i];
		const struct vs_acl_item *now = vs_acl_list_item(l, was->e.order);
		struct dp_flow_counts counts;

		if (now != NULL && now->counter == was->counter)
			continue;
		dp_flow_counter_read(dp, was->counter->number, &counts);
		l->gone[was->e.action][0] += counts.packets;
		l->gone[was->e.action][1] += counts.bytes;
	}
}

struct vs_acl_list *vs_acl_list_make(struct dp *dp, const struct vs_acl *acl, uint64_t number,
				     const struct vs_acl_list *before, vs_acl_set_fn set_of,
				     void *arg)
{
	struct vs_acl_list *l = calloc(1, sizeof(*l));
	bool done;

	if (l == NULL)
		return NULL;
	l->refs = 1;
	l->number = number;
	l->other = acl->other;
	l->name = strdup(acl->name);
	l->items = calloc((size_t)acl->n + 1, sizeof(l->items[0]));
	done = l->name != NULL && l->items != NULL;
	while (done && l->n < acl->n) {
		done = item_fill(dp, l, l->n, &acl->entries[l->n], before, set_of, arg);
		l->n++;
	}
	if (!done || !index_make(l)) {
		vs_acl_list_unref(dp, l);
		return NULL;
	}
	if (before != NULL)
		keep_gone(dp, l, before);
	return l;
}

struct vs_acl_list *vs_acl_list_ref(struct vs_acl_list *l)
{
	l->refs++;
	return l;
}

void vs_acl_list_unref(struct dp *dp, struct vs_acl_list *l)
{
	if (l == NULL || --l->refs != 0)
		return;
	for (uint32_t i = 0; i < l->n; i++) {
		set_leave(&l->items[i].e.src);
		set_leave(&l->items[i].e.dst);
		vs_acl_counter_unref(dp, l->items[i].counter);
	}
	for (unsigned dim = 0; dim < VS_ACL_N_DIMS; dim++)
		tree_free(&l->trees[dim]);
	free(l->rest);
	free(l->items);
	free(l->name);
	free(l);
}
