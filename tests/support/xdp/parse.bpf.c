/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A parser: VLAN tags, IPv4 with options, IPv6 with extension headers, transport ports.  What it
 * found decides the verdict and counts.
 */
#include "tests/support/xdp/packet.bpf.h"

#define MAX_EXTENSIONS 6

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 512);
} counts SEC(".maps");

struct extension {
	__u8 next, size;
	__u8 rest[6];
};

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline int parse_ipv4(struct cursor *c)
{
	struct iphdr *ip = take(c, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return -1;
	if (!take(c, ip->ihl * 4 - sizeof(*ip)))
		return -1;
	if (ip->frag_off & bpf_htons(0x1fff))
		return 256;
	return ip->protocol;
}

static __always_inline int parse_ipv6(struct cursor *c)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));
	__u8 next;

	if (!ip || ip->version != 6)
		return -1;
	next = ip->nexthdr;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		struct extension *ext;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			return next;
		ext = take(c, sizeof(*ext));
		if (!ext)
			return -1;
		if (next != IPPROTO_FRAGMENT && !take(c, ext->size * 8))
			return -1;
		next = ext->next;
	}
	return 257;
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__be16 type = take_ethernet(&c);
	struct udphdr *ports;
	int proto;

	if (type == bpf_htons(ETH_P_IP))
		proto = parse_ipv4(&c);
	else if (type == bpf_htons(ETH_P_IPV6))
		proto = parse_ipv6(&c);
	else
		proto = 258;
	if (proto < 0) {
		count(300);
		return XDP_DROP;
	}
	count(proto);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return proto >= 256 ? XDP_ABORTED : XDP_PASS;
	ports = take(&c, sizeof(*ports));
	if (!ports)
		return XDP_DROP;
	count(301 + (bpf_ntohs(ports->source) ^ bpf_ntohs(ports->dest)) % 200);
	return bpf_ntohs(ports->dest) & 1 ? XDP_TX : XDP_PASS;
}
