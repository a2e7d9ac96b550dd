/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists that run: which ports have which compiled lists (acl_priv.h), the order in which
 * workers come to see a change, sessions that a change ends, and what entries have counted.
 *
 * 	need     lists and sets of the new model are compiled; what did not change is shared
 * 	compile  each port of a view gets its lists, and caches of programs hear what changed
 * 	settle   sessions that are not allowed any more end; lists that nobody has go
 *
 * All at once: a worker that sees a view with other lists takes what they touch out of its cache
 * before the first packet (dp_vport.pipeline_at), and one worker asks both the ingress and the
 * egress lists of a packet.  So what both configurations deny is not let through by a mixture of
 * them, and what both allow is not dropped.
 *
 * Control thread.
 */
#include "vswitch/acl_priv.h"
#include "vswitch/flows.h"
#include "vswitch/policy.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vs.h"

#include "dataplane/ct.h"
#include "dataplane/flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOGGED                                                                                 \
	64u /* entries told one by one to a switch's caches; more of them all at once              \
	     */

/* What was compiled for a model. */
struct made {
	const struct vs_acl_conf *conf; /* the model's; only compared */
	bool is_there;
	unsigned n_sets, n_lists;
	struct vs_acl_made_set **sets;
	struct vs_acl_list **lists; /* as conf->acls */
};

struct live {
	struct dp *dp;
	uint64_t last_number;
	uint32_t last_id;
	struct made now, next;
	/* By id and side: the last that was made, and what its default has counted. */
	struct vs_acl_port *ports[DP_MAX_PORTS][2];
	struct vs_acl_counter *counters[DP_MAX_PORTS][2];
	/* What caches know: of programs; of sessions. */
	struct vs_acl_port *told[DP_MAX_PORTS];
	struct vs_acl_port *held[DP_MAX_PORTS][2];
};

static struct live *live_of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_ACL];
}

uint16_t vs_acl_zone(uint16_t port)
{
	return port;
}

/* ---- A port's lists in a direction ---- */

static struct vs_acl_port *port_ref(struct vs_acl_port *p)
{
	if (p != NULL)
		p->refs++;
	return p;
}

static void port_unref(struct vs_acl_port *p)
{
	if (p == NULL || --p->refs != 0)
		return;
	for (unsigned i = 0; i < p->n; i++)
		vs_acl_list_unref(p->owner, p->lists[i]);
	vs_acl_counter_unref(p->owner, p->counter);
	free(p);
}

static void port_set(struct vs_acl_port **at, struct vs_acl_port *p)
{
	struct vs_acl_port *was = *at;

	*at = port_ref(p);
	port_unref(was);
}

static void port_name(const struct dp_acl *acl, const struct dp_acl_rule *rule, char *ret,
		      size_t size)
{
	const struct vs_acl_port *p = (const struct vs_acl_port *)acl;
	const struct vs_acl_item *item = (const struct vs_acl_item *)rule;
	char *text;

	if (rule == &p->last) {
		snprintf(ret, size, "%s, which %s what no entry matches", p->lists[p->n - 1]->name,
			 p->last.allow ? "allows" : "denies");
		return;
	}
	for (unsigned i = 0; i < p->n; i++) {
		const struct vs_acl_list *l = p->lists[i];

		if (item < l->items || item >= l->items + l->n)
			continue;
		text = vs_acl_entry_format(&item->e);
		snprintf(ret, size, "%s: %s", l->name, text != NULL ? text : "");
		free(text);
		return;
	}
	snprintf(ret, size, "?");
}

static bool port_is(const struct vs_acl_port *p, struct vs_acl_list *const *lists, unsigned n,
		    bool tracks)
{
	return p != NULL && p->n == n && p->dp.tracks == tracks &&
	       (n == 0 || memcmp(p->lists, lists, n * sizeof(lists[0])) == 0);
}

