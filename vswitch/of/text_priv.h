/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of the text syntax share.
 *
 * 	text_scan.c    the parser's cursor, words, numbers, errors
 * 	text_value.c   values of fields, and fields by name
 * 	text_match.c   matches
 * 	text_action.c  actions and instructions; text_ct.c those of connection tracking
 * 	text_flow.c    flows, groups, meters
 * 	text_print.c   the way back
 */
#ifndef VSWITCH_OF_TEXT_PRIV_H
#define VSWITCH_OF_TEXT_PRIV_H

#include "ctl/base/wire.h"
#include "vswitch/of/text.h"

#include <string.h>
#include <strings.h>

/* Part of the text. */
struct of_word {
	const char *at;
	size_t size;
};

struct of_pair {
	struct of_word key, value;
	char sep;
};

#define OF_LATER_MAX 8
struct of_parser {
	const char *text; /* columns count from here */
	const char *at, *end;
	unsigned line;
	const struct of_text_ports *ports;
	struct of_text_error *err;	    /* may be NULL */
	int rc;				    /* 0, or the first error */
	struct of_match *known;		    /* what actions know of the packets; may be NULL */
	struct of_pair later[OF_LATER_MAX]; /* fields whose meaning the protocol decides */
	unsigned n_later;
	bool in_ct;  /* inside ct(...), which does not nest */
	bool tagged; /* there is a VLAN tag at this point of the actions */
};

struct of_parser of_parser_init(const char *text, size_t size, unsigned line,
				const struct of_text_ports *ports, struct of_text_error *err);
/* A parser of part of the text, with columns of the whole. */
struct of_parser of_parser_in(const struct of_parser *p, struct of_word word);
/* Keeps the first error and moves to the end; returns false. */
bool of_parse_fail(struct of_parser *p, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool of_parse_nomem(struct of_parser *p);
/* What a parser of a part came to. */
bool of_parse_done(struct of_parser *p, const struct of_parser *part);

/* The next 'key', 'key=value', 'key:value' or 'key(value)' of a list separated by commas and white
 * space.  'sep' is what stood between: 0, '=', ':' or '('.  A value ends at the next separator that
 * is not in parentheses.  False at the end, or after an error. */
bool of_parse_pair(struct of_parser *p, struct of_pair *ret_pair);

/* Most words differ from most names in their first letter. */
static inline bool of_word_is(struct of_word word, const char *text)
{
	return word.size != 0 && ((*word.at ^ *text) & 0xdf) == 0 && strlen(text) == word.size &&
	       strncasecmp(word.at, text, word.size) == 0;
}
bool of_word_starts(struct of_word word, const char *text);
/* Splits at the first 'sep'; without one, 'ret_after' is empty with a NULL 'at'. */
void of_word_split(struct of_word word, const char *sep, struct of_word *ret_before,
		   struct of_word *ret_after);
/* Decimal, or hexadecimal after "0x"; up to 'max'. */
bool of_parse_number(struct of_parser *p, struct of_word word, uint64_t max, uint64_t *ret_value);
bool of_parse_port(struct of_parser *p, struct of_word word, uint32_t *ret_port);
const char *of_reserved_port_name(uint32_t port);
bool of_parse_mac(struct of_parser *p, struct of_word word, uint8_t mac[6]);
/* 4 or 16 bytes. */
bool of_parse_ip(struct of_parser *p, struct of_word word, bool ipv6, uint8_t *ret_ip);

/* OF_N_FIELDS when the name is no field's. */
enum of_field of_field_find(struct of_word name);
/* "value" or "value/mask". */
bool of_parse_value(struct of_parser *p, struct of_word word, enum of_field field,
		    struct of_oxm *ret_oxm);
void of_value_print(struct wr *wr, const struct of_oxm *oxm, const struct of_text_ports *ports);

/* One pair of a match: 1 when it is, 0 when its key is unknown here, -1 after an error. */
int of_parse_match_pair(struct of_parser *p, const struct of_pair *pair, struct of_match *match);
/* When all are read: what waited for the protocol, and prerequisites. */
bool of_parse_match_end(struct of_parser *p, struct of_match *match);

/* All that is left. */
bool of_parse_instrs(struct of_parser *p, struct of_instrs *instrs);
/* A list of actions only. */
bool of_parse_actions(struct of_parser *p, struct of_actions *actions);
bool of_parse_subfield(struct of_parser *p, struct of_word word, struct of_subfield *ret_sub);
bool of_parse_ct(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions);
void of_ct_print(struct wr *wr, const struct of_ct *ct, const struct of_text_ports *ports);
void of_nat_print(struct wr *wr, const struct of_nat *nat);
void of_subfield_print(struct wr *wr, const struct of_subfield *sub);

void of_put(struct wr *wr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void of_put_port(struct wr *wr, uint32_t port, const struct of_text_ports *ports);

#endif
