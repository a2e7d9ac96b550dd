/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the control half of a NIC with whole conversations: messages of a guest in any order,
 * mixed with what an administrator, a bus and a restart do.  Every packet that asks for a
 * completion gets one, every control message that has to be answered is, and every state passes its
 * own check (tests/support/vsp.c).
 *
 * Input: steps, each a byte that says what, a byte for the size, and so many bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/vsp.h"

#define MAX_STEPS 64

static struct vsp vsp;

static void step_message(const uint8_t *bytes, size_t size, bool wanted)
{
	vsp_clear(&vsp);
	netvsp_message(vsp.n, 42, wanted, bytes, size);
	if (vsp.n_completed != wanted || (wanted && vsp.completed[0].id != 42))
		abort();
}

static bool waits(const uint8_t *bytes, size_t size)
{
	uint32_t type;

	if (size < 12)
		return false;
	memcpy(&type, bytes, 4);
	return type == RNDIS_INITIALIZE || (type >= RNDIS_QUERY && type <= RNDIS_RESET) ||
	       type == RNDIS_KEEPALIVE;
}

static void step_rndis(const uint8_t *bytes, size_t size)
{
	bool can = netvsp_state(vsp.n)->n_recv_sections != 0;
	struct rndis_msg m;

	vsp_clear(&vsp);
	netvsp_rndis(vsp.n, bytes, size);
	if ((vsp.n_rndis > 0) != (can && waits(bytes, size)))
		abort();
	if (vsp.n_rndis > 0 && (rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &m) < 0 ||
				!(m.type & RNDIS_COMPLETION)))
		abort();
}

static void step_conf(const uint8_t *bytes, size_t size)
{
	uint8_t flags = size > 0 ? bytes[0] : 0;

	vsp.conf.link_up = flags & 1;
	vsp.conf.offloads = flags & 2;
	vsp.conf.rsc = flags & 4;
	vsp.conf.mac_change = flags & 8;
	vsp.conf.mtu = flags & 16 ? 9000 : 1500;
	vsp.conf.max_queues = flags & 32 ? 64 : 4;
	vsp.changed_ret = flags & 64 ? -1 : 0;
	vsp.mac_ret = flags & 128 ? -1 : 0;
	netvsp_set_conf(vsp.n, &vsp.conf);
}

/* Another state, or the present one. */
static void step_restore(const uint8_t *bytes, size_t size)
{
	struct netvsp_state state = *netvsp_state(vsp.n);

	if (netvsp_state_check(&state) < 0)
		abort();
	memcpy(&state, bytes, size < sizeof(state) ? size : sizeof(state));
	if (netvsp_state_check(&state) == 0)
		netvsp_restore(vsp.n, &state);
}

static void step(uint8_t what, const uint8_t *bytes, size_t size)
{
	static const uint32_t versions[] = {NVSP_V1, NVSP_V2, NVSP_V4, NVSP_V5, NVSP_V6, NVSP_V6_1};

	switch (what % 9) {
	case 0:
		step_message(bytes, size, true);
		break;
	case 1:
		step_message(bytes, size, false);
		break;
	case 2:
		step_rndis(bytes, size);
		break;
	case 3:
		netvsp_reset(vsp.n);
		break;
	case 4:
		netvsp_gpadl_gone(vsp.n, size & 1 ? VSP_RECV_GPADL : VSP_SEND_GPADL);
		break;
	case 5:
		step_conf(bytes, size);
		break;
	case 6:
		netvsp_set_vf(vsp.n, size & 1, (uint32_t)size >> 1);
		break;
	case 7:
		step_restore(bytes, size);
		break;
	default:
		netvsp_reset(vsp.n);
		(void)vsp_start(&vsp, versions[size % 6]);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netvsp_conf conf = vsp_conf();

	if (!vsp_init(&vsp, &conf))
		return 0;
	for (unsigned i = 0; i < MAX_STEPS && size >= 2; i++) {
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		uint8_t *exact = malloc(n == 0 ? 1 : n);

		if (exact == NULL)
			break;
		memcpy(exact, data + 2, n);
		step(data[0], exact, n);
		free(exact);
		data += 2 + n;
		size -= 2 + n;
	}
	vsp_fini(&vsp);
	return 0;
}
