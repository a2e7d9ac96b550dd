/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows.h.  A rule is never changed: modifying one retires it and puts another in its place,
 * which takes over its counter and its birthday.
 */
#include "vswitch/flows.h"

#include "ctl/base/wire.h"
#include "dataplane/dp.h"
#include "dataplane/inject.h"
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows_parts.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"
#include "vswitch/model.h"
#include "vswitch/flows_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MATCH_LIMIT 4096u
#define TICK_MS	    250u /* timeouts are in seconds: near enough */

struct vs_flows {
	struct dp *dp;
	struct dp_pipeline *pipeline;
	struct dp_cls *tables[VS_FLOW_TABLES];
	_Atomic uint8_t port_asks[VS_MAX_OF_PORT + 1];
	/* By OpenFlow number; one more than the id.  0 is no port's: that is LOCAL. */
	_Atomic uint16_t port_ids[VS_MAX_OF_PORT + 1];
	_Atomic bool port_dead[VS_MAX_OF_PORT + 1];
	struct vs_groups *groups;
	struct vs_rule *users; /* rules that use groups or meters */
	struct vs_meters *meters;
	uint64_t secret;
	vs_flow_removed_fn removed;
	void *arg;
	struct vs_rule_lists lists;
	uint32_t miss_counters[VS_FLOW_TABLES];
	uint64_t matches[VS_FLOW_TABLES]; /* of rules that are gone */
	_Atomic bool drop_fragments;	  /* workers look */
	unsigned n_rules;
	unsigned n_in[VS_FLOW_TABLES]; /* of n_rules, those of a table */
	struct vs_wheel wheel;	       /* of rules with timeouts, in ticks of TICK_MS */
	uint64_t next_version;	       /* of the transaction that is open */
	struct vs_rule *came, *left;   /* by the transaction */
	struct vs_rule *gone;	       /* retired by those before it, not yet freed */
	/* Memory of classifiers that readers may still look at. */
	struct garbage *garbage;
};

struct garbage {
	struct garbage *next;
	void (*fn)(void *arg);
	void *arg;
};

/* ---- Life ---- */

/* Without memory for the note there is time: wait until nobody can look. */
static void defer(void *ctx, void (*fn)(void *arg), void *arg)
{
	struct vs_flows *flows = ctx;
	struct garbage *g = malloc(sizeof(*g));

	if (g == NULL) {
		dp_synchronize(flows->dp);
		fn(arg);
		return;
	}
	*g = (struct garbage){.next = flows->garbage, .fn = fn, .arg = arg};
	flows->garbage = g;
}

static int table_make(struct vs_flows *flows, unsigned table)
{
	int rc = dp_flow_counter_alloc(flows->dp, &flows->miss_counters[table]);

	if (rc != 0)
		return rc;
	rc = dp_cls_create(defer, flows, &flows->tables[table]);
	if (rc != 0)
		dp_flow_counter_free(flows->dp, flows->miss_counters[table]);
	return rc;
}

int vs_flows_create(struct dp *dp, vs_flow_removed_fn removed, void *arg,
		    struct vs_flows **ret_flows)
{
	struct vs_flows *flows = calloc(1, sizeof(*flows));
	int rc = flows == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		flows->dp = dp;
		flows->removed = removed;
		flows->arg = arg;
		vs_wheel_init(&flows->wheel, dp_flow_now_ms(dp) / TICK_MS);
		(void)!getrandom(&flows->secret, sizeof(flows->secret), GRND_NONBLOCK);
		rc = dp_pipeline_create(dp, vs_xlate, flows, &flows->pipeline);
	}
	if (rc == 0)
		rc = vs_groups_create(dp, &flows->groups);
	if (rc == 0)
		rc = vs_meters_create(dp, &flows->meters);
	for (unsigned i = 0; rc == 0 && i < VS_FLOW_TABLES; i++)
		rc = table_make(flows, i);
	if (rc != 0) {
		vs_flows_destroy(flows);
		return rc;
	}
	*ret_flows = flows;
	return 0;
}

