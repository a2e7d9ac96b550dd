/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about tables (OpenFlow 1.3.5, 7.3.3, 7.3.5.4, 7.3.5.5).  All tables are alike but for
 * their names and for what lies behind them: goto leads forward only.  What they can do is asked of
 * those who do it, so that it cannot be wrong.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"
#include "vswitch/of/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What controllers may say of a table. */
struct vs_agent_table {
	char name[OF_TABLE_NAME_SIZE];
	uint8_t config; /* without effect since 1.3, but read back (7.3.3) */
};

int vs_agent_tables_create(struct vs_agent *agent)
{
	agent->tables = calloc(VS_FLOW_TABLES, sizeof(*agent->tables));
	if (agent->tables == NULL)
		return -1;
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++)
		snprintf(agent->tables[i].name, sizeof(agent->tables[i].name), "table%u", i);
	return 0;
}

enum of_error vs_agent_table_mod(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_table_mod mod;
	enum of_error error = of_table_mod_decode(rd, &mod);

	if (error != OF_OK)
		return error;
	if (mod.table >= VS_FLOW_TABLES && mod.table != OF_TABLE_ALL)
		return OFPTMFC_BAD_TABLE;
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++)
		if (mod.table == OF_TABLE_ALL || mod.table == i)
			req->agent->tables[i].config = (uint8_t)mod.config;
	return OF_OK;
}

enum of_error vs_mp_table(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply)
{
	struct vs_flows *flows = req->agent->flows;

	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++) {
		struct of_table_stats s = {.table = (uint8_t)i,
					   .n_active = vs_flows_n(flows, (uint8_t)i)};
		struct vs_table_counts counts;

		vs_flows_table_counts(flows, (uint8_t)i, &counts);
		s.n_lookups = counts.lookups;
		s.n_matches = counts.matches;
		of_mp_reply_entry(reply);
		of_table_stats_encode(reply->wr, &s);
	}
	return OF_OK;
}

/* ---- Features ---- */

#define PROPS_ALL                                                                                  \
	(1u << OFPTFPT_INSTRUCTIONS | 1u << OFPTFPT_NEXT_TABLES | 1u << OFPTFPT_WRITE_ACTIONS |    \
	 1u << OFPTFPT_APPLY_ACTIONS | 1u << OFPTFPT_MATCH | 1u << OFPTFPT_WILDCARDS |             \
	 1u << OFPTFPT_WRITE_SETFIELD | 1u << OFPTFPT_APPLY_SETFIELD)

/* Would a rule with one be taken? */
static bool knows_meters(void)
{
	struct of_instrs instrs = {.meter = 1};

	of_instrs_mark(&instrs, OFPIT_METER);
	return vs_xlate_check(NULL, &instrs) != OFPBIC_UNSUP_INST;
}

static void fill_ability(struct of_table_ability *a)
{
	a->instrs = 1u << OFPIT_GOTO_TABLE | 1u << OFPIT_WRITE_METADATA |
		    1u << OFPIT_WRITE_ACTIONS | 1u << OFPIT_APPLY_ACTIONS |
		    1u << OFPIT_CLEAR_ACTIONS;
	if (knows_meters())
		a->instrs |= 1u << OFPIT_METER;
	a->write_actions = a->apply_actions = vs_xlate_known_actions();
}

static void fill_fields(struct of_table_features *f)
{
	for (unsigned i = 0; i < OF_N_FIELDS; i++) {
		const struct of_field_info *info = of_field_info((enum of_field)i);

		if (vs_flow_field((enum of_field)i) == DP_N_FIELDS)
			continue;
		if (of_field_matches((enum of_field)i)) {
			of_bit_set(f->match, i);
			of_bit_set(f->wildcards, i);
			if (info->maskable)
				of_bit_set(f->match_mask, i);
		}
		if (info->write == OF_WRITE_SET) {
			of_bit_set(f->hit.write_fields, i);
			of_bit_set(f->hit.apply_fields, i);
		}
	}
}

