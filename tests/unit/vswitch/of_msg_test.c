/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All messages but those about flows: what is written is read as the same, shorter is refused, and
 * long replies are cut into parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/of_gen.h"
#include "vswitch/of/bundle.h"
#include "vswitch/of/flow.h"
#include "vswitch/of/group.h"
#include "vswitch/of/header.h"
#include "vswitch/of/meter.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/packet.h"
#include "vswitch/of/port.h"
#include "vswitch/of/table.h"

/* Fills with bytes that are all different, so that a field in another's place is seen. */
static void fill(void *to, size_t size)
{
	static uint8_t next = 1;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = next++;
}

/* One body of a fixed size: what is decoded is encoded as the same bytes; anything shorter is an
 * error.  (Bytes are compared, for structures have holes; fill() sees to it that they differ.) */
#define ASSERT_BODY(x, encode, decode, size_on_wire)                                               \
	do {                                                                                       \
		struct wr wr = wr_init(65535);                                                     \
		uint8_t first[2048];                                                               \
		struct rd rd;                                                                      \
                                                                                                   \
		encode;                                                                            \
		assert_int_equal(wr.size - at, size_on_wire);                                      \
		memcpy(first, wr.bytes, wr.size);                                                  \
		rd = rd_init(first + at, wr.size - at);                                            \
		memset(&(x), 0, sizeof(x));                                                        \
		assert_int_equal(decode(&rd, &(x)), OF_OK);                                        \
		assert_int_equal(rd.left, 0);                                                      \
		wr_cut(&wr, 0);                                                                    \
		encode;                                                                            \
		assert_memory_equal(wr.bytes, first, wr.size);                                     \
		for (size_t n = 0; n < wr.size - at; n++) {                                        \
			uint8_t *cut = malloc(n + 1);                                              \
                                                                                                   \
			memcpy(cut, wr.bytes + at, n);                                             \
			rd = rd_init(cut, n);                                                      \
			assert_int_not_equal(decode(&rd, &(x)), OF_OK);                            \
			free(cut);                                                                 \
		}                                                                                  \
		wr_fini(&wr);                                                                      \
	} while (0)

static void messages_of_a_fixed_size_come_back(void **state)
{
	const size_t at = OF_HEADER_SIZE;
	struct of_role role;
	struct of_async async;
	struct of_config config;
	struct of_features features;
	struct of_port_mod port_mod;
	struct of_table_mod table_mod;
	struct of_port_status status;

	memset(&role, 0, sizeof(role));
	role.role = OFPCR_ROLE_SLAVE;
	role.generation_id = 0x0102030405060708;
	ASSERT_BODY(role, of_role_encode(&wr, OFPT_ROLE_REQUEST, 1, &role), of_role_decode, 16);
	fill(&async, sizeof(async));
	ASSERT_BODY(async, of_async_encode(&wr, OFPT_SET_ASYNC, 1, &async), of_async_decode, 24);
	config = (struct of_config){.flags = OFPC_FRAG_REASM, .miss_send_len = 0x1234};
	ASSERT_BODY(config, of_config_encode(&wr, OFPT_SET_CONFIG, 1, &config), of_config_decode,
		    4);
	memset(&features, 0, sizeof(features));
	features.datapath_id = 0x0102030405060708;
	features.n_buffers = 9;
	features.n_tables = 254;
	features.auxiliary_id = 3;
	features.capabilities = 0x01020304;
	ASSERT_BODY(features, of_features_encode(&wr, 1, &features), of_features_decode, 24);
	fill(&port_mod, sizeof(port_mod));
	port_mod.config = OFPPC_NO_FWD;
	port_mod.mask = OFPPC_ALL;
	port_mod.advertise = OFPPF_ALL;
	ASSERT_BODY(port_mod, of_port_mod_encode(&wr, 1, &port_mod), of_port_mod_decode, 32);
	memset(&table_mod, 0, sizeof(table_mod));
	table_mod.table = 5;
	table_mod.config = 3;
	ASSERT_BODY(table_mod, of_table_mod_encode(&wr, 1, &table_mod), of_table_mod_decode, 8);
	memset(&status, 0, sizeof(status));
	status.reason = OFPPR_MODIFY;
	fill(&status.port, sizeof(status.port));
	status.port.name[OF_PORT_NAME_SIZE - 1] = '\0';
	ASSERT_BODY(status, of_port_status_encode(&wr, 1, &status), of_port_status_decode, 72);
}

