/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The key of a flow record: frames to keys, and the key of who answers.  Workers; see flowrec.h.
 */
#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"
#include "dataplane/key.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#define TYPE_IPV4    0x0800u
#define TYPE_IPV6    0x86ddu
#define PROTO_ICMP   1u
#define PROTO_ICMPV6 58u
#define DSCP_MASK    0xfcu

/* In which domain and VLAN a frame is carried, as edge.h decides it. */
struct place {
	uint16_t domain, vlan;
};

static uint16_t vid_at(const struct rte_mbuf *m, uint32_t off)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type, tci;

	if (m->data_len < off + 6)
		return 0;
	memcpy(&type, d + off, sizeof(type));
	memcpy(&tci, d + off + 2, sizeof(tci));
	if (type != RTE_BE16(0x8100) && type != RTE_BE16(0x88a8))
		return 0;
	return rte_be_to_cpu_16(tci) & 0xfff;
}

static struct place place_of(const struct dp_vport *in, const struct rte_mbuf *m)
{
	struct place p = {in->domain, in->pvid};
	uint16_t vid = vid_at(m, 12);

	if (in->wire != NULL && vid != 0 && in->wire->domain_of_vlan[vid] != DP_NO_DOMAIN) {
		p.domain = in->wire->domain_of_vlan[vid];
		/* That one named the tenant. */
		vid = vid_at(m, 16);
	}
	if (vid != 0 && (in->flags & DP_VP_TUNNEL) == 0)
		p.vlan = vid;
	return p;
}

static uint64_t load(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/* Any frame but a plain one. */
static void read_other(const struct rte_mbuf *m, struct place at, struct flowrec_frame *f)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct dp_headers h;
	uint64_t *w = f->key.w;
	uint16_t sport, dport;

	dp_parse_mbuf(m, &h);
	memset(w + 1, 0, sizeof(f->key) - sizeof(w[0]));
	w[1] = flowrec_word1(at.domain, at.vlan, h.eth_type, h.ip_src != 0 ? h.ip_version : 0);
	f->bytes = m->pkt_len;
	if (h.ip_src == 0 || h.ip_version == 0) {
		w[1] &= ~(UINT64_C(0xff) << 48);
		if (h.bad != DP_BAD_ETH) {
			w[2] = load(d + 6, 6);
			w[4] = load(d, 6);
		}
		return;
	}
	f->bytes = h.ip_size;
	sport = h.sport;
	dport = h.dport;
	if (h.l4_size != 0 && (h.l4 == DP_L4_ICMP || h.l4 == DP_L4_ICMPV6)) {
		sport = h.icmp_type;
		dport = h.icmp_code;
	}
	if (h.l4 == DP_L4_TCP && h.l4_size != 0)
		f->tcp_flags = h.tcp_flags;
	w[0] |= (uint64_t)h.ip_proto << 16 | (uint64_t)(h.ip_tos & DSCP_MASK) << 24 |
		(uint64_t)rte_cpu_to_be_16(sport) << 32 | (uint64_t)rte_cpu_to_be_16(dport) << 48;
	if (h.ip_version == 4) {
		w[2] = load(d + h.ip_src, 4) | load(d + h.ip_dst, 4) << 32;
	} else {
		w[2] = load(d + h.ip_src, 8);
		w[3] = load(d + h.ip_src + 8, 8);
		w[4] = load(d + h.ip_dst, 8);
		w[5] = load(d + h.ip_dst + 8, 8);
	}
}

void flowrec_frame_read(const struct dp_worker *w, const struct dp_vport *in,
			const struct rte_mbuf *m, struct flowrec_frame *ret)
{
	struct place at;

	if (flowrec_frame_plain(w, in, m, ret))
		return;
	at = place_of(in, m);
	ret->tcp_flags = 0;
	ret->key.w[0] = in->id;
	read_other(m, at, ret);
	ret->domain = at.domain;
	ret->hash = flowrec_hash(w->dp->flowrec_secret, &ret->key);
}

/* The answer's type; -1: it has none.  RFC 792, 4443, 4861, 2710. */
static int icmp_answer(bool v6, unsigned type)
{
	static const struct {
		bool v6;
		uint8_t ask, answer;
	} pairs[] = {{false, 8, 0},    {false, 13, 14},	 {false, 15, 16},  {false, 17, 18},
		     {false, 10, 9},   {true, 128, 129}, {true, 133, 134}, {true, 135, 136},
		     {true, 130, 131}, {true, 139, 140}};

	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i].v6 != v6)
			continue;
		if (pairs[i].ask == type)
			return pairs[i].answer;
		if (pairs[i].answer == type)
			return pairs[i].ask;
	}
	return -1;
}

bool flowrec_key_back(const struct flowrec_key *key, struct flowrec_key *ret)
{
	unsigned family = flowrec_family(key->w), proto = (unsigned)(key->w[0] >> 16) & 0xff;
	uint64_t ports = key->w[0] >> 32;

	*ret = *key;
	if ((family == 4 && proto == PROTO_ICMP) || (family == 6 && proto == PROTO_ICMPV6)) {
		int type = icmp_answer(family == 6, (unsigned)(ports >> 8) & 0xff);

		if (type < 0)
			return false;
		ports = (ports & UINT64_C(0xffff0000)) | (uint64_t)type << 8;
	} else {
		ports = (ports >> 16 | ports << 16) & UINT64_C(0xffffffff);
	}
	ret->w[0] = (key->w[0] & UINT64_C(0xffffffff)) | ports << 32;
	if (family == 4) {
		ret->w[2] = key->w[2] << 32 | key->w[2] >> 32;
	} else {
		ret->w[2] = key->w[4];
		ret->w[3] = key->w[5];
		ret->w[4] = key->w[2];
		ret->w[5] = key->w[3];
	}
	return true;
}
