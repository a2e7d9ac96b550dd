/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See tunnel_wire.h.
 */
#include "dataplane/tunnel_wire.h"

#define ETH_SIZE     14u
#define UDP	     17
#define GRE	     47
#define GRE_KEY	     0x2000u
#define ETHERNET_GRE 0x6558u

static uint32_t get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static void put24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

/* ---- Reading ---- */

static bool ip4_sum_is_good(const uint8_t *ip, unsigned size)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < size; i += 2)
		sum += dp_tun_get16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (sum & 0xffff) == 0xffff;
}

static enum dp_drop parse_ip4(const uint8_t *d, uint32_t size, uint32_t frame_size,
			      struct dp_tunnel_outer *o, uint8_t *ret_proto)
{
	const uint8_t *ip = d + ETH_SIZE;
	unsigned header;
	uint32_t total;

	if (size < ETH_SIZE + 20 || ip[0] >> 4 != 4)
		return DP_DROP_TUNNEL_MALFORMED;
	header = (ip[0] & 15) * 4u;
	total = dp_tun_get16(ip + 2);
	if (header < 20 || size < ETH_SIZE + header || total < header ||
	    total > frame_size - ETH_SIZE || !ip4_sum_is_good(ip, header))
		return DP_DROP_TUNNEL_MALFORMED;
	o->tos = ip[1];
	o->l4 = (uint16_t)(ETH_SIZE + header);
	o->l4_size = total - header;
	memcpy(&o->src.v4, ip + 12, 4);
	memcpy(&o->dst.v4, ip + 16, 4);
	*ret_proto = ip[9];
	if ((dp_tun_get16(ip + 6) & 0x3fff) != 0)
		return DP_DROP_TUNNEL_FRAGMENT;
	return DP_N_DROPS;
}

static enum dp_drop parse_ip6(const uint8_t *d, uint32_t size, uint32_t frame_size,
			      struct dp_tunnel_outer *o, uint8_t *ret_proto)
{
	const uint8_t *ip = d + ETH_SIZE;

	if (size < ETH_SIZE + 40 || ip[0] >> 4 != 6)
		return DP_DROP_TUNNEL_MALFORMED;
	o->v6 = o->src.v6 = o->dst.v6 = true;
	o->tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	o->l4 = ETH_SIZE + 40;
	o->l4_size = dp_tun_get16(ip + 4);
	if (o->l4_size > frame_size - o->l4)
		return DP_DROP_TUNNEL_MALFORMED;
	memcpy(o->src.b, ip + 8, 16);
	memcpy(o->dst.b, ip + 24, 16);
	*ret_proto = ip[6];
	return ip[6] == 44 ? DP_DROP_TUNNEL_FRAGMENT : DP_N_DROPS;
}

/* The flag says that there is a VNI; what else is reserved is ignored (RFC 7348 section 5). */
static bool parse_vxlan(const uint8_t *p, uint32_t size, struct dp_tunnel_outer *o)
{
	if (size < 8 || (p[0] & 0x08) == 0)
		return false;
	o->vni = get24(p + 4);
	o->size = (uint16_t)(o->l4 + 16);
	return true;
}

/* Options are skipped, but for those that must be understood (C, RFC 8926 section 3.4). */
static bool parse_geneve(const uint8_t *p, uint32_t size, struct dp_tunnel_outer *o)
{
	uint32_t options;

	if (size < 8 || p[0] >> 6 != 0 || (p[1] & 0x40) != 0 || dp_tun_get16(p + 2) != ETHERNET_GRE)
		return false;
	options = (p[0] & 0x3f) * 4u;
	if (size - 8 < options)
		return false;
	o->vni = get24(p + 4);
	o->size = (uint16_t)(o->l4 + 16 + options);
	return true;
}

/* A key, no checksum, no sequence, version 0 (RFC 7637 section 3.2). */
static bool parse_nvgre(const uint8_t *p, uint32_t size, struct dp_tunnel_outer *o)
{
	if (size < 8 || dp_tun_get16(p) != GRE_KEY || dp_tun_get16(p + 2) != ETHERNET_GRE)
		return false;
	o->vni = get24(p + 4);
	o->size = (uint16_t)(o->l4 + 8);
	return true;
}

