/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Roles of controllers, and what each wants to hear unasked (OpenFlow 1.3.5, 6.3.4, 6.3.5).
 */
#include "vswitch/agent_priv.h"

/* A newer generation than any before?  They are compared as the specification does: by the sign of
 * the difference, so that they may wrap. */
static bool is_stale(const struct vs_agent *agent, uint64_t generation)
{
	return agent->has_generation && (int64_t)(generation - agent->generation_id) < 0;
}

/* There is one master: the last one becomes a slave, and is not told (6.3.4). */
static void depose(struct vs_agent *agent)
{
	for (struct vs_channel *ch = agent->channels; ch != NULL; ch = ch->next)
		if (ch->role == OFPCR_ROLE_MASTER)
			ch->role = OFPCR_ROLE_SLAVE;
}

enum of_error vs_agent_role(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_channel *ch = vs_channel_main(req->ch);
	struct vs_agent *agent = req->agent;
	struct of_role role;
	enum of_error error = of_role_decode(rd, &role);

	if (error != OF_OK)
		return error;
	if (role.role == OFPCR_ROLE_MASTER || role.role == OFPCR_ROLE_SLAVE) {
		if (is_stale(agent, role.generation_id))
			return OFPRRFC_STALE;
		agent->has_generation = true;
		agent->generation_id = role.generation_id;
	}
	if (role.role == OFPCR_ROLE_MASTER)
		depose(agent);
	if (role.role != OFPCR_ROLE_NOCHANGE)
		ch->role = (enum of_role_type)role.role;
	vs_agent_wishes_changed(agent);
	role.role = ch->role;
	role.generation_id = agent->has_generation ? agent->generation_id : UINT64_MAX;
	of_role_encode(wr, OFPT_ROLE_REPLY, req->header.xid, &role);
	return OF_OK;
}

enum of_error vs_agent_get_async(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	of_async_encode(wr, OFPT_GET_ASYNC_REPLY, req->header.xid,
			&vs_channel_main(req->ch)->async);
	return OF_OK;
}

enum of_error vs_agent_set_async(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_async async;
	enum of_error error = of_async_decode(rd, &async);

	if (error != OF_OK)
		return error;
	vs_channel_main(req->ch)->async = async;
	vs_agent_wishes_changed(req->agent);
	return OF_OK;
}
