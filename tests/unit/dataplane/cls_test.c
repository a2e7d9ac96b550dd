/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The classifier against a list of rules searched from end to end.
 */
#include "dataplane/cls.h"
#include "dataplane/cls_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_RULES 600
#define N_MASKS 12

struct rule {
	struct dp_cls_rule cr;
	struct dp_key key, mask;
	int32_t priority;
	uint64_t from, to;
	bool in;
};

static struct dp_cls *cls;
static struct rule rules[N_RULES];
static uint64_t state;

static uint32_t rnd(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

/* Few values, so that rules and keys meet. */
static struct dp_key random_key(void)
{
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IN_PORT, rnd(3));
	dp_key_set(&key, DP_FIELD_IP_PROTO, rnd(3));
	dp_key_set(&key, DP_FIELD_IP4_SRC, 0x0a000000 | rnd(4) << 8 | rnd(4));
	dp_key_set(&key, DP_FIELD_IP4_DST, 0x14000000 | rnd(4) << 16 | rnd(4));
	dp_key_set(&key, DP_FIELD_TP_DST, rnd(4));
	dp_key_set(&key, DP_FIELD_METADATA, rnd(2));
	return key;
}

static struct dp_key mask_of(unsigned i)
{
	struct dp_key mask = {0};

	if (i & 1)
		dp_key_cover(&mask, DP_FIELD_IN_PORT);
	if (i & 2)
		dp_key_set(&mask, DP_FIELD_IP4_SRC, i & 4 ? 0xffffff00 : 0xffffffff);
	if (i & 4)
		dp_key_cover(&mask, DP_FIELD_IP4_DST);
	if (i & 8)
		dp_key_cover(&mask, DP_FIELD_TP_DST);
	if (i % 3 == 2)
		dp_key_cover(&mask, DP_FIELD_METADATA);
	return mask;
}

static bool sees(const struct rule *r, uint64_t version)
{
	return r->in && r->from <= version && version < r->to;
}

static const struct rule *naive_find(const struct dp_key *key, uint64_t version)
{
	const struct rule *best = NULL;

	for (unsigned i = 0; i < N_RULES; i++)
		if (sees(&rules[i], version) && dp_key_equal(&rules[i].key, key, &rules[i].mask) &&
		    (best == NULL || rules[i].priority > best->priority))
			best = &rules[i];
	return best;
}

static int setup(void **unused)
{
	state = 42;
	memset(rules, 0, sizeof(rules));
	return dp_cls_create(NULL, NULL, &cls);
}

static bool take_out(struct dp_cls_rule *cr, void *arg)
{
	struct rule *r = (struct rule *)cr;

	dp_cls_remove(cls, cr);
	dp_cls_rule_fini(cr);
	r->in = false;
	return true;
}

static int teardown(void **unused)
{
	dp_cls_each(cls, take_out, NULL);
	assert_int_equal(dp_cls_n_rules(cls), 0);
	assert_int_equal(dp_cls_n_tuples(cls), 0);
	dp_cls_destroy(cls);
	return 0;
}

static void insert(struct rule *r, const struct dp_key *key, const struct dp_key *mask,
		   int32_t priority, uint64_t from)
{
	*r = (struct rule){.key = *key,
			   .mask = *mask,
			   .priority = priority,
			   .from = from,
			   .to = DP_CLS_FOREVER,
			   .in = true};
	assert_int_equal(dp_cls_insert(cls, &r->cr, key, mask, priority, from), 0);
}

static void insert_random(struct rule *r, uint64_t from)
{
	struct dp_key key = random_key(), mask = mask_of(rnd(N_MASKS));

	/* No two equal ones at a time: which of them is found would be luck. */
	if (dp_cls_exact(cls, &key, &mask, (int32_t)rnd(50), from) == NULL) {
		int32_t priority = (int32_t)rnd(50);

		if (dp_cls_exact(cls, &key, &mask, priority, from) == NULL)
			insert(r, &key, &mask, priority, from);
	}
}

static void empty_classifier_finds_nothing_and_looks_at_nothing(void **unused)
{
	struct dp_key key = random_key(), wc = {0}, none = {0};

	assert_null(dp_cls_find(cls, &key, 1, &wc));
	assert_memory_equal(&wc, &none, sizeof(wc));
}

static void rule_without_mask_matches_everything(void **unused)
{
	struct dp_key none = {0}, key = random_key();

	insert(&rules[0], &none, &none, 0, 1);
	assert_ptr_equal(dp_cls_find(cls, &key, 1, NULL), &rules[0].cr);
}

static void rule_is_seen_from_its_version_until_it_is_retired(void **unused)
{
	struct dp_key none = {0};

	insert(&rules[0], &none, &none, 5, 7);
	dp_cls_retire(&rules[0].cr, 9);
	assert_null(dp_cls_find(cls, &none, 6, NULL));
	assert_non_null(dp_cls_find(cls, &none, 7, NULL));
	assert_non_null(dp_cls_find(cls, &none, 8, NULL));
	assert_null(dp_cls_find(cls, &none, 9, NULL));
}

/* Random changes; after each some searches, which must say what the list says, and whose answer
 * must hold for every key that is equal in the bits looked at. */
