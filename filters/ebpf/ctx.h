/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a program runs on: the packet as it sees it ('struct ebpf_ctx', which a program calls
 * 'struct xdp_md') and the thread it runs on ('struct ebpf_env').
 *
 * The kernel gives an XDP program 32-bit fields and turns loads of them into loads of 64-bit
 * pointers.  So do we, when a program is linked (check.h): a load of xdp_md.data becomes a load of
 * 'data' below.  Nothing is emulated field by field at run time.
 *
 * A packet is linear memory: hard_start <= meta <= data <= data_end <= hard_end.
 *
 * Threads: a ctx and an env belong to one thread.
 */
#ifndef FILTERS_EBPF_CTX_H
#define FILTERS_EBPF_CTX_H

#include <stdint.h>

struct ebpf_env;
struct ebpf_map;
struct ebpf_prog;

/* As XDP's (linux/bpf.h, enum xdp_action). */
enum ebpf_verdict { EBPF_ABORTED, EBPF_DROP, EBPF_PASS, EBPF_TX, EBPF_REDIRECT };

/* Least room before a packet's first byte, as the kernel promises it (XDP_PACKET_HEADROOM), and how
 * much of it metadata may take (kernels before 6.8: 32). */
#define EBPF_HEADROOM 256u
#define EBPF_META_MAX 252u

struct ebpf_ctx {
	/* Programs read these. */
	uint8_t *data, *data_end, *meta;
	uint32_t ingress_ifindex, rx_queue, egress_ifindex;
	/* Helpers do. */
	uint32_t frame_size; /* bytes of the packet as its sender sees it; not less than is here */
	uint8_t *hard_start, *hard_end;
};

/* Where REDIRECT goes; redirect helpers write it, who ran the program reads it. */
struct ebpf_redirect {
	const struct ebpf_map *map; /* NULL: 'ifindex' was named */
	uint32_t ifindex;	    /* 0: nowhere */
	uint64_t flags;		    /* BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS */
	struct ebpf_prog *prog;	    /* the devmap entry's, which runs on the way out; NULL: none */
};

/* What programs ask of who runs them.  All on the running thread, and none may block or allocate;
 * each may be NULL: the helper then says that it cannot. */
struct ebpf_ops {
	/* Nanoseconds, monotonic. NULL: the system's clock. */
	uint64_t (*now_ns)(const struct ebpf_env *env);
	/* bpf_fib_lookup(): 'params' is a struct bpf_fib_lookup, checked for its size.  Returns
	 * BPF_FIB_LKUP_RET_* or a negative errno. */
	long (*fib_lookup)(const struct ebpf_env *env, const struct ebpf_ctx *ctx, void *params,
			   uint32_t flags);
	/* Largest packet to be sent by 'ifindex', from its Ethernet header on without that; 0: no
	 * such port. */
	uint32_t (*mtu)(const struct ebpf_env *env, uint32_t ifindex);
	/* bpf_trace_printk(): a line without its end. */
	void (*print)(const struct ebpf_env *env, const char *line, uint32_t size);
};

/* One for each worker, and one for each thread of a test. */
struct ebpf_env {
	uint32_t cpu;	 /* which copy of per-CPU maps is its: below what maps were made with */
	uint32_t n_tail; /* tail calls so far; 0 before a program runs */
	uint64_t random; /* state; not 0 */
	const struct ebpf_ops *ops;
	void *owner;		      /* for 'ops' */
	const struct ebpf_prog *prog; /* that runs: ops may want to name it */
	const struct ebpf_ctx *ctx; /* that it runs on, so that it can print by address; or NULL */
	uintptr_t stack_end;	    /* of the thread, likewise; ebpf_env_enter() */
	struct ebpf_redirect redirect;
};

/* The env of the thread: enter it before programs run there.  Helpers that the kernel gives no
 * context to find it here, compiled programs too: at the same distance from each thread's block. */
extern __thread struct ebpf_env *ebpf_env_here __attribute__((tls_model("initial-exec")));

/* Makes 'env' (zeros but for what its owner filled in) the thread's. */
void ebpf_env_enter(struct ebpf_env *env);

#endif
