/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups and meters in the flow syntax; see text.h.
 */
#include "vswitch/of/text_priv.h"

#include <errno.h>

static const char *const type_names[OF_N_GROUP_TYPES] = {
	[OFPGT_ALL] = "all",
	[OFPGT_SELECT] = "select",
	[OFPGT_INDIRECT] = "indirect",
	[OFPGT_FF] = "ff",
};

static bool parse_type(struct of_parser *p, struct of_word word, uint8_t *ret_type)
{
	for (uint8_t i = 0; i < OF_N_GROUP_TYPES; i++)
		if (of_word_is(word, type_names[i]) ||
		    (i == OFPGT_FF && of_word_is(word, "fast_failover"))) {
			*ret_type = i;
			return true;
		}
	return of_parse_fail(p, word.at, "must be all, select, indirect or ff");
}

static bool parse_id(struct of_parser *p, struct of_word word, uint32_t all, uint32_t max,
		     uint32_t *ret_id)
{
	uint64_t value = 0;

	if (of_word_is(word, "all")) {
		*ret_id = all;
		return true;
	}
	if (!of_parse_number(p, word, max, &value))
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

/* 1: an argument of the bucket; 0: its first action; -1: after an error. */
static int parse_bucket_arg(struct of_parser *p, const struct of_pair *pair,
			    struct of_bucket *bucket)
{
	uint64_t value = 0;
	bool ok;

	if (of_word_is(pair->key, "weight")) {
		ok = of_parse_number(p, pair->value, UINT16_MAX, &value);
		bucket->weight = (uint16_t)value;
	} else if (of_word_is(pair->key, "watch_port")) {
		ok = of_parse_port(p, pair->value, &bucket->watch_port);
	} else if (of_word_is(pair->key, "watch_group")) {
		ok = of_parse_number(p, pair->value, OF_GROUP_MAX, &value);
		bucket->watch_group = (uint32_t)value;
	} else if (of_word_is(pair->key, "bucket_id")) {
		ok = true; /* of OpenFlow 1.5: here the order says it */
	} else {
		return 0;
	}
	return ok ? 1 : -1;
}

static bool parse_bucket(struct of_parser *p, struct of_word word, struct of_group *group)
{
	struct of_bucket bucket = {.weight = group->type == OFPGT_SELECT,
				   .watch_port = OFPP_ANY,
				   .watch_group = OF_GROUP_ANY};
	struct of_parser list = of_parser_in(p, word);
	struct of_pair pair;
	const char *at;

	for (at = list.at; of_parse_pair(&list, &pair); at = list.at) {
		bool actions = of_word_is(pair.key, "actions") && pair.sep == '=';

		if (!actions && parse_bucket_arg(&list, &pair, &bucket) != 0)
			continue;
		list.at = actions ? pair.value.at : at;
		of_parse_actions(&list, &bucket.actions);
	}
	if (!of_parse_done(p, &list)) {
		of_actions_fini(&bucket.actions);
		return false;
	}
	return of_group_add_bucket(group, &bucket) || of_parse_nomem(p);
}

/* Where the next bucket begins, or the end. */
static const char *next_bucket(const char *at, const char *end)
{
	static const char name[] = "bucket=";

	for (; at < end; at++)
		if ((size_t)(end - at) >= sizeof(name) - 1 &&
		    memcmp(at, name, sizeof(name) - 1) == 0 && strchr(", \t", at[-1]) != NULL)
			return at;
	return end;
}

static bool parse_group(struct of_parser *p, struct of_group_mod *mod)
{
	const char *end = p->end, *at = p->at == end ? end : next_bucket(p->at + 1, end);
	struct of_parser head = of_parser_in(p, (struct of_word){p->at, (size_t)(at - p->at)});
	bool has_id = false, has_type = false;
	struct of_pair pair;

	while (of_parse_pair(&head, &pair)) {
		if (of_word_is(pair.key, "group_id"))
			has_id = parse_id(&head, pair.value, OF_GROUP_ALL, OF_GROUP_MAX,
					  &mod->group.id);
		else if (of_word_is(pair.key, "type"))
			has_type = parse_type(&head, pair.value, &mod->group.type);
		else
			of_parse_fail(&head, pair.key.at, "must be group_id, type or bucket");
	}
	if (!of_parse_done(p, &head))
		return false;
	if (!has_id && mod->command == OFPGC_DELETE)
		mod->group.id = OF_GROUP_ALL;
	else if (!has_id)
		return of_parse_fail(p, p->text, "group_id is missing");
	if (!has_type && mod->command != OFPGC_DELETE)
		return of_parse_fail(p, p->text, "type is missing");
	while (at < end) {
		const char *from = at + strlen("bucket="), *next = next_bucket(from, end);

		if (!parse_bucket(p, (struct of_word){from, (size_t)(next - from)}, &mod->group))
			return false;
		at = next;
	}
	return true;
}

int of_text_group_parse(const char *text, unsigned line, uint16_t command,
			const struct of_text_ports *ports, struct of_group_mod *ret_mod,
			struct of_text_error *err)
{
	struct of_parser p = of_parser_init(text, strlen(text), line, ports, err);
	enum of_error error = OF_OK;

	*ret_mod = (struct of_group_mod){.command = command};
	if (parse_group(&p, ret_mod) && command != OFPGC_DELETE)
		error = of_group_check(&ret_mod->group);
	if (error)
		of_parse_fail(&p, text, "%s (%s)", of_error_text(error), of_error_name(error));
	if (p.rc != 0)
		of_group_fini(&ret_mod->group);
	return p.rc;
}

void of_text_group_print(struct wr *wr, const struct of_group *group,
			 const struct of_text_ports *ports)
{
	if (group->id == OF_GROUP_ALL)
		of_put(wr, "group_id=all,type=%s", type_names[group->type % OF_N_GROUP_TYPES]);
	else
		of_put(wr, "group_id=%u,type=%s", group->id,
		       type_names[group->type % OF_N_GROUP_TYPES]);
	for (size_t i = 0; i < group->n_buckets; i++) {
		const struct of_bucket *bucket = &group->buckets[i];

		of_put(wr, ",bucket=");
		if (bucket->weight != (group->type == OFPGT_SELECT))
			of_put(wr, "weight:%u,", bucket->weight);
		if (bucket->watch_port != OFPP_ANY) {
			of_put(wr, "watch_port:");
			of_put_port(wr, bucket->watch_port, ports);
			of_put(wr, ",");
		}
		if (bucket->watch_group != OF_GROUP_ANY)
			of_put(wr, "watch_group:%u,", bucket->watch_group);
		of_put(wr, "actions=");
		of_text_actions_print(wr, &bucket->actions, ports);
		if (bucket->actions.n == 0)
			of_put(wr, "drop");
	}
}

static const struct {
	const char *name;
	uint16_t flag;
} meter_flags[] = {
	{"kbps", OFPMF_KBPS},
	{"pktps", OFPMF_PKTPS},
	{"burst", OFPMF_BURST},
	{"stats", OFPMF_STATS},
};

static bool parse_band_type(struct of_parser *p, struct of_word word, struct of_meter *meter)
{
	struct of_band band = {0};

	if (of_word_is(word, "drop"))
		band.type = OFPMBT_DROP;
	else if (of_word_is(word, "dscp_remark"))
		band.type = OFPMBT_DSCP_REMARK;
	else
		return of_parse_fail(p, word.at, "must be drop or dscp_remark");
	return of_meter_add_band(meter, &band) || of_parse_nomem(p);
}

/* "rate", "burst_size" and "prec_level" are about the band before them. */
static bool parse_band_value(struct of_parser *p, const struct of_pair *pair,
			     struct of_meter *meter)
{
	struct of_band *band = meter->n_bands > 0 ? &meter->bands[meter->n_bands - 1] : NULL;
	uint64_t value = 0;

	if (band == NULL)
		return of_parse_fail(p, pair->key.at, "'%.*s' is unknown here, or before its band",
				     (int)pair->key.size, pair->key.at);
	if (of_word_is(pair->key, "rate")) {
		if (!of_parse_number(p, pair->value, UINT32_MAX, &value))
			return false;
		band->rate = (uint32_t)value;
	} else if (of_word_is(pair->key, "burst_size")) {
		if (!of_parse_number(p, pair->value, UINT32_MAX, &value))
			return false;
		band->burst = (uint32_t)value;
	} else if (of_word_is(pair->key, "prec_level") && band->type == OFPMBT_DSCP_REMARK) {
		if (!of_parse_number(p, pair->value, 63, &value))
			return false;
		band->prec_level = (uint8_t)value;
	} else {
		return of_parse_fail(p, pair->key.at,
				     "a band has type, rate, burst_size, and "
				     "prec_level with dscp_remark");
	}
	return true;
}

/* Names of meters that no rule uses (OpenFlow 1.3.5, A.3.4.4). */
static bool parse_virtual(struct of_word word, uint32_t *ret_id)
{
	if (of_word_is(word, "controller"))
		*ret_id = OF_METER_CONTROLLER;
	else if (of_word_is(word, "slowpath"))
		*ret_id = OF_METER_SLOWPATH;
	else
		return false;
	return true;
}

static bool parse_meter_pair(struct of_parser *p, const struct of_pair *pair,
			     struct of_meter *meter)
{
	for (size_t i = 0; pair->sep == 0 && i < sizeof(meter_flags) / sizeof(meter_flags[0]); i++)
		if (of_word_is(pair->key, meter_flags[i].name)) {
			meter->flags |= meter_flags[i].flag;
			return true;
		}
	if (of_word_is(pair->key, "meter"))
		return parse_virtual(pair->value, &meter->id) ||
		       parse_id(p, pair->value, OF_METER_ALL, OF_METER_MAX, &meter->id);
	if (of_word_is(pair->key, "band") || of_word_is(pair->key, "bands")) {
		struct of_parser one = of_parser_in(p, pair->value);
		struct of_pair inner;

		if (pair->value.size == 0) /* as 'ovs-ofctl' prints it, before a line for each */
			return true;
		if (of_parse_pair(&one, &inner) && of_word_is(inner.key, "type"))
			parse_band_type(&one, inner.value, meter);
		else
			of_parse_fail(&one, pair->value.at, "a band begins with its type");
		return of_parse_done(p, &one);
	}
	if (of_word_is(pair->key, "type"))
		return parse_band_type(p, pair->value, meter);
	return parse_band_value(p, pair, meter);
}

int of_text_meter_parse(const char *text, unsigned line, uint16_t command,
			struct of_meter_mod *ret_mod, struct of_text_error *err)
{
	struct of_parser p = of_parser_init(text, strlen(text), line, NULL, err);
	struct of_meter *meter = &ret_mod->meter;
	struct of_pair pair;

	*ret_mod = (struct of_meter_mod){.command = command};
	while (of_parse_pair(&p, &pair))
		parse_meter_pair(&p, &pair, meter);
	if (p.rc == 0 && meter->id == 0 && command == OFPMC_DELETE)
		meter->id = OF_METER_ALL;
	if (p.rc == 0 && (meter->id == 0 || (meter->id == OF_METER_ALL && command != OFPMC_DELETE)))
		of_parse_fail(&p, text, "'meter=' with a number is missing");
	if (p.rc == 0 && (meter->flags & OFPMF_KBPS) != 0 && (meter->flags & OFPMF_PKTPS) != 0)
		of_parse_fail(&p, text, "kbps or pktps, not both");
	if (p.rc != 0)
		of_meter_fini(meter);
	return p.rc;
}

void of_text_meter_print(struct wr *wr, const struct of_meter *meter)
{
	if (meter->id == OF_METER_ALL)
		of_put(wr, "meter=all");
	else if (meter->id == OF_METER_CONTROLLER)
		of_put(wr, "meter=controller");
	else if (meter->id == OF_METER_SLOWPATH)
		of_put(wr, "meter=slowpath");
	else
		of_put(wr, "meter=%u", meter->id);
	for (size_t i = 0; i < sizeof(meter_flags) / sizeof(meter_flags[0]); i++)
		if (meter->flags & meter_flags[i].flag)
			of_put(wr, ",%s", meter_flags[i].name);
	for (size_t i = 0; i < meter->n_bands; i++) {
		const struct of_band *band = &meter->bands[i];
		bool remark = band->type == OFPMBT_DSCP_REMARK;

		of_put(wr, ",%stype=%s,rate=%u", i == 0 ? "bands=" : "",
		       remark ? "dscp_remark" : "drop", band->rate);
		if (band->burst != 0)
			of_put(wr, ",burst_size=%u", band->burst);
		if (remark)
			of_put(wr, ",prec_level=%u", band->prec_level);
	}
}
