/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Atomic instructions, with and without what they fetch, of both sizes.
 */
#include "tests/support/xdp/packet.bpf.h"

__u64 wide[8];
__u32 narrow[8];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 256);
} values SEC(".maps");

static __always_inline __u64 on_wide(__u64 a, __u64 b)
{
	__u64 sum = 0;

	__sync_fetch_and_add(&wide[0], a);
	sum += __sync_fetch_and_add(&wide[1], b);
	sum ^= __sync_fetch_and_or(&wide[2], a & b);
	sum += __sync_fetch_and_and(&wide[2], ~(a ^ b));
	sum ^= __sync_fetch_and_xor(&wide[3], a);
	sum += __sync_lock_test_and_set(&wide[4], b);
	sum ^= __sync_val_compare_and_swap(&wide[5], wide[5] & ~(a & 1), a);
	return sum;
}

static __always_inline __u32 on_narrow(__u32 a, __u32 b)
{
	__u32 sum = 0;

	__sync_fetch_and_add(&narrow[0], a);
	sum += __sync_fetch_and_add(&narrow[1], b);
	sum ^= __sync_fetch_and_or(&narrow[2], a & b);
	sum += __sync_fetch_and_and(&narrow[2], ~(a ^ b));
	sum ^= __sync_fetch_and_xor(&narrow[3], a);
	sum += __sync_lock_test_and_set(&narrow[4], b);
	sum ^= __sync_val_compare_and_swap(&narrow[5], narrow[5] & ~(a & 1), a);
	return sum;
}

SEC("xdp")
int atomics(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u8 *data = take(&c, 16 + 14);
	__u64 a, b, *value, first = 1, on_stack = 5;
	__u32 key;

	if (!data)
		return XDP_DROP;
	__builtin_memcpy(&a, data + 14, 8);
	__builtin_memcpy(&b, data + 22, 8);
	wide[6] += on_wide(a, b);
	narrow[6] += on_narrow(a, b);
	key = (a ^ b) & 255;
	value = bpf_map_lookup_elem(&values, &key);
	if (!value) {
		bpf_map_update_elem(&values, &key, &first, BPF_ANY);
		return XDP_PASS;
	}
	__sync_fetch_and_add(&on_stack, a);
	return __sync_fetch_and_add(value, on_stack) & 1 ? XDP_TX : XDP_PASS;
}
