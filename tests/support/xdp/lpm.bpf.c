/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A table of routes that the packets themselves make and unmake: longest prefix first.
 */
#include "tests/support/xdp/packet.bpf.h"

struct prefix {
	__u32 size;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct prefix);
	__type(value, __u64);
	__uint(max_entries, 1000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} routes SEC(".maps");

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
int lpm(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__be16 type = take_ethernet(&c);
	struct iphdr *ip = take(&c, sizeof(*ip));
	struct prefix key = {.size = 32};
	__u64 *known, new;
	long rc;

	if (type != bpf_htons(ETH_P_IP) || !ip)
		return XDP_PASS;
	__builtin_memcpy(key.address, &ip->daddr, 4);
	known = bpf_map_lookup_elem(&routes, &key);
	if (known)
		*known += 1;
	result(known ? 0 : 1);
	key.address[3] = 0;
	key.address[2] &= 7;
	key.address[1] &= 3;
	key.size = bpf_ntohl(ip->saddr) % 33;
	new = key.size;
	switch (bpf_ntohl(ip->saddr) / 64 % 8) {
	case 0:
		rc = bpf_map_delete_elem(&routes, &key);
		result(rc == 0 ? 2 : 3);
		break;
	case 1:
	case 2:
		rc = bpf_map_update_elem(&routes, &key, &new, BPF_ANY);
		result(rc == 0 ? 4 : 5);
		break;
	default:
		break;
	}
	return known && *known % 2 ? XDP_TX : XDP_PASS;
}