static enum dp_tunnel_type type_of_port(uint16_t port, const struct dp_tunnel_udp *udp,
					unsigned n_udp)
{
	for (unsigned i = 0; i < n_udp; i++)
		if (udp[i].port == port)
			return (enum dp_tunnel_type)udp[i].type;
	return DP_TUN_NONE;
}

static enum dp_drop parse_udp(const uint8_t *p, uint32_t size, const struct dp_tunnel_udp *udp,
			      unsigned n_udp, struct dp_tunnel_outer *o)
{
	enum dp_tunnel_type type;
	uint32_t udp_size;
	bool sound;

	if (size < 8)
		return DP_DROP_TUNNEL_MALFORMED;
	type = type_of_port(dp_tun_get16(p + 2), udp, n_udp);
	if (type == DP_TUN_NONE)
		return DP_N_DROPS;
	udp_size = dp_tun_get16(p + 4);
	if (udp_size < 8 || udp_size > o->l4_size)
		return DP_DROP_TUNNEL_MALFORMED;
	o->l4_size = udp_size;
	if (size > udp_size)
		size = udp_size;
	o->zero_csum = dp_tun_get16(p + 6) == 0;
	sound = type == DP_TUN_VXLAN ? parse_vxlan(p + 8, size - 8, o)
				     : parse_geneve(p + 8, size - 8, o);
	if (!sound)
		return DP_DROP_TUNNEL_MALFORMED;
	o->type = (uint8_t)type;
	return DP_N_DROPS;
}

enum dp_drop dp_tunnel_parse(const uint8_t *d, uint32_t size, uint32_t frame_size,
			     const struct dp_tunnel_udp *udp, unsigned n_udp,
			     struct dp_tunnel_outer *ret)
{
	enum dp_drop reason;
	uint8_t proto = 0;
	uint32_t left;
	uint16_t type;

	*ret = (struct dp_tunnel_outer){.type = DP_TUN_NONE};
	if (size < ETH_SIZE)
		return DP_DROP_TUNNEL_MALFORMED;
	type = dp_tun_get16(d + 12);
	if (type == 0x0800)
		reason = parse_ip4(d, size, frame_size, ret, &proto);
	else if (type == 0x86dd)
		reason = parse_ip6(d, size, frame_size, ret, &proto);
	else
		return DP_N_DROPS;
	if (reason != DP_N_DROPS)
		return reason;
	left = size - ret->l4;
	if (left > ret->l4_size)
		left = ret->l4_size;
	if (proto == UDP)
		reason = parse_udp(d + ret->l4, left, udp, n_udp, ret);
	else if (proto == GRE && parse_nvgre(d + ret->l4, left, ret))
		ret->type = DP_TUN_NVGRE;
	else if (proto == GRE)
		reason = DP_DROP_TUNNEL_MALFORMED;
	/* The inner frame has a header at least. */
	if (reason == DP_N_DROPS && ret->type != DP_TUN_NONE &&
	    ret->l4_size < (uint32_t)(ret->size - ret->l4) + ETH_SIZE)
		return DP_DROP_TUNNEL_MALFORMED;
	return reason;
}

bool dp_tunnel_alike_make(const uint8_t *d, const struct dp_tunnel_outer *o,
			  struct dp_tunnel_alike *ret)
{
	/* Not the sender's MAC, DSCP, length, id, "don't fragment", TTL, IP's checksum, source
	 * port, UDP's length: the last two lengths and the checksum are looked at each time. */
	static const uint8_t any[DP_TUNNEL_ALIKE_LOOK] = {
		[6] = 0xff,  [7] = 0xff,  [8] = 0xff,  [9] = 0xff,  [10] = 0xff,
		[11] = 0xff, [15] = 0xfc, [16] = 0xff, [17] = 0xff, [18] = 0xff,
		[19] = 0xff, [20] = 0xc0, [22] = 0xff, [24] = 0xff, [25] = 0xff,
		[34] = 0xff, [35] = 0xff, [38] = 0xff, [39] = 0xff,
	};

