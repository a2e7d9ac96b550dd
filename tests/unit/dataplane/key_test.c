/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow key: its table of fields, what it says of each shape of frame, and that the short way
 * (dp_key_plain()) says what the long one does.
 */
#include "dataplane/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

#define MAC_A	"02:00:00:00:00:0a"
#define MAC_B	"02:00:00:00:00:0b"
#define IN_PORT 0x1234

static struct pkt p;
static struct dp_key key;
static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	return (pkt_rand(&seed) >> 32) % n;
}

/* Where a frame of 'size' bytes ends at an unreadable page. */
static uint8_t *before_guard(uint32_t size)
{
	static uint8_t *guard;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
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

/* The key of 'p', of which the first 'size' bytes are contiguous, into 'key'. */
static void extract_head(uint32_t size)
{
	uint8_t *frame = before_guard(size);
	struct dp_headers h;

	memcpy(frame, p.bytes, size);
	dp_parse_head(frame, size, p.size, &h);
	memset(&key, 0xee, sizeof(key));
	dp_key_extract_head(frame, size, p.size, &h, IN_PORT, &key);
}

static void extract(void)
{
	pkt_finish(&p, 0);
	extract_head(p.size);
}

static void expect(enum dp_field field, uint64_t value)
{
	uint64_t got = dp_key_get(&key, field);

	if (got != value)
		fail_msg("%s is %#lx, not %#lx", dp_fields[field].name, (unsigned long)got,
			 (unsigned long)value);
}

static void expect_bytes(enum dp_field field, const void *bytes)
{
	uint8_t got[16];

	dp_key_get_bytes(&key, field, got);
	assert_memory_equal(got, bytes, (dp_fields[field].bits + 7u) / 8);
}

/* Nothing but these fields (a list that ends with DP_N_FIELDS) is set. */
static void expect_only(const enum dp_field *fields)
{
	static const struct dp_key none;
	struct dp_key rest = key, mask = {0};

	for (; *fields != DP_N_FIELDS; fields++)
		dp_key_cover(&mask, *fields);
	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		rest.w[i] &= ~mask.w[i];
	assert_memory_equal(&rest, &none, sizeof(rest));
}

#define ONLY(...) expect_only((const enum dp_field[]){__VA_ARGS__, DP_N_FIELDS})
#define L2_FIELDS                                                                                  \
	DP_FIELD_ETH_DST, DP_FIELD_ETH_SRC, DP_FIELD_ETH_TYPE, DP_FIELD_VLAN_VID,                  \
		DP_FIELD_VLAN_PCP, DP_FIELD_IN_PORT
#define IP_FIELDS                                                                                  \
	DP_FIELD_IP_PROTO, DP_FIELD_IP_DSCP, DP_FIELD_IP_ECN, DP_FIELD_IP_FRAG, DP_FIELD_IP4_SRC,  \
		DP_FIELD_IP4_DST
#define IP6_FIELDS                                                                                 \
	DP_FIELD_IP_PROTO, DP_FIELD_IP_DSCP, DP_FIELD_IP_ECN, DP_FIELD_IP_FRAG, DP_FIELD_IP6_SRC,  \
		DP_FIELD_IP6_DST, DP_FIELD_IPV6_FLABEL, DP_FIELD_IPV6_EXTHDR
#define PORT_FIELDS DP_FIELD_TP_SRC, DP_FIELD_TP_DST

static void start_eth(void)
{
	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
}

static void start_ipv4(void)
{
	start_eth();
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
}

static void start_ipv6(void)
{
	start_eth();
	pkt_ipv6(&p, "fd00:1::ffff", "fd00:2::8000:1");
}

/* The table. */

static void fields_have_bits_of_their_own(void **state)
{
	struct dp_key seen = {0};

	for (unsigned i = 0; i < DP_N_FIELDS; i++) {
		struct dp_key mask = {0};
		unsigned bits = 0;

		dp_key_cover(&mask, (enum dp_field)i);
		for (unsigned w = 0; w < DP_KEY_WORDS; w++) {
			assert_int_equal(seen.w[w] & mask.w[w], 0);
			seen.w[w] |= mask.w[w];
			bits += (unsigned)__builtin_popcountll(mask.w[w]);
		}
		assert_int_equal(bits, dp_fields[i].bits);
	}
	assert_string_equal(dp_fields[DP_FIELD_ETH_DST].name, "ETH_DST");
	assert_string_equal(dp_fields[DP_FIELD_REG15].name, "REG15");
}

static void set_changes_its_field_only_and_reads_back(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		enum dp_field field = (enum dp_field)below(DP_N_FIELDS);
		unsigned size = (dp_fields[field].bits + 7u) / 8;
		uint8_t value[16], got[16];
		struct dp_key before, mask = {0};

		for (unsigned w = 0; w < DP_KEY_WORDS; w++)
			key.w[w] = pkt_rand(&seed);
		for (unsigned b = 0; b < 16; b++)
			value[b] = (uint8_t)below(256);
		before = key;
		dp_key_cover(&mask, field);
		dp_key_set_bytes(&key, field, value);
		for (unsigned w = 0; w < DP_KEY_WORDS; w++)
			assert_int_equal((key.w[w] ^ before.w[w]) & ~mask.w[w], 0);
		if (dp_fields[field].bits % 8 != 0)
			value[0] &= (1u << dp_fields[field].bits % 8) - 1;
		dp_key_get_bytes(&key, field, got);
		assert_memory_equal(got, value, size);
		if (dp_fields[field].bits > 64)
			continue;
		dp_key_set(&before, field, dp_key_get(&key, field));
		assert_memory_equal(&before, &key, sizeof(key));
	}
}

