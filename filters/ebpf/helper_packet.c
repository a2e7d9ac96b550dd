/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers of packets: their ends, bytes and checksums, and where they go.
 *
 * 	hard_start    meta     data                data_end    hard_end
 * 	    │◄ FRAME ►│◄ meta ►│◄── bytes here ──────►│◄ room ──►│
 *
 * The kernel keeps a description of the frame (40 bytes) at the start of the headroom; we refuse
 * that room too, so that a program that would fail there fails here.
 *
 * Of a packet of several pieces a program sees the first: frame_size counts them all.
 */
#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/map.h"

#include <linux/bpf.h>

#include <errno.h>
#include <string.h>

#define FRAME_RESERVED 40u
#define ETH_SIZE       14
#define MAX_ACCESS     0xffffu

static uint64_t fail(int error)
{
	return (uint64_t)(int64_t)error;
}

static ptrdiff_t size_here(const struct ebpf_ctx *ctx)
{
	return ctx->data_end - ctx->data;
}

EBPF_HELPER(xdp_adjust_head)
{
	struct ebpf_ctx *ctx = ebpf_ptr(r1);
	ptrdiff_t by = (int32_t)r2, meta_size = ctx->data - ctx->meta;

	/* Compared as distances: a pointer far outside is no pointer. */
	if (by < ctx->hard_start + FRAME_RESERVED + meta_size - ctx->data ||
	    by > size_here(ctx) - ETH_SIZE)
		return fail(-EINVAL);
	if (meta_size > 0)
		memmove(ctx->meta + by, ctx->meta, (size_t)meta_size);
	ctx->meta += by;
	ctx->data += by;
	ctx->frame_size -= (uint32_t)by;
	return 0;
}

EBPF_HELPER(xdp_adjust_meta)
{
	struct ebpf_ctx *ctx = ebpf_ptr(r1);
	ptrdiff_t by = (int32_t)r2, size = ctx->data - ctx->meta - by;

	if (by < ctx->hard_start + FRAME_RESERVED - ctx->meta || size < 0)
		return fail(-EINVAL);
	if (size > (ptrdiff_t)EBPF_META_MAX || size % 4 != 0)
		return fail(-EACCES);
	ctx->meta += by;
	return 0;
}

EBPF_HELPER(xdp_adjust_tail)
{
	struct ebpf_ctx *ctx = ebpf_ptr(r1);
	ptrdiff_t by = (int32_t)r2;

	if (ctx->frame_size != (size_t)size_here(ctx)) /* Its end is not here. */
		return fail(-EOPNOTSUPP);
	if (by > ctx->hard_end - ctx->data_end || by < ETH_SIZE - size_here(ctx))
		return fail(-EINVAL);
	if (by > 0)
		memset(ctx->data_end, 0, (size_t)by);
	ctx->data_end += by;
	ctx->frame_size += (uint32_t)by;
	return 0;
}

EBPF_HELPER(xdp_get_buff_len)
{
	const struct ebpf_ctx *ctx = ebpf_ptr(r1);

	return ctx->frame_size;
}

/* The bytes [offset, offset + size) of the packet, or an error. */
static long bytes_find(const struct ebpf_ctx *ctx, uint32_t offset, uint32_t size, uint8_t **ret)
{
	if (offset > MAX_ACCESS || size > MAX_ACCESS)
		return -EFAULT;
	if (offset + size > size_here(ctx))
		return -EINVAL;
	*ret = ctx->data + offset;
	return 0;
}

EBPF_HELPER(xdp_load_bytes)
{
	uint8_t *bytes;
	long rc = bytes_find(ebpf_ptr(r1), (uint32_t)r2, (uint32_t)r4, &bytes);

	if (rc == 0)
		memmove(ebpf_ptr(r3), bytes, (uint32_t)r4);
	return (uint64_t)rc;
}

EBPF_HELPER(xdp_store_bytes)
{
	uint8_t *bytes;
	long rc = bytes_find(ebpf_ptr(r1), (uint32_t)r2, (uint32_t)r4, &bytes);

	if (rc == 0)
		memmove(bytes, ebpf_ptr(r3), (uint32_t)r4);
	return (uint64_t)rc;
}

static uint32_t fold32(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	return (uint32_t)((sum >> 32) + sum);
}

static uint32_t fold16(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff);
}

