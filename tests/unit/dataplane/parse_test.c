/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser: each shape of frame, each length field at its edges, and random frames against a
 * second parser. Every frame is parsed where it ends at a page that cannot be read.
 */
#include "dataplane/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"

static struct pkt p;
static struct dp_headers h;

/* Where a frame of 'size' bytes ends at an unreadable page. */
static uint8_t *before_guard(uint32_t size)
{
	static uint8_t *guard;
	long page = sysconf(_SC_PAGESIZE);
	size_t room = (PKT_MAX + page - 1) / page * page;

	if (guard == NULL) {
		guard = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		assert_true(guard != MAP_FAILED);
		guard += room;
		assert_int_equal(mprotect(guard, page, PROT_NONE), 0);
	}
	return guard - size;
}

/* Parses the first 'size' bytes of 'p' and checks the answer against the oracle's. */
static enum dp_bad parse_head(uint32_t size)
{
	uint8_t *frame = before_guard(size);
	struct dp_headers want;
	enum dp_bad bad;
	char text[512];

	memcpy(frame, p.bytes, size);
	memset(&h, 0xee, sizeof(h));
	bad = dp_parse_head(frame, size, p.size, &h);
	assert_int_equal(bad, h.bad);
	oracle_parse(frame, size, p.size, &want);
	if (oracle_differs(&h, &want, text, sizeof(text)) != 0) {
		for (uint32_t i = 0; i < size && i < 256; i++)
			fprintf(stderr, "%02x%s", frame[i], i % 16 == 15 ? "\n" : " ");
		fail_msg("parser|oracle: %s (size %u of %u)", text, size, p.size);
	}
	return bad;
}

static enum dp_bad parse(void)
{
	return parse_head(p.size);
}

static void start(void)
{
	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
}

static uint32_t start_ipv4(void)
{
	start();
	return pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
}

static uint32_t start_ipv6(void)
{
	start();
	return pkt_ipv6(&p, "fd00::1", "fd00::2");
}

static enum dp_bad finish_and_parse(void)
{
	pkt_finish(&p, 0);
	return parse();
}

static void parser_reads_tcp_over_ipv4(void **state)
{
	uint32_t ip = start_ipv4();

	p.bytes[ip + 1] = 0xb8;
	p.bytes[ip + 8] = 17;
	pkt_tcp(&p, 1234, 80, PKT_SYN | PKT_ACK);
	pkt_tcp_options(&p, "\2\4\5\264", 4);
	pkt_fill(&p, 30, 1);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.eth_type, 0x0800);
	assert_int_equal(h.n_tags, 0);
	assert_int_equal(h.l3, DP_L3_IPV4);
	assert_int_equal(h.l4, DP_L4_TCP);
	assert_int_equal(h.ip_version, 4);
	assert_int_equal(h.ip_proto, 6);
	assert_int_equal(h.ip_tos, 0xb8);
	assert_int_equal(h.ip_ttl, 17);
	assert_int_equal(h.tcp_flags, PKT_SYN | PKT_ACK);
	assert_int_equal(h.l2_size, 14);
	assert_int_equal(h.l3_size, 20);
	assert_int_equal(h.l4_size, 24);
	assert_int_equal(h.ip_size, 20 + 24 + 30);
	assert_int_equal(h.sport, 1234);
	assert_int_equal(h.dport, 80);
	assert_int_equal(h.ip_src, 26);
	assert_int_equal(h.ip_dst, 30);
}

static void parser_reads_udp_over_ipv6(void **state)
{
	uint32_t ip = start_ipv6();

	p.bytes[ip] = 0x6a;
	p.bytes[ip + 1] = 0xbc;
	pkt_udp(&p, 5353, 53);
	pkt_fill(&p, 5, 1);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l3, DP_L3_IPV6);
	assert_int_equal(h.l4, DP_L4_UDP);
	assert_int_equal(h.ip_tos, 0xab);
	assert_int_equal(h.ip_size, 53);
	assert_int_equal(h.l3_size, 40);
	assert_int_equal(h.l4_size, 8);
	assert_int_equal(h.ip_src, 22);
	assert_int_equal(h.ip_dst, 38);
	assert_int_equal(h.sport, 5353);
	assert_int_equal(h.ip_ext, 0);
}

static void parser_looks_into_two_tags_and_no_more(void **state)
{
	for (unsigned n = 0; n < 4; n++) {
		start();
		for (unsigned i = 0; i < n; i++)
			pkt_vlan(&p, i == 0 ? 0x88a8 : 0x8100, 0x6000 + i);
		pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
		pkt_udp(&p, 1, 2);
		assert_int_equal(finish_and_parse(), DP_BAD_NONE);
		assert_int_equal(h.n_tags, n > 2 ? 2 : n);
		assert_int_equal(h.tci[0], n > 0 ? 0x6000 : 0);
		assert_int_equal(h.tci[1], n > 1 ? 0x6001 : 0);
		assert_int_equal(h.tpid[0], n > 0 ? 0x88a8 : 0);
		assert_int_equal(h.eth_type, n == 3 ? 0x8100 : 0x0800);
		assert_int_equal(h.l3, n == 3 ? DP_L3_OTHER : DP_L3_IPV4);
		assert_int_equal(h.l2_size, 14 + 4 * (n > 2 ? 2 : n));
	}
}