static void user_enter(struct vs_flows *flows, struct vs_rule *rule)
{
	if (!rule->uses_groups && !of_instrs_has(&rule->instrs, OFPIT_METER))
		return;
	rule->user_next = flows->users;
	rule->user_at = &flows->users;
	if (flows->users != NULL)
		flows->users->user_at = &rule->user_next;
	flows->users = rule;
}

static void user_leave(struct vs_rule *rule)
{
	if (rule->user_at == NULL)
		return;
	*rule->user_at = rule->user_next;
	if (rule->user_next != NULL)
		rule->user_next->user_at = rule->user_at;
}

static void rule_free(struct vs_flows *flows, struct vs_rule *rule)
{
	vs_rule_lists_leave(&flows->lists, rule);
	vs_timer_clear(&rule->timer);
	user_leave(rule);
	if (!rule->shares_counter)
		dp_flow_counter_free(flows->dp, rule->counter);
	dp_cls_rule_fini(&rule->cr);
	of_instrs_fini(&rule->instrs);
	free(rule->match);
	free(rule);
}

static void garbage_free(struct vs_flows *flows)
{
	while (flows->garbage != NULL) {
		struct garbage *g = flows->garbage;

		flows->garbage = g->next;
		g->fn(g->arg);
		free(g);
	}
}

static bool take_out(struct dp_cls_rule *cr, void *arg)
{
	struct vs_flows *flows = arg;
	struct vs_rule *rule = (struct vs_rule *)cr;

	dp_cls_remove(flows->tables[rule->table], cr);
	rule_free(flows, rule);
	return true;
}

void vs_flows_destroy(struct vs_flows *flows)
{
	if (flows == NULL)
		return;
	dp_pipeline_destroy(flows->dp, flows->pipeline);
	while (flows->gone != NULL) {
		struct vs_rule *rule = flows->gone;

		flows->gone = rule->next;
		dp_cls_remove(flows->tables[rule->table], &rule->cr);
		rule_free(flows, rule);
	}
	for (unsigned i = 0; i < VS_FLOW_TABLES && flows->tables[i] != NULL; i++) {
		dp_cls_each(flows->tables[i], take_out, flows);
		dp_cls_destroy(flows->tables[i]);
		dp_flow_counter_free(flows->dp, flows->miss_counters[i]);
	}
	vs_groups_destroy(flows->groups);
	vs_meters_destroy(flows->meters);
	garbage_free(flows);
	free(flows);
}

struct dp_pipeline *vs_flows_pipeline(const struct vs_flows *flows)
{
	return flows->pipeline;
}

const struct dp_cls *vs_flows_table(const struct vs_flows *flows, uint8_t table)
{
	return flows->tables[table];
}

uint16_t vs_flows_port_id(const struct vs_flows *flows, uint32_t of_port)
{
	uint16_t id = 0;

	if (of_port == OFPP_LOCAL)
		of_port = 0;
	else if (of_port == 0)
		return DP_NO_PORT;
	if (of_port <= VS_MAX_OF_PORT)
		id = atomic_load_explicit(&flows->port_ids[of_port], memory_order_relaxed);
	return id == 0 ? DP_NO_PORT : (uint16_t)(id - 1);
}

void vs_flows_port(struct vs_flows *flows, uint32_t of_port, uint16_t port_id)
{
	uint16_t id = port_id == DP_NO_PORT ? 0 : (uint16_t)(port_id + 1);

	if (of_port == OFPP_LOCAL)
		of_port = 0;
	if (of_port > VS_MAX_OF_PORT || atomic_load(&flows->port_ids[of_port]) == id)
		return;
	atomic_store(&flows->port_ids[of_port], id);
	dp_pipeline_log_all(flows->pipeline);
	dp_pipeline_publish(flows->pipeline);
}

void vs_flows_port_asks(struct vs_flows *flows, uint32_t of_port, uint8_t asks)
{
	if (of_port > VS_MAX_OF_PORT || atomic_load(&flows->port_asks[of_port]) == asks)
		return;
	atomic_store(&flows->port_asks[of_port], asks);
	dp_pipeline_log_all(flows->pipeline);
	dp_pipeline_publish(flows->pipeline);
}

