/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: a map of four million MiB.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 0xffffffff);
	__type(key, __u32);
	__type(value, __u8[1024]);
} small SEC(".maps");

SEC("xdp")
int asks(struct xdp_md *ctx)
{
	return bpf_map_lookup_elem(&small, &(__u32){0}) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