static void bits_beyond_a_field_are_ignored(void **state)
{
	memset(&key, 0, sizeof(key));
	dp_key_set(&key, DP_FIELD_VLAN_PCP, 0xffff);
	expect(DP_FIELD_VLAN_PCP, 7);
	expect(DP_FIELD_VLAN_VID, 0);
	assert_int_equal(key.b[14], 0xe0);
}

static void equal_looks_at_the_mask_only(void **state)
{
	struct dp_key a = {0}, b = {0}, mask = {0};

	dp_key_set(&a, DP_FIELD_REG15, 1);
	assert_true(dp_key_equal(&a, &b, &mask));
	dp_key_cover(&mask, DP_FIELD_REG14);
	assert_true(dp_key_equal(&a, &b, &mask));
	dp_key_cover(&mask, DP_FIELD_REG15);
	assert_false(dp_key_equal(&a, &b, &mask));
}

/* Shapes of frames. */

static void ethernet_is_addresses_type_and_port(void **state)
{
	start_eth();
	pkt_fill(&p, 50, 1);
	extract();
	expect(DP_FIELD_ETH_DST, 0x02000000000b);
	expect(DP_FIELD_ETH_SRC, 0x02000000000a);
	expect(DP_FIELD_ETH_TYPE, 0x88b5);
	expect(DP_FIELD_IN_PORT, IN_PORT);
	ONLY(DP_FIELD_ETH_DST, DP_FIELD_ETH_SRC, DP_FIELD_ETH_TYPE, DP_FIELD_IN_PORT);
	assert_memory_equal(key.b, p.bytes, 6);
	assert_memory_equal(key.b + 8, p.bytes + 6, 6);
}

static void too_short_a_frame_is_its_port(void **state)
{
	start_eth();
	extract_head(13);
	expect(DP_FIELD_IN_PORT, IN_PORT);
	ONLY(DP_FIELD_IN_PORT);
}

static void tag_is_the_outermost_and_type_the_innermost(void **state)
{
	start_eth();
	pkt_vlan(&p, 0x88a8, 0xb123); /* with DEI, which has no field */
	pkt_vlan(&p, 0x8100, 0x0456);
	pkt_fill(&p, 50, 1);
	extract();
	expect(DP_FIELD_VLAN_VID, DP_VLAN_PRESENT | 0x123);
	expect(DP_FIELD_VLAN_PCP, 5);
	expect(DP_FIELD_ETH_TYPE, 0x88b5);
	expect(DP_FIELD_INNER_TCI, 0x1456);
	ONLY(L2_FIELDS, DP_FIELD_INNER_TCI);
	start_eth();
	pkt_vlan(&p, 0x8100, 0);
	extract();
	expect(DP_FIELD_VLAN_VID, DP_VLAN_PRESENT);
}

static void frame_without_ethertype_has_openflows_own(void **state)
{
	start_eth();
	pkt_snap(&p);
	pkt_payload(&p, "abc", 3);
	extract();
	expect(DP_FIELD_ETH_TYPE, 0x88b5);
	pkt_set16(&p, 14, 0x4242); /* LLC of something else */
	extract_head(p.size);
	expect(DP_FIELD_ETH_TYPE, DP_ETH_TYPE_LLC);
}