static void multipart_bodies_of_a_fixed_size_come_back(void **state)
{
	const size_t at = 0;
	static struct of_desc desc;
	struct of_port port;
	struct of_port_stats port_stats;
	struct of_queue_request queue_request;
	struct of_queue_stats queue_stats;
	struct of_table_stats table_stats;
	struct of_aggregate aggregate;
	struct of_group_features group_features;
	struct of_meter_features meter_features;
	uint32_t id = 0x01020304;

	fill(&desc, sizeof(desc));
	desc.manufacturer[255] = desc.hardware[255] = desc.software[255] = desc.datapath[255] = 0;
	desc.serial[31] = '\0';
	ASSERT_BODY(desc, of_desc_encode(&wr, &desc), of_desc_decode, 1056);
	fill(&port, sizeof(port));
	port.name[OF_PORT_NAME_SIZE - 1] = '\0';
	ASSERT_BODY(port, of_port_encode(&wr, &port), of_port_decode, OF_PORT_SIZE);
	memset(&port_stats, 0, sizeof(port_stats));
	port_stats.no = 5;
	fill(&port_stats.rx_packets, 12 * 8);
	port_stats.duration_s = 77;
	port_stats.duration_ns = 88;
	ASSERT_BODY(port_stats, of_port_stats_encode(&wr, &port_stats), of_port_stats_decode, 112);
	fill(&queue_request, sizeof(queue_request));
	ASSERT_BODY(queue_request, of_queue_request_encode(&wr, &queue_request),
		    of_queue_request_decode, 8);
	fill(&queue_stats, sizeof(queue_stats));
	ASSERT_BODY(queue_stats, of_queue_stats_encode(&wr, &queue_stats), of_queue_stats_decode,
		    40);
	memset(&table_stats, 0, sizeof(table_stats));
	table_stats.table = 9;
	table_stats.n_active = 1;
	table_stats.n_lookups = UINT64_MAX;
	table_stats.n_matches = 3;
	ASSERT_BODY(table_stats, of_table_stats_encode(&wr, &table_stats), of_table_stats_decode,
		    24);
	memset(&aggregate, 0, sizeof(aggregate));
	aggregate.n_packets = 1;
	aggregate.n_bytes = UINT64_MAX - 1;
	aggregate.n_flows = 3;
	ASSERT_BODY(aggregate, of_aggregate_encode(&wr, &aggregate), of_aggregate_decode, 24);
	fill(&group_features, sizeof(group_features));
	ASSERT_BODY(group_features, of_group_features_encode(&wr, &group_features),
		    of_group_features_decode, 40);
	memset(&meter_features, 0, sizeof(meter_features));
	meter_features.max_meters = 1;
	meter_features.band_types = 6;
	meter_features.max_bands = 3;
	meter_features.max_color = 4;
	ASSERT_BODY(meter_features, of_meter_features_encode(&wr, &meter_features),
		    of_meter_features_decode, 16);
	ASSERT_BODY(id, of_mp_id_encode(&wr, id), of_mp_id_decode, 8);
	ASSERT_BODY(id, of_port_request_encode(&wr, id), of_port_request_decode, 8);
}

