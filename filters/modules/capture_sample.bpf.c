// SPDX-License-Identifier: BSD-2-Clause
/*
 * capture-sample: one packet in so many, its first bytes, to user space.  Sees and changes nothing
 * (role capture).
 *
 * 	vswitchctl filter attach capture-sample --switch lan0 --role capture --meta
 * 	vswitchctl filter map set capture-sample config 0 '{"every": 1000, "bytes": 128}'
 * 	vswitchctl filter tail capture-sample samples
 *
 * Each record is a 'struct sample', then the packet's bytes.  With 'every' 0, as at first, nothing
 * is sampled.
 */
#include <vswitch_packet.h>
#include <vswitch_filter.h>

#define MOST_BYTES 1024

struct config {
	__u32 every;	/* one packet in so many; 0: none */
	__u32 bytes;	/* of each, at most MOST_BYTES; 0: 128 */
	__be32 address; /* only to or from this IPv4 address; 0: all */
	__u32 reserved;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct sample {
	__u64 time_ns;
	__u32 size;  /* of the packet */
	__u32 bytes; /* that follow */
	__u32 port;  /* 0: attached without meta */
	__u32 tenant;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 64);
	__type(key, int);
	__type(value, __u32);
} samples SEC(".maps");

struct counts {
	__u64 seen, sampled, lost;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

static __always_inline int is_wanted(struct xdp_md *ctx, __be32 address)
{
	struct cursor c = cursor_of(ctx);
	struct ethhdr *eth;
	struct iphdr *ip;
	__u16 vlan;

	if (!address)
		return 1;
	if (take_ethernet(&c, &eth, &vlan) != bpf_htons(ETH_P_IP))
		return 0;
	ip = take_ipv4(&c);
	return ip && (ip->saddr == address || ip->daddr == address);
}

static __always_inline void tell_where(struct xdp_md *ctx, struct sample *s)
{
	struct vswitch_meta *meta = (void *)(long)ctx->data_meta;

	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return;
	s->port = meta->port;
	s->tenant = meta->tenant;
}

SEC("xdp")
int capture_sample(struct xdp_md *ctx)
{
	__u32 zero = 0, size = ctx->data_end - ctx->data;
	struct config *conf = bpf_map_lookup_elem(&config, &zero);
	struct counts *n = bpf_map_lookup_elem(&counts, &zero);
	struct sample s = {.size = size};
	__u64 flags;

	if (!conf || !n || !conf->every || !is_wanted(ctx, conf->address))
		return XDP_PASS;
	n->seen++;
	if (n->seen % conf->every != 0)
		return XDP_PASS;
	s.bytes = conf->bytes ? conf->bytes : 128;
	if (s.bytes > MOST_BYTES)
		s.bytes = MOST_BYTES;
	if (s.bytes > size)
		s.bytes = size;
	s.time_ns = bpf_ktime_get_ns();
	tell_where(ctx, &s);
	flags = BPF_F_CURRENT_CPU | (__u64)s.bytes << 32;
	if (bpf_perf_event_output(ctx, &samples, flags, &s, sizeof(s)) == 0)
		n->sampled++;
	else
		n->lost++;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
