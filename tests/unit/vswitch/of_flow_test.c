/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Matches, actions, instructions and flow messages: decode(encode(x)) == x, and each way to be
 * wrong has the specification's error.
 */
#include "vswitch/of/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/of_gen.h"
#include "vswitch/of/header.h"

/* "0a 0b" to bytes; returns how many. */
static size_t hex(const char *text, uint8_t *bytes)
{
	size_t n = 0;

	for (; *text != '\0'; text += text[0] == ' ' ? 1 : 2)
		if (*text != ' ') {
			char digits[3] = {text[0], text[1], '\0'};

			bytes[n++] = (uint8_t)strtoul(digits, NULL, 16);
		}
	return n;
}

/* 'oxms' as a match, with its header and padding. */
static void assert_match(const char *oxms, enum of_error error)
{
	struct wr wr = wr_init(65535);
	struct of_match match;
	uint8_t bytes[256];
	size_t size = hex(oxms, bytes);
	enum of_error got;
	struct rd rd;

	wr_be16(&wr, 1);
	wr_be16(&wr, (uint16_t)(size + 4));
	wr_bytes(&wr, bytes, size);
	wr_pad(&wr, 0, 8);
	rd = rd_init(wr.bytes, wr.size);
	got = of_match_decode(&rd, &match);
	if (got != error)
		fail_msg("%s: %s, not %s", oxms, of_error_name(got), of_error_name(error));
	wr_fini(&wr);
}

static void a_match_is_refused_with_the_error_of_the_specification(void **state)
{
	assert_match("", OF_OK);
	assert_match("80000004 00000001", OF_OK);
	assert_match("80000004 000000", OFPBMC_BAD_LEN);
	assert_match("800000", OFPBMC_BAD_LEN);
	assert_match("80000003 000001", OFPBMC_BAD_LEN);
	assert_match("80000108 00000001 ffffffff", OFPBMC_BAD_MASK);
	assert_match("80000004 00000001 80000004 00000001", OFPBMC_DUP_FIELD);
	assert_match("8000fe01 00", OFPBMC_BAD_FIELD);
	assert_match("12340001 00", OFPBMC_BAD_FIELD);
	assert_match("00000802 1005", OFPBMC_BAD_FIELD); /* vlan_tci: for load and move */
	assert_match("ffff5406 12345678 0000", OFPBMC_BAD_FIELD);
	assert_match("80000c02 2000", OFPBMC_BAD_VALUE); /* 13 bits of vlan_vid */
	assert_match("80000d04 1005 1000", OFPBMC_BAD_WILDCARDS);
	assert_match("80000e01 03", OFPBMC_BAD_PREREQ); /* vlan_pcp without a tag */
	assert_match("80000c02 0000 80000e01 03", OFPBMC_BAD_PREREQ);
	assert_match("80000c02 1005 80000e01 03", OF_OK);
	assert_match("80000d04 1000 1000 80000e01 03", OF_OK);
	assert_match("80000c02 1005 80000e01 08", OFPBMC_BAD_VALUE);
	assert_match("80001604 0a000001", OFPBMC_BAD_PREREQ); /* ipv4_src */
	assert_match("80000a02 0800 80001604 0a000001", OF_OK);
	assert_match("80001604 0a000001 80000a02 0800", OFPBMC_BAD_PREREQ); /* the order */
	assert_match("80000a02 86dd 80001604 0a000001", OFPBMC_BAD_PREREQ);
	assert_match("80000a02 0800 80001401 06 80001a02 0050", OF_OK);
	assert_match("80000a02 0800 80001401 11 80001a02 0050", OFPBMC_BAD_PREREQ);
	assert_match("80000204 00000001", OFPBMC_BAD_PREREQ); /* in_phy_port alone */
	assert_match("80000a02 88e7 80004a03 000001", OF_OK); /* pbb_isid */
	assert_match("80000a02 86dd 80004f04 0200 0200",
		     OFPBMC_BAD_VALUE);			       /* ipv6_exthdr: 9 bits */
	assert_match("80000706 000000000001", OFPBMC_BAD_LEN); /* has a mask, and no room for it */
}

