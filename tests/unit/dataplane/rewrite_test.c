/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Headers pushed and popped, TTLs, requests, ownership: what comes out is compared with a frame
 * that was built that way from the start, or spliced byte by byte, and what 'h' says with the slow
 * parser.
 */
#include "dataplane/rewrite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "tests/unit/dataplane/rewrite_case.h"

#define MAC_C "02:00:00:00:00:0c"
#define MAC_D "02:00:00:00:00:0d"

/* Tags. */

static void pushed_tag_is_the_outermost_whatever_the_frame(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t tpid = below(2) ? 0x8100 : 0x88a8, tci = (uint16_t)below(65536);
		uint8_t tag[4] = {(uint8_t)(tpid >> 8), (uint8_t)tpid, (uint8_t)(tci >> 8),
				  (uint8_t)tci};

		random_frame(true);
		load_as_is();
		splice(12, tag, 4);
		assert_int_equal(below(4) ? dp_rw_push_vlan(m, &h, tpid, tci)
					  : dp_rw_push_vlan_slow(m, &h, tpid, tci),
				 0);
		expect_bytes(want.bytes, want.size);
		assert_int_equal(below(4) ? dp_rw_pop_vlan(m, &h) : dp_rw_pop_vlan_slow(m, &h), 0);
		expect_bytes(p.bytes, p.size);
		done();
	}
}

static void third_tag_counts_when_one_before_it_goes(void **state)
{
	plain_tcp(&want);
	eth(&p);
	pkt_vlan(&p, 0x88a8, 1);
	pkt_vlan(&p, 0x8100, 2);
	pkt_vlan(&p, 0x8100, 3);
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	load();
	assert_int_equal(h.l3, DP_L3_OTHER);
	assert_int_equal(dp_rw_pop_vlan(m, &h), 0);
	expect_true_headers();
	assert_int_equal(h.l3, DP_L3_IPV4);
	assert_int_equal(h.tci[1], 3);
	done();
}

static void tag_is_popped_only_where_one_is(void **state)
{
	plain_tcp(&p);
	load();
	expect_refused(dp_rw_pop_vlan(m, &h), -EBADMSG);
	expect_refused(dp_rw_set_vlan(m, &h, 5, 0xfff), -EBADMSG);
	expect_refused(set16(DP_FIELD_VLAN_VID, 5), -EBADMSG);
	expect_refused(set(DP_FIELD_VLAN_PCP, "\5"), -EBADMSG);
	done();
}

static void set_vlan_changes_the_masked_bits(void **state)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint16_t was = (uint16_t)below(65536), is = (uint16_t)below(65536);
		uint16_t mask = (uint16_t)below(65536);

		for (unsigned both = 0; both < 2; both++) {
			struct pkt *k = both == 0 ? &p : &want;

			eth(k);
			pkt_vlan(k, 0x88a8, both == 0 ? was : (was & ~mask) | (is & mask));
			pkt_vlan(k, 0x8100, 7);
			pkt_ipv4(k, "10.1.2.3", "192.168.255.254");
			pkt_finish(k, 0);
		}
		load();
		assert_int_equal(dp_rw_set_vlan(m, &h, is, mask), 0);
		expect_want();
	}
}

static void tag_fields_leave_each_other(void **state)
{
	eth(&p);
	pkt_vlan(&p, 0x8100, 0xb123); /* with DEI */
	load();
	assert_int_equal(set16(DP_FIELD_VLAN_VID, 0x1456), 0);
	assert_int_equal(h.tci[0], 0xb456);
	assert_int_equal(set(DP_FIELD_VLAN_PCP, "\2"), 0);
	expect_true_headers();
	assert_int_equal(h.tci[0], 0x5456);
	done();
}

/* MPLS and PBB. */

