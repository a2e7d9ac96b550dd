/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: a loop that the verifier would follow round by round.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int slots[16];

SEC("xdp")
int goes_round(struct xdp_md *ctx)
{
	for (int i = 0; i < 10000000; i++)
		slots[bpf_get_prandom_u32() & 15] += i;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