static void values_that_a_message_may_not_have_are_refused(void **state)
{
	const size_t at = OF_HEADER_SIZE;
	struct wr wr = wr_init(65535);
	struct of_port_mod port_mod = {.mask = 0x80};
	struct of_role role = {.role = 4};
	struct of_config config = {.flags = 3};
	struct of_table_mod table_mod = {.config = 4};
	struct rd rd;

	of_port_mod_encode(&wr, 1, &port_mod);
	rd = rd_init(wr.bytes + at, wr.size - at);
	assert_int_equal(of_port_mod_decode(&rd, &port_mod), OFPPMFC_BAD_CONFIG);
	port_mod = (struct of_port_mod){.advertise = 1 << 16};
	wr_cut(&wr, 0);
	of_port_mod_encode(&wr, 1, &port_mod);
	rd = rd_init(wr.bytes + at, wr.size - at);
	assert_int_equal(of_port_mod_decode(&rd, &port_mod), OFPPMFC_BAD_ADVERTISE);
	wr_cut(&wr, 0);
	of_role_encode(&wr, OFPT_ROLE_REQUEST, 1, &role);
	rd = rd_init(wr.bytes + at, wr.size - at);
	assert_int_equal(of_role_decode(&rd, &role), OFPRRFC_BAD_ROLE);
	wr_cut(&wr, 0);
	of_config_encode(&wr, OFPT_SET_CONFIG, 1, &config);
	rd = rd_init(wr.bytes + at, wr.size - at);
	assert_int_equal(of_config_decode(&rd, &config), OFPSCFC_BAD_FLAGS);
	wr_cut(&wr, 0);
	of_table_mod_encode(&wr, 1, &table_mod);
	rd = rd_init(wr.bytes + at, wr.size - at);
	assert_int_equal(of_table_mod_decode(&rd, &table_mod), OFPTMFC_BAD_CONFIG);
	wr_fini(&wr);
}

static void a_header_says_at_least_its_own_size(void **state)
{
	uint8_t bytes[8] = {4, OFPT_HELLO, 0, 0, 0, 0, 0, 9};
	struct of_header header;

	for (unsigned size = 0; size < 12; size++) {
		bytes[3] = (uint8_t)size;
		assert_int_equal(of_header_decode(bytes, 8, &header),
				 size < 8 ? OFPBRC_BAD_LEN : OF_OK);
	}
	assert_int_equal(header.xid, 9);
	for (size_t n = 0; n < 8; n++)
		assert_int_equal(of_header_decode(bytes, n, &header), OFPBRC_BAD_LEN);
}

static void a_hello_offers_its_bitmap_or_all_up_to_its_version(void **state)
{
	struct of_header header = {.version = 4};
	struct of_hello hello = {.versions = 1 << 4};
	struct wr wr = wr_init(100);
	struct rd rd = rd_init("", 0);
	static const uint8_t broken[] = {0, 1, 0, 2, 0, 0},
			     other[] = {0, 9, 0, 4, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x32};

	of_hello_encode(&wr, 1, &hello);
	assert_int_equal(of_hello_decode(&header, &rd, &hello), OF_OK);
	assert_int_equal(hello.versions, 0x1e);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_hello_decode(&header, &rd, &hello), OF_OK);
	assert_int_equal(hello.versions, 0x10);
	rd = rd_init(broken, sizeof(broken));
	assert_int_equal(of_hello_decode(&header, &rd, &hello), OF_OK);
	assert_int_equal(hello.versions, 0x1e);
	rd = rd_init(other, sizeof(other));
	assert_int_equal(of_hello_decode(&header, &rd, &hello), OF_OK);
	assert_int_equal(hello.versions, 0x32);
	wr_fini(&wr);
}

static void every_error_has_a_name_and_comes_back(void **state)
{
	static const enum of_error all[] = {
#define X(type, code, name, text) name,
		OF_ERRORS(X)
#undef X
#define X(code, name, text) name,
			OF_ERRORS_ONF(X)
#undef X
	};
	static const uint8_t request[200] = {4, 14, 0, 200, 1, 2, 3, 4};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct wr wr = wr_init(65535);
		struct of_error_msg msg;
		struct of_header header;
		struct rd rd;

		of_error_reply(&wr, all[i], request, sizeof(request));
		assert_int_equal(of_header_decode(wr.bytes, wr.size, &header), OF_OK);
		assert_int_equal(header.size, wr.size);
		assert_int_equal(header.xid, 0x01020304);
		rd = rd_init(wr.bytes + 8, wr.size - 8);
		assert_int_equal(of_error_decode(&rd, &msg), OF_OK);
		assert_int_equal(of_error_find(&msg), all[i]);
		assert_true(msg.data_size >= 64);
		assert_memory_equal(msg.data, request, msg.data_size);
		assert_int_equal(strncmp(of_error_name(all[i]), "OFP", 3), 0);
		wr_fini(&wr);
	}
	assert_string_equal(of_error_name(OFPBMC_BAD_FIELD), "OFPBMC_BAD_FIELD");
	assert_int_equal(OFPBMC_BAD_FIELD, OF_ERROR_VALUE(OFPET_BAD_MATCH, 6));
	assert_null(of_error_name((enum of_error)12345));
}

