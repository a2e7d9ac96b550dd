/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rules of one switch: OpenFlow's tables (1.3.5, 5.1 to 5.4, 6.4), changed in transactions.
 *
 * A transaction is any number of flow mods: begin, mods, commit or abort.  Mods go into the
 * classifiers at once, under a version that no worker asks for yet; commit publishes it, so workers
 * see all of it or nothing, and abort takes them out again.  Rules that left are freed when no
 * worker can hold them.
 *
 * Control thread; workers read rules through vs_xlate() (xlate.c) only.
 */
#ifndef VSWITCH_FLOWS_H
#define VSWITCH_FLOWS_H

#include "dataplane/cls.h"
#include "dataplane/pipeline.h"
#include "vswitch/of/flow.h"
#include "vswitch/wheel.h"

#include <stdbool.h>
#include <stdint.h>

#define VS_FLOW_TABLES	  254
#define VS_FLOW_MAX_RULES 2000000u
/* Stands for all groups in the log of changes and among the tables that a program passed. */
#define VS_FLOW_GROUPS 254
/* The same for ingress access lists (acl.h). */
#define VS_FLOW_ACLS 255

struct dp;
struct of_group_mod;
struct of_meter_mod;
struct vs_flows;
struct vs_groups;
struct vs_meters;

struct vs_rule {
	struct dp_cls_rule cr;
	struct vs_rule *next;		 /* in a transaction's list, or waiting to be freed */
	struct vs_rule *earlier, *later; /* in its table, by when they came (flows_walk.c) */
	/* Workers read these. */
	struct of_instrs instrs;
	uint32_t counter;
	uint16_t priority;
	uint8_t table;
	bool shares_counter; /* another rule goes on with it: not to be freed */
	bool took_counter;   /* from the rule that it replaced */
	bool is_miss;	     /* the table-miss rule (5.4): priority 0, any packet */
	bool uses_groups;
	struct vs_rule *user_next, **user_at; /* among those that use a group or meter */
	uint32_t meter; /* the dataplane's number of what its instructions name */
	uint16_t flags;
	uint64_t cookie;
	/* Control thread only. */
	struct vs_timer timer;
	uint16_t idle_timeout, hard_timeout; /* seconds, 0 never */
	uint16_t match_size;
	uint8_t *match; /* as on the wire: small, and what was set is what is read */
	uint64_t created_ms, modified_ms;
	uint8_t why; /* enum of_flow_removed_reason, when it goes */
	bool tell;   /* somebody wants to know */
};

/* A rule is gone; its counters are final.  Called from vs_flows_reap(). */
typedef void (*vs_flow_removed_fn)(void *arg, const struct vs_rule *rule,
				   const struct dp_flow_counts *counts, uint64_t duration_ms);

/* No rules: everything is dropped (5.4).  0 or negative errno. */
int vs_flows_create(struct dp *dp, vs_flow_removed_fn removed, void *arg,
		    struct vs_flows **ret_flows);
/* No view refers to its pipeline any more. */
void vs_flows_destroy(struct vs_flows *flows);
struct dp_pipeline *vs_flows_pipeline(const struct vs_flows *flows);

/* Which port of a tunnel asks rules for its key, its remote.  Known to the translation. */
#define VS_PORT_FLOW_KEY    1u
#define VS_PORT_FLOW_REMOTE 2u
void vs_flows_port_asks(struct vs_flows *flows, uint32_t of_port, uint8_t asks);
uint8_t vs_flows_asks_of(const struct vs_flows *flows, uint32_t of_port);

void vs_flows_begin(struct vs_flows *flows);
/* One flow mod.  Borrows 'mod'.  After an error the transaction can only be aborted. */
enum of_error vs_flows_mod(struct vs_flows *flows, const struct of_flow_mod *mod);
/* The same of groups and meters (flows_group.c).  Deleting one deletes the rules that use it. */
enum of_error vs_flows_group_mod(struct vs_flows *flows, const struct of_group_mod *mod);
enum of_error vs_flows_meter_mod(struct vs_flows *flows, const struct of_meter_mod *mod);
void vs_flows_commit(struct vs_flows *flows);
void vs_flows_abort(struct vs_flows *flows);

/* Frees what left, tells of what wants telling, and finds rules whose time is over.  Ten times a
 * second. */
void vs_flows_reap(struct vs_flows *flows);
/* Returns when all workers follow what was committed. */
void vs_flows_barrier(struct vs_flows *flows);

/* A packet-out (7.3.7): does with a packet what 'actions' say, as if it had come by 'in_port'
 * (CONTROLLER: by none).  Borrows all.  OFPBRC_BAD_PORT for an in_port that is not there,
 * OFPBRC_BAD_PACKET for what is no frame, and what the actions are refused with.  A packet that the
 * workers have no room for is lost, as on a wire.  After vs_flows_barrier() it is on its way. */
enum of_error vs_flows_packet_out(struct vs_flows *flows, uint32_t in_port,
				  const struct of_actions *actions, const uint8_t *data,
				  size_t size);
/* So many packets a second a port may send to controllers; 0: as many as by itself (punt.h). */
void vs_flows_limit_punts(struct vs_flows *flows, uint32_t pps);
/* Controllers want packets whose TTL a rule decrements to nothing; at first they do not. */
void vs_flows_tell_ttl(struct vs_flows *flows, bool tell);

/* Rules that a filter names.  'fn' changes nothing. */
typedef void (*vs_rule_fn)(const struct vs_rule *rule, void *arg);
void vs_flows_each(struct vs_flows *flows, const struct of_flow_filter *filter, vs_rule_fn fn,
		   void *arg);
