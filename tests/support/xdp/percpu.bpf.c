/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Per-CPU maps, queues and stacks, an array of maps.
 */
#include "tests/support/xdp/packet.bpf.h"

struct counter {
	__u64 packets, bytes;
	__u32 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(max_entries, 16);
} by_type SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, __u64);
	__type(value, struct counter);
	__uint(max_entries, 100);
} by_mac SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__type(value, __u32);
	__uint(max_entries, 17);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__type(value, __u32);
	__uint(max_entries, 9);
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} results SEC(".maps");

static __always_inline void result(__u32 what, __u64 with)
{
	__u64 *n = bpf_map_lookup_elem(&results, &what);

	if (n)
		*n = *n * 33 + with;
}

static __always_inline void touch(struct counter *counter, __u32 size)
{
	counter->packets++;
	counter->bytes += size;
	counter->last = size;
}

SEC("xdp")
int percpu(struct xdp_md *ctx)
{
	struct counter *counter, new = {1, 2, 3};
	__u32 size = ctx->data_end - ctx->data, key, got = 0;
	struct cursor c = packet(ctx);
	struct ethhdr *eth = take(&c, sizeof(*eth));
	__u64 mac;

	if (!eth)
		return XDP_ABORTED;
	key = eth->h_proto & 15;
	counter = bpf_map_lookup_elem(&by_type, &key);
	if (!counter)
		return XDP_ABORTED;
	touch(counter, size);
	mac = eth->h_source[5];
	counter = bpf_map_lookup_elem(&by_mac, &mac);
	if (counter)
		touch(counter, size);
	else
		result(0, -bpf_map_update_elem(&by_mac, &mac, &new, BPF_NOEXIST));
	if (eth->h_source[4] % 16 == 0)
		result(1, -bpf_map_delete_elem(&by_mac, &mac));
	if (eth->h_dest[5] % 3) {
		result(2,
		       -bpf_map_push_elem(&queue, &size, eth->h_dest[5] % 3 == 1 ? BPF_EXIST : 0));
		result(3, -bpf_map_push_elem(&stack, &size, 0));
	} else {
		result(4, -bpf_map_pop_elem(&queue, &got));
		result(5, got);
		result(6, -bpf_map_peek_elem(&stack, &got));
		result(7, got);
		bpf_map_pop_elem(&stack, &got);
	}
	return got & 1 ? XDP_TX : XDP_PASS;
}