static struct vs_acl_port *port_make(struct live *live, uint16_t id, enum dp_filter_side side,
				     struct vs_acl_list *const *lists, unsigned n, bool tracks)
{
	struct vs_acl_counter **counter = &live->counters[id][side];
	struct vs_acl_port *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	if (*counter == NULL)
		*counter = vs_acl_counter_make(live->dp);
	if (*counter == NULL) {
		free(p);
		return NULL;
	}
	p->refs = 1;
	p->owner = live->dp;
	p->counter = vs_acl_counter_ref(*counter);
	p->dp = (struct dp_acl){.id = ++live->last_id,
				.tracks = tracks,
				.find = vs_acl_port_find,
				.name = port_name};
	p->n = n;
	for (unsigned i = 0; i < n; i++) {
		p->lists[i] = vs_acl_list_ref(lists[i]);
		p->dp.asks_flags |= lists[i]->asks_flags;
	}
	if (n != 0)
		p->last = (struct dp_acl_rule){.allow = lists[n - 1]->other == VS_ACL_ALLOW,
					       .counter = p->counter->number,
					       .id = lists[n - 1]->number << 32};
	return p;
}

/* ---- What a model needs ---- */

static void made_free(struct live *live, struct made *made)
{
	for (unsigned i = 0; i < made->n_lists; i++)
		vs_acl_list_unref(live->dp, made->lists[i]);
	for (unsigned i = 0; i < made->n_sets; i++)
		vs_acl_set_unref(made->sets[i]);
	free(made->lists);
	free(made->sets);
	*made = (struct made){0};
}

/* The compiled set of a configured one of 'next'. */
static struct vs_acl_made_set *set_of(void *arg, const struct vs_acl_set *set)
{
	struct live *live = arg;

	for (unsigned i = 0; i < live->next.n_sets; i++)
		if (strcmp(live->next.sets[i]->set.name, set->name) == 0)
			return live->next.sets[i];
	return NULL;
}

static struct vs_acl_made_set *make_set(const struct live *live, const struct vs_acl_set *set)
{
	for (unsigned i = 0; i < live->now.n_sets; i++)
		if (vs_acl_set_same(&live->now.sets[i]->set, set))
			return vs_acl_set_ref(live->now.sets[i]);
	return vs_acl_set_make(set);
}

static struct vs_acl_list *make_list(struct live *live, const struct vs_acl *acl)
{
	const struct vs_acl_list *before = NULL;

	for (unsigned i = 0; i < live->now.n_lists && before == NULL; i++)
		if (strcmp(live->now.lists[i]->name, acl->name) == 0)
			before = live->now.lists[i];
	if (before != NULL && vs_acl_list_same(before, acl))
		return vs_acl_list_ref((struct vs_acl_list *)(uintptr_t)before);
	return vs_acl_list_make(live->dp, acl,
				before != NULL ? before->number : ++live->last_number, before,
				set_of, live);
}

static int make(struct live *live, const struct vs_acl_conf *conf)
{
	struct made *next = &live->next;

	next->conf = conf;
	next->is_there = true;
	if (conf == NULL)
		return 0;
	next->sets = calloc((size_t)conf->n_sets + 1, sizeof(next->sets[0]));
	next->lists = calloc((size_t)conf->n_acls + 1, sizeof(next->lists[0]));
	if (next->sets == NULL || next->lists == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < conf->n_sets; i++) {
		next->sets[i] = make_set(live, &conf->sets[i]);
		if (next->sets[i] == NULL)
			return -ENOMEM;
		next->n_sets++;
	}
	for (unsigned i = 0; i < conf->n_acls; i++) {
		next->lists[i] = make_list(live, &conf->acls[i]);
		if (next->lists[i] == NULL)
			return -ENOMEM;
		next->n_lists++;
	}
	return 0;
}

static bool any_stateful(const struct made *made)
{
	for (unsigned i = 0; i < made->n_lists; i++)
		if (made->lists[i]->is_stateful)
			return true;
	return false;
}

