/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See groups.h.
 */
#include "vswitch/groups.h"

#include "ctl/base/wire.h"
#include "dataplane/cls.h"
#include "dataplane/dp.h"
#include "dataplane/hash.h"
#include "vswitch/flows.h"

#include <stdlib.h>
#include <sys/random.h>

#define N_HEADS	     4096u
#define BUCKET_LIMIT 65536u

struct heads {
	_Atomic(struct vs_group *) v[N_HEADS];
};

struct vs_groups {
	struct dp *dp;
	_Atomic(struct heads *) heads; /* with the first group: most switches have none */
	uint64_t secret;
	unsigned n, n_watching; /* current ones; those with a watch */
	uint32_t mark;
	struct vs_group *came, *left; /* by the transaction */
	struct vs_group *gone;	      /* retired by those before it, still in the table */
	struct vs_group *out;	      /* out of it, not yet freed */
};

/* ---- The table ---- */

int vs_groups_create(struct dp *dp, struct vs_groups **ret_groups)
{
	struct vs_groups *groups = calloc(1, sizeof(*groups));

	if (groups == NULL)
		return -ENOMEM;
	groups->dp = dp;
	/* Without one numbers may be chosen that collide: slower, nothing else. */
	(void)!getrandom(&groups->secret, sizeof(groups->secret), GRND_NONBLOCK);
	*ret_groups = groups;
	return 0;
}

static uint32_t slot_of(const struct vs_groups *groups, uint32_t id)
{
	return (uint32_t)dp_nh_finish(dp_nh_word(id, groups->secret)) % N_HEADS;
}

static struct vs_group *first_of(const struct vs_groups *groups, uint32_t id)
{
	struct heads *heads = atomic_load_explicit(&groups->heads, memory_order_acquire);

	if (heads == NULL)
		return NULL;
	return atomic_load_explicit(&heads->v[slot_of(groups, id)], memory_order_acquire);
}

static struct vs_group *next_of(const struct vs_group *group)
{
	return atomic_load_explicit(&group->chain, memory_order_acquire);
}

const struct vs_group *vs_groups_find(const struct vs_groups *groups, uint32_t id, uint64_t version)
{
	for (struct vs_group *g = first_of(groups, id); g != NULL; g = next_of(g))
		if (g->of.id == id &&
		    atomic_load_explicit(&g->from, memory_order_relaxed) <= version &&
		    version < atomic_load_explicit(&g->to, memory_order_relaxed))
			return g;
	return NULL;
}

static bool is_current(const struct vs_group *group)
{
	return atomic_load_explicit(&group->to, memory_order_relaxed) == DP_CLS_FOREVER;
}

struct vs_group *vs_groups_now(const struct vs_groups *groups, uint32_t id)
{
	for (struct vs_group *g = first_of(groups, id); g != NULL; g = next_of(g))
		if (g->of.id == id && is_current(g))
			return g;
	return NULL;
}

unsigned vs_groups_n(const struct vs_groups *groups)
{
	return groups->n;
}

bool vs_groups_watch(const struct vs_groups *groups)
{
	return groups->n_watching != 0;
}

static bool table_put(struct vs_groups *groups, struct vs_group *group)
{
	struct heads *heads = atomic_load(&groups->heads);
	_Atomic(struct vs_group *) *head;

	if (heads == NULL) {
		heads = calloc(1, sizeof(*heads));
		if (heads == NULL)
			return false;
		atomic_store_explicit(&groups->heads, heads, memory_order_release);
	}
	head = &heads->v[slot_of(groups, group->of.id)];
	atomic_store(&group->chain, atomic_load(head));
	atomic_store_explicit(head, group, memory_order_release);
	return true;
}

static void table_take(struct vs_groups *groups, struct vs_group *group)
{
	_Atomic(struct vs_group *) *at =
		&atomic_load(&groups->heads)->v[slot_of(groups, group->of.id)];
	struct vs_group *g;

	while ((g = atomic_load(at)) != group)
		at = &g->chain;
	atomic_store_explicit(at, next_of(group), memory_order_release);
}

/* ---- Groups ---- */

static void group_free(struct vs_groups *groups, struct vs_group *group, size_t n_counters)
{
	if (n_counters > 0)
		dp_flow_counter_free(groups->dp, group->counter);
	for (size_t i = 1; i < n_counters; i++)
		dp_flow_counter_free(groups->dp, group->buckets[i - 1].counter);
	free(group->buckets);
	of_group_fini(&group->of);
	free(group);
}

