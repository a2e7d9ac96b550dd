/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fields set: what comes out is compared with a frame that was built that way from the start, so
 * with checksums summed over everything.  And random sequences of all changes.
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

/* Fields. */

static void macs_are_set_at_once(void **state)
{
	plain_tcp(&p);
	load();
	dp_rw_set_macs(m, (const uint8_t *)"abcdef", (const uint8_t *)"ghijkl");
	memcpy(p.bytes, "abcdefghijkl", 12);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(set(DP_FIELD_ETH_DST, "ABCDEF"), 0);
	assert_int_equal(dp_rw_set_field(m, &h, DP_FIELD_ETH_SRC, (const uint8_t *)"GHIJKL",
					 (const uint8_t *)"\xff\0\0\0\0\xff"),
			 0);
	memcpy(p.bytes, "ABCDEFGhijkL", 12);
	expect_bytes(p.bytes, p.size);
	done();
}

/* What a frame is made of, so that one can be built before and after. */
struct parts {
	const char *src4, *dst4, *src6, *dst6;
	uint8_t tos;
	uint32_t label;
	uint16_t sport, dport;
};

static const struct parts before = {"10.1.2.3", "192.168.255.254", "fd00::1", "fd00::2", 0, 0, 5,
				    6};

#define N_L4 5

static void transport(struct pkt *k, const struct parts *a, unsigned kind, int version)
{
	switch (kind) {
	case 0:
		pkt_tcp(k, a->sport, a->dport, PKT_ACK);
		break;
	case 1:
		pkt_udp(k, a->sport, a->dport);
		break;
	case 2:
		pkt_sctp(k, a->sport, a->dport);
		break;
	case 3:
		if (version == 4)
			pkt_icmp(k, (uint8_t)a->sport, (uint8_t)a->dport);
		else
			pkt_icmpv6(k, (uint8_t)a->sport, (uint8_t)a->dport);
		break;
	default:
		pkt_ip_proto(k, 253);
		break;
	}
}

/* Options and extension headers with 'extra'; 'size' bytes of payload. */
static void build(struct pkt *k, const struct parts *a, int version, unsigned kind, bool extra,
		  uint32_t size)
{
	uint32_t ip;

	eth(k);
	if (extra)
		pkt_vlan(k, 0x8100, 5);
	if (version == 4) {
		ip = pkt_ipv4(k, a->src4, a->dst4);
		k->bytes[ip + 1] = a->tos;
		if (extra)
			pkt_ipv4_options(k, "\1\1\1\1\1\1\1", 8);
	} else {
		ip = pkt_ipv6(k, a->src6, a->dst6);
		pkt_set32(k, ip, 0x60000000u | (uint32_t)a->tos << 20 | a->label);
		if (extra) {
			pkt_ipv6_ext(k, PKT_EXT_HOP, NULL, 14);
			pkt_ipv6_ext(k, PKT_EXT_DEST, NULL, 6);
			pkt_ipv6_ext(k, PKT_EXT_ROUTING, NULL, 6);
		}
	}
	transport(k, a, kind, version);
	pkt_fill(k, size, 1);
}

/* A change, and how it is asked for. */
struct change {
	enum dp_field field;
	uint8_t value[16], mask[16];
	int version; /* 0: both */
	struct parts after;
};

