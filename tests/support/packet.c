/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The packet builder; see packet.h.
 */
#include "tests/support/packet.h"

#include <arpa/inet.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void mistake(const char *what)
{
	fprintf(stderr, "packet builder: %s\n", what);
	abort();
}

void pkt_set16(struct pkt *p, uint32_t off, uint16_t value)
{
	p->bytes[off] = value >> 8;
	p->bytes[off + 1] = value & 0xff;
}

void pkt_set32(struct pkt *p, uint32_t off, uint32_t value)
{
	pkt_set16(p, off, value >> 16);
	pkt_set16(p, off + 2, value & 0xffff);
}

uint16_t pkt_get16(const uint8_t *bytes, uint32_t off)
{
	return (uint16_t)(bytes[off] << 8 | bytes[off + 1]);
}

uint32_t pkt_get32(const uint8_t *bytes, uint32_t off)
{
	return (uint32_t)pkt_get16(bytes, off) << 16 | pkt_get16(bytes, off + 2);
}

uint64_t pkt_sum(const uint8_t *bytes, size_t size, uint64_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (uint64_t)bytes[i] << 8 : bytes[i];
	return sum;
}

uint16_t pkt_fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t pkt_crc32c(const uint8_t *bytes, size_t size)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

uint64_t pkt_rand(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

void pkt_init(struct pkt *p)
{
	p->size = 0;
	p->n_layers = 0;
}

/* 'size' zeros at the end of the frame. */
static uint32_t grow(struct pkt *p, uint32_t size)
{
	uint32_t off = p->size;

	if (size > PKT_MAX - off)
		mistake("frame too long");
	memset(p->bytes + off, 0, size);
	p->size += size;
	return off;
}

/* Where the last layer says what follows it, and what the number of 'kind' is there. */
static void announce(struct pkt *p, uint32_t eth_type, uint32_t proto)
{
	const struct pkt_layer *last;

	if (p->n_layers == 0)
		return;
	last = &p->layers[p->n_layers - 1];
	switch (last->kind) {
	case PKT_ETH:
		pkt_set16(p, last->off + 12, eth_type);
		break;
	case PKT_VLAN:
		pkt_set16(p, last->off + 2, eth_type);
		break;
	case PKT_SNAP:
		pkt_set16(p, last->off + 6, eth_type);
		break;
	case PKT_GENEVE:
		pkt_set16(p, last->off + 2, eth_type);
		break;
	case PKT_IPV4:
		p->bytes[last->off + 9] = proto;
		break;
	case PKT_IPV6:
		p->bytes[last->off + 6] = proto;
		break;
	case PKT_IPV6_EXT:
		p->bytes[last->off] = proto;
		break;
	case PKT_MPLS:
	case PKT_PBB:
	case PKT_NVGRE:
	case PKT_VXLAN:
	case PKT_ARP:
	case PKT_TCP:
	case PKT_UDP:
	case PKT_SCTP:
	case PKT_ICMP:
	case PKT_ICMPV6:
	case PKT_IGMP:
	case PKT_PAYLOAD:
		break;
	}
}

static uint32_t layer(struct pkt *p, enum pkt_kind kind, uint32_t size)
{
	uint32_t off = grow(p, size);

	if (p->n_layers == PKT_MAX_LAYERS)
		mistake("too many layers");
	p->layers[p->n_layers++] = (struct pkt_layer){kind, off};
	return off;
}

static void set_mac(struct pkt *p, uint32_t off, const char *text)
{
	struct ether_addr mac;

	if (ether_aton_r(text, &mac) == NULL)
		mistake("not a MAC address");
	memcpy(p->bytes + off, &mac, 6);
}

static void set_ip(struct pkt *p, uint32_t off, int family, const char *text)
{
	if (inet_pton(family, text, p->bytes + off) != 1)
		mistake("not an IP address");
}

uint32_t pkt_eth(struct pkt *p, const char *dst, const char *src)
{
	uint32_t off;

	announce(p, 0x6558, 0);
	off = layer(p, PKT_ETH, 14);
	set_mac(p, off, dst);
	set_mac(p, off + 6, src);
	pkt_set16(p, off + 12, 0x88b5); /* local experimental, until something follows */
	return off;
}

uint32_t pkt_vlan(struct pkt *p, uint16_t tpid, uint16_t tci)
{
	uint32_t off;

	announce(p, tpid, 0);
	off = layer(p, PKT_VLAN, 4);
	pkt_set16(p, off, tci);
	pkt_set16(p, off + 2, 0x88b5);
	return off;
}

uint32_t pkt_snap(struct pkt *p)
{
	uint32_t off;

	announce(p, 0, 0); /* a length: pkt_finish() knows it */
	off = layer(p, PKT_SNAP, 8);
	memcpy(p->bytes + off, "\xaa\xaa\x03\0\0\0\x88\xb5", 8);
	return off;
}

uint32_t pkt_mpls(struct pkt *p, uint16_t type, uint32_t lse)
{
	uint32_t off;

	announce(p, type, 0);
	off = layer(p, PKT_MPLS, 4);
	pkt_set32(p, off, lse);
	return off;
}

uint32_t pkt_pbb(struct pkt *p, uint32_t itag)
{
	uint32_t off;

	announce(p, 0x88e7, 0);
	off = layer(p, PKT_PBB, 4);
	pkt_set32(p, off, itag);
	return off;
}

uint32_t pkt_arp(struct pkt *p, uint16_t op, const char *sender, const char *target)
{
	uint32_t off;

	announce(p, 0x0806, 0);
	off = layer(p, PKT_ARP, 28);
	memcpy(p->bytes + off, "\0\1\10\0\6\4", 6);
	pkt_set16(p, off + 6, op);
	memcpy(p->bytes + off + 8, p->bytes + 6, 6);
	set_ip(p, off + 14, AF_INET, sender);
	set_ip(p, off + 24, AF_INET, target);
	return off;
}

uint32_t pkt_ipv4(struct pkt *p, const char *src, const char *dst)
{
	uint32_t off;

	announce(p, 0x0800, 4);
	off = layer(p, PKT_IPV4, 20);
	p->bytes[off] = 0x45;
	p->bytes[off + 8] = 64;
	p->bytes[off + 9] = 253; /* experimental, until something follows */
	set_ip(p, off + 12, AF_INET, src);
	set_ip(p, off + 16, AF_INET, dst);
	return off;
}

static const struct pkt_layer *last_layer(const struct pkt *p, enum pkt_kind kind)
{
	if (p->n_layers == 0 || p->layers[p->n_layers - 1].kind != kind)
		mistake("options of something else");
	return &p->layers[p->n_layers - 1];
}

void pkt_ipv4_options(struct pkt *p, const void *options, uint32_t size)
{
	uint32_t ip = last_layer(p, PKT_IPV4)->off, off = grow(p, size);

	memcpy(p->bytes + off, options, size);
	p->bytes[ip] = 0x40 | ((p->size - ip) / 4 & 15);
}

uint32_t pkt_ipv6(struct pkt *p, const char *src, const char *dst)
{
	uint32_t off;

	announce(p, 0x86dd, 41);
	off = layer(p, PKT_IPV6, 40);
	p->bytes[off] = 0x60;
	p->bytes[off + 6] = 59;
	p->bytes[off + 7] = 64;
	set_ip(p, off + 8, AF_INET6, src);
	set_ip(p, off + 24, AF_INET6, dst);
	return off;
}

uint32_t pkt_ipv6_ext(struct pkt *p, uint8_t kind, const void *body, uint32_t size)
{
	uint32_t whole = (2 + size + 7) / 8 * 8, off;

	announce(p, 0, kind);
	off = layer(p, PKT_IPV6_EXT, whole);
	p->bytes[off] = 59;
	p->bytes[off + 1] = kind == PKT_EXT_AUTH ? whole / 4 - 2 : whole / 8 - 1;
	if (kind == PKT_EXT_FRAGMENT)
		p->bytes[off + 1] = 0;
	if (body != NULL)
		memcpy(p->bytes + off + 2, body, size);
	return off;
}

void pkt_fragment(struct pkt *p, uint32_t offset, int more, uint16_t id)
{
	const struct pkt_layer *last = &p->layers[p->n_layers - 1];
	uint32_t off;

	if (last->kind == PKT_IPV4) {
		pkt_set16(p, last->off + 4, id);
		pkt_set16(p, last->off + 6, (more ? 0x2000 : 0) | offset / 8);
		return;
	}
	off = pkt_ipv6_ext(p, PKT_EXT_FRAGMENT, NULL, 0);
	pkt_set16(p, off + 2, (offset & 0xfff8) | (more ? 1 : 0));
	pkt_set32(p, off + 4, id);
}

void pkt_ip_proto(struct pkt *p, uint8_t proto)
{
	announce(p, 0, proto);
}

static uint32_t transport(struct pkt *p, enum pkt_kind kind, uint8_t proto, uint32_t size)
{
	announce(p, 0, proto);
	return layer(p, kind, size);
}

uint32_t pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags)
{
	uint32_t off = transport(p, PKT_TCP, 6, 20);

	pkt_set16(p, off, sport);
	pkt_set16(p, off + 2, dport);
	p->bytes[off + 12] = 0x50;
	p->bytes[off + 13] = flags;
	pkt_set16(p, off + 14, 0xffff);
	return off;
}

