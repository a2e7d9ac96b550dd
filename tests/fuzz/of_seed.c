/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes seeds for corpus/of_msg: of_seed DIR.  The same files every time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/base/wire.h"
#include "tests/support/of_gen.h"
#include "vswitch/of/bundle.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/packet.h"
#include "vswitch/of/port.h"
#include "vswitch/of/table.h"

static const char *dir;
static uint64_t state = 2024;

/* The message in 'wr', which is then empty. */
static void save(struct wr *wr, const char *name, int i)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%d", dir, name, i);
	file = fopen(path, "wb");
	if (file == NULL || !wr_ok(wr)) {
		perror(path);
		exit(1);
	}
	fwrite(wr->bytes, 1, wr->size, file);
	fclose(file);
	wr_cut(wr, 0);
}

static void reply(struct wr *wr, uint16_t type, const struct wr *body)
{
	const struct of_mp mp = {.type = type};
	size_t at = of_mp_begin(wr, OFPT_MULTIPART_REPLY, 1, &mp);

	wr_bytes(wr, body->bytes, body->size);
	of_msg_end(wr, at);
	save(wr, of_mp_name(type), 1);
}

static void modifications(struct wr *wr)
{
	for (int i = 0; i < 20; i++) {
		struct of_flow_mod flow;
		struct of_group_mod group;
		struct of_meter_mod meter;
		struct of_packet_out out = {.buffer_id = OF_NO_BUFFER, .in_port = 1};

		of_gen_flow_mod(&state, &flow);
		of_flow_mod_encode(wr, 1, &flow);
		save(wr, "flow-mod", i);
		if (i < 5) {
			of_gen_group_mod(&state, &group);
			of_group_mod_encode(wr, 1, &group);
			save(wr, "group-mod", i);
			of_gen_meter_mod(&state, &meter);
			of_meter_mod_encode(wr, 1, &meter);
			save(wr, "meter-mod", i);
			of_gen_actions(&state, &flow.match, &out.actions);
			of_packet_out_encode(wr, 1, &out);
			save(wr, "packet-out", i);
		}
	}
}

static void small(struct wr *wr)
{
	static const struct of_port_mod port_mod = {.no = 1, .mask = OFPPC_ALL};
	static const struct of_port_status status = {.reason = OFPPR_ADD, .port = {.no = 1}};
	static const struct of_table_mod table_mod = {.table = OF_TABLE_ALL};
	static const struct of_role role = {.role = OFPCR_ROLE_MASTER, .generation_id = 5};
	static const struct of_async async = {.packet_in = {7, 0}};
	static const struct of_config config = {.miss_send_len = 128};
	static const struct of_features features = {.datapath_id = 1, .n_tables = 254};
	static const struct of_hello hello = {.versions = 1 << 4};
	static const struct of_queue queues[] = {{1, 2, 100, 200}};
	static const uint8_t request[64] = {4, 14, 0, 64};

	of_port_mod_encode(wr, 1, &port_mod);
	save(wr, "port-mod", 1);
	of_port_status_encode(wr, 1, &status);
	save(wr, "port-status", 1);
	of_table_mod_encode(wr, 1, &table_mod);
	save(wr, "table-mod", 1);
	of_role_encode(wr, OFPT_ROLE_REQUEST, 1, &role);
	save(wr, "role", 1);
	of_async_encode(wr, OFPT_SET_ASYNC, 1, &async);
	save(wr, "async", 1);
	of_config_encode(wr, OFPT_SET_CONFIG, 1, &config);
	save(wr, "config", 1);
	of_features_encode(wr, 1, &features);
	save(wr, "features", 1);
	of_hello_encode(wr, 1, &hello);
	save(wr, "hello", 1);
	of_queue_config_encode(wr, 1, 2, queues, 1);
	save(wr, "queue-config", 1);
	of_error_reply(wr, OFPBFC_MSG_FAILED, request, sizeof(request));
	save(wr, "error", 1);
	of_msg_encode(wr, OFPT_BARRIER_REQUEST, 1);
	save(wr, "barrier", 1);
}