static void groups_and_meters_come_back_byte_for_byte(void **state)
{
	uint64_t seed = 11;

	for (int i = 0; i < 5000; i++) {
		struct wr a = wr_init(1 << 20), b = wr_init(1 << 20);
		struct of_group_mod group, group2;
		struct of_meter_mod meter, meter2;
		struct of_group desc;
		struct of_meter config;
		size_t at;
		struct rd rd;

		of_gen_group_mod(&seed, &group);
		of_gen_meter_mod(&seed, &meter);
		of_group_mod_encode(&a, 7, &group);
		at = a.size;
		of_meter_mod_encode(&a, 7, &meter);
		rd = rd_init(a.bytes + 8, at - 8);
		assert_int_equal(of_group_mod_decode(&rd, &group2), OF_OK);
		rd = rd_init(a.bytes + at + 8, a.size - at - 8);
		assert_int_equal(of_meter_mod_decode(&rd, &meter2), OF_OK);
		of_group_mod_encode(&b, 7, &group2);
		of_meter_mod_encode(&b, 7, &meter2);
		assert_int_equal(a.size, b.size);
		assert_memory_equal(a.bytes, b.bytes, a.size);
		wr_cut(&a, 0);
		of_group_desc_encode(&a, &group.group);
		rd = rd_init(a.bytes, a.size);
		assert_int_equal(of_group_desc_decode(&rd, &desc), OF_OK);
		assert_int_equal(desc.n_buckets, group.group.n_buckets);
		wr_cut(&a, 0);
		of_meter_config_encode(&a, &meter.meter);
		rd = rd_init(a.bytes, a.size);
		assert_int_equal(of_meter_config_decode(&rd, &config), OF_OK);
		assert_int_equal(config.n_bands, meter.meter.n_bands);
		of_group_fini(&group.group);
		of_group_fini(&group2.group);
		of_group_fini(&desc);
		of_meter_fini(&meter.meter);
		of_meter_fini(&meter2.meter);
		of_meter_fini(&config);
		wr_fini(&a);
		wr_fini(&b);
	}
}

/* The message with one 16- or 32-bit value put in. */
static enum of_error group_with(unsigned command, unsigned type, uint32_t id)
{
	struct of_group_mod mod = {.command = (uint16_t)command,
				   .group = {.type = (uint8_t)type, .id = id}};
	struct wr wr = wr_init(1000);
	enum of_error error;
	struct rd rd;

	of_group_mod_encode(&wr, 1, &mod);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	error = of_group_mod_decode(&rd, &mod);
	wr_fini(&wr);
	return error;
}

static enum of_error meter_with(unsigned command, unsigned flags, uint32_t id, unsigned band)
{
	struct of_meter_mod mod = {.command = (uint16_t)command,
				   .meter = {.flags = (uint16_t)flags, .id = id}};
	struct of_band one = {.type = (uint16_t)band};
	struct wr wr = wr_init(1000);
	enum of_error error;
	struct rd rd;

	of_meter_add_band(&mod.meter, &one);
	of_meter_mod_encode(&wr, 1, &mod);
	of_meter_fini(&mod.meter);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	error = of_meter_mod_decode(&rd, &mod);
	if (error == OF_OK)
		of_meter_fini(&mod.meter);
	wr_fini(&wr);
	return error;
}