void pkt_tcp_options(struct pkt *p, const void *options, uint32_t size)
{
	uint32_t tcp = last_layer(p, PKT_TCP)->off, off = grow(p, size);

	memcpy(p->bytes + off, options, size);
	p->bytes[tcp + 12] = (p->size - tcp) / 4 << 4 & 0xf0;
}

uint32_t pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	uint32_t off = transport(p, PKT_UDP, 17, 8);

	pkt_set16(p, off, sport);
	pkt_set16(p, off + 2, dport);
	return off;
}

uint32_t pkt_sctp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	uint32_t off = transport(p, PKT_SCTP, 132, 12);

	pkt_set16(p, off, sport);
	pkt_set16(p, off + 2, dport);
	pkt_set32(p, off + 4, 0x12345678);
	return off;
}

uint32_t pkt_icmp(struct pkt *p, uint8_t type, uint8_t code)
{
	uint32_t off = transport(p, PKT_ICMP, 1, 8);

	p->bytes[off] = type;
	p->bytes[off + 1] = code;
	return off;
}

uint32_t pkt_icmpv6(struct pkt *p, uint8_t type, uint8_t code)
{
	uint32_t off = transport(p, PKT_ICMPV6, 58, 8);

	p->bytes[off] = type;
	p->bytes[off + 1] = code;
	return off;
}