static void pushed_label_stands_behind_the_tags(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t type = below(2) ? 0x8847 : 0x8848, was;
		uint32_t lse = (uint32_t)pkt_rand(&seed);
		uint8_t entry[4];

		random_frame(false);
		load_as_is();
		if (h.l2_size != 14 + 4 * h.n_tags || h.eth_type == DP_ETH_TYPE_LLC) {
			expect_refused(dp_rw_push_mpls(m, &h, type, lse), -EBADMSG);
			done();
			continue;
		}
		was = h.eth_type;
		for (unsigned b = 0; b < 4; b++)
			entry[b] = (uint8_t)(lse >> (24 - 8 * b));
		splice(h.l2_size, entry, 4);
		pkt_set16(&want, h.l2_size - 2u, type);
		assert_int_equal(dp_rw_push_mpls(m, &h, type, lse), 0);
		expect_bytes(want.bytes, want.size);
		assert_int_equal(dp_rw_pop_mpls(m, &h, was), 0);
		expect_bytes(p.bytes, p.size);
		done();
	}
}

static void labels_stack_and_come_off_in_reverse(void **state)
{
	eth(&want);
	pkt_vlan(&want, 0x8100, 5);
	pkt_mpls(&want, 0x8847, 0x2207f);
	pkt_mpls(&want, 0x8847, 0x11140);
	pkt_ipv6(&want, "fd00::1", "fd00::2");
	pkt_udp(&want, 5, 6);
	pkt_finish(&want, 0);
	eth(&p);
	pkt_vlan(&p, 0x8100, 5);
	pkt_ipv6(&p, "fd00::1", "fd00::2");
	pkt_udp(&p, 5, 6);
	load();
	assert_int_equal(dp_rw_push_mpls(m, &h, 0x8848, 0x11140), 0);
	assert_int_equal(dp_rw_push_mpls(m, &h, 0x8847, 0x2207f), 0);
	expect_bytes(want.bytes, want.size);
	assert_int_equal(dp_rw_pop_mpls(m, &h, 0x8848), 0);
	assert_int_equal(dp_rw_pop_mpls(m, &h, 0x86dd), 0);
	expect_bytes(p.bytes, p.size);
	done();
}

static void label_needs_four_bytes(void **state)
{
	for (uint32_t size = 14; size <= 18; size++) {
		eth(&p);
		pkt_mpls(&p, 0x8847, 0x11140);
		p.size = size;
		load_as_is();
		if (size < 18) {
			expect_refused(dp_rw_pop_mpls(m, &h, 0x800), -EBADMSG);
			expect_refused(dp_rw_set_mpls(m, &h, 1, 1), -EBADMSG);
			expect_refused(dp_rw_set_mpls_ttl(m, &h, 1), -EBADMSG);
			expect_refused(dp_rw_dec_mpls_ttl(m, &h), -EBADMSG);
			expect_refused(set(DP_FIELD_MPLS_LABEL, "\1\1\1"), -EBADMSG);
		} else {
			assert_int_equal(dp_rw_pop_mpls(m, &h, 0x800), 0);
			expect_true_headers();
			assert_int_equal(h.bad, DP_BAD_IP);
		}
		done();
	}
}

static void label_fields_are_where_rfc_3032_says(void **state)
{
	eth(&p);
	pkt_mpls(&p, 0x8847, 0x11140);
	pkt_fill(&p, 20, 1);
	load();
	assert_int_equal(set(DP_FIELD_MPLS_LABEL, "\x0a\xbc\xde"), 0);
	assert_int_equal(set(DP_FIELD_MPLS_TC, "\5"), 0);
	assert_int_equal(set(DP_FIELD_MPLS_BOS, "\0"), 0);
	pkt_set32(&p, 14, 0xabcdea40);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(dp_rw_set_mpls(m, &h, UINT32_MAX, 0x000f0100), 0);
	pkt_set32(&p, 14, 0xabcfeb40);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(dp_rw_set_mpls_ttl(m, &h, 2), 0);
	assert_int_equal(dp_rw_dec_mpls_ttl(m, &h), 0);
	pkt_set32(&p, 14, 0xabcfeb01);
	expect_refused(dp_rw_dec_mpls_ttl(m, &h), -ERANGE);
	assert_int_equal(dp_rw_set_mpls_ttl(m, &h, 0), 0);
	pkt_set32(&p, 14, 0xabcfeb00);
	expect_refused(dp_rw_dec_mpls_ttl(m, &h), -ERANGE);
	done();
	plain_tcp(&p);
	load();
	expect_refused(dp_rw_dec_mpls_ttl(m, &h), -EBADMSG);
	expect_refused(dp_rw_set_mpls(m, &h, 1, 1), -EBADMSG);
	done();
}

