/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Global data of all kinds, and arithmetic of all kinds on what packets say.
 */
#include "tests/support/xdp/packet.bpf.h"

struct shape {
	__u64 u64[4];
	__s64 s64[4];
	__u32 u32[4];
	__s32 s32[4];
};

const volatile __u32 mask = 0xff00ff;
const __u32 table[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
struct shape shape;
__u64 packets;
__s32 signed_ones[8] = {-1, 2, -3, 4, -5, 6, -7, 8};
static volatile __u64 hidden = 77;
__u8 bytes[64];

static __always_inline void unsigned_ones(__u64 a, __u64 b)
{
	shape.u64[0] += a / (b | 1);
	shape.u64[1] ^= a % (b & 0xffff);
	shape.u64[2] += a * b - (a >> (b & 63));
	shape.u64[3] ^= (a << (b & 63)) | (b >> 13);
	shape.u32[0] += (__u32)a / (__u32)(b & 0xff);
	shape.u32[1] ^= (__u32)a % (__u32)(b | 1);
	shape.u32[2] += ((__u32)a << (b & 31)) - ((__u32)b >> (a & 31));
	shape.u32[3] = __builtin_bswap32(shape.u32[3] + (__u32)a) ^ __builtin_bswap16((__u16)b);
}

static __always_inline void with_signs(__s64 a, __s64 b)
{
	shape.s64[0] += a >> (b & 63);
	shape.s64[1] -= a < b ? a : b;
	shape.s64[2] ^= (__s64)(__s32)a * (__s16)b;
	shape.s64[3] += (__s8)a;
	shape.s32[0] += (__s32)a >> (b & 31);
	shape.s32[1] -= (__s32)a > (__s32)b ? (__s32)a : (__s32)b;
	shape.s32[2] ^= (__s16)a;
	shape.s32[3] += a < 0 ? -(__s32)b : (__s32)b;
}

SEC("xdp")
int globals(struct xdp_md *ctx)
{
	struct cursor c = packet(ctx);
	__u8 *data = take(&c, 16 + 14);
	__u64 a, b;

	packets++;
	if (!data)
		return XDP_DROP;
	__builtin_memcpy(&a, data + 14, 8);
	__builtin_memcpy(&b, data + 22, 8);
	unsigned_ones(a, b);
	with_signs((__s64)a, (__s64)b);
	signed_ones[a & 7] += (__s32)(b & mask);
	hidden = hidden * 31 + table[b & 15];
	bytes[a & 63] ^= b;
	bytes[b & 63] += a;
	a = hidden;
	__builtin_memcpy(data + 14, &a, 8);
	return (__s64)(a ^ b) < 0 ? XDP_TX : XDP_PASS;
}