uint32_t pkt_igmp(struct pkt *p, uint8_t type)
{
	uint32_t off = transport(p, PKT_IGMP, 2, 8);

	p->bytes[off] = type;
	return off;
}

uint32_t pkt_vxlan(struct pkt *p, uint32_t vni)
{
	uint32_t off = layer(p, PKT_VXLAN, 8);

	p->bytes[off] = 0x08;
	pkt_set32(p, off + 4, vni << 8);
	return off;
}

uint32_t pkt_geneve(struct pkt *p, uint32_t vni, const void *options, uint32_t size)
{
	uint32_t off = layer(p, PKT_GENEVE, 8 + size);

	p->bytes[off] = size / 4 & 0x3f;
	pkt_set16(p, off + 2, 0x6558);
	pkt_set32(p, off + 4, vni << 8);
	if (size != 0)
		memcpy(p->bytes + off + 8, options, size);
	return off;
}

uint32_t pkt_nvgre(struct pkt *p, uint32_t vsid)
{
	uint32_t off = transport(p, PKT_NVGRE, 47, 8);

	pkt_set16(p, off, 0x2000);
	pkt_set16(p, off + 2, 0x6558);
	pkt_set32(p, off + 4, vsid << 8);
	return off;
}

uint32_t pkt_payload(struct pkt *p, const void *bytes, uint32_t size)
{
	uint32_t off = layer(p, PKT_PAYLOAD, size);

	if (size != 0)
		memcpy(p->bytes + off, bytes, size);
	return off;
}

uint32_t pkt_fill(struct pkt *p, uint32_t size, uint32_t seed)
{
	uint64_t state = UINT64_C(0x9e3779b97f4a7c15) + seed;
	uint32_t off = layer(p, PKT_PAYLOAD, size);

	for (uint32_t i = 0; i < size; i++)
		p->bytes[off + i] = pkt_rand(&state) >> 56;
	return off;
}

void pkt_pad(struct pkt *p, uint32_t size)
{
	grow(p, size);
}

