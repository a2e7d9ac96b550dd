/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For object_test.c: maps of several types, global data, functions of both kinds, and sections as
 * old loaders and other hooks name them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} counts SEC(".maps");

struct locked {
	__u32 before;
	struct bpf_spin_lock lock;
	__u32 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} guarded SEC(".maps");

/* Loaders give it an element a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} unsized SEC(".maps");

const volatile __u32 limit = 7;
__u32 total = 40;
__u32 calls;

/* Its author's wishes. */
char wishes[] SEC(".vswitch") = "role=filter meta";

__attribute__((noinline)) int length_of(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

static __attribute__((noinline)) int first_byte(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data + 1 <= (__u8 *)(long)ctx->data_end ? *data : -1;
}

/* Counts, and drops what is longer than 'limit' and begins with 0xff. */
SEC("xdp")
int basics(struct xdp_md *ctx)
{
	__u32 key = 1, one = 1;
	__u64 *value = bpf_map_lookup_elem(&seen, &key), first = 1;
	__u32 *count = bpf_map_lookup_elem(&counts, &one);
	struct locked *locked = bpf_map_lookup_elem(&guarded, &(__u32){0});

	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&seen, &key, &first, BPF_ANY);
	if (count)
		*count += 2;
	if (locked) {
		bpf_spin_lock(&locked->lock);
		locked->value += 3;
		bpf_spin_unlock(&locked->lock);
	}
	total += 2;
	calls++;
	return length_of(ctx) > limit && first_byte(ctx) == 0xff ? XDP_DROP : XDP_PASS;
}

SEC("xdp_old")
int old_name(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp_devmap/way_out")
int way_out(struct xdp_md *ctx)
{
	return ctx->egress_ifindex == 3 ? XDP_PASS : XDP_DROP;
}

SEC("?xdp")
int on_request(struct xdp_md *ctx)
{
	return XDP_ABORTED;
}

SEC("tc")
int other_hook(struct __sk_buff *skb)
{
	return skb->mark;
}

SEC("unheard/of")
int other_name(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
