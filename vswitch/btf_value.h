/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys, values and records of maps as people read and write them: bytes <-> JSON, by the types that
 * an object brings along (BTF).
 *
 * 	__u32 n; enum e; bool b	       5  "ONE"  true
 * 	__be16 port; __be32 addr       80  "10.0.0.1"	what a type of network order holds
 * 	__be32 a[4], struct in6_addr   "fd00::1"
 * 	__u8 mac[6]; char name[16]     "02:00:00:00:00:01"  "eth0"
 * 	struct s; union u	       {"field": ..}
 * 	int v[3]		       [1, 2, 3]
 * 	no type known		       "hex:0102"
 *
 * Numbers beyond what JSON's integers hold here (2^63 and on) are strings of digits.  Reading takes
 * all of these, "hex:.." and "0x.." bytes for anything, and an IPv4 address for any four bytes.
 *
 * Types come from object files: nothing here trusts sizes or offsets in them.  No state, any
 * thread.  Source: the kernel's Documentation/bpf/btf.rst.
 */
#ifndef VSWITCH_BTF_VALUE_H
#define VSWITCH_BTF_VALUE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct btf;

/* New reference; 'btf' may be NULL and 'type' 0: not known. */
json_t *vs_btf_show(const struct btf *btf, uint32_t type, const void *bytes, size_t size);
/* "hex:0a0b" */
json_t *vs_hex_show(const void *bytes, size_t size);

/* Writes 'bytes' as 'text' says.  Fields of structs that it does not name stay as they are.  'what'
 * is for errors: "key", "value".  -EINVAL (slug "bad-value"). */
int vs_btf_read(const struct btf *btf, uint32_t type, const char *text, void *bytes, size_t size,
		const char *what, struct err *err);
/* "hex:.." or "0x.." with as many bytes as 'size', spaces and colons between them.  -EINVAL. */
int vs_hex_read(const char *text, void *bytes, size_t size);

/* "struct flow", "__be32", "__u8[6]"; "" when it is not known. */
void vs_btf_type_name(const struct btf *btf, uint32_t type, char *name, size_t size);

/* For both directions. */

enum vs_btf_kind {
	VS_BTF_BYTES, /* nothing is known, or nothing we draw */
	VS_BTF_INT,
	VS_BTF_BOOL,
	VS_BTF_ENUM,
	VS_BTF_ADDRESS4, /* four bytes in network order */
	VS_BTF_ADDRESS6,
	VS_BTF_MAC,
	VS_BTF_TEXT, /* char[] */
	VS_BTF_ARRAY,
	VS_BTF_FIELDS, /* struct, union, section of variables */
};

/* A type, looked through its typedefs and qualifiers. */
struct vs_btf_type {
	const struct btf *btf;
	enum vs_btf_kind kind;
	uint32_t id;   /* of the type itself */
	uint32_t size; /* bytes */
	bool is_signed, network;
	uint32_t element, n_elements; /* ARRAY */
	uint32_t n_fields;
};
/* 'id' of 'size' bytes; what does not fit is BYTES. */
struct vs_btf_type vs_btf_type(const struct btf *btf, uint32_t id, size_t size);

struct vs_btf_field {
	const char *name; /* "": it has none, its own fields are meant */
	uint32_t type, offset, size;
	uint8_t bit_offset, bit_size; /* of a bit-field of 'size' bytes; 0: none */
};
/* False: it does not lie within the type. */
bool vs_btf_field(const struct vs_btf_type *t, uint32_t i, struct vs_btf_field *ret);

#endif
