/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Types of values, simplified; see btf_value.h.
 */
#include "vswitch/btf_value.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>

#define MAX_LINKS 32 /* typedefs and qualifiers before a type */

static const char *name_of(const struct btf *btf, const struct btf_type *t)
{
	const char *name = btf__name_by_offset(btf, t->name_off);

	return name != NULL ? name : "";
}

/* Looks through what only names or qualifies; 'ret_network' when a name says so. */
static const struct btf_type *look_through(const struct btf *btf, uint32_t *id, bool *ret_network)
{
	const struct btf_type *t = btf__type_by_id(btf, *id);

	for (unsigned i = 0; t != NULL && i < MAX_LINKS; i++) {
		if (!btf_is_mod(t) && !btf_is_typedef(t))
			return t;
		if (btf_is_typedef(t) && strncmp(name_of(btf, t), "__be", 4) == 0)
			*ret_network = true;
		*id = t->type;
		t = btf__type_by_id(btf, *id);
	}
	return NULL;
}

static bool is_one_byte(const struct btf *btf, uint32_t id, bool *ret_char)
{
	bool network = false;
	const struct btf_type *t = look_through(btf, &id, &network);

	*ret_char = t != NULL && btf_is_int(t) && strcmp(name_of(btf, t), "char") == 0;
	return t != NULL && btf_is_int(t) && t->size == 1;
}

static bool is_be32(const struct btf *btf, uint32_t id)
{
	bool network = false;
	const struct btf_type *t = look_through(btf, &id, &network);

	return t != NULL && btf_is_int(t) && t->size == 4 && network;
}

static void set_array(struct vs_btf_type *t, const struct btf_type *b)
{
	const struct btf_array *a = btf_array(b);
	int64_t element = btf__resolve_size(t->btf, a->type);
	bool is_char = false;

	/* Sizes are the object's to say: all must fit into the bytes that there are. */
	if (element <= 0 || a->nelems == 0 || (uint64_t)element * a->nelems != t->size)
		return;
	t->kind = VS_BTF_ARRAY;
	t->element = a->type;
	t->n_elements = a->nelems;
	if (is_one_byte(t->btf, a->type, &is_char))
		t->kind = is_char ? VS_BTF_TEXT : a->nelems == 6 ? VS_BTF_MAC : VS_BTF_ARRAY;
	else if (a->nelems == 4 && is_be32(t->btf, a->type))
		t->kind = VS_BTF_ADDRESS6;
}

static void set_int(struct vs_btf_type *t, const struct btf_type *b)
{
	if (b->size != t->size || (b->size != 1 && b->size != 2 && b->size != 4 && b->size != 8))
		return;
	t->kind = (btf_int_encoding(b) & BTF_INT_BOOL) != 0 ? VS_BTF_BOOL : VS_BTF_INT;
	t->is_signed = (btf_int_encoding(b) & BTF_INT_SIGNED) != 0;
	if (t->network && b->size == 4)
		t->kind = VS_BTF_ADDRESS4;
}

static void set_enum(struct vs_btf_type *t, const struct btf_type *b)
{
	if (b->size != t->size || (b->size != 1 && b->size != 2 && b->size != 4 && b->size != 8))
		return;
	t->kind = VS_BTF_ENUM;
	t->is_signed = btf_kflag(b);
}

static void set_fields(struct vs_btf_type *t, const struct btf_type *b)
{
	if (btf_vlen(b) == 0)
		return;
	t->kind = VS_BTF_FIELDS;
	t->n_fields = btf_vlen(b);
	if (t->size == 16 && strcmp(name_of(t->btf, b), "in6_addr") == 0)
		t->kind = VS_BTF_ADDRESS6;
}

struct vs_btf_type vs_btf_type(const struct btf *btf, uint32_t id, size_t size)
{
	struct vs_btf_type t = {.btf = btf, .id = id, .size = (uint32_t)size};
	const struct btf_type *b =
		btf != NULL && id != 0 ? look_through(btf, &t.id, &t.network) : NULL;