static bool of_group_copy(const struct of_group *from, struct of_group *to)
{
	*to = (struct of_group){.type = from->type, .id = from->id};
	for (size_t i = 0; i < from->n_buckets; i++) {
		struct of_bucket bucket = from->buckets[i];

		if (!of_actions_copy(&from->buckets[i].actions, &bucket.actions) ||
		    !of_group_add_bucket(to, &bucket)) {
			of_group_fini(to);
			return false;
		}
	}
	return true;
}

/* What a bucket does, so that flows stay with it when others come and go. */
static bool bucket_hash(const struct of_bucket *bucket, uint32_t *ret_hash)
{
	struct wr wr = wr_init(BUCKET_LIMIT);
	uint32_t h = 2166136261u; /* FNV-1a */
	bool ok;

	of_actions_encode(&wr, &bucket->actions);
	ok = wr_ok(&wr);
	for (size_t i = 0; ok && i < wr.size; i++)
		h = (h ^ ((const uint8_t *)wr.bytes)[i]) * 16777619u;
	wr_fini(&wr);
	*ret_hash = h;
	return ok;
}

/* Two that do the same are told apart by their order. */
static bool hash_buckets(struct vs_group *group)
{
	for (size_t i = 0; i < group->of.n_buckets; i++) {
		uint32_t n = 0;

		if (!bucket_hash(&group->of.buckets[i], &group->buckets[i].hash))
			return false;
		for (size_t k = 0; k < i; k++)
			n += group->buckets[k].hash == group->buckets[i].hash + 0x9e3779b9u * n;
		group->buckets[i].hash += 0x9e3779b9u * n;
	}
	return true;
}

static struct vs_group *group_make(struct vs_groups *groups, const struct of_group *of)
{
	struct vs_group *group = calloc(1, sizeof(*group));
	size_t n = 0, want = of->n_buckets + 1;

	if (group == NULL)
		return NULL;
	group->buckets = calloc(of->n_buckets + 1, sizeof(group->buckets[0]));
	if (group->buckets == NULL || !of_group_copy(of, &group->of) || !hash_buckets(group)) {
		group_free(groups, group, 0);
		return NULL;
	}
	for (; n < want; n++) {
		uint32_t *counter = n == 0 ? &group->counter : &group->buckets[n - 1].counter;

		if (dp_flow_counter_alloc(groups->dp, counter) != 0)
			break;
	}
	if (n == want)
		return group;
	group_free(groups, group, n);
	return NULL;
}

static bool is_watching(const struct vs_group *group)
{
	for (size_t i = 0; i < group->of.n_buckets; i++)
		if (group->of.buckets[i].watch_port != OFPP_ANY ||
		    group->of.buckets[i].watch_group != OF_GROUP_ANY)
			return true;
	return false;
}

static void counted(struct vs_groups *groups, const struct vs_group *group, int by)
{
	groups->n += (unsigned)by;
	if (is_watching(group))
		groups->n_watching += (unsigned)by;
}

static bool enter(struct vs_groups *groups, struct vs_group *group, uint64_t version)
{
	atomic_store(&group->from, version);
	atomic_store(&group->to, DP_CLS_FOREVER);
	if (!table_put(groups, group))
		return false;
	group->next = groups->came;
	groups->came = group;
	counted(groups, group, 1);
	return true;
}

/* The transaction ends it.  One that came with the same transaction is not seen at all. */
static void retire(struct vs_groups *groups, struct vs_group *group, uint64_t version)
{
	atomic_store(&group->to, version);
	counted(groups, group, -1);
	if (atomic_load(&group->from) == version)
		return;
	group->next = groups->left;
	groups->left = group;
}

/* ---- What may be ---- */

enum of_error vs_groups_check(const struct vs_groups *groups, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP &&
		    vs_groups_now(groups, actions->v[i].group) == NULL)
			return OFPBAC_BAD_OUT_GROUP;
	return OF_OK;
}

struct way {
	struct vs_groups *groups;
	uint32_t to;
};

static enum of_error leads(struct way *way, const struct of_group *of, unsigned depth);

static enum of_error leads_by(struct way *way, uint32_t id, unsigned depth)
{
	struct vs_group *group = vs_groups_now(way->groups, id);

	if (id == way->to)
		return OFPGMFC_LOOP;
	if (group == NULL || group->mark == way->groups->mark)
		return OF_OK;
	group->mark = way->groups->mark;
	return leads(way, &group->of, depth + 1);
}

