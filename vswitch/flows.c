/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows.h: the tables and ports of a switch, transactions, timeouts.  What comes and goes by a
 * transaction is flows_mod.c's business.
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
		vs_wheel_init(&flows->wheel, dp_flow_now_ms(dp) / VS_FLOWS_TICK_MS);
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
	vs_rule_free(flows, rule);
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
		vs_rule_free(flows, rule);
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
		if (!vs_rule_is_current(rule))
			list_to_gone(flows, rule);
	}
	for (rule = flows->left; rule != NULL; rule = next) {
		next = rule->next;
		log_rule(flows, rule);
		list_to_gone(flows, rule);
	}
	flows->came = flows->left = NULL;
	/* Before rules that use them are seen. */
	if (vs_meters_commit(flows->meters))
		dp_pipeline_log_all(flows->pipeline);
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
		vs_rule_timer_start(flows, rule, rule->modified_ms);
	}
	/* No version shows them, but a worker may be walking past: they wait with those that left.
	 */
	for (rule = flows->came; rule != NULL; rule = next) {
		next = rule->next;
		if (vs_rule_is_current(rule)) {
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

/* ---- Access lists ---- */

void vs_flows_has_acls(struct vs_flows *flows)
{
	if (atomic_load(&flows->has_acls))
		return;
	atomic_store(&flows->has_acls, true);
	dp_pipeline_log_all(flows->pipeline);
	dp_pipeline_publish(flows->pipeline);
}

bool vs_flows_asks_acls(const struct vs_flows *flows)
{
	return atomic_load_explicit(&flows->has_acls, memory_order_relaxed);
}

void vs_flows_acl_changed(struct vs_flows *flows, const struct dp_key *key,
			  const struct dp_key *mask)
{
	dp_pipeline_log(flows->pipeline, VS_FLOW_ACLS, key, mask);
}

void vs_flows_acls_publish(struct vs_flows *flows)
{
	dp_pipeline_publish(flows->pipeline);
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
		vs_rule_free(flows, rule);
	}
	vs_groups_free(flows->groups);
	vs_meters_free(flows->meters);
	garbage_free(flows);
}

static void expire_one(struct vs_timer *timer, void *arg)
{
	struct vs_rule *rule = (struct vs_rule *)((char *)timer - offsetof(struct vs_rule, timer));
	struct vs_flows *flows = arg;
	uint64_t now_ms = flows->wheel.now * VS_FLOWS_TICK_MS, used_ms;
	struct dp_flow_counts counts;

	if (rule->hard_timeout != 0 &&
	    now_ms >= rule->modified_ms + rule->hard_timeout * UINT64_C(1000)) {
		vs_flows_retire(flows, rule, OFPRR_HARD_TIMEOUT);
		return;
	}
	dp_flow_counter_read(flows->dp, rule->counter, &counts);
	used_ms = counts.used_ms > rule->modified_ms ? counts.used_ms : rule->modified_ms;
	if (rule->idle_timeout != 0 && now_ms >= used_ms + rule->idle_timeout * UINT64_C(1000))
		vs_flows_retire(flows, rule, OFPRR_IDLE_TIMEOUT);
	else
		vs_rule_timer_start(flows, rule, used_ms);
}

static void expire(struct vs_flows *flows)
{
	uint64_t tick = dp_flow_now_ms(flows->dp) / VS_FLOWS_TICK_MS;

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
