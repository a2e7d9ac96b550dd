/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: maps that hold maps and programs from the start.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int leaf(struct xdp_md *ctx);

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 500);
	__type(key, __u32);
	__type(value, __u32);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {[0] = &inner_a, [2] = &inner_b}};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} next SEC(".maps") = {.values = {[5] = (void *)&leaf}};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} later SEC(".maps");

SEC("xdp")
int leaf(struct xdp_md *ctx)
{
	return XDP_TX;
}

/* Counts in the map at 2, and goes on to leaf. */
SEC("xdp")
int root(struct xdp_md *ctx)
{
	__u32 at = 2, key = 9, one = 1, *value;
	void *inner = bpf_map_lookup_elem(&outer, &at);

	if (!inner)
		return XDP_ABORTED;
	value = bpf_map_lookup_elem(inner, &key);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(inner, &key, &one, BPF_ANY);
	bpf_tail_call(ctx, &next, 5);
	bpf_tail_call(ctx, &later, 5);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
