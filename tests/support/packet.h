/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A packet builder for tests: bytes only, no DPDK.  Layers are added from the outside in, the frame
 * is finished (lengths and checksums, from the inside out), and then a test may spoil what it
 * likes:
 *
 * 	struct pkt p;
 *
 * 	pkt_init(&p);
 * 	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
 * 	pkt_vlan(&p, 0x8100, 10);
 * 	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
 * 	tcp = pkt_tcp(&p, 1000, 80, PKT_SYN);
 * 	pkt_fill(&p, 100, 1);
 * 	pkt_finish(&p, 0);
 * 	p.bytes[tcp + 12] = 0xf0;	// a data offset beyond the end
 *
 * Each layer announces itself in the one before (EtherType, protocol, next header) and returns its
 * offset. Nothing here is shared with the code under test: checksums are summed byte by byte.
 * Addresses that do not parse and frames beyond PKT_MAX abort: they are mistakes of the test.
 */
#ifndef TESTS_SUPPORT_PACKET_H
#define TESTS_SUPPORT_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PKT_MAX	       140000 /* room for a jumbogram */
#define PKT_MAX_LAYERS 24

#define PKT_FIN 0x01
#define PKT_SYN 0x02
#define PKT_RST 0x04
#define PKT_PSH 0x08
#define PKT_ACK 0x10
#define PKT_ECE 0x40
#define PKT_CWR 0x80

/* Kinds of IPv6 extension headers. */
#define PKT_EXT_HOP	 0
#define PKT_EXT_ROUTING	 43
#define PKT_EXT_FRAGMENT 44
#define PKT_EXT_AUTH	 51
#define PKT_EXT_DEST	 60
#define PKT_EXT_MOBILITY 135

/* pkt_finish(): the innermost transport checksum... */
#define PKT_PARTIAL 1u /* is the pseudo-header's sum, as a Linux stack leaves it for the device */
#define PKT_SPOIL   2u /* is wrong */
/* ... and no checksum at all, IPv4's included, is computed. */
#define PKT_NO_CSUM 4u

enum pkt_kind {
	PKT_ETH,
	PKT_VLAN,
	PKT_SNAP,
	PKT_MPLS,
	PKT_PBB,
	PKT_ARP,
	PKT_IPV4,
	PKT_IPV6,
	PKT_IPV6_EXT,
	PKT_TCP,
	PKT_UDP,
	PKT_SCTP,
	PKT_ICMP,
	PKT_ICMPV6,
	PKT_IGMP,
	PKT_VXLAN,
	PKT_GENEVE,
	PKT_NVGRE,
	PKT_PAYLOAD,
};

struct pkt_layer {
	enum pkt_kind kind;
	uint32_t off;
};

struct pkt {
	uint32_t size;
	unsigned n_layers;
	struct pkt_layer layers[PKT_MAX_LAYERS];
	uint8_t bytes[PKT_MAX];
};

void pkt_init(struct pkt *p);

uint32_t pkt_eth(struct pkt *p, const char *dst, const char *src);
uint32_t pkt_vlan(struct pkt *p, uint16_t tpid, uint16_t tci);
/* LLC and SNAP; the EtherType becomes an 802.3 length. */
uint32_t pkt_snap(struct pkt *p);
/* One entry of a label stack; 'lse' is all of it, the bottom-of-stack bit too.  'type' is 0x8847 or
 * 0x8848. */
uint32_t pkt_mpls(struct pkt *p, uint16_t type, uint32_t lse);
/* An I-TAG's four bytes; pkt_eth() follows. */
uint32_t pkt_pbb(struct pkt *p, uint32_t itag);
uint32_t pkt_arp(struct pkt *p, uint16_t op, const char *sender, const char *target);
uint32_t pkt_ipv4(struct pkt *p, const char *src, const char *dst);
/* Directly after pkt_ipv4(): appends to its options; the total must become a multiple of 4. */
void pkt_ipv4_options(struct pkt *p, const void *options, uint32_t size);
uint32_t pkt_ipv6(struct pkt *p, const char *src, const char *dst);
/* An extension header of 'kind' whose bytes from the third on are 'body' (NULL: zeros), padded with
 * zeros (Pad1).
 */
uint32_t pkt_ipv6_ext(struct pkt *p, uint8_t kind, const void *body, uint32_t size);
/* Makes it a fragment: fields of the IPv4 header, or a fragment header.  'offset' in bytes. */
void pkt_fragment(struct pkt *p, uint32_t offset, int more, uint16_t id);
/* What follows the IP headers in a later fragment, or that the builder does not know. */
void pkt_ip_proto(struct pkt *p, uint8_t proto);
uint32_t pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags);
/* Directly after pkt_tcp(), as pkt_ipv4_options(). */
void pkt_tcp_options(struct pkt *p, const void *options, uint32_t size);
uint32_t pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport);
uint32_t pkt_sctp(struct pkt *p, uint16_t sport, uint16_t dport);
uint32_t pkt_icmp(struct pkt *p, uint8_t type, uint8_t code);
uint32_t pkt_icmpv6(struct pkt *p, uint8_t type, uint8_t code);
uint32_t pkt_igmp(struct pkt *p, uint8_t type);
/* Tunnels: the UDP header before the first two is the caller's (port 4789, 6081).  pkt_eth()
 * follows. */
uint32_t pkt_vxlan(struct pkt *p, uint32_t vni);
uint32_t pkt_geneve(struct pkt *p, uint32_t vni, const void *options, uint32_t size);
uint32_t pkt_nvgre(struct pkt *p, uint32_t vsid);
uint32_t pkt_payload(struct pkt *p, const void *bytes, uint32_t size);
/* 'size' bytes that depend on 'seed' and their place. */
uint32_t pkt_fill(struct pkt *p, uint32_t size, uint32_t seed);

/* Lengths and checksums.  PKT_*. */
void pkt_finish(struct pkt *p, unsigned flags);
/* After pkt_finish(): bytes behind what the headers count. */
void pkt_pad(struct pkt *p, uint32_t size);

void pkt_set16(struct pkt *p, uint32_t off, uint16_t value);
void pkt_set32(struct pkt *p, uint32_t off, uint32_t value);
uint16_t pkt_get16(const uint8_t *bytes, uint32_t off);
uint32_t pkt_get32(const uint8_t *bytes, uint32_t off);

/* RFC 1071 byte by byte, added to 'sum'; not folded. */
uint64_t pkt_sum(const uint8_t *bytes, size_t size, uint64_t sum);
uint16_t pkt_fold(uint64_t sum);
/* CRC32c bit by bit, as SCTP wants it: init and final inversion included. */
uint32_t pkt_crc32c(const uint8_t *bytes, size_t size);

/* A small generator of numbers, the same on every machine (xorshift64*). */
uint64_t pkt_rand(uint64_t *state);

#endif
