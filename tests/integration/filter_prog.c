/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs of filter_test.py, compiled by clang for BPF; what it is, says -D:
 *
 * 	VERSION=n	a guard: drops pings from addresses in 'blocked', counts in maps of several
 * 			kinds, and says who came in a ring buffer
 * 	VERSION=3	as that, but reads where it may not: the verifier refuses it
 * 	OTHER_MAP	'blocked' has another value: a swap cannot keep its contents
 * 	DROP_ALL	drops everything
 * 	WRITER		writes to the packet: no capture
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef VERSION
#define VERSION 1
#endif

enum seen { SEEN_NOTHING, SEEN_PING, SEEN_OTHER };

struct rule {
	__u32 hits;
	__u8 on : 1, level : 3;
	__u8 mac[6];
	char name[8];
#ifdef OTHER_MAP
	__u64 more;
#endif
};

struct who {
	__be32 saddr, daddr;
	__be16 port;
	__u16 version;
	enum seen what;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __be32);
	__type(value, struct rule);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, 8);
	__uint(value_size, 4);
} nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 5000);
	__type(key, __u32);
	__type(value, __u32);
} big SEC(".maps");

struct job {
	__be32 to;
	__u32 n;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__type(value, struct job);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__type(value, __u32);
} pile SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, __be32);
} known SEC(".maps");

struct one {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} red SEC(".maps"), green SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct one);
} colours SEC(".maps") = {.values = {[1] = &red}};

/* So that the object's types have it: clang leaves out what no map or variable is of. */
struct who *types_of_records;

volatile __u32 version = VERSION;
volatile __u32 chatty;

static __always_inline void count(__u32 i)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &i);

	if (n)
		*n += 1;
}

static __always_inline void tell(const struct iphdr *ip)
{
	struct who *w = bpf_ringbuf_reserve(&seen, sizeof(*w), 0);

	if (!w)
		return;
	w->saddr = ip->saddr;
	w->daddr = ip->daddr;
	w->port = bpf_htons(7);
	w->version = VERSION;
	w->what = SEEN_PING;
	bpf_ringbuf_submit(w, 0);
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct rule *rule;

#ifdef DROP_ALL
	return XDP_DROP;
#endif
#if VERSION != 3
	if ((void *)(ip + 1) > end)
		return XDP_PASS;
#endif
#ifdef WRITER
	*(volatile __u8 *)&ip->tos = ip->tos;
#endif
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_ICMP)
		return XDP_PASS;
	count(VERSION - 1);
	if (chatty)
		bpf_printk("ping %d", VERSION);
	tell(ip);
	rule = bpf_map_lookup_elem(&blocked, &ip->saddr);
	if (!rule)
		return XDP_PASS;
	__sync_fetch_and_add(&rule->hits, 1);
	return XDP_DROP;
}

/* Never called: keeps the maps. */
SEC("xdp")
int others(struct xdp_md *ctx)
{
	__u64 key = 32;
	__u32 i = 0, *p = bpf_map_lookup_elem(&nets, &key), *b = bpf_map_lookup_elem(&big, &i);

	struct job job;
	__u32 top, *inner;

	if (p || bpf_map_pop_elem(&jobs, &job) == 0 || bpf_map_pop_elem(&pile, &top) == 0)
		return XDP_PASS;
	top = 9;
	inner = bpf_map_lookup_elem(&colours, &top);
	if (inner && bpf_map_lookup_elem(inner, &i))
		return XDP_DROP;
	if (bpf_map_peek_elem(&known, &top) == 0)
		return XDP_PASS;
	if (b)
		return XDP_DROP;
	return bpf_redirect_map(&ports, 0, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
