/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves the ends of packets: pushes and pops headers, cuts and lengthens tails, puts metadata in
 * front; bytes by helpers.
 */
#include "tests/support/xdp/packet.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 64);
} results SEC(".maps");

static __always_inline void result(__u32 what, long rc)
{
	__u64 *n = bpf_map_lookup_elem(&results, &what);

	if (n)
		*n = *n * 31 + (__u64)rc;
}

static __always_inline int push_vlan(struct xdp_md *ctx, __u16 tci)
{
	struct ethhdr *eth, copy;
	struct vlan_tag *tag;
	struct cursor c = packet(ctx);

	eth = take(&c, sizeof(*eth));
	if (!eth)
		return XDP_DROP;
	copy = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*tag)))
		return XDP_ABORTED;
	c = packet(ctx);
	eth = take(&c, sizeof(*eth));
	tag = take(&c, sizeof(*tag));
	if (!eth || !tag)
		return XDP_DROP;
	*eth = copy;
	eth->h_proto = bpf_htons(ETH_P_8021Q);
	tag->tci = bpf_htons(tci);
	tag->type = copy.h_proto;
	return XDP_TX;
}

static __always_inline int encapsulate(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u32 size = ctx->data_end - ctx->data;
	struct ethhdr *eth, copy;
	struct iphdr *ip;

	eth = take(&c, sizeof(*eth));
	if (!eth)
		return XDP_DROP;
	copy = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_ABORTED;
	c = packet(ctx);
	eth = take(&c, sizeof(*eth));
	ip = take(&c, sizeof(*ip));
	if (!eth || !ip)
		return XDP_DROP;
	*eth = copy;
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->protocol = IPPROTO_IPIP;
	ip->tot_len = bpf_htons(size + sizeof(*ip) - sizeof(*eth));
	ip->ttl = 64;
	ip->saddr = bpf_htonl(0x0a000001);
	ip->daddr = bpf_htonl(0x0a000002);
	return XDP_TX;
}

static __always_inline int by_helpers(struct xdp_md *ctx, __u32 at)
{
	__u8 bytes[32] = {};
	long rc;

	result(1, bpf_xdp_get_buff_len(ctx));
	rc = bpf_xdp_load_bytes(ctx, at, bytes, sizeof(bytes));
	result(2, rc);
	for (int i = 0; i < 16; i++) {
		__u8 one = bytes[i];

		bytes[i] = bytes[31 - i];
		bytes[31 - i] = one;
	}
	rc = bpf_xdp_store_bytes(ctx, at, bytes, sizeof(bytes));
	result(3, rc);
	return rc ? XDP_DROP : XDP_PASS;
}

static __always_inline __u64 meta_size(const struct xdp_md *ctx)
{
	return (void *)(long)ctx->data - (void *)(long)ctx->data_meta;
}

static __always_inline int with_meta(struct xdp_md *ctx, __u32 size)
{
	long rc = bpf_xdp_adjust_meta(ctx, -(int)size);
	__u32 *meta;

	result(4, rc);
	if (rc)
		return XDP_PASS;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) <= (void *)(long)ctx->data) {
		*meta = 0x12345678;
		result(5, meta_size(ctx));
	}
	rc = bpf_xdp_adjust_head(ctx, -8);
	result(6, rc);
	result(7, meta_size(ctx));
	return XDP_PASS;
}

SEC("xdp")
int ends(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u8 *bytes = take(&c, 14);
	__u32 size = ctx->data_end - ctx->data;
	long rc;

	if (!bytes)
		return XDP_ABORTED;
	switch (bytes[5] % 8) {
	case 0:
		return push_vlan(ctx, bytes[11]);
	case 1:
		return encapsulate(ctx);
	case 2: /* Cut. */
		rc = bpf_xdp_adjust_tail(ctx, -(int)(bytes[11] % 128));
		result(10, rc);
		return rc ? XDP_DROP : XDP_PASS;
	case 3: /* Longer. */
		rc = bpf_xdp_adjust_tail(ctx, bytes[11]);
		result(11, rc);
		return rc ? XDP_DROP : XDP_PASS;
	case 4: /* Pop. */
		rc = bpf_xdp_adjust_head(ctx, bytes[11] % 64);
		result(12, rc);
		return rc ? XDP_DROP : XDP_PASS;
	case 5: /* Too much. */
		result(13, bpf_xdp_adjust_head(ctx, -400));
		result(14, bpf_xdp_adjust_head(ctx, size - 13));
		result(15, bpf_xdp_adjust_tail(ctx, -(int)size + 13));
		result(16, bpf_xdp_adjust_tail(ctx, 5000));
		return XDP_PASS;
	case 6:
		return by_helpers(ctx, bytes[11]);
	default:
		return with_meta(ctx, bytes[11] % 48);
	}
}