static void groups_and_meters_are_refused_with_the_error_of_the_specification(void **state)
{
	assert_int_equal(group_with(OFPGC_ADD, OFPGT_ALL, 1), OF_OK);
	assert_int_equal(group_with(3, OFPGT_ALL, 1), OFPGMFC_BAD_COMMAND);
	assert_int_equal(group_with(OFPGC_ADD, 4, 1), OFPGMFC_BAD_TYPE);
	assert_int_equal(group_with(OFPGC_ADD, OFPGT_ALL, OF_GROUP_ALL), OFPGMFC_INVALID_GROUP);
	assert_int_equal(group_with(OFPGC_DELETE, OFPGT_ALL, OF_GROUP_ALL), OF_OK);
	assert_int_equal(group_with(OFPGC_DELETE, OFPGT_ALL, OF_GROUP_ANY), OFPGMFC_INVALID_GROUP);
	assert_int_equal(group_with(OFPGC_ADD, OFPGT_INDIRECT, 1), OFPGMFC_INVALID_GROUP);
	assert_int_equal(meter_with(OFPMC_ADD, OFPMF_KBPS, 1, OFPMBT_DROP), OF_OK);
	assert_int_equal(meter_with(3, OFPMF_KBPS, 1, OFPMBT_DROP), OFPMMFC_BAD_COMMAND);
	assert_int_equal(meter_with(OFPMC_ADD, 0x10, 1, OFPMBT_DROP), OFPMMFC_BAD_FLAGS);
	assert_int_equal(meter_with(OFPMC_ADD, 3, 1, OFPMBT_DROP), OFPMMFC_BAD_FLAGS);
	assert_int_equal(meter_with(OFPMC_ADD, 1, 0, OFPMBT_DROP), OFPMMFC_INVALID_METER);
	assert_int_equal(meter_with(OFPMC_ADD, 1, OF_METER_ALL, OFPMBT_DROP),
			 OFPMMFC_INVALID_METER);
	assert_int_equal(meter_with(OFPMC_DELETE, 1, OF_METER_ALL, OFPMBT_DROP), OF_OK);
	assert_int_equal(meter_with(OFPMC_ADD, 1, 1, 3), OFPMMFC_BAD_BAND);
}

static void packets_come_back_with_their_bytes(void **state)
{
	static const struct of_match any;
	static const uint8_t data[] = "a packet";
	uint64_t seed = 8;

	for (int i = 0; i < 2000; i++) {
		struct of_packet_out out = {.buffer_id = OF_NO_BUFFER, .in_port = OFPP_CONTROLLER};
		static struct of_packet_in in, in2;
		struct of_packet_out out2;
		struct wr wr = wr_init(65535);
		struct rd rd;

		out.data = data;
		out.data_size = of_gen_below(&seed, sizeof(data));
		of_gen_actions(&seed, &any, &out.actions);
		of_packet_out_encode(&wr, 1, &out);
		rd = rd_init(wr.bytes + 8, wr.size - 8);
		assert_int_equal(of_packet_out_decode(&rd, &out2), OF_OK);
		assert_int_equal(out2.data_size, out.data_size);
		assert_true(of_actions_equal(&out.actions, &out2.actions));
		of_actions_fini(&out.actions);
		of_actions_fini(&out2.actions);
		in.buffer_id = (uint32_t)of_gen(&seed);
		in.cookie = of_gen(&seed);
		in.data = data;
		in.data_size = 5;
		of_gen_match(&seed, &in.match);
		wr_cut(&wr, 0);
		of_packet_in_encode(&wr, 1, &in);
		rd = rd_init(wr.bytes + 8, wr.size - 8);
		assert_int_equal(of_packet_in_decode(&rd, &in2), OF_OK);
		assert_true(of_match_equal(&in.match, &in2.match));
		assert_int_equal(in2.data_size, 5);
		assert_memory_equal(in2.data, data, 5);
		wr_fini(&wr);
	}
}

static void a_packet_out_from_nowhere_is_refused(void **state)
{
	struct of_packet_out out = {.buffer_id = OF_NO_BUFFER};
	struct wr wr = wr_init(100);
	struct rd rd;

	of_packet_out_encode(&wr, 1, &out);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_packet_out_decode(&rd, &out), OFPBRC_BAD_PORT);
	wr_set_be16(&wr, 8 + 8, 8); /* more actions than there are bytes */
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_packet_out_decode(&rd, &out), OFPBRC_BAD_LEN);
	wr_fini(&wr);
}