static void arp_is_operation_and_addresses(void **state)
{
	start_eth();
	pkt_arp(&p, 2, "10.0.0.1", "10.0.0.2");
	memcpy(p.bytes + 14 + 18, "\1\2\3\4\5\6", 6);
	extract();
	expect(DP_FIELD_ETH_TYPE, 0x0806);
	expect(DP_FIELD_TP_SRC, 2);
	expect(DP_FIELD_IP4_SRC, 0x0a000001);
	expect(DP_FIELD_IP4_DST, 0x0a000002);
	expect(DP_FIELD_ARP_SHA, 0x02000000000a);
	expect(DP_FIELD_ARP_THA, 0x010203040506);
	ONLY(L2_FIELDS, DP_FIELD_TP_SRC, DP_FIELD_IP4_SRC, DP_FIELD_IP4_DST, DP_FIELD_ARP_SHA,
	     DP_FIELD_ARP_THA);
	pkt_set16(&p, 14, 6); /* not Ethernet's */
	extract_head(p.size);
	ONLY(L2_FIELDS, DP_FIELD_TP_SRC);
	extract_head(p.size - 1);
	ONLY(L2_FIELDS);
}

static void tcp_over_ipv4_is_all_of_its_fields(void **state)
{
	uint32_t ip, tcp;

	start_eth();
	ip = pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	pkt_ipv4_options(&p, "\1\1\1\1", 4);
	tcp = pkt_tcp(&p, 1000, 80, PKT_SYN | PKT_ECE);
	p.bytes[ip + 1] = 0xb9;
	p.bytes[tcp + 12] |= 0x0f;
	extract();
	expect(DP_FIELD_IP_PROTO, 6);
	expect(DP_FIELD_IP_DSCP, 0x2e);
	expect(DP_FIELD_IP_ECN, 1);
	expect(DP_FIELD_IP4_SRC, 0x0a010203);
	expect(DP_FIELD_IP4_DST, 0xc0a8fffe);
	expect(DP_FIELD_TP_SRC, 1000);
	expect(DP_FIELD_TP_DST, 80);
	expect(DP_FIELD_TCP_FLAGS, 0xf42);
	ONLY(L2_FIELDS, IP_FIELDS, PORT_FIELDS, DP_FIELD_TCP_FLAGS);
}

static void other_transports_have_ports_or_type_and_code(void **state)
{
	start_ipv4();
	pkt_udp(&p, 5, 6);
	extract();
	expect(DP_FIELD_TP_SRC, 5);
	expect(DP_FIELD_TP_DST, 6);
	start_ipv4();
	pkt_sctp(&p, 7, 8);
	extract();
	expect(DP_FIELD_IP_PROTO, 132);
	expect(DP_FIELD_TP_SRC, 7);
	expect(DP_FIELD_TP_DST, 8);
	start_ipv4();
	pkt_icmp(&p, 3, 4);
	extract();
	expect(DP_FIELD_TP_SRC, 3);
	expect(DP_FIELD_TP_DST, 4);
	ONLY(L2_FIELDS, IP_FIELDS, PORT_FIELDS);
	start_ipv4();
	pkt_igmp(&p, 0x16);
	extract();
	ONLY(L2_FIELDS, IP_FIELDS);
	start_ipv6();
	pkt_icmpv6(&p, 128, 9);
	extract();
	expect(DP_FIELD_TP_SRC, 128);
	expect(DP_FIELD_TP_DST, 9);
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS);
}

static void fragments_say_so_and_later_ones_have_no_ports(void **state)
{
	start_ipv4();
	pkt_fragment(&p, 0, 1, 7);
	pkt_udp(&p, 5, 6);
	extract();
	expect(DP_FIELD_IP_FRAG, DP_KEY_FRAG_ANY);
	expect(DP_FIELD_TP_DST, 6);
	start_ipv4();
	pkt_fragment(&p, 8, 0, 7);
	pkt_ip_proto(&p, 17);
	pkt_fill(&p, 30, 1);
	extract();
	expect(DP_FIELD_IP_FRAG, DP_KEY_FRAG_ANY | DP_KEY_FRAG_LATER);
	expect(DP_FIELD_IP_PROTO, 17);
	ONLY(L2_FIELDS, IP_FIELDS);
	start_ipv6();
	pkt_fragment(&p, 8, 1, 7);
	pkt_ip_proto(&p, 17);
	pkt_fill(&p, 30, 1);
	extract();
	expect(DP_FIELD_IP_FRAG, DP_KEY_FRAG_ANY | DP_KEY_FRAG_LATER);
	expect(DP_FIELD_IPV6_EXTHDR, DP_EXT_FRAG);
	ONLY(L2_FIELDS, IP6_FIELDS);
}

