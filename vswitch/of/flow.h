/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about flows (OpenFlow 1.3.5, A.3.4.1, A.3.5.2, A.3.5.3, A.4.2).
 */
#ifndef VSWITCH_OF_FLOW_H
#define VSWITCH_OF_FLOW_H

#include "vswitch/of/instr.h"

enum of_flow_command {
	OFPFC_ADD = 0,
	OFPFC_MODIFY = 1,
	OFPFC_MODIFY_STRICT = 2,
	OFPFC_DELETE = 3,
	OFPFC_DELETE_STRICT = 4,
};

enum of_flow_flags {
	OFPFF_SEND_FLOW_REM = 1 << 0,
	OFPFF_CHECK_OVERLAP = 1 << 1,
	OFPFF_RESET_COUNTS = 1 << 2,
	OFPFF_NO_PKT_COUNTS = 1 << 3,
	OFPFF_NO_BYT_COUNTS = 1 << 4,
	OFPFF_ALL = (1 << 5) - 1,
};

struct of_flow_mod {
	uint64_t cookie, cookie_mask;
	uint8_t table; /* OF_TABLE_ALL in deletes only */
	uint8_t command;
	uint16_t idle_timeout, hard_timeout; /* seconds; 0 never */
	uint16_t priority;
	uint32_t buffer_id;
	uint32_t out_port, out_group; /* filters of deletes */
	uint16_t flags;
	struct of_match match;
	struct of_instrs instrs;
};

/* 'ret_mod' need not be initialised.  On success it is the caller's to finish; on failure its
 * contents mean nothing and it owns nothing. */
enum of_error of_flow_mod_decode(struct rd *rd, struct of_flow_mod *ret_mod);
void of_flow_mod_encode(struct wr *wr, uint32_t xid, const struct of_flow_mod *mod);
void of_flow_mod_fini(struct of_flow_mod *mod);

enum of_flow_removed_reason {
	OFPRR_IDLE_TIMEOUT = 0,
	OFPRR_HARD_TIMEOUT = 1,
	OFPRR_DELETE = 2,
	OFPRR_GROUP_DELETE = 3,
};
struct of_flow_removed {
	uint64_t cookie;
	uint16_t priority;
	uint8_t reason;
	uint8_t table;
	uint32_t duration_s, duration_ns;
	uint16_t idle_timeout, hard_timeout;
	uint64_t n_packets, n_bytes;
	struct of_match match;
};
enum of_error of_flow_removed_decode(struct rd *rd, struct of_flow_removed *ret_removed);
void of_flow_removed_encode(struct wr *wr, uint32_t xid, const struct of_flow_removed *removed);

/* Which flows: the body of flow and aggregate statistics requests. */
struct of_flow_filter {
	uint8_t table;
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	struct of_match match;
};
enum of_error of_flow_filter_decode(struct rd *rd, struct of_flow_filter *ret_filter);
void of_flow_filter_encode(struct wr *wr, const struct of_flow_filter *filter);

/* An entry of a flow statistics reply. */
struct of_flow_stats {
	uint8_t table;
	uint32_t duration_s, duration_ns;
	uint16_t priority;
	uint16_t idle_timeout, hard_timeout;
	uint16_t flags;
	uint64_t cookie;
	uint64_t n_packets, n_bytes;
	struct of_match match;
	struct of_instrs instrs; /* the caller's after decoding */
};
enum of_error of_flow_stats_decode(struct rd *rd, struct of_flow_stats *ret_stats);
/* Borrows 'match' and 'instrs' from where the flow keeps them; those in 'stats' are not looked at.
 */
void of_flow_stats_encode(struct wr *wr, const struct of_flow_stats *stats,
			  const struct of_match *match, const struct of_instrs *instrs);

/* The same; the match is as of_match_encode() wrote it. */
void of_flow_stats_encode_kept(struct wr *wr, const struct of_flow_stats *stats,
			       const uint8_t *match, size_t match_size,
			       const struct of_instrs *instrs);

struct of_aggregate {
	uint64_t n_packets, n_bytes;
	uint32_t n_flows;
};
enum of_error of_aggregate_decode(struct rd *rd, struct of_aggregate *ret_aggregate);
void of_aggregate_encode(struct wr *wr, const struct of_aggregate *aggregate);

#endif