static const struct change changes[] = {
	{DP_FIELD_IP4_SRC,
	 {1, 2, 3, 4},
	 {255, 255, 255, 255},
	 4,
	 {"1.2.3.4", "192.168.255.254", NULL, NULL, 0, 0, 5, 6}},
	{DP_FIELD_IP4_DST,
	 {9, 9, 9, 9},
	 {0, 0, 0, 255},
	 4,
	 {"10.1.2.3", "192.168.255.9", NULL, NULL, 0, 0, 5, 6}},
	{DP_FIELD_IP6_SRC,
	 {0x20, 1, [15] = 7},
	 {255, 255, [2 ... 15] = 255},
	 6,
	 {NULL, NULL, "2001::7", "fd00::2", 0, 0, 5, 6}},
	{DP_FIELD_IP6_DST,
	 {0x20, 1, [15] = 7},
	 {[15] = 255},
	 6,
	 {NULL, NULL, "fd00::1", "fd00::7", 0, 0, 5, 6}},
	{DP_FIELD_IP_DSCP,
	 {0x2e},
	 {0x3f},
	 0,
	 {"10.1.2.3", "192.168.255.254", "fd00::1", "fd00::2", 0xb8, 0, 5, 6}},
	{DP_FIELD_IP_ECN,
	 {2},
	 {3},
	 0,
	 {"10.1.2.3", "192.168.255.254", "fd00::1", "fd00::2", 2, 0, 5, 6}},
	{DP_FIELD_IPV6_FLABEL,
	 {0xfa, 0xbc, 0xde},
	 {255, 255, 255},
	 6,
	 {NULL, NULL, "fd00::1", "fd00::2", 0, 0xabcde, 5, 6}},
	{DP_FIELD_TP_SRC,
	 {0, 200},
	 {255, 255},
	 0,
	 {"10.1.2.3", "192.168.255.254", "fd00::1", "fd00::2", 0, 0, 200, 6}},
	{DP_FIELD_TP_DST,
	 {0, 201},
	 {255, 255},
	 0,
	 {"10.1.2.3", "192.168.255.254", "fd00::1", "fd00::2", 0, 0, 5, 201}},
};
#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* The transport has no such field, or the IP version is another. */
static bool is_refused(const struct change *c, int version, unsigned kind)
{
	if (c->version != 0 && c->version != version)
		return true;
	return (c->field == DP_FIELD_TP_SRC || c->field == DP_FIELD_TP_DST) && kind == 4;
}

static void field_set_is_the_frame_built_that_way(void **state)
{
	for (unsigned i = 0; i < N_CHANGES * N_L4 * 2 * 2 * 40; i++) {
		const struct change *c = &changes[i % N_CHANGES];
		unsigned kind = i / N_CHANGES % N_L4;
		int version = i / N_CHANGES / N_L4 % 2 ? 6 : 4;
		bool extra = i / N_CHANGES / N_L4 / 2 % 2;
		uint32_t size = below(50);
		int rc;

		build(&p, &before, version, kind, extra, size);
		load();
		rc = dp_rw_set_field(m, &h, c->field, c->value, c->mask);
		if (is_refused(c, version, kind)) {
			expect_refused(rc, -EBADMSG);
			done();
			continue;
		}
		assert_int_equal(rc, 0);
		build(&want, &c->after, version, kind, extra, size);
		pkt_finish(&want, 0);
		expect_want();
	}
}

/* The same with the checksum left open: the field follows addresses and nothing else, and whoever
 * finishes the frame makes it right. */
static void open_checksum_follows_the_pseudo_header(void **state)
{
	for (unsigned i = 0; i < N_CHANGES * 3 * 2 * 2 * 10; i++) {
		const struct change *c = &changes[i % N_CHANGES];
		unsigned kind = i / N_CHANGES % 3;
		int version = i / N_CHANGES / 3 % 2 ? 6 : 4;
		bool extra = i / N_CHANGES / 3 / 2 % 2;
		static const uint16_t offsets[] = {16, 6, 8};

		if (is_refused(c, version, kind))
			continue;
		build(&p, &before, version, kind, extra, 20);
		pkt_finish(&p, PKT_PARTIAL);
		load_as_is();
		assert_int_equal(dp_csum_request(m, h.l2_size + h.l3_size, offsets[kind]), 0);
		assert_int_equal(dp_rw_set_field(m, &h, c->field, c->value, c->mask), 0);
		build(&want, &c->after, version, kind, extra, 20);
		pkt_finish(&want, PKT_PARTIAL);
		expect_bytes(want.bytes, want.size);
		assert_int_not_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
		pkt_finish(&want, 0);
		assert_int_equal(dp_csum_finish(m), 0);
		expect_want();
	}
}