static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	struct live *live = live_of(vs);
	int rc;

	made_free(live, &live->next);
	rc = make(live, vs_acl_conf(m));
	if (rc == 0 && live->next.n_lists != 0)
		rc = dp_acl_need(live->dp);
	if (rc == 0 && any_stateful(&live->next))
		rc = dp_conntrack_need(live->dp);
	if (rc == 0)
		return 0;
	made_free(live, &live->next);
	return err_set(err, rc, "no-memory", "no memory for the access lists");
}

static void restore(struct vs *vs)
{
	made_free(live_of(vs), &live_of(vs)->next);
}

/* ---- Views ---- */

static struct vs_acl_list *list_of(const struct made *made, const struct vs_acl *acl)
{
	return made->lists[acl - made->conf->acls];
}

/* 0, or -ENOMEM. */
static int compile_port(struct vs *vs, const struct made *made, const struct vs_port *p,
			struct dp_vport *vp)
{
	struct vs_acl_list *lists[2][VS_MAX_PORT_ACLS];
	struct live *live = live_of(vs);
	unsigned n[2];
	bool tracks = false;

	for (unsigned side = 0; side < 2; side++) {
		const struct vs_acl_binding *of[VS_MAX_PORT_ACLS];

		n[side] = vs_acls_of(made->conf, p, (enum dp_filter_side)side, of);
		for (unsigned i = 0; i < n[side]; i++) {
			lists[side][i] = list_of(made, of[i]->acl);
			tracks |= lists[side][i]->is_stateful;
		}
	}
	for (unsigned side = 0; side < 2; side++) {
		struct vs_acl_port **last = &live->ports[vp->id][side];

		if (n[side] == 0 && !tracks)
			continue;
		if (!port_is(*last, lists[side], n[side], tracks)) {
			struct vs_acl_port *made_now =
				port_make(live, vp->id, (enum dp_filter_side)side, lists[side],
					  n[side], tracks);

			if (made_now == NULL)
				return -ENOMEM;
			port_unref(*last);
			*last = made_now;
		}
		vp->acl[side] = &port_ref(*last)->dp;
	}
	if (dp_acl_composed(vp) != NULL)
		vs_flows_has_acls(vs_switch_flows(vs, p->sw->name));
	return 0;
}

static void release(struct dp_vport *vport)
{
	for (unsigned side = 0; side < 2; side++) {
		port_unref((struct vs_acl_port *)(uintptr_t)vport->acl[side]);
		vport->acl[side] = NULL;
	}
}

/* ---- What changed ---- */

/* A superset of what it matches, in bits of the key. */
static void match_of(const struct vs_acl_entry *e, struct dp_key *key, struct dp_key *mask)
{
	const struct vs_acl_end *ends[2] = {&e->src, &e->dst};
	static const enum dp_field fields[2][2] = {{DP_FIELD_IP4_SRC, DP_FIELD_IP6_SRC},
						   {DP_FIELD_IP4_DST, DP_FIELD_IP6_DST}};

	*key = *mask = (struct dp_key){0};
	if (e->eth_type != 0) {
		dp_key_set(key, DP_FIELD_ETH_TYPE, e->eth_type);
		dp_key_cover(mask, DP_FIELD_ETH_TYPE);
	}
	if (e->proto >= 0) {
		dp_key_set(key, DP_FIELD_IP_PROTO, (uint64_t)e->proto);
		dp_key_cover(mask, DP_FIELD_IP_PROTO);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct vs_acl_prefix *p = &ends[i]->prefix;
		unsigned offset = dp_fields[fields[i][p->ip.v6]].offset;

		if (ends[i]->kind != VS_ACL_PREFIX || ends[i]->except)
			continue;
		for (unsigned bit = 0; bit < p->len; bit++) {
			uint8_t one = (uint8_t)(0x80u >> bit % 8);

			mask->b[offset + bit / 8] |= one;
			key->b[offset + bit / 8] |= p->ip.b[bit / 8] & one;
		}
	}
}