static void ipv6_is_addresses_label_and_extensions(void **state)
{
	static const uint8_t src[16] = {0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const uint8_t dst[16] = {0xfd, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1};

	start_ipv6();
	pkt_set32(&p, 14, 0x6b9abcde);
	pkt_ipv6_ext(&p, PKT_EXT_HOP, NULL, 6);
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 6);
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, NULL, 6);
	pkt_ipv6_ext(&p, PKT_EXT_MOBILITY, NULL, 6);
	pkt_udp(&p, 5, 6);
	extract();
	expect(DP_FIELD_IP_PROTO, 17);
	expect(DP_FIELD_IP_DSCP, 0x2e);
	expect(DP_FIELD_IP_ECN, 1);
	expect(DP_FIELD_IPV6_FLABEL, 0xabcde);
	/* Mobility has a bit in the parser, none in OpenFlow. */
	expect(DP_FIELD_IPV6_EXTHDR, DP_EXT_HOP | DP_EXT_DEST | DP_EXT_ROUTER);
	expect_bytes(DP_FIELD_IP6_SRC, src);
	expect_bytes(DP_FIELD_IP6_DST, dst);
	expect(DP_FIELD_TP_SRC, 5);
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS);
	start_ipv6();
	pkt_ip_proto(&p, 59);
	extract();
	expect(DP_FIELD_IPV6_EXTHDR, DP_EXT_NONEXT);
	start_ipv6();
	pkt_ipv6_ext(&p, PKT_EXT_FRAGMENT, NULL, 6);
	pkt_ipv6_ext(&p, PKT_EXT_FRAGMENT, NULL, 6);
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, NULL, 6);
	extract();
	expect(DP_FIELD_IPV6_EXTHDR,
	       DP_EXT_FRAG | DP_EXT_ROUTER | DP_EXT_UNREP | DP_EXT_UNSEQ | DP_EXT_NONEXT);
}

/* IPv4's options have the bit that means "no next header" in IPv6. */
static void options_of_ipv4_are_no_extension_header(void **state)
{
	start_ipv4();
	pkt_ipv4_options(&p, "\1\1\1\1", 4);
	extract();
	expect(DP_FIELD_IPV6_EXTHDR, 0);
}

static const uint8_t target[16] = {0xfe, 0x80, [15] = 9};

static void start_nd(uint8_t type, const void *options, uint32_t size)
{
	start_ipv6();
	pkt_icmpv6(&p, type, 0);
	pkt_payload(&p, target, 16);
	pkt_payload(&p, options, size);
	extract();
}

static void solicitation_has_target_and_source_address(void **state)
{
	start_nd(135, "\2\1______\1\1\2\3\4\5\6\7\1\1abcdef", 24);
	expect_bytes(DP_FIELD_ND_TARGET, target);
	expect(DP_FIELD_ARP_SHA, 0x020304050607);
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS, DP_FIELD_ND_TARGET, DP_FIELD_ARP_SHA);
}

static void advertisement_has_target_and_its_address(void **state)
{
	start_nd(136, "\1\1______\x0e\2xxxxxxxxxxxxxx\2\1\2\3\4\5\6\7", 32);
	expect_bytes(DP_FIELD_ND_TARGET, target);
	expect(DP_FIELD_ARP_THA, 0x020304050607);
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS, DP_FIELD_ND_TARGET, DP_FIELD_ARP_THA);
}

static void discovery_that_is_cut_off_has_what_is_there(void **state)
{
	start_nd(135, "\1\0\2\3\4\5\6\7", 8); /* length 0 */
	expect(DP_FIELD_ARP_SHA, 0);
	start_nd(135, "\1\2\2\3\4\5\6\7", 8); /* longer than what is left */
	expect(DP_FIELD_ARP_SHA, 0);
	start_nd(135, "\1\2\2\3\4\5\6\7________", 16); /* not Ethernet's */
	expect(DP_FIELD_ARP_SHA, 0);
	start_nd(135, "\1\1\2\3\4\5\6\7", 8);
	extract_head(p.size - 1);
	expect_bytes(DP_FIELD_ND_TARGET, target);
	expect(DP_FIELD_ARP_SHA, 0);
	extract_head(14 + 40 + 23);
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS);
	/* In the padding behind the packet there are no options. */
	start_nd(135, "", 0);
	pkt_pad(&p, 8);
	memcpy(p.bytes + p.size - 8, "\1\1\2\3\4\5\6\7", 8);
	extract_head(p.size);
	expect(DP_FIELD_ARP_SHA, 0);
	start_nd(134, "\1\1\2\3\4\5\6\7", 8); /* a router's */
	ONLY(L2_FIELDS, IP6_FIELDS, PORT_FIELDS);
}