/* The IP layer that carries layer 'i': the nearest one before it. */
static const struct pkt_layer *ip_of(const struct pkt *p, unsigned i)
{
	while (i-- > 0)
		if (p->layers[i].kind == PKT_IPV4 || p->layers[i].kind == PKT_IPV6)
			return &p->layers[i];
	mistake("transport without IP");
	return NULL;
}

static uint64_t pseudo_sum(const struct pkt *p, const struct pkt_layer *ip, uint8_t proto,
			   uint32_t size)
{
	uint64_t sum = (uint64_t)proto + (size >> 16) + (size & 0xffff);

	if (ip->kind == PKT_IPV4)
		return pkt_sum(p->bytes + ip->off + 12, 8, sum);
	return pkt_sum(p->bytes + ip->off + 8, 32, sum);
}

/* The Internet checksum of layer 'i' up to the end, with a pseudo-header when 'proto' is not 0. */
static void checksum(struct pkt *p, unsigned i, uint32_t field, uint8_t proto, unsigned flags)
{
	uint32_t off = p->layers[i].off, size = p->size - off;
	uint64_t sum = proto == 0 ? 0 : pseudo_sum(p, ip_of(p, i), proto, size);
	uint16_t csum;

	pkt_set16(p, off + field, 0);
	if (flags & PKT_PARTIAL && proto != 0) {
		pkt_set16(p, off + field, pkt_fold(sum));
		return;
	}
	csum = ~pkt_fold(pkt_sum(p->bytes + off, size, sum));
	if (csum == 0 && proto == 17)
		csum = 0xffff;
	if (flags & PKT_SPOIL)
		csum ^= 0x5a5a;
	pkt_set16(p, off + field, csum);
}

static void checksum_sctp(struct pkt *p, unsigned i, unsigned flags)
{
	uint32_t off = p->layers[i].off, crc;

	pkt_set32(p, off + 8, 0);
	if (flags & PKT_PARTIAL)
		return;
	crc = pkt_crc32c(p->bytes + off, p->size - off);
	if (flags & PKT_SPOIL)
		crc ^= 0x5a5a;
	pkt_set32(p, off + 8, __builtin_bswap32(crc));
}

/* 'flags' are for the innermost transport only; the function returns those for the layers around.
 */
static unsigned finish_transport(struct pkt *p, unsigned i, unsigned flags)
{
	switch ((int)p->layers[i].kind) {
	case PKT_TCP:
		checksum(p, i, 16, 6, flags);
		return 0;
	case PKT_UDP:
		checksum(p, i, 6, 17, flags);
		return 0;
	case PKT_SCTP:
		checksum_sctp(p, i, flags);
		return 0;
	case PKT_ICMPV6:
		checksum(p, i, 2, 58, flags);
		return 0;
	case PKT_ICMP:
	case PKT_IGMP:
		checksum(p, i, 2, 0, flags);
		return 0;
	default:
		return flags;
	}
}

static void finish_ipv4(struct pkt *p, const struct pkt_layer *ip, unsigned flags)
{
	uint32_t size = (p->bytes[ip->off] & 15) * 4;

	pkt_set16(p, ip->off + 2, p->size - ip->off);
	pkt_set16(p, ip->off + 10, 0);
	if (!(flags & PKT_NO_CSUM))
		pkt_set16(p, ip->off + 10, ~pkt_fold(pkt_sum(p->bytes + ip->off, size, 0)));
}

/* The length field of an 802.3 frame: what follows it. */
static void finish_snap(struct pkt *p, unsigned i)
{
	uint32_t off = p->layers[i].off;

	pkt_set16(p, off - 2, p->size - off);
}

void pkt_finish(struct pkt *p, unsigned flags)
{
	unsigned transport_flags = flags;

	for (unsigned i = p->n_layers; i-- > 0;) {
		const struct pkt_layer *l = &p->layers[i];

		if (l->kind == PKT_UDP)
			pkt_set16(p, l->off + 4, p->size - l->off);
		if (l->kind == PKT_IPV4)
			finish_ipv4(p, l, flags);
		if (l->kind == PKT_IPV6)
			pkt_set16(p, l->off + 4, p->size - l->off - 40);
		if (l->kind == PKT_SNAP)
			finish_snap(p, i);
		if (!(flags & PKT_NO_CSUM))
			transport_flags = finish_transport(p, i, transport_flags);
	}
}
