/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Versions of one module, for module_test: VERSION 1 counts; 2 counts and drops; 3 has the map in
 * another size; 4 writes to packets; 5 is what no verifier takes.
 */
#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, VERSION == 3 ? 32 : 16);
} sizes SEC(".maps");

__u32 limit = 7;

static __always_inline void count(struct xdp_md *ctx)
{
	__u32 size = ctx->data_end - ctx->data;
	__u64 one = 1, *n = bpf_map_lookup_elem(&sizes, &size);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&sizes, &size, &one, BPF_ANY);
}

SEC("xdp")
int tally(struct xdp_md *ctx)
{
#if VERSION == 4
	char *data = (void *)(long)ctx->data;

	if (data + 20 <= (char *)(long)ctx->data_end)
		data[19] = 1;
#elif VERSION == 5
	return *(char *)(long)ctx->data;
#endif
	count(ctx);
	return VERSION == 2 ? XDP_DROP : XDP_PASS;
}

#if VERSION == 2
SEC("xdp/devmap")
int on_the_way(struct xdp_md *ctx)
{
	return XDP_PASS;
}
#endif

#if VERSION == 3
SEC("xdp")
int another(struct xdp_md *ctx)
{
	return limit;
}
#endif

char _license[] SEC("license") = "Dual BSD/GPL";