static void pushed_itag_is_in_front_with_the_same_addresses(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t itag = (uint32_t)pkt_rand(&seed);
		uint8_t head[18] = {0x88,
				    0xe7,
				    (uint8_t)(itag >> 24),
				    (uint8_t)(itag >> 16),
				    (uint8_t)(itag >> 8),
				    (uint8_t)itag};

		random_frame(true);
		load_as_is();
		memcpy(head + 6, p.bytes, 12);
		splice(12, head, 18);
		assert_int_equal(dp_rw_push_pbb(m, &h, itag), 0);
		expect_bytes(want.bytes, want.size);
		assert_int_equal(dp_rw_pop_pbb(m, &h), 0);
		expect_bytes(p.bytes, p.size);
		done();
	}
}

static void popped_itag_leaves_customer_addresses_and_backbone_tags(void **state)
{
	eth(&p);
	pkt_vlan(&p, 0x88a8, 9);
	pkt_pbb(&p, 5);
	pkt_eth(&p, MAC_D, MAC_C);
	pkt_vlan(&p, 0x8100, 10);
	pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	pkt_init(&want);
	pkt_eth(&want, MAC_D, MAC_C);
	pkt_vlan(&want, 0x88a8, 9);
	pkt_vlan(&want, 0x8100, 10);
	pkt_arp(&want, 1, "10.0.0.1", "10.0.0.2");
	pkt_finish(&want, 0);
	load();
	memcpy(want.bytes + 30, p.bytes + 48, 6); /* the ARP of whoever sent it */
	assert_int_equal(dp_rw_pop_pbb(m, &h), 0);
	expect_want();
}

static void itag_needs_its_bytes(void **state)
{
	for (uint32_t size = 14; size <= 32; size++) {
		eth(&p);
		pkt_pbb(&p, 5);
		pkt_eth(&p, MAC_D, MAC_C);
		p.size = size;
		load_as_is();
		if (size < 18) {
			expect_refused(dp_rw_set_pbb(m, &h, 1, 1), -EBADMSG);
			expect_refused(set(DP_FIELD_PBB_ISID, "\1\1\1"), -EBADMSG);
		}
		if (size < 32)
			expect_refused(dp_rw_pop_pbb(m, &h), -EBADMSG);
		else
			assert_int_equal(dp_rw_pop_pbb(m, &h), 0);
		expect_true_headers();
		done();
	}
}

static void itag_fields_are_where_802_1ah_says(void **state)
{
	eth(&p);
	pkt_pbb(&p, 0xf0000000);
	pkt_eth(&p, MAC_D, MAC_C);
	load();
	assert_int_equal(set(DP_FIELD_PBB_ISID, "\xab\xcd\xef"), 0);
	assert_int_equal(set(DP_FIELD_PBB_UCA, "\1"), 0);
	pkt_set32(&p, 14, 0xf8abcdef);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(dp_rw_set_pbb(m, &h, 0, 0xe0000001), 0);
	pkt_set32(&p, 14, 0x18abcdee);
	expect_bytes(p.bytes, p.size);
	done();
}

