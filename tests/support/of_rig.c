/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See of_rig.h.
 */
#include "tests/support/of_rig.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp.h"
#include "tests/support/test_dp.h"
#include "vswitch/switch_flows.h"

#define SENT_LIMIT (64u << 20)

static struct of_rig *open_rig;

void __wrap_vs_channel_send(struct vs_channel *ch, const void *msgs, size_t size, bool may_drop)
{
	if (open_rig == NULL)
		return;
	wr_bytes(&open_rig->sent, msgs, size);
	open_rig->by = ch;
}

json_t *of_rig_state(void)
{
	json_t *state = json_pack("{s{s{ss ss}} s{}}", "switch", "s", "name", "s", "type",
				  "private", "port");

	for (unsigned i = 1; i <= OF_RIG_PORTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "p%u", i);
		json_object_set_new(json_object_get(state, "port"), name,
				    json_pack("{ss ss ss}", "name", name, "switch", "s", "kind",
					      "mem"));
	}
	return state;
}

static void clear_rules(struct vs_flows *flows)
{
	const struct of_flow_mod all = {.command = OFPFC_DELETE,
					.table = OF_TABLE_ALL,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};

	vs_flows_begin(flows);
	if (vs_flows_mod(flows, &all) != OF_OK)
		abort();
	vs_flows_commit(flows);
	vs_flows_reap(flows);
}

void of_rig_open(struct of_rig *rig, bool worker)
{
	struct vs_opts opts = {0};
	struct err err = {0};
	json_t *state = of_rig_state();

	memset(rig, 0, sizeof(*rig));
	rig->dp = opts.dp = test_dp_create(4096);
	if (vs_create(&opts, &rig->vs, &err) != 0 ||
	    (worker && dp_worker_add(rig->dp, (unsigned)sched_getcpu(), &err) != 0) ||
	    vs_apply(rig->vs, NULL, state, false, &err) != 0 ||
	    vs_switch_flows_need(rig->vs, "s", &rig->flows, &err) != 0) {
		fprintf(stderr, "%s\n", err.what);
		abort();
	}
	json_decref(state);
	rig->agent = vs_switch_agent(rig->vs, "s");
	rig->ch = (struct vs_channel){.agent = rig->agent, .role = OFPCR_ROLE_EQUAL, .up = true};
	rig->sent = wr_init(SENT_LIMIT);
	clear_rules(rig->flows);
	open_rig = rig;
}

void of_rig_close(struct of_rig *rig)
{
	open_rig = NULL;
	vs_agent_channel_gone(rig->agent, &rig->ch);
	wr_fini(&rig->sent);
	vs_destroy(rig->vs);
	while (dp_n_workers(rig->dp) != 0)
		if (dp_worker_remove(rig->dp, (unsigned)sched_getcpu(), NULL) != 0)
			break;
	test_dp_destroy(rig->dp);
}

void of_rig_ask(struct of_rig *rig, const struct wr *msgs)
{
	struct rd rd = rd_init(msgs->bytes, msgs->size);
	struct of_header header;

	assert_true(wr_ok(msgs));
	wr_cut(&rig->sent, 0);
	rig->at = 0;
	while (rd.left != 0) {
		assert_int_equal(of_header_decode(rd.at, rd.left, &header), OF_OK);
		assert_true(header.size <= rd.left);
		vs_agent_message(rig->agent, &rig->ch, &header, rd.at);
		rd_skip(&rd, header.size);
		while (rig->ch.busy)
			vs_agent_drained(rig->agent, &rig->ch);
	}
}

bool of_rig_next(struct of_rig *rig, struct of_header *ret_header, struct rd *ret_body)
{
	struct rd rd = rd_init(rig->sent.bytes, rig->sent.size);

	rd_skip(&rd, rig->at);
	if (rd.left == 0)
		return false;
	assert_int_equal(of_header_decode(rd.at, rd.left, ret_header), OF_OK);
	*ret_body = rd_sub(&rd, ret_header->size);
	assert_true(rd_ok(ret_body));
	rd_skip(ret_body, OF_HEADER_SIZE);
	rig->at += ret_header->size;
	return true;
}

enum of_error of_rig_error(struct of_rig *rig)
{
	struct of_error_msg msg;
	struct of_header header;
	struct rd body;

	if (!of_rig_next(rig, &header, &body))
		return OF_OK;
	assert_int_equal(header.type, OFPT_ERROR);
	assert_int_equal(of_error_decode(&body, &msg), OF_OK);
	assert_int_equal(rig->at, rig->sent.size);
	return of_error_find(&msg);
}

enum of_error of_rig_try(struct of_rig *rig, struct wr *msg)
{
	of_rig_ask(rig, msg);
	wr_cut(msg, 0);
	return of_rig_error(rig);
}
