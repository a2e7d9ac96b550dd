/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking for mistakes in access lists, and trying a packet on them; see cmd.h.
 *
 * Each entry is compared with those before it.  That is half of the square of their number, so
 * there is a budget: what is left when it is spent is said, not done.
 */
#include "vswitch/cmd_acl.h"

#include "dataplane/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAIRS    UINT64_C(100000000)
#define MAX_OVERLAPS 1000
#define MAX_ROWS     10000

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* An entry where packets meet it. */
struct item {
	const struct vs_acl *acl;
	const struct vs_acl_entry *e;
	struct vs_acl_mark mark;
	bool idle; /* matches nothing: an empty set */
};

struct check {
	const struct vs_daemon *d;
	struct item *items;
	uint32_t n, room;
	uint64_t idle_ms; /* 0: entries that no packet ever met are dead */
	json_t *rows;
	uint64_t pairs;
	uint32_t n_entries, n_overlaps, n_left_out, n_unchecked;
};

static bool names_empty(const struct vs_acl_end *end)
{
	return end->kind == VS_ACL_SET && end->set->n == 0;
}

static int add_list(struct check *c, const struct vs_acl *acl)
{
	if (c->n + acl->n > c->room) {
		uint32_t room = c->n + acl->n;
		struct item *items = realloc(c->items, (size_t)room * sizeof(*items));

		if (items == NULL)
			return -ENOMEM;
		c->items = items;
		c->room = room;
	}
	for (uint32_t i = 0; i < acl->n; i++) {
		const struct vs_acl_entry *e = &acl->entries[i];
		struct item *item = &c->items[c->n++];

		*item = (struct item){.acl = acl, .e = e};
		item->idle = (names_empty(&e->src) && !e->src.except) ||
			     (names_empty(&e->dst) && !e->dst.except);
		vs_acl_mark(e, &item->mark);
	}
	return 0;
}

/* ---- Findings ---- */

static void report(struct check *c, const struct item *item, const char *kind,
		   const struct item *by, const char *what)
{
	json_t *text, *by_json = json_string("");

	if (json_array_size(c->rows) >= MAX_ROWS) {
		c->n_left_out++;
		json_decref(by_json);
		return;
	}
	if (by != NULL) {
		char *entry = vs_acl_entry_format(by->e);

		json_decref(by_json);
		by_json = json_sprintf("%s %u", by->acl->name, by->e->order);
		text = json_sprintf("%s: %s", what, entry != NULL ? entry : "");
		free(entry);
	} else {
		text = json_string(what);
	}
	json_array_append_new(c->rows, json_pack("{ss sI ss so so}", "acl", item->acl->name,
						 "order", (json_int_t)item->e->order, "kind", kind,
						 "by", by_json, "text", text));
}

static bool does_the_same(const struct vs_acl_entry *a, const struct vs_acl_entry *b)
{
	return a->action == b->action && a->stateful == b->stateful;
}

/* True: nothing can meet 'b', the rest need not be asked. */
static bool compare(struct check *c, const struct item *a, const struct item *b)
{
	bool same = does_the_same(a->e, b->e);

	if (vs_acl_entry_covers(a->e, b->e)) {
		report(c, b, same ? "redundant" : "shadowed", a,
		       same ? "no packet meets it, and all would be treated so by"
			    : "no packet meets it: all are taken by");
		return true;
	}
	/* What is special before what is general is how lists are written. */
	if (a->e->action == b->e->action || !vs_acl_entries_meet(a->e, b->e) ||
	    vs_acl_entry_covers(b->e, a->e))
		return false;
	if (c->n_overlaps++ >= MAX_OVERLAPS)
		c->n_left_out++;
	else
		report(c, b, "overlap", a, "some of its packets are treated otherwise by");
	return false;
}

static void compare_with_earlier(struct check *c, uint32_t i)
{
	const struct item *b = &c->items[i];

	if (c->pairs + i > MAX_PAIRS) {
		c->n_unchecked++;
		return;
	}
	c->pairs += i;
	for (uint32_t k = 0; k < i; k++) {
		const struct item *a = &c->items[k];

		if (vs_acl_marks_meet(&a->mark, &b->mark) && !a->idle && compare(c, a, b))
			return;
	}
}

static void look_at_sets(struct check *c, const struct item *item)
{
	const struct vs_acl_end *ends[] = {&item->e->src, &item->e->dst};
	char text[200];

	for (unsigned i = 0; i < 2; i++) {
		if (!names_empty(ends[i]))
			continue;
		snprintf(text, sizeof(text), "the set @%s has no addresses: %s", ends[i]->set->name,
			 ends[i]->except ? "all are other than these" : "no packet meets it");
		report(c, item, "empty", NULL, text);
	}
}

static void look_at_hits(struct check *c, const struct item *item)
{
	uint64_t now = dp_flow_now_ms(c->d->vs->dp);
	struct vs_acl_hits hits = {0};
	char text[100];

	/* Of a list that hangs nowhere nothing is known. */
	if (!vs_acl_entry_hits(c->d->vs, item->acl->name, item->e->order, &hits))
		return;
	if (hits.packets == 0) {
		report(c, item, "dead", NULL, "no packet ever met it");
	} else if (c->idle_ms != 0 && now > hits.used_ms && now - hits.used_ms > c->idle_ms) {
		snprintf(text, sizeof(text), "no packet met it for %llu seconds",
			 (unsigned long long)((now - hits.used_ms) / 1000));
		report(c, item, "dead", NULL, text);
	}
}

