/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes as JSON; see btf_value.h.
 */
#include "vswitch/btf_value.h"

#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#define MAX_DEPTH 16

static json_t *show(const struct btf *btf, uint32_t type, const uint8_t *bytes, size_t size,
		    unsigned depth);

json_t *vs_hex_show(const void *bytes, size_t size)
{
	char *text = malloc(2 * size + 5);
	json_t *json;

	if (text == NULL)
		return json_null();
	memcpy(text, "hex:", 5);
	for (size_t i = 0; i < size; i++)
		snprintf(text + 4 + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	json = json_string(text);
	free(text);
	return json;
}

/* The bits at 'bytes', as a number; little-endian hosts are the only ones that this runs on. */
static uint64_t bits_of(const uint8_t *bytes, size_t size)
{
	uint64_t n = 0;

	memcpy(&n, bytes, size < sizeof(n) ? size : sizeof(n));
	return le64toh(n);
}

static uint64_t swapped(uint64_t n, size_t size)
{
	return __builtin_bswap64(n) >> (64 - 8 * size);
}

static json_t *number(uint64_t n, bool is_signed, unsigned n_bits)
{
	char text[24];

	if (is_signed && n_bits < 64 && (n >> (n_bits - 1) & 1) != 0)
		n |= UINT64_MAX << n_bits;
	if (is_signed || n <= INT64_MAX)
		return json_integer((json_int_t)n);
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return json_string(text);
}

static json_t *enum_value(const struct vs_btf_type *t, uint64_t n)
{
	const struct btf_type *b = btf__type_by_id(t->btf, t->id);

	for (uint32_t i = 0; i < btf_vlen(b); i++) {
		const char *name;
		uint64_t value;

		if (btf_is_enum64(b)) {
			value = btf_enum64_value(btf_enum64(b) + i);
			name = btf__name_by_offset(t->btf, btf_enum64(b)[i].name_off);
		} else {
			value = (uint32_t)btf_enum(b)[i].val;
			name = btf__name_by_offset(t->btf, btf_enum(b)[i].name_off);
		}
		if (t->size < 8)
			value &= (UINT64_C(1) << (8 * t->size)) - 1;
		if (value == n && name != NULL)
			return json_string(name);
	}
	return number(n, t->is_signed, 8 * t->size);
}

static json_t *address(int family, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(inet_ntop(family, bytes, text, sizeof(text)));
}

static json_t *mac(const uint8_t *b)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return json_string(text);
}

/* Printable, and nothing but zeros behind its end; else it would not be read back the same. */
static json_t *text_of(const uint8_t *bytes, size_t size)
{
	size_t n = strnlen((const char *)bytes, size);
	char *text;
	json_t *json;

	for (size_t i = 0; i < n; i++)
		if (bytes[i] < 0x20 || bytes[i] > 0x7e)
			return vs_hex_show(bytes, size);
	for (size_t i = n; i < size; i++)
		if (bytes[i] != 0)
			return vs_hex_show(bytes, size);
	/* "hex:.." in a text would be read as bytes. */
	if (n >= 4 && memcmp(bytes, "hex:", 4) == 0)
		return vs_hex_show(bytes, size);
	text = strndup((const char *)bytes, n);
	json = text != NULL ? json_string(text) : json_null();
	free(text);
	return json;
}

static json_t *array(const struct vs_btf_type *t, const uint8_t *bytes, unsigned depth)
{
	size_t size = t->size / t->n_elements;
	json_t *list = json_array();

	for (uint32_t i = 0; i < t->n_elements; i++)
		json_array_append_new(list,
				      show(t->btf, t->element, bytes + i * size, size, depth + 1));
	return list;
}

static json_t *bit_field(const struct vs_btf_type *t, const struct vs_btf_field *f,
			 const uint8_t *bytes)
{
	uint64_t n = bits_of(bytes, f->size) >> f->bit_offset;
	struct vs_btf_type of = vs_btf_type(t->btf, f->type, 8);
	const struct btf_type *b = btf__type_by_id(t->btf, of.id);
	bool is_signed = b != NULL && btf_is_int(b) && (btf_int_encoding(b) & BTF_INT_SIGNED) != 0;

	if (f->bit_size < 64)
		n &= (UINT64_C(1) << f->bit_size) - 1;
	return number(n, is_signed, f->bit_size);
}

static void put_fields(json_t *object, const struct vs_btf_type *t, const uint8_t *bytes,
		       unsigned depth)
{
	for (uint32_t i = 0; i < t->n_fields; i++) {
		struct vs_btf_field f;
		json_t *value;

		if (!vs_btf_field(t, i, &f))
			continue;
		/* Of a struct or union without a name the fields are this one's. */
		if (f.name[0] == '\0' && f.bit_size == 0) {
			struct vs_btf_type inner = vs_btf_type(t->btf, f.type, f.size);

			if (inner.kind == VS_BTF_FIELDS && depth < MAX_DEPTH)
				put_fields(object, &inner, bytes + f.offset, depth + 1);
			continue;
		}
		value = f.bit_size != 0 ? bit_field(t, &f, bytes + f.offset)
					: show(t->btf, f.type, bytes + f.offset, f.size, depth + 1);
		json_object_set_new(object, f.name, value);
	}
}

static json_t *show(const struct btf *btf, uint32_t type, const uint8_t *bytes, size_t size,
		    unsigned depth)
{
	struct vs_btf_type t = vs_btf_type(btf, type, size);
	uint64_t n = bits_of(bytes, size);
	json_t *object;

	if (depth > MAX_DEPTH)
		return vs_hex_show(bytes, size);
	switch (t.kind) {
	case VS_BTF_INT:
		return number(t.network ? swapped(n, size) : n, t.is_signed, 8 * t.size);
	case VS_BTF_BOOL:
		return n <= 1 ? json_boolean(n) : number(n, false, 8 * t.size);
	case VS_BTF_ENUM:
		return enum_value(&t, n);
	case VS_BTF_ADDRESS4:
		return address(AF_INET, bytes);
	case VS_BTF_ADDRESS6:
		return address(AF_INET6, bytes);
	case VS_BTF_MAC:
		return mac(bytes);
	case VS_BTF_TEXT:
		return text_of(bytes, size);
	case VS_BTF_ARRAY:
		return array(&t, bytes, depth);
	case VS_BTF_FIELDS:
		object = json_object();
		put_fields(object, &t, bytes, depth);
		return object;
	case VS_BTF_BYTES:
		break;
	}
	return vs_hex_show(bytes, size);
}

json_t *vs_btf_show(const struct btf *btf, uint32_t type, const void *bytes, size_t size)
{
	return show(btf, type, bytes, size, 0);
}
