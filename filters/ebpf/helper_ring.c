/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that send records to user space, and dynamic pointers: what knows its own bounds, which
 * ring buffers lend in the size that only the program's run knows.
 *
 * That nobody uses one after it went back, or without asking whether it is there, the verifier sees
 * to; a refused one is all zeros, and every use of that fails.
 */
#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/map.h"

#include <linux/bpf.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_DYNPTR ((1u << 24) - 1)

/* What a program has as 'struct bpf_dynptr', and cannot look into. */
struct dynptr {
	uint8_t *data;
	uint32_t size, reserved;
};
static_assert(sizeof(struct dynptr) == sizeof(struct bpf_dynptr), "its stack slots");

static uint64_t fail(int error)
{
	return (uint64_t)(int64_t)error;
}

EBPF_HELPER(perf_event_output)
{
	const struct ebpf_ctx *ctx = ebpf_ptr(r1);
	struct ebpf_map *map = ebpf_ptr(r2);
	uint32_t index = (uint32_t)r3, cpu = ebpf_env_here->cpu;
	uint64_t packet_size = (r3 & BPF_F_CTXLEN_MASK) >> 32;

	if ((r3 & ~(BPF_F_CTXLEN_MASK | BPF_F_INDEX_MASK)) != 0)
		return fail(-EINVAL);
	if (packet_size > (uint64_t)(ctx->data_end - ctx->data))
		return fail(-EFAULT);
	if (index == (uint32_t)BPF_F_CURRENT_CPU)
		index = cpu;
	if (index >= map->max_entries)
		return fail(-E2BIG);
	if (index != cpu)
		return fail(-EOPNOTSUPP);
	return (uint64_t)ebpf_perf_output(map, cpu, ebpf_ptr(r4), r5, ctx->data, packet_size);
}

EBPF_HELPER(ringbuf_output)
{
	if ((r4 & ~(uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) != 0)
		return fail(-EINVAL);
	return (uint64_t)ebpf_ring_output(ebpf_ptr(r1), ebpf_ptr(r2), r3);
}

EBPF_HELPER(ringbuf_reserve)
{
	if (r3 != 0)
		return 0;
	return (uintptr_t)ebpf_ring_reserve(ebpf_ptr(r1), r2);
}

EBPF_HELPER(ringbuf_submit)
{
	ebpf_ring_submit(ebpf_ptr(r1), false);
	return 0;
}

EBPF_HELPER(ringbuf_discard)
{
	ebpf_ring_submit(ebpf_ptr(r1), true);
	return 0;
}

EBPF_HELPER(ringbuf_query)
{
	return ebpf_ring_query(ebpf_ptr(r1), r2);
}

EBPF_HELPER(ringbuf_reserve_dynptr)
{
	struct dynptr *ptr = ebpf_ptr(r4);
	uint32_t size = (uint32_t)r2;
	uint8_t *data;

	memset(ptr, 0, sizeof(*ptr));
	if (r3 != 0)
		return fail(-EINVAL);
	if (size == 0 || size > MAX_DYNPTR)
		return fail(size == 0 ? -EINVAL : -E2BIG);
	data = ebpf_ring_reserve(ebpf_ptr(r1), size);
	if (data == NULL)
		return fail(-EINVAL);
	*ptr = (struct dynptr){.data = data, .size = size};
	return 0;
}

static uint64_t dynptr_end(struct dynptr *ptr, bool discard)
{
	if (ptr->data != NULL)
		ebpf_ring_submit(ptr->data, discard);
	memset(ptr, 0, sizeof(*ptr));
	return 0;
}

EBPF_HELPER(ringbuf_submit_dynptr)
{
	return dynptr_end(ebpf_ptr(r1), false);
}

EBPF_HELPER(ringbuf_discard_dynptr)
{
	return dynptr_end(ebpf_ptr(r1), true);
}

EBPF_HELPER(dynptr_from_mem)
{
	struct dynptr *ptr = ebpf_ptr(r4);
	uint32_t size = (uint32_t)r2;

	memset(ptr, 0, sizeof(*ptr));
	if (size > MAX_DYNPTR)
		return fail(-E2BIG);
	if (r3 != 0)
		return fail(-EINVAL);
	*ptr = (struct dynptr){.data = ebpf_ptr(r1), .size = size};
	return 0;
}

/* The 'size' bytes at 'offset' of it: 0, -EINVAL (not there), -E2BIG. */
static int dynptr_find(const struct dynptr *ptr, uint32_t offset, uint32_t size, uint8_t **ret)
{
	if (ptr->data == NULL)
		return -EINVAL;
	if (size > ptr->size || offset > ptr->size - size)
		return -E2BIG;
	*ret = ptr->data + offset;
	return 0;
}

EBPF_HELPER(dynptr_read)
{
	uint32_t size = (uint32_t)r2;
	uint8_t *bytes;
	int rc = r5 != 0 ? -EINVAL : dynptr_find(ebpf_ptr(r3), (uint32_t)r4, size, &bytes);

	if (rc == 0)
		memmove(ebpf_ptr(r1), bytes, size);
	return fail(rc);
}

EBPF_HELPER(dynptr_write)
{
	uint32_t size = (uint32_t)r4;
	uint8_t *bytes;
	int rc = r5 != 0 ? -EINVAL : dynptr_find(ebpf_ptr(r1), (uint32_t)r2, size, &bytes);

	if (rc == 0)
		memmove(bytes, ebpf_ptr(r3), size);
	return fail(rc);
}

EBPF_HELPER(dynptr_data)
{
	uint8_t *bytes;

	return dynptr_find(ebpf_ptr(r1), (uint32_t)r2, (uint32_t)r3, &bytes) == 0 ? (uintptr_t)bytes
										  : 0;
}
