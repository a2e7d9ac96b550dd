/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about tables.  All tables are alike.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/flows.h"
#include "vswitch/of/table.h"

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