static void mpls_is_its_first_entry_without_ttl(void **state)
{
	for (uint16_t type = 0x8847; type <= 0x8848; type++) {
		start_eth();
		pkt_vlan(&p, 0x8100, 5);
		pkt_mpls(&p, type, 0xabcdeu << 12 | 5 << 9 | 64);
		pkt_mpls(&p, type, 0x12345u << 12 | 0x100 | 63);
		pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
		extract();
		expect(DP_FIELD_ETH_TYPE, type);
		expect(DP_FIELD_MPLS_LABEL, 0xabcde);
		expect(DP_FIELD_MPLS_TC, 5);
		expect(DP_FIELD_MPLS_BOS, 0);
		expect(DP_FIELD_INNER_LSE, 0x123451);
		expect(DP_FIELD_MPLS_TYPE, 0x0800);
		expect(DP_FIELD_IP4_DST, 0x0a000002);
		ONLY(L2_FIELDS, IP_FIELDS, DP_FIELD_MPLS_LABEL, DP_FIELD_MPLS_TC,
		     DP_FIELD_INNER_LSE, DP_FIELD_MPLS_TYPE);
		extract_head(18 + 8 + 19);
		ONLY(L2_FIELDS, DP_FIELD_MPLS_LABEL, DP_FIELD_MPLS_TC, DP_FIELD_INNER_LSE);
		extract_head(18 + 4);
		expect(DP_FIELD_MPLS_LABEL, 0xabcde);
		ONLY(L2_FIELDS, DP_FIELD_MPLS_LABEL, DP_FIELD_MPLS_TC);
		extract_head(18 + 3);
		ONLY(L2_FIELDS);
	}
}

static void ip_behind_mpls_is_what_its_nibble_says(void **state)
{
	start_eth();
	pkt_mpls(&p, 0x8847, 5 << 12 | 0x100 | 64);
	pkt_ipv6(&p, "fd00::1", "fd00::2");
	pkt_udp(&p, 7, 8);
	extract();
	expect(DP_FIELD_MPLS_TYPE, 0x86dd);
	expect(DP_FIELD_IP_PROTO, 17);
	expect(DP_FIELD_TP_DST, 8);
	expect(DP_FIELD_INNER_LSE, 0);
	p.bytes[18] = 0x50;
	extract_head(p.size);
	ONLY(L2_FIELDS, DP_FIELD_MPLS_LABEL, DP_FIELD_MPLS_TC, DP_FIELD_MPLS_BOS);
	/* Three entries: nobody knows what is behind them. */
	start_eth();
	pkt_mpls(&p, 0x8847, 5 << 12);
	pkt_mpls(&p, 0x8847, 6 << 12);
	pkt_mpls(&p, 0x8847, 7 << 12 | 0x100);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	extract();
	ONLY(L2_FIELDS, DP_FIELD_MPLS_LABEL, DP_FIELD_INNER_LSE);
}

static void pbb_is_its_service_instance(void **state)
{
	start_eth();
	pkt_pbb(&p, 0xf8abcdef);
	pkt_eth(&p, "02:00:00:00:00:0c", "02:00:00:00:00:0d");
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	extract();
	expect(DP_FIELD_ETH_TYPE, 0x88e7);
	expect(DP_FIELD_ETH_SRC, 0x02000000000a);
	expect(DP_FIELD_PBB_UCA, 1);
	expect(DP_FIELD_PBB_ISID, 0xabcdef);
	expect(DP_FIELD_PBB_DST, 0x02000000000c);
	expect(DP_FIELD_PBB_SRC, 0x02000000000d);
	expect(DP_FIELD_PBB_TYPE, 0x0800);
	expect(DP_FIELD_IP4_SRC, 0x0a000001);
	ONLY(L2_FIELDS, IP_FIELDS, DP_FIELD_PBB_UCA, DP_FIELD_PBB_ISID, DP_FIELD_PBB_DST,
	     DP_FIELD_PBB_SRC, DP_FIELD_PBB_TYPE);
	extract_head(14 + 4 + 13); /* no whole Ethernet header behind it */
	ONLY(L2_FIELDS, DP_FIELD_PBB_UCA, DP_FIELD_PBB_ISID);
	pkt_set32(&p, 14, 0xf7abcdef);
	extract_head(p.size);
	expect(DP_FIELD_PBB_UCA, 0);
	extract_head(14 + 3);
	ONLY(L2_FIELDS);
}