static void push_without_head_room_is_refused(void **state)
{
	plain_tcp(&p);
	load();
	while (rte_pktmbuf_headroom(m) > 3) {
		rte_pktmbuf_prepend(m, 1);
		memmove(rte_pktmbuf_mtod(m, char *), rte_pktmbuf_mtod_offset(m, char *, 1), p.size);
		rte_pktmbuf_trim(m, 1);
	}
	expect_refused(dp_rw_push_vlan(m, &h, 0x8100, 5), -ENOMEM);
	expect_refused(dp_rw_push_mpls(m, &h, 0x8847, 5), -ENOMEM);
	expect_refused(dp_rw_push_pbb(m, &h, 5), -ENOMEM);
	done();
}

static void runt_is_refused(void **state)
{
	eth(&p);
	p.size = 13;
	load_as_is();
	expect_refused(dp_rw_push_vlan(m, &h, 0x8100, 5), -EBADMSG);
	expect_refused(dp_rw_push_mpls(m, &h, 0x8847, 5), -EBADMSG);
	expect_refused(dp_rw_push_pbb(m, &h, 5), -EBADMSG);
	expect_refused(set(DP_FIELD_ETH_DST, ones), -EBADMSG);
	expect_refused(set(DP_FIELD_ETH_TYPE, ones), -EBADMSG);
	done();
}

/* TTLs. */

static void ip_with_ttl(struct pkt *k, int version, uint8_t ttl)
{
	uint32_t ip;

	eth(k);
	pkt_vlan(k, 0x8100, 5);
	if (version == 4) {
		ip = pkt_ipv4(k, "10.1.2.3", "192.168.255.254");
		k->bytes[ip + 8] = ttl;
	} else {
		ip = pkt_ipv6(k, "fd00::1", "fd00::2");
		k->bytes[ip + 7] = ttl;
	}
	pkt_udp(k, 5, 6);
	pkt_fill(k, 10, ttl);
	pkt_finish(k, 0);
}

static void ttl_goes_down_by_one_but_not_to_zero(void **state)
{
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		for (int version = 4; version <= 6; version += 2) {
			ip_with_ttl(&p, version, (uint8_t)ttl);
			load();
			if (ttl < 2) {
				expect_refused(dp_rw_dec_nw_ttl(m, &h), -ERANGE);
				done();
				continue;
			}
			ip_with_ttl(&want, version, (uint8_t)(ttl - 1));
			memcpy(want.bytes + want.size - 10, p.bytes + p.size - 10, 10);
			pkt_finish(&want, 0);
			assert_int_equal(dp_rw_dec_nw_ttl(m, &h), 0);
			expect_want();
		}
	}
}

/* The header's sum at every value, so that the carry is met in each way. */
static void ttl_keeps_the_checksum_at_every_sum(void **state)
{
	eth(&p);
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	for (unsigned id = 0; id < 65536; id++) {
		pkt_set16(&p, 18, (uint16_t)id);
		p.bytes[22] = 64;
		load();
		p.bytes[22] = 63;
		pkt_finish(&p, 0);
		assert_int_equal(dp_rw_dec_nw_ttl(m, &h), 0);
		expect_bytes(p.bytes, p.size);
		done();
	}
}

static void ttl_is_set(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		ip_with_ttl(&p, version, 64);
		ip_with_ttl(&want, version, 200);
		memcpy(want.bytes + want.size - 10, p.bytes + p.size - 10, 10);
		pkt_finish(&want, 0);
		load();
		assert_int_equal(dp_rw_set_nw_ttl(m, &h, 200), 0);
		expect_want();
	}
}

static void damaged_header_stays_damaged(void **state)
{
	ip_with_ttl(&p, 4, 64);
	p.bytes[28] ^= 0x55;
	load_as_is();
	assert_int_equal(dp_rw_dec_nw_ttl(m, &h), 0);
	mbufs_read(m, out, sizeof(out));
	assert_string_equal(oracle_receive(out, p.size), "IPv4 header checksum");
	done();
}

