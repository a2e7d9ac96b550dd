/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that controllers send (OpenFlow 1.3.5, 7.3.7): from actions to steps, and to a worker.
 */
#include "dataplane/drop.h"
#include "dataplane/inject.h"
#include "dataplane/parse.h"
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"
#include "vswitch/flows_parts.h"
#include "vswitch/groups.h"

#define FRAME_MIN 14u

/* The dataplane's number of the port by which a packet is said to have come. */
static bool find_in_port(const struct vs_flows *flows, uint32_t in_port, uint16_t *ret_id)
{
	*ret_id = DP_NO_PORT;
	if (in_port == OFPP_CONTROLLER || in_port == OFPP_ANY)
		return true;
	*ret_id = vs_flows_port_id(flows, in_port);
	return *ret_id != DP_NO_PORT;
}

struct asked {
	struct dp *dp;
	const uint8_t *data;
	uint32_t size;
	uint16_t in_port;
};

static bool ask_again(struct dp_build *b, struct dp_key *ret_key)
{
	const struct asked *a = b->again_arg;

	return dp_inject_key(a->dp, a->data, a->size, b, a->in_port, ret_key);
}

static void compose(const struct vs_flows *flows, const struct of_actions *actions,
		    struct asked *asked, struct dp_build *b)
{
	struct dp_headers h;
	struct dp_key key;

	dp_parse(asked->data, asked->size, &h);
	dp_key_extract(asked->data, asked->size, &h, asked->in_port, &key);
	dp_build_init(b);
	b->again = ask_again;
	b->again_arg = asked;
	vs_xlate_packet_out(flows, actions, &key, b);
	if (!b->overflow && !b->lost)
		return;
	b->size = 0;
	dp_build_step(b, DP_STEP_DROP, b->lost ? DP_DROP_NO_MBUF : DP_DROP_PROGRAM_TOO_LONG, 0);
}

static enum of_error check(const struct vs_flows *flows, const struct of_actions *actions)
{
	enum of_error error = vs_xlate_check_packet_out(flows, actions);

	return error != OF_OK ? error : vs_groups_check(vs_flows_groups(flows), actions);
}

enum of_error vs_flows_packet_out(struct vs_flows *flows, uint32_t in_port,
				  const struct of_actions *actions, const uint8_t *data,
				  size_t size)
{
	enum of_error error = check(flows, actions);
	struct dp_build b;
	struct dp_inject inject = {.pipeline = vs_flows_pipeline(flows), .build = &b};
	struct asked asked = {.dp = vs_flows_dp(flows), .data = data, .size = (uint32_t)size};

	if (error != OF_OK)
		return error;
	if (!find_in_port(flows, in_port, &inject.port))
		return OFPBRC_BAD_PORT;
	if (size < FRAME_MIN || size > DP_INJECT_MAX_FRAME)
		return OFPBRC_BAD_PACKET;
	asked.in_port = inject.port == DP_NO_PORT ? DP_INJECT_OF_PORT : vs_flow_port16(in_port);
	compose(flows, actions, &asked, &b);
	inject.data = data;
	inject.size = asked.size;
	dp_inject(asked.dp, &inject);
	return OF_OK;
}
