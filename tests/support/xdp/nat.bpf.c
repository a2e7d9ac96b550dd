/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rewrites addresses and ports, and the checksums over them: bpf_csum_diff(), and by hand.
 */
#include "tests/support/xdp/packet.bpf.h"

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline void adjust(__sum16 *sum, __s64 diff)
{
	*sum = ~fold((__u64)(__u32)diff + (__u16) ~*sum);
}

SEC("xdp")
int nat(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	struct ethhdr *eth = c.at;
	__be16 type = take_ethernet(&c);
	struct iphdr *ip = take(&c, sizeof(*ip));
	__be32 from[2], to[2];
	struct udphdr *udp;
	struct tcphdr *tcp;
	__u8 mac[ETH_ALEN];
	__s64 diff;

	if (type != bpf_htons(ETH_P_IP) || !ip || ip->ihl != 5)
		return XDP_PASS;
	from[0] = ip->saddr;
	from[1] = ip->daddr;
	to[0] = bpf_htonl(0xc0a80000 | (bpf_ntohl(ip->saddr) & 0xffff));
	to[1] = ip->saddr;
	diff = bpf_csum_diff(from, sizeof(from), to, sizeof(to), 0);
	if (diff < 0)
		return XDP_ABORTED;
	ip->saddr = to[0];
	ip->daddr = to[1];
	adjust(&ip->check, diff);
	if (ip->protocol == IPPROTO_UDP) {
		udp = take(&c, sizeof(*udp));
		if (!udp)
			return XDP_DROP;
		if (udp->check)
			adjust(&udp->check, diff);
	} else if (ip->protocol == IPPROTO_TCP) {
		tcp = take(&c, sizeof(*tcp));
		if (!tcp)
			return XDP_DROP;
		adjust(&tcp->check, diff);
		/* The sum of the whole header, anew. */
		tcp->window = fold(bpf_csum_diff(0, 0, (void *)tcp, sizeof(*tcp), tcp->seq));
	}
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}