/* A super-frame says only that it is one; its checksum is as open. */
static void super_frame_counts_as_open(void **state)
{
	build(&p, &before, 4, 0, false, 500);
	pkt_finish(&p, PKT_PARTIAL);
	load_as_is();
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	assert_int_equal(set(DP_FIELD_IP4_SRC, changes[0].value), 0);
	build(&want, &changes[0].after, 4, 0, false, 500);
	pkt_finish(&want, PKT_PARTIAL);
	expect_want();
}

static void udp_without_checksum_stays_without(void **state)
{
	uint32_t udp;

	for (unsigned i = 0; i < N_CHANGES; i++) {
		if (is_refused(&changes[i], 4, 1))
			continue;
		build(&p, &before, 4, 1, false, 20);
		udp = p.layers[2].off;
		pkt_finish(&p, 0);
		pkt_set16(&p, udp + 6, 0);
		load_as_is();
		assert_int_equal(dp_rw_set_field(m, &h, changes[i].field, changes[i].value,
						 changes[i].mask),
				 0);
		build(&want, &changes[i].after, 4, 1, false, 20);
		pkt_finish(&want, 0);
		pkt_set16(&want, udp + 6, 0);
		expect_want();
	}
}

/* Every port, so every sum: the one that would be zero is sent as all ones. */
static void udp_checksum_is_right_at_every_sum(void **state)
{
	unsigned n_ones = 0;

	for (unsigned port = 0; port < 65536; port++) {
		build(&p, &before, 4, 1, false, 3);
		load();
		p.size = p.layers[3].off;
		p.n_layers = 3;
		pkt_set16(&p, 34, (uint16_t)port);
		pkt_fill(&p, 3, 1);
		pkt_finish(&p, 0);
		assert_int_equal(set16(DP_FIELD_TP_SRC, (uint16_t)port), 0);
		n_ones += pkt_get16(p.bytes, 40) == 0xffff;
		expect_bytes(p.bytes, p.size);
		done();
	}
	assert_true(n_ones > 0);
}

static void tcp_checksum_is_right_at_every_sum(void **state)
{
	for (unsigned port = 0; port < 65536; port++) {
		plain_tcp(&p);
		load();
		pkt_set16(&p, 36, (uint16_t)port);
		pkt_finish(&p, 0);
		assert_int_equal(set16(DP_FIELD_TP_DST, (uint16_t)port), 0);
		expect_bytes(p.bytes, p.size);
		done();
	}
}

static void sctp_crc_is_right_at_every_length_and_damage_stays(void **state)
{
	for (uint32_t size = 0; size < 600; size++) {
		for (unsigned spoil = 0; spoil < 2; spoil++) {
			struct parts after = before;

			after.sport = (uint16_t)below(65536);
			build(&p, &before, size % 2 ? 4 : 6, 2, false, size);
			build(&want, &after, size % 2 ? 4 : 6, 2, false, size);
			pkt_finish(&p, spoil ? PKT_SPOIL : 0);
			pkt_finish(&want, spoil ? PKT_SPOIL : 0);
			load_as_is();
			assert_int_equal(set16(DP_FIELD_TP_SRC, after.sport), 0);
			expect_want();
		}
	}
}

static void padding_is_in_no_checksum(void **state)
{
	for (unsigned kind = 0; kind < N_L4 - 1; kind++) {
		build(&p, &before, 4, kind, false, 0);
		pkt_finish(&p, 0);
		pkt_pad(&p, 11);
		memset(p.bytes + p.size - 11, 0xee, 11);
		load_as_is();
		assert_int_equal(set16(DP_FIELD_TP_DST, 201), 0);
		build(&want, &changes[8].after, 4, kind, false, 0);
		pkt_finish(&want, 0);
		pkt_pad(&want, 11);
		memset(want.bytes + want.size - 11, 0xee, 11);
		expect_want();
	}
}