	if ((o->type != DP_TUN_VXLAN && o->type != DP_TUN_GENEVE) || o->v6 || o->l4 != 34 ||
	    o->size != DP_TUNNEL_ALIKE_HEAD || !o->zero_csum || (o->tos & 3) != 0)
		return false;
	memcpy(ret->want, d, sizeof(ret->want));
	memset(ret->mask, 0, sizeof(ret->mask));
	for (unsigned i = 0; i < DP_TUNNEL_ALIKE_HEAD; i++)
		ret->mask[i] = (uint8_t)~any[i];
	return true;
}

/* ---- Writing ---- */

static uint32_t sum_of(const uint8_t *p, unsigned size)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < size; i += 2)
		sum += dp_tun_get16(p + i);
	return sum;
}

static void make_tunnel(const struct dp_tunnel_head_spec *spec, uint8_t *p)
{
	switch (spec->type) {
	case DP_TUN_VXLAN:
		p[0] = 0x08;
		put24(p + 4, spec->vni);
		break;
	case DP_TUN_GENEVE:
		dp_tun_put16(p + 2, ETHERNET_GRE);
		put24(p + 4, spec->vni);
		break;
	case DP_TUN_NVGRE:
		dp_tun_put16(p, GRE_KEY);
		dp_tun_put16(p + 2, ETHERNET_GRE);
		put24(p + 4, spec->vni);
		break;
	case DP_TUN_NONE:
		break;
	}
}

static void make_ip4(const struct dp_tunnel_head_spec *spec, uint8_t proto,
		     struct dp_tunnel_head *h)
{
	uint8_t *ip = h->b + h->ip;

	ip[0] = 0x45;
	if (spec->df)
		ip[6] = 0x40;
	ip[9] = proto;
	memcpy(ip + 12, spec->src.b, 4);
	memcpy(ip + 16, spec->dst.b, 4);
	h->ip_sum = sum_of(ip, 20);
	h->ip_word = dp_tun_get64(ip);
	h->l4_sum = sum_of(ip + 12, 8) + proto;
}

static void make_ip6(const struct dp_tunnel_head_spec *spec, uint8_t proto,
		     struct dp_tunnel_head *h)
{
	uint8_t *ip = h->b + h->ip;

	ip[0] = 0x60;
	ip[6] = proto;
	memcpy(ip + 8, spec->src.b, 16);
	memcpy(ip + 24, spec->dst.b, 16);
	h->l4_sum = sum_of(ip + 8, 32) + proto;
}

void dp_tunnel_head_make(const struct dp_tunnel_head_spec *spec, struct dp_tunnel_head *ret)
{
	bool v6 = spec->dst.v6, udp = spec->type != DP_TUN_NVGRE;
	uint16_t l4 = (uint16_t)(DP_TUNNEL_HEAD - 8 - (udp ? 8 : 0));
	uint16_t ip = (uint16_t)(l4 - (v6 ? 40 : 20));
	uint8_t *eth = ret->b + ip - ETH_SIZE;

	*ret = (struct dp_tunnel_head){.size = (uint16_t)(DP_TUNNEL_HEAD - ip + ETH_SIZE),
				       .ip = ip,
				       .l4 = l4,
				       .proto = udp ? UDP : GRE,
				       .v6 = v6,
				       .udp = udp,
				       .csum = udp && spec->csum};
	memcpy(eth, spec->dst_mac, 6);
	memcpy(eth + 6, spec->src_mac, 6);
	dp_tun_put16(eth + 12, v6 ? 0x86dd : 0x0800);
	if (v6)
		make_ip6(spec, udp ? UDP : GRE, ret);
	else
		make_ip4(spec, udp ? UDP : GRE, ret);
	if (udp)
		dp_tun_put16(ret->b + l4 + 2, spec->udp_port);
	if (udp)
		ret->udp_word = dp_tun_get64(ret->b + l4);
	make_tunnel(spec, ret->b + DP_TUNNEL_HEAD - 8);
}
