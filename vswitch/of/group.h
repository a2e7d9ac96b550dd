/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about groups (OpenFlow 1.3.5, A.3.4.2, A.3.5.9 to A.3.5.11).
 */
#ifndef VSWITCH_OF_GROUP_H
#define VSWITCH_OF_GROUP_H

#include "vswitch/of/action.h"

enum of_group_command { OFPGC_ADD = 0, OFPGC_MODIFY = 1, OFPGC_DELETE = 2 };
enum of_group_type {
	OFPGT_ALL = 0,
	OFPGT_SELECT = 1,
	OFPGT_INDIRECT = 2,
	OFPGT_FF = 3,
	OF_N_GROUP_TYPES,
};

struct of_bucket {
	uint16_t weight;
	uint32_t watch_port;  /* OFPP_ANY: none */
	uint32_t watch_group; /* OF_GROUP_ANY: none */
	struct of_actions actions;
};

/* Owns its buckets. */
struct of_group {
	uint8_t type;
	uint32_t id;
	struct of_bucket *buckets;
	size_t n_buckets;
};
void of_group_fini(struct of_group *group);
/* Takes the bucket's actions, also when it fails; false when memory ran out. */
bool of_group_add_bucket(struct of_group *group, const struct of_bucket *bucket);

struct of_group_mod {
	uint16_t command;
	struct of_group group;
};
/* 'ret_mod' need not be initialised; on success it is the caller's to finish (its group). */
enum of_error of_group_mod_decode(struct rd *rd, struct of_group_mod *ret_mod);
void of_group_mod_encode(struct wr *wr, uint32_t xid, const struct of_group_mod *mod);
/* What holds whether groups come from the wire or from people: number of buckets, watches. */
enum of_error of_group_check(const struct of_group *group);

/* An entry of a group description reply. */
enum of_error of_group_desc_decode(struct rd *rd, struct of_group *ret_group);
void of_group_desc_encode(struct wr *wr, const struct of_group *group);

struct of_bucket_counter {
	uint64_t n_packets, n_bytes;
};
/* An entry of a group statistics reply. */
struct of_group_stats {
	uint32_t id;
	uint32_t n_references;
	uint64_t n_packets, n_bytes;
	uint32_t duration_s, duration_ns;
	const struct of_bucket_counter *buckets; /* borrowed when encoding */
	size_t n_buckets;
};
/* 'ret_counters' gets up to 'max' of the buckets' counters; 'ret_stats->buckets' is it. */
enum of_error of_group_stats_decode(struct rd *rd, struct of_bucket_counter *ret_counters,
				    size_t max, struct of_group_stats *ret_stats);
void of_group_stats_encode(struct wr *wr, const struct of_group_stats *stats);

enum of_group_capabilities {
	OFPGFC_SELECT_WEIGHT = 1 << 0,
	OFPGFC_SELECT_LIVENESS = 1 << 1,
	OFPGFC_CHAINING = 1 << 2,
	OFPGFC_CHAINING_CHECKS = 1 << 3,
};
struct of_group_features {
	uint32_t types; /* bits by enum of_group_type */
	uint32_t capabilities;
	uint32_t max_groups[OF_N_GROUP_TYPES];
	uint32_t actions[OF_N_GROUP_TYPES]; /* bits by action type */
};
enum of_error of_group_features_decode(struct rd *rd, struct of_group_features *ret_features);
void of_group_features_encode(struct wr *wr, const struct of_group_features *features);

#endif
