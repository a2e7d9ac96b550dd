/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: a function of the kernel.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash) __ksym;

SEC("xdp")
int asks(struct xdp_md *ctx)
{
	__u32 hash = 0;

	return bpf_xdp_metadata_rx_hash(ctx, &hash) == 0 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