uint8_t vs_flows_asks_of(const struct vs_flows *flows, uint32_t of_port)
{
	return of_port <= VS_MAX_OF_PORT
		       ? atomic_load_explicit(&flows->port_asks[of_port], memory_order_relaxed)
		       : 0;
}

void vs_flows_port_live(struct vs_flows *flows, uint32_t of_port, bool live)
{
	const struct dp_key any = {0};

	if (of_port > VS_MAX_OF_PORT || atomic_load(&flows->port_dead[of_port]) == !live)
		return;
	atomic_store(&flows->port_dead[of_port], !live);
	if (!vs_groups_watch(flows->groups))
		return;
	dp_pipeline_log(flows->pipeline, VS_FLOW_GROUPS, &any, &any);
	dp_pipeline_publish(flows->pipeline);
}

bool vs_flows_port_is_live(const struct vs_flows *flows, uint32_t of_port)
{
	return vs_flows_port_id(flows, of_port) != DP_NO_PORT &&
	       !atomic_load_explicit(&flows->port_dead[of_port], memory_order_relaxed);
}

uint64_t vs_flows_secret(const struct vs_flows *flows)
{
	return flows->secret;
}

struct vs_groups *vs_flows_groups(const struct vs_flows *flows)
{
	return flows->groups;
}

struct vs_meters *vs_flows_meters(const struct vs_flows *flows)
{
	return flows->meters;
}

uint64_t vs_flows_open_version(const struct vs_flows *flows)
{
	return flows->next_version;
}

struct dp *vs_flows_dp(const struct vs_flows *flows)
{
	return flows->dp;
}

unsigned vs_flows_n(const struct vs_flows *flows, uint8_t table)
{
	return flows->n_in[table];
}

/* ---- Rules ---- */

/* The match's bytes as they are on the wire: a tenth of 'struct of_match'. */
static int match_keep(struct vs_rule *rule, const struct of_match *match)
{
	struct wr wr = wr_init(MATCH_LIMIT);

	of_match_encode(&wr, match);
	if (wr_ok(&wr))
		rule->match = malloc(wr.size);
	if (rule->match != NULL) {
		memcpy(rule->match, wr.bytes, wr.size);
		rule->match_size = (uint16_t)wr.size;
	}
	wr_fini(&wr);
	return rule->match == NULL ? -ENOMEM : 0;
}

static struct vs_rule *rule_make(struct vs_flows *flows, const struct of_flow_mod *mod,
				 const struct vs_rule *counter_of)
{
	struct vs_rule *rule = calloc(1, sizeof(*rule));

	if (rule == NULL)
		return NULL;
	rule->table = mod->table;
	rule->priority = mod->priority;
	rule->flags = mod->flags;
	rule->cookie = mod->cookie;
	rule->is_miss = mod->priority == 0 && mod->match.n == 0;
	rule->idle_timeout = mod->idle_timeout;
	rule->hard_timeout = mod->hard_timeout;
	rule->created_ms = rule->modified_ms = dp_flow_now_ms(flows->dp);
	if (of_instrs_has(&mod->instrs, OFPIT_METER))
		rule->meter = vs_meters_find(flows->meters, mod->instrs.meter)->index;
	rule->uses_groups = vs_instrs_use_group(&mod->instrs, OF_GROUP_ALL);
	if (match_keep(rule, &mod->match) != 0 || !of_instrs_copy(&mod->instrs, &rule->instrs)) {
		free(rule->match);
		free(rule);
		return NULL;
	}
	if (counter_of != NULL) {
		rule->counter = counter_of->counter;
	} else if (dp_flow_counter_alloc(flows->dp, &rule->counter) != 0) {
		of_instrs_fini(&rule->instrs);
		free(rule->match);
		free(rule);
		return NULL;
	}
	return rule;
}

/* When to look at its timeouts: no rule goes sooner, and one whose packets keep it alive is looked
 * at once in its idle time. */