	if (b == NULL)
		return t;
	if (btf_is_int(b))
		set_int(&t, b);
	else if (btf_is_any_enum(b))
		set_enum(&t, b);
	else if (btf_is_array(b))
		set_array(&t, b);
	else if ((btf_is_composite(b) || btf_is_datasec(b)) && b->size <= size)
		set_fields(&t, b);
	else if (btf_is_ptr(b) && size == 8)
		t.kind = VS_BTF_INT;
	return t;
}

/* A bit-field of at most 8 bytes, which may begin in the middle of one. */
static bool bit_field(struct vs_btf_field *f, uint32_t bit, uint32_t n_bits, uint32_t size)
{
	f->offset = bit / 8;
	f->bit_offset = (uint8_t)(bit % 8);
	f->bit_size = (uint8_t)n_bits;
	f->size = (f->bit_offset + n_bits + 7) / 8;
	return n_bits <= 64 && f->size <= 8 && f->offset <= size && f->size <= size - f->offset;
}

static bool member(const struct vs_btf_type *t, const struct btf_type *b, uint32_t i,
		   struct vs_btf_field *f)
{
	const struct btf_member *m = btf_members(b) + i;
	uint32_t bit = btf_member_bit_offset(b, i), n_bits = btf_member_bitfield_size(b, i);
	const char *name = btf__name_by_offset(t->btf, m->name_off);
	int64_t size = btf__resolve_size(t->btf, m->type);

	f->name = name != NULL ? name : "";
	f->type = m->type;
	if (n_bits != 0)
		return bit_field(f, bit, n_bits, t->size);
	f->offset = bit / 8;
	/* Of 0 bytes: a flexible array's end. */
	f->size = size > 0 ? (uint32_t)size : 0;
	return size > 0 && size <= UINT32_MAX && bit % 8 == 0 && f->offset <= t->size &&
	       f->size <= t->size - f->offset;
}

static bool variable(const struct vs_btf_type *t, const struct btf_type *b, uint32_t i,
		     struct vs_btf_field *f)
{
	const struct btf_var_secinfo *v = btf_var_secinfos(b) + i;
	const struct btf_type *var = btf__type_by_id(t->btf, v->type);

	if (var == NULL || !btf_is_var(var))
		return false;
	f->name = name_of(t->btf, var);
	f->type = var->type;
	f->offset = v->offset;
	f->size = v->size;
	return f->size != 0 && f->offset <= t->size && f->size <= t->size - f->offset;
}

bool vs_btf_field(const struct vs_btf_type *t, uint32_t i, struct vs_btf_field *ret)
{
	const struct btf_type *b = btf__type_by_id(t->btf, t->id);

	*ret = (struct vs_btf_field){.name = ""};
	if (b == NULL || i >= btf_vlen(b))
		return false;
	return btf_is_datasec(b) ? variable(t, b, i, ret) : member(t, b, i, ret);
}

void vs_btf_type_name(const struct btf *btf, uint32_t type, char *name, size_t size)
{
	const struct btf_type *t = btf != NULL && type != 0 ? btf__type_by_id(btf, type) : NULL;
	char element[80];

	name[0] = '\0';
	if (t == NULL)
		return;
	if (btf_is_array(t) && btf_array(t)->type != type) {
		const struct btf_type *e = btf__type_by_id(btf, btf_array(t)->type);

		/* One level: what an array of arrays is made of says map show, not this. */
		snprintf(element, sizeof(element), "%s", e != NULL ? name_of(btf, e) : "");
		snprintf(name, size, "%s[%u]", element[0] != '\0' ? element : "..",
			 btf_array(t)->nelems);
		return;
	}
	snprintf(name, size, "%s%s",
		 btf_is_struct(t)     ? "struct "
		 : btf_is_union(t)    ? "union "
		 : btf_is_any_enum(t) ? "enum "
				      : "",
		 name_of(btf, t)[0] != '\0' ? name_of(btf, t) : "..");
}
