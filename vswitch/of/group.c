/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about groups; see group.h.
 */
#include "vswitch/of/group.h"

#include <stdlib.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define BUCKET_SIZE	  16 /* without its actions */
#define BUCKET_STATS_SIZE 16

void of_group_fini(struct of_group *group)
{
	for (size_t i = 0; i < group->n_buckets; i++)
		of_actions_fini(&group->buckets[i].actions);
	free(group->buckets);
	*group = (struct of_group){0};
}

bool of_group_add_bucket(struct of_group *group, const struct of_bucket *bucket)
{
	size_t n = group->n_buckets;
	struct of_actions actions = bucket->actions;

	if ((n & (n - 1)) == 0) {
		struct of_bucket *v = realloc(group->buckets, (n == 0 ? 1 : 2 * n) * sizeof(*v));

		if (v == NULL) {
			of_actions_fini(&actions);
			return false;
		}
		group->buckets = v;
	}
	group->buckets[group->n_buckets++] = *bucket;
	return true;
}

static enum of_error bucket_decode(struct rd *rd, struct of_bucket *ret_bucket)
{
	uint16_t size = rd_be16(rd);
	struct rd body;

	if (!rd_ok(rd) || size < BUCKET_SIZE || size % 8 != 0 || size - 2U > rd->left)
		return OFPGMFC_BAD_BUCKET;
	body = rd_sub(rd, size - 2U);
	ret_bucket->weight = rd_be16(&body);
	ret_bucket->watch_port = rd_be32(&body);
	ret_bucket->watch_group = rd_be32(&body);
	rd_skip(&body, 4);
	return of_actions_decode(&body, &ret_bucket->actions);
}

static enum of_error buckets_decode(struct rd *rd, struct of_group *group)
{
	struct of_bucket bucket;

	while (rd->left > 0) {
		enum of_error error = bucket_decode(rd, &bucket);

		if (error == OF_OK && !of_group_add_bucket(group, &bucket))
			error = OF_ERROR_NO_MEMORY;
		if (error) {
			of_group_fini(group);
			return error;
		}
	}
	return OF_OK;
}

static void buckets_encode(struct wr *wr, const struct of_group *group)
{
	for (size_t i = 0; i < group->n_buckets; i++) {
		const struct of_bucket *bucket = &group->buckets[i];
		size_t at = wr->size;

		wr_be16(wr, 0);
		wr_be16(wr, bucket->weight);
		wr_be32(wr, bucket->watch_port);
		wr_be32(wr, bucket->watch_group);
		wr_zeros(wr, 4);
		of_actions_encode(wr, &bucket->actions);
		if (wr->size - at > UINT16_MAX)
			wr->bad = true;
		wr_set_be16(wr, at, (uint16_t)(wr->size - at));
	}
}

enum of_error of_group_check(const struct of_group *group)
{
	if (group->type >= OF_N_GROUP_TYPES)
		return OFPGMFC_BAD_TYPE;
	if (group->id > OF_GROUP_MAX || (group->type == OFPGT_INDIRECT && group->n_buckets != 1))
		return OFPGMFC_INVALID_GROUP;
	for (size_t i = 0; i < group->n_buckets; i++)
		if (group->type == OFPGT_FF && group->buckets[i].watch_port == OFPP_ANY &&
		    group->buckets[i].watch_group == OF_GROUP_ANY)
			return OFPGMFC_BAD_WATCH;
	return OF_OK;
}

enum of_error of_group_mod_decode(struct rd *rd, struct of_group_mod *ret_mod)
{
	struct of_group_mod mod = {0};
	enum of_error error;

	mod.command = rd_be16(rd);
	mod.group.type = rd_u8(rd);
	rd_skip(rd, 1);
	mod.group.id = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if (mod.command > OFPGC_DELETE)
		return OFPGMFC_BAD_COMMAND;
	if (mod.command != OFPGC_DELETE && mod.group.type >= OF_N_GROUP_TYPES)
		return OFPGMFC_BAD_TYPE;
	if (mod.group.id > OF_GROUP_MAX &&
	    (mod.command != OFPGC_DELETE || mod.group.id != OF_GROUP_ALL))
		return OFPGMFC_INVALID_GROUP;
	error = buckets_decode(rd, &mod.group);
	if (error == OF_OK && mod.command != OFPGC_DELETE)
		error = of_group_check(&mod.group);
	if (error) {
		of_group_fini(&mod.group);
		return error;
	}
	*ret_mod = mod;
	return OF_OK;
}