static void timer_start(struct vs_flows *flows, struct vs_rule *rule, uint64_t used_ms)
{
	uint64_t due_ms = UINT64_MAX;

	if (rule->idle_timeout != 0)
		due_ms = used_ms + rule->idle_timeout * UINT64_C(1000);
	if (rule->hard_timeout != 0 &&
	    rule->modified_ms + rule->hard_timeout * UINT64_C(1000) < due_ms)
		due_ms = rule->modified_ms + rule->hard_timeout * UINT64_C(1000);
	if (due_ms != UINT64_MAX)
		vs_timer_set(&flows->wheel, &rule->timer, (due_ms + TICK_MS - 1) / TICK_MS);
}

/* Puts a rule in, to be seen with the transaction; 'old' (or NULL) is the one it takes the place
 * of. */
static enum of_error rule_enter(struct vs_flows *flows, struct vs_rule *rule, struct vs_rule *old,
				const struct dp_key *key, const struct dp_key *mask)
{
	if (dp_cls_insert(flows->tables[rule->table], &rule->cr, key, mask, rule->priority,
			  flows->next_version) != 0)
		return OF_ERROR_NO_MEMORY;
	vs_rule_lists_enter(&flows->lists, rule, old);
	user_enter(flows, rule);
	rule->next = flows->came;
	flows->came = rule;
	flows->n_rules++;
	flows->n_in[rule->table]++;
	timer_start(flows, rule, rule->modified_ms);
	return OF_OK;
}

/* The transaction ends it.  One that came with the same transaction is not seen at all. */
static void rule_retire(struct vs_flows *flows, struct vs_rule *rule, uint8_t why, bool tell)
{
	dp_cls_retire(&rule->cr, flows->next_version);
	rule->why = why;
	rule->tell = tell && (rule->flags & OFPFF_SEND_FLOW_REM) != 0;
	flows->n_rules--;
	flows->n_in[rule->table]--;
	vs_timer_clear(&rule->timer);
	if (atomic_load(&rule->cr.from) == flows->next_version)
		return;
	rule->next = flows->left;
	flows->left = rule;
}

/* 'rule' goes on with the counter of 'old'. */
static void counter_passed(struct vs_rule *rule, struct vs_rule *old)
{
	rule->took_counter = true;
	old->shares_counter = true;
}

static bool is_current(const struct vs_rule *rule)
{
	return atomic_load_explicit(&rule->cr.to, memory_order_relaxed) == DP_CLS_FOREVER;
}

/* ---- Mods ---- */

/* Rules that a mod or a filter names, collected before any is touched. */
struct named {
	struct vs_flows *flows;
	const struct of_flow_filter *filter;
	struct vs_rule **v;
	size_t n, room;
	bool strict, no_memory;
	uint16_t priority;
	const struct dp_key *mask;
};

bool vs_rule_is_named(const struct vs_rule *rule, const struct of_flow_filter *filter)
{
	const struct of_instrs *i = &rule->instrs;

	if (!is_current(rule) || ((rule->cookie ^ filter->cookie) & filter->cookie_mask) != 0)
		return false;
	if (filter->out_port != OFPP_ANY && !of_actions_output_to(&i->apply, filter->out_port) &&
	    !of_actions_output_to(&i->write, filter->out_port))
		return false;
	return filter->out_group == OF_GROUP_ANY ||
	       of_actions_use_group(&i->apply, filter->out_group) ||
	       of_actions_use_group(&i->write, filter->out_group);
}

static bool name_one(struct dp_cls_rule *cr, void *arg)
{
	struct vs_rule *rule = (struct vs_rule *)cr;
	struct named *named = arg;

	if (!vs_rule_is_named(rule, named->filter))
		return true;
	if (named->n == named->room) {
		size_t room = named->room == 0 ? 16 : named->room * 2;
		struct vs_rule **v = realloc(named->v, room * sizeof(struct vs_rule *));

		if (v == NULL) {
			named->no_memory = true;
			return false;
		}
		named->v = v;
		named->room = room;
	}
	named->v[named->n++] = rule;
	return true;
}

static void name_in_table(struct named *named, uint8_t table, const struct dp_key *key,
			  const struct dp_key *mask)
{
	struct vs_flows *flows = named->flows;
	struct dp_cls_rule *cr;

	if (!named->strict) {
		dp_cls_each_related(flows->tables[table], key, mask, DP_CLS_WITHIN, name_one,
				    named);
		return;
	}
	cr = dp_cls_exact(flows->tables[table], key, mask, named->priority, flows->next_version);
	if (cr != NULL)
		name_one(cr, named);
}

