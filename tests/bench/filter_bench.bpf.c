/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs of filter_bench: what a filter does at least, and what many do.
 */
#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__be32 src, dst;
	__be16 sport, dport;
	__u32 proto;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow);
	__type(value, __u64);
	__uint(max_entries, 65536);
} allowed SEC(".maps");

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

static __always_inline struct iphdr *find_ip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) + sizeof(struct udphdr) > end)
		return 0;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return 0;
	return ip;
}

/* Drops what comes from 203.0.113.0/24, which nothing does. */
SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);

	if (!ip)
		return XDP_PASS;
	if ((ip->saddr & bpf_htonl(0xffffff00)) == bpf_htonl(0xcb007100))
		return XDP_DROP;
	return XDP_PASS;
}

/* What is not in the list goes no further. */
SEC("xdp")
int allow(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);
	struct udphdr *ports;
	struct flow flow = {};
	__u64 *n;

	if (!ip || (ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_TCP))
		return XDP_DROP;
	ports = (void *)(ip + 1);
	flow.src = ip->saddr;
	flow.dst = ip->daddr;
	flow.sport = ports->source;
	flow.dport = ports->dest;
	flow.proto = ip->protocol;
	n = bpf_map_lookup_elem(&allowed, &flow);
	return n ? XDP_PASS : XDP_DROP;
}

/* Writes to the packet: its TTL, without a loop of routers. */
SEC("xdp")
int ttl(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);

	if (ip)
		ip->ttl = 63;
	return XDP_PASS;
}

/* Of xdp_send: where the kernel sends frames; 0: nowhere. */
volatile __u32 to;

SEC("xdp")
int send(struct xdp_md *ctx)
{
	return to != 0 ? bpf_redirect(to, 0) : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