static void only_ip_has_a_network_ttl(void **state)
{
	eth(&p);
	pkt_mpls(&p, 0x8847, 0x11140);
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	load();
	expect_refused(dp_rw_dec_nw_ttl(m, &h), -EBADMSG);
	expect_refused(dp_rw_set_nw_ttl(m, &h, 5), -EBADMSG);
	done();
	eth(&p);
	pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	load();
	expect_refused(dp_rw_dec_nw_ttl(m, &h), -EBADMSG);
	expect_refused(dp_rw_copy_ttl_in(m, &h), -EBADMSG);
	expect_refused(dp_rw_copy_ttl_out(m, &h), -EBADMSG);
	done();
}

/* Two headers with these TTLs.  Shapes: MPLS in MPLS, IPv4 in MPLS, IPv6 in MPLS, IPv4 in IPv4,
 * IPv6 in IPv4, IPv4 in IPv6. */
#define N_SHAPES 6
static void two_ttls(struct pkt *k, unsigned shape, uint8_t outer, uint8_t inner)
{
	uint32_t ip;

	eth(k);
	if (shape == 0) {
		pkt_mpls(k, 0x8847, 0x11000u | outer);
		pkt_mpls(k, 0x8847, 0x11100u | inner);
		pkt_fill(k, 30, 1);
	} else if (shape < 3) {
		pkt_mpls(k, 0x8847, 0x11100u | outer);
	} else if (shape < 5) {
		ip = pkt_ipv4(k, "10.9.9.9", "10.9.9.8");
		k->bytes[ip + 8] = outer;
	} else {
		ip = pkt_ipv6(k, "fd00::9", "fd00::8");
		k->bytes[ip + 7] = outer;
	}
	if (shape == 1 || shape == 3 || shape == 5) {
		ip = pkt_ipv4(k, "10.1.2.3", "192.168.255.254");
		k->bytes[ip + 8] = inner;
		pkt_udp(k, 5, 6);
	} else if (shape != 0) {
		ip = pkt_ipv6(k, "fd00::1", "fd00::2");
		k->bytes[ip + 7] = inner;
		pkt_udp(k, 5, 6);
	}
	pkt_finish(k, 0);
}

static void ttl_is_copied_between_any_two_headers(void **state)
{
	for (unsigned shape = 0; shape < N_SHAPES; shape++) {
		two_ttls(&p, shape, 10, 20);
		load();
		two_ttls(&want, shape, 20, 20);
		assert_int_equal(dp_rw_copy_ttl_out(m, &h), 0);
		expect_want();
		load();
		two_ttls(&want, shape, 10, 10);
		assert_int_equal(dp_rw_copy_ttl_in(m, &h), 0);
		expect_want();
	}
}

static void ttl_is_not_copied_without_a_second_header(void **state)
{
	static const uint32_t inner_sizes[N_SHAPES] = {4, 20, 40, 20, 40, 20};

	for (unsigned shape = 0; shape < N_SHAPES; shape++) {
		uint32_t at = shape < 3 ? 18 : shape < 5 ? 34 : 54;

		for (unsigned cut = 0; cut < 2; cut++) {
			two_ttls(&p, shape, 10, 20);
			p.size = at + inner_sizes[shape] - cut;
			if (shape >= 3)
				pkt_set16(&p, shape < 5 ? 16 : 18,
					  (uint16_t)(p.size - (shape < 5 ? 14 : 54)));
			load_as_is();
			if (cut == 0) {
				assert_int_equal(dp_rw_copy_ttl_in(m, &h), 0);
			} else {
				expect_refused(dp_rw_copy_ttl_in(m, &h), -EBADMSG);
				expect_refused(dp_rw_copy_ttl_out(m, &h), -EBADMSG);
			}
			done();
		}
	}
	plain_tcp(&p);
	load();
	expect_refused(dp_rw_copy_ttl_out(m, &h), -EBADMSG);
	done();
}

