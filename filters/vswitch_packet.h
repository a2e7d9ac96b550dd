/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For sources of filter modules: a way through the headers of a packet that the verifier follows.
 * Installed as <vswitch_packet.h>.
 */
#ifndef FILTERS_VSWITCH_PACKET_H
#define FILTERS_VSWITCH_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_TAGS 2

struct vlan_tag {
	__be16 tci, type;
};

/* Where a program is in the packet. */
struct cursor {
	void *at, *end;
};

static __always_inline struct cursor cursor_of(struct xdp_md *ctx)
{
	struct cursor c = {(void *)(long)ctx->data, (void *)(long)ctx->data_end};

	return c;
}

/* 'size' bytes, and goes behind them; NULL when the packet ends before. */
static __always_inline void *take(struct cursor *c, __u64 size)
{
	void *at = c->at;

	if ((char *)at + size > (char *)c->end)
		return 0;
	c->at = (char *)at + size;
	return at;
}

/* Ethernet and its tags.  The EtherType behind them in network order, 0 when cut off; '*vlan' is
 * the outer tag's VLAN id, 0 untagged. */
static __always_inline __be16 take_ethernet(struct cursor *c, struct ethhdr **eth, __u16 *vlan)
{
	__be16 type;

	*vlan = 0;
	*eth = take(c, sizeof(**eth));
	if (!*eth)
		return 0;
	type = (*eth)->h_proto;
#pragma unroll
	for (int i = 0; i < MAX_TAGS; i++) {
		struct vlan_tag *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		tag = take(c, sizeof(*tag));
		if (!tag)
			return 0;
		if (i == 0)
			*vlan = bpf_ntohs(tag->tci) & 0xfff;
		type = tag->type;
	}
	return type;
}

/* An IPv4 header with its options; NULL when it is none. */
static __always_inline struct iphdr *take_ipv4(struct cursor *c)
{
	struct iphdr *ip = c->at;
	__u32 size;

	if ((void *)(ip + 1) > c->end || ip->version != 4)
		return 0;
	size = ip->ihl * 4;
	if (size < sizeof(*ip) || (char *)c->at + size > (char *)c->end)
		return 0;
	c->at = (char *)c->at + size;
	return ip;
}

/* Is it a later fragment, without a transport header? */
static __always_inline int is_later_fragment(const struct iphdr *ip)
{
	return (ip->frag_off & bpf_htons(0x1fff)) != 0;
}

#endif