static void a_match_of_another_type_or_without_its_padding_is_refused(void **state)
{
	static const uint8_t standard[8] = {0, 0, 0, 4}, padless[4] = {0, 1, 0, 4},
			     small[8] = {0, 1, 0, 3}, large[8] = {0, 1, 0, 9};
	struct of_match match;
	struct rd rd = rd_init(standard, 8);

	assert_int_equal(of_match_decode(&rd, &match), OFPBMC_BAD_TYPE);
	rd = rd_init(padless, 4);
	assert_int_equal(of_match_decode(&rd, &match), OFPBMC_BAD_LEN);
	rd = rd_init(small, 8);
	assert_int_equal(of_match_decode(&rd, &match), OFPBMC_BAD_LEN);
	rd = rd_init(large, 8);
	assert_int_equal(of_match_decode(&rd, &match), OFPBMC_BAD_LEN);
}

static void an_all_zero_mask_is_no_field_and_an_all_ones_mask_stays(void **state)
{
	static const char zero[] = "0001 0014 8000070c 000000000000 000000000000 00000000";
	static const char ones[] = "0001 0014 8000070c 000000000000 ffffffffffff 00000000";
	struct wr wr = wr_init(100);
	struct of_match match;
	uint8_t bytes[64];
	size_t size = hex(zero, bytes);
	struct rd rd = rd_init(bytes, size);

	assert_int_equal(of_match_decode(&rd, &match), OF_OK);
	assert_int_equal(match.n, 0);
	size = hex(ones, bytes);
	rd = rd_init(bytes, size);
	assert_int_equal(of_match_decode(&rd, &match), OF_OK);
	assert_int_equal(match.n, 1);
	of_match_encode(&wr, &match);
	assert_int_equal(wr.size, size);
	assert_memory_equal(wr.bytes, bytes, size);
	wr_fini(&wr);
}

/* One bit at a time, what equality, covering and overlap mean. */
static bool brute_covers(const struct of_oxm *w, const struct of_oxm *n)
{
	uint64_t wm = of_oxm_mask(w), nm = of_oxm_mask(n);

	return (wm & ~nm) == 0 && ((of_oxm_value(w) ^ of_oxm_value(n)) & wm) == 0;
}

static void covering_and_overlap_agree_with_their_definitions(void **state)
{
	uint64_t seed = 5;

	for (int i = 0; i < 20000; i++) {
		struct of_match a = {0}, b = {0};
		struct of_oxm x =
			of_oxm_u64_masked(OF_F_REG0, of_gen(&seed) & 3, of_gen(&seed) & 3);
		struct of_oxm y =
			of_oxm_u64_masked(OF_F_REG0, of_gen(&seed) & 3, of_gen(&seed) & 3);
		uint64_t both = of_oxm_mask(&x) & of_oxm_mask(&y);

		of_match_set(&a, &x);
		of_match_set(&b, &y);
		assert_int_equal(of_match_covers(&a, &b), brute_covers(&x, &y));
		assert_int_equal(of_match_overlaps(&a, &b),
				 ((of_oxm_value(&x) ^ of_oxm_value(&y)) & both) == 0);
		assert_int_equal(of_match_equal(&a, &b),
				 of_match_covers(&a, &b) && of_match_covers(&b, &a));
		if (of_match_equal(&a, &b))
			assert_true(of_match_hash(&a) == of_match_hash(&b));
	}
}

static void random_matches_come_back_and_cover_themselves(void **state)
{
	uint64_t seed = 77;

	for (int i = 0; i < 20000; i++) {
		struct wr wr = wr_init(65535);
		struct of_match match, again, less;
		struct rd rd;

		of_gen_match(&seed, &match);
		of_match_encode(&wr, &match);
		rd = rd_init(wr.bytes, wr.size);
		assert_int_equal(of_match_decode(&rd, &again), OF_OK);
		assert_int_equal(rd.left, 0);
		assert_true(of_match_equal(&match, &again));
		assert_true(of_match_covers(&match, &again) && of_match_overlaps(&match, &again));
		if (match.n > 0) {
			memcpy(&less, &match, sizeof(less));
			of_match_unset(&less, (enum of_field)match.v[i % match.n].field);
			assert_true(of_match_covers(&less, &match));
			assert_false(of_match_covers(&match, &less));
		}
		wr_fini(&wr);
	}
}

static void assert_actions(const char *text, enum of_error error)
{
	struct of_actions actions;
	uint8_t bytes[256];
	struct rd rd = rd_init(bytes, hex(text, bytes));
	enum of_error got = of_actions_decode(&rd, &actions);

	if (got != error)
		fail_msg("%s: %s, not %s", text, of_error_name(got), of_error_name(error));
	of_actions_fini(&actions);
}