static void statistics_of_flows_groups_and_meters_come_back(void **state)
{
	struct of_group_stats g = {.id = 1,
				   .n_references = 2,
				   .n_packets = 3,
				   .n_bytes = 4,
				   .duration_s = 5,
				   .duration_ns = 6};
	struct of_meter_stats m = {.id = 1,
				   .n_flows = 2,
				   .n_packets = 3,
				   .n_bytes = 4,
				   .duration_s = 5,
				   .duration_ns = 6};
	struct of_bucket_counter buckets[3] = {{1, 2}, {3, 4}, {5, 6}}, got[3];
	struct of_band_counter bands[2] = {{7, 8}, {9, 10}}, got_bands[2];
	static struct of_flow_stats f = {.table = 3,
					 .duration_s = 1,
					 .duration_ns = 2,
					 .priority = 4,
					 .idle_timeout = 5,
					 .hard_timeout = 6,
					 .flags = 7,
					 .cookie = 8,
					 .n_packets = 9,
					 .n_bytes = 10},
				    f2;
	struct wr wr = wr_init(65535);
	uint64_t seed = 4;
	struct rd rd;

	g.buckets = buckets;
	g.n_buckets = 3;
	m.bands = bands;
	m.n_bands = 2;
	of_group_stats_encode(&wr, &g);
	of_meter_stats_encode(&wr, &m);
	rd = rd_init(wr.bytes, wr.size);
	assert_int_equal(of_group_stats_decode(&rd, got, 3, &g), OF_OK);
	assert_memory_equal(got, buckets, sizeof(got));
	assert_int_equal(of_meter_stats_decode(&rd, got_bands, 2, &m), OF_OK);
	assert_memory_equal(got_bands, bands, sizeof(bands));
	assert_int_equal(rd.left, 0);
	of_gen_match(&seed, &f.match);
	of_gen_instrs(&seed, &f.match, 3, &f.instrs);
	wr_cut(&wr, 0);
	of_flow_stats_encode(&wr, &f, &f.match, &f.instrs);
	rd = rd_init(wr.bytes, wr.size);
	assert_int_equal(of_flow_stats_decode(&rd, &f2), OF_OK);
	assert_int_equal(f2.n_bytes, 10);
	assert_true(of_match_equal(&f.match, &f2.match) && of_instrs_equal(&f.instrs, &f2.instrs));
	of_instrs_fini(&f.instrs);
	of_instrs_fini(&f2.instrs);
	wr_fini(&wr);
}

static void flow_removed_and_filters_come_back(void **state)
{
	static struct of_flow_removed r = {.cookie = 1,
					   .priority = 2,
					   .reason = OFPRR_DELETE,
					   .table = 3,
					   .duration_s = 4,
					   .duration_ns = 5,
					   .idle_timeout = 6,
					   .hard_timeout = 7,
					   .n_packets = 8,
					   .n_bytes = 9},
				      r2;
	static struct of_flow_filter f = {.table = 1,
					  .out_port = 2,
					  .out_group = 3,
					  .cookie = 4,
					  .cookie_mask = 5},
				     f2;
	struct wr wr = wr_init(65535);
	uint64_t seed = 6;
	struct rd rd;

	of_gen_match(&seed, &r.match);
	of_flow_removed_encode(&wr, 1, &r);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_flow_removed_decode(&rd, &r2), OF_OK);
	assert_true(r2.n_bytes == 9 && r2.table == 3 && of_match_equal(&r.match, &r2.match));
	wr_cut(&wr, 0);
	of_gen_match(&seed, &f.match);
	of_flow_filter_encode(&wr, &f);
	rd = rd_init(wr.bytes, wr.size);
	assert_int_equal(of_flow_filter_decode(&rd, &f2), OF_OK);
	assert_true(f2.cookie_mask == 5 && f2.out_group == 3 &&
		    of_match_equal(&f.match, &f2.match));
	wr_fini(&wr);
}

static void table_features_come_back(void **state)
{
	uint64_t seed = 12;

	for (int i = 0; i < 2000; i++) {
		static struct of_table_features f, got;
		struct wr wr = wr_init(65535);
		struct rd rd;

		memset(&f, 0, sizeof(f));
		f.table = (uint8_t)i;
		strcpy(f.name, "table");
		f.metadata_match = of_gen(&seed);
		f.max_entries = 1000;
		f.present = (uint32_t)of_gen(&seed) & 0xf5ff;
		if (f.present & 1 << OFPTFPT_INSTRUCTIONS)
			f.hit.instrs = 0x7e;
		if (f.present & 1 << OFPTFPT_NEXT_TABLES_MISS)
			of_bit_set(f.miss.next_tables, of_gen_below(&seed, 255));
		if (f.present & 1 << OFPTFPT_APPLY_ACTIONS)
			f.hit.apply_actions = 1 << OF_ACT_OUTPUT | 1 << OF_ACT_POP_PBB;
		for (int n = 0; f.present & 1 << OFPTFPT_MATCH && n < 20; n++)
			of_bit_set(f.match, of_gen_below(&seed, OF_N_FIELDS));
		for (int n = 0; f.present & 1 << OFPTFPT_WRITE_SETFIELD_MISS && n < 20; n++)
			of_bit_set(f.miss.write_fields, of_gen_below(&seed, OF_N_FIELDS));
		of_table_features_encode(&wr, &f);
		assert_int_equal(wr.size % 8, 0);
		rd = rd_init(wr.bytes, wr.size);
		assert_int_equal(of_table_features_decode(&rd, &got), OF_OK);
		assert_memory_equal(&f, &got, sizeof(f));
		wr_fini(&wr);
	}
}

