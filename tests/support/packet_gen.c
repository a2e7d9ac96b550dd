/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random packets; see packet_gen.h.
 */
#include "tests/support/packet_gen.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (pkt_rand(state) >> 32) % n;
}

static bool one_in(uint64_t *state, uint32_t n)
{
	return below(state, n) == 0;
}

static void address4(uint64_t *state, char *text)
{
	snprintf(text, 16, "10.%u.%u.%u", below(state, 256), below(state, 256), below(state, 256));
}

static void address6(uint64_t *state, char *text)
{
	snprintf(text, 32, "fd00::%x:%x", below(state, 65536), below(state, 65535) + 1);
}

static void mac(uint64_t *state, char *text)
{
	snprintf(text, 24, "02:%02x:%02x:%02x:%02x:%02x", below(state, 256), below(state, 256),
		 below(state, 256), below(state, 256), below(state, 256));
}

static void ethernet(struct pkt *p, uint64_t *state)
{
	char dst[24], src[24];

	mac(state, dst);
	mac(state, src);
	pkt_eth(p, dst, src);
	if (one_in(state, 4))
		pkt_vlan(p, 0x88a8, below(state, 65536));
	if (one_in(state, 3))
		pkt_vlan(p, 0x8100, below(state, 65536));
}

/* Ports that no dissector knows, so that the payload stays payload; not those of tunnels. */
static uint16_t port(uint64_t *state)
{
	return 40000 + below(state, 1000);
}

static void tcp(struct pkt *p, uint64_t *state)
{
	uint8_t nops[40];

	memset(nops, 1, sizeof(nops));
	pkt_tcp(p, port(state), port(state), below(state, 256));
	if (one_in(state, 2))
		pkt_tcp_options(p, nops, below(state, 11) * 4);
}

static void ipv4_options(struct pkt *p, uint64_t *state)
{
	static const uint8_t router_alert[4] = {0x94, 4, 0, 0};
	static const uint8_t record_route[12] = {7, 11, 4};

	switch (below(state, 3)) {
	case 0:
		pkt_ipv4_options(p, router_alert, 4);
		break;
	case 1:
		pkt_ipv4_options(p, record_route, 12);
		break;
	default:
		pkt_ipv4_options(p, "\1\1\1\1\1\1\1", 8);
		break;
	}
}

static void ipv6_extensions(struct pkt *p, uint64_t *state)
{
	static const uint8_t padn[14] = {1, 4, 0, 0, 0, 0, 1, 6};
	/* Segments left 0, of a type that is for experiments. */
	static const uint8_t routing[6] = {253, 0};
	static const uint8_t spi[10] = {0, 0, 0, 0, 1, 2, 0, 0, 0, 3};

	if (one_in(state, 3))
		pkt_ipv6_ext(p, PKT_EXT_HOP, padn, one_in(state, 2) ? 6 : 14);
	if (one_in(state, 4))
		pkt_ipv6_ext(p, PKT_EXT_DEST, padn, 6);
	if (one_in(state, 4))
		pkt_ipv6_ext(p, PKT_EXT_ROUTING, routing, 6);
	if (one_in(state, 8))
		pkt_ipv6_ext(p, PKT_EXT_AUTH, spi, 14 - 4);
	if (one_in(state, 4))
		pkt_ipv6_ext(p, PKT_EXT_DEST, padn, 14);
}

/* Returns 4 or 6. */
static int ip(struct pkt *p, uint64_t *state)
{
	char src[40], dst[40];

	if (one_in(state, 2)) {
		address4(state, src);
		address4(state, dst);
		pkt_ipv4(p, src, dst);
		if (one_in(state, 4))
			ipv4_options(p, state);
		return 4;
	}
	address6(state, src);
	address6(state, dst);
	pkt_ipv6(p, src, dst);
	if (one_in(state, 3))
		ipv6_extensions(p, state);
	return 6;
}

