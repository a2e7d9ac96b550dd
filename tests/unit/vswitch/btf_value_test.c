/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "vswitch/btf_value.h"

/* Types as an object has them. */
static struct btf *btf;
static int u8, u16, u32, u64, s32, chr, boolean, be16, be32, color, mac, name8, be128, flow, in6;
static int un, bits, nested, list3, section;

static int add_array(int type, uint32_t n)
{
	return btf__add_array(btf, u32, type, n);
}

static void add_flow(void)
{
	flow = btf__add_struct(btf, "flow", 16);
	assert_int_equal(btf__add_field(btf, "saddr", be32, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "port", be16, 32, 0), 0);
	assert_int_equal(btf__add_field(btf, "what", color, 64, 0), 0);
	assert_int_equal(btf__add_field(btf, "delta", s32, 96, 0), 0);
}

static int set_up(void **state)
{
	int var;

	btf = btf__new_empty();
	u8 = btf__add_int(btf, "unsigned char", 1, 0);
	u16 = btf__add_int(btf, "unsigned short", 2, 0);
	u32 = btf__add_int(btf, "unsigned int", 4, 0);
	u64 = btf__add_int(btf, "unsigned long long", 8, 0);
	s32 = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	chr = btf__add_int(btf, "char", 1, BTF_INT_SIGNED);
	boolean = btf__add_int(btf, "_Bool", 1, BTF_INT_BOOL);
	be16 = btf__add_typedef(btf, "__be16", btf__add_typedef(btf, "__u16", u16));
	be32 = btf__add_typedef(btf, "__be32", btf__add_const(btf, u32));
	color = btf__add_enum(btf, "color", 4);
	btf__add_enum_value(btf, "RED", 1);
	btf__add_enum_value(btf, "BLUE", 7);
	mac = add_array(u8, 6);
	name8 = add_array(chr, 8);
	be128 = add_array(be32, 4);
	add_flow();
	in6 = btf__add_struct(btf, "in6_addr", 16);
	btf__add_field(btf, "u6_addr32", be128, 0, 0);
	un = btf__add_union(btf, NULL, 4);
	btf__add_field(btf, "number", u32, 0, 0);
	btf__add_field(btf, "half", u16, 0, 0);
	bits = btf__add_struct(btf, "bits", 4);
	btf__add_field(btf, "low", u32, 0, 3);
	btf__add_field(btf, "mid", u32, 3, 10);
	btf__add_field(btf, "sign", s32, 13, 4);
	nested = btf__add_struct(btf, "nested", 24);
	btf__add_field(btf, "flow", flow, 0, 0);
	btf__add_field(btf, "", un, 128, 0);
	btf__add_field(btf, "on", boolean, 160, 0);
	list3 = add_array(s32, 3);
	var = btf__add_var(btf, "limit", BTF_VAR_GLOBAL_ALLOCATED, u32);
	section = btf__add_datasec(btf, ".bss", 8);
	btf__add_datasec_var_info(btf, var, 4, 4);
	return section > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	btf__free(btf);
	return 0;
}

static void shows(int type, const void *bytes, size_t size, const char *want)
{
	json_t *json = vs_btf_show(btf, (uint32_t)type, bytes, size);
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_string_equal(text, want);
	free(text);
	json_decref(json);
}

/* 'text' is read as 'bytes', which are shown as 'want'. */
static void reads(int type, const char *text, const void *bytes, size_t size, const char *want)
{
	uint8_t got[64] = {0};
	struct err err = {0};

	if (vs_btf_read(btf, (uint32_t)type, text, got, size, "value", &err) != 0)
		fail_msg("%s: %s", text, err.what);
	assert_memory_equal(got, bytes, size);
	shows(type, got, size, want);
}

static void refuses(int type, const char *text, size_t size)
{
	uint8_t got[64] = {0};
	struct err err = {0};

	assert_int_equal(vs_btf_read(btf, (uint32_t)type, text, got, size, "value", &err), -EINVAL);
	assert_string_equal(err.slug, "bad-value");
	assert_non_null(strstr(err.what, "value"));
}