static void queues_come_back_with_the_rates_that_they_have(void **state)
{
	static const struct of_queue queues[] = {
		{1, 2, 100, 200},
		{2, 2, OF_QUEUE_RATE_NONE, 300},
		{3, 2, OF_QUEUE_RATE_NONE, OF_QUEUE_RATE_NONE},
	};
	struct wr wr = wr_init(65535);
	struct of_queue got;
	struct rd rd;

	of_queue_config_encode(&wr, 1, 2, queues, 3);
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(of_queue_decode(&rd, &got), OF_OK);
		assert_memory_equal(&got, &queues[i], sizeof(got));
	}
	assert_int_equal(rd.left, 0);
	wr_fini(&wr);
}

/* Walks the parts of a reply; returns how many, and how many entries of 'entry_size'. */
static unsigned parts_of(const struct wr *wr, size_t max, size_t entry_size, size_t *ret_entries)
{
	struct rd all = rd_init(wr->bytes, wr->size);
	unsigned n = 0;

	*ret_entries = 0;
	while (all.left > 0) {
		struct of_header header;
		struct of_mp mp;
		struct rd rd;

		assert_int_equal(of_header_decode(all.at, all.left, &header), OF_OK);
		assert_int_equal(header.type, OFPT_MULTIPART_REPLY);
		assert_int_equal(header.xid, 42);
		assert_true(header.size <= max);
		rd = rd_sub(&all, header.size);
		rd_skip(&rd, OF_HEADER_SIZE);
		assert_int_equal(of_mp_decode(&rd, &mp), OF_OK);
		assert_int_equal(mp.flags, all.left > 0 ? OFPMPF_MORE : 0);
		for (; rd.left > 0; (*ret_entries)++) {
			assert_int_equal(rd_be16(&rd), *ret_entries);
			rd_skip(&rd, entry_size - 2);
			assert_true(rd_ok(&rd));
		}
		n++;
	}
	return n;
}

static void a_long_reply_is_cut_between_entries(void **state)
{
	for (size_t n = 0; n < 50; n++)
		for (size_t max = 116; max < 420; max += 17) {
			struct wr wr = wr_init(SIZE_MAX);
			struct of_mp_reply reply;
			size_t entries, fit = (max - 16) / 100;

			of_mp_reply_begin(&reply, &wr, 42, OFPMP_DESC, max);
			for (size_t i = 0; i < n; i++) {
				of_mp_reply_entry(&reply);
				wr_be16(&wr, (uint16_t)i);
				wr_zeros(&wr, 98);
			}
			of_mp_reply_end(&reply);
			assert_true(wr_ok(&wr));
			assert_int_equal(parts_of(&wr, max, 100, &entries),
					 n == 0 ? 1 : (n + fit - 1) / fit);
			assert_int_equal(entries, n);
			wr_fini(&wr);
		}
}

static void an_entry_longer_than_a_message_is_an_error(void **state)
{
	struct wr wr = wr_init(SIZE_MAX);
	struct of_mp_reply reply;

	of_mp_reply_begin(&reply, &wr, 42, OFPMP_DESC, OF_MSG_MAX);
	of_mp_reply_entry(&reply);
	wr_zeros(&wr, 65536);
	of_mp_reply_end(&reply);
	assert_false(wr_ok(&wr));
	wr_fini(&wr);
}

