/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: a helper that the kernel lets XDP programs call, and that we have not.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int asks(struct xdp_md *ctx)
{
	return bpf_get_current_task() != 0 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
