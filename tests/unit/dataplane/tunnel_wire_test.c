/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tunnel headers, read and written: each kind over both IP versions against frames that the packet
 * builder made, every cut, every length at its edges, and what must not be taken.
 */
#include "dataplane/tunnel_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/packet.h"

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"
#define VNI   0xabcdefu
#define INNER 64u

static const struct dp_tunnel_udp udp[] = {{DP_VXLAN_PORT, DP_TUN_VXLAN},
					   {DP_GENEVE_PORT, DP_TUN_GENEVE}};
static struct pkt p;
static struct dp_tunnel_outer o;
static uint32_t ip_at, l4_at, tunnel_at, inner_at;

static void inner_frame(void)
{
	inner_at = pkt_eth(&p, MAC_A, MAC_B);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, INNER - 42, 1);
}

/* A whole packet of this kind. */
static void build(enum dp_tunnel_type type, bool v6, uint16_t sport)
{
	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	ip_at = v6 ? pkt_ipv6(&p, "2001:db8::1", "2001:db8::2")
		   : pkt_ipv4(&p, "192.0.2.1", "192.0.2.2");
	if (type == DP_TUN_NVGRE) {
		l4_at = tunnel_at = pkt_nvgre(&p, VNI);
	} else {
		l4_at = pkt_udp(&p, sport, type == DP_TUN_VXLAN ? DP_VXLAN_PORT : DP_GENEVE_PORT);
		tunnel_at =
			type == DP_TUN_VXLAN ? pkt_vxlan(&p, VNI) : pkt_geneve(&p, VNI, NULL, 0);
	}
	inner_frame();
	pkt_finish(&p, 0);
}

/* Where a frame of 'size' bytes ends at an unreadable page. */
static uint8_t *before_guard(uint32_t size)
{
	static uint8_t *guard;
	long page = sysconf(_SC_PAGESIZE);

	if (guard == NULL) {
		guard = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		assert_true(guard != MAP_FAILED);
		guard += 3 * page;
		assert_int_equal(mprotect(guard, page, PROT_NONE), 0);
	}
	return guard - size;
}

static enum dp_drop parse(uint32_t size)
{
	uint8_t *d = before_guard(size);

	memcpy(d, p.bytes, size);
	return dp_tunnel_parse(d, size, p.size, udp, 2, &o);
}

static bool is_taken(uint32_t size)
{
	return parse(size) == DP_N_DROPS && o.type != DP_TUN_NONE;
}

/* What the builder says of IPv4's header after a test changed it. */
static void sum_again(void)
{
	pkt_set16(&p, ip_at + 10, 0);
	pkt_set16(&p, ip_at + 10, (uint16_t)~pkt_fold(pkt_sum(p.bytes + ip_at, 20, 0)));
}

static void each_kind_is_read(void **state)
{
	for (int type = 0; type < DP_TUN_NONE; type++) {
		for (int v6 = 0; v6 < 2; v6++) {
			build((enum dp_tunnel_type)type, v6 != 0, 50000);
			assert_int_equal(parse(p.size), DP_N_DROPS);
			assert_int_equal(o.type, type);
			assert_int_equal(o.vni, VNI);
			assert_int_equal(o.size, inner_at);
			assert_int_equal(o.v6, v6);
			assert_int_equal(o.l4 + o.l4_size, p.size);
			assert_memory_equal(o.src.b, p.bytes + ip_at + (v6 ? 8 : 12), v6 ? 16 : 4);
			assert_memory_equal(o.dst.b, p.bytes + ip_at + (v6 ? 24 : 16), v6 ? 16 : 4);
		}
	}
}