/* Entries that came or went, while they are few. */
struct diff {
	unsigned n; /* above MAX_LOGGED: too many */
	struct vs_acl_entry entries[MAX_LOGGED];
};

static void diff_add(struct diff *d, const struct vs_acl_entry *e)
{
	if (d->n < MAX_LOGGED)
		d->entries[d->n] = *e;
	d->n += d->n <= MAX_LOGGED;
}

static void diff_lists(struct diff *d, const struct vs_acl_list *a, const struct vs_acl_list *b)
{
	uint32_t i = 0, k = 0;

	if (a->other != b->other || a->number != b->number)
		d->n = MAX_LOGGED + 1;
	while (d->n <= MAX_LOGGED && (i < a->n || k < b->n)) {
		const struct vs_acl_entry *x = i < a->n ? &a->items[i].e : NULL;
		const struct vs_acl_entry *y = k < b->n ? &b->items[k].e : NULL;

		if (x != NULL && y != NULL && vs_acl_entry_same(x, y)) {
			i++;
			k++;
		} else if (y == NULL || (x != NULL && x->order <= y->order)) {
			diff_add(d, x);
			i++;
		} else {
			diff_add(d, y);
			k++;
		}
	}
}

/* NULL: any packet of the port may be decided otherwise. */
static void log_match(struct vs_flows *flows, uint16_t of_port, const struct vs_acl_entry *e)
{
	struct dp_key key = {0}, mask = {0};

	if (e != NULL)
		match_of(e, &key, &mask);
	dp_key_set(&key, DP_FIELD_IN_PORT, of_port);
	dp_key_cover(&mask, DP_FIELD_IN_PORT);
	vs_flows_acl_changed(flows, &key, &mask);
}

/* Tells the caches of the port's switch. 'd' is NULL without memory. */
static void tell(struct vs_flows *flows, uint16_t of_port, const struct vs_acl_port *a,
		 const struct vs_acl_port *b, struct diff *d)
{
	if (d != NULL)
		d->n = a == NULL || b == NULL || a->n != b->n ? MAX_LOGGED + 1 : 0;
	for (unsigned i = 0; d != NULL && d->n <= MAX_LOGGED && i < b->n; i++)
		if (a->lists[i] != b->lists[i])
			diff_lists(d, a->lists[i], b->lists[i]);
	if (d == NULL || d->n > MAX_LOGGED) {
		log_match(flows, of_port, NULL);
		return;
	}
	for (unsigned i = 0; i < d->n; i++)
		log_match(flows, of_port, &d->entries[i]);
}

/* Caches of programs hear what changed for them, and workers follow that with this view. */
static void tell_all(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		     struct dp_view *view)
{
	struct diff *d = malloc(sizeof(*d));
	struct live *live = live_of(vs);

	for (unsigned i = 0; i < m->n_ports; i++) {
		struct vs_flows *flows = vs_switch_flows(vs, m->ports[i].sw->name);
		struct dp_vport *vp = ids[i] != DP_NO_PORT ? view->vports[ids[i]] : NULL;
		struct vs_acl_port *now;

		if (vp == NULL || vp->pipeline == NULL || flows == NULL)
			continue;
		now = (struct vs_acl_port *)(uintptr_t)dp_acl_composed(vp);
		if (now != live->told[vp->id]) {
			tell(flows, vp->of_port, live->told[vp->id], now, d);
			port_set(&live->told[vp->id], now);
		}
		vp->pipeline_at = dp_pipeline_logged(vp->pipeline);
	}
	free(d);
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	const struct vs_acl_conf *conf = vs_acl_conf(m);
	struct live *live = live_of(vs);
	const struct made *made =
		live->next.is_there && live->next.conf == conf ? &live->next : &live->now;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && conf != NULL && conf->n_bindings != 0 && i < m->n_ports;
	     i++)
		if (ids[i] != DP_NO_PORT)
			rc = compile_port(vs, made, &m->ports[i], view->vports[ids[i]]);
	if (rc == 0)
		tell_all(vs, m, ids, view);
	return rc;
}

