/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tail calls: by the packet's protocol, in a ring until the limit, to where there is nothing, and
 * from a function.
 */
#include "tests/support/xdp/packet.bpf.h"

int once(struct xdp_md *ctx);
int ring(struct xdp_md *ctx);
int from_function(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(max_entries, 8);
	__array(values, int(void *));
} programs SEC(".maps") = {
	.values = {[1] = (void *)&once, [2] = (void *)&ring, [3] = (void *)&from_function},
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} results SEC(".maps");

static __always_inline void result(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&results, &what);

	if (n)
		*n += 1;
}

SEC("xdp")
int once(struct xdp_md *ctx)
{
	result(1);
	return ctx->data_end - ctx->data > 100 ? XDP_TX : XDP_DROP;
}

SEC("xdp")
int ring(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u8 *bytes = take(&c, 14);

	result(2);
	if (bytes)
		bytes[13]++;
	bpf_tail_call(ctx, &programs, 2);
	result(3);
	return XDP_TX;
}

static __noinline int leave(struct xdp_md *ctx, __u32 to)
{
	int rc = XDP_DROP;

	bpf_tail_call(ctx, &programs, to);
	result(4);
	return rc;
}

SEC("xdp")
int from_function(struct xdp_md *ctx)
{
	int rc = leave(ctx, 1);

	result(5); /* What it was called for comes back here. */
	return rc;
}

SEC("xdp")
int tail(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u8 *bytes = take(&c, 14);

	result(0);
	if (!bytes)
		return XDP_ABORTED;
	bpf_tail_call(ctx, &programs, bytes[5] % 11);
	result(6);
	return XDP_PASS;
}
