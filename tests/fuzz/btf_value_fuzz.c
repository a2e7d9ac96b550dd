/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys and values as people write them, for types that an object made up: what is read is shown,
 * and what was shown is read back to the same bytes.
 *
 * Input: the type (a byte), then text.
 */
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "vswitch/btf_value.h"

#define SIZE 32

static struct btf *btf;
static int types[16];
static unsigned n_types;

static int keep(int type)
{
	types[n_types++] = type;
	return type;
}

static void make(void)
{
	int u8, u32, s64, be32, chr;

	btf = btf__new_empty();
	u8 = btf__add_int(btf, "unsigned char", 1, 0);
	u32 = keep(btf__add_int(btf, "unsigned int", 4, 0));
	s64 = keep(btf__add_int(btf, "long long", 8, BTF_INT_SIGNED));
	chr = btf__add_int(btf, "char", 1, BTF_INT_SIGNED);
	be32 = keep(btf__add_typedef(btf, "__be32", u32));
	keep(btf__add_array(btf, u32, u8, 6));
	keep(btf__add_array(btf, u32, chr, 16));
	keep(btf__add_array(btf, u32, be32, 4));
	keep(btf__add_array(btf, u32, s64, 4));
	keep(btf__add_enum(btf, "e", 4));
	btf__add_enum_value(btf, "A", 1);
	keep(btf__add_struct(btf, "s", 32));
	btf__add_field(btf, "a", be32, 0, 0);
	btf__add_field(btf, "b", types[4], 32, 0);
	btf__add_field(btf, "c", types[3], 160, 0);
	btf__add_field(btf, "", keep(btf__add_union(btf, NULL, 4)), 224, 0);
	btf__add_field(btf, "d", u32, 0, 0);
	keep(btf__add_struct(btf, "bits", 8));
	btf__add_field(btf, "x", u32, 0, 5);
	btf__add_field(btf, "y", u32, 5, 27);
	btf__add_field(btf, "z", s64, 32, 32);
	keep(btf__add_array(btf, u32, types[n_types - 1], 4));
	/* Lies. */
	keep(btf__add_array(btf, u32, s64, 1u << 30));
	keep(btf__add_struct(btf, "far", 8));
	btf__add_field(btf, "f", u32, 4000, 0);
	keep(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[SIZE] = {0}, again[SIZE] = {0};
	char *text, *shown;
	struct err err;
	json_t *json;
	uint32_t type;
	int64_t known;
	size_t n;

	if (btf == NULL)
		make();
	if (size < 1)
		return 0;
	type = (uint32_t)types[data[0] % n_types];
	known = type != 0 ? btf__resolve_size(btf, type) : 4;
	n = known > 0 && known <= SIZE ? (size_t)known : SIZE;
	text = calloc(1, size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (vs_btf_read(btf, type, text, bytes, n, "value", &err) == 0) {
		json = vs_btf_show(btf, type, bytes, n);
		shown = json_dumps(json, JSON_ENCODE_ANY);
		memcpy(again, bytes, SIZE);
		if (vs_btf_read(btf, type, shown, again, n, "value", &err) != 0 ||
		    memcmp(bytes, again, n) != 0)
			abort();
		free(shown);
		json_decref(json);
	}
	free(text);
	return 0;
}
