/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow statistics: an answer that may be hundreds of megabytes.  It is made in pieces: one message
 * now, the next when the channel has sent the last (vs_agent_drained()), so a controller that does
 * not read makes us hold one message, and a table of a million rules does not hold up the control
 * thread.  Between pieces rules may come and go; each that was there all the time is told once.
 *
 * Until the answer is over the channel hands in no other request ('busy'): answers keep their
 * order, and barriers their meaning.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/flows.h"

#include <stdlib.h>

#define PIECE_SIZE  32768u /* a piece ends with the rule that passes it */
#define PIECE_LOOKS 20000u /* rules looked at for it; about a millisecond */
#define PIECE_LIMIT (256u << 10)

struct vs_reply {
	struct vs_flow_walk *walk;
	uint32_t xid;
};

void vs_reply_drop(struct vs_channel *ch)
{
	if (ch->reply == NULL)
		return;
	vs_flow_walk_destroy(ch->reply->walk);
	free(ch->reply);
	ch->reply = NULL;
	ch->busy = false;
}

static void tell(const struct vs_flows *flows, const struct vs_rule *rule,
		 struct of_mp_reply *reply)
{
	uint64_t age_ms = vs_rule_age_ms(flows, rule);
	struct dp_flow_counts counts;
	struct of_flow_stats s = {
		.table = rule->table,
		.priority = rule->priority,
		.idle_timeout = rule->idle_timeout,
		.hard_timeout = rule->hard_timeout,
		.flags = rule->flags,
		.cookie = rule->cookie,
		.duration_s = (uint32_t)(age_ms / 1000),
		.duration_ns = (uint32_t)(age_ms % 1000 * 1000000),
	};

	vs_rule_counts(flows, rule, &counts);
	s.n_packets = counts.packets;
	s.n_bytes = counts.bytes;
	of_mp_reply_entry(reply);
	of_flow_stats_encode_kept(reply->wr, &s, rule->match, rule->match_size, &rule->instrs);
}

/* The next piece; true when it is the last. */
static bool piece(struct vs_flows *flows, struct vs_reply *r, struct wr *wr)
{
	unsigned looks = PIECE_LOOKS;
	const struct vs_rule *rule;
	struct of_mp_reply reply;

	of_mp_reply_begin(&reply, wr, r->xid, OFPMP_FLOW, OF_MSG_MAX);
	while (wr->size < PIECE_SIZE && wr_ok(wr) &&
	       (rule = vs_flow_walk_next(r->walk, &looks)) != NULL)
		tell(flows, rule, &reply);
	if (vs_flow_walk_over(r->walk)) {
		of_mp_reply_end(&reply);
		return true;
	}
	of_mp_reply_end_more(&reply);
	return false;
}

void vs_agent_drained(struct vs_agent *agent, struct vs_channel *ch)
{
	struct wr wr = wr_init(PIECE_LIMIT);
	bool last;

	if (ch->reply == NULL)
		return;
	last = piece(agent->flows, ch->reply, &wr);
	/* Without memory the answer ends here, and its reader learns of it by the next. */
	if (last || !wr_ok(&wr))
		vs_reply_drop(ch);
	if (wr_ok(&wr))
		vs_channel_send(ch, wr.bytes, wr.size, false);
	wr_fini(&wr);
}

enum of_error vs_mp_flow(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_channel *ch = req->ch;
	struct of_flow_filter filter;
	enum of_error error = of_flow_filter_decode(rd, &filter);

	if (error != OF_OK)
		return error;
	if (filter.table >= VS_FLOW_TABLES && filter.table != OF_TABLE_ALL)
		return OFPBRC_BAD_TABLE_ID;
	vs_reply_drop(ch); /* There is none, unless the channel did not keep to 'busy'. */
	ch->reply = calloc(1, sizeof(*ch->reply));
	if (ch->reply == NULL)
		return OF_ERROR_NO_MEMORY;
	ch->reply->xid = req->header.xid;
	if (vs_flow_walk_create(req->agent->flows, &filter, &ch->reply->walk) != 0) {
		vs_reply_drop(ch);
		return OF_ERROR_NO_MEMORY;
	}
	if (piece(req->agent->flows, ch->reply, wr) || !wr_ok(wr))
		vs_reply_drop(ch);
	else
		ch->busy = true;
	return OF_OK;
}