static void customers_tag_and_what_is_behind_it_are_known(void **state)
{
	start_eth();
	pkt_vlan(&p, 0x88a8, 0x0007);
	pkt_pbb(&p, 0x00abcdef);
	pkt_eth(&p, "02:00:00:00:00:0c", "02:00:00:00:00:0d");
	pkt_vlan(&p, 0x8100, 0xb123);
	pkt_mpls(&p, 0x8847, 9 << 12 | 0x100);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	extract();
	expect(DP_FIELD_VLAN_VID, DP_VLAN_PRESENT | 7);
	expect(DP_FIELD_PBB_TCI, 0xb123);
	expect(DP_FIELD_PBB_TYPE, 0x8847);
	expect(DP_FIELD_MPLS_LABEL, 9);
	expect(DP_FIELD_MPLS_TYPE, 0x0800);
	expect(DP_FIELD_IP4_DST, 0x0a000002);
	/* Of two, the second says that there is more. */
	start_eth();
	pkt_pbb(&p, 0x00abcdef);
	pkt_eth(&p, "02:00:00:00:00:0c", "02:00:00:00:00:0d");
	pkt_vlan(&p, 0x88a8, 1);
	pkt_vlan(&p, 0x8100, 2);
	pkt_fill(&p, 50, 1);
	extract();
	expect(DP_FIELD_PBB_TCI, 0x1001);
	expect(DP_FIELD_PBB_TYPE, 0x8100);
	expect(DP_FIELD_INNER_TCI, 0);
}

/* The key again, from what the slow parser says. */
static void slow_key(const struct dp_headers *h, struct dp_key *k)
{
	const uint8_t *l3 = p.bytes + h->l2_size, *l4 = l3 + h->l3_size;

	memset(k, 0, sizeof(*k));
	dp_key_set(k, DP_FIELD_IN_PORT, IN_PORT);
	if (h->bad == DP_BAD_ETH)
		return;
	dp_key_set_bytes(k, DP_FIELD_ETH_DST, p.bytes);
	dp_key_set_bytes(k, DP_FIELD_ETH_SRC, p.bytes + 6);
	dp_key_set(k, DP_FIELD_ETH_TYPE, h->eth_type);
	if (h->n_tags != 0) {
		dp_key_set(k, DP_FIELD_VLAN_VID, h->tci[0] % 4096 + 4096u);
		dp_key_set(k, DP_FIELD_VLAN_PCP, h->tci[0] / 8192u);
	}
	if (h->n_tags > 1)
		dp_key_set(k, DP_FIELD_INNER_TCI, (h->tci[1] & 0xefff) | 0x1000);
	if (h->ip_version != 0) {
		dp_key_set(k, DP_FIELD_IP_PROTO, h->ip_proto);
		dp_key_set(k, DP_FIELD_IP_DSCP, h->ip_tos / 4u);
		dp_key_set(k, DP_FIELD_IP_ECN, h->ip_tos % 4u);
		dp_key_set(k, DP_FIELD_IP_FRAG, (h->frag != 0) + (h->frag == DP_FRAG_LATER) * 2u);
	}
	if (h->ip_version == 6) {
		dp_key_set(k, DP_FIELD_IPV6_FLABEL, pkt_get32(l3, 0) & 0xfffff);
		dp_key_set(k, DP_FIELD_IPV6_EXTHDR, h->ip_ext & 0x1ff);
		dp_key_set_bytes(k, DP_FIELD_IP6_SRC, l3 + 8);
		dp_key_set_bytes(k, DP_FIELD_IP6_DST, l3 + 24);
	} else if (h->ip_src != 0) {
		dp_key_set_bytes(k, DP_FIELD_IP4_SRC, p.bytes + h->ip_src);
		dp_key_set_bytes(k, DP_FIELD_IP4_DST, p.bytes + h->ip_dst);
	}
	if (h->l3 == DP_L3_ARP && h->ip_src != 0) {
		dp_key_set_bytes(k, DP_FIELD_ARP_SHA, l3 + 8);
		dp_key_set_bytes(k, DP_FIELD_ARP_THA, l3 + 18);
	}
	dp_key_set(k, DP_FIELD_TP_SRC,
		   h->l4 == DP_L4_IGMP ? 0 : h->sport + h->icmp_type + h->arp_op);
	dp_key_set(k, DP_FIELD_TP_DST, (uint32_t)h->dport + h->icmp_code);
	if (h->l4 == DP_L4_TCP && h->l4_size != 0)
		dp_key_set(k, DP_FIELD_TCP_FLAGS, pkt_get16(l4, 12));
}

