/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A controller that sends anything: a sequence of messages to the agent of a switch.  Each is
 * answered with whole messages or not at all, and in the end everything can be taken back: no rule,
 * group or bundle is left, and no error of ours has no name.
 *
 * The input is messages one behind the other; their versions and lengths are put right, so that
 * what is inside is what is tried.  The first byte says the role.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/of_rig.h"
#include "vswitch/of/flow.h"

#define MESSAGES_MAX 64

static struct of_rig rig;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* What was sent is whole messages of our version. */
static void check_answers(void)
{
	struct rd rd = rd_init(rig.sent.bytes, rig.sent.size);
	struct of_header header;

	while (rd.left != 0) {
		must(of_header_decode(rd.at, rd.left, &header) == OF_OK);
		must(header.version == OF_VERSION_13 && header.size <= rd.left);
		must(header.type < OF_N_MSG_TYPES);
		rd_skip(&rd, header.size);
	}
	wr_cut(&rig.sent, 0);
}

static size_t hand_in(const uint8_t *data, size_t size)
{
	static uint8_t msg[OF_MSG_MAX];
	size_t n = (size_t)data[2] << 8 | data[3];
	struct of_header header;

	if (n < OF_HEADER_SIZE)
		n = OF_HEADER_SIZE;
	if (n > size)
		n = size;
	memcpy(msg, data, n);
	msg[0] = OF_VERSION_13;
	msg[2] = (uint8_t)(n >> 8);
	msg[3] = (uint8_t)n;
	must(of_header_decode(msg, n, &header) == OF_OK);
	vs_agent_message(rig.agent, &rig.ch, &header, msg);
	for (unsigned i = 0; rig.ch.busy && i < 1000; i++)
		vs_agent_drained(rig.agent, &rig.ch);
	check_answers();
	return n;
}

static void take_back(void)
{
	const struct of_flow_mod all = {.command = OFPFC_DELETE,
					.table = OF_TABLE_ALL,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};

	vs_agent_channel_gone(rig.agent, &rig.ch);
	must(rig.ch.bundles == NULL && rig.ch.parts == NULL && rig.ch.reply == NULL);
	vs_flows_begin(rig.flows);
	must(vs_flows_mod(rig.flows, &all) == OF_OK);
	vs_flows_commit(rig.flows);
	vs_flows_reap(rig.flows);
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++)
		must(vs_flows_n(rig.flows, (uint8_t)i) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (rig.dp == NULL)
		of_rig_open(&rig, false);
	if (size == 0)
		return 0;
	rig.ch.role = (enum of_role_type)(1 + *data % 3);
	data++;
	size--;
	for (unsigned i = 0; i < MESSAGES_MAX && size >= OF_HEADER_SIZE; i++) {
		size_t n = hand_in(data, size);

		data += n;
		size -= n;
	}
	take_back();
	return 0;
}
