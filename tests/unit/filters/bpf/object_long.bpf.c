/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: INSNS instructions, one after the other.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define TEXT(x)	 #x
#define VALUE(x) TEXT(x)

SEC("xdp")
int walks(struct xdp_md *ctx)
{
	asm volatile(".rept " VALUE(INSNS) "\nr1 += 1\n.endr" ::: "r1");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