static void what_is_written_is_what_the_builder_writes(void **state)
{
	for (int type = 0; type < DP_TUN_NONE; type++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct dp_tunnel_head_spec spec = {.type = (enum dp_tunnel_type)type,
							   .dst_mac = {2, 0, 0, 0, 0, 2},
							   .src_mac = {2, 0, 0, 0, 0, 1},
							   .udp_port = type == DP_TUN_VXLAN
									       ? DP_VXLAN_PORT
									       : DP_GENEVE_PORT,
							   .vni = VNI};
			uint8_t room[DP_TUNNEL_HEAD + INNER];
			struct dp_tunnel_head h;
			uint32_t hash;

			build((enum dp_tunnel_type)type, v6 != 0, 50000);
			hash = dp_tunnel_hash(p.bytes + inner_at, INNER);
			build((enum dp_tunnel_type)type, v6 != 0, dp_tunnel_sport(hash));
			assert_int_equal(parse(p.size), DP_N_DROPS);
			spec.src = o.src;
			spec.dst = o.dst;
			dp_tunnel_head_make(&spec, &h);
			assert_int_equal(h.size, inner_at);
			memcpy(room + DP_TUNNEL_HEAD, p.bytes + inner_at, INNER);
			dp_tunnel_head_put(&h, room + DP_TUNNEL_HEAD, INNER, hash, o.tos,
					   p.bytes[ip_at + (v6 ? 7 : 8)],
					   v6 ? 0 : pkt_get16(p.bytes, ip_at + 4));
			/* The checksum of UDP is asked for or not, and filled in later. */
			if (type != DP_TUN_NVGRE)
				pkt_set16(&p, l4_at + 6, 0);
			/* IPv4: whether it may be fragmented is an option, too. */
			if (!v6) {
				p.bytes[ip_at + 6] = 0;
				sum_again();
			} else {
				memcpy(p.bytes + ip_at, room + DP_TUNNEL_HEAD - h.size + ip_at, 4);
			}
			assert_memory_equal(room + DP_TUNNEL_HEAD - h.size, p.bytes, p.size);
		}
	}
}

static void no_byte_behind_a_cut_is_read(void **state)
{
	for (int type = 0; type < DP_TUN_NONE; type++) {
		for (int v6 = 0; v6 < 2; v6++) {
			build((enum dp_tunnel_type)type, v6 != 0, 50000);
			for (uint32_t size = 0; size < inner_at; size++)
				assert_false(is_taken(size));
			assert_true(is_taken(inner_at));
		}
	}
}

static void lengths_that_lie_are_refused(void **state)
{
	static const int by[] = {-1, 0, 1};

	build(DP_TUN_VXLAN, false, 50000);
	for (unsigned i = 0; i < 3; i++) {
		pkt_set16(&p, ip_at + 2, (uint16_t)(p.size - 14 + (uint32_t)by[i]));
		sum_again();
		assert_int_equal(is_taken(p.size), by[i] == 0);
	}
	pkt_set16(&p, ip_at + 2, (uint16_t)(p.size - 14));
	sum_again();
	for (uint32_t size = 0; size < 16 + 14; size++) {
		pkt_set16(&p, l4_at + 4, (uint16_t)size);
		assert_false(is_taken(p.size));
	}
	pkt_set16(&p, l4_at + 4, 16 + 14);
	assert_true(is_taken(p.size));
	assert_int_equal(o.l4_size, 16 + 14);
	pkt_set16(&p, l4_at + 4, 0xffff);
	assert_false(is_taken(p.size));
	build(DP_TUN_VXLAN, true, 50000);
	pkt_set16(&p, ip_at + 4, 0xffff);
	assert_false(is_taken(p.size));
	pkt_set16(&p, ip_at + 4, 0);
	assert_false(is_taken(p.size));
}

static void headers_that_ask_for_more_are_refused(void **state)
{
	build(DP_TUN_VXLAN, false, 50000);
	p.bytes[tunnel_at] = 0; /* no VNI */
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	p.bytes[tunnel_at] = 0xff; /* reserved bits are ignored */
	assert_true(is_taken(p.size));
	build(DP_TUN_GENEVE, false, 50000);
	p.bytes[tunnel_at] = 0x40; /* version 1 */
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	p.bytes[tunnel_at] = 0x3f; /* more options than there are bytes */
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	p.bytes[tunnel_at] = 0;
	p.bytes[tunnel_at + 1] = 0x40; /* critical options */
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	build(DP_TUN_NVGRE, false, 50000);
	for (unsigned bit = 0; bit < 16; bit++) {
		pkt_set16(&p, tunnel_at, (uint16_t)(0x2000 ^ 1u << bit));
		assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	}
}

static void wrong_header_sum_and_fragments_are_refused(void **state)
{
	build(DP_TUN_VXLAN, false, 50000);
	p.bytes[ip_at + 10] ^= 1;
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_MALFORMED);
	pkt_set16(&p, ip_at + 6, 0x2000);
	sum_again();
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_FRAGMENT);
	pkt_set16(&p, ip_at + 6, 1);
	sum_again();
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_FRAGMENT);
	build(DP_TUN_VXLAN, true, 50000);
	p.bytes[ip_at + 6] = 44;
	assert_int_equal(parse(p.size), DP_DROP_TUNNEL_FRAGMENT);
}

static void other_ports_are_no_tunnel(void **state)
{
	build(DP_TUN_VXLAN, false, 50000);
	pkt_set16(&p, l4_at + 2, 53);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_int_equal(o.type, DP_TUN_NONE);
}