static void ttl_is_not_copied_to_what_only_looks_like_ip(void **state)
{
	eth(&p);
	pkt_mpls(&p, 0x8847, 0x11140);
	pkt_fill(&p, 60, 1);
	for (unsigned first = 0; first < 256; first++) {
		p.bytes[18] = (uint8_t)first;
		load_as_is();
		if (first >> 4 == 6 || (first >> 4 == 4 && (first & 15) >= 5))
			assert_int_equal(dp_rw_copy_ttl_in(m, &h), 0);
		else
			expect_refused(dp_rw_copy_ttl_in(m, &h), -EBADMSG);
		done();
	}
	for (uint32_t offset = 0; offset < 16; offset += 8) {
		eth(&p);
		pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		pkt_fragment(&p, offset, 1, 7);
		pkt_ip_proto(&p, 4);
		pkt_fill(&p, 24, 1);
		p.bytes[34] = 0x45;
		load();
		if (offset == 0)
			assert_int_equal(dp_rw_copy_ttl_in(m, &h), 0);
		else
			expect_refused(dp_rw_copy_ttl_in(m, &h), -EBADMSG);
		done();
	}
}

/* The 802.3 length would be wrong. */
static void nothing_is_popped_behind_snap(void **state)
{
	for (unsigned is_pbb = 0; is_pbb < 2; is_pbb++) {
		eth(&p);
		pkt_snap(&p);
		if (is_pbb) {
			pkt_pbb(&p, 5);
			pkt_eth(&p, MAC_D, MAC_C);
		} else {
			pkt_mpls(&p, 0x8847, 0x11140);
		}
		pkt_fill(&p, 30, 1);
		load();
		assert_int_equal(h.eth_type, is_pbb ? 0x88e7 : 0x8847);
		expect_refused(is_pbb ? dp_rw_pop_pbb(m, &h) : dp_rw_pop_mpls(m, &h, 0x800),
			       -EBADMSG);
		done();
	}
}

/* Requests. */

/* Rules may call IP what they like: the bytes that the request is about are taken away as a label.
 */
static void request_is_met_before_its_header_goes(void **state)
{
	for (unsigned n_tags = 0; n_tags < 3; n_tags++) {
		for (unsigned both = 0; both < 2; both++) {
			struct pkt *k = both == 0 ? &p : &want;

			eth(k);
			for (unsigned i = 0; i < n_tags; i++)
				pkt_vlan(k, 0x8100, 5);
			pkt_ipv4(k, "10.1.2.3", "192.168.255.254");
			pkt_tcp(k, 1000, 80, PKT_ACK);
			pkt_finish(k, both == 0 ? PKT_PARTIAL : 0);
		}
		load_as_is();
		assert_int_equal(dp_csum_request(m, h.l2_size + h.l3_size, 16), 0);
		assert_int_equal(set(DP_FIELD_ETH_TYPE, "\x88\x47"), 0);
		assert_int_not_equal(m->ol_flags, 0);
		assert_int_equal(dp_rw_pop_mpls(m, &h, 0x88b5), 0);
		assert_int_equal(m->ol_flags, 0);
		expect_true_headers();
		assert_memory_equal(out + h.l2_size, want.bytes + h.l2_size + 4,
				    want.size - h.l2_size - 4);
		done();
	}
}

static void request_moves_with_its_header(void **state)
{
	plain_tcp(&p);
	pkt_finish(&p, PKT_PARTIAL);
	load_as_is();
	assert_int_equal(dp_csum_request(m, 34, 16), 0);
	assert_int_equal(dp_rw_push_mpls(m, &h, 0x8847, 0x11140), 0);
	assert_int_equal(m->l2_len, 18);
	assert_int_equal(dp_rw_push_vlan(m, &h, 0x8100, 5), 0);
	assert_int_equal(m->l2_len, 22);
	assert_int_equal(dp_rw_push_pbb(m, &h, 5), 0);
	assert_int_equal(m->l2_len, 40);
	assert_int_equal(dp_rw_pop_pbb(m, &h), 0);
	assert_int_equal(dp_rw_pop_vlan(m, &h), 0);
	assert_int_equal(dp_rw_pop_mpls(m, &h, 0x800), 0);
	assert_int_equal(m->l2_len, 14);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(dp_csum_finish(m), 0);
	plain_tcp(&want);
	pkt_finish(&want, 0);
	expect_want();
}