static void numbers_keep_their_size_and_sign(void **state)
{
	reads(u32, "300", "\x2c\x01\0\0", 4, "300");
	reads(u32, "0x12c", "\x2c\x01\0\0", 4, "300");
	reads(u32, "-1", "\xff\xff\xff\xff", 4, "4294967295");
	reads(s32, "-2", "\xfe\xff\xff\xff", 4, "-2");
	reads(u64, "18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff", 8,
	      "\"18446744073709551615\"");
	reads(boolean, "true", "\1", 1, "true");
	refuses(u8, "256", 1);
	refuses(s32, "2147483648", 4);
	refuses(u32, "4294967296", 4);
	refuses(u32, "12 apples", 4);
	refuses(u32, "", 4);
	refuses(u64, "18446744073709551616", 8);
	refuses(u32, "1.5", 4);
	refuses(u32, "[1]", 4);
}

static void network_order_is_shown_as_people_write_it(void **state)
{
	reads(be32, "10.0.0.1", "\x0a\0\0\1", 4, "\"10.0.0.1\"");
	reads(be16, "80", "\0\x50", 2, "80");
	reads(be128, "fd00::1", "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, "\"fd00::1\"");
	reads(in6, "fd00::1", "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, "\"fd00::1\"");
	/* Four bytes of whatever type take an address. */
	reads(u32, "10.0.0.1", "\x0a\0\0\1", 4, "16777226");
	refuses(be32, "10.0.0.256", 4);
	refuses(be16, "65536", 2);
	refuses(be128, "fd00::1::", 16);
}

static void texts_and_macs_are_texts(void **state)
{
	reads(mac, "02:00:00:00:00:0a", "\2\0\0\0\0\x0a", 6, "\"02:00:00:00:00:0a\"");
	reads(name8, "eth0", "eth0\0\0\0\0", 8, "\"eth0\"");
	reads(name8, "12345678", "12345678", 8, "\"12345678\"");
	refuses(name8, "123456789", 8);
	refuses(mac, "02:00:00:00:00", 6);
	/* What would not be read back the same is bytes. */
	shows(name8, "a\0b\0\0\0\0\0", 8, "\"hex:6100620000000000\"");
	shows(name8, "\x1b[31m\0\0\0", 8, "\"hex:1b5b33316d000000\"");
	shows(name8, "hex:00\0\0", 8, "\"hex:6865783a30300000\"");
}

static void structs_are_objects_and_fields_that_are_not_named_stay(void **state)
{
	uint8_t got[16] = "\1\2\3\4\0\x50\0\0\7\0\0\0\xff\xff\xff\xff";
	const char *all = "{\"saddr\":\"1.2.3.4\",\"port\":80,\"what\":\"BLUE\",\"delta\":-1}";
	struct err err = {0};

	shows(flow, got, 16, all);
	reads(flow, all, got, 16, all);
	assert_int_equal(vs_btf_read(btf, (uint32_t)flow, "{\"port\": 443}", got, 16, "v", &err),
			 0);
	shows(flow, got, 16, "{\"saddr\":\"1.2.3.4\",\"port\":443,\"what\":\"BLUE\",\"delta\":-1}");
	reads(color, "RED", "\1\0\0\0", 4, "\"RED\"");
	reads(color, "9", "\x9\0\0\0", 4, "9");
	refuses(color, "GREEN", 4);
	refuses(flow, "{\"prot\": 1}", 16);
	refuses(flow, "{\"port\": 1", 16);
	refuses(flow, "{\"port\": 1, \"port\": 2}", 16);
	refuses(flow, "7", 16);
}

