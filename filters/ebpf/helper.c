/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See helper.h.  The table of those that we serve.  What is missing needs something of the kernel's
 * that a switch has not: sockets, tasks, cgroups, timers, its memory.
 */
#include "filters/ebpf/helper.h"

#include <linux/bpf.h>

#include <stddef.h>
#include <stdio.h>

#include "filters/ebpf/helper_priv.h"

#define PLAIN(x)   [BPF_FUNC_##x] = {"bpf_" #x, ebpf_h_##x, 0}
#define WRITES(x)  [BPF_FUNC_##x] = {"bpf_" #x, ebpf_h_##x, EBPF_HELPER_WRITES}
#define GPL(x)	   [BPF_FUNC_##x] = {"bpf_" #x, ebpf_h_##x, EBPF_HELPER_GPL}
#define CONTROL(x) [BPF_FUNC_##x] = {"bpf_" #x, NULL, EBPF_HELPER_CONTROL}

static const struct ebpf_helper helpers[] = {
	PLAIN(map_lookup_elem),
	PLAIN(map_update_elem),
	PLAIN(map_delete_elem),
	PLAIN(map_push_elem),
	PLAIN(map_pop_elem),
	PLAIN(map_peek_elem),
	PLAIN(map_lookup_percpu_elem),
	PLAIN(spin_lock),
	PLAIN(spin_unlock),
	CONTROL(tail_call),
	CONTROL(loop),
	CONTROL(for_each_map_elem),

	PLAIN(ktime_get_ns),
	PLAIN(ktime_get_boot_ns),
	PLAIN(ktime_get_coarse_ns),
	PLAIN(ktime_get_tai_ns),
	PLAIN(jiffies64),
	PLAIN(get_prandom_u32),
	PLAIN(get_smp_processor_id),
	PLAIN(get_numa_node_id),
	PLAIN(strtol),
	PLAIN(strtoul),
	PLAIN(strncmp),

	PLAIN(csum_diff),
	WRITES(xdp_adjust_head),
	WRITES(xdp_adjust_meta),
	WRITES(xdp_adjust_tail),
	PLAIN(xdp_get_buff_len),
	PLAIN(xdp_load_bytes),
	WRITES(xdp_store_bytes),
	PLAIN(redirect),
	PLAIN(redirect_map),
	GPL(fib_lookup),
	PLAIN(check_mtu),

	GPL(perf_event_output),
	PLAIN(ringbuf_output),
	PLAIN(ringbuf_reserve),
	PLAIN(ringbuf_submit),
	PLAIN(ringbuf_discard),
	PLAIN(ringbuf_query),
	PLAIN(ringbuf_reserve_dynptr),
	PLAIN(ringbuf_submit_dynptr),
	PLAIN(ringbuf_discard_dynptr),
	PLAIN(dynptr_from_mem),
	PLAIN(dynptr_read),
	PLAIN(dynptr_write),
	PLAIN(dynptr_data),

	GPL(trace_printk),
	GPL(trace_vprintk),
	GPL(snprintf),

	PLAIN(tcp_raw_gen_syncookie_ipv4),
	PLAIN(tcp_raw_gen_syncookie_ipv6),
	PLAIN(tcp_raw_check_syncookie_ipv4),
	PLAIN(tcp_raw_check_syncookie_ipv6),
};

/* All that the kernel had when this was built. */
#define NAME(x) "bpf_" #x
static const char *const names[] = {__BPF_FUNC_MAPPER(NAME)};
#undef NAME

const struct ebpf_helper *ebpf_helper(uint32_t id)
{
	if (id >= sizeof(helpers) / sizeof(helpers[0]) || helpers[id].name == NULL)
		return NULL;
	return &helpers[id];
}

const char *ebpf_helper_name(uint32_t id, char *buf, unsigned size)
{
	if (id != 0 && id < sizeof(names) / sizeof(names[0]))
		snprintf(buf, size, "%s", names[id]);
	else
		snprintf(buf, size, "helper %u", id);
	return buf;
}