static void an_action_is_refused_with_the_error_of_the_specification(void **state)
{
	assert_actions("0000 0010 00000001 0000 000000000000", OF_OK);
	assert_actions("0000 0008 00000001", OFPBAC_BAD_LEN);
	assert_actions("0000 0004", OFPBAC_BAD_LEN);
	assert_actions("0000 000c 00000001 00000000", OFPBAC_BAD_LEN);
	assert_actions("0000 0018 00000001 0000 000000000000", OFPBAC_BAD_LEN);
	assert_actions("0000 ffff 00000001 0000 000000000000", OFPBAC_BAD_LEN);
	assert_actions("0000 0010 00000000 0000 000000000000", OFPBAC_BAD_OUT_PORT);
	assert_actions("0000 0010 ffffffff 0000 000000000000", OFPBAC_BAD_OUT_PORT);
	assert_actions("0000 0010 ffffff01 0000 000000000000", OFPBAC_BAD_OUT_PORT);
	assert_actions("0001 0008 00000000", OFPBAC_BAD_TYPE);
	assert_actions("00ff 0008 00000000", OFPBAC_BAD_TYPE);
	assert_actions("0011 0008 81000000", OF_OK);
	assert_actions("0011 0008 08000000", OFPBAC_BAD_ARGUMENT);
	assert_actions("0013 0008 88470000", OF_OK);
	assert_actions("0013 0008 08000000", OFPBAC_BAD_ARGUMENT);
	assert_actions("001a 0008 88e70000", OF_OK);
	assert_actions("001a 0008 81000000", OFPBAC_BAD_ARGUMENT);
	assert_actions("0016 0008 ffffffff", OFPBAC_BAD_OUT_GROUP);
	assert_actions("0015 0008 ffffffff", OFPBAC_BAD_QUEUE);
	assert_actions("0019 0010 80000606 000000000001 0000", OF_OK);
	assert_actions("0019 0018 80000606 000000000001 0000 0000000000000000", OFPBAC_BAD_SET_LEN);
	assert_actions("0019 0010 80000604 00000000 00000000", OFPBAC_BAD_SET_LEN);
	assert_actions("0019 0018 8000070c 000000000001 ffffffffffff 00000000",
		       OFPBAC_BAD_SET_TYPE);
	assert_actions("0019 0010 80000004 00000001 00000000", OFPBAC_BAD_SET_TYPE); /* in_port */
	assert_actions("0019 0010 80000408 0000000000000001", OFPBAC_BAD_SET_TYPE);
	assert_actions("0019 0010 8000fe04 00000001 00000000", OFPBAC_BAD_SET_TYPE);
	assert_actions("0019 0010 80000c02 0005 000000000000", OFPBAC_BAD_SET_ARGUMENT);
	assert_actions("0019 0010 80000c02 1005 000000000000", OF_OK);
	assert_actions("0019 0010 80001001 40 00000000000000", OFPBAC_BAD_SET_ARGUMENT);
	assert_actions("ffff 0010 12345678 0001000000000000", OFPBAC_BAD_EXPERIMENTER);
	assert_actions("ffff 0010 00002320 ffff000000000000", OFPBAC_BAD_EXP_TYPE);
	assert_actions("ffff 0008 00002320", OFPBAC_BAD_LEN);
	assert_actions("ffff 0010 00002320 0024000000010000", OFPBAC_BAD_ARGUMENT); /* nat alone */
	assert_actions("ffff 0010 00002320 002b000000000000", OF_OK);		    /* ct_clear */
	assert_actions("ffff 0018 00002320 0023 0002 00000000 0000 ff 000000 0000",
		       OFPBAC_BAD_ARGUMENT); /* force without commit */
	assert_actions(
		"ffff 0020 00002320 0023 0001 00000000 0000 ff 000000 0000 0012 0008 00000000",
		OFPBAC_BAD_ARGUMENT); /* pop_vlan in ct */
}

/* Nested as deep as a message can be: refused at the second level, whatever follows. */
static void ct_does_not_nest(void **state)
{
	struct of_actions actions;
	uint8_t bytes[48];
	struct rd rd;

	hex("ffff 0030 00002320 0023 0001 00000000 0000 ff 000000 0000"
	    "ffff 0018 00002320 0023 0001 00000000 0000 ff 000000 0000",
	    bytes);
	rd = rd_init(bytes, sizeof(bytes));
	assert_int_equal(of_actions_decode(&rd, &actions), OFPBAC_BAD_ARGUMENT);
	assert_null(actions.v);
}