static void fragment(struct pkt *p, uint64_t *state, int version)
{
	static const uint8_t protos[] = {1, 6, 17, 132, 253};
	bool first = one_in(state, 3);
	uint32_t offset = first ? 0 : 8 + below(state, 1000) * 8;

	/* The IPv4 builder writes the fragment fields into the IP layer, so it comes before
	 * options. */
	if (version == 4 && p->layers[p->n_layers - 1].kind != PKT_IPV4)
		return;
	pkt_fragment(p, offset, first || one_in(state, 2), below(state, 65536));
	if (first)
		pkt_udp(p, port(state), port(state));
	else
		pkt_ip_proto(p, protos[below(state, sizeof(protos))]);
}

static void transport(struct pkt *p, uint64_t *state, int version)
{
	switch (below(state, 10)) {
	case 0:
	case 1:
	case 2:
		tcp(p, state);
		break;
	case 3:
	case 4:
	case 5:
		pkt_udp(p, port(state), port(state));
		break;
	case 6:
		pkt_sctp(p, port(state), port(state));
		break;
	case 7: /* echo: what other types quote is parsed again by dissectors */
		if (version == 4)
			pkt_icmp(p, one_in(state, 2) ? 8 : 0, 0);
		else
			pkt_icmpv6(p, one_in(state, 2) ? 128 : 129, 0);
		break;
	case 8:
		if (version == 4)
			pkt_igmp(p, 0x16);
		else
			pkt_ip_proto(p, 59);
		break;
	default:
		fragment(p, state, version);
		break;
	}
}

static void tunnel(struct pkt *p, uint64_t *state)
{
	static const uint8_t geneve_options[12] = {1, 2, 3, 1, 9, 9, 9, 9, 1, 2, 4, 0};

	switch (below(state, 3)) {
	case 0:
		pkt_udp(p, port(state), 4789);
		pkt_vxlan(p, below(state, 1 << 24));
		break;
	case 1:
		pkt_udp(p, port(state), 6081);
		pkt_geneve(p, below(state, 1 << 24), geneve_options, one_in(state, 2) ? 12 : 0);
		break;
	default:
		pkt_nvgre(p, below(state, 1 << 24));
		break;
	}
}

void pkt_random(struct pkt *p, uint64_t *state)
{
	char a[40], b[40];

	pkt_init(p);
	ethernet(p, state);
	if (one_in(state, 16)) {
		address4(state, a);
		address4(state, b);
		pkt_arp(p, 1 + below(state, 2), a, b);
		pkt_finish(p, 0);
		return;
	}
	if (one_in(state, 16))
		pkt_snap(p);
	if (one_in(state, 6)) {
		ip(p, state);
		tunnel(p, state);
		ethernet(p, state);
	}
	if (!one_in(state, 20))
		transport(p, state, ip(p, state));
	pkt_fill(p, below(state, one_in(state, 8) ? 1400 : 64), pkt_rand(state));
	pkt_finish(p, 0);
	if (p->size < 60 && one_in(state, 2))
		pkt_pad(p, 60 - p->size);
}

void pkt_mutate(struct pkt *p, uint64_t *state)
{
	static const uint8_t interesting[] = {0,    1,	  4,	5,    6,    7,	  8,	0x3f, 0x40,
					      0x45, 0x4f, 0x50, 0x60, 0x7f, 0x80, 0xf0, 0xff};
	uint32_t headers = p->size < 120 ? p->size : 120;
	uint32_t where;

	if (p->size == 0)
		return;
	where = below(state, headers);
	switch (below(state, 5)) {
	case 0:
		p->bytes[where] = pkt_rand(state) >> 56;
		break;
	case 1:
		p->bytes[where] ^= 1u << below(state, 8);
		break;
	case 2:
		p->bytes[where] = interesting[below(state, sizeof(interesting))];
		break;
	case 3:
		p->bytes[where] += one_in(state, 2) ? 1 : -1;
		break;
	default:
		p->size = below(state, p->size + 1);
		break;
	}
}
