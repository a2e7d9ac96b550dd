/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that controllers send (OpenFlow 1.3.5, 7.3.7): from actions to steps, and to a worker.
 */
#include "dataplane/inject.h"
#include "dataplane/parse.h"
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"

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

static void make_key(uint32_t in_port, const uint8_t *data, size_t size, struct dp_key *ret_key)
{
	struct dp_headers h;

	dp_parse(data, (uint32_t)size, &h);
	dp_key_extract(data, (uint32_t)size, &h, vs_flow_port16(in_port), ret_key);
}

enum of_error vs_flows_packet_out(struct vs_flows *flows, uint32_t in_port,
				  const struct of_actions *actions, const uint8_t *data,
				  size_t size)
{
	struct dp_build b;
	struct dp_inject inject = {.pipeline = vs_flows_pipeline(flows), .build = &b};
	enum of_error error = vs_xlate_check_packet_out(flows, actions);
	struct dp_key key;

	if (error != OF_OK)
		return error;
	if (!find_in_port(flows, in_port, &inject.port))
		return OFPBRC_BAD_PORT;
	if (size < FRAME_MIN || size > DP_INJECT_MAX_FRAME)
		return OFPBRC_BAD_PACKET;
	inject.data = data;
	inject.size = (uint32_t)size;
	make_key(in_port, data, size, &key);
	vs_xlate_packet_out(flows, actions, &key, &b);
	dp_inject(vs_flows_dp(flows), &inject);
	return OF_OK;
}
