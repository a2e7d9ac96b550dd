/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sFlow datagrams, read back structure by structure.
 */
#include "vswitch/sflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct sflow_agent agent = {.family = 4, .address = {10, 0, 0, 1}, .sub_agent = 3};
static uint8_t head[512];

static struct rd open_datagram(const struct sflow_datagram *d, size_t size, uint32_t n)
{
	struct rd rd = rd_init(d->bytes, size);

	assert_true(size % 4 == 0 && size <= 1400);
	assert_int_equal(rd_be32(&rd), 5);
	assert_int_equal(rd_be32(&rd), 1);
	assert_int_equal(rd_be32(&rd), 0x0a000001);
	assert_int_equal(rd_be32(&rd), 3);
	assert_int_equal(rd_be32(&rd), 7);
	assert_int_equal(rd_be32(&rd), 1234);
	assert_int_equal(rd_be32(&rd), n);
	return rd;
}

static struct rd open_part(struct rd *rd, uint32_t format)
{
	assert_int_equal(rd_be32(rd), format);
	return rd_sub(rd, rd_be32(rd));
}

/* Reads one flow sample; returns how long its head is. */
static uint32_t read_flow(struct rd *rd)
{
	struct rd sample = open_part(rd, 1), raw, tags;
	uint32_t size;

	assert_int_equal(rd_be32(&sample), 11);
	assert_int_equal(rd_be32(&sample), 6);
	assert_int_equal(rd_be32(&sample), 100);
	assert_int_equal(rd_be32(&sample), 5000);
	assert_int_equal(rd_be32(&sample), 2);
	assert_int_equal(rd_be32(&sample), 6);
	assert_int_equal(rd_be32(&sample), 0);
	assert_int_equal(rd_be32(&sample), 2);
	raw = open_part(&sample, 1);
	assert_int_equal(rd_be32(&raw), 1);
	assert_int_equal(rd_be32(&raw), 1500 + 4);
	assert_int_equal(rd_be32(&raw), 4);
	size = rd_be32(&raw);
	assert_memory_equal(rd_bytes(&raw, size), head, size);
	assert_true(rd_ok(&raw) && raw.left < 4);
	tags = open_part(&sample, 1001);
	assert_int_equal(rd_be32(&tags), 99);
	rd_skip(&tags, 12);
	assert_true(rd_ok(&tags) && tags.left == 0 && sample.left == 0 && rd_ok(&sample));
	return size;
}

static struct sflow_flow flow_of(uint16_t size)
{
	return (struct sflow_flow){.sequence = 11,
				   .interface = 6,
				   .rate = 100,
				   .pool = 5000,
				   .drops = 2,
				   .frame_size = 1500,
				   .head = head,
				   .head_size = size,
				   .vlan = 99};
}

static void a_sample_of_any_length_is_padded(void **state)
{
	static const uint16_t sizes[] = {0, 1, 13, 14, 127, 128, 129, 255, 256, 509, 511, 512};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct sflow_flow flow = flow_of(sizes[i]);
		struct sflow_datagram d;
		struct rd rd;

		sflow_begin(&d, &agent, 7, 1234);
		assert_true(sflow_flow(&d, &flow));
		rd = open_datagram(&d, sflow_end(&d), 1);
		assert_int_equal(read_flow(&rd), sizes[i]);
		assert_true(rd_ok(&rd) && rd.left == 0);
	}
}

static void a_full_datagram_takes_no_more_and_stays_whole(void **state)
{
	const struct sflow_flow flow = flow_of(130);
	struct sflow_datagram d;
	unsigned n = 0;
	struct rd rd;

	sflow_begin(&d, &agent, 7, 1234);
	while (sflow_flow(&d, &flow))
		n++;
	assert_in_range(n, 4, 7);
	rd = open_datagram(&d, sflow_end(&d), n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(read_flow(&rd), 130);
	assert_int_equal(rd.left, 0);
}

static void counters_have_88_bytes(void **state)
{
	const struct sflow_counters c = {.sequence = 1,
					 .interface = 6,
					 .speed_bps = 10000000000,
					 .admin_up = true,
					 .in_bytes = UINT64_C(1) << 40,
					 .in_unicast = 5,
					 .out_discards = 9};
	struct sflow_datagram d;
	struct rd rd, sample, part;

	sflow_begin(&d, &agent, 7, 1234);
	assert_true(sflow_counters(&d, &c));
	rd = open_datagram(&d, sflow_end(&d), 1);
	sample = open_part(&rd, 2);
	rd_skip(&sample, 8);
	assert_int_equal(rd_be32(&sample), 1);
	part = open_part(&sample, 1);
	assert_int_equal(part.left, 88);
	assert_int_equal(rd_be32(&part), 6);
	assert_int_equal(rd_be32(&part), 6);
	assert_int_equal(rd_be64(&part), 10000000000);
	assert_int_equal(rd_be32(&part), 1);
	assert_int_equal(rd_be32(&part), 1);
	assert_int_equal(rd_be64(&part), UINT64_C(1) << 40);
	assert_int_equal(rd_be32(&part), 5);
	assert_true(rd_ok(&part) && sample.left == 0 && rd.left == 0);
}

static void a_datagram_without_samples_is_none(void **state)
{
	struct sflow_datagram d;

	sflow_begin(&d, &agent, 7, 1234);
	assert_int_equal(sflow_end(&d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_of_any_length_is_padded),
		cmocka_unit_test(a_full_datagram_takes_no_more_and_stays_whole),
		cmocka_unit_test(counters_have_88_bytes),
		cmocka_unit_test(a_datagram_without_samples_is_none),
	};

	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)(i * 7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
