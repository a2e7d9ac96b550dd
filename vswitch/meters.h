/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The meters of one switch (OpenFlow 1.3.5, 5.7 and 6.5), changed in the transactions of its rules
 * (flows.h), which own this and call it.
 *
 * A rule keeps the dataplane's number of its meter (dataplane/meter.h), so workers do not look
 * here.  Modifying a meter puts another behind the same number: programs stay as they are, what has
 * come so far stays counted, and the bands count anew, with full buckets.
 *
 * The virtual meter 'controller' (OFPM_CONTROLLER) is no rule's: workers ask it for every packet of
 * the switch that goes to controllers (vs_flows_commit() tells them).
 *
 * Control thread.
 */
#ifndef VSWITCH_METERS_H
#define VSWITCH_METERS_H

#include "dataplane/meter.h"
#include "dataplane/pipeline.h"
#include "vswitch/of/meter.h"

#include <stdbool.h>
#include <stdint.h>

#define VS_MAX_METERS 16384u

struct dp;
struct vs_meters;

struct vs_meter {
	struct of_meter of;
	uint32_t index; /* the dataplane's */
	uint32_t counter;
	uint32_t band_counters[DP_METER_BANDS];
	uint64_t created_ms;
	uint32_t n_flows; /* vs_flows_count_refs() says how many rules use it */
	/* meters.c's */
	struct vs_meter *chain, *next;
	struct dp_meter *dp;
	bool now;	   /* the open transaction has it */
	bool came;	   /* with that */
	bool took, passed; /* index and counter: from one before, to one after */
};

/* 0 or -ENOMEM. */
int vs_meters_create(struct dp *dp, struct vs_meters **ret_meters);
/* Takes NULL.  No worker is in there any more. */
void vs_meters_destroy(struct vs_meters *meters);

/* As the open transaction has it, or NULL. */
struct vs_meter *vs_meters_find(const struct vs_meters *meters, uint32_t id);
unsigned vs_meters_n(const struct vs_meters *meters);

/* One meter mod.  Borrows 'mod'.  A delete's rules are the caller's business. */
enum of_error vs_meters_mod(struct vs_meters *meters, const struct of_meter_mod *mod,
			    uint64_t now_ms);
/* True when one of them changes packets now and did not before, or the other way round: programs
 * that have it are no longer right. */
bool vs_meters_commit(struct vs_meters *meters);
void vs_meters_abort(struct vs_meters *meters);
/* What is gone is taken from workers; true when there is any.  Then a grace period, then _free().
 */
bool vs_meters_unlink(struct vs_meters *meters);
void vs_meters_free(struct vs_meters *meters);

/* By number; 'fn' changes nothing.  False when memory ran out. */
typedef void (*vs_meter_fn)(struct vs_meter *meter, void *arg);
bool vs_meters_each(const struct vs_meters *meters, vs_meter_fn fn, void *arg);

#endif