static void bundles_carry_messages_of_their_own_transaction(void **state)
{
	struct of_bundle_control control = {7, OFPBCT_COMMIT_REQUEST, OFPBF_ATOMIC}, control2;
	struct of_bundle_add add = {.id = 7, .flags = OFPBF_ORDERED}, add2;
	struct wr inner = wr_init(100), wr = wr_init(1000);
	struct of_experimenter exp;
	struct rd rd;

	of_bundle_control_encode(&wr, 5, &control);
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_experimenter_decode(&rd, &exp), OF_OK);
	assert_true(exp.experimenter == OF_EXPERIMENTER_ONF && exp.exp_type == ONFT_BUNDLE_CONTROL);
	assert_int_equal(of_bundle_control_decode(&rd, &control2), OF_OK);
	assert_memory_equal(&control, &control2, sizeof(control));
	of_msg_encode(&inner, OFPT_BARRIER_REQUEST, 5);
	assert_int_equal(of_header_decode(inner.bytes, inner.size, &add.header), OF_OK);
	add.msg = inner.bytes;
	wr_cut(&wr, 0);
	of_bundle_add_encode(&wr, 5, &add);
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_bundle_add_decode(&rd, 5, &add2), OF_OK);
	assert_memory_equal(add2.msg, inner.bytes, inner.size);
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_bundle_add_decode(&rd, 6, &add2), OFPBFC_MSG_BAD_XID);
	rd = rd_init(wr.bytes + 16, wr.size - 17);
	assert_int_equal(of_bundle_add_decode(&rd, 5, &add2), OFPBFC_MSG_BAD_LEN);
	wr.bytes[16 + 8] = 5;
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_bundle_add_decode(&rd, 5, &add2), OFPBFC_MSG_UNSUP);
	wr.bytes[16 + 7] = 4;
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_bundle_add_decode(&rd, 5, &add2), OFPBFC_BAD_FLAGS);
	wr_fini(&inner);
	wr_fini(&wr);
}

static void niciras_messages_are_known_or_refused(void **state)
{
	struct of_nx_msg msg = {NXT_SET_PACKET_IN_FORMAT, NXPIF_NXT2}, got;
	struct wr wr = wr_init(100);
	struct rd rd;

	of_nx_msg_encode(&wr, 1, &msg);
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_nx_msg_decode(msg.type, &rd, &got), OF_OK);
	assert_memory_equal(&msg, &got, sizeof(msg));
	rd = rd_init(wr.bytes + 16, wr.size - 17);
	assert_int_equal(of_nx_msg_decode(msg.type, &rd, &got), OFPBRC_BAD_LEN);
	assert_int_equal(of_nx_msg_decode(99, &rd, &got), OFPBRC_BAD_EXP_TYPE);
	msg = (struct of_nx_msg){NXT_SET_CONTROLLER_ID, 0x1234};
	wr_cut(&wr, 0);
	of_nx_msg_encode(&wr, 1, &msg);
	rd = rd_init(wr.bytes + 16, wr.size - 16);
	assert_int_equal(of_nx_msg_decode(msg.type, &rd, &got), OF_OK);
	assert_memory_equal(&msg, &got, sizeof(msg));
	wr_fini(&wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_a_fixed_size_come_back),
		cmocka_unit_test(multipart_bodies_of_a_fixed_size_come_back),
		cmocka_unit_test(values_that_a_message_may_not_have_are_refused),
		cmocka_unit_test(a_header_says_at_least_its_own_size),
		cmocka_unit_test(a_hello_offers_its_bitmap_or_all_up_to_its_version),
		cmocka_unit_test(every_error_has_a_name_and_comes_back),
		cmocka_unit_test(groups_and_meters_come_back_byte_for_byte),
		cmocka_unit_test(groups_and_meters_are_refused_with_the_error_of_the_specification),
		cmocka_unit_test(packets_come_back_with_their_bytes),
		cmocka_unit_test(a_packet_out_from_nowhere_is_refused),
		cmocka_unit_test(statistics_of_flows_groups_and_meters_come_back),
		cmocka_unit_test(flow_removed_and_filters_come_back),
		cmocka_unit_test(table_features_come_back),
		cmocka_unit_test(queues_come_back_with_the_rates_that_they_have),
		cmocka_unit_test(a_long_reply_is_cut_between_entries),
		cmocka_unit_test(an_entry_longer_than_a_message_is_an_error),
		cmocka_unit_test(bundles_carry_messages_of_their_own_transaction),
		cmocka_unit_test(niciras_messages_are_known_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