/* RFC 6040, figure 4. */
static void congestion_outside_is_told_inside(void **state)
{
	static const int want[4][4] = {
		/* outer: Not-ECT, ECT(1), ECT(0), CE */
		{0, 0, 0, -1}, /* inner Not-ECT */
		{1, 1, 1, 3},  /* ECT(1) */
		{2, 1, 2, 3},  /* ECT(0) */
		{3, 3, 3, 3},  /* CE */
	};

	for (uint8_t inner = 0; inner < 4; inner++)
		for (uint8_t outer = 0; outer < 4; outer++)
			assert_int_equal(dp_tunnel_ecn_out(outer, inner), want[inner][outer]);
}

static uint32_t hash_of(const char *src, uint16_t sport, bool fragment)
{
	pkt_init(&p);
	pkt_eth(&p, MAC_A, MAC_B);
	pkt_ipv4(&p, src, "10.0.0.2");
	if (fragment)
		pkt_fragment(&p, 0, 1, 7);
	pkt_udp(&p, sport, 80);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, 0);
	return dp_tunnel_hash(p.bytes, p.size);
}

static void flows_spread_and_fragments_stay_together(void **state)
{
	unsigned n[4] = {0};

	assert_int_equal(hash_of("10.0.0.1", 1, false), hash_of("10.0.0.1", 1, false));
	assert_int_equal(hash_of("10.0.0.1", 1, true), hash_of("10.0.0.1", 2, true));
	for (unsigned i = 0; i < 4000; i++)
		n[dp_tunnel_sport(hash_of("10.0.0.1", (uint16_t)i, false)) & 3]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(n[i], 800, 1200);
}

/* Each byte of the header the other way, as it is and with the header's sum made right. */
static void what_is_alike_reads_alike(void **state)
{
	struct dp_tunnel_alike a;
	struct dp_tunnel_outer was;
	unsigned n_alike = 0;

	build(DP_TUN_VXLAN, false, 50000);
	pkt_set16(&p, l4_at + 6, 0);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	was = o;
	assert_true(dp_tunnel_alike_make(p.bytes, &was, &a));
	assert_true(dp_tunnel_is_alike(&a, p.bytes, p.size));
	for (uint32_t i = 0; i < 2 * inner_at; i++) {
		build(DP_TUN_VXLAN, false, 50000);
		pkt_set16(&p, l4_at + 6, 0);
		p.bytes[i / 2] ^= 0xfc;
		if ((i & 1) != 0)
			sum_again();
		if (!dp_tunnel_is_alike(&a, p.bytes, p.size))
			continue;
		n_alike++;
		assert_int_equal(parse(p.size), DP_N_DROPS);
		was.tos = o.tos;
		assert_memory_equal(&o, &was, sizeof(o));
	}
	/* The sender's MAC and the source port both times; with the sum right DSCP, id, TTL, and
	 * the sum itself. */
	assert_int_equal(n_alike, 2 * (6 + 2) + 1 + 2 + 1 + 2);
}

static void what_asks_for_more_is_not_alike(void **state)
{
	struct dp_tunnel_alike a;

	build(DP_TUN_VXLAN, false, 50000);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_false(dp_tunnel_alike_make(p.bytes, &o, &a)); /* a checksum */
	pkt_set16(&p, l4_at + 6, 0);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_true(dp_tunnel_alike_make(p.bytes, &o, &a));
	assert_false(dp_tunnel_is_alike(&a, p.bytes, p.size - 1)); /* cut off */
	assert_false(dp_tunnel_is_alike(&a, p.bytes, p.size + 1)); /* padding */
	p.bytes[ip_at + 1] = 2;					   /* congestion may be told */
	sum_again();
	assert_false(dp_tunnel_is_alike(&a, p.bytes, p.size));
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_false(dp_tunnel_alike_make(p.bytes, &o, &a));
	build(DP_TUN_VXLAN, true, 50000);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_false(dp_tunnel_alike_make(p.bytes, &o, &a));
	build(DP_TUN_NVGRE, false, 0);
	assert_int_equal(parse(p.size), DP_N_DROPS);
	assert_false(dp_tunnel_alike_make(p.bytes, &o, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_read),
		cmocka_unit_test(what_is_written_is_what_the_builder_writes),
		cmocka_unit_test(no_byte_behind_a_cut_is_read),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(headers_that_ask_for_more_are_refused),
		cmocka_unit_test(wrong_header_sum_and_fragments_are_refused),
		cmocka_unit_test(other_ports_are_no_tunnel),
		cmocka_unit_test(congestion_outside_is_told_inside),
		cmocka_unit_test(flows_spread_and_fragments_stay_together),
		cmocka_unit_test(what_is_alike_reads_alike),
		cmocka_unit_test(what_asks_for_more_is_not_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