/* ---- Sessions ---- */

struct ending {
	struct live *live;
	bool changed[DP_MAX_PORTS];
};

/* Its first packet, as far as the session knows it. */
static void first_packet(const struct dp_ct_info *info, struct dp_key *key)
{
	*key = (struct dp_key){0};
	dp_key_set(key, DP_FIELD_ETH_TYPE, info->v6 ? 0x86dd : 0x0800);
	dp_key_set(key, DP_FIELD_IP_PROTO, info->proto);
	dp_key_set_bytes(key, info->v6 ? DP_FIELD_IP6_SRC : DP_FIELD_IP4_SRC, info->src);
	dp_key_set_bytes(key, info->v6 ? DP_FIELD_IP6_DST : DP_FIELD_IP4_DST, info->dst);
	if (info->proto == 1 || info->proto == 58) {
		dp_key_set(key, DP_FIELD_TP_SRC, info->proto == 1 ? 8 : 128); /* an echo */
		return;
	}
	dp_key_set(key, DP_FIELD_TP_SRC, info->sport);
	dp_key_set(key, DP_FIELD_TP_DST, info->dport);
}

/* Would the lists of its port not make it, or by another entry? */
static bool has_ended(void *arg, const struct dp_ct_info *info)
{
	const struct ending *e = arg;
	const bool out = (info->mark & DP_ACL_MADE_OUT) != 0;
	const struct dp_acl_rule *rule;
	const struct vs_acl_port *p;
	struct dp_key key;

	if (!info->policy || info->zone >= DP_MAX_PORTS || !e->changed[info->zone])
		return false;
	p = e->live->held[info->zone][out ? DP_FILTER_EGRESS : DP_FILTER_INGRESS];
	if (p == NULL || p->n == 0)
		return true;
	first_packet(info, &key);
	rule = vs_acl_port_find(&p->dp, &key, NULL);
	return !rule->stateful || rule->counter + 1 != (info->mark & ~DP_ACL_MADE_OUT);
}

static void end_sessions(struct live *live, struct ending *e)
{
	struct dp_ct *ct = dp_conntrack(live->dp);

	e->live = live;
	if (ct != NULL)
		dp_ct_flush(ct, dp_conntrack_now(live->dp), has_ended, e);
}

/* What ports hold now; ends sessions where that changed. */
static void follow(struct live *live)
{
	struct ending *e = calloc(1, sizeof(*e));
	const struct dp_view *view = dp_view(live->dp);
	bool any = false;

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		for (unsigned side = 0; side < 2; side++) {
			const struct dp_vport *vp = view->vports[id];
			struct vs_acl_port *now =
				vp != NULL ? (struct vs_acl_port *)(uintptr_t)vp->acl[side] : NULL;
			const struct vs_acl_port *was = live->held[id][side];

			if (now == was)
				continue;
			if (e != NULL && was != NULL && was->dp.tracks)
				any = e->changed[id] = true;
			port_set(&live->held[id][side], now);
		}
	}
	if (any) {
		end_sessions(live, e);
		/* Nobody counts for them any more. */
		dp_synchronize(live->dp);
	}
	free(e);
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	struct live *live = live_of(vs);

	for (unsigned i = 0; i < VS_MAX_RULED; i++)
		if (vs->ruled[i].flows != NULL)
			vs_flows_acls_publish(vs->ruled[i].flows);
	follow(live);
	if (!live->next.is_there)
		return;
	made_free(live, &live->now);
	live->now = live->next;
	live->next = (struct made){0};
}

