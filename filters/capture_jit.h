/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Classic BPF to x86-64 machine code, for capture filters.
 *
 * Why not rte_bpf, which converts and compiles classic programs too?  Compared with libpcap's
 * interpreter on random filters (22.11), it read wild memory or decided wrongly:
 *
 * 	convert   byte and word loads at X + k take register A for X
 * 	compile   "jump if a bit of k is set" with a small k is encoded too short:
 * 	          "tcp[tcpflags] & tcp-syn != 0" crashes
 * 	compile   jump sizes may still change in the last pass: long filters jump into the middle
 * 	          of instructions
 * 	compile   jumps back over just 127 or 128 bytes miss
 * 	read      X + k that wraps 32 bits passes the bounds check
 *
 * A worker must not die of a filter.  Classic BPF is small enough to compile rightly: every jump
 * has four bytes of offset, so sizes do not depend on one another, and every load checks its
 * bounds first.
 *
 * Source: McCanne and Jacobson, The BSD Packet Filter (1993); Intel SDM volume 2.
 */
#ifndef FILTERS_CAPTURE_JIT_H
#define FILTERS_CAPTURE_JIT_H

#include <stddef.h>
#include <stdint.h>

struct bpf_program;

/* Runs on 'size' bytes at 'data' of a frame that has 'pkt_len'.  A load beyond 'size' makes it
 * return 0. */
typedef uint32_t (*filter_jit_fn)(const uint8_t *data, uint32_t size, uint32_t pkt_len);

struct filter_jit {
	filter_jit_fn fn;
	void *code;
	size_t size;
};

/* 0; -ENOTSUP on other processors, -EINVAL for a program that is none, -ENOMEM, -EACCES where the
 * system forbids code made at run time.  Any thread. */
int filter_jit_create(const struct bpf_program *program, struct filter_jit *ret_jit);
void filter_jit_destroy(struct filter_jit *jit);

#endif
