/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: a helper for programs under the GPL alone, from one that names no licence.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int talks(struct xdp_md *ctx)
{
	bpf_printk("hello");
	return XDP_PASS;
}