static void bits_unions_arrays_and_sections_have_their_places(void **state)
{
	uint8_t got[24] = {0};

	reads(bits, "{\"low\":5,\"mid\":1023,\"sign\":-3}", "\xfd\xbf\x01\0", 4,
	      "{\"low\":5,\"mid\":1023,\"sign\":-3}");
	refuses(bits, "{\"low\": 8}", 4);
	refuses(bits, "{\"mid\": 1024}", 4);
	reads(list3, "[1,-2,3]", "\1\0\0\0\xfe\xff\xff\xff\3\0\0\0", 12, "[1,-2,3]");
	refuses(list3, "[1,2]", 12);
	reads(section, "{\"limit\":9}", "\0\0\0\0\x9\0\0\0", 8, "{\"limit\":9}");
	/* A section of one variable may be that. */
	reads(section, "9", "\0\0\0\0\x9\0\0\0", 8, "{\"limit\":9}");
	got[16] = 2;
	got[20] = 1;
	reads(nested, "{\"half\": 2, \"on\": true}", got, 24,
	      "{\"flow\":{\"saddr\":\"0.0.0.0\",\"port\":0,\"what\":0,\"delta\":0},\"number\":2,"
	      "\"half\":2,\"on\":true}");
}

static void bytes_are_taken_for_anything(void **state)
{
	reads(0, "hex:0102", "\1\2", 2, "\"hex:0102\"");
	reads(0, "0x01 02 03", "\1\2\3", 3, "\"hex:010203\"");
	reads(flow, "0x00000000 0050 0000 01000000 00000000", "\0\0\0\0\0\x50\0\0\1\0\0\0\0\0\0\0",
	      16, "{\"saddr\":\"0.0.0.0\",\"port\":80,\"what\":\"RED\",\"delta\":0}");
	reads(u32, "0x01 00 00 00", "\1\0\0\0", 4, "1");
	reads(u32, "hex:01000000", "\1\0\0\0", 4, "1");
	reads(0, "7", "\7\0\0\0", 4, "\"hex:07000000\"");
	refuses(0, "hex:01", 2);
	refuses(0, "hex:010203", 2);
	refuses(0, "hex:01x2", 2);
	refuses(0, "hex:012", 2);
	refuses(0, "7", 3);
}

/* An object may say anything of its types. */
static void types_that_lie_are_bytes(void **state)
{
	int huge = add_array(u64, 0x20000000), empty = add_array(u8, 0);
	int long_struct = btf__add_struct(btf, "long", 400), outside = btf__add_struct(btf, "o", 8);

	btf__add_field(btf, "far", u32, 3000, 0);
	(void)long_struct;
	shows(huge, "\1\2\3\4", 4, "\"hex:01020304\"");
	shows(empty, "\1", 1, "\"hex:01\"");
	shows(long_struct, "\1\2\3\4", 4, "\"hex:01020304\"");
	shows(outside, "\0\0\0\0\0\0\0\0", 8, "{}");
	shows(99999, "\1", 1, "\"hex:01\"");
	shows(flow, "\1\2\3", 3, "\"hex:010203\"");
	shows(u64, "\1\2\3", 3, "\"hex:010203\"");
	shows(0, "", 0, "\"hex:\"");
	refuses(outside, "{\"far\": 1}", 8);
}

static void types_have_names(void **state)
{
	char name[80];

	vs_btf_type_name(btf, (uint32_t)flow, name, sizeof(name));
	assert_string_equal(name, "struct flow");
	vs_btf_type_name(btf, (uint32_t)be32, name, sizeof(name));
	assert_string_equal(name, "__be32");
	vs_btf_type_name(btf, (uint32_t)mac, name, sizeof(name));
	assert_string_equal(name, "unsigned char[6]");
	vs_btf_type_name(NULL, 1, name, sizeof(name));
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_keep_their_size_and_sign),
		cmocka_unit_test(network_order_is_shown_as_people_write_it),
		cmocka_unit_test(texts_and_macs_are_texts),
		cmocka_unit_test(structs_are_objects_and_fields_that_are_not_named_stay),
		cmocka_unit_test(bits_unions_arrays_and_sections_have_their_places),
		cmocka_unit_test(bytes_are_taken_for_anything),
		cmocka_unit_test(types_that_lie_are_bytes),
		cmocka_unit_test(types_have_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
