/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow hash: what belongs to a flow, what does not, and how well it spreads.
 */
#include "dataplane/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

static struct pkt p;

static uint32_t hash_of(uint32_t seed)
{
	struct dp_headers h;

	dp_parse(p.bytes, p.size, &h);
	return dp_flow_hash(p.bytes, &h, seed);
}

/* A UDP packet of a flow; 'version' 4 or 6, 'x' changes nothing but what is not the flow's. */
static uint32_t udp_hash(int version, unsigned src, uint16_t sport, unsigned x)
{
	uint32_t ip;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", x & 1 ? "02:00:00:00:00:01" : "02:00:00:00:00:03");
	if (x & 2)
		pkt_vlan(&p, 0x8100, 5);
	ip = version == 4 ? pkt_ipv4(&p, "10.0.0.1", "10.0.0.2")
			  : pkt_ipv6(&p, "fd00::1", "fd00::2");
	pkt_set32(&p, version == 4 ? ip + 12 : ip + 20, 0x0a000000 + src);
	p.bytes[ip + (version == 4 ? 8 : 7)] = 30 + x;
	pkt_udp(&p, sport, 53);
	pkt_fill(&p, x, x);
	pkt_finish(&p, 0);
	return hash_of(7);
}

static void packets_of_one_flow_hash_alike(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (unsigned x = 0; x < 20; x++)
			assert_int_equal(udp_hash(version, 1, 1000, x),
					 udp_hash(version, 1, 1000, 0));
}

static void every_part_of_the_flow_counts(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		uint32_t same = udp_hash(version, 1, 1000, 0), ip = 14;
		uint32_t fields = version == 4 ? ip + 9 : ip + 6; /* protocol, addresses, ports */

		for (uint32_t i = fields; i < p.size - 4; i++) {
			uint8_t before = p.bytes[i];

			if ((version == 4 && (i == ip + 10 || i == ip + 11)) ||
			    (version == 6 && i == ip + 7))
				continue; /* header checksum, hop limit */
			p.bytes[i] ^=
				i == fields ? 17 ^ 136 : 0x10; /* UDP-Lite, not an extension */
			assert_int_not_equal(hash_of(7), same);
			p.bytes[i] = before;
			assert_int_equal(hash_of(7), same);
		}
	}
}

static void all_fragments_of_a_datagram_hash_alike(void **state)
{
	uint32_t hashes[2];

	for (int version = 4; version <= 6; version += 2) {
		for (int later = 0; later < 2; later++) {
			pkt_init(&p);
			pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
			version == 4 ? pkt_ipv4(&p, "10.0.0.1", "10.0.0.2")
				     : pkt_ipv6(&p, "fd00::1", "fd00::2");
			pkt_fragment(&p, later ? 1480 : 0, !later, 9);
			if (later)
				pkt_ip_proto(&p, 17);
			else
				pkt_udp(&p, 1000, 53);
			pkt_fill(&p, 100, 1);
			pkt_finish(&p, 0);
			hashes[later] = hash_of(7);
		}
		assert_int_equal(hashes[0], hashes[1]);
	}
}

static void frames_without_ip_hash_by_mac_and_arp_addresses(void **state)
{
	uint32_t same;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_finish(&p, 0);
	same = hash_of(7);
	for (uint32_t i = 0; i < 12; i++) {
		p.bytes[i] ^= 0x40;
		assert_int_not_equal(hash_of(7), same);
		p.bytes[i] ^= 0x40;
	}
	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	pkt_finish(&p, 0);
	same = hash_of(7);
	for (uint32_t i = 0; i < p.size; i++) {
		bool counts = i < 12 || (i >= 28 && i < 32) || i >= 38;

		if (i >= 12 && i < 20)
			continue; /* EtherType and lengths: another kind of frame */
		p.bytes[i] ^= 0x40;
		assert_int_equal(hash_of(7) != same, counts);
		p.bytes[i] ^= 0x40;
	}
}

static void a_frame_of_any_size_has_a_hash(void **state)
{
	uint64_t seed = 3;

	for (unsigned i = 0; i < 2000; i++) {
		uint8_t *exact;
		struct dp_headers h;

		pkt_random(&p, &seed);
		pkt_mutate(&p, &seed);
		exact = malloc(p.size + 1); /* + 1: never of size 0; a sanitizer guards the end */
		memcpy(exact + 1, p.bytes, p.size);
		dp_parse(exact + 1, p.size, &h);
		assert_int_equal(dp_flow_hash(exact + 1, &h, 5), dp_flow_hash(exact + 1, &h, 5));
		free(exact);
	}
}

/* Neighbouring flows fill 1024 buckets evenly, by low bits and by high bits: chi square with 1023
 * degrees of freedom is below 1200 in all but one of 10000 tries. */
static void neighbouring_flows_spread(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		static unsigned low[1024], high[1024];
		const double expected = 64.0;
		double chi_low = 0, chi_high = 0;

		memset(low, 0, sizeof(low));
		memset(high, 0, sizeof(high));
		for (unsigned i = 0; i < 65536; i++) {
			uint32_t hash = udp_hash(version, i >> 8, 1000 + (i & 255), 0);

			low[hash & 1023]++;
			high[hash >> 22]++;
		}
		for (unsigned i = 0; i < 1024; i++) {
			chi_low += (low[i] - expected) * (low[i] - expected) / expected;
			chi_high += (high[i] - expected) * (high[i] - expected) / expected;
		}
		assert_true(chi_low < 1200);
		assert_true(chi_high < 1200);
	}
}

/* The property that a CRC lacks. */
static void flows_that_collide_under_one_seed_part_under_another(void **state)
{
	enum { FLOWS = 4096 };
	static uint32_t a[FLOWS], b[FLOWS];
	unsigned collided = 0, still = 0;

	for (unsigned i = 0; i < FLOWS; i++) {
		udp_hash(4, i, 1000 + i * 7, 0);
		a[i] = hash_of(11) & 0xffff;
		b[i] = hash_of(12) & 0xffff;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		for (unsigned j = 0; j < i; j++) {
			collided += a[i] == a[j];
			still += a[i] == a[j] && b[i] == b[j];
		}
	/* 8 M pairs in 64 k buckets: 128 collide by chance, and hardly one of them twice. */
	assert_in_range(collided, 60, 220);
	assert_true(still < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_one_flow_hash_alike),
		cmocka_unit_test(every_part_of_the_flow_counts),
		cmocka_unit_test(all_fragments_of_a_datagram_hash_alike),
		cmocka_unit_test(frames_without_ip_hash_by_mac_and_arp_addresses),
		cmocka_unit_test(a_frame_of_any_size_has_a_hash),
		cmocka_unit_test(neighbouring_flows_spread),
		cmocka_unit_test(flows_that_collide_under_one_seed_part_under_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