static void parser_finds_where_a_tag_is_cut_off(void **state)
{
	start();
	pkt_vlan(&p, 0x88a8, 7);
	pkt_vlan(&p, 0x8100, 8);
	for (uint32_t size = 14; size < 22; size++) {
		p.size = size;
		assert_int_equal(parse(), DP_BAD_VLAN);
		assert_int_equal(h.n_tags, size < 18 ? 0 : 1);
		assert_int_equal(h.tci[0], size < 18 ? 0 : 7);
		assert_int_equal(h.l2_size, size < 18 ? 14 : 18);
	}
	p.size = 22;
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.l3, DP_L3_OTHER);
}

static void parser_calls_a_runt_a_runt(void **state)
{
	start();
	for (uint32_t size = 0; size < 14; size++) {
		p.size = size;
		assert_int_equal(parse(), DP_BAD_ETH);
	}
	p.size = 14;
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.l2_size, 14);
}

static void parser_sees_through_snap_whatever_the_length_says(void **state)
{
	static const uint16_t lengths[] = {0, 1, 36, 1500, 1535};

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		start();
		pkt_vlan(&p, 0x8100, 0);
		pkt_snap(&p);
		pkt_arp(&p, 2, "10.0.0.1", "10.0.0.2");
		pkt_finish(&p, 0);
		pkt_set16(&p, 16, lengths[i]);
		assert_int_equal(parse(), DP_BAD_NONE);
		assert_int_equal(h.eth_type, 0x0806);
		assert_int_equal(h.l2_size, 26);
		assert_int_equal(h.arp_op, 2);
	}
}

static void parser_leaves_other_llc_alone(void **state)
{
	uint32_t snap;

	start();
	snap = pkt_snap(&p);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_finish(&p, 0);
	p.bytes[snap + 3] = 8; /* another OUI */
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.eth_type, DP_ETH_TYPE_LLC);
	assert_int_equal(h.l3, DP_L3_NONE);
	assert_int_equal(h.l2_size, 14);
	p.bytes[snap + 3] = 0;
	p.size = snap + 7; /* cut off before its EtherType ends */
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.eth_type, DP_ETH_TYPE_LLC);
	pkt_set16(&p, snap + 6, 0x5ff);
	p.size = snap + 8;
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.l2_size, 14);
}

static void parser_reads_arp(void **state)
{
	uint32_t arp;

	start();
	arp = pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l3, DP_L3_ARP);
	assert_int_equal(h.arp_op, 1);
	assert_int_equal(h.l3_size, 28);
	assert_int_equal(h.ip_src, arp + 14);
	assert_int_equal(h.ip_dst, arp + 24);
	assert_int_equal(h.ip_version, 0);
}

/* {hardware, protocol} address lengths: both halves of the table fit or lie. */
static void parser_tries_arp_address_lengths(void **state)
{
	static const struct {
		uint8_t hlen, plen;
		enum dp_bad bad;
		bool told;
	} cases[] = {
		{6, 4, DP_BAD_NONE, true},     {0, 0, DP_BAD_NONE, false},
		{6, 3, DP_BAD_NONE, false},    {5, 4, DP_BAD_NONE, false},
		{7, 3, DP_BAD_NONE, false},    {6, 5, DP_BAD_ARP, false},
		{7, 4, DP_BAD_ARP, false},     {0, 10, DP_BAD_NONE, false},
		{0, 11, DP_BAD_ARP, false},    {255, 4, DP_BAD_ARP, false},
		{255, 255, DP_BAD_ARP, false},
	};
	uint32_t arp;

	start();
	arp = pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p.bytes[arp + 4] = cases[i].hlen;
		p.bytes[arp + 5] = cases[i].plen;
		assert_int_equal(parse(), cases[i].bad);
		assert_int_equal(h.l3, DP_L3_ARP);
		assert_int_equal(h.ip_src != 0, cases[i].told);
		assert_int_equal(h.arp_op, cases[i].bad == DP_BAD_NONE ? 1 : 0);
	}
}

static void parser_tries_ipv4_header_lengths(void **state)
{
	for (unsigned ihl = 0; ihl < 16; ihl++) {
		uint32_t ip = start_ipv4();

		pkt_udp(&p, 1, 2);
		pkt_fill(&p, 20, 1); /* 48 bytes: room for ihl 12 */
		memset(p.bytes + ip + 20, 1, 28);
		pkt_finish(&p, PKT_NO_CSUM);
		pkt_set16(&p, ip + 24, 0x0101); /* not a UDP length: no-operation options */
		p.bytes[ip] = 0x40 | ihl;
		if (ihl < 5 || ihl * 4 > 48) {
			assert_int_equal(parse(), DP_BAD_IP);
			assert_int_equal(h.l3, DP_L3_IPV4);
			assert_int_equal(h.l3_size, 0);
			assert_int_equal(h.ip_version, 0);
		} else if (ihl == 12) {
			assert_int_equal(parse(), DP_BAD_L4);
			assert_int_equal(h.l3_size, 48);
			assert_int_equal(h.l4, DP_L4_UDP);
			assert_int_equal(h.l4_size, 0);
		} else {
			parse(); /* The oracle knows. */
			assert_int_equal(h.l3_size, ihl * 4);
		}
	}
}

