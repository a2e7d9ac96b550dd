/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The groups of one switch (OpenFlow 1.3.5, 5.6 and 6.5), changed in the transactions of its rules
 * (flows.h), which own this and call it.
 *
 * A group is never changed: modifying one retires it and puts another of the same number in its
 * place.  Versions are those of rules, so a worker that translates under a version finds rules and
 * groups that belong together.  What left is taken out of the table, and freed when no worker can
 * hold it any more: two calls, with a grace period between them that the caller waits for.
 *
 * Control thread; workers call vs_groups_find() only.
 */
#ifndef VSWITCH_GROUPS_H
#define VSWITCH_GROUPS_H

#include "dataplane/pipeline.h"
#include "vswitch/of/group.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VS_MAX_GROUPS  65536u
#define VS_MAX_BUCKETS 1024u /* of a group */
/* Groups of groups: as deep as the dataplane copies frames of copies. */
#define VS_GROUP_DEPTH 8u

struct dp;
struct vs_groups;

struct vs_group {
	_Atomic(struct vs_group *) chain; /* of its hash */
	_Atomic uint64_t from, to;	  /* versions that see it */
	struct of_group of;
	uint32_t counter;
	struct vs_bucket {
		uint32_t counter;
		uint32_t hash; /* of what it does: says where a select group sends a flow */
	} * buckets;
	/* Control thread only. */
	struct vs_group *next; /* in a transaction's list, or waiting to be freed */
	uint64_t created_ms;
	uint32_t mark;	 /* of the walk that was here last */
	uint32_t n_refs; /* vs_flows_count_refs() says how many rules and groups lead here */
};

/* 0 or -ENOMEM. */
int vs_groups_create(struct dp *dp, struct vs_groups **ret_groups);
/* Takes NULL.  No worker reads it any more. */
void vs_groups_destroy(struct vs_groups *groups);

/* The group that 'version' sees, or NULL.  Any thread between two quiescent points. */
const struct vs_group *vs_groups_find(const struct vs_groups *groups, uint32_t id,
				      uint64_t version);
/* As the open transaction has it.  Control thread. */
struct vs_group *vs_groups_now(const struct vs_groups *groups, uint32_t id);
unsigned vs_groups_n(const struct vs_groups *groups);

/* One group mod, to be seen from 'version' on.  Borrows 'mod'.  'now_ms' is dp_flow_now_ms().  A
 * delete's rules are the caller's business. */
enum of_error vs_groups_mod(struct vs_groups *groups, const struct of_group_mod *mod,
			    uint64_t version, uint64_t now_ms);
/* All groups that the actions name are there?  OFPBAC_BAD_OUT_GROUP. */
enum of_error vs_groups_check(const struct vs_groups *groups, const struct of_actions *actions);

/* True when the transaction changed anything. */
bool vs_groups_commit(struct vs_groups *groups);
void vs_groups_abort(struct vs_groups *groups, uint64_t version);
/* Takes what left out of the table; true when there is any.  Then a grace period, then _free(). */
bool vs_groups_unlink(struct vs_groups *groups);
void vs_groups_free(struct vs_groups *groups);

/* A bucket of some group watches this port?  Then its state matters. */
bool vs_groups_watch(const struct vs_groups *groups);

/* Those that the open transaction has, by number; 'fn' changes nothing.  False when memory ran
 * out. */
typedef void (*vs_group_fn)(struct vs_group *group, void *arg);
bool vs_groups_each(const struct vs_groups *groups, vs_group_fn fn, void *arg);

#endif