/* The first fragment has the checksum of the whole datagram. */
static void first_fragment_keeps_the_checksum_of_the_datagram(void **state)
{
	static struct pkt whole;
	struct parts after = before;

	after.src4 = "1.2.3.4";
	after.dport = 201;
	for (unsigned kind = 0; kind < 2; kind++) {
		uint32_t field = 34 + (kind == 0 ? 16 : 6);

		for (unsigned both = 0; both < 2; both++) {
			struct pkt *k = both == 0 ? &p : &want;
			const struct parts *a = both == 0 ? &before : &after;

			build(&whole, a, 4, kind, false, 1000);
			pkt_finish(&whole, 0);
			eth(k);
			pkt_ipv4(k, a->src4, a->dst4);
			pkt_fragment(k, 0, 1, 7);
			transport(k, a, kind, 4);
			pkt_payload(k, whole.bytes + k->size, 512);
			pkt_finish(k, 0);
			memcpy(k->bytes + field, whole.bytes + field, 2);
			if (kind == 1)
				memcpy(k->bytes + 38, whole.bytes + 38, 2);
		}
		load_as_is();
		assert_int_equal(h.frag, DP_FRAG_FIRST);
		assert_int_equal(set(DP_FIELD_IP4_SRC, changes[0].value), 0);
		assert_int_equal(set16(DP_FIELD_TP_DST, 201), 0);
		expect_want();
	}
}

static void later_fragment_has_addresses_and_no_ports(void **state)
{
	for (unsigned both = 0; both < 2; both++) {
		struct pkt *k = both == 0 ? &p : &want;

		eth(k);
		pkt_ipv4(k, both == 0 ? "10.1.2.3" : "1.2.3.4", "192.168.255.254");
		pkt_fragment(k, 512, 0, 7);
		pkt_ip_proto(k, 6);
		pkt_fill(k, 50, 1);
		pkt_finish(k, 0);
	}
	load();
	expect_refused(set16(DP_FIELD_TP_SRC, 5), -EBADMSG);
	assert_int_equal(set(DP_FIELD_IP4_SRC, changes[0].value), 0);
	expect_want();
}

static void sctp_fragment_keeps_its_ports(void **state)
{
	eth(&p);
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	pkt_fragment(&p, 0, 1, 7);
	pkt_sctp(&p, 5, 6);
	pkt_fill(&p, 52, 1);
	load();
	expect_refused(set16(DP_FIELD_TP_SRC, 5), -EBADMSG);
	done();
}

/* RFC 8200 8.1: with segments left, the destination that counts is in the routing header. */
static void address_that_is_not_the_pseudo_headers_changes_no_checksum(void **state)
{
	static const uint8_t routing[22] = {2, 1, [20] = 9};
	static const uint8_t home[22] = {1, 2, 0, 0, 0xc9, 16};

	for (unsigned is_src = 0; is_src < 2; is_src++) {
		uint32_t udp;

		eth(&p);
		pkt_ipv6(&p, "fd00::1", "fd00::2");
		pkt_ipv6_ext(&p, is_src ? PKT_EXT_DEST : PKT_EXT_ROUTING, is_src ? home : routing,
			     22);
		udp = pkt_udp(&p, 5, 6);
		load();
		memset(p.bytes + (is_src ? 22 : 38), 0x77, 16);
		assert_int_equal(set(is_src ? DP_FIELD_IP6_SRC : DP_FIELD_IP6_DST,
				     "wwwwwwwwwwwwwwww"),
				 0);
		expect_bytes(p.bytes, p.size);
		/* The other one does. */
		assert_int_equal(set(is_src ? DP_FIELD_IP6_DST : DP_FIELD_IP6_SRC,
				     "wwwwwwwwwwwwwwww"),
				 0);
		mbufs_read(m, out, sizeof(out));
		assert_memory_not_equal(out + udp + 6, p.bytes + udp + 6, 2);
		done();
	}
}

