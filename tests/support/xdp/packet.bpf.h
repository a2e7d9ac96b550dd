/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the programs here share: headers, and the way from one to the next.  They are compared, byte
 * for byte, between the kernel, the interpreter and the compiler
 * (tests/unit/filters/kernel_test.c); so nothing in them may depend on time, chance or addresses.
 */
#ifndef TESTS_SUPPORT_XDP_PACKET_BPF_H
#define TESTS_SUPPORT_XDP_PACKET_BPF_H

#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_TAGS 3

struct vlan_tag {
	__be16 tci, type;
};

struct cursor {
	void *at, *end;
};

/* The next 'size' bytes, or NULL. */
static __always_inline void *take(struct cursor *c, __u32 size)
{
	void *at = c->at;

	if ((char *)at + size > (char *)c->end)
		return NULL;
	c->at = (char *)at + size;
	return at;
}

static __always_inline struct cursor packet(struct xdp_md *ctx)
{
	return (struct cursor){(void *)(long)ctx->data, (void *)(long)ctx->data_end};
}

/* EtherType behind Ethernet and VLAN headers, in the network's order; 0: too short. */
static __always_inline __be16 take_ethernet(struct cursor *c)
{
	struct ethhdr *eth = take(c, sizeof(*eth));
	__be16 type;

	if (!eth)
		return 0;
	type = eth->h_proto;
	for (int i = 0; i < MAX_TAGS; i++) {
		struct vlan_tag *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		tag = take(c, sizeof(*tag));
		if (!tag)
			return 0;
		type = tag->type;
	}
	return type;
}

char _license[] SEC("license") = "Dual BSD/GPL";

#endif