static enum of_error name_all(struct named *named, const struct dp_key *key,
			      const struct dp_key *mask)
{
	uint8_t first = named->filter->table, last = first;

	if (first == OF_TABLE_ALL) {
		first = 0;
		last = VS_FLOW_TABLES - 1;
	}
	for (unsigned table = first; table <= last && !named->no_memory; table++)
		name_in_table(named, (uint8_t)table, key, mask);
	return named->no_memory ? OF_ERROR_NO_MEMORY : OF_OK;
}

static bool same_priority(struct dp_cls_rule *cr, void *arg)
{
	struct named *named = arg;
	const struct vs_rule *rule = (const struct vs_rule *)cr;

	named->n += is_current(rule) && rule->priority == named->priority;
	return named->n == 0;
}

static enum of_error add(struct vs_flows *flows, const struct of_flow_mod *mod,
			 const struct dp_key *key, const struct dp_key *mask)
{
	struct dp_cls *cls = flows->tables[mod->table];
	struct vs_rule *old, *rule;
	struct named overlap = {.priority = mod->priority};
	enum of_error error;

	if ((mod->flags & OFPFF_CHECK_OVERLAP) != 0)
		dp_cls_each_related(cls, key, mask, DP_CLS_OVERLAP, same_priority, &overlap);
	if (overlap.n != 0)
		return OFPFMFC_OVERLAP;
	old = (struct vs_rule *)dp_cls_exact(cls, key, mask, mod->priority, flows->next_version);
	if (old == NULL && flows->n_rules >= VS_FLOW_MAX_RULES)
		return OFPFMFC_TABLE_FULL;
	rule = rule_make(flows, mod, (mod->flags & OFPFF_RESET_COUNTS) != 0 ? NULL : old);
	if (rule == NULL)
		return OF_ERROR_NO_MEMORY;
	error = rule_enter(flows, rule, old, key, mask);
	if (error != OF_OK) {
		rule->shares_counter = old != NULL && rule->counter == old->counter;
		rule_free(flows, rule);
		return error;
	}
	if (old != NULL && old->counter == rule->counter)
		counter_passed(rule, old);
	if (old != NULL)
		rule_retire(flows, old, OFPRR_DELETE, false);
	return OF_OK;
}

/* The rule with other instructions; all else stays. */
static enum of_error modify_one(struct vs_flows *flows, struct vs_rule *old,
				const struct of_flow_mod *mod)
{
	bool reset = (mod->flags & OFPFF_RESET_COUNTS) != 0;
	struct of_flow_mod copy = {.cookie = old->cookie,
				   .table = old->table,
				   .idle_timeout = old->idle_timeout,
				   .hard_timeout = old->hard_timeout,
				   .priority = old->priority,
				   .flags = old->flags,
				   .instrs = mod->instrs};
	struct rd rd = rd_init(old->match, old->match_size);
	struct dp_key key, mask;
	struct vs_rule *rule;
	enum of_error error = of_match_decode(&rd, &copy.match);

	if (error == OF_OK)
		error = of_instrs_check(&mod->instrs, &copy.match, old->table);
	if (error != OF_OK)
		return error;
	rule = rule_make(flows, &copy, reset ? NULL : old);
	if (rule == NULL)
		return OF_ERROR_NO_MEMORY;
	rule->created_ms = old->created_ms;
	dp_cls_rule_match(&old->cr, &key, &mask);
	error = rule_enter(flows, rule, old, &key, &mask);
	if (error != OF_OK) {
		rule->shares_counter = !reset;
		rule_free(flows, rule);
		return error;
	}
	if (!reset)
		counter_passed(rule, old);
	rule_retire(flows, old, OFPRR_DELETE, false);
	return OF_OK;
}