static void random_frames_have_the_slow_parsers_key(void **state)
{
	struct dp_headers h;
	struct dp_key slow;

	for (unsigned i = 0; i < 100000; i++) {
		pkt_random(&p, &seed);
		for (unsigned n = below(4); n > 0; n--)
			pkt_mutate(&p, &seed);
		oracle_parse(p.bytes, p.size, p.size, &h);
		/* What has no slow version; it has tests of its own. */
		if (h.eth_type == 0x8847 || h.eth_type == 0x8848 || h.eth_type == 0x88e7 ||
		    h.icmp_type == 135 || h.icmp_type == 136)
			continue;
		slow_key(&h, &slow);
		extract_head(p.size);
		assert_memory_equal(&key, &slow, sizeof(key));
	}
}

/* The short way. */

/* Plain UDP or TCP, with a tag now and then: what pkt_random() makes too seldom. */
static void plainish(void)
{
	start_eth();
	if (below(2))
		pkt_vlan(&p, below(8) ? 0x8100 : 0x88a8, (uint16_t)below(65536));
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	p.bytes[p.size - 19] = (uint8_t)below(256);
	if (below(2))
		pkt_tcp(&p, (uint16_t)below(65536), (uint16_t)below(65536), (uint8_t)below(256));
	else
		pkt_udp(&p, (uint16_t)below(65536),
			below(3)   ? (uint16_t)below(65536)
			: below(2) ? 4789
				   : 6081);
	pkt_fill(&p, below(40), below(65536));
	pkt_finish(&p, 0);
	if (below(2))
		pkt_pad(&p, below(30));
}

/* True when 'p' is plain; then the long way says the same.  What lies behind the frame is noise:
 * what was in the buffer before. */
static bool plain_says_the_same(uint32_t size)
{
	uint64_t w[4] = {0}, short_cut[4];
	struct dp_headers h;
	struct dp_key k, whole;
	bool usual;

	for (uint32_t i = size; i < size + 64; i++)
		p.bytes[i] = (uint8_t)below(256);
	usual = dp_key_usual(p.bytes, size, __builtin_bswap16(IN_PORT), short_cut);
	if (!dp_key_plain(p.bytes, size, __builtin_bswap16(IN_PORT), w)) {
		assert_false(usual);
		return false;
	}
	assert_int_equal(usual, ((p.bytes[0] | p.bytes[6]) & 1) == 0 && (w[1] << 16) != 0 &&
					(w[1] >> 48) == 0);
	if (usual)
		assert_memory_equal(short_cut, w, sizeof(w));
	assert_int_equal(dp_parse(p.bytes, size, &h), DP_BAD_NONE);
	dp_key_extract(p.bytes, size, &h, IN_PORT, &k);
	assert_memory_equal(w, k.w, sizeof(w));
	dp_key_plain_whole(p.bytes, w, &whole);
	assert_memory_equal(&whole, &k, sizeof(k));
	return true;
}

static void plain_is_what_the_long_way_says(void **state)
{
	unsigned n_plain = 0, n = 400000;

	for (unsigned i = 0; i < n; i++) {
		if (i % 4 == 0)
			pkt_random(&p, &seed);
		else
			plainish();
		for (unsigned k = below(4); k > 0; k--)
			pkt_mutate(&p, &seed);
		n_plain += plain_says_the_same(p.size);
	}
	/* That many, or the test would show nothing. */
	assert_true(n_plain > n / 5 && n_plain < n);
}

static void plain_frames_are_plain_at_every_edge(void **state)
{
	static const struct {
		bool udp, tag;
		uint32_t payload;
	} frames[] = {{false, false, 0}, {true, false, 0},   {false, true, 0},
		      {true, true, 0},	 {false, true, 100}, {true, true, 100}};

	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		start_eth();
		if (frames[i].tag)
			pkt_vlan(&p, 0x8100, 0xffff);
		pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		if (frames[i].udp)
			pkt_udp(&p, 5, 6);
		else
			pkt_tcp(&p, 5, 6, PKT_ACK);
		pkt_fill(&p, frames[i].payload, i);
		pkt_finish(&p, 0);
		assert_true(plain_says_the_same(p.size));
		assert_true(plain_says_the_same(p.size + 1));
		assert_false(plain_says_the_same(p.size - 1));
		assert_false(plain_says_the_same(0));
	}
}

/* A frame of 'p.size' bytes of which 'size' are contiguous: when that is enough for the headers,
 * the length that counts is the frame's. */