/* What all tables can do; a table's own comes with describe(). */
static void fill(struct of_table_features *f)
{
	memset(f, 0, sizeof(*f));
	f->metadata_match = f->metadata_write = UINT64_MAX;
	f->max_entries = VS_FLOW_MAX_RULES;
	f->present = PROPS_ALL;
	fill_ability(&f->hit);
	fill_fields(f);
}

static void describe(const struct vs_agent *agent, unsigned table, struct of_table_features *f)
{
	f->table = (uint8_t)table;
	memcpy(f->name, agent->tables[table].name, sizeof(f->name));
	f->config = agent->tables[table].config;
	memset(f->hit.next_tables, 0, sizeof(f->hit.next_tables));
	for (unsigned i = table + 1; i < VS_FLOW_TABLES; i++)
		of_bit_set(f->hit.next_tables, i);
	if (table == VS_FLOW_TABLES - 1)
		f->hit.instrs &= (uint8_t) ~(1u << OFPIT_GOTO_TABLE);
}

/* ---- Features that controllers ask for ---- */

static bool within64(const uint64_t *want, const uint64_t *have, unsigned n)
{
	uint64_t more = 0;

	for (unsigned i = 0; i < n; i++)
		more |= want[i] & ~have[i];
	return more == 0;
}

static bool able(const struct of_table_ability *want, const struct of_table_ability *have)
{
	return (want->instrs & ~have->instrs) == 0 &&
	       (want->write_actions & ~have->write_actions) == 0 &&
	       (want->apply_actions & ~have->apply_actions) == 0 &&
	       within64(want->next_tables, have->next_tables, 4) &&
	       within64(want->write_fields, have->write_fields, 2) &&
	       within64(want->apply_fields, have->apply_fields, 2);
}

/* Tables cannot be made to do less, nor more; one that is asked for something that it does is what
 * was asked for. */
static enum of_error check(const struct of_table_features *want,
			   const struct of_table_features *have)
{
	if (want->max_entries > have->max_entries || (want->config & ~3u) != 0)
		return OFPTFFC_BAD_ARGUMENT;
	if (!able(&want->hit, &have->hit) || !able(&want->miss, &have->hit) ||
	    !within64(want->match, have->match, 2) ||
	    !within64(want->match_mask, have->match_mask, 2) ||
	    !within64(want->wildcards, have->wildcards, 2))
		return OFPTFFC_BAD_ARGUMENT;
	return OF_OK;
}

/* Goes through a request; 'set': it was found right, and names are taken from it. */
static enum of_error go_through(struct vs_agent *agent, struct rd rd, bool set)
{
	uint64_t seen[4] = {0};
	struct of_table_features all;

	fill(&all);
	while (rd.left != 0) {
		struct of_table_features want, have;
		enum of_error error = of_table_features_decode(&rd, &want);

		if (error != OF_OK)
			return error;
		if (want.table >= VS_FLOW_TABLES || of_bit_get(seen, want.table))
			return OFPTFFC_BAD_TABLE;
		of_bit_set(seen, want.table);
		have = all;
		describe(agent, want.table, &have);
		error = check(&want, &have);
		if (error != OF_OK)
			return error;
		if (set && want.name[0] != '\0')
			memcpy(agent->tables[want.table].name, want.name, sizeof(want.name));
	}
	return OF_OK;
}

enum of_error vs_mp_table_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply)
{
	struct of_table_features f;

	if (rd->left != 0) {
		enum of_error error;

		if (vs_channel_main(req->ch)->role == OFPCR_ROLE_SLAVE)
			return OFPBRC_IS_SLAVE;
		error = go_through(req->agent, *rd, false);
		if (error != OF_OK)
			return error;
		(void)go_through(req->agent, *rd, true);
	}
	fill(&f);
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++) {
		describe(req->agent, i, &f);
		of_mp_reply_entry(reply);
		of_table_features_encode(reply->wr, &f);
	}
	return OF_OK;
}