void vs_rule_counts(const struct vs_flows *flows, const struct vs_rule *rule,
		    struct dp_flow_counts *ret_counts);
/* How long it has been there, milliseconds. */
uint64_t vs_rule_age_ms(const struct vs_flows *flows, const struct vs_rule *rule);

/* The same a few at a time, while rules come and go in between: one that is there from beginning to
 * end is met once, also when it is modified.  Oldest first within a table.  Borrows 'flows'; a walk
 * may not begin or go on inside a transaction.  0 or -ENOMEM. */
struct vs_flow_walk;
int vs_flow_walk_create(struct vs_flows *flows, const struct of_flow_filter *filter,
			struct vs_flow_walk **ret_walk);
void vs_flow_walk_destroy(struct vs_flow_walk *walk);
/* The next; takes what it looked at off 'looks', and is NULL at zero, or when it is over. */
const struct vs_rule *vs_flow_walk_next(struct vs_flow_walk *walk, unsigned *looks);
bool vs_flow_walk_over(const struct vs_flow_walk *walk);

unsigned vs_flows_n(const struct vs_flows *flows, uint8_t table);
/* Packets that were looked up in a table and found a rule there, or none. */
struct vs_table_counts {
	uint64_t lookups, matches;
};
void vs_flows_table_counts(struct vs_flows *flows, uint8_t table,
			   struct vs_table_counts *ret_counts);

/* Fragments of IP packets are dropped before any table (OFPC_FRAG_DROP), or not. */
void vs_flows_drop_fragments(struct vs_flows *flows, bool drop);

/* Some port has ingress access lists that the translation asks: from now on no program is for
 * packets of more than one port.  Before a view has such a port. */
void vs_flows_has_acls(struct vs_flows *flows);
/* An entry of ingress lists with this match came or went (zeros: any may have).  The view that has
 * the new lists takes this along (dp_vport.pipeline_at); vs_flows_acls_publish() once it runs. */
void vs_flows_acl_changed(struct vs_flows *flows, const struct dp_key *key,
			  const struct dp_key *mask);
void vs_flows_acls_publish(struct vs_flows *flows);
/* Workers. */
bool vs_flows_asks_acls(const struct vs_flows *flows);

/* Says which of the dataplane's ports has an OpenFlow number; DP_NO_PORT takes it away.  Programs
 * that name it are made anew. */
void vs_flows_port(struct vs_flows *flows, uint32_t of_port, uint16_t port_id);

/* Is the port up, with a link?  It is until told otherwise.  Groups that watch it choose anew. */
void vs_flows_port_live(struct vs_flows *flows, uint32_t of_port, bool live);

/* Groups and what they count: groups.h. */
struct vs_groups *vs_flows_groups(const struct vs_flows *flows);
struct of_bucket_counter;
struct vs_group;
/* 'ret_buckets' has room for one for each bucket (NULL: not asked for).  Returns its age,
 * milliseconds. */
uint64_t vs_group_counts(const struct vs_flows *flows, const struct vs_group *group,
			 struct dp_flow_counts *ret_counts, struct of_bucket_counter *ret_buckets);
/* Meters: meters.h. */
struct vs_meters *vs_flows_meters(const struct vs_flows *flows);
struct of_band_counter;
struct vs_meter;
uint64_t vs_meter_counts(const struct vs_flows *flows, const struct vs_meter *meter,
			 struct dp_flow_counts *ret_counts, struct of_band_counter *ret_bands);
/* Says in each group how many rules and groups lead to it, and in each meter how many rules use it.
 */
void vs_flows_count_refs(struct vs_flows *flows);

/* For xlate.c.  A worker's. */
bool vs_flows_port_is_live(const struct vs_flows *flows, uint32_t of_port);
/* Chosen by chance, the switch's own. */
uint64_t vs_flows_secret(const struct vs_flows *flows);
uint16_t vs_flows_port_id(const struct vs_flows *flows, uint32_t of_port);
const struct dp_cls *vs_flows_table(const struct vs_flows *flows, uint8_t table);
/* Counts packets that find nothing there. */
uint32_t vs_flows_miss_counter(const struct vs_flows *flows, uint8_t table);
bool vs_flows_drops_fragments(const struct vs_flows *flows);

/* xlate.c: a dp_translate_fn over 'struct vs_flows'. */
void vs_xlate(void *flows, const struct dp_key *key, uint64_t version, struct dp_build *b);
/* Some track connections. */
bool vs_xlate_tracks(const struct of_actions *actions);
/* What a rule's instructions ask that the dataplane does not have; OF_OK when all is there.  LOCAL
 * is a port where the switch has one (vs_flows_port()). */
enum of_error vs_xlate_check(const struct vs_flows *flows, const struct of_instrs *instrs);
/* The same for the actions of a packet-out, which alone may output to TABLE (4.5). */
enum of_error vs_xlate_check_packet_out(const struct vs_flows *flows,
					const struct of_actions *actions);
/* Composes what the actions of a packet-out do with a packet of this key, into 'b' as vs_xlate()
 * does.  Control thread. */
void vs_xlate_packet_out(const struct vs_flows *flows, const struct of_actions *actions,
			 const struct dp_key *key, struct dp_build *b);
/* The same for the actions of a group's bucket. */
enum of_error vs_xlate_check_actions(const struct of_actions *actions);
/* Those of the specification that there are: bits by number on the wire. */
uint32_t vs_xlate_known_actions(void);

#endif