static void parser_tries_ipv4_total_lengths(void **state)
{
	uint32_t ip = start_ipv4();
	/* 20 header + 8 UDP + 12 payload = 40 in the frame */
	static const struct {
		uint16_t total;
		enum dp_bad bad;
	} cases[] = {
		{0, DP_BAD_IP},	   {19, DP_BAD_IP}, {20, DP_BAD_L4},
		{27, DP_BAD_L4},   {28, DP_BAD_L4}, {39, DP_BAD_L4},
		{40, DP_BAD_NONE}, {41, DP_BAD_IP}, {65535, DP_BAD_IP},
	};

	pkt_udp(&p, 1, 2);
	pkt_fill(&p, 12, 1);
	pkt_finish(&p, 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pkt_set16(&p, ip + 2, cases[i].total);
		assert_int_equal(parse(), cases[i].bad);
	}
	/* Shorter than the frame is padding, and no header is read from there. */
	pkt_set16(&p, ip + 2, 28);
	pkt_set16(&p, ip + 24, 8);
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_size, 28);
}

static void parser_tries_ipv4_option_lengths(void **state)
{
	/* Eight bytes of options: one of each length, the rest no-operation. */
	for (unsigned length = 0; length < 256; length++) {
		uint8_t options[8] = {0x83, length, 1, 1, 1, 1, 1, 1};
		uint32_t ip = start_ipv4();
		bool fits = length >= 2 && length <= 8;

		pkt_ipv4_options(&p, options, 8);
		pkt_udp(&p, 7, 9);
		assert_int_equal(finish_and_parse(), fits ? DP_BAD_NONE : DP_BAD_IP_OPTION);
		assert_int_equal(h.l3_size, fits ? 28 : 20);
		assert_int_equal(h.ip_src, ip + 12);
		assert_int_equal(h.l4, fits ? DP_L4_UDP : DP_L4_NONE);
		assert_int_equal(h.ip_ext, DP_EXT_OPTIONS);
	}
}

static void parser_accepts_ipv4_options_that_end_early(void **state)
{
	start_ipv4();
	pkt_ipv4_options(&p, "\1\0\377\377", 4); /* nothing counts behind the end of the list */
	pkt_udp(&p, 7, 9);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	start_ipv4();
	pkt_ipv4_options(&p, "\1\1\1\203", 4); /* a type in the last byte, no room for its length */
	pkt_udp(&p, 7, 9);
	assert_int_equal(finish_and_parse(), DP_BAD_IP_OPTION);
}

static void parser_refuses_the_other_ip_version(void **state)
{
	uint32_t ip = start_ipv4();

	pkt_udp(&p, 1, 2);
	pkt_finish(&p, 0);
	p.bytes[ip] = 0x65;
	assert_int_equal(parse(), DP_BAD_IP);
	ip = start_ipv6();
	pkt_udp(&p, 1, 2);
	pkt_finish(&p, 0);
	p.bytes[ip] = 0x40;
	assert_int_equal(parse(), DP_BAD_IP);
	assert_int_equal(h.l3, DP_L3_IPV6);
}

static void parser_tells_first_fragments_from_later_ones(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		version == 4 ? start_ipv4() : start_ipv6();
		pkt_fragment(&p, 0, 1, 77);
		pkt_udp(&p, 1, 2);
		pkt_fill(&p, 16, 1);
		pkt_finish(&p, 0);
		pkt_set16(&p, p.layers[p.n_layers - 2].off + 4, 4000); /* of the whole datagram */
		assert_int_equal(parse(), DP_BAD_NONE);
		assert_int_equal(h.frag, DP_FRAG_FIRST);
		assert_int_equal(h.l4, DP_L4_UDP);
		assert_int_equal(h.sport, 1);

		version == 4 ? start_ipv4() : start_ipv6();
		pkt_fragment(&p, 1480, 0, 77);
		pkt_ip_proto(&p, 17);
		pkt_fill(&p, 3, 1);
		assert_int_equal(finish_and_parse(), DP_BAD_NONE);
		assert_int_equal(h.frag, DP_FRAG_LATER);
		assert_int_equal(h.l4, DP_L4_NONE);
		assert_int_equal(h.l4_size, 0);
		assert_int_equal(h.ip_proto, 17);
		assert_int_equal(h.sport, 0);
		assert_int_equal(h.l3_size, version == 4 ? 20 : 48);
	}
}

