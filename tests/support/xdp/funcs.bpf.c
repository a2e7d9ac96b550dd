/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions: static ones with pointers to their caller's frame, global ones that the verifier looks
 * at by themselves, bounded loops, deep calls.
 */
#include "tests/support/xdp/packet.bpf.h"

struct found {
	__u64 sum;
	__u32 size, n_ones;
	struct xdp_md *ctx;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 64);
} sums SEC(".maps");

static __noinline int look_at(struct found *found, __u32 at)
{
	struct xdp_md *ctx = found->ctx;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *byte;

	if (at > 1500)
		return -1;
	byte = data + at;
	if ((void *)(byte + 1) > end)
		return -1;
	found->sum = found->sum * 33 + *byte;
	found->n_ones += __builtin_popcountll(*byte);
	found->size++;
	return 0;
}

__noinline int global_sum(struct xdp_md *ctx, __u32 from)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 sum = 0;

	from &= 63;
	for (int i = 0; i < 40; i++) {
		__u8 *byte = data + from + i;

		if ((void *)(byte + 1) > end)
			break;
		sum += *byte * (i + 1);
	}
	return sum & 0x7fffffff;
}

static __noinline __u64 deep4(__u64 a, __u64 b)
{
	return a * 7 + (b >> 3);
}

static __noinline __u64 deep3(__u64 a, __u64 b)
{
	return deep4(a ^ b, b) + deep4(b, a);
}

static __noinline __u64 deep2(__u64 a, __u64 b)
{
	volatile __u64 kept[4] = {a, b, a + b, a - b};

	return deep3(kept[2], kept[3]) ^ kept[0] ^ kept[1];
}

SEC("xdp")
int funcs(struct xdp_md *ctx)
{
	struct found found = {.ctx = ctx};
	__u64 value;
	__u32 key;
	int sum;

	for (int i = 0; i < 64; i++)
		if (look_at(&found, i * 3))
			break;
	sum = global_sum(ctx, found.n_ones);
	value = deep2(found.sum, sum) + found.size;
	key = value % 61;
	bpf_map_update_elem(&sums, &key, &value, BPF_ANY);
	return value & 1 ? XDP_PASS : XDP_DROP;
}