void of_group_mod_encode(struct wr *wr, uint32_t xid, const struct of_group_mod *mod)
{
	size_t at = of_msg_begin(wr, OFPT_GROUP_MOD, xid);

	wr_be16(wr, mod->command);
	wr_u8(wr, mod->group.type);
	wr_zeros(wr, 1);
	wr_be32(wr, mod->group.id);
	buckets_encode(wr, &mod->group);
	of_msg_end(wr, at);
}

enum of_error of_group_desc_decode(struct rd *rd, struct of_group *ret_group)
{
	uint16_t size = rd_be16(rd);
	struct rd entry = rd_sub(rd, size < 2 ? SIZE_MAX : size - 2U);
	struct of_group group = {0};
	enum of_error error;

	group.type = rd_u8(&entry);
	rd_skip(&entry, 1);
	group.id = rd_be32(&entry);
	if (!rd_ok(&entry))
		return OFPBRC_BAD_LEN;
	error = buckets_decode(&entry, &group);
	if (error)
		return error;
	*ret_group = group;
	return OF_OK;
}

void of_group_desc_encode(struct wr *wr, const struct of_group *group)
{
	size_t at = wr->size;

	wr_be16(wr, 0);
	wr_u8(wr, group->type);
	wr_zeros(wr, 1);
	wr_be32(wr, group->id);
	buckets_encode(wr, group);
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}

enum of_error of_group_stats_decode(struct rd *rd, struct of_bucket_counter *ret_counters,
				    size_t max, struct of_group_stats *ret_stats)
{
	uint16_t size = rd_be16(rd);
	struct rd entry = rd_sub(rd, size < 2 ? SIZE_MAX : size - 2U);
	struct of_group_stats s = {.buckets = ret_counters};

	rd_skip(&entry, 2);
	s.id = rd_be32(&entry);
	s.n_references = rd_be32(&entry);
	rd_skip(&entry, 4);
	s.n_packets = rd_be64(&entry);
	s.n_bytes = rd_be64(&entry);
	s.duration_s = rd_be32(&entry);
	s.duration_ns = rd_be32(&entry);
	if (!rd_ok(&entry) || entry.left % BUCKET_STATS_SIZE != 0)
		return OFPBRC_BAD_LEN;
	for (; entry.left > 0 && s.n_buckets < max; s.n_buckets++) {
		ret_counters[s.n_buckets].n_packets = rd_be64(&entry);
		ret_counters[s.n_buckets].n_bytes = rd_be64(&entry);
	}
	*ret_stats = s;
	return OF_OK;
}

void of_group_stats_encode(struct wr *wr, const struct of_group_stats *stats)
{
	size_t at = wr->size;

	wr_be16(wr, 0);
	wr_zeros(wr, 2);
	wr_be32(wr, stats->id);
	wr_be32(wr, stats->n_references);
	wr_zeros(wr, 4);
	wr_be64(wr, stats->n_packets);
	wr_be64(wr, stats->n_bytes);
	wr_be32(wr, stats->duration_s);
	wr_be32(wr, stats->duration_ns);
	for (size_t i = 0; i < stats->n_buckets; i++) {
		wr_be64(wr, stats->buckets[i].n_packets);
		wr_be64(wr, stats->buckets[i].n_bytes);
	}
	if (wr->size - at > UINT16_MAX)
		wr->bad = true;
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}

enum of_error of_group_features_decode(struct rd *rd, struct of_group_features *ret_features)
{
	ret_features->types = rd_be32(rd);
	ret_features->capabilities = rd_be32(rd);
	for (int i = 0; i < OF_N_GROUP_TYPES; i++)
		ret_features->max_groups[i] = rd_be32(rd);
	for (int i = 0; i < OF_N_GROUP_TYPES; i++)
		ret_features->actions[i] = rd_be32(rd);
	return of_msg_empty(rd);
}

void of_group_features_encode(struct wr *wr, const struct of_group_features *features)
{
	wr_be32(wr, features->types);
	wr_be32(wr, features->capabilities);
	for (int i = 0; i < OF_N_GROUP_TYPES; i++)
		wr_be32(wr, features->max_groups[i]);
	for (int i = 0; i < OF_N_GROUP_TYPES; i++)
		wr_be32(wr, features->actions[i]);
}