static void arp_fields_are_set(void **state)
{
	eth(&p);
	pkt_vlan(&p, 0x8100, 5);
	pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	eth(&want);
	pkt_vlan(&want, 0x8100, 5);
	pkt_arp(&want, 2, "1.2.3.4", "5.6.7.8");
	memcpy(want.bytes + 18 + 8, "abcdef", 6);
	memcpy(want.bytes + 18 + 18, "ghijkl", 6);
	load();
	assert_int_equal(set16(DP_FIELD_TP_SRC, 2), 0);
	assert_int_equal(set(DP_FIELD_IP4_SRC, "\1\2\3\4"), 0);
	assert_int_equal(set(DP_FIELD_IP4_DST, "\5\6\7\10"), 0);
	assert_int_equal(set(DP_FIELD_ARP_SHA, "abcdef"), 0);
	assert_int_equal(set(DP_FIELD_ARP_THA, "ghijkl"), 0);
	assert_int_equal(set16(DP_FIELD_TP_DST, 2), -EBADMSG);
	expect_want();
	pkt_set16(&p, 18, 6); /* not Ethernet's: no addresses that we know */
	load_as_is();
	expect_refused(set(DP_FIELD_IP4_SRC, "\1\2\3\4"), -EBADMSG);
	expect_refused(set(DP_FIELD_ARP_SHA, "abcdef"), -EBADMSG);
	done();
}

static void discovery(struct pkt *k, uint8_t type, const char *nd_target, const char *option)
{
	eth(k);
	pkt_ipv6(k, "fd00::1", "fd00::2");
	pkt_icmpv6(k, type, 0);
	pkt_payload(k, nd_target, 16);
	pkt_payload(k, "\16\1xxxxxx", 8);
	pkt_payload(k, option, 8);
	pkt_finish(k, 0);
}

static void neighbour_discovery_fields_are_set(void **state)
{
	discovery(&p, 135, "0123456789abcdef", "\1\1abcdef");
	discovery(&want, 135, "ABCDEFGHIJKLMNOP", "\1\1ghijkl");
	load();
	expect_refused(set(DP_FIELD_ARP_THA, "ghijkl"), -EBADMSG);
	assert_int_equal(set(DP_FIELD_ND_TARGET, "ABCDEFGHIJKLMNOP"), 0);
	assert_int_equal(set(DP_FIELD_ARP_SHA, "ghijkl"), 0);
	expect_want();
	discovery(&p, 136, "0123456789abcdef", "\2\1abcdef");
	discovery(&want, 136, "0123456789abcdef", "\2\1ghijkl");
	load();
	expect_refused(set(DP_FIELD_ARP_SHA, "ghijkl"), -EBADMSG);
	assert_int_equal(set(DP_FIELD_ARP_THA, "ghijkl"), 0);
	expect_want();
}

static void ethertype_is_set_where_one_is(void **state)
{
	plain_tcp(&p);
	load();
	expect_refused(set16(DP_FIELD_ETH_TYPE, 0x5ff), -EBADMSG);
	assert_int_equal(set16(DP_FIELD_ETH_TYPE, 0x88b5), 0);
	pkt_set16(&p, 12, 0x88b5);
	expect_bytes(p.bytes, p.size);
	assert_int_equal(set16(DP_FIELD_ETH_TYPE, 0x8100), 0); /* It is a tag now. */
	expect_true_headers();
	assert_int_equal(h.n_tags, 1);
	done();
	eth(&p);
	pkt_set16(&p, 12, 10);
	pkt_payload(&p, "0123456789", 10);
	load_as_is();
	expect_refused(set16(DP_FIELD_ETH_TYPE, 0x800), -EBADMSG);
	done();
}

/* The bytes behind IP stay, but for the checksum: its pseudo-header has the protocol. */
static void expect_protocol(int version, bool extra, bool open)
{
	uint32_t ip, udp;
	uint16_t sum;

	build(&p, &before, version, 1, extra, 20);
	pkt_finish(&p, 0);
	want = p;
	ip = want.layers[want.n_layers - 3].off;
	udp = want.layers[want.n_layers - 2].off;
	want.bytes[ip + (version == 4 ? 9 : extra ? 0 : 6)] = 253;
	if (version == 4)
		pkt_set16(&want, ip + 10, 0);
	if (version == 4)
		pkt_set16(&want, ip + 10,
			  ~pkt_fold(pkt_sum(want.bytes + ip, (want.bytes[ip] & 15) * 4u, 0)));
	sum = (uint16_t)~pkt_get16(want.bytes, udp + 6);
	pkt_set16(&want, udp + 6, ~pkt_fold((uint64_t)sum + (uint16_t)~17 + 253));
	if (open)
		pkt_finish(&p, PKT_PARTIAL);
	load_as_is();
	if (open)
		assert_int_equal(dp_csum_request(m, h.l2_size + h.l3_size, 6), 0);
	assert_int_equal(set(DP_FIELD_IP_PROTO, "\xfd"), 0);
	assert_int_equal(m->ol_flags, 0);
	expect_want();
}