/* Six I-TAGs are 108 bytes: with one more, l2_len cannot say where IP is. */
static void request_is_met_before_l2_len_overflows(void **state)
{
	for (unsigned segmentation = 0; segmentation < 2; segmentation++) {
		uint8_t room[128];

		plain_tcp(&p);
		pkt_finish(&p, PKT_PARTIAL);
		load_as_is();
		assert_int_equal(dp_csum_request(m, 34, 16), 0);
		if (segmentation) {
			m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
			m->tso_segsz = 20;
		}
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(dp_rw_push_pbb(m, &h, i), 0);
		assert_int_equal(m->l2_len, 14 + 108);
		mbufs_read(m, out, sizeof(out));
		memcpy(room, out, sizeof(room));
		if (segmentation) {
			assert_int_equal(dp_rw_push_pbb(m, &h, 6), -EBADMSG);
			expect_true_headers();
			assert_memory_equal(out, room, sizeof(room));
			done();
			continue;
		}
		assert_int_equal(dp_rw_push_pbb(m, &h, 6), 0);
		assert_int_equal(m->ol_flags, 0);
		for (unsigned i = 0; i < 7; i++)
			assert_int_equal(dp_rw_pop_pbb(m, &h), 0);
		plain_tcp(&want);
		pkt_finish(&want, 0);
		expect_want();
	}
}

/* A VXLAN frame whose inner checksum is open; the outer one is complete, as if the inner one were.
 */
static void tunnelled(struct pkt *k, const char *outer_src, bool open)
{
	uint32_t inner;

	eth(k);
	pkt_ipv4(k, outer_src, "192.168.255.254");
	pkt_udp(k, 5, 4789);
	pkt_vxlan(k, 7);
	pkt_eth(k, MAC_D, MAC_C);
	pkt_ipv4(k, "10.0.0.1", "10.0.0.2");
	inner = pkt_tcp(k, 1000, 80, PKT_ACK);
	pkt_fill(k, 100, 1);
	pkt_finish(k, 0);
	if (open) {
		uint64_t sum = pkt_sum(k->bytes + inner - 8, 8, 6 + k->size - inner);

		pkt_set16(k, inner + 16, pkt_fold(sum));
	}
}

static void outer_checksum_follows_while_the_inner_is_open(void **state)
{
	tunnelled(&p, "10.1.2.3", true);
	load_as_is();
	assert_int_equal(dp_csum_request(m, 14 + 20 + 8 + 8 + 14 + 20, 16), 0);
	assert_int_equal(set(DP_FIELD_IP4_SRC, "\1\2\3\4"), 0);
	assert_int_equal(dp_rw_dec_nw_ttl(m, &h), 0);
	assert_int_equal(dp_rw_set_nw_ttl(m, &h, 64), 0);
	tunnelled(&want, "1.2.3.4", true);
	expect_bytes(want.bytes, want.size);
	assert_int_equal(dp_rw_push_vlan(m, &h, 0x8100, 5), 0);
	assert_int_equal(dp_csum_finish(m), 0);
	assert_int_equal(dp_rw_pop_vlan(m, &h), 0);
	tunnelled(&want, "1.2.3.4", false);
	expect_want();
}

/* Ownership. */