static enum of_error modify_or_delete(struct vs_flows *flows, const struct of_flow_mod *mod,
				      const struct dp_key *key, const struct dp_key *mask)
{
	bool del = mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;
	const struct of_flow_filter filter = {
		.table = mod->table,
		.out_port = del ? mod->out_port : (uint32_t)OFPP_ANY,
		.out_group = del ? mod->out_group : OF_GROUP_ANY,
		.cookie = mod->cookie,
		.cookie_mask = mod->cookie_mask,
	};
	struct named named = {
		.flows = flows,
		.filter = &filter,
		.strict =
			mod->command == OFPFC_MODIFY_STRICT || mod->command == OFPFC_DELETE_STRICT,
		.priority = mod->priority,
	};
	enum of_error error = name_all(&named, key, mask);

	for (size_t i = 0; i < named.n && error == OF_OK; i++) {
		if (del)
			rule_retire(flows, named.v[i], OFPRR_DELETE, true);
		else
			error = modify_one(flows, named.v[i], mod);
	}
	free(named.v);
	return error;
}

/* Can we do it, and is what it names there? */
static enum of_error check_instrs(struct vs_flows *flows, const struct of_instrs *instrs)
{
	enum of_error error = vs_xlate_check(flows, instrs);

	if (error == OF_OK && of_instrs_has(instrs, OFPIT_METER) &&
	    vs_meters_find(flows->meters, instrs->meter) == NULL)
		error = OFPMMFC_INVALID_METER;
	if (error == OF_OK)
		error = vs_groups_check(flows->groups, &instrs->apply);
	if (error == OF_OK)
		error = vs_groups_check(flows->groups, &instrs->write);
	if (error == OF_OK &&
	    (vs_xlate_tracks(&instrs->apply) || vs_xlate_tracks(&instrs->write)) &&
	    dp_conntrack_need(flows->dp) != 0)
		error = OF_ERROR_NO_MEMORY;
	return error;
}

enum of_error vs_flows_mod(struct vs_flows *flows, const struct of_flow_mod *mod)
{
	struct dp_key key, mask;
	enum of_error error = vs_flow_key(&mod->match, &key, &mask);

	if (error != OF_OK)
		return error;
	if (mod->table >= VS_FLOW_TABLES &&
	    (mod->table != OF_TABLE_ALL ||
	     (mod->command != OFPFC_DELETE && mod->command != OFPFC_DELETE_STRICT)))
		return OFPFMFC_BAD_TABLE_ID;
	switch ((enum of_flow_command)mod->command) {
	case OFPFC_ADD:
		error = of_instrs_check(&mod->instrs, &mod->match, mod->table);
		if (error == OF_OK)
			error = check_instrs(flows, &mod->instrs);
		return error != OF_OK ? error : add(flows, mod, &key, &mask);
	case OFPFC_MODIFY:
	case OFPFC_MODIFY_STRICT:
		error = check_instrs(flows, &mod->instrs);
		return error != OF_OK ? error : modify_or_delete(flows, mod, &key, &mask);
	case OFPFC_DELETE:
	case OFPFC_DELETE_STRICT:
		return modify_or_delete(flows, mod, &key, &mask);
	}
	return OFPFMFC_BAD_COMMAND;
}

void vs_flows_each_user(struct vs_flows *flows, vs_user_fn fn, void *arg)
{
	for (struct vs_rule *rule = flows->users; rule != NULL; rule = rule->user_next)
		if (is_current(rule))
			fn(rule, arg);
}

void vs_flows_retire(struct vs_flows *flows, struct vs_rule *rule, uint8_t why)
{
	rule_retire(flows, rule, why, true);
}

/* ---- Transactions ---- */

void vs_flows_begin(struct vs_flows *flows)
{
	flows->next_version = dp_pipeline_next(flows->pipeline);
}

static void log_rule(struct vs_flows *flows, const struct vs_rule *rule)
{
	struct dp_key key, mask;

	dp_cls_rule_match(&rule->cr, &key, &mask);
	dp_pipeline_log(flows->pipeline, rule->table, &key, &mask);
}

static void list_to_gone(struct vs_flows *flows, struct vs_rule *rule)
{
	rule->next = flows->gone;
	flows->gone = rule;
}

/* Packets for controllers go by the meter of that name, if there is one. */
static void meter_punts(struct vs_flows *flows)
{
	const struct vs_meter *meter = vs_meters_find(flows->meters, OF_METER_CONTROLLER);

	dp_pipeline_meter_punts(flows->pipeline, meter != NULL ? meter->index : DP_NO_METER);
}

