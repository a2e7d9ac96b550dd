/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Counters of flows in a hash, filled to its limit and emptied again; and an LRU hash that never
 * gets full (whom a full one drops is no promise of the kernel's).
 */
#include "tests/support/xdp/packet.bpf.h"

struct flow {
	__be32 src, dst;
	__be16 sport, dport;
	__u32 proto;
};

struct counter {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow);
	__type(value, struct counter);
	__uint(max_entries, 300);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u16);
	__type(value, struct counter);
	__uint(max_entries, 4096);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} results SEC(".maps");

static __always_inline void result(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&results, &what);

	if (n)
		*n += 1;
}

static __always_inline void touch_recent(__u16 key, __u64 size)
{
	struct counter *known = bpf_map_lookup_elem(&recent, &key), new = {1, size};

	key &= 1023;
	if (!known) {
		bpf_map_update_elem(&recent, &key, &new, BPF_ANY);
		return;
	}
	known->packets++;
	known->bytes += size;
}

static __always_inline long touch_flow(struct flow *flow, __u64 size)
{
	struct counter *known = bpf_map_lookup_elem(&flows, flow), new = {1, size};
	long rc;

	if (!known) {
		rc = bpf_map_update_elem(&flows, flow, &new, BPF_NOEXIST);
		result(rc == 0 ? 0 : rc == -7 ? 1 : 2);
		return rc;
	}
	known->packets++;
	known->bytes += size;
	if (known->packets % 5 == 0) {
		rc = bpf_map_delete_elem(&flows, flow);
		result(rc == 0 ? 3 : 4);
		rc = bpf_map_update_elem(&flows, flow, &new, BPF_EXIST);
		result(rc == -2 ? 5 : 6);
	}
	return 0;
}

SEC("xdp")
int hash(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__be16 type = take_ethernet(&c);
	__u64 size = ctx->data_end - ctx->data;
	struct iphdr *ip = take(&c, sizeof(*ip));
	struct udphdr *ports = take(&c, sizeof(*ports));
	struct flow flow = {};

	if (type != bpf_htons(ETH_P_IP) || !ip || !ports || ip->ihl != 5)
		return XDP_PASS;
	/* Few enough to come back, too many for the map. */
	flow.src = ip->saddr & bpf_htonl(0x1f);
	flow.dst = ip->daddr & bpf_htonl(0x0f);
	flow.proto = ip->protocol;
	if (ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_TCP)
		flow.dport = ports->dest & bpf_htons(1);
	touch_recent(bpf_ntohs(ports->source), size);
	return touch_flow(&flow, size) == 0 ? XDP_PASS : XDP_DROP;
}