static void classifier_agrees_with_a_list_of_rules(void **unused)
{
	for (uint64_t version = 1; version < 4000; version++) {
		struct rule *r = &rules[rnd(N_RULES)];

		if (!r->in) {
			insert_random(r, version);
		} else if (rnd(3) == 0 && r->to == DP_CLS_FOREVER) {
			r->to = version;
			dp_cls_retire(&r->cr, version);
		} else {
			take_out(&r->cr, NULL);
		}
		for (unsigned i = 0; i < 8; i++) {
			struct dp_key key = random_key(), wc = {0}, other = random_key();
			uint64_t at = rnd(2) == 0 ? version : rnd((uint32_t)version + 2);
			const struct rule *want = naive_find(&key, at);
			const struct rule *got =
				(const struct rule *)dp_cls_find(cls, &key, at, &wc);

			assert_int_equal(got == NULL, want == NULL);
			if (got != NULL) {
				assert_true(dp_key_equal(&got->key, &key, &got->mask));
				assert_int_equal(got->priority, want->priority);
			}
			for (unsigned k = 0; k < DP_KEY_WORDS; k++)
				other.w[k] = (key.w[k] & wc.w[k]) | (other.w[k] & ~wc.w[k]);
			want = (const struct rule *)dp_cls_find(cls, &other, at, NULL);
			assert_int_equal(got == NULL ? -1 : got->priority,
					 want == NULL ? -1 : want->priority);
		}
	}
}

/* Addresses that no rule for ports names say enough. */
static void ports_are_looked_at_only_where_the_rest_agrees(void **unused)
{
	struct dp_key key = {0}, mask = {0}, late = {0}, wc;
	unsigned n_wrong = 0;

	dp_key_cover(&mask, DP_FIELD_IP4_DST);
	dp_key_cover(&mask, DP_FIELD_TP_DST);
	dp_key_cover(&late, DP_FIELD_TP_DST);
	for (unsigned i = 0; i < N_RULES; i++) {
		dp_key_set(&key, DP_FIELD_IP4_DST, i / 3);
		dp_key_set(&key, DP_FIELD_TP_DST, i);
		insert(&rules[i], &key, &mask, 1, 1);
	}
	for (unsigned i = 0; i < N_RULES; i++) {
		memset(&wc, 0, sizeof(wc));
		dp_key_set(&key, DP_FIELD_IP4_DST, i / 3);
		dp_key_set(&key, DP_FIELD_TP_DST, N_RULES);
		assert_null(dp_cls_find(cls, &key, 1, &wc));
		assert_memory_equal(&wc, &mask, sizeof(wc));
		memset(&wc, 0, sizeof(wc));
		dp_key_set(&key, DP_FIELD_IP4_DST, 1000 + i);
		assert_null(dp_cls_find(cls, &key, 1, &wc));
		n_wrong += (wc.w[DP_CLS_STAGE_WORD] & late.w[DP_CLS_STAGE_WORD]) != 0;
		assert_int_equal(dp_key_get(&wc, DP_FIELD_IP4_DST), UINT32_MAX);
	}
	assert_true(n_wrong < N_RULES / 20);
	/* All rules of an address go: its ports are of no interest any more. */
	for (unsigned i = 0; i < 30; i++)
		take_out(&rules[i].cr, NULL);
	n_wrong = 0;
	for (unsigned i = 0; i < 10; i++) {
		memset(&wc, 0, sizeof(wc));
		dp_key_set(&key, DP_FIELD_IP4_DST, i);
		assert_null(dp_cls_find(cls, &key, 1, &wc));
		n_wrong += dp_key_get(&wc, DP_FIELD_TP_DST) != 0;
	}
	assert_true(n_wrong <= 2);
}

static bool count_one(struct dp_cls_rule *cr, void *arg)
{
	++*(unsigned *)arg;
	return true;
}

static void related_rules_are_those_that_overlap_or_lie_within(void **unused)
{
	for (unsigned i = 0; i < 200; i++)
		insert_random(&rules[i], 1);
	for (unsigned n = 0; n < 100; n++) {
		struct dp_key key = random_key(), mask = mask_of(rnd(N_MASKS));
		unsigned overlap = 0, within = 0, want_overlap = 0, want_within = 0;

		for (unsigned i = 0; i < N_RULES; i++) {
			struct dp_key common;
			bool covers = true;

			if (!rules[i].in)
				continue;
			for (unsigned k = 0; k < DP_KEY_WORDS; k++) {
				common.w[k] = mask.w[k] & rules[i].mask.w[k];
				covers = covers && (mask.w[k] & ~rules[i].mask.w[k]) == 0;
			}
			if (!dp_key_equal(&key, &rules[i].key, &common))
				continue;
			want_overlap++;
			want_within += covers;
		}
		dp_cls_each_related(cls, &key, &mask, DP_CLS_OVERLAP, count_one, &overlap);
		dp_cls_each_related(cls, &key, &mask, DP_CLS_WITHIN, count_one, &within);
		assert_int_equal(overlap, want_overlap);
		assert_int_equal(within, want_within);
	}
}

static void match_of_a_rule_reads_back_masked(void **unused)
{
	struct dp_key key = random_key(), mask = mask_of(7), got_key, got_mask;

	insert(&rules[0], &key, &mask, 1, 1);
	dp_cls_rule_match(&rules[0].cr, &got_key, &got_mask);
	assert_memory_equal(&got_mask, &mask, sizeof(mask));
	assert_true(dp_key_equal(&got_key, &key, &mask));
	for (unsigned k = 0; k < DP_KEY_WORDS; k++)
		assert_int_equal(got_key.w[k] & ~mask.w[k], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(empty_classifier_finds_nothing_and_looks_at_nothing),
		TEST(rule_without_mask_matches_everything),
		TEST(rule_is_seen_from_its_version_until_it_is_retired),
		TEST(classifier_agrees_with_a_list_of_rules),
		TEST(ports_are_looked_at_only_where_the_rest_agrees),
		TEST(related_rules_are_those_that_overlap_or_lie_within),
		TEST(match_of_a_rule_reads_back_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