static void plain_needs_only_the_headers_in_one_piece(void **state)
{
	static const uint8_t nops[40] = {[0 ... 39] = 1};
	unsigned n_plain = 0;

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t w[4];
		struct dp_headers h;
		uint32_t size;

		start_eth();
		if (below(2))
			pkt_vlan(&p, 0x8100, 5);
		pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		pkt_tcp(&p, 5, 6, PKT_ACK);
		pkt_tcp_options(&p, nops, below(11) * 4);
		pkt_fill(&p, 100 + below(100), i);
		pkt_finish(&p, 0);
		for (unsigned k = below(3); k > 0; k--)
			p.bytes[below(60)] = (uint8_t)below(256);
		size = DP_KEY_PLAIN_HEAD + below(p.size - DP_KEY_PLAIN_HEAD + 1);
		if (!dp_key_plain(p.bytes, p.size, __builtin_bswap16(IN_PORT), w))
			continue;
		n_plain++;
		extract_head(size);
		assert_memory_equal(w, key.w, sizeof(w));
		assert_int_equal(dp_parse_head(p.bytes, size, p.size, &h), DP_BAD_NONE);
	}
	assert_true(n_plain > 20000);
}

/* A lone byte of the headers at each value. */
static void no_header_byte_fools_plain(void **state)
{
	static const uint16_t ports[] = {80, 4789, 6081};

	for (unsigned shape = 0; shape < 12; shape++) {
		uint32_t size;

		start_eth();
		if (shape % 2 != 0)
			pkt_vlan(&p, 0x8100, 5);
		pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		if (shape / 2 % 2 != 0)
			pkt_udp(&p, 5, ports[shape / 4]);
		else
			pkt_tcp(&p, 5, 6, PKT_ACK);
		pkt_fill(&p, 8 + shape, shape);
		pkt_finish(&p, 0);
		size = p.size;
		for (uint32_t at = 12; at < size; at++) {
			uint8_t was = p.bytes[at];

			for (unsigned value = 0; value < 256; value++) {
				p.bytes[at] = (uint8_t)value;
				plain_says_the_same(size);
			}
			p.bytes[at] = was;
		}
	}
}

static void broken_tunnel_is_not_plain(void **state)
{
	start_ipv4();
	pkt_udp(&p, 5, 4789);
	pkt_fill(&p, 7, 1);
	pkt_finish(&p, 0);
	assert_false(plain_says_the_same(p.size));
	start_ipv4();
	pkt_udp(&p, 5, 4789);
	pkt_vxlan(&p, 7);
	pkt_finish(&p, 0);
	assert_true(plain_says_the_same(p.size));
	start_ipv4();
	pkt_udp(&p, 5, 6081);
	pkt_geneve(&p, 7, NULL, 0);
	pkt_finish(&p, 0);
	assert_true(plain_says_the_same(p.size));
	p.bytes[42] = 1; /* an option that is not there */
	assert_false(plain_says_the_same(p.size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_bits_of_their_own),
		cmocka_unit_test(set_changes_its_field_only_and_reads_back),
		cmocka_unit_test(bits_beyond_a_field_are_ignored),
		cmocka_unit_test(equal_looks_at_the_mask_only),
		cmocka_unit_test(ethernet_is_addresses_type_and_port),
		cmocka_unit_test(too_short_a_frame_is_its_port),
		cmocka_unit_test(tag_is_the_outermost_and_type_the_innermost),
		cmocka_unit_test(frame_without_ethertype_has_openflows_own),
		cmocka_unit_test(arp_is_operation_and_addresses),
		cmocka_unit_test(tcp_over_ipv4_is_all_of_its_fields),
		cmocka_unit_test(other_transports_have_ports_or_type_and_code),
		cmocka_unit_test(fragments_say_so_and_later_ones_have_no_ports),
		cmocka_unit_test(ipv6_is_addresses_label_and_extensions),
		cmocka_unit_test(options_of_ipv4_are_no_extension_header),
		cmocka_unit_test(solicitation_has_target_and_source_address),
		cmocka_unit_test(advertisement_has_target_and_its_address),
		cmocka_unit_test(discovery_that_is_cut_off_has_what_is_there),
		cmocka_unit_test(mpls_is_its_first_entry_without_ttl),
		cmocka_unit_test(ip_behind_mpls_is_what_its_nibble_says),
		cmocka_unit_test(pbb_is_its_service_instance),
		cmocka_unit_test(customers_tag_and_what_is_behind_it_are_known),
		cmocka_unit_test(random_frames_have_the_slow_parsers_key),
		cmocka_unit_test(plain_is_what_the_long_way_says),
		cmocka_unit_test(plain_frames_are_plain_at_every_edge),
		cmocka_unit_test(plain_needs_only_the_headers_in_one_piece),
		cmocka_unit_test(no_header_byte_fools_plain),
		cmocka_unit_test(broken_tunnel_is_not_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