static void parser_knows_no_fragment_with_nothing_but_a_fragment_header(void **state)
{
	uint32_t ip = start_ipv6();

	pkt_fragment(&p, 0, 0, 5);
	p.bytes[ip + 41] = 0xff; /* reserved, as are two bits beside the offset */
	p.bytes[ip + 43] = 0x06;
	pkt_tcp(&p, 1, 2, 0);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.frag, 0);
	assert_int_equal(h.ip_ext, DP_EXT_FRAG);
	assert_int_equal(h.l4, DP_L4_TCP);
	start_ipv4();
	pkt_fragment(&p, 0, 0, 5);
	pkt_set16(&p, 14 + 6, 0xc000); /* reserved bit and "don't fragment" */
	pkt_tcp(&p, 1, 2, 0);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.frag, 0);
}

static void parser_refuses_a_first_fragment_without_its_whole_header(void **state)
{
	start_ipv4();
	pkt_fragment(&p, 0, 1, 77);
	pkt_ip_proto(&p, 6);
	pkt_fill(&p, 16, 1); /* a TCP header that continues in the next fragment */
	assert_int_equal(finish_and_parse(), DP_BAD_L4);
	assert_int_equal(h.l4, DP_L4_TCP);
	assert_int_equal(h.frag, DP_FRAG_FIRST);
	start_ipv6();
	pkt_fragment(&p, 0, 1, 77);
	pkt_ip_proto(&p, PKT_EXT_DEST);
	pkt_payload(&p, "\21\1\1\4\0\0\0\0", 8); /* 16 bytes it says, 8 are here (RFC 7112) */
	assert_int_equal(finish_and_parse(), DP_BAD_IP_OPTION);
	assert_int_equal(h.l3_size, 48);
	assert_int_equal(h.l4, DP_L4_NONE);
}

static void parser_walks_ipv6_extension_headers(void **state)
{
	start_ipv6();
	pkt_ipv6_ext(&p, PKT_EXT_HOP, "\5\2\0\0\1", 6);
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 0);
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, "\375\0\0\0\0", 6);
	pkt_ipv6_ext(&p, PKT_EXT_FRAGMENT, NULL, 0);
	pkt_ipv6_ext(&p, PKT_EXT_AUTH, "\0\0\0\0\1\2\0\0\0\1\1\1\1\1", 14);
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 14);
	pkt_sctp(&p, 1, 2);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l3_size, 40 + 8 + 8 + 8 + 8 + 16 + 16);
	assert_int_equal(h.l4, DP_L4_SCTP);
	assert_int_equal(h.ip_proto, 132);
	assert_int_equal(h.ip_ext,
			 DP_EXT_HOP | DP_EXT_DEST | DP_EXT_ROUTER | DP_EXT_FRAG | DP_EXT_AUTH);
}

static void parser_notes_unusual_order_and_repeats(void **state)
{
	start_ipv6();
	pkt_ipv6_ext(&p, PKT_EXT_FRAGMENT, NULL, 0);
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, "\375\0\0\0\0", 6);
	pkt_udp(&p, 1, 2);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_ext, DP_EXT_FRAG | DP_EXT_ROUTER | DP_EXT_UNSEQ);
	start_ipv6();
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 0);
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 0);
	pkt_udp(&p, 1, 2);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_ext, DP_EXT_DEST | DP_EXT_UNREP);
}

static void parser_takes_hop_by_hop_options_only_at_the_front(void **state)
{
	start_ipv6();
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 0);
	pkt_ipv6_ext(&p, PKT_EXT_HOP, NULL, 0);
	pkt_udp(&p, 1, 2);
	assert_int_equal(finish_and_parse(), DP_BAD_IP_OPTION);
	assert_int_equal(h.l3_size, 48);
}

static void parser_bounds_the_extension_header_chain(void **state)
{
	for (unsigned n = 1; n <= DP_MAX_EXT_HEADERS + 1; n++) {
		start_ipv6();
		for (unsigned i = 0; i < n; i++)
			pkt_ipv6_ext(&p, PKT_EXT_MOBILITY, NULL, 0);
		pkt_udp(&p, 1, 2);
		assert_int_equal(finish_and_parse(),
				 n <= DP_MAX_EXT_HEADERS ? DP_BAD_NONE : DP_BAD_IP_OPTION);
	}
}

static void parser_bounds_the_options_in_a_header(void **state)
{
	for (unsigned n = DP_MAX_IP_OPTIONS - 2; n < DP_MAX_IP_OPTIONS + 20; n += 8) {
		start_ipv6();
		pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, n); /* n Pad1 options */
		pkt_udp(&p, 1, 2);
		assert_int_equal(finish_and_parse(),
				 n <= DP_MAX_IP_OPTIONS ? DP_BAD_NONE : DP_BAD_IP_OPTION);
	}
}