/* Does a way lead from here to the group that is added or changed? */
static enum of_error leads(struct way *way, const struct of_group *of, unsigned depth)
{
	if (depth > VS_GROUP_DEPTH)
		return OFPGMFC_CHAINING_UNSUPPORTED;
	for (size_t i = 0; i < of->n_buckets; i++) {
		const struct of_bucket *b = &of->buckets[i];
		enum of_error error = OF_OK;

		if (b->watch_group != OF_GROUP_ANY)
			error = leads_by(way, b->watch_group, depth);
		for (size_t k = 0; error == OF_OK && k < b->actions.n; k++)
			if (b->actions.v[k].type == OF_ACT_GROUP)
				error = leads_by(way, b->actions.v[k].group, depth);
		if (error != OF_OK)
			return error;
	}
	return OF_OK;
}

static enum of_error check_bucket(const struct vs_groups *groups, const struct of_group *of,
				  const struct of_bucket *b)
{
	enum of_error error = vs_xlate_check_actions(&b->actions);

	if (error != OF_OK)
		return error;
	if (vs_xlate_tracks(&b->actions) && dp_conntrack_need(groups->dp) != 0)
		return OF_ERROR_NO_MEMORY;
	if (b->watch_port != OFPP_ANY && !of_port_is_real(b->watch_port))
		return OFPGMFC_BAD_WATCH;
	if (b->watch_group != OF_GROUP_ANY && b->watch_group != of->id &&
	    vs_groups_now(groups, b->watch_group) == NULL)
		return OFPGMFC_BAD_WATCH;
	for (size_t i = 0; i < b->actions.n; i++)
		if (b->actions.v[i].type == OF_ACT_GROUP && b->actions.v[i].group != of->id &&
		    vs_groups_now(groups, b->actions.v[i].group) == NULL)
			return OFPBAC_BAD_OUT_GROUP;
	return OF_OK;
}

static enum of_error check(struct vs_groups *groups, const struct of_group *of)
{
	struct way way = {.groups = groups, .to = of->id};
	enum of_error error = of_group_check(of);

	if (error == OF_OK && of->n_buckets > VS_MAX_BUCKETS)
		error = OFPGMFC_OUT_OF_BUCKETS;
	for (size_t i = 0; error == OF_OK && i < of->n_buckets; i++)
		error = check_bucket(groups, of, &of->buckets[i]);
	if (error != OF_OK)
		return error;
	groups->mark++;
	return leads(&way, of, 1);
}

/* ---- Mods ---- */

static enum of_error put(struct vs_groups *groups, const struct of_group *of, struct vs_group *old,
			 uint64_t version, uint64_t now_ms)
{
	enum of_error error = check(groups, of);
	struct vs_group *group;

	if (error != OF_OK)
		return error;
	if (old == NULL && groups->n >= VS_MAX_GROUPS)
		return OFPGMFC_OUT_OF_GROUPS;
	group = group_make(groups, of);
	if (group == NULL)
		return OF_ERROR_NO_MEMORY;
	group->created_ms = old != NULL ? old->created_ms : now_ms;
	if (!enter(groups, group, version)) {
		group_free(groups, group, of->n_buckets + 1);
		return OF_ERROR_NO_MEMORY;
	}
	if (old != NULL)
		retire(groups, old, version);
	return OF_OK;
}

struct deletion {
	struct vs_groups *groups;
	const struct vs_group *group; /* NULL: all */
	uint64_t version;
	bool chained;
};

static void delete_one(struct vs_group *group, void *arg)
{
	struct deletion *d = arg;

	retire(d->groups, group, d->version);
}

static void look_for_chain(struct vs_group *group, void *arg)
{
	struct deletion *d = arg;

	for (size_t i = 0; group != d->group && i < group->of.n_buckets; i++)
		d->chained = d->chained ||
			     of_actions_use_group(&group->of.buckets[i].actions, d->group->of.id);
}

/* Calls 'fn' with each current group; it may retire it. */
static void each_now(const struct vs_groups *groups, vs_group_fn fn, void *arg)
{
	struct heads *heads = atomic_load(&groups->heads);

	for (unsigned i = 0; heads != NULL && i < N_HEADS; i++)
		for (struct vs_group *g = atomic_load(&heads->v[i]); g != NULL; g = next_of(g))
			if (is_current(g))
				fn(g, arg);
}

/* A group that others forward to stays (OFPGFC_CHAINING_CHECKS). */
static enum of_error delete (struct vs_groups *groups, uint32_t id, uint64_t version) {
	struct deletion d = {.groups = groups, .version = version};

