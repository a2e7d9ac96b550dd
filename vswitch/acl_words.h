/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside access lists as people write them.
 *
 * 	acl_text.c    one entry	     acl_format.c  the same as text again
 * 	acl_lines.c   many of them	     acl_sets.c	   addresses of sets
 * 	acl_model.c   the configuration's objects, all of it together
 *
 * A list's entries are one text in its object's body, one entry a line; a set's addresses are
 * another.  So a list of ten thousand is one string, which a change copies as fast as memory goes,
 * and a transaction keeps whole.  Pure functions, any thread.
 */
#ifndef VSWITCH_ACL_WORDS_H
#define VSWITCH_ACL_WORDS_H

#include "vswitch/acl.h"

#include <stddef.h>

#include <jansson.h>

#define VS_ACL_LINE_SIZE  1024	     /* of an entry's text, with the byte 0 */
#define VS_ACL_NOTE_SIZE  128	     /* of a note's, with the byte 0 */
#define VS_ACL_MAX_TEXT	  (32 << 20) /* bytes of a file */
#define VS_ACL_MAX_ORDER  4294967294u
#define VS_ACL_STEP	  10	  /* between orders that nobody chose */
#define VS_ACL_MAX_IDLE_S 2592000 /* 30 days */

/* Ethernet types that entries have words for. */
#define VS_ACL_IP   0x0800
#define VS_ACL_ARP  0x0806
#define VS_ACL_IPV6 0x86dd

/* Words for protocols: eth_type 0 is either family. */
struct vs_acl_proto {
	const char *word;
	uint16_t eth_type;
	int16_t proto;
};
extern const struct vs_acl_proto vs_acl_protos[]; /* ended by .word == NULL */

/* Reads an entry of 'size' bytes; order 0: none is said.  What it finds is the caller's
 * (vs_acl_entry_fini()).  On failure '*ret_at' is the byte at which, and 'err' says nothing of
 * where. */
int vs_acl_entry_read(const char *text, size_t size, const struct vs_acl_conf *conf,
		      struct vs_acl_entry *ret_entry, size_t *ret_at, struct err *err);
/* The column of a byte: characters, from 1. */
unsigned vs_acl_column(const char *text, size_t at);

/* An address or prefix of 'size' bytes.  Returns why it is none, NULL when it is one. */
const char *vs_acl_prefix_read(const char *text, size_t size, struct vs_acl_prefix *ret);
#define VS_ACL_PREFIX_SIZE 64
const char *vs_acl_prefix_format(const struct vs_acl_prefix *prefix, char text[VS_ACL_PREFIX_SIZE]);

/* Entries of a text, sorted by order; those that say none come VS_ACL_STEP behind the line before.
 * 'name': what errors call the text, "FILE:LINE:COLUMN: ..".  At most 'max'. */
int vs_acl_lines_read(const char *name, const char *text, size_t size,
		      const struct vs_acl_conf *conf, uint32_t max,
		      struct vs_acl_entry **ret_entries, uint32_t *ret_n, struct err *err);
/* One a line; malloc'ed.  NULL: no memory. */
char *vs_acl_lines_format(const struct vs_acl_entry *entries, uint32_t n);
void vs_acl_entries_free(struct vs_acl_entry *entries, uint32_t n);

/* Addresses of a text, ascending; what another covers is left out. */
int vs_acl_set_read(const char *name, const char *text, size_t size, uint32_t max,
		    struct vs_acl_prefix **ret_prefixes, uint32_t *ret_n, struct err *err);
/* Several a line; malloc'ed.  NULL: no memory. */
char *vs_acl_set_format(const struct vs_acl_prefix *prefixes, uint32_t n);
/* The member of a set that has the address in it, or NULL. */
const struct vs_acl_prefix *vs_acl_set_find(const struct vs_acl_set *set, const struct dp_ip *ip);
/* The names of a state's sets, without their addresses; 'sets' is malloc'ed, the names are the
 * state's. */
int vs_acl_names(const json_t *state, struct vs_acl_conf *ret_conf, struct err *err);
/* Does 'a' have all of 'b' in it? */
bool vs_acl_prefix_covers(const struct vs_acl_prefix *a, const struct vs_acl_prefix *b);
int vs_acl_prefix_compare(const void *a, const void *b);

/* acl_relate.c.  Does 'a' match all packets that 'b' does?  Never true where it is not so. */
bool vs_acl_entry_covers(const struct vs_acl_entry *a, const struct vs_acl_entry *b);
/* Is there a packet that both match?  Never false where there is. */
bool vs_acl_entries_meet(const struct vs_acl_entry *a, const struct vs_acl_entry *b);
/* What tells most pairs apart that do not meet, for who asks of millions. */
struct vs_acl_mark {
	struct vs_acl_mark_end {
		uint32_t value, mask; /* the address' first bits */
		uint16_t from, to;    /* ports */
	} src, dst;
	uint16_t eth_type;
	int16_t proto;
};
void vs_acl_mark(const struct vs_acl_entry *e, struct vs_acl_mark *ret_mark);
static inline bool vs_acl_mark_ends_meet(const struct vs_acl_mark_end *a,
					 const struct vs_acl_mark_end *b)
{
	return ((a->value ^ b->value) & a->mask & b->mask) == 0 && a->from <= b->to &&
	       b->from <= a->to;
}
/* False: the entries do not meet. */
static inline bool vs_acl_marks_meet(const struct vs_acl_mark *a, const struct vs_acl_mark *b)
{
	return vs_acl_mark_ends_meet(&a->dst, &b->dst) && vs_acl_mark_ends_meet(&a->src, &b->src) &&
	       (a->proto == b->proto || a->proto < 0 || b->proto < 0) &&
	       (a->eth_type == b->eth_type || a->eth_type == 0 || b->eth_type == 0);
}

#endif
