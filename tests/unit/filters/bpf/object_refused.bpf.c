/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: what the verifier refuses, in a line that its reason must name.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int sound(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int unsound(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data[12] == 8 ? XDP_PASS : XDP_DROP; /* Nobody asked where the packet ends. */
}

char _license[] SEC("license") = "GPL";