static void experimenters(struct wr *wr)
{
	static const struct of_bundle_control control = {1, OFPBCT_OPEN_REQUEST, OFPBF_ATOMIC};
	static const struct of_nx_msg nx = {NXT_SET_PACKET_IN_FORMAT, NXPIF_NXT2};
	struct of_bundle_add add = {.id = 1};
	struct wr inner = wr_init(100);

	of_bundle_control_encode(wr, 1, &control);
	save(wr, "bundle-control", 1);
	of_msg_encode(&inner, OFPT_BARRIER_REQUEST, 1);
	of_header_decode(inner.bytes, inner.size, &add.header);
	add.msg = inner.bytes;
	of_bundle_add_encode(wr, 1, &add);
	save(wr, "bundle-add", 1);
	of_nx_msg_encode(wr, 1, &nx);
	save(wr, "nicira", 1);
	wr_fini(&inner);
}

static void requests(struct wr *wr)
{
	static struct of_flow_filter filter = {.table = OF_TABLE_ALL};
	struct of_mp mp = {.type = OFPMP_FLOW};
	size_t at = of_mp_begin(wr, OFPT_MULTIPART_REQUEST, 1, &mp);

	of_gen_match(&state, &filter.match);
	of_flow_filter_encode(wr, &filter);
	of_msg_end(wr, at);
	save(wr, "request-flow", 1);
	mp.type = OFPMP_GROUP;
	at = of_mp_begin(wr, OFPT_MULTIPART_REQUEST, 1, &mp);
	of_mp_id_encode(wr, OF_GROUP_ALL);
	of_msg_end(wr, at);
	save(wr, "request-group", 1);
	of_mp_request_encode(wr, 1, OFPMP_PORT_DESC);
	save(wr, "request-port-desc", 1);
}

static void replies(struct wr *wr)
{
	static const struct of_bucket_counter counters[2];
	static const struct of_band_counter bands[2];
	static struct of_table_features features = {.table = 1, .name = "t", .present = 0xf5ff};
	static const struct of_group_stats groups = {.id = 1, .buckets = counters, .n_buckets = 2};
	static const struct of_meter_stats meters = {.id = 1, .bands = bands, .n_bands = 2};
	static struct of_flow_stats flow = {.table = 1};
	static const struct of_port port = {.no = 1, .name = "p"};
	static const struct of_port_stats port_stats = {.no = 1};
	struct of_group_mod group;
	struct of_meter_mod meter;
	struct wr body = wr_init(65535);

	features.hit = (struct of_table_ability){.instrs = 0x7e, .apply_actions = 0xfff9801};
	for (unsigned i = 0; i < OF_N_FIELDS; i++)
		of_bit_set(features.match, i);
	of_table_features_encode(&body, &features);
	reply(wr, OFPMP_TABLE_FEATURES, &body);
	wr_cut(&body, 0);
	of_gen_match(&state, &flow.match);
	of_gen_instrs(&state, &flow.match, 1, &flow.instrs);
	of_flow_stats_encode(&body, &flow, &flow.match, &flow.instrs);
	reply(wr, OFPMP_FLOW, &body);
	wr_cut(&body, 0);
	of_group_stats_encode(&body, &groups);
	reply(wr, OFPMP_GROUP, &body);
	wr_cut(&body, 0);
	of_meter_stats_encode(&body, &meters);
	reply(wr, OFPMP_METER, &body);
	wr_cut(&body, 0);
	of_gen_group_mod(&state, &group);
	of_group_desc_encode(&body, &group.group);
	reply(wr, OFPMP_GROUP_DESC, &body);
	wr_cut(&body, 0);
	of_gen_meter_mod(&state, &meter);
	of_meter_config_encode(&body, &meter.meter);
	reply(wr, OFPMP_METER_CONFIG, &body);
	wr_cut(&body, 0);
	of_port_encode(&body, &port);
	reply(wr, OFPMP_PORT_DESC, &body);
	wr_cut(&body, 0);
	of_port_stats_encode(&body, &port_stats);
	reply(wr, OFPMP_PORT_STATS, &body);
	wr_fini(&body);
}

int main(int argc, char **argv)
{
	struct wr wr = wr_init(1 << 20);

	if (argc != 2)
		return EXIT_FAILURE;
	dir = argv[1];
	modifications(&wr);
	small(&wr);
	experimenters(&wr);
	requests(&wr);
	replies(&wr);
	wr_fini(&wr);
	return EXIT_SUCCESS;
}