static void parser_tries_extension_header_lengths(void **state)
{
	static const uint8_t kinds[] = {PKT_EXT_HOP, PKT_EXT_ROUTING, PKT_EXT_AUTH, PKT_EXT_DEST,
					PKT_EXT_MOBILITY};

	for (unsigned k = 0; k < sizeof(kinds); k++) {
		for (unsigned length = 0; length < 256; length++) {
			uint32_t ext, size = kinds[k] == PKT_EXT_AUTH ? (length + 2) * 4
								      : (length + 1) * 8;

			start_ipv6();
			ext = pkt_ipv6_ext(&p, kinds[k], "\1\14\0\0\0\0\0\0\0\0\0\0\0", 14);
			pkt_ip_proto(&p, 253);
			pkt_payload(&p, "\1\6\0\0\0\0\0\0", 8); /* 24 bytes from 'ext' on */
			pkt_finish(&p, 0);
			p.bytes[ext + 1] = length;
			parse();
			/* Options must end where the header does: here at 16. */
			if (size > 24)
				assert_int_equal(h.bad, DP_BAD_IP_OPTION);
			else if (size == 16)
				assert_int_equal(h.bad, DP_BAD_NONE);
			assert_int_equal(h.l3_size, h.bad == DP_BAD_NONE ? 40 + size : 40);
		}
	}
}

static void parser_tries_ipv6_option_lengths(void **state)
{
	for (unsigned length = 0; length < 256; length++) {
		uint8_t options[14] = {0x3e, length};

		start_ipv6();
		pkt_ipv6_ext(&p, PKT_EXT_HOP, options, 14);
		pkt_udp(&p, 1, 2);
		assert_int_equal(finish_and_parse(), length <= 12 ? DP_BAD_NONE : DP_BAD_IP_OPTION);
	}
}

static void parser_tries_ipv6_payload_lengths(void **state)
{
	uint32_t ip = start_ipv6();
	/* 8 UDP + 12 payload = 20 in the frame */
	static const struct {
		uint16_t payload;
		enum dp_bad bad;
	} cases[] = {
		{0, DP_BAD_L4},	   {7, DP_BAD_L4},  {8, DP_BAD_L4},	{19, DP_BAD_L4},
		{20, DP_BAD_NONE}, {21, DP_BAD_IP}, {65535, DP_BAD_IP},
	};

	pkt_udp(&p, 1, 2);
	pkt_fill(&p, 12, 1);
	pkt_finish(&p, 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pkt_set16(&p, ip + 4, cases[i].payload);
		assert_int_equal(parse(), cases[i].bad);
	}
	pkt_pad(&p, 40);
	pkt_set16(&p, ip + 4, 20);
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_size, 60);
}

/* A jumbogram of 'payload' bytes behind the fixed header; 'says' is what its option says, 'length'
 * its UDP header. */
static uint32_t jumbogram(uint32_t payload, uint32_t says, uint16_t length)
{
	uint8_t option[6] = {0xc2, 4, says >> 24, says >> 16 & 0xff, says >> 8 & 0xff, says & 0xff};
	uint32_t ip = start_ipv6(), udp;

	pkt_ipv6_ext(&p, PKT_EXT_HOP, option, 6);
	udp = pkt_udp(&p, 1, 2);
	pkt_fill(&p, payload - 16, 1);
	pkt_finish(&p, PKT_NO_CSUM);
	pkt_set16(&p, ip + 4, 0);
	pkt_set16(&p, udp + 4, length);
	return ip;
}

static void parser_reads_jumbograms(void **state)
{
	jumbogram(65544, 65544, 0);
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_size, 40 + 65544);
	assert_int_equal(h.l4, DP_L4_UDP);
	assert_int_equal(h.l3_size, 48);
	/* Only the first kilobyte is at hand. */
	assert_int_equal(parse_head(1024), DP_BAD_NONE);
	assert_int_equal(h.ip_size, 40 + 65544);
	/* A datagram that its own length field can count must use it (RFC 2675 section 4). */
	jumbogram(65536, 65536, 65528);
	assert_int_equal(parse(), DP_BAD_NONE);
	jumbogram(65543, 65543, 0);
	assert_int_equal(parse(), DP_BAD_L4);
}

static void parser_tries_jumbo_lengths(void **state)
{
	static const uint32_t good[] = {65536, 65599, 65600},
			      bad[] = {0, 8, 65535, 65601, UINT32_MAX - 39, UINT32_MAX};
	uint32_t ip;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		jumbogram(65600, good[i], 8);
		assert_int_equal(parse(), DP_BAD_NONE);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		jumbogram(65600, bad[i], 8);
		assert_int_equal(parse(), DP_BAD_IP_OPTION);
		assert_int_equal(h.ip_size, 40);
	}
	/* A payload length beside the option; no option beside payload length 0; a fragment. */
	ip = jumbogram(65600, 65600, 8);
	pkt_set16(&p, ip + 4, 100);
	assert_int_equal(parse(), DP_BAD_IP_OPTION);
	ip = jumbogram(65600, 65600, 8);
	p.bytes[ip + 42] = 1;
	assert_int_equal(parse(), DP_BAD_IP_OPTION);
	ip = jumbogram(65600, 65600, 8);
	p.bytes[ip + 40] = PKT_EXT_FRAGMENT;
	assert_int_equal(parse(), DP_BAD_IP_OPTION);
}