void vs_flows_commit(struct vs_flows *flows)
{
	const struct dp_key any = {0};
	struct vs_rule *rule, *next;

	for (rule = flows->came; rule != NULL; rule = next) {
		next = rule->next;
		rule->next = NULL;
		log_rule(flows, rule);
		if (!is_current(rule))
			list_to_gone(flows, rule);
	}
	for (rule = flows->left; rule != NULL; rule = next) {
		next = rule->next;
		log_rule(flows, rule);
		list_to_gone(flows, rule);
	}
	flows->came = flows->left = NULL;
	/* Before rules that use them are seen. */
	vs_meters_commit(flows->meters);
	meter_punts(flows);
	if (vs_groups_commit(flows->groups))
		dp_pipeline_log(flows->pipeline, VS_FLOW_GROUPS, &any, &any);
	dp_pipeline_publish(flows->pipeline);
}

void vs_flows_abort(struct vs_flows *flows)
{
	struct vs_rule *rule, *next;

	for (rule = flows->left; rule != NULL; rule = next) {
		next = rule->next;
		rule->next = NULL;
		rule->shares_counter = false;
		rule->tell = false;
		dp_cls_retire(&rule->cr, DP_CLS_FOREVER);
		flows->n_rules++;
		flows->n_in[rule->table]++;
		timer_start(flows, rule, rule->modified_ms);
	}
	/* No version shows them, but a worker may be walking past: they wait with those that left.
	 */
	for (rule = flows->came; rule != NULL; rule = next) {
		next = rule->next;
		if (is_current(rule)) {
			flows->n_rules--;
			flows->n_in[rule->table]--;
		}
		vs_timer_clear(&rule->timer);
		dp_cls_retire(&rule->cr, flows->next_version);
		rule->tell = false;
		rule->shares_counter = rule->took_counter;
		list_to_gone(flows, rule);
	}
	flows->came = flows->left = NULL;
	vs_groups_abort(flows->groups, flows->next_version);
	vs_meters_abort(flows->meters);
}

void vs_flows_limit_punts(struct vs_flows *flows, uint32_t pps)
{
	dp_pipeline_limit_punts(flows->dp, flows->pipeline, pps);
}

void vs_flows_tell_ttl(struct vs_flows *flows, bool tell)
{
	dp_pipeline_tell_ttl(flows->pipeline, tell);
}

void vs_flows_barrier(struct vs_flows *flows)
{
	dp_inject_wait(flows->dp);
	dp_synchronize(flows->dp);
}

void vs_flows_drop_fragments(struct vs_flows *flows, bool drop)
{
	if (atomic_load(&flows->drop_fragments) == drop)
		return;
	atomic_store(&flows->drop_fragments, drop);
	dp_pipeline_log_all(flows->pipeline);
	dp_pipeline_publish(flows->pipeline);
}

bool vs_flows_drops_fragments(const struct vs_flows *flows)
{
	return atomic_load_explicit(&flows->drop_fragments, memory_order_relaxed);
}

/* ---- Upkeep ---- */

/* In two steps, for the counters of a rule are final only when no worker can still follow it. */
static void free_gone(struct vs_flows *flows)
{
	struct vs_rule *gone = flows->gone, *next;

	bool others = vs_groups_unlink(flows->groups);

	others = vs_meters_unlink(flows->meters) || others;
	if (!others && gone == NULL && flows->garbage == NULL)
		return;
	flows->gone = NULL;
	for (struct vs_rule *rule = gone; rule != NULL; rule = rule->next)
		dp_cls_remove(flows->tables[rule->table], &rule->cr);
	dp_synchronize(flows->dp);
	for (struct vs_rule *rule = gone; rule != NULL; rule = next) {
		struct dp_flow_counts counts;

		next = rule->next;
		dp_flow_counter_read(flows->dp, rule->counter, &counts);
		if (!rule->shares_counter)
			flows->matches[rule->table] += counts.packets;
		if (rule->tell && flows->removed != NULL)
			flows->removed(flows->arg, rule, &counts, vs_rule_age_ms(flows, rule));
		rule_free(flows, rule);
	}
	vs_groups_free(flows->groups);
	vs_meters_free(flows->meters);
	garbage_free(flows);
}