static void port_gone(struct vs *vs, uint16_t id)
{
	struct live *live = live_of(vs);
	struct ending *e = calloc(1, sizeof(*e));

	for (unsigned side = 0; side < 2; side++) {
		if (e != NULL && live->held[id][side] != NULL)
			e->changed[id] |= live->held[id][side]->dp.tracks;
		port_set(&live->held[id][side], NULL);
		port_set(&live->ports[id][side], NULL);
		vs_acl_counter_unref(live->dp, live->counters[id][side]);
		live->counters[id][side] = NULL;
	}
	port_set(&live->told[id], NULL);
	if (e != NULL && e->changed[id])
		end_sessions(live, e);
	free(e);
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	live->dp = vs->dp;
	live->now.is_there = true;
	*ret = live;
	return 0;
}

static void destroy(struct vs *vs, void *arg)
{
	struct live *live = arg;

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		port_gone(vs, id);
	made_free(live, &live->next);
	made_free(live, &live->now);
	free(live);
}

/* ---- What they have counted ---- */

static bool read_counter(const struct live *live, const struct vs_acl_counter *counter,
			 struct vs_acl_hits *ret)
{
	struct dp_flow_counts counts;

	dp_flow_counter_read(live->dp, counter->number, &counts);
	*ret = (struct vs_acl_hits){counts.packets, counts.bytes, counts.used_ms};
	return true;
}

static const struct vs_acl_list *list_named(const struct live *live, const char *name)
{
	for (unsigned i = 0; live != NULL && i < live->now.n_lists; i++)
		if (strcmp(live->now.lists[i]->name, name) == 0)
			return live->now.lists[i];
	return NULL;
}

bool vs_acl_hits(const struct vs *vs, const char *acl, struct vs_acl_hits ret_hits[2])
{
	const struct live *live = live_of(vs);
	const struct vs_acl_list *l = list_named(live, acl);

	if (l == NULL)
		return false;
	for (unsigned action = 0; action < 2; action++)
		ret_hits[action] = (struct vs_acl_hits){.packets = l->gone[action][0],
							.bytes = l->gone[action][1]};
	for (uint32_t i = 0; i < l->n; i++) {
		struct vs_acl_hits *to = &ret_hits[l->items[i].e.action], of;

		(void)read_counter(live, l->items[i].counter, &of);
		to->packets += of.packets;
		to->bytes += of.bytes;
	}
	return true;
}

bool vs_acl_entry_hits(const struct vs *vs, const char *acl, uint32_t order,
		       struct vs_acl_hits *ret_hits)
{
	const struct live *live = live_of(vs);
	const struct vs_acl_list *l = list_named(live, acl);
	const struct vs_acl_item *item = l != NULL ? vs_acl_list_item(l, order) : NULL;

	return item != NULL && read_counter(live, item->counter, ret_hits);
}

bool vs_acl_default_hits(const struct vs *vs, uint16_t port, enum dp_filter_side side,
			 struct vs_acl_hits *ret_hits)
{
	const struct live *live = live_of(vs);

	if (live == NULL || port >= DP_MAX_PORTS || live->held[port][side] == NULL ||
	    live->held[port][side]->n == 0)
		return false;
	return read_counter(live, live->held[port][side]->counter, ret_hits);
}

bool vs_acl_of_notice(const struct vs *vs, uint64_t id, const char **ret_acl, uint32_t *ret_order)
{
	const struct live *live = live_of(vs);

	for (unsigned i = 0; live != NULL && i < live->now.n_lists; i++) {
		if (live->now.lists[i]->number != id >> 32)
			continue;
		*ret_acl = live->now.lists[i]->name;
		*ret_order = (uint32_t)id;
		return true;
	}
	return false;
}

const struct vs_policy vs_policy_acl = {
	.read = vs_acl_read,
	.forget = vs_acl_forget,
	.create = create,
	.destroy = destroy,
	.need = need,
	.restore = restore,
	.compile = compile,
	.release = release,
	.settle = settle,
	.port_gone = port_gone,
};