static void parser_takes_one_jumbo_option_where_it_belongs(void **state)
{
	/* Two bytes of header come before: one option in its place, one shifted, two of them. */
	static const uint8_t good[14] = {1, 2, 0, 0, 0xc2, 4, 0, 1, 0, 0, 0, 0, 0, 0};
	static const uint8_t shifted[14] = {0, 0xc2, 4, 0, 1, 0, 0, 1, 5, 0, 0, 0, 0, 0};
	static const uint8_t twice[14] = {0xc2, 4, 0, 1, 0, 0, 1, 0, 0xc2, 4, 0, 1, 0, 0};
	static const uint8_t long_one[14] = {0xc2, 8, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0};
	const uint8_t *const bodies[] = {good, shifted, twice, long_one};

	for (unsigned i = 0; i < 4; i++) {
		uint32_t ip = start_ipv6();

		pkt_ipv6_ext(&p, PKT_EXT_HOP, bodies[i], 14);
		pkt_ip_proto(&p, 253);
		pkt_fill(&p, 65600, 1);
		pkt_finish(&p, PKT_NO_CSUM);
		pkt_set16(&p, ip + 4, 0);
		assert_int_equal(parse(), i == 0 ? DP_BAD_NONE : DP_BAD_IP_OPTION);
	}
}

static void parser_knows_no_next_header_and_esp(void **state)
{
	start_ipv6();
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_ext, DP_EXT_NONEXT);
	assert_int_equal(h.l4, DP_L4_NONE);
	assert_int_equal(h.ip_size, 40);
	start_ipv6();
	pkt_ip_proto(&p, 50);
	pkt_fill(&p, 40, 1);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.ip_ext, DP_EXT_ESP);
	assert_int_equal(h.l4, DP_L4_OTHER);
	assert_int_equal(h.ip_proto, 50);
}

static void parser_tries_tcp_data_offsets(void **state)
{
	for (unsigned words = 0; words < 16; words++) {
		uint32_t tcp;

		start_ipv4();
		tcp = pkt_tcp(&p, 1, 2, PKT_SYN);
		pkt_fill(&p, 16, 1); /* 36 bytes */
		pkt_finish(&p, 0);
		p.bytes[tcp + 12] = words << 4;
		assert_int_equal(parse(), words < 5 || words > 9 ? DP_BAD_L4 : DP_BAD_NONE);
		assert_int_equal(h.l4_size, h.bad == DP_BAD_NONE ? words * 4 : 0);
		assert_int_equal(h.tcp_flags, h.bad == DP_BAD_NONE ? PKT_SYN : 0);
		assert_int_equal(h.l4, DP_L4_TCP);
	}
}

static void parser_tries_udp_lengths(void **state)
{
	static const struct {
		uint16_t length;
		enum dp_bad bad;
	} cases[] = {
		{0, DP_BAD_L4},	   {7, DP_BAD_L4},  {8, DP_BAD_NONE},	{19, DP_BAD_NONE},
		{20, DP_BAD_NONE}, {21, DP_BAD_L4}, {65535, DP_BAD_L4},
	};
	uint32_t udp;

	start_ipv4();
	udp = pkt_udp(&p, 1, 2);
	pkt_fill(&p, 12, 1);
	pkt_finish(&p, 0);
	pkt_pad(&p, 30); /* padding is no room */
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pkt_set16(&p, udp + 4, cases[i].length);
		assert_int_equal(parse(), cases[i].bad);
	}
}

static void parser_reads_icmp_and_igmp(void **state)
{
	start_ipv4();
	pkt_icmp(&p, 3, 4);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l4, DP_L4_ICMP);
	assert_int_equal(h.icmp_type, 3);
	assert_int_equal(h.icmp_code, 4);
	start_ipv6();
	pkt_icmpv6(&p, 135, 0);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l4, DP_L4_ICMPV6);
	assert_int_equal(h.icmp_type, 135);
	start_ipv4();
	pkt_igmp(&p, 0x22);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l4, DP_L4_IGMP);
	assert_int_equal(h.icmp_type, 0x22);
	/* Each belongs to its own IP. */
	start_ipv4();
	pkt_icmpv6(&p, 135, 0);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.l4, DP_L4_OTHER);
	assert_int_equal(h.icmp_type, 0);
}

static void parser_finds_the_frame_inside_vxlan(void **state)
{
	uint32_t vxlan;

	start_ipv4();
	pkt_udp(&p, 50000, 4789);
	vxlan = pkt_vxlan(&p, 0xabcdef);
	pkt_eth(&p, MAC_A, MAC_B);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_VXLAN);
	assert_int_equal(h.tunnel_id, 0xabcdef);
	assert_int_equal(h.tunnel_offset, vxlan + 8);
	p.bytes[vxlan] = 0xf7; /* everything but the I flag */
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_NONE);
}

