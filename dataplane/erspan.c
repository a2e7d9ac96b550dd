/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See erspan.h.
 */
#include "dataplane/erspan.h"

#define ETH_SIZE	14u
#define IP4_SIZE	20u
#define IP6_SIZE	40u
#define GRE_SIZE	8u
#define GRE		47
#define GRE_HAS_SEQ	0x1000u
#define TYPE_2_PROTO	0x88beu
#define TYPE_3_PROTO	0x22ebu
#define TYPE_2_SIZE	8u
#define TYPE_3_SIZE	12u
#define TAG_PRESERVED	3u
#define ETHERNET_FRAMES 0u
#define GRA_100_US	0u

static void put32(uint8_t *p, uint32_t host)
{
	dp_tun_put16(p, (uint16_t)(host >> 16));
	dp_tun_put16(p + 2, (uint16_t)host);
}

static uint32_t own_size(const struct dp_erspan *e)
{
	return e->type == 3 ? TYPE_3_SIZE : TYPE_2_SIZE;
}

uint32_t dp_erspan_size(const struct dp_erspan *e, bool v6)
{
	return ETH_SIZE + (v6 ? IP6_SIZE : IP4_SIZE) + GRE_SIZE + own_size(e);
}

static uint16_t ip4_sum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < IP4_SIZE; i += 2)
		sum += dp_tun_get16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

static void put_ip4(const struct dp_erspan *e, const struct dp_erspan_frame *f, uint8_t *ip,
		    uint32_t payload)
{
	memset(ip, 0, IP4_SIZE);
	ip[0] = 0x45;
	ip[1] = e->tos;
	dp_tun_put16(ip + 2, (uint16_t)(IP4_SIZE + payload));
	ip[6] = 0x40; /* do not fragment: what is too long was truncated */
	ip[8] = e->ttl;
	ip[9] = GRE;
	memcpy(ip + 12, f->src.b, 4);
	memcpy(ip + 16, f->dst.b, 4);
	dp_tun_put16(ip + 10, ip4_sum(ip));
}

static void put_ip6(const struct dp_erspan *e, const struct dp_erspan_frame *f, uint8_t *ip,
		    uint32_t payload)
{
	put32(ip, UINT32_C(6) << 28 | (uint32_t)e->tos << 20);
	dp_tun_put16(ip + 4, (uint16_t)payload);
	ip[6] = GRE;
	ip[7] = e->ttl;
	memcpy(ip + 8, f->src.b, 16);
	memcpy(ip + 24, f->dst.b, 16);
}

/* The first four bytes are both types', but for the two bits that type III gives another meaning
 * to: there a good frame says 0. */
static void put_erspan(const struct dp_erspan *e, const struct dp_erspan_frame *f, uint8_t *p)
{
	uint32_t en = e->type != 3 && f->tagged ? TAG_PRESERVED : 0;

	dp_tun_put16(p, (uint16_t)((e->type == 3 ? 2u : 1u) << 12 | (f->vlan & 0xfffu)));
	dp_tun_put16(p + 2,
		     (uint16_t)((f->cos & 7u) << 13 | en << 11 | (f->truncated ? 1u : 0) << 10 |
				(e->session & DP_ERSPAN_MAX_SESSION)));
	if (e->type != 3) {
		put32(p + 4, f->index & 0xfffff);
		return;
	}
	put32(p + 4, f->time);
	dp_tun_put16(p + 8, 0);
	dp_tun_put16(p + 10, (uint16_t)(UINT32_C(1) << 15 | ETHERNET_FRAMES << 10 |
					(f->index & 0x3fu) << 4 | (f->egress ? 1u : 0) << 3 |
					GRA_100_US << 1));
}

void dp_erspan_put(const struct dp_erspan *e, const struct dp_erspan_frame *f, uint8_t *frame)
{
	uint8_t *p = frame - own_size(e), *gre = p - GRE_SIZE;
	uint8_t *ip = gre - (f->dst.v6 ? IP6_SIZE : IP4_SIZE), *eth = ip - ETH_SIZE;
	uint32_t payload = GRE_SIZE + own_size(e) + f->size;

	memcpy(eth, f->dst_mac, 6);
	memcpy(eth + 6, f->src_mac, 6);
	dp_tun_put16(eth + 12, f->dst.v6 ? 0x86dd : 0x0800);
	if (f->dst.v6)
		put_ip6(e, f, ip, payload);
	else
		put_ip4(e, f, ip, payload);
	dp_tun_put16(gre, GRE_HAS_SEQ);
	dp_tun_put16(gre + 2, e->type == 3 ? TYPE_3_PROTO : TYPE_2_PROTO);
	put32(gre + 4, f->sequence);
	put_erspan(e, f, p);
}
