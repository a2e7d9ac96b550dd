/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows.h: rules made, named, modified and deleted by flow mods, inside a transaction
 * (flows.c). A rule is never changed: modifying one retires it and puts another in its place, which
 * takes over its counter and its birthday.
 */
#include "vswitch/flows.h"

#include "ctl/base/wire.h"
#include "dataplane/dp.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows_parts.h"
#include "vswitch/flows_priv.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"

#include <stdlib.h>
#include <string.h>

#define MATCH_LIMIT 4096u

/* ---- Rules ---- */

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

void vs_rule_free(struct vs_flows *flows, struct vs_rule *rule)
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
void vs_rule_timer_start(struct vs_flows *flows, struct vs_rule *rule, uint64_t used_ms)
{
	uint64_t due_ms = UINT64_MAX;

	if (rule->idle_timeout != 0)
		due_ms = used_ms + rule->idle_timeout * UINT64_C(1000);
	if (rule->hard_timeout != 0 &&
	    rule->modified_ms + rule->hard_timeout * UINT64_C(1000) < due_ms)
		due_ms = rule->modified_ms + rule->hard_timeout * UINT64_C(1000);
	if (due_ms != UINT64_MAX)
		vs_timer_set(&flows->wheel, &rule->timer,
			     (due_ms + VS_FLOWS_TICK_MS - 1) / VS_FLOWS_TICK_MS);
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
	vs_rule_timer_start(flows, rule, rule->modified_ms);
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

	if (!vs_rule_is_current(rule) ||
	    ((rule->cookie ^ filter->cookie) & filter->cookie_mask) != 0)
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

	named->n += vs_rule_is_current(rule) && rule->priority == named->priority;
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
		vs_rule_free(flows, rule);
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
		vs_rule_free(flows, rule);
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
		if (vs_rule_is_current(rule))
			fn(rule, arg);
}

void vs_flows_retire(struct vs_flows *flows, struct vs_rule *rule, uint8_t why)
{
	rule_retire(flows, rule, why, true);
}