static enum of_error check(const char *match_text, const char *actions_text)
{
	struct of_actions actions;
	struct of_match match;
	uint8_t m[128], a[128];
	struct rd rd = rd_init(m, hex(match_text, m));
	enum of_error error;

	assert_int_equal(of_match_decode(&rd, &match), OF_OK);
	rd = rd_init(a, hex(actions_text, a));
	assert_int_equal(of_actions_decode(&rd, &actions), OF_OK);
	error = of_actions_check(&actions, &match, false);
	of_actions_fini(&actions);
	return error;
}

static void actions_must_fit_the_packets_of_the_match(void **state)
{
	static const char any[] = "0001 0004 00000000";
	static const char ip[] = "0001 000a 80000a02 0800 000000000000";
	static const char mpls[] = "0001 000a 80000a02 8847 000000000000";
	static const char set_ip[] = "0019 0010 80001604 0a000001 00000000";
	static const char pop_to_ip[] = "0014 0008 08000000 0019 0010 80001604 0a000001 00000000";
	static const char push_dec[] = "0013 0008 88470000 0010 0008 00000000";

	assert_int_equal(check(any, set_ip), OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(check(ip, set_ip), OF_OK);
	assert_int_equal(check(mpls, set_ip), OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(check(mpls, pop_to_ip), OF_OK);
	assert_int_equal(check(ip, pop_to_ip), OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(check(ip, push_dec), OF_OK);
	assert_int_equal(check(any, "0000 0010 fffffff9 0000 000000000000"), OFPBAC_BAD_OUT_PORT);
	assert_int_equal(check(any, "0018 0008 00000000"), OFPBAC_MATCH_INCONSISTENT);
	assert_int_equal(check(ip, "0018 0008 00000000"), OF_OK);
}

static void assert_instrs(const char *text, enum of_error error)
{
	struct of_instrs instrs;
	uint8_t bytes[256];
	struct rd rd = rd_init(bytes, hex(text, bytes));
	enum of_error got = of_instrs_decode(&rd, &instrs);

	if (got != error)
		fail_msg("%s: %s, not %s", text, of_error_name(got), of_error_name(error));
	of_instrs_fini(&instrs);
}

static void an_instruction_is_refused_with_the_error_of_the_specification(void **state)
{
	assert_instrs("0001 0008 05000000", OF_OK);
	assert_instrs("0001 0008 ff000000", OFPBIC_BAD_TABLE_ID);
	assert_instrs("0001 0010 05000000 0000000000000000", OFPBIC_BAD_LEN);
	assert_instrs("0001 0008 05000000 0001 0008 06000000", OFPBIC_DUP_INST);
	assert_instrs("0002 0018 00000000 0000000000000001 ffffffffffffffff", OF_OK);
	assert_instrs("0002 0010 00000000 0000000000000001", OFPBIC_BAD_LEN);
	assert_instrs("0004 0008 00000000", OF_OK);
	assert_instrs("0004 0010 00000000 0000 0010 00000001", OFPBAC_BAD_LEN);
	assert_instrs("0005 0010 00000000 0012 0008 00000000", OFPBIC_BAD_LEN);
	assert_instrs("0006 0008 00000001", OF_OK);
	assert_instrs("0006 0008 00000000", OFPMMFC_INVALID_METER);
	assert_instrs("0007 0008 00000000", OFPBIC_UNKNOWN_INST);
	assert_instrs("0000 0008 00000000", OFPBIC_UNKNOWN_INST);
	assert_instrs("ffff 0008 12345678", OFPBIC_BAD_EXPERIMENTER);
	assert_instrs("0001 0000 05000000", OFPBIC_BAD_LEN);
	assert_instrs("0001 0004", OFPBIC_BAD_LEN);
	assert_instrs("0001 ffff 05000000", OFPBIC_BAD_LEN);
	assert_instrs("000100", OFPBIC_BAD_LEN);
}

/* A message's bytes decoded and encoded again are the same. */
static void flow_mods_come_back_byte_for_byte(void **state)
{
	uint64_t seed = 99;

	for (int i = 0; i < 20000; i++) {
		struct wr a = wr_init(65535), b = wr_init(65535);
		struct of_flow_mod mod, again, copy;
		struct rd rd;

		of_gen_flow_mod(&seed, &mod);
		of_flow_mod_encode(&a, 7, &mod);
		assert_true(wr_ok(&a));
		rd = rd_init(a.bytes + OF_HEADER_SIZE, a.size - OF_HEADER_SIZE);
		assert_int_equal(of_flow_mod_decode(&rd, &again), OF_OK);
		of_flow_mod_encode(&b, 7, &again);
		assert_int_equal(a.size, b.size);
		assert_memory_equal(a.bytes, b.bytes, a.size);
		assert_true(of_instrs_equal(&mod.instrs, &again.instrs));
		assert_true(of_instrs_copy(&again.instrs, &copy.instrs));
		assert_true(of_instrs_equal(&copy.instrs, &again.instrs));
		of_instrs_fini(&copy.instrs);
		of_flow_mod_fini(&mod);
		of_flow_mod_fini(&again);
		wr_fini(&a);
		wr_fini(&b);
	}
}

/* Cut short anywhere, or with one byte changed, it is a message or a named error, never more. */
static void damaged_flow_mods_are_refused_by_name(void **state)
{
	uint64_t seed = 3;

	for (int i = 0; i < 300; i++) {
		struct wr a = wr_init(65535);
		struct of_flow_mod mod;

		of_gen_flow_mod(&seed, &mod);
		of_flow_mod_encode(&a, 7, &mod);
		of_flow_mod_fini(&mod);
		for (size_t n = OF_HEADER_SIZE; n < a.size; n++) {
			uint8_t *cut = malloc(n + 1); /* of its own, for ASan */
			struct rd rd = rd_init(cut, n - OF_HEADER_SIZE);
			enum of_error error;

			memcpy(cut, a.bytes + OF_HEADER_SIZE, n - OF_HEADER_SIZE);
			if (i % 2 && n > OF_HEADER_SIZE)
				cut[of_gen_below(&seed, (uint32_t)(n - OF_HEADER_SIZE))] =
					(uint8_t)of_gen(&seed);
			error = of_flow_mod_decode(&rd, &mod);
			assert_non_null(of_error_name(error));
			if (error == OF_OK)
				of_flow_mod_fini(&mod);
			if (n < OF_HEADER_SIZE + 48)
				assert_int_not_equal(error, OF_OK);
			free(cut);
		}
		wr_fini(&a);
	}
}

static void the_head_of_a_flow_mod_is_checked(void **state)
{
	struct of_flow_mod mod = {.out_port = OFPP_ANY, .out_group = OF_GROUP_ANY}, again;
	struct wr wr = wr_init(65535);
	struct rd rd;

	of_flow_mod_encode(&wr, 1, &mod);
	for (unsigned command = 0; command < 8; command++) {
		wr.bytes[8 + 17] = (uint8_t)command;
		rd = rd_init(wr.bytes + 8, wr.size - 8);
		assert_int_equal(of_flow_mod_decode(&rd, &again),
				 command <= 4 ? OF_OK : OFPFMFC_BAD_COMMAND);
	}
	for (unsigned command = 0; command < 5; command++) {
		wr.bytes[8 + 16] = OF_TABLE_ALL;
		wr.bytes[8 + 17] = (uint8_t)command;
		rd = rd_init(wr.bytes + 8, wr.size - 8);
		assert_int_equal(of_flow_mod_decode(&rd, &again),
				 command >= 3 ? OF_OK : OFPFMFC_BAD_TABLE_ID);
	}
	wr.bytes[8 + 37] = 0x20;
	rd = rd_init(wr.bytes + 8, wr.size - 8);
	assert_int_equal(of_flow_mod_decode(&rd, &again), OFPFMFC_BAD_FLAGS);
	wr_fini(&wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_match_is_refused_with_the_error_of_the_specification),
		cmocka_unit_test(a_match_of_another_type_or_without_its_padding_is_refused),
		cmocka_unit_test(an_all_zero_mask_is_no_field_and_an_all_ones_mask_stays),
		cmocka_unit_test(covering_and_overlap_agree_with_their_definitions),
		cmocka_unit_test(random_matches_come_back_and_cover_themselves),
		cmocka_unit_test(an_action_is_refused_with_the_error_of_the_specification),
		cmocka_unit_test(ct_does_not_nest),
		cmocka_unit_test(actions_must_fit_the_packets_of_the_match),
		cmocka_unit_test(an_instruction_is_refused_with_the_error_of_the_specification),
		cmocka_unit_test(flow_mods_come_back_byte_for_byte),
		cmocka_unit_test(damaged_flow_mods_are_refused_by_name),
		cmocka_unit_test(the_head_of_a_flow_mod_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