static void parser_tries_tunnel_headers_that_are_cut_off(void **state)
{
	static const uint16_t ports[] = {4789, 6081};

	for (unsigned i = 0; i < 2; i++)
		for (uint32_t size = 0; size <= 8; size++) {
			start_ipv6();
			pkt_udp(&p, 50000, ports[i]);
			pkt_payload(&p, "\10\0\0\0\0\0\0\0", size);
			pkt_finish(&p, 0);
			pkt_pad(&p, 40);
			parse();
			if (size < 8)
				assert_int_equal(h.bad, DP_BAD_TUNNEL);
			assert_int_equal(h.l4_size, 8);
			assert_int_equal(h.tunnel,
					 size == 8 && i == 0 ? DP_TUNNEL_VXLAN : DP_TUNNEL_NONE);
		}
	for (uint32_t size = 0; size <= 8; size++) {
		start_ipv4();
		pkt_ip_proto(&p, 47);
		pkt_payload(&p, "\40\0\145\130\0\0\1\0", size);
		assert_int_equal(finish_and_parse(), size < 8 ? DP_BAD_TUNNEL : DP_BAD_NONE);
		assert_int_equal(h.tunnel, size < 8 ? DP_TUNNEL_NONE : DP_TUNNEL_NVGRE);
	}
}

static void parser_tries_geneve_option_lengths(void **state)
{
	for (unsigned words = 0; words < 64; words++)
		for (unsigned tlv = 0; tlv < 32; tlv += words == 4 ? 1 : 31) {
			uint8_t options[16] = {1, 1, 1, tlv};
			bool ok;
			uint32_t geneve;

			start_ipv4();
			pkt_udp(&p, 50000, 6081);
			geneve = pkt_geneve(&p, 5, options, 16);
			pkt_finish(&p, 0);
			p.bytes[geneve] = words;
			parse();
			/* The first option is 'tlv' words long, those behind it (zeros) none: one
			 * word. */
			ok = words <= 4 && (words == 0 || tlv + 1 <= words);
			assert_int_equal(h.bad, ok ? DP_BAD_NONE : DP_BAD_TUNNEL);
			assert_int_equal(h.tunnel_offset, ok ? geneve + 8 + words * 4 : 0);
		}
}

static void parser_tells_geneve_without_ethernet_inside(void **state)
{
	uint32_t geneve;

	start_ipv4();
	pkt_udp(&p, 50000, 6081);
	geneve = pkt_geneve(&p, 77, NULL, 0);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, 0);
	pkt_set16(&p, geneve + 2, 0x0800);
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_GENEVE);
	assert_int_equal(h.tunnel_id, 77);
	assert_int_equal(h.tunnel_offset, 0);
	p.bytes[geneve] = 0x40; /* a version to come */
	assert_int_equal(parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_NONE);
}

static void parser_takes_only_nvgre_among_gre(void **state)
{
	static const uint16_t flags[] = {0x0000, 0x2001, 0x3000, 0xa000, 0x2080, 0x6000};
	uint32_t gre;

	start_ipv4();
	gre = pkt_nvgre(&p, 0x123456);
	pkt_eth(&p, MAC_A, MAC_B);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_NVGRE);
	assert_int_equal(h.tunnel_id, 0x123456);
	assert_int_equal(h.tunnel_offset, gre + 8);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		pkt_set16(&p, gre, flags[i]);
		assert_int_equal(parse(), DP_BAD_NONE);
		assert_int_equal(h.tunnel, DP_TUNNEL_NONE);
	}
}

static void parser_sees_no_tunnel_in_a_fragment(void **state)
{
	start_ipv4();
	pkt_fragment(&p, 0, 1, 1);
	pkt_udp(&p, 50000, 4789);
	assert_int_equal(finish_and_parse(), DP_BAD_NONE);
	assert_int_equal(h.tunnel, DP_TUNNEL_NONE);
}

static void parser_judges_lengths_by_the_whole_frame(void **state)
{
	start_ipv4();
	pkt_tcp(&p, 1, 2, PKT_ACK);
	pkt_fill(&p, 1000, 1);
	pkt_finish(&p, 0);
	assert_int_equal(parse_head(54), DP_BAD_NONE);
	assert_int_equal(h.ip_size, 1040);
	assert_int_equal(parse_head(53), DP_BAD_L4);
	p.size--;
	assert_int_equal(parse_head(54), DP_BAD_IP);
}

static void parser_starts_at_an_ip_header(void **state)
{
	uint8_t *frame;

	start_ipv6();
	pkt_udp(&p, 1, 2);
	pkt_finish(&p, 0);
	frame = before_guard(p.size);
	memcpy(frame, p.bytes, p.size);
	assert_int_equal(dp_parse_ip(frame, 14, p.size, p.size, &h), DP_BAD_NONE);
	assert_int_equal(h.l3, DP_L3_IPV6);
	assert_int_equal(h.l2_size, 14);
	assert_int_equal(h.dport, 2);
	for (uint32_t off = 0; off <= p.size + 2; off++)
		if (off != 14)
			assert_int_not_equal(dp_parse_ip(frame, off, p.size, p.size, &h),
					     DP_BAD_NONE);
}