static void protocol_is_set_and_an_open_checksum_filled_in_first(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (unsigned i = 0; i < 4; i++)
			expect_protocol(version, (i & 1) != 0, (i & 2) != 0);
}

static void what_is_in_no_frame_cannot_be_set(void **state)
{
	static const enum dp_field fields[] = {DP_FIELD_IN_PORT,    DP_FIELD_METADATA,
					       DP_FIELD_TUN_ID,	    DP_FIELD_IP_FRAG,
					       DP_FIELD_CT_STATE,   DP_FIELD_TUN_DST6,
					       DP_FIELD_PKT_MARK,   DP_FIELD_REG0,
					       DP_FIELD_TCP_FLAGS,  DP_FIELD_CT_LABEL,
					       DP_FIELD_IPV6_EXTHDR};

	plain_tcp(&p);
	load();
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_refused(set(fields[i], ones), -EINVAL);
	done();
}

/* Headers in two segments, or lying about their length. */
static void headers_that_cannot_be_seen_are_refused(void **state)
{
	static const enum dp_field fields[] = {DP_FIELD_IP4_SRC, DP_FIELD_IP4_DST, DP_FIELD_TP_SRC,
					       DP_FIELD_TP_DST};
	uint32_t cut = 14 + 20 + 19;

	plain_tcp(&p);
	pkt_finish(&p, 0);
	m = mbufs_make(pool, p.bytes, p.size, &cut, 1);
	dp_parse_mbuf(m, &h);
	assert_int_equal(h.bad, DP_BAD_L4);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_refused(set(fields[i], ones), -EBADMSG);
	/* But what is there can be changed. */
	assert_int_equal(dp_rw_dec_nw_ttl(m, &h), 0);
	assert_int_equal(dp_rw_push_vlan(m, &h, 0x8100, 5), 0);
	expect_true_headers();
	done();
}

/* Sequences. */

/* The innermost packet that can be checked is right: behind tags, labels and I-TAGs. */
static const char *wrong_with(const uint8_t *frame, uint32_t size)
{
	static uint8_t bare[PKT_MAX];
	struct dp_headers k;
	uint32_t off;

	oracle_parse(frame, size, size, &k);
	off = k.l2_size;
	if (k.eth_type == 0x88e7)
		return wrong_with(frame + off + 4, size - off - 4);
	if (k.ip_version != 0) /* without padding */
		return oracle_receive(frame, k.l2_size + k.ip_size);
	if (k.eth_type != 0x8847 && k.eth_type != 0x8848)
		return k.bad == DP_BAD_NONE ? NULL : "malformed";
	while ((frame[off + 2] & 1) == 0)
		off += 4;
	/* The label says what type it replaced.  'frame' may lie in 'bare'. */
	memmove(bare, frame, 12);
	bare[12] = (uint8_t)(frame[off] << 4 | frame[off + 1] >> 4);
	bare[13] = (uint8_t)(frame[off + 1] << 4 | frame[off + 2] >> 4);
	memmove(bare + 14, frame + off + 4, size - off - 4);
	return wrong_with(bare, 14 + size - off - 4);
}

