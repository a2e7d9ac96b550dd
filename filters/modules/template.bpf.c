// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a module of your own begins: counts packets by EtherType, and drops those of the types in
 * 'blocked'.
 *
 * 	CFLAGS="-target bpf -g -O2 -I/usr/include/$(gcc -print-multiarch)"
 * 	clang $CFLAGS -c template.bpf.c -o template.o
 * 	vswitchctl filter load template template.o
 * 	vswitchctl filter attach template --port web1
 * 	vswitchctl filter map set template blocked 0x86dd 1
 * 	vswitchctl filter map dump template seen
 *
 * The kernel takes it as well: ip link set dev eth0 xdp obj template.o sec xdp
 */
#include <vswitch_packet.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u8);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline void count(__u32 type)
{
	__u64 one = 1, *n = bpf_map_lookup_elem(&seen, &type);

	if (n)
		*n += 1;
	else
		bpf_map_update_elem(&seen, &type, &one, BPF_ANY);
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	struct cursor c = cursor_of(ctx);
	struct ethhdr *eth;
	__u16 vlan;
	__u32 type = bpf_ntohs(take_ethernet(&c, &eth, &vlan));

	count(type);
	return bpf_map_lookup_elem(&blocked, &type) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