static void shared_bytes_are_copied_before_they_are_written(void **state)
{
	struct rte_mbuf *clone;

	plain_tcp(&p);
	load();
	assert_ptr_equal(dp_rw_own(m, pool), m);
	m->port = 77;
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	m->l2_len = 14;
	clone = rte_pktmbuf_clone(m, pool);
	clone = dp_rw_own(clone, pool);
	assert_non_null(clone);
	assert_int_equal(clone->port, 77);
	assert_int_equal(clone->ol_flags, m->ol_flags);
	assert_int_equal(clone->l2_len, 14);
	dp_rw_set_macs(clone, (const uint8_t *)"abcdef", (const uint8_t *)"ghijkl");
	expect_bytes(p.bytes, p.size);
	rte_pktmbuf_free(clone);
	/* The original, too, while somebody else looks at its bytes. */
	clone = rte_pktmbuf_clone(m, pool);
	m = dp_rw_own(m, pool);
	dp_rw_set_macs(m, (const uint8_t *)"abcdef", (const uint8_t *)"ghijkl");
	assert_memory_equal(rte_pktmbuf_mtod(clone, void *), p.bytes, p.size);
	rte_pktmbuf_free(clone);
	done();
}

static void shared_frame_is_freed_when_there_is_no_buffer(void **state)
{
	struct rte_mempool *small = mbufs_pool("small", 1, 2048);
	struct rte_mbuf *last, *clone;

	plain_tcp(&p);
	load();
	last = rte_pktmbuf_alloc(small);
	assert_non_null(last);
	clone = rte_pktmbuf_clone(m, pool);
	assert_null(dp_rw_own(clone, small));
	rte_pktmbuf_free(last);
	rte_mempool_free(small);
	done(); /* stop_pool() counts. */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_tag_is_the_outermost_whatever_the_frame),
		cmocka_unit_test(third_tag_counts_when_one_before_it_goes),
		cmocka_unit_test(tag_is_popped_only_where_one_is),
		cmocka_unit_test(set_vlan_changes_the_masked_bits),
		cmocka_unit_test(tag_fields_leave_each_other),
		cmocka_unit_test(pushed_label_stands_behind_the_tags),
		cmocka_unit_test(labels_stack_and_come_off_in_reverse),
		cmocka_unit_test(label_needs_four_bytes),
		cmocka_unit_test(label_fields_are_where_rfc_3032_says),
		cmocka_unit_test(pushed_itag_is_in_front_with_the_same_addresses),
		cmocka_unit_test(popped_itag_leaves_customer_addresses_and_backbone_tags),
		cmocka_unit_test(itag_needs_its_bytes),
		cmocka_unit_test(itag_fields_are_where_802_1ah_says),
		cmocka_unit_test(push_without_head_room_is_refused),
		cmocka_unit_test(runt_is_refused),
		cmocka_unit_test(ttl_goes_down_by_one_but_not_to_zero),
		cmocka_unit_test(ttl_keeps_the_checksum_at_every_sum),
		cmocka_unit_test(ttl_is_set),
		cmocka_unit_test(damaged_header_stays_damaged),
		cmocka_unit_test(only_ip_has_a_network_ttl),
		cmocka_unit_test(ttl_is_copied_between_any_two_headers),
		cmocka_unit_test(ttl_is_not_copied_without_a_second_header),
		cmocka_unit_test(ttl_is_not_copied_to_what_only_looks_like_ip),
		cmocka_unit_test(nothing_is_popped_behind_snap),
		cmocka_unit_test(request_is_met_before_its_header_goes),
		cmocka_unit_test(request_moves_with_its_header),
		cmocka_unit_test(request_is_met_before_l2_len_overflows),
		cmocka_unit_test(outer_checksum_follows_while_the_inner_is_open),
		cmocka_unit_test(shared_bytes_are_copied_before_they_are_written),
		cmocka_unit_test(shared_frame_is_freed_when_there_is_no_buffer),
	};

	return cmocka_run_group_tests(tests, start_pool, stop_pool);
}