static void parser_reads_the_first_segment_of_an_mbuf(void **state)
{
	struct rte_mempool *pool = mbufs_pool("parse", 15, 2048);
	const uint32_t cuts[] = {54, 60};
	struct rte_mbuf *m;

	start_ipv4();
	pkt_tcp(&p, 1, 2, PKT_ACK);
	pkt_fill(&p, 100, 1);
	pkt_finish(&p, 0);
	m = mbufs_make(pool, p.bytes, p.size, cuts, 2);
	assert_int_equal(m->nb_segs, 3);
	assert_int_equal(dp_parse_mbuf(m, &h), DP_BAD_NONE);
	assert_int_equal(h.dport, 2);
	rte_pktmbuf_free(m);
	rte_mempool_free(pool);
}

static void parser_agrees_with_the_oracle_on_every_prefix(void **state)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < 400; i++) {
		uint32_t size;

		pkt_random(&p, &seed);
		size = p.size;
		assert_int_equal(parse(), DP_BAD_NONE);
		for (uint32_t cut = 0; cut < size && cut < 200; cut++) {
			parse_head(cut);
			p.size = cut;
			parse();
			p.size = size;
		}
	}
}

static void parser_agrees_with_the_oracle_on_broken_frames(void **state)
{
	unsigned n_bad[DP_BAD_TUNNEL + 1] = {0}, n_tunnels = 0;
	uint64_t seed = 2;

	for (unsigned i = 0; i < 30000; i++) {
		pkt_random(&p, &seed);
		for (unsigned n = pkt_rand(&seed) >> 62; n > 0 && p.size > 0; n--)
			pkt_mutate(&p, &seed);
		n_bad[parse_head(pkt_rand(&seed) % 8 == 0 ? p.size * 3 / 4 : p.size)]++;
		n_tunnels += h.tunnel != DP_TUNNEL_NONE;
	}
	/* The frames were of every kind, or this test says little. */
	for (unsigned i = 0; i <= DP_BAD_TUNNEL; i++)
		assert_true(n_bad[i] > 5);
	assert_true(n_tunnels > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parser_reads_tcp_over_ipv4),
		cmocka_unit_test(parser_reads_udp_over_ipv6),
		cmocka_unit_test(parser_looks_into_two_tags_and_no_more),
		cmocka_unit_test(parser_finds_where_a_tag_is_cut_off),
		cmocka_unit_test(parser_calls_a_runt_a_runt),
		cmocka_unit_test(parser_sees_through_snap_whatever_the_length_says),
		cmocka_unit_test(parser_leaves_other_llc_alone),
		cmocka_unit_test(parser_reads_arp),
		cmocka_unit_test(parser_tries_arp_address_lengths),
		cmocka_unit_test(parser_tries_ipv4_header_lengths),
		cmocka_unit_test(parser_tries_ipv4_total_lengths),
		cmocka_unit_test(parser_tries_ipv4_option_lengths),
		cmocka_unit_test(parser_accepts_ipv4_options_that_end_early),
		cmocka_unit_test(parser_refuses_the_other_ip_version),
		cmocka_unit_test(parser_tells_first_fragments_from_later_ones),
		cmocka_unit_test(parser_knows_no_fragment_with_nothing_but_a_fragment_header),
		cmocka_unit_test(parser_refuses_a_first_fragment_without_its_whole_header),
		cmocka_unit_test(parser_walks_ipv6_extension_headers),
		cmocka_unit_test(parser_notes_unusual_order_and_repeats),
		cmocka_unit_test(parser_takes_hop_by_hop_options_only_at_the_front),
		cmocka_unit_test(parser_bounds_the_extension_header_chain),
		cmocka_unit_test(parser_bounds_the_options_in_a_header),
		cmocka_unit_test(parser_tries_extension_header_lengths),
		cmocka_unit_test(parser_tries_ipv6_option_lengths),
		cmocka_unit_test(parser_tries_ipv6_payload_lengths),
		cmocka_unit_test(parser_reads_jumbograms),
		cmocka_unit_test(parser_tries_jumbo_lengths),
		cmocka_unit_test(parser_takes_one_jumbo_option_where_it_belongs),
		cmocka_unit_test(parser_knows_no_next_header_and_esp),
		cmocka_unit_test(parser_tries_tcp_data_offsets),
		cmocka_unit_test(parser_tries_udp_lengths),
		cmocka_unit_test(parser_reads_icmp_and_igmp),
		cmocka_unit_test(parser_finds_the_frame_inside_vxlan),
		cmocka_unit_test(parser_tries_tunnel_headers_that_are_cut_off),
		cmocka_unit_test(parser_tries_geneve_option_lengths),
		cmocka_unit_test(parser_tells_geneve_without_ethernet_inside),
		cmocka_unit_test(parser_takes_only_nvgre_among_gre),
		cmocka_unit_test(parser_sees_no_tunnel_in_a_fragment),
		cmocka_unit_test(parser_judges_lengths_by_the_whole_frame),
		cmocka_unit_test(parser_starts_at_an_ip_header),
		cmocka_unit_test(parser_reads_the_first_segment_of_an_mbuf),
		cmocka_unit_test(parser_agrees_with_the_oracle_on_every_prefix),
		cmocka_unit_test(parser_agrees_with_the_oracle_on_broken_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
