/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: where a tunnel port sends to when rules say so, as Open vSwitch's users know it
 * (key=flow, remote_ip=flow).  The key is what TUN_ID says, be it the packet's own or a rule's.  A
 * remote is what a rule wrote into TUN_DST or TUN_IPV6_DST: the packet's own would be us.  Workers.
 */
#include "dataplane/tunnel_wire.h"
#include "vswitch/xlate_priv.h"

#include <string.h>

static void copy_changed(const struct xlate *x, enum dp_field field, void *to)
{
	const struct dp_field_desc *d = &dp_fields[field];

	for (unsigned i = 0; i < d->size; i++)
		if (x->b->changed.b[d->offset + i] != 0) {
			memcpy(to, x->key.b + d->offset, d->size);
			return;
		}
}

bool vs_xlate_tunnel(struct xlate *x, uint32_t of_port, uint16_t id)
{
	uint8_t asks = vs_flows_asks_of(x->flows, of_port);
	struct dp_tunnel_meta meta = {0};
	void *data;

	if (asks == 0)
		return false;
	if ((asks & VS_PORT_FLOW_KEY) != 0) {
		vs_xlate_look_at(x, DP_FIELD_TUN_ID);
		memcpy(&meta.id, x->key.b + dp_fields[DP_FIELD_TUN_ID].offset, sizeof(meta.id));
	}
	if ((asks & VS_PORT_FLOW_REMOTE) != 0) {
		copy_changed(x, DP_FIELD_TUN_DST, &meta.dst);
		copy_changed(x, DP_FIELD_TUN_DST6, meta.dst6);
	}
	data = vs_xlate_step(x, DP_STEP_TUNNEL, id, sizeof(meta));
	if (data != NULL)
		memcpy(data, &meta, sizeof(meta));
	return true;
}