	if (id == OF_GROUP_ALL){each_now(groups, delete_one, &d); return OF_OK;}
if (id > OF_GROUP_MAX) return OFPGMFC_INVALID_GROUP;
d.group = vs_groups_now(groups, id);
if (d.group == NULL)
	return OF_OK;
each_now(groups, look_for_chain, &d);
if (d.chained)
	return OFPGMFC_CHAINED_GROUP;
retire(groups, vs_groups_now(groups, id), version);
return OF_OK;
}

enum of_error vs_groups_mod(struct vs_groups *groups, const struct of_group_mod *mod,
			    uint64_t version, uint64_t now_ms)
{
	struct vs_group *old = vs_groups_now(groups, mod->group.id);

	switch ((enum of_group_command)mod->command) {
	case OFPGC_ADD:
		return old != NULL ? OFPGMFC_GROUP_EXISTS
				   : put(groups, &mod->group, NULL, version, now_ms);
	case OFPGC_MODIFY:
		return old == NULL ? OFPGMFC_UNKNOWN_GROUP
				   : put(groups, &mod->group, old, version, now_ms);
	case OFPGC_DELETE:
		return delete (groups, mod->group.id, version);
	}
	return OFPGMFC_BAD_COMMAND;
}

/* ---- Transactions ---- */

static void list_to_gone(struct vs_groups *groups, struct vs_group *group)
{
	group->next = groups->gone;
	groups->gone = group;
}

bool vs_groups_commit(struct vs_groups *groups)
{
	bool changed = groups->came != NULL || groups->left != NULL;
	struct vs_group *group, *next;

	for (group = groups->came; group != NULL; group = next) {
		next = group->next;
		if (!is_current(group))
			list_to_gone(groups, group);
	}
	for (group = groups->left; group != NULL; group = next) {
		next = group->next;
		list_to_gone(groups, group);
	}
	groups->came = groups->left = NULL;
	return changed;
}

void vs_groups_abort(struct vs_groups *groups, uint64_t version)
{
	struct vs_group *group, *next;

	for (group = groups->left; group != NULL; group = next) {
		next = group->next;
		atomic_store(&group->to, DP_CLS_FOREVER);
		counted(groups, group, 1);
	}
	for (group = groups->came; group != NULL; group = next) {
		next = group->next;
		if (is_current(group))
			counted(groups, group, -1);
		atomic_store(&group->to, version);
		list_to_gone(groups, group);
	}
	groups->came = groups->left = NULL;
}

bool vs_groups_unlink(struct vs_groups *groups)
{
	struct vs_group *next;

	for (struct vs_group *group = groups->gone; group != NULL; group = next) {
		next = group->next;
		table_take(groups, group);
		group->next = groups->out;
		groups->out = group;
	}
	groups->gone = NULL;
	return groups->out != NULL;
}

void vs_groups_free(struct vs_groups *groups)
{
	struct vs_group *next;

	for (struct vs_group *group = groups->out; group != NULL; group = next) {
		next = group->next;
		group_free(groups, group, group->of.n_buckets + 1);
	}
	groups->out = NULL;
}

void vs_groups_destroy(struct vs_groups *groups)
{
	struct heads *heads;

	if (groups == NULL)
		return;
	(void)vs_groups_unlink(groups);
	vs_groups_free(groups);
	heads = atomic_load(&groups->heads);
	for (unsigned i = 0; heads != NULL && i < N_HEADS; i++) {
		struct vs_group *group;

		while ((group = atomic_load(&heads->v[i])) != NULL) {
			atomic_store(&heads->v[i], next_of(group));
			group_free(groups, group, group->of.n_buckets + 1);
		}
	}
	free(heads);
	free(groups);
}

/* ---- Reading ---- */

struct collection {
	struct vs_group **v;
	size_t n;
};

static void collect(struct vs_group *group, void *arg)
{
	struct collection *c = arg;

	c->v[c->n++] = group;
}

static int by_id(const void *a, const void *b)
{
	const struct vs_group *const *x = a, *const *y = b;

	return (*x)->of.id < (*y)->of.id ? -1 : (*x)->of.id > (*y)->of.id;
}

bool vs_groups_each(const struct vs_groups *groups, vs_group_fn fn, void *arg)
{
	struct collection c = {.v = calloc(groups->n + 1u, sizeof(struct vs_group *))};

	if (c.v == NULL)
		return false;
	each_now(groups, collect, &c);
	qsort(c.v, c.n, sizeof(c.v[0]), by_id);
	for (size_t i = 0; i < c.n; i++)
		fn(c.v[i], arg);
	free(c.v);
	return true;
}
