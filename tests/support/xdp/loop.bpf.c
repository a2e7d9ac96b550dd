/* SPDX-License-Identifier: BSD-2-Clause
 *
 * bpf_loop() with the context inside its data, nested; bpf_for_each_map_elem().
 */
#include "tests/support/xdp/packet.bpf.h"

struct bpf_map;

struct state {
	struct xdp_md *ctx;
	__u64 sum;
	__u32 stop, seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} results SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 32);
} sizes SEC(".maps");

static __always_inline void result(__u32 what, __u64 with)
{
	__u64 *n = bpf_map_lookup_elem(&results, &what);

	if (n)
		*n = *n * 33 + with;
}

static long inner(__u32 i, __u64 *sum)
{
	*sum = *sum * 5 + i;
	return i == 6;
}

static long outer(__u32 i, struct state *state)
{
	void *data = (void *)(long)state->ctx->data, *end = (void *)(long)state->ctx->data_end;
	__u8 *byte = data + (i & 1023);

	if ((void *)(byte + 1) > end)
		return 1;
	state->sum += *byte + state->ctx->rx_queue_index + state->ctx->ingress_ifindex;
	state->seen++;
	*byte ^= i;
	if (i % 16 == 0)
		bpf_loop(*byte & 7, inner, &state->sum, 0);
	return state->seen == state->stop;
}

/* The order of a hash is nobody's promise: what is done must not depend on it. */
static long each(struct bpf_map *map, __u32 *key, __u64 *value, struct state *state)
{
	state->sum += *key * *value;
	*value += 1;
	state->seen++;
	return 0;
}

/* That of an array is. */
static long each_until(struct bpf_map *map, __u32 *key, __u64 *value, struct state *state)
{
	state->sum = state->sum * 3 + *value;
	return *key == state->stop;
}

SEC("xdp")
int loop(struct xdp_md *ctx)
{
	struct state state = {.ctx = ctx};
	struct cursor c = packet(ctx);
	__u8 *bytes = take(&c, 14);
	__u32 size = ctx->data_end - ctx->data;
	__u64 one = 1;

	if (!bytes)
		return XDP_ABORTED;
	state.stop = bytes[5];
	result(0, bpf_loop(size & 127, outer, &state, 0));
	result(1, state.sum);
	result(2, (int)bpf_loop(1u << 24, outer, &state, 0));
	size &= 63;
	result(3, bpf_map_update_elem(&sizes, &size, &one, BPF_NOEXIST));
	state.seen = 0;
	result(4, bpf_for_each_map_elem(&sizes, each, &state, 0));
	result(5, state.seen + state.sum);
	state.stop &= 15;
	result(6, bpf_for_each_map_elem(&results, each_until, &state, 0));
	return state.sum & 1 ? XDP_TX : XDP_PASS;
}