/* One's complement sum of 32-bit words, in the machine's order. */
static uint32_t sum_words(const uint8_t *bytes, uint32_t size, uint32_t seed)
{
	uint64_t sum = seed;

	for (uint32_t i = 0; i < size; i += 4) {
		uint32_t word;

		memcpy(&word, bytes + i, 4);
		sum += word;
	}
	return fold32(sum);
}

/* seed + sum(to) - sum(from), folded to 16 bits: what kernels since 6.13 return everywhere.  Older
 * ones returned 32 bits that fold to the same.  Which of the two zeros comes out is theirs too. */
EBPF_HELPER(csum_diff)
{
	uint32_t from_size = (uint32_t)r2, to_size = (uint32_t)r4, seed = (uint32_t)r5;
	uint32_t sum;

	if (((from_size | to_size) & 3) != 0)
		return fail(-EINVAL);
	if (from_size == 0 && to_size == 0)
		return fold16(seed);
	if (to_size == 0)
		return fold16(~sum_words(ebpf_ptr(r1), from_size, ~seed));
	sum = sum_words(ebpf_ptr(r3), to_size, seed);
	if (from_size != 0)
		sum = fold32((uint64_t)sum + ~sum_words(ebpf_ptr(r1), from_size, 0));
	return fold16(sum);
}

EBPF_HELPER(redirect)
{
	struct ebpf_redirect *to = &ebpf_env_here->redirect;

	if (r2 != 0)
		return EBPF_ABORTED;
	*to = (struct ebpf_redirect){.ifindex = (uint32_t)r1};
	return EBPF_REDIRECT;
}

/* Its flags' two lowest bits are the verdict when the map has nothing there. */
EBPF_HELPER(redirect_map)
{
	struct ebpf_redirect *to = &ebpf_env_here->redirect;
	const struct ebpf_map *map = ebpf_ptr(r1);
	bool dev = map->type == BPF_MAP_TYPE_DEVMAP || map->type == BPF_MAP_TYPE_DEVMAP_HASH;
	uint64_t allowed = 3 | (dev ? BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS : 0);
	struct ebpf_prog *prog = NULL;
	uint32_t ifindex = 0;

	if ((r3 & ~allowed) != 0)
		return EBPF_ABORTED;
	if (dev)
		ifindex = ebpf_map_dev(map, r2, &prog);
	*to = (struct ebpf_redirect){0};
	if (ifindex == 0 && (r3 & BPF_F_BROADCAST) == 0)
		return r3 & 3;
	to->map = map;
	if ((r3 & BPF_F_BROADCAST) != 0) {
		to->flags = r3 & (BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
		return EBPF_REDIRECT;
	}
	to->ifindex = ifindex;
	to->prog = prog;
	return EBPF_REDIRECT;
}

EBPF_HELPER(fib_lookup)
{
	const struct ebpf_env *env = ebpf_env_here;

	if ((uint32_t)r3 < sizeof(struct bpf_fib_lookup))
		return fail(-EINVAL);
	if (env->ops == NULL || env->ops->fib_lookup == NULL)
		return fail(-EAFNOSUPPORT); /* As a kernel without IP. */
	return (uint64_t)env->ops->fib_lookup(env, ebpf_ptr(r1), ebpf_ptr(r2), (uint32_t)r4);
}

EBPF_HELPER(check_mtu)
{
	const struct ebpf_env *env = ebpf_env_here;
	const struct ebpf_ctx *ctx = ebpf_ptr(r1);
	uint32_t *size = ebpf_ptr(r3), ifindex = (uint32_t)r2, mtu;
	int64_t frame = size_here(ctx);

	if (r5 != 0)
		return fail(-EINVAL);
	mtu = env->ops != NULL && env->ops->mtu != NULL
		      ? env->ops->mtu(env, ifindex != 0 ? ifindex : ctx->ingress_ifindex)
		      : 0;
	if (mtu == 0)
		return fail(-ENODEV);
	if (*size != 0)
		frame = (int64_t)*size + ETH_SIZE;
	frame += (int32_t)r4;
	*size = mtu;
	return frame > (int64_t)mtu + ETH_SIZE ? BPF_MTU_CHK_RET_FRAG_NEEDED
					       : BPF_MTU_CHK_RET_SUCCESS;
}
