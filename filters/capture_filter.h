/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a capture keeps: an expression of tcpdump's language, made into a program that workers run
 * on a frame.
 *
 * 	words     refuse names that only a name server could resolve (capture_words.c)
 * 	libpcap   expression -> classic BPF
 * 	jit       classic BPF -> machine code (capture_jit.h); where there is none, libpcap
 * interprets
 *
 * Never is a frame kept because its filter could not run.
 *
 * The frame's bytes are as the port sees them, VLAN tags in place: as with tcpdump, 'vlan' must
 * be said before what follows the tag ("vlan and udp", "udp or (vlan and udp)").
 */
#ifndef FILTERS_CAPTURE_FILTER_H
#define FILTERS_CAPTURE_FILTER_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct filter_match;
struct rte_mbuf;

#define FILTER_EXPR_MAX                                                                            \
	2048 /* libpcap's optimiser takes time that grows with the square of it: 0.1 s here */
#define FILTER_SCRATCH_SIZE 65536u

/* Who runs the program. */
enum filter_engine { FILTER_ENGINE_NONE, FILTER_ENGINE_JIT, FILTER_ENGINE_INTERPRETER };

/* Compiles.  'expr' empty: matches all.  'best' is the first engine to try, for tests;
 * FILTER_ENGINE_JIT otherwise. -EINVAL with libpcap's words, and the column where they point at
 * one; -ENOMEM.  Control thread. */
int filter_match_create(const char *expr, enum filter_engine best, struct filter_match **ret_match,
			struct err *err);
void filter_match_destroy(struct filter_match *match);

enum filter_engine filter_match_engine(const struct filter_match *match);
/* "jit" "interpreter" "none" */
const char *filter_engine_name(enum filter_engine engine);

/* Does running need a scratch buffer of FILTER_SCRATCH_SIZE bytes?  Chained frames are put
 * together there when the program may look beyond their first piece; what lies beyond the buffer
 * is not seen by the filter. */
bool filter_match_needs_scratch(const struct filter_match *match);

/* Does the frame match?  Any worker, any number at a time (with a scratch each).  The frame is
 * not changed. */
bool filter_match_run(const struct filter_match *match, const struct rte_mbuf *m, uint8_t *scratch);

/* Finds the first word of 'expr' that libpcap would take for a name of a host or network and so
 * look up, which may take seconds.  Returns its offset and sets *ret_size, or -1 when there is
 * none.  Any thread. */
int filter_words_find_name(const char *expr, unsigned *ret_size);

/* The offset of a protocol's name that this host has no list to look up in (/etc/protocols), or -1.
 */
int filter_words_find_lost_protocol(const char *expr, unsigned *ret_size);

#endif
