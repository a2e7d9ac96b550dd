/* SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON and words as bytes; see btf_value.h.
 */
#include "vswitch/btf_value.h"

#include "ctl/spec.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#define MAX_DEPTH  16
#define MAX_FIELDS 64 /* that an error may name */

struct reader {
	const char *what;
	struct err *err;
	unsigned depth;
};

static int put(struct reader *r, const struct btf *btf, uint32_t type, const json_t *value,
	       uint8_t *bytes, size_t size);

/* The value as text, for errors. */
static int refuse(const struct reader *r, const json_t *value, const char *wanted)
{
	char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	err_set(r->err, -EINVAL, "bad-value", "%s: %.80s is not %s", r->what,
		text != NULL ? text : "that", wanted);
	err_why(r->err, "that is what its type in the object holds");
	err_fix(r->err, "write it as map dump shows it, or as bytes: hex:0102");
	free(text);
	return -EINVAL;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int vs_hex_read(const char *text, void *bytes, size_t size)
{
	uint8_t *p = bytes;
	size_t n = 0;

	if (strncmp(text, "hex:", 4) == 0)
		text += 4;
	else if (strncmp(text, "0x", 2) == 0)
		text += 2;
	else
		return -EINVAL;
	while (*text != '\0') {
		if (*text == ' ' || *text == ':') {
			text++;
			continue;
		}
		if (digit(text[0]) < 0 || digit(text[1]) < 0 || n == size)
			return -EINVAL;
		p[n++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	return n == size ? 0 : -EINVAL;
}

/* A whole number in digits or 0x; magnitude and sign. */
static bool parse_number(const char *text, uint64_t *ret, bool *ret_negative)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	char *end;

	if (digit(digits[0]) < 0 || digit(digits[0]) > 9)
		return false;
	errno = 0;
	*ret = strtoull(digits, &end, digits[0] == '0' && (digits[1] | 0x20) == 'x' ? 16 : 10);
	*ret_negative = negative && *ret != 0;
	return *end == '\0' && errno == 0;
}

static bool number_of(const json_t *value, uint64_t *ret, bool *ret_negative)
{
	json_int_t n = json_integer_value(value);

	if (json_is_string(value))
		return parse_number(json_string_value(value), ret, ret_negative);
	if (json_is_boolean(value)) {
		*ret = json_is_true(value);
		*ret_negative = false;
		return true;
	}
	*ret_negative = n < 0;
	*ret = n < 0 ? -(uint64_t)n : (uint64_t)n;
	return json_is_integer(value);
}

/* Into 'n_bits' bits; false: it does not fit.  A type without a sign takes -1 as all ones. */
static bool fits(uint64_t *n, bool negative, bool is_signed, unsigned n_bits)
{
	uint64_t most = n_bits < 64 ? (UINT64_C(1) << n_bits) - 1 : UINT64_MAX;
	uint64_t limit = is_signed ? most >> 1 : most;

	if (negative && *n > (most >> 1) + 1)
		return false;
	if (!negative && *n > limit)
		return false;
	if (negative)
		*n = -*n & most;
	return true;
}

static void store(uint64_t n, uint8_t *bytes, size_t size)
{
	n = htole64(n);
	memcpy(bytes, &n, size);
}

static bool address_of(const json_t *value, size_t size, uint8_t *bytes)
{
	const char *text = json_string_value(value);

	return text != NULL && inet_pton(size == 4 ? AF_INET : AF_INET6, text, bytes) == 1;
}

static int put_int(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		   uint8_t *bytes)
{
	bool negative = false;
	char wanted[64];
	uint64_t n = 0;

	if (t->size == 4 && address_of(value, 4, bytes))
		return 0;
	snprintf(wanted, sizeof(wanted), "%s of %u bytes%s", t->is_signed ? "a number" : "a number",
		 t->size, t->size == 4 ? " or an IPv4 address" : "");
	if (!number_of(value, &n, &negative) || !fits(&n, negative, t->is_signed, 8 * t->size))
		return refuse(r, value, wanted);
	if (t->network)
		n = __builtin_bswap64(n) >> (64 - 8 * t->size);
	store(n, bytes, t->size);
	return 0;
}

static bool find_enum(const struct vs_btf_type *t, const char *word, uint64_t *ret)
{
	const struct btf_type *b = btf__type_by_id(t->btf, t->id);

	for (uint32_t i = 0; i < btf_vlen(b); i++) {
		bool wide = btf_is_enum64(b);
		const char *name = btf__name_by_offset(t->btf, wide ? btf_enum64(b)[i].name_off
								    : btf_enum(b)[i].name_off);

		if (name == NULL || strcmp(name, word) != 0)
			continue;
		*ret = wide ? btf_enum64_value(btf_enum64(b) + i) : (uint32_t)btf_enum(b)[i].val;
		return true;
	}
	return false;
}

static int put_enum(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		    uint8_t *bytes)
{
	const char *word = json_string_value(value);
	bool negative = false;
	uint64_t n = 0;

	if (word != NULL && find_enum(t, word, &n)) {
		store(n, bytes, t->size);
		return 0;
	}
	if (!number_of(value, &n, &negative) || !fits(&n, negative, t->is_signed, 8 * t->size))
		return refuse(r, value, "one of the enumeration's names, or a number");
	store(n, bytes, t->size);
	return 0;
}

static int put_mac(struct reader *r, const json_t *value, uint8_t *bytes)
{
	const char *text = json_string_value(value);

	if (text == NULL || ctl_mac_parse(text, bytes, NULL) != 0)
		return refuse(r, value, "a MAC address");
	return 0;
}

static int put_text(struct reader *r, const json_t *value, uint8_t *bytes, size_t size)
{
	char wanted[64];

	if (json_is_string(value) && json_string_length(value) <= size) {
		memset(bytes, 0, size);
		memcpy(bytes, json_string_value(value), json_string_length(value));
		return 0;
	}
	snprintf(wanted, sizeof(wanted), "a text of at most %zu bytes", size);
	return refuse(r, value, wanted);
}

static int put_list(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		    uint8_t *bytes)
{
	size_t size = t->size / t->n_elements;
	char wanted[64];
	int rc = 0;

	snprintf(wanted, sizeof(wanted), "a list of %u", t->n_elements);
	if (!json_is_array(value) || json_array_size(value) != t->n_elements)
		return refuse(r, value, wanted);
	for (uint32_t i = 0; rc == 0 && i < t->n_elements; i++)
		rc = put(r, t->btf, t->element, json_array_get(value, i), bytes + i * size, size);
	return rc;
}

static int put_bits(struct reader *r, const struct vs_btf_field *f, const json_t *value,
		    uint8_t *bytes)
{
	uint64_t mask = f->bit_size < 64 ? (UINT64_C(1) << f->bit_size) - 1 : UINT64_MAX;
	bool negative = false;
	uint64_t n = 0, all = 0;

	if (!number_of(value, &n, &negative) || !fits(&n, negative, false, f->bit_size))
		return refuse(r, value, "a number that fits into the bit-field");
	memcpy(&all, bytes, f->size);
	all = le64toh(all);
	all = (all & ~(mask << f->bit_offset)) | n << f->bit_offset;
	store(all, bytes, f->size);
	return 0;
}

/* The field of this name, also in what has no name itself. */
static bool find_field(const struct vs_btf_type *t, const char *name, struct vs_btf_field *ret,
		       unsigned depth)
{
	for (uint32_t i = 0; i < t->n_fields; i++) {
		struct vs_btf_type inner;
		struct vs_btf_field f;

		if (!vs_btf_field(t, i, &f))
			continue;
		if (strcmp(f.name, name) == 0 && name[0] != '\0') {
			*ret = f;
			return true;
		}
		if (f.name[0] != '\0' || f.bit_size != 0 || depth == 0)
			continue;
		inner = vs_btf_type(t->btf, f.type, f.size);
		if (inner.kind == VS_BTF_FIELDS && find_field(&inner, name, ret, depth - 1)) {
			ret->offset += f.offset;
			return true;
		}
	}
	return false;
}

static int no_field(const struct reader *r, const struct vs_btf_type *t, const char *name)
{
	const char *names[MAX_FIELDS + 1], *near;
	struct vs_btf_field f;
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_fields && n < MAX_FIELDS; i++)
		if (vs_btf_field(t, i, &f) && f.name[0] != '\0')
			names[n++] = f.name;
	names[n] = NULL;
	near = ctl_did_you_mean(name, names);
	err_set(r->err, -EINVAL, "bad-value", "%s: there is no field '%.60s'", r->what, name);
	if (near != NULL)
		err_why(r->err, "did you mean '%.60s'?", near);
	else if (n != 0)
		err_why(r->err, "the first of %zu is '%.60s'", n, names[0]);
	err_fix(r->err, "vswitchctl filter map list NAME shows types; map dump what is there");
	return -EINVAL;
}

static int put_fields(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		      uint8_t *bytes)
{
	json_t *item, *object = (json_t *)(uintptr_t)value;
	struct vs_btf_field f;
	const char *name;
	int rc = 0;

	/* A struct of one field may stand for it. */
	if (!json_is_object(value) && t->n_fields == 1 && vs_btf_field(t, 0, &f) && f.bit_size == 0)
		return put(r, t->btf, f.type, value, bytes + f.offset, f.size);
	if (!json_is_object(value))
		return refuse(r, value, "an object {\"field\": value}");
	json_object_foreach(object, name, item) {
		if (!find_field(t, name, &f, MAX_DEPTH))
			return no_field(r, t, name);
		rc = f.bit_size != 0 ? put_bits(r, &f, item, bytes + f.offset)
				     : put(r, t->btf, f.type, item, bytes + f.offset, f.size);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Without a type: what has as many bytes. */
static int put_untyped(struct reader *r, const json_t *value, uint8_t *bytes, size_t size)
{
	struct vs_btf_type t = {.kind = VS_BTF_INT, .size = (uint32_t)size};
	char wanted[64];

	if (size == 1 || size == 2 || size == 4 || size == 8)
		return put_int(r, &t, value, bytes);
	if (size == 6 && json_is_string(value))
		return put_mac(r, value, bytes);
	if (size == 16 && address_of(value, 16, bytes))
		return 0;
	snprintf(wanted, sizeof(wanted), "%zu bytes in hex", size);
	return refuse(r, value, wanted);
}

static int put_address(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		       uint8_t *bytes)
{
	if (address_of(value, t->size, bytes))
		return 0;
	/* Its parts, or its number as the host has it. */
	if (t->size == 4)
		return put_int(r, t, value, bytes);
	if (json_is_array(value) && t->n_elements != 0)
		return put_list(r, t, value, bytes);
	return json_is_object(value) && t->n_fields != 0 ? put_fields(r, t, value, bytes)
							 : refuse(r, value, "an IPv6 address");
}

static int put_typed(struct reader *r, const struct vs_btf_type *t, const json_t *value,
		     uint8_t *bytes)
{
	switch (t->kind) {
	case VS_BTF_INT:
	case VS_BTF_BOOL:
		return put_int(r, t, value, bytes);
	case VS_BTF_ENUM:
		return put_enum(r, t, value, bytes);
	case VS_BTF_ADDRESS4:
	case VS_BTF_ADDRESS6:
		return put_address(r, t, value, bytes);
	case VS_BTF_MAC:
		return json_is_array(value) ? put_list(r, t, value, bytes)
					    : put_mac(r, value, bytes);
	case VS_BTF_TEXT:
		return json_is_array(value) ? put_list(r, t, value, bytes)
					    : put_text(r, value, bytes, t->size);
	case VS_BTF_ARRAY:
		return put_list(r, t, value, bytes);
	case VS_BTF_FIELDS:
		return put_fields(r, t, value, bytes);
	case VS_BTF_BYTES:
		break;
	}
	return put_untyped(r, value, bytes, t->size);
}

static int put(struct reader *r, const struct btf *btf, uint32_t type, const json_t *value,
	       uint8_t *bytes, size_t size)
{
	struct vs_btf_type t = vs_btf_type(btf, type, size);
	const char *text = json_string_value(value);
	int rc;

	if (text != NULL && strncmp(text, "hex:", 4) == 0)
		return vs_hex_read(text, bytes, size) == 0
			       ? 0
			       : refuse(r, value, "as many bytes in hex as there are");
	if (r->depth >= MAX_DEPTH)
		return refuse(r, value, "something that lies so deep");
	r->depth++;
	rc = put_typed(r, &t, value, bytes);
	r->depth--;
	return rc;
}

/* Is "0x.." bytes rather than a number here? */
static bool is_bytes(const char *text, const struct vs_btf_type *t)
{
	if (strncmp(text, "0x", 2) != 0)
		return false;
	if (strpbrk(text, " :") != NULL)
		return true;
	return t->kind != VS_BTF_INT && t->kind != VS_BTF_ENUM && t->kind != VS_BTF_BOOL &&
	       t->kind != VS_BTF_ADDRESS4 &&
	       !(t->kind == VS_BTF_BYTES &&
		 (t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8));
}

int vs_btf_read(const struct btf *btf, uint32_t type, const char *text, void *bytes, size_t size,
		const char *what, struct err *err)
{
	struct vs_btf_type t = vs_btf_type(btf, type, size);
	struct reader r = {.what = what, .err = err};
	json_t *value = NULL;
	int rc;

	if (is_bytes(text, &t)) {
		value = json_string(text);
		rc = vs_hex_read(text, bytes, size) == 0
			     ? 0
			     : refuse(&r, value, "as many bytes in hex as there are");
		json_decref(value);
		return rc;
	}
	if (text[0] == '{' || text[0] == '[' || text[0] == '"' || strcmp(text, "true") == 0 ||
	    strcmp(text, "false") == 0) {
		json_error_t error;

		value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
		if (value == NULL)
			return err_set(err, -EINVAL, "bad-value", "%s: not JSON: %.100s", what,
				       error.text);
	} else {
		value = json_string(text);
		if (value == NULL)
			return err_set(err, -EINVAL, "bad-value", "%s: not UTF-8", what);
	}
	rc = put(&r, btf, type, value, bytes, size);
	json_decref(value);
	return rc;
}