/* A random frame with a checksum left open now and then, in a chain behind its headers. */
static void start_sequence(void)
{
	static const struct {
		enum pkt_kind kind;
		uint16_t offset, size;
	} open[] = {{PKT_TCP, 16, 2}, {PKT_UDP, 6, 2}, {PKT_SCTP, 8, 4}};
	const struct pkt_layer *l = NULL;
	unsigned k = 0;

	do {
		random_frame(false);
	} while (wrong_with(p.bytes, p.size) != NULL || p.size < 40);
	/* The innermost transport, which is the one that PKT_PARTIAL is about. */
	for (unsigned i = 0; i < p.n_layers; i++) {
		if (p.layers[i].kind >= PKT_TCP && p.layers[i].kind <= PKT_IGMP)
			l = NULL;
		for (unsigned j = 0; j < 3; j++)
			if (p.layers[i].kind == open[j].kind) {
				l = &p.layers[i];
				k = j;
			}
	}
	if (l != NULL && below(2)) {
		want = p;
		pkt_finish(&want, PKT_PARTIAL);
		pkt_finish(&p, 0); /* Padding counts now. */
		m = mbufs_cut(pool, p.bytes, p.size, RTE_MIN(p.size, 250u), below(3), &seed);
		if (dp_csum_request(m, (uint16_t)l->off, open[k].offset) == 0)
			memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, l->off + open[k].offset),
			       want.bytes + l->off + open[k].offset, open[k].size);
	} else {
		m = mbufs_cut(pool, p.bytes, p.size, RTE_MIN(p.size, 250u), below(3), &seed);
	}
	dp_parse_mbuf(m, &h);
}

/* A field that does not change what the frame is, to a random value, under a random mask; the key
 * must say just that. */
static int random_field(void)
{
	static const enum dp_field fields[] = {
		DP_FIELD_ETH_DST,  DP_FIELD_ETH_SRC,  DP_FIELD_VLAN_VID, DP_FIELD_VLAN_PCP,
		DP_FIELD_IP_DSCP,  DP_FIELD_IP_ECN,   DP_FIELD_TP_SRC,	 DP_FIELD_TP_DST,
		DP_FIELD_IP4_SRC,  DP_FIELD_IP4_DST,  DP_FIELD_IP6_SRC,	 DP_FIELD_IP6_DST,
		DP_FIELD_ARP_SHA,  DP_FIELD_ARP_THA,  DP_FIELD_MPLS_TC,	 DP_FIELD_IPV6_FLABEL,
		DP_FIELD_PBB_ISID, DP_FIELD_ND_TARGET};
	enum dp_field field = fields[below(sizeof(fields) / sizeof(fields[0]))];
	struct dp_key was, is, changed = {0}, bits = {0};
	uint8_t value[16], mask[16];
	int rc;

	for (unsigned i = 0; i < 16; i++) {
		value[i] = (uint8_t)below(256);
		mask[i] = below(3) ? 0xff : (uint8_t)below(256);
	}
	if (field == DP_FIELD_TP_DST)
		mask[0] = 0x80; /* ports of tunnels stay out of reach: 40000 and more, or 7000 */
	if (h.l4 == DP_L4_ICMP || h.l4 == DP_L4_ICMPV6)
		value[0] = mask[0] = 0;
	dp_key_extract(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &h, 1, &was);
	rc = dp_rw_set_field(m, &h, field, value, mask);
	if (rc < 0 || field == DP_FIELD_TP_DST)
		return rc;
	dp_key_extract(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &h, 1, &is);
	dp_key_set_bytes(&changed, field, value);
	dp_key_set_bytes(&bits, field, mask);
	if (field == DP_FIELD_VLAN_VID)
		dp_key_set(&changed, field, dp_key_get(&changed, field) | DP_VLAN_PRESENT);
	for (unsigned w = 0; w < DP_KEY_WORDS; w++)
		if (is.w[w] != ((was.w[w] & ~bits.w[w]) | (changed.w[w] & bits.w[w])))
			fail_msg("%s: word %u", dp_fields[field].name, w);
	return 0;
}

static uint16_t label_type(void)
{
	return (uint16_t)(pkt_get32(rte_pktmbuf_mtod(m, const uint8_t *), h.l2_size) >> 12);
}

