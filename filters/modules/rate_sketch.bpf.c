// SPDX-License-Identifier: BSD-2-Clause
/*
 * rate-sketch: who sends most.  Sees and changes nothing (role capture).
 *
 * A count-min sketch in fixed memory estimates each source's bytes; sources whose estimate passes
 * 'config.threshold' are entered in 'talkers', where the estimate can only be too high, never too
 * low.  Each worker counts in cells of its own.  A cell's count is halved for each
 * 'config.window_ms' that went by since it was last touched, so what was long ago weighs less.
 *
 * 	vswitchctl filter attach rate-sketch --switch lan0 --role capture
 * 	vswitchctl filter map dump rate-sketch talkers
 *
 * Source: G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch".
 */
#include <vswitch_packet.h>

#define ROWS	4
#define COLUMNS 2048 /* a power of two */

struct config {
	__u64 threshold; /* bytes; 0: 1 MB */
	__u32 window_ms; /* 0: 1000 */
	__u32 reserved;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct cell {
	__u32 window; /* that 'bytes' is as of */
	__u32 bytes;  /* stops at the most it can hold */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROWS *COLUMNS);
	__type(key, __u32);
	__type(value, struct cell);
} cells SEC(".maps");

/* IPv4 addresses are ::ffff:a.b.c.d. */
struct talker {
	__be32 address[4];
};
struct amount {
	__u64 bytes;   /* estimate of its worker's, when it was last seen */
	__u64 packets; /* since it is here */
	__u64 last_ns;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct talker);
	__type(value, struct amount);
} talkers SEC(".maps");

/* Drawn once: who sends cannot choose addresses that share another's cells. */
__u64 secret;

static __always_inline __u64 mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

/* Adds to one cell and says what it holds then. */
static __always_inline __u32 add(__u32 index, __u32 window, __u32 bytes)
{
	struct cell *cell = bpf_map_lookup_elem(&cells, &index);
	__u32 age, sum;

	if (!cell)
		return 0;
	age = window - cell->window;
	cell->window = window;
	cell->bytes = age < 32 ? cell->bytes >> age : 0;
	sum = cell->bytes + bytes;
	cell->bytes = sum < bytes ? 0xffffffff : sum;
	return cell->bytes;
}

static __always_inline int source_of(struct xdp_md *ctx, struct talker *who)
{
	struct cursor c = cursor_of(ctx);
	struct ethhdr *eth;
	__u16 vlan;
	__be16 type = take_ethernet(&c, &eth, &vlan);

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = take_ipv4(&c);

		if (!ip)
			return 0;
		who->address[2] = bpf_htonl(0xffff);
		who->address[3] = ip->saddr;
		return 1;
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = take(&c, sizeof(*ip));

		if (!ip)
			return 0;
		__builtin_memcpy(who->address, &ip->saddr, sizeof(who->address));
		return 1;
	}
	return 0;
}

static __always_inline __u64 key_of(const struct talker *who)
{
	if (!secret)
		secret = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	return mix(mix(((__u64)who->address[0] << 32 | who->address[1]) ^ secret) ^
		   ((__u64)who->address[2] << 32 | who->address[3]));
}

static __always_inline void enter(const struct talker *who, __u64 bytes, __u64 now)
{
	struct amount fresh = {bytes, 1, now};
	struct amount *known = bpf_map_lookup_elem(&talkers, who);

	if (!known) {
		bpf_map_update_elem(&talkers, who, &fresh, BPF_ANY);
		return;
	}
	known->bytes = bytes;
	__sync_fetch_and_add(&known->packets, 1);
	known->last_ns = now;
}

SEC("xdp")
int rate_sketch(struct xdp_md *ctx)
{
	__u32 zero = 0, window, least = 0xffffffff, size;
	struct config *conf = bpf_map_lookup_elem(&config, &zero);
	struct talker who = {};
	__u64 hash, now;

	if (!conf || !source_of(ctx, &who))
		return XDP_PASS;
	size = ctx->data_end - ctx->data;
	now = bpf_ktime_get_ns();
	window = now / 1000000 / (conf->window_ms ? conf->window_ms : 1000);
	hash = key_of(&who);
#pragma unroll
	for (int row = 0; row < ROWS; row++) {
		__u32 column = hash >> (16 * row) & (COLUMNS - 1);
		__u32 held = add(row * COLUMNS + column, window, size);

		least = held < least ? held : least;
	}
	if (least >= (conf->threshold ? conf->threshold : 1000000))
		enter(&who, least, now);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