static void expire_one(struct vs_timer *timer, void *arg)
{
	struct vs_rule *rule = (struct vs_rule *)((char *)timer - offsetof(struct vs_rule, timer));
	struct vs_flows *flows = arg;
	uint64_t now_ms = flows->wheel.now * TICK_MS, used_ms;
	struct dp_flow_counts counts;

	if (rule->hard_timeout != 0 &&
	    now_ms >= rule->modified_ms + rule->hard_timeout * UINT64_C(1000)) {
		rule_retire(flows, rule, OFPRR_HARD_TIMEOUT, true);
		return;
	}
	dp_flow_counter_read(flows->dp, rule->counter, &counts);
	used_ms = counts.used_ms > rule->modified_ms ? counts.used_ms : rule->modified_ms;
	if (rule->idle_timeout != 0 && now_ms >= used_ms + rule->idle_timeout * UINT64_C(1000))
		rule_retire(flows, rule, OFPRR_IDLE_TIMEOUT, true);
	else
		timer_start(flows, rule, used_ms);
}

static void expire(struct vs_flows *flows)
{
	uint64_t tick = dp_flow_now_ms(flows->dp) / TICK_MS;

	if (tick <= flows->wheel.now)
		return;
	vs_flows_begin(flows);
	vs_wheel_turn(&flows->wheel, tick, expire_one, flows);
	if (flows->left != NULL)
		vs_flows_commit(flows);
}

void vs_flows_reap(struct vs_flows *flows)
{
	expire(flows);
	free_gone(flows);
}

/* ---- Reading ---- */

struct each {
	const struct of_flow_filter *filter;
	vs_rule_fn fn;
	void *arg;
};

static bool each_one(struct dp_cls_rule *cr, void *arg)
{
	const struct each *each = arg;
	const struct vs_rule *rule = (const struct vs_rule *)cr;

	if (vs_rule_is_named(rule, each->filter))
		each->fn(rule, each->arg);
	return true;
}

void vs_flows_each(struct vs_flows *flows, const struct of_flow_filter *filter, vs_rule_fn fn,
		   void *arg)
{
	struct each each = {.filter = filter, .fn = fn, .arg = arg};
	struct dp_key key, mask;

	if (vs_flow_key(&filter->match, &key, &mask) != OF_OK)
		return;
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++)
		if (filter->table == OF_TABLE_ALL || filter->table == i)
			dp_cls_each_related(flows->tables[i], &key, &mask, DP_CLS_WITHIN, each_one,
					    &each);
}

struct vs_rule_lists *vs_flows_lists(struct vs_flows *flows)
{
	return &flows->lists;
}

/* Matches are the sum of what rules have counted, those that are gone included: packets pay for
 * their rules' counters already. */
void vs_flows_table_counts(struct vs_flows *flows, uint8_t table,
			   struct vs_table_counts *ret_counts)
{
	struct dp_flow_counts counts;

	ret_counts->matches = flows->matches[table];
	for (const struct vs_rule *r = flows->lists.first[table]; r != NULL; r = r->later) {
		if (r->shares_counter)
			continue;
		dp_flow_counter_read(flows->dp, r->counter, &counts);
		ret_counts->matches += counts.packets;
	}
	dp_flow_counter_read(flows->dp, flows->miss_counters[table], &counts);
	ret_counts->lookups = ret_counts->matches + counts.packets;
}

uint32_t vs_flows_miss_counter(const struct vs_flows *flows, uint8_t table)
{
	return flows->miss_counters[table];
}

void vs_rule_counts(const struct vs_flows *flows, const struct vs_rule *rule,
		    struct dp_flow_counts *ret_counts)
{
	dp_flow_counter_read(flows->dp, rule->counter, ret_counts);
}

uint64_t vs_rule_age_ms(const struct vs_flows *flows, const struct vs_rule *rule)
{
	return dp_flow_now_ms(flows->dp) - rule->created_ms;
}
