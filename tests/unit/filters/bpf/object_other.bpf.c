/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: no program of XDP.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int classify(struct __sk_buff *skb)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
