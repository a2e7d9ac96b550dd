/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the reader of tunnel headers: what it takes must lie within the frame, and must be what
 * the general parser finds there.
 *
 * Input: one byte that says how much of the frame is contiguous (0: all of it), then the frame.
 */
#include "dataplane/parse.h"
#include "dataplane/tunnel_wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void check(const uint8_t *exact, uint32_t size, uint32_t frame_size)
{
	static const struct dp_tunnel_udp udp[] = {{DP_VXLAN_PORT, DP_TUN_VXLAN},
						   {DP_GENEVE_PORT, DP_TUN_GENEVE}};
	struct dp_tunnel_outer o;
	struct dp_headers h;

	if (dp_tunnel_parse(exact, size, frame_size, udp, 2, &o) != DP_N_DROPS ||
	    o.type == DP_TUN_NONE)
		return;
	if (o.size > size || o.l4 + o.l4_size > frame_size || o.l4 + o.l4_size < o.size + 14u)
		abort();
	dp_parse_head(exact, size, frame_size, &h);
	if (h.tunnel_offset != 0 && (h.tunnel_offset != o.size || h.tunnel_id != o.vni))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t frame_size, cut;
	uint8_t *exact;

	if (size == 0 || size > 70000)
		return 0;
	frame_size = (uint32_t)size - 1;
	cut = data[0] == 0 ? frame_size : frame_size * data[0] / 256;
	exact = malloc(cut == 0 ? 1 : cut);
	if (exact == NULL)
		return 0;
	if (cut != 0)
		memcpy(exact, data + 1, cut);
	check(exact, cut, frame_size);
	free(exact);
	return 0;
}
