// SPDX-License-Identifier: BSD-2-Clause
/*
 * syn-guard: how many connections a second a source may open, and a destination may be asked for.
 *
 * Every source address and every destination (address, port) has a bucket of tokens that fills at
 * its rate up to its burst; a SYN takes one of each and is dropped where there is none.  All other
 * packets pass.  Sources are IPv6 /64s and single IPv4 addresses.  Buckets are kept for those that
 * were seen last; a flood of made-up sources evicts other sources' buckets, not the destination's,
 * which is what holds then.
 *
 * 	vswitchctl filter attach syn-guard --port web1 --direction egress
 * 	vswitchctl filter map set syn-guard config 0 '{"source_rate": 20, "destination_rate": 500}'
 * 	vswitchctl filter map dump syn-guard counts
 */
#include <vswitch_packet.h>

#define TRIES 4 /* at a bucket that others take from, too */

/* SYNs a second; 0: any number.  Bursts: 0 means one second's worth. */
struct config {
	__u32 source_rate, source_burst;
	__u32 destination_rate, destination_burst;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct source {
	__be32 address[4]; /* IPv4: ::ffff:a.b.c.d; IPv6: its /64 */
};
struct destination {
	__be32 address[4];
	__be16 port, reserved;
};
/* When the bucket will be full again; a token is a step of 1/rate seconds. */
struct bucket {
	__u64 full_ns;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct source);
	__type(value, struct bucket);
} sources SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct destination);
	__type(value, struct bucket);
} destinations SEC(".maps");

enum { PASSED, OVER_SOURCE, OVER_DESTINATION, MALFORMED, N_COUNTS };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(__u32 what, int verdict)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		*n += 1;
	return verdict;
}

/* Does the bucket of 'key' have a token?  Takes it.  Other workers do so at the same time. */
static __always_inline int take_token(void *map, const void *key, __u32 rate, __u32 burst)
{
	__u64 now = bpf_ktime_get_ns(), step = 1000000000ull / rate;
	__u64 most = step * (burst ? burst : rate);
	struct bucket fresh = {.full_ns = now + step};
	struct bucket *b = bpf_map_lookup_elem(map, key);

	if (!b) {
		if (bpf_map_update_elem(map, key, &fresh, BPF_NOEXIST) == 0)
			return 1;
		b = bpf_map_lookup_elem(map, key);
		if (!b)
			return 1;
	}
#pragma unroll
	for (int i = 0; i < TRIES; i++) {
		__u64 was = b->full_ns, from = was > now ? was : now;

		if (from + step - now > most)
			return 0;
		if (__sync_val_compare_and_swap(&b->full_ns, was, from + step) == was)
			return 1;
	}
	return 1;
}

static __always_inline int guard(const struct config *conf, const struct source *from,
				 const struct destination *to)
{
	if (conf->destination_rate &&
	    !take_token(&destinations, to, conf->destination_rate, conf->destination_burst))
		return count(OVER_DESTINATION, XDP_DROP);
	if (conf->source_rate && !take_token(&sources, from, conf->source_rate, conf->source_burst))
		return count(OVER_SOURCE, XDP_DROP);
	return count(PASSED, XDP_PASS);
}

SEC("xdp")
int syn_guard(struct xdp_md *ctx)
{
	struct cursor c = cursor_of(ctx);
	struct destination to = {};
	struct source from = {};
	struct config *conf;
	struct ethhdr *eth;
	struct tcphdr *tcp;
	__u32 zero = 0;
	__u16 vlan;
	__be16 type = take_ethernet(&c, &eth, &vlan);

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = take_ipv4(&c);

		if (!ip || ip->protocol != IPPROTO_TCP || is_later_fragment(ip))
			return XDP_PASS;
		from.address[2] = to.address[2] = bpf_htonl(0xffff);
		from.address[3] = ip->saddr;
		to.address[3] = ip->daddr;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = take(&c, sizeof(*ip));

		if (!ip || ip->nexthdr != IPPROTO_TCP)
			return XDP_PASS;
		__builtin_memcpy(from.address, &ip->saddr, 8);
		__builtin_memcpy(to.address, &ip->daddr, 16);
	} else {
		return XDP_PASS;
	}
	tcp = take(&c, sizeof(*tcp));
	if (!tcp)
		return count(MALFORMED, XDP_DROP);
	if (!tcp->syn || tcp->ack)
		return XDP_PASS;
	to.port = tcp->dest;
	conf = bpf_map_lookup_elem(&config, &zero);
	return conf ? guard(conf, &from, &to) : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