static void look(struct check *c, bool hits)
{
	for (uint32_t i = 0; i < c->n; i++) {
		look_at_sets(c, &c->items[i]);
		if (!c->items[i].idle)
			compare_with_earlier(c, i);
		if (hits)
			look_at_hits(c, &c->items[i]);
	}
	c->n_entries += c->n;
	c->n = 0;
}

/* ---- check ---- */

static int check_port(struct check *c, const struct vs_port *p)
{
	for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
		const struct vs_acl_binding *of[VS_MAX_PORT_ACLS];
		unsigned n =
			vs_acls_of(vs_acl_conf(c->d->vs->model), p, (enum dp_filter_side)side, of);

		for (unsigned i = 0; i < n; i++)
			if (add_list(c, of[i]->acl) != 0)
				return -ENOMEM;
		look(c, true);
	}
	return 0;
}

static int check_lists(struct check *c, const struct vs_acl *one)
{
	const struct vs_acl_conf *conf = vs_acl_conf(c->d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n_acls; i++) {
		if (one != NULL && one != &conf->acls[i])
			continue;
		if (add_list(c, &conf->acls[i]) != 0)
			return -ENOMEM;
		look(c, true);
	}
	return 0;
}

int vs_acl_check_command(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_port *p = vs_model_port(d->vs->model, param(params, "port"));
	struct check c = {.d = d,
			  .idle_ms = (uint64_t)json_integer_value(json_object_get(params, "idle"))};
	const struct vs_acl *one = NULL;
	int rc;

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	if (param(params, "name") != NULL) {
		one = vs_cmd_acl(d, params, err);
		if (one == NULL)
			return -ENOENT;
	}
	c.rows = json_array();
	rc = p != NULL ? check_port(&c, p) : check_lists(&c, one);
	free(c.items);
	if (rc != 0) {
		json_decref(c.rows);
		return err_set(err, rc, "no-memory", "no memory");
	}
	*ret = json_pack("{so sI sI sI}", "findings", c.rows, "entries", (json_int_t)c.n_entries,
			 "left_out", (json_int_t)c.n_left_out, "unchecked",
			 (json_int_t)c.n_unchecked);
	return 0;
}

/* ---- test ---- */

/* A packet is an entry that fits it alone. */
static int packet_read(const struct vs_daemon *d, const json_t *params, struct vs_acl_entry *ret,
		       struct err *err)
{
	json_t *words = json_object_get(params, "packet"), *item;
	char text[VS_ACL_LINE_SIZE] = "allow";
	char what[sizeof(err->what)];
	size_t i, used = strlen(text);
	int rc;

	json_array_foreach(words, i, item) {
		const char *word = json_string_value(item);

		if (used + strlen(word) + 2 > sizeof(text))
			return err_set(err, -EINVAL, "bad-packet", "the packet is too long");
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s", word);
	}
	rc = vs_acl_entry_parse(text, vs_acl_conf(d->vs->model), ret, err);
	if (rc != 0 && err != NULL) {
		unsigned column = 0;
		int n = 0;

		/* Counted from what was typed. */
		memcpy(what, err->what, sizeof(what));
		if (sscanf(what, "column %u: %n", &column, &n) == 1 && n > 0)
			snprintf(err->what, sizeof(err->what), "PACKET: column %u: %.280s",
				 column > 6 ? column - 6 : 1, what + n);
		err_fix(err, "vswitchctl acl test --help");
	}
	return rc;
}

static json_t *verdict_json(const char *verdict, const struct vs_acl *acl,
			    const struct vs_acl_entry *e, const char *why)
{
	return json_pack("{ss ss so so ss}", "verdict", verdict, "acl",
			 acl != NULL ? acl->name : "", "order",
			 e != NULL ? json_integer(e->order) : json_null(), "entry",
			 e != NULL ? vs_acl_entry_json(e) : json_null(), "why", why);
}

static json_t *judge(const struct vs_acl_binding *const *of, unsigned n,
		     const struct vs_acl_entry *packet)
{
	for (unsigned i = 0; i < n; i++) {
		const struct vs_acl *acl = of[i]->acl;

		for (uint32_t k = 0; k < acl->n; k++) {
			const struct vs_acl_entry *e = &acl->entries[k];

			if (e->fragments && !packet->fragments)
				continue;
			if (vs_acl_entry_covers(e, packet))
				return verdict_json(e->action == VS_ACL_ALLOW ? "allow" : "deny",
						    acl, e, "the first entry that matches");
			if (vs_acl_entries_meet(e, packet))
				return verdict_json("depends", acl, e,
						    "some such packets match this entry: say "
						    "more of the packet");
		}
	}
	if (n == 0)
		return verdict_json("allow", NULL, NULL, "no list is attached there");
	return verdict_json(of[n - 1]->acl->other == VS_ACL_ALLOW ? "allow" : "deny",
			    of[n - 1]->acl, NULL,
			    "no entry matches: what the last list does "
			    "otherwise");
}

int vs_acl_test_command(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const struct vs_daemon *d = ctx;
	bool egress = strcmp(param(params, "direction"), "egress") == 0;
	const struct vs_acl_binding *of[VS_MAX_PORT_ACLS];
	const struct vs_port *p;
	struct vs_acl_entry packet;
	int id = vs_cmd_port(d, params, "port", err), rc;

	if (id < 0)
		return id;
	rc = packet_read(d, params, &packet, err);
	if (rc != 0)
		return rc;
	p = vs_model_port(d->vs->model, param(params, "port"));
	*ret = judge(of,
		     vs_acls_of(vs_acl_conf(d->vs->model), p,
				egress ? DP_FILTER_EGRESS : DP_FILTER_INGRESS, of),
		     &packet);
	vs_acl_entry_fini(&packet);
	return 0;
}
