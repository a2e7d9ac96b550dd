/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The helpers' own: their functions by name, and what they share.
 */
#ifndef FILTERS_EBPF_HELPER_PRIV_H
#define FILTERS_EBPF_HELPER_PRIV_H

#include "filters/ebpf/ctx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every helper is such a function; arguments that it has not are not looked at. */
#define EBPF_HELPER(name)                                                                          \
	uint64_t ebpf_h_##name(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)

/* helper_map.c */
EBPF_HELPER(map_lookup_elem);
EBPF_HELPER(map_update_elem);
EBPF_HELPER(map_delete_elem);
EBPF_HELPER(map_push_elem);
EBPF_HELPER(map_pop_elem);
EBPF_HELPER(map_peek_elem);
EBPF_HELPER(map_lookup_percpu_elem);
EBPF_HELPER(spin_lock);
EBPF_HELPER(spin_unlock);

/* helper_misc.c */
EBPF_HELPER(ktime_get_ns);
EBPF_HELPER(ktime_get_boot_ns);
EBPF_HELPER(ktime_get_coarse_ns);
EBPF_HELPER(ktime_get_tai_ns);
EBPF_HELPER(jiffies64);
EBPF_HELPER(get_prandom_u32);
EBPF_HELPER(get_smp_processor_id);
EBPF_HELPER(get_numa_node_id);
EBPF_HELPER(strtol);
EBPF_HELPER(strtoul);
EBPF_HELPER(strncmp);

/* helper_packet.c */
EBPF_HELPER(csum_diff);
EBPF_HELPER(xdp_adjust_head);
EBPF_HELPER(xdp_adjust_meta);
EBPF_HELPER(xdp_adjust_tail);
EBPF_HELPER(xdp_get_buff_len);
EBPF_HELPER(xdp_load_bytes);
EBPF_HELPER(xdp_store_bytes);
EBPF_HELPER(redirect);
EBPF_HELPER(redirect_map);
EBPF_HELPER(fib_lookup);
EBPF_HELPER(check_mtu);

/* helper_ring.c */
EBPF_HELPER(perf_event_output);
EBPF_HELPER(ringbuf_output);
EBPF_HELPER(ringbuf_reserve);
EBPF_HELPER(ringbuf_submit);
EBPF_HELPER(ringbuf_discard);
EBPF_HELPER(ringbuf_query);
EBPF_HELPER(ringbuf_reserve_dynptr);
EBPF_HELPER(ringbuf_submit_dynptr);
EBPF_HELPER(ringbuf_discard_dynptr);
EBPF_HELPER(dynptr_from_mem);
EBPF_HELPER(dynptr_read);
EBPF_HELPER(dynptr_write);
EBPF_HELPER(dynptr_data);

/* helper_text.c */
EBPF_HELPER(trace_printk);
EBPF_HELPER(trace_vprintk);
EBPF_HELPER(snprintf);

/* helper_cookie.c */
EBPF_HELPER(tcp_raw_gen_syncookie_ipv4);
EBPF_HELPER(tcp_raw_gen_syncookie_ipv6);
EBPF_HELPER(tcp_raw_check_syncookie_ipv4);
EBPF_HELPER(tcp_raw_check_syncookie_ipv6);

/* helper_misc.c.  Nanoseconds, monotonic, of the env's clock, or of the system's. */
uint64_t ebpf_now(void);

/* siphash.c.  SipHash-2-4 (Aumasson and Bernstein, 2012). */
uint64_t ebpf_siphash(const uint64_t key[2], const void *data, size_t size);
/* Of this process, two words.  The first call asks the kernel: ebpf_object_load() makes it. */
const uint64_t *ebpf_secret(void);

/* helper_format.c.  Writes 'format' ('format_size' bytes with its end) as the kernel's printing
 * helpers do, its arguments 64 bits each, into 'out' of 'size' bytes, the end always written.
 * Returns the bytes that it would have taken without the end, or -EINVAL for what they refuse, or
 * for more conversions than arguments. */
long ebpf_format(char *out, uint32_t size, const char *format, uint32_t format_size,
		 const uint64_t *args, uint32_t n_args);
/* May 'size' bytes at 'addr' be read: are they in a map of the program that runs, or on its stack?
 * What programs print by address the verifier has not looked at.  Returns how many of them. */
size_t ebpf_readable(uint64_t addr, size_t size);

/* A pointer of the program's. */
static inline void *ebpf_ptr(uint64_t r)
{
	return (void *)(uintptr_t)r;
}

#endif
