/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A switch's rules as the dataplane knows them: a function that translates a key into a program, a
 * version, and a log of what changed from version to version.  What tables and rules are is the
 * caller's (vswitch/); workers call 'translate' themselves when their cache does not know a packet.
 *
 * Version and log: change number n is what makes version n.  The writer logs its changes, puts
 * rules in and retires rules from version 'dp_pipeline_next()' on, and publishes; workers see the
 * whole change or nothing of it.  Before a worker looks at a burst under a new version it reads the
 * log and takes out of its cache what the changes touch.
 */
#ifndef DATAPLANE_PIPELINE_H
#define DATAPLANE_PIPELINE_H

#include "dataplane/key.h"
#include "dataplane/steps.h"

#include <stdint.h>

#define DP_MAX_PIPELINES 256

struct dp;
struct dp_pipeline;
struct err;

/* Says what becomes of packets with 'key' under 'version'.  On a worker: it may not block or
 * allocate, and holds what it reads until it returns.  'b' is empty. */
typedef void (*dp_translate_fn)(void *arg, const struct dp_key *key, uint64_t version,
				struct dp_build *b);

/* Control thread, all of these.  0, -ENOMEM, or -ENOSPC when there are DP_MAX_PIPELINES. */
int dp_pipeline_create(struct dp *dp, dp_translate_fn translate, void *arg,
		       struct dp_pipeline **ret_pipeline);
/* In no view any more. */
void dp_pipeline_destroy(struct dp *dp, struct dp_pipeline *pipeline);

/* A number that no other pipeline ever has. */
uint64_t dp_pipeline_id(const struct dp_pipeline *pipeline);
/* Frames whose TTL a rule decrements to nothing go to controllers (OFPR_INVALID_TTL); at first they
 * do not. */
void dp_pipeline_tell_ttl(struct dp_pipeline *pipeline, bool tell);

/* Frames for controllers go by this meter (meter.h); DP_NO_METER, as at first: by none. */
#define DP_NO_METER UINT32_MAX
void dp_pipeline_meter_punts(struct dp_pipeline *pipeline, uint32_t meter);

/* So many frames a second a port may send to controllers, a tenth of them at once (8 to
 * DP_PUNT_BURST); 0, as at first: DP_PUNT_RATE, and DP_PUNT_BURST (punt.h). */
void dp_pipeline_limit_punts(struct dp *dp, struct dp_pipeline *pipeline, uint32_t pps);

/* The version that changes made now will be seen from. */
uint64_t dp_pipeline_next(const struct dp_pipeline *pipeline);
/* A rule of 'table' with this match comes or goes. */
void dp_pipeline_log(struct dp_pipeline *pipeline, uint8_t table, const struct dp_key *key,
		     const struct dp_key *mask);
/* Anything may be different. */
void dp_pipeline_log_all(struct dp_pipeline *pipeline);
/* What has been logged, published or not: a view whose ports ask for so much (dp_vport.pipeline_at)
 * takes it along, so that both are seen at once. */
uint64_t dp_pipeline_logged(const struct dp_pipeline *pipeline);
/* What was logged is now. Workers follow from their next burst on; after dp_synchronize() all do.
 */
void dp_pipeline_publish(struct dp_pipeline *pipeline);

/* Counters of rules: a number for each, the same on all workers.  0, -ENOMEM or -ENOSPC. */
int dp_flow_counter_alloc(struct dp *dp, uint32_t *ret_counter);
/* No worker uses it any more. */
void dp_flow_counter_free(struct dp *dp, uint32_t counter);
struct dp_flow_counts {
	uint64_t packets, bytes;
	uint64_t used_ms; /* dp_flow_now_ms() of the last packet, to a tenth of a second; 0: none */
};
void dp_flow_counter_read(struct dp *dp, uint32_t counter, struct dp_flow_counts *ret_counts);
uint64_t dp_flow_now_ms(const struct dp *dp);

/* Connections (ct.h): one tracker for all switches, made when a rule first asks for it.  0 or
 * -ENOMEM. */
struct dp_ct;
int dp_conntrack_need(struct dp *dp);
struct dp_ct *dp_conntrack(struct dp *dp); /* NULL: none yet */
/* The tracker's clock, any thread. */
uint32_t dp_conntrack_now(const struct dp *dp);

/* The cache as a whole. */
struct dp_flow_info {
	uint64_t hits, misses, probes, inserts, refused, expired, invalidated;
	uint32_t entries, groups, programs;
};
void dp_flow_info(struct dp *dp, struct dp_flow_info *ret_info);
/* How many entries of all workers were made for frames of a domain. */
uint64_t dp_flow_domain_entries(const struct dp *dp, uint16_t domain);

#endif