static int random_operation(void)
{
	bool mpls = h.eth_type == 0x8847 || h.eth_type == 0x8848;

	switch (below(16)) {
	case 0:
		return dp_rw_push_vlan(m, &h, below(2) ? 0x8100 : 0x88a8, (uint16_t)below(65536));
	case 1:
	case 2:
		return dp_rw_pop_vlan(m, &h);
	case 3:
		return dp_rw_set_vlan(m, &h, (uint16_t)below(65536), (uint16_t)below(65536));
	case 4:
		/* A type of two tags in front would be one of tags. */
		if (h.eth_type == 0x8100 || h.eth_type == 0x88a8)
			return -EBADMSG;
		return dp_rw_push_mpls(m, &h, below(2) ? 0x8847 : 0x8848,
				       (uint32_t)h.eth_type << 12 | (mpls ? 0 : 0x100u) |
					       below(256));
	case 5:
	case 6:
		return dp_rw_pop_mpls(m, &h, mpls ? label_type() : 0);
	case 7:
		return dp_rw_push_pbb(m, &h, below(1u << 28)); /* no version of IP */
	case 8:
		return dp_rw_pop_pbb(m, &h);
	case 9:
		return below(2) ? dp_rw_set_nw_ttl(m, &h, (uint8_t)below(256))
				: dp_rw_set_mpls_ttl(m, &h, (uint8_t)below(256));
	case 10:
		return below(2) ? dp_rw_dec_nw_ttl(m, &h) : dp_rw_dec_mpls_ttl(m, &h);
	case 11:
		return below(2) ? dp_rw_copy_ttl_in(m, &h) : dp_rw_copy_ttl_out(m, &h);
	default:
		return random_field();
	}
}

static void any_sequence_leaves_a_frame_that_is_right(void **state)
{
	static uint8_t was[PKT_MAX];
	unsigned n_done = 0;

	for (unsigned i = 0; i < 10000; i++) {
		start_sequence();
		for (unsigned n = below(12); n > 0; n--) {
			uint32_t size = mbufs_read(m, was, sizeof(was));
			struct rte_mbuf *copy;
			const char *wrong;
			int rc = random_operation();

			expect_true_headers();
			if (rc < 0) {
				assert_int_equal(m->pkt_len, size);
				assert_memory_equal(out, was, size);
				continue;
			}
			n_done++;
			copy = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
			assert_non_null(copy);
			assert_int_equal(dp_csum_finish(copy), 0);
			size = mbufs_read(copy, out, sizeof(out));
			wrong = wrong_with(out, size);
			if (wrong != NULL)
				fail_msg("sequence %u: %s", i, wrong);
			rte_pktmbuf_free(copy);
		}
		done();
	}
	assert_true(n_done > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs_are_set_at_once),
		cmocka_unit_test(field_set_is_the_frame_built_that_way),
		cmocka_unit_test(open_checksum_follows_the_pseudo_header),
		cmocka_unit_test(super_frame_counts_as_open),
		cmocka_unit_test(udp_without_checksum_stays_without),
		cmocka_unit_test(udp_checksum_is_right_at_every_sum),
		cmocka_unit_test(tcp_checksum_is_right_at_every_sum),
		cmocka_unit_test(sctp_crc_is_right_at_every_length_and_damage_stays),
		cmocka_unit_test(padding_is_in_no_checksum),
		cmocka_unit_test(first_fragment_keeps_the_checksum_of_the_datagram),
		cmocka_unit_test(later_fragment_has_addresses_and_no_ports),
		cmocka_unit_test(sctp_fragment_keeps_its_ports),
		cmocka_unit_test(address_that_is_not_the_pseudo_headers_changes_no_checksum),
		cmocka_unit_test(arp_fields_are_set),
		cmocka_unit_test(neighbour_discovery_fields_are_set),
		cmocka_unit_test(ethertype_is_set_where_one_is),
		cmocka_unit_test(protocol_is_set_and_an_open_checksum_filled_in_first),
		cmocka_unit_test(what_is_in_no_frame_cannot_be_set),
		cmocka_unit_test(headers_that_cannot_be_seen_are_refused),
		cmocka_unit_test(any_sequence_leaves_a_frame_that_is_right),
	};

	return cmocka_run_group_tests(tests, start_pool, stop_pool);
}
